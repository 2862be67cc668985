"""A balance in autoprint mode: each line once, cut lines never, and nothing requested."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.device import Pace
from riglog.errors import ConnectionLostError, ReplyTimeoutError
from riglog.model import Status
from riglog_sartorius.errors import AutoprintError, LineSettingsError
from riglog_sartorius.sbi.lines import parse_line
from riglog_sartorius.simulator.sbi import SbiBalance


async def autoprinting(new_bench: Callable[..., Any], **config: Any) -> Any:
    bench = new_bench(protocol="sbi", autoprint=True, **config)
    bench.simulator.scale.drift = -0.5
    await bench.balance.open()
    return bench


async def test_the_balance_sets_the_pace_and_nothing_is_sent(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    assert bench.balance.pace is Pace.DEVICE
    for _ in range(20):
        await bench.balance.poll()
    assert await bench.balance.identity() is None
    assert bench.transport.sent == 0


async def test_each_line_is_one_sample_and_is_read_once(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    started = anyio.current_time()
    samples = [(await bench.balance.poll())[0] for _ in range(50)]
    assert anyio.current_time() - started == pytest.approx(5.0, abs=0.11)
    values = [sample.value for sample in samples]
    assert values == [parse_line(line).value for line in bench.log.printed][-50:]
    assert len(set(values)) == 50
    assert all(sample.stamp.latency_ns is None for sample in samples)


async def test_lines_that_come_in_one_piece_are_as_many_samples(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    await bench.balance.poll()
    await anyio.sleep(0.35)
    values = [(await bench.balance.poll())[0].value for _ in range(3)]
    assert values == [parse_line(line).value for line in bench.log.printed[-3:]]


@pytest.mark.parametrize("wide", [True, False])
async def test_the_line_that_was_cut_at_opening_is_never_a_value(new_bench: Callable[..., Any], wide: bool) -> None:
    whole = b"G     +  123.456 g  \r\n" if wide else b"+  123.456 g  \r\n"
    for cut in range(len(whole)):
        bench = new_bench(protocol="sbi", autoprint=True)
        bench.simulator.wide = wide
        bench.simulator.scale.drift = -0.5
        bench.wire.inject(whole[cut:], at=0.0)
        await bench.balance.open()
        (sample,) = await bench.balance.poll()
        assert sample.value in [parse_line(line).value for line in bench.log.printed]
        assert sample.value != 123.456


async def test_lines_that_were_not_read_in_time_are_not_new(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    await bench.balance.poll()
    await anyio.sleep(10)
    (sample,) = await bench.balance.poll()
    assert sample.value == parse_line(bench.log.printed[-1]).value
    assert sample.stamp.monotonic_ns == pytest.approx(anyio.current_time() * 1e9, abs=1e8)


async def test_no_line_is_a_missing_sample_after_the_timeout_and_lines_count_again_afterwards(
    new_bench: Callable[..., Any],
) -> None:
    bench = await autoprinting(new_bench, timeout=2.0)
    bench.simulator.set("autoprint", "off")
    started = anyio.current_time()
    (sample,) = await bench.balance.poll()
    assert anyio.current_time() - started == pytest.approx(2.0)
    assert (sample.value, sample.status) == (None, Status.MISSING)
    assert sample.error
    assert "no line from the balance for 2 s" in sample.error
    bench.simulator.set("autoprint", "0.2")
    (sample,) = await bench.balance.poll()
    assert sample.value is not None


async def test_without_a_configured_timeout_a_pause_of_five_seconds_is_allowed(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    bench.simulator.set("autoprint", "4.9")
    assert (await bench.balance.poll())[0].value is not None
    bench.simulator.set("autoprint", "off")
    (sample,) = await bench.balance.poll()
    assert (sample.error, sample.responded) == ("no line from the balance for 5 s", False)


async def test_no_line_at_opening_is_an_error_with_what_to_check(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(SbiBalance(interval=None), protocol="sbi", autoprint=True)
    with pytest.raises(ReplyTimeoutError) as caught:
        await bench.balance.open()
    assert caught.value.hint
    assert "autoprint is on" in caught.value.hint


async def test_requests_are_refused_in_autoprint_mode(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    for read in (bench.balance.identify, bench.balance.snapshot, lambda: bench.balance.raw("P")):
        with pytest.raises(AutoprintError):
            await read()
    assert bench.transport.sent == 0


async def test_tare_is_sent_while_another_task_listens_and_the_lines_continue(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    bench.simulator.scale.drift = 0.0
    values: list[Any] = []

    async def listen() -> None:
        for _ in range(20):
            values.append((await bench.balance.poll())[0].value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.sleep(1.05)
        await bench.balance.tare(confirm=True)
    assert set(values[:10]) == {326.185}
    assert set(values[10:]) == {0.0}


async def test_status_lines_are_samples_without_a_value(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    bench.simulator.scale.drift = 0.0
    await bench.balance.zero(confirm=True)
    (sample,) = await bench.balance.poll()
    assert (sample.value, sample.status, sample.error) == (None, Status.MISSING, "display blank")
    bench.simulator.set("load", "2000")
    await bench.balance.poll()
    await anyio.sleep(3)
    (sample,) = await bench.balance.poll()
    assert (sample.value, sample.status, sample.flags) == (None, Status.OUT_OF_RANGE, ("overload",))


async def test_seven_bit_text_is_reported_and_never_masked(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="sbi", autoprint=True)
    bench.simulator.set("render", "7-as-8")
    with pytest.raises(LineSettingsError) as caught:
        await bench.balance.open()
    assert caught.value.hint == 'Set bytesize = 7 and parity = "O"'


async def test_a_lost_connection_loses_the_incomplete_line(new_bench: Callable[..., Any]) -> None:
    bench = await autoprinting(new_bench)
    await bench.balance.poll()
    bench.transport.cut()
    with pytest.raises(ConnectionLostError):
        await bench.balance.poll()
    bench.reopen()
    bench.wire.inject(b"+    9.999 g  \r\n", at=anyio.current_time())  # the tail of a gross line
    (sample,) = await bench.balance.poll()
    assert sample.value != 9.999


async def test_a_balance_in_autoprint_mode_at_opening_gets_no_request(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(SbiBalance(interval=0.1), protocol="sbi")
    with pytest.raises(AutoprintError) as caught:
        await bench.balance.open()
    assert bench.transport.sent == 0
    assert caught.value.hint
    assert "autoprint = true" in caught.value.hint


async def test_a_balance_that_begins_to_autoprint_while_polled_gets_no_request_until_it_stops(
    new_bench: Callable[..., Any],
) -> None:
    bench = new_bench(protocol="sbi", timeout=1.0)
    await bench.balance.open()
    await bench.balance.poll()
    bench.simulator.set("autoprint", "0.1")
    bench.simulator.next_due(anyio.current_time())  # the interval starts now
    await anyio.sleep(0.5)
    sent = bench.transport.sent
    for _ in range(5):
        (sample,) = await bench.balance.poll()
        assert (sample.value, sample.status) == (None, Status.MISSING)
    assert bench.transport.sent == sent
    assert bench.simulator.autoprinting
    bench.simulator.set("autoprint", "off")
    (sample,) = await bench.balance.poll()
    assert sample.value is not None


async def test_a_late_line_is_not_taken_for_autoprint(new_bench: Callable[..., Any]) -> None:
    from riglog.simulation import Fault

    script = [None, None, None, None, Fault.LATE]
    bench = new_bench(protocol="sbi", timeout=1.0, wire={"script": script, "late": 1.5})
    await bench.balance.open()
    statuses = [(await bench.balance.poll())[0].status for _ in range(4)]
    assert statuses == [Status.OK, Status.MISSING, Status.OK, Status.OK]
