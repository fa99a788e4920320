"""Technical indicators over a fixed run of closed candles: numbers in, one number out, nothing remembered.

Leaves to others which candles, and what a number means. What always holds: the answer depends on the values given and
on nothing before them, so two processes that began at different times agree to the last digit; too few values give
None, never a guess. Recursive averages are seeded as in Wilder's and the textbook's definitions, with the simple mean
of their first period inside the run given.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log, sqrt
from typing import Protocol


class Bar(Protocol):
    """What a candle must have for a true range."""

    @property
    def high_micro(self) -> int: ...
    @property
    def low_micro(self) -> int: ...
    @property
    def close_micro(self) -> int: ...


def ema(values: Sequence[float], period: int) -> float | None:
    """The exponential moving average, weight 2 / (period + 1), seeded with the mean of the first `period` values."""
    if len(values) < period:
        return None
    weight = 2.0 / (period + 1)
    average = sum(values[:period]) / period
    for value in values[period:]:
        average += weight * (value - average)
    return average


def rsi(values: Sequence[float], period: int) -> float | None:
    """Wilder's relative strength index, 0 to 100, seeded with the mean gain and loss of the first `period` changes.

    Where nothing moved there is no strength to compare: 50. (TA-Lib says 0 there, which would read as a crash.)
    """
    if len(values) <= period:
        return None
    changes = [after - before for before, after in pairwise(values)]
    gain = _wilder([max(change, 0.0) for change in changes], period)
    loss = _wilder([max(-change, 0.0) for change in changes], period)
    return 100.0 * gain / (gain + loss) if gain + loss else 50.0


def atr(bars: Sequence[Bar], period: int) -> float | None:
    """Wilder's average true range, in the bars' own unit, seeded with the mean of the first `period` true ranges."""
    if len(bars) <= period:
        return None
    ranges = [
        float(max(bar.high_micro, before.close_micro) - min(bar.low_micro, before.close_micro))
        for before, bar in pairwise(bars)
    ]
    return _wilder(ranges, period)


def realised_volatility(values: Sequence[float]) -> float | None:
    """The root of the mean squared log return of one step: no mean is taken out, over seconds it is only noise."""
    if len(values) < 2 or min(values) <= 0:
        return None
    squares = [log(after / before) ** 2 for before, after in pairwise(values)]
    return sqrt(sum(squares) / len(squares))


def zscore(values: Sequence[float]) -> float | None:
    """How many (population) standard deviations the last value is from the mean of all; 0.0 where nothing moved."""
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    deviation = sqrt(sum((value - mean) ** 2 for value in values) / len(values))
    return (values[-1] - mean) / deviation if deviation else 0.0


def rate_of_change(values: Sequence[float], steps: int) -> float | None:
    """The change over the last `steps` steps in percent of where it started."""
    if len(values) <= steps or values[-1 - steps] == 0:
        return None
    return (values[-1] / values[-1 - steps] - 1.0) * 100.0


def _wilder(values: Sequence[float], period: int) -> float:
    average = sum(values[:period]) / period
    for value in values[period:]:
        average = (average * (period - 1) + value) / period
    return average
