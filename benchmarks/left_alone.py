"""A recorder that is left alone: 16 devices on real ports, everything that happens to them in an hour, and a judgement.

python benchmarks/left_alone.py                # a real hour
python benchmarks/left_alone.py --minutes 3    # the short form: every kind of disturbance, once or twice
python benchmarks/left_alone.py --one-process  # the recorder is never ended: its memory over the whole time

Ports flood, vanish, fall silent and come back; the disk fills and empties; the recorder is killed, stopped, and frozen
until its watchdog ends it, and a stand-in for the service manager restarts it. Demanded: in every sink each slot that
was due has one row per channel, except while the recorder was down; set points are those of the instruments; memory
does not grow; the files are sound. The disk is a file system in memory, which only root can mount: without it the disk
never fills, and the result says so.
"""
# ruff: noqa: T201

import argparse
import os
import random
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct, field

from riglog import read
from riglog.plugin import installed
from riglog.recordings import read_events
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedPeer
from riglog.simulation.serve import PtyServer, serve_tcp

RATE_HZ = 1.0
FLUSH_SECONDS = 1.0
WATCHDOG_SECONDS = 10.0
RESTART_SECONDS = 1.0
DISK = "128m"
FLOODS = (random.Random(1).randbytes(65_536), b"\0" * 65_536, b"\xff" * 65_536, b"hello world\r\n" * 5_000)
FLOOD_PAUSE_SECONDS = 0.001
"""Between two pieces of a flood: a pseudo-terminal then gives about 4 MB/s, a TCP port what the network gives."""
RECOVERY_SECONDS = 15.0
"""After a disturbance of a port: until then a device may be without values."""
WARM_SECONDS, GROWTH_KB = 60.0, 4_096
WITHOUT_VALUE = 0.05
"""Of the undisturbed slots: on a machine with other work polls overrun now and then, and their slots are skipped."""
Table = dict[str, Any]


def watlow(name: str, protocol: str, address: int) -> Table:
    parameters = ["process_value", "setpoint"]
    return {"name": name, "driver": "watlow", "protocol": protocol, "address": address, "parameters": parameters}


def balance(name: str, protocol: str) -> Table:
    return {"name": name, "driver": "sartorius", "protocol": protocol}


PORTS: dict[str, list[Table]] = {
    "bus-1": [watlow(f"oven-{n}", "stdbus", n) for n in (1, 2, 3)],
    "bus-2": [watlow(f"kiln-{n}", "stdbus", n) for n in (1, 2)],
    "rtu-1": [watlow(f"bath-{n}", "modbus-rtu", n) for n in (1, 2)],
    "rtu-2": [watlow(f"tank-{n}", "modbus-rtu", n) for n in (1, 2)],
    "xbpi-1": [balance("scale-1", "xbpi")],
    "xbpi-2": [balance("scale-2", "xbpi")],
    "sbi-1": [balance("scale-3", "sbi")],
    "sbi-2": [balance("scale-4", "sbi")],
    "gas": [{"name": "gas", "driver": "servomex", "protocol": "continuous", "period": 2.0}],
    "net-1": [watlow("furnace-1", "modbus-tcp", 1)],
    "net-2": [watlow("furnace-2", "modbus-tcp", 1)],
}
ON_TCP = ("net-1", "net-2")
SETS_ITS_PACE = ("gas",)
SETPOINT = 75.0


class DisturbedPeer(SimulatedPeer):
    """A bus that can flood its port, and can be silent."""

    def __init__(self, peer: SimulatedPeer) -> None:
        self._peer = peer
        self.flood = b""
        self.silent = False

    def send(self, data: bytes, now: float) -> None:
        if not self.silent:
            self._peer.send(data, now)

    def take(self, now: float) -> bytes:
        sent = self._peer.take(now)
        return b"" if self.silent else sent + self.flood

    def next_due(self, now: float) -> float | None:
        return now + FLOOD_PAUSE_SECONDS if self.flood else self._peer.next_due(now)


