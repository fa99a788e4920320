"""A tape of a recorded day, as a supervisor would have written it: windows, terms, strikes, prices, books, ticks.

The day's files are read by the rehearsal venue's own readers, and its floor plays them: what was not recorded of the
books its seeded crowd makes up, so such a tape shows how a strategy behaves and not what it earns. Nobody trades in
it: every tick shows an untouched account. Leaves playing it to the engine. What always holds: the same day and seed
give the same tape, byte for byte; a folder holds a whole tape or none.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Literal

from deploy.rehearsal.agenda import Agenda
from deploy.rehearsal.bridged import BridgedDay
from deploy.rehearsal.days import Day, Listing, RecordedDay, strike_of
from deploy.rehearsal.floor import Floor, Rules
from deploy.rehearsal.markets import OUTCOMES, Market
from deploy.rehearsal.matching import Matched, Wish, in_up
from deploy.rehearsal.outbox import Outbox, ToPrices
from shared import messages as m
from shared.config import Settings
from shared.records import Appender
from shared.slots import Slot, next_tick
from shared.wire import encode

DEPTH: Final = 5
"""Levels of a book that a desk shows."""
CASH_MICRO: Final = 1_000_000_000
OWNER: Final = "made"
SETTLE_MS: Final = 900_000
"""What is made behind the last decision that is asked for, so that its windows are resolved."""
WARM_UP_MS: Final = 1_500_000
"""What is made before the first decision that is asked for: more than any state depends on."""
RULES: Final[dict[int, m.Rule]] = {0: "spot", 30: "twap30", 60: "twap60"}
_MS: Final = 1_000_000
_TWAP_S: Final = 60
_FEED: Final[dict[int, Literal["spot", "twap"]]] = {0: "spot", _TWAP_S: "twap"}
_INTERVALS_S: Final = (300, 900)
_LONGEST_S: Final = 900
Progress = Callable[[int, int], object]


def stretch(day: RecordedDay | BridgedDay, begin_ns: int | None, end_ns: int | None) -> tuple[int, int]:
    """First and last millisecond to make of a day, so that decisions from `begin_ns` to `end_ns` rest on enough."""
    last_ms = day.span_s[1] * 1_000 + 1_000
    first_ms = day.first_ms if begin_ns is None else max(day.first_ms, begin_ns // _MS - WARM_UP_MS)
    until_ms = last_ms if end_ns is None else min(last_ms, -(-end_ns // _MS))
    return first_ms, until_ms + SETTLE_MS


def make(day: Day, first_ms: int, until_ms: int, folder: Path, *, seed: int, progress: Progress) -> None:
    """Write the tape of a stretch of a day. The folder must not exist; it is written aside and renamed when whole."""
    aside = folder.with_name(f".aside-{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        _Desk(day, first_ms, aside, seed).play(until_ms, progress)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@dataclass(slots=True)
class _Window:
    """One window that runs, as far as it was told."""

    market: Market
    terms: m.Terms
    strike: str = ""
    shown: dict[m.Outcome, m.BookSeen] = field(default_factory=dict)


class _Floor(Floor):
    """The venue's floor, whose every change of a book is heard of."""

    changed: Callable[[Market], None]

    def publish(self, market: Market, traded: bool = False) -> None:
        super().publish(market, traded)
        self.changed(market)


