"""Writes bundles: as a folder and as a .zip by the conventions of BagIt (RFC 8493), or as an .eln file for a notebook.

A bundle gets its name when it is complete and on the disk.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model import SYSTEM_CLOCK, iso
from riglog.recordings.bundles.content import NO_ROWS, Content, collect, refuse_nothing
from riglog.recordings.bundles.eln import METADATA, metadata
from riglog.recordings.bundles.names import safe_name
from riglog.recordings.new_files import file_exists
from riglog.sinks.disk import HIDDEN, sync_closed, sync_folder
from riglog.sinks.files import appearing, check_writable, file_error

DATA = "data"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
ARCHIVES = (".zip", ".eln")
ROWS = ("csv", "jsonl", "parquet", "nc", NO_ROWS)
CHUNK = 1024 * 1024
OLDEST_TIME = (1980, 1, 1, 0, 0, 0)


class Bundled(Struct, frozen=True):
    """What was written.

    Attributes:
        files: that the manifest has, as ``check_bundle`` counts them.
        bytes: of the data.
        digest: SHA-256 of the manifest; who notes it elsewhere can prove the bundle.
        changed: recordings that are not as they were sealed.
    """

    path: str
    files: int
    bytes: int
    digest: str
    changed: list[str]


def bundle(
    path: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    rows: str = "csv",
    progress: Callable[[float], None] = lambda _: None,
) -> Bundled:
    """Write a recording, which may be growing, with all that belongs to it into a bundle. Blocking.

    Args:
        path: one recording, or several, such as those of a rotation.
        out: a folder, or a file that ends with ``.zip`` or ``.eln``. Nothing is ever replaced.
        rows: format in which the rows are added: ``csv``, ``jsonl``, ``parquet``, ``nc`` or ``none``.
        progress: called with the share that is complete, 0 to 1.

    Raises:
        ConfigError: no recording, one that is given twice, or one without rows; an unknown format.
        NotARecordingError, NewerSchemaError: a file is something else.
        StorageError: a recording is damaged, or ``out`` exists or cannot be written. Nothing was left behind.
    """
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(each) for each in path]
    out = Path(out)
    refuse_nothing(paths)
    if rows not in ROWS:
        raise ConfigError(f"unknown format of rows {rows!r}", hint=f"Use one of {', '.join(ROWS)}")
    check_writable(out)
    if os.path.lexists(out):
        raise file_exists(out)
    staging = None
    try:
        staging = out.parent / f"{HIDDEN}{os.urandom(8).hex()}.bundle"
        staging.mkdir()
        data = staging / DATA
        data.mkdir()
        content = collect(paths, data, rows=rows, progress=progress)
        created = iso(SYSTEM_CLOCK.utc_ns())
        sizes = {part.path: _digest(data / part.path) for part in content.parts}
        listed = len(content.parts)
        if out.suffix.lower() == ".eln":
            head = METADATA
            (staging / head).write_bytes(metadata(out.stem, content, sizes, created))
        else:
            head = MANIFEST
            listed += _write_tags(staging, content, sizes, created)
        total = sum(size for size, _ in sizes.values())
        digest = _digest(staging / head)[1]
        if out.suffix.lower() in ARCHIVES:
            _archive(staging, out, bag=head == MANIFEST)
        else:
            _publish(staging, out)
    except FileExistsError as error:
        raise file_exists(out) from error
    except OSError as error:
        raise file_error(error, out) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    changed = [str(given) for given, found in zip(paths, content.verified, strict=True) if found.changed]
    return Bundled(str(out), listed, total, digest, changed)


def _digest(path: Path) -> tuple[int, str]:
    found, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            found.update(part)
            size += len(part)
    return size, found.hexdigest()


def _write_tags(folder: Path, content: Content, sizes: Mapping[str, tuple[int, str]], created: str) -> int:
    """Write what BagIt has beside the data; return how many files the manifest of the tags has."""
    heads = [f"Riglog-Head: {each.head}" for each in content.recordings if each.head]
    facts = [
        f"Bagging-Date: {created[:10]}",
        f"Bag-Software-Agent: riglog {version('riglog')}",
        f"Payload-Oxum: {sum(size for size, _ in sizes.values())}.{len(sizes)}",
        *(f"External-Identifier: {safe_name(run.run)}" for each in content.recordings for run in each.runs),
        *heads,
    ]
    _write(folder / "bagit.txt", ["BagIt-Version: 1.0", "Tag-File-Character-Encoding: UTF-8"])
    _write(folder / "bag-info.txt", facts)
    _write(folder / MANIFEST, [f"{digest}  {DATA}/{name}" for name, (_, digest) in sorted(sizes.items())])
    tags = ("bag-info.txt", "bagit.txt", MANIFEST)
    _write(folder / TAG_MANIFEST, [f"{_digest(folder / name)[1]}  {name}" for name in tags])
    return len(tags)


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _archive(folder: Path, out: Path, *, bag: bool) -> None:
    """Write the files of a folder into an archive with one folder at its root, in pieces."""
    root = safe_name(out.stem) if bag else safe_name(out.name)
    with appearing(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for path in _files(folder):
            entry = zipfile.ZipInfo(f"{root}/{path.relative_to(folder).as_posix()}", date_time=OLDEST_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, CHUNK)


def _publish(folder: Path, out: Path) -> None:
    """Give a complete folder its name, after its files are on the disk."""
    for path in _files(folder):
        sync_closed(path)
    sync_folder(folder / DATA)
    sync_folder(folder)
    if os.path.lexists(out):
        raise FileExistsError(out)
    os.rename(folder, out)  # a folder replaces nothing but an empty folder
    sync_folder(out.parent)
