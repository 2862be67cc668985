"""The settings that decide how a controller transmits over Modbus. Pure.

Source: Watlow wire specification, sections 8.1, 9.4, 10 and 11.
"""

from riglog.model.units import DEG_C, DEG_F
from riglog_watlow.config import WatlowConfig
from riglog_watlow.parameters import PM, Parameter, registry
from riglog_watlow.targets import Target

UNIT_OF_LABEL = {"F": DEG_F, "C": DEG_C}
LOW_WORD_FIRST = {"Low_High": True, "High_Low": False}
HARDWARE_ID = "hardware_id"


def unit_setting(config: WatlowConfig) -> Target | None:
    """Return the setting of the temperature unit; None if it is configured, or a gateway may have converted."""
    if config.wire_temperature_unit is not None or config.behind_gateway:
        return None
    return _target(config, config.facts.unit)


def decimals_setting(config: WatlowConfig) -> Target | None:
    """Return the setting of the decimal places; None if the family has no scaled registers."""
    return _target(config, config.facts.decimals) if config.facts.decimals else None


def layout_setting(config: WatlowConfig) -> Target | None:
    """Return what shows the layout of the registers; None if the family has only one.

    The word order has the register before that of the unit, and another one in each map. Behind a gateway it is that of
    the gateway, which shows only in a number of two words.
    """
    if config.facts.family != PM:
        return None
    return hardware_id(config) if config.behind_gateway else _target(config, "modbus_word_order")


def hardware_id(config: WatlowConfig) -> Target:
    """Return the parameter whose two words show the word order: one of them is 0."""
    return Target(registry(config.facts.family).find(HARDWARE_ID))


def settings_of(parameter: Parameter, config: WatlowConfig, layout: Target | None) -> tuple[Target, ...]:
    """Return the settings on which the value of a parameter depends."""
    unit = unit_setting(config) if parameter.is_temperature else None
    decimals = decimals_setting(config) if parameter.decimals_register is not None else None
    return tuple(setting for setting in (layout, unit, decimals) if setting is not None)


def _target(config: WatlowConfig, name: str) -> Target:
    return Target(registry(config.facts.family).find(name), config.comm_port if config.facts.family == PM else 1)
