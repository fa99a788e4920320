"""worker.indicators: textbook values, from the values given and nothing else."""

from __future__ import annotations

from math import isclose, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.candles import Candle
from worker.indicators import atr, ema, rate_of_change, realised_volatility, rsi, zscore

WILDER = [
    44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.00,
    46.03, 46.41, 46.22, 45.64,
]  # fmt: skip
prices = st.lists(st.integers(1_000, 1_000_000_000), min_size=2, max_size=60)


def test_ema_is_seeded_with_the_mean_of_its_first_period() -> None:
    """(2, 4, 6) seed at 4; then half of the way to each next value, weight 2 / (3 + 1)."""
    assert ema([2, 4, 6], 3) == 4.0
    assert ema([2, 4, 6, 8, 10], 3) == 8.0


def test_rsi_is_wilders() -> None:
    """The widely printed example of fourteen periods: 70.46, then 66.25."""
    first, second = rsi(WILDER[:15], 14), rsi(WILDER[:16], 14)
    assert first is not None
    assert second is not None
    assert (round(first, 1), round(second, 1)) == (70.5, 66.2)


def test_rsi_of_a_market_that_never_moved_is_neutral() -> None:
    """Nothing gained and nothing lost is neither strength nor weakness."""
    assert rsi([5] * 20, 14) == 50.0
    assert rsi(range(1, 20), 14) == 100.0


def test_atr_counts_the_gap_from_the_close_before() -> None:
    """True ranges 3, 5 and 1: seeded with (3 + 5) / 2 and smoothed once."""
    bars = [Candle(0, 10, 11, 9, 10), Candle(5, 12, 13, 11, 12), Candle(10, 8, 9, 7, 8), Candle(15, 8, 9, 8, 9)]
    assert atr(bars[:3], 2) == 4.0
    assert atr(bars, 2) == 2.5


def test_realised_volatility_takes_no_mean_out() -> None:
    """A steady climb is movement, not calm."""
    value = realised_volatility([100, 110, 121])
    assert value is not None
    assert isclose(value, log(1.1))


def test_zscore_measures_with_the_population_deviation() -> None:
    """(1, 2, 3): the last is one over the mean, the deviation is the root of two thirds."""
    assert zscore([1, 2, 3]) == pytest.approx(1 / sqrt(2 / 3))
    assert zscore([4, 4, 4]) == 0.0


def test_rate_of_change_is_in_percent() -> None:
    """From 50 to 55 in two steps is ten percent."""
    assert rate_of_change([50, 1, 55], 2) == pytest.approx(10.0)


def test_too_few_values_give_none() -> None:
    """Never a guess."""
    bars = [Candle(0, 1, 1, 1, 1)] * 3
    assert (ema([1], 2), rsi([1, 2], 2), atr(bars, 3), rate_of_change([1], 1)) == (None, None, None, None)
    assert (realised_volatility([1]), zscore([1]), realised_volatility([1, 0])) == (None, None, None)


@given(prices, st.integers(1, 20))
def test_averages_stay_between_the_lowest_and_the_highest(values: list[int], period: int) -> None:
    """An average of prices is a price that could have been, up to the last digit."""
    average = ema(values, period)
    assert average is None or min(values) * (1 - 1e-12) <= average <= max(values) * (1 + 1e-12)


@given(prices, st.integers(1, 20))
def test_strength_is_bounded_and_mirrors_itself(values: list[int], period: int) -> None:
    """Turned upside down, a rise is a fall of the same strength."""
    up, down = rsi(values, period), rsi([-value for value in values], period)
    assert up is None or (down is not None and 0 <= up <= 100 and abs(up + down - 100) < 1e-6)
