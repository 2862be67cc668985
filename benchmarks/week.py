"""A week in virtual time: 16 devices are left alone, on the rig and the computer of the simulated rig-years.

python benchmarks/week.py                          # 7 days, one slot in 50 s
python benchmarks/week.py --days 1 --period 10     # closer together

Every day ports flood, vanish, are damaged and come back, instruments are switched off, the disk fills and empties, and
the recorder is killed or stopped, and started again with ``--resume``. Demanded: one row per channel and slot that was
due while the recorder ran, none twice, the same rows in SQLite, CSV and JSON Lines, sound files, and memory that does
not grow. Whether values are right is what ``rig_years.py`` judges.
"""
# ruff: noqa: T201

import argparse
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from rig_years.plan import PORTS, Disturbance, Plan, PortPlan, Session, Table
from rig_years.world import SessionLog, World

from riglog.model import NS
from riglog.recordings import read
from riglog.simulation import SimulatedPeer
from riglog.sinks.sqlite.recorded import nanoseconds
from riglog.testing import virtual_backend
from riglog.testing.virtual_time import EPOCH_NS

HOUR, DAY = 3600.0, 86_400.0
NOISE = random.Random(1).randbytes(2048)
NOISE_SECONDS = 0.05
"""Between two pieces of a flood: 40 kB/s, as a line at 460,800 baud without a pause."""
SAMPLE_SECONDS = 1800.0
MOST_GROWTH = 0.05
"""Of the memory blocks, from the second sixth of the time to the last."""
FURTHER = {"stdbus": "/dev/ttyUSB11", "xbpi": "/dev/ttyUSB12", "pm-tcp": "tcp://10.0.0.5:502"}
EACH_DAY = {"flood": 6, "cable": 8, "off": 4, "wire": 6, "store-fails": 3}


def further(port: PortPlan) -> PortPlan:
    """Return a second port of a kind."""
    devices = tuple({**table, "name": f"{table['name']}-b"} for table in port.devices)
    return replace(port, key=f"{port.key}-b", port=FURTHER[port.key], devices=devices)


def sixteen_devices(period: float) -> tuple[PortPlan, ...]:
    """Return the ports. What happens between the slots is as rare as these, or most of the time were spent on it."""
    ports = (*PORTS, *(further(port) for port in PORTS if port.key in FURTHER))
    return tuple(replace(port, devices=tuple(paced(table, period) for table in port.devices)) for port in ports)


def paced(table: Table, period: float) -> Table:
    slow = {"period": period} if table["protocol"] == "continuous" else {"identity_check": max(60.0, period)}
    return {**table, **slow}


def draw_week(seed: int, days: float, period: float) -> Plan:
    rng, seconds, ports = random.Random(seed), days * DAY, sixteen_devices(period)
    sessions = tuple(draw_sessions(rng, seconds, period))
    disturbances = []
    for kind, number in EACH_DAY.items():
        for _ in range(max(1, round(number * days))):
            found = draw(rng, kind, rng.uniform(10 * period, seconds - 40 * period), period, rng.choice(ports))
            if found is not None and not (kind == "store-fails" and ends_in(found, sessions, period)):
                disturbances.append(found)
    return Plan(
        seed, period, seconds, ports, {}, period, 100_000, sessions, tuple(sorted(disturbances, key=lambda d: d.start))
    )


def draw_sessions(rng: random.Random, seconds: float, period: float) -> Iterator[Session]:
    """Two restarts a day: killed, or stopped by the service manager; one of them at least."""
    number = max(1, round(2 * seconds / DAY))
    ends = [(at + rng.uniform(0.2, 0.8)) * seconds / (number + 1) for at in range(number)]
    start = 0.0
    for place, end in enumerate([*ends, seconds]):
        ending = "stop" if end == seconds else ("crash", "stop")[place % 2]
        yield Session(place, start, end, ending, resume=place > 0)
        start = end + rng.uniform(0.1, 4.0) * period


