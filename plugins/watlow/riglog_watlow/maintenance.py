"""Changing the communication settings of a controller: write, reopen the port, check that it responds there.

A controller that was ordered without Modbus stores the change and keeps responding over Standard Bus. Only a reply over
the new protocol proves that it was executed. Source: Watlow wire specification, sections 9.1, 9.9 and 12.3.
"""

from typing import Any

import anyio
from msgspec import structs

from riglog.device import Safety, require_confirmation
from riglog.errors import (
    ConfigError,
    DeviceError,
    LinkNotChangedError,
    ProtocolError,
    ReplyTimeoutError,
    UnsupportedError,
    WriteRefusedError,
    error_context,
)
from riglog.manager.link_move import CHANGE_SECONDS, OpenPort, Reopener, SettingChange
from riglog.model import SYSTEM_CLOCK, Clock, Value
from riglog.plugin import AnyClient, convert
from riglog.protocol import Connection
from riglog.transport import open_transport
from riglog.transport.link import Parity
from riglog_watlow.channels import check
from riglog_watlow.config import WatlowConfig
from riglog_watlow.connect import connect, context_for
from riglog_watlow.device import Controller
from riglog_watlow.families import STDBUS
from riglog_watlow.parameters import PM, parse_value, registry
from riglog_watlow.targets import Target

Opener = Reopener[WatlowConfig, Controller]

SERIAL = "serial_number_int"
"""The serial number that is available over both protocols."""

MOVABLE = ("address", "baudrate", "parity", "protocol")
SERIAL_SETTINGS = ("baudrate", "parity", "bytesize", "stopbits")
PARITY_LABELS = {"N": "None", "E": "Even", "O": "Odd"}
PROTOCOLS = (STDBUS, "modbus-rtu")


async def move_link(
    config: WatlowConfig,
    *,
    address: int | None = None,
    protocol: str | None = None,
    baudrate: int | None = None,
    parity: Parity | None = None,
    confirm: bool = False,
    open_port: OpenPort = open_transport,
    clock: Clock = SYSTEM_CLOCK,
) -> WatlowConfig:
    """Change the communication settings of an EZ-ZONE PM; return the configuration with which it responds.

    The port must not be open elsewhere. Baud rate and parity are those of Modbus. With another protocol all settings
    can be changed at once, otherwise one at a time.

    Raises:
        ConfigError, UnsupportedError: these settings are not possible; nothing was opened.
        ConfirmationError: the controller may become unreachable, and ``confirm`` is not True.
        WriteRefusedError: another device responds at the new address; nothing was changed.
        LinkNotChangedError: it does not respond with the new settings. If it still responds with the old ones, they
            were restored.
    """
    wanted = new_config(config, address=address, protocol=protocol, baudrate=baudrate, parity=parity)
    require_confirmation(Safety.DANGEROUS, "changing the communication settings", confirm, device=config.name)
    opened = _opener(open_port, clock)
    async with opened(config) as controller:
        serial = await _serial(controller)
        if wanted.address != config.address and wanted.wire_protocol == config.wire_protocol:
            await _require_free(controller.client, wanted)
        before = await _write(controller, settings_to_write(config, wanted))
    await anyio.sleep(CHANGE_SECONDS)
    if await _responds(opened, wanted, serial):
        return wanted
    with error_context(device=config.name, port=config.port):
        if await _restore(opened, config, before):
            raise LinkNotChangedError(
                "the controller still responds with the old settings, which were restored",
                hint="Check that the controller was ordered with the Modbus option",
            )
        raise LinkNotChangedError(
            "the controller does not respond with the new settings",
            hint="Power-cycle the controller, then try the new settings, then the old settings",
        )


def new_config(config: WatlowConfig, **changes: Any) -> WatlowConfig:
    """Return the configuration with another ``address``, ``protocol``, ``baudrate`` or ``parity``; None: unchanged.

    Raises:
        ConfigError: nothing to change, too much at once, or settings that no controller has.
        UnsupportedError: the settings of this family can only be changed at its panel.
    """
    if config.facts.family != PM:
        raise UnsupportedError(f"the communication settings of {config.facts.family} can only be changed at its panel")
    changes = {key: value for key, value in changes.items() if value is not None}
    table = {key: value for key, value in structs.asdict(config).items() if value is not None}
    other_protocol = changes.get("protocol", config.wire_protocol) != config.wire_protocol
    if other_protocol:  # the serial settings of the old protocol do not apply to the new one
        table = {key: value for key, value in table.items() if key not in SERIAL_SETTINGS}
    new = convert(table | changes, WatlowConfig, "new settings")
    with error_context(device=config.name):
        check(new)
    if new.wire_protocol not in PROTOCOLS:
        raise ConfigError(
            f"cannot change the controller to protocol {new.wire_protocol}", hint=f"Use {' or '.join(PROTOCOLS)}"
        )
    if new.wire_protocol == STDBUS and not changes.keys().isdisjoint(SERIAL_SETTINGS):
        raise ConfigError("baud rate and parity of Standard Bus are fixed")
    different = settings_to_write(config, new).items() - settings_to_write(config, config).items()
    if not different:
        raise ConfigError("nothing to change", hint="Give a new address, protocol, baudrate or parity")
    if len(different) > 1 and not other_protocol:
        raise ConfigError(
            "only one of address, baudrate and parity can be changed at a time",
            hint="Change one at a time: after the first change the controller no longer responds at the old setting",
        )
    return new


