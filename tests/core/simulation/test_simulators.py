"""Simulated buses, and the settings of a simulator."""

import pytest
from toy import ToySimulator

from riglog.errors import ConfigError
from riglog.simulation import FaultyWire, SimulatedBus


def test_on_a_bus_the_instrument_that_is_addressed_responds() -> None:
    bus = SimulatedBus([ToySimulator(1, "first"), ToySimulator(2, "second")])
    assert bus.receive(b"?2 who\n", 0.0) == b"2 who second\n"
    assert bus.receive(b"?3 who\n", 0.0) == b""
    assert bus.foreign(b"1 who first\n") == b"9 who first\n"
    assert bus.next_due(0.0) is None
    assert bus.idle(0.0) == b""


def test_a_bus_without_instruments_has_no_latency_and_no_reply() -> None:
    bus = SimulatedBus()
    assert (bus.latency, bus.receive(b"?1 who\n", 0.0), bus.foreign(b"x")) == (0.0, b"", b"")


def test_an_incomplete_request_gets_its_reply_when_it_is_complete() -> None:
    wire = FaultyWire(ToySimulator(1))
    wire.send(b"?1 w", 0.0)
    assert wire.next_due(0.0) is None
    wire.send(b"ho\n", 1.0)
    assert wire.next_due(1.0) == pytest.approx(1.002)
    assert wire.take(1.001) == b""
    assert wire.take(1.002) == b"1 who toy\n"
    assert wire.take(2.0) == b""


def test_an_unplugged_instrument_receives_nothing() -> None:
    wire = FaultyWire(ToySimulator(1))
    wire.plugged = False
    wire.send(b"?1 who\n", 0.0)
    assert wire.next_due(0.0) is None


def test_a_simulator_without_settings_refuses_every_setting() -> None:
    with pytest.raises(ConfigError, match="--set: unknown setting 'level' of the simulator"):
        ToySimulator(1).set("level", "3")
