"""Which spans of the map to read: few and broad, smaller ones where the analyser refuses. Pure.

Source: Servomex wire specification, section 9.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from riglog_servomex.positions import Position


class Span(NamedTuple):
    """Adjacent positions that one request reads; ``wanted`` are those it is read for."""

    first: int
    size: int
    wanted: tuple[Position, ...]

    @property
    def place(self) -> tuple[int, int]:
        return self.first, self.size


def spans(wanted: Sequence[Position], level: int) -> list[Span]:
    """Level 0: one span, gaps included. 1: one for each run without a gap. 2: one for each position."""
    ordered = sorted(wanted)
    if not ordered:
        return []
    if level == 0:
        return [_span(ordered)]
    if level == 1:
        return [_span(run) for run in _runs(ordered)]
    return [_span([position]) for position in ordered]


class SpanPlan:
    """The broadest spans that are not known to be refused; what was refused once is not asked again."""

    def __init__(self) -> None:
        self._refused: set[tuple[int, int]] = set()

    def spans(self, wanted: Sequence[Position]) -> list[Span]:
        """Where even a single position was refused, it is left out."""
        for level in (0, 1):
            chosen = spans(wanted, level)
            if not any(span.place in self._refused for span in chosen):
                return chosen
        return [span for span in spans(wanted, 2) if span.place not in self._refused]

    def refuse(self, span: Span) -> None:
        """The analyser refused it."""
        self._refused.add(span.place)

    def allow(self, span: Span) -> None:
        """It was no refusal after all."""
        self._refused.discard(span.place)


def _span(positions: Sequence[Position]) -> Span:
    first = positions[0].number
    return Span(first, positions[-1].number - first + 1, tuple(positions))


def _runs(positions: Sequence[Position]) -> Iterable[list[Position]]:
    run: list[Position] = []
    for position in positions:
        if run and position.number != run[-1].number + 1:
            yield run
            run = []
        run.append(position)
    yield run
