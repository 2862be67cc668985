"""A balance in autoprint mode: it is listened to, because a request would stop it. Source: sections 4.7, 4.8."""

from collections.abc import Collection
from typing import ClassVar

import anyio
from msgspec import structs

from riglog.device import Pace
from riglog.errors import ConnectionLostError, ReplyTimeoutError
from riglog.model import NS, Status
from riglog.protocol import TimedReply
from riglog_sartorius.config import Quantity
from riglog_sartorius.errors import autoprint_busy_error, other_weight_error, seven_bit_error, unproven_error
from riglog_sartorius.identity import Identity
from riglog_sartorius.samples import Reading
from riglog_sartorius.sbi.codec import SEVEN_BITS, SbiClient
from riglog_sartorius.sbi.commands import Reply, command
from riglog_sartorius.sbi.lines import NARROW, Kind, Line
from riglog_sartorius.sbi.protocol import SbiProtocol, line_reading, require_as_displayed, token_of
from riglog_sartorius.sbi.session import SbiLine, is_autoprint_line

MAX_PAUSE = 5.0
"""Seconds without a line after which a reading is missing, if no timeout is configured."""

MAX_BACKLOG_SECONDS = 0.5
"""If no line is read for longer, those that arrived meanwhile are discarded: their times are unknown."""


class AutoprintProtocol(SbiProtocol):
    """Every line is read once. The first one after opening may have lost its beginning, and is discarded.

    Tare and zero are sent while another task listens; only the lines that follow show whether they were executed.

    Attributes:
        max_pause: seconds without a line after which a reading is missing.
        quantities: the weights that are recorded; lines with other labels are discarded.
        unrecognised: count of lines that were discarded because they were cut, garbled or of another format.
    """

    pace: ClassVar[Pace] = Pace.DEVICE
    confirms_by_reading: ClassVar[bool] = False  # a reading must not be requested

    def __init__(
        self,
        client: SbiClient,
        *,
        crlf: bool = True,
        max_pause: float = MAX_PAUSE,
        quantities: Collection[Quantity] = (Quantity.NET,),
    ) -> None:
        super().__init__(client, crlf=crlf)
        self.max_pause = max_pause
        self.quantities = quantities
        self.unrecognised = 0
        self._client = client
        self._line_begin_seen = False
        self._last_read = 0.0  # on the monotonic clock

    async def handshake(self, line: SbiLine) -> None:
        self._line_begin_seen = False
        self._is_proven((await self._next_line(self.quantities)).reply)

    async def identify(self, line: SbiLine) -> Identity:
        raise autoprint_busy_error("identity")

    async def serial_number(self, line: SbiLine) -> str | None:
        """Return None: it cannot be requested."""
        return None

    async def read(self, line: SbiLine, quantity: Quantity, *, hires: int = 0) -> Reading:
        require_as_displayed(quantity, hires)
        for _ in range(2):
            reading = self._reading(await self._next_line([quantity]))
            if not reading.unproven:
                return reading
        raise unproven_error()

    async def next_reading(self) -> tuple[Collection[Quantity], Reading]:
        """Return the next reading, and what it is a reading of: one weight, or without a weight all of them."""
        printed = await self._next_line(self.quantities)
        quantity = printed.reply.quantity
        return self.quantities if quantity is None else (quantity,), self._reading(printed)

    async def raw(self, line: SbiLine, code: int | str, args: bytes) -> bytes | None:
        token = token_of(code, args)
        if command(token).reply is not Reply.NONE:
            raise autoprint_busy_error(f"ESC {token}")
        return await super().raw(line, code, args)

    def _reading(self, printed: TimedReply[Line]) -> Reading:
        """Return the reading of a line. It is not requested again, so what it states anew makes it suspect."""
        reading = line_reading(*printed)
        if self._is_proven(printed.reply):
            return reading
        return structs.replace(reading, status=Status.SUSPECT, unproven=True)

    async def _next_line(self, quantities: Collection[Quantity]) -> TimedReply[Line]:
        """Return the next line with one of the weights, a status or an error.

        Raises:
            ReplyTimeoutError: no line, or only unrecognised ones.
            OtherWeightError: only lines with the other weight.
            LineSettingsError: 7-bit text is received as 8-bit characters.
        """
        unrecognised, other = self.unrecognised, None
        now = self._now()
        if now - self._last_read > MAX_BACKLOG_SECONDS:
            self._discard_backlog()
        received = self._client.next_received() if self._line_begin_seen else None
        if received is not None and received.reply.quantity in quantities:
            self._last_read = now
            return received  # nobody has to wait: this is the way of a balance that prints fast
        try:
            with anyio.move_on_after(self.max_pause):
                while True:
                    if received is None:
                        received = await self._complete_line()
                    line = received.reply
                    if line.status == SEVEN_BITS:
                        raise seven_bit_error(port=self._client.port)
                    if line.quantity in quantities or is_display_state(line):
                        return received
                    other = line.quantity or other
                    self.unrecognised += not is_autoprint_line(line)
                    received = None
        finally:
            self._last_read = self._now()
        if other is not None:
            raise other_weight_error(" or ".join(quantities), other)
        raise ReplyTimeoutError(
            f"no line from the balance for {self.max_pause:g} s",
            reason="unrecognised_lines" if self.unrecognised > unrecognised else "no_reply",
            hint="Check that autoprint is on. If it prints only at stability, "
            "set timeout to the longest expected pause",
            port=self._client.port,
        )

    def _now(self) -> float:
        return self._client.clock.monotonic_ns() / NS

    async def _complete_line(self) -> TimedReply[Line]:
        """Return the next line that was received from its beginning."""
        try:
            received = await self._client.listen()
            if not self._line_begin_seen and received.reply.status != SEVEN_BITS:
                self._line_begin_seen = True
                received = await self._client.listen()
        except (ConnectionLostError, anyio.ClosedResourceError):
            self._line_begin_seen = False  # the incomplete line in the buffer is lost with the connection
            raise
        return received

    def _discard_backlog(self) -> None:
        """Discard complete lines. An incomplete one stays: its beginning was received, or it will be discarded."""
        while self._client.receive_unsolicited_nowait():
            self._line_begin_seen = True


def is_display_state(line: Line) -> bool:
    """Return True for what a display shows instead of a weight. Blanks are that only in a line as wide as a weight."""
    return line.kind in (Kind.STATUS, Kind.ERROR) and not (line.is_empty and line.body_length != NARROW)
