"""Which way the price is going, and whether that supports a bet.

Technicals in, a Momentum out. Leaves to others which candles and what to do about it. What always holds: the score is
in standard deviations of the same candles, so one threshold serves quiet and wild markets.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

import msgspec

from shared.messages import Outcome
from worker.technicals import FAST, SLOW, Technicals

_EXHAUSTED: Final = 88.0
"""A relative strength beyond this, or below its mirror image, says that the move is spent."""


class Momentum(msgspec.Struct, frozen=True):
    """`score`: how far the fast average is above the slow one, in standard deviations of the way between them."""

    score: float
    change_percent: float
    strength: float


def direction(outcome: Outcome) -> int:
    """Which way the price has to go for a token to win: 1 for Up, -1 for Down."""
    return 1 if outcome == "Up" else -1


def measure(technicals: Technicals) -> Momentum:
    """The momentum as of the last closed candle; 0.0 where nothing moved: there is no scale to call a move large."""
    scale = technicals.close_micro * technicals.volatility * sqrt(SLOW - FAST)
    score = (technicals.fast_micro - technicals.slow_micro) / scale if scale else 0.0
    return Momentum(score, technicals.change_percent, technicals.strength)


def confirms(momentum: Momentum, outcome: Outcome, min_score: float) -> bool:
    """Whether the move goes the bet's way, far enough, and is not spent."""
    way = direction(outcome)
    spent = 50.0 + way * (momentum.strength - 50.0) > _EXHAUSTED
    return way * momentum.score >= min_score and not spent


def witnesses(technicals: Technicals | None, outcome: Outcome) -> int:
    """How many of four other looks at the same candles see the move as well.

    The change over the slow period, the strength beside its middle, the place within the band, and whether the move
    still gains speed.
    """
    if technicals is None:
        return 0
    way = direction(outcome)
    seen = (technicals.change_percent, technicals.strength - 50.0, technicals.stretch, technicals.histogram_micro)
    return sum(way * look > 0 for look in seen)
