"""A run that is replayed and recorded again gives the same values, texts, units and statuses."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from processes import running
from simulated_rigs import PROTOCOLS, device, recorded, write_rig
from terminal import riglog

import riglog_modbus
from riglog.config import load_rig
from riglog.errors import ConfigError
from riglog.manager import Manager
from riglog.manager.simulated_port import SimulatedPort
from riglog.protocol.wire_log import FAILED, NO_REPLY_EXPECTED, KeptTransaction
from riglog.recordings import read, read_events
from riglog.rig import record_rig
from riglog.rig.explaining import explain_row
from riglog.rig.redecoding import redecode
from riglog.rig.replaying import ReplayedRun, read_replay, rig_for
from riglog.rig.stored_files import stored_files
from riglog.simulation import Fault, FaultyWire, SimulatedTransport
from riglog.simulation.replayed import FIRST_AFTER, PAUSE, ReplayedPort
from riglog.testing import LoopClock
from riglog.transport import Transport


async def recorded_again(
    replayed: ReplayedRun, folder: Path, monkeypatch: pytest.MonkeyPatch, *, seconds: int = 8
) -> Path:
    """Record the simulated ports of a run, in virtual time."""

    async def open_(port: SimulatedPort) -> Transport:
        peer = replayed.ports[port.name]
        peer.note_open(anyio.current_time())
        transport = SimulatedTransport(peer, port=port.name)
        transport.may_have_uart = False
        return transport

    folder.mkdir()
    path, rig = folder / "again.sqlite", folder / "rig.toml"
    text = rig_for(replayed, {name: name for name in replayed.ports}, str(path))
    rig.write_text(text.replace("[[sink]]", f'duration = "{seconds}s"\n[[sink]]', 1))
    with monkeypatch.context() as patch:
        patch.setattr(SimulatedPort, "open", open_)
        await record_rig(load_rig(rig), clock=LoopClock())
    return path


def by_channel(path: Path) -> dict[tuple[str, str, int], list[tuple[Any, ...]]]:
    found: dict[tuple[str, str, int], list[tuple[Any, ...]]] = {}
    for row in read(path):
        content = row.value, row.text, row.unit, row.status, row.flags, row.error
        found.setdefault((row.device, row.parameter, row.instance), []).append(content)
    return found


def assert_same(again: Path, path: Path) -> None:
    """All rows are equal; a stream may be cut off one row earlier or later."""
    before, after = by_channel(path), by_channel(again)
    assert set(before) == set(after)
    for channel, rows in before.items():
        shorter = min(len(rows), len(after[channel]))
        assert abs(len(rows) - len(after[channel])) <= 1
        assert after[channel][:shorter] == rows[:shorter], channel


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_run_that_is_recorded_again_has_the_same_rows(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await recorded(tmp_path / "first", device(protocol), seconds=8)
    replayed = read_replay(path)
    again = await recorded_again(replayed, tmp_path / "again", monkeypatch)
    assert_same(again, path)
    assert sum(row.value is not None or row.text is not None for row in read(again)) > 8
    (port,) = replayed.ports.values()
    assert port.unknown == port.surplus == 0
    assert port.served > 10 or port.recorded == 0


async def test_a_rig_of_several_devices_with_derived_channels_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = device("watlow stdbus", "oven") + device("sartorius xbpi", "scale")
    derived = '[[derived]]\nname = "both"\nformula = "oven.process_value + scale.net"\nunit = "x"\n'
    path = await recorded(tmp_path / "first", devices + derived, seconds=8)
    again = await recorded_again(read_replay(path), tmp_path / "again", monkeypatch)
    assert_same(again, path)
    assert len(by_channel(again)["derived", "both", 1]) > 10


async def test_a_run_with_faults_is_replayed_with_its_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(port: SimulatedPort) -> None:
        port._wire.set_rates({Fault.DROP: 0.1, Fault.CORRUPT: 0.1, Fault.TRUNCATE: 0.05})
        port._wire._random.seed(18)

    original = SimulatedPort.connect

    def connect(self: SimulatedPort, *arguments: Any) -> None:
        original(self, *arguments)
        faulty(self)

    with monkeypatch.context() as patch:
        patch.setattr(SimulatedPort, "connect", connect)
        path = await recorded(tmp_path / "first", device("modbus"), seconds=20)
    missing = sum(row.status == "missing" for row in read(path))
    assert missing > 5
    again = await recorded_again(read_replay(path), tmp_path / "again", monkeypatch, seconds=20)
    assert abs(sum(row.status == "missing" for row in read(again)) - missing) <= 20
    found = await redecode(again)
    assert (found.different, found.problems) == (0, [])


async def test_an_instrument_file_that_is_gone_is_taken_from_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Path(riglog_modbus.__file__).parent / "instruments" / "eastron-sdm630.toml"
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "mine.toml").write_text(source.read_text())
    path = await recorded(folder, device("modbus").replace("eastron-sdm630", "mine.toml"), seconds=8)
    (folder / "mine.toml").unlink()
    with closing(sqlite3.connect(path)) as database:
        (rig,) = database.execute("SELECT rig FROM run").fetchone()
    assert stored_files(rig)["mine.toml"].split() == source.read_text().split()
    found = await redecode(path)
    assert found.problems == []
    assert found.rows > 20
    assert found.different == 0
    assert explain_row(path, "device.voltage_l1@last").problem is None


async def test_a_driver_that_is_not_installed_does_not_prevent_a_replay(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "first", device("watlow stdbus"), seconds=8)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE device SET driver = 'not-here'")
        database.commit()
    replayed = read_replay(path)
    (port,) = replayed.ports.values()
    assert port.recorded > 10
    assert (await redecode(path)).problems
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE device SET options = 'nothing'")
        database.commit()
    assert read_replay(path).devices[0]["driver"] == "not-here"


def kept(at_ms: int, request: bytes, reply: bytes, latency_ms: int | None = 5, outcome: str = "") -> KeptTransaction:
    latency = None if latency_ms is None else latency_ms * 1_000_000
    return KeptTransaction(at_ms * 1_000_000, latency, request, reply, outcome)


def test_each_request_gets_its_replies_in_order_after_the_recorded_latency() -> None:
    port = ReplayedPort(
        [kept(1, b"A", b"1"), kept(2, b"B", b"x", 10), kept(3, b"A", b"2"), kept(4, b"A", b"", 50, FAILED)]
    )
    port.send(b"A", 10.0)
    assert (port.take(10.004), port.next_due(10.004)) == (b"", pytest.approx(10.005))
    assert port.take(10.006) == b"1"
    port.send(b"A", 11.0)
    port.send(b"B", 11.0)
    assert port.take(12.0) == b"2x"
    port.send(b"A", 13.0)
    assert port.next_due(14.0) is None
    assert (port.served, port.left, port.unknown, port.surplus) == (4, 0, 0, 0)
    port.send(b"A", 14.0)
    port.send(b"C", 15.0)
    assert port.next_due(16.0) is None
    assert (port.unknown, port.surplus) == (1, 1)


def test_the_speed_changes_latencies_and_the_times_of_broadcasts() -> None:
    port = ReplayedPort(
        [kept(1000, b"", b"a", None), kept(3000, b"", b"b", None), kept(4000, b"R", b"r", 100)], speed=2
    )
    assert port.next_due(0.0) is None  # nobody has opened it
    port.note_open(100.0)
    assert port.take(100.0 + FIRST_AFTER / 2) == b"a"
    assert port.broadcasts_left == 1
    assert port.next_due(100.2) == pytest.approx(100.0 + FIRST_AFTER / 2 + 1)
    port.send(b"R", 101.5)
    assert port.take(101.6) == b"br"
    assert port.broadcasts_left == 0


def test_a_request_in_pieces_is_put_together_and_one_that_breaks_off_is_forgotten() -> None:
    port = ReplayedPort([kept(1, b"READ\r", b"1"), kept(2, b"READ 2\r", b"2"), kept(3, b"", b"", 5, NO_REPLY_EXPECTED)])
    for piece in (b"RE", b"AD", b"\r"):
        port.send(piece, 1.0)
    assert port.take(2.0) == b"1"
    port.send(b"REA", 3.0)
    port.send(b"READ 2\r", 3.1 + PAUSE)
    assert port.take(4.0) == b"2"
    assert port.unknown == 1


def test_the_number_of_a_transaction_is_that_of_the_present_request() -> None:
    port = ReplayedPort([kept(1, b"\0\x07\0\0\0\x01A", b"\0\x07\0\0\0\x01B")], number=slice(0, 2))
    port.send(b"\x12\x34\0\0\0\x01A", 1.0)
    assert port.take(2.0) == b"\x12\x34\0\0\0\x01B"


def test_ten_thousand_different_requests_are_found_at_once_and_a_flood_costs_bounded_memory() -> None:
    transactions = [kept(n, b"request %d\r" % n, b"reply %d\r" % n) for n in range(10_000)]
    port = ReplayedPort(transactions)
    began = time.process_time()
    for n in range(9_999, -1, -1):
        port.send(b"request %d\r" % n, float(10_000 - n))
        assert port.take(10_000.5 - n) == b"reply %d\r" % n
    for n in range(100):
        port.send(bytes(60_000), 20_000.0 + n)
    assert time.process_time() - began < 10
    assert port.left == 0
    assert port.unknown == 100


async def test_what_cannot_be_replayed_is_refused_in_words(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "first", device("watlow stdbus"), seconds=2)
    with pytest.raises(ConfigError, match="no run 'other'"):
        read_replay(path, run="other")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE wire SET content = substr(content, 1, 40)")
        database.commit()
    with pytest.raises(ConfigError, match="are not valid"):
        read_replay(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM wire")
        database.commit()
    with pytest.raises(ConfigError, match="were not kept"):
        read_replay(path)


@pytest.mark.real_time
@pytest.mark.skipif(os.name == "nt", reason="needs pseudo-terminals")
def test_a_replay_on_pseudo_terminals_is_recorded_by_the_rig_file_that_it_writes(tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(
        '[run]\nname = "bench"\nrate_hz = 4\n'
        + device("watlow stdbus", "oven")
        + device("servomex continuous", "stack")
    )
    path, again, other = tmp_path / "run.sqlite", tmp_path / "again.sqlite", tmp_path / "other.toml"
    assert riglog("record", str(rig), "--duration", "6s", "--out", str(path)).code == 0
    with replaying(path, "--rig", str(other)) as lines:
        assert [json.loads(line)["recorded"] for line in lines] == ["sim:oven", "sim:stack"]
        done = riglog("record", str(other), "--duration", "6s", "--out", str(again))
        assert done.code == 0, done.err
    before, after = by_channel(path), by_channel(again)
    assert set(before) == set(after)
    for channel, rows in before.items():
        shorter = min(len(rows), len(after[channel]))
        assert shorter > 2
        assert after[channel][: shorter - 2] == rows[: shorter - 2], channel


@contextmanager
def replaying(path: Path, *options: str) -> Iterator[list[str]]:
    """Run the command; its lines of JSON. At the end, it shows what it has served."""
    command = [sys.executable, "-m", "riglog", "replay", str(path), *options]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        count = len(read_replay(path).ports)
        yield [process.stdout.readline() for _ in range(count)]
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert "sim:oven" in out


@pytest.mark.real_time
@pytest.mark.skipif(os.name == "nt", reason="is stopped by a signal")
def test_a_replay_on_tcp_ports_ten_times_as_fast(tmp_path: Path) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('[run]\nname = "bench"\nrate_hz = 2\n' + device("modbus", "oven"))
    path, again, other = tmp_path / "run.sqlite", tmp_path / "again.sqlite", tmp_path / "other.toml"
    assert riglog("record", str(rig), "--duration", "5s", "--out", str(path)).code == 0
    with replaying(path, "--tcp", "--speed", "2", "--rig", str(other)) as lines:
        assert json.loads(lines[0])["port"].startswith("tcp://127.0.0.1:")
        done = riglog("record", str(other), "--duration", "2s", "--out", str(again))
        assert done.code == 0, done.err
    assert "rate_hz = 4.0" in other.read_text()
    before, after = by_channel(path), by_channel(again)
    for channel, rows in before.items():
        shorter = min(len(rows), len(after[channel])) - 1
        assert shorter > 3
        assert after[channel][:shorter] == rows[:shorter], channel


class SwitchedWire(FaultyWire):
    """A line whose instruments are off for a while."""

    OFF = 6.0, 14.0
    """Seconds after the line was used first."""
    began: float | None = None

    @property
    def plugged(self) -> bool:
        return self.began is None or not self.OFF[0] <= anyio.current_time() - self.began < self.OFF[1]

    @plugged.setter
    def plugged(self, on: bool) -> None:
        """The times decide."""

    def send(self, data: bytes, now: float) -> None:
        self.began = now if self.began is None else self.began
        super().send(data, now)

    def take(self, now: float) -> bytes:
        self.began = now if self.began is None else self.began
        return super().take(now)


@pytest.mark.parametrize("protocol", ["watlow stdbus", "modbus", "sartorius xbpi", "ascii", "servomex continuous"])
async def test_a_run_in_which_a_device_was_off_for_a_while_is_replayed(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a limit of time: the clock also jumps while a file is opened in a thread, and would end at the limit."""
    with monkeypatch.context() as patch:
        patch.setattr("riglog.manager.simulated_port.FaultyWire", SwitchedWire)
        path = await recorded(tmp_path / "first", device(protocol), seconds=30)
    again = await recorded_again(read_replay(path), tmp_path / "again", monkeypatch, seconds=30)
    before, after = by_channel(path), by_channel(again)
    assert set(before) == set(after)
    kinds = {event.kind for event in read_events(path)}
    assert "device_not_responding" in kinds
    assert kinds == {event.kind for event in read_events(again)}
    for channel, rows in before.items():
        values, others = ([row for row in some if row[3] == "ok"] for some in (rows, after[channel]))
        shorter = min(len(values), len(others))
        assert abs(len(values) - len(others)) <= 2
        assert others[:shorter] == values[:shorter]
        assert 10 < shorter < len(rows) or protocol == "servomex continuous"


