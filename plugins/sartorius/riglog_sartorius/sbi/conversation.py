"""Commands and lines on an SBI port, one at a time, and never a question to a balance that prints of itself.

``ESC P`` would switch automatic output off, so a weight that nobody asked for ends the asking until there is silence.
Source: sections 4.1, 4.8, 4.9.
"""

import anyio

from riglog.errors import ReplyTimeoutError
from riglog.protocol import ProtocolClient, TimedReply
from riglog_sartorius.errors import AutoprintError, LineSettingsError
from riglog_sartorius.sbi.codec import SEVEN_BITS
from riglog_sartorius.sbi.commands import SbiRequest
from riglog_sartorius.sbi.lines import Kind, Line

LISTEN = 0.5
"""Seconds to listen before the first command; automatic output seen is 60 Hz to one line in 0.4 s."""

BETWEEN_SILENT = 0.05
"""Seconds a balance needs after a command that has no reply."""

Client = ProtocolClient[SbiRequest, Line]


class Conversation:
    """What is said to a balance, and what it says of itself."""

    def __init__(self, client: Client, *, crlf: bool = True, timeout: float | None = None) -> None:
        self.client = client
        self.crlf = crlf
        self.timeout = timeout
        self._prints = False

    async def begin(self) -> None:
        """Listen before anything is said.

        Raises:
            AutoprintError: it prints of itself.
        """
        line = await self.heard(LISTEN)
        self._prints = line is not None and tells(line)
        if self._prints:
            raise printing()

    async def ask(self, token: str) -> TimedReply[Line]:
        """Send a command that is answered by a line.

        Raises:
            LineSettingsError: 7-bit text is read as 8 bits.
        """
        try:
            return await self.client.transact(SbiRequest(token, self.crlf), timeout=self.timeout)
        except ReplyTimeoutError as error:
            if error.reason == SEVEN_BITS:
                raise seven_bits(**error.context) from error
            raise

    async def tell(self, token: str) -> None:
        """Send a command that nothing answers."""
        async with self.client.turn:
            await self.client.send_without_reply(SbiRequest(token, self.crlf))
            await anyio.sleep(BETWEEN_SILENT)

    async def heard(self, seconds: float) -> Line | None:
        """The next line nobody asked for, None if there is none in time."""
        with anyio.move_on_after(seconds):
            return (await self.client.listen()).reply
        return None

    async def refuse_a_printer(self) -> None:
        """Before asking for a weight. A late reply is a single line; a printer goes on.

        Raises:
            AutoprintError: it prints of itself.
        """
        while heard := self.client.receive_unsolicited_nowait():
            self._prints = self._prints or tells(heard.reply)
        if not self._prints:
            return
        while line := await self.heard(self.timeout or self.client.timeout):
            if tells(line):
                raise printing()
        self._prints = False


def tells(line: Line) -> bool:
    """Whether a line is one that automatic output prints; unrecognised ones prove nothing."""
    return line.kind in (Kind.WEIGHT, Kind.STATUS, Kind.ERROR)


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
