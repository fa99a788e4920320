"""The markets and the crowd in them: listing, quoting, trading, closing and resolving, driven by market time alone.

Leaves clients - their orders, money and messages - to `exchange.py`, which is told through `Desk` what concerns them.
What always holds: everything that happens at a market time happens in that order, however late the process runs; what
the crowd does is drawn from (seed, market, second) and so does not depend on how the process was scheduled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from deploy.rehearsal import gamma, protocol
from deploy.rehearsal.agenda import Agenda
from deploy.rehearsal.crowd import Odds, Scene, Taker, Trim, maker_wish, refresh, taker_wish, takers, turned_tick
from deploy.rehearsal.crowd_shape import FINE_SHARE
from deploy.rehearsal.days import (
    Day,
    Listing,
    Point,
    Version,
    averaged_here,
    settle,
    settlement_value,
)
from deploy.rehearsal.eras import delay_ms
from deploy.rehearsal.markets import OUTCOMES, Market
from deploy.rehearsal.matching import Book, Matched, Wish
from deploy.rehearsal.mischief import Mischief
from deploy.rehearsal.outbox import Line, Outbox, ToEverybody, ToMarket, ToPrices
from deploy.rehearsal.prints import Print
from deploy.rehearsal.quantities import e18_text
from deploy.rehearsal.trades import Part

if TYPE_CHECKING:
    from random import Random

Dice = Callable[[str], "Random"]
"""Chance for one name: the same name gives the same numbers."""

QUOTED_AHEAD_S: Final = 900
"""Makers come to a market this long before its window starts; before that its book is empty."""
EARLY_BEAT_S: Final = 5
BEAT_S: Final = 1
"""How often the crowd stirs, before and inside a window."""
EARLY_REQUOTE, REQUOTE = 0.5, 0.2
"""The chance that a beat moves quotes; every reference price does."""
REFILL_MS: Final = 250
"""Makers look at what a trade took from them after so long: recorded books are rarely found wider than a tick."""
HORIZON_S: Final = 25 * 3_600
EXTEND_S: Final = 1_800
LATENCY_S: Final = 2
"""Makers know the price of so long ago even while the feed is silent."""
HISTORY_S: Final = 120
"""A subscriber of prices is first shown the last two minutes. Source: facts 4.3."""
TWAP_S: Final = 60
_ASSET_TYPES: Final[dict[Version, str]] = {"v1": "CONDITIONAL", "v2": "CONDITIONAL-V2"}
_SHARES: Final = 1 << 24
_DRAWS: Final = 10_000
_FINE_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class Rules:
    """What can be set about the venue. Amounts are millionths; *_ms and *_s are market time.

    failing: the probability that a matched trade fails in the end. gamma_lead_s: Gamma lists a market this long before
    the exchange knows it. keep_s: a resolved market is forgotten this long after. clob_version: 2, or 1 for a venue of
    before CLOB V2. deposit_wallets_only: makers of other kinds are refused, as new accounts' are. tier: every signer's
    rate limits, by the name in `buckets.py`. auto_redeem: new accounts have approved the auto-redeemer, so resolved
    positions are paid by themselves. flow: the share of the fitted
    trades that come, above 0 and at most 1; fewer trades fill fewer orders, never more.
    """

    grant_micro: int = 1_000_000_000
    taker_delay_ms: int = 150
    gamma_lead_s: int = 5
    failing: float = 0.0
    keep_s: int = 3_600
    clob_version: int = 2
    auto_redeem: bool = True
    deposit_wallets_only: bool = False
    tier: str = "standard"
    flow: float = 1.0


class Desk(Protocol):
    """Who is told what concerns clients."""

    def filled(self, market: Market, wish: Wish, matched: Matched) -> None:
        """An order traded; clients may be on either side."""

    def closed(self, market: Market) -> None:
        """A window ended; its orders are gone."""

    def resolved(self, market: Market) -> None:
        """A market has a winner."""

    def holds(self, market: Market) -> bool:
        """Whether somebody still has shares of a market."""

    def forgotten(self, market: Market) -> None:
        """A market is dropped."""


@dataclass(slots=True)
class Floor:
    """All listed markets. staked: slugs that clients hold something of; they are never skipped when starting late.

    resolved: slugs that are resolved already, so that they are not resolved again.
    """

    day: Day
    rules: Rules
    dice: Dice
    out: Outbox
    agenda: Agenda
    now_ms: int
    desk: Desk
    staked: frozenset[str] = frozenset()
    resolved: frozenset[str] = frozenset()
    by_slug: dict[str, Market] = field(default_factory=dict)
    by_condition: dict[str, Market] = field(default_factory=dict)
    by_token: dict[str, Market] = field(default_factory=dict)
    history: dict[tuple[str, int], deque[tuple[int, int]]] = field(default_factory=dict)
    mischief: Mischief = field(init=False)
    _seen_s: dict[str, int] = field(default_factory=dict)
    _refilling: set[str] = field(default_factory=set)
    _quoted: dict[str, dict[str, Market]] = field(default_factory=dict)
    _odds: Odds = field(init=False)
    _points: Iterator[Point] = field(init=False)
    _strangers: int = field(init=False)
    _horizon_s: int = field(init=False)

    def __post_init__(self) -> None:
        self.mischief = Mischief(self.dice, self.out, self.agenda, self)
        self._odds = Odds(self.day)
        self._strangers = self.now_ms << 20
        self._points = self.day.points(self.now_ms - HISTORY_S * 1_000)
        self._horizon_s = self.now_ms // 1_000 - self.rules.keep_s

    def start(self) -> None:
        """Fill history and catalogue as they stand now, and plan everything that follows."""
        for slug in sorted(self.staked):
            listing = self.day.listing(slug)
            if listing is not None:
                self._plan(listing)
        self._extend()
        for point in self._points:
            if point.arrival_ms > self.now_ms:
                self.agenda.add(point.arrival_ms, partial(self._arrive, point))
                return
            self._remember(point, tell=False)

    def known(self, market: Market | None) -> Market | None:
        """The market, if the exchange knows of it by now."""
        if market is None or self.mischief.misses(market.listing):
            return None
        return market if self.now_ms >= market.listing.listed_ms + self.rules.gamma_lead_s * 1_000 else None

    def accepting(self, market: Market) -> bool:
        """Whether orders are taken: from listing to the window's end."""
        return self.known(market) is not None and not market.over

    def asset_type(self, token_id: str) -> str:
        """How balances name this token's kind; "" for a token nobody lists. Source: facts 2.2."""
        market = self.known(self.by_token.get(token_id))
        return _ASSET_TYPES[market.listing.version] if market else ""

    def execute(self, market: Market, wish: Wish) -> Matched:
        """Match an order, tell everybody of its trades, and the desk of what concerns clients."""
        matched = market.book.place(wish)
        if matched.fills:
            self.desk.filled(market, wish, matched)
        return matched

    def tell(self, market: Market, part: Part, up_micro: int, hash_: str) -> int:
        """Note a trade and show it to the public. part: the taker's. Returns the trade's number."""
        number = market.traded(up_micro, part.size_micro, part.price_micro)
        market.prints.add(Print(self.now_ms, part.outcome, part.side, part.price_micro, part.size_micro))
        if self.watched(market):
            message = protocol.last_trade_price(market.listing.condition_id, part, hash_, self.stamp_ms)
            self.out.put(ToMarket(market.listing.condition_id, message))
        return number

    def watched(self, market: Market) -> bool:
        """Whether a connection listens to this market."""
        return market.listing.condition_id in self.out.watched

    def publish(self, market: Market, traded: bool = False) -> None:
        """Show what changed in a book since the last time, whole books after a trade; refine the tick when due."""
        touched = market.book.drain()
        if touched and self.watched(market):
            self._show(market, touched, traded)
        self._turn_tick(market)

    def stranger(self) -> str:
        """An order id for somebody of the crowd."""
        self._strangers += 1
        return f"0xc0de{self._strangers:060x}"

    def catalogue(self, slug: str) -> tuple[Market, gamma.Shown] | None:
        """A market and its state for Gamma, None while it is not listed."""
        market = self.by_slug.get(slug)
        if market is None or market.listing.listed_ms > self.now_ms:
            return None
        shown = self.mischief.catalogued(market.listing, market.shown(self.now_ms, self.accepting(market)))
        return None if shown is None else (market, shown)

    def listing_of(self, condition_id: str) -> Listing | None:
        """A market by its condition id."""
        market = self.by_condition.get(condition_id)
        return None if market is None else market.listing

    @property
    def stamp_ms(self) -> int:
        """What the venue takes for now where it says a time: the market's, unless its clock was made wrong."""
        return self.now_ms + self.mischief.skew_ms

    def _show(self, market: Market, touched: list[tuple[bool, int]], traded: bool) -> None:
        views = {market.listing.token(outcome): market.view(outcome, self.stamp_ms) for outcome in OUTCOMES}
        condition = market.listing.condition_id
        self.out.put(ToMarket(condition, protocol.price_change(views, market.changes(touched))))
        if traded:
            self.out.put(ToMarket(condition, [protocol.book_event(view) for view in views.values()]))
        for view in views.values():
            self.out.put(ToMarket(condition, protocol.best_bid_ask(view), custom=True))

    def _turn_tick(self, market: Market) -> None:
        old, new = market.tick_micro, turned_tick(market.book, market.tick_micro)
        if new == old or market.over:
            return
        market.tick_micro = new
        condition = market.listing.condition_id
        for outcome in OUTCOMES if self.watched(market) else ():
            token = market.listing.token(outcome)
            self.out.put(ToMarket(condition, protocol.tick_size_change(condition, token, old, new, self.stamp_ms)))

    # Listing: from the catalogue to the end.

    def _extend(self) -> None:
        """Bring in the markets of the next stretch of time, and plan to do so again before it is used up."""
        until_s = self.now_ms // 1_000 + HORIZON_S
        for listing in self.day.listings(self._horizon_s, until_s):
            if listing.slug not in self.by_slug:
                self._plan(listing)
        self._horizon_s = until_s
        self.agenda.add(self.now_ms + EXTEND_S * 1_000, self._extend)

    def _plan(self, listing: Listing) -> None:
        """Index a market and plan its life. One that ended before we looked, and nobody has a stake in, is history."""
        market = Market(listing, listing.tick_micro)
        self.by_slug[listing.slug] = self.by_condition[listing.condition_id] = market
        self.by_token[listing.up_token] = self.by_token[listing.down_token] = market
        resolve_ms = self._resolve_ms(listing)
        if resolve_ms <= self.now_ms and (listing.slug not in self.staked or listing.slug in self.resolved):
            market.over, market.settled, market.closed_ms = True, settle(self.day, listing), resolve_ms
            self.agenda.add(resolve_ms + self.rules.keep_s * 1_000, partial(self._forget, market))
            return
        if listing.listed_ms > self.now_ms:
            self.agenda.add(listing.listed_ms, partial(self._announce, market))
        opens_ms = (listing.start_s - QUOTED_AHEAD_S) * 1_000 + _drawn(listing, "open", 1_000)
        self.agenda.add(max(self.now_ms, opens_ms), partial(self._open, market))
        self.agenda.add(listing.end_s * 1_000, partial(self._close, market))
        self.agenda.add(resolve_ms, partial(self._resolve, market))

    def _resolve_ms(self, listing: Listing) -> int:
        if listing.closed_ms is not None:
            return max(listing.closed_ms, listing.end_s * 1_000)
        return listing.end_s * 1_000 + delay_ms(listing.end_s, _drawn(listing, "resolve", _SHARES) / _SHARES)

    def _announce(self, market: Market) -> None:
        shown = market.shown(self.now_ms, False)
        objects = gamma.market(market.listing, shown), gamma.event(market.listing, shown)
        self.out.put(ToEverybody(protocol.new_market(market.listing, *objects, self.stamp_ms)))

    def _open(self, market: Market) -> None:
        if market.over or market.listing.end_s * 1_000 <= self.now_ms:
            return
        self._quoted.setdefault(market.listing.asset, {})[market.listing.slug] = market
        self._requote(market, "open")
        self._beat(market)

    def _close(self, market: Market) -> None:
        """The window ended: makers leave, clients' orders are cancelled, the book is empty."""
        self._quoted.get(market.listing.asset, {}).pop(market.listing.slug, None)
        market.over = True
        self.desk.closed(market)
        market.book = Book()
        for outcome in OUTCOMES if self.watched(market) else ():
            message = protocol.book_event(market.view(outcome, self.stamp_ms))
            self.out.put(ToMarket(market.listing.condition_id, message))

    def _resolve(self, market: Market) -> None:
        settled = settle(self.day, market.listing)
        market.settled, market.closed_ms = settled, self.now_ms
        listing = market.listing
        fields = {
            "market": listing.condition_id,
            "slug": listing.slug,
            "winner": settled.winner,
            "strike": None if settled.strike_e18 is None else e18_text(settled.strike_e18),
            "close": None if settled.close_e18 is None else e18_text(settled.close_e18),
            "official": listing.official is not None,
            "averaged_here": averaged_here(self.day, listing),
        }
        self.out.put(Line(self.now_ms, "resolve", fields))
        message = protocol.market_resolved(listing, gamma.number_of(listing, "market"), settled.winner, self.stamp_ms)
        self.out.put(ToMarket(listing.condition_id, message, custom=True))
        self.desk.resolved(market)
        self.agenda.add(self.now_ms + self.rules.keep_s * 1_000, partial(self._forget, market))

    def _forget(self, market: Market) -> None:
        """Drop a market, unless somebody has yet to redeem."""
        listing = market.listing
        if self.desk.holds(market):
            self.agenda.add(self.now_ms + self.rules.keep_s * 1_000, partial(self._forget, market))
            return
        self.desk.forgotten(market)
        self.by_slug.pop(listing.slug, None)
        self.by_condition.pop(listing.condition_id, None)
        for outcome in OUTCOMES:
            self.by_token.pop(listing.token(outcome), None)

    # The crowd.

    def _scene(self, market: Market, ahead_s: int | None = None) -> Scene:
        """What makers know now. ahead_s: the second of a price that some takers know already."""
        listing = market.listing
        second = max(self._seen_s.get(listing.asset, 0), self.now_ms // 1_000 - LATENCY_S)
        left_s = listing.end_s - self.now_ms / 1_000
        up, fine = self._odds.up(listing, second), _uses_fine_tick(listing.condition_id)
        ahead = up if ahead_s is None else self._odds.up(listing, ahead_s)
        known = None if ahead == up else ahead
        return Scene(listing.asset, up, left_s, market.tick_micro, listing.interval_s, fine, known)

    def _requote(self, market: Market, name: str) -> None:
        rng = self.dice(f"{market.listing.slug}/{name}")
        traded = False
        for step in refresh(market.book, self._scene(market), rng):
            if isinstance(step, Trim):
                market.book.trim(step.bid, step.up_micro, step.size_micro)
            else:
                wish = maker_wish(self.stranger(), step, rng.random() < 0.5)
                traded = bool(self.execute(market, wish).fills) or traded
        self.publish(market, traded)

    def _beat(self, market: Market) -> None:
        """One stir of the crowd: perhaps new quotes, perhaps takers; then the next beat."""
        listing, second = market.listing, self.now_ms // 1_000
        if market.over:
            return
        early = second < listing.start_s
        rng = self.dice(f"{listing.slug}/beat/{second}")
        if rng.random() < (EARLY_REQUOTE if early else REQUOTE):
            self._requote(market, f"requote/{second}")
        for taker in takers(self._scene(market, second), rng, self.rules.flow):
            self.agenda.add(self.now_ms + taker.after_ms, partial(self._take, market, taker))
        self.agenda.add(self.now_ms + (EARLY_BEAT_S if early else BEAT_S) * 1_000, partial(self._beat, market))

    def _take(self, market: Market, taker: Taker) -> None:
        if not market.over:
            matched = self.execute(market, taker_wish(self.stranger(), taker, self._scene(market)))
            self.publish(market, bool(matched.fills))
            if matched.fills and market.listing.slug not in self._refilling:
                self._refill_soon(market)

    def _refill_soon(self, market: Market) -> None:
        """Makers come back after a trade; once for all trades of the meantime."""
        slug = market.listing.slug
        self._refilling.add(slug)
        self.agenda.add(self.now_ms + REFILL_MS, partial(self._refill, market))

    def _refill(self, market: Market) -> None:
        self._refilling.discard(market.listing.slug)
        if not market.over:
            self._requote(market, f"refill/{self.now_ms}")

    # Reference prices.

    def _arrive(self, point: Point) -> None:
        self._remember(point, tell=True)
        second = point.source_ms // 1_000
        for market in list(self._quoted.get(point.asset, {}).values()):
            if market.listing.start_s <= second:
                self._requote(market, f"price/{second}")
        following = next(self._points, None)
        if following is not None:
            self.agenda.add(following.arrival_ms, partial(self._arrive, following))

    def _remember(self, point: Point, tell: bool) -> None:
        second = point.source_ms // 1_000
        self._seen_s[point.asset] = max(second, self._seen_s.get(point.asset, 0))
        symbol = f"{point.asset.lower()}usd"
        for window_s, value in self._values(point):
            history = self.history.setdefault((symbol, window_s), deque(maxlen=HISTORY_S))
            history.append((point.source_ms, value))
            if tell:
                self.out.put(ToPrices(symbol, window_s, point.source_ms, value, self.stamp_ms))

    def _values(self, point: Point) -> Iterator[tuple[int, int]]:
        """The instantaneous price, and the averaged one for each look-back this asset's markets use."""
        yield 0, point.value_e18
        lookbacks = {TWAP_S} | {market.listing.lookback_s for market in self._quoted.get(point.asset, {}).values()}
        for lookback_s in sorted(lookbacks - {0}):
            value = settlement_value(self.day, point.asset, point.source_ms // 1_000, lookback_s)
            yield lookback_s, point.value_e18 if value is None else value


@lru_cache(maxsize=_FINE_MAX)
def _uses_fine_tick(condition_id: str) -> bool:
    return _digits("fine", condition_id, _DRAWS) < FINE_SHARE * _DRAWS


def _drawn(listing: Listing, what: str, below: int) -> int:
    return _digits(what, listing.condition_id, below)


def _digits(what: str, condition_id: str, below: int) -> int:
    return int.from_bytes(sha256(f"{what}/{condition_id}".encode()).digest()[:4]) % below
