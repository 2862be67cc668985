"""A far end that decides for every reply when it arrives, or that it never does, or that it arrives twice.

``explore`` tries the real line against every decision within stated sizes. Run this file for the long search:
``python tests/support/adversary.py --faults 3 --replies 5``.
"""

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import anyio
from msgspec import Struct

from riglog.errors import DeviceRefusedError, ProtocolError
from riglog.protocol import Codec, Connection, ProtocolClient
from riglog.simulation import SimulatedPeer, SimulatedTransport
from riglog.simulation.peer import Arrivals
from riglog.testing import LoopClock, virtual_backend
from riglog.transport import Link

PROMPT, TIMEOUT, LIMIT = 2.0, 5.0, 13.0
"""Seconds: an honest reply, the timeout of a request, and the late-reply limit."""


class Decision(NamedTuple):
    """What becomes of one reply: the seconds after its request at which it arrives, none for a lost one.

    ``refused``: the device refuses this request. ``cancelled``: the caller gives up before the reply.
    """

    delays: tuple[float, ...] = (PROMPT,)
    refused: bool = False
    cancelled: bool = False


HONEST = Decision()
LOST = [Decision(())]
LATE = [Decision((float(delay),)) for delay in range(3, 14)]
COPIED = [Decision((PROMPT, PROMPT + delay)) for delay in range(14)]
CANCELLED = [Decision(cancelled=True), Decision((6.0,), cancelled=True)]
REFUSED = [Decision((float(delay),), refused=True) for delay in (PROMPT, 6, 7, 8, 9, 11)]
EVERY_KIND = [*LATE, *LOST, *COPIED, *CANCELLED, *REFUSED]
NO_COPIES = [*LATE, *LOST, *CANCELLED, *REFUSED]


class Read(Struct, frozen=True, cache_hash=True):
    """``signature`` is all that the reply says about its request; ``marker`` for a resync request."""

    quantity: str = "level"
    signature: int | None = None


class SignedCodec(Codec[Read, int]):
    """A reply is ``<signature> <number of the request>``; every quantity can be asked with ``m`` signatures.

    Args:
        marked: there is another quantity, with a signature of its own, for resync requests.
        numbered: every request has a transaction number instead.
        usual: so many of the signatures take turns while nothing is outstanding and no copies are known.
    """

    hold_off = 1.0

    def __init__(self, m: int, *, marked: bool = True, numbered: bool = False, usual: int = 256) -> None:
        self.m = m
        self.usual_variants = usual
        self.marked = marked
        self.numbered = numbered
        self.number = 0

    def encode(self, request: Read) -> bytes:
        self.number += 1
        return b"%d\n" % self._signature(request)

    def decode(self, request: Read, buffer: bytearray, *, final: bool = False) -> int | None:
        while (end := buffer.find(b"\n")) >= 0:
            signature, value = bytes(buffer[:end]).split()
            del buffer[: end + 1]
            if value == b"!" and (not self.numbered or int(signature) == self._signature(request)):
                raise DeviceRefusedError("refused")  # as on most wires, nothing else says what was refused
            if value != b"!" and int(signature) == self._signature(request):
                return int(value)
        return None

    def variants(self, request: Read) -> Sequence[Read]:
        if request.signature is not None or self.m == 1:
            return (request,)
        return [Read(request.quantity, signature) for signature in range(self.m)]

    def is_repeatable(self, request: Read) -> bool:
        return True

    def address(self, request: Read) -> object:
        return 1

    def reply_signature(self, request: Read) -> object:
        return request.signature or 0

    def new_transaction_number(self) -> bool:
        self.number += 1
        return self.numbered

    def resync_request(self, request: Read, outstanding: Sequence[Read]) -> Read | None:
        taken = {self.reply_signature(other) for other in (request, *outstanding)}
        free = (signature for signature in (100, 101, 102) if self.marked and signature not in taken)
        return next((Read("marker", signature) for signature in free), None)

    def confirming_request(self, request: Read, outstanding: Sequence[Read]) -> Read | None:
        return self.resync_request(request, outstanding) if self.m == 1 else None

    def _signature(self, request: Read) -> int:
        return 1000 + self.number if self.numbered else int(str(self.reply_signature(request)))


