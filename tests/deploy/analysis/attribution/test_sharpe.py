"""Sharpe ratios and their odds: moments are scipy's, the formulas those of the papers, the odds as good as they say."""

from __future__ import annotations

from math import sqrt
from random import Random
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deploy.analysis.attribution.sharpe import (
    Moments,
    best_by_luck,
    deflated,
    moments,
    probabilistic,
    track_record,
)

SEED = 20261128


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=60))
def test_moments_are_scipys(returns: list[float]) -> None:
    """Skewness and kurtosis of the sample as it is; kurtosis is 3 for a normal distribution."""
    found = moments(returns)
    if found is None or stdev(returns) < 1e-3:
        return
    assert found.ratio == pytest.approx(fmean(returns) / stdev(returns), abs=1e-9)
    assert found.skewness == pytest.approx(stats.skew(returns), abs=1e-9)
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), abs=1e-9)


def test_returns_that_do_not_spread_have_no_ratio() -> None:
    """One return, or the same ones, prove nothing."""
    assert moments([]) is None
    assert moments([0.3]) is None
    assert moments([0.12, 0.12, 0.12]) is None


def _buyer_at_88() -> Moments:
    """Buying at 0.88 what wins 91 times of 100, exactly."""
    p = 0.91
    spread = sqrt(p * (1 - p))
    return Moments(100, (p - 0.88) / spread, (1 - 2 * p) / spread, 3 + (1 - 6 * p * (1 - p)) / (p * (1 - p)))


def test_a_favourite_needs_327_trades_before_it_is_known_to_earn() -> None:
    """The figures of the design: ratio 0.105, skewness -2.9, kurtosis 9.2."""
    seen = _buyer_at_88()
    assert (seen.ratio, seen.skewness, seen.kurtosis) == pytest.approx((0.105, -2.9, 9.2), abs=0.05)
    assert track_record(seen) == 327


def test_the_track_record_is_where_the_probability_reaches_the_confidence() -> None:
    """The two formulas are one, solved for the other letter."""
    seen = _buyer_at_88()
    needed = track_record(seen)
    assert needed is not None
    at, before = (Moments(n, seen.ratio, seen.skewness, seen.kurtosis) for n in (needed, needed - 1))
    assert probabilistic(before) < 0.95 <= probabilistic(at)
    assert track_record(seen, than=0.2) is None


def test_the_probability_is_the_papers() -> None:
    """Written out with scipy: sqrt(n - 1) above, and the fourth moment, not the excess, below."""
    seen = Moments(24, 0.458, -2.448, 10.164)
    below = sqrt(1 + 2.448 * 0.458 + (10.164 - 1) / 4 * 0.458**2)
    assert probabilistic(seen, 0.1) == pytest.approx(stats.norm.cdf((0.458 - 0.1) * sqrt(23) / below), abs=1e-9)
    assert probabilistic(seen, 0.458) == pytest.approx(0.5)


def test_the_probability_is_as_good_as_it_says() -> None:
    """Traders without an edge are thought to have one with 95 % in about 5 of 100 seeded histories."""
    chance, alarms = Random(SEED), 0
    for _ in range(600):
        seen = moments([chance.gauss(0, 1) for _ in range(100)])
        assert seen is not None
        alarms += probabilistic(seen) > 0.95
    assert 0.025 <= alarms / 600 <= 0.085


def test_the_best_of_many_worthless_versions_is_not_believed() -> None:
    """By itself the best of 40 looks sure; held against what luck brings the best of 40, it is not."""
    chance = Random(SEED)
    versions = [moments([chance.gauss(0, 1) for _ in range(200)]) for _ in range(40)]
    ratios = [seen.ratio for seen in versions if seen is not None]
    best = max((seen for seen in versions if seen is not None), key=lambda seen: seen.ratio)
    assert probabilistic(best) > 0.95
    assert deflated(best, ratios) < 0.9
    assert best_by_luck(ratios) == pytest.approx(max(ratios), rel=0.5)


def test_one_version_is_not_deflated() -> None:
    """Nobody chose among others."""
    seen = _buyer_at_88()
    assert deflated(seen, [seen.ratio]) == probabilistic(seen)
