"""The channels that a configuration selects, checked before the port is opened. Pure."""

from collections.abc import Iterator, Sequence

from riglog.device.proof_input import MAX_TIME
from riglog.errors import ConfigError, UnsupportedError
from riglog.plugin import try_each
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS
from riglog_watlow.parameters import PM, Registry, registry
from riglog_watlow.targets import WITH_INSTANCE, Target, check_instance, parse_target

LAST_STDBUS_ADDRESS = 16
MODBUS_SETTINGS = ("register_map", "word_order", "zone", "register_offset", "wire_temperature_unit")
LAYOUT_SETTINGS = ("register_map", "word_order")


def check(config: WatlowConfig) -> None:
    """Refuse settings that exclude each other, and parameters that cannot be polled.

    Raises:
        ConfigError: what is wrong, and what would be right.
    """
    protocol, facts = config.wire_protocol, config.facts
    if protocol not in facts.protocols:
        raise ConfigError(
            f"protocol {protocol!r} is not supported by {facts.family}", hint=f"Available: {', '.join(facts.protocols)}"
        )
    if protocol == STDBUS:
        if config.address > LAST_STDBUS_ADDRESS:
            hint = f"Use 1 to {LAST_STDBUS_ADDRESS} on Standard Bus, 1 to 247 on Modbus"
            raise ConfigError(f"invalid Standard Bus address {config.address}", hint=hint)
        _refuse(config, MODBUS_SETTINGS, "it applies to Modbus only")
    elif facts.family != PM:
        _refuse(config, LAYOUT_SETTINGS, f"{facts.family} has only one")
    if config.latched_check is not None and facts.error_latch is None:
        raise ConfigError(
            f"input_check above {MAX_TIME} s proves nothing: {facts.family} does not latch input errors",
            hint="Set `input_check` to 0.1 or less",
        )
    configured_targets(config)


def configured_targets(config: WatlowConfig) -> list[Target]:
    """Return parameters x instances, in the order of the configuration.

    Raises:
        ConfigError: an unknown, write-only or duplicate parameter, one that this protocol cannot transmit, or an
            invalid instance.
        ExceptionGroup: one ConfigError for each of several parameters.
    """
    if not config.parameters:
        raise ConfigError("parameters: empty list", hint="Remove `parameters` to poll the default parameters")
    table = registry(config.facts.family)
    found = try_each(lambda text: list(_instances_of(text, config.instances, table)), config.parameters)
    targets = [target for targets in found for target in targets]
    for target in targets:
        if not target.parameter.readable:
            raise ConfigError(f"parameter {target} is write-only")
        try:
            require_available(target, config.wire_protocol)
        except UnsupportedError as error:
            raise ConfigError(error.message) from None
        if targets.count(target) > 1:
            raise ConfigError(f"duplicate parameter {target}")
    return targets


def require_available(target: Target, protocol: str) -> None:
    """Check that a protocol can transmit a parameter.

    Raises:
        UnsupportedError: it cannot.
    """
    parameter = target.parameter
    if protocol == STDBUS:
        if parameter.tag is None:
            raise UnsupportedError(f"parameter {target} is not available over Standard Bus")
        return
    if parameter.map1 is None and parameter.map2 is None:
        raise UnsupportedError(f"parameter {target} is not available over Modbus")
    if parameter.data_type in ("pointer", "mirror"):
        raise UnsupportedError(f"parameter {target} is a pointer: its data type is not defined")


def _instances_of(text: str, instances: Sequence[int], table: Registry) -> Iterator[Target]:
    if WITH_INSTANCE.fullmatch(text):
        yield parse_target(text, table)
        return
    parameter = table.find(text)
    available = [instance for instance in instances if instance in parameter.instances]
    yield from (check_instance(Target(parameter, instance)) for instance in available or instances[:1])


def _refuse(config: WatlowConfig, settings: Sequence[str], reason: str) -> None:
    for setting in settings:
        if getattr(config, setting) is not None:
            raise ConfigError(f"{setting} is not applicable: {reason}")
