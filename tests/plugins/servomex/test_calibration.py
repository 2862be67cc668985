"""Autocalibration: nothing starts by accident, the coil is always cleared, and no request is repeated."""

from collections import Counter
from collections.abc import Awaitable, Callable

import anyio
import pytest

from riglog.errors import ConfigError, ConfirmationError, DeviceRefusedError, UnsupportedError
from riglog.model import Status
from riglog.protocol.modbus import framing_of
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog_servomex import Analyzer, CoilLeftSetError, Phase, StartUnknownError
from riglog_servomex.simulator import BroadcastSimulator, ModbusSimulator

AnalyzerOn = Callable[..., Analyzer]
RTU = framing_of("modbus-rtu")


class Unreliable(ModbusSimulator):
    """Refuses, ignores, or executes without a reply chosen requests; ``writes`` are all coil writes it received."""

    def __init__(
        self, *, no_reply: tuple[str, ...] = (), refused: tuple[str, ...] = (), ignored: tuple[str, ...] = ()
    ) -> None:
        super().__init__("modbus-rtu")
        self.no_reply, self.refused, self.ignored = list(no_reply), list(refused), list(ignored)
        self.writes: list[str] = []

    def receive(self, data: bytes, now: float) -> bytes:
        kind = {(5, 0xFF): "set", (5, 0): "clear", (1, 0): "read"}.get((data[1], data[4]), "other")
        if data[1] == 5:
            self.writes.append(kind)
        if kind in self.ignored:
            self.ignored.remove(kind)
            return b""
        if kind in self.refused:
            return RTU.wrap(data[0], bytes([data[1] | 0x80, 4]))
        reply = super().receive(data, now)
        if kind in self.no_reply:
            self.no_reply.remove(kind)
            return b""
        return reply


def events_of(gas: Analyzer) -> list[str]:
    events: list[str] = []
    gas.on_write = events.append
    return events


@pytest.mark.parametrize("confirm", [False, 1, "yes", None])
@pytest.mark.parametrize("protocol", ["modbus-rtu", "continuous"])
async def test_without_confirmation_nothing_is_sent(analyzer_on: AnalyzerOn, confirm: bool, protocol: str) -> None:
    simulator = Unreliable()
    gas = analyzer_on(simulator, protocol=protocol)
    with pytest.raises(ConfirmationError):
        await gas.start_calibration(9, confirm=confirm)
    with pytest.raises(ConfirmationError):
        await gas.stop_calibration(confirm=confirm)
    assert not simulator.writes