class _Desk:
    """A desk that watches and never trades. It is the floor's desk too, and hears of trades and ends."""

    def __init__(self, day: Day, first_ms: int, folder: Path, seed: int) -> None:
        self._day, self._settings, self._out, self._agenda = day, Settings(), Outbox(), Agenda()
        self._tape = Appender(folder, "tape")
        self._at_ms, self._seq, self._keyframes = first_ms, 0, 0
        self._windows: dict[Slot, _Window] = {}
        self._prices: dict[tuple[str, str], m.PriceSeen] = {}
        self._floor = _Floor(
            day, Rules(), lambda name: Random(f"{seed}/{name}"), self._out, self._agenda, first_ms, self
        )
        self._floor.changed = self._book
        listings = day.listings(first_ms // 1_000 - _LONGEST_S, 2**40)
        self._listings = {(_slot(each), each.start_s): each for each in listings if each.interval_s in _INTERVALS_S}
        self._slots = {slot for slot, _ in self._listings}

    def play(self, until_ms: int, progress: Progress) -> None:
        """Let the day pass."""
        first_ms = self._at_ms
        self._say(m.TermBegan(1, "rehearsal", "made of a recorded day"))
        self._floor.start()
        self._roll()
        self._keyframe()
        while self._at_ms < until_ms:
            self._pass_to(min(self._next_ms(), until_ms))
            progress(self._at_ms - first_ms, until_ms - first_ms)
        self._tape.close()

    # --- time -------------------------------------------------------------------------------------------------------

    def _next_ms(self) -> int:
        """When a window turns, a tick comes due or a keyframe: whatever is first."""
        keyframe_ms = round(self._settings.records.keyframe_s * 1_000)
        soon_ms = self._at_ms - self._at_ms % keyframe_ms + keyframe_ms
        beats = ((slot, self._settings.beat(slot)) for slot in self._slots)
        return min([soon_ms, *(next_tick(slot, beat, self._at_ms) for slot, beat in beats)])

    def _pass_to(self, now_ms: int) -> None:
        for due_ms, action in self._agenda.due(now_ms):
            self._at_ms = self._floor.now_ms = max(self._at_ms, due_ms)
            action()
            self._hear()
        self._at_ms = self._floor.now_ms = now_ms
        self._roll()
        if not now_ms % round(self._settings.records.keyframe_s * 1_000):
            self._keyframe()
        for slot, window in self._windows.items():
            if next_tick(slot, self._settings.beat(slot), now_ms - 1) == now_ms:
                self._tick(slot, window)
        self._tape.flush()

    # --- windows ----------------------------------------------------------------------------------------------------

    def _roll(self) -> None:
        """End the windows that are over and begin those that start."""
        now_s = self._at_ms // 1_000
        for slot, window in list(self._windows.items()):
            if now_s >= window.market.listing.end_s:
                del self._windows[slot]
                self._say(m.WindowClosed(slot.name, window.market.listing.start_s))
        for slot in self._slots - self._windows.keys():
            market = self._market(slot, now_s)
            if market is not None:
                window = self._windows[slot] = _Window(market, _terms(market))
                self._say(m.WindowOpened(slot.name, market.listing.start_s, window.terms))
                self._book(market)

    def _market(self, slot: Slot, now_s: int) -> Market | None:
        listing = self._listings.get((slot, slot.window_start(now_s)))
        market = self._floor.by_slug.get(listing.slug) if listing is not None else None
        return None if market is None or market.over else market

    def _running(self, market: Market) -> _Window | None:
        window = self._windows.get(_slot(market.listing))
        return window if window is not None and window.market is market else None

    def _book(self, market: Market) -> None:
        """Show a book, if it is not what was shown last."""
        window = self._running(market)
        if window is None:
            return
        name, start_s = _slot(market.listing).name, market.listing.start_s
        if market.tick_micro != window.terms.tick_micro:
            window.terms = _terms(market)
            self._say(m.TickSizeSet(name, start_s, market.tick_micro))
        for outcome in OUTCOMES:
            bids, asks = (tuple(_level(each) for each in side[-DEPTH:][::-1]) for side in market.book.levels(outcome))
            seen = m.BookSeen(name, start_s, outcome, bids, asks, False)
            if seen != window.shown.get(outcome):
                window.shown[outcome] = seen
                self._say(seen)

    def _hear(self) -> None:
        """The prices that the floor has told."""
        for effect in self._out.take():
            if isinstance(effect, ToPrices) and effect.window_s in (0, _TWAP_S):
                asset = effect.symbol.removesuffix("usd").upper()
                self._price(m.PriceSeen(asset, _FEED[effect.window_s], effect.source_ms, str(effect.value_e18)))

    def _price(self, price: m.PriceSeen) -> None:
        self._prices[price.asset, price.feed] = price
        self._say(price)
        for slot, window in self._windows.items():
            listing = window.market.listing
            if slot.asset == price.asset and not window.strike and price.source_ms >= listing.start_s * 1_000:
                strike = strike_of(self._day, listing)
                if strike is not None:
                    window.strike = str(strike)
                    self._say(m.StrikeSet(slot.name, listing.start_s, window.strike))

    # --- what a desk says -------------------------------------------------------------------------------------------

    def _tick(self, slot: Slot, window: _Window) -> None:
        account = m.Account(1, CASH_MICRO, 0, (), ())
        self._say(m.Tick(slot.name, self._at_ms, window.market.listing.start_s, OWNER, 1, "", "", account))

    def _keyframe(self) -> None:
        if self._keyframes and not self._keyframes % self._settings.records.segment_keyframes:
            self._tape.roll()
        self._keyframes += 1
        self._say(m.Keyframe(tuple(self._known())))

    def _known(self) -> Iterator[m.Event]:
        yield from self._prices.values()
        for slot, window in self._windows.items():
            start_s = window.market.listing.start_s
            yield m.WindowOpened(slot.name, start_s, window.terms)
            if window.strike:
                yield m.StrikeSet(slot.name, start_s, window.strike)
            yield from window.shown.values()

    def _say(self, event: m.Event) -> None:
        self._seq += 1
        self._tape.append(encode(m.Streamed(self._seq, self._at_ms * _MS, event)))

    # --- what the floor tells its desk ------------------------------------------------------------------------------

    def filled(self, market: Market, wish: Wish, matched: Matched) -> None:
        """Others traded: the taker's side and price, level by level."""
        if self._running(market) is None:
            return
        sizes: dict[int, int] = {}
        for fill in matched.fills:
            sizes[fill.up_micro] = sizes.get(fill.up_micro, 0) + fill.size_micro
        name, start_s = _slot(market.listing).name, market.listing.start_s
        for up_micro, size_micro in sizes.items():
            price_micro = in_up(wish.outcome, up_micro)
            self._say(m.TradeSeen(name, start_s, wish.outcome, wish.side, price_micro, size_micro))

    def closed(self, market: Market) -> None:
        """Nobody here has orders."""

    def resolved(self, market: Market) -> None:
        """The venue names a winner."""
        if market.settled is not None and _slot(market.listing) in self._slots:
            self._say(m.WindowResolved(_slot(market.listing).name, market.listing.start_s, market.settled.winner))

    def holds(self, market: Market) -> bool:
        """Nobody here has shares."""
        return False

    def forgotten(self, market: Market) -> None:
        """Nobody here remembers."""


def _slot(listing: Listing) -> Slot:
    return Slot(listing.asset, listing.interval_s // 60)


def _level(level: tuple[int, int]) -> m.Level:
    return m.Level(*level)


def _terms(market: Market) -> m.Terms:
    listing = market.listing
    return m.Terms(
        condition_id=listing.condition_id,
        tick_micro=market.tick_micro,
        min_size_micro=listing.min_size_micro,
        fee_rate_micro=listing.fee.rate_micro,
        fee_exponent=listing.fee.exponent,
        taker_delay_ms=Rules().taker_delay_ms,
        rule=RULES.get(listing.lookback_s, "twap60"),
    )
