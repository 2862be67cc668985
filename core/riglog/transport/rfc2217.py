"""Serial ports of device servers whose settings are made over the network (RFC 2217).

Each setting is compared with the one that the device server reports, as on a port of this computer. What it reports
later is compared, too: another program, or somebody at its web page, can change a setting while the port is open.
"""

import socket
from collections.abc import Callable, Iterable

import anyio
import anyio.lowlevel
from msgspec import Struct

from riglog.errors import ConnectionLostError, PortError, PortSettingsError
from riglog.log import get_logger
from riglog.transport.link import Link
from riglog.transport.tcp import CONNECT_SECONDS, TcpTransport, connected
from riglog.transport.telnet import (
    BINARY,
    IAC,
    SUPPRESS_GO_AHEAD,
    OptionSettled,
    Subnegotiation,
    Telnet,
    TelnetError,
    escaped,
    subnegotiation,
)

COM_PORT = 44
BAUDRATE, DATASIZE, PARITY, STOPSIZE, CONTROL, LINESTATE_MASK, MODEMSTATE_MASK = 1, 2, 3, 4, 5, 10, 11
OF_THE_SERVER = 100
"""Added to the number of a command: that the server has carried it out, or what it reports by itself."""
LINESTATE, SUSPEND, RESUME = 106, 108, 109
PARITIES = {"N": 1, "O": 2, "E": 3, "M": 4, "S": 5}
DAMAGED = 2 | 4 | 8
"""Line states: characters were lost, or one had a parity or framing error."""
BAUDRATE_TOLERANCE = 0.02
"""A server reports the rate that its divisor gives; a UART reads characters right up to this difference."""
ANSWER_SECONDS = 5.0
CONTROL_SECONDS = 1.0
"""Some servers set flow control, DTR and RTS without a reply."""
WITHOUT_HINT = "Switch it on in the device server, or store the serial settings there and use tcp://HOST:PORT"
SETTINGS_HINT = "Use another device server, or set the instrument and this device to settings that the port has"
log = get_logger("riglog.transport")


class Setting(Struct, frozen=True):
    """One command for the server, and the setting of the link that it stands for."""

    command: int
    value: int
    phrase: str
    size: int = 1

    @property
    def request(self) -> bytes:
        return subnegotiation(COM_PORT, bytes((self.command,)) + self.value.to_bytes(self.size))

    @property
    def kind(self) -> tuple[int, int]:
        """What a report is about: one command controls flow, DTR and RTS."""
        return self.command, _control_group(self.value) if self.command == CONTROL else 0

    def is_met_by(self, value: int) -> bool:
        tolerance = self.value * BAUDRATE_TOLERANCE if self.command == BAUDRATE else 0
        return abs(value - self.value) <= tolerance


def _control_group(value: int) -> int:
    """Flow control, break, DTR, RTS, flow control of what arrives: each has its own values of one command."""
    return next((number for number, last in enumerate((3, 6, 9, 12, 19)) if value <= last), 5)


def settings_of(link: Link) -> list[Setting]:
    """Return what the server is to set for a link."""
    settings = [
        Setting(BAUDRATE, link.baudrate, f"baudrate = {link.baudrate}", size=4),
        Setting(DATASIZE, link.bytesize, f"bytesize = {link.bytesize}"),
        Setting(PARITY, PARITIES[link.parity], f'parity = "{link.parity}"'),
        Setting(STOPSIZE, link.stopbits, f"stopbits = {link.stopbits}"),
    ]
    flow, phrase = (
        (3, "rtscts = true") if link.rtscts else (2, "xonxoff = true") if link.xonxoff else (1, "rtscts = false")
    )
    settings.append(Setting(CONTROL, flow, phrase))
    if link.dtr is not None:
        settings.append(Setting(CONTROL, 8 if link.dtr else 9, f"dtr = {str(link.dtr).lower()}"))
    if link.rts is not None:
        settings.append(Setting(CONTROL, 11 if link.rts else 12, f"rts = {str(link.rts).lower()}"))
    return settings


async def open_rfc2217(port: str, link: Link, *, timeout: float = ANSWER_SECONDS) -> "Rfc2217Transport":
    """Connect to ``rfc2217://HOST:PORT`` and make the settings of the link.

    Raises:
        PortSettingsError: the server works with another setting.
        PortError: the connection was refused, or the server does not reply as RFC 2217 demands within ``timeout``
            seconds.
    """
    opened = Rfc2217Transport(await connected(port, timeout=CONNECT_SECONDS), port, link)
    try:
        await opened.negotiate(timeout)
    except ConnectionLostError as error:
        await opened.aclose()
        reason = error.message.removeprefix("connection lost: ")
        hint = "Another program may use the port; if it is a raw TCP port of the device server, use tcp://HOST:PORT"
        raise PortError(f"no RFC 2217 connection: {reason}", hint=hint, port=port) from error
    except BaseException:
        await opened.aclose()
        raise
    return opened


