"""A day of which only some prices were recorded: between two of them the price takes a bridge, the same every time.

For recordings that are true but thin: polls every few seconds, snapshots, one price at each end of a window. A bridge
starts and ends at recorded prices and strays between them as far as the recorded steps do. Across a longer hole there
is no price: the feed is silent, as recorded feeds are. Leaves reading to `layouts.py`. What always holds: recorded
prices are told as they are; same recording, same second: same price.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import pairwise
from math import exp, log, sqrt
from typing import Final

from deploy.rehearsal.chance import normal, word
from deploy.rehearsal.days import LEAD_S, Listing, Point

DELAY_MS: Final = 1_250
JITTER_MS: Final = 800
"""A price reaches readers 1.25 to 2.05 s after its second, as on the recorded settlement day."""
_STRAY_UNKNOWN: Final = 7e-5
_MEMORY_MAX: Final = 100_000
_FINE: Final = 10**9


class Thread:
    """The recorded prices of one asset, and the bridges between those at most `longest_s` apart."""

    def __init__(self, asset: str, prices: Mapping[int, int], longest_s: int) -> None:
        self.asset = asset
        self.seconds = sorted(prices)
        self.values = [prices[second] for second in self.seconds]
        self.longest_s = longest_s
        self._stray = self._measured()
        self._known: dict[int, int] = {}

    def at(self, second: int) -> int | None:
        """The price in effect at a second; None before the first."""
        index = bisect_right(self.seconds, second) - 1
        if index < 0:
            return None
        left = self.seconds[index]
        if left == second or index + 1 == len(self.seconds) or self.seconds[index + 1] - left > self.longest_s:
            return self.values[index]
        return self._bridged(index, second)

    def told(self, second: int) -> bool:
        """Whether the feed has a price for that very second."""
        index = bisect_right(self.seconds, second) - 1
        if index < 0:
            return False
        inside = index + 1 < len(self.seconds) and self.seconds[index + 1] - self.seconds[index] <= self.longest_s
        return inside or self.seconds[index] == second

    def covers(self, from_s: int, until_s: int) -> bool:
        """Whether prices go through a stretch without a hole, each end no further from one than holes may be long."""
        first = bisect_right(self.seconds, from_s) - 1
        last = bisect_right(self.seconds, until_s)
        if first < 0 or from_s - self.seconds[first] > self.longest_s:
            return False
        inside = [*self.seconds[first:last], until_s]
        return all(after - before <= self.longest_s for before, after in pairwise(inside))

    def points(self, after_ms: int) -> Iterator[Point]:
        """The feed's prices by arrival, from a moment on."""
        if not self.seconds:
            return
        for second in range(max(self.seconds[0], after_ms // 1_000 - 3), self.seconds[-1] + 1):
            value = self.at(second) if self.told(second) else None
            arrival_ms = second * 1_000 + DELAY_MS + word("delay", self.asset, second) % JITTER_MS
            if value is not None and arrival_ms > after_ms:
                yield Point(self.asset, second * 1_000, value, arrival_ms)

    def _bridged(self, index: int, second: int) -> int:
        if second not in self._known:
            if len(self._known) >= _MEMORY_MAX:
                self._known.clear()
            self._known[second] = self._bridge(index, second)
        return self._known[second]

    def _bridge(self, index: int, second: int) -> int:
        """Halve the stretch until the second is reached; each middle strays from the line by its own share."""
        left, right = self.seconds[index], self.seconds[index + 1]
        low, high = log(self.values[index]), log(self.values[index + 1])
        while True:
            middle = (left + right) // 2
            line = low + (high - low) * (middle - left) / (right - left)
            width = sqrt((middle - left) * (right - middle) / (right - left))
            value = line + self._stray * width * normal(self.asset, left, middle, right)
            if middle == second:
                return max(1, round(exp(value) / _FINE)) * _FINE
            left, right, low, high = (left, middle, low, value) if second < middle else (middle, right, value, high)

    def _measured(self) -> float:
        """The relative stray of one second, from recorded steps no longer than a bridge."""
        steps = [
            log(self.values[index + 1] / self.values[index]) ** 2 / (after - before)
            for index, (before, after) in enumerate(pairwise(self.seconds))
            if after - before <= self.longest_s
        ]
        return sqrt(sum(steps) / len(steps)) if steps else _STRAY_UNKNOWN


@dataclass
class BridgedDay:
    """A day of threads. left_out: why listed windows are not played, and how many. proxied: see `Day`."""

    label: str
    rows: Iterable[Listing]
    threads: Mapping[str, Thread]
    left_out: Mapping[str, int] = field(default_factory=dict)
    proxied: bool = True

    def __post_init__(self) -> None:
        self._by_slug = {listing.slug: listing for listing in sorted(self.rows, key=lambda row: row.start_s)}
        self._starts = [listing.start_s for listing in self._by_slug.values()]
        self._listings = list(self._by_slug.values())

    @property
    def assets(self) -> list[str]:
        """Assets with prices, sorted."""
        return sorted(self.threads)

    @property
    def first_ms(self) -> int:
        """Where a replay starts unless told otherwise: some minutes before the first market, or with its prices."""
        first = self._listings[0]
        return max(self.threads[first.asset].seconds[0], first.start_s - LEAD_S) * 1_000

    @property
    def price_count(self) -> int:
        """Recorded prices; what is bridged does not count."""
        return sum(len(thread.seconds) for thread in self.threads.values())

    @property
    def span_s(self) -> tuple[int, int]:
        """The seconds of the first and the last recorded price."""
        ends = [(thread.seconds[0], thread.seconds[-1]) for thread in self.threads.values()]
        return min(first for first, _ in ends), max(last for _, last in ends)

    def listings(self, from_s: int, until_s: int) -> list[Listing]:
        return self._listings[bisect_left(self._starts, from_s) : bisect_left(self._starts, until_s)]

    def listing(self, slug: str) -> Listing | None:
        return self._by_slug.get(slug)

    def points(self, after_ms: int) -> Iterator[Point]:
        feeds = [self.threads[asset].points(after_ms) for asset in self.assets]
        return merge(*feeds, key=lambda point: point.arrival_ms)

    def value_at(self, asset: str, second: int) -> int | None:
        thread = self.threads.get(asset)
        return thread.at(second) if thread else None

    def exact_value_at(self, asset: str, second: int) -> int | None:
        """The price of that very second, None in a hole."""
        thread = self.threads.get(asset)
        return thread.at(second) if thread and thread.told(second) else None

    def settles_directly(self, asset: str) -> bool:
        return False

    def gaps(self, asset: str, longer_s: int) -> list[tuple[int, int]]:
        """Holes of the recording longer than so many seconds, and longer than what is bridged."""
        thread = self.threads.get(asset)
        least = max(longer_s, thread.longest_s) if thread else longer_s
        return [(a, b) for a, b in pairwise(thread.seconds) if b - a > least] if thread else []
