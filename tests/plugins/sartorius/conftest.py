"""Balances on simulated ports, in virtual time."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from riglog.simulation import Fault, FaultyWire, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog_sartorius.balance import Balance
from riglog_sartorius.config import SartoriusConfig
from riglog_sartorius.driver import SartoriusDriver


class Logged(Simulator):
    """Another simulator, with a log of what was asked and what was answered to that, and of what it said of itself."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.latency = simulator.latency
        self.answers: list[tuple[bytes, bytes]] = []
        self.printed: list[bytes] = []

    def receive(self, data: bytes, now: float) -> bytes:
        reply = self.simulator.receive(data, now)
        self.answers.append((data, reply))
        return reply

    def idle(self, now: float) -> bytes:
        if said := self.simulator.idle(now):
            self.printed += said.splitlines(keepends=True)
        return said

    def next_due(self, now: float) -> float | None:
        return self.simulator.next_due(now)

    def foreign(self, reply: bytes) -> bytes:
        return self.simulator.foreign(reply)

    def set(self, name: str, value: str) -> None:
        self.simulator.set(name, value)


class HangingWire(FaultyWire):
    """From ``hangs_at`` on, for ``hangs_for`` seconds, everything waits; then it is answered in order."""

    def __init__(self, simulator: Simulator, *, hangs_at: float, hangs_for: float) -> None:
        super().__init__(simulator)
        self._hangs_at, self._wakes_at = hangs_at, hangs_at + hangs_for
        self._free_at = 0.0

    def send(self, data: bytes, now: float) -> None:
        reply = self.simulator.receive(data, now)
        asleep = self._hangs_at <= now < self._wakes_at
        if reply:
            self._free_at = max(self._free_at, self._wakes_at if asleep else now) + self.simulator.latency
            self._arriving.add([(self._free_at, reply)])


class ParityWire(FaultyWire):
    """A line whose receiver checks parity: a character with a wrong bit is delivered as NUL."""

    def _damaged(self, reply: bytes, due: float, fault: Fault | None) -> list[tuple[float, bytes]]:
        if fault is not Fault.CORRUPT:
            return super()._damaged(reply, due, fault)
        where = self._random.randrange(len(reply))
        return [(due, reply[:where] + b"\0" + reply[where + 1 :])]


class Bench:
    """A driver, a client and a balance on the far end given."""

    def __init__(
        self, simulator: Simulator | None = None, *, wire: dict[str, Any] | None = None, **config: Any
    ) -> None:
        said = {"name": "balance", "driver": "sartorius", "port": "sim:", **config}
        self.config = msgspec.convert(said, SartoriusConfig)
        self.driver = SartoriusDriver()
        self.driver.check(self.config)
        self.simulator = simulator or self.driver.simulator(self.config)
        self.log = Logged(self.simulator)
        wire = dict(wire or {})
        kind: type[FaultyWire] = wire.pop("kind", HangingWire if "hangs_at" in wire else FaultyWire)
        self.transport = SimulatedTransport(kind(self.log, **wire))
        self.client = self.driver.connect(self.driver.link(self.config), self.transport)
        self.client.clock = LoopClock()
        device = self.driver.device(self.config, self.client)
        assert isinstance(device, Balance)
        self.balance = device


@pytest.fixture
def parity_wire() -> type[FaultyWire]:
    return ParityWire


@pytest.fixture
def bench() -> Callable[..., Bench]:
    return Bench
