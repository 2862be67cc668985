"""What is in a bundle: a consistent copy of each recording, and what riglog makes of the copy."""

import json
import platform
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import msgspec
from msgspec import Struct

from riglog.errors import ConfigError, StorageError
from riglog.recordings.bundles.names import safe_name
from riglog.recordings.exporting import export
from riglog.recordings.inventory import Contents, contents
from riglog.recordings.reports import write_report
from riglog.recordings.verification import Verified, verify
from riglog.sinks.sqlite.reader import opened_recording, read_events
from riglog.sinks.sqlite.schema import sqlite_errors

NO_ROWS = "none"
PAGES = 4096
"""So many pages of a recording are copied at a time."""


class Part(Struct, frozen=True):
    """A file of a bundle: its path there, and what it is."""

    path: str
    type: str
    description: str


class Content(Struct):
    """The files in a folder, and what is known about the recordings."""

    parts: list[Part] = []
    recordings: list[Contents] = []
    verified: list[Verified] = []


def collect(
    paths: Sequence[Path], folder: Path, *, rows: str, progress: Callable[[float], None] = lambda _: None
) -> Content:
    """Write the files of a bundle into a folder.

    Args:
        rows: the format of the rows beside the recordings; ``none``: they are in the recordings only.

    Raises:
        ConfigError: a recording has no rows, or is given twice.
        NotARecordingError, NewerSchemaError: a file is something else.
        StorageError: a recording is damaged, or a file cannot be written.
    """
    found = Content(parts=[], recordings=[], verified=[])
    copies: list[Path] = []
    names: set[str] = set()
    for number, path in enumerate(paths):
        stem = safe_name(path.stem)
        name = stem if stem.lower() not in names else f"{stem}-{number + 1}"
        names.add(name.lower())
        copy = folder / f"{name}.sqlite"
        _copy(path, copy)
        copies.append(copy)
        found.parts.append(Part(copy.name, "application/vnd.sqlite3", "recording: all rows, events, bytes and seals"))
        found.recordings.append(contents(copy))
        found.verified.append(verify(copy))
        write_report(copy, folder / f"{name}.html")
        found.parts.append(Part(f"{name}.html", "text/html", "report"))
        found.parts += _facts(copy, name, folder, found.verified[-1])
        progress((number + 1) / (len(paths) + 1))
    if rows != NO_ROWS:
        export(copies, folder / f"rows.{rows}", format=rows)
        types = {"csv": "text/csv", "jsonl": "application/jsonl", "nc": "application/x-netcdf"}
        found.parts.append(Part(f"rows.{rows}", types.get(rows, "application/octet-stream"), "rows of all recordings"))
    versions = {"riglog": version("riglog"), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    _write_json(folder / "versions.json", versions)
    found.parts.append(Part("versions.json", "application/json", "versions of the programs that made this bundle"))
    progress(1.0)
    return found


def _copy(path: Path, copy: Path) -> None:
    """Copy a recording as it is at one moment; it may be growing. The copy is one file without a write-ahead log."""
    with opened_recording(path) as source:
        source.execute("BEGIN")  # one moment, however long it takes
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with closing(sqlite3.connect(copy, isolation_level=None)) as target, sqlite_errors(copy):
            target.execute("PRAGMA journal_mode = OFF")
            source.backup(target, pages=PAGES)
            target.execute("PRAGMA journal_mode = DELETE")
            if target.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                hint = f"Save what can be read: riglog salvage {path} --out NEW.sqlite. The file was not modified"
                raise StorageError("recording is damaged", hint=hint, path=path)


def _facts(copy: Path, name: str, folder: Path, verified: Verified) -> Iterator[Part]:
    """Write the rig files, the events and what the seals prove."""
    with opened_recording(copy) as database:
        runs = database.execute("SELECT run, rig, versions, host FROM run ORDER BY id").fetchall()
    for number, rig in enumerate(dict.fromkeys(rig for _, rig, _, _ in runs if rig), 1):
        target = folder / f"{name}-rig-{number}.toml"
        target.write_text(rig, encoding="utf-8", newline="\n")
        yield Part(target.name, "application/toml", "rig file as it was recorded")
    _write_json(
        folder / f"{name}-runs.json", [dict(zip(("run", "rig", "versions", "host"), run, strict=True)) for run in runs]
    )
    yield Part(f"{name}-runs.json", "application/json", "runs, with the versions of riglog and of the plugins")
    with (folder / f"{name}-events.jsonl").open("wb") as file:
        for event in read_events(copy):
            file.write(msgspec.json.encode(event) + b"\n")
    yield Part(f"{name}-events.jsonl", "application/jsonl", "events")
    _write_json(folder / f"{name}-seals.json", msgspec.to_builtins(msgspec.structs.replace(verified, path=copy.name)))
    yield Part(f"{name}-seals.json", "application/json", "what riglog verify finds")


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")


def refuse_nothing(paths: Sequence[Path]) -> None:
    """Refuse a bundle of nothing, or of one file twice.

    Raises:
        ConfigError: it is.
    """
    if not paths:
        raise ConfigError("no file to bundle", hint="Give at least one recording")
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigError("a recording is given twice", hint="Give each file once")
