"""One simulated instrument in the place of another one, at a given time."""

from toy import ToySimulator

from riglog.simulation import FaultyWire, SwappedSimulator


def who(wire: FaultyWire, now: float) -> bytes:
    wire.send(b"?1 who\n", now)
    return wire.take(now + 0.1)


def test_the_instrument_that_is_connected_at_a_time_responds() -> None:
    swapped = SwappedSimulator(ToySimulator(1, "A"), [(20.0, ToySimulator(1, "C")), (10.0, ToySimulator(1, "B"))])
    wire = FaultyWire(swapped)
    assert [who(wire, now) for now in (0.0, 9.5, 10.0, 19.5, 20.0, 100.0)] == [
        b"1 who A\n",
        b"1 who A\n",
        b"1 who B\n",
        b"1 who B\n",
        b"1 who C\n",
        b"1 who C\n",
    ]


def test_a_request_that_is_incomplete_at_that_time_is_lost() -> None:
    swapped = SwappedSimulator(ToySimulator(1, "A"), [(10.0, ToySimulator(1, "B"))])
    assert swapped.receive(b"?1 w", 9.9) == b""
    assert swapped.receive(b"ho\n", 10.1) == b""


def test_latency_and_foreign_replies_are_those_of_the_instrument_that_is_connected() -> None:
    first, second = ToySimulator(1, "A"), ToySimulator(1, "B")
    second.latency = 0.5
    swapped = SwappedSimulator(first, [(10.0, second)])
    assert swapped.latency == first.latency
    assert swapped.next_due(0.0) == 10.0  # what comes next may send of its own accord
    assert swapped.idle(10.0) == b""
    assert (swapped.latency, swapped.next_due(10.0)) == (0.5, None)
    assert swapped.foreign(b"1 who B\n") == b"9 who B\n"
