"""Golden vectors, and controllers on a simulated bus in virtual time."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from riglog.protocol import Connection, ProtocolClient
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog_watlow import Controller, WatlowConfig, WatlowDriver
from riglog_watlow.connect import context_for
from riglog_watlow.simulator import StdBusSimulator

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "watlow.json").read_text())


CHOSEN: dict[str, Callable[[dict[str, Any]], bool]] = {
    "stdbus_request": lambda vector: vector["direction"] == "request" and vector["meaning"]["kind"] != "bad_length",
    "stdbus_answered": lambda vector: "expect_reply_hex" in vector["meaning"],
    "stdbus_reply": lambda vector: vector["direction"] == "reply",
    "stdbus_stream": lambda vector: vector["direction"] == "stream",
    "modbus_request": lambda vector: vector["direction"] == "request",
    "modbus_answered": lambda vector: "expect_reply_hex" in vector["meaning"],
    "modbus_reply": lambda vector: vector["direction"] == "reply",
    "modbus_stream": lambda vector: vector["direction"] == "stream",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with an argument ``stdbus_request_vector`` (…) once for each such vector."""
    for name in metafunc.fixturenames:
        choice, _, kind = name.rpartition("_")
        if kind == "vector" and choice in CHOSEN:
            protocol = choice.partition("_")[0]
            fitting = [one for one in VECTORS if one["protocol"].startswith(protocol) and CHOSEN[choice](one)]
            metafunc.parametrize(name, fitting, ids=[one["id"] for one in fitting])


@pytest.fixture
def golden() -> Callable[[str], dict[str, Any]]:
    """Return a vector by its id."""
    return {vector["id"]: vector for vector in VECTORS}.__getitem__


class RecordingBus(SimulatedBus):
    """A bus on which every request is recorded."""

    def __init__(self, simulators: Iterable[Simulator]) -> None:
        super().__init__(simulators)
        self.requests: list[bytes] = []

    def receive(self, data: bytes, now: float) -> bytes:
        self.requests.append(data)
        return super().receive(data, now)


class Bench:
    """Simulators on one bus, and the controllers that the driver makes for them.

    ``retries`` are the default of the client, as a driver may set it.
    """

    def __init__(self, simulators: Iterable[Simulator], *, retries: int = 0, **wire: Any) -> None:
        self.simulators = list(simulators)
        self.bus = RecordingBus(self.simulators)
        self.wire = FaultyWire(self.bus, **wire)
        self.transport = SimulatedTransport(self.wire)
        self.driver = WatlowDriver()
        self.retries = retries
        self.client: ProtocolClient[Any, Any] | None = None

    def controller(self, **settings: Any) -> Controller:
        config = WatlowConfig(**({"name": "oven", "driver": "watlow", "port": "sim:"} | settings))
        self.driver.check(config)
        if self.client is None:
            link = self.driver.link(config)
            self.client = self.driver.client_factory(link)(Connection(self.transport, link, LoopClock()))
            self.client.retries = self.retries
        client = self.client.with_timeout(config.timeout)
        return self.driver.device(config, client, context_for(config, client.clock))


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """Return a maker of Benches; without simulators it has one Standard Bus controller at address 1."""

    def make(*simulators: Simulator, **wire: Any) -> Bench:
        return Bench(simulators or [StdBusSimulator()], **wire)

    return make
