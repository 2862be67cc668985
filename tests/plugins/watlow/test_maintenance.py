"""Moving a controller to another link: it is seen to answer there, or it is set back."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.errors import ConfigError, ConfirmationError, UnsupportedError, WriteRefusedError
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link, Transport
from riglog_watlow import WatlowConfig
from riglog_watlow.errors import LinkNotChangedError
from riglog_watlow.families import FACTS
from riglog_watlow.maintenance import move_link
from riglog_watlow.simulator import ControllerSlave, ModbusSimulator, SimulatedPM, StdBusSimulator

BAUDRATES = {188: 9600, 189: 19200, 190: 38400}
PARITIES = {61: "N", 191: "E", 192: "O"}


class Bench:
    """One controller that answers only over the link it is set to; without ``modbus`` only over Standard Bus."""

    def __init__(self, *, modbus: bool = True, neighbours: tuple[Simulator, ...] = ()) -> None:
        self.controller = SimulatedPM()
        self.modbus = modbus
        self.neighbours = neighbours
        self.opened = 0

    async def open_port(self, port: str, link: Link) -> Transport:
        self.opened += 1
        return SimulatedTransport(FaultyWire(SimulatedBus([*self.neighbours, *self._answering(link)])))

    def _answering(self, link: Link) -> list[Simulator]:
        stored = self.controller.stored
        if not self.modbus or stored("comm_protocol") == 1286:
            address = int(stored("standard_bus_address"))
            there = (link.protocol, link.baudrate) == ("stdbus", 38400)
            return [StdBusSimulator(address, controller=self.controller)] if there else []
        set_to = (BAUDRATES[int(stored("modbus_baud_rate"))], PARITIES[int(stored("modbus_parity"))])
        if link.protocol != "modbus-rtu" or (link.baudrate, link.parity) != set_to:
            return []
        slave = ControllerSlave(self.controller, FACTS["pm"])
        return [ModbusSimulator("modbus-rtu", int(stored("modbus_address")), slave)]

    async def move(self, config: WatlowConfig, **wanted: Any) -> WatlowConfig:
        wanted = {"confirm": True, **wanted}
        return await move_link(config, open_port=self.open_port, clock=LoopClock(), **wanted)


Config = Callable[..., WatlowConfig]


@pytest.fixture
def config() -> Config:
    return lambda **settings: WatlowConfig(name="oven", driver="watlow", port="COM3", **settings)


async def test_a_controller_goes_to_modbus_and_back(config: Config) -> None:
    bench = Bench()
    moved = await bench.move(config(), protocol="modbus-rtu", address=7, baudrate=19200, parity="E")
    assert (moved.protocol, moved.address, moved.baudrate, moved.parity) == ("modbus-rtu", 7, 19200, "E")
    assert bench.controller.stored("comm_protocol") == 1057
    back = await bench.move(moved, protocol="stdbus", address=3)
    assert (back.protocol, back.address, back.baudrate, back.parity) == ("stdbus", 3, None, None)
    assert bench.controller.stored("standard_bus_address") == 3


@pytest.mark.parametrize("wanted", [{"address": 9}, {"baudrate": 38400}, {"parity": "O"}])
async def test_a_modbus_controller_is_moved_by_one_setting_at_a_time(wanted: dict[str, Any], config: Config) -> None:
    bench = Bench()
    bench.controller.set("comm_protocol", "modbus")
    moved = await bench.move(config(protocol="modbus-rtu"), **wanted)
    for key, value in wanted.items():
        assert getattr(moved, key) == value


async def test_a_unit_without_modbus_is_caught_and_set_back(config: Config) -> None:
    bench = Bench(modbus=False)
    with pytest.raises(LinkNotChangedError, match="set back") as caught:
        await bench.move(config(), protocol="modbus-rtu")
    assert "ordered with Modbus" in str(caught.value.hint)
    assert bench.controller.stored("comm_protocol") == 1286


class Muted(Simulator):
    """Does what it is told over Standard Bus, and says nothing to a write."""

    def __init__(self, inner: Simulator) -> None:
        self.inner = inner

    def receive(self, data: bytes, now: float) -> bytes:
        reply = self.inner.receive(data, now)
        return b"" if data[9:10] == b"\x04" else reply


class Unheard(Bench):
    """What it says to a write is lost: it has moved already. With ``gone`` nobody can reach it afterwards."""

    gone = False

    async def open_port(self, port: str, link: Link) -> Transport:
        if self.gone and self.opened:
            return SimulatedTransport(FaultyWire(SimulatedBus([])))
        return await super().open_port(port, link)

    def _answering(self, link: Link) -> list[Simulator]:
        return [Muted(one) for one in super()._answering(link)]


async def test_a_controller_that_moves_before_it_answers_is_found_where_it_went(config: Config) -> None:
    bench = Unheard()
    moved = await bench.move(config(), address=4)
    assert moved.address == bench.controller.stored("standard_bus_address") == 4


async def test_a_controller_that_answers_nowhere_any_more_is_said_with_what_to_try(config: Config) -> None:
    bench = Unheard()
    bench.gone = True
    with pytest.raises(LinkNotChangedError, match="does not answer the new way") as caught:
        await bench.move(config(), address=4)
    assert "power-cycle" in str(caught.value.hint)


async def test_an_address_that_is_taken_is_refused(config: Config) -> None:
    bench = Bench(neighbours=(StdBusSimulator(2),))
    with pytest.raises(WriteRefusedError, match="address 2"):
        await bench.move(config(), address=2)
    assert bench.controller.stored("standard_bus_address") == 1
    assert (await bench.move(config(), address=5)).address == 5


async def test_another_controller_that_answers_there_is_not_taken_for_ours(config: Config) -> None:
    bench = Bench(
        modbus=False, neighbours=(ModbusSimulator("modbus-rtu", 1, ControllerSlave(SimulatedPM(9), FACTS["pm"])),)
    )
    with pytest.raises(LinkNotChangedError):
        await bench.move(config(), protocol="modbus-rtu")


@pytest.mark.parametrize(
    ("settings", "wanted", "error"),
    [
        ({}, {"address": 2, "confirm": False}, ConfirmationError),
        ({}, {}, ConfigError),
        ({}, {"address": 1}, ConfigError),
        ({}, {"address": 17}, ConfigError),
        ({}, {"address": 300, "protocol": "modbus-rtu"}, ConfigError),
        ({}, {"baudrate": 9600}, ConfigError),
        ({}, {"protocol": "modbus-tcp"}, ConfigError),
        ({"protocol": "modbus-rtu"}, {"address": 2, "baudrate": 19200}, ConfigError),
        ({}, {"protocol": "modbus-rtu", "baudrate": 115200}, ConfigError),
        ({"protocol": "modbus-rtu", "family": "sd"}, {"address": 2}, UnsupportedError),
    ],
)
async def test_what_cannot_work_opens_nothing(
    settings: dict[str, Any], wanted: dict[str, Any], error: type[Exception], config: Config
) -> None:
    bench = Bench()
    with pytest.raises(error):
        await bench.move(config(**settings), **wanted)
    assert bench.opened == 0
