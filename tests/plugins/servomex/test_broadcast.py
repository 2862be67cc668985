"""The continuous broadcast: each frame once, damage visible, silence never filled, nothing old for new."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import anyio
import pytest

from riglog.device import Pace
from riglog.errors import ReplyTimeoutError
from riglog.model import Sample, Status
from riglog.simulation import FaultyWire, SimulatedPeer, SimulatedTransport
from riglog.simulation.peer import Arrivals
from riglog.testing.virtual_time import EPOCH_NS
from riglog_servomex import Analyzer, Phase
from riglog_servomex.broadcast import BroadcastCodec
from riglog_servomex.frame import BadLine, Frame, Outcome, parse_line
from riglog_servomex.simulated_analyser import SimulatedAnalyser
from riglog_servomex.simulator import CLOCK_AT_START, BroadcastSimulator, frame_bytes

AnalyserOn = Callable[..., Analyzer]


class Spoken(SimulatedPeer):
    """Bytes at times, whatever the host says."""

    def __init__(self, *pieces: tuple[float, bytes]) -> None:
        self._arrivals = Arrivals()
        self._arrivals.add(pieces)

    def send(self, data: bytes, now: float) -> None:
        raise AssertionError("nothing may be said to a broadcaster")

    def take(self, now: float) -> bytes:
        return self._arrivals.take(now)

    def next_due(self, now: float) -> float | None:
        return self._arrivals.next_due()


def frame(number: int, clock: datetime = CLOCK_AT_START) -> bytes:
    """The broadcast that shows ``number`` as its first value."""
    analyser = SimulatedAnalyser()
    analyser.channels["I1"].value, analyser.channels["I1"].swing = float(number), 0.0
    return frame_bytes(analyser, clock + timedelta(seconds=number))


def at_each_second(frames: Iterable[bytes]) -> list[tuple[float, bytes]]:
    return [(float(number), data) for number, data in enumerate(frames, 1)]


def values(samples: list[Sample]) -> float | str | None:
    """The first value, or what is there instead."""
    assert len({(sample.status, sample.error) for sample in samples}) == 1
    return samples[0].error if samples[0].value is None else float(samples[0].value)


async def opened(analyser_on: AnalyserOn, *pieces: tuple[float, bytes], **options: float) -> Analyzer:
    gas = analyser_on(Spoken(*pieces), protocol="continuous", **options)
    await gas.open()
    return gas


async def test_every_frame_is_one_set_of_samples_with_the_time_at_which_it_came(analyser_on: AnalyserOn) -> None:
    gas = await opened(analyser_on, *at_each_second(frame(number) for number in range(1, 6)))
    assert gas.pace is Pace.DEVICE
    assert [channel.parameter for channel in gas.channels] == ["i1", "i2", "i3", "e1", "e2"]
    for number in range(2, 6):
        samples = await gas.poll()
        assert values(samples) == number
        assert {sample.stamp.received_ns - EPOCH_NS for sample in samples} == {number * 10**9}
        assert {sample.stamp.latency_ns for sample in samples} == {None}
        assert [sample.unit for sample in samples] == ["%", "%", "%", "mA", "mA"]


async def test_a_port_opened_in_the_middle_of_a_frame_is_no_fault(analyser_on: AnalyserOn) -> None:
    gas = await opened(analyser_on, (0.5, frame(1)[80:]), (1.5, frame(2)), (2.5, frame(3)))
    assert values(await gas.poll()) == 3.0


async def test_silence_is_one_set_of_missing_samples_and_never_the_old_frame(analyser_on: AnalyserOn) -> None:
    gas = await opened(analyser_on, (1.0, frame(1)), (2.0, frame(2)), (30.0, frame(9)), silence=10.0)
    heard = [values(await gas.poll()) for _ in range(4)]
    assert heard == [2.0, "no broadcast within 10 s (port sim:)", "no broadcast within 10 s (port sim:)", 9.0]


async def test_without_a_configured_silence_it_follows_the_period_that_was_seen(analyser_on: AnalyserOn) -> None:
    gas = await opened(analyser_on, (60.0, frame(1)), (120.0, frame(2)), (180.0, frame(3)), silence=200.0)
    assert [values(await gas.poll()) for _ in range(2)] == [2.0, 3.0]
    quick = await opened(analyser_on, *[(200.0 + 8 * number, frame(number)) for number in range(4)])
    for number in (1, 2, 3):
        assert values(await quick.poll()) == number
    began = anyio.current_time()
    assert (await quick.poll())[0].status is Status.MISSING
    assert anyio.current_time() - began == pytest.approx(17.0)


async def test_a_damaged_frame_is_visible_and_counted_and_costs_only_itself(analyser_on: AnalyserOn) -> None:
    wrong = frame(3).replace(b" 3.000", b" 8.000")
    gas = await opened(analyser_on, *at_each_second([frame(1), frame(2), wrong, frame(4)]))
    heard = [values(await gas.poll()) for _ in range(3)]
    assert heard[0] == 2.0
    assert "checksum_error" in str(heard[1])
    assert heard[2] == 4.0
    assert gas._access.dropped == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "pieces",
    [
        [(1.0, frame(1)), (2.0, frame(2)), (3.0, frame(2) + frame(3))],
        [(1.0, frame(1)), (2.0, frame(2)), (3.0, frame(3)), (3.5, frame(2))],
        [(1.0, frame(1)), (2.0, frame(2)), (3.0, frame(1)), (3.1, frame(3))],
    ],
    ids=["the same again, glued to the next", "late, after its successor", "an older one again"],
)
async def test_an_old_frame_is_never_handed_out_as_a_new_one(
    analyser_on: AnalyserOn, pieces: list[tuple[float, bytes]]
) -> None:
    gas = await opened(analyser_on, *pieces)
    heard = [values(await gas.poll()) for _ in range(3)]
    assert [value for value in heard if isinstance(value, float)] == [2.0, 3.0]
    assert len([value for value in heard if "came before" in str(value)]) == 1


async def test_an_analyser_whose_clock_was_never_set_or_is_set_back_is_still_heard(analyser_on: AnalyserOn) -> None:
    unset = [frame(number).replace(b"06-10-20", b"00-00-00") for number in (1, 2, 2)]
    pieces = []
    for number, data in enumerate(unset, 1):
        body = data[:-7]
        pieces.append((float(number), body + b"%04X;\r\n" % (sum(body[1:]) & 0xFFFF)))
    pieces.append((4.0, frame(4)))
    pieces.append((5.0, frame(5, CLOCK_AT_START - timedelta(hours=1))))
    gas = await opened(analyser_on, *pieces)
    assert [values(await gas.poll()) for _ in range(4)] == [2.0, 2.0, 4.0, 5.0]


async def test_what_came_while_nobody_listened_is_not_said_to_come_now(analyser_on: AnalyserOn) -> None:
    gas = await opened(analyser_on, *at_each_second(frame(number) for number in range(1, 9)))
    await anyio.sleep(4.2)
    samples = await gas.poll()
    assert values(samples) == 6.0
    assert samples[0].stamp.received_ns - EPOCH_NS == 6 * 10**9


async def test_a_channel_that_is_not_in_the_frame_any_more_is_missing(analyser_on: AnalyserOn) -> None:
    analyser = SimulatedAnalyser()
    simulator = BroadcastSimulator(period=1.0, analyser=analyser)
    gas = analyser_on(simulator, protocol="continuous")
    await gas.open()
    analyser.set("I2.name", "")
    samples = {sample.parameter: sample for sample in await gas.poll()}
    assert samples["i1"].status is Status.OK
    assert (samples["i2"].value, samples["i2"].status) == (None, Status.MISSING)


async def test_over_range_and_words_are_no_values(analyser_on: AnalyserOn) -> None:
    simulator = BroadcastSimulator(period=1.0)
    simulator.set("I1.text", "OVER")
    simulator.set("I2.text", "-----")
    gas = analyser_on(simulator, protocol="continuous")
    await gas.open()
    samples = {sample.parameter: sample for sample in await gas.poll()}
    assert (samples["i1"].value, samples["i1"].status) == (None, Status.OUT_OF_RANGE)
    assert (samples["i2"].value, samples["i2"].status) == (None, Status.MISSING)
    assert "'-----'" in (samples["i2"].error or "")
    assert samples["i3"].status is Status.OK


async def test_calls_wait_for_the_next_frame(analyser_on: AnalyserOn) -> None:
    simulator = BroadcastSimulator(period=2.0)
    simulator.analyser.start(3)
    gas = analyser_on(simulator, protocol="continuous")
    await gas.open()
    assert (await gas.calibration_status())[2] is Phase.CAL_GAS_1
    assert (await gas.analyser_status()).clock == "2020-10-06T02:54:16"
    assert (await gas.read_channel("e1")).value == 4.0
    assert (await gas.status("I3")).calibrating
    assert (await gas.identify()).channels[0] == ("I1", "Oxygen", "%")
    assert await gas.identity() == "4000-series I1 I2 I3"


async def test_a_silent_line_cannot_be_opened_and_says_what_to_look_for(analyser_on: AnalyserOn) -> None:
    with pytest.raises(ReplyTimeoutError, match="no broadcast within 7 s") as caught:
        await opened(analyser_on, period=3.0)
    assert "continuous" in (caught.value.hint or "")


async def test_a_pulled_cable_is_an_error_of_the_port(analyser_on: AnalyserOn) -> None:
    from riglog.errors import ConnectionLostError

    gas = analyser_on(FaultyWire(BroadcastSimulator(period=1.0)), protocol="continuous")
    await gas.open()
    transport = gas._access.client.transport
    assert isinstance(transport, SimulatedTransport)
    transport.cut()
    with pytest.raises(ConnectionLostError):
        await gas.poll()


def lines_of(data: bytes) -> list[Frame | BadLine]:
    codec, buffer, lines = BroadcastCodec(), bytearray(), []
    for at in range(0, len(data), 100):
        buffer += data[at : at + 100]
        while (line := codec.unsolicited(buffer)) is not None:
            lines.append(line)
    return lines


def test_an_endless_line_is_one_error_and_fills_no_memory() -> None:
    lines = lines_of(b" " + b"x" * 5000 + b"\r\n" + frame(1))
    assert [line.outcome for line in lines if isinstance(line, BadLine)] == [Outcome.FRAME_ERROR]
    assert isinstance(lines[-1], Frame)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (b"", Outcome.FRAME_ERROR),
        (b"\x0106-10-20;", Outcome.FRAME_ERROR),
        (b" ", Outcome.CHECKSUM_ERROR),
        (b" 0000", Outcome.CHECKSUM_ERROR),
        (frame(1)[:-3], Outcome.CHECKSUM_ERROR),
        (frame(1)[:100], Outcome.CHECKSUM_ERROR),
        (b" a;00F9;", Outcome.CHECKSUM_ERROR),
        (b" a;009C;", Outcome.FRAME_ERROR),
        (frame(1) + frame(2), Outcome.CHECKSUM_ERROR),
    ],
)
def test_the_first_check_that_fails_names_the_outcome(line: bytes, outcome: Outcome) -> None:
    judged = parse_line(line)
    assert isinstance(judged, BadLine)
    assert judged.outcome == outcome


def resummed(line: bytes) -> bytes:
    body = line[:-7]
    return body + b"%04X;\r\n" % (sum(body[1:]) & 0xFFFF)


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        (b";05;", b";xx;", Outcome.PARSE_ERROR),
        (b";05;", b";04;", Outcome.FRAME_ERROR),
        (b";05;", b";00;", Outcome.FRAME_ERROR),
        (b";I2;", b";I9;", Outcome.PARSE_ERROR),
        (b";I2;", b";I1;", Outcome.PARSE_ERROR),
        (b";I2;", b";i2;", Outcome.PARSE_ERROR),
    ],
)
def test_a_frame_with_a_right_sum_and_wrong_content_is_dropped(old: bytes, new: bytes, outcome: Outcome) -> None:
    judged = parse_line(resummed(frame(1).replace(old, new)))
    assert isinstance(judged, BadLine)
    assert judged.outcome == outcome


def test_no_single_damaged_bit_changes_what_a_frame_says() -> None:
    good = frame(1)
    right = parse_line(good)
    assert isinstance(right, Frame)
    for bit in range(8 * len(good)):
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        for line in lines_of(bytes(damaged) + b"\n"):
            assert isinstance(line, BadLine) or line.blocks == right.blocks
