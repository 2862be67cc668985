"""The one object per port that may talk on it: one conversation at a time.

No wrong value, ever. After a failure the line is quarantined until it has been silent, and an instrument that still
owes replies is first asked for its marker (see Codec.marker), behind which nothing older can come. Where requests carry
numbers, none of it is needed (see Codec.renew). What makes a single exchange safe stands in ``line``.
"""

from contextlib import suppress

import anyio

from riglog.errors import DeviceRefusedError, MalformedReplyError, ProtocolError, ReplyTimeoutError
from riglog.model import SYSTEM_CLOCK, Clock, Stamp
from riglog.protocol.codec import Codec, Reply, Request
from riglog.protocol.line import Line, TimedReply
from riglog.protocol.port_lock import PortLock
from riglog.transport import Transport

PATIENCE = 5
"""How many quarantines the line gets to fall silent."""

QUARANTINE_AFTER_RESTART = 0.25
"""Seconds of silence, at most, on a line that was just opened again."""


class ProtocolClient(Line[Request, Reply]):
    """One conversation at a time on one port.

    Args:
        timeout: seconds to wait for a reply, from the moment the request was handed to the port.
        retries: how often a *read* that got no reply is asked again; writes never are.
        gap: seconds of silence before each request; default what the codec says.
        echo: the adapter hands our own bytes back; they are compared and taken off.
    """

    def __init__(
        self,
        transport: Transport,
        codec: Codec[Request, Reply],
        *,
        timeout: float = 0.5,
        retries: int = 0,
        gap: float | None = None,
        echo: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        super().__init__(transport, codec, gap=codec.gap if gap is None else gap, echo=echo, clock=clock)
        self.timeout = timeout
        self.retries = retries
        self.turn = PortLock()
        self._heard_utc = 0  # UTC ns of the last byte a listener got

    def widen_gap(self, seconds: float) -> None:
        """One of the devices on this line needs more silence before a request: then all of them give it."""
        self.gap = max(self.gap, seconds)

    async def transact(
        self, request: Request, *, timeout: float | None = None, retries: int | None = None, skip_resync: bool = False
    ) -> TimedReply[Reply]:
        """Send a request and wait for the reply that answers it.

        Args:
            skip_resync: go out even if the line was not found clean after a failure; only for what must be sent come
                what may, and where an older reply taken for this one does no harm.

        Raises:
            ReplyTimeoutError: no answer in time; ``reason`` says what came instead.
            DeviceRefusedError, MalformedReplyError: an answer, but no value.
            ConnectionLostError: the port is gone.
        """
        wait = self.timeout if timeout is None else timeout
        attempts = 1 + (self.retries if retries is None else retries)
        first: ReplyTimeoutError | None = None
        async with self.turn:
            while True:
                attempts -= 1
                try:
                    if (self._owed or self._quarantine) and not skip_resync:
                        await self._settle(request, wait)
                    return await self._exchange(request, wait)
                except ReplyTimeoutError as error:
                    first = first or error  # the later ones may be about the marker, which nobody asked for
                    if not attempts:
                        raise first from None
                    self.counters.retries += 1

    async def write(self, request: Request, *, timeout: float | None = None) -> TimedReply[Reply]:
        """``ask`` for requests that change the instrument: never repeated."""
        return await self.transact(request, timeout=timeout, retries=0)

    async def send_without_reply(self, request: Request) -> None:
        """Send a request that has no reply; allowed while another task listens."""
        async with self.turn:
            await self._silence(self.gap)
            await self.transport.send(self.codec.encode(request))
            self._quiet_since = self.clock.monotonic_ns()

    async def listen(self) -> TimedReply[Reply]:
        """Wait for the next frame the instrument sends of itself; each frame is delivered once.

        Raises:
            ConnectionLostError: the port is gone.
        """
        while (answer := self._unasked()) is None:
            self._heard(await self.transport.receive())
        return answer

    def receive_unsolicited_nowait(self) -> TimedReply[Reply] | None:
        """``listen`` without waiting: None if no whole frame has come. Not while another task listens or asks.

        Raises:
            ConnectionLostError: the port is gone.
        """
        if data := self.transport.receive_nowait():
            self._heard(data)
        return self._unasked()

    def restart(self) -> None:
        """The port was closed and opened again: nothing is half read. What was owed may still come.

        The instrument behind a device server or an adapter does not know that we were away. Most of its silence has
        passed meanwhile.
        """
        self._buffer.clear()
        self._quarantine = min(self._quarantine, QUARANTINE_AFTER_RESTART)
        self._quiet_since = self.clock.monotonic_ns()

    def _heard(self, data: bytes) -> None:
        self._buffer += data
        self._heard_utc, self._quiet_since = self.clock.utc_ns(), self.clock.monotonic_ns()

    def _unasked(self) -> TimedReply[Reply] | None:
        frame = self.codec.unsolicited(self._buffer) if self._buffer else None
        return None if frame is None else TimedReply(frame, Stamp(self._heard_utc, None, self._quiet_since))

    async def _settle(self, request: Request, timeout: float) -> None:
        """Make sure that what comes next cannot be older than what is asked next."""
        if self._quarantine:
            await self._fall_silent()
        marker = self._owed.resync_request(request)
        if marker is not None:
            await self._mark(marker, timeout)
            self.counters.resynchronised += 1

    async def _mark(self, marker: Request, timeout: float) -> None:
        """Ask for the marker; its reply proves that everything older has come."""
        try:
            await self._exchange(marker, timeout)
        except (DeviceRefusedError, MalformedReplyError):  # perhaps an older one: then its own is still to come
            with suppress(ProtocolError, DeviceRefusedError):
                await self._reply(marker, b"", timeout)
            self._owed.answered(marker)

    async def _fall_silent(self) -> None:
        """Wait the quarantine out; every late byte starts it anew, but not for ever.

        Raises:
            ReplyTimeoutError: somebody talks on and on.
        """
        self.counters.stale_bytes += len(self._buffer)
        self._buffer.clear()
        with anyio.move_on_after(self._quarantine * PATIENCE) as patience:
            await self._silence(self._quarantine, listening=True)
            self._quarantine = 0.0
        if patience.cancelled_caught:
            raise ReplyTimeoutError(
                f"the line was not silent for {self._quarantine:g} s, so nothing could be asked",
                reason="babble",
                hint="another master on the line, or an instrument that broadcasts",
                port=self.port,
            )
