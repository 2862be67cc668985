"""What one poll puts on the line, worked out from the configuration. Source: sections 3.2, 6, 7 and 9.7."""

from collections.abc import Sequence

from riglog.errors import UnsupportedError
from riglog.protocol import TransactionCost
from riglog.protocol.modbus import framing_of
from riglog.transport import Link
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS
from riglog_watlow.modbus.access import conditions
from riglog_watlow.modbus.registers import Span, divide, span
from riglog_watlow.parameters import registry
from riglog_watlow.plan import Target, targets
from riglog_watlow.reader import companions
from riglog_watlow.stdbus import message
from riglog_watlow.stdbus.codec import StdBusCodec

TURNAROUND = 0.002
"""Seconds from request to reply, as seen on Standard Bus; nobody says it for Modbus."""

STDBUS_REQUEST = 16
STDBUS_REPLY = 16  # before the value
VALUE_BYTES = {message.UINT8: 2, message.UINT16: 3, message.WORDS: 4, message.STRING: 34}
LONG_VALUE = 5

MODBUS_READ = 5
MODBUS_REPLY = 2  # function and byte count


def transactions(config: WatlowConfig, link: Link) -> Sequence[TransactionCost]:
    """Every request of a poll with its reply."""
    table = registry(config.facts.family)
    wanted = targets(config, table)
    every = dict.fromkeys(one for target in wanted for one in (target, *companions(target, table)))
    if config.wire_protocol == STDBUS:
        return [_stdbus(one) for one in every]
    every |= dict.fromkeys(one for target in every for one in conditions(target.parameter, config))
    framing = framing_of(link.protocol)
    return [
        TransactionCost(
            framing.size(MODBUS_READ),
            framing.size(MODBUS_REPLY + 2 * (block[-1].start + block[-1].count - block[0].start)),
            TURNAROUND,
            framing.gap(link),
        )
        for block in divide(_spans(every, config))
    ]


def _stdbus(one: Target) -> TransactionCost:
    value = VALUE_BYTES.get(one.parameter.tag or 0, LONG_VALUE)
    return TransactionCost(STDBUS_REQUEST, STDBUS_REPLY + value, TURNAROUND, StdBusCodec.gap)


def _spans(every: dict[Target, None], config: WatlowConfig) -> list[Span]:
    """Where the registers are, in map 1 if the map has to be found out yet."""
    spans = []
    for one in every:
        try:
            spans.append(span(one, config.register_map or 1))
        except UnsupportedError:
            continue
    return spans
