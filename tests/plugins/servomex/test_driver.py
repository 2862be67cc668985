"""How analyzers are configured, detected and probed, how they share ports, and how frames are decoded."""

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
from riglog.protocol import Connection
from riglog.protocol.modbus import connect_modbus
from riglog.simulation import FaultyWire, ModbusServer, ModbusServers, SimulatedBus, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link
from riglog_servomex import ServomexDriver
from riglog_servomex.commands import servomex
from riglog_servomex.continuous.codec import BroadcastClient
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
        ({"protocol": "continuous", "timeout": 5.0, "silence": 5.0}, "timeout and silence mean the same"),
        (
            {"protocol": "continuous", "timeout": 2.0, "period": 5.0},
            "timeout: 2 s is shorter than the broadcast period",
        ),
        (
            {"protocol": "continuous", "silence": 2.0, "period": 5.0},
            "silence: 2 s is shorter than the broadcast period",
        ),
    ],
)
def test_an_invalid_configuration_is_refused_before_anything_is_opened(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(**options)
    assert words in f"{caught.value} {caught.value.hint}"


def test_the_usual_settings_are_19200_8n1_and_all_of_them_can_be_configured() -> None:
    assert DRIVER.link(configured()) == Link(protocol="modbus-rtu", baudrate=19200)
    other = configured(protocol="modbus-ascii", baudrate=2400, parity="E", stopbits=2, bytesize=7)
    assert DRIVER.link(other) == Link(protocol="modbus-ascii", baudrate=2400, parity="E", stopbits=2, bytesize=7)


def test_only_a_broadcasting_analyzer_has_no_address() -> None:
    assert DRIVER.address(configured(address=30)) == 30
    assert DRIVER.address(configured(protocol="continuous")) is None


@pytest.mark.parametrize(("protocol", "characters"), [("modbus-rtu", 191), ("modbus-ascii", 388)])
def test_the_load_of_a_poll_is_that_of_the_specification(protocol: str, characters: int) -> None:
    transactions = DRIVER.transactions(configured(protocol=protocol))
    assert sum(cost.sent + cost.received for cost in transactions) == characters
    assert not DRIVER.transactions(configured(protocol="continuous"))


async def test_a_broadcasting_analyzer_cannot_share_a_port_and_the_error_gives_the_reason() -> None:
    async with Manager(clock=LoopClock()) as manager:
        await manager.add("first", "sim:one", driver="servomex", protocol="continuous")
        with pytest.raises(
            LinkConflictError, match="cannot share a port: it has no bus address, and first uses the same port"
        ):
            await manager.add("second", "sim:one", driver="servomex", protocol="continuous")
        with pytest.raises(LinkConflictError, match="protocol"):
            await manager.add("polled", "sim:one", driver="servomex", protocol="modbus-rtu")
        assert manager.names == ["first"]


async def test_two_analyzers_share_a_bus_but_not_an_address_nor_two_framings() -> None:
    async with Manager(clock=LoopClock()) as manager:
        await manager.add("one", "sim:line", driver="servomex", address=1)
        await manager.add("two", "sim:line", driver="servomex", address=2)
        with pytest.raises(ConfigError, match="address 2 is already used by two"):
            await manager.add("three", "sim:line", driver="servomex", address=2)
        with pytest.raises(LinkConflictError, match="protocol"):
            await manager.add("four", "sim:line", driver="servomex", address=4, protocol="modbus-ascii")
        assert len(await manager.poll()) == 10


class Refusing(Simulator):
    """The Modbus server of another vendor, which refuses everything."""

    def __init__(self, unit: int) -> None:
        self._servers = ModbusServers("modbus-rtu", {unit: ModbusServer()})

    def receive(self, data: bytes, now: float) -> bytes:
        return self._servers.receive(data, now)


def bus_of(*simulators: Simulator) -> SimulatedTransport:
    return SimulatedTransport(FaultyWire(SimulatedBus(simulators)))


def on(transport: SimulatedTransport, protocol: str) -> Connection:
    return Connection(transport, Link(protocol=protocol, baudrate=19200), LoopClock())


def connection(protocol: str, *simulators: Simulator) -> Connection:
    return on(bus_of(*simulators), protocol)


async def test_discovery_listens_before_it_sends() -> None:
    assert [link.protocol for link in DRIVER.links_to_probe()][:3] == ["continuous", "modbus-rtu", "modbus-ascii"]


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_discovery_finds_analyzers_by_reading_only(protocol: str) -> None:
    analyzer, other = ModbusSimulator(protocol, 3), ModbusSimulator(protocol, 30)
    found = await probe_modbus(connect_modbus(connection(protocol, analyzer, other)))
    assert [(analyzer.protocol, analyzer.address) for analyzer in found] == [(protocol, 3), (protocol, 30)]
    assert found[0].settings["baudrate"] == 19200
    for result in found:
        configured(**result.settings)
    assert analyzer.analyzer.starts == [0, 0, 0, 0]


async def test_discovery_does_not_take_a_server_of_another_vendor_for_an_analyzer() -> None:
    client = connect_modbus(connection("modbus-rtu", Refusing(2), ModbusSimulator("modbus-rtu", 3)))
    assert [result.address for result in await probe_modbus(client)] == [3]


@pytest.mark.parametrize(("period", "seconds"), [(1.0, 5.0), (2.2, 5.0), (60.0, 121.0), (9999.0, 20_000.0)])
async def test_discovery_receives_a_broadcast_if_it_listens_for_two_periods(period: float, seconds: float) -> None:
    transport = bus_of(BroadcastSimulator(period=period))
    (found,) = await probe_broadcast(BroadcastClient(on(transport, "continuous")), seconds=seconds)
    assert (found.protocol, found.address) == ("continuous", None)
    assert transport.sent == 0


async def test_probing_a_port_without_an_analyzer_gives_an_empty_result() -> None:
    for protocol in DRIVER.protocols:
        assert await DRIVER.probe(connection(protocol)) == []


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_the_mode_that_is_selected_on_the_panel_is_detected(protocol: str) -> None:
    assert await detect(connection("continuous", ModbusSimulator(protocol, 30)), unit=30) == protocol


@pytest.mark.parametrize("period", [1.0, 2.2, 60.0, 9999.0])
async def test_a_broadcast_is_detected_without_sending(period: float) -> None:
    transport = bus_of(BroadcastSimulator(period=period))
    assert await detect(on(transport, "continuous"), period=period) == "continuous"
    assert transport.sent == 0


class Echo(Simulator):
    """A two-wire adapter without an analyzer."""

    def receive(self, data: bytes, now: float) -> bytes:
        return data


async def test_a_loopback_that_the_adapter_returns_is_not_an_analyzer() -> None:
    with pytest.raises(ReplyTimeoutError, match="no broadcast within 5 s, and no reply"):
        await detect(connection("continuous", Echo()), unit=1)


async def test_detecting_nothing_is_an_error_with_what_was_tried() -> None:
    with pytest.raises(
        ReplyTimeoutError, match="no broadcast within 5 s, and no reply over modbus-rtu or modbus-ascii"
    ):
        await detect(connection("continuous", ModbusSimulator("modbus-rtu", 30)), unit=1)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
@pytest.mark.parametrize("protocol", ["modbus-ascii", "continuous"])
def test_detect_prints_the_mode_that_is_selected_on_the_panel(protocol: str) -> None:
    settings = ["--option", "period=1"] if protocol == "continuous" else []
    with simulated("servomex", "--protocol", protocol, *settings) as ready:
        done = riglog("servomex", "detect", "--port", ready["port"])
        assert (done.code, done.out) == (0, f"{protocol}\n"), done.err
        assert riglog("servomex", "detect", "--port", ready["port"], "--json").json == {
            "port": ready["port"],
            "protocol": protocol,
        }


def test_decode_prints_a_table_without_json(golden: Any) -> None:
    done = CliRunner().invoke(servomex, ["decode", golden("rtu-sweep-registers-rsp")["hex"]])
    assert done.exit_code == 0
    assert re.search(r"I1 +Oxygen  20.378  %", done.output)


def test_a_decoded_name_is_printed_as_characters() -> None:
    body = b"15-01-27;08:00:00;  ;        ; 1;I1;\x1b[2J[red]:bomb:;20.95;%;    ;  ; ; ;"
    frame = b" %s%04X;\r\n" % (body, sum(body) & 0xFFFF)
    done = CliRunner().invoke(servomex, ["decode", frame.hex()])
    assert r"\x1b[2J[red]:bomb:  20.95  %" in done.output
    assert "\x1b" not in done.output


def decoded(*arguments: str) -> dict[str, str]:
    done = CliRunner().invoke(servomex, ["decode", "--json", *arguments])
    assert done.exit_code == 0, done.output
    facts: dict[str, str] = json.loads(done.output)
    return facts


def test_decode_covers_replies_requests_refusals_and_broadcasts(golden: Any) -> None:
    reply = decoded(golden("rtu-sweep-registers-rsp")["hex"])
    assert reply["I1"] == "Oxygen  20.378  %"
    assert reply["E2"] == "(no name)  0  mA"
    assert decoded("1E", "04", "00", "00", "00", "46", "73", "97")["count"] == "70"
    assert decoded(":1E84025C")["exception"] == "Modbus exception 0x02: illegal data address"
    assert decoded("--first", "E1", golden("rtu-status-e1-invalid-rsp")["hex"])["E1"] == "fault invalid alarm2"
    assert "cal_gas_1 cal_gas_2" in decoded(golden("rtu-sweep-analyzer-flags-rsp")["hex"])["groups"]
    line = decoded(golden("cont-idle-5ch")["text"])
    assert (line["clock"], line["I3"]) == ("2020-10-06T02:54:12", "CO2  0.250  %")
    assert decoded(golden("cont-bad-checksum")["hex"])["invalid"] == "checksum_error"


def test_every_golden_request_can_be_decoded(request_vector: dict[str, Any]) -> None:
    assert decoded(request_vector["hex"])["unit"] == "30"


def test_decode_suggests_what_it_needs() -> None:
    done = CliRunner().invoke(servomex, ["decode", "1E0400"])
    assert isinstance(done.exception, ConfigError)
    assert "complete frame" in (done.exception.hint or "")


def test_positions_have_the_names_of_their_kind_and_a_gas_selects_none() -> None:
    config = configured(parameters=["transducer_1", "d2", "External-Input-1"])
    assert [DRIVER.canonical_name(config, name) for name in config.parameters] == ["i1", "d2", "e1"]
    with pytest.raises(ExceptionGroup) as caught:
        configured(parameters=["O2", "I1", "I7"])
    assert ["Gas names" in str(getattr(error, "hint", "")) for error in caught.value.exceptions] == [True, True]
