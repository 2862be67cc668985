"""Golden vectors, and analysers on simulated lines in virtual time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riglog.plugin import configure
from riglog.simulation import FaultyWire, SimulatedPeer, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog_servomex import Analyzer, ServomexDriver

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "servomex.json").read_text())

CHOSEN: dict[str, Callable[[dict[str, Any]], bool]] = {
    "frame": lambda vector: vector["meaning"]["kind"] == "frame",
    "stream": lambda vector: vector["meaning"]["kind"] == "byte_stream",
    "request": lambda vector: vector["meaning"]["kind"] == "request",
    "reply": lambda vector: vector["meaning"]["kind"] in ("response", "exception"),
    "heard": lambda vector: vector["meaning"]["kind"] == "malformed_request",
    "writes": lambda vector: vector["meaning"]["kind"] == "client_sequence",
    "steps": lambda vector: vector["meaning"]["kind"] == "device_sequence",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument ``frame_vector`` (…) runs once for each such vector."""
    for name in metafunc.fixturenames:
        choice, _, kind = name.rpartition("_")
        if kind == "vector" and choice in CHOSEN:
            fitting = [one for one in VECTORS if CHOSEN[choice](one)]
            metafunc.parametrize(name, fitting, ids=[one["id"] for one in fitting])


@pytest.fixture
def golden() -> Callable[[str], dict[str, Any]]:
    """A vector by its id."""
    return {vector["id"]: vector for vector in VECTORS}.__getitem__


AnalyserOn = Callable[..., Analyzer]


@pytest.fixture
def analyser_on() -> AnalyserOn:
    """``analyser_on(peer, protocol="modbus-rtu", …)``: an analyser at the near end of a line, not yet opened."""

    def make(peer: SimulatedPeer | Simulator, **options: Any) -> Analyzer:
        driver = ServomexDriver()
        table = {"name": "gas", "driver": "servomex", "port": "sim:", **options}
        config = configure(driver, table, "device")
        wire = FaultyWire(peer) if isinstance(peer, Simulator) else peer
        client = driver.connect(driver.link(config), SimulatedTransport(wire))
        client.clock = LoopClock()
        return driver.device(config, client)  # type: ignore[arg-type]

    return make
