"""PostgreSQL: what arrives, that it arrives once, and that recording does not wait for it."""

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import pytest
from msgspec import structs
from postgres import ask, rows_there
from processes import running
from recorded import EVENTS, WARM, ZONE, make_run, sqlite_recording, steady, store, varied
from rotated import BEGAN, rotating
from rotated import RUN as ROTATED

from riglog.errors import ConfigError, NewerSchemaError, NotARecordingError, StorageError
from riglog.live.laboratory import LaboratorySource
from riglog.model import NS, EventKind
from riglog.recordings import latest_rows, read
from riglog.sinks import PostgresSink, SqliteSink, rows
from riglog.sinks.part_names import parts
from riglog.sinks.postgres import ForwardProgress, forward
from riglog.sinks.postgres.central import check_url
from riglog.sinks.postgres.forward_queue import ForwardQueue
from riglog.sinks.postgres.reader import CentralReader
from riglog.sinks.postgres.tables import SAMPLES, TYPES, create
from riglog.sinks.postgres.unsent import Cursor
from riglog.sinks.postgres.witness import witnessed_heads
from riglog.sinks.rows import ROW

pytestmark = pytest.mark.real_time
SCHEMA_1 = Path(__file__).parents[2] / "support" / "recordings" / "schema-1.sqlite"
NOWHERE = "postgresql://riglog@127.0.0.1:1/central"


async def test_a_recording_arrives_complete(database: str, schema: str, tmp_path: Path) -> None:
    run = make_run()
    path = await sqlite_recording(tmp_path / "run.sqlite", run)
    progress = await forward(path, database, schema=schema)
    assert await rows_there(database, schema) == [structs.astuple(row) for row in rows(run.id, varied(run))]
    assert (progress.samples, progress.remaining) == (19, 0)
    assert await ask(database, f"SELECT run, host, rate_hz FROM {schema}.runs") == [(run.id, run.host, 2.0)]
    events = await ask(database, f"SELECT kind, port, message FROM {schema}.events ORDER BY sequence")
    assert events == [(event.kind.value, event.port, event.message) for event in EVENTS]


