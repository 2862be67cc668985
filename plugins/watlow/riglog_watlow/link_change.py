"""What it takes to move a controller to another address, baud rate or protocol. Pure.

Source: Watlow wire specification, sections 9.1 and 9.9.
"""

from typing import Any, cast

from msgspec import structs

from riglog.errors import ConfigError, UnsupportedError, WriteRefusedError
from riglog.plugin import configure
from riglog_watlow.config import WatlowConfig
from riglog_watlow.driver import WatlowDriver
from riglog_watlow.families import STDBUS
from riglog_watlow.parameters import PM, registry
from riglog_watlow.plan import Target
from riglog_watlow.writer import coded

SERIAL_SETTINGS = ("baudrate", "parity", "bytesize", "stopbits")
PARITY_LABELS = {"N": "None", "E": "Even", "O": "Odd"}
CAN_BE_SET = (STDBUS, "modbus-rtu")


def moved(config: WatlowConfig, **said: Any) -> WatlowConfig:
    """The configuration with another ``address``, ``protocol``, ``baudrate`` or ``parity``; None leaves it.

    Raises:
        ConfigError: nothing to change, too much at once, or something no controller can be set to.
        UnsupportedError: this family can only be set up at its panel.
    """
    if config.facts.family != PM:
        raise UnsupportedError(f"{config.facts.family} can only be set up at its panel")
    said = {key: value for key, value in said.items() if value is not None}
    table = {key: value for key, value in structs.asdict(config).items() if value is not None}
    other_protocol = said.get("protocol", config.wire_protocol) != config.wire_protocol
    if other_protocol:  # the serial settings of the old protocol say nothing about those of the new one
        table = {key: value for key, value in table.items() if key not in SERIAL_SETTINGS}
    new = cast(WatlowConfig, configure(WatlowDriver(), table | said, "new link"))
    if new.wire_protocol not in CAN_BE_SET:
        raise ConfigError(f"a controller cannot be set to {new.wire_protocol}", hint=" or ".join(CAN_BE_SET))
    if new.wire_protocol == STDBUS and not said.keys().isdisjoint(SERIAL_SETTINGS):
        raise ConfigError("Standard Bus has one baud rate and no parity")
    different = changes(config, new).items() - changes(config, config).items()
    if not different:
        raise ConfigError("nothing to change", hint="say another address, protocol, baudrate or parity")
    if len(different) > 1 and not other_protocol:
        hint = "after the first the controller answers elsewhere, and the second would not reach it"
        raise ConfigError("address, baudrate and parity are changed one at a time", hint=hint)
    return new


def changes(old: WatlowConfig, new: WatlowConfig) -> dict[Target, int]:
    """What to write: the settings of the new link, and another protocol last.

    Raises:
        ConfigError: no controller has such a setting.
    """
    labels: dict[str, str | int] = {}
    if new.wire_protocol == STDBUS:
        labels["standard_bus_address"] = new.address
    else:
        link = WatlowDriver().link(new)
        labels["modbus_address"] = new.address
        labels["modbus_baud_rate"] = str(link.baudrate)
        labels["modbus_parity"] = PARITY_LABELS.get(link.parity, link.parity)
    if new.wire_protocol != old.wire_protocol:
        labels["comm_protocol"] = "Standard Bus" if new.wire_protocol == STDBUS else "Modbus"
    try:
        found = {registry(PM).find(name): label for name, label in labels.items()}
        return {Target(one, old.comm_port): int(coded(one, label)) for one, label in found.items()}
    except WriteRefusedError as error:
        raise ConfigError(error.message, hint=error.hint) from None