async def test_in_continuous_mode_the_analyzer_receives_no_commands(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(BroadcastSimulator(), protocol="continuous")
    with pytest.raises(UnsupportedError, match="receives no commands in continuous mode"):
        await gas.start_calibration(9, confirm=True)
    with pytest.raises(UnsupportedError):
        await gas.stop_calibration(confirm=True)


@pytest.mark.parametrize("group", [0, 5, -1, True, 1.5, "1", None])
async def test_an_invalid_group_is_refused_before_anything_is_sent(analyzer_on: AnalyzerOn, group: int) -> None:
    simulator = Unreliable()
    with pytest.raises(ConfigError, match="group"):
        await analyzer_on(simulator).start_calibration(group, confirm=True)
    assert not simulator.writes


async def test_a_pulse_starts_a_calibration_and_leaves_the_coil_at_0(analyzer_on: AnalyzerOn) -> None:
    simulator = Unreliable()
    gas = analyzer_on(simulator)
    events = events_of(gas)
    await gas.start_calibration(2, confirm=True)
    assert simulator.writes == ["set", "clear"]
    assert simulator.analyzer.starts == [0, 1, 0, 0]
    assert not any(simulator.server.coils)
    assert events == ["autocalibration of group 2 requested"]


async def test_a_calibration_goes_through_its_gases_and_shows_in_the_rows(analyzer_on: AnalyzerOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("flush", "60")
    gas = analyzer_on(simulator)
    await gas.open()
    await gas.start_calibration(1, confirm=True)
    await gas.start_calibration(3, confirm=True)
    seen = []
    for _ in range(13):
        phases = await gas.calibration_status()
        statuses = {sample.parameter: sample.status for sample in await gas.poll()}
        assert (statuses["i1"] is Status.SUSPECT) == (phases[0] is not Phase.IDLE)
        seen.append((phases[0], phases[2]))
        await anyio.sleep(30)
    first, second = zip(*seen, strict=True)
    assert list(dict.fromkeys(first)) == [Phase.CAL_GAS_1, Phase.CAL_GAS_2, Phase.IDLE]
    assert list(dict.fromkeys(second)) == [Phase.IDLE, Phase.CAL_GAS_1, Phase.CAL_GAS_2]
    assert first[-1] is second[-1] is Phase.IDLE


async def test_stopping_ends_everything_that_runs_or_is_queued(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(ModbusSimulator("modbus-rtu"))
    for group in (1, 2, 3):
        await gas.start_calibration(group, confirm=True)
    await gas.stop_calibration(confirm=True)
    assert await gas.calibration_status() == (Phase.IDLE,) * 4


async def test_a_coil_that_was_left_set_is_cleared_first(analyzer_on: AnalyzerOn) -> None:
    simulator = Unreliable()
    simulator.server.coils[0] = True
    await analyzer_on(simulator).start_calibration(1, confirm=True)
    assert simulator.writes == ["clear", "set", "clear"]
    assert simulator.analyzer.starts[0] == 1


@pytest.mark.parametrize("readback", ["no reply", "refused"])
async def test_the_coil_is_cleared_even_when_the_readback_fails(analyzer_on: AnalyzerOn, readback: str) -> None:
    simulator = Unreliable()
    gas = analyzer_on(simulator)
    receive = simulator.receive

    def no_reads_once_it_is_set(data: bytes, now: float) -> bytes:
        if data[1] == 1 and simulator.writes:
            simulator.refused = ["read"]
            return b"" if readback == "no reply" else receive(data, now)
        return receive(data, now)

    simulator.receive = no_reads_once_it_is_set  # type: ignore[method-assign]
    await gas.start_calibration(1, confirm=True)
    assert simulator.writes == ["set", "clear"]
    assert not simulator.server.coils[0]


async def test_the_0_is_sent_even_when_the_analyzer_stops_responding(analyzer_on: AnalyzerOn) -> None:
    simulator = Unreliable()
    gas = analyzer_on(simulator)
    receive = simulator.receive

    def execute_without_reply(data: bytes, now: float) -> bytes:
        reply = receive(data, now)
        return b"" if simulator.writes else reply

    simulator.receive = execute_without_reply  # type: ignore[method-assign]
    with pytest.raises(CoilLeftSetError) as caught:
        await gas.start_calibration(1, confirm=True)
    assert isinstance(caught.value.__context__, StartUnknownError) or caught.value.__cause__ is not None
    assert simulator.writes == ["set", "clear", "clear", "clear"]
    assert not simulator.server.coils[0]


async def test_a_start_without_confirmation_is_unknown_and_is_not_repeated(analyzer_on: AnalyzerOn) -> None:
    simulator = Unreliable(no_reply=("set",))
    gas = analyzer_on(simulator, retries=2)
    events = events_of(gas)
    with pytest.raises(StartUnknownError) as caught:
        await gas.start_calibration(1, confirm=True)
    assert "calibration_status" in (caught.value.hint or "")
    assert simulator.writes == ["set", "clear"]
    assert not simulator.server.coils[0]
    assert events == ["autocalibration of group 1 requested, not confirmed"]


async def test_a_refused_start_is_an_error_and_the_coil_is_cleared_nevertheless(analyzer_on: AnalyzerOn) -> None:
    simulator = Unreliable(refused=("set",))
    with pytest.raises(DeviceRefusedError):
        await analyzer_on(simulator).start_calibration(1, confirm=True)
    assert simulator.writes == ["set", "clear"]


async def test_clearing_is_attempted_three_times(analyzer_on: AnalyzerOn) -> None:
    simulator = Unreliable(ignored=("clear", "clear"))
    await analyzer_on(simulator).start_calibration(1, confirm=True)
    assert simulator.writes == ["set", "clear", "clear", "clear"]
    refusing = Unreliable(refused=("clear",))
    with pytest.raises(CoilLeftSetError, match="request coil 0 may still be set"):
        await analyzer_on(refusing).start_calibration(1, confirm=True)
    assert refusing.writes == ["set", "clear", "clear", "clear"]


@pytest.mark.parametrize(("moment", "state"), [(0.145, "requested, not confirmed"), (0.2, "requested")])
async def test_a_cancelled_start_still_clears_the_coil(analyzer_on: AnalyzerOn, moment: float, state: str) -> None:
    simulator = Unreliable()
    gas = analyzer_on(FaultyWire(simulator))
    events = events_of(gas)
    with anyio.move_on_after(moment) as scope:  # in the middle of the write of 1, and of the readback
        await gas.start_calibration(1, confirm=True)
    assert scope.cancelled_caught
    assert simulator.writes == ["set", "clear"]
    assert events == [f"autocalibration of group 1 {state}"]
    assert not simulator.server.coils[0]


WRITING_CALLS: dict[str, tuple[int, Callable[[Analyzer], Awaitable[object]]]] = {
    "start 1": (0, lambda gas: gas.start_calibration(1, confirm=True)),
    "start 2": (1, lambda gas: gas.start_calibration(2, confirm=True)),
    "start 3": (2, lambda gas: gas.start_calibration(3, confirm=True)),
    "start 4": (3, lambda gas: gas.start_calibration(4, confirm=True)),
    "stop": (8, lambda gas: gas.stop_calibration(confirm=True)),
}
"""The coil and the call."""


class Sent(SimulatedTransport):
    """Counts the frames that are sent."""

    def __init__(self, peer: FaultyWire) -> None:
        super().__init__(peer)
        self.frames: Counter[bytes] = Counter()

    async def send(self, data: bytes) -> None:
        self.frames[data] += 1
        await super().send(data)


@pytest.mark.parametrize("lost", ["request", "reply"])
@pytest.mark.parametrize("call", WRITING_CALLS)
async def test_a_write_is_never_repeated_however_many_retries_are_configured(
    analyzer_on: AnalyzerOn, call: str, lost: str
) -> None:
    """The request is sent once; only its clearing is, up to three times, which triggers nothing."""
    coil, write = WRITING_CALLS[call]
    simulator = Unreliable(**{"ignored" if lost == "request" else "no_reply": ("set",) * 9 + ("clear",) * 9})
    transport = Sent(FaultyWire(simulator))
    with pytest.raises(CoilLeftSetError):
        await write(analyzer_on(transport, retries=2))
    frames = {value: RTU.wrap(1, bytes([5, 0, coil]) + value) for value in (b"\xff\0", b"\0\0")}
    assert transport.frames[frames[b"\xff\0"]] == 1
    assert transport.frames[frames[b"\0\0"]] == 3
    assert {data for data in transport.frames if data[1] not in (1, 2, 4)} == set(frames.values())
    assert sum(simulator.analyzer.starts) + simulator.analyzer.stops == (lost == "reply")


async def test_a_read_is_repeated_as_often_as_configured(analyzer_on: AnalyzerOn) -> None:
    """The counterpart: the count above would be the same if retries had no effect at all."""
    wire = FaultyWire(ModbusSimulator("modbus-rtu"))
    transport = Sent(wire)
    gas = analyzer_on(transport, parameters=("I1",), retries=2)
    await gas.open()
    wire.plugged = False
    transport.frames.clear()
    await gas.poll()
    assert transport.frames[RTU.wrap(1, b"\x02\0\0\0\x08")] == 1
    assert sum(transport.frames.values()) == 3  # the retries wait for a resync request, which has no reply either


async def test_an_analyzer_has_no_writable_parameters(analyzer_on: AnalyzerOn) -> None:
    transport = Sent(FaultyWire(ModbusSimulator("modbus-rtu")))
    gas = analyzer_on(transport, retries=2)
    with pytest.raises(UnsupportedError):
        await gas.set_parameter("i1", "1", confirm=True)
    assert not transport.frames


async def test_a_connection_that_is_lost_while_the_coil_is_set_is_reported_as_unknown(analyzer_on: AnalyzerOn) -> None:
    simulator = Unreliable()
    transport = SimulatedTransport(FaultyWire(simulator))
    gas = analyzer_on(transport)
    events = events_of(gas)
    receive = simulator.receive

    def cut_when_set(data: bytes, now: float) -> bytes:
        reply = receive(data, now)
        if simulator.writes:
            transport.cut()
        return reply

    simulator.receive = cut_when_set  # type: ignore[method-assign]
    with pytest.raises(CoilLeftSetError):
        await gas.start_calibration(1, confirm=True)
    assert simulator.analyzer.starts[0] == 1
    assert events == [
        "autocalibration of group 1 requested, not confirmed",
        "autocalibration of group 1 (request coil may still be set)",
    ]


async def test_a_coil_that_was_not_cleared_is_an_event(analyzer_on: AnalyzerOn) -> None:
    gas = analyzer_on(Unreliable(refused=("clear",)))
    events = events_of(gas)
    with pytest.raises(CoilLeftSetError):
        await gas.stop_calibration(confirm=True)
    assert events == [
        "stop of all autocalibrations requested",
        "stop of all autocalibrations (request coil may still be set)",
    ]
