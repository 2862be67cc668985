"""The public names of riglog, each with its home. The only list: see ``_lazy``."""

from riglog.acquire import ActiveRun as ActiveRun
from riglog.acquire import Overflow as Overflow
from riglog.acquire import pipe as pipe
from riglog.acquire import record as record
from riglog.config import load_rig as load_rig
from riglog.errors import ConfigError as ConfigError
from riglog.errors import DeviceError as DeviceError
from riglog.errors import PortError as PortError
from riglog.errors import ProtocolError as ProtocolError
from riglog.errors import RiglogError as RiglogError
from riglog.errors import StorageError as StorageError
from riglog.manager import Manager as Manager
from riglog.model import Batch as Batch
from riglog.model import Channel as Channel
from riglog.model import ErrorPolicy as ErrorPolicy
from riglog.model import Sample as Sample
from riglog.model import Stamp as Stamp
from riglog.model import Status as Status
from riglog.model import new_run as new_run
from riglog.recordings import read as read
from riglog.rig import record_rig as record_rig
from riglog.sinks import MemorySink as MemorySink
from riglog.sinks import SqliteSink as SqliteSink
