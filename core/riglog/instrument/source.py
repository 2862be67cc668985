"""Instrument files as tables: read, and completed by the file that they extend.

The files may come from anywhere. Reading one costs bounded time and memory, follows no link out of its folder, and
executes nothing.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path as FilePath
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from riglog.errors import ConfigError, error_context
from riglog.instrument.toml_lines import Path, line_numbers
from riglog.model import storable

MOST_BYTES = 256 * 1024
"""Of one file: a map of 2000 registers has less."""
MOST_FILES = 8
"""In a chain of ``extends``."""
SUFFIX = ".toml"


class Source(NamedTuple):
    """The table of an instrument file, and the file and the line of each key.

    ``texts``: what was read, by the names of the files: the file itself, and those that it extends.
    """

    file: FilePath
    table: dict[str, Any]
    places: Mapping[Path, tuple[FilePath, int]]
    texts: Mapping[str, str]


def shipped_file(package: str, name: str) -> FilePath | None:
    """Return the instrument file of that name in a package; None if it has none."""
    found = FilePath(str(files(package))) / "instruments" / f"{name}{SUFFIX}"
    return found if _is_name(name) and found.is_file() else None


def shipped_names(package: str) -> list[str]:
    """Return the names of the instrument files in a package."""
    return sorted(path.stem for path in (FilePath(str(files(package))) / "instruments").glob(f"*{SUFFIX}"))


def find_file(text: str, package: str) -> FilePath:
    """Return the file that a rig file names: a path, or the name of a file in the package.

    Raises:
        ConfigError: there is no such file.
    """
    if "\0" in text or not text:
        raise ConfigError(f"instrument: invalid value {text!r}; expected a path", hint='For example "meter.toml"')
    if not text.endswith(SUFFIX):
        found = shipped_file(package, text)
        if found is not None:
            return found
        available = ", ".join(shipped_names(package))
        raise ConfigError(
            f"instrument {storable(text)!r} unknown",
            hint=f"Give the path of a file that ends with .toml, or one of: {available}",
        )
    return FilePath(text)


def read_source(file: FilePath, package: str) -> Source:
    """Read an instrument file and the files that it extends.

    Raises:
        ConfigError: one of them cannot be read, is not TOML, or extends one that it must not.
    """
    chain: list[FilePath] = []
    table: dict[str, Any] = {}
    places: dict[Path, tuple[FilePath, int]] = {}
    texts: dict[str, str] = {}
    following: FilePath | None = file
    while following is not None:
        with error_context(file=following):
            resolved = _resolved(following)
            if resolved in chain:
                raise ConfigError("extends: a file extends itself", hint="Remove extends from one of the files")
            if len(chain) == MOST_FILES:
                raise ConfigError(f"extends: a chain of more than {MOST_FILES} files", hint="Put them into fewer files")
            chain.append(resolved)
            text = _read(following)
            texts[following.name if following.name not in texts else f"{following.parent.name}/{following.name}"] = text
            own, lines = _parse(text)
            extends = own.pop("extends", None)
            places = {path: (following, line) for path, line in lines.items()} | {
                path: place for path, place in places.items() if path != ("extends",)
            }
            table = merged(own, table)
            following = _base(following, extends, package)
    return Source(file, table, places, texts)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the keys of ``over`` in place of its own; tables are merged key by key."""
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        both = isinstance(value, dict) and isinstance(before, dict)
        result[key] = merged(before, value) if both else value  # type: ignore[arg-type]
    return result


def _base(file: FilePath, extends: object, package: str) -> FilePath | None:
    """Return the file that is extended: next to this one, below it, or one of the package."""
    if extends is None:
        return None
    if not isinstance(extends, str) or not _is_below(extends):
        raise ConfigError(
            "extends: not a file in the same folder or below it",
            hint='Give a relative path without "..", such as extends = "meter.toml"',
        )
    if not extends.endswith(SUFFIX):
        return find_file(extends, package)
    path = file.parent / extends
    if path.exists() and not path.resolve().is_relative_to(file.parent.resolve()):
        raise ConfigError("extends: a link to another folder", hint="Copy the file into this folder")
    return path


def _is_below(text: str) -> bool:
    parts = (PurePosixPath(text), PureWindowsPath(text))
    return bool(text) and "\0" not in text and not any(p.is_absolute() or p.drive or ".." in p.parts for p in parts)


def _is_name(text: str) -> bool:
    return text.replace("-", "").replace("_", "").isalnum() and text.isascii()


def _resolved(file: FilePath) -> FilePath:
    try:
        return file.resolve(strict=True)
    except FileNotFoundError:
        raise ConfigError("instrument file not found", hint="Check the path") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "the path has no end"
        raise ConfigError(f"cannot read the instrument file: {reason}", hint="Check the path") from None


def _read(file: FilePath) -> str:
    try:
        if not file.is_file():
            raise ConfigError("not a file", hint="Give the path of an instrument file")
        with file.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        hint = "Check the path and its permissions"
        raise ConfigError(f"cannot read the instrument file: {error.strerror}", hint=hint) from None
    if len(data) > MOST_BYTES:
        raise ConfigError(f"larger than {MOST_BYTES // 1024} KiB", hint="Check that it is an instrument file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"not valid UTF-8 text (byte {error.start})", hint="Save the file as UTF-8") from None


def _parse(text: str) -> tuple[dict[str, Any], Mapping[Path, int]]:
    try:
        return tomllib.loads(text), line_numbers(text.replace("\r\n", "\n"))
    except RecursionError:
        raise ConfigError("tables or lists nested too deeply", hint="Compare it with `riglog instrument doc`") from None
    except ValueError as error:  # TOMLDecodeError is one; the other is a number of thousands of digits
        reason = error if isinstance(error, tomllib.TOMLDecodeError) else "a number has too many digits"
        hint = "Put strings in quotes, and write tables as [line] or [block.NAME]"
        raise ConfigError(f"invalid TOML: {reason}", hint=hint) from None
