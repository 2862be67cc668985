"""Which spans are read: broad first, smaller ones where the analyzer refuses them, and never a refused one again."""

import pytest

from riglog_servomex.modbus.spans import AcceptedSpans, Span, spans_at_level
from riglog_servomex.positions import POSITIONS

ALL = tuple(POSITIONS.values())
WANTED = tuple(POSITIONS[channel] for channel in ("I1", "I2", "I3", "E1", "E2"))


def extents(spans: list[Span]) -> list[tuple[int, int]]:
    return [span.extent for span in spans]


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0, [(0, 10)]), (1, [(0, 3), (8, 2)]), (2, [(0, 1), (1, 1), (2, 1), (8, 1), (9, 1)])],
)
def test_the_levels_are_those_of_the_specification(level: int, expected: list[tuple[int, int]]) -> None:
    assert extents(spans_at_level(WANTED, level)) == expected


def test_a_refused_span_is_never_requested_again() -> None:
    accepted = AcceptedSpans()
    seen = []
    while accepted.covering(WANTED):
        span = accepted.covering(WANTED)[0]
        assert span.extent not in seen
        seen.append(span.extent)
        accepted.refuse(span)
    assert seen == [(0, 10), (0, 3), (0, 1), (1, 1), (2, 1), (8, 1), (9, 1)]


def test_all_ten_go_from_one_span_to_single_ones_because_the_map_has_no_gaps() -> None:
    accepted = AcceptedSpans()
    accepted.refuse(accepted.covering(ALL)[0])
    assert extents(accepted.covering(ALL)) == [(number, 1) for number in range(10)]


def test_a_refusal_of_all_channels_leads_to_smaller_spans_of_the_wanted_ones() -> None:
    accepted = AcceptedSpans()
    accepted.refuse(accepted.covering(ALL)[0])
    assert extents(accepted.covering(WANTED)) == [(0, 3), (8, 2)]


def test_the_order_of_the_configuration_does_not_matter() -> None:
    assert extents(spans_at_level(WANTED[::-1], 1)) == [(0, 3), (8, 2)]


def test_a_copy_knows_the_refusals_and_keeps_its_own_to_itself() -> None:
    accepted = AcceptedSpans()
    accepted.refuse(accepted.covering(ALL)[0])
    copy = accepted.copy()
    assert extents(copy.covering(WANTED)) == [(0, 3), (8, 2)]
    copy.refuse(copy.covering(WANTED)[0])
    assert extents(copy.covering(WANTED)) == [(0, 1), (1, 1), (2, 1), (8, 1), (9, 1)]
    assert extents(accepted.covering(WANTED)) == [(0, 3), (8, 2)]


def test_a_span_that_was_not_refused_after_all_is_read_again() -> None:
    accepted = AcceptedSpans()
    (span,) = accepted.covering(WANTED)
    accepted.refuse(span)
    accepted.allow(span)
    assert accepted.covering(WANTED) == [span]
