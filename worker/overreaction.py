"""Whether the last seconds moved further than the minutes before them make likely.

Such a jump tends to be given back in part, and the book has already moved: whoever follows pays for the news twice.
Leaves to others whether to stay away or to bet against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from typing import Final

from worker.indicators import realised_volatility

CANDLES: Final = 36
"""How many closes are looked at."""
_JUMP: Final = 3
"""How many steps a jump takes at most."""


def jump(closes: Sequence[int]) -> float | None:
    """The move of the last steps in standard deviations of those before them, signed; None while there are too few.

    0.0 where nothing ever moved: there is no scale to call a move large.
    """
    if len(closes) < CANDLES:
        return None
    before, last = closes[-CANDLES:-_JUMP], closes[-1]
    volatility = realised_volatility(before)
    if volatility is None or last <= 0:
        return None
    return log(last / before[-1]) / (volatility * sqrt(_JUMP)) if volatility else 0.0
