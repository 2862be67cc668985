"""The parts of a storage format: its configuration, the sink type a plugin registers, and the writer of exports."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from riglog.model import Sink
from riglog.sinks.disk import Durability
from riglog.sinks.rows import Columns, Row

Records = Sequence[Sequence[Any]]
"""Rows as plain sequences, with the columns of a Columns; times as text."""


class SinkConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of every ``[[sink]]`` of a rig file; the struct of a sink adds its own."""

    type: str


class FileConfig(SinkConfig, kw_only=True, frozen=True):
    """``path`` of the file. An existing recording is continued, or replaced with ``overwrite``.

    Anything that is not a recording of the same kind is refused in both cases. ``durability``: with ``flush``, rows
    are safe from a power failure after every flush; with ``system``, when the operating system writes them to the disk.
    """

    path: str
    overwrite: bool = False
    durability: Durability = "flush"


class RotatingConfig(FileConfig, kw_only=True, frozen=True):
    """``rotate``: a size or time after which a further file is begun, such as ``100MB`` or ``1d``."""

    rotate: str | None = None


class SinkType(Struct, frozen=True):
    """A kind of ``[[sink]]``, as a plugin registers it.

    ``config`` extends SinkConfig. ``create`` makes the sink from it, without opening anything.
    """

    name: str
    summary: str
    config: type[SinkConfig]
    create: Callable[[Any], Sink]


class RecordWriter(ABC):
    """Writes records into an open binary file, which is not closed."""

    @abstractmethod
    def __init__(self, file: BinaryIO, columns: Columns, *, marked: bool = False) -> None:
        """Write what precedes the records.

        Args:
            marked: write it so that the ``is_export`` of the format recognises the file. Its content is the same.
        Raises:
            ConfigError: the format needs a package that is not installed.
        """

    def describe(self, facts: Mapping[str, str]) -> None:
        """Store where the records come from, if the format has a place for it. Called before the first of them."""
        return None

    @abstractmethod
    def write(self, records: Records) -> None:
        """Append records."""

    def close(self) -> None:
        """Complete the file."""
        return None

    def discard(self) -> None:
        """Release what is held beside the file, which will not be completed."""
        return None


class Damage(Struct):
    """What could not be read of a recording: the number of damaged ``lines``, which were skipped."""

    lines: int = 0


class Format(Struct, frozen=True):
    """A format in which recordings are read back.

    ``recognizes`` decides by the first line of a file; the first line of an SQLite file is not empty either.
    ``read`` returns all rows, oldest first, and counts what it skips. ``writer`` exports into the format; None: it
    cannot be exported to.
    ``is_export`` recognises a file that ``writer`` wrote and marked, which is never a recording in progress.
    ``is_torn`` recognises the begin of a first line, which a power failure leaves of a new file.
    """

    name: str
    recognizes: Callable[[bytes], bool]
    read: Callable[[Path, Damage], Iterator[Row]]
    writer: type[RecordWriter] | None = None
    is_export: Callable[[Path], bool] = lambda _: False
    is_torn: Callable[[bytes], bool] = lambda _: False
