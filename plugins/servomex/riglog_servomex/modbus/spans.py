"""Which spans of the Modbus map to read: few and broad, smaller ones where the analyzer refuses them. Pure.

Source: Servomex wire specification, section 9.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from riglog_servomex.positions import Position


class Span(NamedTuple):
    """Adjacent positions that one request reads; ``wanted`` are those for which it is sent."""

    first: int
    size: int
    wanted: tuple[Position, ...]

    @property
    def extent(self) -> tuple[int, int]:
        return self.first, self.size


def spans_at_level(wanted: Sequence[Position], level: int) -> list[Span]:
    """Return the spans that cover ``wanted``.

    Args:
        level: 0: one span, gaps included; 1: one for each run without a gap; 2: one for each position.
    """
    ordered = sorted(wanted)
    if not ordered:
        return []
    if level == 0:
        return [_span(ordered)]
    if level == 1:
        return [_span(run) for run in _runs(ordered)]
    return [_span([position]) for position in ordered]


class AcceptedSpans:
    """Finds the broadest spans that the analyzer is not known to refuse."""

    def __init__(self, refused: Iterable[tuple[int, int]] = ()) -> None:
        self._refused = set(refused)

    def covering(self, wanted: Sequence[Position]) -> list[Span]:
        """Return the spans to read for ``wanted``, without positions that are refused even alone."""
        for level in (0, 1):
            spans = spans_at_level(wanted, level)
            if not any(span.extent in self._refused for span in spans):
                return spans
        return [span for span in spans_at_level(wanted, 2) if span.extent not in self._refused]

    def spare(self, span: Span, positions: int) -> int:
        """Return how many of the positions of the map lie behind a span; 0 if the analyzer refuses any span."""
        return 0 if self._refused else positions - span.first - span.size

    def refuse(self, span: Span) -> None:
        """Do not read this span again: the analyzer refuses it."""
        self._refused.add(span.extent)

    def allow(self, span: Span) -> None:
        """Read this span again: it was not refused after all."""
        self._refused.discard(span.extent)

    def copy(self) -> "AcceptedSpans":
        """Return a copy that can be changed independently."""
        return AcceptedSpans(self._refused)


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
