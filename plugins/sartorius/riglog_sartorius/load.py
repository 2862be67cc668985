"""The transactions of one poll, for the utilisation of the port. Source: section 2.3."""

from collections.abc import Sequence

from riglog.protocol import TransactionCost
from riglog.transport import Link
from riglog_sartorius.config import SBI, Quantity, SartoriusConfig

MIN_TIMEOUT = 1.0
TIMEOUT_CHARACTERS = 170
"""A request and the longest observed reply are 60 characters; the rest is for the balance. 1.5 s at 1200 baud."""

TURNAROUND = 0.005
"""Seconds between request and reply; a Cubis at 19200 baud needs 11 to 29 ms for a complete transaction."""

READS = {
    Quantity.NET: TransactionCost(7, 21, TURNAROUND),
    Quantity.GROSS: TransactionCost(5, 12, TURNAROUND),
    Quantity.TARE: TransactionCost(5, 12, TURNAROUND),
    Quantity.TEMPERATURE: TransactionCost(7, 9, TURNAROUND),
}
PRINT = TransactionCost(4, 22, TURNAROUND)


def reply_timeout(link: Link) -> float:
    """Return the usual timeout in seconds at the baud rate of a link."""
    return max(MIN_TIMEOUT, link.seconds(TIMEOUT_CHARACTERS))


def transactions(config: SartoriusConfig) -> Sequence[TransactionCost]:
    """Return the transactions of one poll; none in autoprint mode."""
    if config.autoprint:
        return ()
    if config.wire_protocol == SBI:
        return [PRINT] * len(config.quantities)
    per_quantity = {Quantity.TEMPERATURE: len(config.sensors)}
    return [READS[quantity] for quantity in config.quantities for _ in range(per_quantity.get(quantity, 1))]
