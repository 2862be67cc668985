"""Bundles: a recording and all that belongs to it, frozen, with a manifest that other programs check."""

import hashlib
import json
import shutil
import sqlite3
import stat
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs
from recorded import EVENTS, WARM, make_run, steady, store, varied
from tampering import changed, sealed_recording

from riglog.cli.app import cli
from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.model import Event, EventKind
from riglog.recordings import contents, read, read_events, verify
from riglog.recordings.bundles import bundle, check_bundle, writing
from riglog.recordings.bundles.names import is_safe_path, safe_name
from riglog.sinks import CsvSink, SqliteSink
from riglog.sinks.rotation import Limit, RotatingSink


async def recorded(path: Path) -> Path:
    await store(SqliteSink(path), make_run(), varied(make_run()), EVENTS)
    return path


def left(folder: Path) -> list[str]:
    """What a bundle that failed has left beside the recordings."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith((".sqlite", "-wal", "-shm", ".csv")))


@pytest.mark.parametrize("out", ["run", "run.zip", "run.eln"])
async def test_a_bundle_has_everything_and_is_checked(out: str, tmp_path: Path) -> None:
    path = await recorded(tmp_path / "kiln 7.sqlite")
    done = bundle(path, tmp_path / out)
    found = check_bundle(tmp_path / out)
    assert (found.wrong, found.digest) == (0, done.digest)
    if out != "run":
        with zipfile.ZipFile(tmp_path / out) as archive:
            archive.extractall(tmp_path / "unpacked")
        (root,) = (tmp_path / "unpacked").iterdir()
    else:
        root = tmp_path / out
    data = root / "data"
    assert sorted(each.name for each in data.iterdir()) == [
        "kiln_7-events.jsonl",
        "kiln_7-rig-1.toml",
        "kiln_7-runs.json",
        "kiln_7-seals.json",
        "kiln_7.html",
        "kiln_7.sqlite",
        "rows.csv",
        "versions.json",
    ]
    copy = data / "kiln_7.sqlite"
    assert verify(copy).complete
    assert contents(copy).head == contents(path).head
    assert list(read(copy)) == list(read(path)) == list(read(data / "rows.csv"))
    assert list(read_events(copy)) == list(read_events(path))
    assert (data / "kiln_7-rig-1.toml").read_text() == make_run().rig
    assert not Path(f"{copy}-wal").exists()


@pytest.mark.filterwarnings("ignore:'count' is passed:DeprecationWarning")  # bagit does so, and Python 3.13 warns
async def test_the_folder_is_a_bag_to_another_program(tmp_path: Path) -> None:
    bagit = pytest.importorskip("bagit")
    bundle(await recorded(tmp_path / "run.sqlite"), tmp_path / "run")
    bag = bagit.Bag(str(tmp_path / "run"))
    assert bag.validate()
    assert bag.info["Riglog-Head"] == contents(tmp_path / "run.sqlite").head
    (tmp_path / "run" / "data" / "rows.csv").write_text("changed")
    assert not bagit.Bag(str(tmp_path / "run")).is_valid()


async def test_the_eln_file_is_a_crate_to_another_program(tmp_path: Path) -> None:
    crates = pytest.importorskip("rocrate.rocrate")
    run = make_run()
    hostile = structs.replace(WARM, device="../../etc/passwd\n\x1b[2J")
    await store(SqliteSink(tmp_path / "run.sqlite"), run, list(steady(run, [hostile], 3)), EVENTS)
    bundle(tmp_path / "run.sqlite", tmp_path / "run.eln")
    with zipfile.ZipFile(tmp_path / "run.eln") as archive:
        names = archive.namelist()
        assert all(name.startswith("run.eln/") and is_safe_path(name) for name in names)
        archive.extractall(tmp_path / "unpacked")
        described = json.loads(archive.read("run.eln/ro-crate-metadata.json"))
    graph = {entity["@id"]: entity for entity in described["@graph"]}
    assert described["@context"] == "https://w3id.org/ro/crate/1.1/context"
    assert graph["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    assert {"name", "description", "datePublished", "license"} <= set(graph["./"])
    for entity in graph.values():  # flat: every reference leads to an entity
        for value in entity.values():
            for each in value if isinstance(value, list) else [value]:
                assert not isinstance(each, dict) or each["@id"] in graph or each["@id"].startswith("https:")
    assert graph["#device-1"]["name"] == hostile.device
    root = tmp_path / "unpacked" / "run.eln"
    crate = crates.ROCrate(str(root))
    files = [entity for entity in crate.get_entities() if entity.type == "File"]
    assert len(files) == len(names) - 1
    for file in files:
        content = (root / file.id).read_bytes()
        assert (str(len(content)), hashlib.sha256(content).hexdigest()) == (file["contentSize"], file["sha256"])


async def test_a_recording_that_grows_is_copied_as_it_is_at_one_moment(tmp_path: Path) -> None:
    path, run = tmp_path / "run.sqlite", make_run()
    sink = SqliteSink(path)
    await sink.open(run)
    await sink.write(varied(run), EVENTS)
    head = contents(path).head
    bundle(path, tmp_path / "run")
    await sink.write(list(steady(run, [WARM], 3, first=9)), [Event(run.started_ns, EventKind.NOTE, "later")])
    await sink.aclose()
    copy = tmp_path / "run" / "data" / "run.sqlite"
    assert verify(copy).complete
    assert contents(copy).head == head != contents(path).head
    assert verify(path, heads=[head or ""]).complete  # the bundle is a witness of the recording


async def test_the_files_of_a_rotated_recording_are_one_bundle(tmp_path: Path) -> None:
    run = make_run()
    sink = RotatingSink(SqliteSink, tmp_path / "run.sqlite", Limit(bytes=1))
    await sink.open(run)
    for at in range(3):
        await sink.write(list(steady(run, [WARM], 5, first=5 * at)), EVENTS if not at else ())
    await sink.aclose()
    files = sorted(path for path in tmp_path.glob("*.sqlite") if contents(path).rows)
    (tmp_path / "other").mkdir()
    same_name = shutil.copy(files[0], tmp_path / "other" / files[1].name)
    bundle(files, tmp_path / "all")
    assert check_bundle(tmp_path / "all").wrong == 0
    assert len(list(read(tmp_path / "all" / "data" / "rows.csv"))) == 15
    bundle([files[1], same_name], tmp_path / "two")
    assert len(list((tmp_path / "two" / "data").glob("*.sqlite"))) == 2
    with pytest.raises(ConfigError, match="given twice"):
        bundle([files[0], files[0]], tmp_path / "x")


async def test_a_recording_that_was_changed_is_bundled_and_that_is_stated(tmp_path: Path) -> None:
    path = changed(await sealed_recording(tmp_path / "run.sqlite"), "UPDATE reading SET value = 7 WHERE value = 0.1")
    done = CliRunner().invoke(cli, ["bundle", str(path), "-o", str(tmp_path / "b.zip"), "--rows", "none"])
    assert done.exit_code == 0, done.output
    assert "not as it was sealed" in done.stderr
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert json.loads(archive.read("b/data/changed-seals.json"))["wrong_blocks"]


async def test_what_cannot_be_bundled_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await sealed_recording(tmp_path / "run.sqlite", flushes=20)
    content = path.read_bytes()
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(content[: len(content) // 2])
    await store(CsvSink(tmp_path / "rows.csv"), make_run(), varied(make_run()))
    for out in ("b", "b.zip", "b.eln"):
        with pytest.raises(StorageError):
            bundle(damaged, tmp_path / out)
        with pytest.raises(NotARecordingError):
            bundle(tmp_path / "rows.csv", tmp_path / out)
        with pytest.raises(StorageError, match="exists"):
            bundle(path, path)
    (tmp_path / "full").mkdir()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for name, out in (("_digest", "b"), ("_archive", "b.zip"), ("_publish", "b")):
        with monkeypatch.context() as disk:
            disk.setattr(writing, name, full)
            with pytest.raises(StorageError, match="No space left") as raised:
                bundle(path, tmp_path / "full" / out)
            assert raised.value.hint == "Free disk space"
    assert not list((tmp_path / "full").iterdir())
    assert left(tmp_path) == ["full"]
    assert path.read_bytes() == content


async def test_an_existing_bundle_is_never_replaced(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "run.sqlite")
    for out in ("b", "b.zip", "b.eln"):
        first = bundle(path, tmp_path / out)
        with pytest.raises(StorageError, match="exists"):
            bundle(path, tmp_path / out)
        assert check_bundle(tmp_path / out).digest == first.digest
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError):
        bundle(path, tmp_path / "link")


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of an archive, with changes."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    copy = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(copy, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return copy


@pytest.mark.parametrize("ending", [".zip", ".eln"])
async def test_whatever_is_changed_in_an_archive_is_found_and_nothing_is_unpacked(ending: str, tmp_path: Path) -> None:
    path = await recorded(tmp_path / "run.sqlite")
    out = tmp_path / f"b{ending}"
    bundle(path, out)
    root = "b" if ending == ".zip" else "b.eln"
    before = sorted(tmp_path.rglob("*"))

    def problems(change: Callable[[dict[str, bytes]], None]) -> str:
        copy = rewritten(out, change)
        found = check_bundle(copy)
        assert found.wrong
        copy.unlink()
        assert sorted(tmp_path.rglob("*")) == before
        return " ".join(found.problems)

    rows = f"{root}/data/rows.csv"
    assert "rows.csv: not as" in problems(lambda entries: entries.update({rows: b"x"}))
    assert "rows.csv: absent" in problems(lambda entries: entries.pop(rows) and None)
    assert "not in the manifest" in problems(lambda entries: entries.update({f"{root}/data/more.csv": b"x"}))
    for hostile in ("../evil", "/etc/evil", f"{root}/../../evil", f"{root}/data/..\\evil", "C:/evil", f"{root}//x"):
        text = problems(lambda entries, name=hostile: entries.update({name: b"x"}))  # type: ignore[misc]
        assert "leaves the bundle" in text or "not in the manifest" in text


async def test_links_and_paths_that_leave_a_folder_are_found_and_not_followed(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "run.sqlite")
    bundle(path, tmp_path / "b")
    secret = tmp_path / "secret"
    secret.write_text("x")
    rows = tmp_path / "b" / "data" / "rows.csv"
    rows.unlink()
    rows.symlink_to(secret)
    found = check_bundle(tmp_path / "b")
    assert any("a link" in problem for problem in found.problems)
    assert any("rows.csv: absent" in problem for problem in found.problems)
    manifest = tmp_path / "b" / "manifest-sha256.txt"
    manifest.write_text(manifest.read_text() + f"{'0' * 64}  data/../../secret\n")
    assert any("leaves the bundle" in problem for problem in check_bundle(tmp_path / "b").problems)


async def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "run.sqlite")
    made = bundle(path, tmp_path / "b.zip")
    for other in (path, tmp_path, tmp_path / "absent"):
        with pytest.raises(StorageError):
            check_bundle(other)
    content = bytearray((tmp_path / "b.zip").read_bytes())
    for at in range(30, len(content) - 100, len(content) // 40):
        cut = bytearray(content)
        cut[at] ^= 0xFF
        (tmp_path / "flipped.zip").write_bytes(cut)
        try:
            found = check_bundle(tmp_path / "flipped.zip")
            assert found.wrong or found.digest == made.digest, at  # else it was where an archive has no content
        except StorageError:
            continue
    link = zipfile.ZipInfo("b/data/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert any("a link" in problem for problem in check_bundle(tmp_path / "b.zip").problems)


async def test_the_command_bundles_checks_and_states_the_manifest(tmp_path: Path) -> None:
    path, out = await recorded(tmp_path / "run.sqlite"), str(tmp_path / "b.eln")
    made = CliRunner().invoke(cli, ["bundle", str(path), "-o", out])
    assert made.exit_code == 0, made.output
    checked = CliRunner().invoke(cli, ["bundle", "--check", out])
    assert checked.exit_code == 0
    assert made.stdout.splitlines()[0] in checked.stdout
    copy = rewritten(Path(out), lambda entries: entries.update({"b.eln/data/rows.csv": b"x"}))
    failed = CliRunner().invoke(cli, ["bundle", "--check", str(copy), "--json"], standalone_mode=False)
    assert failed.return_value == 5
    assert json.loads(failed.stdout)["problems"] == ["data/rows.csv: not as the manifest states"]
    assert CliRunner().invoke(cli, ["bundle", str(path)]).exit_code == 2
    assert CliRunner().invoke(cli, ["bundle", "--check", out, "-o", "x"]).exit_code == 2


@pytest.mark.parametrize("name", ["../../x", "CON", "com1.sqlite", "a\x00b", "..", "", "ü" * 300, "a/b\\c:d", "-x"])
def test_no_name_of_a_user_becomes_a_path(name: str) -> None:
    safe = safe_name(name)
    assert is_safe_path(safe)
    assert "/" not in safe
    assert len(safe) <= 101
    assert safe.partition(".")[0].upper() not in ("CON", "COM1")


async def test_a_bundle_of_a_recording_without_a_closing_event_has_its_runs(tmp_path: Path) -> None:
    path = await recorded(tmp_path / "run.sqlite")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE run SET finished_ns = NULL")
        database.commit()
    bundle(path, tmp_path / "b.eln", rows="jsonl")
    with zipfile.ZipFile(tmp_path / "b.eln") as archive:
        graph = json.loads(archive.read("b.eln/ro-crate-metadata.json"))["@graph"]
    (run,) = [entity for entity in graph if entity["@type"] == "CreateAction"]
    assert run["name"] == make_run().id
    assert "endTime" not in run


@pytest.mark.parametrize("name", ["run", "run.zip", "run.eln"])
async def test_a_bundle_and_its_check_count_the_same_files(name: str, tmp_path: Path) -> None:
    done = bundle(await recorded(tmp_path / "recorded.sqlite"), tmp_path / name)
    assert done.files == check_bundle(tmp_path / name).files > 0
