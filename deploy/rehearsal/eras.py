"""What the venue's rules were when: which value settles a window, and how long its resolution takes.

Dates and delays are facts 4.4. Until 2026-08-07 a window compared instantaneous prices; from then on averages, of 30 s
for five minutes and 60 s for fifteen, and from 2026-08-14 of 60 s for both. Delays of the first era are the quantiles
of 292 recorded markets of 2026-07-24 (their `closedTime` against the window's end); of the later ones only least,
median and most are known (53, 55 and 152 s, October), what lies between is made up. Leaves resolving to `floor.py`.
What always holds: a delay lies between the least and the most of its era; the same draw gives the same delay.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

Quantiles = tuple[tuple[float, float], ...]
"""(share of all windows, seconds), from 0 to 1, joined by straight lines."""


def _midnight(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


AVERAGED_S: Final = _midnight(2026, 8, 7)
MINUTE_S: Final = _midnight(2026, 8, 14)
LOOKBACKS_S: Final = (
    (0, {300: 0, 900: 0}),
    (AVERAGED_S, {300: 30, 900: 60}),
    (MINUTE_S, {300: 60, 900: 60}),
)
"""From when on, and the look-back by the window's length."""
RECORDED: Final[Quantiles] = (
    (0.0, 15),
    (0.1, 16),
    (0.25, 18),
    (0.5, 21),
    (0.75, 34),
    (0.9, 52),
    (0.98, 85),
    (1.0, 316),
)
LATER: Final[Quantiles] = ((0.0, 53), (0.5, 55), (0.9, 80), (1.0, 152))


def lookback_s(interval_s: int, start_s: int) -> int:
    """Over how many seconds the value that settles a window is the mean; 0 is the instantaneous price."""
    starts = [since for since, _ in LOOKBACKS_S]
    return LOOKBACKS_S[bisect_right(starts, start_s) - 1][1].get(interval_s, 60)


def delay_ms(end_s: int, share: float) -> int:
    """How long after its end a window is resolved. share: a draw from 0 to 1, its place among all windows."""
    quantiles = RECORDED if end_s < AVERAGED_S else LATER
    for (low, least), (high, most) in pairwise(quantiles):
        if share <= high:
            return round((least + (most - least) * (share - low) / (high - low)) * 1_000)
    return round(quantiles[-1][1] * 1_000)
