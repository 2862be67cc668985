"""Which spans are read: broad first, smaller ones where the analyser refuses, never twice what was refused."""

import pytest

from riglog_servomex.plan import Span, SpanPlan, spans
from riglog_servomex.positions import POSITIONS

EVERY = tuple(POSITIONS.values())
WANTED = tuple(POSITIONS[one] for one in ("I1", "I2", "I3", "E1", "E2"))


def places(chosen: list[Span]) -> list[tuple[int, int]]:
    return [span.place for span in chosen]


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0, [(0, 10)]), (1, [(0, 3), (8, 2)]), (2, [(0, 1), (1, 1), (2, 1), (8, 1), (9, 1)])],
)
def test_the_levels_are_those_of_the_specification(level: int, expected: list[tuple[int, int]]) -> None:
    assert places(spans(WANTED, level)) == expected


def test_a_refused_span_is_never_asked_again() -> None:
    plan = SpanPlan()
    seen = []
    while plan.spans(WANTED):
        span = plan.spans(WANTED)[0]
        assert span.place not in seen
        seen.append(span.place)
        plan.refuse(span)
    assert seen == [(0, 10), (0, 3), (0, 1), (1, 1), (2, 1), (8, 1), (9, 1)]


def test_all_ten_go_from_one_span_to_single_ones_because_the_map_has_no_holes() -> None:
    plan = SpanPlan()
    plan.refuse(plan.spans(EVERY)[0])
    assert places(plan.spans(EVERY)) == [(number, 1) for number in range(10)]


def test_what_was_learnt_with_all_channels_serves_the_wanted_ones() -> None:
    plan = SpanPlan()
    plan.refuse(plan.spans(EVERY)[0])
    assert places(plan.spans(WANTED)) == [(0, 3), (8, 2)]


def test_the_order_of_the_configuration_does_not_matter() -> None:
    assert places(spans(WANTED[::-1], 1)) == [(0, 3), (8, 2)]
