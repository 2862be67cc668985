"""The public names of riglog_servomex, each with its home. The only list: see ``riglog._lazy``."""

from riglog_servomex.config import ServomexConfig as ServomexConfig
from riglog_servomex.device import Analyzer as Analyzer
from riglog_servomex.driver import ServomexDriver as ServomexDriver
from riglog_servomex.errors import BadFrameError as BadFrameError
from riglog_servomex.errors import ChannelAbsentError as ChannelAbsentError
from riglog_servomex.errors import CoilLeftSetError as CoilLeftSetError
from riglog_servomex.errors import OldFrameError as OldFrameError
from riglog_servomex.errors import StartUnknownError as StartUnknownError
from riglog_servomex.samples import AnalyzerStatus as AnalyzerStatus
from riglog_servomex.samples import Flags as Flags
from riglog_servomex.samples import Identity as Identity
from riglog_servomex.samples import Phase as Phase
from riglog_servomex.samples import Reading as Reading
from riglog_servomex.samples import Snapshot as Snapshot
