"""Which way the price is going, and whether that supports a bet.

A number of closed candles in, a Momentum out. Leaves to others which candles and what to do about it. What always
holds: the score is in standard deviations of the same candles, so one threshold serves quiet and wild markets.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec

from shared.messages import Outcome
from worker.indicators import ema, rate_of_change, realised_volatility, rsi

CANDLES: Final = 48
"""How many closes are looked at: all of them, always the same number."""
_FAST: Final = 6
_SLOW: Final = 24
_RSI: Final = 14
_EXHAUSTED: Final = 88.0
"""A relative strength beyond this, or below its mirror image, says that the move is spent."""


class Momentum(msgspec.Struct, frozen=True):
    """`score`: how far the fast average is above the slow one, in standard deviations of the way between them."""

    score: float
    change_percent: float
    strength: float


def measure(closes: Sequence[int]) -> Momentum | None:
    """The momentum of the last CANDLES closes; None while there are fewer."""
    if len(closes) < CANDLES:
        return None
    values = closes[-CANDLES:]
    fast, slow, strength = ema(values, _FAST), ema(values, _SLOW), rsi(values, _RSI)
    change, volatility = rate_of_change(values, _SLOW), realised_volatility(values)
    if fast is None or slow is None or strength is None or change is None or volatility is None:
        return None
    scale = values[-1] * volatility * sqrt(_SLOW - _FAST)
    return Momentum((fast - slow) / scale if scale else 0.0, change, strength)


def confirms(momentum: Momentum, outcome: Outcome, min_score: float) -> bool:
    """Whether the move goes the bet's way, far enough, and is not spent."""
    way = 1 if outcome == "Up" else -1
    spent = 50.0 + way * (momentum.strength - 50.0) > _EXHAUSTED
    return way * momentum.score >= min_score and not spent