class Adversary(SimulatedPeer):
    """Replies with the number of the request; ``decisions`` says which of them are not honest."""

    def __init__(self, decisions: Mapping[int, Decision]) -> None:
        self.decisions = decisions
        self.requests = 0
        self._arriving = Arrivals()

    def send(self, data: bytes, now: float) -> None:
        decision = self.decisions.get(self.requests, HONEST)
        value = b"!" if decision.refused else b"%d" % self.requests
        self.requests += 1
        self._arriving.add((now + delay, data.strip() + b" " + value + b"\n") for delay in decision.delays)

    def take(self, now: float) -> bytes:
        return self._arriving.take(now)

    def next_due(self, now: float) -> float | None:
        return self._arriving.next_due()


class Outcome(Struct):
    """What came of one sequence of decisions."""

    values: int = 0
    wrong: int = 0


async def one_run(codec: SignedCodec, decisions: Mapping[int, Decision], replies: int, **link: Any) -> Outcome:
    """Read back to back until so many requests have been sent; a value is right if this read has sent its request."""
    far = Adversary(decisions)
    link = {"late_reply_limit": LIMIT} | link
    connection = Connection(SimulatedTransport(far), Link(protocol="signed", **link), LoopClock())
    client = ProtocolClient(connection, codec, timeout=TIMEOUT)
    outcome = Outcome()
    while far.requests < replies:
        first = far.requests
        with anyio.move_on_after(1.0 if decisions.get(first, HONEST).cancelled else float("inf")):
            try:
                value = (await client.transact(Read())).reply
            except ProtocolError:
                continue
            except DeviceRefusedError:  # without its number a refusal is only proven by a second one, and there is none
                own = range(first, far.requests)
                outcome.wrong += not (codec.numbered and any(decisions.get(one, HONEST).refused for one in own))
                continue
            outcome.values += 1
            outcome.wrong += not first <= value < far.requests
    return outcome


def decisions_with(faults: int, replies: int, kinds: Sequence[Decision]) -> Iterator[dict[int, Decision]]:
    """Yield every way in which ``faults`` of the first ``replies`` replies are of one of the kinds."""
    for places in itertools.combinations(range(replies), faults):
        for chosen in itertools.product(kinds, repeat=faults):
            yield dict(zip(places, chosen, strict=True))


async def explore(
    m: int,
    faults: int,
    replies: int,
    kinds: Sequence[Decision],
    *,
    numbered: bool = False,
    marked: bool = True,
    usual: int = 256,
    **link: Any,
) -> list[dict[int, Decision]]:
    """Return the decisions that gave a wrong value."""
    wrong = []
    for decisions in decisions_with(faults, replies, kinds):
        codec = SignedCodec(m, numbered=numbered, marked=marked, usual=usual)
        outcome = await one_run(codec, decisions, replies + 3, **link)
        if outcome.wrong:
            wrong.append(decisions)
    return wrong


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=2)
    parser.add_argument("--replies", type=int, default=6)
    parser.add_argument("--m", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--backend", default="asyncio")
    given = parser.parse_args(None if arguments is None else list(arguments))
    backend, options = virtual_backend(given.backend)
    found = 0
    for strict in (False, True):
        for m in given.m:
            for name, kinds in {"no copies": NO_COPIES, "copies too": EVERY_KIND}.items():
                search = lambda: explore(m, given.faults, given.replies, kinds, strict=strict)  # noqa: E731, B023
                wrong = anyio.run(search, backend=backend, backend_options=options)
                found += len(wrong)
                print(f"m={m} strict={strict} {name}: {len(wrong)} wrong, for example {wrong[:2]}", flush=True)  # noqa: T201
    return found


if __name__ == "__main__":
    sys.exit(bool(main()))
