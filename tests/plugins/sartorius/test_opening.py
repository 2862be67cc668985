"""Opening: what responds, what does not, and errors with the next step."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.errors import ReplyTimeoutError
from riglog.model import Status
from riglog.simulation import Fault, Simulator
from riglog_sartorius.errors import LineSettingsError
from riglog_sartorius.simulator.sbi import SbiBalance
from riglog_sartorius.simulator.xbpi import XbpiBalance


class OldBalance(SbiBalance):
    """Supports print and tare, but no identity commands."""

    def execute(self, token: str, now: float) -> bytes:
        return b"" if token.startswith("x") else super().execute(token, now)


async def test_a_cold_start_is_repeated(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="xbpi", wire={"script": [Fault.TRUNCATE, Fault.DROP]})
    await bench.balance.open()
    assert await bench.balance.identity() == "0031801165"


async def test_no_reply_on_an_xbpi_port_points_to_the_factory_setting(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(SbiBalance(), protocol="xbpi")
    with pytest.raises(ReplyTimeoutError) as caught:
        await bench.balance.open()
    assert caught.value.hint
    assert 'protocol = "sbi"' in caught.value.hint
    assert caught.value.context["device"] == "balance"


class Babbler(Simulator):
    """Something that sends without a pause."""

    latency = 0.0
    due = 0.0

    def receive(self, data: bytes, now: float) -> bytes:
        return b""

    def idle(self, now: float) -> bytes:
        if now < self.due:
            return b""
        self.due = now + 0.002
        return b"\xff\x00"

    def next_due(self, now: float) -> float:
        return self.due


@pytest.mark.parametrize("protocol", ["xbpi", "sbi"])
async def test_on_a_line_that_is_never_idle_the_hint_is_about_the_line(
    new_bench: Callable[..., Any], protocol: str
) -> None:
    bench = new_bench(Babbler(), protocol=protocol)
    with pytest.raises(ReplyTimeoutError) as caught:
        await bench.balance.open()
    assert caught.value.reason == "line_busy"
    assert "second master" in (caught.value.hint or "")


@pytest.mark.parametrize("render", ["plain", "7-as-8"])
async def test_text_on_an_xbpi_port_is_named(new_bench: Callable[..., Any], render: str) -> None:
    simulator = SbiBalance(interval=0.1)
    simulator.set("render", render)
    bench = new_bench(simulator, protocol="xbpi")
    with pytest.raises(LineSettingsError, match="received SBI text"):
        await bench.balance.open()


async def test_lines_left_over_from_sbi_do_not_disturb_xbpi(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="xbpi")
    bench.simulator.scale.drift = 0.0
    await bench.balance.open()
    for line in (b"N     +   99.999 g  \r\n", b"BAC:        00-39-21\r\n", b"+"):
        bench.wire.inject(line, at=anyio.current_time() + 0.001)
        assert (await bench.balance.poll())[0].value in (326.185, None)
    await bench.balance.poll()
    assert (await bench.balance.poll())[0].value == 326.185


async def test_no_reply_on_an_sbi_port_names_the_likely_reasons(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(XbpiBalance(), protocol="sbi")
    with pytest.raises(ReplyTimeoutError) as caught:
        await bench.balance.open()
    assert caught.value.hint
    assert "xbpi" in caught.value.hint


async def test_seven_bits_read_as_eight_are_named_when_polled(new_bench: Callable[..., Any]) -> None:
    simulator = SbiBalance()
    simulator.set("render", "7-as-8")
    bench = new_bench(simulator, protocol="sbi")
    with pytest.raises(LineSettingsError) as caught:
        await bench.balance.open()
    assert caught.value.hint == 'Set bytesize = 7 and parity = "O"'


async def test_an_old_balance_without_identity_commands_is_opened_and_read(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(OldBalance(wide=False), protocol="sbi")
    await bench.balance.open()
    assert await bench.balance.identity() is None
    (sample,) = await bench.balance.poll()
    assert (sample.value, sample.status) == (326.185, Status.OK)


async def test_without_a_resync_request_the_hold_off_keeps_late_lines_away(new_bench: Callable[..., Any]) -> None:
    script = [None, None, None, Fault.LATE, None, None]
    bench = new_bench(OldBalance(), protocol="sbi", wire={"script": script, "late": 1.5})
    bench.simulator.scale.drift = -0.5
    await bench.balance.open()
    for _ in range(6):
        (sample,) = await bench.balance.poll()
        reply = next(reply for request, reply in reversed(bench.log.replies) if request == b"\x1bP\r\n")
        assert sample.value is None or f"{sample.value:.3f}".encode() in reply
    assert sample.value is not None


@pytest.mark.parametrize(
    ("protocol", "request_"), [("xbpi", bytes.fromhex("040109010f")), ("sbi", b"\x1bx2_\r\n")], ids=["xbpi", "sbi"]
)
async def test_after_an_interruption_only_the_serial_number_is_read(
    new_bench: Callable[..., Any], protocol: str, request_: bytes
) -> None:
    bench = new_bench(protocol=protocol)
    await bench.balance.open()
    bench.wire.requests.clear()
    async with bench.client.hold() as line:
        await bench.balance.reconnected(line)
        assert await bench.balance.identity(line) == "0031801165"
    assert bench.wire.requests == [request_]
