"""What a balance prints on request: labels, blocks of lines, copies, and lines that lost a character."""

from collections.abc import Callable, Iterable
from typing import Any

import anyio
import pytest

from riglog.errors import ReplyTimeoutError
from riglog.model import Sample, Status
from riglog.simulation import SimulatedPeer, SimulatedTransport
from riglog.simulation.peer import Arrivals
from riglog_sartorius.errors import OtherWeightError

MODEL, SERIAL = b"Model  BCE224I-1SKR \r\n", b"SerNo.    0011223344\r\n"
DATE, EMPTY, BLANKS = b"27-Nov-2026    14:51\r\n", b"\r\n", b" " * 20 + b"\r\n"
Prints = Callable[[float], Iterable[bytes | tuple[float, bytes]]]


def line(label: str, number: str, unit: str = "g") -> bytes:
    return f"{label:<6}+{number:>9} {unit:<3}\r\n".encode()


NET, GROSS, TARE = line("N", "12.345"), line("G#", "13.345"), line("T", "1.000")


class Printing(SimulatedPeer):
    """A balance that answers each print with what ``prints`` returns: lines, or pairs of a delay and bytes."""

    def __init__(self, prints: Prints, replies: dict[bytes, list[tuple[float, bytes]]] | None = None) -> None:
        self.prints = prints
        self.replies = {b"\x1bx1_\r\n": [(0.05, MODEL)], b"\x1bx2_\r\n": [(0.05, SERIAL)]} | (replies or {})
        self.sent: list[bytes] = []
        self._arriving = Arrivals()

    def send(self, data: bytes, now: float) -> None:
        self.sent.append(data)
        pieces = self.prints(now) if data == b"\x1bP\r\n" else self.replies.get(data, [])
        timed = [piece if isinstance(piece, tuple) else (0.1, piece) for piece in pieces]
        self._arriving.add((now + delay, piece) for delay, piece in timed)

    def take(self, now: float) -> bytes:
        return self._arriving.take(now)

    def next_due(self, now: float) -> float | None:
        return self._arriving.next_due()


async def opened(new_bench: Callable[..., Any], prints: Prints, **config: Any) -> Any:
    bench = new_bench(transport=SimulatedTransport(Printing(prints)), protocol="sbi", **config)
    await bench.balance.open()
    return bench


async def polls(bench: Any, count: int, pause: float = 1.0) -> list[list[Sample]]:
    taken = []
    for _ in range(count):
        taken.append(await bench.balance.poll())
        await anyio.sleep(pause)
    return taken


BLOCKS = {
    "net": [NET],
    "date, net, empty": [DATE, NET, EMPTY],
    "net, empty": [NET, EMPTY],
    "empty, net": [EMPTY, NET],
    "gross, tare, net": [GROSS, TARE, NET],
    "date, gross, tare, net, empty": [DATE, GROSS, TARE, NET, EMPTY],
    "net, blanks": [NET, BLANKS],
    "blanks, net": [BLANKS, NET],
    "net twice": [NET, NET],
}


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
async def test_in_a_block_of_lines_the_net_line_counts(
    new_bench: Callable[..., Any], block: list[bytes], slow: bool
) -> None:
    pieces = [(0.1 + 0.15 * number, piece) for number, piece in enumerate(block)] if slow else [b"".join(block)]
    bench = await opened(new_bench, lambda now: pieces)
    taken = [sample for (sample,) in await polls(bench, 4, pause=1.5)]
    assert [(sample.value, sample.status) for sample in taken] == [(12.345, Status.OK)] * 4


@pytest.mark.parametrize("behind", [EMPTY, BLANKS])
async def test_a_blank_line_behind_the_weight_is_not_taken_for_autoprint(
    new_bench: Callable[..., Any], behind: bytes
) -> None:
    bench = await opened(new_bench, lambda now: [(0.1, NET), (0.25, behind)])
    await polls(bench, 1)
    began = anyio.current_time()
    assert (await bench.balance.poll())[0].value == 12.345
    assert anyio.current_time() - began == pytest.approx(0.1)


