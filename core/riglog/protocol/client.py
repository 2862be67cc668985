"""The one object per port that may talk on it: transport, codec, turn, timeout and clock.

No wrong value, ever. Input that is older than the request is discarded; a reply counts only if the codec proves that it
answers this request; after a failure the line is quarantined until it has been silent, and an instrument that still
owes replies is first asked for its marker (see Codec.marker), behind which nothing older can come. For some time a
reply that looks like a missing one is believed only if it stays alone (see Owed). Where requests carry numbers, none of
it is needed (see Codec.renew).
"""

from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

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
from riglog.model import NS, SYSTEM_CLOCK, Clock, Stamp
from riglog.protocol.codec import Codec, Reply, Request
from riglog.protocol.owed import Owed
from riglog.protocol.turn import Turn
from riglog.transport import Transport

R = TypeVar("R")

SILENT = "check power, wiring, address, baud rate and protocol"
GARBLED = "check baud rate, parity and protocol; does somebody else talk on this line?"
PATIENCE = 5
"""How many quarantines the line gets to fall silent."""

QUARANTINE_AFTER_RESTART = 0.25
"""Seconds of silence, at most, on a line that was just opened again."""

LEAST_PATIENCE = 0.05
"""Seconds within which a doubtful reply has to come, and for which it has to stay alone, at least."""


class Answer(NamedTuple, Generic[R]):
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


class ProtocolClient(Generic[Request, Reply]):
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
        self.transport = transport
        self.codec = codec
        self.timeout = timeout
        self.retries = retries
        self.gap = codec.gap if gap is None else gap
        self.echo = echo
        self.clock = clock
        self.turn = Turn()
        self.counters = ClientCounters()
        self._buffer = bytearray()
        self._owed = Owed(codec)
        self._quarantine = 0.0  # seconds of silence the line owes us before the next request
        self._quiet_since = 0  # monotonic ns of the last byte in either direction
        self._slowest = 0  # ns: the longest a reply has taken lately
        self._heard_utc = 0  # UTC ns of the last byte a listener got

    @property
    def port(self) -> str:
        return self.transport.port

    def widen_gap(self, seconds: float) -> None:
        """One of the devices on this line needs more silence before a request: then all of them give it."""
        self.gap = max(self.gap, seconds)

    async def ask(
        self, request: Request, *, timeout: float | None = None, retries: int | None = None, at_once: bool = False
    ) -> Answer[Reply]:
        """Send a request and wait for the reply that answers it.

        Args:
            at_once: go out even if the line was not found clean after a failure; only for what must be said come what
                may, and where an older reply taken for this one does no harm.

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
                    if (self._owed or self._quarantine) and not at_once:
                        await self._settle(request, wait)
                    return await self._exchange(request, wait)
                except ReplyTimeoutError as error:
                    first = first or error  # the later ones may be about the marker, which nobody asked for
                    if not attempts:
                        raise first from None
                    self.counters.retries += 1

    async def write(self, request: Request, *, timeout: float | None = None) -> Answer[Reply]:
        """``ask`` for requests that change the instrument: never repeated."""
        return await self.ask(request, timeout=timeout, retries=0)

    async def tell(self, request: Request) -> None:
        """Send a request that has no reply; allowed while another task listens."""
        async with self.turn:
            await self._silence(self.gap)
            await self.transport.send(self.codec.encode(request))
            self._quiet_since = self.clock.monotonic_ns()

    async def listen(self) -> Answer[Reply]:
        """Wait for the next frame the instrument sends of itself; each frame is delivered once.

        Raises:
            ConnectionLostError: the port is gone.
        """
        while (answer := self._unasked()) is None:
            self._heard(await self.transport.receive())
        return answer

    def overhear(self) -> Answer[Reply] | None:
        """``listen`` without waiting: None if no whole frame has come. Not while another task listens or asks.

        Raises:
            ConnectionLostError: the port is gone.
        """
        if data := self.transport.receive_now():
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

    def _unasked(self) -> Answer[Reply] | None:
        frame = self.codec.unasked(self._buffer) if self._buffer else None
        return None if frame is None else Answer(frame, Stamp(self._heard_utc, None, self._quiet_since))

    async def _exchange(self, request: Request, timeout: float) -> Answer[Reply]:
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
        return Answer(reply, Stamp(sent_utc + latency, latency, sent + latency // 2))

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
                reason="no_echo" if echo and received else codec.why(request, received),
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
        if not self.codec.renew():
            self._owed.add(request, self.clock.monotonic_ns())
        self._quarantine = timeout if self.codec.quarantine is None else self.codec.quarantine
        self._quiet_since = self.clock.monotonic_ns()

    async def _settle(self, request: Request, timeout: float) -> None:
        """Make sure that what comes next cannot be older than what is asked next."""
        if self._quarantine:
            await self._fall_silent()
        marker = self._owed.marker(request)
        if marker is not None:
            await self._mark(marker, timeout)
            self.counters.resynchronised += 1

    async def _mark(self, marker: Request, timeout: float) -> None:
        """Ask for the marker; its reply proves that everything older has come."""
        try:
            await self._exchange(marker, timeout)
        except (
            DeviceRefusedError,
            MalformedReplyError,
        ):  # perhaps an older one: then the marker's own is still to come
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
