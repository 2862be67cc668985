"""Requests and replies are kept beside the rows: all of them, only them, in a small place, and never in the way."""

import random
import sqlite3
import tracemalloc
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from recorded import EVENTS, make_run, steady
from simulated_rigs import devices, recorded
from tampering import PRESSURES, changed, example

from riglog.errors import ConfigError
from riglog.manager import Manager
from riglog.model import NS
from riglog.protocol import wire_log
from riglog.protocol.wire_log import KeptTransaction, WireLog
from riglog.recordings import read, verify
from riglog.rig.explaining import explain_row
from riglog.simulation import Fault, FaultyWire, SimulatedTransport
from riglog.sinks import SqliteSink
from riglog.sinks.rotation import Limit, RotatingSink, parts
from riglog.sinks.sqlite.wires import (
    COMPRESSED,
    MERGED,
    MOST_BYTES,
    MOST_HEAD_BYTES,
    PLAIN,
    read_content,
    read_wires,
    write_content,
)
from riglog.testing import LoopClock

DEVICES = devices(oven="watlow stdbus", scale="sartorius xbpi", stack="servomex modbus-rtu")


def transactions(count: int, seed: int = 1) -> list[KeptTransaction]:
    """Transactions of every shape."""
    draw = random.Random(seed)
    at, found = 1_795_176_000 * NS, []
    for _ in range(count):
        at += draw.randint(-1000, 10**9)
        latency = draw.choice([None, 0, draw.randint(1, 10**10)])
        request = draw.choice([b"", b"\x01\x03", b"\x01\x04\x00"])
        reply = draw.randbytes(draw.choice([0, 1, 7, 7, 7, 300]))
        found.append(KeptTransaction(at, latency, request, reply, draw.choice(["", "", "failed", "refused"])))
    return found


@pytest.mark.parametrize("count", [1, 2, 500])
def test_what_is_read_back_equals_what_was_kept(count: int) -> None:
    kept = transactions(count)
    content = write_content(kept)
    assert read_content(PLAIN, content, kept[0].received_ns) == kept


def test_a_content_that_is_not_one_of_riglog_is_an_error_and_no_traceback() -> None:
    content = write_content(transactions(20))
    draw = random.Random(3)
    for _ in range(500):
        at = draw.randrange(len(content))
        broken = draw.choice([content[:at], content[:at] + b"\xff" + content[at + 1 :], draw.randbytes(at)])
        for encoding in (PLAIN, COMPRESSED, "other"):
            try:
                read_content(encoding, broken, 0)
            except ValueError:
                continue


