"""Changing baud rate, node number or protocol of a balance: send, reopen the port, check that it responds there.

All three are commands of xBPI. Over SBI there are none: xBPI is selected in the menu of the balance. Baud rate and
node number change at once; the protocol changes when the balance is switched off and on.
Source: sections 3.2, 3.10, 3.11.1.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from msgspec import structs

from riglog.device import DeviceContext, Safety, require_confirmation
from riglog.errors import (
    ConfigError,
    ConnectionLostError,
    DeviceError,
    LinkNotChangedError,
    ProtocolError,
    ReplyTimeoutError,
    UnsupportedError,
    error_context,
)
from riglog.manager.link_move import CHANGE_SECONDS, OpenPort, Reopener, SettingChange
from riglog.model import SYSTEM_CLOCK, Clock
from riglog.protocol import Connection
from riglog.transport import open_transport
from riglog_sartorius.config import SBI, XBPI, SartoriusConfig
from riglog_sartorius.connect import connect, usual_link
from riglog_sartorius.device import Balance
from riglog_sartorius.errors import AutoprintError
from riglog_sartorius.parameters import PROTOCOLS
from riglog_sartorius.xbpi import opcodes
from riglog_sartorius.xbpi.frames import parse_frame, u8

BAUD_CODES = {9600: 0, 19200: 1, 38400: 2, 57600: 3}
"""Of the command that sets the baud rate; its codes differ from those of the parameters."""

LARGEST_NODE = 31
POWER_CYCLE_SECONDS = 120.0
"""In which the balance must have been switched off and on, after its protocol was changed."""

POWER_CYCLE_PAUSE = 2.0
AUTOPRINT_MODES = (4, 5)
MOVABLE = ("address", "baudrate", "protocol")
IN_THE_MENU = "Select xBPI in the menu of the balance, and set protocol to match"
NEITHER = (
    "Switch the balance off and on, then try the new and the old settings; `riglog discover --port …` tries the usual"
)

Opener = Reopener[SartoriusConfig, Balance]


async def move_link(
    config: SartoriusConfig,
    *,
    address: int | None = None,
    baudrate: int | None = None,
    protocol: str | None = None,
    confirm: bool = False,
    on_power_cycle: Callable[[], None] = lambda: None,
    open_port: OpenPort = open_transport,
    clock: Clock = SYSTEM_CLOCK,
) -> SartoriusConfig:
    """Change one communication setting of a balance over xBPI; return the configuration with which it responds.

    The port must not be open elsewhere.

    Args:
        address: the node number, 0 to 31.
        protocol: ``sbi``; it is used after the balance was switched off and on, which is waited for.
        on_power_cycle: called when the balance has to be switched off and on.

    Raises:
        ConfigError, UnsupportedError: this is not possible; nothing was opened.
        ConfirmationError: the balance may become unreachable, and ``confirm`` is not True.
        DeviceError: the balance has no serial number, so nothing could be verified; nothing was changed.
        LinkNotChangedError: it does not respond with the new setting; the message states which one it has.
    """
    wanted = new_config(config, address=address, baudrate=baudrate, protocol=protocol)
    require_confirmation(Safety.DANGEROUS, "changing the communication settings", confirm, device=config.name)
    opened: Opener = Reopener(open_port, clock, usual_link, _device_at)
    with error_context(device=config.name, port=config.port):
        if wanted.wire_protocol != config.wire_protocol:
            return await _change_protocol(opened, config, wanted, on_power_cycle)
        async with opened(config) as balance:
            serial = await _serial(balance)
            if address is not None:
                await _send(balance, opcodes.WRITE_SBN, u8(address), f"node number = {address}")
            else:
                await _send(balance, opcodes.SET_BAUD_RATE, u8(BAUD_CODES[baudrate or 0]), f"baud rate = {baudrate}")
        await anyio.sleep(CHANGE_SECONDS)
        if await opened.responds(wanted, _same(serial, node=address)):
            return wanted
        if await opened.responds(config, _same(serial)):
            raise LinkNotChangedError(
                "the balance still responds with the old setting", hint="Change it in the menu of the balance"
            )
        raise LinkNotChangedError("the balance responds neither with the new nor with the old setting", hint=NEITHER)


def new_config(config: SartoriusConfig, **changes: Any) -> SartoriusConfig:
    """Return the configuration with another ``address``, ``baudrate`` or ``protocol``; None: unchanged.

    Raises:
        ConfigError: nothing to change, too much at once, or a setting that no balance has.
        UnsupportedError: it cannot be changed over the line.
    """
    wanted = {key: value for key, value in changes.items() if value is not None}
    with error_context(device=config.name):
        if config.wire_protocol != XBPI:
            raise UnsupportedError("communication settings cannot be changed over SBI", hint=IN_THE_MENU)
        different = {key: value for key, value in wanted.items() if value != _present(config)[key]}
        if not different:
            raise ConfigError("nothing to change", hint="Give a new address, baudrate or protocol")
        if len(different) > 1:
            raise ConfigError(
                "only one of address, baudrate and protocol can be changed at a time",
                hint="Change one at a time, with the settings after the previous change",
            )
        ((key, value),) = different.items()
        if key == "protocol" and value != SBI:
            raise ConfigError(f"cannot change the balance to protocol {value}", hint=f"Use {SBI}")
        if key == "baudrate" and value not in BAUD_CODES:
            choice = ", ".join(map(str, BAUD_CODES))
            raise ConfigError(
                f"baud rate {value} cannot be set over the line",
                hint=f"Use {choice}; others in the menu of the balance",
            )
        if key == "address" and not 0 <= value <= LARGEST_NODE:
            raise ConfigError(f"address: {value} is outside 0 to {LARGEST_NODE}", hint="Use another node number")
        return structs.replace(config, **_keys(config, key, value))


def _keys(config: SartoriusConfig, key: str, value: Any) -> Mapping[str, Any]:
    if key != "protocol":
        return {key: value}
    quantities = tuple(name for name in config.parameters if name in ("net", "gross"))
    return {"protocol": value, "parameters": quantities, "baudrate": usual_link(config).baudrate}


def changes(config: SartoriusConfig, wanted: SartoriusConfig) -> list[SettingChange]:
    """Return what will be different in the balance."""
    before, after = _present(config), _present(wanted)
    return [SettingChange(key, before[key], after[key]) for key in MOVABLE if before[key] != after[key]]


async def read_settings(
    config: SartoriusConfig,
    wanted: SartoriusConfig,
    *,
    open_port: OpenPort = open_transport,
    clock: Clock = SYSTEM_CLOCK,
) -> dict[str, object]:
    """Return the settings of the balance by name: its node number is read, the others are those with which it responds.

    Reads only.
    """
    opened: Opener = Reopener(open_port, clock, usual_link, _device_at)
    async with opened(config) as balance:
        node = await _node(balance)
    return _present(config) | ({} if node is None else {"address": node})


def _present(config: SartoriusConfig) -> dict[str, Any]:
    return {"address": config.address, "baudrate": usual_link(config).baudrate, "protocol": config.wire_protocol}


async def _change_protocol(
    opened: Opener, config: SartoriusConfig, wanted: SartoriusConfig, on_power_cycle: Callable[[], None]
) -> SartoriusConfig:
    """Store the other protocol, wait until the balance was switched off and on, and look who responds over it."""
    async with opened(config) as balance:
        serial = await _serial(balance)
        if (await balance.read_parameter("output_mode")).value in AUTOPRINT_MODES:
            raise DeviceError(
                "over SBI the balance would print without requests, so it could not be verified; nothing was changed",
                hint="Set output_mode to manual_immediate first",
            )
        await balance.write_parameter("protocol", _code(SBI), confirm=True)
        await balance.save_menu(confirm=True)
    on_power_cycle()
    with anyio.move_on_after(POWER_CYCLE_SECONDS):
        while True:
            if await _responds_over_sbi(opened, wanted, serial):
                return wanted
            await anyio.sleep(POWER_CYCLE_PAUSE)
    restored = False
    try:
        async with opened(config) as balance:
            await balance.write_parameter("protocol", _code(XBPI), confirm=True)
            await balance.save_menu(confirm=True)
            restored = True
    except (ProtocolError, DeviceError):
        pass
    if restored:
        raise LinkNotChangedError(
            f"the balance was not switched off and on within {POWER_CYCLE_SECONDS:g} s; protocol xbpi was stored again",
            hint="Repeat the command, and switch the balance off and on when the message requests it",
        )
    raise LinkNotChangedError(
        f"the balance responds over neither protocol within {POWER_CYCLE_SECONDS:g} s; it will use SBI",
        hint='Switch it off and on, then read it with protocol = "sbi". In its menu xBPI can be selected again',
    )


async def _responds_over_sbi(opened: Opener, wanted: SartoriusConfig, serial: str) -> bool:
    try:
        return await opened.responds(wanted, _same(serial), attempts=1)
    except (AutoprintError, ConnectionLostError):
        return False


def _code(protocol: str) -> int:
    return next(code for code, name in PROTOCOLS.items() if name == protocol)


def _device_at(config: SartoriusConfig, connection: Connection) -> Balance:
    client = connect(connection).with_timeout(config.timeout)
    address = config.address if config.wire_protocol == XBPI else None
    context = DeviceContext(
        device=config.name,
        driver=config.driver,
        protocol=config.wire_protocol,
        address=address,
        clock=connection.clock,
    )
    return Balance(config, client, context)


async def _serial(balance: Balance) -> str:
    serial = await balance.identity()
    if serial is None:
        raise DeviceError(
            "the balance reports no serial number, so a change could not be verified; nothing was changed"
        )
    return serial


def _same(serial: str, *, node: int | None = None) -> Callable[[Balance], Awaitable[bool]]:
    """Return a check that a balance is the same one, and has a node number."""

    async def is_same(balance: Balance) -> bool:
        if await balance.identity() != serial:
            return False
        if node is None:
            return True
        return await _node(balance) == node

    return is_same


async def _node(balance: Balance) -> int | None:
    """Return the node number that a balance reports."""
    reply = parse_frame(await balance.raw(opcodes.READ_SBN) or b"")
    return None if reply is None else reply.items[0].number


async def _send(balance: Balance, code: int, args: bytes, what: str) -> None:
    """Send a command once. Its acknowledge may be lost: whether it was executed is seen afterwards."""
    try:
        await balance.raw(code, args, confirm=True)
    except ReplyTimeoutError:
        balance.wrote(f"{what} (not acknowledged)")