class Port:
    """One port with its devices: a pseudo-terminal or a TCP server, which can vanish and come back."""

    def __init__(self, key: str, tables: Iterable[Table], folder: Path, tasks: TaskGroup) -> None:
        drivers = installed().drivers
        found = [(drivers[table["driver"]], table | {"port": key}) for table in tables]
        simulators = [driver.simulator(driver.config(**table)) for driver, table in found]
        self.key = key
        self.peer = DisturbedPeer(FaultyWire(SimulatedBus(simulators)))
        self.disturbed: list[tuple[float, float]] = []
        self.busy = False
        self.number = 0
        self._tasks = tasks
        self._scope = anyio.CancelScope()
        self._pty = None if key in ON_TCP else PtyServer(self.peer, link=folder / key)
        self.name = str(folder / key)

    async def plug_in(self) -> None:
        await self._tasks.start(self._serve)

    def pull(self) -> None:
        if self._pty is not None:
            self._pty.unplug()
        self._scope.cancel()

    async def _serve(self, *, task_status: Any) -> None:
        with anyio.CancelScope() as self._scope:
            if self._pty is not None:
                self._pty.plug()
                task_status.started()
                await self._pty.run()
                return
            async with serve_tcp(self.peer, port=self.number) as self.name:
                self.number = int(self.name.rpartition(":")[2])
                task_status.started()
                await anyio.sleep_forever()


class Life(Struct):
    """One process of the recorder, as the service manager sees it. Times are UTC in seconds.

    Attributes:
        lost_from: rows that were due after this time may be missing, because it was killed.
        memory: resident kilobytes with their times.
    """

    process: int
    ready: float = 0.0
    lost_from: float = 0.0
    memory: list[tuple[float, int]] = field(default_factory=list)
    files: int = 0
    cpu_seconds: float = 0.0


class ServiceManager:
    """A stand-in for systemd: ``Type=notify``, ``WatchdogSec``, ``Restart=always``."""

    def __init__(self, command: list[str], folder: Path, log: Path, *, watchdog: bool = True) -> None:
        self._watchdog_seconds = WATCHDOG_SECONDS if watchdog else float("inf")
        self.lives: list[Life] = []
        self.watchdog_kills = 0
        self.full_since: float | None = None  # the disk, so that nothing could be stored
        self.last_code: int | None = None
        self._command, self._log = command, log
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.setblocking(False)
        self._environment = os.environ | {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": str(round(WATCHDOG_SECONDS * 1e6)),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    async def supervise(self) -> None:
        while not self._stopping:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                    self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            life = Life(self._process.pid)
            self.lives.append(life)
            try:
                await self._watch(self._process, life)
            finally:
                self._process.kill()
            life.lost_from = life.lost_from or time.time()
            await anyio.sleep(RESTART_SECONDS)

    async def _watch(self, process: "subprocess.Popen[bytes]", life: Life) -> None:
        alive = measured = time.monotonic()
        while (code := process.poll()) is None:
            notes = self._notes()
            if "READY=1" in notes:
                life.ready = time.time()
            if notes:
                alive = time.monotonic()
            if life.ready and time.monotonic() - alive > self._watchdog_seconds:
                self.watchdog_kills += 1
                lost_from = self.full_since or time.time()
                life.lost_from = min(life.lost_from or lost_from, lost_from) - 2 * WATCHDOG_SECONDS
                process.kill()
            if time.monotonic() - measured > 2:
                measured = time.monotonic()
                with suppress(OSError, ValueError):
                    self._measure(life)
            await anyio.sleep(0.1)
        self.last_code = code
        self._notes()

    def _measure(self, life: Life) -> None:
        status = Path(f"/proc/{life.process}/status").read_text()
        for line in status.splitlines():
            if line.startswith("VmRSS"):  # a process that has just ended has none
                life.memory.append((time.time(), int(line.split()[1])))
        life.files = max(life.files, len(os.listdir(f"/proc/{life.process}/fd")))
        times = Path(f"/proc/{life.process}/stat").read_text().rpartition(")")[2].split()
        life.cpu_seconds = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def _notes(self) -> str:
        notes = b""
        with suppress(BlockingIOError):
            while True:
                notes += self._socket.recv(4096) + b"\n"
        return notes.decode()

    def send(self, number: int) -> None:
        """Send a signal to the recorder; what it has not stored by then is lost if the signal kills it."""
        assert self._process is not None
        life = self.lives[-1]
        if number in (signal.SIGKILL, signal.SIGSTOP):
            life.lost_from = self.full_since or time.time()
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self) -> None:
        self._stopping = True
        self.send(signal.SIGTERM)
        while self._process is not None and self._process.poll() is None:
            await anyio.sleep(0.1)


