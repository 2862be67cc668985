"""A balance that prints of itself. It is listened to, never asked: asking would stop it. Source: sections 4.7, 4.8."""

import anyio

from riglog.device import Pace
from riglog.errors import ConnectionLostError, ReplyTimeoutError
from riglog.protocol import TimedReply
from riglog_sartorius.dialect import Quantity
from riglog_sartorius.errors import AutoprintError
from riglog_sartorius.identity import Identity
from riglog_sartorius.reading import Reading
from riglog_sartorius.sbi.codec import SEVEN_BITS, SbiCodec
from riglog_sartorius.sbi.commands import Reply, command
from riglog_sartorius.sbi.conversation import Conversation, seven_bits, tells
from riglog_sartorius.sbi.dialect import SbiDialect, refuse_what_no_line_has, token_of
from riglog_sartorius.sbi.lines import Kind, Line
from riglog_sartorius.sbi.reading import reading_of

SILENCE = 5.0
"""Seconds without a line after which a reading is missing."""

BACKLOG = 0.5
"""Seconds without a reader after which the lines that piled up are dropped: nobody knows any more when they came."""


class AutoprintDialect(SbiDialect):
    """Every line is read once. The first one after attaching may have lost its beginning, and is thrown away."""

    pace = Pace.DEVICE

    def __init__(self, conversation: Conversation, codec: SbiCodec) -> None:
        super().__init__(conversation, codec)
        self.unreadable = 0  # lines thrown away because they were cut, garbled or foreign
        self._client = conversation.client
        self._silence = conversation.timeout or SILENCE
        self._attached = False
        self._read_until = 0.0

    async def greet(self) -> None:
        self._attached = False
        await self._next_line()

    async def identify(self) -> Identity:
        raise busy("identity")

    async def serial_number(self) -> str | None:
        """None: it may not be asked."""
        return None

    async def read(self, quantity: Quantity, *, hires: int = 0) -> Reading:
        refuse_what_no_line_has(quantity, hires)
        line, stamp = await self._next_line()
        return reading_of(line, stamp)

    async def tare(self) -> None:
        await self._conversation.tell("T")

    async def zero(self) -> None:
        await self._conversation.tell("V")

    async def raw(self, code: int | str, args: bytes) -> bytes | None:
        token = token_of(code, args)
        if command(token).reply is not Reply.NONE:
            raise busy(f"ESC {token}")
        return await super().raw(code, args)

    async def _next_line(self) -> TimedReply[Line]:
        """The next line that says something about the net weight.

        Raises:
            ReplyTimeoutError: silence, or nothing readable.
            LineSettingsError: 7-bit text is read as 8 bits.
        """
        unreadable = self.unreadable
        if anyio.current_time() - self._read_until > BACKLOG:
            self._drop_backlog()
        try:
            with anyio.move_on_after(self._silence):
                while True:
                    answer = await self._whole_line()
                    if answer.reply.status == SEVEN_BITS:
                        raise seven_bits(port=self._client.port)
                    if answer.reply.is_net or (tells(answer.reply) and answer.reply.kind is not Kind.WEIGHT):
                        return answer
                    self.unreadable += not tells(answer.reply)
        finally:
            self._read_until = anyio.current_time()
        raise ReplyTimeoutError(
            f"the balance printed nothing for {self._silence:g} s",
            reason="unreadable" if self.unreadable > unreadable else "no_reply",
            hint="is automatic output on? With output at stability set timeout to the longest pause",
            port=self._client.port,
        )

    async def _whole_line(self) -> TimedReply[Line]:
        """The next line of which the beginning was seen."""
        try:
            answer = await self._client.listen()
            if not self._attached and answer.reply.status != SEVEN_BITS:
                self._attached = True
                answer = await self._client.listen()
        except (ConnectionLostError, anyio.ClosedResourceError):
            self._attached = False  # the half line in the buffer is lost with the port
            raise
        return answer

    def _drop_backlog(self) -> None:
        """The half line at the end stays: its beginning was seen, or it is the one that is thrown away."""
        while self._client.receive_unsolicited_nowait():
            self._attached = True


def busy(what: str) -> AutoprintError:
    return AutoprintError(
        f"{what} is not asked while the balance prints of itself",
        hint="switch automatic output off in the balance's menu and say autoprint = false",
    )