def draw(rng: random.Random, kind: str, at: float, period: float, port: PortPlan) -> Disturbance | None:
    device = str(rng.choice(port.devices)["name"])
    match kind:
        case "flood":
            return Disturbance(kind, at, at + rng.uniform(1.0, 60.0), port.key)
        case "wire":
            rates = dict.fromkeys(rng.sample(sorted(port.faults), min(3, len(port.faults))), 0.2)
            return Disturbance(kind, at, at + rng.uniform(2.0, 30.0) * period, port.key, None, rates)
        case "store-fails":
            return Disturbance(kind, at // 4 * 4 + 3, at + rng.uniform(1.0, 20.0) * period, None, None, {}, 0.0)
    return Disturbance(kind, at, at + rng.uniform(0.2, 20.0) * period, port.key, device)


def ends_in(found: Disturbance, sessions: Iterable[Session], period: float) -> bool:
    """Return True if the recorder ends while the disk is full: what is in memory then is lost, and told."""
    return any(found.start - period <= session.end <= found.end + period for session in sessions)


class Flooded(SimulatedPeer):
    """A line on which something sends without a pause for a while."""

    def __init__(self, peer: SimulatedPeer, floods: list[Disturbance]) -> None:
        self._peer, self._floods, self._sent = peer, floods, 0.0

    def send(self, data: bytes, now: float) -> None:
        self._peer.send(data, now)

    def take(self, now: float) -> bytes:
        taken = self._peer.take(now)
        if self._flooding(now) and now >= self._sent + NOISE_SECONDS:
            self._sent = now
            taken += NOISE
        return taken

    def next_due(self, now: float) -> float | None:
        due = self._peer.next_due(now)
        if not self._flooding(now):
            return due
        noise = max(now, self._sent + NOISE_SECONDS)
        return noise if due is None else min(due, noise)

    def _flooding(self, now: float) -> bool:
        return any(flood.start <= now < flood.end for flood in self._floods)


class Count:
    """A list of which only the length is of interest."""

    def __init__(self) -> None:
        self.length = 0

    def __iadd__(self, other: Iterable[Any]) -> "Count":
        self.length += sum(1 for _ in other)
        return self

    def append(self, _: object) -> None:
        self.length += 1


class Week(World):
    """The rig, with what it needs of memory. What is kept of a process is what the judge reads."""

    collects = True

    def __init__(self, plan: Plan, folder: Path) -> None:
        super().__init__(plan, folder)
        self.blocks: list[int] = []
        self.resident: list[int] = []
        for port in self.ports.values():
            floods = [found for found in plan.disturbances if found.kind == "flood" and found.port == port.plan.key]
            port.wire = Flooded(port.wire, floods)  # type: ignore[assignment]
            self.injected["flood"] += len(floods)

    async def _record(self, session: Session, log: SessionLog) -> None:
        log.acknowledged = {name: Count() for name in log.acknowledged}  # type: ignore[misc]
        log.events = Count()  # type: ignore[assignment]
        await super()._record(session, log)
        log.outcome = None

    async def _direct(self) -> None:
        self._tasks.start_soon(self._weigh)
        await super()._direct()

    async def _weigh(self) -> None:
        while True:
            await anyio.sleep(SAMPLE_SECONDS)
            self.blocks.append(sys.getallocatedblocks())
            self.resident.append(resident_kb())


def resident_kb() -> int:
    """Return the resident memory of this process; 0 where the system does not show it."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() // 1024 if status.exists() else 0


class Judge:
    """What is demanded. ``problems`` is empty if all of it is there."""

    def __init__(self, week: Week) -> None:
        self.week, self.plan = week, week.plan
        self.problems: list[str] = []
        self.lines: list[str] = []
        self.listening = {str(table["name"]) for port in self.plan.ports if port.listens for table in port.devices}
        first = week.logs[0]
        assert first.begun is not None
        self.slot_zero = first.begun
        self.due = list(self._due_ticks())
        self.unflushed = list(self._unflushed_times())
        found = {name: self._rows(week.folder / f"rig.{name}") for name in ("sqlite", "csv", "jsonl")}
        self._demand(len(set(found.values())) == 1, f"the files have different rows: {found}")
        self._judge_file()
        self._judge_memory()
        self._judge_sessions()

    def _demand(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def _lost_seconds(self, log: SessionLog) -> float:
        """Return the time before an end that a kill may cost; each file is flushed at its own moment."""
        return self.plan.flush_interval + self.plan.period if log.crashed else 0.0

    def _unflushed_times(self) -> Iterator[tuple[int, int]]:
        for log in self.week.logs:
            if log.ended is not None and log.crashed:
                start, end = log.ended - self._lost_seconds(log), log.ended
                yield EPOCH_NS + round(start * NS), EPOCH_NS + round(end * NS)

    def _due_ticks(self) -> Iterator[int]:
        """Return the slots in which the recorder ran. What it had not flushed when it was killed is not demanded."""
        for log in self.week.logs:
            if log.begun is None or log.ended is None:
                continue
            lost = self._lost_seconds(log)
            for tick in range(round(self.plan.seconds / self.plan.period)):
                if log.begun + 1.0 <= self.slot_zero + tick * self.plan.period + 1.0 < log.ended - lost:
                    yield tick

    def _rows(self, path: Path) -> int:
        """Judge the rows of a file; return their number, without those that a kill may have cost one file only."""
        ticks: dict[tuple[str, str, int], Counter[int]] = defaultdict(Counter)
        statuses: Counter[str] = Counter()
        rows = read(path)
        demanded = 0
        for row in rows:
            statuses[row.status] += 1
            received = nanoseconds(row.received_at)
            demanded += not any(start <= received <= end for start, end in self.unflushed)
            if row.tick is not None and row.device not in self.listening:
                ticks[row.device, row.parameter, row.instance][row.tick] += 1
        due = set(self.due)
        twice = sum(count - 1 for channel in ticks.values() for count in channel.values())
        lacking = {channel: sorted(due - set(found)) for channel, found in ticks.items()}
        absent = sum(map(len, lacking.values()))
        self._demand(not twice, f"{path.name}: {twice} rows twice")
        self._demand(not absent, f"{path.name}: {absent} slots without a row: {dict(list(lacking.items())[:2])}"[:300])
        self._demand(not rows.damage.lines, f"{path.name}: {rows.damage.lines} damaged lines")
        polled = {str(t["name"]) for port in self.plan.ports if not port.listens for t in port.devices}
        self._demand({device for device, *_ in ticks} == polled, f"{path.name}: devices without rows")
        self.lines.append(
            f"{path.name}: {sum(statuses.values())} rows {dict(statuses.most_common())}; {len(ticks)} channels x"
            f" {len(due)} slots: {absent} without a row, {twice} twice; {path.stat().st_size / 1e6:.1f} MB"
        )
        return demanded

    def _judge_file(self) -> None:
        with closing(sqlite3.connect(self.week.folder / "rig.sqlite")) as database:
            (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
            runs = database.execute("SELECT count(*) FROM run").fetchone()[0]
        self._demand(verdict == "ok", f"integrity: {verdict}")
        self._demand(runs == 1, f"{runs} runs instead of one that is resumed")
        left = sorted(path.name for path in self.week.folder.iterdir() if path.suffix not in (".toml", *SUFFIXES))
        self._demand(not left, f"left behind: {left}")

    def _judge_memory(self) -> None:
        blocks, sixth = self.week.blocks, len(self.week.blocks) // 6
        if sixth < 2:
            return
        first, last = statistics.median(blocks[sixth : 2 * sixth]), statistics.median(blocks[-sixth:])
        self._demand(last < first * (1 + MOST_GROWTH), f"memory: {first:.0f} blocks grew to {last:.0f}")
        resident = self.week.resident
        self.lines.append(
            f"memory: {first:.0f} -> {last:.0f} blocks,"
            f" resident {resident[sixth] / 1024:.1f} -> {resident[-1] / 1024:.1f} MB"
        )

    def _judge_sessions(self) -> None:
        for log in self.week.logs:
            self._demand(log.error is None, f"session {log.session.number} ended with {log.error!r}")
            self._demand(not log.ports_left_open, f"session {log.session.number} left open {log.ports_left_open}")
        gaps = [later.begun - earlier.ended for earlier, later in pairwise(self.week.logs) if later.begun]  # type: ignore[operator]
        self.lines.append(f"{len(self.week.logs)} processes, {sum(gaps) / 60:.0f} min without one")


SUFFIXES = (".sqlite", ".csv", ".jsonl")


def live(seed: int, days: float, period: float, backend: str, folder: Path) -> tuple[Week, Judge]:
    """Live the week, and judge it."""
    week = Week(draw_week(seed, days, period), folder)
    name, options = virtual_backend(backend)
    anyio.run(week.run, backend=name, backend_options=options)
    return week, Judge(week)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--period", type=float, default=50.0, help="seconds between two slots")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    options = parser.parse_args()
    began = time.process_time()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        week, judge = live(options.seed, options.days, options.period, options.backend, Path(folder))
    happened = Counter(found.kind for found in week.plan.disturbances) + Counter(
        log.session.ending for log in week.logs[:-1]
    )
    print(f"{options.days:g} days, 16 devices on {len(week.ports)} ports, a slot in {options.period:g} s; {options}")
    print(f"  happened: {dict(happened.most_common())}; {time.process_time() - began:.0f} s CPU")
    print("\n".join(f"  {line}" for line in judge.lines))
    print("\n".join(f"  PROBLEM {problem}" for problem in judge.problems) or "  nothing was lost")
    return 1 if judge.problems else 0


if __name__ == "__main__":
    sys.exit(main())
