"""A simulated balance: a load on a scale, and its replies and lines over xBPI and SBI."""

from riglog_sartorius.config import XBPI, SartoriusConfig
from riglog_sartorius.simulator.instrument import SimulatedBalance
from riglog_sartorius.simulator.sbi import SbiBalance
from riglog_sartorius.simulator.xbpi import XbpiBalance

AUTOPRINT_INTERVAL = 0.1
USUAL_BAUDRATE = 9600
EVAPORATION = 0.0005
"""Grams per second by which the load decreases, so that a recording shows a change."""


def simulator(config: SartoriusConfig) -> SimulatedBalance:
    """Return a Cubis as ``config`` describes it; ``set("family", …)`` makes it another family."""
    balance: SimulatedBalance
    if config.wire_protocol == XBPI:
        balance = XbpiBalance(node=config.address, baudrate=config.baudrate or USUAL_BAUDRATE)
    else:
        balance = SbiBalance(interval=AUTOPRINT_INTERVAL if config.autoprint else None)
    balance.scale.drift = EVAPORATION
    return balance
