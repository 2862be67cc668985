"""Changing the communication settings: the controller responds with the new ones, or the old ones are restored."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.errors import ConfigError, ConfirmationError, LinkNotChangedError, UnsupportedError, WriteRefusedError
from riglog.plugin import AnyClient
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link, Transport
from riglog_watlow import WatlowConfig
from riglog_watlow.connect import connect
from riglog_watlow.families import FACTS
from riglog_watlow.maintenance import move_link, new_config, read_settings
from riglog_watlow.simulator import ControllerServer, ModbusSimulator, SimulatedPM, StdBusSimulator

BAUDRATES = {188: 9600, 189: 19200, 190: 38400}
PARITIES = {61: "N", 191: "E", 192: "O"}


class Bench:
    """One controller that responds with its present settings only; without ``modbus`` over Standard Bus only."""

    def __init__(self, *, modbus: bool = True, neighbours: tuple[Simulator, ...] = ()) -> None:
        self.controller = SimulatedPM()
        self.modbus = modbus
        self.neighbours = neighbours
        self.opened = 0

    async def open_port(self, port: str, link: Link) -> Transport:
        self.opened += 1
        return SimulatedTransport(FaultyWire(SimulatedBus([*self.neighbours, *self._responding(link)])))

    def _responding(self, link: Link) -> list[Simulator]:
        stored = self.controller.stored
        if not self.modbus or stored("comm_protocol") == 1286:
            address = int(stored("standard_bus_address"))
            there = (link.protocol, link.baudrate) == ("stdbus", 38400)
            return [StdBusSimulator(address, controller=self.controller)] if there else []
        set_to = (BAUDRATES[int(stored("modbus_baud_rate"))], PARITIES[int(stored("modbus_parity"))])
        if link.protocol != "modbus-rtu" or (link.baudrate, link.parity) != set_to:
            return []
        server = ControllerServer(self.controller, FACTS["pm"])
        return [ModbusSimulator("modbus-rtu", int(stored("modbus_address")), server)]

    async def move(self, config: WatlowConfig, **wanted: Any) -> WatlowConfig:
        wanted = {"confirm": True, **wanted}
        return await move_link(config, open_port=self.open_port, clock=LoopClock(), **wanted)


Config = Callable[..., WatlowConfig]


@pytest.fixture
def config() -> Config:
    return lambda **settings: WatlowConfig(name="oven", driver="watlow", port="COM3", **settings)


async def test_the_settings_of_another_protocol_are_read_before_a_change(config: Config) -> None:
    bench, before = Bench(), config()
    await bench.move(before, protocol="modbus-rtu", address=12, baudrate=38400)
    await bench.move(config(protocol="modbus-rtu", address=12, baudrate=38400), protocol="stdbus", address=1)
    stored = {name: bench.controller.stored(name) for name in ("comm_protocol", "modbus_address")}
    wanted = new_config(before, protocol="modbus-rtu", address=4)
    present = await read_settings(before, wanted, open_port=bench.open_port, clock=LoopClock())
    assert list(present.values()) == ["12", "38400", "None", "Standard Bus"]
    assert {name: bench.controller.stored(name) for name in stored} == stored, "nothing was changed"


async def test_a_controller_is_changed_to_modbus_and_back(config: Config) -> None:
    bench = Bench()
    moved = await bench.move(config(), protocol="modbus-rtu", address=7, baudrate=19200, parity="E")
    assert (moved.protocol, moved.address, moved.baudrate, moved.parity) == ("modbus-rtu", 7, 19200, "E")
    assert bench.controller.stored("comm_protocol") == 1057
    back = await bench.move(moved, protocol="stdbus", address=3)
    assert (back.protocol, back.address, back.baudrate, back.parity) == ("stdbus", 3, None, None)
    assert bench.controller.stored("standard_bus_address") == 3


@pytest.mark.parametrize("wanted", [{"address": 9}, {"baudrate": 38400}, {"parity": "O"}])
async def test_a_modbus_controller_is_changed_by_one_setting_at_a_time(wanted: dict[str, Any], config: Config) -> None:
    bench = Bench()
    bench.controller.set("comm_protocol", "modbus")
    moved = await bench.move(config(protocol="modbus-rtu"), **wanted)
    for key, value in wanted.items():
        assert getattr(moved, key) == value


async def test_a_controller_without_modbus_is_detected_and_restored(config: Config) -> None:
    bench = Bench(modbus=False)
    with pytest.raises(LinkNotChangedError, match="restored") as caught:
        await bench.move(config(), protocol="modbus-rtu")
    assert "ordered with the Modbus option" in str(caught.value.hint)
    assert bench.controller.stored("comm_protocol") == 1286


class Muted(Simulator):
    """Executes a write over Standard Bus, and does not reply to it."""

    def __init__(self, inner: Simulator, bench: "NoWriteReply") -> None:
        self.inner = inner
        self.bench = bench

    def receive(self, data: bytes, now: float) -> bytes:
        reply = self.inner.receive(data, now)
        if data[9:10] != b"\x04":
            return reply
        self.bench.writes += 1
        return b""


class NoWriteReply(Bench):
    """The reply to a write is lost, and the settings have changed. With ``gone`` it does not respond afterwards."""

    gone = False
    writes = 0

    async def open_port(self, port: str, link: Link) -> Transport:
        if self.gone and self.opened:
            return SimulatedTransport(FaultyWire(SimulatedBus([])))
        return await super().open_port(port, link)

    def _responding(self, link: Link) -> list[Simulator]:
        return [Muted(one, self) for one in super()._responding(link)]


async def test_a_controller_that_changes_before_it_replies_is_found_at_its_new_settings(config: Config) -> None:
    bench = NoWriteReply()
    moved = await bench.move(config(), address=4)
    assert moved.address == bench.controller.stored("standard_bus_address") == 4


async def test_a_controller_that_no_longer_responds_is_an_error_with_the_next_step(config: Config) -> None:
    bench = NoWriteReply()
    bench.gone = True
    with pytest.raises(LinkNotChangedError, match="does not respond with the new settings") as caught:
        await bench.move(config(), address=4)
    assert "Power-cycle" in str(caught.value.hint)


async def test_a_setting_is_sent_once_even_if_the_client_retries(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect_with_retries(connection: Connection) -> AnyClient:
        client = connect(connection)
        client.retries = 2
        return client

    monkeypatch.setattr("riglog_watlow.maintenance.connect", connect_with_retries)
    bench = NoWriteReply()
    assert (await bench.move(config(), address=4)).address == 4
    assert bench.writes == 1


async def test_an_address_in_use_is_refused(config: Config) -> None:
    bench = Bench(neighbours=(StdBusSimulator(2),))
    with pytest.raises(WriteRefusedError, match="address 2"):
        await bench.move(config(), address=2)
    assert bench.controller.stored("standard_bus_address") == 1
    assert (await bench.move(config(), address=5)).address == 5


async def test_another_controller_that_responds_there_is_not_taken_for_this_controller(config: Config) -> None:
    bench = Bench(
        modbus=False, neighbours=(ModbusSimulator("modbus-rtu", 1, ControllerServer(SimulatedPM(9), FACTS["pm"])),)
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
async def test_settings_that_are_not_possible_open_nothing(
    settings: dict[str, Any], wanted: dict[str, Any], error: type[Exception], config: Config
) -> None:
    bench = Bench()
    with pytest.raises(error):
        await bench.move(config(**settings), **wanted)
    assert bench.opened == 0
