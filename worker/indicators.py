"""Technical indicators as small state machines: `update` with the next value or bar, read `value`.

Every machine is a struct of plain numbers, so its state has a bound - its period - and can be written down, read back
and gone on with; `value` is None until enough has been seen, never a guess. Textbook definitions: recursive averages
are seeded with the simple mean of their first period, deviations are the population's. Values are in the unit given,
here millionths of a price. TA-Lib and scipy agree to 1e-9 of the value, on real bars.

Two kinds, and what each means for "same past, same state". A **window** (Bollinger, z-score, VWAP, realised volatility)
keeps what it looks at and computes from that alone: no sum is carried on, so nothing drifts, and two processes that
began at different times agree to the last digit. A **recursive** average (EMA, RSI, ATR, MACD) remembers its beginning
for ever, a little: a live view may not keep one since the process started. It folds a fixed run of closed candles anew
when one closes (`technicals`); the functions at the end do the same for a single number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import fsum, log, sqrt
from typing import Protocol, TypeVar

import msgspec


class Bar(Protocol):
    """What a candle must have for a true range."""

    @property
    def high_micro(self) -> int: ...
    @property
    def low_micro(self) -> int: ...
    @property
    def close_micro(self) -> int: ...


class Traded(Protocol):
    """What a bar must have for an average by volume: shares, and what was paid for them, in one unit each."""

    @property
    def size_micro(self) -> int: ...
    @property
    def paid_micro(self) -> int: ...


# --- recursive: seeded where the run begins -------------------------------------------------------------------------


class Average(msgspec.Struct):
    """A mean in which what is old fades. Young, it is the plain mean; from `period` values on, the new one weighs."""

    period: int
    weight: float
    seen: int = 0
    mean: float = 0.0

    def update(self, value: float) -> None:
        """Take the next value."""
        if self.seen < self.period:
            self.seen += 1
            self.mean += (value - self.mean) / self.seen
        else:
            self.mean += (value - self.mean) * self.weight

    @property
    def value(self) -> float | None:
        """The average; None before `period` values."""
        return self.mean if self.seen == self.period else None


def exponential(period: int) -> Average:
    """An EMA: weight 2 / (period + 1)."""
    return Average(period, 2.0 / (period + 1))


def wilder(period: int) -> Average:
    """Wilder's smoothing: weight 1 / period."""
    return Average(period, 1.0 / period)


class Rsi(msgspec.Struct):
    """Wilder's relative strength index, 0 to 100, of the changes between values.

    Where nothing moved there is no strength to compare: 50. (TA-Lib says 0 there, which would read as a crash.)
    """

    gain: Average
    loss: Average
    last: float | None = None

    @classmethod
    def over(cls, period: int) -> Rsi:
        """One over so many changes."""
        return cls(wilder(period), wilder(period))

    def update(self, value: float) -> None:
        """Take the next value."""
        if self.last is not None:
            self.gain.update(max(value - self.last, 0.0))
            self.loss.update(max(self.last - value, 0.0))
        self.last = value

    @property
    def value(self) -> float | None:
        """The index; None before a period of changes."""
        gain, loss = self.gain.value, self.loss.value
        if gain is None or loss is None:
            return None
        return 100.0 * gain / (gain + loss) if gain + loss else 50.0


class Atr(msgspec.Struct):
    """Wilder's average true range: the reach of a bar, with the gap from the close before it."""

    ranges: Average
    last: int | None = None

    @classmethod
    def over(cls, period: int) -> Atr:
        """One over so many true ranges."""
        return cls(wilder(period))

    def update(self, bar: Bar) -> None:
        """Take the next bar; the first one only tells where it closed."""
        if self.last is not None:
            self.ranges.update(max(bar.high_micro, self.last) - min(bar.low_micro, self.last))
        self.last = bar.close_micro

    @property
    def value(self) -> float | None:
        """The range; None before a period of them."""
        return self.ranges.value


class Divergence(msgspec.Struct, frozen=True):
    """MACD at a moment. `line`: fast average above slow; `signal`: its own average; `histogram`: line above signal."""

    line: float
    signal: float

    @property
    def histogram(self) -> float:
        """Positive while the move gains speed upwards."""
        return self.line - self.signal


class Macd(msgspec.Struct):
    """Moving average convergence and divergence. Both averages are seeded at the same value, the slow one's first."""

    fast: Average
    slow: Average
    smooth: Average
    waits: int

    @classmethod
    def over(cls, fast: int, slow: int, signal: int) -> Macd:
        """One of two periods, smoothed over a third; the slow one is the longer."""
        return cls(exponential(fast), exponential(slow), exponential(signal), slow - fast)

    def update(self, value: float) -> None:
        """Take the next value."""
        self.slow.update(value)
        if self.waits:
            self.waits -= 1
        else:
            self.fast.update(value)
        fast, slow = self.fast.value, self.slow.value
        if fast is not None and slow is not None:
            self.smooth.update(fast - slow)

    @property
    def value(self) -> Divergence | None:
        """All of it; None before the signal line has begun."""
        signal = self.smooth.value
        return None if signal is None else Divergence(self.fast.mean - self.slow.mean, signal)


