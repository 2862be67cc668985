"""What adds rows to those that are polled, as ``riglog.derived`` does."""

from collections.abc import Sequence
from typing import Protocol

from riglog.model import Batch


class Derivation(Protocol):
    """Raises nothing. The ``source`` of each batch that it returns is that of one it was given."""

    def derive(self, batch: Batch) -> Sequence[Batch]:
        """Return the batch with further rows, and batches that have become complete with it."""
        ...

    def late(self) -> Sequence[Batch]:
        """Return the rows that have waited for long enough."""
        ...

    def rest(self) -> Sequence[Batch]:
        """Return all rows that wait."""
        ...
