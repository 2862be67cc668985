"""Checks bundles: every file is as its manifest states, none is absent, and none more is there. Nothing is unpacked."""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from msgspec import Struct

from riglog.errors import StorageError
from riglog.recordings.bundles.eln import METADATA
from riglog.recordings.bundles.names import is_safe_path
from riglog.recordings.bundles.writing import CHUNK, DATA, MANIFEST, TAG_MANIFEST
from riglog.sinks.files import read_error

MOST_MANIFEST_BYTES = 16 * 1024 * 1024
SHOWN = 20
HINT = "Give the folder, the .zip or the .eln file that riglog bundle has written"


class CheckedBundle(Struct):
    """What ``check_bundle`` has found.

    Attributes:
        files: that the manifest has.
        digest: SHA-256 of the manifest; it is to be compared with the one that was noted when the bundle was made.
        problems: what is not as the manifest states; the first of them, all are counted in ``wrong``.
    """

    path: str
    files: int = 0
    digest: str = ""
    problems: list[str] = []
    wrong: int = 0

    def add(self, problem: str) -> None:
        self.wrong += 1
        if len(self.problems) < SHOWN:
            self.problems.append(problem)


class _Source(Protocol):
    """The files of a bundle by their paths in it."""

    def names(self) -> list[str]: ...

    def problems(self) -> list[str]: ...

    def open(self, name: str) -> BinaryIO: ...


def check_bundle(path: str | Path) -> CheckedBundle:
    """Compare the files of a bundle with its manifest. Blocking; reads only.

    Raises:
        StorageError: it cannot be read, or is no bundle.
    """
    path = Path(path)
    found = CheckedBundle(str(path), problems=[])
    try:
        with _opened(path) as source:
            for problem in source.problems():
                found.add(problem)
            _check(path, source, found)
    except OSError as error:
        raise read_error(error, path) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
        raise StorageError("bundle is damaged", hint="Use another copy of it", path=path) from error
    return found


def _check(path: Path, source: _Source, found: CheckedBundle) -> None:
    present = source.names()
    if METADATA in present:
        manifest, wanted, free = METADATA, _of_crate(source), {METADATA}
    elif MANIFEST in present:
        manifest, wanted = MANIFEST, _of_manifest(source, MANIFEST, f"{DATA}/")
        tags = _of_manifest(source, TAG_MANIFEST, "") if TAG_MANIFEST in present else {}
        if MANIFEST not in tags:
            found.add(f"{TAG_MANIFEST}: absent, or without {MANIFEST}")
        wanted |= tags
        free = {TAG_MANIFEST, *tags}
    else:
        raise StorageError("file is not a bundle", hint=HINT, path=path)
    found.files = len(wanted)
    found.digest = _digest(source, manifest)
    known = set(present)
    for name, digest in wanted.items():
        if not is_safe_path(name):
            found.add(f"{name!r}: a path that leaves the bundle")
        elif name not in known:
            found.add(f"{name}: absent")
        elif _digest(source, name) != digest:
            found.add(f"{name}: not as the manifest states")
    for name in sorted(known - set(wanted) - free):
        found.add(f"{name!r}: not in the manifest")


def _digest(source: _Source, name: str) -> str:
    found = hashlib.sha256()
    try:
        with source.open(name) as file:
            while part := file.read(CHUNK):
                found.update(part)
    except (zipfile.BadZipFile, zlib.error, EOFError):  # the checksum of the archive, or what is compressed
        return "damaged"
    return found.hexdigest()


def _text(source: _Source, name: str) -> str:
    with source.open(name) as file:
        content = file.read(MOST_MANIFEST_BYTES + 1)
    if len(content) > MOST_MANIFEST_BYTES:
        raise ValueError(name)
    return content.decode()


def _of_manifest(source: _Source, name: str, prefix: str) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for line in _text(source, name).splitlines():
        digest, _, path = line.partition(" ")
        path = path.strip()
        if len(digest) != 64 or not path.startswith(prefix) or path in wanted:
            raise ValueError(line)
        wanted[path] = digest.lower()
    return wanted


def _of_crate(source: _Source) -> dict[str, str]:
    wanted: dict[str, str] = {}
    described: Any = json.loads(_text(source, METADATA))
    try:
        for entity in described["@graph"]:
            if entity["@type"] == "File":
                wanted[str(entity["@id"]).removeprefix("./")] = str(entity.get("sha256", "")).lower()
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError from error
    return wanted


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._links: list[str] = []
        self._names: list[str] = []
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                each = Path(folder) / name
                inside = each.relative_to(path).as_posix()
                if each.is_symlink() or not (each.is_file() or each.is_dir()):
                    self._links.append(inside)
                elif each.is_file():
                    self._names.append(inside)

    def names(self) -> list[str]:
        return self._names

    def problems(self) -> list[str]:
        return [f"{name!r}: a link or a special file" for name in self._links]

    def open(self, name: str) -> BinaryIO:
        return (self._path / name).open("rb")


class _Archive:
    """An archive, without the one folder at its root."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._problems: list[str] = []
        roots: set[str] = set()
        for entry in archive.infolist():
            root, _, name = entry.filename.partition("/")
            roots.add(root)
            if entry.is_dir() and is_safe_path(entry.filename.rstrip("/")):
                continue
            kind = entry.external_attr >> 16 & 0o170000
            if kind not in (0, 0o100000):
                self._problems.append(f"{entry.filename!r}: a link or a special file")
            elif not is_safe_path(entry.filename) or not name:
                self._problems.append(f"{entry.filename!r}: a path that leaves the bundle")
            elif name in self._entries:
                self._problems.append(f"{entry.filename!r}: there twice")
            else:
                self._entries[name] = entry
        if len(roots) > 1:
            self._problems.append("the archive has more than one folder at its root")

    def names(self) -> list[str]:
        return list(self._entries)

    def problems(self) -> list[str]:
        return self._problems

    def open(self, name: str) -> BinaryIO:
        return self._archive.open(self._entries[name])  # type: ignore[return-value]


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    if path.is_dir():
        yield _Folder(path)
        return
    if not path.exists():
        raise FileNotFoundError(path)
    if not path.is_file() or not zipfile.is_zipfile(path):
        raise StorageError("file is not a bundle", hint=HINT, path=path)
    with zipfile.ZipFile(path) as archive:
        yield _Archive(archive)
