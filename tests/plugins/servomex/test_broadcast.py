"""Continuous mode: each frame is used once, damage is visible, and no old frame stands in for a missing one."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import anyio
import pytest

from riglog.device import Pace
from riglog.errors import ConnectionLostError, ReplyTimeoutError
from riglog.model import Sample, Status
from riglog.simulation import FaultyWire, SimulatedPeer, SimulatedTransport
from riglog.simulation.peer import Arrivals
from riglog.testing.virtual_time import EPOCH_NS
from riglog_servomex import Analyzer, Phase
from riglog_servomex.continuous.codec import BroadcastCodec
from riglog_servomex.continuous.frames import BadFrame, Frame, Outcome, parse_frame
from riglog_servomex.simulator import BroadcastSimulator, SimulatedAnalyzer
from riglog_servomex.simulator.continuous import CLOCK_AT_START, frame_bytes

AnalyzerOn = Callable[..., Analyzer]


class Timed(SimulatedPeer):
    """Sends bytes at given times."""

    def __init__(self, *pieces: tuple[float, bytes]) -> None:
        self._arrivals = Arrivals()
        self._arrivals.add(pieces)

    def send(self, data: bytes, now: float) -> None:
        raise AssertionError("nothing may be sent in continuous mode")

    def take(self, now: float) -> bytes:
        return self._arrivals.take(now)

    def next_due(self, now: float) -> float | None:
        return self._arrivals.next_due()


def frame(number: int, clock: datetime = CLOCK_AT_START) -> bytes:
    """Return the frame that has ``number`` as its first value."""
    analyzer = SimulatedAnalyzer()
    analyzer.channels["I1"].value, analyzer.channels["I1"].swing = float(number), 0.0
    return frame_bytes(analyzer, clock + timedelta(seconds=number))


def resummed(line: bytes) -> bytes:
    body = line[:-7]
    return body + b"%04X;\r\n" % (sum(body[1:]) & 0xFFFF)


def at_each_second(frames: Iterable[bytes]) -> list[tuple[float, bytes]]:
    return [(float(number), data) for number, data in enumerate(frames, 1)]


def values(samples: list[Sample]) -> float | str | None:
    """Return the first value, or the error instead."""
    assert len({(sample.status, sample.error) for sample in samples}) == 1
    return samples[0].error if samples[0].value is None else float(samples[0].value)


async def opened(analyzer_on: AnalyzerOn, *pieces: tuple[float, bytes], **options: float) -> Analyzer:
    gas = analyzer_on(Timed(*pieces), protocol="continuous", **options)
    await gas.open()
    return gas


async def test_every_frame_is_one_set_of_samples_with_its_time_of_arrival(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(analyzer_on, *at_each_second(frame(number) for number in range(1, 6)))
    assert gas.pace is Pace.DEVICE
    assert [channel.parameter for channel in gas.channels] == ["i1", "i2", "i3", "e1", "e2"]
    for number in range(2, 6):
        samples = await gas.poll()
        assert values(samples) == number
        assert {sample.stamp.received_ns - EPOCH_NS for sample in samples} == {number * 10**9}
        assert {sample.stamp.latency_ns for sample in samples} == {None}
        assert [sample.unit for sample in samples] == ["%", "%", "%", "mA", "mA"]


async def test_a_port_that_is_opened_in_the_middle_of_a_frame_is_not_a_fault(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(analyzer_on, (0.5, frame(1)[80:]), (1.5, frame(2)), (2.5, frame(3)))
    assert values(await gas.poll()) == 3.0


async def test_a_frame_that_does_not_come_is_one_set_of_missing_samples_and_never_the_old_frame(
    analyzer_on: AnalyzerOn,
) -> None:
    gas = await opened(analyzer_on, (1.0, frame(1)), (2.0, frame(2)), (30.0, frame(9)), silence=10.0)
    assert [values(await gas.poll()) for _ in range(4)] == [
        2.0,
        "no broadcast frame within 10 s",
        "no broadcast frame within 10 s",
        9.0,
    ]


async def test_without_configuration_the_frame_timeout_follows_the_observed_period(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(analyzer_on, (60.0, frame(1)), (120.0, frame(2)), (180.0, frame(3)), silence=200.0)
    assert [values(await gas.poll()) for _ in range(2)] == [2.0, 3.0]
    quick = await opened(analyzer_on, *[(200.0 + 8 * number, frame(number)) for number in range(4)])
    for number in (1, 2, 3):
        assert values(await quick.poll()) == number
    began = anyio.current_time()
    assert (await quick.poll())[0].status is Status.MISSING
    assert anyio.current_time() - began == pytest.approx(17.0)


@pytest.mark.parametrize("option", ["timeout", "silence"])
@pytest.mark.parametrize("seconds", [1.5, 8.0])
async def test_a_poll_without_a_frame_takes_the_configured_timeout_or_silence(
    analyzer_on: AnalyzerOn, option: str, seconds: float
) -> None:
    gas = await opened(analyzer_on, (0.5, frame(1)), **{option: seconds})
    began = anyio.current_time()
    assert values(await gas.poll()) == f"no broadcast frame within {seconds:g} s"
    assert anyio.current_time() - began == pytest.approx(seconds)


async def test_the_first_frame_may_take_longer_than_a_short_timeout(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(analyzer_on, (4.0, frame(1)), timeout=0.5)
    began = anyio.current_time()
    assert (await gas.poll())[0].status is Status.MISSING
    assert anyio.current_time() - began == pytest.approx(0.5)
    with pytest.raises(ReplyTimeoutError, match="no broadcast frame within 5 s"):
        await opened(analyzer_on, timeout=0.5)


async def test_a_damaged_frame_is_visible_and_counted_and_costs_only_itself(analyzer_on: AnalyzerOn) -> None:
    wrong = frame(3).replace(b" 3.000", b" 8.000")
    gas = await opened(analyzer_on, *at_each_second([frame(1), frame(2), wrong, frame(4)]))
    received = [values(await gas.poll()) for _ in range(3)]
    assert received == [2.0, "broadcast frame discarded: checksum_error", 4.0]
    assert gas.snapshot().frames_discarded == 1


@pytest.mark.parametrize(
    "pieces",
    [
        [(1.0, frame(1)), (2.0, frame(2)), (3.0, frame(2) + frame(3))],
        [(1.0, frame(1)), (2.0, frame(2)), (3.0, frame(3)), (3.5, frame(2))],
        [(1.0, frame(1)), (2.0, frame(2)), (3.0, frame(1)), (3.1, frame(3))],
    ],
    ids=["repeated with the next", "late, after its successor", "an older one again"],
)
async def test_an_old_frame_is_never_taken_for_a_new_one(
    analyzer_on: AnalyzerOn, pieces: list[tuple[float, bytes]]
) -> None:
    gas = await opened(analyzer_on, *pieces)
    received = [values(await gas.poll()) for _ in range(3)]
    assert [value for value in received if isinstance(value, float)] == [2.0, 3.0]
    assert received.count("broadcast frame discarded: repeated or out of order") == 1
    assert gas.snapshot().frames_discarded == 1


def foreign(number: int, value: str = "777.77", clock: datetime = CLOCK_AT_START) -> bytes:
    """Return an intact frame of another analyzer, with the clock of frame ``number``."""
    return resummed(frame(number, clock).replace(b" %d.000" % number, value.encode().rjust(6)))


TOO_CLOSE = "broadcast frame discarded: another one is too close: they are from two senders, or waited to be read"


@pytest.mark.parametrize(
    "pieces",
    [
        [(3.0, foreign(3) + frame(3))],
        [(3.0, frame(3) + foreign(3))],
        [(3.0, foreign(3)), (3.004, frame(3))],
        [(3.0, frame(3)), (3.1, foreign(3))],
        [(3.0, foreign(3, clock=CLOCK_AT_START + timedelta(days=900)) + frame(3))],
        [(3.0, frame(3) + frame(4))],
        [(3.0, frame(3) + frame(4) + frame(5))],
    ],
    ids=["before", "behind", "apart", "a frame behind", "another clock", "both waited", "three"],
)
async def test_two_different_frames_close_together_are_no_values(
    analyzer_on: AnalyzerOn, pieces: list[tuple[float, bytes]]
) -> None:
    gas = await opened(analyzer_on, (1.0, frame(1)), (2.0, frame(2)), *pieces, (6.0, frame(6)), (7.0, frame(7)))
    received = [values(await gas.poll()) for _ in range(4)]
    assert received == [2.0, TOO_CLOSE, 6.0, 7.0]


async def test_a_frame_between_two_periods_is_of_another_sender(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(
        analyzer_on, (1.0, frame(1)), (2.0, frame(2)), (2.4, foreign(3)), (3.0, frame(3)), (4.0, frame(4))
    )
    assert [values(await gas.poll()) for _ in range(4)] == [2.0, TOO_CLOSE, 3.0, 4.0]


async def test_before_the_pace_is_known_only_what_arrives_together_is_too_close(analyzer_on: AnalyzerOn) -> None:
    """A source that sends faster than any analyzer, such as a test bench, can be recorded."""
    gas = await opened(analyzer_on, *((0.05 * number, frame(number)) for number in range(1, 20)))
    assert [values(await gas.poll()) for _ in range(5)] == [2.0, 3.0, 4.0, 5.0, 6.0]
    gas = await opened(
        analyzer_on, (20.0, frame(1)), (20.05, frame(2)), (20.1, foreign(3) + frame(3)), (20.2, frame(4))
    )
    assert [values(await gas.poll()) for _ in range(3)] == [2.0, TOO_CLOSE, 4.0]


async def test_an_analyzer_that_sends_everything_twice_can_be_recorded(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(analyzer_on, *at_each_second(frame(number) * 2 for number in range(1, 6)))
    assert [values(await gas.poll()) for _ in range(4)] == [2.0, 3.0, 4.0, 5.0]


async def test_noise_behind_a_frame_costs_no_value(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(analyzer_on, *at_each_second(frame(number) + b" noise\r\n" for number in range(1, 4)))
    assert [values(await gas.poll()) for _ in range(2)] == [2.0, 3.0]


@pytest.mark.parametrize(("busy", "honest"), [(0.09, True), (0.2, False), (0.45, False), (0.6, False)])
async def test_a_frame_that_waited_to_be_read_is_not_a_value(
    analyzer_on: AnalyzerOn, busy: float, honest: bool
) -> None:
    gas = await opened(analyzer_on, *at_each_second(frame(number) for number in range(1, 6)))
    await gas.poll()
    await anyio.sleep(3.0 - anyio.current_time() - 0.01)
    gas._protocol._listened_ns = gas.context.clock.monotonic_ns()  # type: ignore[union-attr]
    await anyio.sleep(busy)
    received = [await gas.poll() for _ in range(2)]
    assert (values(received[0]) == 3.0) is honest
    for samples in received:
        if samples[0].value is not None:
            assert samples[0].stamp.received_ns - EPOCH_NS == pytest.approx(int(float(samples[0].value) * 1e9), abs=1e8)


async def test_a_frame_that_has_begun_while_nothing_listened_is_completed(analyzer_on: AnalyzerOn) -> None:
    pieces = [(1.0, frame(1)), (2.0, frame(2)), (2.2, frame(3)[:90]), (3.0, frame(3)[90:])]
    gas = await opened(analyzer_on, *pieces)
    await gas.poll()
    await anyio.sleep(0.3)
    samples = await gas.poll()
    assert values(samples) == 3.0
    assert samples[0].stamp.received_ns - EPOCH_NS == 3 * 10**9


@pytest.mark.parametrize("text", ["9" * 400, "9" * 300, "-" + "1" * 13, "0." + "0" * 20])
async def test_a_number_longer_than_any_display_is_not_a_value(analyzer_on: AnalyzerOn, text: str) -> None:
    long = resummed(frame(2).replace(b" 2.000", text.encode()))
    gas = await opened(analyzer_on, (1.0, frame(1)), (2.0, long))
    sample = (await gas.poll())[0]
    assert (sample.value, sample.status) == (None, Status.MISSING)
    assert len(sample.error or "") < 60


async def test_a_name_or_unit_that_one_frame_states_is_suspect_and_from_the_second_on_it_counts(
    analyzer_on: AnalyzerOn,
) -> None:
    simulator = BroadcastSimulator(period=1.0)
    gas = analyzer_on(simulator, protocol="continuous")
    await gas.open()
    await gas.poll()
    simulator.set("I1.unit", "vpm")
    simulator.set("I2.name", "CH4")
    taken = [await gas.poll() for _ in range(2)]
    assert [(sample.unit, sample.text, sample.status.value) for sample in taken[0][:3]] == [
        ("vpm", "Oxygen", "suspect"),
        ("%", "CH4", "suspect"),
        ("%", "CO2", "ok"),
    ]
    assert "unproven" in taken[0][0].flags
    assert {sample.status for sample in taken[1]} == {Status.OK}


async def test_frames_are_accepted_if_the_clock_of_the_analyzer_was_never_set_or_is_set_back(
    analyzer_on: AnalyzerOn,
) -> None:
    unset = [frame(number).replace(b"06-10-20", b"00-00-00") for number in (1, 2, 2)]
    pieces = []
    for number, data in enumerate(unset, 1):
        body = data[:-7]
        pieces.append((float(number), body + b"%04X;\r\n" % (sum(body[1:]) & 0xFFFF)))
    pieces.append((4.0, frame(4)))
    pieces.append((5.0, frame(5, CLOCK_AT_START - timedelta(hours=1))))
    gas = await opened(analyzer_on, *pieces)
    assert [values(await gas.poll()) for _ in range(4)] == [2.0, 2.0, 4.0, 5.0]


async def test_frames_that_arrived_between_two_polls_do_not_get_the_time_of_the_second(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(analyzer_on, *at_each_second(frame(number) for number in range(1, 9)))
    await anyio.sleep(4.2)
    samples = await gas.poll()
    assert values(samples) == 6.0
    assert samples[0].stamp.received_ns - EPOCH_NS == 6 * 10**9


async def test_whether_the_analyzer_responded_follows_from_what_was_received(analyzer_on: AnalyzerOn) -> None:
    damaged = frame(2).replace(b" 2.000", b" 8.000")
    gas = await opened(analyzer_on, *at_each_second([frame(1), damaged, frame(3)]), silence=10.0)
    responded = [{sample.responded for sample in await gas.poll()} for _ in range(3)]
    assert responded == [{True}, {True}, {False}]


async def test_the_identity_is_that_of_the_last_frame_and_takes_no_time(analyzer_on: AnalyzerOn) -> None:
    gas = await opened(analyzer_on, (1.0, frame(1)))
    began = anyio.current_time()
    await gas.reconnected()
    assert await gas.identity() == "4000-series I1 I2 I3"
    assert anyio.current_time() == began


async def test_a_channel_that_is_not_in_the_frame_any_more_is_missing(analyzer_on: AnalyzerOn) -> None:
    analyzer = SimulatedAnalyzer()
    simulator = BroadcastSimulator(period=1.0, analyzer=analyzer)
    gas = analyzer_on(simulator, protocol="continuous")
    await gas.open()
    analyzer.set("I2.name", "")
    samples = {sample.parameter: sample for sample in await gas.poll()}
    assert samples["i1"].status is Status.OK
    assert (samples["i2"].value, samples["i2"].status) == (None, Status.MISSING)


async def test_over_range_and_other_texts_are_not_values(analyzer_on: AnalyzerOn) -> None:
    simulator = BroadcastSimulator(period=1.0)
    simulator.set("I1.text", "OVER")
    simulator.set("I2.text", "-----")
    gas = analyzer_on(simulator, protocol="continuous")
    await gas.open()
    samples = {sample.parameter: sample for sample in await gas.poll()}
    assert (samples["i1"].value, samples["i1"].status) == (None, Status.OUT_OF_RANGE)
    assert (samples["i2"].value, samples["i2"].status) == (None, Status.MISSING)
    assert "'-----'" in (samples["i2"].error or "")
    assert samples["i3"].status is Status.OK


async def test_calls_wait_for_the_next_frame(analyzer_on: AnalyzerOn) -> None:
    simulator = BroadcastSimulator(period=2.0)
    simulator.analyzer.start(3)
    gas = analyzer_on(simulator, protocol="continuous")
    await gas.open()
    assert (await gas.calibration_status())[2] is Phase.CAL_GAS_1
    assert (await gas.analyzer_status()).clock == "2020-10-06T02:54:16"
    assert (await gas.read_channel("e1")).value == 4.0
    assert (await gas.status("I3")).calibrating
    assert (await gas.identify()).channels[0] == ("I1", "Oxygen", "%")
    assert await gas.identity() == "4000-series I1 I2 I3"


async def test_opening_without_a_broadcast_fails_and_suggests_what_to_check(analyzer_on: AnalyzerOn) -> None:
    with pytest.raises(ReplyTimeoutError, match="no broadcast frame within 7 s") as caught:
        await opened(analyzer_on, period=3.0)
    assert "continuous" in (caught.value.hint or "")


async def test_a_pulled_cable_is_an_error_of_the_port(analyzer_on: AnalyzerOn) -> None:
    transport = SimulatedTransport(FaultyWire(BroadcastSimulator(period=1.0)))
    gas = analyzer_on(transport, protocol="continuous")
    await gas.open()
    transport.cut()
    with pytest.raises(ConnectionLostError):
        await gas.poll()


def frames_of(data: bytes) -> list[Frame | BadFrame]:
    codec, buffer, frames = BroadcastCodec(), bytearray(), []
    for at in range(0, len(data), 100):
        buffer += data[at : at + 100]
        while (received := codec.unsolicited(buffer)) is not None:
            frames.append(received)
    return frames


def test_an_endless_line_is_one_error_and_fills_no_memory() -> None:
    frames = frames_of(b" " + b"x" * 5000 + b"\r\n" + frame(1))
    assert [received.outcome for received in frames if isinstance(received, BadFrame)] == [Outcome.FRAME_ERROR]
    assert isinstance(frames[-1], Frame)


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
def test_the_first_check_that_fails_is_the_outcome(line: bytes, outcome: Outcome) -> None:
    received = parse_frame(line)
    assert isinstance(received, BadFrame)
    assert received.outcome == outcome


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
def test_a_frame_with_a_valid_checksum_and_invalid_content_is_discarded(
    old: bytes, new: bytes, outcome: Outcome
) -> None:
    received = parse_frame(resummed(frame(1).replace(old, new)))
    assert isinstance(received, BadFrame)
    assert received.outcome == outcome


def test_no_single_damaged_bit_changes_the_content_of_a_frame() -> None:
    good = frame(1)
    right = parse_frame(good)
    assert isinstance(right, Frame)
    for bit in range(8 * len(good)):
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        for received in frames_of(bytes(damaged) + b"\n"):
            assert isinstance(received, BadFrame) or received.blocks == right.blocks
