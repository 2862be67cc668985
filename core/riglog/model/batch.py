"""A batch: the samples of one tick of one poll source."""

from collections.abc import Sequence

from msgspec import Struct

from riglog.model.sample import Sample


class Batch(Struct, frozen=True):
    """``tick`` is the number of the scheduled slot; None when the instrument set the pace."""

    source: str
    tick: int | None
    samples: Sequence[Sample]
