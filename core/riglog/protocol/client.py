"""The client of one port: performs transactions, one at a time, and never returns a wrong value.

The client has a ``Line`` and a ``PortLock``. Whoever holds the port gets the line, and hands it down to the functions
it calls: nothing takes the lock a second time.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Self

from riglog.model import Clock
from riglog.protocol.codec import Codec, Reply, Request
from riglog.protocol.connection import Connection
from riglog.protocol.line import ClientCounters, Line
from riglog.protocol.port_lock import Hold, PortLock
from riglog.protocol.timed_reply import TimedReply
from riglog.transport import Transport


class Transactor(ABC, Generic[Request, Reply]):
    """What performs transactions: a client (which takes the port for each of them) or a line that is held."""

    @abstractmethod
    async def transact(
        self, request: Request, *, timeout: float | None = None, retries: int | None = None, skip_resync: bool = False
    ) -> TimedReply[Reply]:
        """Send a request and return its reply; see ``Line.transact``. None: the client's own timeout and retries."""

    @abstractmethod
    async def send_without_reply(self, request: Request) -> None:
        """Send a request that has no reply; allowed while another task listens."""


class ProtocolClient(Transactor[Request, Reply]):
    """Performs transactions on one port, one at a time.

    Args:
        timeout: seconds to wait for a reply, from the moment at which the request was handed to the port.
        retries: of a request without a reply; requests that are not repeatable (``Codec.is_repeatable``) never are.
    """

    def __init__(
        self, connection: Connection, codec: Codec[Request, Reply], *, timeout: float = 0.5, retries: int = 0
    ) -> None:
        self.connection = connection
        self.codec = codec
        self.timeout = timeout
        self.retries = retries
        self.line = Line(connection, codec)
        self.lock = PortLock()

    @property
    def port(self) -> str:
        return self.line.port

    @property
    def transport(self) -> Transport:
        return self.line.transport

    @property
    def clock(self) -> Clock:
        return self.line.clock

    @property
    def counters(self) -> ClientCounters:
        return self.line.counters

    def with_timeout(self, timeout: float | None) -> Self:
        """Return a client of the same port, line and lock, with another default timeout; None: this one."""
        if timeout is None or timeout == self.timeout:
            return self
        other = copy.copy(self)
        other.timeout = timeout
        return other

    def widen_gap(self, seconds: float) -> None:
        """Wait at least ``seconds`` before each request to any device of this port: one of them needs it."""
        self.line.widen_gap(seconds)

    def hold(self, line: "HeldLine[Request, Reply] | None" = None) -> "HeldLine[Request, Reply]":
        """Return the line as an async context manager, for several transactions in a row.

        Args:
            line: the line of this port, held already by a caller; then nothing is locked.
        """
        return HeldLine(self, line)

    async def transact(
        self, request: Request, *, timeout: float | None = None, retries: int | None = None, skip_resync: bool = False
    ) -> TimedReply[Reply]:
        await self.lock.acquire()
        try:
            return await self.line.transact(
                request,
                timeout=self.timeout if timeout is None else timeout,
                retries=self.retries if retries is None else retries,
                skip_resync=skip_resync,
            )
        finally:
            self.lock.release()

    async def send_without_reply(self, request: Request) -> None:
        await self.lock.acquire()
        try:
            await self.line.send_without_reply(request)
        finally:
            self.lock.release()

    def listen(self) -> Coroutine[Any, Any, TimedReply[Reply]]:
        """Wait for the next unsolicited frame; each frame is returned once.

        Raises:
            ConnectionLostError: the port is gone.
        """
        return self.line.listen()  # not one more coroutine: this is the way of every line of a printing instrument

    def receive_unsolicited_nowait(self) -> TimedReply[Reply] | None:
        """Return an unsolicited frame that has been received completely, or None. Not while another task listens.

        Raises:
            ConnectionLostError: the port is gone.
        """
        return self.line.receive_unsolicited_nowait()

    def next_received(self) -> TimedReply[Reply] | None:
        """Return an unsolicited frame from what was received before; None if there is none. Reads nothing."""
        return self.line.next_received()

    def discard_input(self) -> None:
        """Discard what has been received; a frame that has begun is not completed."""
        self.line.discard_input()

    def reopened(self) -> None:
        """Note that the port was closed and opened again."""
        self.line.reopened()


class HeldLine(Transactor[Request, Reply]):
    """The line of a port, held by one task from ``async with`` to its end. ``ProtocolClient.hold`` makes it."""

    client: ProtocolClient[Request, Reply]

    def __init__(self, client: ProtocolClient[Request, Reply], outer: "HeldLine[Any, Any] | None") -> None:
        if outer is not None and outer.client.lock is not client.lock:
            raise ValueError("the line that was handed down belongs to another port")
        self.client = client
        self._outer = outer
        self._hold: Hold | None = None
        self._ended = False

    async def __aenter__(self) -> Self:
        if self._outer is None:
            self._hold = await self.client.lock.hold()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        if self._hold is not None:
            self.client.lock.end(self._hold)

    def transact(
        self, request: Request, *, timeout: float | None = None, retries: int | None = None, skip_resync: bool = False
    ) -> Coroutine[Any, Any, TimedReply[Reply]]:
        self._require_held()
        client = self.client
        return client.line.transact(
            request,
            timeout=client.timeout if timeout is None else timeout,
            retries=client.retries if retries is None else retries,
            skip_resync=skip_resync,
        )

    async def send_without_reply(self, request: Request) -> None:
        self._require_held()
        await self.client.line.send_without_reply(request)

    def _require_held(self) -> None:
        if self._ended:
            raise RuntimeError("the line is not held any more: its 'async with' block has ended")
