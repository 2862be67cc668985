"""The simulated analyzer behaves as the specification says that the real one does."""

from collections.abc import Callable

import anyio
import pytest

from riglog.errors import ConfigError
from riglog.protocol.modbus import framing_of
from riglog_servomex import Analyzer
from riglog_servomex.continuous.frames import Frame, parse_frame
from riglog_servomex.samples import Phase
from riglog_servomex.simulator import BroadcastSimulator, ModbusSimulator, SimulatedAnalyzer
from riglog_servomex.simulator.continuous import CLOCK_AT_START, frame_bytes
from riglog_servomex.simulator.instrument import Label, SimulatedChannel

RTU = framing_of("modbus-rtu")


def reply_to(simulator: ModbusSimulator, pdu: str, now: float = 0.0, unit: int = 30) -> str:
    """The PDU of the reply as hex, or nothing."""
    frame = RTU.unwrap(simulator.receive(RTU.wrap(unit, bytes.fromhex(pdu)), now))
    return "" if frame is None else frame.pdu.hex()


@pytest.mark.parametrize(
    ("request_pdu", "reply"),
    [
        ("03 0000 0002", "8301"),  # no holding registers
        ("06 0000 0002", "8601"),
        ("11", "9101"),
        ("2b 0e 01 00", "ab01"),
        ("08 0001 0000", "8801"),
        ("08 0000 1234", "0800001234"),
        ("04 0000 0000", "8403"),
        ("04 0000 007e", "8403"),
        ("04 0000 0047", "8402"),
        ("04 0046 0001", "8402"),
        ("02 0050 0001", "8202"),
        ("02 004f 0002", "8202"),
        ("02 03e7 0001", "8202"),
        ("02 03e8 0011", "8202"),
        ("02 03e8 0010", "02020000"),
        ("01 0000 0009", "01020000"),
        ("01 0000 000a", "8102"),
        ("05 0000 1234", "8503"),
        ("05 0009 ff00", "8502"),
        ("0f 0000 0001 02 0101", "8f03"),
        ("0f 0000 0001 01 01", "0f00000001"),
    ],
)
def test_requests_are_checked_in_the_specified_order(request_pdu: str, reply: str) -> None:
    assert reply_to(ModbusSimulator("modbus-rtu", 30), request_pdu) == reply


@pytest.mark.parametrize("unit", [0, 29, 31, 58])
def test_requests_to_other_units_get_no_reply(unit: int) -> None:
    assert reply_to(ModbusSimulator("modbus-rtu", 30), "08 0000 1234", unit=unit) == ""


def test_a_damaged_request_gets_no_reply_and_half_a_request_is_discarded() -> None:
    simulator = ModbusSimulator("modbus-rtu", 30)
    good = RTU.wrap(30, bytes.fromhex("0800001234"))
    assert simulator.receive(good[:-1] + b"\0", 0.0) == b""
    assert simulator.receive(good[:4], 1.0) == b""
    assert simulator.receive(good, 2.0) == good
    assert simulator.receive(good[:4], 3.0) + simulator.receive(good[4:], 3.01) == good


def test_a_coil_acts_on_its_edge_only_and_stays_as_written() -> None:
    simulator = ModbusSimulator("modbus-rtu", 30)
    for _ in range(3):
        reply_to(simulator, "05 0001 ff00")
    assert simulator.analyzer.starts == [0, 1, 0, 0]
    assert reply_to(simulator, "01 0000 0009") == "01020200"
    reply_to(simulator, "05 0001 0000")
    reply_to(simulator, "0f 0000 0004 01 0f")
    assert simulator.analyzer.starts == [1, 2, 1, 1]


def test_one_calibration_runs_and_the_others_are_queued() -> None:
    analyzer = SimulatedAnalyzer()
    analyzer.flush = 10.0
    analyzer.advance(0.0)
    analyzer.start(1)
    analyzer.start(2)
    seen = []
    for now in (0.0, 10.0, 20.0, 29.9, 30.0, 41.0, 60.0, 200.0):
        analyzer.advance(now)
        seen.append(tuple(analyzer.phases[:2]))
    gas_1, gas_2, idle = Phase.CAL_GAS_1, Phase.CAL_GAS_2, Phase.IDLE
    assert [phases[0] for phases in seen] == [gas_1, gas_2, gas_1, gas_1, idle, idle, idle, idle]
    assert [phases[1] for phases in seen] == [idle, idle, idle, idle, gas_1, gas_2, idle, idle]


