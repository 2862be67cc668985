"""A batch: the samples of one poll of one source."""

from collections.abc import Iterator, Sequence
from typing import overload

from msgspec import Struct

from riglog.model.sample import Sample


class Batch(Struct, frozen=True):
    """The samples of one poll, as a sequence. ``tick`` is the number of the slot; None if the device sets the pace."""

    source: str
    tick: int | None
    samples: Sequence[Sample]

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        return self.samples[index]


Sequence.register(Batch)  # not a base class: a struct cannot have it
