"""One vocabulary over both protocols: readings, states, changes, and what is refused before anything is sent."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from riglog.errors import ConfigError, ConfirmationError, ReplyTimeoutError, UnsupportedError
from riglog.model import Status
from riglog.testing import scripted, step
from riglog_sartorius import Balance
from riglog_sartorius.errors import IndexOutOfRangeError, NotApplicableError, NotSettledError, UnknownOpcodeError
from riglog_sartorius.xbpi.frames import reply_frame

BOTH = pytest.mark.parametrize("protocol", ["xbpi", "sbi"])


async def opened(bench: Any) -> Balance:
    await bench.balance.open()
    balance: Balance = bench.balance
    return balance


@BOTH
async def test_building_a_balance_sends_nothing(new_bench: Callable[..., Any], protocol: str) -> None:
    bench = new_bench(protocol=protocol)
    assert bench.transport.sent == 0


@BOTH
async def test_opening_and_polling_send_nothing_but_reads(new_bench: Callable[..., Any], protocol: str) -> None:
    parameters = ["net", "gross", "tare", "temperature"] if protocol == "xbpi" else ["net"]
    bench = new_bench(protocol=protocol, parameters=parameters)
    balance = await opened(bench)
    await balance.identity()
    await balance.poll()
    sent = {request for request, _ in bench.log.replies}
    if protocol == "xbpi":
        assert {request[3] for request in sent} == {0x02, 0x01, 0x1E, 0x20, 0x22, 0x76}
    else:
        assert sent == {b"\x1bx1_\r\n", b"\x1bx2_\r\n", b"\x1bP\r\n"}


@BOTH
async def test_a_reading_has_value_unit_decimals_and_stability(new_bench: Callable[..., Any], protocol: str) -> None:
    bench = new_bench(protocol=protocol)
    bench.simulator.scale.drift = 0.0
    balance = await opened(bench)
    reading = await balance.read_net()
    assert (reading.value, reading.unit, reading.decimals, reading.stable) == (326.185, "g", 3, True)
    assert (reading.overload, reading.underload) == (False, False)
    assert reading.stamp.latency_s is not None
    assert reading.stamp.latency_s == pytest.approx(0.005)
    (sample,) = await balance.poll()
    assert (sample.value, sample.unit, sample.status, sample.flags) == (326.185, "g", Status.OK, ("stable",))
    assert sample.raw


@BOTH
async def test_an_unstable_weight_is_a_number_without_the_flag_stable(
    new_bench: Callable[..., Any], protocol: str
) -> None:
    bench = new_bench(protocol=protocol)
    balance = await opened(bench)
    bench.simulator.set("load", "100")
    (sample,) = await balance.poll()
    assert isinstance(sample.value, float)
    assert sample.status is Status.OK
    assert "stable" not in sample.flags
    assert sample.unit == ("g" if protocol == "xbpi" else None)  # SBI leaves the unit away
    await anyio.sleep(5)
    (sample,) = await balance.poll()
    assert sample.value == pytest.approx(100, abs=0.01)
    assert (sample.flags, sample.unit) == (("stable",), "g")


@BOTH
@pytest.mark.parametrize(("load", "what"), [("1300", "overload"), ("-50", "underload")])
async def test_off_scale_is_no_value(new_bench: Callable[..., Any], protocol: str, load: str, what: str) -> None:
    bench = new_bench(protocol=protocol)
    balance = await opened(bench)
    bench.simulator.set("load", load)
    await balance.poll()
    await anyio.sleep(5)
    (sample,) = await balance.poll()
    assert (sample.value, sample.unit if protocol == "sbi" else None) == (None, None)
    assert (sample.status, sample.error, sample.flags) == (Status.OUT_OF_RANGE, what, (what,))
    state = await balance.status()
    assert (state.overload, state.underload) == (what == "overload", what == "underload")


@BOTH
async def test_the_unit_is_that_of_the_reply_and_may_change_at_the_panel(
    new_bench: Callable[..., Any], protocol: str
) -> None:
    bench = new_bench(protocol=protocol)
    bench.simulator.scale.drift = 0.0
    balance = await opened(bench)
    values = []
    for unit in ("g", "kg", "mg"):
        bench.simulator.set("unit", unit)
        (sample,) = await balance.poll()
        values.append((sample.value, sample.unit))
    assert values == [(326.185, "g"), (0.326185, "kg"), (326185.0, "mg")]


@BOTH
async def test_tare_and_zero_are_reported_and_reach_the_balance(new_bench: Callable[..., Any], protocol: str) -> None:
    bench = new_bench(protocol=protocol)
    written: list[str] = []
    balance = await opened(bench)
    balance.on_write = written.append
    bench.simulator.scale.drift = 0.0
    await balance.tare(confirm=True)
    assert (await balance.read_net()).value == 0
    bench.simulator.set("load", "0.5")
    await balance.read_net()
    await anyio.sleep(5)
    assert (await balance.read_net()).value == pytest.approx(0.5 - 326.185)
    await balance.zero(confirm=True)
    await anyio.sleep(3)
    assert (await balance.read_net()).value == 0
    assert written == ["tare", "zero"]


async def test_zero_never_sends_what_starts_an_adjustment(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="sbi")
    balance = await opened(bench)
    bench.simulator.set("load", "0")
    await balance.read_net()
    await anyio.sleep(3)
    await balance.zero(confirm=True)
    sent = [request for request, _ in bench.log.replies]
    assert b"\x1bV\r\n" in sent
    assert not any(request.startswith(b"\x1bZ") for request in sent)
    bench = new_bench(protocol="xbpi")
    balance = await opened(bench)
    bench.simulator.set("load", "0")
    await balance.read_net()
    await anyio.sleep(3)
    await balance.zero(confirm=True)
    assert 0x28 not in {request[3] for request, _ in bench.log.replies}


async def test_after_zero_an_xbpi_balance_has_no_value_and_says_why(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="xbpi", parameters=["net", "gross"])
    bench.simulator.scale.drift = 0.0
    balance = await opened(bench)
    bench.simulator.set("load", "1")
    await balance.poll()
    await anyio.sleep(5)
    await balance.zero(confirm=True)
    for sample in await balance.poll():
        assert (sample.value, sample.status, sample.flags) == (None, Status.MISSING, ())
        assert sample.error == "no value: zero-point measurement in progress"
    await anyio.sleep(2.1)
    assert [sample.value for sample in await balance.poll()] == [0.0, 0.0]


async def test_a_balance_that_does_not_report_its_load_state_is_out_of_range_and_no_more(
    new_bench: Callable[..., Any],
) -> None:
    bench = new_bench(protocol="xbpi")
    bench.simulator.set("family", "oem_weigh_cell")
    balance = await opened(bench)
    bench.simulator.set("load", "9000")
    await balance.poll()
    await anyio.sleep(5)
    (sample,) = await balance.poll()
    assert (sample.value, sample.status, sample.flags) == (None, Status.OUT_OF_RANGE, ())
    assert sample.error
    assert "overload, underload, or zero-point measurement" in sample.error


async def test_a_command_without_a_reply_that_does_not_settle_is_an_error_with_its_own_hint(
    new_bench: Callable[..., Any],
) -> None:
    bench = new_bench(protocol="sbi")
    written: list[str] = []
    balance = await opened(bench)
    balance.on_write = written.append
    bench.simulator.scale.drift = 5.0
    with pytest.raises(NotSettledError, match="tare sent, but no stable value near zero within 10 s") as caught:
        await balance.tare(confirm=True)
    assert caught.value.hint
    assert "at rest" in caught.value.hint
    assert written == ["tare (not acknowledged)"]


@BOTH
async def test_a_change_without_an_acknowledge_is_reported_as_such(
    new_bench: Callable[..., Any], protocol: str
) -> None:
    bench = new_bench(protocol=protocol)
    written: list[str] = []
    balance = await opened(bench)
    balance.on_write = written.append
    await balance.read_net()
    bench.wire.plugged = False
    with pytest.raises(ReplyTimeoutError) as caught:
        await balance.tare(confirm=True)
    assert written == ["tare (not acknowledged)"]
    assert caught.value.hint
    assert "may have been executed" in caught.value.hint


XBPI_CHANGES: dict[str, tuple[Callable[[Balance], Awaitable[Any]], str]] = {
    "tare": (lambda balance: balance.tare(confirm=True), "0401091422"),
    "zero": (lambda balance: balance.zero(confirm=True), "0401091826"),
    "write_parameter": (
        lambda balance: balance.write_parameter("display_unit", "kg", confirm=True),
        "0801095621072103b4",
    ),
    "set_filter_mode": (lambda balance: balance.set_filter_mode("stable", confirm=True), "0601092c21025f"),
    "save_menu": (lambda balance: balance.save_menu(confirm=True), "0401094755"),
    "reload_menu": (lambda balance: balance.reload_menu(confirm=True), "0401094654"),
    "internal_adjust": (lambda balance: balance.internal_adjust(confirm=True), "060109282178d1"),
    "raw tare": (lambda balance: balance.raw(0x14, confirm=True), "0401091422"),
    "raw undocumented": (lambda balance: balance.raw(0x99, confirm=True), "04010999a7"),
}


@pytest.mark.parametrize("change", XBPI_CHANGES)
async def test_an_xbpi_change_without_a_reply_is_sent_once_whatever_the_retries(
    new_bench: Callable[..., Any], change: str
) -> None:
    bench = new_bench(protocol="xbpi")
    written: list[str] = []
    balance = await opened(bench)
    balance.on_write = written.append
    bench.client.retries = 2
    perform, frame = XBPI_CHANGES[change]
    request, send = bytes.fromhex(frame), bench.wire.send

    def lose_the_change(data: bytes, now: float) -> None:
        bench.wire.plugged = bench.wire.plugged and data != request
        send(data, now)

    bench.wire.send = lose_the_change  # type: ignore[method-assign]
    bench.wire.requests.clear()
    with pytest.raises(ReplyTimeoutError):
        await perform(balance)
    await anyio.sleep(60)
    assert bench.wire.requests[bench.wire.requests.index(request) :] == [request]
    (event,) = written
    assert event.endswith("(not acknowledged)")


SBI_CHANGES: dict[str, tuple[Callable[[Balance], Awaitable[Any]], bytes]] = {
    "tare": (lambda balance: balance.tare(confirm=True), b"\x1bT\r\n"),
    "zero": (lambda balance: balance.zero(confirm=True), b"\x1bV\r\n"),
    "set_filter_mode": (lambda balance: balance.set_filter_mode("stable", confirm=True), b"\x1bL\r\n"),
    "internal_adjust": (lambda balance: balance.internal_adjust(confirm=True), b"\x1bZ\r\n"),
    "raw tare": (lambda balance: balance.raw("U", confirm=True), b"\x1bU\r\n"),
    "raw undocumented": (lambda balance: balance.raw("foo_", confirm=True), b"\x1bfoo_\r\n"),
}


@pytest.mark.parametrize("change", SBI_CHANGES)
async def test_an_sbi_change_is_sent_once_whatever_the_retries(new_bench: Callable[..., Any], change: str) -> None:
    bench = new_bench(protocol="sbi")
    balance = await opened(bench)
    bench.client.retries = 2
    bench.wire.plugged = False
    bench.wire.requests.clear()
    perform, command = SBI_CHANGES[change]
    with suppress(ReplyTimeoutError):  # commands with a reply, and the reading after tare and zero
        await perform(balance)
    await anyio.sleep(60)
    reads = {b"\x1bP\r\n", b"\x1bx1_\r\n", b"\x1bx2_\r\n"}
    assert [request for request in bench.wire.requests if request not in reads] == [command]


@BOTH
async def test_a_read_without_a_reply_is_repeated_if_the_client_has_retries(
    new_bench: Callable[..., Any], protocol: str
) -> None:
    bench = new_bench(protocol=protocol)
    balance = await opened(bench)
    bench.client.retries = 2
    bench.wire.plugged = False
    bench.wire.requests.clear()
    with pytest.raises(ReplyTimeoutError):
        await balance.read_net()
    assert len(bench.wire.requests) > 1


@BOTH
async def test_a_read_by_another_task_takes_no_bytes_of_a_poll(new_bench: Callable[..., Any], protocol: str) -> None:
    bench = new_bench(protocol=protocol)
    bench.log.latency = 0.02
    balance = await opened(bench)
    values: list[Any] = []

    async def poll() -> None:
        for _ in range(50):
            values.append((await balance.poll())[0].value)
            await anyio.sleep(0.02)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(poll)
        for _ in range(50):
            values.append((await balance.read_net()).value)
            await anyio.sleep(0.01)
    assert len(values) == 100
    assert None not in values


async def test_output_after_stability_is_waited_for(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="sbi", timeout=20.0)
    balance = await opened(bench)
    await balance.read_net()
    bench.simulator.set("output", "after_stability")
    bench.simulator.set("load", "100")
    reading = await balance.read_net()
    assert reading.stable
    assert reading.value == pytest.approx(100, abs=0.01)
    assert reading.stamp.latency_s is not None
    assert 2 < reading.stamp.latency_s < 5


async def test_output_at_stability_is_a_missing_value_while_there_is_none(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="sbi", timeout=0.4)
    balance = await opened(bench)
    bench.simulator.set("output", "at_stability")
    bench.simulator.set("load", "100")
    statuses = [(await balance.poll())[0].status for _ in range(6)]
    assert statuses[0] is Status.MISSING
    assert statuses[-1] is Status.OK


CHANGES: dict[str, Callable[[Balance], Awaitable[Any]]] = {
    "tare": lambda balance: balance.tare(),
    "zero": lambda balance: balance.zero(),
    "write_parameter": lambda balance: balance.write_parameter("display_unit", "kg"),
    "set_filter_mode": lambda balance: balance.set_filter_mode("stable"),
    "save_menu": lambda balance: balance.save_menu(),
    "reload_menu": lambda balance: balance.reload_menu(),
    "internal_adjust": lambda balance: balance.internal_adjust(),
}


@BOTH
@pytest.mark.parametrize("change", CHANGES)
async def test_nothing_is_changed_or_sent_without_confirmation(
    new_bench: Callable[..., Any], protocol: str, change: str
) -> None:
    bench = new_bench(protocol=protocol)
    with pytest.raises(ConfirmationError, match=change):
        await CHANGES[change](bench.balance)
    assert bench.transport.sent == 0


@pytest.mark.parametrize(("protocol", "commands"), [("xbpi", [0x28, 0x14, 0x99]), ("sbi", ["Z", "T", "foo_"])])
async def test_raw_commands_that_change_or_are_unknown_need_confirmation(
    new_bench: Callable[..., Any], protocol: str, commands: list[int | str]
) -> None:
    bench = new_bench(protocol=protocol)
    for command in commands:
        with pytest.raises(ConfirmationError):
            await bench.balance.raw(command)
    assert bench.transport.sent == 0


@pytest.mark.parametrize("args", [b"\r\n\x1bZ", b"\x1bZ", b"\xff"])
async def test_no_command_hides_in_the_arguments_of_another(new_bench: Callable[..., Any], args: bytes) -> None:
    bench = new_bench(protocol="sbi")
    with pytest.raises(ConfigError):
        await bench.balance.raw("P", args, confirm=True)
    with pytest.raises(ConfirmationError):
        await bench.balance.raw("x", b"0_")  # together an adjustment
    assert bench.transport.sent == 0


async def test_raw_commands_that_only_read_need_none(new_bench: Callable[..., Any]) -> None:
    balance = await opened(new_bench(protocol="xbpi"))
    assert await balance.raw(0x71) == bytes.fromhex("044121096f")
    balance = await opened(new_bench(protocol="sbi"))
    assert await balance.raw("x3_") == b"BAC:        00-39-21\r\n"
    assert await balance.raw("Q", confirm=True) is None
    with pytest.raises(ConfigError):
        await balance.raw(0x71)


async def test_a_command_the_balance_does_not_support_is_sent_twice_and_refused_here_afterwards(
    new_bench: Callable[..., Any],
) -> None:
    bench = new_bench(protocol="xbpi")
    bench.simulator.set("family", "oem_weigh_cell")
    balance = await opened(bench)
    for _ in range(2):  # the first refusal may be a late one of another command
        with pytest.raises(UnknownOpcodeError):
            await balance.last_cal_record()
    sent = bench.transport.sent
    with pytest.raises(UnsupportedError, match="not supported by this balance"):
        await balance.last_cal_record()
    assert bench.transport.sent == sent


async def test_an_index_out_of_range_does_not_make_the_command_unsupported(new_bench: Callable[..., Any]) -> None:
    balance = await opened(new_bench(protocol="xbpi"))
    with pytest.raises(IndexOutOfRangeError) as caught:
        await balance.temperature(4)
    assert caught.value.code == 0x04
    assert (await balance.temperature(3)).value == pytest.approx(25.3203, abs=1e-4)
    assert (await balance.temperature(2)).value is None


async def test_a_snapshot_reads_the_whole_balance_once(new_bench: Callable[..., Any]) -> None:
    balance = await opened(new_bench(protocol="xbpi"))
    snapshot = await balance.snapshot()
    assert (snapshot.identity.model, snapshot.identity.serial) == ("MSE1203S-100-DR", "0031801165")
    assert (snapshot.identity.software, snapshot.identity.manufacturer) == ("00-39-21", "Sartorius")
    assert snapshot.identity.family == "cubis"
    assert snapshot.capacity is not None
    assert snapshot.increment is not None
    assert (snapshot.capacity.value, snapshot.capacity.unit) == (1200.0, "g")
    assert snapshot.increment.value == pytest.approx(0.001, rel=1e-6)
    assert snapshot.increment.unit == "g"
    assert snapshot.tare is not None
    assert snapshot.tare.value == 0
    narrow = await (await opened(new_bench(protocol="sbi"))).snapshot()
    assert narrow.identity.model == "MSE1203S-100-DR"
    assert (narrow.capacity, narrow.gross, narrow.temperature) == (None, None, None)


async def test_net_plus_tare_is_gross_and_high_resolution_has_more_decimals(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="xbpi")
    bench.simulator.scale.drift = 0.0
    balance = await opened(bench)
    bench.simulator.set("load", "300.1234")
    await balance.tare(confirm=True)
    await anyio.sleep(5)
    net, gross, tare = await balance.read_net(), await balance.read_gross(), await balance.read_tare_value()
    assert net.value is not None
    assert tare.value is not None
    assert gross.value == pytest.approx(net.value + tare.value)
    assert [(await balance.read_gross(more)).value for more in (0, 1, 2)] == [300.123, 300.1234, 300.1234]
    assert (await balance.read_net(2)).decimals == 5


async def test_adjustment_starts_and_is_recorded(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="xbpi")
    bench.simulator.set("isocal_due", "on")
    balance = await opened(bench)
    assert not (await balance.last_cal_record()).has_metadata
    assert (await balance.status()).isocal_due is True
    assert "isocal_due" in (await balance.poll())[0].flags
    await balance.internal_adjust(confirm=True)
    assert (await balance.read_net()).value is None
    record = await balance.last_cal_record()
    assert record.has_metadata
    assert record.counters == (2, 1, 1)
    assert (await balance.status()).isocal_due is False
    bench = new_bench(protocol="sbi")
    balance = await opened(bench)
    await balance.internal_adjust(confirm=True)
    (sample,) = await balance.poll()
    assert (sample.value, sample.status, sample.flags) == (None, Status.MISSING, ("adjusting",))


async def test_a_balance_that_refuses_the_combined_reading_is_read_plainly(new_bench: Callable[..., Any]) -> None:
    refused, net = bytes.fromhex("044101074d"), bytes.fromhex("0b41484347fcac0830424585")
    combined, plain = step(bytes.fromhex("0601091e093067"), refused), step(bytes.fromhex("0401091e2c"), net)
    transport = scripted(combined, combined, plain, plain, plain)
    balance = new_bench(protocol="xbpi", transport=transport).balance
    for _ in range(2):
        (sample,) = await balance.poll()
        assert (sample.value, sample.unit) == (199.987, "g")


async def test_overload_of_a_plain_reading_is_read_from_the_status_block(new_bench: Callable[..., Any]) -> None:
    off_scale, overloaded = "0b41487fffffffff30020543", "0b41480000818218100045"
    transport = scripted(
        step(bytes.fromhex("040109202e"), framed(off_scale.replace("300205", "300203"))),
        step(bytes.fromhex("040109303e"), framed(overloaded)),
    )
    reading = await new_bench(protocol="xbpi", transport=transport).balance.read_gross()
    assert (reading.value, reading.overload, reading.status) == (None, True, Status.OUT_OF_RANGE)


async def test_an_unknown_unit_is_none_and_the_value_stays(new_bench: Callable[..., Any]) -> None:
    transport = scripted(*[step(bytes.fromhex("040109202e"), framed("0b41484347fcac083044435b"))] * 2)
    reading = await new_bench(protocol="xbpi", transport=transport).balance.read_gross()
    assert (reading.value, reading.unit) == (199.987, None)


async def test_a_refusal_is_a_typed_error_with_the_request(new_bench: Callable[..., Any]) -> None:
    balance = await opened(new_bench(protocol="xbpi"))
    with pytest.raises(NotApplicableError) as caught:
        await balance.raw(0x29, confirm=True)
    assert caught.value.context["command"] == "abort_adjustment"
    assert caught.value.context["device"] == "balance"


def framed(text: str) -> bytes:
    """Return a reply given as hex with length and marker, with the right checksum in place of its last byte."""
    return reply_frame(bytes.fromhex(text)[2:11])


async def test_an_unknown_block_after_the_weight_is_ignored_and_costs_no_value(new_bench: Callable[..., Any]) -> None:
    both = reply_frame(bytes.fromhex("484347fcac08304245" + "480000828818110045"))
    transport = scripted(*[step(bytes.fromhex("0601091e093067"), both)] * 2)
    (sample,) = await new_bench(protocol="xbpi", transport=transport).balance.poll()
    assert (sample.value, sample.unit, sample.flags) == (199.987, "g", ("stable",))
