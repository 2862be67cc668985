"""Balances on pseudo-terminals, opened as serial ports with the settings of real balances."""

import sys
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.errors import LinkConflictError
from riglog.manager import Manager
from riglog.simulation import FaultyWire, Simulator
from riglog.simulation.serve import serve_pty
from riglog_sartorius import Balance
from riglog_sartorius.errors import LineSettingsError
from riglog_sartorius.simulator.sbi import SbiBalance
from riglog_sartorius.simulator.xbpi import XbpiBalance

pytestmark = [pytest.mark.real_time, pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")]

SETTINGS = [
    pytest.param(XbpiBalance, {"protocol": "xbpi"}, id="xbpi 8-O-1"),
    pytest.param(SbiBalance, {"protocol": "sbi", "bytesize": 7, "baudrate": 1200}, id="sbi 1200 7-O-1"),
    pytest.param(SbiBalance, {"protocol": "sbi", "parity": "N"}, id="sbi 8-N-1"),
    pytest.param(
        lambda: SbiBalance(interval=0.02), {"protocol": "sbi", "autoprint": True, "bytesize": 7}, id="autoprint 7-O-1"
    ),
]


@pytest.mark.parametrize(("simulator", "settings"), SETTINGS)
async def test_a_balance_is_opened_read_closed_and_opened_again(
    simulator: Callable[[], Simulator], settings: dict[str, Any]
) -> None:
    async with serve_pty(FaultyWire(simulator())) as server:
        for _ in range(2):
            with anyio.fail_after(10):
                async with Manager() as rig:
                    balance = await rig.add("balance", server.path, driver="sartorius", **settings)
                    assert isinstance(balance, Balance)
                    values = [(await balance.poll())[0].value for _ in range(5)]
                    assert values == [326.185 if settings["protocol"] == "xbpi" else pytest.approx(326.185)] * 5


async def test_seven_bits_read_as_eight_are_named() -> None:
    simulator = SbiBalance(interval=0.02)
    simulator.set("render", "7-as-8")
    async with serve_pty(FaultyWire(simulator)) as server, Manager() as rig:
        with pytest.raises(LineSettingsError, match="7 data bits"):
            await rig.add("balance", server.path, driver="sartorius", protocol="sbi", parity="N", autoprint=True)


async def test_two_balances_cannot_share_a_port() -> None:
    async with serve_pty(FaultyWire(XbpiBalance())) as server, Manager() as rig:
        await rig.add("one", server.path, driver="sartorius", protocol="xbpi")
        with pytest.raises(LinkConflictError, match="cannot share a port"):
            await rig.add("two", server.path, driver="sartorius", protocol="xbpi", address=10)
