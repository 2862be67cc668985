"""Commands and lines on an SBI port, without a request to a balance in autoprint mode.

``ESC P`` turns autoprint off. After a weight without a request, no request is sent until the line is idle.
Source: sections 4.1, 4.8, 4.9.
"""

import anyio

from riglog.errors import ReplyTimeoutError
from riglog.protocol import TimedReply, Transactor
from riglog_sartorius.config import Quantity
from riglog_sartorius.errors import autoprint_error, seven_bit_error
from riglog_sartorius.sbi.codec import SEVEN_BITS, SbiClient
from riglog_sartorius.sbi.commands import PRINT, SbiRequest
from riglog_sartorius.sbi.lines import Kind, Line

LISTEN_SECONDS = 0.5
"""Time to listen before the first command; autoprint lines were observed at 60 Hz down to one in 0.4 s."""

PAUSE_SECONDS = 0.05
"""Time that a balance needs after a command without a reply."""

SbiLine = Transactor[SbiRequest, Line]


class SbiSession:
    """Sends commands, and keeps track of whether the balance is in autoprint mode."""

    def __init__(self, client: SbiClient, *, crlf: bool = True) -> None:
        self.client = client
        self.crlf = crlf
        self._autoprint = False
        self._prints_single_lines = False

    async def start(self) -> None:
        """Listen before the first command.

        Raises:
            AutoprintError: the balance is in autoprint mode.
        """
        line = await self.receive_line(LISTEN_SECONDS)
        self._autoprint = line is not None and is_autoprint_line(line)
        if self._autoprint:
            raise autoprint_error()

    async def transact(self, line: SbiLine, token: str) -> TimedReply[Line]:
        """Send a command and return the line that is its reply.

        Raises:
            LineSettingsError: 7-bit text is received as 8-bit characters.
        """
        return await self._transact(line, self.request(token))

    async def print_weight(self, line: SbiLine, quantity: Quantity) -> TimedReply[Line]:
        """Request a print, and return its line with this weight; if it has none, another of its lines.

        Raises:
            AutoprintError: the balance is in autoprint mode.
        """
        await self.check_not_autoprinting()
        alone = self._prints_single_lines
        printed = await self._transact(line, SbiRequest(PRINT, self.crlf, quantity, alone))
        other = printed.reply.quantity
        self._prints_single_lines = alone or (other is not None and other is not quantity)
        return printed

    async def _transact(self, line: SbiLine, request: SbiRequest) -> TimedReply[Line]:
        try:
            return await line.transact(request)
        except ReplyTimeoutError as error:
            check_line_settings(error)
            raise

    async def send(self, line: SbiLine, token: str) -> None:
        """Send a command without a reply. The caller holds the line, so that nothing is sent in the pause after it."""
        await line.send_without_reply(self.request(token))
        await anyio.sleep(PAUSE_SECONDS)

    async def receive_line(self, seconds: float) -> Line | None:
        """Return the next line that arrives without a request; None if there is none in time."""
        with anyio.move_on_after(seconds):
            return (await self.client.listen()).reply
        return None

    async def check_not_autoprinting(self) -> None:
        """Check before a weight is requested. A late reply is a single line; in autoprint mode others follow.

        The caller holds the line: lines are taken from the receive buffer.

        Raises:
            AutoprintError: the balance is in autoprint mode.
        """
        while received := self.client.receive_unsolicited_nowait():
            self._prints_single_lines = False  # it may have been the rest of a print
            self._autoprint = self._autoprint or is_autoprint_line(received.reply)
        if not self._autoprint:
            return
        while line := await self.receive_line(self.client.timeout):
            if is_autoprint_line(line):
                raise autoprint_error()
        self._autoprint = False

    def request(self, token: str) -> SbiRequest:
        return SbiRequest(token, self.crlf)


def check_line_settings(error: ReplyTimeoutError) -> None:
    """Check whether the reason for a timeout is 7-bit text received as 8-bit characters.

    Raises:
        LineSettingsError: it is.
    """
    if error.reason == SEVEN_BITS:
        raise seven_bit_error(**error.context) from error


def is_autoprint_line(line: Line) -> bool:
    """Return True for a line as autoprint sends it; a blank or unrecognised line proves nothing."""
    return line.kind in (Kind.WEIGHT, Kind.STATUS, Kind.ERROR) and not line.is_empty
