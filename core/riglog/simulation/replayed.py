"""A recorded line as a simulated peer: what was requested then gets the reply of then. No I/O and no clock.

Each request has its own queue: the first time it gets its first recorded reply, the second time the second one, with
the recorded latency. What came without a request (broadcasts, autoprint) comes at its time after the port was opened. A
request that was never sent then, or more often than then, gets silence, and is counted.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable

from riglog.model import NS
from riglog.protocol.wire_log import KeptTransaction
from riglog.simulation.peer import Arrivals, SimulatedPeer

FIRST_AFTER = 0.2
"""Seconds until the first broadcast: when the port was opened then, before it, is not known."""
PAUSE = 0.25
"""After so many seconds without a byte, what was received begins a new request."""
MOST_REQUEST_BYTES = 64 * 1024


class ReplayedPort(SimulatedPeer):
    """The other end of a port, as it was recorded.

    ``served`` requests got what they got then, which can be silence; ``unknown`` ones were never sent then, ``surplus``
    ones not so often.

    Args:
        kept: the transactions of the port, in their order.
        speed: 2: twice as fast as then.
        number: the bytes of a frame that are its transaction number; None: the protocol has none.
    """

    def __init__(self, kept: Iterable[KeptTransaction], *, speed: float = 1.0, number: slice | None = None) -> None:
        self.served = self.unknown = self.surplus = 0
        self._speed = speed
        self._number = number
        self._replies: dict[bytes, deque[tuple[float, bytes]]] = {}
        self._broadcasts: deque[tuple[float, bytes]] = deque()
        self._began: float | None = None
        self._arriving = Arrivals()
        self._buffer = b""
        self._heard = 0.0
        first: int | None = None
        for each in kept:
            if each.request:
                latency = max(each.latency_ns or 0, 0) / NS / speed
                reply = each.reply if each.latency_ns is not None else b""
                self._replies.setdefault(self._plain(each.request), deque()).append((latency, reply))
            first = each.received_ns if first is None else first
            if not each.request and each.reply:
                after = max(each.received_ns - first, 0) / NS / speed
                self._broadcasts.append((FIRST_AFTER / speed + after, each.reply))
        self._known = sorted(self._replies)
        self._longest = max(map(len, self._known), default=0)
        self.recorded = sum(map(len, self._replies.values()))

    @property
    def left(self) -> int:
        """How many recorded requests were not sent yet."""
        return sum(map(len, self._replies.values()))

    @property
    def broadcasts_left(self) -> int:
        """How many broadcasts are still to come."""
        return len(self._broadcasts)

    def note_open(self, now: float) -> None:
        if self._began is None:
            self._began = now
            self._arriving.add((now + after, data) for after, data in self._broadcasts)

    def send(self, data: bytes, now: float) -> None:
        self.note_open(now)
        if self._buffer and now - self._heard > PAUSE:
            self.unknown += 1
            self._buffer = b""
        self._heard = now
        self._buffer += data
        while self._buffer and (size := self._request_size(self._buffer)):
            request, self._buffer = self._buffer[:size], self._buffer[size:]
            self._respond(request, now)
        if len(self._buffer) > MOST_REQUEST_BYTES:
            self.unknown += 1
            self._buffer = b""

    def take(self, now: float) -> bytes:
        data = self._arriving.take(now)
        if self._began is not None:
            while self._broadcasts and self._began + self._broadcasts[0][0] <= now:
                self._broadcasts.popleft()
        return data

    def next_due(self, now: float) -> float | None:
        return self._arriving.next_due()

    def _request_size(self, received: bytes) -> int:
        """Return the size of the request at the beginning; 0: it may be incomplete. An unknown one is all of it."""
        plain = self._plain(received)
        at = bisect_left(self._known, plain)
        if at < len(self._known) and self._known[at].startswith(plain):
            return len(received) if self._known[at] == plain else 0
        for size in range(min(len(plain), self._longest), 0, -1):
            if self._plain(received[:size]) in self._replies:
                return size
        return len(received)

    def _respond(self, request: bytes, now: float) -> None:
        replies = self._replies.get(self._plain(request))
        if not replies:
            if replies is None:
                self.unknown += 1
            else:
                self.surplus += 1
            return
        self.served += 1
        latency, reply = replies.popleft()
        if reply:
            self._arriving.add([(now + latency, self._numbered(reply, request))])

    def _plain(self, request: bytes) -> bytes:
        """Return a request without its transaction number."""
        if self._number is None:
            return request
        return request[: self._number.start] + bytes(len(request[self._number])) + request[self._number.stop :]

    def _numbered(self, reply: bytes, request: bytes) -> bytes:
        """Return a reply with the transaction number of the present request."""
        if self._number is None or len(reply) < self._number.stop:
            return reply
        return reply[: self._number.start] + request[self._number] + reply[self._number.stop :]
