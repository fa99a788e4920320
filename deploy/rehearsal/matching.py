"""One market's book: price, then time. It is kept in Up terms, so minting and merging need no rule of their own.

To buy Down at q is to sell Up at 1-q: such an order rests among the asks, and whoever buys Up at that price mints a
pair with it. Each token's book is a view of the same orders, the other one mirrored. Leaves money, fees and messages
to others. What always holds: makers trade at their own price, oldest first at a price; shares bought equal shares sold
or minted; orders of different accounts never cross. Sizes and prices are millionths; a price lies strictly between 0
and 1_000_000.

Two readings of the facts, decided here. An account's order skips the account's own resting orders (production's rule is
not known; skipping trades nothing with oneself and cancels nothing), so one account's own orders may cross each other.
An immediate BUY spends dollars: recorded fills come out at a round number of dollars, not of shares, so it
takes what the money buys at the makers' prices, which may be more shares than it signed for at its limit.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from deploy.rehearsal.days import Outcome
from deploy.rehearsal.quantities import MICRO

Side = Literal["BUY", "SELL"]
Kind = Literal["GTC", "GTD", "FAK", "FOK"]
IMMEDIATE: Final = frozenset({"FAK", "FOK"})
CROWD: Final = ""
"""The account of everybody who is not a client; its orders do match one another."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as it enters the book, in the terms of its own token.

    spend_micro: dollars to spend, for an immediate BUY; None makes `size_micro` shares the measure.
    """

    order_id: str
    account: str
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int
    kind: Kind = "GTC"
    spend_micro: int | None = None

    @property
    def bid(self) -> bool:
        """Whether it wants Up to be cheap: it buys Up or sells Down."""
        return (self.side == "BUY") == (self.outcome == "Up")

    @property
    def up_micro(self) -> int:
        """Its limit in Up terms."""
        return in_up(self.outcome, self.price_micro)


@dataclass(slots=True)
class Resting:
    """An order in the book. up_micro: its price in Up terms. open_micro: what of it may still fill."""

    order_id: str
    account: str
    outcome: Outcome
    side: Side
    up_micro: int
    open_micro: int

    @property
    def price_micro(self) -> int:
        """Its price in the terms of its own token."""
        return in_up(self.outcome, self.up_micro)

    @property
    def bid(self) -> bool:
        """Whether it rests among the bids for Up."""
        return (self.side == "BUY") == (self.outcome == "Up")


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of a resting order that traded; `open_micro` is what is left of the maker."""

    maker_id: str
    account: str
    outcome: Outcome
    side: Side
    up_micro: int
    size_micro: int
    open_micro: int

    @property
    def price_micro(self) -> int:
        """The price in the maker's own terms."""
        return in_up(self.outcome, self.up_micro)


@dataclass(frozen=True, slots=True)
class Matched:
    """What became of a wish. killed_micro: shares (of `size_micro`) that neither filled nor rest."""

    fills: tuple[Fill, ...]
    rested_micro: int
    killed_micro: int

    @property
    def filled_micro(self) -> int:
        """Shares that traded."""
        return sum(fill.size_micro for fill in self.fills)


def in_up(outcome: Outcome, price_micro: int) -> int:
    """A price of one token in terms of Up, and back again: the mapping is its own inverse."""
    return price_micro if outcome == "Up" else MICRO - price_micro


def collateral_of(size_micro: int, price_micro: int) -> int:
    """Dollars (millionths) that change hands for shares at a price, rounded down."""
    return size_micro * price_micro // MICRO


@dataclass(slots=True)
class _Level:
    orders: deque[Resting] = field(default_factory=deque)
    total_micro: int = 0
    crowd_micro: int = 0


class _Half:
    """The bids or the asks: levels by price, and their prices in rising order."""

    def __init__(self) -> None:
        self.levels: dict[int, _Level] = {}
        self.prices: list[int] = []

    def add(self, order: Resting) -> None:
        level = self.levels.get(order.up_micro)
        if level is None:
            level = self.levels[order.up_micro] = _Level()
            insort(self.prices, order.up_micro)
        level.orders.append(order)
        level.total_micro += order.open_micro
        if order.account == CROWD:
            level.crowd_micro += order.open_micro

    def reduce(self, order: Resting, size_micro: int) -> None:
        level = self.levels[order.up_micro]
        order.open_micro -= size_micro
        level.total_micro -= size_micro
        if order.account == CROWD:
            level.crowd_micro -= size_micro
        if order.open_micro == 0:
            level.orders.remove(order)
        if not level.orders:
            del self.levels[order.up_micro]
            del self.prices[bisect_left(self.prices, order.up_micro)]


@dataclass(slots=True)
class _Plan:
    """What a wish would take: pairs of resting order and size, in order; whether it is wholly satisfied."""

    takes: list[tuple[Resting, int]]
    full: bool