class Disk:
    """Where the recording is: a small file system in memory, if it can be mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
        self.mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
        self._filler = folder / "filler"

    def fill(self) -> None:
        with suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while self.mounted:
                file.write(b"\0" * 65_536)

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def release(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=False)


class Hour:
    """What happens, at its time."""

    def __init__(
        self,
        minutes: float,
        seed: int,
        manager: ServiceManager,
        ports: Mapping[str, Port],
        disk: Disk,
        *,
        ends: bool = True,
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._ends = ends
        self._seconds = minutes * 60
        self._random = random.Random(seed)
        self._manager, self._ports, self._disk = manager, ports, disk

    async def live(self) -> None:
        """Live through it. The last half minute is quiet, so that everything can come back."""
        begun = anyio.current_time()
        cycles = max(1, round(self._seconds / 600))
        length = (self._seconds - 40) / cycles
        for cycle in range(cycles):
            acts = [self._flood] * 4 + [self._vanish] * 4 + [self._silence] * 2
            if self._disk.mounted:
                acts += [self._fill]
            if self._ends:
                acts += [self._kill] + ([self._freeze, self._restart] if cycle % 3 == 0 else [])
            self._random.shuffle(acts)
            async with anyio.create_task_group() as tasks:
                for number, act in enumerate(acts):
                    at = begun + 20 + cycle * length + number * (length - 20) / len(acts)
                    await anyio.sleep(max(0, at - anyio.current_time()))
                    tasks.start_soon(act)
        await anyio.sleep(max(0, begun + self._seconds - anyio.current_time()))

    async def _flood(self) -> None:
        with self._disturbing("flood") as port:
            port.peer.flood = self._random.choice(FLOODS)
            await anyio.sleep(self._random.uniform(2, 6))
            port.peer.flood = b""

    async def _vanish(self) -> None:
        with self._disturbing("vanish") as port:
            port.pull()
            await anyio.sleep(self._random.uniform(1, 20))
            await port.plug_in()

    async def _silence(self) -> None:
        with self._disturbing("silence") as port:
            port.peer.silent = True
            await anyio.sleep(self._random.uniform(5, 20))
            port.peer.silent = False

    @contextmanager
    def _disturbing(self, kind: str) -> Iterator[Port]:
        port = self._random.choice([port for port in self._ports.values() if not port.busy])
        self.happened[kind] += 1
        port.busy, begun = True, time.time()
        yield port
        port.disturbed.append((begun, time.time()))
        port.busy = False

    async def _fill(self) -> None:
        self.happened["disk full"] += 1
        self._manager.full_since = time.time() - FLUSH_SECONDS
        self._disk.fill()
        await anyio.sleep(self._random.uniform(5, 20))
        self._disk.empty()
        await anyio.sleep(3)  # a failing sink tries every 2 s
        self._manager.full_since = None

    async def _kill(self) -> None:
        self.happened["kill -9"] += 1
        self._manager.send(signal.SIGKILL)

    async def _restart(self) -> None:
        self.happened["restart"] += 1
        self._manager.send(signal.SIGTERM)

    async def _freeze(self) -> None:
        """The program does nothing any more: the watchdog must notice."""
        self.happened["freeze"] += 1
        self._manager.send(signal.SIGSTOP)


class Judge:
    """What is demanded of the files and of the processes. ``problems`` is empty if all of it is there."""

    def __init__(self, folder: Path, manager: ServiceManager, ports: Mapping[str, Port], ended: float) -> None:
        self.problems: list[str] = []
        self.lines: list[str] = []
        self._manager, self._ports = manager, ports
        self._ended = ended
        (started, *_) = [event for event in read_events(folder / "rig.sqlite") if event.kind == "run_started"]
        self._slot_zero = seconds_of(started.at)
        self._down = list(self._outages())
        self._judge_database(folder / "rig.sqlite")
        for name in ("rig.sqlite", "rig.csv"):
            self._judge_rows(folder / name)
        self._judge_memory()
        left = sorted(path.name for path in folder.iterdir() if path.name not in ("rig.sqlite", "rig.csv"))
        self._demand(not left, f"left behind: {left}")
        self._demand(manager.last_code == 143, f"exit code {manager.last_code} after SIGTERM")

    def _demand(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def _outages(self) -> Iterator[tuple[float, float]]:
        """Return when the recorder was down: what was not flushed before is lost, the next slot comes after READY=1."""
        lives = [life for life in self._manager.lives if life.ready]
        for before, after in pairwise(lives):
            yield before.lost_from - FLUSH_SECONDS - 1, after.ready + 1 / RATE_HZ + 0.2

    def _is_down(self, tick: int) -> bool:
        due = self._slot_zero + tick / RATE_HZ
        return any(begin <= due <= end for begin, end in self._down)

    def _is_disturbed(self, port: Port, tick: int) -> bool:
        due = self._slot_zero + tick / RATE_HZ
        spells = [*port.disturbed, *self._down]
        return any(begin - 1 <= due <= end + RECOVERY_SECONDS for begin, end in spells)

    def _judge_database(self, path: Path) -> None:
        database = sqlite3.connect(path)
        (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
        database.close()
        self._demand(verdict == "ok", f"integrity: {verdict}")
        runs = len({event.run for event in read_events(path)})
        self._demand(runs == 1, f"{runs} runs instead of one that is resumed")

    def _judge_rows(self, path: Path) -> None:
        ticks: dict[tuple[str, str, int], Counter[int]] = defaultdict(Counter)
        without: dict[str, set[int]] = defaultdict(set)
        statuses: Counter[str] = Counter()
        wrong = 0
        rows = read(path)
        for row in rows:
            statuses[row.status] += 1
            wrong += row.parameter == "setpoint" and row.value not in (None, SETPOINT)
            if row.tick is not None:
                ticks[row.device, row.parameter, row.instance][row.tick] += 1
                if row.value is None:
                    without[row.device].add(row.tick)
        damaged = rows.damage.lines
        last = int((self._ended - self._slot_zero) * RATE_HZ) - 2
        due = [tick for tick in range(last) if not self._is_down(tick)]
        twice = sum(count - 1 for channel in ticks.values() for count in channel.values())
        absent = {channel: [tick for tick in due if tick not in found] for channel, found in ticks.items()}
        lacking = sum(map(len, absent.values()))
        self._demand(not twice, f"{path.name}: {twice} rows twice")
        for channel, found in absent.items():
            self._demand(not found, f"{path.name}: {channel} has no row in {len(found)} slots: {found[:8]}")
        self._demand(not wrong, f"{path.name}: {wrong} set points that no instrument had")
        self._demand(not damaged, f"{path.name}: {damaged} damaged lines")
        polled = {table["name"] for key, tables in PORTS.items() for table in tables if key not in SETS_ITS_PACE}
        self._demand({device for device, *_ in ticks} == polled, f"{path.name}: devices without rows")
        quiet = lost = 0
        for port in self._ports.values():
            calm = {tick for tick in due if not self._is_disturbed(port, tick)}
            for table in PORTS[port.key]:
                quiet += len(calm)
                lost += len(calm & without[table["name"]])
        self._demand(lost <= quiet * WITHOUT_VALUE, f"{path.name}: {lost} of {quiet} undisturbed slots without a value")
        self.lines.append(
            f"{path.name}: {sum(statuses.values())} rows {dict(statuses)}; {len(ticks)} channels x {len(due)} slots:"
            f" {lacking} without a row, {twice} twice; undisturbed slots without a value: {lost} of {quiet}"
        )

    def _judge_memory(self) -> None:
        for number, life in enumerate(self._manager.lives):
            memory = [kb for at, kb in life.memory if life.ready and at > life.ready + WARM_SECONDS]
            if len(memory) < 60:
                continue
            steps = [memory[round(step * (len(memory) - 15) / 4) :][:15] for step in range(5)]
            resident = [statistics.median(step) for step in steps]
            minutes = (life.memory[-1][0] - life.memory[0][0]) / 60
            # The first full disk and the first flood take memory that is used again by the next ones.
            grown = resident[-1] - resident[2]
            self._demand(grown < GROWTH_KB, f"process {number}: {grown:.0f} kB more in the second half of its time")
            self.lines.append(
                f"process {number}: {minutes:.1f} min, resident"
                f" {' -> '.join(f'{kb / 1024:.1f}' for kb in resident)} MB in equal steps,"
                f" {life.files} descriptors at most, {life.cpu_seconds / minutes / 60:.1%} of one core"
            )


def seconds_of(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def write_rig(path: Path, disk: Path, ports: Mapping[str, Port]) -> None:
    lines = ["[run]", 'name = "alone"', f"rate_hz = {RATE_HZ}", f"flush_interval = {FLUSH_SECONDS}"]
    for kind in ("sqlite", "csv"):
        lines += ["[[sink]]", f'type = "{kind}"', f'path = "{disk / f"rig.{kind}"}"']
    for key, tables in PORTS.items():
        for table in tables:
            keys = table | {"port": ports[key].name}
            lines += ["[[device]]", *(f"{name} = {toml(value)}" for name, value in keys.items())]
    path.write_text("\n".join(lines))


def toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).replace("'", '"')


async def hour(minutes: float, seed: int, folder: Path, disk: Disk, *, ends: bool = True) -> list[str]:
    async with anyio.create_task_group() as tasks:
        ports = {key: Port(key, tables, folder, tasks) for key, tables in PORTS.items()}
        for port in ports.values():
            await port.plug_in()
        write_rig(folder / "rig.toml", disk.folder, ports)
        command = [sys.executable, "-m", "riglog", "record", str(folder / "rig.toml"), "--resume", "--wait"]
        manager = ServiceManager(command, folder, folder / "log", watchdog=ends)
        tasks.start_soon(manager.supervise)
        life = Hour(minutes, seed, manager, ports, disk, ends=ends)
        await life.live()
        ended = time.time()
        await manager.stop()
        for port in ports.values():
            port.pull()
        tasks.cancel_scope.cancel()
    judge = Judge(disk.folder, manager, ports, ended)
    print(f"{minutes:g} min, 16 devices on {len(ports)} ports at {RATE_HZ:g} Hz, seed {seed}; happened:")
    print(f"  {dict(life.happened)}; watchdog {manager.watchdog_kills}; {len(manager.lives)} processes")
    if not disk.mounted:
        print("  the disk never filled: only root can mount one")
    print("\n".join(f"  {line}" for line in judge.lines))
    return judge.problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="3 or more")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one-process", action="store_true", help="neither killed, restarted nor frozen")
    parser.add_argument("--keep", type=Path, help="copy the recording and the log into this folder if it fails")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="riglog-alone-") as name:
        folder = Path(name)
        (folder / "disk").mkdir()
        disk = Disk(folder / "disk")
        try:
            lived = partial(hour, ends=not options.one_process)
            problems = anyio.run(lived, options.minutes, options.seed, folder, disk)
            if problems and options.keep:
                subprocess.run(["cp", "-r", str(folder), str(options.keep)], check=False)
        finally:
            disk.release()
    print("\n".join(f"  PROBLEM {problem}" for problem in problems) or "  nothing was lost")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
