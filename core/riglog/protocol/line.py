"""Transactions on a line: send a request, receive its reply, leave the line in a known state.

``line_state`` has the theory of operation and the table of transitions that this file acts on. Which task may use the
line is decided by the caller: see ``client``.
"""

from contextlib import suppress
from typing import Generic

import anyio
import anyio.lowlevel
from msgspec import Struct

from riglog.errors import (
    AmbiguousReplyError,
    DeviceRefusedError,
    MalformedReplyError,
    ProtocolError,
    ReplyTimeoutError,
    error_context,
)
from riglog.model import NS, Stamp
from riglog.protocol import failures
from riglog.protocol.codec import Codec, Reply, Request
from riglog.protocol.connection import Connection
from riglog.protocol.line_state import TRANSITIONS, LineEvent, LineState
from riglog.protocol.outstanding import OutstandingReplies
from riglog.protocol.timed_reply import TimedReply

MIN_CONFIRMATION_SECONDS = 0.05
"""A reply in an ambiguity window must arrive within this time, and be the only one for it, at least."""

MAX_HOLD_OFFS = 5
"""The line is busy if it has not been idle for one hold-off time within this many."""

MAX_REPLY_BYTES = 1024 * 1024
"""Received for one request without a reply in it: then no reply is expected any more, as if the time had passed."""

MAX_DIAGNOSED_BYTES = 4096
"""Of what was received instead of a reply; ``reply`` of the error has them too."""

MAX_LATE_BYTES = 64 * 1024
"""Received in one hold-off: more than late replies, so the line will not be idle soon."""

MAX_UNSOLICITED_BYTES = 64 * 1024
"""Received without an unsolicited frame in it: they are discarded, and so is the frame whose beginning they may be."""

HOLD_OFF_AFTER_REOPENING = 0.25
"""Seconds of hold-off, at most, on a port that was just opened again: most of it has passed meanwhile."""


class ClientCounters(Struct):
    """Counts since the port was opened. ``stale_bytes`` were discarded, as they cannot belong to a request."""

    requests: int = 0
    replies: int = 0
    timeouts: int = 0
    retries: int = 0
    resynchronised: int = 0
    stale_bytes: int = 0


