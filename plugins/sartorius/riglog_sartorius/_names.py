"""The public names of riglog_sartorius, each with its home. The only list: see ``riglog._lazy``."""

from riglog_sartorius.config import Quantity as Quantity
from riglog_sartorius.config import SartoriusConfig as SartoriusConfig
from riglog_sartorius.device import Balance as Balance
from riglog_sartorius.device import Snapshot as Snapshot
from riglog_sartorius.driver import SartoriusDriver as SartoriusDriver
from riglog_sartorius.identity import Identity as Identity
from riglog_sartorius.maintenance import move_link as move_link
from riglog_sartorius.parameters import Parameter as Parameter
from riglog_sartorius.samples import Amount as Amount
from riglog_sartorius.samples import CalRecord as CalRecord
from riglog_sartorius.samples import Reading as Reading
from riglog_sartorius.samples import State as State
from riglog_sartorius.service import ParameterValue as ParameterValue
