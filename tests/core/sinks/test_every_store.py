"""What all stores have in common: columns, types, equal rows read back, appending, refusing, overwriting."""

import itertools
import math
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from msgspec import structs
from postgres import rows_there
from recorded import SERIAL, WARM, every_driver, make_run, stamp, store, varied

from riglog.device import burst_samples
from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.model import NS, Batch, Run, Sample, Sink, Status
from riglog.plugin import installed
from riglog.recordings import read
from riglog.sinks import COLUMNS, CsvSink, JsonlSink, MemorySink, ParquetSink, Row, SqliteSink, rows
from riglog.sinks.arrow import arrow_schema
from riglog.sinks.postgres import forward

Make = Callable[..., Sink]
STORES: list[Make] = [CsvSink, JsonlSink, ParquetSink, SqliteSink]


@pytest.fixture(params=STORES, ids=lambda make: make.name)
def make(request: pytest.FixtureRequest) -> Make:
    found: Make = request.param
    return found


def expected(run: Run, batches: list[Batch]) -> list[Row]:
    return list(rows(run.id, batches))


async def test_what_is_read_back_equals_what_was_recorded(make: Make, tmp_path: Path) -> None:
    run = make_run()
    await store(make(tmp_path / "store"), run, varied(run))
    assert list(read(tmp_path / "store")) == expected(run, varied(run))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
async def test_a_pipe_is_refused_and_not_waited_for(make: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "store")
    with pytest.raises(NotARecordingError, match=r"path is (not )?a file"), anyio.fail_after(10):
        await make(tmp_path / "store").check()


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (RuntimeError("can't start new thread"), "write failed: the system starts no more threads", "TasksMax"),
        (MemoryError(), "write failed: out of memory", "MemoryMax"),
    ],
)
async def test_a_computer_without_threads_or_memory_is_an_error_with_a_next_step(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str, hint: str
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(anyio.to_thread, "run_sync", refuse)
        with pytest.raises(StorageError) as caught:
            await make(tmp_path / "r").check()
    assert caught.value.message == message
    assert hint in str(caught.value.hint)
    await make(tmp_path / "r").check()


async def test_another_run_is_appended(make: Make, tmp_path: Path) -> None:
    first, second = make_run(number=1), make_run(number=2)
    for run in (first, second):
        await store(make(tmp_path / "store"), run, varied(run))
    assert list(read(tmp_path / "store")) == expected(first, varied(first)) + expected(second, varied(second))


async def test_an_existing_recording_is_overwritten_only_if_configured(make: Make, tmp_path: Path) -> None:
    first, second = make_run(number=1), make_run(number=2)
    await store(make(tmp_path / "store"), first, varied(first))
    await store(make(tmp_path / "store", overwrite=True), second, varied(second))
    assert list(read(tmp_path / "store")) == expected(second, varied(second))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("status", [Status.OK, Status.SUSPECT])
async def test_a_number_that_is_not_finite_is_never_stored_as_a_value(
    make: Make, tmp_path: Path, number: float, status: Status
) -> None:
    run = make_run()
    sample = Sample(channel=WARM, stamp=stamp(run, 0.1), value=number, unit="degC", status=status)
    with_reason = structs.replace(sample, error="sensor error: open")
    memory = MemorySink()
    for sink in (memory, make(tmp_path / "store")):
        await store(sink, run, [Batch("bus", 0, [sample, with_reason])])
    found = list(read(tmp_path / "store"))
    assert found == memory.rows
    assert [(row.value, row.status, row.unit) for row in found] == [(None, "out_of_range", "degC")] * 2
    assert [row.error for row in found] == ["no value: the number is not finite", "sensor error: open"]


async def test_a_burst_is_read_back_with_the_times_of_the_instrument(make: Make, tmp_path: Path) -> None:
    """All of it was received at one moment; equal own times, and a clock that is set back, are kept."""
    run, burst = make_run(), burst_samples
    times = [5 * NS, 5 * NS, 6 * NS, 4 * NS]
    samples = burst(WARM, [1, 2, None, 4], stamp(run, 1.0, None), rate_hz=1000, unit="degC", own_ns=times, lost=2)
    memory = MemorySink()
    for sink in (memory, make(tmp_path / "store")):
        await store(sink, run, [Batch("card", None, samples)])
    found = list(read(tmp_path / "store"))
    assert found == memory.rows
    assert [row.value for row in found] == [None, None, 1, 2, None, 4]
    assert [row.midpoint_at[17:] for row in found[2:]] == ["05.000000Z", "05.000000Z", "06.000000Z", "04.000000Z"]


async def test_texts_with_line_ends_and_quotes_are_read_back(make: Make, tmp_path: Path) -> None:
    run = make_run()
    texts = ["a\rb", "a\nb", "a\r\nb", 'say "x", y', "\r", "tab\t", "\u2028"]
    texts += ["=1+1", "+2", "-", "--3", "@sum", "'", "''=", "\t=1", "\n=1", "＝1", " =1", "1=1"]
    batches = [
        Batch("bus", n, [Sample(channel=SERIAL, stamp=stamp(run, n), value=text, unit=None)])
        for n, text in enumerate(texts)
    ]
    await store(make(tmp_path / "store"), run, batches)
    assert [row.text for row in read(tmp_path / "store")] == texts


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        b"time;value\n1;2\n",
        b'{"time": 1}\n',
        ",".join(COLUMNS[:-1]).encode() + b"\n",
        b"SQLite format 3\0" + bytes(100),
        b"\x00\xff",
    ],
)
async def test_a_file_of_something_else_is_refused_and_left_as_it_was(
    make: Make, tmp_path: Path, content: bytes, overwrite: bool
) -> None:
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(NotARecordingError):
        await make(path, overwrite=overwrite).check()
    with pytest.raises(NotARecordingError):
        await make(path, overwrite=overwrite).open(make_run())
    assert path.read_bytes() == content