@pytest.mark.parametrize(
    "content",
    [
        zlib.compress(b" " * (MOST_BYTES + 1)),
        zlib.compress(b'[200000,[["",0,""]]]\n' + bytes(24 * 200_000)),
        zlib.compress(b'[1,[["00",-8,""]]]\n' + bytes(24)),
        zlib.compress(b"[-1,[]]\n"),
        zlib.compress(b"[1,[" + b'["",0,""],' * (MOST_HEAD_BYTES // 9)),
        b"x" * 100,
    ],
    ids=["gigabytes", "many transactions", "negative size", "negative number", "many shapes", "not compressed"],
)
def test_a_content_that_would_fill_the_memory_is_refused_at_once(content: bytes) -> None:
    assert len(content) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not a content"):
            read_content(COMPRESSED, content, 0)
        assert tracemalloc.get_traced_memory()[1] < 3 * MOST_BYTES
    finally:
        tracemalloc.stop()


async def recording(path: Path, kept: list[KeptTransaction], *, profile: Any = "desk", size: int = 100) -> SqliteSink:
    """A recording with so many transactions in each flush, and its sink, which is open."""
    sink, run = SqliteSink(path, profile=profile, keep_bytes=True), make_run()
    log = sink.keep_wires()
    assert log is not None
    await sink.open(run)
    for number, at in enumerate(range(0, len(kept), size)):
        for port, part in (("/dev/a", kept[at : at + size]), ("/dev/b", kept[at : at + size : 3])):
            keep = log.keep_of(port)
            for transaction in part:
                keep(transaction)
        await sink.write(list(steady(run, PRESSURES, 3, first=3 * number)), EVENTS if not at else [])
    return sink


@pytest.mark.parametrize("profile", ["desk", "card"])
async def test_all_of_them_are_in_the_file_merged_and_sealed(profile: str, tmp_path: Path) -> None:
    path, kept = tmp_path / "run.sqlite", transactions(3 * MERGED)
    sink = await recording(path, kept, profile=profile, size=MERGED // 2)
    assert verify(path).complete  # while it grows
    await sink.aclose()
    with closing(sqlite3.connect(path)) as database:
        assert list(read_wires(database, 1, "/dev/a")) == kept
        assert {row[0] for row in database.execute("SELECT encoding FROM wire")} == {COMPRESSED}
        assert database.execute("SELECT count(*) FROM wire WHERE port = '/dev/a'").fetchone()[0] <= 6
    assert verify(path).complete
    with closing(sqlite3.connect(path)) as database:
        assert example().verify(database, verify(path).head) is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE wire SET content = substr(content, 1, length(content) - 1)",
        "UPDATE wire SET first_ns = first_ns + 1 WHERE id = 3",
        "DELETE FROM wire WHERE id = 4",
        "INSERT INTO wire SELECT NULL, run_id, port, first_ns, last_ns, transactions, encoding, content FROM wire",
        "UPDATE wire SET port = '/dev/c' WHERE port = '/dev/b'",
    ],
)
async def test_a_change_of_the_bytes_is_found_by_both_verifiers(change: str, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    sink = await recording(path, transactions(600))
    assert verify(path).complete
    copy = tmp_path / "copy.sqlite"
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(copy)) as target:
        database.backup(target)  # with the small rows of each flush
    await sink.aclose()
    edited = changed(copy, change)
    found = verify(edited)
    assert found.changed
    with closing(sqlite3.connect(edited)) as database:
        try:
            reason = example().verify(database)
        except (ValueError, StopIteration, RuntimeError, IndexError):
            reason = "error"
    assert reason is not None
    if found.wrong and reason != "error":
        assert reason == f"block {found.wrong[0].block} is not as it was sealed"


async def test_a_file_that_cannot_be_written_costs_bounded_memory_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_log, "MOST_BYTES", 20_000)
    path, kept = tmp_path / "run.sqlite", transactions(2000)
    sink = await recording(path, kept[:100])
    assert sink.wire_log is not None
    for transaction in kept:
        sink.wire_log.keep_of("/dev/a")(transaction)
    waiting = sum(len(each.request) + len(each.reply) for each in sink.wire_log.waiting()["/dev/a"])
    assert 0 < waiting < 20_000
    await sink.write(list(steady(make_run(), PRESSURES, 3, first=90)), [])
    assert sink.warning is not None
    assert sink.wire_log.waiting() == {}
    await sink.aclose()
    assert verify(path).complete
    with closing(sqlite3.connect(path)) as database:
        stored = list(read_wires(database, 1, "/dev/a"))
    assert stored[:100] == kept[:100]
    assert stored[100:] == kept[-len(stored[100:]) :]


async def test_every_file_of_a_rotated_recording_has_the_bytes_of_its_rows(tmp_path: Path) -> None:
    first, run = tmp_path / "a.sqlite", make_run()
    sink = RotatingSink(lambda path: SqliteSink(path, keep_bytes=True), first, Limit(bytes=1))
    present = sink.present
    assert isinstance(present, SqliteSink)
    log = present.keep_wires()
    assert log is not None
    await sink.open(run)
    kept = transactions(30)
    for at in range(0, 30, 10):
        for transaction in kept[at : at + 10]:
            log.keep_of("/dev/a")(transaction)
        await sink.write(list(steady(run, PRESSURES, 3, first=at)), [])
    await sink.aclose()
    found = []
    for path in parts(first):
        assert verify(path).complete
        with closing(sqlite3.connect(path)) as database:
            found += list(read_wires(database, 1, "/dev/a"))
    assert found == kept


