"""An analyser that is asked: discovery, spans, values and flags, timing."""

from collections.abc import Callable
from typing import Any

import pytest

from riglog.errors import ConfigError, DeviceRefusedError, ReplyTimeoutError
from riglog.model import Sample, Status
from riglog.protocol.modbus import framing_of
from riglog.simulation import Fault, FaultyWire, SimulatedPeer, Simulator
from riglog_servomex import Analyzer, Phase
from riglog_servomex.errors import ChannelAbsentError
from riglog_servomex.simulator import ModbusSimulator

AnalyserOn = Callable[..., Analyzer]
PROTOCOLS = ("modbus-rtu", "modbus-ascii")


class Tapped(SimulatedPeer):
    """Notes when the host spoke and when it was answered."""

    def __init__(self, wire: SimulatedPeer) -> None:
        self.wire = wire
        self.asked: list[tuple[float, bytes]] = []
        self.answered: list[float] = []

    def send(self, data: bytes, now: float) -> None:
        self.asked.append((now, data))
        self.wire.send(data, now)

    def take(self, now: float) -> bytes:
        if data := self.wire.take(now):
            self.answered.append(now)
        return data

    def next_due(self, now: float) -> float | None:
        return self.wire.next_due(now)


class Dead(Simulator):
    def receive(self, data: bytes, now: float) -> bytes:
        return b""


def by_parameter(samples: list[Sample]) -> dict[str, Sample]:
    return {sample.parameter: sample for sample in samples}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_what_is_fitted_is_found_at_opening_and_empty_positions_are_left_out(
    analyser_on: AnalyserOn, protocol: str
) -> None:
    gas = analyser_on(ModbusSimulator(protocol, 30), protocol=protocol, address=30)
    await gas.open()
    assert [(one.parameter, one.unit, one.address) for one in gas.channels] == [
        ("i1", "%", 30),
        ("i2", "%", 30),
        ("i3", "%", 30),
        ("e1", "mA", 30),
        ("e2", "mA", 30),
    ]
    assert await gas.identity() == "4000-series I1 I2 I3"
    identity = await gas.identify()
    assert ("I3", "CO₂", "%") in identity.channels
    assert ("E1", None, "mA") in identity.channels


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_poll_gives_what_the_analyser_has_at_that_moment(analyser_on: AnalyserOn, protocol: str) -> None:
    simulator = ModbusSimulator(protocol, 1)
    gas = analyser_on(simulator, protocol=protocol)
    await gas.open()
    samples = await gas.poll()
    assert [sample.channel for sample in samples] == list(gas.channels)
    for sample in samples:
        assert sample.value == pytest.approx(simulator.analyser.value(sample.parameter.upper()), rel=1e-6)
        assert sample.status is Status.OK
        assert sample.protocol == protocol
    assert by_parameter(samples)["i3"].text == "CO₂"
    assert by_parameter(samples)["e1"].text is None


async def test_named_channels_are_polled_in_the_order_of_the_configuration(analyser_on: AnalyserOn) -> None:
    gas = analyser_on(ModbusSimulator("modbus-rtu"), parameters=("e1", "I2", "e1"))
    await gas.open()
    assert [sample.parameter for sample in await gas.poll()] == ["e1", "i2"]


async def test_an_empty_position_can_be_read_by_naming_it(analyser_on: AnalyserOn) -> None:
    gas = analyser_on(ModbusSimulator("modbus-rtu"), parameters=("I4",))
    await gas.open()
    (sample,) = await gas.poll()
    assert (sample.value, sample.unit, sample.text) == (0.0, None, None)
    assert (await gas.read_channel("d2")).value == 0.0


async def test_external_inputs_can_be_left_out(analyser_on: AnalyserOn) -> None:
    gas = analyser_on(ModbusSimulator("modbus-rtu"), external_inputs=False)
    await gas.open()
    assert [channel.parameter for channel in gas.channels] == ["i1", "i2", "i3"]


