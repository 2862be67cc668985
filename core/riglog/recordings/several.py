"""Several files read as one recording, such as those of a rotation."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from riglog.errors import ConfigError
from riglog.sinks.rows import EventRow
from riglog.sinks.sqlite import reader

T = TypeVar("T")
Paths = str | Path | Sequence[str | Path]


def of_each(paths: Sequence[str | Path], read: Callable[[str | Path], T]) -> list[T]:
    """Return what is read of each file. A file that does not have the selected run or device is left out.

    Raises:
        ConfigError: no file has it, or there is no file.
    """
    found: list[T] = []
    refused: list[ConfigError] = []
    for path in paths:
        try:
            found.append(read(path))
        except ConfigError as error:
            refused.append(error)
    if not found:
        raise refused[0] if refused else ConfigError("no file to read", hint="Give at least one recording")
    return found


def read_events(path: Paths, *, run: str | None = None) -> Iterator[EventRow]:
    """Return the events of an SQLite recording, oldest first.

    Args:
        path: a recording, or several, such as those of a rotation; an event that a further file repeats comes once.
        run: only those of the run with this id, or of the runs with this name.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: it cannot be read.
        ConfigError: there is no such run in it.
    """
    if isinstance(path, (str, Path)):
        yield from reader.read_events(path, run=run)
        return
    found: list[EventRow] = []
    for events in of_each(path, lambda each: list(reader.read_events(each, run=run))):
        repeated = set(found)
        found += [event for event in events if event not in repeated]
    yield from sorted(found, key=lambda event: event.at)
