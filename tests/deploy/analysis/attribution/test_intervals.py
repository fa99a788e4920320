"""Intervals are scipy's to nine digits, or the textbooks', and cover the truth as often as they say."""

from __future__ import annotations

from random import Random

import pytest
from scipy import stats

from deploy.analysis.attribution.intervals import (
    CLUSTERS_MIN,
    Cluster,
    clustered,
    holm,
    newcombe,
    quantile,
    trades_to_clear,
    trades_to_separate,
    wilson,
)

SEED = 20261128


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999])
def test_the_normal_quantile_is_scipys(level: float) -> None:
    """Every interval stands on it."""
    assert quantile(level) == pytest.approx(stats.norm.ppf(0.5 + level / 2), abs=1e-12)


@pytest.mark.parametrize("trials", [1, 2, 7, 45, 100, 1_000, 123_456])
def test_wilson_is_scipys(trials: int) -> None:
    """For few and many, for none and all, and for another level."""
    for hits in {0, 1, trials // 3, trials // 2, trials - 1, trials}:
        for level in (0.8, 0.95, 0.99):
            theirs = stats.binomtest(hits, trials).proportion_ci(level, method="wilson")
            ours = wilson(hits, trials, level)
            assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_nothing_seen_leaves_everything_possible() -> None:
    """No data is no certainty."""
    assert wilson(0, 0) == (wilson(0, 0).__class__)(0.0, 1.0)
    assert newcombe(3, 3, 0, 0).low == -1.0


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0000),
    ],
)
def test_the_difference_of_rates_is_newcombes(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    """His own table, method 10, to the four digits it is printed with."""
    found = newcombe(*counts)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("rate", "trials"), [(0.91, 40), (0.5, 25), (0.88, 300)])
def test_wilson_covers_the_true_rate_as_often_as_it_says(rate: float, trials: int) -> None:
    """Counted over every possible outcome with its exact probability, so that no chance is in it."""
    covered = sum(
        float(stats.binom.pmf(hits, trials, rate)) for hits in range(trials + 1) if wilson(hits, trials).holds(rate)
    )
    assert 0.92 < covered < 0.98


def test_newcombe_covers_the_true_difference_as_often_as_it_says() -> None:
    """Over every pair of outcomes of 30 trades at 94 % and 25 at 85 %."""
    ours, theirs = (stats.binom.pmf(range(n + 1), n, rate) for n, rate in ((30, 0.94), (25, 0.85)))
    covered = sum(
        float(p * q)
        for hits, p in enumerate(ours)
        for others, q in enumerate(theirs)
        if newcombe(hits, 30, others, 25).holds(0.94 - 0.85)
    )
    assert 0.93 < covered < 0.99


def _quarters(chance: Random, edge: float, count: int = 50) -> list[Cluster]:
    """Quarter hours in which all trades win or lose together three times in four: the trap of counting trades."""
    clusters = []
    for _ in range(count):
        shared, trades = chance.random() < 0.5 + edge, chance.randint(1, 6)
        won = sum(shared if chance.random() < 0.75 else chance.random() < 0.5 + edge for _ in range(trades))
        clusters.append(Cluster(trades, won - 0.5 * trades))
    return clusters


def test_the_clustered_interval_covers_a_known_edge_where_counting_trades_does_not() -> None:
    """200 seeded histories with an edge of ten points; the interval of independent trades is too narrow."""
    edge, chance, by_clusters, by_trades = 0.1, Random(SEED), 0, 0
    for _ in range(200):
        quarters = _quarters(chance, edge)
        found = clustered(quarters, chance, resamples=400)
        assert found is not None
        trades = sum(quarter.count for quarter in quarters)
        won = round(sum(quarter.total for quarter in quarters) + 0.5 * trades)
        by_clusters += found.holds(edge)
        by_trades += wilson(won, trades).holds(0.5 + edge)
    assert 0.89 <= by_clusters / 200 <= 0.99
    assert by_trades < by_clusters - 20


def test_the_clustered_interval_is_the_same_for_the_same_seed() -> None:
    """A report that is printed again says the same."""
    quarters = _quarters(Random(SEED), 0.0)
    assert clustered(quarters, Random(1)) == clustered(quarters, Random(1)) != clustered(quarters, Random(2))


def test_very_many_clusters_are_joined_and_say_the_same() -> None:
    """A year of quarter hours costs no more than a week, and its interval is as wide as without joining."""
    chance = Random(SEED)
    clusters = [Cluster(1, chance.gauss(0.1, 1.0)) for _ in range(10_000)]
    found = clustered(clusters, Random(1))
    assert found is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 / 100, rel=0.2)
    assert found.holds(sum(cluster.total for cluster in clusters) / 10_000)


def test_few_clusters_have_no_interval() -> None:
    """They do not show how far clusters differ; empty ones are none."""
    few = [Cluster(40, 12.0 + n) for n in range(CLUSTERS_MIN - 1)]
    assert clustered([*few, Cluster(0, 0.0)], Random(1)) is None
    assert clustered([*few, Cluster(40, 13.0)], Random(1)) is not None


def test_holm_is_the_textbooks() -> None:
    """Worked by hand: 0.01 x 4, then 0.02 x 3, then the highest so far, in the order they were given."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_trades_still_needed_are_those_from_which_the_lower_bound_clears_the_bar() -> None:
    """One trade fewer does not do: held against the interval itself."""
    needed = trades_to_clear(0.911, 0.888)
    assert needed == 723
    assert wilson(round(0.911 * needed * 1000), needed * 1000).low > 0.888
    assert trades_to_clear(0.88, 0.88) is None
    assert trades_to_clear(0.8, 0.9) is None
    for rate, bar in ((0.6, 0.5), (0.95, 0.9), (0.75, 0.5)):
        found = trades_to_clear(rate, bar)
        assert found is not None
        z2 = stats.norm.ppf(0.975) ** 2

        def clears(n: int, rate: float = rate, bar: float = bar, z2: float = z2) -> bool:
            return bool((rate - bar) ** 2 * n >= z2 * bar * (1 - bar))

        assert clears(found) and not clears(found - 1)


def test_telling_91_from_94_percent_takes_1209_trades_of_each() -> None:
    """The reason why every decision is scored and not every trade."""
    assert trades_to_separate(0.91, 0.94) == 1_209
    assert trades_to_separate(0.9, 0.9) is None
