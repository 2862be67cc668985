"""The load of one poll on the port, computed from the configuration. Source: sections 3.2, 6, 7 and 9.7."""

from collections.abc import Iterable, Sequence

from riglog.errors import UnsupportedError
from riglog.protocol import TransactionCost
from riglog.protocol.modbus import framing_of
from riglog_watlow.channels import configured_targets
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS
from riglog_watlow.modbus.protocol import display_settings
from riglog_watlow.modbus.registers import Span, group_into_blocks, span_of
from riglog_watlow.parameters import registry
from riglog_watlow.poll_plan import depends_on
from riglog_watlow.stdbus import message
from riglog_watlow.stdbus.codec import StdBusCodec
from riglog_watlow.targets import Target

TURNAROUND = 0.002
"""Seconds from request to reply, as measured on Standard Bus; not documented for Modbus."""

STDBUS_REQUEST = 16
STDBUS_REPLY = 16  # before the value
VALUE_BYTES = {message.UINT8: 2, message.UINT16: 3, message.WORDS: 4, message.STRING: 34}
LONG_VALUE = 5

MODBUS_READ = 5
MODBUS_REPLY = 2  # function and byte count


def transactions(config: WatlowConfig) -> Sequence[TransactionCost]:
    """Return the cost of every transaction of a poll."""
    table = registry(config.facts.family)
    configured = configured_targets(config)
    targets = dict.fromkeys(every for target in configured for every in (target, *depends_on(target, table)))
    if config.wire_protocol == STDBUS:
        return [_stdbus(target) for target in targets]
    targets |= dict.fromkeys(setting for target in targets for setting in display_settings(target.parameter, config))
    return _modbus(targets, config)


def _stdbus(target: Target) -> TransactionCost:
    value = VALUE_BYTES.get(target.parameter.tag or 0, LONG_VALUE)
    return TransactionCost(STDBUS_REQUEST, STDBUS_REPLY + value, TURNAROUND, StdBusCodec.inter_frame_gap)


def _modbus(targets: Iterable[Target], config: WatlowConfig) -> Sequence[TransactionCost]:
    link = config.link
    framing = framing_of(link.protocol)
    gap = framing.inter_frame_gap(link)
    return [
        TransactionCost(
            framing.size(MODBUS_READ),
            framing.size(MODBUS_REPLY + 2 * (block[-1].start + block[-1].count - block[0].start)),
            TURNAROUND,
            gap,
        )
        for block in group_into_blocks(_spans(targets, config))
    ]


def _spans(targets: Iterable[Target], config: WatlowConfig) -> list[Span]:
    """Return the registers of the targets; those of map 1 if the map is detected later."""
    spans = []
    for target in targets:
        try:
            spans.append(span_of(target, config.register_map or 1))
        except UnsupportedError:
            continue
    return spans
