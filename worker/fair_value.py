"""The probability that Up wins, from price, strike, volatility and the seconds left.

Over minutes a price is taken to walk without drift, most of the time at the volatility last seen and some of the time
several times as fast: tails are fat. A `spot` market settles on the price at the end; a `twap` market on the mean of
the last 30 or 60 seconds, which is calmer than its end and, once those seconds have begun, partly known: that part is
counted as it was and only the rest is forecast. Ties are Up. Leaves to others where the numbers come from and what an
edge is worth.

Source of the rule: the venue decides Up iff TWAP(end) >= TWAP(start), the Chainlink mean over 60 s (30 s and the
instantaneous price in earlier markets). The settling feed agrees with the one seen in 98.8 to 99.85 % of windows,
hence `noise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, sqrt
from typing import Final

from shared.messages import MEAN_OVER_S, Rule

CERTAIN: Final = 0.995
"""No forecast is surer than this, either way: feeds stall and matched trades fail."""
WILD_SHARE: Final = 0.3
WILD_TIMES: Final = 4.0
"""How often, and how much, the next minute is wilder than the last. Fitted to 260 five-minute windows of one recorded
settlement day: with one calm normal walk, of the forecasts above 0.9 a minute before the end 97 % were promised and
89 % came true; with these, 93 % and 93 %."""


def up_probability(
    *,
    price_micro: int,
    strike_micro: int,
    volatility: float,
    noise: float,
    left_s: float,
    age_s: float,
    rule: Rule,
    known_micro: float | None,
) -> float:
    """The probability that Up wins, 0.005 to 0.995.

    Args: volatility: relative, per square root of a second. noise: relative difference between the feed seen and the
    one that settles. left_s, age_s: to the end, and since the price was one: it has walked on unseen; 0 or more.
    known_micro: the mean of the settling seconds gone by; not looked at while none has.
    """
    over_s = MEAN_OVER_S[rule]
    if left_s >= over_s:
        mean, spread_s = float(price_micro), left_s - over_s + over_s / 3.0 + age_s
    else:
        assert known_micro is not None, "a caller that sees the settling seconds also has their mean"
        mean = (known_micro * (over_s - left_s) + price_micro * left_s) / over_s
        spread_s = left_s**3 / (3.0 * over_s**2) + age_s * (left_s / over_s) ** 2
    distance = (mean - strike_micro) / price_micro
    calm = _above(distance, sqrt(volatility**2 * spread_s + noise**2))
    wild = _above(distance, sqrt((WILD_TIMES * volatility) ** 2 * spread_s + noise**2))
    return min(CERTAIN, max(1.0 - CERTAIN, (1.0 - WILD_SHARE) * calm + WILD_SHARE * wild))


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


def _above(distance: float, deviation: float) -> float:
    """The probability that a normal walk from `distance` ends at zero or above."""
    if deviation <= 0.0:
        return float(distance >= 0)
    return 0.5 * (1.0 + erf(distance / (deviation * sqrt(2.0))))
