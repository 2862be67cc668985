"""The interface of a sink: a destination to which batches and events are written."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

from riglog.model.batch import Batch
from riglog.model.event import Event, EventKind
from riglog.model.message import Message
from riglog.model.run import Run


class Sink(ABC):
    """One destination. Calls never overlap; each returns when what it was given is stored."""

    name: str
    warning: str | None = None
    """What the user should know although no sample was lost; set by ``write`` or ``aclose``."""
    warning_kind: EventKind = EventKind.RECORDING_MOVED
    """The kind of the event with a warning that ``write`` sets."""
    newest_seal: str | None = None
    """The newest seal of what was stored, hexadecimal, of a store that has seals; set by ``aclose``."""
    samples_deleted: int = 0
    """Stored samples that somebody deleted while the sink was open, together with the file; set by ``aclose``."""

    async def __aenter__(self) -> Self:
        """Check the sink, and nothing else: ``pipe`` opens it and closes it."""
        await self.check()
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def check(self) -> None:
        """Check, by reading only, that ``open`` can work. Called before any port is opened.

        Raises:
            StorageError: it cannot.
        """
        return None

    @abstractmethod
    async def open(self, run: Run) -> None:
        """Open the storage and add the run. An existing recording of the same schema is continued, never truncated.

        Raises:
            StorageError: the storage cannot be used; it was not modified.
        """

    @abstractmethod
    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        """Store everything, or store nothing and raise.

        Raises:
            StorageError, OSError: it cannot be stored now. The same batches are written again later.
            Exception: any other error means that the sink rejects the data. The caller then writes smaller parts to
                find the samples that are rejected, sets these aside, and does not write them again.
        """

    async def incoming(self) -> Sequence[Message]:
        """Return what other programs have sent to this recording. It returns again until ``write`` has stored it.

        Raises:
            StorageError, OSError: it cannot be read now.
        """
        return ()

    @abstractmethod
    async def aclose(self) -> None:
        """Finish the run and close. Everything written stays stored."""
