"""One market of a replay: the recorded book with our own orders in it, matched by the rehearsal venue's rules.

The recorded book is the best levels of either token, seen from time to time; ours were never in it. So nothing here is
generous: an order joins behind all that rests at its price; size that goes goes from behind us, unless more has gone
than was there; only trades move us forward, and one that a book has already shown moves nobody twice; below the levels
that were recorded an order waits outside, and joins behind whatever shows there; what we took is not there again until
its price was seen empty. Leaves money, delay and refusals to `paper`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Final

from deploy.rehearsal.matching import CROWD, Book, Fill, Matched, Wish, in_up
from shared.clock import NS
from shared.messages import BookSeen, Terms, TradeSeen

DEPTH: Final = 5
"""Levels that a recorded side has at most; one with fewer is shown whole."""
TRADE_LATE_NS: Final = NS
"""A trade may be told so long after the book that shows it."""
US: Final = "us"
Place = tuple[bool, int]
"""A level of the book in Up terms: whether it is a bid's, and its price."""


@dataclass(slots=True)
class Pit:
    """Args: terms: the market's own. `over`: the window has ended and takes no orders."""

    terms: Terms
    over: bool = False
    seen: BookSeen | None = None
    _followed: BookSeen | None = None
    _book: Book = field(default_factory=Book)
    _outside: dict[str, Wish] = field(default_factory=dict)
    _mine: dict[str, Place] = field(default_factory=dict)
    _taken: dict[Place, int] = field(default_factory=dict)
    _gone: dict[Place, tuple[int, int]] = field(default_factory=dict)
    _strangers: count[int] = field(default_factory=count)

    def show(self, seen: BookSeen, at_ns: int) -> list[Fill]:
        """A book was recorded; our orders that it crosses have traded."""
        self.seen = seen
        return self._follow(at_ns) if self._mine or self._outside or self._taken else []

    def trade(self, trade: TradeSeen, at_ns: int) -> list[Fill]:
        """Others traded: whoever stood first at that price is served, perhaps we."""
        if not self._mine:
            return []
        up_micro = in_up(trade.outcome, trade.price_micro)
        hit_bids = (trade.side == "SELL") == (trade.outcome == "Up")
        size_micro = trade.size_micro - self._already_shown((hit_bids, up_micro), trade.size_micro, at_ns)
        if size_micro <= 0:
            return []
        wish = Wish(self._stranger(), CROWD, trade.outcome, trade.side, trade.price_micro, size_micro, kind="FAK")
        return self._ours(self._book.place(wish).fills)

    def crosses(self, wish: Wish, at_ns: int) -> bool:
        """Whether an order would trade at once."""
        self._follow(at_ns)
        return self._book.crosses(wish)

    def place(self, wish: Wish, at_ns: int) -> Matched:
        """Match an order against what was recorded last; what is left of it rests, waits outside, or is killed."""
        self._follow(at_ns)
        matched = self._book.place(wish)
        self._note_taken(wish, matched.fills)
        if matched.rested_micro:
            self._mine[wish.order_id] = (wish.bid, wish.up_micro)
            if not self._in_sight((wish.bid, wish.up_micro)):
                self._wait_outside(wish, matched.rested_micro)
        return matched

    def cancel(self, order_id: str) -> int:
        """Take one of our orders out; the shares that were open."""
        self._mine.pop(order_id, None)
        waiting = self._outside.pop(order_id, None)
        return waiting.size_micro if waiting is not None else self._book.cancel(order_id)

    # --- the recorded book ------------------------------------------------------------------------------------------

    def _follow(self, at_ns: int) -> list[Fill]:
        """Make the crowd's orders what was recorded last, once; what of ours its new quotes met.

        While we have orders here each book is followed when it is shown, so nothing meets them at another moment.
        """
        if self.seen is None or self.seen is self._followed:
            return []
        self._followed = self.seen
        wanted = self._wanted(self.seen)
        standing, joined = self._book.crowd(), set(self._mine.values())
        for place, size_micro in standing.items():
            surplus_micro = size_micro - wanted.get(place, 0)
            if surplus_micro > 0 and (place not in joined or self._in_sight(place)):
                self._book.trim(*place, surplus_micro)
                self._gone[place] = (surplus_micro, at_ns)
        fills = list[Fill]()
        for place, size_micro in wanted.items():
            more_micro = size_micro - standing.get(place, 0)
            if more_micro > 0:
                fills += self._add(place, more_micro)
        self._let_in()
        return fills

    def _wanted(self, seen: BookSeen) -> dict[Place, int]:
        """Shares that others offer at each recorded level, without what we have taken of them."""
        recorded = dict[Place, int]()
        for levels, bid in ((seen.bids, seen.outcome == "Up"), (seen.asks, seen.outcome != "Up")):
            recorded |= {(bid, in_up(seen.outcome, level.price_micro)): level.size_micro for level in levels}
        self._taken = {place: size for place, size in self._taken.items() if place in recorded}
        left = {place: size_micro - self._taken.get(place, 0) for place, size_micro in recorded.items()}
        return {place: size_micro for place, size_micro in left.items() if size_micro > 0}

    def _add(self, place: Place, size_micro: int) -> list[Fill]:
        """Others quote more; what of it crosses an order of ours trades with it first."""
        bid, up_micro = place
        wish = Wish(self._stranger(), CROWD, "Up", "BUY" if bid else "SELL", up_micro, size_micro)
        fills = self._ours(self._book.place(wish).fills)
        met_micro = sum(fill.size_micro for fill in fills)
        if met_micro:
            self._taken[place] = self._taken.get(place, 0) + met_micro
        return fills

    def _in_sight(self, place: Place) -> bool:
        """Whether a level would have been recorded if anybody stood there."""
        if self.seen is None:
            return False
        bid, up_micro = place
        levels = self.seen.bids if bid == (self.seen.outcome == "Up") else self.seen.asks
        if len(levels) < DEPTH:
            return True
        worst_micro = in_up(self.seen.outcome, levels[-1].price_micro)
        return up_micro >= worst_micro if bid else up_micro <= worst_micro

    # --- our own orders ---------------------------------------------------------------------------------------------

    def _wait_outside(self, wish: Wish, open_micro: int) -> None:
        self._book.cancel(wish.order_id)
        self._outside[wish.order_id] = Wish(
            wish.order_id, wish.account, wish.outcome, wish.side, wish.price_micro, open_micro
        )

    def _let_in(self) -> None:
        """Orders whose price has come in sight join there, behind all that shows."""
        for wish in [w for w in self._outside.values() if self._in_sight((w.bid, w.up_micro))]:
            del self._outside[wish.order_id]
            self._book.restore(wish, wish.size_micro)

    def _ours(self, fills: tuple[Fill, ...]) -> list[Fill]:
        own = [fill for fill in fills if fill.account == US]
        for fill in own:
            if not fill.open_micro:
                self._mine.pop(fill.maker_id, None)
        return own

    def _note_taken(self, wish: Wish, fills: tuple[Fill, ...]) -> None:
        for fill in fills:
            place = (not wish.bid, fill.up_micro)
            self._taken[place] = self._taken.get(place, 0) + fill.size_micro

    def _already_shown(self, place: Place, size_micro: int, at_ns: int) -> int:
        """How much of a trade the newest books may have shown already, by having less at its price."""
        gone_micro, gone_ns = self._gone.pop(place, (0, 0))
        if at_ns - gone_ns > TRADE_LATE_NS:
            return 0
        shown_micro = min(gone_micro, size_micro)
        if gone_micro > shown_micro:
            self._gone[place] = (gone_micro - shown_micro, gone_ns)
        return shown_micro

    def _stranger(self) -> str:
        return f"{next(self._strangers)}"
