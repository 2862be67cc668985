"""Balances on simulated ports, in virtual time."""

from collections.abc import Callable
from typing import Any

import anyio
import msgspec
import pytest

from riglog.device import DeviceContext
from riglog.manager.reconnectable import ReconnectableTransport
from riglog.protocol import Connection
from riglog.simulation import Fault, FaultyWire, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Transport
from riglog_sartorius import Balance, SartoriusConfig, SartoriusDriver


class Logged(Simulator):
    """Another simulator, with a log of its requests and replies, and of the lines it sends without a request."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.latency = simulator.latency
        self.replies: list[tuple[bytes, bytes]] = []
        self.printed: list[bytes] = []

    def receive(self, data: bytes, now: float) -> bytes:
        reply = self.simulator.receive(data, now)
        self.replies.append((data, reply))
        return reply

    def idle(self, now: float) -> bytes:
        if lines := self.simulator.idle(now):
            self.printed += lines.splitlines(keepends=True)
        return lines

    def next_due(self, now: float) -> float | None:
        return self.simulator.next_due(now)

    def foreign(self, reply: bytes) -> bytes:
        return self.simulator.foreign(reply)

    def set(self, name: str, value: str) -> None:
        self.simulator.set(name, value)


class BenchWire(FaultyWire):
    """A wire that counts requests, also those that do not reach the balance, and onto which bytes can be put."""

    def __init__(self, simulator: Simulator, **options: Any) -> None:
        super().__init__(simulator, **options)
        self.requests: list[bytes] = []

    def send(self, data: bytes, now: float) -> None:
        self.requests.append(data)
        super().send(data, now)

    def inject(self, data: bytes, at: float) -> None:
        """Let bytes arrive at the host without a request."""
        self._arriving.add([(at, data)])


class HangingWire(BenchWire):
    """From ``hangs_at`` on, for ``hangs_for`` seconds, no reply is sent; then all are sent in order."""

    def __init__(self, simulator: Simulator, *, hangs_at: float, hangs_for: float) -> None:
        super().__init__(simulator)
        self._hangs_at, self._resumes_at = hangs_at, hangs_at + hangs_for
        self._free_at = 0.0

    def send(self, data: bytes, now: float) -> None:
        self.requests.append(data)
        reply = self.simulator.receive(data, now)
        hangs = self._hangs_at <= now < self._resumes_at
        if reply:
            self._free_at = max(self._free_at, self._resumes_at if hangs else now) + self.simulator.latency
            self._arriving.add([(self._free_at, reply)])


class ParityWire(BenchWire):
    """A line whose receiver checks parity: a character with a wrong bit is delivered as NUL."""

    def _damaged(self, reply: bytes, due: float, fault: Fault | None) -> list[tuple[float, bytes]]:
        if fault is not Fault.CORRUPT:
            return super()._damaged(reply, due, fault)
        where = self._random.randrange(len(reply))
        return [(due, reply[:where] + b"\0" + reply[where + 1 :])]


class Bench:
    """A driver, a client and a balance, connected to a simulator.

    Args:
        simulator: default: that of the driver.
        wire: the options of the wire, and its class as ``kind``.
        transport: in place of a simulated one.
        config: keys of the ``[[device]]`` table.
    """

    wire: BenchWire
    transport: SimulatedTransport

    def __init__(
        self,
        simulator: Simulator | None = None,
        *,
        wire: dict[str, Any] | None = None,
        transport: SimulatedTransport | None = None,
        **config: Any,
    ) -> None:
        table = {"name": "balance", "driver": "sartorius", "port": "sim:", **config}
        self.config = msgspec.convert(table, SartoriusConfig)
        self.driver = SartoriusDriver()
        self.driver.check(self.config)
        self.simulator: Any = simulator or self.driver.simulator(self.config)
        self.log = Logged(self.simulator)
        if transport is None:
            wire = dict(wire or {})
            kind: type[BenchWire] = wire.pop("kind", HangingWire if "hangs_at" in wire else BenchWire)
            self.wire = kind(self.log, **wire)
            transport = SimulatedTransport(self.wire)
        self.transport = transport
        self._port = ReconnectableTransport("sim:", transport)
        link = self.driver.link(self.config)
        client = self.driver.connect(Connection(self._port, link, LoopClock()))
        self.client = client.with_timeout(self.config.timeout)
        self.context = DeviceContext(
            device=self.config.name,
            driver=self.driver.name,
            protocol=link.protocol,
            address=self.driver.address(self.config),
            clock=LoopClock(),
        )
        self.balance: Balance = self.driver.device(self.config, self.client, self.context)

    async def opened(self) -> Balance:
        await self.balance.open()
        return self.balance

    def reopen(self) -> None:
        """Open the port again after its cable was cut."""
        self._port.inner = self.transport = SimulatedTransport(self.wire)
        self.client.reopened()


class Cable:
    """The cable of every simulated port of a rig, to be pulled and put back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from riglog.errors import PortNotFoundError
        from riglog.manager.simulated_port import SimulatedPort

        open_port = SimulatedPort.open
        self.pulled = False
        self._transports: list[SimulatedTransport] = []

        async def opener(port: SimulatedPort) -> Transport:
            if self.pulled:
                raise PortNotFoundError("port not found")
            transport = await open_port(port)
            assert isinstance(transport, SimulatedTransport)
            self._transports.append(transport)
            return transport

        monkeypatch.setattr(SimulatedPort, "open", opener)

    def pull(self) -> None:
        self.pulled = True
        for transport in self._transports:
            transport.cut()

    def put_back(self) -> float:
        """Return the time."""
        self.pulled = False
        return anyio.current_time()


@pytest.fixture
def cable(monkeypatch: pytest.MonkeyPatch) -> Cable:
    return Cable(monkeypatch)


@pytest.fixture
def parity_wire() -> type[FaultyWire]:
    return ParityWire


@pytest.fixture
def new_bench() -> Callable[..., Bench]:
    return Bench
