"""A day that nobody recorded: reference prices and markets as a pure function of (seed, asset, second).

Any second can be asked for without its history, so a venue started again finds the same world. Inside each stretch of
2^17 s a price is a Brownian bridge: the middle of every interval is its ends' mean plus a hashed normal step of the
right size, halved until the second is reached. Stretch ends are hashed levels, so prices wander but never run away.

Lists BTC, ETH, SOL, XRP and DOGE on 5 and 15 minutes (facts 5), settled as their date has it (`eras.py`).
What always holds: same seed, same asset, same second: same price, same market, same ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from math import exp, sqrt
from typing import Final

from deploy.rehearsal.chance import normal, word
from deploy.rehearsal.days import Fee, Listing, Point
from deploy.rehearsal.history import plain_listing
from deploy.rehearsal.quantities import E18, is_count

STRETCH_S: Final = 1 << 17
"""A day and a half: the longest interval that is bridged."""
INTERVALS_S: Final = (300, 900)
_LISTING_JITTER_MS: Final = 600_000
_MEMORY_MAX: Final = 200_000
"""Values kept in memory; all of it is dropped and computed again when full."""
_FEED_DELAY_MS: Final = 1_250
_FEED_JITTER_MS: Final = 800
"""A point arrives 1.25 to 2.05 s after its second, always before the next one; the recorded feed: p50 1.6, p95 2.2."""
_FINE: Final = 10**9


@dataclass(frozen=True, slots=True)
class Asset:
    """One traded asset: its level in dollars, and how far it moves in five minutes (standard deviation, per cent)."""

    level: float
    move_pct: float


ASSETS: Final = {
    "BTC": Asset(78_800.0, 0.12),
    "ETH": Asset(2_140.0, 0.17),
    "SOL": Asset(98.0, 0.21),
    "XRP": Asset(1.37, 0.20),
    "DOGE": Asset(0.0955, 0.25),
}
FEE: Final = Fee(70_000, 1)


class SeededDay:
    """The generator. seed: any integer; another seed is another world."""

    proxied = False

    def __init__(self, seed: int) -> None:
        self.label = f"seed {seed}"
        self.seed = seed
        self._steps: dict[tuple[str, int, int], float] = {}
        self._values: dict[tuple[str, int], int] = {}

    def listings(self, from_s: int, until_s: int) -> list[Listing]:
        found = [
            self._listing(asset, interval_s, start_s)
            for asset in ASSETS
            for interval_s in INTERVALS_S
            for start_s in range(-(-from_s // interval_s) * interval_s, until_s, interval_s)
        ]
        return sorted(found, key=lambda listing: (listing.start_s, listing.slug))

    def listing(self, slug: str) -> Listing | None:
        asset, _, rest = slug.partition("-updown-")
        span, _, start = rest.partition("-")
        if asset.upper() not in ASSETS or span not in {"5m", "15m"} or not is_count(start):
            return None
        listing = self._listing(asset.upper(), int(span[:-1]) * 60, int(start))
        return listing if listing.slug == slug and listing.start_s % listing.interval_s == 0 else None

    def points(self, after_ms: int) -> Iterator[Point]:
        for second in count(after_ms // 1_000 - (_FEED_DELAY_MS + _FEED_JITTER_MS) // 1_000 - 1):
            arriving = [self._point(asset, second) for asset in ASSETS]
            yield from sorted(
                (point for point in arriving if point.arrival_ms > after_ms), key=lambda point: point.arrival_ms
            )

    def value_at(self, asset: str, second: int) -> int | None:
        if asset not in ASSETS:
            return None
        value = self._values.get((asset, second))
        if value is None:
            value = self._value(asset, second)
            if len(self._values) >= _MEMORY_MAX:
                self._values.clear()
            self._values[asset, second] = value
        return value

    def settles_directly(self, asset: str) -> bool:
        return False

    def _point(self, asset: str, second: int) -> Point:
        delay_ms = _FEED_DELAY_MS + self._word("delay", asset, second) % _FEED_JITTER_MS
        value = self.value_at(asset, second)
        assert value is not None, "every second of a generated asset has a price"
        return Point(asset, second * 1_000, value, second * 1_000 + delay_ms)

    def _value(self, asset: str, second: int) -> int:
        known = ASSETS[asset]
        step = known.move_pct / 100 / sqrt(300)
        return round(known.level * exp(step * self._path(asset, second)) * _FINE) * (E18 // _FINE)

    def _path(self, asset: str, second: int) -> float:
        """The logarithm of the price against its level, in units of one second's standard deviation."""
        left = second // STRETCH_S * STRETCH_S
        right, width = left + STRETCH_S, STRETCH_S
        low, high = self._level(asset, left), self._level(asset, right)
        while second != left:
            width //= 2
            middle = (low + high) / 2 + self._normal(asset, left + width, width) * sqrt(width / 2)
            left, right, low, high = (
                (left + width, right, middle, high) if second >= left + width else (left, left + width, low, middle)
            )
        return low

    def _level(self, asset: str, second: int) -> float:
        return self._normal(asset, second, STRETCH_S) * sqrt(STRETCH_S / 2)

    def _normal(self, asset: str, second: int, width: int) -> float:
        key = (asset, second, width)
        found = self._steps.get(key)
        if found is None:
            found = normal(self.seed, asset, second, width)
            if len(self._steps) >= _MEMORY_MAX:
                self._steps.clear()
            self._steps[key] = found
        return found

    def _word(self, *names: object) -> int:
        return word(self.seed, *names)

    def _listing(self, asset: str, interval_s: int, start_s: int) -> Listing:
        listing = plain_listing(str(self.seed), asset, interval_s, start_s)
        early_ms = self._word("listed", listing.slug) % _LISTING_JITTER_MS
        return replace(listing, listed_ms=listing.listed_ms + early_ms, fee=FEE)
