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


async def autoprinting(bench: Callable[..., Any], **config: Any) -> Any:
    one = bench(protocol="sbi", autoprint=True, **config)
    one.simulator.scale.drift = -0.5
    await one.balance.open()
    return one


async def test_the_balance_sets_the_pace_and_nothing_is_sent(bench: Callable[..., Any]) -> None:
    one = await autoprinting(bench)
    assert one.balance.pace is Pace.DEVICE
    for _ in range(20):
        await one.balance.poll()
    assert await one.balance.identity() is None
    assert one.transport.sent == 0


async def test_each_line_is_one_sample_and_is_read_once(bench: Callable[..., Any]) -> None:
    one = await autoprinting(bench)
    started = anyio.current_time()
    samples = [(await one.balance.poll())[0] for _ in range(50)]
    assert anyio.current_time() - started == pytest.approx(5.0, abs=0.11)
    values = [sample.value for sample in samples]
    assert values == [parse_line(line).value for line in one.log.printed][-50:]
    assert len(set(values)) == 50
    assert all(sample.stamp.latency_ns is None for sample in samples)


async def test_lines_that_come_in_one_piece_are_as_many_samples(bench: Callable[..., Any]) -> None:
    one = await autoprinting(bench)
    await one.balance.poll()
    await anyio.sleep(0.35)
    values = [(await one.balance.poll())[0].value for _ in range(3)]
    assert values == [parse_line(line).value for line in one.log.printed[-3:]]


@pytest.mark.parametrize("wide", [True, False])
async def test_the_line_that_was_cut_at_opening_is_never_a_value(bench: Callable[..., Any], wide: bool) -> None:
    whole = b"G     +  123.456 g  \r\n" if wide else b"+  123.456 g  \r\n"
    for cut in range(len(whole)):
        one = bench(protocol="sbi", autoprint=True)
        one.simulator.wide = wide
        one.simulator.scale.drift = -0.5
        one.wire.inject(whole[cut:], at=0.0)
        await one.balance.open()
        (sample,) = await one.balance.poll()
        assert sample.value in [parse_line(line).value for line in one.log.printed]
        assert sample.value != 123.456


async def test_lines_that_were_not_read_in_time_are_not_new(bench: Callable[..., Any]) -> None:
    one = await autoprinting(bench)
    await one.balance.poll()
    await anyio.sleep(10)
    (sample,) = await one.balance.poll()
    assert sample.value == parse_line(one.log.printed[-1]).value
    assert sample.stamp.monotonic_ns == pytest.approx(anyio.current_time() * 1e9, abs=1e8)


async def test_no_line_is_a_missing_sample_after_the_timeout_and_lines_count_again_afterwards(
    bench: Callable[..., Any],
) -> None:
    one = await autoprinting(bench, timeout=2.0)
    one.simulator.set("autoprint", "off")
    started = anyio.current_time()
    (sample,) = await one.balance.poll()
    assert anyio.current_time() - started == pytest.approx(2.0)
    assert (sample.value, sample.status) == (None, Status.MISSING)
    assert sample.error
    assert "no line from the balance for 2 s" in sample.error
    one.simulator.set("autoprint", "0.2")
    (sample,) = await one.balance.poll()
    assert sample.value is not None


async def test_no_line_at_opening_is_an_error_with_what_to_check(bench: Callable[..., Any]) -> None:
    one = bench(SbiBalance(interval=None), protocol="sbi", autoprint=True)
    with pytest.raises(ReplyTimeoutError) as caught:
        await one.balance.open()
    assert caught.value.hint
    assert "autoprint is on" in caught.value.hint


async def test_requests_are_refused_in_autoprint_mode(bench: Callable[..., Any]) -> None:
    one = await autoprinting(bench)
    for read in (one.balance.identify, one.balance.snapshot, lambda: one.balance.raw("P")):
        with pytest.raises(AutoprintError):
            await read()
    assert one.transport.sent == 0


async def test_tare_is_sent_while_another_task_listens_and_the_lines_continue(bench: Callable[..., Any]) -> None:
    one = await autoprinting(bench)
    one.simulator.scale.drift = 0.0
    values: list[Any] = []

    async def listen() -> None:
        for _ in range(20):
            values.append((await one.balance.poll())[0].value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.sleep(1.05)
        await one.balance.tare(confirm=True)
    assert set(values[:10]) == {326.185}
    assert set(values[10:]) == {0.0}


async def test_status_lines_are_samples_without_a_value(bench: Callable[..., Any]) -> None:
    one = await autoprinting(bench)
    one.simulator.scale.drift = 0.0
    await one.balance.zero(confirm=True)
    (sample,) = await one.balance.poll()
    assert (sample.value, sample.status, sample.error) == (None, Status.MISSING, "display blank")
    one.simulator.set("load", "2000")
    await one.balance.poll()
    await anyio.sleep(3)
    (sample,) = await one.balance.poll()
    assert (sample.value, sample.status, sample.flags) == (None, Status.OUT_OF_RANGE, ("overload",))


async def test_seven_bit_text_is_reported_and_never_masked(bench: Callable[..., Any]) -> None:
    one = bench(protocol="sbi", autoprint=True)
    one.simulator.set("render", "7-as-8")
    with pytest.raises(LineSettingsError) as caught:
        await one.balance.open()
    assert caught.value.hint == 'Set bytesize = 7 and parity = "O"'


async def test_a_lost_connection_loses_the_incomplete_line(bench: Callable[..., Any]) -> None:
    one = await autoprinting(bench)
    await one.balance.poll()
    one.transport.cut()
    with pytest.raises(ConnectionLostError):
        await one.balance.poll()
    one.reopen()
    one.wire.inject(b"+    9.999 g  \r\n", at=anyio.current_time())  # the tail of a gross line
    (sample,) = await one.balance.poll()
    assert sample.value != 9.999


async def test_a_balance_in_autoprint_mode_at_opening_gets_no_request(bench: Callable[..., Any]) -> None:
    one = bench(SbiBalance(interval=0.1), protocol="sbi")
    with pytest.raises(AutoprintError) as caught:
        await one.balance.open()
    assert one.transport.sent == 0
    assert caught.value.hint
    assert "autoprint = true" in caught.value.hint


async def test_a_balance_that_begins_to_autoprint_while_polled_gets_no_request_until_it_stops(
    bench: Callable[..., Any],
) -> None:
    one = bench(protocol="sbi", timeout=1.0)
    await one.balance.open()
    await one.balance.poll()
    one.simulator.set("autoprint", "0.1")
    one.simulator.next_due(anyio.current_time())  # the interval starts now
    await anyio.sleep(0.5)
    sent = one.transport.sent
    for _ in range(5):
        (sample,) = await one.balance.poll()
        assert (sample.value, sample.status) == (None, Status.MISSING)
    assert one.transport.sent == sent
    assert one.simulator.autoprinting
    one.simulator.set("autoprint", "off")
    (sample,) = await one.balance.poll()
    assert sample.value is not None


async def test_a_late_line_is_not_taken_for_autoprint(bench: Callable[..., Any]) -> None:
    from riglog.simulation import Fault

    script = [None, None, None, Fault.LATE]
    one = bench(protocol="sbi", timeout=1.0, wire={"script": script, "late": 1.5})
    await one.balance.open()
    statuses = [(await one.balance.poll())[0].status for _ in range(4)]
    assert statuses == [Status.OK, Status.MISSING, Status.OK, Status.OK]
