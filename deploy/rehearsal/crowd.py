"""Everybody else: makers who quote around the odds, takers who come at random. Both go through the same book as ours.

The odds are P(settlement value >= strike) for a driftless price with the volatility of the last half hour; near the
end of an averaged window part of the average is already fixed, and only the rest is uncertain. Sizes, spreads, the
thinning of the last seconds and the rate of trades are the fitted numbers of `crowd_shape.py`. Near the best price
every tick is quoted; further out what recorded books hold in all rests on every fifth cent. Leaves matching to
`matching.py` and the moments to the exchange. Chance arrives as a `random.Random` that the caller seeds by (seed,
market, second), so what the crowd does depends on no scheduling. What always holds: makers never quote across each
other, and when they take size away they take the newest first, so a client's place in the queue is never given a
present.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import exp, log, sqrt, tanh
from typing import TYPE_CHECKING, Final

from deploy.rehearsal import crowd_shape as shape
from deploy.rehearsal.days import Day, Listing, Outcome, strike_of
from deploy.rehearsal.matching import CROWD, Book, Side, Wish, in_up
from deploy.rehearsal.quantities import CENT_MICRO, MICRO

if TYPE_CHECKING:
    from random import Random

LEVELS: Final = 9
"""Ticks a side that are quoted one by one."""
FAR_STEP_MICRO: Final = 50_000
"""Beyond them, prices that stand for everything around them."""
FINE_BELOW_MICRO: Final = 40_000
"""Nearer than this to 0 or 1 some makers use the fine tick, when the market has it; elsewhere they keep to cents."""
TICK_TURNS_MICRO: Final = 40_000
"""A mid price nearer than this to 0 or 1 makes the venue refine the tick from a cent to a tenth. Source: facts 4.1."""
FINE_TICK_MICRO: Final = 1_000
STEADY: Final = 0.75
"""The chance that a level which is still wanted is left alone at a refresh."""
_LEAST_SHARES: Final = 5
_TOUCH_LEVELS: Final = 3
"""The thinning of the best level fades into that of the whole side over so many levels."""
_DEEP_SPREAD: Final = 0.5
"""How sizes of deeper levels stray (standard deviation of the logarithm); not known from recordings."""
_FAR_LEFT_S: Final = 10
"""Far levels follow the time left in steps of this: they are rarely touched."""
_PATIENCE_TICKS: Final = 2
"""A taker pays at most this many ticks beyond the odds: a careless quote of ours is not bought for that alone."""
_VOLATILITY_STEPS: Final = 30
_VOLATILITY_STEP_S: Final = 60
_VOLATILITY_FLOOR: Final = 1e-5
_VOLATILITY_UNKNOWN: Final = 7e-5
_LOGIT: Final = 1.702
"""The logistic curve that is nearest to the normal one has its argument times this."""
_OPINION: Final = 0.003
"""How far makers' opinion of the odds strays at a coin toss."""
_LADDERS_MAX: Final = 4_096
_MEMORY_MAX: Final = 4_096


