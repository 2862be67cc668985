"""Golden vectors, and analyzers on simulated ports in virtual time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riglog.plugin import DeviceContext, configure
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedPeer, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog_servomex import Analyzer, ServomexDriver

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "servomex.json").read_text())

CHOSEN: dict[str, Callable[[dict[str, Any]], bool]] = {
    "frame": lambda vector: vector["meaning"]["kind"] == "frame",
    "stream": lambda vector: vector["meaning"]["kind"] == "byte_stream",
    "request": lambda vector: vector["meaning"]["kind"] == "request",
    "reply": lambda vector: vector["meaning"]["kind"] in ("response", "exception"),
    "received": lambda vector: vector["meaning"]["kind"] == "malformed_request",
    "writes": lambda vector: vector["meaning"]["kind"] == "client_sequence",
    "steps": lambda vector: vector["meaning"]["kind"] == "device_sequence",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument ``frame_vector`` (…) runs once for each such vector."""
    for name in metafunc.fixturenames:
        choice, _, kind = name.rpartition("_")
        if kind == "vector" and choice in CHOSEN:
            fitting = [vector for vector in VECTORS if CHOSEN[choice](vector)]
            metafunc.parametrize(name, fitting, ids=[vector["id"] for vector in fitting])


@pytest.fixture
def golden() -> Callable[[str], dict[str, Any]]:
    """A vector by its id."""
    return {vector["id"]: vector for vector in VECTORS}.__getitem__


AnalyzerOn = Callable[..., Analyzer]


@pytest.fixture
def analyzer_on() -> AnalyzerOn:
    """``analyzer_on(peer, protocol="modbus-rtu", …)``: an analyzer on a simulated port, not yet opened."""

    def make(peer: SimulatedPeer | Simulator | SimulatedTransport, **options: Any) -> Analyzer:
        if isinstance(peer, Simulator):
            peer = FaultyWire(peer)
        transport = peer if isinstance(peer, SimulatedTransport) else SimulatedTransport(peer)
        driver, clock = ServomexDriver(), LoopClock()
        config = configure(driver, {"name": "gas", "driver": "servomex", "port": "sim:", **options}, "device")
        link = driver.link(config)
        client = driver.connect(Connection(transport, link, clock)).with_timeout(config.timeout)
        context = DeviceContext(
            device=config.name,
            driver=driver.name,
            protocol=link.protocol,
            address=driver.address(config),
            clock=clock,
        )
        return driver.device(config, client, context)

    return make
