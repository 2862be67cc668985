"""The load of one poll on the port, computed from the configuration. Source: sections 3.2, 6, 7 and 9.7."""

from collections.abc import Iterable, Sequence

from riglog.errors import UnsupportedError
from riglog.protocol import TransactionCost
from riglog.protocol.modbus import framing_of
from riglog.protocol.modbus.registers import Place
from riglog_watlow.channel_read import companions_of
from riglog_watlow.channels import configured_targets
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS
from riglog_watlow.inputs import input_settings_of, latch_setting_of
from riglog_watlow.modbus.registers import block_plan, span_of
from riglog_watlow.modbus.settings import layout_setting, settings_of
from riglog_watlow.parameters import registry
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
    """Return the cost of every transaction of a poll that checks the settings; others have fewer."""
    table = registry(config.facts.family)
    configured = configured_targets(config)
    targets = dict.fromkeys(every for target in configured for every in (target, *companions_of(target, table)))
    inputs = dict.fromkeys(setting for target in configured for setting in _input_settings_of(target, config))
    if config.wire_protocol == STDBUS:
        return [_stdbus(target) for target in targets | inputs]
    layout = layout_setting(config)
    settings = [setting for target in configured for setting in settings_of(target.parameter, config, layout)]
    return _modbus(targets | inputs | dict.fromkeys(settings), config)


def _input_settings_of(target: Target, config: WatlowConfig) -> tuple[Target, ...]:
    facts = config.facts
    latch = latch_setting_of(target, facts, config.latched_check)
    return (*input_settings_of(target, facts, config.instances), *latch)


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
            framing.size(MODBUS_REPLY + 2 * block.count),
            TURNAROUND,
            gap,
        )
        for block in block_plan(config.facts.family, config.register_map or 1).covering(_spans(targets, config))
    ]


def _spans(targets: Iterable[Target], config: WatlowConfig) -> list[Place[Target]]:
    """Return the registers of the targets; those of map 1 if the map is detected later."""
    spans = []
    for target in targets:
        try:
            spans.append(span_of(target, config.register_map or 1))
        except UnsupportedError:
            continue
    return spans