# --- windows: computed from what is kept, and from nothing before ---------------------------------------------------


class Window(msgspec.Struct):
    """The last `period` values."""

    period: int
    kept: list[float] = msgspec.field(default_factory=list)

    def update(self, value: float) -> None:
        """Take the next value, and let the oldest go."""
        self.kept.append(value)
        if len(self.kept) > self.period:
            del self.kept[0]

    @property
    def spread(self) -> tuple[float, float] | None:
        """Mean and population deviation; None before `period` values."""
        return _spread(self.kept) if len(self.kept) == self.period else None

    @property
    def score(self) -> float | None:
        """How many deviations the last value is from the mean; 0.0 where nothing moved, None before `period` values."""
        if (spread := self.spread) is None:
            return None
        return (self.kept[-1] - spread[0]) / spread[1] if spread[1] else 0.0


class Band(msgspec.Struct, frozen=True):
    """Bollinger's bands at a moment."""

    lower: float
    middle: float
    upper: float


class Bollinger(Window):
    """The mean of the window, and so many of its deviations either side."""

    deviations: float = 2.0

    @property
    def value(self) -> Band | None:
        """The bands; None before `period` values."""
        if (spread := self.spread) is None:
            return None
        mean, reach = spread[0], spread[1] * self.deviations
        return Band(mean - reach, mean, mean + reach)


class ZScore(Window):
    """How many deviations the last value is from the mean of the window; 0.0 where nothing moved."""

    @property
    def value(self) -> float | None:
        """The score; None before `period` values."""
        return self.score


class RealisedVolatility(msgspec.Struct):
    """The root of the mean squared log return of one step: no mean is taken out, over seconds it is only noise."""

    squares: Window
    last: float | None = None

    @classmethod
    def over(cls, period: int) -> RealisedVolatility:
        """One over so many returns."""
        return cls(Window(period))

    def update(self, value: float) -> None:
        """Take the next value, above zero."""
        if self.last is not None:
            self.squares.update(_squared_return(self.last, value))
        self.last = value

    @property
    def value(self) -> float | None:
        """Relative, per step; None before a period of returns."""
        kept = self.squares.kept
        return _root_mean(kept) if len(kept) == self.squares.period else None


class Vwap(msgspec.Struct):
    """What a share cost on average in the last `period` bars, each weighing what was traded in it."""

    period: int
    kept: list[tuple[int, int]] = msgspec.field(default_factory=list)

    def update(self, bar: Traded) -> None:
        """Take the next bar, and let the oldest go."""
        self.kept.append((bar.paid_micro, bar.size_micro))
        if len(self.kept) > self.period:
            del self.kept[0]

    @property
    def value(self) -> float | None:
        """Millionths a share; None where nothing was traded. It speaks from the first bar on: no trade is no price."""
        size = sum(size for _, size in self.kept)
        return sum(paid for paid, _ in self.kept) * 1_000_000 / size if size else None


# --- one number over a run of values --------------------------------------------------------------------------------


def ema(values: Sequence[float], period: int) -> float | None:
    """The exponential moving average of a run."""
    return _fold(exponential(period), values).value


def rsi(values: Sequence[float], period: int) -> float | None:
    """The relative strength index of a run."""
    return _fold(Rsi.over(period), values).value


def atr(bars: Sequence[Bar], period: int) -> float | None:
    """The average true range of a run."""
    machine = Atr.over(period)
    for bar in bars:
        machine.update(bar)
    return machine.value


def realised_volatility(values: Sequence[float]) -> float | None:
    """The realised volatility of all of a run; None where there is none, or a value that is no price."""
    if len(values) < 2 or min(values) <= 0:
        return None
    return _root_mean([_squared_return(before, after) for before, after in pairwise(values)])


def zscore(values: Sequence[float]) -> float | None:
    """The z-score of a run's last value among all of it."""
    return _fold(ZScore(len(values)), values).value if len(values) > 1 else None


def rate_of_change(values: Sequence[float], steps: int) -> float | None:
    """The change over the last `steps` steps in percent of where it started."""
    if len(values) <= steps or values[-1 - steps] == 0:
        return None
    return (values[-1] / values[-1 - steps] - 1.0) * 100.0


class _Machine(Protocol):
    def update(self, value: float) -> None: ...


_M = TypeVar("_M", bound=_Machine)


def _fold(machine: _M, values: Iterable[float]) -> _M:
    for value in values:
        machine.update(value)
    return machine


def _squared_return(before: float, after: float) -> float:
    return log(after / before) ** 2


def _root_mean(squares: Sequence[float]) -> float:
    return sqrt(fsum(squares) / len(squares))


def _spread(values: Sequence[float]) -> tuple[float, float]:
    mean = fsum(values) / len(values)
    return mean, sqrt(fsum((value - mean) ** 2 for value in values) / len(values))
