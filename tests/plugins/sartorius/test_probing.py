"""Discovery: listen, xBPI, SBI; without a reply the next step."""

from typing import Any

import anyio
import pytest

from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link
from riglog_sartorius.driver import SartoriusDriver
from riglog_sartorius.simulator.sbi import SbiBalance
from riglog_sartorius.simulator.xbpi import XbpiBalance

LINK = Link(protocol="sbi", baudrate=9600, parity="O")
NAME = "MSE1203S-100-DR 0031801165"


class NotResponding(Simulator):
    def receive(self, data: bytes, now: float) -> bytes:
        return b""


class WithoutIdentity(SbiBalance):
    """An old balance that supports no identity commands."""

    def execute(self, token: str, now: float) -> bytes:
        return b"" if token.startswith("x") else super().execute(token, now)


class Refuses(XbpiBalance):
    """Replies to every request with an error."""

    def reply_to(self, request: bytes, now: float) -> bytes:
        return bytes.fromhex("044101044a")


async def probed(simulator: Simulator, link: Link = LINK) -> tuple[list[Any], SimulatedTransport]:
    transport = SimulatedTransport(FaultyWire(simulator))
    return list(await SartoriusDriver().probe(Connection(transport, link, LoopClock()))), transport


async def test_an_xbpi_balance_is_found_by_its_model() -> None:
    (found,), _ = await probed(XbpiBalance())
    assert (found.protocol, found.address, found.identity) == ("xbpi", 9, NAME)
    assert found.settings == {"baudrate": 9600, "bytesize": 8, "parity": "O"}


async def test_an_sbi_balance_is_found_after_no_reply_over_xbpi() -> None:
    (found,), _ = await probed(SbiBalance())
    assert (found.protocol, found.address, found.identity) == ("sbi", None, NAME)


async def test_a_balance_in_autoprint_mode_is_found_by_listening_and_nothing_is_sent() -> None:
    balance = SbiBalance(interval=0.1)
    (found,), transport = await probed(balance)
    assert (found.protocol, found.settings["autoprint"]) == ("sbi", True)
    assert transport.sent == 0


async def test_a_balance_without_identity_commands_is_found_by_its_weight() -> None:
    (found,), _ = await probed(WithoutIdentity())
    assert found.protocol == "sbi"
    assert "no identity reported" in found.identity


async def test_an_error_reply_is_xbpi_too() -> None:
    (found,), _ = await probed(Refuses())
    assert found.protocol == "xbpi"


@pytest.mark.parametrize("bytesize", [7, 8])
async def test_no_reply_is_an_empty_result_in_reasonable_time(bytesize: Any) -> None:
    started = anyio.current_time()
    found, _ = await probed(NotResponding(), Link(protocol="sbi", baudrate=1200, bytesize=bytesize, parity="O"))
    assert found == []
    assert anyio.current_time() - started < 10


async def test_probing_only_reads() -> None:
    balance, sent = SbiBalance(), []
    receive = balance.receive

    def logged(data: bytes, now: float) -> bytes:
        sent.append(data)
        return receive(data, now)

    balance.receive = logged  # type: ignore[method-assign]
    await probed(balance)
    assert set(sent) <= {b"\x04\x01\x09\x02\x10", b"\x1bx1_\r\n", b"\x1bx2_\r\n", b"\x1bx3_\r\n", b"\x1bP\r\n"}