async def test_every_row_with_a_value_has_its_transaction(tmp_path: Path) -> None:
    path = await recorded(tmp_path, DEVICES, seconds=5)
    with closing(sqlite3.connect(path)) as database:
        ports = [port for (port,) in database.execute("SELECT DISTINCT port FROM wire ORDER BY port")]
        assert ports == ["sim:oven", "sim:scale", "sim:stack"]
        times = {each.received_ns for port in ports for each in read_wires(database, 1, port) if not each.outcome}
        rows = database.execute("SELECT received_ns FROM reading WHERE value IS NOT NULL").fetchall()
        opened = database.execute("SELECT name, port, driver, version, options FROM device ORDER BY id").fetchall()
    assert len(rows) > 50
    assert {received for (received,) in rows} <= times
    assert [row[0] for row in opened] == ["oven", "scale", "stack"]
    assert opened[1][4] == '{"protocol":"xbpi"}'
    assert verify(path).complete


@pytest.mark.parametrize(("sink", "kept"), [("keep_bytes = false", False), ('profile = "card"', False), ("", True)])
async def test_the_bytes_are_kept_by_default_with_the_profile_desk(sink: str, kept: bool, tmp_path: Path) -> None:
    path = await recorded(tmp_path, DEVICES, sink=sink, seconds=2)
    with closing(sqlite3.connect(path)) as database:
        assert bool(database.execute("SELECT count(*) FROM wire").fetchone()[0]) == kept
    if not kept:
        with pytest.raises(ConfigError, match="were not kept"):
            explain_row(path, "oven.process_value@last")


@pytest.mark.parametrize("channel", ["oven.process_value", "scale.net", "stack.i1"])
async def test_a_row_is_explained_by_its_bytes_fields_and_value(channel: str, tmp_path: Path) -> None:
    path = await recorded(tmp_path, DEVICES, seconds=5)
    device, parameter = channel.split(".")
    rows = [row for row in read(path, device=device, parameter=parameter) if row.value is not None]
    for at in (rows[2].received_at, "last"):
        found = explain_row(path, f"{channel}@{at}")
        assert found.row == (rows[2] if at != "last" else rows[-1])
        assert found.problem is None
        (transaction,) = found.transactions
        assert transaction.request is not None
        assert transaction.request.fields
        assert [frame.kind for frame in transaction.frames] == ["reply"]
        assert bytes.fromhex(transaction.frames[0].bytes) in bytes.fromhex(transaction.received)
    assert any(
        value == pytest.approx(found.row.value, abs=1e-6) or value is None for value in transaction.values.values()
    )
    for wrong in ("oven", "oven.process_value", "oven.nothing@last", f"{channel}@2001-01-01"):
        with pytest.raises(ConfigError):
            explain_row(path, wrong)


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.CORRUPT])
async def test_a_transaction_that_failed_is_kept_with_what_was_received(fault: Fault, tmp_path: Path) -> None:
    from riglog.manager import resolve_device
    from riglog.plugin import installed

    table = {"name": "oven", "driver": "watlow", "port": "sim:oven"}
    simulator = resolve_device(installed(), table).simulator()
    log = WireLog()
    async with Manager(clock=LoopClock(), wire_logs=[log]) as rig:
        wire = FaultyWire(simulator, script=[None] * 40 + [fault] * 3)
        await rig.add("oven", SimulatedTransport(wire, port="line"), driver="watlow")
        (source,) = rig.sources(["oven"])
        for _ in range(40):
            await source.poll()
            await anyio.sleep(1)
    (kept,) = log.waiting().values()
    failed = [each for each in kept if each.outcome == "failed"]
    assert failed
    assert all(each.request and each.latency_ns for each in failed)
    assert any(each.reply for each in failed) == (fault is Fault.CORRUPT)
