"""Calibrations: nothing starts by accident, and the coil always comes back to 0."""

from collections.abc import Callable

import anyio
import pytest

from riglog.errors import ConfigError, ConfirmationError, DeviceRefusedError, UnsupportedError
from riglog.model import Status
from riglog.simulation import FaultyWire
from riglog_servomex import Analyzer, Phase
from riglog_servomex.errors import CoilLeftSetError, StartUnknownError
from riglog_servomex.simulator import BroadcastSimulator, ModbusSimulator

AnalyserOn = Callable[..., Analyzer]


class Moody(ModbusSimulator):
    """Loses or refuses chosen requests; ``writes`` are the coil writes it heard."""

    def __init__(
        self, *, lost: tuple[str, ...] = (), refused: tuple[str, ...] = (), deaf: tuple[str, ...] = ()
    ) -> None:
        super().__init__("modbus-rtu")
        self.lost, self.refused, self.deaf = list(lost), list(refused), list(deaf)
        self.writes: list[str] = []

    def receive(self, data: bytes, now: float) -> bytes:
        kind = {(5, 0xFF): "set", (5, 0): "clear", (1, 0): "read"}.get((data[1], data[4]), "other")
        if data[1] == 5:
            self.writes.append(kind)
        if kind in self.deaf:
            self.deaf.remove(kind)
            return b""
        if kind in self.refused:
            return self._server.framing.wrap(data[0], bytes([data[1] | 0x80, 4]))
        reply = super().receive(data, now)
        if kind in self.lost:
            self.lost.remove(kind)
            return b""
        return reply


def told(gas: Analyzer) -> list[str]:
    events: list[str] = []
    gas.on_write = events.append
    return events


@pytest.mark.parametrize("confirm", [False, 1, "yes", None])
@pytest.mark.parametrize("protocol", ["modbus-rtu", "continuous"])
async def test_without_the_word_nothing_is_sent(analyser_on: AnalyserOn, confirm: bool, protocol: str) -> None:
    simulator = Moody()
    gas = analyser_on(simulator, protocol=protocol)
    with pytest.raises(ConfirmationError):
        await gas.start_calibration(9, confirm=confirm)
    with pytest.raises(ConfirmationError):
        await gas.stop_calibration(confirm=confirm)
    assert not simulator.writes


async def test_in_continuous_mode_there_is_nobody_to_ask(analyser_on: AnalyserOn) -> None:
    gas = analyser_on(BroadcastSimulator(), protocol="continuous")
    with pytest.raises(UnsupportedError, match="hears nothing"):
        await gas.start_calibration(9, confirm=True)
    with pytest.raises(UnsupportedError):
        await gas.stop_calibration(confirm=True)


@pytest.mark.parametrize("group", [0, 5, -1, True, 1.5, "1", None])
async def test_a_group_that_is_none_is_refused_here(analyser_on: AnalyserOn, group: int) -> None:
    simulator = Moody()
    with pytest.raises(ConfigError, match="group"):
        await analyser_on(simulator).start_calibration(group, confirm=True)
    assert not simulator.writes


async def test_a_pulse_starts_a_calibration_and_leaves_the_coil_at_0(analyser_on: AnalyserOn) -> None:
    simulator = Moody()
    gas = analyser_on(simulator)
    events = told(gas)
    await gas.start_calibration(2, confirm=True)
    assert simulator.writes == ["set", "clear"]
    assert simulator.analyser.starts == [0, 1, 0, 0]
    assert not any(simulator.slave.coils)
    assert events == ["calibration of group 2 requested"]


async def test_a_calibration_goes_through_its_gases_and_shows_in_the_rows(analyser_on: AnalyserOn) -> None:
    simulator = ModbusSimulator("modbus-rtu")
    simulator.set("flush", "60")
    gas = analyser_on(simulator)
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


async def test_stopping_ends_everything_that_runs_or_waits(analyser_on: AnalyserOn) -> None:
    gas = analyser_on(ModbusSimulator("modbus-rtu"))
    for group in (1, 2, 3):
        await gas.start_calibration(group, confirm=True)
    await gas.stop_calibration(confirm=True)
    assert await gas.calibration_status() == (Phase.IDLE,) * 4


