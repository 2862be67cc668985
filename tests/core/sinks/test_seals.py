"""Every flush of an SQLite recording closes a sealed block; what is changed afterwards is found, and where."""

import base64
import shutil
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import structs
from recorded import EVENTS, make_run, sqlite_recording, steady, store, varied
from tampering import NAMED, PRESSURES, Cuts, changed, check_many, example, sealed_recording, traced_recording

from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.model import Batch, Event
from riglog.recordings import Verified, contents, salvage, upgrade, verify
from riglog.sinks import CsvSink, SqliteSink
from riglog.sinks.postgres import forward
from riglog.sinks.postgres.witness import witnessed_heads
from riglog.sinks.rotation import Limit, RotatingSink
from riglog.sinks.sqlite import schema1
from riglog.sinks.sqlite.blocks import Profile
from riglog.sinks.sqlite.run_file import RunFile
from riglog.sinks.sqlite.schema import open_database
from riglog.sinks.sqlite.signatures import KeySigner, read_public_key


def seen_by_the_example(path: Path, head: str | None = None) -> str | None:
    """What the verifier that shares no code with riglog finds."""
    with closing(sqlite3.connect(path)) as database:
        reason: str | None = example().verify(database, head)
    return reason


@pytest.mark.parametrize("profile", ["desk", "card"])
async def test_every_flush_is_a_block_and_both_verifiers_agree(profile: Profile, tmp_path: Path) -> None:
    path = await sealed_recording(tmp_path / "run.sqlite", profile=profile)
    found = verify(path)
    assert found.complete
    with closing(sqlite3.connect(path)) as database:
        assert (found.blocks,) == database.execute("SELECT count(*) FROM seal").fetchone()
        assert (found.rows,) == database.execute("SELECT count(*) FROM reading").fetchone()
        newest = database.execute("SELECT hex(hash) FROM seal ORDER BY flush_id DESC LIMIT 1").fetchone()
    assert found.head == newest[0].lower() == contents(path).head
    assert seen_by_the_example(path, found.head) is None


