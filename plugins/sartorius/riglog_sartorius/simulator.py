"""The far end of the wire as a configuration would find it."""

from riglog_sartorius.config import XBPI, SartoriusConfig
from riglog_sartorius.simulation.balance import SimulatedBalance
from riglog_sartorius.simulation.sbi import SbiBalance
from riglog_sartorius.simulation.xbpi import XbpiBalance

AUTOPRINT_INTERVAL = 0.1
EVAPORATION = 0.0005
"""Grams per second that leave the vessel, so that a recording has something to show."""


def simulator(config: SartoriusConfig) -> SimulatedBalance:
    """A Cubis; another family is a knob."""
    balance: SimulatedBalance
    if config.wire == XBPI:
        balance = XbpiBalance(node=config.address)
    else:
        balance = SbiBalance(interval=AUTOPRINT_INTERVAL if config.autoprint else None)
    balance.scale.drift = EVAPORATION
    return balance