class Odds:
    """What makers believe, from the day's own prices alone. Remembers what it computed, within a bound."""

    def __init__(self, day: Day) -> None:
        self._day = day
        self._strikes: dict[str, int | None] = {}
        self._volatilities: dict[tuple[str, int], float] = {}
        self._seen: dict[tuple[str, int], float] = {}

    def up(self, listing: Listing, second: int) -> float:
        """P(Up) as seen at a second, 0 to 1; a half before the window starts or while no price is known."""
        key = (listing.slug, second)
        found = self._seen.get(key)
        if found is None:
            _make_room(self._seen)
            found = self._seen[key] = self._up(listing, second)
        return found

    def _up(self, listing: Listing, second: int) -> float:
        spot = self._day.value_at(listing.asset, second)
        strike = self._strike(listing) if second >= listing.start_s else None
        if spot is None or strike is None:
            return 0.5
        left_s = max(0, listing.end_s - second)
        volatility = self._volatility(listing.asset, second)
        if listing.lookback_s == 0 or self._day.settles_directly(listing.asset):
            return _reaches(spot, strike, spot * volatility * sqrt(left_s))
        return self._average(listing, second, spot, strike, volatility)

    def _average(self, listing: Listing, second: int, spot: int, strike: int, volatility: float) -> float:
        """The mean over the look-back ends above the strike: its fixed part is known, the rest is a forecast."""
        left_s, span_s = max(0, listing.end_s - second), listing.lookback_s
        if left_s >= span_s:
            return _reaches(spot, strike, spot * volatility * sqrt(left_s - span_s + span_s / 3))
        seconds = range(listing.end_s - span_s + 1, second + 1)
        fixed = sum(self._day.value_at(listing.asset, at) or spot for at in seconds[:span_s])
        mean = (fixed + left_s * spot) / span_s
        return _reaches(mean, strike, spot * volatility * sqrt(left_s**3 / 3) / span_s)

    def _strike(self, listing: Listing) -> int | None:
        if listing.slug not in self._strikes:
            _make_room(self._strikes)
            self._strikes[listing.slug] = strike_of(self._day, listing)
        return self._strikes[listing.slug]

    def _volatility(self, asset: str, second: int) -> float:
        key = (asset, second // _VOLATILITY_STEP_S)
        if key not in self._volatilities:
            _make_room(self._volatilities)
            self._volatilities[key] = volatility(self._day, asset, key[1] * _VOLATILITY_STEP_S)
        return self._volatilities[key]


def volatility(day: Day, asset: str, second: int) -> float:
    """The standard deviation of one second's relative move, from minute steps of the last half hour."""
    seen = [day.value_at(asset, second - step * _VOLATILITY_STEP_S) for step in range(_VOLATILITY_STEPS + 1)]
    values = [value for value in seen if value is not None]
    moves = [log(newer / older) for newer, older in pairwise(values)]
    if not moves:
        return _VOLATILITY_UNKNOWN
    return max(_VOLATILITY_FLOOR, sqrt(sum(move * move for move in moves) / len(moves) / _VOLATILITY_STEP_S))


def _reaches(value: float, strike: float, deviation: float) -> float:
    """P(the settlement value is at least the strike), logistic: recorded middles have fatter tails than the normal."""
    if deviation <= 0:
        return 1.0 if value >= strike else 0.0
    return (1 + tanh(_LOGIT / 2 * (value - strike) / deviation / shape.DOUBT)) / 2


def _make_room(memory: dict[str, int | None] | dict[tuple[str, int], float]) -> None:
    if len(memory) >= _MEMORY_MAX:
        memory.clear()


@dataclass(frozen=True, slots=True)
class Scene:
    """What makers look at. up: the odds. left_s: seconds to the window's end. tick_micro: the market's step.

    fine: whether makers of this market use the fine tick where there is one. ahead: the odds by a price that the
    feed has not brought yet, for who watches faster ones; None if it says nothing new.
    """

    asset: str
    up: float
    left_s: float
    tick_micro: int
    interval_s: int = 300
    fine: bool = False
    ahead: float | None = None

    @property
    def grid_micro(self) -> int:
        """The step quotes use: the market's tick near 0 and 1 where makers care for it, cents elsewhere."""
        near = min(self.up, 1 - self.up) * MICRO < FINE_BELOW_MICRO
        return self.tick_micro if near and self.fine else max(self.tick_micro, CENT_MICRO)


@dataclass(frozen=True, slots=True)
class Trim:
    """Makers take size away at a price."""

    bid: bool
    up_micro: int
    size_micro: int


@dataclass(frozen=True, slots=True)
class Add:
    """Makers add an order at a price; it trades first if a client left something crossing it."""

    bid: bool
    up_micro: int
    size_micro: int


def refresh(book: Book, scene: Scene, rng: Random) -> list[Trim | Add]:
    """What makers change so that the book says what they believe: first all that goes, then all that comes.

    A size is drawn only for a level that changes.
    """
    wanted, standing = _rungs(scene, rng), book.crowd()
    trims = [Trim(*where, size_micro) for where, size_micro in standing.items() if where not in wanted]
    adds: list[Add] = []
    for where, rung in wanted.items():
        present = standing.get(where, 0)
        if present and rng.random() < STEADY:
            continue
        size_micro = _drawn(rung, rng)
        if size_micro < present:
            trims.append(Trim(*where, present - size_micro))
        elif size_micro > present:
            adds.append(Add(*where, size_micro - present))
    return [*trims, *adds]


def quotes(scene: Scene, rng: Random) -> dict[tuple[bool, int], int]:
    """The whole of the makers' quotes: (is it a bid, price in Up terms) to shares; LEVELS a side, and the far ones."""
    return {where: _drawn(rung, rng) for where, rung in _rungs(scene, rng).items()}


Rung = tuple[float, float]
"""A level makers want: its median in shares, and how sizes stray from it (of the logarithm)."""


def _drawn(rung: Rung, rng: Random) -> int:
    median, stray = rung
    shares = median * exp(rng.gauss(0, stray)) if stray else median
    return max(_LEAST_SHARES, round(shares)) * MICRO


def _rungs(scene: Scene, rng: Random) -> dict[tuple[bool, int], Rung]:
    """Where makers want to be: around their opinion of the odds, a spread apart, down to the last cent of each side."""
    grid = scene.grid_micro
    doubt = 4 * scene.up * (1 - scene.up)
    middle = round((scene.up + rng.gauss(0, _OPINION) * doubt) * MICRO)
    bid = middle // grid * grid - (0 if middle % grid else grid)
    ask = bid + grid * _spread(scene, rng)
    scale = shape.standing(scene.asset, scene.interval_s)
    touch = shape.TOUCH_SHARE * shape.along(shape.TOUCH_LEFT, scene.left_s)
    whole = shape.along(shape.DEPTH_LEFT, scene.left_s)
    steady = shape.along(shape.DEPTH_LEFT, scene.left_s // _FAR_LEFT_S * _FAR_LEFT_S)
    found: dict[tuple[bool, int], Rung] = {}
    for is_bid, best in ((True, bid), (False, MICRO - ask)):
        for own_micro, shares, deep in _ladder(best, grid, scene.tick_micro):
            there = steady if deep is None else touch + (whole - touch) * deep
            stray = 0.0 if deep is None else shape.TOUCH_SPREAD + (_DEEP_SPREAD - shape.TOUCH_SPREAD) * deep
            found[is_bid, own_micro if is_bid else MICRO - own_micro] = shares * there * scale, stray
    return found


def _spread(scene: Scene, rng: Random) -> int:
    if scene.left_s > scene.interval_s:
        return shape.BEFORE_TICKS.get(scene.asset, 1)
    wider = rng.random() < shape.along(shape.WIDER_LEFT, scene.left_s)
    return rng.choice(shape.WIDER_TICKS) if wider else 1


@lru_cache(maxsize=_LADDERS_MAX)
def _ladder(best_micro: int, grid_micro: int, tick_micro: int) -> tuple[tuple[int, float, float | None], ...]:
    """One side of a recorded book in the terms of the token it buys: price, shares, how deep it is.

    Depth is 0 at the best price and 1 from a few levels on; None beyond the levels that are quoted one by one.
    """
    found: list[tuple[int, float, float | None]] = []
    for level in range(LEVELS):
        own_micro = best_micro - level * grid_micro
        if tick_micro <= own_micro <= MICRO - tick_micro:
            deep = 1.0 if own_micro <= grid_micro else min(1.0, level / _TOUCH_LEVELS)
            found.append((own_micro, _resting(own_micro, grid_micro), deep))
    nearest_micro = best_micro - LEVELS * grid_micro
    return (*found, *((price, shares, None) for price, shares in _far(nearest_micro, grid_micro)))


def _resting(own_micro: int, width_micro: int) -> float:
    """Shares of recorded books within half a step of a price; the lowest cent has all below it as well."""
    low = own_micro - width_micro / 2 if own_micro > CENT_MICRO else 0
    return shape.shares_between(low / MICRO, min(1.0, (own_micro + width_micro / 2) / MICRO))


def _far(nearest_micro: int, grid_micro: int) -> Iterator[tuple[int, float]]:
    """Everything from a price down to 0, gathered on every fifth cent and on the last one."""
    top = nearest_micro + grid_micro / 2
    for own_micro in range(nearest_micro // FAR_STEP_MICRO * FAR_STEP_MICRO, -1, -FAR_STEP_MICRO):
        price, low = (own_micro, own_micro - FAR_STEP_MICRO / 2) if own_micro else (CENT_MICRO, 0)
        if price <= nearest_micro:
            yield price, shape.shares_between(max(0.0, low) / MICRO, top / MICRO)
            top = max(0.0, low)


@dataclass(frozen=True, slots=True)
class Taker:
    """Somebody who comes within a second: when, what he wants, and how much of it."""

    after_ms: int
    outcome: Outcome
    side: Side
    size_micro: int


def takers(scene: Scene, rng: Random, flow: float = 1.0) -> list[Taker]:
    """Who comes in one second: Poisson arrivals at the fitted rate, or at a share of it. flow: above 0, at most 1."""
    rate = flow * shape.takers_per_s(scene.asset, scene.interval_s, scene.up, scene.left_s)
    moment, found = rng.expovariate(rate), []
    while moment < 1.0:
        found.append(_taker(round(moment * 999), scene, rng))
        moment += rng.expovariate(rate)
    return found


def _taker(after_ms: int, scene: Scene, rng: Random) -> Taker:
    """Some know the price that makers will hear of next and trade towards it; the others toss a coin."""
    knows = scene.ahead is not None and rng.random() < shape.INFORMED
    for_up = scene.ahead > scene.up if knows and scene.ahead is not None else rng.random() < 0.5
    buys = rng.random() < shape.TAKER_BUYS
    cents = round(shape.TAKER_MEDIAN * exp(rng.gauss(0, shape.TAKER_SPREAD)) * MICRO / CENT_MICRO)
    size_micro = max(MICRO, cents * CENT_MICRO)
    return Taker(after_ms, "Up" if for_up == buys else "Down", "BUY" if buys else "SELL", size_micro)


def taker_wish(order_id: str, taker: Taker, scene: Scene) -> Wish:
    """The immediate order a taker sends: at most a few ticks worse than the odds, in his own token's terms."""
    buys_up = (taker.side == "BUY") == (taker.outcome == "Up")
    grid = scene.grid_micro
    reach = _PATIENCE_TICKS * grid if buys_up else -_PATIENCE_TICKS * grid
    nearest = round(scene.up * MICRO / grid) * grid + reach
    up_micro = min(max(nearest, scene.tick_micro), MICRO - scene.tick_micro)
    return Wish(
        order_id, CROWD, taker.outcome, taker.side, in_up(taker.outcome, up_micro), taker.size_micro, kind="FAK"
    )


def maker_wish(order_id: str, add: Add, mint: bool) -> Wish:
    """The resting order behind an added quote: of the Up token, or, when `mint`, the same thing said with Down."""
    outcome: Outcome = "Down" if mint else "Up"
    side: Side = "BUY" if add.bid != mint else "SELL"
    return Wish(order_id, CROWD, outcome, side, in_up(outcome, add.up_micro), add.size_micro)


def turned_tick(book: Book, tick_micro: int) -> int:
    """The tick the market should have: finer for good once the mid price came near 0 or 1."""
    bid, ask = book.best(True), book.best(False)
    middle = ((bid or 0) + (MICRO if ask is None else ask)) // 2
    near = middle < TICK_TURNS_MICRO or middle > MICRO - TICK_TURNS_MICRO
    return FINE_TICK_MICRO if near and (bid or ask) else tick_micro
