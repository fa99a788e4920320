"""The market side of every slot: which window runs, its market, its books, its strike, and how it ended.

A lane takes what the venue says and turns it into stream events and journal entries. It knows nothing of workers,
orders or who decides; whether a slot can be evaluated now is all it tells the desk about that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Settings
from shared.messages import MEAN_OVER_S, OUTCOMES, Outcome
from shared.slots import Slot
from supervisor.book import Book
from supervisor.settlement import Boundaries, winner
from supervisor.venue.discovery import Listing, Market
from supervisor.venue.market import Changes, MarketEvent, MarketResolved, Snapshot, TickSizeChanged, Traded
from supervisor.venue.prices import Price

PREFETCH_S: Final = 60
"""How long before a window its market is looked for, market seconds."""
ASK_AGAIN_S: Final = 20
"""Market seconds between two questions for a market or a winner that is not there yet."""
WATCHED_AFTER_END_S: Final = 600
"""How long after its end a window's tokens are still followed while nobody has named the winner."""

Told = m.Event | e.Entry


@dataclass
class Window:
    """One window as far as it is known. `asked_ns`: when the venue was last asked about it, market time."""

    slot: Slot
    start_s: int
    market: Market | None = None
    books: dict[Outcome, Book] = field(default_factory=lambda: {"Up": Book(), "Down": Book()})
    shown: dict[Outcome, m.BookSeen] = field(default_factory=dict)
    strike: int | None = None
    settled: bool = False
    asked_ns: int = 0
    opened: bool = False

    @property
    def end_s(self) -> int:
        """When it ends, unix seconds; the next window begins then."""
        return self.start_s + self.slot.window_s

    def outcome_of(self, token: str) -> Outcome | None:
        """Which outcome a token id is."""
        if self.market is None or token not in self.market.tokens:
            return None
        return OUTCOMES[self.market.tokens.index(token)]