class Book:
    """One market's orders. Every change is remembered until `drain` tells it."""

    def __init__(self) -> None:
        self._bids = _Half()
        self._asks = _Half()
        self._orders: dict[str, Resting] = {}
        self._touched: dict[tuple[bool, int], None] = {}

    def place(self, wish: Wish) -> Matched:
        """Match a wish against the other side, then rest, or kill, what is left of it.

        A FOK that cannot be satisfied wholly changes nothing. The order id must be new to this book.
        """
        plan = self._plan(wish)
        if wish.kind == "FOK" and not plan.full:
            return Matched((), 0, wish.size_micro)
        fills = tuple(self._take(resting, size_micro) for resting, size_micro in plan.takes)
        left = 0 if plan.full else max(0, wish.size_micro - sum(fill.size_micro for fill in fills))
        if wish.kind in IMMEDIATE:
            return Matched(fills, 0, left)
        self._rest(wish, left)
        return Matched(fills, left, 0)

    def restore(self, wish: Wish, open_micro: int) -> None:
        """Rest an order that was here before a restart, last in its queue; the crowd's orders it crosses go."""
        for order in [order for order in self._opposite(wish) if order.account == CROWD]:
            self._reduce(order, order.open_micro)
        self._rest(wish, open_micro)

    def crosses(self, wish: Wish) -> bool:
        """Whether a wish would trade at once."""
        return any(True for _ in self._opposite(wish))

    def cancel(self, order_id: str) -> int:
        """Take an order out; the shares that were still open, 0 when it is not here."""
        order = self._orders.get(order_id)
        return self._reduce(order, order.open_micro) if order else 0

    def trim(self, bid: bool, up_micro: int, size_micro: int) -> None:
        """Take that much of the crowd's size away at a price, newest first: nobody's place in the queue gets better."""
        level = self._half(bid).levels.get(up_micro)
        for order in reversed(list(level.orders) if level else []):
            if size_micro <= 0:
                return
            if order.account == CROWD:
                size_micro -= self._reduce(order, min(size_micro, order.open_micro))

    def crowd(self) -> dict[tuple[bool, int], int]:
        """Shares of the crowd by (is it a bid, price in Up terms), where it has any."""
        halves = ((True, self._bids), (False, self._asks))
        return {
            (bid, price): level.crowd_micro
            for bid, half in halves
            for price, level in half.levels.items()
            if level.crowd_micro
        }

    def prices(self, bid: bool) -> list[int]:
        """The prices of one side that have orders, in Up terms, rising."""
        return list(self._half(bid).prices)

    def best(self, bid: bool) -> int | None:
        """The best price of one side in Up terms."""
        prices = self._half(bid).prices
        return (prices[-1] if bid else prices[0]) if prices else None

    def levels(self, outcome: Outcome) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """One token's bids and asks as (price, size), the best level last, the way the venue lists them."""
        if outcome == "Up":
            return _listed(self._bids, False), _listed(self._asks, True)
        mirrored = _listed(self._asks, True), _listed(self._bids, False)
        bids, asks = ([(MICRO - price, size) for price, size in half] for half in mirrored)
        return bids, asks

    def size_at(self, bid: bool, up_micro: int) -> int:
        """Shares that rest at a price; 0 when there are none."""
        level = self._half(bid).levels.get(up_micro)
        return level.total_micro if level else 0

    def orders(self) -> list[Resting]:
        """Everything that rests."""
        return list(self._orders.values())

    def drain(self) -> list[tuple[bool, int]]:
        """Levels (side, price) whose size changed since the last call, each once, in the order they first changed."""
        touched, self._touched = list(self._touched), {}
        return touched

    def _half(self, bid: bool) -> _Half:
        return self._bids if bid else self._asks

    def _opposite(self, wish: Wish) -> Iterator[Resting]:
        """Orders a wish may trade with, in the order it has to."""
        half, limit = self._half(not wish.bid), wish.up_micro
        for price in reversed(half.prices) if not wish.bid else half.prices:
            if (price > limit) if wish.bid else (price < limit):
                return
            yield from (order for order in half.levels[price].orders if _may_match(wish.account, order.account))

    def _plan(self, wish: Wish) -> _Plan:
        if wish.spend_micro is not None:
            return _plan_spending(wish, wish.spend_micro, self._opposite(wish))
        takes: list[tuple[Resting, int]] = []
        wanted = wish.size_micro
        for order in self._opposite(wish):
            size_micro = min(wanted, order.open_micro)
            takes.append((order, size_micro))
            wanted -= size_micro
            if not wanted:
                return _Plan(takes, True)
        return _Plan(takes, False)

    def _take(self, order: Resting, size_micro: int) -> Fill:
        self._reduce(order, size_micro)
        return Fill(
            order.order_id, order.account, order.outcome, order.side, order.up_micro, size_micro, order.open_micro
        )

    def _rest(self, wish: Wish, size_micro: int) -> None:
        if size_micro:
            order = Resting(wish.order_id, wish.account, wish.outcome, wish.side, wish.up_micro, size_micro)
            self._orders[order.order_id] = order
            self._half(order.bid).add(order)
            self._touched[order.bid, order.up_micro] = None

    def _reduce(self, order: Resting, size_micro: int) -> int:
        self._half(order.bid).reduce(order, size_micro)
        self._touched[order.bid, order.up_micro] = None
        if order.open_micro == 0:
            del self._orders[order.order_id]
        return size_micro


def _may_match(taker: str, maker: str) -> bool:
    return taker == CROWD or taker != maker


def _plan_spending(wish: Wish, spend_micro: int, makers: Iterable[Resting]) -> _Plan:
    """Spend dollars level by level; the shares of one level cost `collateral_of` their sum, as its one trade will."""
    takes: list[tuple[Resting, int]] = []
    level_micro, taken_micro = -1, 0
    for order in makers:
        if order.up_micro != level_micro:
            spend_micro -= collateral_of(taken_micro, in_up(wish.outcome, level_micro)) if taken_micro else 0
            level_micro, taken_micro = order.up_micro, 0
        affordable = spend_micro * MICRO // in_up(wish.outcome, level_micro) - taken_micro
        if affordable > 0:
            takes.append((order, min(affordable, order.open_micro)))
            taken_micro += takes[-1][1]
        if affordable <= order.open_micro:
            return _Plan(takes, True)
    return _Plan(takes, False)


def _listed(half: _Half, falling: bool) -> list[tuple[int, int]]:
    prices = reversed(half.prices) if falling else half.prices
    return [(price, half.levels[price].total_micro) for price in prices]
