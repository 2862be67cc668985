"""One exchange on a line, and the line left so that the next one is safe. Whose turn it is, is not known here.

Input that is older than the request is discarded; a reply counts only if the codec proves that it answers this request.
For some time after a reply went missing, one that looks like it is believed only if it comes as soon as replies do, and
stays alone (see OutstandingReplies).
"""

from typing import Generic, NamedTuple, TypeVar

import anyio
import anyio.lowlevel
from msgspec import Struct

from riglog.errors import (
    AmbiguousReplyError,
    DeviceRefusedError,
    MalformedReplyError,
    ReplyTimeoutError,
    error_context,
)
from riglog.model import NS, Clock, Stamp
from riglog.protocol.codec import Codec, Reply, Request
from riglog.protocol.outstanding import OutstandingReplies
from riglog.transport import Transport

R = TypeVar("R")

SILENT = "check power, wiring, address, baud rate and protocol"
GARBLED = "check baud rate, parity and protocol; does somebody else talk on this line?"

LEAST_PATIENCE = 0.05
"""Seconds within which a doubtful reply has to come, and for which it has to stay alone, at least."""


class TimedReply(NamedTuple, Generic[R]):
    """A reply and when it came."""

    reply: R
    stamp: Stamp


class ClientCounters(Struct):
    """What happened on the line since it was opened."""

    requests: int = 0
    replies: int = 0
    timeouts: int = 0
    retries: int = 0
    resynchronised: int = 0
    stale_bytes: int = 0  # arrived when nobody could prove what they answer; thrown away


class Line(Generic[Request, Reply]):
    """What is common to everything that is said on one port: bytes, codec, clock, and what is still owed."""

    def __init__(
        self, transport: Transport, codec: Codec[Request, Reply], *, gap: float, echo: bool, clock: Clock
    ) -> None:
        self.transport = transport
        self.codec = codec
        self.gap = gap
        self.echo = echo
        self.clock = clock
        self.counters = ClientCounters()
        self._buffer = bytearray()
        self._owed = OutstandingReplies(codec)
        self._quarantine = 0.0  # seconds of silence the line owes us before the next request
        self._quiet_since = 0  # monotonic ns of the last byte in either direction
        self._slowest = 0  # ns: the longest a reply has taken lately

    @property
    def port(self) -> str:
        return self.transport.port

    async def _exchange(self, request: Request, timeout: float) -> TimedReply[Reply]:
        """One request, one reply. However it ends, the line is left so that the next one is safe."""
        clock = self.clock
        await self._silence(self.gap)
        self.counters.stale_bytes += len(self._buffer) + self.transport.discard_input()
        self._buffer.clear()
        frame = self.codec.encode(request)
        self.counters.requests += 1
        sent_utc, sent = clock.utc_ns(), clock.monotonic_ns()
        try:
            await self.transport.send(frame)
            reply = await self._reply(request, frame, timeout, echo=self.echo)
            latency = self._quiet_since - sent
            if self._owed.doubtful(request, sent):
                await self._dispel_doubt(request, reply, latency, timeout)
        except (DeviceRefusedError, MalformedReplyError, AmbiguousReplyError):
            raise
        except BaseException:
            self._failed(request, timeout)
            raise
        if self._owed:
            self._owed.answered(request)
        self._slowest = max(latency, self._slowest - self._slowest // 64)
        return TimedReply(reply, Stamp(sent_utc + latency, latency, sent + latency // 2))

    async def _reply(self, request: Request, frame: bytes, timeout: float, *, echo: bool = False) -> Reply:
        """Receive until something answers the request or the time is over. With ``echo``, ``frame`` comes first."""
        codec, buffer, clock = self.codec, self._buffer, self.clock
        received = b""
        reply = None
        deadline = anyio.current_time() + timeout
        try:
            with anyio.CancelScope(deadline=deadline):
                while reply is None:
                    data = await self.transport.receive()
                    self._quiet_since = clock.monotonic_ns()
                    received += data
                    if echo:
                        _, found, data = received.partition(frame)
                        echo = not found  # and until it is, what there is behind it is nothing
                    buffer += data
                    reply = codec.decode(request, buffer)
                    if reply is None and anyio.current_time() >= deadline:  # a flood never lets the scope interrupt
                        break
            if reply is None:
                reply = codec.decode(request, buffer, final=True)
        except (DeviceRefusedError, MalformedReplyError) as error:
            self.counters.replies += 1
            with error_context(port=self.port, address=codec.address(request), request=frame, reply=received):
                raise error
        if reply is None:
            self.counters.timeouts += 1
            raise ReplyTimeoutError(
                "no reply in time; what came answers nothing" if received else "no reply in time",
                reason="no_echo" if echo and received else codec.diagnose(request, received),
                hint=GARBLED if received else SILENT,
                port=self.port,
                address=codec.address(request),
                request=frame,
                reply=received or None,
            )
        self.counters.replies += 1
        return reply

    async def _dispel_doubt(self, request: Request, reply: Reply, latency: int, timeout: float) -> None:
        """A reply that looks like one that is missing has to come as soon as replies do, and to stay alone that long.

        Raises:
            AmbiguousReplyError: nobody can tell what it answers.
        """
        usual = max(LEAST_PATIENCE, 1.5 * self._slowest / NS) if self._slowest else timeout
        rest = usual - latency / NS
        if rest < 0:
            raise self._ambiguous(request, "a reply came later than replies do, while an older one is missing")
        with anyio.move_on_after(rest):
            while not self._another(request, reply):
                self._buffer += await self.transport.receive()
                self._quiet_since = self.clock.monotonic_ns()
            self._owed.arrived(request)
            raise self._ambiguous(request, "two replies came to one request")

    def _ambiguous(self, request: Request, message: str) -> AmbiguousReplyError:
        return AmbiguousReplyError(
            f"{message}: nobody can tell what it answers",
            hint="replies are held up on their way: look at device server, adapter and timeout",
            port=self.port,
            address=self.codec.address(request),
        )

    def _another(self, request: Request, reply: Reply) -> bool:
        """Whether what came behind the reply answers the request too, and otherwise."""
        try:
            another = self.codec.decode(request, self._buffer)
        except (DeviceRefusedError, MalformedReplyError):
            return True
        return another is not None and another != reply

    def _failed(self, request: Request, timeout: float) -> None:
        """The instrument may still answer this: remember it, and give the line time to fall silent."""
        if not self.codec.new_transaction_number():
            self._owed.add(request, self.clock.monotonic_ns())
        self._quarantine = timeout if self.codec.quarantine is None else self.codec.quarantine
        self._quiet_since = self.clock.monotonic_ns()

    async def _silence(self, seconds: float, *, listening: bool = False) -> None:
        """Wait until the line has been silent for ``seconds``; with ``listening``, late bytes start the wait anew."""
        while (rest := seconds - (self.clock.monotonic_ns() - self._quiet_since) / NS) > 0:
            if not listening:
                await anyio.sleep(rest)
                continue
            with anyio.move_on_after(rest):
                self.counters.stale_bytes += len(await self.transport.receive())
                self._quiet_since = self.clock.monotonic_ns()
            await anyio.lowlevel.checkpoint()  # a flood would never let anybody interrupt
