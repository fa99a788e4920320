"""What reality did: the markets that were listed, the reference prices as they arrived, and how a window settled.

A day is either a recording (`RecordedDay`; `recordings.py` reads the files) or a generator (`seeded.py`); the exchange
cannot tell them apart. Leaves the exchange's own reactions - books, fills, messages - to others. What always holds:
a day is a pure function of its input, so a venue started again in the middle of it finds the same day.

**Which rule settles a recorded market.** Its own fields say: a resolution source without `twap` is the instantaneous
price; `twap-30s` and `twap-60s` are the mean over that look-back. One exception is inferred: where the recorded price
at the window's start already *equals* the recorded strike in more than half of an asset's averaged windows, the
recording is the averaged feed itself, and its values are compared directly. The outcome paid is
always the recorded official one; the rule only serves markets that the recording left unresolved, and the crowd.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, Protocol

Outcome = Literal["Up", "Down"]
Version = Literal["v1", "v2"]

LEAD_S: Final = 300
"""How long before the first market of a day its replay begins, market seconds."""
DAY_S: Final = 86_400
_TWAP = re.compile(r"twap-(\d+)s")


@dataclass(frozen=True, slots=True)
class Fee:
    """A market's taker fee: shares x rate x (p(1-p))^exponent. rate_micro: 70_000 is 0.07."""

    rate_micro: int
    exponent: int


@dataclass(frozen=True, slots=True)
class Listing:
    """One market as reality made it. Token ids and condition id are the wire's texts; sizes and ticks millionths.

    lookback_s: the settlement value is the mean price over this many seconds; 0 is the instantaneous price.
    strike_e18, official, closed_ms: None where the day does not know. raw: the recorded Gamma object, None if seeded.
    version: "v1" is a CTF market, "v2" one of Protocol V2, whose tokens are positions. Source: facts 2.2.
    """

    slug: str
    asset: str
    interval_s: int
    start_s: int
    condition_id: str
    up_token: str
    down_token: str
    listed_ms: int
    lookback_s: int
    fee: Fee
    min_size_micro: int
    tick_micro: int
    strike_e18: int | None = None
    official: Outcome | None = None
    closed_ms: int | None = None
    raw: Mapping[str, Any] | None = None
    version: Version = "v1"

    @property
    def end_s(self) -> int:
        """When the window ends; the next one of its slot starts."""
        return self.start_s + self.interval_s

    def token(self, outcome: Outcome) -> str:
        """The token id of one outcome."""
        return self.up_token if outcome == "Up" else self.down_token


@dataclass(frozen=True, slots=True)
class Point:
    """One reference price: the second it is for, its exact value, and when it arrived at a reader."""

    asset: str
    source_ms: int
    value_e18: int
    arrival_ms: int


@dataclass(frozen=True, slots=True)
class Settled:
    """How a window ended: the two compared values, where known, and the winner."""

    strike_e18: int | None
    close_e18: int | None
    winner: Outcome


class Day(Protocol):
    """What the exchange asks of reality. Times are unix; windows are half-open [from, until)."""

    label: str
    proxied: bool
    """Whether its prices are not of the feed that settled its markets, only near it."""

    def listings(self, from_s: int, until_s: int) -> list[Listing]:
        """Markets whose window starts in [from_s, until_s), by start."""

    def listing(self, slug: str) -> Listing | None:
        """The market of that name, if reality ever lists it."""

    def points(self, after_ms: int) -> Iterator[Point]:
        """Reference prices that arrive after a moment, in order of arrival."""

    def value_at(self, asset: str, second: int) -> int | None:
        """The reference price in effect at a second: that second's, else the last one before it; 1e-18 dollars."""

    def settles_directly(self, asset: str) -> bool:
        """Whether the feed of this asset is the averaged one already, so that nobody averages it again."""


def settlement_value(day: Day, asset: str, second: int, lookback_s: int) -> int | None:
    """What a market with this look-back compares at a boundary: the mean over (second - lookback, second].

    A second without a point counts with the value still in effect. None before the day's first price.
    """
    if lookback_s == 0 or day.settles_directly(asset):
        return day.value_at(asset, second)
    values = [day.value_at(asset, at) for at in range(second - lookback_s + 1, second + 1)]
    known = [value for value in values if value is not None]
    return sum(known) // len(known) if known else None


def settle(day: Day, listing: Listing) -> Settled:
    """How a window ends: the official outcome where there is one, else Up if the close is at least the strike.

    Source: facts 4.4 (a tie is Up). Without any price the window counts as a tie.
    """
    strike = strike_of(day, listing)
    close = settlement_value(day, listing.asset, listing.end_s, listing.lookback_s)
    by_rule: Outcome = "Down" if strike is not None and close is not None and close < strike else "Up"
    return Settled(strike, close, listing.official or by_rule)


def averaged_here(day: Day, listing: Listing) -> bool:
    """Whether the value that settles a market is only near the official one: of another feed, or a mean we made."""
    return day.proxied or (listing.lookback_s > 0 and not day.settles_directly(listing.asset))


