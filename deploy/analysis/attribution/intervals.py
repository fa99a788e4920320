"""How far a rate, a difference or a mean may be from the truth: intervals that are honest for few and for many.

Counts and sums in, intervals out; 95 % unless another level is told. Chance arrives as a generator, so the same seed
gives the same interval. Sources: Wilson 1927; Newcombe 1998, method 10; Holm 1979; Fleiss for the sample sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist
from typing import Final, Protocol, TypeVar

LEVEL: Final = 0.95
POWER: Final = 0.8
RESAMPLES: Final = 1_000
"""Of a bootstrap: enough for the ends of an interval to move by a fiftieth of its width."""
CLUSTERS_MIN: Final = 8
"""Of fewer, drawing anew shows a fraction of how far they differ: an interval of three would be a lie."""

CLUSTERS_MAX: Final = 250
"""More are joined with their neighbours: it costs nothing in width, and neighbours are not quite independent either."""

_NORMAL: Final = NormalDist()
_T = TypeVar("_T")


class Chance(Protocol):
    """What is needed of a generator; `random.Random` is one."""

    def choices(self, population: Sequence[_T], *, k: int) -> list[_T]:
        """Draw k of them with replacement."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both inclusive."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies in it."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Cluster:
    """Observations that are not independent of one another, added up: their number and their sum."""

    count: int
    total: float


def quantile(level: float = LEVEL) -> float:
    """How many standard errors an interval of this level reaches to either side: 1.96 for 95 %."""
    return _NORMAL.inv_cdf(0.5 + level / 2)


def wilson(hits: int, trials: int, level: float = LEVEL) -> Interval:
    """Where the true rate may be after `hits` of `trials`. Everything is possible after none."""
    if trials == 0:
        return Interval(0.0, 1.0)
    z2, rate = quantile(level) ** 2, hits / trials
    middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = sqrt(z2) / (1 + z2 / trials) * sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    return Interval(0.0 if hits == 0 else middle - reach, 1.0 if hits == trials else middle + reach)


def newcombe(hits: int, trials: int, than_hits: int, than_trials: int, level: float = LEVEL) -> Interval:
    """Where the difference of two independent rates may be, the first minus the second."""
    ours, theirs = wilson(hits, trials, level), wilson(than_hits, than_trials, level)
    if not (trials and than_trials):
        return Interval(-1.0, 1.0)
    p, q = hits / trials, than_hits / than_trials
    below = sqrt((p - ours.low) ** 2 + (theirs.high - q) ** 2)
    above = sqrt((ours.high - p) ** 2 + (q - theirs.low) ** 2)
    return Interval(p - q - below, p - q + above)


def clustered(
    clusters: Sequence[Cluster], chance: Chance, level: float = LEVEL, resamples: int = RESAMPLES
) -> Interval | None:
    """Where the mean of all observations may be when only whole clusters are independent: a percentile bootstrap.

    None with fewer than CLUSTERS_MIN clusters: they do not show how far clusters differ. Args: clusters: in order.
    """
    filled = _joined([cluster for cluster in clusters if cluster.count])
    if len(filled) < CLUSTERS_MIN:
        return None
    means = sorted(_mean(chance.choices(filled, k=len(filled))) for _ in range(resamples))
    tail = round(resamples * (1 - level) / 2)
    return Interval(means[tail], means[-1 - tail])


def _joined(clusters: Sequence[Cluster]) -> list[Cluster]:
    """At most CLUSTERS_MAX, of as many neighbours each as it takes."""
    every = ceil(len(clusters) / CLUSTERS_MAX) or 1
    pieces = (clusters[n : n + every] for n in range(0, len(clusters), every))
    return [Cluster(sum(each.count for each in piece), sum(each.total for each in piece)) for piece in pieces]


def _mean(clusters: Sequence[Cluster]) -> float:
    return sum(cluster.total for cluster in clusters) / sum(cluster.count for cluster in clusters)


def holm(chances: Sequence[float]) -> list[float]:
    """Probabilities of many tests, each raised so that all of them together err no more often than one would."""
    ascending = sorted(range(len(chances)), key=chances.__getitem__)
    adjusted, highest = [0.0] * len(chances), 0.0
    for rank, index in enumerate(ascending):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[index]))
        adjusted[index] = highest
    return adjusted


def trades_to_clear(rate: float, bar: float, level: float = LEVEL) -> int | None:
    """How many trades at this rate it takes until its lower Wilson bound is at the bar; None when it never is."""
    if not rate > bar:
        return None
    return ceil(quantile(level) ** 2 * bar * (1 - bar) / (rate - bar) ** 2)


def trades_to_separate(rate: float, other: float, level: float = LEVEL, power: float = POWER) -> int | None:
    """How many trades of each it takes to tell two rates apart, two-sided; None when they are the same."""
    if rate == other:
        return None
    both = (rate + other) / 2
    by_chance = quantile(level) * sqrt(2 * both * (1 - both))
    in_truth = _NORMAL.inv_cdf(power) * sqrt(rate * (1 - rate) + other * (1 - other))
    return ceil((by_chance + in_truth) ** 2 / (rate - other) ** 2)
