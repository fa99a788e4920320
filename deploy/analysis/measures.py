"""What a crowd is measured by: spreads, depth, the flow of trades; the same for a recording and for our own.

Values in, numbers out, each with how many observations it rests on. Leaves where observations come from to
`observed.py` and `crowded.py`. Prices are dollars of one token, sizes shares, times seconds to the window's end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import exp, log
from statistics import mean, median, pstdev
from typing import Final

LEFT_S: Final = (100, 70, 40, 25, 10)
"""Books are looked at this long before the end: when the recorded ones were taken."""
_CURVE_LEFT_S: Final = 40
_CURVE_EDGE: Final = 0.03
"""The curve of depth is fitted to books of at least so much time left, whose price is no nearer to 0 or 1."""
_UNDECIDED: Final = (0.1, 0.9)
_TIMELY_S: Final = 25
_FINE_BELOW: Final = 0.04
_TICK: Final = 0.0101
_DISTANCES: Final = (0.0, 0.4, 0.45, 0.48)
_LEFTS: Final = (0, 10, 30)
"""Where buckets begin: of the price's distance from a half, and of the time left."""
_SOON_S: Final = 5
_MOVED: Final = 0.015
"""More than the bounce between a bid and an ask of one cent."""
_SIZE_SHARES: Final = (0.25, 0.5, 0.75, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Look:
    """One token's book at a moment. bid, ask: None without one. sweep: what 50 shares cost above the best ask, each.

    left_s is one of LEFT_S. bid_shares: all of them; None where it is not known.
    """

    left_s: int
    bid: float | None
    ask: float | None
    bid_shares: float
    sweep: float | None

    @property
    def middle(self) -> float | None:
        """Between bid and ask; None for a one-sided book."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Print:
    """One taker's trade. left_s: time to the end. up: the price in terms of Up.

    buys: whether he bought his token; for_up: whether he gains when Up does.
    """

    left_s: float
    up: float
    shares: float
    buys: bool
    for_up: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """A small order that joined the best bid 100 s before the end: its price and the shares before it.

    passed: whether a later look, or the end, showed its token offered at that price or below. That is all a recording
    knows of fills. filled: whether it traded in truth; None where nobody knows.
    """

    price: float
    ahead: float
    passed: bool
    filled: bool | None = None


@dataclass(frozen=True, slots=True)
class Tape:
    """All prints of one window."""

    interval_s: int
    prints: Sequence[Print]


@dataclass(slots=True)
class Observations:
    """Everything seen. flows: tapes for the rate; sized: tapes whose sizes count. turnovers: dollars of a window."""

    looks: list[Look] = field(default_factory=list)
    flows: list[Tape] = field(default_factory=list)
    sized: list[Tape] = field(default_factory=list)
    turnovers: list[float] = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Number:
    """One measured number and how many observations are behind it."""

    name: str
    value: float
    count: int


def measure(seen: Observations) -> list[Number]:
    """Every number that the observations are enough for."""
    return [number for part in PARTS for number in part(seen)]


def curve(looks: Iterable[Look]) -> tuple[float, float, int]:
    """The line of log(all bids) on log(middle): shares at a price of 1, exponent, books used. Raises: nothing; 0 books.

    A least-squares fit over books with time left and not at the very edge.
    """
    points = [
        (log(look.middle), log(look.bid_shares))
        for look in looks
        if look.left_s >= _CURVE_LEFT_S
        and look.bid_shares > 0
        and look.middle is not None
        and _CURVE_EDGE <= look.middle <= 1 - _CURVE_EDGE
    ]
    if len({where for where, _ in points}) < 2:
        return 0.0, 0.0, 0
    x, y = (mean(point[axis] for point in points) for axis in (0, 1))
    slope = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
    return exp(y - slope * x), slope, len(points)


def _depth(seen: Observations) -> Iterable[Number]:
    shares, exponent, count = curve(seen.looks)
    yield Number("depth shares at 1", shares, count)
    yield Number("depth exponent", exponent, count)
    for left_s in LEFT_S if count else ():
        ratios = [
            look.bid_shares / (shares * look.middle**exponent)
            for look in seen.looks
            if look.left_s == left_s and look.middle is not None
        ]
        yield from _number(f"depth at {left_s} s", ratios, median)


def _touch(seen: Observations) -> Iterable[Number]:
    low, high = _UNDECIDED
    for left_s in LEFT_S:
        found = [
            look.sweep is not None and look.sweep < 1e-6
            for look in seen.looks
            if look.left_s == left_s and look.middle is not None and low <= look.middle <= high
        ]
        yield from _number(f"50 shares at the best price, {left_s} s", found, mean)


def _spreads(seen: Observations) -> Iterable[Number]:
    for left_s in LEFT_S:
        looks = [look for look in seen.looks if look.left_s == left_s]
        yield from _number(f"one-sided at {left_s} s", [look.middle is None for look in looks], mean)
        yield from _number(f"a tick wide at {left_s} s", [wide <= _TICK for wide in _widths(looks)], mean)
    timely = [look for look in seen.looks if look.left_s >= _TIMELY_S]
    yield from _number("a tick wide until 25 s", [wide <= _TICK for wide in _widths(timely)], mean)
    near = [look for look in seen.looks if look.middle is not None and min(look.middle, 1 - look.middle) < _FINE_BELOW]
    yield from _number("finer than a cent near the ends", [wide < 0.0095 for wide in _widths(near)], mean)


def _widths(looks: Iterable[Look]) -> list[float]:
    return [look.ask - look.bid for look in looks if look.ask is not None and look.bid is not None]


def _sizes(seen: Observations) -> Iterable[Number]:
    prints = [each for tape in seen.sized for each in tape.prints]
    sizes = sorted(each.shares for each in prints)
    for share in _SIZE_SHARES if sizes else ():
        yield Number(f"size at {share:g}", sizes[int(share * len(sizes))], len(sizes))
    yield from _number("takers who buy", [each.buys for each in prints], mean)


def _leanings(seen: Observations) -> Iterable[Number]:
    """How often a trade is on the side of where the price stands a few seconds later, if it moved at all."""
    found = [right for tape in seen.flows for right in _right(tape)]
    yield from _number(f"trades on the side of the next {_SOON_S} s", found, mean)


def _right(tape: Tape) -> Iterable[bool]:
    last = tape.prints[-1].left_s if tape.prints else 0
    later = 0
    for each in tape.prints:
        soon_s = each.left_s - _SOON_S
        if soon_s < last:
            return
        while later + 1 < len(tape.prints) and tape.prints[later + 1].left_s >= soon_s:
            later += 1
        move = tape.prints[later].up - each.up
        if abs(move) > _MOVED:
            yield (move > 0) == each.for_up


def _rates(seen: Observations) -> Iterable[Number]:
    """Trades a second against those of an undecided price, and of a time far from the end."""
    by_distance, by_left = _Rate(_DISTANCES), _Rate(_LEFTS)
    for tape in seen.flows:
        for left_s, distance, count in _seconds(tape):
            if left_s > _LEFTS[-1]:
                by_distance.add(distance, count)
            if distance < _DISTANCES[1]:
                by_left.add(left_s, count)
    yield from by_distance.against("rate at a distance of", _DISTANCES[0], 0)
    yield from by_left.against("rate with time left above", _LEFTS[-1], len(seen.flows) * 10)


class _Rate:
    """Trades and seconds by bucket."""

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = edges
        self._trades: Counter[float] = Counter()
        self._seconds: Counter[float] = Counter()

    def add(self, where: float, count: int) -> None:
        edge = max(edge for edge in self._edges if edge <= where + 1e-9)
        self._trades[edge] += count
        self._seconds[edge] += 1

    def against(self, name: str, base: float, least: int) -> Iterable[Number]:
        """The rate of each bucket over that of one of them; buckets of fewer seconds are left out."""
        usual = self._trades[base] / self._seconds[base] if self._seconds[base] else 0
        for edge in self._edges:
            if edge != base and usual and self._seconds[edge] > least:
                rate = self._trades[edge] / self._seconds[edge]
                yield Number(f"{name} {edge:g}", rate / usual, self._seconds[edge])


def _seconds(tape: Tape) -> Iterable[tuple[float, float, int]]:
    """Each second of a window: time left, how far the price is from a half as it begins, trades within it."""
    within: dict[int, list[Print]] = {}
    for each in tape.prints:
        within.setdefault(int(tape.interval_s - each.left_s), []).append(each)
    up = 0.5
    for second in range(tape.interval_s):
        prints = within.get(second, [])
        yield tape.interval_s - second - 1, abs(up - 0.5), len(prints)
        up = prints[-1].up if prints else up


def _turnover(seen: Observations) -> Iterable[Number]:
    yield from _number("dollars a window", seen.turnovers, median)


def _queues(seen: Observations) -> Iterable[Number]:
    shares, exponent, _ = curve(seen.looks)
    pairs = [
        (order.ahead, shares * _at_cent(order.price, exponent)) for order in seen.joined if 0.05 <= order.price <= 0.95
    ]
    ratios = [log(ahead / there) for ahead, there in pairs if ahead > 0 and there > 1]
    yield from _number("best level over the curve", [exp(ratio) for ratio in ratios], median)
    yield from _number("its spread (log)", ratios, pstdev)
    yield from _number("small orders at the best bid, passed", [order.passed for order in seen.joined], mean)


def _at_cent(price: float, exponent: float) -> float:
    return float((price + 0.005) ** exponent - (price - 0.005) ** exponent)


def _number(name: str, values: Sequence[float], of: Callable[[Sequence[float]], float]) -> Iterable[Number]:
    if values:
        yield Number(name, float(of(values)), len(values))


PARTS: Final = (_spreads, _depth, _touch, _queues, _rates, _leanings, _sizes, _turnover)
"""The measures, in the order they are shown."""
