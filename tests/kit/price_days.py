"""Days of reference prices, and what a worker's odds were worth on them: recorded where they are here, always a walk.

A view is fed each price when it arrived, windows open on the calendar, and at given moments before the end the odds of
Up are asked for - through the same scene a strategy decides on. Who won is then read off the prices themselves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from random import Random
from typing import Final, NamedTuple

import msgspec
from kit.shared_data import SETTLEMENT_DAY
from kit.tapes import MS, NO_ACCOUNT, NS, START_S, TERMS, a_book

from deploy.rehearsal.recordings import read_day
from shared.messages import MEAN_OVER_S, PriceSeen, Rule, StrikeSet, Tick, WindowOpened
from worker.fair_value import known_mean
from worker.scene import Scene, look
from worker.view import View

SLOT: Final = "BTC/5m"
WINDOW_S: Final = 300
SEEN_GAP_MS: Final = 3_000
"""A window's ends are known where no two prices around them are further apart."""


class Arrived(NamedTuple):
    """A price: of which moment, how much, and when it came."""

    source_ms: int
    micro: int
    arrived_ms: int


class Forecast(NamedTuple):
    """The odds that were given to Up, and whether Up it was."""

    promised: float
    happened: bool


def walked_day(hours: int = 9, seed: int = 1) -> list[Arrived]:
    """A price a second, 1.6 s late, quiet and wild by turns of half an hour, and now and then a silence."""
    random, price, prices = Random(seed), 60_000e6, list[Arrived]()
    for second in range(hours * 3_600):
        wild = 2.5 if second // 1_800 % 3 == 2 else 1.0
        price *= 1.0 + random.gauss(0.0, 5e-5 * wild)
        if second % 5_000 > 40:
            at_ms = (START_S + second) * 1_000
            prices.append(Arrived(at_ms, int(price), at_ms + 1_600))
    return prices


DAYS: Final = ("walk", "recorded") if SETTLEMENT_DAY is not None else ("walk",)
"""All days there are, by name."""


@cache
def prices_of(day: str) -> list[Arrived]:
    """A day's prices, read or made when they are first wanted."""
    if day == "walk":
        return walked_day()
    assert SETTLEMENT_DAY is not None
    points = read_day(SETTLEMENT_DAY).points(0)
    return [Arrived(point.source_ms, point.value_e18 // 10**12, point.arrival_ms) for point in points]


def forecasts(prices: Sequence[Arrived], rule: Rule, left_s: int) -> Iterator[Forecast]:
    """Every window's forecast so many seconds before its end, where it could be made and judged."""
    view, samples = View(), [(price.source_ms, price.micro) for price in prices]
    asks = iter(_windows(prices, left_s))
    start_s = next(asks, None)
    for price in sorted(prices, key=lambda price: price.arrived_ms):
        while start_s is not None and price.arrived_ms >= (start_s + WINDOW_S - left_s) * 1_000:
            yield from _judged(view, samples, start_s, rule, left_s)
            start_s = next(asks, None)
        view.apply(price.arrived_ms * MS, PriceSeen("BTC", "spot", price.source_ms, str(price.micro * 10**12)))


def _windows(prices: Sequence[Arrived], left_s: int) -> list[int]:
    first_s, last_s = prices[0].source_ms // 1_000, prices[-1].source_ms // 1_000
    return list(range(first_s - first_s % WINDOW_S + 2 * WINDOW_S, last_s - WINDOW_S, WINDOW_S))


def _judged(
    view: View, samples: Sequence[tuple[int, int]], start_s: int, rule: Rule, left_s: int
) -> Iterator[Forecast]:
    ends = [_settling(samples, at_s, rule) for at_s in (start_s, start_s + WINDOW_S)]
    if ends[0] is None or ends[1] is None:
        return
    at_ns = (start_s + WINDOW_S - left_s) * NS
    view.apply(at_ns, WindowOpened(SLOT, start_s, msgspec.structs.replace(TERMS, rule=rule)))
    view.apply(at_ns, StrikeSet(SLOT, start_s, str(round(ends[0]) * 10**12)))
    for book in (a_book(SLOT, start_s, outcome, 49, 51) for outcome in ("Up", "Down")):
        view.apply(at_ns, book)
    scene = look(view, Tick(SLOT, at_ns // MS, start_s, "", 0, "", "", NO_ACCOUNT))
    if isinstance(scene, Scene):
        yield Forecast(scene.fair_up, round(ends[1]) >= round(ends[0]))


def _settling(samples: Sequence[tuple[int, int]], at_s: int, rule: Rule) -> float | None:
    """The price, or the mean price, that counts at a moment; None where it was not seen closely."""
    to_ms, over_ms = at_s * 1_000, MEAN_OVER_S[rule] * 1_000
    from_ms = to_ms - over_ms
    near = _between(samples, from_ms - SEEN_GAP_MS, to_ms + SEEN_GAP_MS)
    times = [from_ms - SEEN_GAP_MS, *(at_ms for at_ms, _ in near), to_ms + SEEN_GAP_MS]
    if any(after - before > SEEN_GAP_MS for before, after in pairwise(times)):
        return None
    if not over_ms:
        return next((float(micro) for at_ms, micro in reversed(near) if at_ms <= to_ms), None)
    return known_mean(near, from_ms, to_ms)


def _between(samples: Sequence[tuple[int, int]], from_ms: int, to_ms: int) -> Sequence[tuple[int, int]]:
    return samples[bisect_left(samples, (from_ms, 0)) : bisect_right(samples, (to_ms, 0))]
