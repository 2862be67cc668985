"""How analysers are configured, found, shared and looked into."""

import json
import os
import re
from typing import Any

import pytest
from click.testing import CliRunner
from terminal import riglog, simulated

from riglog.errors import ConfigError, LinkConflictError, ReplyTimeoutError
from riglog.manager import Manager
from riglog.plugin import configure
from riglog.protocol.modbus.client import ModbusClient
from riglog.simulation import FaultyWire, ModbusServer, ModbusServers, SimulatedBus, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link
from riglog_servomex import ServomexDriver
from riglog_servomex.commands import servomex
from riglog_servomex.probe import detect, probe_broadcast, probe_modbus
from riglog_servomex.simulator import BroadcastSimulator, ModbusSimulator

DRIVER = ServomexDriver()


def configured(**options: Any) -> Any:
    return configure(DRIVER, {"name": "gas", "driver": "servomex", "port": "sim:", **options}, "device")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"baudrate": 38400}, "2400, 4800, 9600, 19200"),
        ({"parameters": ["I1", "X2"]}, "'X2'"),
        ({"protocol": "modbus-rtu", "bytesize": 7}, "8 data bits"),
        ({"period": 2.0}, "continuous"),
        ({"protocol": "modbus"}, "modbus-rtu, modbus-ascii, continuous"),
        ({"address": 0}, "address"),
        ({"address": 248}, "address"),
        ({"adress": 3}, "'address'"),
        ({"idle": 0.01}, "idle"),
        ({"retries": 3}, "retries"),
        ({"concentration_unit": "ppb"}, "concentration_unit"),
        ({"protocol": "continuous", "period": 0}, "period"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(**options)
    assert words in f"{caught.value} {caught.value.hint}"


def test_the_usual_line_is_19200_8n1_and_all_of_it_can_be_said_otherwise() -> None:
    assert DRIVER.link(configured()) == Link(protocol="modbus-rtu", baudrate=19200)
    other = configured(protocol="modbus-ascii", baudrate=2400, parity="E", stopbits=2, bytesize=7)
    assert DRIVER.link(other) == Link(protocol="modbus-ascii", baudrate=2400, parity="E", stopbits=2, bytesize=7)


def test_only_a_broadcaster_has_no_address() -> None:
    assert DRIVER.address(configured(address=30)) == 30
    assert DRIVER.address(configured(protocol="continuous")) is None


@pytest.mark.parametrize(("protocol", "characters"), [("modbus-rtu", 191), ("modbus-ascii", 388)])
def test_the_budget_of_a_sweep_is_that_of_the_specification(protocol: str, characters: int) -> None:
    exchanges = DRIVER.transactions(configured(protocol=protocol))
    assert sum(one.sent + one.received for one in exchanges) == characters
    assert not DRIVER.transactions(configured(protocol="continuous"))


async def test_a_broadcaster_cannot_share_a_port_and_the_manager_says_why() -> None:
    async with Manager(clock=LoopClock()) as manager:
        await manager.add("loud", "sim:one", driver="servomex", protocol="continuous")
        with pytest.raises(LinkConflictError, match="needs the port for itself, and loud is on it"):
            await manager.add("second", "sim:one", driver="servomex", protocol="continuous")
        with pytest.raises(LinkConflictError, match="protocol"):
            await manager.add("asked", "sim:one", driver="servomex", protocol="modbus-rtu")
        assert manager.names == ["loud"]


async def test_two_analysers_share_a_line_but_not_an_address_nor_two_framings() -> None:
    async with Manager(clock=LoopClock()) as manager:
        await manager.add("one", "sim:line", driver="servomex", address=1)
        await manager.add("two", "sim:line", driver="servomex", address=2)
        with pytest.raises(ConfigError, match="address 2 is taken by two"):
            await manager.add("three", "sim:line", driver="servomex", address=2)
        with pytest.raises(LinkConflictError, match="protocol"):
            await manager.add("four", "sim:line", driver="servomex", address=4, protocol="modbus-ascii")
        assert len(await manager.poll()) == 10


class Refusing(Simulator):
    """Another maker's Modbus slave, which refuses everything."""

    def __init__(self, unit: int) -> None:
        self._server = ModbusServers("modbus-rtu", {unit: ModbusServer()})

    def receive(self, data: bytes, now: float) -> bytes:
        return self._server.receive(data, now)


def line_of(*simulators: Simulator) -> SimulatedTransport:
    return SimulatedTransport(FaultyWire(SimulatedBus(simulators)))


async def test_discovery_listens_before_it_talks() -> None:
    assert [link.protocol for link in DRIVER.links_to_probe()][:3] == ["continuous", "modbus-rtu", "modbus-ascii"]


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_discovery_finds_analysers_by_reading_only(protocol: str) -> None:
    analyser, other = ModbusSimulator(protocol, 3), ModbusSimulator(protocol, 30)
    link = Link(protocol=protocol, baudrate=19200)
    found = await probe_modbus(ModbusClient(line_of(analyser, other), link, clock=LoopClock()), link)
    assert [(one.protocol, one.address) for one in found] == [(protocol, 3), (protocol, 30)]
    assert found[0].settings["baudrate"] == 19200
    for one in found:
        configured(**one.settings)
    assert analyser.analyser.starts == [0, 0, 0, 0]


async def test_discovery_does_not_take_another_makers_slave_for_an_analyser() -> None:
    link = Link(protocol="modbus-rtu", baudrate=19200)
    client = ModbusClient(line_of(Refusing(2), ModbusSimulator("modbus-rtu", 3)), link, clock=LoopClock())
    assert [one.address for one in await probe_modbus(client, link)] == [3]


@pytest.mark.parametrize(("period", "seconds"), [(1.0, 5.0), (2.2, 5.0), (60.0, 121.0), (9999.0, 20_000.0)])
async def test_discovery_hears_a_broadcaster_if_it_listens_for_two_periods(period: float, seconds: float) -> None:
    transport, link = line_of(BroadcastSimulator(period=period)), Link(protocol="continuous", baudrate=19200)
    (found,) = await probe_broadcast(DRIVER.connect(link, transport), link, seconds=seconds)
    assert (found.protocol, found.address) == ("continuous", None)
    assert transport.sent == 0


async def test_a_silent_line_is_an_empty_answer() -> None:
    for protocol in DRIVER.protocols:
        assert await DRIVER.probe(Link(protocol=protocol, baudrate=19200), line_of()) == []


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_the_mode_of_the_panel_is_found_out(protocol: str) -> None:
    link = Link(protocol="continuous", baudrate=19200)
    transport = line_of(ModbusSimulator(protocol, 30))
    assert await detect(transport, link, unit=30, clock=LoopClock()) == protocol


@pytest.mark.parametrize("period", [1.0, 2.2, 60.0, 9999.0])
async def test_a_broadcaster_is_recognised_without_a_word(period: float) -> None:
    transport, link = line_of(BroadcastSimulator(period=period)), Link(protocol="continuous", baudrate=19200)
    assert await detect(transport, link, period=period, clock=LoopClock()) == "continuous"
    assert transport.sent == 0


async def test_a_line_where_nobody_is_says_what_was_tried() -> None:
    link = Link(protocol="continuous", baudrate=19200)
    with pytest.raises(
        ReplyTimeoutError, match="nothing heard for 5 s, and no answer over modbus-rtu and modbus-ascii"
    ):
        await detect(line_of(ModbusSimulator("modbus-rtu", 30)), link, unit=1, clock=LoopClock())


@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
@pytest.mark.parametrize("protocol", ["modbus-ascii", "continuous"])
def test_detect_prints_the_mode_of_the_panel(protocol: str) -> None:
    settings = ["--option", "period=1"] if protocol == "continuous" else []
    with simulated("servomex", "--protocol", protocol, *settings) as ready:
        told = riglog("servomex", "detect", "--port", ready["port"])
        assert (told.code, told.out) == (0, f"{protocol}\n"), told.err
        assert riglog("servomex", "detect", "--port", ready["port"], "--json").json == {
            "port": ready["port"],
            "protocol": protocol,
        }


def test_decode_prints_a_table_without_json(golden: Any) -> None:
    done = CliRunner().invoke(servomex, ["decode", golden("rtu-sweep-registers-rsp")["hex"]])
    assert done.exit_code == 0
    assert re.search(r"I1 +Oxygen  20.378  %", done.output)


def decoded(*arguments: str) -> dict[str, str]:
    done = CliRunner().invoke(servomex, ["decode", "--json", *arguments])
    assert done.exit_code == 0, done.output
    facts: dict[str, str] = json.loads(done.output)
    return facts


def test_decode_explains_replies_requests_refusals_and_broadcasts(golden: Any) -> None:
    reply = decoded(golden("rtu-sweep-registers-rsp")["hex"])
    assert reply["I1"] == "Oxygen  20.378  %"
    assert reply["E2"] == "(no name)  0  mA"
    assert decoded("1E", "04", "00", "00", "00", "46", "73", "97")["count"] == "70"
    assert decoded(":1E84025C")["exception"] == "Modbus exception 02: illegal data address"
    assert decoded("--first", "E1", golden("rtu-status-e1-invalid-rsp")["hex"])["E1"] == "fault invalid alarm2"
    assert "cal_gas_1 cal_gas_2" in decoded(golden("rtu-sweep-analyser-flags-rsp")["hex"])["groups"]
    line = decoded(golden("cont-idle-5ch")["text"])
    assert (line["clock"], line["I3"]) == ("2020-10-06T02:54:12", "CO2  0.250  %")
    assert decoded(golden("cont-bad-checksum")["hex"])["dropped"] == "checksum_error"


def test_every_golden_request_can_be_explained(request_vector: dict[str, Any]) -> None:
    assert decoded(request_vector["hex"])["unit"] == "30"


def test_decode_says_what_it_needs() -> None:
    done = CliRunner().invoke(servomex, ["decode", "1E0400"])
    assert isinstance(done.exception, ConfigError)
    assert "whole frame" in (done.exception.hint or "")
