"""The polling load: the transactions of one poll. Pure. Source: Servomex wire specification, sections 9 and 12."""

from collections.abc import Sequence

from riglog.protocol import TransactionCost
from riglog.protocol.modbus import framing_of
from riglog_servomex.config import CONTINUOUS, ServomexConfig
from riglog_servomex.modbus.registers import ANALYZER_BITS
from riglog_servomex.modbus.spans import ALL, Spans, flags_of, values_of
from riglog_servomex.positions import find_position

TURNAROUND = 0.03
"""Seconds from the end of a request to the start of its reply, as observed."""
REQUEST_LENGTH, REPLY_HEADER_LENGTH = 5, 2
"""Bytes of the PDU of a read request, and of the PDU of its reply before the data."""


def poll_transactions(config: ServomexConfig, protocol: str) -> Sequence[TransactionCost]:
    """Return the three transactions of a poll; none in continuous mode, where the port cannot be shared."""
    if protocol == CONTINUOUS:
        return ()
    size = framing_of(protocol).size
    selected = [find_position(name) for name in config.parameters] or ALL
    spans = Spans.unrefused()
    (flags,), (values,) = spans.flags.covering(map(flags_of, selected)), spans.values.covering(map(values_of, selected))
    lengths = (flags.count // 8, ANALYZER_BITS // 8, values.count * 2)
    return [
        TransactionCost(size(REQUEST_LENGTH), size(REPLY_HEADER_LENGTH + length), TURNAROUND, config.idle)
        for length in lengths
    ]