class Rfc2217Transport(TcpTransport):
    """One connection to a port of a device server: data, with commands in between that are for this class."""

    def __init__(self, opened: socket.socket, port: str, link: Link) -> None:
        super().__init__(opened, port)
        both = frozenset((BINARY, SUPPRESS_GO_AHEAD))
        self._telnet = Telnet(ours=both | {COM_PORT}, theirs=both)
        self._settings = settings_of(link)
        self._checks_characters = link.parity != "N"
        self._reported: dict[tuple[int, int], int] = {}
        self._options: dict[tuple[bool, int], bool] = {}
        self._commands = bytearray()
        self._half_sent = 0
        self._suspended = False
        self._negotiated = False

    async def negotiate(self, seconds: float) -> None:
        """Agree on the options, make the settings, and compare them with what the server reports."""
        self._commands += self._telnet.requests()
        with anyio.move_on_after(seconds) as scope:
            await self._negotiate_until(self._options_are_settled)
            self._refuse_missing_options()
            masks = ((LINESTATE_MASK, DAMAGED if self._checks_characters else 0), (MODEMSTATE_MASK, 0))
            for setting in (*self._settings, *(Setting(command, value, "") for command, value in masks)):
                self._commands += setting.request
            await self._negotiate_until(lambda: not self._unreported(self._settings[:4]))
        if scope.cancelled_caught:
            raise PortError(
                "the device server does not respond to RFC 2217",
                hint=WITHOUT_HINT,
                port=self.port,
            )
        with anyio.move_on_after(CONTROL_SECONDS):
            await self._negotiate_until(lambda: not self._unreported(self._settings))
        self._refuse_other_settings()
        self._negotiated = True

    async def _negotiate_until(self, done: Callable[[], bool]) -> None:
        while not done():
            await anyio.lowlevel.checkpoint()
            if self._read_limit.holds_up:
                await self._read_limit.wait()
            await self.send(b"")
            try:
                self._read_available()  # data of a port with other settings means nothing
            except BlockingIOError:
                if not done():
                    await anyio.wait_readable(self._fd)

    def _options_are_settled(self) -> bool:
        return all(
            (ours, option) in self._options for ours, option in ((True, COM_PORT), (True, BINARY), (False, BINARY))
        )

    def _refuse_missing_options(self) -> None:
        if not self._options[True, COM_PORT]:
            raise PortError("the device server refuses RFC 2217", hint=WITHOUT_HINT, port=self.port)
        if not (self._options[True, BINARY] and self._options[False, BINARY]):
            hint = "Use a raw TCP port of the device server: tcp://HOST:PORT"
            raise PortError("the device server changes some characters (it refuses binary)", hint=hint, port=self.port)

    def _unreported(self, settings: Iterable[Setting]) -> list[Setting]:
        return [setting for setting in settings if setting.kind not in self._reported]

    def _ignored(self) -> list[str]:
        return [
            setting.phrase
            for setting in self._settings
            if setting.kind in self._reported and not setting.is_met_by(self._reported[setting.kind])
        ]

    def _refuse_other_settings(self) -> None:
        if ignored := self._ignored():
            raise PortSettingsError(f"the port ignores {' and '.join(ignored)}", hint=SETTINGS_HINT, port=self.port)
        if missing := self._unreported(self._settings):
            log.debug("%s: set without a reply: %s", self.port, ", ".join(each.phrase for each in missing))

    def _read(self) -> bytes:
        received = super()._read()
        if not received:
            return b""
        try:
            items = self._telnet.receive(received)
        except TelnetError as error:
            raise self._lost("the device server does not use Telnet") from error
        data = b"".join(item if isinstance(item, bytes) else self._taken(item) for item in items)
        self._commands += self._telnet.answers
        self._telnet.answers.clear()
        self._send_commands()
        self._read_limit.spend(len(received) - len(data))
        if not data:
            raise BlockingIOError
        return data

    def _taken(self, item: OptionSettled | Subnegotiation) -> bytes:
        """Take a command; return what it puts in the place of data."""
        if isinstance(item, OptionSettled):
            self._options[item.ours, item.option] = item.accepted
            if self._negotiated and not item.accepted and item.option != SUPPRESS_GO_AHEAD:
                raise self._lost("the device server switched RFC 2217 off")
        elif item.option == COM_PORT and item.content:
            return self._reported_by_server(item.content[0], item.content[1:])
        return b""

    def _reported_by_server(self, command: int, content: bytes) -> bytes:
        if command in (SUSPEND, RESUME):
            self._suspended = command == SUSPEND
        elif command == LINESTATE:
            # As the operating system does on a port of this computer: no protocol takes NUL for a digit.
            return b"\0" if self._checks_characters and content and content[0] & DAMAGED else b""
        elif content:
            value = int.from_bytes(content)
            number = command - OF_THE_SERVER
            self._reported[number, _control_group(value) if number == CONTROL else 0] = value
            if self._negotiated and (ignored := self._ignored()):
                raise self._lost(f"the device server changed a setting: no longer {' and '.join(ignored)}")
        return b""

    def _send_commands(self) -> None:
        """Send what fits; never between the two bytes of an escaped character."""
        if self._commands and not self._half_sent:
            try:
                del self._commands[: super()._write(bytes(self._commands))]
            except BlockingIOError:
                return

    def _write(self, data: bytes | memoryview) -> int:
        self._send_commands()
        if self._commands or self._suspended:
            raise BlockingIOError
        if self._half_sent and bytes(data[:1]) != b"\xff":  # a request that was cancelled
            raise self._lost("a request was interrupted inside a character")
        out = escaped(bytes(data))
        sent = self._half_sent + super()._write(memoryview(out)[self._half_sent :])
        doubled = out[:sent].count(IAC)
        self._half_sent = doubled % 2
        return sent - (doubled + 1) // 2
