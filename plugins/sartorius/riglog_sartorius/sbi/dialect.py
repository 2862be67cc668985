"""A balance over SBI that is asked. Source: sections 4.2, 4.6, 4.7."""

import anyio

from riglog.device import Safety
from riglog.errors import ConfigError, ReplyTimeoutError
from riglog_sartorius.dialect import Dialect, Quantity, State, lacks
from riglog_sartorius.errors import NotSettledError
from riglog_sartorius.identity import Identity
from riglog_sartorius.reading import Reading
from riglog_sartorius.sbi.codec import SbiCodec
from riglog_sartorius.sbi.commands import FILTERS, LONGEST, Reply, command
from riglog_sartorius.sbi.conversation import Conversation
from riglog_sartorius.sbi.reading import reading_of

SETTLE_TIMEOUT, SETTLE_PAUSE, NEAR_ZERO_DIGITS = 10.0, 0.2, 5


class SbiDialect(Dialect):
    """Asks for every line."""

    def __init__(self, conversation: Conversation, codec: SbiCodec) -> None:
        self._conversation = conversation
        self._codec = codec

    async def greet(self) -> None:
        self._codec.identities = ()
        await self._conversation.begin()
        for token in ("x1_", "x2_"):
            if await self._identity(token) is None:
                break
            self._codec.identities += (token,)
        else:
            return
        try:
            await self._conversation.ask("P")
        except ReplyTimeoutError as error:
            error.hint = 'is the port in SBI mode (else protocol = "xbpi")? Old balances send only with rtscts = true'
            raise

    async def identify(self) -> Identity:
        model, serial, version = [await self._identity(token) for token in ("x1_", "x2_", "x3_")]
        return Identity(model, serial, version)

    async def serial_number(self) -> str | None:
        """None for a balance that did not answer identity commands at opening."""
        if "x2_" not in self._codec.identities:
            return None
        return self._text("x2_", (await self._conversation.ask("x2_")).reply.text)

    async def read(self, quantity: Quantity, *, hires: int = 0) -> Reading:
        refuse_what_no_line_has(quantity, hires)
        await self._conversation.refuse_a_printer()
        line, stamp = await self._conversation.ask("P")
        return reading_of(line, stamp)

    async def state(self) -> State:
        return state_of(await self.read(Quantity.NET))

    async def tare(self) -> None:
        await self._conversation.tell("T")
        await self._settled("tare")

    async def zero(self) -> None:
        await self._conversation.tell("V")
        await self._settled("zero")

    async def adjust(self) -> None:
        await self._conversation.tell("Z")

    async def set_filter(self, mode: int) -> None:
        await self._conversation.tell(FILTERS[mode])

    def safety_of(self, code: int | str, args: bytes) -> tuple[Safety, str]:
        token = token_of(code, args)
        return command(token).safety, f"ESC {token} {command(token).name}"

    async def raw(self, code: int | str, args: bytes) -> bytes | None:
        token = token_of(code, args)
        if command(token).reply is Reply.NONE:
            await self._conversation.tell(token)
            return None
        return (await self._conversation.ask(token)).reply.raw

    async def _identity(self, token: str) -> str | None:
        """The text behind an identity command; None if the balance does not answer it."""
        try:
            line = (await self._conversation.ask(token)).reply
        except ReplyTimeoutError:
            return None
        return self._text(token, line.text)

    @staticmethod
    def _text(token: str, line: str) -> str | None:
        """What an identity line says behind its label."""
        form = command(token).reply.value
        found = form.fullmatch(line.strip())
        return str(found[found.re.groups]) if found else None

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


def refuse_what_no_line_has(quantity: Quantity, hires: int) -> None:
    """An SBI line that may be taken for a channel has the net weight as displayed, and nothing else."""
    if quantity is not Quantity.NET or hires:
        raise lacks(f"the {quantity} weight" + (" in high resolution" if hires else ""))


def state_of(reading: Reading) -> State:
    return State(
        stamp=reading.stamp,
        stable=reading.stable,
        overload=reading.overload,
        underload=reading.underload,
        adjusting=reading.adjusting,
    )


def token_of(code: int | str, args: bytes) -> str:
    """The whole of a bare command, as its safety is judged and as it is sent."""
    token = str(code) + args.decode("latin-1")
    if isinstance(code, int) or not 0 < len(token) <= LONGEST or not token.isascii() or not token.isprintable():
        hint = f"tokens are what follows ESC, 1 to {LONGEST} printable characters, such as x1_"
        raise ConfigError(f"{token!r} is no SBI command", hint=hint, protocol="sbi")
    return token
