"""What a recording survives, with a real kernel: unplugged cables, killed processes, full disks, locked files."""

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from processes import running
from terminal import rig, riglog, simulated, started, unprivileged

from riglog import Manager, MemorySink, SqliteSink, Status, new_run, pipe, record
from riglog import read as riglog_rows
from riglog.model import EventKind
from riglog.plugin import Driver, installed
from riglog.simulation import FaultyWire
from riglog.simulation.serve import PtyServer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals and POSIX signals")]

OVEN: dict[str, Any] = {"name": "oven", "driver": "watlow", "protocol": "stdbus"}


POLLED: dict[str, Any] = {"driver": "sartorius", "protocol": "sbi"}
"""The balance of the demo uses autoprint over SBI, so a polled one is added here."""


def one_of_each_protocol() -> list[tuple[Driver[Any, Any], dict[str, Any]]]:
    """For every wire protocol of every installed driver a device: that of the demo, or one with default settings."""
    found: dict[tuple[str, str], tuple[Driver[Any, Any], dict[str, Any]]] = {}
    for driver in installed().drivers.values():
        assert isinstance(driver, Driver)
        shown = [dict(table) for table in driver.demo()]
        by_file = any("instrument" in table for table in shown)  # which has the protocols of the instrument
        plain = [{"driver": driver.name, "protocol": protocol} for protocol in driver.protocols if not by_file]
        for table in [*shown, *plain]:
            found.setdefault((driver.name, str(table.get("protocol", driver.protocols[0]))), (driver, table))
    polled = installed().driver(POLLED["driver"])
    assert isinstance(polled, Driver)
    return [*found.values(), (polled, dict(POLLED))]


@pytest.mark.real_time
async def test_a_cable_that_is_unplugged_for_five_seconds_is_reconnected_on_every_protocol(tmp_path: Path) -> None:
    servers: dict[str, PtyServer] = {}
    sink = MemorySink()
    back = 0
    async with Manager() as manager, anyio.create_task_group() as serving:
        for number, (driver, table) in enumerate(one_of_each_protocol()):
            name, port = f"d{number}", tmp_path / f"port{number}"
            table |= {"name": name, "port": str(port)}
            config = driver.config(**table)
            server = servers[name] = PtyServer(FaultyWire(driver.simulator(config)), link=port)
            server.plug()
            serving.start_soon(server.run)
            await manager.add(name, table.pop("port"), **{k: v for k, v in table.items() if k != "name"})
        async with record(manager, rate_hz=5) as recording, anyio.create_task_group() as tasks:

            async def storm() -> None:
                nonlocal back
                await anyio.sleep(1.5)
                for server in servers.values():
                    server.unplug()
                await anyio.sleep(5)
                for server in servers.values():
                    server.plug()
                    serving.start_soon(server.run)
                back = time.monotonic_ns()
                await anyio.sleep(4.5)
                recording.stop()

            tasks.start_soon(storm)
            await pipe(recording, sink, run=new_run("storm"))
        serving.cancel_scope.cancel()
    for name in servers:
        samples = [sample for sample in sink.samples if sample.device == name]
        good = [
            sample.stamp.monotonic_ns
            for sample in samples
            if sample.status is not Status.SKIPPED and sample.value is not None
        ]
        assert any(time_ns < back for time_ns in good), name
        again = min(time_ns for time_ns in good if time_ns > back)
        assert (again - back) / 1e9 < 2, name
    for source in manager_sources(sink):
        ticks = [batch.tick for batch in sink.batches if batch.source == source and batch.tick is not None]
        assert ticks == list(range(len(ticks)))
    kinds = [event.kind for event in sink.events]
    assert kinds.count(EventKind.PORT_LOST) == kinds.count(EventKind.PORT_RESTORED) == len(servers)


def manager_sources(sink: MemorySink) -> set[str]:
    return {batch.source for batch in sink.batches}


TAKER = """
import os, sys
import anyio
sys.path.insert(0, sys.argv[1])
from toy import Metronome
from riglog import SqliteSink, new_run, pipe, record
from riglog.model import SYSTEM_CLOCK

class Announcing(Metronome):
    async def poll(self):
        samples = await super().poll()
        os.write(1, b"%d\\n" % self.polls)
        return samples

async def main():
    source = Announcing(channels=2)
    source.clock = SYSTEM_CLOCK
    async with record(source, rate_hz=200) as recording:
        await pipe(recording, SqliteSink(sys.argv[2]), run=new_run("killed"), flush_interval=0.2, batch_size=10**9)

anyio.run(main)
"""


def test_a_killed_process_loses_at_most_one_flush_interval_and_leaves_a_sound_file(tmp_path: Path) -> None:
    dice = random.Random(20)
    support = Path(__file__).parents[1] / "support"
    for group in range(5):
        paths = [tmp_path / f"{group}-{number}.sqlite" for number in range(4)]
        printed = []
        with ExitStack() as stack:
            commands = [[sys.executable, "-c", TAKER, str(support), str(path)] for path in paths]
            processes = [stack.enter_context(running(each, stdout=subprocess.PIPE)) for each in commands]
            for process in processes:
                assert process.stdout is not None
                process.stdout.readline()  # it records
            time.sleep(0.3 + dice.random())
            for process in processes:
                process.kill()
                printed.append(process.communicate()[0].split())
        for polls, path in zip(printed, paths, strict=True):
            database = sqlite3.connect(path)
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            ticks = [tick for (tick,) in database.execute("SELECT DISTINCT tick FROM samples ORDER BY tick")]
            (rows,) = database.execute("SELECT count(*) FROM samples WHERE value IS NOT NULL").fetchone()
            database.close()
            assert ticks == list(range(len(ticks)))
            assert rows % 2 == 0
            lost = len(polls) + 1 - rows // 2
            assert lost <= 0.2 * 200 * 1.5 + 10  # one flush interval, and what its own write takes on a busy machine


