"""What was sent and received on the ports of a rig, until a store takes it. Bounded: a poll never waits for it."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec import Struct

MOST_BYTES = 32 * 1024 * 1024
"""Requests and replies that wait for a store that fails; then the oldest are dropped, and counted."""
OVERHEAD_BYTES = 100

REFUSED, AMBIGUOUS, FAILED, NO_REPLY_EXPECTED = "refused", "ambiguous", "failed", "sent"
"""Outcomes of a transaction; an empty text is a reply, or a frame that came without a request."""


class KeptTransaction(NamedTuple):
    """One transaction as it was on the line.

    ``received_ns``: when the last byte of the reply was read, or when it was over (UTC); that of its rows.
    ``latency_ns``: None without a request. ``reply``: all that was received, also if it is no valid reply.
    """

    received_ns: int
    latency_ns: int | None
    request: bytes
    reply: bytes
    outcome: str = ""


Keep = Callable[[KeptTransaction], None]


class OpenedDevice(Struct, frozen=True):
    """How a device was opened. ``options`` are the keys of its ``[[device]]`` table, as JSON."""

    name: str
    port: str | None
    driver: str
    version: str | None
    options: str


class WireLog:
    """The transactions of all ports that no store has yet. ``devices`` are those of the rig."""

    def __init__(self) -> None:
        self.devices: Sequence[OpenedDevice] = ()
        self.dropped = 0
        self._ports: dict[str, deque[KeptTransaction]] = {}
        self._bytes = 0

    def keep_of(self, port: str) -> Keep:
        """Return what a line of this port calls with every transaction."""
        waiting = self._ports.setdefault(port, deque())

        def keep(transaction: KeptTransaction) -> None:
            waiting.append(transaction)
            self._bytes += len(transaction.request) + len(transaction.reply) + OVERHEAD_BYTES
            if self._bytes > MOST_BYTES:
                self._drop()

        return keep

    def waiting(self) -> dict[str, list[KeptTransaction]]:
        """Return the transactions of each port; they stay until ``stored`` is called. In any thread."""
        return {port: list(waiting) for port, waiting in list(self._ports.items()) if waiting}

    def stored(self, transactions: dict[str, list[KeptTransaction]]) -> None:
        """Forget transactions that a store has."""
        for port, found in transactions.items():
            waiting = self._ports[port]
            for transaction in found:
                if waiting and waiting[0] is transaction:  # else it was dropped meanwhile
                    waiting.popleft()
                    self._bytes -= len(transaction.request) + len(transaction.reply) + OVERHEAD_BYTES

    def _drop(self) -> None:
        longest = max(self._ports.values(), key=len)
        dropped = longest.popleft()
        self._bytes -= len(dropped.request) + len(dropped.reply) + OVERHEAD_BYTES
        self.dropped += 1


def keep_in_all(keeps: Sequence[Keep]) -> Keep | None:
    """Return what passes a transaction to several logs; None if there is none."""
    if len(keeps) < 2:
        return keeps[0] if keeps else None

    def keep(transaction: KeptTransaction) -> None:
        for each in keeps:
            each(transaction)

    return keep
