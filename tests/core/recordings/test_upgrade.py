"""``upgrade``: a recording of schema 1 becomes one of schema 2 with the same rows, and nothing is lost on the way."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from msgspec import structs
from recorded import make_run, sqlite_recording

from riglog.errors import ConfigError, NotARecordingError, StorageError
from riglog.recordings import contents, read, read_events, upgrade
from riglog.recordings import upgrade as public
from riglog.sinks.sqlite.writer_lock import WriterLock

FILES = Path(__file__).parents[2] / "support" / "recordings"
module = sys.modules[public.__module__]


@pytest.fixture(params=["schema-1.sqlite", "schema-1-clock.sqlite"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A recording with two finished runs, and a killed run in which the clock was set back."""
    return Path(shutil.copy(FILES / request.param, tmp_path / "bench.sqlite"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_new_file_has_the_same_rows_and_events_and_the_old_one_stays(old: Path) -> None:
    before = old.read_bytes()
    done = upgrade(old)
    new = old.with_name("bench-schema-2.sqlite")
    assert done.out == str(new)
    assert contents(new).schema == 2
    key = structs.astuple
    assert sorted(map(key, read(new)), key=str) == sorted(map(key, read(old)), key=str)
    assert done.rows == len(list(read(old)))
    assert list(read_events(new)) == list(read_events(old))
    assert old.read_bytes() == before
    assert names(old.parent) == {"bench.sqlite", "bench-schema-2.sqlite"}


def test_a_run_can_be_recorded_into_the_new_file(old: Path, tmp_path: Path) -> None:
    upgrade(old, tmp_path / "new.sqlite")
    before = len(list(read(old)))
    anyio.run(lambda: sqlite_recording(tmp_path / "new.sqlite", make_run(number=9)))
    assert len(list(read(tmp_path / "new.sqlite"))) > before


@pytest.mark.parametrize("out", [None, "taken.sqlite", "bench.sqlite"])
def test_no_file_is_replaced(old: Path, out: str | None) -> None:
    taken = old.with_name(out or "bench-schema-2.sqlite")
    if not taken.exists():
        taken.write_text("mine")
    before = taken.read_bytes()
    with pytest.raises(StorageError, match="file exists"):
        upgrade(old, None if out is None else taken)
    assert taken.read_bytes() == before


def test_what_has_the_present_schema_or_is_something_else_is_refused(old: Path, tmp_path: Path) -> None:
    upgrade(old, tmp_path / "new.sqlite")
    with pytest.raises(ConfigError, match="has schema 2 already"):
        upgrade(tmp_path / "new.sqlite")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(NotARecordingError):
        upgrade(tmp_path / "notes.txt")


def test_a_recording_that_another_program_writes_is_refused(old: Path) -> None:
    lock = WriterLock(old)
    try:
        with pytest.raises(StorageError):
            upgrade(old)
    finally:
        lock.release()
    assert names(old.parent) == {"bench.sqlite"}


def test_a_damaged_recording_is_refused_and_nothing_is_left_behind(old: Path) -> None:
    data = bytearray(old.read_bytes())
    data[4096 * 5 : 4096 * 7] = bytes(4096 * 2)
    old.write_bytes(data)
    with pytest.raises(StorageError):
        upgrade(old)
    assert names(old.parent) == {"bench.sqlite"}


@pytest.mark.parametrize("change", ["value", "missing", "more"])
def test_a_copy_that_differs_is_not_kept(old: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    really = module.read

    def changed(path: Path) -> object:
        rows = list(really(path))
        if path != old and change == "value":
            rows[3] = structs.replace(rows[3], tick=999)
        if path != old and change == "missing":
            del rows[3]
        if path != old and change == "more":
            rows.append(rows[-1])
        return rows

    monkeypatch.setattr(module, "read", changed)
    with pytest.raises(StorageError, match="the copy differs from the recording"):
        upgrade(old)
    assert names(old.parent) == {"bench.sqlite"}


@pytest.mark.real_time
def test_the_command_says_what_it_has_copied(old: Path) -> None:
    command = [sys.executable, "-m", "riglog", "upgrade", str(old)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["rows"] == len(list(read(old)))
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (again.returncode, "file exists" in again.stderr) == (4, True)
