"""The technical analysis engine: every indicator a decision weighs, as of the last closed candle.

`read` folds a fixed run of candles - the last CANDLES, always as many - through one Engine. So the recursive averages
in it are seeded at the same candle in every process that looks at the same moment, whenever each began: "same past,
same state" costs one fold of the run for each candle that closes, whatever the number of ticks and slots that ask
(`View.once`). Leaves to others what a number means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from worker.candles import Candle
from worker.indicators import (
    Atr,
    Average,
    Bollinger,
    Macd,
    RealisedVolatility,
    Rsi,
    exponential,
    rate_of_change,
)

CANDLES: Final = 48
"""How many closed candles are looked at: all of them, always the same number."""
FAST: Final = 6
SLOW: Final = 24
_WILDER: Final = 14
_MACD: Final = (12, 26, 9)
_BAND: Final = 20


class Technicals(msgspec.Struct, frozen=True):
    """Prices in millionths. `change_percent`: over SLOW candles. `volatility`: relative, of one step.

    `stretch`: how many deviations the last close is from the middle of its band.
    """

    close_micro: int
    fast_micro: float
    slow_micro: float
    change_percent: float
    strength: float
    histogram_micro: float
    range_micro: float
    lower_micro: float
    upper_micro: float
    stretch: float
    volatility: float


class Engine(msgspec.Struct):
    """Every machine, fed together; its state is theirs: bounded, and can be written down and gone on with."""

    fast: Average = msgspec.field(default_factory=lambda: exponential(FAST))
    slow: Average = msgspec.field(default_factory=lambda: exponential(SLOW))
    rsi: Rsi = msgspec.field(default_factory=lambda: Rsi.over(_WILDER))
    atr: Atr = msgspec.field(default_factory=lambda: Atr.over(_WILDER))
    macd: Macd = msgspec.field(default_factory=lambda: Macd.over(*_MACD))
    band: Bollinger = msgspec.field(default_factory=lambda: Bollinger(_BAND))
    volatility: RealisedVolatility = msgspec.field(default_factory=lambda: RealisedVolatility.over(CANDLES - 1))
    closes: list[int] = msgspec.field(default_factory=list)

    def update(self, bar: Candle) -> None:
        """Take the next closed candle."""
        close = bar.close_micro
        for machine in (self.fast, self.slow, self.rsi, self.macd, self.band, self.volatility):
            machine.update(close)
        self.atr.update(bar)
        self.closes.append(close)
        if len(self.closes) > SLOW + 1:
            del self.closes[0]

    @property
    def value(self) -> Technicals | None:
        """All of it; None before CANDLES candles."""
        histogram, band = self.macd.value, self.band.value
        numbers = (
            self.fast.value,
            self.slow.value,
            rate_of_change(self.closes, SLOW),
            self.rsi.value,
            None if histogram is None else histogram.histogram,
            self.atr.value,
            None if band is None else band.lower,
            None if band is None else band.upper,
            self.band.score,
            self.volatility.value,
        )
        known = [number for number in numbers if number is not None]
        return Technicals(self.closes[-1], *known) if len(known) == len(numbers) else None


def read(candles: Sequence[Candle]) -> Technicals | None:
    """The engine after the last CANDLES of these; None while there are fewer."""
    if len(candles) < CANDLES:
        return None
    engine = Engine()
    for candle in candles[-CANDLES:]:
        engine.update(candle)
    return engine.value
