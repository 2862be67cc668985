"""Changing baud rate, node number and protocol: the same balance responds, or a message states in which state it is."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.errors import ConfigError, ConfirmationError, DeviceError, LinkNotChangedError, UnsupportedError
from riglog.manager.link_move import Rehearsal
from riglog.testing import LoopClock
from riglog.transport import Link, Transport
from riglog_sartorius import SartoriusConfig, move_link
from riglog_sartorius.maintenance import new_config, read_settings
from riglog_sartorius.simulator import simulator
from riglog_sartorius.simulator.xbpi import XbpiBalance
from riglog_sartorius.xbpi.frames import request_frame, u8


def config_of(**settings: Any) -> SartoriusConfig:
    return SartoriusConfig(name="balance", driver="sartorius", port="COM3", **{"protocol": "xbpi", **settings})


class Bench:
    """One simulated balance that stays the same when its port is opened again. ``opened`` counts."""

    def __init__(self, config: SartoriusConfig) -> None:
        self.config = config
        balance = simulator(config)
        assert isinstance(balance, XbpiBalance)
        self.balance = balance
        self.rehearsal = Rehearsal(balance)
        self.opened: list[Link] = []
        self.before_opening: Callable[[int], None] = lambda number: None

    async def open_port(self, port: str, link: Link) -> Transport:
        self.before_opening(len(self.opened))
        self.opened.append(link)
        return await self.rehearsal.open_port(port, link)

    async def move(self, **wanted: Any) -> SartoriusConfig:
        wanted = {"confirm": True, "clock": LoopClock(), **wanted}
        return await move_link(self.config, open_port=self.open_port, **wanted)


async def test_the_baud_rate_is_changed_and_the_same_balance_responds_with_it() -> None:
    bench = Bench(config_of())
    moved = await bench.move(baudrate=38400)
    assert (moved.baudrate, moved.address, moved.protocol) == (38400, 9, "xbpi")
    assert [link.baudrate for link in bench.opened] == [9600, 38400]
    bench.config = moved
    assert (await bench.move(baudrate=9600)).baudrate == 9600


async def test_the_node_number_is_changed_and_read_back() -> None:
    bench = Bench(config_of())
    moved = await bench.move(address=5)
    assert (moved.address, bench.balance.node) == (5, 5)
    assert bench.balance.receive(request_frame(0x71, dst=5), 100.0)
    assert not bench.balance.receive(request_frame(0x71, dst=7), 101.0)


async def test_the_node_number_that_the_balance_has_is_read_before_a_change() -> None:
    bench = Bench(config_of())
    bench.balance.node = 7  # on a direct link the balance also responds to 9
    wanted = new_config(bench.config, address=5)
    present = await read_settings(bench.config, wanted, open_port=bench.open_port, clock=LoopClock())
    assert present == {"address": 7, "baudrate": 9600, "protocol": "xbpi"}
    assert bench.balance.node == 7


async def test_the_protocol_is_changed_when_the_balance_was_switched_off_and_on() -> None:
    bench = Bench(config_of(parameters=("net", "temperature")))
    told: list[str] = []

    def switch() -> None:
        told.append("off and on")
        bench.balance.schedule.at(10.0, bench.balance.switch_off_and_on)

    moved = await bench.move(protocol="sbi", on_power_cycle=switch)
    assert told == ["off and on"]
    assert (moved.protocol, moved.parameters, moved.baudrate) == ("sbi", ("net",), 9600)
    assert bench.opened[-1].protocol == "sbi"


async def test_a_balance_that_is_not_switched_off_and_on_gets_its_protocol_back() -> None:
    bench = Bench(config_of())
    with pytest.raises(
        LinkNotChangedError, match="not switched off and on within 120 s; protocol xbpi was stored again"
    ):
        await bench.move(protocol="sbi")
    bench.balance.switch_off_and_on()
    assert bench.balance.receive(request_frame(0x02), 1000.0), "it responds over xBPI"


async def test_a_balance_that_would_print_without_requests_is_not_changed() -> None:
    bench = Bench(config_of())
    bench.balance.receive(request_frame(0x56, u8(36, 4)), 0.0)
    with pytest.raises(DeviceError, match="would print without requests"):
        await bench.move(protocol="sbi")
    assert bench.balance.receive(request_frame(0x55, u8(35)), 50.0)[3:4] == b"\x02", "it is xBPI still"


async def test_another_balance_at_the_new_setting_is_not_taken_for_this_one() -> None:
    bench = Bench(config_of())
    bench.before_opening = lambda number: bench.balance.set("serial", "77") if number else None
    with pytest.raises(LinkNotChangedError, match="neither with the new nor with the old setting") as caught:
        await bench.move(address=5)
    assert "Switch the balance off and on" in str(caught.value.hint)


async def test_a_balance_that_ignores_the_command_is_reported_at_its_old_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(XbpiBalance, "told", lambda self, baudrate: None)
    monkeypatch.setattr(XbpiBalance, "note_port", _only_9600)
    bench = Bench(config_of())
    with pytest.raises(LinkNotChangedError, match="still responds with the old setting"):
        await bench.move(baudrate=19200)


def _only_9600(balance: XbpiBalance, baudrate: int | None, parity: str | None = None) -> None:
    balance._told_baudrate, balance._port_baudrate = 9600, baudrate


@pytest.mark.parametrize(
    ("settings", "wanted", "error", "message"),
    [
        ({"protocol": "sbi"}, {"baudrate": 19200}, UnsupportedError, "cannot be changed over SBI"),
        ({}, {}, ConfigError, "nothing to change"),
        ({}, {"baudrate": 9600}, ConfigError, "nothing to change"),
        ({}, {"baudrate": 19200, "address": 3}, ConfigError, "only one of"),
        ({}, {"baudrate": 1200}, ConfigError, "baud rate 1200 cannot be set over the line"),
        ({}, {"address": 32}, ConfigError, "outside 0 to 31"),
        ({}, {"protocol": "modbus-rtu"}, ConfigError, "cannot change the balance to protocol modbus-rtu"),
        ({}, {"address": 3, "confirm": False}, ConfirmationError, "changing the communication settings"),
    ],
)
async def test_what_is_not_possible_is_refused_before_a_port_is_opened(
    settings: dict[str, Any], wanted: dict[str, Any], error: type[Exception], message: str
) -> None:
    bench = Bench(config_of())
    bench.config = config_of(**settings)
    with pytest.raises(error, match=message):
        await bench.move(**wanted)
    assert not bench.opened


@pytest.mark.parametrize("code", [4, 0xFF])
def test_the_simulated_balance_refuses_a_baud_rate_that_no_balance_has(code: int) -> None:
    reply = simulator(config_of()).receive(request_frame(0x5C, u8(code)), 0.0)
    assert reply[2:4] == b"\x01\x03"
