"""Sartorius balances for riglog: xBPI, SBI, SBI autoprint. Source: Sartorius wire specification."""

from riglog_sartorius.config import Quantity, SartoriusConfig
from riglog_sartorius.device import Balance, Snapshot
from riglog_sartorius.driver import SartoriusDriver
from riglog_sartorius.identity import Identity
from riglog_sartorius.parameters import Parameter
from riglog_sartorius.samples import Amount, CalRecord, Reading, State
from riglog_sartorius.service import ParameterValue

__all__ = [
    "Amount",
    "Balance",
    "CalRecord",
    "Identity",
    "Parameter",
    "ParameterValue",
    "Quantity",
    "Reading",
    "SartoriusConfig",
    "SartoriusDriver",
    "Snapshot",
    "State",
]
