"""Is a result above zero, or above what the best of many would be by luck: Sharpe ratios per trade, and their odds.

Returns in, numbers out. Nothing is annualised: a trade is the unit of time. `kurtosis` is the fourth moment itself, 3
for a normal distribution, never the excess. Sources: Bailey and López de Prado, The Sharpe Ratio Efficient Frontier
(2012) and The Deflated Sharpe Ratio (2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, e, sqrt
from statistics import NormalDist, fmean, variance
from typing import Final

CONFIDENCE: Final = 0.95
_NORMAL: Final = NormalDist()
_EULER: Final = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Moments:
    """What returns look like: how many, Sharpe ratio of one of them, skewness, kurtosis (3 is normal)."""

    count: int
    ratio: float
    skewness: float
    kurtosis: float

    @property
    def spread(self) -> float:
        """The variance of the estimated ratio, times the number of returns less one."""
        return 1 - self.skewness * self.ratio + (self.kurtosis - 1) / 4 * self.ratio**2


def moments(returns: Sequence[float]) -> Moments | None:
    """None where fewer than two returns, or returns that are all the same, say nothing of how they spread."""
    count = len(returns)
    mean = fmean(returns) if count else 0.0
    second, third, fourth = (sum((each - mean) ** power for each in returns) / (count or 1) for power in (2, 3, 4))
    deviation = sqrt(second)
    if count < 2 or deviation <= 1e-12 * max(1.0, abs(mean)):
        return None
    return Moments(count, mean / sqrt(variance(returns, mean)), third / deviation**3, fourth / second**2)


def probabilistic(seen: Moments, than: float = 0.0) -> float:
    """The probability that the true ratio is above `than` (PSR)."""
    return _NORMAL.cdf((seen.ratio - than) * sqrt(seen.count - 1) / sqrt(seen.spread))


def track_record(seen: Moments, than: float = 0.0, confidence: float = CONFIDENCE) -> int | None:
    """How many returns like these it takes to be so sure that the true ratio is above `than`; None: it never is."""
    if not seen.ratio > than:
        return None
    return ceil(1 + seen.spread * (_NORMAL.inv_cdf(confidence) / (seen.ratio - than)) ** 2)


def best_by_luck(ratios: Sequence[float]) -> float:
    """The Sharpe ratio to be expected of the best of so many versions of which none is any good."""
    if len(ratios) < 2:
        return 0.0
    first = (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / len(ratios))
    return sqrt(variance(ratios)) * (first + _EULER * _NORMAL.inv_cdf(1 - 1 / (len(ratios) * e)))


def deflated(seen: Moments, ratios: Sequence[float]) -> float:
    """The probability that the true ratio is above what the best of all `ratios` would show by luck (DSR)."""
    return probabilistic(seen, best_by_luck(ratios))
