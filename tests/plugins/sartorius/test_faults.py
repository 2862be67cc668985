"""A damaged reply never gives a wrong value, and values are recorded again soon. Over xBPI, SBI and SBI autoprint."""

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from riglog.model import Sample, Status
from riglog.simulation import Fault, FaultyWire
from riglog_sartorius.sbi.lines import parse_line
from riglog_sartorius.xbpi.frames import parse_frame
from riglog_sartorius.xbpi.measurement import decode_float40, parse_measurement

pytestmark = pytest.mark.slow

READS = 200
EVERY = 37
HANGS = [1.2, 2.4, 3.9, 7.0]
LATE = 1.3
"""Later than the timeout of one second."""

XBPI_PARAMETERS = {"net": 0x1E, "gross": 0x20, "tare": 0x22, "temperature": 0x76}
ALL = [fault for fault in Fault if fault is not Fault.UNPLUG]


def every_37th(fault: Fault, *, first: int, run: int = 1) -> Iterator[Fault | None]:
    """Intact replies while the balance is opened, then ``run`` damaged ones in every 37."""
    yield from [None] * first
    while True:
        yield from [None] * (EVERY - run)
        yield from [fault] * run


def xbpi_value(reply: bytes) -> float | None:
    frame = parse_frame(reply)
    assert frame is not None
    item = frame.items[0]
    return decode_float40(item.data) if item.type == 0x35 else parse_measurement(item.data).value


def xbpi_reply(log: list[tuple[bytes, bytes]], sample: Sample) -> float | None:
    """The value of the last reply to the request of this sample."""
    opcode = XBPI_PARAMETERS[sample.parameter]
    return xbpi_value(next(reply for request, reply in reversed(log) if request[3] == opcode))


async def read_many(bench: Any, expected: Callable[[Sample], float | None]) -> list[float]:
    """Poll and compare each value; return the times from a missing value to the next value, per parameter."""
    failed_at: dict[str, float] = {}
    recoveries = []
    for _ in range(READS):
        samples = await bench.balance.poll()
        now = anyio.current_time()
        assert [sample.channel for sample in samples] == list(bench.balance.channels)
        for sample in samples:
            if sample.value is None:
                assert sample.status is Status.MISSING
                assert sample.error
                failed_at.setdefault(sample.parameter, now)
                continue
            assert sample.value == expected(sample)
            if sample.parameter in failed_at:
                recoveries.append(now - failed_at.pop(sample.parameter))
    return recoveries


@pytest.mark.parametrize("fault", ALL)
@pytest.mark.parametrize("run", [1, 2])
@pytest.mark.parametrize("parameters", [["net"], list(XBPI_PARAMETERS)], ids=len)
async def test_a_damaged_xbpi_line_gives_no_wrong_value(
    new_bench: Callable[..., Any], fault: Fault, run: int, parameters: list[str]
) -> None:
    bench = new_bench(
        protocol="xbpi",
        parameters=parameters,
        wire={"script": every_37th(fault, first=1, run=run), "late": LATE, "seed": 7},
    )
    bench.simulator.scale.drift = -0.5  # no two readings are equal
    bench.simulator.scale.tare(0.0)
    await bench.balance.open()
    recoveries = await read_many(bench, lambda sample: xbpi_reply(bench.log.replies, sample))
    if fault in (Fault.DROP, Fault.TRUNCATE, Fault.LATE):
        assert recoveries
    assert max(recoveries, default=0) <= run * 2 * bench.client.timeout


@pytest.mark.parametrize("hangs_for", HANGS)
@pytest.mark.parametrize("parameters", [["net"], ["gross"], ["tare", "gross", "net"]], ids=len)
async def test_after_a_hang_all_outstanding_replies_arrive_and_none_is_mistaken(
    new_bench: Callable[..., Any], hangs_for: float, parameters: list[str]
) -> None:
    wire = {"hangs_at": 0.3, "hangs_for": hangs_for}
    bench = new_bench(protocol="xbpi", parameters=parameters, wire=wire)
    bench.simulator.scale.drift = -0.5
    await bench.balance.open()
    assert await read_many(bench, lambda sample: xbpi_reply(bench.log.replies, sample))


def sbi_reply(log: list[tuple[bytes, bytes]]) -> float | None:
    """The value of the last reply to a print command."""
    return parse_line(next(reply for request, reply in reversed(log) if request == b"\x1bP\r\n")).value


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("fault", ALL)
async def test_a_damaged_sbi_line_gives_no_wrong_value(
    new_bench: Callable[..., Any], parity_wire: type[FaultyWire], fault: Fault, wide: bool
) -> None:
    """SBI has no checksum: a digit that became another digit is detected by parity, not in the text."""
    wire = {"kind": parity_wire, "script": every_37th(fault, first=2), "late": LATE, "seed": 11}
    bench = new_bench(protocol="sbi", wire=wire)
    bench.simulator.wide = wide
    bench.simulator.scale.drift = -0.5
    await bench.balance.open()

    recoveries = await read_many(bench, lambda sample: sbi_reply(bench.log.replies))
    assert max(recoveries, default=0) <= 2 * bench.client.timeout


@pytest.mark.parametrize("hangs_for", HANGS)
async def test_after_a_hang_an_sbi_balance_is_not_mistaken(new_bench: Callable[..., Any], hangs_for: float) -> None:
    bench = new_bench(protocol="sbi", wire={"hangs_at": 0.8, "hangs_for": hangs_for})
    bench.simulator.scale.drift = -0.5
    await bench.balance.open()
    assert await read_many(bench, lambda sample: sbi_reply(bench.log.replies))


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("fault", [fault for fault in ALL if fault is not Fault.LATE])  # no line overtakes another
async def test_a_damaged_autoprint_gives_each_intact_line_once_and_nothing_else(
    new_bench: Callable[..., Any], parity_wire: type[FaultyWire], fault: Fault, wide: bool
) -> None:
    wire = {"kind": parity_wire, "script": every_37th(fault, first=3), "seed": 5}
    bench = new_bench(protocol="sbi", autoprint=True, wire=wire)
    bench.simulator.wide = wide
    bench.simulator.scale.drift = -0.5
    await bench.balance.open()
    values: list[float] = []
    for _ in range(READS):
        (sample,) = await bench.balance.poll()
        assert sample.value is not None
        values.append(sample.value)
    printed = [parse_line(line).value for line in bench.log.printed]
    assert len(set(printed)) == len(printed)
    if fault is Fault.GLUE:  # a repeated line cannot be distinguished from the same weight printed twice
        values = list(dict.fromkeys(values))
    assert [value for value in printed if value in values] == values  # in order, each once, none invented
    lost = printed.index(values[-1]) - printed.index(values[0]) + 1 - len(values)
    assert lost <= 2 * (READS // EVERY + 1)