def test_warming_up_ends_after_its_time_and_calibrating_marks_the_channels_of_the_group() -> None:
    analyzer = SimulatedAnalyzer(warm_up=600.0)
    analyzer.advance(100.0)
    assert analyzer.flags("I1").warming_up
    assert not analyzer.flags("E1").warming_up
    analyzer.advance(701.0)
    assert not analyzer.flags("I1").warming_up
    analyzer.start(1)
    assert [analyzer.flags(channel).calibrating for channel in ("I1", "D1", "I2", "E1")] == [True, True, False, False]


def test_a_broadcast_has_the_specified_widths_and_decodes_to_the_state_of_the_analyzer() -> None:
    analyzer = SimulatedAnalyzer()
    for name, value in {
        "D1.name": "COcorr",
        "D1.unit": "%",
        "I2.alarm3": "on",
        "I1.fault": "on",
        "fault": "on",
    }.items():
        analyzer.set(name, value)
    line = frame_bytes(analyzer, CLOCK_AT_START)
    parsed = parse_frame(line)
    assert isinstance(parsed, Frame)
    assert len(line) == 41 + 33 * 6
    assert list(parsed.blocks) == ["I1", "I2", "I3", "D1", "E1", "E2"]
    assert parsed.blocks["I3"].name == "CO2"
    assert parsed.blocks["D1"].flags.fault
    assert parsed.blocks["I2"].flags.alarms == (False, False, True, False)
    assert parsed.analyzer.fault


def test_a_broadcast_keeps_its_period_ignores_requests_and_can_be_switched_off() -> None:
    simulator = BroadcastSimulator(period=2.0)
    assert simulator.receive(b"anything", 0.0) == b""
    due = [simulator.next_due(0.0)]
    for _ in range(2):
        assert due[-1] is not None
        assert isinstance(parse_frame(simulator.idle(due[-1])), Frame)
        due.append(simulator.next_due(due[-1]))
    assert due == [1.0, 3.0, 5.0]
    simulator.set("period", "0")
    assert simulator.next_due(10.0) is None
    assert simulator.idle(100.0) == b""


def test_an_impatient_analyzer_loses_about_a_quarter_of_the_requests_that_come_too_soon() -> None:
    simulator = ModbusSimulator("modbus-rtu", 30)
    simulator.set("impatient", "on")
    lost, now = 0, 0.0
    for _ in range(1000):
        now += simulator.latency + 0.002
        lost += reply_to(simulator, "08 0000 1234", now) == ""
    assert 180 < lost < 340


@pytest.mark.parametrize(
    ("name", "value"), [("I9.value", "1"), ("nothing", "1"), ("I1.nothing", "1"), ("I1.value", "x"), ("fault", "maybe")]
)
def test_an_unknown_setting_and_an_invalid_value_are_errors(name: str, value: str) -> None:
    with pytest.raises(ConfigError):
        ModbusSimulator("modbus-rtu").set(name, value)


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii", "continuous"])
async def test_the_simulator_knows_what_was_true_and_changes_at_given_times(
    analyzer_on: Callable[..., Analyzer], protocol: str
) -> None:
    continuous = protocol == "continuous"
    simulator = BroadcastSimulator(period=1.0) if continuous else ModbusSimulator(protocol)
    analyzer = simulator.analyzer
    gas = analyzer_on(simulator, protocol=protocol)
    await gas.open()
    analyzer.set_at(3.0, "I2.unit", "vpm")
    analyzer.set_at(3.0, "I2.decimals", "1")
    analyzer.set_at(5.0, "order", "E1 I3 I2")
    analyzer.set_at(6.0, "I1.name", "")
    seen = set()
    for _ in range(9):
        samples = await gas.poll()
        for sample in samples:
            truth = analyzer.truth(sample.parameter)
            if truth is None:
                assert sample.value is None
                continue
            assert sample.value == pytest.approx(truth.value, abs=0.06 if continuous else 1e-4)
            assert (sample.unit, (sample.text or "").replace("₂", "2")) == (
                truth.unit,
                (truth.name or "").replace("₂", "2"),
            )
            seen.add((sample.parameter, sample.unit))
        if not continuous:
            await anyio.sleep(0.7)
    assert {("i2", "%"), ("i2", "vpm"), ("i1", "%")} <= seen
    assert analyzer.truth("i1") is None


async def test_another_analyzer_can_be_put_in_its_place(analyzer_on: Callable[..., Analyzer]) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    gas = analyzer_on(simulator)
    await gas.open()
    simulator.analyzer.swap_at(5.0, {"I1": SimulatedChannel(Label(b"N2O   ", b" % \0"), 1.0)})
    assert await gas.identity() == "4000-series I1 I2 I3"
    await anyio.sleep(6)
    assert await gas.identity() == "4000-series I1"
