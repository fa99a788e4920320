"""One market as the exchange holds it: its book, its tick, what traded, and the views of it that others are shown.

Leaves the rules - who may trade, when it closes, how it ends - to the exchange. What always holds: both tokens' views
come from the one book, so they mirror each other exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from deploy.rehearsal import gamma
from deploy.rehearsal.days import Listing, Outcome, Settled
from deploy.rehearsal.matching import Book, Side, collateral_of, in_up
from deploy.rehearsal.prints import Prints
from deploy.rehearsal.protocol import BookView, LevelChange
from deploy.rehearsal.quantities import MICRO, text_of

OUTCOMES: Final[tuple[Outcome, Outcome]] = ("Up", "Down")


@dataclass(slots=True)
class Market:
    """One market. last_up_micro: the last trade's price in Up terms. number: trades so far, ever growing.

    over: its window ended, nothing may trade any more. settled: how it resolved, once it did.
    """

    listing: Listing
    tick_micro: int
    book: Book = field(default_factory=Book)
    last_up_micro: int | None = None
    volume_micro: int = 0
    number: int = 0
    prints: Prints = field(default_factory=Prints)
    over: bool = False
    settled: Settled | None = None
    closed_ms: int | None = None

    def outcome_of(self, token_id: str) -> Outcome:
        """Which outcome a token of this market is."""
        return "Up" if token_id == self.listing.up_token else "Down"

    def view(self, outcome: Outcome, at_ms: int) -> BookView:
        """One token's book."""
        bids, asks = self.book.levels(outcome)
        return BookView(
            condition_id=self.listing.condition_id,
            token_id=self.listing.token(outcome),
            at_ms=at_ms,
            bids=bids,
            asks=asks,
            min_size_micro=self.listing.min_size_micro,
            tick_micro=self.tick_micro,
            last_trade=self.last_trade(outcome),
            version=self.listing.version,
        )

    def last_trade(self, outcome: Outcome) -> str:
        """The last trade's price in one token's terms, blank before the first."""
        return "" if self.last_up_micro is None else text_of(in_up(outcome, self.last_up_micro))

    def best(self, outcome: Outcome, side: Side) -> int | None:
        """The best price of one side of one token's book."""
        up_micro = self.book.best((side == "BUY") == (outcome == "Up"))
        return None if up_micro is None else in_up(outcome, up_micro)

    def changes(self, touched: Iterable[tuple[bool, int]]) -> list[LevelChange]:
        """Changed levels, each told for both tokens."""
        found = []
        for bid, up_micro in touched:
            size_micro = self.book.size_at(bid, up_micro)
            for outcome in OUTCOMES:
                side: Side = "BUY" if bid == (outcome == "Up") else "SELL"
                found.append(LevelChange(self.listing.token(outcome), side, in_up(outcome, up_micro), size_micro))
        return found

    def traded(self, up_micro: int, size_micro: int, taker_price_micro: int) -> int:
        """Note a trade; its number in this market."""
        self.last_up_micro = up_micro
        self.volume_micro += collateral_of(size_micro, taker_price_micro)
        self.number += 1
        return self.number

    def shown(self, at_ms: int, accepting: bool) -> gamma.Shown:
        """What the catalogue says of it."""
        return gamma.Shown(
            at_ms=at_ms,
            accepting=accepting,
            tick_micro=self.tick_micro,
            bid_micro=self.book.best(True),
            ask_micro=self.book.best(False),
            last_micro=self.last_up_micro,
            volume_micro=self.volume_micro,
            liquidity_micro=self._liquidity(),
            settled=self.settled,
            closed_ms=self.closed_ms,
        )

    def _liquidity(self) -> int:
        """Dollars that rest: what bids offer, and what asks would cost."""
        bids, asks = self.book.levels("Up")
        return sum(price * size for price, size in (*bids, *asks)) // MICRO