def settings_to_write(old: WatlowConfig, new: WatlowConfig) -> dict[Target, int]:
    """Return the new communication settings in the order in which they are written: another protocol last.

    Raises:
        ConfigError: no controller has such a setting.
    """
    labels: dict[str, str | int] = {}
    if new.wire_protocol == STDBUS:
        labels["standard_bus_address"] = new.address
    else:
        labels["modbus_address"] = new.address
        labels["modbus_baud_rate"] = str(new.link.baudrate)
        labels["modbus_parity"] = PARITY_LABELS.get(new.link.parity, new.link.parity)
    if new.wire_protocol != old.wire_protocol:
        labels["comm_protocol"] = "Standard Bus" if new.wire_protocol == STDBUS else "Modbus"
    try:
        codes = {registry(PM).find(name): label for name, label in labels.items()}
        return {Target(setting, old.comm_port): int(parse_value(setting, label)) for setting, label in codes.items()}
    except WriteRefusedError as error:
        raise ConfigError(error.message, hint=error.hint) from None


def changes(old: WatlowConfig, new: WatlowConfig) -> list[SettingChange]:
    """Return what is different in the controller."""
    before = settings_to_write(old, old)
    return [
        SettingChange(
            str(target), None if target not in before else _label(target, before[target]), _label(target, value)
        )
        for target, value in settings_to_write(old, new).items()
        if before.get(target) != value
    ]


async def read_settings(
    config: WatlowConfig,
    wanted: WatlowConfig,
    *,
    open_port: OpenPort = open_transport,
    clock: Clock = SYSTEM_CLOCK,
) -> dict[str, object]:
    """Return the settings that ``wanted`` needs as the controller has them now, by name. Reads only."""
    async with _opener(open_port, clock)(config) as controller:
        protocol, line = controller.protocol, controller.client
        return {
            str(target): _label(target, int((await protocol.read_one(line, target)).value))
            for target in settings_to_write(config, wanted)
        }


def _opener(open_port: OpenPort, clock: Clock) -> Opener:
    return Reopener(open_port, clock, lambda config: config.link, _device_at)


def _label(target: Target, value: int) -> str:
    return target.parameter.enum.get(value, str(value))


def _device_at(config: WatlowConfig, connection: Connection) -> Controller:
    client = connect(connection).with_timeout(config.timeout)
    return Controller(config, client, context_for(config, connection.clock))


async def _write(controller: Controller, settings: dict[Target, int]) -> dict[Target, int]:
    """Write the settings that differ; return the previous ones. Without a reply the controller may have changed."""
    protocol, line = controller.protocol, controller.client
    before = {target: int((await protocol.read_one(line, target)).value) for target in settings}
    for target, value in settings.items():
        if before[target] == value:
            continue
        controller.wrote(f"{target} = {value}")
        try:
            await protocol.write(line, target, value)
        except ReplyTimeoutError:
            break
    return before


async def _responds(opened: Opener, config: WatlowConfig, serial: Value) -> bool:
    """Return whether the same controller responds with the settings of ``config``."""

    async def is_same(controller: Controller) -> bool:
        return serial is None or await _serial(controller) == serial

    return await opened.responds(config, is_same)


async def _restore(opened: Opener, config: WatlowConfig, before: dict[Target, int]) -> bool:
    try:
        async with opened(config) as controller:
            await _write(controller, before)
            return True
    except (ProtocolError, DeviceError):
        return False


async def _require_free(client: AnyClient, wanted: WatlowConfig) -> None:
    """Check that no device responds at the new address. Reads only.

    Raises:
        WriteRefusedError: one does.
    """
    try:
        await Controller(wanted, client, context_for(wanted, client.clock)).open()
    except ReplyTimeoutError:
        return
    except (ProtocolError, DeviceError):
        pass  # a device responded
    raise WriteRefusedError(
        f"address {wanted.address} is already in use: another device responds there", port=wanted.port
    )


async def _serial(controller: Controller) -> Value:
    try:
        return (await controller.read_parameter(SERIAL)).value
    except UnsupportedError:
        return None