@pytest.mark.parametrize("profile", ["desk", "card"])
async def test_random_changes_are_found_by_both_verifiers_in_the_same_block(profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    blocks = await traced_recording(path, profile=profile, flushes=2)
    kinds = check_many(path, blocks, 18, range(80))
    assert {"edit", "delete", "swap", "insert", "cut", "flip", NAMED} <= {
        kind for kind, count in kinds.items() if count
    }


@pytest.mark.parametrize("profile", ["desk", "card"])
async def test_what_a_power_failure_leaves_is_proven_up_to_the_last_flush(profile: Profile, tmp_path: Path) -> None:
    cuts = Cuts(tmp_path, profile)
    await cuts.record()
    other = example()
    kinds = {cuts.check(18, number, other) for number in range(25)}
    assert {"absent", "prefix", "sectors", "zeros"} <= kinds


async def test_a_file_in_which_sql_was_changed_to_bytes_that_are_no_text_is_damaged(tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    path.write_bytes(path.read_bytes().replace(b"segment INTEGER NOT NULL", b"segment INTEGER NOT NU\xd4\xff"))
    with pytest.raises(StorageError, match="damaged"):
        verify(path)


async def recording_of_ten_flushes(tmp_path: Path) -> tuple[Path, list[int]]:
    """A recording, and the time of the first reading of each block."""
    path, run = tmp_path / "run.sqlite", make_run()
    sink, times = SqliteSink(path), []
    await sink.open(run)
    for at in range(10):
        batches = list(steady(run, PRESSURES, 5, first=5 * at))
        times.append(batches[0].samples[0].stamp.received_ns)
        await sink.write(batches, EVENTS if not at else ())
    await sink.aclose()
    return path, times


CHANGES = {
    "a value": "UPDATE reading SET value = value + 1e-9 WHERE received_ns = {at} AND channel_id = 2",
    "a deleted reading": "DELETE FROM reading WHERE received_ns = {at} AND channel_id = 2",
    "deleted readings": "DELETE FROM reading WHERE received_ns = {at}",
    "an inserted reading": (
        "INSERT INTO reading SELECT block_id, channel_id, received_ns + 1, n, value, annotation_id, tick, latency_ns,"
        " skew_ns, own_ns FROM reading WHERE received_ns = {at} AND channel_id = 2"
    ),
    "a flush": "UPDATE flush SET rows = rows + 1 WHERE id = 4",
    "a seal": "UPDATE seal SET hash = zeroblob(32) WHERE flush_id = 4",
}


@pytest.mark.parametrize("what", CHANGES)
async def test_the_block_with_a_change_is_named_and_the_others_are_proven(what: str, tmp_path: Path) -> None:
    path, times = await recording_of_ten_flushes(tmp_path)
    found = verify(changed(path, CHANGES[what].format(at=times[3])))
    assert [wrong.block for wrong in found.wrong] == [4]
    assert found.wrong_blocks == 1
    assert found.proven_blocks == 3
    assert found.proven_until is not None
    assert found.changed


async def test_without_a_witness_a_cut_end_is_not_found_and_with_one_it_is(tmp_path: Path) -> None:
    path, times = await recording_of_ten_flushes(tmp_path)
    cut = changed(
        path,
        f"DELETE FROM reading WHERE received_ns >= {times[8]}",
        "DELETE FROM seal WHERE flush_id > 8",
        "DELETE FROM flush WHERE id > 8",
    )
    assert verify(cut).complete
    head = verify(path).head
    assert head is not None
    found = verify(cut, heads=[head])
    assert found.changed
    assert "its end was cut off" in found.problems[0]
    assert not found.wrong_blocks  # what is left is proven
    earlier = verify(path, heads=[verify(cut).head or ""])
    assert (earlier.complete, earlier.witnessed) == (True, 8)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE run SET finished_ns = finished_ns + 1",
        "UPDATE minute SET low = low - 1",
        "UPDATE hour SET rows = rows + 1",
        "CREATE TRIGGER later AFTER INSERT ON event BEGIN DELETE FROM event; END",
        "INSERT INTO series VALUES (99, 'ghost', 'p', 1)",
        "INSERT INTO run SELECT 9, 'ghost', name, 1, 1, NULL, NULL, host, versions, rig, NULL FROM run",
    ],
)
async def test_what_no_block_holds_is_compared_with_what_it_follows_from(statement: str, tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run(rate_hz=2.0)
    await store(SqliteSink(path), run, list(steady(run, PRESSURES, 8000)), EVENTS)
    assert verify(path).complete
    found = verify(changed(path, statement))
    assert not found.complete
    assert found.changed or found.unsealed_runs == ["ghost"]


async def test_a_view_that_was_replaced_is_named(tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    found = verify(changed(path, "DROP VIEW latest", "CREATE VIEW latest AS SELECT * FROM reading"))
    assert found.problems == ["view latest is not as riglog makes it"]


async def test_a_resumed_run_continues_the_chain(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    for part in range(3):
        sink = SqliteSink(path)
        await sink.open(run)
        await sink.write(list(steady(run, PRESSURES, 5, first=5 * part)), EVENTS)
        await sink.aclose()
    found = verify(path)
    assert (found.complete, found.blocks, found.rows) == (True, 3, 45)
    assert seen_by_the_example(path) is None


async def test_a_run_that_was_recorded_without_seals_is_named_and_stays_without(tmp_path: Path) -> None:
    path, old, new = tmp_path / "run.sqlite", make_run(), make_run(number=1)
    for sealed in (False, True):  # an earlier version; then it is resumed
        file = RunFile(path, old, durable=True, profile="desk", sealed=sealed)
        file.write(varied(old), EVENTS)
        file.close()
    assert verify(path).head is None
    await store(SqliteSink(path), new, varied(new), EVENTS)
    found = verify(path)
    assert (found.changed, found.complete, found.unsealed_runs) == (False, False, [old.id])
    assert found.blocks == 2
    edit = "UPDATE reading SET value = 1.5 WHERE channel_id = (SELECT max(id) FROM channel WHERE run_id = {})"
    assert verify(changed(path, edit.format(2))).wrong_blocks == 1
    assert not verify(changed(path, edit.format(1))).changed  # nothing is known about it


async def test_rows_that_an_earlier_version_adds_to_a_sealed_run_are_named(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, varied(run), EVENTS)
    file = RunFile(path, run, durable=True, profile="desk", sealed=False)
    file.write(list(steady(run, PRESSURES, 5)), ())
    file.close()
    await store(SqliteSink(path), run, list(steady(run, PRESSURES, 5, first=50)), ())
    found = verify(path)
    assert found.wrong_blocks == 0
    assert any("flushes were stored after the last seal" in problem for problem in found.problems)


def test_a_file_of_before_there_were_seals_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(open_database(path)) as database:
        database.execute("ALTER TABLE seal DROP COLUMN extent")
    run = make_run()
    assert verify(path).head is None
    file = RunFile(path, run, durable=True, profile="desk")
    file.write(varied(run), EVENTS)
    file.close()
    assert verify(path).complete


async def test_a_killed_recording_is_proven_up_to_its_last_flush(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    for at in range(4):
        await sink.write(list(steady(run, PRESSURES, 5, first=5 * at)), EVENTS)
        image = tmp_path / f"killed{at}.sqlite"
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{image}{suffix}")
        found = verify(image)
        assert (found.complete, found.blocks, found.rows) == (True, at + 1, 15 * (at + 1))
    await sink.aclose()


async def test_samples_that_are_rejected_leave_the_chain_as_it_is(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(varied(run), EVENTS)
    (good,) = steady(run, PRESSURES, 1, first=90)
    bad = Batch("bus", 91, [*good.samples, structs.replace(good.samples[0], value=object())])  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await sink.write([good, bad], [Event(1, EVENTS[0].kind, "x")])
    await sink.write([good], [])
    await sink.aclose()
    assert verify(path).complete


async def test_minus_zero_and_large_numbers_are_sealed_as_they_are_stored(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    (batch,) = steady(run, PRESSURES, 1)
    values = [-0.0, 2**60, 1e300, True, 3, 1e-320]
    samples = [structs.replace(batch.samples[0], value=value) for value in values]
    await store(SqliteSink(path), run, [Batch("bus", 1, samples)] * 2, ())
    assert verify(path).complete
    assert seen_by_the_example(path) is None


async def test_every_file_of_a_rotated_recording_has_its_own_chain(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    sink = RotatingSink(SqliteSink, path, Limit(bytes=1))
    await sink.open(run)
    for at in range(3):
        await sink.write(list(steady(run, PRESSURES, 5, first=5 * at)), EVENTS if not at else ())
    await sink.aclose()
    files = sorted(tmp_path.glob("*.sqlite"))
    assert len(files) == 4
    assert all(verify(file).complete for file in files)
    assert sink.newest_seal == verify(files[-2]).head


async def test_a_deleted_recording_keeps_its_chain_in_the_copy(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(varied(run), EVENTS)
    path.unlink()
    await sink.write(list(steady(run, PRESSURES, 5)), ())
    await sink.aclose()
    found = verify(path)
    assert (found.complete, found.blocks) == (True, 2)


async def test_a_salvaged_recording_has_no_seals_and_that_is_said(tmp_path: Path) -> None:
    path = await sqlite_recording(tmp_path / "run.sqlite")
    salvage(path, tmp_path / "saved.sqlite")
    found = verify(tmp_path / "saved.sqlite")
    assert (found.head, found.complete, found.changed) == (None, False, False)
    assert found.unsealed_runs == [make_run().id]


def test_a_file_of_schema_1_and_its_copy_have_no_seals(tmp_path: Path) -> None:
    path, run = tmp_path / "old.sqlite", make_run()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        schema1.create(database)
        database.execute(
            "INSERT INTO run VALUES (1, ?, 'bench', 1, 1, NULL, 2.0, 'lab-pc', '{}', NULL)",
            (run.id,),
        )
    for each in (path, Path(upgrade(path).out)):
        found = verify(each)
        assert (found.head, found.complete, found.unsealed_runs) == (None, False, [run.id])
    assert verify(path, heads=["12345678"]).changed


async def test_text_recordings_are_refused_because_they_have_no_seals(tmp_path: Path) -> None:
    await store(CsvSink(tmp_path / "rows.csv"), make_run(), varied(make_run()))
    with pytest.raises(NotARecordingError, match="only an SQLite recording"):
        verify(tmp_path / "rows.csv")
    with pytest.raises(ConfigError, match="invalid head"):
        verify(tmp_path / "rows.csv", heads=["x"])


def key_files(folder: Path, *, ssh: bool = True) -> tuple[Path, Path, Ed25519PrivateKey]:
    """A key without a password, as ssh-keygen or openssl writes it."""
    key = Ed25519PrivateKey.generate()
    form = serialization.PrivateFormat.OpenSSH if ssh else serialization.PrivateFormat.PKCS8
    private, public = folder / f"key{ssh}", folder / f"key{ssh}.pub"
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    kind = (
        (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        if ssh
        else (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    public.write_bytes(key.public_key().public_bytes(*kind))
    return private, public, key


@pytest.mark.parametrize("ssh", [True, False])
async def test_the_head_is_signed_and_another_key_is_noticed(ssh: bool, tmp_path: Path) -> None:
    private, public, _ = key_files(tmp_path, ssh=ssh)
    (tmp_path / "other").mkdir()
    _, other, _ = key_files(tmp_path / "other")
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path, sign=str(private)), run, varied(run), EVENTS)
    found = verify(path, key=public)
    assert (found.complete, found.signed) == (True, found.blocks)
    assert found.keys == [read_public_key(public).fingerprint]
    assert verify(path, key=other).problems == ["no seal is signed with the given key"]
    forged = verify(changed(path, "UPDATE seal SET signature = zeroblob(64) WHERE signature IS NOT NULL"))
    assert any("the signature of block" in problem for problem in forged.problems)


async def test_a_recording_that_is_sealed_again_without_the_key_is_found(tmp_path: Path) -> None:
    """The attacker of docs/reference/seals.md: the owner of the file, who can rebuild the chain, and has no key."""
    private, public, _ = key_files(tmp_path)
    run = make_run()
    honest, forged = tmp_path / "run.sqlite", tmp_path / "forged.sqlite"
    await store(SqliteSink(honest, sign=str(private)), run, varied(run), EVENTS)
    await store(SqliteSink(forged), run, list(steady(run, PRESSURES, 5)), EVENTS)
    assert verify(forged).complete
    assert verify(forged, key=public).changed
    assert verify(forged, heads=[verify(honest).head or ""]).changed


async def test_a_key_that_cannot_be_used_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    for key in ("key", "absent"):
        with pytest.raises(ConfigError, match="key cannot be"):
            await SqliteSink(tmp_path / "run.sqlite", sign=str(tmp_path / key)).check()
    assert not (tmp_path / "run.sqlite").exists()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Ed25519PrivateKey]]:
    """An agent with one key, as ssh-agent has it; it can be told to refuse."""
    key = Ed25519PrivateKey.generate()
    blob = field(b"ssh-ed25519") + field(key.public_key().public_bytes_raw())
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "agent"))
    listener.listen()
    refusing = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
                message = connection.recv(size, socket.MSG_WAITALL)
                if message[0] == 11:
                    reply = bytes([12]) + (1).to_bytes(4) + field(blob) + field(b"test")
                elif refusing.is_set():
                    reply = bytes([5])
                else:
                    data = message[1 + len(field(blob)) + 4 :][: int.from_bytes(message[1 + len(field(blob)) :][:4])]
                    reply = bytes([14]) + field(field(b"ssh-ed25519") + field(key.sign(data)))
                connection.sendall(field(reply))

    thread = threading.Thread(target=serve)
    thread.start()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

    def public() -> Ed25519PrivateKey:
        return key

    public.refuse = refusing.set  # type: ignore[attr-defined]
    yield public
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def field(content: bytes) -> bytes:
    return len(content).to_bytes(4) + content


@pytest.mark.real_time
async def test_an_agent_signs_and_one_that_refuses_stops_nothing(
    agent: Callable[[], Ed25519PrivateKey], tmp_path: Path
) -> None:
    public = tmp_path / "agent.pub"
    blob = field(b"ssh-ed25519") + field(agent().public_key().public_bytes_raw())
    public.write_bytes(b"ssh-ed25519 " + base64.b64encode(blob) + b" test")
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path, sign="agent"), run, varied(run), EVENTS)
    assert verify(path, key=public).complete
    signer = KeySigner("agent")
    agent.refuse()  # type: ignore[attr-defined]
    assert signer.sign(bytes(32)) is None
    later = make_run(number=1)
    await store(SqliteSink(path, sign="agent"), later, varied(later), EVENTS)
    assert verify(path).complete


@pytest.mark.real_time
async def test_the_central_database_is_a_witness_of_the_heads(tmp_path: Path, database: str, schema: str) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    await store(SqliteSink(path), run, varied(run), EVENTS)
    await forward(path, database, schema=schema)
    heads = await witnessed_heads(database, [run.id], schema=schema)
    assert heads == [verify(path).head]
    await store(SqliteSink(path), run, list(steady(run, PRESSURES, 5)), ())
    found: Verified = verify(path, heads=heads)
    assert (found.complete, found.witnessed, found.blocks) == (True, 2, 4)
    await forward(path, database, schema=schema)
    assert len(await witnessed_heads(database, [run.id], schema=schema)) == 2
    forged = tmp_path / "forged.sqlite"
    await store(SqliteSink(forged), run, list(steady(run, PRESSURES, 5)), EVENTS)
    assert verify(forged, heads=heads).changed


def test_the_independent_verifier_has_at_most_80_lines_of_the_standard_library() -> None:
    source = Path(str(example().__file__)).read_text(encoding="utf-8")
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 80
    imported = {
        line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
    }
    assert imported <= sys.stdlib_module_names
