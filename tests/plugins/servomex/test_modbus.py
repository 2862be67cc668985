"""An analyzer over Modbus: discovery, spans, values and flags, timing."""

from collections.abc import Callable

import anyio
import pytest

from riglog.errors import ConfigError, DeviceRefusedError, ReplyTimeoutError
from riglog.model import Sample, Status
from riglog.protocol import Connection
from riglog.protocol.modbus import connect_modbus, framing_of
from riglog.simulation import Fault, FaultyWire, SimulatedPeer, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link
from riglog_servomex import Analyzer, ChannelAbsentError, Phase
from riglog_servomex.simulator import ModbusSimulator

AnalyzerOn = Callable[..., Analyzer]
PROTOCOLS = ("modbus-rtu", "modbus-ascii")


class Tapped(SimulatedPeer):
    """Notes when requests are sent, and when something is received."""

    def __init__(self, wire: SimulatedPeer) -> None:
        self.wire = wire
        self.requests: list[tuple[float, bytes]] = []
        self.received: list[float] = []

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """Function, start and count of each request."""
        frames = [data for _, data in self.requests]
        return [(data[1], int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")) for data in frames]

    def send(self, data: bytes, now: float) -> None:
        self.requests.append((now, data))
        self.wire.send(data, now)

    def take(self, now: float) -> bytes:
        if data := self.wire.take(now):
            self.received.append(now)
        return data

    def next_due(self, now: float) -> float | None:
        return self.wire.next_due(now)


class NotResponding(Simulator):
    def receive(self, data: bytes, now: float) -> bytes:
        return b""


def by_parameter(samples: list[Sample]) -> dict[str, Sample]:
    return {sample.parameter: sample for sample in samples}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_opening_finds_the_channels_that_are_present_and_excludes_empty_positions(
    analyzer_on: AnalyzerOn, protocol: str
) -> None:
    gas = analyzer_on(ModbusSimulator(protocol, 30), protocol=protocol, address=30)
    await gas.open()
    assert [(channel.parameter, channel.unit, channel.address) for channel in gas.channels] == [
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
async def test_a_poll_gives_what_the_analyzer_has_at_that_moment(analyzer_on: AnalyzerOn, protocol: str) -> None:
    simulator = ModbusSimulator(protocol, 1)
    gas = analyzer_on(simulator, protocol=protocol)
    await gas.open()
    samples = await gas.poll()
    assert [sample.channel for sample in samples] == list(gas.channels)
    for sample in samples:
        assert sample.value == pytest.approx(simulator.analyzer.value(sample.parameter.upper()), rel=1e-6)
        assert sample.status is Status.OK
        assert sample.protocol == protocol
    assert by_parameter(samples)["i3"].text == "CO₂"
    assert by_parameter(samples)["e1"].text is None


async def test_named_channels_are_polled_in_the_order_of_the_configuration(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(ModbusSimulator("modbus-rtu"), parameters=("e1", "I2", "e1"))
    await gas.open()
    assert [sample.parameter for sample in await gas.poll()] == ["e1", "i2"]


async def test_an_empty_position_can_be_read_by_naming_it(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(ModbusSimulator("modbus-rtu"), parameters=("I4",))
    await gas.open()
    (sample,) = await gas.poll()
    assert (sample.value, sample.unit, sample.text) == (0.0, None, None)
    assert (await gas.read_channel("d2")).value == 0.0


async def test_external_inputs_can_be_excluded(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(ModbusSimulator("modbus-rtu"), external_inputs=False)
    await gas.open()
    assert [channel.parameter for channel in gas.channels] == ["i1", "i2", "i3"]


async def test_an_analyzer_that_refuses_broad_spans_is_read_in_smaller_ones_from_then_on(
    analyzer_on: AnalyzerOn,
) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("narrow", "on")
    line = Tapped(FaultyWire(simulator))
    gas = analyzer_on(line)
    await gas.open()
    assert [channel.parameter for channel in gas.channels] == ["i1", "i2", "i3", "e1", "e2"]
    line.requests.clear()
    samples = await gas.poll()
    assert all(sample.status is Status.OK for sample in samples)
    assert line.spans == [(2, 0, 24), (2, 64, 16), (2, 1000, 16), (4, 0, 21), (4, 56, 14)]


async def test_a_channel_that_is_refused_even_alone_is_not_present(analyzer_on: AnalyzerOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("narrow", "on")
    with pytest.raises(ChannelAbsentError, match="D1") as caught:
        await analyzer_on(simulator, parameters=("I1", "D1")).open()
    assert "I1, I2, I3, E1, E2" in (caught.value.hint or "")


async def test_a_span_that_is_refused_in_the_middle_of_a_run_costs_one_poll(analyzer_on: AnalyzerOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    gas = analyzer_on(simulator)
    await gas.open()
    simulator.set("narrow", "on")
    first, second = await gas.poll(), await gas.poll()
    assert {sample.status for sample in first} == {Status.MISSING}
    assert "illegal data address" in (first[0].error or "")
    assert {sample.status for sample in second} == {Status.OK}


async def test_no_reply_at_all_is_a_timeout_after_the_second_level(analyzer_on: AnalyzerOn) -> None:
    line = Tapped(FaultyWire(NotResponding()))
    with pytest.raises(ReplyTimeoutError):
        await analyzer_on(line).open()
    assert len({data for _, data in line.requests}) <= 3 * 2  # two spans with their resync requests


async def test_the_identity_of_an_analyzer_that_does_not_respond_is_requested_only_once(
    analyzer_on: AnalyzerOn,
) -> None:
    wire = FaultyWire(ModbusSimulator("modbus-rtu"))
    line = Tapped(wire)
    gas = analyzer_on(line, parameters=("I2",))
    await gas.open()
    wire.plugged = False
    line.requests.clear()
    with pytest.raises(ReplyTimeoutError):
        await gas.identity()
    assert len(line.requests) == 1
    wire.plugged = True
    assert await gas.identity() == "4000-series I1 I2 I3"
    line.requests.clear()
    await gas.poll()
    assert [count for _, _, count in line.spans] == [8, 16, 7]  # still only what was selected


async def test_reading_the_identity_changes_nothing(analyzer_on: AnalyzerOn) -> None:
    """It reads everything in the spans that are accepted, but neither its refusals nor its values have an effect."""
    simulator = ModbusSimulator("modbus-rtu")
    line = Tapped(FaultyWire(simulator))
    gas = analyzer_on(line)
    await gas.open()
    before = gas.snapshot()
    simulator.set("narrow", "on")
    line.requests.clear()
    assert await gas.identity() == "4000-series I1 I2 I3"
    assert line.spans[0] == (2, 0, 80)
    assert gas.snapshot() == before
    line.requests.clear()
    await gas.poll()
    assert line.spans[0] == (2, 0, 80)


async def test_after_an_interruption_the_accepted_spans_are_found_again_before_the_next_poll(
    analyzer_on: AnalyzerOn,
) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    line = Tapped(FaultyWire(simulator))
    gas = analyzer_on(line)
    await gas.open()
    simulator.set("narrow", "on")
    await gas.reconnected()
    line.requests.clear()
    assert {sample.status for sample in await gas.poll()} == {Status.OK}
    assert line.spans == [(2, 0, 24), (2, 64, 16), (2, 1000, 16), (4, 0, 21), (4, 56, 14)]


async def test_flags_of_one_poll_are_never_used_in_the_next(analyzer_on: AnalyzerOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    refusal = framing_of("modbus-rtu").wrap(1, b"\x82\x04")
    gas = analyzer_on(simulator)
    await gas.open()
    assert {sample.status for sample in await gas.poll()} == {Status.OK}
    receive = simulator.receive
    simulator.receive = lambda data, now: refusal if data[1] == 2 else receive(data, now)  # type: ignore[method-assign]
    samples = await gas.poll()
    assert {(sample.value, sample.error) for sample in samples} == {(None, "channel missing from the reply")}
    assert all(sample.responded for sample in samples)


SETTINGS: list[tuple[dict[str, str], str, Status, tuple[str, ...]]] = [
    ({"I1.fault": "on"}, "i1", Status.FAULT, ("fault",)),
    ({"I1.maintenance": "on"}, "i1", Status.SUSPECT, ("maintenance",)),
    ({"I1.warming_up": "on"}, "i1", Status.SUSPECT, ("warming_up",)),
    ({"I1.calibrating": "on"}, "i1", Status.SUSPECT, ("calibrating",)),
    ({"I1.alarm2": "on", "I1.alarm4": "on"}, "i1", Status.OK, ("alarm2", "alarm4")),
    ({"E1.fault": "on"}, "e1", Status.FAULT, ("fault", "invalid")),
    ({"E1.maintenance": "on"}, "e1", Status.OK, ()),
    ({"I2.fault": "on"}, "d2", Status.SUSPECT, ("parent_fault",)),
    ({"D2.alarm1": "on"}, "d2", Status.OK, ("alarm1",)),
    ({"fault": "on", "maintenance": "on"}, "i1", Status.OK, ("analyzer_fault", "analyzer_maintenance")),
]


@pytest.mark.parametrize(("settings", "parameter", "status", "flags"), SETTINGS)
async def test_status_and_flags_of_a_row_follow_the_bits(
    analyzer_on: AnalyzerOn, settings: dict[str, str], parameter: str, status: Status, flags: tuple[str, ...]
) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    for name, value in {"D2.name": "COcorr", "D2.unit": "%", "D2.value": "0.09", **settings}.items():
        simulator.set(name, value)
    gas = analyzer_on(simulator)
    await gas.open()
    sample = by_parameter(await gas.poll())[parameter]
    assert (sample.status, sample.flags) == (status, flags)
    assert sample.value is not None


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
async def test_a_number_that_is_not_finite_is_not_a_value(analyzer_on: AnalyzerOn, value: str) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("I2.swing", "0")
    simulator.set("I2.value", value)
    gas = analyzer_on(simulator)
    await gas.open()
    samples = by_parameter(await gas.poll())
    assert (samples["i2"].value, samples["i2"].status) == (None, Status.MISSING)
    assert value in (samples["i2"].error or "")
    assert samples["i1"].status is Status.OK


@pytest.mark.parametrize(
    ("sent", "wanted", "value", "unit"),
    [
        ("vpm", "%", 0.084, "%"),
        ("vpm", None, 840.0, "vpm"),
        ("ppm", "%", 0.084, "%"),
        ("mgm", "%", 840.0, "mgm"),
        ("%", "vpm", 8_400_000.0, "vpm"),
    ],
)
async def test_concentrations_are_converted_only_on_request_and_only_from_known_units(
    analyzer_on: AnalyzerOn, sent: str, wanted: str | None, value: float, unit: str
) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    for name, text in {"I2.unit": sent, "I2.value": "840", "I2.swing": "0"}.items():
        simulator.set(name, text)
    gas = analyzer_on(simulator, parameters=("I2",), **({"concentration_unit": wanted} if wanted else {}))
    await gas.open()
    (sample,) = await gas.poll()
    assert (sample.value, sample.unit) == (pytest.approx(value), unit)
    assert gas.channels[0].unit == unit


async def test_every_request_is_preceded_by_an_idle_line_for_fifty_milliseconds(analyzer_on: AnalyzerOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("impatient", "on")
    line = Tapped(FaultyWire(simulator))
    gas = analyzer_on(line)
    await gas.open()
    for _ in range(20):
        assert all(sample.status is Status.OK for sample in await gas.poll())
    gaps = [sent - received for received, (sent, _) in zip(line.received, line.requests[1:], strict=False)]
    assert min(gaps) >= 0.05 - 1e-9
    assert len(line.received) == len(line.requests)


class Slow(ModbusSimulator):
    """Its replies take the time that their characters need at 2400 baud."""

    def receive(self, data: bytes, now: float) -> bytes:
        reply = super().receive(data, now)
        self.latency = 0.04 + len(data + reply) * 10 / 2400
        return reply


async def test_the_timeout_allows_for_a_full_ascii_reply_at_2400_baud(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(Slow("modbus-ascii"), protocol="modbus-ascii", baudrate=2400)
    await gas.open()
    assert all(sample.status is Status.OK for sample in await gas.poll())


@pytest.mark.parametrize("instead", [b"", framing_of("modbus-rtu").wrap(1, b"\x82\x04")], ids=["no reply", "refusal"])
async def test_no_value_is_returned_whose_flags_are_unknown(analyzer_on: AnalyzerOn, instead: bytes) -> None:
    class WithoutFlags(ModbusSimulator):
        """Can stop sending the flags of channels."""

        stopped = False

        def receive(self, data: bytes, now: float) -> bytes:
            reply = super().receive(data, now)
            return instead if self.stopped and data[1:4] == b"\x02\0\0" else reply

    simulator = WithoutFlags("modbus-rtu")
    gas = analyzer_on(simulator)
    await gas.open()
    simulator.stopped = True
    assert {(sample.value, sample.status) for sample in await gas.poll()} == {(None, Status.MISSING)}


async def test_a_request_without_reply_is_repeated_in_calls_and_in_polls_only_if_configured(
    analyzer_on: AnalyzerOn,
) -> None:
    for retries, status in ((0, Status.MISSING), (2, Status.OK)):
        gas = analyzer_on(
            FaultyWire(ModbusSimulator("modbus-rtu"), script=[Fault.DROP] * 2 + [None] * 8 + [Fault.DROP]),
            retries=retries,
        )
        await gas.open()
        while (sample := (await gas.poll())[0]).status is Status.OK and retries == 0:
            continue
        assert sample.status is status


async def test_status_calls_read_now(analyzer_on: AnalyzerOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    gas = analyzer_on(simulator)
    await gas.open()
    assert (await gas.status("I1")).ok
    simulator.set("I1.alarm1", "on")
    assert not (await gas.status("I1")).ok
    simulator.set("fault", "on")
    assert (await gas.analyzer_status()).fault
    assert await gas.calibration_status() == (Phase.IDLE,) * 4


async def test_a_snapshot_reads_nothing_and_keeps_the_stamps_of_what_it_shows(analyzer_on: AnalyzerOn) -> None:
    line = Tapped(FaultyWire(ModbusSimulator("modbus-rtu")))
    gas = analyzer_on(line)
    await gas.open()
    samples = by_parameter(await gas.poll())
    sent = len(line.requests)
    shown = {reading.position.parameter: reading for reading in gas.snapshot().readings}
    assert len(line.requests) == sent
    assert shown["i1"].stamp == samples["i1"].stamp
    assert shown["i1"].value == samples["i1"].value


async def test_an_unknown_channel_is_refused_before_anything_is_sent(analyzer_on: AnalyzerOn) -> None:
    line = Tapped(FaultyWire(ModbusSimulator("modbus-rtu")))
    with pytest.raises(ConfigError, match="X1"):
        await analyzer_on(line).read_channel("X1")
    assert not line.requests


async def test_holding_registers_do_not_exist() -> None:
    transport = SimulatedTransport(FaultyWire(ModbusSimulator("modbus-rtu")))
    client = connect_modbus(Connection(transport, Link(protocol="modbus-rtu", baudrate=19200), LoopClock()))
    with pytest.raises(DeviceRefusedError):
        await client.unit(1).read_holding_registers(0, count=2)


@pytest.mark.parametrize("timeout", [0.5, 8.0])
async def test_a_poll_without_reply_takes_the_configured_timeout(analyzer_on: AnalyzerOn, timeout: float) -> None:
    wire = FaultyWire(ModbusSimulator("modbus-rtu"))
    gas = analyzer_on(wire, timeout=timeout)
    await gas.open()
    wire.plugged = False
    began = anyio.current_time()
    assert {sample.status for sample in await gas.poll()} == {Status.MISSING}
    assert timeout < anyio.current_time() - began < timeout + 0.2


async def test_without_a_configured_timeout_a_reply_is_waited_for_at_least_one_second(analyzer_on: AnalyzerOn) -> None:
    wire = FaultyWire(ModbusSimulator("modbus-rtu"))
    gas = analyzer_on(wire, parameters=("I1",))
    await gas.open()
    wire.plugged = False
    began = anyio.current_time()
    samples = await gas.poll()
    assert 1.0 < anyio.current_time() - began < 1.1
    assert [sample.responded for sample in samples] == [False]


class RefusesOnce(ModbusSimulator):
    """The exception of another request arrives as the reply to each of these reads, once."""

    def __init__(self, *reads: tuple[int, int]) -> None:
        super().__init__("modbus-rtu")
        self.late = list(reads)

    def receive(self, data: bytes, now: float) -> bytes:
        read = (data[1], int.from_bytes(data[4:6], "big"))
        if read in self.late:
            self.late.remove(read)
            return framing_of("modbus-rtu").wrap(data[0], bytes([data[1] | 0x80, 2]))
        return super().receive(data, now)


@pytest.mark.parametrize("read", [(4, 70), (2, 80), (4, 7), (2, 8)])
async def test_one_refusal_is_not_believed_because_it_may_be_that_of_another_request(
    analyzer_on: AnalyzerOn, read: tuple[int, int]
) -> None:
    simulator = RefusesOnce()
    line = Tapped(FaultyWire(simulator))
    parameters = ("I2",) if read[1] < 10 else ()
    gas = analyzer_on(line, parameters=parameters)
    await gas.open()
    await gas.poll()
    simulator.late = [read]
    for _ in range(3):
        line.requests.clear()
        assert {sample.status for sample in await gas.poll()} == {Status.OK}
    assert not simulator.late
    assert len(line.requests) == 3


async def test_one_late_refusal_while_it_is_opened_costs_no_channel(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(RefusesOnce((4, 70), (2, 80)))
    await gas.open()
    assert [channel.parameter for channel in gas.channels] == ["i1", "i2", "i3", "e1", "e2"]
