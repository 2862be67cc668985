"""A balance over SBI that is asked. Source: sections 4.2, 4.6 to 4.9."""

import anyio

from riglog.device import Safety
from riglog.errors import ConfigError, ReplyTimeoutError
from riglog.protocol import Answer, ProtocolClient
from riglog_sartorius.dialect import Dialect, Quantity, State, lacks
from riglog_sartorius.errors import AutoprintError, LineSettingsError, NotSettledError
from riglog_sartorius.identity import Identity
from riglog_sartorius.reading import Reading
from riglog_sartorius.sbi.codec import SEVEN_BITS, SbiCodec
from riglog_sartorius.sbi.commands import FILTERS, LONGEST, Reply, SbiRequest
from riglog_sartorius.sbi.commands import command as known
from riglog_sartorius.sbi.lines import Kind, Line
from riglog_sartorius.sbi.reading import reading_of

LISTEN = 0.25
"""Seconds to listen before the first command: a balance that prints of itself must not be asked."""

BETWEEN_SILENT = 0.05
SETTLE_TIMEOUT, SETTLE_PAUSE, NEAR_ZERO_DIGITS = 10.0, 0.2, 5

Client = ProtocolClient[SbiRequest, Line]


class SbiDialect(Dialect):
    """Asks for every line. A weight that nobody asked for means that automatic output runs; then asking stops.

    ``ESC P`` would switch automatic output off, so a balance found printing is asked again only after a silence.
    """

    def __init__(self, client: Client, codec: SbiCodec, *, crlf: bool = True, timeout: float | None = None) -> None:
        self._client = client
        self._codec = codec
        self._crlf = crlf
        self._timeout = timeout
        self._prints = False

    async def greet(self) -> None:
        self._codec.identities = ()
        self._prints = False
        if (line := await self.heard(LISTEN)) and tells(line):
            self._prints = True
            raise printing()
        for token in ("x1_", "x2_"):
            if await self._identity(token) is None:
                break
            self._codec.identities += (token,)
        else:
            return
        try:
            await self.ask("P")
        except ReplyTimeoutError as error:
            error.hint = 'is the port in SBI mode (else protocol = "xbpi")? Old balances send only with rtscts = true'
            raise

    async def identify(self) -> Identity:
        model, serial, version = [await self._identity(token) for token in ("x1_", "x2_", "x3_")]
        return Identity(model, serial, version)

    async def read(self, quantity: Quantity, *, hires: int = 0) -> Reading:
        if quantity is not Quantity.NET or hires:
            raise lacks(f"the {quantity} weight" + (" in high resolution" if hires else ""))
        await self._leave_a_printer_alone()
        line, stamp = await self.ask("P")
        return reading_of(line, stamp)

    async def state(self) -> State:
        return state_of(await self.read(Quantity.NET))

    async def tare(self) -> None:
        await self.tell("T")
        await self._settled("tare")

    async def zero(self) -> None:
        await self.tell("V")
        await self._settled("zero")

    async def adjust(self) -> None:
        await self.tell("Z")

    async def set_filter(self, mode: int) -> None:
        await self.tell(FILTERS[mode])

    def safety_of(self, command: int | str) -> tuple[Safety, str]:
        if not isinstance(command, str) or not 0 < len(command) <= LONGEST or not command.isascii():
            hint = f"tokens are what follows ESC, 1 to {LONGEST} characters, such as x1_"
            raise ConfigError(f"{command!r} is no SBI command", hint=hint, protocol="sbi")
        return known(command).safety, f"ESC {command} {known(command).name}"

    async def raw(self, command: int | str, args: bytes) -> bytes | None:
        token = str(command) + args.decode("ascii")
        if known(token).reply is Reply.NONE:
            await self.tell(token)
            return None
        return (await self.ask(token)).reply.raw

    async def ask(self, token: str) -> Answer[Line]:
        """Send a command that is answered by a line."""
        try:
            return await self._client.ask(SbiRequest(token, self._crlf), timeout=self._timeout)
        except ReplyTimeoutError as error:
            if error.reason == SEVEN_BITS:
                raise seven_bits(**error.context) from error
            raise

    async def tell(self, token: str) -> None:
        """Send a command that nothing answers; the balance needs a moment before the next one."""
        async with self._client.turn:
            await self._client.tell(SbiRequest(token, self._crlf))
            await anyio.sleep(BETWEEN_SILENT)

    async def heard(self, seconds: float) -> Line | None:
        """The next line nobody asked for, None if there is none in time."""
        with anyio.move_on_after(seconds):
            return (await self._client.listen()).reply
        return None

    async def _identity(self, token: str) -> str | None:
        """The text behind an identity command; None if the balance does not answer it."""
        try:
            line = (await self.ask(token)).reply
        except ReplyTimeoutError:
            return None
        form = SbiRequest(token).known.reply
        found = form.value.fullmatch(line.text.strip()) if isinstance(form, Reply) else None
        return str(found[found.re.groups]) if found else None

    async def _leave_a_printer_alone(self) -> None:
        """Before asking: is it printing of itself? A late reply is a single line, a printer goes on."""
        while heard := self._client.overhear():
            self._prints = self._prints or tells(heard.reply)
        if not self._prints:
            return
        wait = self._timeout or self._client.timeout
        while line := await self.heard(wait):
            if tells(line):
                raise printing()
        self._prints = False

    async def _settled(self, what: str) -> None:
        """A silent command gives no sign of success: wait for a stable value near zero."""
        with anyio.move_on_after(SETTLE_TIMEOUT):
            while True:
                reading = await self.read(Quantity.NET)
                near = NEAR_ZERO_DIGITS * 10.0**-reading.decimals
                if reading.value is not None and reading.stable and abs(reading.value) <= near:
                    return
                await anyio.sleep(SETTLE_PAUSE)
        raise NotSettledError(f"{what} was sent, no stable value near zero followed", hint="is the balance at rest?")


def tells(line: Line) -> bool:
    """Whether a line is one that automatic output prints; unrecognised ones prove nothing."""
    return line.kind in (Kind.WEIGHT, Kind.STATUS, Kind.ERROR)


def state_of(reading: Reading) -> State:
    return State(
        stamp=reading.stamp,
        stable=reading.stable,
        overload=reading.overload,
        underload=reading.underload,
        adjusting=reading.adjusting,
    )


def printing() -> AutoprintError:
    return AutoprintError(
        "the balance prints of itself, and asking would switch that off",
        hint="say autoprint = true, or switch automatic output off in the balance's menu",
    )


def seven_bits(**context: object) -> LineSettingsError:
    return LineSettingsError(
        "data bits or parity are wrong: 7-bit text with odd parity arrives",
        hint='say bytesize = 7 and parity = "O"',
        **context,
    )