async def test_a_coil_that_somebody_left_set_is_cleared_first(analyser_on: AnalyserOn) -> None:
    simulator = Moody()
    simulator.slave.coils[0] = True
    await analyser_on(simulator).start_calibration(1, confirm=True)
    assert simulator.writes == ["clear", "set", "clear"]
    assert simulator.analyser.starts[0] == 1


@pytest.mark.parametrize("readback", ["lost", "refused"])
async def test_the_coil_comes_back_to_0_even_when_the_readback_fails(analyser_on: AnalyserOn, readback: str) -> None:
    simulator = Moody()
    gas = analyser_on(simulator)
    answer = simulator.receive

    def no_reads_once_it_is_set(data: bytes, now: float) -> bytes:
        if data[1] == 1 and simulator.writes:
            simulator.refused = ["read"]
            return b"" if readback == "lost" else answer(data, now)
        return answer(data, now)

    simulator.receive = no_reads_once_it_is_set  # type: ignore[method-assign]
    await gas.start_calibration(1, confirm=True)
    assert simulator.writes == ["set", "clear"]
    assert not simulator.slave.coils[0]


async def test_the_0_is_sent_even_when_no_answer_comes_any_more(analyser_on: AnalyserOn) -> None:
    simulator = Moody()
    gas = analyser_on(simulator)
    answer = simulator.receive

    def heard_but_silent(data: bytes, now: float) -> bytes:
        reply = answer(data, now)
        return b"" if simulator.writes else reply

    simulator.receive = heard_but_silent  # type: ignore[method-assign]
    with pytest.raises(CoilLeftSetError) as caught:
        await gas.start_calibration(1, confirm=True)
    assert isinstance(caught.value.__context__, StartUnknownError) or caught.value.__cause__ is not None
    assert simulator.writes == ["set", "clear", "clear", "clear"]
    assert not simulator.slave.coils[0]


async def test_a_start_that_nobody_confirms_is_unknown_and_is_not_repeated(analyser_on: AnalyserOn) -> None:
    simulator = Moody(lost=("set",))
    gas = analyser_on(simulator, retries=2)
    events = told(gas)
    with pytest.raises(StartUnknownError) as caught:
        await gas.start_calibration(1, confirm=True)
    assert "calibration_status" in (caught.value.hint or "")
    assert simulator.writes == ["set", "clear"]
    assert not simulator.slave.coils[0]
    assert events == ["calibration of group 1 requested, not confirmed"]


async def test_a_start_that_is_refused_says_so_and_is_cleared_all_the_same(analyser_on: AnalyserOn) -> None:
    simulator = Moody(refused=("set",))
    with pytest.raises(DeviceRefusedError):
        await analyser_on(simulator).start_calibration(1, confirm=True)
    assert simulator.writes == ["set", "clear"]


async def test_clearing_is_tried_three_times(analyser_on: AnalyserOn) -> None:
    simulator = Moody(deaf=("clear", "clear"))
    await analyser_on(simulator).start_calibration(1, confirm=True)
    assert simulator.writes == ["set", "clear", "clear", "clear"]
    stubborn = Moody(refused=("clear",))
    with pytest.raises(CoilLeftSetError, match="still be set"):
        await analyser_on(stubborn).start_calibration(1, confirm=True)
    assert stubborn.writes == ["set", "clear", "clear", "clear"]


@pytest.mark.parametrize(("moment", "said"), [(0.145, "requested, not confirmed"), (0.2, "requested")])
async def test_a_cancelled_start_still_clears_the_coil(analyser_on: AnalyserOn, moment: float, said: str) -> None:
    simulator = Moody()
    gas = analyser_on(FaultyWire(simulator))
    events = told(gas)
    with anyio.move_on_after(moment) as scope:  # in the middle of the write of 1, and of the readback
        await gas.start_calibration(1, confirm=True)
    assert scope.cancelled_caught
    assert simulator.writes == ["set", "clear"]
    assert events == [f"calibration of group 1 {said}"]
    assert not simulator.slave.coils[0]