class Lanes:
    """All lanes. Methods yield what there is to tell, in order, while it happens: iterate them to their end."""

    def __init__(self, settings: Settings) -> None:
        self.slots = settings.lanes()
        self.current: dict[Slot, Window] = {}
        self.upcoming: dict[Slot, Window] = {}
        self.ended: dict[tuple[Slot, int], Window] = {}
        self.prices: dict[tuple[str, int], Price] = {}
        self.price_seen_ns: dict[str, int] = {}
        self._boundaries = Boundaries()
        self._tokens: dict[str, Window] = {}

    def window(self, slot: Slot) -> Window | None:
        """The window that runs and can be evaluated: its market is known and it was announced."""
        window = self.current.get(slot)
        return window if window is not None and window.opened else None

    def find(self, name: str, start_s: int) -> Window | None:
        """A window by its slot's name and start, as long as anything is kept of it."""
        kept = (*self.current.values(), *self.upcoming.values(), *self.ended.values())
        return next((w for w in kept if w.slot.name == name and w.start_s == start_s), None)

    def watched(self) -> frozenset[str]:
        """Every token whose book is wanted."""
        return frozenset(self._tokens)

    def stale(self, token: str) -> str:
        """Why a token's book is not to be believed; empty when it is, or when nobody wants it any more."""
        window = self._tokens.get(token)
        outcome = window.outcome_of(token) if window is not None else None
        return window.books[outcome].stale if window is not None and outcome is not None else ""

    def named(self, token: str) -> str:
        """Which book a token is, as people say it: slot, outcome, and the start of the window; the token if unknown."""
        window = self._tokens.get(token)
        return token if window is None else f"{window.slot.name} {window.outcome_of(token)} {window.start_s}"

    def resume(self, opened: e.Opened, strike: int | None) -> None:
        """Take up a window from before a restart that nobody has named the winner of yet; it may still run."""
        slot = next((s for s in self.slots if s.name == opened.slot), None)
        if slot is None:
            return
        version: Literal["v1", "v2"] = "v2" if opened.version == "v2" else "v1"
        market = Market(slot, opened.start_s, opened.tokens, version, opened.neg_risk, opened.terms)
        window = Window(slot, opened.start_s, market=market, strike=strike)
        self.ended[slot, opened.start_s] = window
        self._tokens.update(dict.fromkeys(opened.tokens, window))

    def roll(self, slot: Slot, at_ns: int) -> Iterator[Told]:
        """Let market time pass in a lane: end the window that is over, begin the next."""
        start_s = slot.window_start(at_ns // NS)
        window = self.current.get(slot)
        if window is not None and window.start_s != start_s:
            yield from self._end(window)
            window = None
        if window is None:
            resumed = self.ended.pop((slot, start_s), None)
            prepared = self.upcoming.pop(slot, None)
            if prepared is not None and prepared.start_s != start_s:
                prepared = None
            window = resumed or prepared or Window(slot, start_s)
            self.current[slot] = window
        yield from self._open(window)
        if slot not in self.upcoming and window.end_s - at_ns // NS <= PREFETCH_S:
            self.upcoming[slot] = Window(slot, window.end_s)

    def questions(self, at_ns: int) -> Iterator[Window]:
        """Windows about which the venue should be asked now: no market yet, or ended without a winner."""
        ready = [w for w in (*self.current.values(), *self.upcoming.values()) if w.market is None]
        ready += self.ended.values()
        for window in ready:
            if at_ns - window.asked_ns >= ASK_AGAIN_S * NS:
                window.asked_ns = at_ns
                yield window

    def listed(self, slot: Slot, start_s: int, listing: Listing, accepting: bool) -> Iterator[Told]:
        """Take what the venue's listing says of a window."""
        window = self.find(slot.name, start_s)
        if window is None:
            return
        if window.market is None and (accepting or (slot, start_s) in self.ended):
            window.market = listing.market
            for token in listing.market.tokens if accepting else ():
                self._tokens[token] = window
        if window.strike is None and listing.strike is not None:
            window.strike = listing.strike
            yield e.Strike(slot.name, start_s, str(listing.strike))
        if self.current.get(slot) is window:
            yield from self._open(window)
        if (slot, start_s) in self.ended:
            yield from self._settle(window)
            if listing.winner is not None:
                yield from self._resolve(window, listing.winner)

    def market_event(self, event: MarketEvent) -> Iterator[Told]:
        """Take what the market channel says."""
        if isinstance(event, Snapshot):
            yield from self._snapshot(event)
        elif isinstance(event, Changes):
            yield from self._changes(event)
        elif isinstance(event, Traded):
            yield from self._traded(event)
        elif isinstance(event, TickSizeChanged):
            yield from self._tick_size(event)
        elif isinstance(event, MarketResolved):
            yield from self._resolved_on_channel(event)

    def distrust(self, why: str) -> Iterator[Told]:
        """The market channel is gone: no book is to be believed until its next snapshot."""
        for window in {id(window): window for window in self._tokens.values()}.values():
            for outcome in OUTCOMES:
                window.books[outcome].distrust(why)
                yield from self._show(window, outcome)

    def price(self, price: Price, at_ns: int) -> Iterator[Told]:
        """Take a reference price. Points that are not newer than the last one only fill in boundary prices."""
        key = (price.asset, price.window_s)
        last = self.prices.get(key)
        if last is None or price.source_ms > last.source_ms:
            self.prices[key] = price
            self.price_seen_ns[price.asset] = at_ns
            yield _price_seen(price)
        if self._boundaries.see(price.asset, price.window_s, price.source_ms, price.exact):
            yield from self._boundary_price(price)

    def keyframe(self) -> Iterator[m.Event]:
        """Everything a fold that begins now must know of the markets."""
        yield from (_price_seen(price) for price in self.prices.values())
        for window in self.current.values():
            if window.opened:
                yield from self._introduce(window)
                yield from window.shown.values()

    def tokens(self, window: Window) -> tuple[str, str]:
        """The token ids of a window whose market is known, Up first."""
        assert window.market is not None
        return window.market.tokens

    def _open(self, window: Window) -> Iterator[Told]:
        if window.opened or window.market is None:
            return
        window.opened = True
        terms = window.market.terms
        yield e.Opened(
            slot=window.slot.name,
            start_s=window.start_s,
            tokens=window.market.tokens,
            version=window.market.version,
            neg_risk=window.market.neg_risk,
            terms=terms,
        )
        seen = self._boundaries.at(window.slot.asset, terms.rule, window.start_s)
        if window.strike is None and seen is not None:
            window.strike = seen
            yield e.Strike(window.slot.name, window.start_s, str(seen))
        yield from self._introduce(window)
        for outcome in OUTCOMES:
            yield from self._show(window, outcome)

    def _introduce(self, window: Window) -> Iterator[m.Event]:
        assert window.market is not None
        yield m.WindowOpened(window.slot.name, window.start_s, window.market.terms)
        if window.strike is not None:
            yield m.StrikeSet(window.slot.name, window.start_s, str(window.strike))

    def _end(self, window: Window) -> Iterator[Told]:
        del self.current[window.slot]
        if not window.opened:
            self._forget(window)
            return
        yield m.WindowClosed(window.slot.name, window.start_s)
        self.ended[window.slot, window.start_s] = window
        window.asked_ns = window.end_s * NS
        yield from self._settle(window)
        for old in [w for w in self.ended.values() if window.start_s - w.end_s > WATCHED_AFTER_END_S]:
            self._forget(old)

    def _settle(self, window: Window) -> Iterator[e.Entry]:
        """Say what the reference prices make of an ended window, once, when both boundary prices are known."""
        if window.settled or window.market is None or (window.slot, window.start_s) not in self.ended:
            return
        rule = window.market.terms.rule
        close = self._boundaries.at(window.slot.asset, rule, window.end_s)
        if close is None or window.strike is None:
            return
        window.settled = True
        yield e.Settled(window.slot.name, window.start_s, str(window.strike), str(close), winner(window.strike, close))

    def _resolve(self, window: Window, won: Outcome) -> Iterator[Told]:
        """The venue named the winner. What it is worth to us is the desk's to say."""
        self.ended.pop((window.slot, window.start_s), None)
        self._forget(window)
        yield m.WindowResolved(window.slot.name, window.start_s, won)

    def _forget(self, window: Window) -> None:
        self._tokens = {token: w for token, w in self._tokens.items() if w is not window}

    def _boundary_price(self, price: Price) -> Iterator[Told]:
        second = price.source_ms // 1_000
        for window in (*self.current.values(), *self.ended.values()):
            if window.slot.asset != price.asset or window.market is None:
                continue
            if MEAN_OVER_S[window.market.terms.rule] != price.window_s:
                continue
            if window.start_s == second and window.strike is None:
                window.strike = price.exact
                yield e.Strike(window.slot.name, window.start_s, str(price.exact))
                if window.opened:
                    yield m.StrikeSet(window.slot.name, window.start_s, str(price.exact))
            yield from self._settle(window)

    def _snapshot(self, event: Snapshot) -> Iterator[Told]:
        window = self._tokens.get(event.token)
        outcome = window.outcome_of(event.token) if window is not None else None
        if window is None or outcome is None:
            return
        window.books[outcome].replace(event.bids, event.asks)
        if event.tick_micro:
            yield from self._tick_size(TickSizeChanged(event.token, event.tick_micro))
        yield from self._show(window, outcome)

    def _changes(self, event: Changes) -> Iterator[Told]:
        for token in dict.fromkeys(change.token for change in event.changes):
            window = self._tokens.get(token)
            outcome = window.outcome_of(token) if window is not None else None
            if window is None or outcome is None:
                continue
            window.books[outcome].change((c.side, c.level) for c in event.changes if c.token == token)
            yield from self._show(window, outcome)

    def _traded(self, event: Traded) -> Iterator[Told]:
        window = self._tokens.get(event.token)
        outcome = window.outcome_of(event.token) if window is not None else None
        if window is not None and outcome is not None and self.window(window.slot) is window:
            level = event.level
            name, start_s = window.slot.name, window.start_s
            yield m.TradeSeen(name, start_s, outcome, event.side, level.price_micro, level.size_micro)

    def _tick_size(self, event: TickSizeChanged) -> Iterator[Told]:
        """Both tokens of a market share one price grid."""
        window = self._tokens.get(event.token)
        market = window.market if window is not None else None
        if window is None or market is None or market.terms.tick_micro == event.tick_micro:
            return
        window.market = replace(market, terms=structs.replace(market.terms, tick_micro=event.tick_micro))
        if window.opened:
            yield m.TickSizeSet(window.slot.name, window.start_s, event.tick_micro)

    def _resolved_on_channel(self, event: MarketResolved) -> Iterator[Told]:
        for window in list(self.ended.values()):
            outcome = window.outcome_of(event.winning_token)
            if outcome is not None:
                yield from self._resolve(window, outcome)

    def _show(self, window: Window, outcome: Outcome) -> Iterator[Told]:
        """Publish a token's best levels if they are not what was published last."""
        if self.window(window.slot) is not window:
            return
        book = window.books[outcome]
        seen = m.BookSeen(
            slot=window.slot.name,
            start_s=window.start_s,
            outcome=outcome,
            bids=book.top("BUY"),
            asks=book.top("SELL"),
            stale=bool(book.stale),
        )
        if seen != window.shown.get(outcome):
            window.shown[outcome] = seen
            yield seen


def _price_seen(price: Price) -> m.PriceSeen:
    return m.PriceSeen(price.asset, "twap" if price.window_s else "spot", price.source_ms, str(price.exact))
