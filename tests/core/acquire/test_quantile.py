"""Quantiles in constant memory."""

import random

import pytest

from riglog.acquire.quantile import Quantiles


def test_a_quantile_is_right_to_a_few_percent() -> None:
    dice = random.Random(1)
    values = [dice.lognormvariate(-6, 1) for _ in range(20_000)]
    quantiles = Quantiles()
    for value in values:
        quantiles.add(value)
    values.sort()
    for share in (0.5, 0.9, 0.99):
        assert quantiles.at(share) == pytest.approx(values[int(share * len(values))], rel=0.04)
    assert quantiles.maximum == values[-1]


def test_a_week_at_ten_hertz_needs_no_more_memory_than_an_hour() -> None:
    quantiles = Quantiles()
    for number in range(200_000):
        quantiles.add(1e-4 + number % 1000 * 1e-5)
    assert len(quantiles._bins) < 120


def test_of_nothing_there_is_no_quantile() -> None:
    assert Quantiles().at(0.5) is None
