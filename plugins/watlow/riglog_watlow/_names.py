"""The public names of riglog_watlow, each with its home. The only list: see ``riglog._lazy``."""

from riglog_watlow.config import WatlowConfig as WatlowConfig
from riglog_watlow.device import Controller as Controller
from riglog_watlow.device import Loop as Loop
from riglog_watlow.device import Snapshot as Snapshot
from riglog_watlow.driver import WatlowDriver as WatlowDriver
from riglog_watlow.identity import Identity as Identity
from riglog_watlow.identity import PartNumber as PartNumber
from riglog_watlow.maintenance import move_link as move_link
from riglog_watlow.parameters import Parameter as Parameter
from riglog_watlow.parameters import registry as registry