@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_folder_of_something_else_is_refused_and_left_as_it_was(
    make: Make, tmp_path: Path, overwrite: bool
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    with pytest.raises(NotARecordingError):
        await make(tmp_path / "photos", overwrite=overwrite).open(make_run())
    assert [entry.name for entry in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


async def test_one_kind_of_recording_is_not_taken_for_another(tmp_path: Path) -> None:
    run = make_run()
    for kind in STORES:
        await store(kind(tmp_path / kind.name), run, varied(run))
    for one, other in itertools.permutations(STORES, 2):
        with pytest.raises(NotARecordingError):
            await one(tmp_path / other.name).check()


async def test_two_recordings_do_not_write_into_one_file(tmp_path: Path) -> None:
    for make in (CsvSink, JsonlSink, ParquetSink):
        first, run = make(tmp_path / make.name), make_run()
        await first.open(run)
        await first.write(varied(run), [])
        for overwrite in (False, True):
            with pytest.raises(StorageError, match="locked by another recording"):
                await make(tmp_path / make.name, overwrite=overwrite).open(run)
        await first.aclose()
        assert list(read(tmp_path / make.name)) == expected(run, varied(run))


async def test_checking_changes_nothing(make: Make, tmp_path: Path) -> None:
    await make(tmp_path / "new").check()
    assert list(tmp_path.iterdir()) == []


async def test_a_missing_directory_is_an_error_with_the_next_step(make: Make, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refused:
        await make(tmp_path / "nowhere" / "store").check()
    assert refused.value.hint == f"Create it: mkdir -p {tmp_path / 'nowhere'}"


async def test_events_alone_add_no_rows(make: Make, tmp_path: Path) -> None:
    sink = make(tmp_path / "store")
    await sink.open(make_run())
    await sink.write([], [])
    await sink.aclose()
    assert not (tmp_path / "store").is_file() or list(read_or_nothing(tmp_path / "store")) == []


def read_or_nothing(path: Path) -> Iterator[Row]:
    return iter(read(path)) if path.stat().st_size else iter(())


@pytest.mark.slow
async def test_drivers_in_any_order_leave_the_same_columns_of_the_same_types(make: Make, tmp_path: Path) -> None:
    recorded = await every_driver()
    schemas = set()
    for number, order in enumerate(orders(recorded)):
        path = tmp_path / f"store-{number}"
        run = make_run(number=number)
        batches = [batch for name in order for batch in recorded[name]]
        await store(make(path), run, batches)
        assert sorted(read(path), key=by_time) == sorted(expected(run, batches), key=by_time)
        schemas.add(schema_of(make, path))
    assert len(schemas) == 1


@pytest.mark.slow
async def test_drivers_in_any_order_go_into_one_table(database: str, schema: str, tmp_path: Path) -> None:
    recorded = await every_driver()
    wanted = []
    for number, order in enumerate(orders(recorded)):
        run = make_run(number=number)
        batches = [batch for name in order for batch in recorded[name]]
        at = stamp(run, 0.5, None)
        batches.append(Batch("card", None, burst_samples(WARM, [1, 2], at, rate_hz=9, unit="V", own_ns=NS, lost=1)))
        await store(SqliteSink(tmp_path / "run.sqlite"), run, batches)
        wanted += [structs.astuple(row) for row in rows(run.id, batches)]
    await forward(tmp_path / "run.sqlite", database, schema=schema)
    assert sorted(await rows_there(database, schema), key=repr) == sorted(wanted, key=repr)


def orders(names: Iterable[str]) -> Iterator[Sequence[str]]:
    """Return orders in which each name is first, last, and before and after another one."""
    forth = list(names)
    for back in (forth, forth[::-1]):
        yield from (back[at:] + back[:at] for at in range(len(back)))


def by_time(row: Row) -> tuple[object, ...]:
    """Stores return rows as they were recorded, or in the order of their times."""
    return row.received_at, row.device, row.parameter, row.instance


def schema_of(make: Make, path: Path) -> object:
    """Columns, and types where the store has them."""
    if make is SqliteSink:
        with closing(sqlite3.connect(path)) as database:
            return tuple(tuple(row) for row in database.execute("SELECT name, sql FROM sqlite_master ORDER BY name"))
    if make is ParquetSink:
        import pyarrow.parquet

        found = pyarrow.parquet.read_table(path).schema
        assert found.equals(arrow_schema())
        return str(found)
    first = path.read_bytes().splitlines()[0]
    if make is JsonlSink:
        import msgspec

        return tuple(msgspec.json.decode(first, type=dict[str, object]))
    return first


async def test_a_link_to_nothing_is_not_followed(make: Make, tmp_path: Path) -> None:
    (tmp_path / "store").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="path is a link to a file that does not exist"):
        await make(tmp_path / "store").open(make_run())
    assert [entry.name for entry in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    ("kind", "needs", "extra"), [("parquet", "pyarrow", "parquet"), ("postgres", "asyncpg", "postgres")]
)
async def test_a_missing_library_names_the_command_that_installs_it(
    kind: str, needs: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, needs, None)
    sink_type = installed().sink(kind)
    keys = {"type": kind, "path": str(tmp_path / "store")} | (
        {"url": "postgresql://db/x"} if kind == "postgres" else {}
    )
    with pytest.raises(ConfigError) as refused:
        await sink_type.create(sink_type.config(**keys)).check()
    assert refused.value.hint == f'Install it: pip install "riglog[{extra}]"'
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["csv", "jsonl", "sqlite", "parquet", "postgres", "memory"])
def test_every_sink_comes_through_the_hook(kind: str) -> None:
    assert installed().sink(kind).create.__module__.startswith("riglog.sinks")


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_heavy_libraries_are_imported_only_when_used() -> None:
    code = "import sys, riglog.recordings, riglog.plugin; riglog.plugin.installed(); print(*sys.modules)"
    done = await anyio.run_process([sys.executable, "-c", code])
    assert not {"pyarrow", "asyncpg"} & set(done.stdout.decode().split())
