"""All mistakes of an instrument file, each with its key and its line, so that they are reported together."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from riglog.errors import ConfigError
from riglog.instrument.toml_lines import Path
from riglog.plugin.options import mistake_of

T = TypeVar("T", bound=msgspec.Struct)
MOST_MISTAKES = 100
"""Reported of one file."""


class Mistakes:
    """The mistakes found so far.

    Args:
        places: the file and the line of each key.
    """

    def __init__(self, file: FilePath, places: Mapping[Path, tuple[FilePath, int]]) -> None:
        self.file = file
        self.found: list[ConfigError] = []
        self._places = places
        self._paths: set[Path] = set()

    def __contains__(self, path: Path) -> bool:
        """Return whether there is a mistake at a key."""
        return path in self._paths

    def add(self, message: str, path: Sequence[str | int], *, hint: str) -> None:
        """Add a mistake at a key."""
        self.keep(ConfigError(f"{shown(path)}: {message}", hint=hint), path)

    def keep(self, error: ConfigError, path: Sequence[str | int]) -> None:
        """Add an error whose message has its key already; the file and the line are put in front of it."""
        self._paths.add(tuple(path))
        if len(self.found) < MOST_MISTAKES:
            error.context = {"file": self._place(tuple(path))} | error.context
            self.found.append(error)

    def attempt(self, check: Callable[[], object], path: Sequence[str | int]) -> bool:
        """Return whether a check passes; keep the error that it raises."""
        try:
            check()
        except ConfigError as error:
            error.args = (f"{shown(path)}: {error.message}",)
            error.message = error.args[0]
            self.keep(error, path)
            return False
        return True

    def raise_all(self) -> None:
        """Raise what was found, if anything.

        Raises:
            ExceptionGroup: one ConfigError per mistake.
        """
        if self.found:
            raise ExceptionGroup(str(self.file), self.found)

    def convert(self, table: Mapping[str, Any], to: type[T], path: Path) -> T | None:
        """Return a table as a struct; None, and every mistake in it is kept, if it is not one."""
        rest = dict(table)
        filled: set[str | int] = set()
        count = len(self.found)
        for _ in range(MOST_MISTAKES):
            try:
                made = msgspec.convert(rest, to)
            except msgspec.ValidationError as error:
                mistake = mistake_of(error, rest, to, shown(path))
            else:
                return made if len(self.found) == count else None
            key = mistake.path[0] if mistake.path else None
            if key not in filled:
                mistake.error.message = mistake.error.message.lstrip(".")
                self.keep(mistake.error, (*path, *mistake.path))
            if key is None or (key in filled and not mistake.is_missing):
                return None
            rest.pop(str(key), None)
            if key in filled or mistake.is_missing or _is_required(to, key):
                filled.add(key)
                rest[str(key)] = _example(_type_of(to, key))
        return None

    def _place(self, path: Path) -> str:
        while path and path not in self._places:
            path = path[:-1]
        file, line = self._places.get(path, (self.file, 1))
        return f"{file}, line {line}"


def shown(path: Sequence[str | int]) -> str:
    """Return a path as a message has it: ``block.energy.channel.voltage``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _is_required(struct: type[msgspec.Struct], key: str | int) -> bool:
    return any(field.name == key and field.required for field in msgspec.structs.fields(struct))


def _type_of(struct: type[msgspec.Struct], key: str | int) -> inspect.Type:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return next((field.type for field in info.fields if field.encode_name == key), inspect.AnyType())


def _example(kind: inspect.Type) -> object:
    """Return any value of a type, in place of a wrong one, to find the mistakes after it."""
    match kind:
        case inspect.Metadata(type=inner):
            return _example(inner)
        case inspect.UnionType(types=types):
            return _example(types[0])
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.IntType():
            return kind.ge or 0
        case inspect.FloatType():
            return kind.ge or 1.0
        case inspect.BoolType():
            return False
        case inspect.VarTupleType() | inspect.ListType():
            return []
        case inspect.DictType() | inspect.StructType():
            return {}
    return "x"