class Line(Generic[Request, Reply]):
    """The line of one port. Not for concurrent use."""

    def __init__(self, connection: Connection, codec: Codec[Request, Reply]) -> None:
        self.transport = connection.transport
        self.clock = connection.clock
        self.echo = connection.link.echo
        self.codec = codec
        self.inter_frame_gap = codec.inter_frame_gap
        self.counters = ClientCounters()
        self.state = LineState.IDLE
        self._buffer = bytearray()
        self._outstanding = OutstandingReplies(codec)
        self._hold_off = 0.0
        self._last_byte_ns = 0  # monotonic, in either direction
        self._received_utc_ns = 0  # of the last byte of an unsolicited frame
        self._max_recent_latency_ns = 0
        self._beginning_lost = False  # of the next unsolicited frame

    @property
    def port(self) -> str:
        return self.transport.port

    async def transact(
        self, request: Request, *, timeout: float, retries: int = 0, skip_resync: bool = False
    ) -> TimedReply[Reply]:
        """Send a request and return the reply that is proven to belong to it.

        Args:
            timeout: seconds, from the moment at which the request was handed to the port.
            retries: of a request without a reply; only requests that the codec calls repeatable are repeated.
            skip_resync: send even if outstanding replies may still arrive; only for a request that must be sent in any
                case, and where an older reply taken for its own does no harm.

        Raises:
            ReplyTimeoutError: no valid reply in time; ``reason`` says what was received instead.
            AmbiguousReplyError: the reply may belong to another request.
            DeviceRefusedError, MalformedReplyError: a reply, but no value.
            ConnectionLostError: the port is gone.
        """
        retries_left = retries if retries and self.codec.is_repeatable(request) else 0
        first: ReplyTimeoutError | None = None
        while True:
            try:
                if (self._outstanding or self.state is LineState.HOLD_OFF) and not skip_resync:
                    await self._resynchronise(request, timeout)
                return await self._transaction(request, timeout, LineEvent.REQUEST_SENT, must_send=skip_resync)
            except ReplyTimeoutError as error:
                first = first or error  # later ones may be about the resync request, which the caller did not send
                if not retries_left:
                    raise first from None
                retries_left -= 1
                self.counters.retries += 1

    async def send_without_reply(self, request: Request) -> None:
        """Send a request that has no reply; allowed while another task listens."""
        await self._wait_idle(self.inter_frame_gap)
        await self.transport.send(self.codec.encode(request))
        self._last_byte_ns = self.clock.monotonic_ns()

    async def listen(self) -> TimedReply[Reply]:
        """Wait for the next unsolicited frame; each frame is returned once.

        Raises:
            ConnectionLostError: the port is gone.
        """
        while (frame := self._unsolicited()) is None:
            self._append_received(await self.transport.receive())
        return frame

    def receive_unsolicited_nowait(self) -> TimedReply[Reply] | None:
        """Return an unsolicited frame that has been received completely, or None. Not while another task listens.

        Raises:
            ConnectionLostError: the port is gone.
        """
        if data := self.transport.receive_nowait():
            self._append_received(data)
        return self._unsolicited()

    def discard_input(self) -> None:
        """Discard what has been received; a frame that has begun is not completed."""
        self.counters.stale_bytes += len(self._buffer) + self.transport.discard_input()
        self._buffer.clear()

    def reopened(self) -> None:
        """The port was closed and opened again. Outstanding replies stay: the device does not know about it."""
        self.state = TRANSITIONS[self.state][LineEvent.REOPENED]
        self._buffer.clear()
        self._hold_off = min(self._hold_off, HOLD_OFF_AFTER_REOPENING)
        self._last_byte_ns = self.clock.monotonic_ns()

    # --- one transaction

    async def _transaction(
        self, request: Request, timeout: float, sent_as: LineEvent, *, must_send: bool = False
    ) -> TimedReply[Reply]:
        """Perform one transaction. However it ends, the line is in a state in which the next one is safe."""
        clock = self.clock
        await self._wait_idle(self.inter_frame_gap)
        self.discard_input()
        if self.transport.flooded and not must_send:  # what is left unread could be taken for the reply
            raise failures.flooded(**self._where(request))
        frame = self.codec.encode(request)
        self.counters.requests += 1
        sent_utc, sent = clock.utc_ns(), clock.monotonic_ns()
        self.state = TRANSITIONS[self.state][sent_as]
        try:
            await self.transport.send(frame)
            reply = await self._receive_reply(request, frame, timeout, echo=self.echo)
            latency = self._last_byte_ns - sent
            if self._buffer and self._second_reply_follows(request, reply):
                raise failures.ambiguous(failures.SECOND_REPLY, **self._where(request))
            if self._outstanding.is_ambiguous(request, sent):
                self.state = TRANSITIONS[self.state][LineEvent.REPLY_IN_WINDOW]
                await self._confirm(request, reply, latency, timeout)
                event = LineEvent.CONFIRMED
            else:
                event = LineEvent.REPLY
        except (DeviceRefusedError, MalformedReplyError):
            self.state = TRANSITIONS[self.state][LineEvent.REPLY]
            raise
        except AmbiguousReplyError:
            self.state = TRANSITIONS[self.state][LineEvent.SECOND_REPLY]
            raise
        except BaseException:
            self._failed(request, timeout)
            raise
        self.state = TRANSITIONS[self.state][event]
        if self._outstanding:
            self._outstanding.reply_received(request)
        self._max_recent_latency_ns = max(latency, self._max_recent_latency_ns - self._max_recent_latency_ns // 64)
        return TimedReply(reply, Stamp(sent_utc + latency, latency, sent + latency // 2))

    async def _receive_reply(self, request: Request, frame: bytes, timeout: float, *, echo: bool = False) -> Reply:
        """Receive until the reply is complete or the timeout has passed. With ``echo``, ``frame`` comes back first."""
        codec, buffer, clock = self.codec, self._buffer, self.clock
        received = bytearray()
        reply = None
        deadline = anyio.current_time() + timeout
        try:
            with anyio.CancelScope(deadline=deadline):
                while reply is None:
                    data = await self.transport.receive()
                    self._last_byte_ns = clock.monotonic_ns()
                    received += data
                    if echo:
                        _, found, rest = received.partition(frame)
                        data = bytes(rest)
                        echo = not found  # until the echo is complete, nothing after it is known
                    buffer += data
                    reply = codec.decode(request, buffer)
                    if reply is None and (len(received) > MAX_REPLY_BYTES or anyio.current_time() >= deadline):
                        break  # data without end never lets the scope end
            if reply is None:
                reply = codec.decode(request, buffer, final=True)
        except (DeviceRefusedError, MalformedReplyError) as error:
            self.counters.replies += 1
            with error_context(port=self.port, address=codec.address(request), request=frame, reply=bytes(received)):
                raise error
        if reply is None:
            self.counters.timeouts += 1
            context = self._where(request) | {"request": frame}
            sample = bytes(received[:MAX_DIAGNOSED_BYTES])
            if echo and received:
                raise failures.no_echo(timeout, sample, **context)
            raise failures.no_reply(timeout, sample, codec.diagnose(request, sample), **context)
        self.counters.replies += 1
        return reply

    def _failed(self, request: Request, timeout: float) -> None:
        """The reply may still arrive: note it as outstanding, and begin the hold-off."""
        self.state = TRANSITIONS[self.state][LineEvent.FAILED]  # first: the codec, which a driver brings, may fail
        self._last_byte_ns = self.clock.monotonic_ns()
        self._hold_off = timeout
        if self.codec.hold_off is not None:
            self._hold_off = self.codec.hold_off
        if not self.codec.new_transaction_number():
            self._outstanding.add_timed_out(request, self.clock.monotonic_ns())

    # --- after a failure

    async def _resynchronise(self, request: Request, timeout: float) -> None:
        """Bring the line into a state in which the next reply must belong to the next request."""
        if self.state is LineState.HOLD_OFF:
            await self._wait_hold_off()
        resync = self._outstanding.resync_request(request)
        if resync is None:
            return
        try:
            await self._transaction(resync, timeout, LineEvent.RESYNC_SENT)
        except (DeviceRefusedError, MalformedReplyError):
            await self._receive_own_reply(resync, timeout)
        self.counters.resynchronised += 1

    async def _receive_own_reply(self, resync: Request, timeout: float) -> None:
        """A refusal may belong to an older request: then the reply to the resync request is still to come."""
        self.state = TRANSITIONS[self.state][LineEvent.RESYNC_SENT]
        try:
            with suppress(ProtocolError, DeviceRefusedError):
                await self._receive_reply(resync, b"", timeout)
        except BaseException:
            self._failed(resync, timeout)
            raise
        self.state = TRANSITIONS[self.state][LineEvent.REPLY]
        self._outstanding.reply_received(resync)

    async def _confirm(self, request: Request, reply: Reply, latency: int, timeout: float) -> None:
        """A reply in an ambiguity window must come within the usual time, and no other reply may follow in that time.

        Raises:
            AmbiguousReplyError: it is not certain to which request the reply belongs.
        """
        recent = self._max_recent_latency_ns
        usual = max(MIN_CONFIRMATION_SECONDS, 1.5 * recent / NS) if recent else timeout
        rest = usual - latency / NS
        if rest < 0:
            raise failures.ambiguous(failures.TOO_LATE, **self._where(request))
        with anyio.move_on_after(rest):
            while not self._second_reply_follows(request, reply):
                self._buffer += await self.transport.receive()
                self._last_byte_ns = self.clock.monotonic_ns()
            self._outstanding.confirm_late(request)
            raise failures.ambiguous(failures.SECOND_REPLY, **self._where(request))

    def _second_reply_follows(self, request: Request, reply: Reply) -> bool:
        """True if the bytes behind the reply hold another one to the same request, which differs."""
        try:
            second = self.codec.decode(request, self._buffer)
        except (DeviceRefusedError, MalformedReplyError):
            return True
        return second is not None and second != reply

    def _where(self, request: Request) -> dict[str, object]:
        return {"port": self.port, "address": self.codec.address(request)}

    # --- idle time

    async def _wait_idle(self, seconds: float) -> None:
        """Wait until ``seconds`` have passed since the last byte in either direction."""
        while (rest := seconds - (self.clock.monotonic_ns() - self._last_byte_ns) / NS) > 0:
            await anyio.sleep(rest)

    async def _wait_hold_off(self) -> None:
        """Wait until the line has been idle for the hold-off time. Late bytes are discarded and start it again.

        Raises:
            ReplyTimeoutError: the line does not become idle.
        """
        self.counters.stale_bytes += len(self._buffer)
        self._buffer.clear()
        received = 0
        with anyio.move_on_after(self._hold_off * MAX_HOLD_OFFS):
            while (rest := self._hold_off - (self.clock.monotonic_ns() - self._last_byte_ns) / NS) > 0:
                with anyio.move_on_after(rest):
                    late = len(await self.transport.receive())
                    self._last_byte_ns = self.clock.monotonic_ns()
                    self.counters.stale_bytes += late
                    received += late
                if received > MAX_LATE_BYTES:
                    raise failures.flooded(port=self.port)
                await anyio.lowlevel.checkpoint()  # data without end would never let the outer scope end
            self.state = TRANSITIONS[self.state][LineEvent.LINE_IDLE]
            return
        raise failures.line_busy(self._hold_off, port=self.port)

    # --- unsolicited frames

    def _append_received(self, data: bytes) -> None:
        self._buffer += data
        self._received_utc_ns, self._last_byte_ns = self.clock.utc_ns(), self.clock.monotonic_ns()

    def _unsolicited(self) -> TimedReply[Reply] | None:
        frame = self.codec.unsolicited(self._buffer) if self._buffer else None
        if frame is None:
            if len(self._buffer) > MAX_UNSOLICITED_BYTES:
                self.counters.stale_bytes += len(self._buffer)
                self._buffer.clear()
                self._beginning_lost = True
            return None
        if self._beginning_lost:
            self._beginning_lost = False
            return self._unsolicited()
        return TimedReply(frame, Stamp(self._received_utc_ns, None, self._last_byte_ns))
