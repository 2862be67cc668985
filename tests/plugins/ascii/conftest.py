"""Instruments of files on simulated ports in virtual time."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.plugin import DeviceContext, configure
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedPeer, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog_ascii import AsciiConfig, AsciiDriver, AsciiInstrument
from riglog_ascii.simulator import AsciiSimulator


def config_of(instrument: object, options: dict[str, Any]) -> AsciiConfig:
    table = {"name": "meter", "driver": "ascii", "port": "sim:", "instrument": str(instrument), **options}
    config = configure(AsciiDriver(), table, "device")
    assert isinstance(config, AsciiConfig)
    return config


@pytest.fixture
def simulator_of() -> Callable[..., AsciiSimulator]:
    """``simulator_of("meter.toml")``: the simulated instrument of a file."""

    def make(instrument: object, **options: Any) -> AsciiSimulator:
        simulator = AsciiDriver().simulator(config_of(instrument, options))
        assert isinstance(simulator, AsciiSimulator)
        return simulator

    return make


@pytest.fixture
def instrument_on() -> Callable[..., AsciiInstrument]:
    """``instrument_on(peer, "meter.toml", …)``: a device on a simulated port, not yet opened."""

    def make(
        peer: SimulatedPeer | Simulator | SimulatedTransport, instrument: object, **options: Any
    ) -> AsciiInstrument:
        driver, clock, config = AsciiDriver(), LoopClock(), config_of(instrument, options)
        wire = FaultyWire(peer) if isinstance(peer, Simulator) else peer
        transport = wire if isinstance(wire, SimulatedTransport) else SimulatedTransport(wire)
        link = driver.link(config)
        client = driver.connect(Connection(transport, link, clock)).with_timeout(config.timeout)
        context = DeviceContext(
            device=config.name, driver="ascii", protocol="ascii", address=config.address, clock=clock
        )
        return driver.device(config, client, context)

    return make