def strike_of(day: Day, listing: Listing) -> int | None:
    """The value a window has to reach: the recorded one, else the settlement value at its start."""
    if listing.strike_e18 is not None:
        return listing.strike_e18
    return settlement_value(day, listing.asset, listing.start_s, listing.lookback_s)


def declared_lookback_s(raw: Mapping[str, Any]) -> int:
    """The look-back a Gamma object names: its `cryptoMarketConfig`, else its resolution source; 0 is spot."""
    config = raw.get("cryptoMarketConfig")
    if isinstance(config, Mapping) and config.get("twapEnabled"):
        return int(config.get("twapLookbackSeconds") or 0)
    named = _TWAP.search(str(raw.get("resolutionSource", "")))
    return int(named.group(1)) if named else 0


class Prices:
    """The recorded prices of one asset, by second; a second that was sent twice keeps what came first."""

    def __init__(self, points: Iterable[Point]) -> None:
        by_second: dict[int, int] = {}
        for point in points:
            by_second.setdefault(point.source_ms // 1_000, point.value_e18)
        self.seconds = sorted(by_second)
        self.values = [by_second[second] for second in self.seconds]

    def at(self, second: int) -> int | None:
        """The price in effect at a second, None before the first."""
        index = bisect_right(self.seconds, second)
        return self.values[index - 1] if index else None

    def exactly(self, second: int) -> int | None:
        """The price of that very second, None in a gap."""
        index = bisect_left(self.seconds, second)
        found = index < len(self.seconds) and self.seconds[index] == second
        return self.values[index] if found else None


class RecordedDay:
    """A day from its rows. Listings of one slug and points of one second count once."""

    proxied = False

    def __init__(self, label: str, listings: Iterable[Listing], points: Iterable[Point]) -> None:
        self.label = label
        self._points = sorted(points, key=lambda point: point.arrival_ms)
        self._arrivals = [point.arrival_ms for point in self._points]
        self._prices = _by_asset(self._points)
        self._by_slug = {listing.slug: listing for listing in sorted(listings, key=lambda row: row.start_s)}
        self._direct = _direct_assets(self._by_slug.values(), self._prices)

    @property
    def first_ms(self) -> int:
        """Where a replay starts unless told otherwise, unix milliseconds: with the prices, not long before a market."""
        priced_ms = min(point.source_ms for point in self._points)
        listed_s = next((listing.start_s for listing in self._by_slug.values()), 0)
        return max(priced_ms, (listed_s - LEAD_S) * 1_000)

    @property
    def price_count(self) -> int:
        """Recorded prices."""
        return len(self._points)

    @property
    def span_s(self) -> tuple[int, int]:
        """The seconds of the first and the last price."""
        seconds = [point.source_ms // 1_000 for point in self._points]
        return min(seconds), max(seconds)

    def listings(self, from_s: int, until_s: int) -> list[Listing]:
        return [listing for listing in self._by_slug.values() if from_s <= listing.start_s < until_s]

    def listing(self, slug: str) -> Listing | None:
        return self._by_slug.get(slug)

    def points(self, after_ms: int) -> Iterator[Point]:
        for index in range(bisect_right(self._arrivals, after_ms), len(self._points)):
            yield self._points[index]

    def value_at(self, asset: str, second: int) -> int | None:
        prices = self._prices.get(asset)
        return prices.at(second) if prices else None

    def settles_directly(self, asset: str) -> bool:
        return asset in self._direct

    def exact_value_at(self, asset: str, second: int) -> int | None:
        """The price of that very second, None where the recording skipped it."""
        prices = self._prices.get(asset)
        return prices.exactly(second) if prices else None

    def gaps(self, asset: str, longer_s: int) -> list[tuple[int, int]]:
        """Holes of the recording longer than so many seconds: the last second before and the first after each."""
        seconds = self._prices[asset].seconds if asset in self._prices else []
        return [(a, b) for a, b in pairwise(seconds) if b - a > longer_s]

    @property
    def assets(self) -> list[str]:
        """Assets with prices, sorted."""
        return sorted(self._prices)


def _by_asset(points: Iterable[Point]) -> dict[str, Prices]:
    rows: defaultdict[str, list[Point]] = defaultdict(list)
    for point in points:
        rows[point.asset].append(point)
    return {asset: Prices(own) for asset, own in rows.items()}


def _direct_assets(listings: Iterable[Listing], prices: Mapping[str, Prices]) -> frozenset[str]:
    """Assets whose recording equals the recorded strike at the start of more than half the averaged windows."""
    votes: defaultdict[str, list[bool]] = defaultdict(list)
    for listing in listings:
        seen = prices[listing.asset].exactly(listing.start_s) if listing.asset in prices else None
        if listing.lookback_s and seen is not None and listing.strike_e18 is not None:
            votes[listing.asset].append(seen == listing.strike_e18)
    return frozenset(asset for asset, own in votes.items() if sum(own) * 2 > len(own))
