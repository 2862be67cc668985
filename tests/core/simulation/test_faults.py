"""Injected faults: each does what its name says, and nothing else."""

import pytest

from riglog.errors import ConfigError
from riglog.simulation import Fault, FaultyWire, Simulator, parse_faults

REPLY = b"reply-0123456789"


class ConstantReply(Simulator):
    """Responds to every request with the same reply."""

    latency = 0.01

    def receive(self, data: bytes, now: float) -> bytes:
        return REPLY

    def foreign(self, reply: bytes) -> bytes:
        return b"foreign"


def received(fault: Fault | None, *, before: int = 0) -> dict[float, bytes]:
    """Return what arrives when after one request whose reply has this fault."""
    wire = FaultyWire(ConstantReply(), script=[None] * before + [fault], seed=3)
    for number in range(before):
        wire.send(b"?", -10.0 + number)
        wire.take(-9.0 + number)
    wire.send(b"?", 0.0)
    found = {}
    while (due := wire.next_due(0.0)) is not None:
        found[round(due, 6)] = wire.take(due)
    return found


def test_an_intact_reply_arrives_whole_after_the_latency() -> None:
    assert received(None) == {0.01: REPLY}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.DROP, {}),
        (Fault.LATE, {1.01: REPLY}),
        (Fault.FOREIGN, {0.01: b"foreign"}),
        (Fault.UNPLUG, {}),
    ],
)
def test_faults_whose_effect_is_exact(fault: Fault, expected: dict[float, bytes]) -> None:
    assert received(fault) == expected


def test_a_corrupt_reply_has_one_wrong_bit() -> None:
    (reply,) = received(Fault.CORRUPT).values()
    assert sum((a ^ b).bit_count() for a, b in zip(reply, REPLY, strict=True)) == 1


def test_the_end_of_a_truncated_reply_is_missing() -> None:
    reply = b"".join(received(Fault.TRUNCATE).values())
    assert REPLY.startswith(reply)
    assert reply != REPLY


def test_garbage_and_glue_come_in_front() -> None:
    (garbled,) = received(Fault.GARBAGE).values()
    assert garbled.endswith(REPLY)
    assert garbled != REPLY
    assert received(Fault.GLUE, before=1) == {0.01: REPLY + REPLY}


def test_a_split_reply_comes_in_two_pieces() -> None:
    pieces = received(Fault.SPLIT)
    assert b"".join(pieces[time] for time in sorted(pieces)) == REPLY
    assert len(pieces) == 2


def test_rates_and_seed_make_the_same_faults_again() -> None:
    def run() -> list[bytes]:
        wire = FaultyWire(ConstantReply(), rates={Fault.DROP: 0.3, Fault.CORRUPT: 0.3}, seed=7)
        replies = []
        for second in range(50):
            wire.send(b"?", float(second))
            replies.append(wire.take(second + 0.5))
        return replies

    assert run() == run()
    assert 5 < run().count(b"") < 30


@pytest.mark.parametrize("text", ["drop", "drop=x", "explode=0.1", "drop=2"])
def test_invalid_faults_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_faults([text])