async def test_a_run_in_which_a_device_was_removed_and_added_again_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its values, one after the other: nothing was requested meanwhile, so the replay has no pause."""
    folder, managers = tmp_path / "first", list[Manager]()
    devices = device("watlow stdbus", "oven") + device("modbus", "energy")
    rig, path = write_rig(folder, devices, seconds=30)
    config = load_rig(rig)

    class Noted(Manager):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            managers.append(self)

    async def change(started: anyio.Event) -> None:
        await started.wait()
        await anyio.sleep(6)
        await managers[0].remove("oven")
        await anyio.sleep(6)
        await managers[0].add_spec(config.specs[0])

    started = anyio.Event()
    with monkeypatch.context() as patch:
        patch.setattr("riglog.rig.record.Manager", Noted)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(change, started)
            await record_rig(config, clock=LoopClock(), on_start=lambda _: started.set())
    assert len({row.tick for row in read(path, device="oven")}) < len({row.tick for row in read(path, device="energy")})
    again = await recorded_again(read_replay(path), tmp_path / "again", monkeypatch, seconds=30)
    before, after = by_channel(path), by_channel(again)
    assert set(before) == set(after)
    for channel, rows in before.items():
        values, others = ([row for row in some if row[3] == "ok"] for some in (rows, after[channel]))
        shorter = min(len(values), len(others))
        assert shorter > 20
        assert len(values) - shorter <= 2
        assert others[:shorter] == values[:shorter]
    decoded = await redecode(path)
    assert (decoded.problems, decoded.different) == ([], 0)
