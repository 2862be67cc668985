"""The discovery ladder: listen, xBPI, SBI; silence means the next step."""

from typing import Any

import anyio
import pytest

from riglog.model import SYSTEM_CLOCK
from riglog.simulation import FaultyWire, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link
from riglog_sartorius.driver import SartoriusDriver
from riglog_sartorius.simulation.sbi import SbiBalance
from riglog_sartorius.simulation.xbpi import XbpiBalance

LINK = Link(protocol="sbi", baudrate=9600, parity="O")
NAME = "MSE1203S-100-DR 0031801165"


@pytest.fixture(autouse=True)
def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe makes its own clients, on the clock of the system."""
    for name in ("utc_ns", "monotonic_ns"):
        monkeypatch.setattr(SYSTEM_CLOCK, name, getattr(LoopClock(), name))


class Silence(Simulator):
    def receive(self, data: bytes, now: float) -> bytes:
        return b""


class OnlyPrints(SbiBalance):
    """An old balance that knows no identity commands."""

    def _do(self, token: str, now: float) -> bytes:
        return b"" if token.startswith("x") else super()._do(token, now)


class Refuses(XbpiBalance):
    """Answers every request with an error."""

    def _reply(self, request: bytes, now: float) -> bytes:
        return bytes.fromhex("044101044a")


async def probed(simulator: Simulator, link: Link = LINK) -> tuple[list[Any], SimulatedTransport]:
    transport = SimulatedTransport(FaultyWire(simulator))
    return list(await SartoriusDriver().probe(link, transport)), transport


async def test_an_xbpi_balance_is_found_by_its_model() -> None:
    (found,), _ = await probed(XbpiBalance())
    assert (found.protocol, found.address, found.identity) == ("xbpi", 9, NAME)
    assert found.settings == {"baudrate": 9600, "bytesize": 8, "parity": "O"}


async def test_an_sbi_balance_is_found_after_xbpi_was_silent() -> None:
    (found,), _ = await probed(SbiBalance())
    assert (found.protocol, found.address, found.identity) == ("sbi", None, NAME)


async def test_a_printing_balance_is_found_by_listening_and_nothing_is_sent() -> None:
    balance = SbiBalance(interval=0.1)
    (found,), transport = await probed(balance)
    assert (found.protocol, found.settings["autoprint"]) == ("sbi", True)
    assert transport.sent == 0


async def test_a_balance_that_only_prints_is_found_by_its_weight() -> None:
    (found,), _ = await probed(OnlyPrints())
    assert found.protocol == "sbi"
    assert "does not say who it is" in found.identity


async def test_an_error_reply_is_xbpi_too() -> None:
    (found,), _ = await probed(Refuses())
    assert found.protocol == "xbpi"


@pytest.mark.parametrize("bytesize", [7, 8])
async def test_silence_is_an_empty_answer_in_reasonable_time(bytesize: Any) -> None:
    started = anyio.current_time()
    found, _ = await probed(Silence(), Link(protocol="sbi", baudrate=1200, bytesize=bytesize, parity="O"))
    assert found == []
    assert anyio.current_time() - started < 10


async def test_probing_only_reads() -> None:
    balance, sent = SbiBalance(), []
    receive = balance.receive

    def noted(data: bytes, now: float) -> bytes:
        sent.append(data)
        return receive(data, now)

    balance.receive = noted  # type: ignore[method-assign]
    await probed(balance)
    assert set(sent) <= {b"\x04\x01\x09\x02\x10", b"\x1bx1_\r\n", b"\x1bx2_\r\n", b"\x1bx3_\r\n", b"\x1bP\r\n"}
