"""Probabilities are scored as the papers say, whatever order they come in and however they are split."""

from __future__ import annotations

from itertools import groupby
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.analysis.attribution.calibration import (
    NO_FORECASTS,
    bin_of,
    brier,
    calibration_error,
    count,
    parts,
    skill,
    squared_error,
    tally,
    together,
)

forecasts = st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), min_size=1, max_size=80)


@given(forecasts)
def test_brier_is_the_mean_squared_error(told: list[tuple[int, bool]]) -> None:
    """From ten sums, what it is from every single forecast."""
    assert brier(tally(told)) == pytest.approx(fmean((p / 10_000 - up) ** 2 for p, up in told), abs=1e-12)
    assert count(tally(told)) == len(told)


@given(forecasts)
def test_the_parts_are_murphys(told: list[tuple[int, bool]]) -> None:
    """Each part worked out anew, decile by decile; what is within is the forecasts' own spread there."""
    found, base = parts(tally(told)), fmean(up for _, up in told)
    reliability = resolution = within = 0.0
    for _, group in groupby(sorted(told, key=lambda each: bin_of(each[0])), key=lambda each: bin_of(each[0])):
        each = [(p / 10_000, float(up)) for p, up in group]
        p, rate = fmean(a for a, _ in each), fmean(b for _, b in each)
        reliability += len(each) * (p - rate) ** 2
        resolution += len(each) * (rate - base) ** 2
        within += sum((a - p) ** 2 - 2 * (a - p) * (b - rate) for a, b in each)
    expected = [reliability / len(told), resolution / len(told), base * (1 - base), within / len(told)]
    assert [found.reliability, found.resolution, found.uncertainty, found.within] == pytest.approx(expected, abs=1e-9)


@given(forecasts, st.integers(0, 80))
def test_tallies_add_up(told: list[tuple[int, bool]], at: int) -> None:
    """Scored in two pieces and added is scored at once, exactly."""
    assert together([tally(told[:at]), tally(told[at:])]) == tally(told)


def test_deciles_are_where_they_should_be() -> None:
    """The first of a decile belongs to it; certainty has no decile of its own."""
    assert [bin_of(p) for p in (0, 999, 1_000, 9_999, 10_000)] == [0, 0, 1, 9, 9]


def test_a_perfect_forecast_and_one_that_always_says_half() -> None:
    """The two ends everybody knows."""
    perfect = tally([(10_000, True), (0, False), (10_000, True)])
    assert brier(perfect) == calibration_error(perfect) == 0.0
    half = tally([(5_000, True), (5_000, False)])
    assert brier(half) == 0.25 and parts(half).resolution == 0.0
    assert squared_error(NO_FORECASTS) == 0.0


def test_the_calibration_error_is_how_far_deciles_are_off() -> None:
    """80 % told and half of them Up, in one decile; 10 % told and none of them Up in the other."""
    seen = tally([(8_000, True), (8_000, False), (1_000, False), (1_000, False)])
    assert calibration_error(seen) == pytest.approx((2 * 0.3 + 2 * 0.1) / 4)


def test_skill_is_the_share_of_the_others_error_that_is_gone() -> None:
    """Nothing is better than a perfect forecast, so against one there is no skill to tell."""
    assert skill(0.15, 0.2) == pytest.approx(0.25)
    assert skill(0.2, 0.0) is None