async def test_the_command_forwards_and_prints_its_progress(database: str, schema: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    program = [sys.executable, "-m", "riglog", "forward", str(path), "--to", database, "--schema", schema, "--json"]
    done = await anyio.run_process(program)
    assert json.loads(done.stdout) == {"samples": 19, "remaining": 0, "failed_attempts": 0, "last_error": None}


async def test_following_ends_cleanly_with_an_interrupt(database: str, schema: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    program = [sys.executable, "-m", "riglog", "forward", str(path), "--to", database, "--schema", schema, "--follow"]
    with running(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as follower:
        with anyio.fail_after(30):
            while not await arrived(database, schema):
                await anyio.sleep(0.05)
        follower.send_signal(signal.SIGINT)
        _, messages = follower.communicate(timeout=30)
    assert "19 rows forwarded, 0 remaining" in messages
    assert follower.returncode == 130


async def arrived(database: str, schema: str, count: int = 19) -> bool:
    there = await ask(database, "SELECT to_regclass($1) IS NOT NULL", f"{schema}.samples")
    return there == [(True,)] and await ask(database, f"SELECT count(*) FROM {schema}.samples") == [(count,)]


async def test_forwarding_again_sends_only_new_rows(database: str, schema: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite", make_run(number=1))
    await forward(path, database, schema=schema)
    assert (await forward(path, database, schema=schema)).samples == 0
    await sqlite_recording(path, make_run(number=2))
    assert (await forward(path, database, schema=schema)).samples == 19
    assert await ask(database, f"SELECT count(*) FROM {schema}.samples") == [(38,)]


async def test_a_restart_inserts_no_row_twice(database: str, schema: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    await forward(path, database, schema=schema)
    assert (await forward(path, database, schema=schema, restart=True)).samples == 19
    assert await ask(database, f"SELECT count(*) FROM {schema}.samples") == [(19,)]


async def test_a_database_that_was_created_again_gets_all_rows(database: str, schema: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    await forward(path, database, schema=schema)
    await ask(database, f"DROP SCHEMA {schema} CASCADE")
    assert (await forward(path, database, schema=schema)).samples == 19
    assert len(await ask(database, f"SELECT run FROM {schema}.runs")) == 1


async def test_rows_of_hosts_with_the_same_run_are_kept_apart(database: str, schema: str, tmp_path: Path) -> None:
    for host in ("one", "two"):
        path = await sqlite_recording(tmp_path / host, make_run(host=host))
        await forward(path, database, schema=schema)
    found = await ask(database, f"SELECT host, count(*) FROM {schema}.samples GROUP BY host ORDER BY host")
    assert found == [("one", 19), ("two", 19)]


async def test_the_cursor_moves_only_after_the_commit(database: str, schema: str, tmp_path: Path) -> None:
    """The commit is refused once, by a deferred check: the cursor stays, and the rows are sent again."""
    path = await sqlite_recording(tmp_path / "run.sqlite")
    await forward(path, database, schema=schema)
    await ask(
        database,
        f"CREATE FUNCTION {schema}.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'",
    )
    await ask(
        database,
        f"CREATE CONSTRAINT TRIGGER no AFTER INSERT ON {schema}.samples DEFERRABLE INITIALLY DEFERRED"
        f" FOR EACH ROW EXECUTE FUNCTION {schema}.no()",
    )
    await sqlite_recording(path, make_run(number=2))
    before = cursors(path)
    with pytest.raises(StorageError, match="no"):
        await forward(path, database, schema=schema)
    assert cursors(path) == before
    await ask(database, f"DROP TRIGGER no ON {schema}.samples")
    await forward(path, database, schema=schema)
    assert await ask(
        database, f"SELECT count(*), count(DISTINCT (run, sequence, received_at)) FROM {schema}.samples"
    ) == [(38, 38)]


def cursors(path: Path) -> bytes:
    return path.with_name(f"{path.name}.forward.json").read_bytes()


async def test_forwarding_does_not_write_into_the_recording(database: str, schema: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    before = path.read_bytes()
    await forward(path, database, schema=schema)
    await forward(path, database, schema=schema, restart=True)
    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT * FROM meta").fetchall() == []


async def test_a_recording_that_replaced_another_is_forwarded_from_its_oldest_row(
    database: str, schema: str, tmp_path: Path
) -> None:
    """The position belongs to rows that do not exist any more."""
    path = await sqlite_recording(tmp_path / "run.sqlite", make_run(number=1))
    await forward(path, database, schema=schema)
    path.unlink()
    await sqlite_recording(path, make_run(number=2))
    await forward(path, database, schema=schema)
    assert await ask(database, f"SELECT run, count(*) FROM {schema}.samples GROUP BY run ORDER BY run") == [
        (make_run(number=1).id, 19),
        (make_run(number=2).id, 19),
    ]


@pytest.mark.parametrize("damaged", [b"", b"{", b"[1]"])
async def test_a_damaged_position_sends_rows_again_and_doubles_none(
    database: str, schema: str, tmp_path: Path, damaged: bytes
) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    await forward(path, database, schema=schema)
    path.with_name("run.sqlite.forward.json").write_bytes(damaged)
    progress = await forward(path, database, schema=schema)
    assert (progress.samples, progress.remaining) == (19, 0)
    assert await ask(database, f"SELECT count(*) FROM {schema}.samples") == [(19,)]


async def test_a_position_that_an_early_version_stored_in_the_recording_is_used(
    database: str, schema: str, tmp_path: Path
) -> None:
    path = Path(shutil.copy(SCHEMA_1, tmp_path))
    await forward(path, database, schema=schema)
    path.with_name(f"{path.name}.forward.json").unlink()
    ((identity,),) = await ask(database, f"SELECT value FROM {schema}.meta WHERE key = 'id'")
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("INSERT INTO meta VALUES (?, ?)", (f"forward:{identity}", '{"reading": 78, "event": 4}'))
    assert (await forward(path, database, schema=schema)).samples == 0


async def test_a_text_with_a_nul_does_not_stop_the_others(database: str, schema: str, tmp_path: Path) -> None:
    run = make_run()
    batches = varied(run)
    odd = structs.replace(batches[-1].samples[0], value="a\0b")
    await store(SqliteSink(tmp_path / "run"), run, [*batches, structs.replace(batches[-1], samples=[odd])])
    await forward(tmp_path / "run", database, schema=schema)
    assert await ask(database, f"SELECT text FROM {schema}.samples WHERE text LIKE 'a%'") == [("a\ufffdb",)]


async def test_a_recording_that_grows_is_followed(database: str, schema: str, tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "run.sqlite"
    sink = SqliteSink(path)
    await sink.open(run)
    batches = list(steady(run, [varied(run)[0].samples[0].channel], 40))
    arrived = 0

    def on_progress(now: ForwardProgress) -> None:
        nonlocal arrived
        arrived = now.samples

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: forward(path, database, schema=schema, follow=True, on_progress=on_progress))
        with anyio.fail_after(20):
            for number, batch in enumerate(batches, 1):
                await sink.write([batch], [])
                if number % 20 == 0:
                    while arrived < number:
                        await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    await sink.aclose()
    assert await ask(database, f"SELECT count(*) FROM {schema}.samples") == [(40,)]


async def test_the_sink_records_and_forwards(database: str, schema: str, tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "local.sqlite"
    await store(PostgresSink(database, str(path), schema=schema), run, varied(run), EVENTS)
    assert list(read(path)) == list(rows(run.id, varied(run)))
    assert await rows_there(database, schema) == [structs.astuple(row) for row in rows(run.id, varied(run))]
    assert await ask(database, f"SELECT count(*) FROM {schema}.events WHERE kind <> 'forward_delayed'") == [(2,)]


async def test_recording_does_not_wait_for_a_database_that_is_not_reachable(tmp_path: Path) -> None:
    run, path = make_run(), tmp_path / "local.sqlite"
    with anyio.fail_after(2):
        await store(PostgresSink(NOWHERE, str(path)), run, varied(run))
    assert list(read(path)) == list(rows(run.id, varied(run)))
    with closing(sqlite3.connect(path)) as file:
        events = file.execute("SELECT kind, message FROM events").fetchall()
    assert {kind for kind, _ in events} == {EventKind.FORWARD_DELAYED}
    assert f"run `riglog forward {path} --to {NOWHERE}` to send the rest" in events[-1][1]


async def test_recording_does_not_wait_for_a_database_that_does_not_respond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts the connection and then sends nothing."""
    monkeypatch.setattr("riglog.sinks.postgres.sink.CLOSE_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://riglog@127.0.0.1:{silent.getsockname()[1]}/central?sslmode=disable"
        run, path = make_run(), tmp_path / "local.sqlite"
        with anyio.fail_after(2):
            await store(PostgresSink(url, str(path)), run, varied(run))
    assert list(read(path)) == list(rows(run.id, varied(run)))


async def test_forwarding_ends_with_an_error_when_the_database_stays_unreachable(tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    with anyio.fail_after(5), pytest.raises(StorageError, match="PostgreSQL not reachable") as given_up:
        await forward(path, NOWHERE, give_up_after=0.3)
    assert given_up.value.hint is not None
    assert "No data is lost" in given_up.value.hint


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE {}.samples (a integer)",
        "CREATE TABLE {0}.meta (key text, value text); CREATE TABLE {0}.samples (a integer)",
    ],
)
async def test_a_schema_with_other_tables_is_refused(
    database: str, schema: str, tmp_path: Path, statement: str
) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    await ask(database, f"CREATE SCHEMA {schema}")
    for part in statement.format(schema).split(";"):
        await ask(database, part)
    with pytest.raises(NotARecordingError, match="schema is not a riglog schema"):
        await forward(path, database, schema=schema)


async def test_a_newer_schema_is_refused(database: str, schema: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    await forward(path, database, schema=schema)
    await ask(database, f"UPDATE {schema}.meta SET value = '2' WHERE key = 'schema'")
    with pytest.raises(NewerSchemaError):
        await forward(path, database, schema=schema)


@pytest.mark.parametrize("name", ["Riglog", "pg_riglog", "a-b", "a; DROP TABLE x", "", "1a", "a" * 64, 'a"b'])
async def test_a_name_that_is_not_an_identifier_is_refused(name: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    with pytest.raises(ConfigError, match="invalid schema name"):
        await forward(path, NOWHERE, schema=name)
    with pytest.raises(ConfigError, match="invalid schema name"):
        await PostgresSink(NOWHERE, str(path), schema=name).check()


@pytest.mark.parametrize("word", ["select", "user", "table"])
async def test_a_schema_may_have_a_key_word_as_its_name(database: str, word: str, tmp_path: Path) -> None:
    """Forwarding, forwarding again, what a witness reads and what the page of the laboratory reads."""
    run = make_run()
    path = await sqlite_recording(tmp_path / "run.sqlite", run)
    for _ in range(2):
        await forward(path, database, schema=word)
    assert await ask(database, f'SELECT count(*) FROM "{word}".samples') == [(19,)]
    assert len(await witnessed_heads(database, [run.id], schema=word)) == 1
    source = LaboratorySource(CentralReader(check_url(database), word), lambda value, text: f"{value}{text}")
    assert source.look(run.started_ns + NS).state == "laboratory"
    assert [each.run for each in source.runs()] == [run.id]
    source.close()


async def test_a_database_that_refuses_the_connection_is_not_retried(database: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    with anyio.fail_after(2), pytest.raises(StorageError, match='database "nowhere" does not exist'):
        await forward(path, database.replace("/postgres?", "/nowhere?"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/db", "not a PostgreSQL database"),
        ("mysql+pymysql://u:geheim@host/db", "not a PostgreSQL database"),
        ("geheim://host/db", "invalid PostgreSQL URL"),  # could be a password
        ("central", "invalid PostgreSQL URL"),
        ("", "invalid PostgreSQL URL"),
    ],
)
async def test_a_url_of_another_kind_is_refused(url: str, message: str, tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    with pytest.raises(ConfigError, match=message) as caught:
        await forward(path, url)
    assert "geheim" not in f"{caught.value} {caught.value.hint}"


async def test_a_column_of_another_type_is_refused(database: str, schema: str, tmp_path: Path) -> None:
    """A smaller type would change values without a message."""
    path = await sqlite_recording(tmp_path / "run.sqlite")
    await forward(path, database, schema=schema)
    await ask(database, f"ALTER TABLE {schema}.samples ALTER COLUMN value TYPE real")
    with pytest.raises(
        NotARecordingError, match=r"column samples\.value has the type real instead of double precision"
    ):
        await forward(path, database, schema=schema, restart=True)


async def test_the_remaining_rows_are_those_after_the_cursor_also_if_it_is_moved_back(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    queue = ForwardQueue(path)
    written = 0
    for batch in steady(run, [WARM, ZONE], 6):
        await sink.write([batch], [])
        written += len(batch.samples)
        for flush in (1, written // 4, 0, written // 2):
            assert queue.remaining(Cursor(flush=flush)) == written - 2 * flush
    queue.close()
    await sink.aclose()


def test_a_hypertable_has_the_time_in_its_key() -> None:
    """There is no TimescaleDB server here: only the statements are checked."""
    assert """SELECT create_hypertable('"central".samples', 'received_at')""" in list(
        create("central", hypertable=True)
    )
    assert "received_at" in SAMPLES.key


async def test_the_queries_of_the_schema_page_run(database: str, schema: str, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")
    recipes = [
        sql for sql in re.findall(r"^```sql\n(.*?)^```", page, re.MULTILINE | re.DOTALL) if "riglog.samples" in sql
    ]
    assert len(recipes) == 4
    path = await sqlite_recording(tmp_path / "run.sqlite")
    await forward(path, database, schema=schema)
    found = [await ask(database, sql.replace("riglog.samples", f"{schema}.samples")) for sql in recipes]
    latest, channel, minutes, averages = found
    newest = {(row.device, row.parameter, row.instance): row.value for row in latest_rows(path)}
    assert {row[1:4]: row[4] for row in latest} == newest
    rows = [row for row in read(path) if (row.parameter, row.instance) == ("process_value", 1)]
    assert [row[1] for row in channel] == [row.value for row in rows]
    numbers = [row.value for row in rows if row.value is not None]
    assert [row[1:4] for row in minutes] == [(len(numbers), min(numbers), max(numbers))]
    assert {row[1] for row in averages} == {
        "balance.net",
        "oven.control_mode",
        "oven.process_value",
        "stack.I1",
        "stack.alarm",
    }


async def test_no_query_of_the_schema_page_reads_the_whole_table(database: str, schema: str, tmp_path: Path) -> None:
    """Thirty days of three channels: the plans that a server chooses that knows how many rows there are."""
    await forward(await sqlite_recording(tmp_path / "run.sqlite"), database, schema=schema)
    columns = ", ".join(f"NULL::{TYPES[column.kind]}" if not column.required else FILLED[column.name] for column in ROW)
    await ask(
        database,
        f"INSERT INTO {schema}.samples SELECT {columns}, 'lab-pc', n FROM generate_series(1, 60000) AS n",
    )
    await ask(database, f"ANALYZE {schema}.samples")
    page = (Path(__file__).parents[3] / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")
    for sql in re.findall(r"^```sql\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if "riglog.samples" in sql:
            plan = await ask(database, "EXPLAIN " + sql.replace("riglog.samples", f"{schema}.samples"))
            text = "\n".join(line for (line,) in plan)
            assert "Seq Scan on samples" not in text, text


FILLED = {
    "run": "'other.0001'",
    "device": "'oven'",
    "driver": "'toy'",
    "protocol": "'toy'",
    "parameter": "'p' || n % 3",
    "instance": "1",
    "status": "'ok'",
    "flags": "''",
    "received_at": "timestamptz '2026-10-01T00:00:00Z' + n * interval '43 seconds'",
    "midpoint_at": "timestamptz '2026-10-01T00:00:00Z' + n * interval '43 seconds'",
    "monotonic_ns": "n",
}


async def test_every_file_of_a_rotation_arrives_and_repeated_events_do_not(
    database: str, schema: str, tmp_path: Path
) -> None:
    path = tmp_path / "kiln.sqlite"
    await store(rotating(path), ROTATED, list(steady(ROTATED, [WARM], 60)), BEGAN)
    assert len(parts(path)) == 3
    seen: list[int | None] = []
    progress = await forward(path, database, schema=schema, on_progress=lambda now: seen.append(now.remaining))
    assert (seen[0], progress.samples, progress.remaining) == (60, 60, 0)
    assert (await forward(path, database, schema=schema)).samples == 0
    assert await ask(database, f"SELECT count(*), count(DISTINCT tick) FROM {schema}.samples") == [(60, 60)]
    kinds = await ask(database, f"SELECT kind, count(*) FROM {schema}.events GROUP BY kind ORDER BY kind")
    assert kinds == [("identity_expected", 1), ("recording_continued", 4), ("run_started", 1)]


async def test_following_goes_on_with_the_next_file_when_one_is_complete(
    database: str, schema: str, tmp_path: Path
) -> None:
    path = tmp_path / "kiln.sqlite"
    sink = rotating(path)
    await sink.open(ROTATED)

    async def recorded(first: int, end: int) -> None:
        await sink.write(list(steady(ROTATED, [WARM], end - first, first=first)), BEGAN if not first else ())

    async with anyio.create_task_group() as tasks:
        await recorded(0, 10)
        tasks.start_soon(partial(forward, path, database, schema=schema, follow=True))
        with anyio.fail_after(30):
            await recorded(10, 40)
            await recorded(40, 60)
            assert len(parts(path)) > 1
            while not await arrived(database, schema, 60):
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()
    await sink.aclose()
