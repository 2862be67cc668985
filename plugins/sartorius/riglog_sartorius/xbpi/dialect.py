"""A balance over xBPI. Source: sections 3.5 to 3.12."""

from collections.abc import Callable

from riglog.device import Safety
from riglog.errors import ConfigError, ReplyTimeoutError, UnsupportedError
from riglog.protocol import ProtocolClient, TimedReply
from riglog_sartorius.dialect import Dialect, Quantity, State
from riglog_sartorius.errors import InvalidArgumentsError, LineSettingsError, UnknownOpcodeError
from riglog_sartorius.identity import Identity
from riglog_sartorius.reading import Reading
from riglog_sartorius.xbpi.codec import XbpiRequest
from riglog_sartorius.xbpi.frames import Frame
from riglog_sartorius.xbpi.items import u8
from riglog_sartorius.xbpi.measurement import is_status_block, parse_measurement, parse_status_block
from riglog_sartorius.xbpi.numbers import decode_bcd, decode_text
from riglog_sartorius.xbpi.opcodes import COMBINED, opcode
from riglog_sartorius.xbpi.reading import reading_of

COLD_START_RETRIES = 2
"""Right after a USB port is opened the first bytes may be lost."""

MECHANICAL_TIMEOUT = 15.0
"""Tare and zero may wait for stability before they acknowledge."""

INTERNAL_ADJUSTMENT = 0x78
LONGEST_ARGS = 251

WEIGHTS = {Quantity.NET: (0x1E, 0x1F), Quantity.GROSS: (0x20, 0x21), Quantity.TARE: (0x22, 0x23)}
"""Commands for normal and for high resolution."""


class XbpiDialect(Dialect):
    """Asks a balance at a node number. What it does not know is learnt once and refused here afterwards."""

    def __init__(self, client: ProtocolClient[XbpiRequest, Frame], *, node: int, timeout: float | None = None) -> None:
        self._client = client
        self._node = node
        self._timeout = timeout
        self._unknown: set[int] = set()
        self._combines = True

    async def greet(self) -> None:
        self._unknown.clear()
        self._combines = True
        for retries_left in reversed(range(COLD_START_RETRIES + 1)):
            try:
                await self._ask(0x02)
            except ReplyTimeoutError as error:
                if error.reason == "text":
                    raise text_arrives(**error.context) from error
                if not retries_left:
                    error.hint = 'balances leave the factory in SBI mode: try protocol = "sbi", or check the wiring'
                    raise
            else:
                return

    async def identify(self) -> Identity:
        return Identity(
            model=await self._register(0x02, decode_text),
            serial=await self._register(0x01, decode_bcd),
            software=await self._register(0x00, lambda data: data[:3].hex("-")),
            manufacturer=await self._register(0x07, decode_text),
        )

    async def serial_number(self) -> str | None:
        return await self._register(0x01, decode_bcd)

    async def read(self, quantity: Quantity, *, hires: int = 0) -> Reading:
        if quantity is Quantity.NET and not hires and self._combines:
            try:
                return self._combined(await self.query(0x1E, COMBINED))
            except (UnknownOpcodeError, InvalidArgumentsError):
                self._combines = False
        normal, high = WEIGHTS[quantity]
        frame, stamp = await (self.query(high, u8(hires)) if hires else self.query(normal))
        weight = parse_measurement(frame.items[0].data)
        state = None
        if weight.value is None:
            state = parse_status_block((await self.query(0x30)).reply.items[0].data)
        return reading_of(weight, state, stamp, frame.raw)

    async def state(self) -> State:
        frame, stamp = await self.query(0x30)
        block = parse_status_block(frame.items[0].data)
        return State(
            stamp=stamp,
            stable=block.stable,
            overload=block.overload,
            underload=block.underload,
            isocal_due=block.isocal_due,
            adc_trusted=block.adc_trusted,
            tick=block.sequence,
        )

    async def tare(self) -> None:
        await self._ask(0x14, timeout=MECHANICAL_TIMEOUT)

    async def zero(self) -> None:
        await self._ask(0x18, timeout=MECHANICAL_TIMEOUT)

    async def adjust(self) -> None:
        await self._ask(0x28, u8(INTERNAL_ADJUSTMENT))

    async def set_filter(self, mode: int) -> None:
        await self._ask(0x2C, u8(mode))

    async def query(self, opcode: int, args: bytes = b"") -> TimedReply[Frame]:
        return await self._ask(opcode, args)

    def safety_of(self, code: int | str, args: bytes) -> tuple[Safety, str]:
        if not isinstance(code, int) or not 0 <= code <= 0xFF or len(args) > LONGEST_ARGS:
            hint = f"opcodes are 0 to 255, with at most {LONGEST_ARGS} bytes of arguments"
            raise ConfigError(f"{code!r} is no xBPI command", hint=hint, protocol="xbpi")
        return opcode(code).safety, f"{code:02x} {opcode(code).name}"

    async def raw(self, code: int | str, args: bytes) -> bytes | None:
        return (await self._ask(int(code), args)).reply.raw

    async def _register(self, code: int, decode: Callable[[bytes], str]) -> str | None:
        """The text in an identity register; None if this balance has none."""
        try:
            return decode((await self._ask(code)).reply.items[0].data)
        except (UnknownOpcodeError, UnsupportedError):
            return None

    async def _ask(self, code: int, args: bytes = b"", *, timeout: float | None = None) -> TimedReply[Frame]:
        if code in self._unknown:
            raise UnsupportedError("this balance does not know the command", command=opcode(code).name)
        request = XbpiRequest(code, args, self._node)
        try:
            return await self._client.transact(request, timeout=timeout or self._timeout)
        except UnknownOpcodeError:
            if not request.combined:
                self._unknown.add(code)
            raise

    @staticmethod
    def _combined(answer: TimedReply[Frame]) -> Reading:
        weight, block = (item.data for item in answer.reply.items)
        state = parse_status_block(block) if is_status_block(block) else None
        return reading_of(parse_measurement(weight), state, answer.stamp, answer.reply.raw)


def text_arrives(**context: object) -> LineSettingsError:
    return LineSettingsError(
        "text arrives where xBPI frames are expected",
        hint='the port is in SBI mode: say protocol = "sbi", or switch it to xBPI in the balance\'s menu',
        **context,
    )
