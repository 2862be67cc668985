"""Wrong values and reads per second while replies are late, lost or copied, in virtual time.

Each far end gives another value for every request. A value is wrong if its read did not request it. There must be none,
except where docs/explanation/never-a-wrong-number.md states what remains: copies, on a line that is not strict.
``python benchmarks/late_replies.py --reads 1000000`` is the long run.
"""

import argparse
import random
import struct
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import anyio
from figure import Extent, Figure
from msgspec import Struct

from riglog.errors import DeviceRefusedError, ProtocolError
from riglog.protocol import Connection, ProtocolClient
from riglog.protocol.modbus.client import ModbusClient
from riglog.simulation import ModbusServer, ModbusServers, SimulatedPeer, SimulatedTransport
from riglog.simulation.peer import Arrivals
from riglog.testing import LoopClock, virtual_backend
from riglog.transport import Link
from riglog_sartorius.sbi.codec import SbiClient
from riglog_sartorius.sbi.commands import PRINT, PRINT_MODEL, PRINT_SERIAL, SbiRequest
from riglog_sartorius.simulator.instrument import FAMILIES, SimulatedBalance
from riglog_sartorius.simulator.sbi import SbiBalance
from riglog_sartorius.simulator.scale import Scale
from riglog_sartorius.simulator.xbpi import XbpiBalance
from riglog_sartorius.xbpi import opcodes
from riglog_sartorius.xbpi.codec import XbpiClient, XbpiRequest
from riglog_sartorius.xbpi.measurement import parse_measurement
from riglog_watlow.stdbus import frames, message
from riglog_watlow.stdbus.codec import ALL_MASTERS, MASTERS, StdBusCodec, read_request

LATENCY, TIMEOUT = 0.005, 0.3
BACKEND, OPTIONS = virtual_backend("asyncio")


class Faults(Struct, frozen=True):
    """Parts of the replies that are late, lost, or copied, and the shortest and longest delay in seconds."""

    late: float = 0.0
    lost: float = 0.0
    copied: float = 0.0
    delay: tuple[float, float] = (1.0, 1.0)


CASES = {
    "1/37 late by 1.0 s": Faults(late=1 / 37),
    "1/37 late by 0.2-3 s": Faults(late=1 / 37, delay=(0.2, 3)),
    "1/37 late by 0.3-9 s, 1/37 lost": Faults(late=1 / 37, lost=1 / 37, delay=(0.3, 9)),
    "1/370 late, lost, copied by 0-3 s": Faults(late=1 / 370, lost=1 / 370, copied=1 / 370, delay=(0, 3)),
    "1/37 copied after 0-3 s": Faults(copied=1 / 37, delay=(0, 3)),
    "1/3 copied after 0.5-2 ms": Faults(copied=1 / 3, delay=(0.0005, 0.002)),
}


WRONG_OF_COPIED = {False: 1 / 400, True: 1 / 2000}
"""Of the reads on a line that delivers copies, not strict and strict (two faults that fit). The documentation states
43 of 30,000 and 4 of 30,000 at most.
"""


def most_wrong(faults: Faults, reads: int, *, strict: bool = False) -> int:
    """Return how many wrong values are the stated rest; more are a fault of riglog."""
    return int(reads * WRONG_OF_COPIED[strict]) if faults.copied else 0