async def test_two_net_lines_that_differ_are_no_value(new_bench: Callable[..., Any]) -> None:
    bench = await opened(new_bench, lambda now: [NET + line("N", "12.346")])
    ((sample,),) = await polls(bench, 1)
    assert (sample.value, sample.status) == (None, Status.MISSING)


async def test_a_line_labelled_g_is_the_gross_weight_and_never_the_net(new_bench: Callable[..., Any]) -> None:
    labels = iter(["G"] * 7 + ["N"] * 20)
    bench = await opened(new_bench, lambda now: [line(next(labels), "0.013")], parameters=["gross", "net"])
    taken = await polls(bench, 6)
    read = [{sample.parameter: sample.value for sample in samples} for samples in taken]
    assert read[:3] == [{"gross": 0.013, "net": None}] * 3
    assert read[-2:] == [{"gross": None, "net": 0.013}] * 2
    assert taken[0][1].error == "no net weight: the balance prints the gross weight"
    assert taken[-1][0].error == "no gross weight: the balance prints the net weight"


async def test_a_balance_that_prints_single_lines_is_not_waited_for_twice(new_bench: Callable[..., Any]) -> None:
    bench = await opened(new_bench, lambda now: [line("G", "0.013")], parameters=["net"])
    durations = []
    for _ in range(3):
        began = anyio.current_time()
        assert (await bench.balance.poll())[0].value is None
        durations.append(round(anyio.current_time() - began, 3))
    assert durations == [1.0, 0.1, 0.1]


async def test_a_block_that_appears_later_is_waited_for_again(new_bench: Callable[..., Any]) -> None:
    prints = {"now": [(0.1, GROSS)]}
    bench = await opened(new_bench, lambda now: prints["now"])
    await polls(bench, 2)
    prints["now"] = [(0.1, GROSS), (0.25, TARE), (0.4, NET)]
    values = [sample.value for (sample,) in await polls(bench, 4)]
    assert values[-2:] == [12.345, 12.345]
    assert set(values) <= {None, 12.345}


async def test_a_direct_call_names_the_weight_that_there_is(new_bench: Callable[..., Any]) -> None:
    bench = await opened(new_bench, lambda now: [line("G", "0.013")])
    with pytest.raises(OtherWeightError) as caught:
        await bench.balance.read_net()
    assert caught.value.hint == 'Add "gross" to parameters'
    assert (await bench.balance.read_gross()).value == 0.013
    assert (await bench.balance.status()).stable
    snapshot = await bench.balance.snapshot()
    assert (snapshot.net, snapshot.gross.value) == (None, 0.013)


async def test_a_labelled_model_and_a_weight_before_the_serial_number(new_bench: Callable[..., Any]) -> None:
    replies = {
        b"\x1bx2_\r\n": [(0.01, line("G", "0.0013")), (0.05, SERIAL)],
        b"\x1bx3_\r\n": [(0.05, b"BAC:        00-39-21\r\n")],
    }
    bench = new_bench(transport=SimulatedTransport(Printing(lambda now: [NET], replies)), protocol="sbi")
    await bench.balance.open()
    identity = await bench.balance.identify()
    assert (identity.model, identity.serial, identity.software) == ("BCE224I-1SKR", "0011223344", "00-39-21")
    assert identity.family == "basic_lab"


@pytest.mark.parametrize(
    ("whole", "damaged"),
    [
        (b"+    1.234 mg\r\n", b"+    1.234 g\r\n"),
        (b"+    1.234 mg \r\n", b"+    1.234 g \r\n"),
        (b"+    1.234 ozt\r\n", b"+    1.234 oz\r\n"),
        (b"-    1.234 g  \r\n", b"     1.234 g  \r\n"),
        (b"N     +  123.456 kg \r\n", b"N     +  1234.56 kg \r\n"),
    ],
)
async def test_a_line_that_states_something_new_is_printed_again_before_it_is_a_value(
    new_bench: Callable[..., Any], whole: bytes, damaged: bytes
) -> None:
    count = iter(range(1000))
    bench = await opened(new_bench, lambda now: [damaged if next(count) % 5 == 4 else whole])
    taken = [sample for (sample,) in await polls(bench, 20)]
    right = {(taken[0].value, taken[0].unit)}
    assert {(sample.value, sample.unit) for sample in taken if sample.value is not None} == right
    assert sum(sample.value is not None for sample in taken) >= 15


