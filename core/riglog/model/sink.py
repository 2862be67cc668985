"""Where rows go, as an interface. A sink is told of a run, takes batches and events, and is closed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from riglog.model.batch import Batch
from riglog.model.event import Event
from riglog.model.run import Run


class Sink(ABC):
    """One store. Calls never overlap; each returns when what it was given is safe."""

    name: str
    remark: str | None = None
    """What whoever recorded should know in the end, though nothing was lost; set by ``aclose``."""

    async def check(self) -> None:
        """See, by reading only, that ``open`` can work; for before anything else is opened.

        Raises:
            StorageError: it cannot.
        """
        return None

    @abstractmethod
    async def open(self, run: Run) -> None:
        """Open the store and enter the run. An existing store of the same schema is continued, never truncated.

        Raises:
            StorageError: the store cannot be used; it was left as it was.
        """

    @abstractmethod
    async def write(self, batches: Sequence[Batch], events: Sequence[Event]) -> None:
        """Store all of it, or nothing and raise; then it may be called again with the same.

        Raises:
            StorageError: it cannot be stored now.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Finish the run and close. What was written stays."""
