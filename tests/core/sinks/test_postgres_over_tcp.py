"""PostgreSQL over TCP, over TLS and through PgBouncer in transaction mode: real servers, where they are installed."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from msgspec import structs
from postgres import ask, rows_there
from postgres_debian import IN_URL, PASSWORD, Servers, servers
from recorded import WARM, ZONE, make_run, sqlite_recording, steady, store, varied

from riglog.errors import StorageError
from riglog.recordings import read
from riglog.sinks import PostgresSink, SqliteSink, rows
from riglog.sinks.postgres import forward

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


@pytest.fixture(scope="module")
def central() -> Iterator[Servers]:
    with servers() as found:
        yield found


WAYS = {
    "TLS by default": "",
    "require": "sslmode=require",
    "verify-full": "sslmode=verify-full&sslrootcert={certificate}",
    "verify-ca": "sslmode=verify-ca&sslrootcert={certificate}",
}


@pytest.mark.parametrize("pool", [False, True], ids=["server", "pool"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_recording_arrives_complete_and_encrypted(
    central: Servers, schema: str, way: str, pool: bool, tmp_path: Path
) -> None:
    run = make_run()
    path = await sqlite_recording(tmp_path / "run.sqlite", run)
    url = central.url(WAYS[way].format(certificate=central.certificate), pool=pool)
    assert (await forward(path, url, schema=schema)).samples == 19
    assert (await forward(path, url, schema=schema)).samples == 0
    assert await rows_there(central.url(), schema) == [structs.astuple(row) for row in rows(run.id, varied(run))]
    assert await ask(central.url(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [(True,)]


@pytest.mark.parametrize(
    ("query", "host", "reason"),
    [
        ("sslmode=verify-full&sslrootcert={stranger}", "localhost", "certificate verify failed"),
        ("sslmode=verify-full&sslrootcert={certificate}", "127.0.0.1", "certificate"),
        ("sslmode=disable", "localhost", "no pg_hba.conf entry"),
    ],
)
async def test_a_server_that_cannot_be_trusted_gets_nothing_and_the_reason_is_one_line(
    central: Servers, schema: str, query: str, host: str, reason: str, tmp_path: Path
) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    query = query.format(certificate=central.certificate, stranger=central.stranger)
    url = central.url(query, host=host)
    done = await anyio.run_process(
        [
            sys.executable,
            "-m",
            "riglog",
            "forward",
            str(path),
            "--to",
            url,
            "--schema",
            schema,
            "--give-up-after",
            "1s",
        ],
        check=False,
    )
    printed = done.stderr.decode()
    assert done.returncode == 4
    assert reason in printed
    assert "Traceback" not in printed
    assert PASSWORD not in printed
    assert IN_URL not in printed
    assert await ask(central.url(), "SELECT to_regnamespace($1) IS NULL", schema) == [(True,)]


async def test_a_wrong_password_is_refused_in_one_line_that_does_not_contain_it(
    central: Servers, schema: str, tmp_path: Path
) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    with pytest.raises(StorageError, match="password authentication failed") as refused:
        await forward(path, central.url().replace(IN_URL, "TOPSECRET"), schema=schema, give_up_after=1)
    assert "TOPSECRET" not in str(refused.value)


async def test_many_forwarders_share_the_few_connections_of_a_pool(central: Servers, tmp_path: Path) -> None:
    """In transaction mode each transaction can have another server process; the pool has three."""
    url = central.url("sslmode=require", pool=True)
    written = {}
    for number in range(8):
        run = make_run(number=number)
        written[run.id] = 300 * 2
        await store(SqliteSink(tmp_path / f"{number}.sqlite"), run, list(steady(run, [WARM, ZONE], 300)))
    async with anyio.create_task_group() as tasks:
        for number in range(8):
            for _ in range(2):  # and two for each recording
                tasks.start_soon(lambda number=number: forward(tmp_path / f"{number}.sqlite", url, schema="pooled"))
    found = dict(await ask(central.url(), "SELECT run, count(*) FROM pooled.samples GROUP BY run"))
    assert found == written


async def test_a_sink_goes_on_after_the_pool_has_lost_its_connections(
    central: Servers, schema: str, tmp_path: Path
) -> None:
    run = make_run()
    batches = list(steady(run, [WARM, ZONE], 40))
    sink = PostgresSink(central.url(pool=True), path=tmp_path / "run.sqlite", schema=schema)
    await sink.open(run)
    for number, batch in enumerate(batches):
        await sink.write([batch], [])
        if number in (10, 25):
            await ask(
                central.url(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
            await anyio.sleep(0.2)
    await sink.aclose()
    await forward(tmp_path / "run.sqlite", central.url(pool=True), schema=schema)
    assert await rows_there(central.url(), schema) == [structs.astuple(row) for row in rows(run.id, batches)]
    assert list(read(tmp_path / "run.sqlite")) == list(rows(run.id, batches))
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as database:
        assert PASSWORD not in "\n".join(database.iterdump())
