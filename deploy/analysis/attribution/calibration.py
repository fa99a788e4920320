"""How good probabilities were, ours and the market's: Brier score, its parts, and how far each decile was off.

A forecast is a probability in basis points (0 to 10,000) of Up, and whether Up it was. Forecasts are kept as sums in
ten bins, so any two tallies can be added, and a million decisions cost no more than ten. Sources: Brier 1950; Murphy
1973; Stephenson et al. 2008 for what binning leaves over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

BP: Final = 10_000
"""Basis points of certainty."""
BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Forecasts of one decile: how many, the sum of them (bp), of their squares, how often Up, and their sum then."""

    count: int = 0
    forecast_bp: int = 0
    square_bp2: int = 0
    ups: int = 0
    forecast_up_bp: int = 0

    def __add__(self, other: Bin) -> Bin:
        return Bin(
            self.count + other.count,
            self.forecast_bp + other.forecast_bp,
            self.square_bp2 + other.square_bp2,
            self.ups + other.ups,
            self.forecast_up_bp + other.forecast_up_bp,
        )

    @property
    def forecast(self) -> float:
        """The mean probability that was told."""
        return self.forecast_bp / BP / self.count

    @property
    def rate(self) -> float:
        """How often it was Up."""
        return self.ups / self.count


Tally = tuple[Bin, ...]
"""BINS bins, by probability."""
NO_FORECASTS: Final[Tally] = (Bin(),) * BINS


def bin_of(forecast_bp: int) -> int:
    """Which decile a probability is in; certainty is in the last one."""
    return min(forecast_bp * BINS // BP, BINS - 1)


def tally(forecasts: Iterable[tuple[int, bool]]) -> Tally:
    """Add up forecasts, each a probability in basis points and whether it was Up."""
    bins = list(NO_FORECASTS)
    for forecast_bp, up in forecasts:
        bins[bin_of(forecast_bp)] += Bin(1, forecast_bp, forecast_bp**2, int(up), forecast_bp * up)
    return tuple(bins)


def together(tallies: Iterable[Tally]) -> Tally:
    """All forecasts of several tallies."""
    added = NO_FORECASTS
    for each in tallies:
        added = tuple(a + b for a, b in zip(added, each, strict=True))
    return added


def squared_error(seen: Tally) -> float:
    """The sum of all squared errors. Exact: one rounding, at the end."""
    errors = sum(each.square_bp2 - 2 * BP * each.forecast_up_bp + BP**2 * each.ups for each in seen)
    return errors / BP**2


def brier(seen: Tally) -> float:
    """The mean squared error: 0 is perfect, 0.25 is what a half always gets. Bounds: at least one forecast."""
    return squared_error(seen) / count(seen)


def count(seen: Tally) -> int:
    """How many forecasts."""
    return sum(each.count for each in seen)


@dataclass(frozen=True, slots=True)
class Parts:
    """Brier = reliability - resolution + uncertainty + within.

    reliability: how far told probabilities are from what came, less is better. resolution: how far what came differs
    between deciles, more is better. uncertainty: of what came, nobody's doing. within: what deciles hide.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within: float


def parts(seen: Tally) -> Parts:
    """Murphy's decomposition by decile. Bounds: at least one forecast."""
    total = count(seen)
    base = sum(each.ups for each in seen) / total
    reliability = sum(each.count * (each.forecast - each.rate) ** 2 for each in _filled(seen)) / total
    resolution = sum(each.count * (each.rate - base) ** 2 for each in _filled(seen)) / total
    uncertainty = base * (1 - base)
    return Parts(reliability, resolution, uncertainty, brier(seen) - (reliability - resolution + uncertainty))


def calibration_error(seen: Tally) -> float:
    """How far deciles are off on average (ECE). Bounds: at least one forecast."""
    return sum(each.count * abs(each.forecast - each.rate) for each in _filled(seen)) / count(seen)


def skill(ours: float, theirs: float) -> float | None:
    """How much of the other's Brier score ours does without: 1 is perfect, 0 no better. None: theirs is perfect."""
    return 1 - ours / theirs if theirs else None


def _filled(seen: Tally) -> Iterator[Bin]:
    return (each for each in seen if each.count)