async def test_an_analyser_that_refuses_broad_spans_is_read_in_smaller_ones_from_then_on(
    analyser_on: AnalyserOn,
) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("narrow", "on")
    line = Tapped(FaultyWire(simulator))
    gas = analyser_on(line)
    await gas.open()
    assert [channel.parameter for channel in gas.channels] == ["i1", "i2", "i3", "e1", "e2"]
    line.asked.clear()
    samples = await gas.poll()
    assert all(sample.status is Status.OK for sample in samples)
    spans = [(data[1], int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")) for _, data in line.asked]
    assert spans == [(2, 0, 24), (2, 64, 16), (2, 1000, 16), (4, 0, 21), (4, 56, 14)]


async def test_a_channel_that_even_alone_is_refused_is_not_there(analyser_on: AnalyserOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("narrow", "on")
    with pytest.raises(ChannelAbsentError, match="D1") as caught:
        await analyser_on(simulator, parameters=("I1", "D1")).open()
    assert "I1, I2, I3, E1, E2" in (caught.value.hint or "")


async def test_a_span_that_is_refused_in_the_middle_of_a_run_costs_one_poll(analyser_on: AnalyserOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    gas = analyser_on(simulator)
    await gas.open()
    simulator.set("narrow", "on")
    first, second = await gas.poll(), await gas.poll()
    assert {sample.status for sample in first} == {Status.MISSING}
    assert "illegal data address" in (first[0].error or "")
    assert {sample.status for sample in second} == {Status.OK}


async def test_a_dead_line_is_a_timeout_after_the_second_level(analyser_on: AnalyserOn) -> None:
    line = Tapped(FaultyWire(Dead()))
    with pytest.raises(ReplyTimeoutError):
        await analyser_on(line).open()
    assert len({data for _, data in line.asked}) <= 3 * 2  # two spans with their markers


async def test_an_analyser_that_died_is_asked_who_it_is_without_patience(analyser_on: AnalyserOn) -> None:
    wire = FaultyWire(ModbusSimulator("modbus-rtu"))
    line = Tapped(wire)
    gas = analyser_on(line, parameters=("I2",))
    await gas.open()
    wire.plugged = False
    line.asked.clear()
    with pytest.raises(ReplyTimeoutError):
        await gas.identity()
    assert len(line.asked) == 1
    wire.plugged = True
    assert await gas.identity() == "4000-series I1 I2 I3"
    line.asked.clear()
    await gas.poll()
    assert [int.from_bytes(data[4:6], "big") for _, data in line.asked] == [8, 16, 7]  # still only what was chosen


KNOBS: list[tuple[dict[str, str], str, Status, tuple[str, ...]]] = [
    ({"I1.fault": "on"}, "i1", Status.FAULT, ("fault",)),
    ({"I1.maintenance": "on"}, "i1", Status.SUSPECT, ("maintenance",)),
    ({"I1.warming_up": "on"}, "i1", Status.SUSPECT, ("warming_up",)),
    ({"I1.calibrating": "on"}, "i1", Status.SUSPECT, ("calibrating",)),
    ({"I1.alarm2": "on", "I1.alarm4": "on"}, "i1", Status.OK, ("alarm2", "alarm4")),
    ({"E1.fault": "on"}, "e1", Status.FAULT, ("fault", "invalid")),
    ({"E1.maintenance": "on"}, "e1", Status.OK, ()),
    ({"I2.fault": "on"}, "d2", Status.SUSPECT, ("parent_fault",)),
    ({"D2.alarm1": "on"}, "d2", Status.OK, ("alarm1",)),
    ({"fault": "on", "maintenance": "on"}, "i1", Status.OK, ("analyser_fault", "analyser_maintenance")),
]


@pytest.mark.parametrize(("knobs", "parameter", "status", "flags"), KNOBS)
async def test_status_and_flags_of_a_row_say_what_the_bits_say(
    analyser_on: AnalyserOn, knobs: dict[str, str], parameter: str, status: Status, flags: tuple[str, ...]
) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    for name, value in {"D2.name": "COcorr", "D2.unit": "%", "D2.value": "0.09", **knobs}.items():
        simulator.set(name, value)
    gas = analyser_on(simulator)
    await gas.open()
    sample = by_parameter(await gas.poll())[parameter]
    assert (sample.status, sample.flags) == (status, flags)
    assert sample.value is not None


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
async def test_what_is_no_number_is_no_value(analyser_on: AnalyserOn, value: str) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("I2.swing", "0")
    simulator.set("I2.value", value)
    gas = analyser_on(simulator)
    await gas.open()
    samples = by_parameter(await gas.poll())
    assert (samples["i2"].value, samples["i2"].status) == (None, Status.MISSING)
    assert value in (samples["i2"].error or "")
    assert samples["i1"].status is Status.OK


@pytest.mark.parametrize(
    ("said", "wanted", "value", "unit"),
    [
        ("vpm", "%", 0.084, "%"),
        ("vpm", None, 840.0, "vpm"),
        ("ppm", "%", 0.084, "%"),
        ("mgm", "%", 840.0, "mgm"),
        ("%", "vpm", 8_400_000.0, "vpm"),
    ],
)
async def test_concentrations_are_converted_only_on_request_and_only_from_known_units(
    analyser_on: AnalyserOn, said: str, wanted: str | None, value: float, unit: str
) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    for name, text in {"I2.unit": said, "I2.value": "840", "I2.swing": "0"}.items():
        simulator.set(name, text)
    gas = analyser_on(simulator, parameters=("I2",), **({"concentration_unit": wanted} if wanted else {}))
    await gas.open()
    (sample,) = await gas.poll()
    assert (sample.value, sample.unit) == (pytest.approx(value), unit)
    assert gas.channels[0].unit == unit


async def test_fifty_milliseconds_of_silence_precede_every_request(analyser_on: AnalyserOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("impatient", "on")
    line = Tapped(FaultyWire(simulator))
    gas = analyser_on(line)
    await gas.open()
    for _ in range(20):
        assert all(sample.status is Status.OK for sample in await gas.poll())
    silences = [asked - answered for answered, (asked, _) in zip(line.answered, line.asked[1:], strict=False)]
    assert min(silences) >= 0.05 - 1e-9
    assert len(line.answered) == len(line.asked)


class Slow(ModbusSimulator):
    """Its answers take the time that their characters need at 2400 baud."""

    def receive(self, data: bytes, now: float) -> bytes:
        reply = super().receive(data, now)
        self.latency = 0.04 + len(data + reply) * 10 / 2400
        return reply


async def test_a_full_ascii_answer_at_2400_baud_is_waited_for(analyser_on: AnalyserOn) -> None:
    gas = analyser_on(Slow("modbus-ascii"), protocol="modbus-ascii", baudrate=2400)
    await gas.open()
    assert all(sample.status is Status.OK for sample in await gas.poll())


@pytest.mark.parametrize("instead", [b"", framing_of("modbus-rtu").wrap(1, b"\x82\x04")], ids=["silence", "failure"])
async def test_no_value_goes_out_whose_flags_nobody_knows(analyser_on: AnalyserOn, instead: bytes) -> None:
    class Mute(ModbusSimulator):
        """Does not tell the flags of channels any more."""

        mute = False

        def receive(self, data: bytes, now: float) -> bytes:
            reply = super().receive(data, now)
            return instead if self.mute and data[1:4] == b"\x02\0\0" else reply

    simulator = Mute("modbus-rtu")
    gas = analyser_on(simulator)
    await gas.open()
    simulator.mute = True
    assert {(sample.value, sample.status) for sample in await gas.poll()} == {(None, Status.MISSING)}


async def test_a_lost_reply_is_asked_for_again_in_calls_and_in_polls_only_on_request(analyser_on: AnalyserOn) -> None:
    for retries, status in ((0, Status.MISSING), (2, Status.OK)):
        gas = analyser_on(
            FaultyWire(ModbusSimulator("modbus-rtu"), script=[Fault.DROP] * 2 + [None] * 8 + [Fault.DROP]),
            retries=retries,
        )
        await gas.open()
        while (sample := (await gas.poll())[0]).status is Status.OK and retries == 0:
            continue
        assert sample.status is status


async def test_status_calls_read_now(analyser_on: AnalyserOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    gas = analyser_on(simulator)
    await gas.open()
    assert (await gas.status("I1")).ok
    simulator.set("I1.alarm1", "on")
    assert not (await gas.status("I1")).ok
    simulator.set("fault", "on")
    assert (await gas.analyser_status()).fault
    assert await gas.calibration_status() == (Phase.IDLE,) * 4


async def test_a_snapshot_reads_nothing_and_keeps_the_stamps_of_what_it_shows(analyser_on: AnalyserOn) -> None:
    line = Tapped(FaultyWire(ModbusSimulator("modbus-rtu")))
    gas = analyser_on(line)
    await gas.open()
    samples = by_parameter(await gas.poll())
    asked = len(line.asked)
    shown = {reading.position.parameter: reading for reading in gas.snapshot().readings}
    assert len(line.asked) == asked
    assert shown["i1"].stamp == samples["i1"].stamp
    assert shown["i1"].value == samples["i1"].value


async def test_a_channel_that_cannot_be_is_refused_before_a_byte_is_sent(analyser_on: AnalyserOn) -> None:
    line = Tapped(FaultyWire(ModbusSimulator("modbus-rtu")))
    with pytest.raises(ConfigError, match="X1"):
        await analyser_on(line).read_channel("X1")
    assert not line.asked


async def test_holding_registers_do_not_exist(analyser_on: AnalyserOn) -> None:
    access: Any = analyser_on(ModbusSimulator("modbus-rtu"))._access
    with pytest.raises(DeviceRefusedError):
        await access.unit.read_holding_registers(0, count=2)
