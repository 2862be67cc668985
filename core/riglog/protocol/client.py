"""The one object per port that may talk on it: transport, codec, turn, timeout and clock.

No wrong value, ever. Input that is older than the request is discarded; a reply counts only if the codec proves that it
answers this request; after a failure the line is quarantined until it has been silent, and an instrument that still
owes replies is first asked for its marker (see Codec.marker), behind which nothing older can come.
"""

from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

import anyio
import anyio.lowlevel
from msgspec import Struct

from riglog.errors import DeviceRefusedError, MalformedReplyError, ProtocolError, ReplyTimeoutError, error_context
from riglog.model import NS, SYSTEM_CLOCK, Clock, Stamp
from riglog.protocol.codec import Codec, Reply, Request
from riglog.protocol.turn import Turn
from riglog.transport import Transport

R = TypeVar("R")


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
        self._owed: dict[object, list[Request]] = {}  # asked, never answered, by address
        self._markers: list[Request] = []  # those of the owed that were only asked to find the end of the rest
        self._quarantine = 0.0  # seconds of silence the line owes us before the next request
        self._quiet_since = 0  # monotonic ns of the last byte in either direction

    @property
    def port(self) -> str:
        return self.transport.port

    def widen_gap(self, seconds: float) -> None:
        """One of the devices on this line needs more silence before a request: then all of them give it."""
        self.gap = max(self.gap, seconds)

    async def ask(self, request: Request, *, timeout: float | None = None, retries: int | None = None) -> Answer[Reply]:
        """Send a request and wait for the reply that answers it.

        Raises:
            ReplyTimeoutError: no answer in time; ``reason`` says what came instead.
            DeviceRefusedError, MalformedReplyError: an answer, but no value.
            ConnectionLostError: the port is gone.
        """
        wait = self.timeout if timeout is None else timeout
        attempts = 1 + (self.retries if retries is None else retries)
        async with self.turn:
            while True:
                attempts -= 1
                try:
                    if self._owed or self._quarantine:
                        await self._settle(request, wait)
                    answer = await self._exchange(request, wait)
                except ReplyTimeoutError:
                    if not attempts:
                        raise
                    self.counters.retries += 1
                else:
                    return answer

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
        while True:
            frame = self.codec.unasked(self._buffer)
            if frame is not None:
                now, monotonic = self.clock.utc_ns(), self.clock.monotonic_ns()
                return Answer(frame, Stamp(now, None, monotonic))
            self._buffer += await self.transport.receive()

    def restart(self) -> None:
        """The port was closed and opened again: nothing is owed, nothing is half read."""
        self._buffer.clear()
        self._owed.clear()
        self._markers.clear()
        self._quarantine = 0.0

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
            reply = await self._reply(request, frame, anyio.current_time() + timeout)
        except (DeviceRefusedError, MalformedReplyError):
            raise
        except BaseException:
            self._failed(request, timeout)
            raise
        latency = self._quiet_since - sent
        return Answer(reply, Stamp(sent_utc + latency, latency, sent + latency // 2))

    async def _reply(self, request: Request, frame: bytes, deadline: float) -> Reply:
        """Receive until something answers the request or the deadline passes."""
        codec, buffer, clock = self.codec, self._buffer, self.clock
        received = b""
        reply = None
        echo = frame if self.echo else b""
        try:
            with anyio.CancelScope(deadline=deadline):
                while reply is None:
                    data = await self.transport.receive()
                    self._quiet_since = clock.monotonic_ns()
                    received += data
                    if echo:
                        _, found, data = received.partition(echo)
                        if not found:
                            continue
                        echo = b""
                    buffer += data
                    reply = codec.decode(request, buffer)
            if reply is None:
                reply = codec.decode(request, buffer, final=True)
        except (DeviceRefusedError, MalformedReplyError) as error:
            self.counters.replies += 1
            with error_context(port=self.port, address=codec.address(request), request=frame, reply=received):
                raise error
        if reply is None:
            self.counters.timeouts += 1
            raise ReplyTimeoutError(
                "no reply in time",
                reason=codec.why(request, received),
                hint="check power, wiring, address, baud rate and protocol",
                port=self.port,
                address=codec.address(request),
                request=frame,
                reply=received or None,
            )
        self.counters.replies += 1
        return reply

    def _failed(self, request: Request, timeout: float) -> None:
        """The instrument may still answer this: remember it, and give the line time to fall silent."""
        owed = self._owed.setdefault(self.codec.address(request), [])
        if request not in owed:
            owed.append(request)
        self._quarantine = timeout if self.codec.quarantine is None else self.codec.quarantine
        self._quiet_since = self.clock.monotonic_ns()

    async def _settle(self, request: Request, timeout: float) -> None:
        """Make sure that what comes next cannot be older than what is asked next."""
        if self._quarantine:
            await self._silence(self._quarantine, listening=True)
            self._quarantine = 0.0
        address = self.codec.address(request)
        owed = self._owed.get(address)
        if not owed:
            return
        marker = self.codec.marker(request, [one for one in owed if one not in self._markers])
        if marker is not None:
            await self._mark(marker, timeout)
        self.counters.resynchronised += 1
        # A marker that was asked before and not answered then may have been answered now: one more may be on its way.
        self._owed[address] = [marker] if marker is not None and marker in owed else []
        self._markers.clear()

    async def _mark(self, marker: Request, timeout: float) -> None:
        """Ask for the marker; its reply proves that everything older has come."""
        self._markers.append(marker)
        try:
            await self._exchange(marker, timeout)
        except MalformedReplyError:
            return
        except DeviceRefusedError:  # perhaps an older refusal: then the marker's own reply is still to come
            with suppress(ProtocolError, DeviceRefusedError):
                await self._reply(marker, self.codec.encode(marker), anyio.current_time() + timeout)

    async def _silence(self, seconds: float, *, listening: bool = False) -> None:
        """Wait until the line has been silent for ``seconds``; with ``listening``, late bytes start the wait anew."""
        while (rest := seconds - (self.clock.monotonic_ns() - self._quiet_since) / NS) > 0:
            if not listening:
                await anyio.sleep(rest)
                continue
            with anyio.move_on_after(rest):
                self.counters.stale_bytes += len(await self.transport.receive())
                self._quiet_since = self.clock.monotonic_ns()
