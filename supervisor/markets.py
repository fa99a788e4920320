"""What the venue says of markets, prices and its own feeds, and what the desk makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.messages import OUTCOMES
from shared.slots import Slot, parse_slot
from supervisor.board import Board
from supervisor.catching_up import CatchingUp
from supervisor.dispatch import Dispatch
from supervisor.effects import Moment, Refetch, Watch
from supervisor.lanes import Told, Window
from supervisor.turns import Turns
from supervisor.venue.discovery import Listing
from supervisor.venue.market import Changes, MarketEvent, Snapshot
from supervisor.venue.prices import Price

CAUSE_MAX: Final = 200
"""Characters of a gap's cause that quotes what was sent."""
REFETCH_S: Final = 5.0
"""Real seconds after which a book that was asked for and has not come is asked for again."""


class Markets:
    """Arrivals from discovery, market channel and price channel."""

    def __init__(self, board: Board, turns: Turns, dispatch: Dispatch, catching_up: CatchingUp) -> None:
        self.board, self.turns, self.dispatch, self.catching_up = board, turns, dispatch, catching_up
        self.down_since_ns: dict[str, int] = {}
        self._why: dict[str, tuple[str, m.Whose]] = {}
        self._watched: frozenset[str] = frozenset()
        self._awaited_ns: dict[str, int] = {}
        self._doubted: dict[str, str] = {}
        self._unresolved: list[m.WindowResolved] = []

    def on_listing(self, now: Moment, slot: Slot, start_s: int, listing: Listing, accepting: bool) -> None:
        """The venue described a window's market."""
        self.board.now(now)
        self.tell(self.board.lanes.listed(slot, start_s, listing, accepting))
        self.watch()
        self.turns.first_tick(slot)

    def on_market(self, now: Moment, events: Iterable[MarketEvent]) -> None:
        """The market channel said something."""
        self.board.now(now)
        for event in events:
            before = self.board.seq
            self.tell(self.board.lanes.market_event(event))
            if isinstance(event, Snapshot) and not self.board.lanes.stale(event.token):
                self._believe(event.token)
            for window in self._touched(event):
                self._refetch_crossed(window)
                if window.opened and self.board.seq != before:
                    self.turns.raise_tick(window)

    def on_prices(self, now: Moment, prices: Iterable[Price]) -> None:
        """The price channel said something."""
        self.board.now(now)
        assets = set()
        for price in prices:
            self.tell(self.board.lanes.price(price, self.board.at_ns))
            assets.add(price.asset)
        for window in list(self.board.lanes.current.values()):
            if window.opened and window.slot.asset in assets:
                self.turns.raise_tick(window)

    def begin(self, unseen_ns: int) -> None:
        """Nothing was seen since the reign before ended, and of each feed nothing will be until it is there."""
        for feed in self.board.feeds:
            self._lose(feed, unseen_ns, "nobody listened between two reigns", "ours")

    def on_stall(self, now: Moment, since_ns: int) -> None:
        """This process stood still: whatever came meanwhile is seen late, and stamped so."""
        self.board.now(now)
        self.gap("all", since_ns, "the supervisor stood still", "ours")

    def gap(self, feed: str, since_ns: int, cause: str, whose: m.Whose) -> None:
        """Tell a gap that ends now."""
        self.board.publish(m.FeedGap(feed, since_ns, self.board.at_ns, cause, whose))
        self.board.write(e.Gap(feed, since_ns, self.board.at_ns, cause, whose))

    def _lose(self, feed: str, since_ns: int, cause: str, whose: m.Whose) -> None:
        """Tell that a gap has begun, or that it goes on for another reason."""
        since_ns = self.down_since_ns.setdefault(feed, since_ns)
        self._why[feed] = cause, whose
        self.board.publish(m.FeedGap(feed, since_ns, 0, cause, whose))

    def _regain(self, feed: str) -> None:
        """Tell that a gap is over, if there is one."""
        if feed in self.down_since_ns:
            self.gap(feed, self.down_since_ns.pop(feed), *self._why.pop(feed))

    def on_feed(self, now: Moment, feed: str, fault: str, whose: m.Whose = "unknown") -> None:
        """A feed is there (`fault` empty) or is not, and why. Each gap is told when it begins and when it ends.

        The user channel repeats nothing. What it would have told is asked for when it listens again, also the first
        time in a reign: an answer from before could miss a fill that came between the two.
        """
        self.board.now(now)
        if fault == self.board.feeds[feed]:
            return
        self.board.feeds[feed] = fault
        if fault:
            self._lose(feed, self.board.at_ns, fault, whose)
        else:
            self._regain(feed)
        if feed == "user":
            self.board.lifelines.hear(self.board.mono_ns)
            self.catching_up.on_channel(there=not fault)
        if feed == "market" and fault:
            self.tell(self.board.lanes.distrust(f"market channel: {fault}"))

    def on_bad_frame(self, now: Moment, feed: str, fault: str) -> None:
        """A feed sent what cannot be read: counted and named; what it may have changed is asked for."""
        self.board.now(now)
        self.board.alarm("bad_frame", f"{feed}: {fault}")
        if feed == "user":
            self.catching_up.missed()
        if feed == "market":
            self.tell(self.board.lanes.distrust("a frame of its channel could not be read"))
            for token in sorted(self.board.lanes.watched()):
                self._refetch(token, "a frame of its channel could not be read")
        else:
            self.gap(feed, self.board.at_ns, f"a frame could not be read: {fault}"[:CAUSE_MAX], "venue")

    def tell(self, told: Iterable[Told]) -> None:
        """Pass on what a lane has to tell; a window's winner closes our positions in it, once they are known."""
        for item in told:
            if isinstance(item, m.WindowResolved):
                self._unresolved.append(item)
                self.resolve_told()
            elif isinstance(item, m.Event):
                self.board.publish(item)
            else:
                self.board.write(item)

    def resolve_told(self) -> None:
        """Resolve the windows whose winner was told, except where a trade in them may be one that nobody heard of.

        Its order would be closed, and forgotten before the trade is found.
        """
        waiting = []
        for resolved in self._unresolved:
            ended_s = resolved.start_s + parse_slot(resolved.slot).window_s
            if self.catching_up.knows(ended_s * NS):
                self._resolve(resolved)
            else:
                waiting.append(resolved)
        self._unresolved = waiting

    def watch(self) -> None:
        """Follow the books that are wanted now, if others are than were."""
        wanted = self.board.lanes.watched()
        if wanted != self._watched:
            self._watched = wanted
            self.board.effects.append(Watch(wanted))

    def ask_again(self) -> None:
        """Ask once more for books that were asked for and have not come, or came as senseless as before."""
        for token, since_ns in list(self._awaited_ns.items()):
            if not self.board.lanes.stale(token):
                self._believe(token)
            elif self.board.since_s(since_ns) > REFETCH_S:
                self._refetch(token, "")

    def _refetch(self, token: str, doubt: str) -> None:
        """Ask for a whole book, and tell from when on it could not be believed."""
        if token not in self._awaited_ns:
            self._doubted[token] = self.board.lanes.named(token)
            self._lose(f"book {self._doubted[token]}", self.board.at_ns, doubt, "venue")
        self._awaited_ns[token] = self.board.mono_ns
        self.board.effects.append(Refetch(token))

    def _believe(self, token: str) -> None:
        """A book is sound again, or nobody wants it any more: neither is waited for."""
        if self._awaited_ns.pop(token, None) is not None:
            self._regain(f"book {self._doubted.pop(token)}")

    def _resolve(self, resolved: m.WindowResolved) -> None:
        """A share of the winning token is worth one unit of collateral, of the other nothing."""
        position = self.board.accounts.positions.get((resolved.slot, resolved.start_s, resolved.winner))
        payout = position.size_micro if position is not None else 0
        owed = self.board.settings.claims.by != "off"
        self.board.write(e.Resolved(resolved.slot, resolved.start_s, resolved.winner, payout, owed))
        self.board.publish(resolved)
        self.dispatch.refresh(resolved.slot)

    def _touched(self, event: MarketEvent) -> list[Window]:
        if isinstance(event, Changes):
            tokens = {change.token for change in event.changes}
        else:
            tokens = {event.token} if isinstance(event, Snapshot) else set()
        windows = self.board.lanes.current.values()
        return [w for w in windows if w.market is not None and not tokens.isdisjoint(w.market.tokens)]

    def _refetch_crossed(self, window: Window) -> None:
        """A crossed book is not traded on; only a whole one can mend it, and it is asked for once at a time."""
        assert window.market is not None
        for outcome, token in zip(OUTCOMES, window.market.tokens, strict=True):
            book = window.books[outcome]
            if book.stale.startswith("crossed"):
                self.board.alarm("crossed_book", f"{window.slot.name} {outcome}: {book.stale}; waiting for a snapshot")
                if token not in self._awaited_ns:
                    self._refetch(token, book.stale)
                book.distrust(f"waiting for a snapshot, was {book.stale}")
