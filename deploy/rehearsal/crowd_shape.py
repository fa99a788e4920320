"""How everybody else behaves: the one table of numbers that the crowd is made of, fitted to recordings.

`foresight fit DATA` measures the recordings again and prints each number with its sample size; a test holds the crowd,
measured the same way, against the recordings. Shares are whole shares, prices dollars, times seconds.

Sources, and what they cannot say:
* C, 98 BTC 5-minute windows of 26 July 2026, seven books each: depth, touch, spread, cents or finer. Its clock is late:
  in 94 % of windows the sample labelled 20 s before the close has exactly the spot that opened the next window, so 20 s
  are taken off every label. Only whole-side depth and the price of 50 shares are known, not the levels between.
* D, every trade of one BTC 5-minute window of 26 May 2026: sizes, sides, rate. One window, one direction, stamps of the
  chain's blocks: bursts shorter than two seconds cannot be told from batches.
* G, 92 windows of another venue, 15 minutes, BTC and ETH: how the rate of trades changes with time and price. Only
  ratios are used.
* B, snapshots of June 2026: what ETH, SOL and 15 minutes have of BTC/5m's depth and flow. XRP and DOGE are there only
  before their windows: their depth is from there, their flow is taken to be SOL's.
* A and C, 24 July 2026: the dollars a BTC 5-minute window turns over, which set the rate.
How fast makers follow is only known from A and C together: recorded middles fit the price of 2 to 4 s before best.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

Steps = tuple[tuple[float, float], ...]
"""Points of a line: (where, value), rising; before the first and after the last the value stays."""

DEPTH_SHARES: Final = 42_000
DEPTH_EXPONENT: Final = 0.28
"""All bids of a token at price p hold DEPTH_SHARES x p^DEPTH_EXPONENT shares, 40 to 100 s before the end. Source: C."""
DEPTH_LEFT: Final[Steps] = ((0, 0.3), (10, 0.6), (25, 0.8), (40, 0.85), (70, 0.93), (100, 1.0))
"""What of it is there so long before the end; after the close the books are one-sided, so 0 is a guess. Source: C."""
TOUCH_SHARE: Final = 0.6
TOUCH_SPREAD: Final = 1.3
"""The best level against what that curve has at its cent: median ratio, and standard deviation of its logarithm."""
TOUCH_LEFT: Final[Steps] = ((0, 0.1), (10, 0.2), (25, 0.4), (40, 0.6), (70, 0.9), (100, 1.0))
"""What of the best level is there so long before the end. Source: C, how often 50 shares cost the best price."""

WIDER_LEFT: Final[Steps] = ((0, 0.4), (10, 0.4), (25, 0.07), (40, 0.04), (100, 0.01))
WIDER_TICKS: Final = (2, 3, 3, 3, 4, 4, 5, 7)
"""How often a two-sided book is wider than a tick, and how wide it is then. Source: C."""
BEFORE_TICKS: Final = {"XRP": 3, "DOGE": 3}
"""The spread before the window; a tick elsewhere. Source: B."""
FINE_SHARE: Final = 0.16
"""Markets whose makers use the finer tick once it is there; the others keep to cents. Source: C, prices below 0.04."""

DOUBT: Final = 1.2
"""Makers take the price to stray so many times as far as the last half hour did. Source: A and C, 136 windows 53 s
before their end: the distance between the odds and the recorded middles is least, and as many are certain."""

TAKER_MEDIAN: Final = 8.94
TAKER_SPREAD: Final = 1.6
TAKER_BUYS: Final = 0.9
"""Sizes of taker orders, lognormal, and how many of them buy. Source: D: half below 9 shares, one in 100 above 388."""
INFORMED: Final = 0.4
"""Takers who trade towards the price that makers will hear of next. Source: G, how often a trade of the last 5 s is
on the side of a later move of more than a cent: 0.44 for BTC, bounces between bid and ask included."""
TAKERS_PER_S: Final = 13.0
"""BTC/5m while the outcome is open, so that a window turns over what recorded ones did: median 51,000 dollars."""
EAGER_DISTANCE: Final[Steps] = ((0.4, 1.0), (0.45, 0.95), (0.48, 0.45), (0.495, 0.25))
"""The rate of trades by the price's distance from a half. Source: G has 0.36 at the far end, D 0.15."""
EAGER_LEFT: Final[Steps] = ((0, 0.35), (10, 0.5), (30, 1.0))
"""The rate of trades by the time left. Source: G; flat before that."""
EAGER_BEFORE: Final = 0.02
"""The rate of trades before the window."""

FLOW: Final = {
    ("BTC", 300): 1.0,
    ("BTC", 900): 0.47,
    ("ETH", 300): 0.063,
    ("ETH", 900): 0.093,
    ("SOL", 300): 0.021,
    ("SOL", 900): 0.043,
}
FLOW_ELSEWHERE: Final = 0.02
"""Dollars a second against BTC/5m. Source: B, volume of late snapshots over their interval."""
STANDING: Final = {
    ("BTC", 300): 1.0,
    ("BTC", 900): 0.61,
    ("ETH", 300): 0.34,
    ("ETH", 900): 0.35,
    ("SOL", 300): 0.14,
    ("SOL", 900): 0.10,
    ("XRP", 300): 0.19,
    ("XRP", 900): 0.10,
    ("DOGE", 300): 0.13,
    ("DOGE", 900): 0.08,
}
STANDING_ELSEWHERE: Final = 0.08
"""Depth against BTC/5m. Source: B, the liquidity of early snapshots; XRP and DOGE before the window."""


def along(steps: Steps, where: float) -> float:
    """The value at a place of a line of points."""
    index = bisect_right(steps, where, key=lambda step: step[0])
    if index == 0 or index == len(steps):
        return steps[max(0, index - 1)][1]
    (low, before), (high, after) = steps[index - 1], steps[index]
    return before + (after - before) * (where - low) / (high - low)


def shares_between(low: float, high: float) -> float:
    """Shares that bids of a token hold between two prices of a BTC/5m book with time left; 0 <= low <= high <= 1."""
    return DEPTH_SHARES * float(high**DEPTH_EXPONENT - low**DEPTH_EXPONENT)


def flow(asset: str, interval_s: int) -> float:
    """How much trades there against BTC/5m."""
    return FLOW.get((asset, interval_s), FLOW_ELSEWHERE)


def standing(asset: str, interval_s: int) -> float:
    """How much rests there against BTC/5m."""
    return STANDING.get((asset, interval_s), STANDING_ELSEWHERE)


def takers_per_s(asset: str, interval_s: int, up: float, left_s: float) -> float:
    """How many takers come in a second. up: the odds; left_s: to the window's end, more than the interval before it."""
    rate = TAKERS_PER_S * flow(asset, interval_s)
    if left_s > interval_s:
        return rate * EAGER_BEFORE
    return rate * along(EAGER_DISTANCE, abs(up - 0.5)) * along(EAGER_LEFT, left_s)
