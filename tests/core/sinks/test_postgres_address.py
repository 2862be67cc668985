"""URLs of databases: parsed strictly, and no part of a password in anything that is shown, stored or raised."""

from pathlib import Path

import pytest
from recorded import sqlite_recording

from riglog.config.secrets import without_secrets
from riglog.errors import ConfigError, StorageError
from riglog.sinks import PostgresSink
from riglog.sinks.postgres import forward
from riglog.sinks.postgres.address import parse
from riglog.sinks.postgres.central import UnreachableError, _postgres_errors

SECRET = "TOPSECRET"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://lab:TOPSECRET@db:5432/central", "postgresql://lab@db:5432/central"),
        ("postgres://db/central", "postgres://db/central"),
        ("postgresql://db/central?password=TOPSECRET", "postgresql://db/central"),
        ("postgresql://db/c?user=lab&password=TOPSECRET&host=/run", "postgresql://db/c?user=lab&host=/run"),
        ("postgresql://db/c?sslpassword=TOPSECRET&sslmode=require", "postgresql://db/c?sslmode=require"),
        ("postgresql://lab:p%40TOPSECRET%2Fx@db/c", "postgresql://lab@db/c"),
        ("postgresql://postgres:@/postgres?host=/tmp/x", "postgresql://postgres@/postgres?host=/tmp/x"),
        ("postgresql://lab@[::1]:5432,db2:5433/c", "postgresql://lab@[::1]:5432,db2:5433/c"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert parse(url).shown == shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://lab:p@ss/TOPSECRET@db/central",
        "postgresql://lab:p@ss/TOP#SECRET@db/central",
        "postgresql://lab:SEC@TOPSECRET@127.0.0.1:1/db",
        "postgresql://lab:a/TOPSECRET@db/central",
        "postgresql://lab:5432/TOPSECRET@db/central",
        "postgresql://lab:x?TOPSECRET=1@db/central",
        "postgresql://lab:x#TOPSECRET@db/central",
        "postgresql://db/central?TOPSECRET=1",
        "lab:TOPSECRET@h",
        "host=h password=TOPSECRET",
        "mysql://lab:TOPSECRET@h/db",
        "lab:TOPSECRET/PW@h",
        "postgresql://lab:TOPSECRET@h:99999/db",
        "postgresql://lab:TOPSECRET@[::1/db",
        "postgresql://lab:TOPSECRET@h:port/db",
        "postgresql://lab:TOPSECRET%@h/db",
        "postgresql://lab:TOP SECRET@h/db",
        "",
    ],
)
async def test_a_url_that_can_be_read_in_several_ways_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(url)
    assert "SECRET" not in str(refused.value) + str(refused.value.hint)
    assert "%40" in str(refused.value.hint)
    with pytest.raises(ConfigError):
        await PostgresSink(url, tmp_path / "local.sqlite").check()
    assert not (tmp_path / "local.sqlite").exists()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("postgresql://lab@db.example/c", "db.example"),
        ("postgresql://lab@db.example/c?sslmode=prefer", "db.example"),
        ("postgresql://lab@db.example/c?sslmode=verify-full", None),
        ("postgresql://lab@127.0.0.1/c", None),
        ("postgresql://lab@localhost:5433/c", None),
        ("postgresql://lab@[::1]/c", None),
        ("postgresql:///c?host=/var/run/postgresql", None),
        ("postgresql://localhost,10.0.0.7/c", "10.0.0.7"),
    ],
)
async def test_a_password_that_may_travel_unencrypted_is_a_warning(url: str, host: str | None, tmp_path: Path) -> None:
    assert parse(url).unencrypted_host == host
    sink = PostgresSink(url, tmp_path / "local.sqlite")
    await sink.check()
    assert (sink.warning or "").startswith(f"the connection to {host} may be unencrypted" if host else "")
    assert (sink.warning is None) == (host is None)


def test_a_message_of_a_library_is_shown_without_secrets() -> None:
    address = parse("postgresql://lab:p%40TOPSECRET@db/c?sslpassword=KEYPHRASE")
    assert address.redact("bad dsn lab:p%40TOPSECRET or p@TOPSECRET, KEYPHRASE") == "bad dsn lab:*** or ***, ***"


@pytest.mark.real_time
async def test_an_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    recording = await sqlite_recording(tmp_path / "run.sqlite")
    with pytest.raises(StorageError) as unreachable:
        await forward(recording, "postgresql://lab:TOPSECRET@127.0.0.1:1/c", give_up_after=0.0)
    error: BaseException | None = unreachable.value
    while error is not None:
        assert "TOPSECRET" not in str(error)
        error = error.__cause__


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ('url = "postgresql://lab:TOP@S/ECRET@db/c"', 'url = "postgresql://lab:***@db/c"'),
        ('url = "postgresql://lab:${DB_PASSWORD}@db/c"', 'url = "postgresql://lab:${DB_PASSWORD}@db/c"'),
        ('url = "postgresql://db/c?password=SECRET&user=x"', 'url = "postgresql://db/c?password=***&user=x"'),
        ('token = "SECRET"', 'token = "***"'),
        ("password = 'SECRET' # for the pump", "password = '***' # for the pump"),
        ('port = "tcp://10.0.0.5:4001"', 'port = "tcp://10.0.0.5:4001"'),
        ("# e-mail: lab@example.com\nname = 'x'", "# e-mail: lab@example.com\nname = 'x'"),
    ],
)
def test_the_text_of_a_rig_file_is_stored_without_passwords(text: str, stored: str) -> None:
    assert without_secrets(text) == stored


@pytest.mark.parametrize(
    "text", ["connection is closed", "cannot call Transaction.__aexit__(): the underlying connection is closed"]
)
async def test_a_connection_that_the_server_closed_is_lost_and_no_call_of_the_library_is_named(text: str) -> None:
    """As when the server is killed: the event of a recording had the name of a method."""
    asyncpg = pytest.importorskip("asyncpg", reason="pip install 'riglog[postgres]'")
    with pytest.raises(UnreachableError) as caught:
        async with _postgres_errors(parse("postgresql://lab:secret@host/db")):
            raise asyncpg.InterfaceError(text)
    assert caught.value.message == "PostgreSQL not reachable: connection lost"
