"""Opening: what responds, what does not, and errors with the next step."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.errors import ReplyTimeoutError
from riglog.model import Status
from riglog.simulation import Fault
from riglog_sartorius.errors import LineSettingsError
from riglog_sartorius.simulator.sbi import SbiBalance
from riglog_sartorius.simulator.xbpi import XbpiBalance


class OldBalance(SbiBalance):
    """Supports print and tare, but no identity commands."""

    def execute(self, token: str, now: float) -> bytes:
        return b"" if token.startswith("x") else super().execute(token, now)


async def test_a_cold_start_is_repeated(bench: Callable[..., Any]) -> None:
    one = bench(protocol="xbpi", wire={"script": [Fault.TRUNCATE, Fault.DROP]})
    await one.balance.open()
    assert await one.balance.identity() == "0031801165"


async def test_no_reply_on_an_xbpi_port_points_to_the_factory_setting(bench: Callable[..., Any]) -> None:
    one = bench(SbiBalance(), protocol="xbpi")
    with pytest.raises(ReplyTimeoutError) as caught:
        await one.balance.open()
    assert caught.value.hint
    assert 'protocol = "sbi"' in caught.value.hint
    assert caught.value.context["device"] == "balance"


@pytest.mark.parametrize("render", ["plain", "7-as-8"])
async def test_text_on_an_xbpi_port_is_named(bench: Callable[..., Any], render: str) -> None:
    simulator = SbiBalance(interval=0.1)
    simulator.set("render", render)
    one = bench(simulator, protocol="xbpi")
    with pytest.raises(LineSettingsError, match="received SBI text"):
        await one.balance.open()


async def test_lines_left_over_from_sbi_do_not_disturb_xbpi(bench: Callable[..., Any]) -> None:
    one = bench(protocol="xbpi")
    one.simulator.scale.drift = 0.0
    await one.balance.open()
    for line in (b"N     +   99.999 g  \r\n", b"BAC:        00-39-21\r\n", b"+"):
        one.wire.inject(line, at=anyio.current_time() + 0.001)
        assert (await one.balance.poll())[0].value in (326.185, None)
    await one.balance.poll()
    assert (await one.balance.poll())[0].value == 326.185


async def test_no_reply_on_an_sbi_port_names_the_likely_reasons(bench: Callable[..., Any]) -> None:
    one = bench(XbpiBalance(), protocol="sbi")
    with pytest.raises(ReplyTimeoutError) as caught:
        await one.balance.open()
    assert caught.value.hint
    assert "xbpi" in caught.value.hint


async def test_seven_bits_read_as_eight_are_named_when_polled(bench: Callable[..., Any]) -> None:
    simulator = SbiBalance()
    simulator.set("render", "7-as-8")
    one = bench(simulator, protocol="sbi")
    with pytest.raises(LineSettingsError) as caught:
        await one.balance.open()
    assert caught.value.hint == 'Set bytesize = 7 and parity = "O"'


async def test_an_old_balance_without_identity_commands_is_opened_and_read(bench: Callable[..., Any]) -> None:
    one = bench(OldBalance(wide=False), protocol="sbi")
    await one.balance.open()
    assert await one.balance.identity() is None
    (sample,) = await one.balance.poll()
    assert (sample.value, sample.status) == (326.185, Status.OK)


async def test_without_a_resync_request_the_hold_off_keeps_late_lines_away(bench: Callable[..., Any]) -> None:
    script = [None, None, None, Fault.LATE, None, None]
    one = bench(OldBalance(), protocol="sbi", wire={"script": script, "late": 1.5})
    one.simulator.scale.drift = -0.5
    await one.balance.open()
    for _ in range(6):
        (sample,) = await one.balance.poll()
        reply = next(reply for request, reply in reversed(one.log.replies) if request == b"\x1bP\r\n")
        assert sample.value is None or f"{sample.value:.3f}".encode() in reply
    assert sample.value is not None