async def test_a_unit_that_was_changed_at_the_panel_is_recorded_at_once(new_bench: Callable[..., Any]) -> None:
    display = {"now": line("N", "1.234", "g")}
    bench = await opened(new_bench, lambda now: [display["now"]])
    await polls(bench, 2)
    peer = bench.transport.peer
    sent = len(peer.sent)
    display["now"] = line("N", "1234", "mg")
    ((sample,),) = await polls(bench, 1)
    assert (sample.value, sample.unit, sample.status) == (1234.0, "mg", Status.OK)
    assert len(peer.sent) == sent + 2
    await polls(bench, 1)
    assert len(peer.sent) == sent + 3


async def test_prints_that_contradict_each_other_again_and_again_are_no_values(new_bench: Callable[..., Any]) -> None:
    units = iter(["g", "kg", "mg", "ct"] * 10)
    bench = await opened(new_bench, lambda now: [line("N", "1.234", next(units))])
    taken = [sample for (sample,) in await polls(bench, 4)]
    assert {sample.value for sample in taken} == {None}
    assert taken[0].error == "two replies in a row state different units, decimals or layouts"


class Autoprinting(Printing):
    """Sends one piece a second without being asked."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__(lambda now: [])
        self._arriving.add((1.0 + number, piece) for number, piece in enumerate(pieces))


async def test_autoprint_gives_each_weight_to_the_channel_of_its_label(new_bench: Callable[..., Any]) -> None:
    pieces = [DATE, GROSS, TARE, NET, EMPTY] * 3
    bench = new_bench(
        transport=SimulatedTransport(Autoprinting(pieces)), autoprint=True, parameters=["net", "gross"], timeout=5.0
    )
    await bench.balance.open()
    taken = [await bench.balance.poll() for _ in range(5)]
    assert [[(sample.parameter, sample.value) for sample in samples] for samples in taken] == [
        [("net", 12.345)],
        [("gross", 13.345)],
        [("net", 12.345)],
        [("gross", 13.345)],
        [("net", 12.345)],
    ]


async def test_autoprint_of_the_other_weight_is_an_error_that_names_it(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(transport=SimulatedTransport(Autoprinting([GROSS] * 20)), autoprint=True, timeout=3.0)
    with pytest.raises(OtherWeightError, match="no net weight: the balance prints the gross weight"):
        await bench.balance.open()
    bench = new_bench(transport=SimulatedTransport(Autoprinting([b"cut\r\n"])), autoprint=True, timeout=3.0)
    with pytest.raises(ReplyTimeoutError):
        await bench.balance.open()


async def test_an_autoprinted_line_that_states_something_new_is_suspect_until_the_next_one_states_it_too(
    new_bench: Callable[..., Any],
) -> None:
    gram, milligram, damaged = b"+    1.234 g\r\n", b"+    1.234 mg\r\n", b"+    1.234 g\r\n"
    pieces = [b"tail\r\n", milligram, milligram, damaged, milligram, gram, gram, gram]
    bench = new_bench(transport=SimulatedTransport(Autoprinting(pieces)), autoprint=True, timeout=5.0)
    await bench.balance.open()
    taken = [(await bench.balance.poll())[0] for _ in range(6)]
    assert [(sample.unit, sample.status.value) for sample in taken] == [
        ("mg", "ok"),
        ("g", "suspect"),
        ("mg", "ok"),
        ("g", "suspect"),
        ("g", "ok"),
        ("g", "ok"),
    ]
    assert "unproven" in taken[1].flags
