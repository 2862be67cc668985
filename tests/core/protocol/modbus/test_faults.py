"""Whatever a line does to replies: not one wrong value, and good values again at once. RTU, ASCII and TCP."""

from collections.abc import Sequence

import anyio
import pytest

from riglog.errors import ProtocolError
from riglog.protocol import Connection
from riglog.protocol.modbus.client import ModbusClient
from riglog.simulation import (
    Fault,
    FaultyWire,
    ModbusServer,
    ModbusServers,
    SimulatedPeer,
    SimulatedTransport,
    Simulator,
)
from riglog.simulation.peer import Arrivals
from riglog.testing import LoopClock
from riglog.transport import Link

PROTOCOLS = ("modbus-rtu", "modbus-ascii", "modbus-tcp")
TIMEOUT = 0.5
READS = 200
EVERY = 37
UNITS = (1, 2)
STARTS = (100, 200)


class CountingSlave(ModbusServer):
    """Every read of a register gives the next number, so that no reply is like another; ``told`` is what it said."""

    count = 0

    def __init__(self) -> None:
        self.told: dict[int, int] = {}

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        CountingSlave.count += 1
        self.told[start] = CountingSlave.count
        return [*divmod(CountingSlave.count, 0x10000), *[0] * count][:count]


class CountingSlaves(Simulator):
    def __init__(self, protocol: str) -> None:
        self.slaves = {unit: CountingSlave() for unit in UNITS}
        self.server = ModbusServers(protocol, self.slaves)

    def receive(self, data: bytes, now: float) -> bytes:
        return self.server.receive(data, now)

    def foreign(self, reply: bytes) -> bytes:
        return self.server.foreign(reply)


def faults_for(protocol: str) -> list[list[Fault]]:
    """Each kind on its own, and two late replies in a row. TCP itself corrects what corrupts."""
    kinds: list[Fault] = [kind for kind in Fault if kind is not Fault.UNPLUG]
    if protocol == "modbus-tcp":
        kinds.remove(Fault.CORRUPT)
    return [[kind] for kind in kinds] + [[Fault.LATE, Fault.LATE]]


@pytest.mark.parametrize("order", ["addresses in turn", "the same again"])
@pytest.mark.parametrize(
    ("protocol", "fault"), [(protocol, fault) for protocol in PROTOCOLS for fault in faults_for(protocol)], ids=str
)
async def test_a_damaged_reply_is_never_a_wrong_value(protocol: str, fault: list[Fault], order: str) -> None:
    simulator = CountingSlaves(protocol)
    script = ([None] * (EVERY - len(fault)) + fault) * (3 * READS // EVERY)
    wire = FaultyWire(simulator, script=script, late=1.5 * TIMEOUT, seed=1)
    clock = LoopClock()
    client = ModbusClient(Connection(SimulatedTransport(wire), Link(protocol=protocol), clock), timeout=TIMEOUT)
    failed_at = None
    failures = 0
    for number in range(READS):
        turn = number // 50 if order == "the same again" else number
        unit, start = UNITS[turn % 2], STARTS[turn // 2 % 2]
        try:
            answer = await client.unit(unit).read_holding_registers(start, count=2)
        except ProtocolError:
            failures += 1
            failed_at = clock.monotonic_ns()
            continue
        high, low = answer.reply.registers
        assert high * 0x10000 + low == simulator.slaves[unit].told[start]
        if failed_at is not None:
            assert clock.monotonic_ns() - failed_at <= 2 * TIMEOUT * 1e9
            failed_at = None
    harmless = {Fault.SPLIT, Fault.GARBAGE, Fault.GLUE}
    assert failures or set(fault) <= harmless
    assert failures <= 2 * len(fault) * (READS // EVERY + 1)


class Hanging(SimulatedPeer):
    """Hears everything, says nothing for a while, and then answers all of it, one after the other."""

    def __init__(self, simulator: Simulator, hangs: Sequence[tuple[float, float]]) -> None:
        self.simulator = simulator
        self.hangs = hangs
        self._arrivals = Arrivals()
        self._heard: list[bytes] = []

    def send(self, data: bytes, now: float) -> None:
        self._heard.append(data)

    def take(self, now: float) -> bytes:
        if not self._hanging_until(now):
            replies = [self.simulator.receive(data, now) for data in self._heard]
            self._arrivals.add((now + 0.02 * place, reply) for place, reply in enumerate(replies))
            self._heard.clear()
        return self._arrivals.take(now)

    def next_due(self, now: float) -> float | None:
        return self._arrivals.next_due() or self._hanging_until(now) or (now if self._heard else None)

    def _hanging_until(self, now: float) -> float | None:
        return next((end for begin, end in self.hangs if begin <= now < end), None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("length", [0.6, 1.1, 2.3, 5.0, 17.0])
async def test_a_slave_that_hangs_and_then_answers_everything_never_gives_an_old_value(
    protocol: str, length: float
) -> None:
    simulator = CountingSlaves(protocol)
    hangs = [(begin, begin + length) for begin in (0.3, 30.0, 60.2, 90.05, 120.4)]
    transport = SimulatedTransport(Hanging(simulator, hangs))
    client = ModbusClient(Connection(transport, Link(protocol=protocol), LoopClock()), timeout=TIMEOUT)
    good = 0
    for number in range(600):
        unit, start = UNITS[number // 7 % 2], STARTS[number % 2]
        try:
            answer = await client.unit(unit).read_holding_registers(start, count=2)
        except ProtocolError:
            continue
        high, low = answer.reply.registers
        assert high * 0x10000 + low == simulator.slaves[unit].told[start]
        good += 1
        await anyio.sleep(0.25)
    assert good > 400