class FarEnd(SimulatedPeer):
    """Answers with the number of the request, as late as the faults say."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self.faults = faults
        self.count = 0
        self._random = random.Random(seed)
        self._arriving = Arrivals()

    def reply(self, data: bytes) -> bytes:
        raise NotImplementedError

    def send(self, data: bytes, now: float) -> None:
        self.count += 1
        reply, faults, draw = self.reply(data), self.faults, self._random.random
        delay = LATENCY
        if draw() < faults.lost:
            return
        if draw() < faults.late:
            delay += self._random.uniform(*faults.delay)
        self._arriving.add([(now + delay, reply)])
        if draw() < faults.copied:
            self._arriving.add([(now + delay + self._random.uniform(*faults.delay), reply)])

    def take(self, now: float) -> bytes:
        return self._arriving.take(now)

    def next_due(self, now: float) -> float | None:
        return self._arriving.next_due()


class StdBusFarEnd(FarEnd):
    def reply(self, data: bytes) -> bytes:
        frame, _ = frames.next_frame(data, 0)
        assert frame is not None
        value = message.encode_value(0x08, float(self.count))
        payload = bytes([message.FROM_DEVICE]) + frame.payload[1:6] + value
        return frames.frame_bytes(frames.REPLY, frame.source, frame.destination, payload)


class Counter(ModbusServer):
    count = 0

    def read_registers(self, function: int, start: int, count: int) -> Sequence[int]:
        return [*struct.unpack(">HH", struct.pack(">I", self.count)), *[0] * count][:count]


class ModbusFarEnd(FarEnd):
    def __init__(self, faults: Faults, seed: int) -> None:
        super().__init__(faults, seed)
        self.server = Counter()
        self.bus = ModbusServers("modbus-rtu", {1: self.server})

    def reply(self, data: bytes) -> bytes:
        self.server.count = self.count
        return self.bus.receive(data, 0.0)


class CountingScale(Scale):
    """Has a load of as many milligrams as requests were received."""

    count = 0

    def physical(self, now: float) -> float:
        return self.count / 1000


class BalanceFarEnd(FarEnd):
    def __init__(self, balance: SimulatedBalance, faults: Faults, seed: int) -> None:
        super().__init__(faults, seed)
        self.balance = balance
        self.scale = CountingScale(capacity=1200, decimals=3)
        balance.use(FAMILIES["cubis"], self.scale)

    def reply(self, data: bytes) -> bytes:
        self.scale.count = self.count
        return self.balance.receive(data, 0.0)


class Figures(Struct):
    """Reads with a value, wrong values, and values per second."""

    ok: int
    wrong: int
    per_second: float


async def stdbus(faults: Faults, reads: int, seed: int, masters: tuple[int, ...], pause: float, **link: Any) -> Figures:
    far = StdBusFarEnd(faults, seed)
    connection = Connection(SimulatedTransport(far), Link(protocol="stdbus", **link), LoopClock())
    client = ProtocolClient(connection, StdBusCodec(masters), timeout=TIMEOUT)
    request = read_request(1, 4001)

    async def read() -> int:
        return int((await client.transact(request)).reply.value)

    return await measure(read, far, reads, pause)


async def modbus(faults: Faults, reads: int, seed: int, spare: int, pause: float, **link: Any) -> Figures:
    far = ModbusFarEnd(faults, seed)
    connection = Connection(SimulatedTransport(far), Link(protocol="modbus-rtu", baudrate=38400, **link), LoopClock())
    unit = ModbusClient(connection, timeout=TIMEOUT).unit(1).with_spare(spare)

    async def read() -> int:
        high, low = (await unit.read_holding_registers(0, count=2)).reply.registers
        return int(high * 0x10000 + low)

    return await measure(read, far, reads, pause)


async def sbi(faults: Faults, reads: int, seed: int, identities: tuple[str, ...], pause: float, **link: Any) -> Figures:
    far = BalanceFarEnd(SbiBalance(), faults, seed)
    client = SbiClient(Connection(SimulatedTransport(far), Link(protocol="sbi", **link), LoopClock()), timeout=TIMEOUT)
    client.codec.identities = identities
    request = SbiRequest(PRINT)

    async def read() -> int:
        value = (await client.transact(request)).reply.value
        assert value is not None
        return round(value * 1000)

    return await measure(read, far, reads, pause)


async def xbpi(faults: Faults, reads: int, seed: int, request: XbpiRequest, pause: float, **link: Any) -> Figures:
    far = BalanceFarEnd(XbpiBalance(), faults, seed)
    connection = Connection(SimulatedTransport(far), Link(protocol="xbpi", **link), LoopClock())
    client = XbpiClient(connection, timeout=TIMEOUT)

    async def read() -> int:
        value = parse_measurement((await client.transact(request)).reply.items[0].data).value
        assert value is not None
        return round(value * 1000)

    return await measure(read, far, reads, pause)


async def measure(read: Any, far: FarEnd, reads: int, pause: float) -> Figures:
    began = anyio.current_time()
    ok = wrong = 0
    due = began
    for _ in range(reads):
        first = far.count
        try:
            value = await read()
        except (ProtocolError, DeviceRefusedError):
            pass
        else:
            ok += 1
            wrong += not first < value <= far.count
        if pause:
            due = max(due + pause, anyio.current_time())
            await anyio.sleep_until(due)
    return Figures(ok, wrong, ok / (anyio.current_time() - began))


WIRES: dict[str, Any] = {
    "stdbus, 2 masters": (stdbus, MASTERS, {}),
    "stdbus, 112 masters": (stdbus, ALL_MASTERS, {}),
    "stdbus, 2 masters, strict": (stdbus, MASTERS, {"strict": True}),
    "rtu, no spare register": (modbus, 0, {}),
    "rtu, 1 spare register": (modbus, 1, {}),
    "rtu, 16 spare registers": (modbus, 16, {}),
}
IDENTITIES = (PRINT_MODEL, PRINT_SERIAL)
BALANCES: dict[str, Any] = {
    "sbi": (sbi, IDENTITIES, {}),
    "sbi, strict": (sbi, IDENTITIES, {"strict": True}),
    "xbpi, gross": (xbpi, XbpiRequest(opcodes.READ_GROSS), {}),
    "xbpi, gross, strict": (xbpi, XbpiRequest(opcodes.READ_GROSS), {"strict": True}),
    "xbpi, net and status": (xbpi, XbpiRequest(opcodes.READ_NET, opcodes.COMBINED), {}),
}
SLOW = {
    "4 Hz, 10 % late by 0.3-2 s": (0.25, Faults(late=0.1, delay=(0.3, 2.0))),
    "1 Hz, 1 % lost": (1.0, Faults(lost=0.01)),
    "1 Hz, 10 % late by 0.3-2 s": (1.0, Faults(late=0.1, delay=(0.3, 2.0))),
    "1 Hz, 10 % late by 0.3-9 s, 10 % lost": (1.0, Faults(late=0.1, lost=0.1, delay=(0.3, 9.0))),
}


def figures(extent: Extent) -> Iterator[Figure]:
    """Give what faults cost in reads per second of virtual time; a wrong value is an error unless it is stated."""
    reads = 5000 if extent.long else 400
    cases = {**CASES} if extent.long else {name: CASES[name] for name in list(CASES)[:1]}
    for wire, (run, ways, link) in WIRES.items():
        clean, *disturbed = (
            anyio.run(partial(run, faults, reads, 1, ways, 0.0, **link), backend=BACKEND, backend_options=OPTIONS)
            for faults in (Faults(), *cases.values())
        )
        for (case, faults), found in zip(cases.items(), disturbed, strict=True):
            assert found.wrong <= most_wrong(faults, reads, **link), f"{wire}, {case}: {found.wrong} wrong values"
            floor, note = 1e3 / clean.per_second, f"{found.wrong} wrong of {reads}"
            yield Figure(f"{wire}, {case}", 1e3 / found.per_second, "ms a read, virtual time", floor, "no faults", note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", default="")
    parser.add_argument("--wire", default="")
    given = parser.parse_args()
    wires = {name: wire for name, wire in (WIRES | BALANCES).items() if given.wire in name}
    cases = {name: (0.0, faults) for name, faults in CASES.items()} | SLOW
    for case, (pause, faults) in cases.items():
        for wire, (run, ways, link) in wires.items() if given.case in case else ():
            figures = anyio.run(
                partial(run, faults, given.reads, given.seed, ways, pause, **link),
                backend=BACKEND,
                backend_options=OPTIONS,
            )
            share = figures.ok / given.reads
            print(  # noqa: T201
                f"{case:38} {wire:26} {figures.wrong:5} wrong  {figures.per_second:6.1f} ok/s  {share:6.1%} ok",
                flush=True,
            )


if __name__ == "__main__":
    main()
