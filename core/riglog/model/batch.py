"""A batch: the samples of one poll of one source."""

from collections.abc import Sequence

from msgspec import Struct

from riglog.model.sample import Sample


class Batch(Struct, frozen=True):
    """The samples of one poll. ``tick`` is the number of the slot; None if the device sets the pace."""

    source: str
    tick: int | None
    samples: Sequence[Sample]
