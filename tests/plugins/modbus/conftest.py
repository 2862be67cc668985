"""Instruments of files on simulated ports in virtual time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from riglog.plugin import DeviceContext, configure
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedPeer, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog_modbus import ModbusConfig, ModbusDriver, ModbusInstrument
from riglog_modbus.simulator import ModbusSimulator

INSTRUMENTS = Path(__file__).parent / "instruments"

METER = """
format = 1
driver = "modbus"
title = "Meter"

[block.values]
function = 4
type = "int16"

[block.values.channel]
temperature = { register = 0, scale = 0.1, unit = "degC" }
pressure = { register = 1, unit = "mbar" }
"""


@pytest.fixture
def instruments() -> Path:
    return INSTRUMENTS


InstrumentOn = Callable[..., ModbusInstrument]


@pytest.fixture
def instrument_on() -> InstrumentOn:
    """``instrument_on(peer, "meter.toml", …)``: a device on a simulated port, not yet opened."""

    def make(peer: SimulatedPeer | Simulator | None, instrument: object, **options: Any) -> ModbusInstrument:
        driver, clock = ModbusDriver(), LoopClock()
        table = {"name": "meter", "driver": "modbus", "port": "sim:", "instrument": str(instrument), **options}
        config = configure(driver, table, "device")
        assert isinstance(config, ModbusConfig)
        if peer is None:
            peer = driver.simulator(config)
        wire = FaultyWire(peer) if isinstance(peer, Simulator) else peer
        link = driver.link(config)
        client = driver.connect(Connection(SimulatedTransport(wire), link, clock)).with_timeout(config.timeout)
        context = DeviceContext(
            device=config.name, driver="modbus", protocol=link.protocol, address=config.address, clock=clock
        )
        return driver.device(config, client, context)

    return make


@pytest.fixture
def simulator_of() -> Callable[..., ModbusSimulator]:
    """``simulator_of("meter.toml")``: the simulated instrument of a file."""

    def make(instrument: object, **options: Any) -> ModbusSimulator:
        driver = ModbusDriver()
        table = {"name": "meter", "driver": "modbus", "port": "sim:", "instrument": str(instrument), **options}
        config = configure(driver, table, "device")
        assert isinstance(config, ModbusConfig)
        simulator = driver.simulator(config)
        assert isinstance(simulator, ModbusSimulator)
        return simulator

    return make
