"""The probability that Up wins, from price, strike, volatility and the seconds left.

Over minutes a price is taken to walk without drift, normally, at the volatility last seen. A `spot` market settles on
the price at the end; a `twap` market on the mean of the last 30 or 60 seconds, which is calmer than its end and, once
those seconds have begun, partly known: that part is counted as it was and only the rest is forecast. Ties are Up.
Leaves to others where the numbers come from and what an edge is worth.

Source of the rule: the venue decides Up iff TWAP(end) >= TWAP(start), the Chainlink mean over 60 s (30 s and the
instantaneous price in earlier markets). The settling feed agrees with the one seen in 98.8 to 99.85 % of windows,
hence `noise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, sqrt
from typing import Final

from shared.messages import Rule

MEAN_OVER_S: Final[dict[Rule, int]] = {"spot": 0, "twap30": 30, "twap60": 60}
_CERTAIN: Final = 0.995
"""No forecast is surer than this, either way: feeds stall and matched trades fail."""


def up_probability(
    *,
    price_micro: int,
    strike_micro: int,
    volatility: float,
    noise: float,
    left_s: float,
    rule: Rule,
    known_micro: float | None,
) -> float:
    """The probability that Up wins, 0.005 to 0.995.

    Args: volatility: relative, per square root of a second. noise: relative difference between the feed seen and the
    one that settles. left_s: 0 or more. known_micro: the mean of the settling seconds gone by; not looked at while
    none has.
    """
    over_s = MEAN_OVER_S[rule]
    if left_s >= over_s:
        mean, spread_s = float(price_micro), left_s - over_s + over_s / 3.0
    else:
        assert known_micro is not None, "a caller that sees the settling seconds also has their mean"
        mean = (known_micro * (over_s - left_s) + price_micro * left_s) / over_s
        spread_s = left_s**3 / (3.0 * over_s**2)
    deviation = price_micro * sqrt(volatility**2 * spread_s + noise**2)
    return _bounded(mean - strike_micro, deviation)


def known_mean(samples: Sequence[tuple[int, int]], from_ms: int, to_ms: int) -> float | None:
    """The mean price from one moment to another, each price holding until the next.

    Args: samples: (unix ms, price), in order. Returns None when no price is known at `from_ms` or the time is empty.
    """
    total, held_ms, held = 0, from_ms, None
    for at_ms, price in samples:
        if at_ms <= from_ms:
            held = price
            continue
        if held is None or at_ms >= to_ms:
            break
        total, held_ms, held = total + held * (at_ms - held_ms), at_ms, price
    if held is None or to_ms <= from_ms:
        return None
    return (total + held * (to_ms - held_ms)) / (to_ms - from_ms)


def _bounded(distance: float, deviation: float) -> float:
    if deviation <= 0.0:
        return _CERTAIN if distance >= 0 else 1.0 - _CERTAIN
    probability = 0.5 * (1.0 + erf(distance / (deviation * sqrt(2.0))))
    return min(_CERTAIN, max(1.0 - _CERTAIN, probability))