def limited() -> None:
    """No file of this process may grow beyond 61 kB, of which an empty recording has 57: as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (61_000, 61_000))


def test_a_disk_that_is_full_ends_with_code_four_and_keeps_all_rows_up_to_then(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus") as ready:
        path = rig(tmp_path, OVEN | {"port": ready["port"]}, rate_hz=20, flush_interval=0.1)
        done = subprocess.run(
            [sys.executable, "-m", "riglog", "record", path, "--duration", "4s", "--out", tmp_path / "o.sqlite"],
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=limited,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # a cut one would be taken for a whole one ever after
            check=False,
        )
    assert done.returncode == 4, done.stderr
    assert "samples lost" in done.stderr
    assert "sink_failed" in done.stderr
    database = sqlite3.connect(tmp_path / "o.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    ticks = [tick for (tick,) in database.execute("SELECT DISTINCT tick FROM samples ORDER BY tick")]
    assert ticks == list(range(len(ticks)))
    assert ticks
    database.close()


def test_a_recording_is_resumed_in_the_same_run_and_the_gap_is_kept(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus") as ready:
        path = rig(tmp_path, OVEN | {"port": ready["port"]}, rate_hz=10, name="kiln")
        out = tmp_path / "o.sqlite"
        assert riglog("record", path, "--duration", "1s", "--out", out).code == 0
        again = riglog("record", path, "--duration", "5s", "--out", out, "--resume", "--json")
        assert again.code == 0, again.err
    database = sqlite3.connect(out)
    assert database.execute("SELECT count(DISTINCT run) FROM samples").fetchone() == (1,)
    ticks = [tick for (tick,) in database.execute("SELECT DISTINCT tick FROM samples ORDER BY tick")]
    assert ticks[:10] == list(range(10))
    assert ticks[10] > 10
    assert ticks[10:] == list(range(ticks[10], ticks[10] + 50)), "the duration counts from now"
    expected = "SELECT kind FROM events WHERE kind NOT IN ('slots_skipped', 'clock_checked') ORDER BY at"
    kinds = [kind for (kind,) in database.execute(expected)]
    assert kinds == [
        "run_started",
        "identity_expected",
        "run_finished",
        "run_resumed",
        "identity_expected",
        "run_finished",
    ]
    database.close()


def test_a_run_has_one_writer_and_resume_works_after_it_was_killed(tmp_path: Path) -> None:
    with simulated("watlow", "--link", tmp_path / "bus") as ready:
        path = rig(tmp_path, OVEN | {"port": ready["port"]}, rate_hz=10, name="kiln")
        out = tmp_path / "o.sqlite"
        with started("record", path, "--out", out, "--resume") as writer:
            deadline = time.monotonic() + 20
            while not (out.exists() and list(riglog_rows(out))) and time.monotonic() < deadline:
                time.sleep(0.1)
            second = riglog("record", path, "--out", out, "--resume", "--duration", "1s")
            assert second.code == 4
            assert f"is being recorded by another program (process {writer.pid})" in second.err
            writer.kill()
            _, messages = writer.communicate()
        assert "no earlier run: a new run starts" in messages
        third = riglog("record", path, "--out", out, "--resume", "--duration", "1s")
        assert third.code == 0, third.err
    rows = list(riglog_rows(out))
    assert len({row.run for row in rows}) == 1
    slots = [row.tick for row in rows if row.parameter == "setpoint"]  # not sorted: a reply can be late
    assert len(slots) == len(set(slots))
    assert sorted(entry.name for entry in tmp_path.glob("o.sqlite*")) == ["o.sqlite"]


@pytest.mark.real_time
async def test_a_database_that_is_locked_for_a_while_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    async with Manager() as manager:
        await manager.add("oven", "sim:line", driver="watlow")
        async with record(manager, rate_hz=20, duration=4) as recording, anyio.create_task_group() as tasks:

            async def lock() -> None:
                await anyio.sleep(0.5)
                other = sqlite3.connect(path, isolation_level=None)
                other.execute("BEGIN IMMEDIATE")
                await anyio.sleep(2)
                other.execute("ROLLBACK")
                other.close()

            tasks.start_soon(lock)
            (result,) = await pipe(recording, SqliteSink(path), run=new_run("locked"), flush_interval=0.2)
    assert result.lost == 0
    assert result.error is not None
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM samples").fetchone() == (recording.summary.samples,)
    kinds = [kind for (kind,) in database.execute("SELECT kind FROM events WHERE kind <> 'slots_skipped' ORDER BY at")]
    assert kinds == ["run_started", "identity_expected", "sink_failed", "sink_recovered", "run_finished"]
    database.close()


@pytest.mark.skipif(sys.platform != "linux", reason="takes root's rights away as Linux can")
def test_a_directory_that_cannot_be_written_is_refused_before_a_port_is_opened(tmp_path: Path) -> None:
    directory = tmp_path / "locked"
    directory.mkdir(mode=0o500)
    done = unprivileged("record", rig(tmp_path, OVEN | {"port": "/dev/null"}), "--out", directory / "o.sqlite")
    assert done.code == 4
    assert "permission denied" in done.err
    assert "Traceback" not in done.err
    assert not list(directory.iterdir())
