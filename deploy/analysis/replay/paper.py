"""An account on paper: a release's wishes become orders in the recorded books, and what they would have moved.

What the desk and the venue do to an order happens here in market time: it travels, a taker sits out the market's own
delay, it is refused, rests, fills, is cancelled, and its window pays. Fees, tick and minimum are the recorded terms'.
Leaves matching to `pit`, sums to `holdings`, and which release wishes to others. What always holds: an order never
spends more than the account has free, nor sells what it does not hold; nothing of an order that is over fills.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Final

from msgspec import structs

from deploy.analysis.replay.holdings import Fill, Holdings, Window
from deploy.analysis.replay.pit import US, Pit
from deploy.rehearsal import matching
from deploy.rehearsal.accounts import taker_fee
from deploy.rehearsal.days import Fee
from shared import messages as m
from shared.units import MICRO

TRAVEL_MS: Final = 50
"""Market time from a decision to the venue, for orders and cancels: ten times what a nearby machine needs."""
MARKETABLE_MIN_MICRO: Final = MICRO
"""The least a buy that trades at once is worth."""
INTENTS_MAX: Final = 8
"""Wishes of one decision that are looked at."""
OUTCOMES: Final[tuple[m.Outcome, m.Outcome]] = ("Up", "Down")
_MS: Final = 1_000_000
_IMMEDIATE: Final = frozenset({"FAK", "FOK"})


@dataclass(slots=True)
class Order:
    """One order on paper, from the wish on. `state` as a worker is shown it."""

    order_id: str
    window: Window
    wish: m.Place
    state: m.OrderState = "pending"
    filled_micro: int = 0
    cancelled: bool = False

    @property
    def open_micro(self) -> int:
        """Shares that may still fill."""
        return self.wish.size_micro - self.filled_micro

    @property
    def reserved_micro(self) -> int:
        """Collateral it may still take."""
        return self.open_micro * self.wish.price_micro // MICRO if self.wish.side == "BUY" else 0


@dataclass(slots=True)
class Paper:
    """Args: holdings: where fills go. name: begins every order's id. `told`: hears of each fill, with its moment."""

    holdings: Holdings
    name: str
    told: Callable[[int, Fill], None]
    orders: dict[str, Order] = field(default_factory=dict)
    placed: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    _pits: dict[Window, Pit] = field(default_factory=dict)
    _due: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)
    _version: int = 1

    # --- time and the market ----------------------------------------------------------------------------------------

    def pass_time(self, at_ns: int) -> None:
        """Let everything happen that is due before a moment, each at its own, against the books as they were then."""
        while self._due and self._due[0][0] <= at_ns:
            due_ns, _, act = heappop(self._due)
            act(due_ns)

    def see(self, at_ns: int, event: m.Event) -> None:
        """The market moved."""
        act = _SEEN.get(type(event))
        if act is not None:
            act(self, at_ns, event)

    def _opened(self, at_ns: int, event: m.WindowOpened) -> None:
        self._pits.setdefault((event.slot, event.start_s), Pit(event.terms)).terms = event.terms

    def _tick_size(self, at_ns: int, event: m.TickSizeSet) -> None:
        pit = self._pits.get((event.slot, event.start_s))
        if pit is not None:
            pit.terms = structs.replace(pit.terms, tick_micro=event.tick_micro)

    def _book(self, at_ns: int, event: m.BookSeen) -> None:
        pit = self._pits.get((event.slot, event.start_s))
        if pit is not None:
            self._as_maker(at_ns, pit.show(event, at_ns))

    def _trade(self, at_ns: int, event: m.TradeSeen) -> None:
        pit = self._pits.get((event.slot, event.start_s))
        if pit is not None:
            self._as_maker(at_ns, pit.trade(event, at_ns))

    def _keyframe(self, at_ns: int, event: m.Keyframe) -> None:
        """Where the tape begins in the middle of a window, this is all that tells of it."""
        for known in event.events:
            if isinstance(known, m.WindowOpened) and (known.slot, known.start_s) not in self._pits:
                self._opened(at_ns, known)
            elif isinstance(known, m.BookSeen) and self._pits[known.slot, known.start_s].seen is None:
                self._book(at_ns, known)

    def _closed(self, at_ns: int, event: m.WindowClosed) -> None:
        """The venue takes every order of a window out when it ends."""
        window = event.slot, event.start_s
        pit = self._pits.pop(window, None)
        if pit is not None:
            pit.over = True
        for order in [order for order in self.orders.values() if order.window == window]:
            self._close(order)

    # --- what the worker sees and wishes ----------------------------------------------------------------------------

    def shown(self, tick: m.Tick) -> m.Tick:
        """The tick as the release would have been shown it, had this been its account."""
        window = tick.slot, tick.start_s
        held = [(outcome, self.holdings.positions.get((*window, outcome))) for outcome in OUTCOMES]
        account = m.Account(
            ledger_version=self._version,
            cash_micro=self.holdings.cash_micro,
            exposure_micro=sum(p.cost_micro for p in self.holdings.positions.values()) + self._reserved(),
            positions=tuple(m.PositionView(o, p.size_micro, p.cost_micro) for o, p in held if p and p.size_micro),
            orders=tuple(_view(order) for order in self.orders.values() if order.window == window),
        )
        return structs.replace(tick, account=account)

    def decided(self, at_ns: int, seq: int, tick: m.Tick, decision: m.Decision) -> None:
        """Let a decision's wishes leave."""
        for leg, wish in enumerate(decision.intents[:INTENTS_MAX]):
            if isinstance(wish, m.Cancel):
                self._later(at_ns + TRAVEL_MS * _MS, self._cancel, wish.order_id)
            else:
                self._place(at_ns, f"{self.name}-{seq}-{leg}", tick, wish)

    def _place(self, at_ns: int, order_id: str, tick: m.Tick, wish: m.Place) -> None:
        if tick.entries and wish.side == "BUY":
            self._refuse(f"entries closed: {tick.entries}")
            return
        order = self.orders[order_id] = Order(order_id, (tick.slot, tick.start_s), wish)
        self._version += 1
        self._later(at_ns + TRAVEL_MS * _MS, self._arrive, order)

    # --- at the venue -----------------------------------------------------------------------------------------------

    def _arrive(self, at_ns: int, order: Order) -> None:
        """The venue looks at an order: it is refused, sits out the taker's delay, or rests at once."""
        pit = self._pits.get(order.window)
        why = self._why_not(order, pit, at_ns)
        if why or pit is None:
            self._refuse(why)
            self._close(order)
            return
        self.placed += 1
        if pit.crosses(_wish(order), at_ns) and pit.terms.taker_delay_ms:
            self._later(at_ns + pit.terms.taker_delay_ms * _MS, self._enter, order)
        else:
            self._enter(at_ns, order)

    def _why_not(self, order: Order, pit: Pit | None, at_ns: int) -> str:
        if pit is None or pit.seen is None or pit.seen.stale:
            return "no book"
        wish, terms = order.wish, pit.terms
        if wish.price_micro % terms.tick_micro or not terms.tick_micro <= wish.price_micro <= MICRO - terms.tick_micro:
            return "off the grid"
        crosses = pit.crosses(_wish(order), at_ns)
        if wish.post_only and crosses:
            return "post-only would trade"
        worth_micro = wish.size_micro * wish.price_micro // MICRO
        if crosses and wish.side == "BUY" and worth_micro < MARKETABLE_MIN_MICRO:
            return "below a dollar"
        if wish.kind not in _IMMEDIATE and wish.size_micro < terms.min_size_micro:
            return "below the minimum"
        return self._unaffordable(order, pit)

    def _unaffordable(self, order: Order, pit: Pit) -> str:
        """What the account lacks: shares to sell, or collateral for the price and the dearest fee."""
        wish, others = order.wish, [o for o in self.orders.values() if o is not order]
        if wish.side == "SELL":
            held = self.holdings.positions.get((*order.window, wish.outcome))
            same = (order.window, wish.outcome, "SELL")
            offered_micro = sum(o.open_micro for o in others if (o.window, o.wish.outcome, o.wish.side) == same)
            free_micro = (held.size_micro if held else 0) - offered_micro
            return "" if wish.size_micro <= free_micro else "no shares"
        fee_micro = taker_fee(wish.size_micro, wish.price_micro, _fee(pit.terms))
        free_micro = self.holdings.cash_micro - sum(o.reserved_micro for o in others)
        return "" if order.reserved_micro + fee_micro <= free_micro else "no balance"

    def _enter(self, at_ns: int, order: Order) -> None:
        pit = self._pits.get(order.window)
        if pit is None or order.cancelled:
            self._close(order)
            return
        matched = pit.place(_wish(order), at_ns)
        for fill in matched.fills:
            price_micro = matching.in_up(order.wish.outcome, fill.up_micro)
            fee_micro = taker_fee(fill.size_micro, price_micro, _fee(pit.terms))
            self._filled(at_ns, order, price_micro, fill.size_micro, fee_micro)
        if matched.rested_micro:
            order.state = "open"
        else:
            self._close(order)

    def _as_maker(self, at_ns: int, fills: list[matching.Fill]) -> None:
        for fill in fills:
            order = self.orders[fill.maker_id]
            self._filled(at_ns, order, order.wish.price_micro, fill.size_micro, 0)
            if not fill.open_micro:
                self._close(order)

    def _filled(self, at_ns: int, order: Order, price_micro: int, size_micro: int, fee_micro: int) -> None:
        order.filled_micro += size_micro
        self._version += 1
        wish = order.wish
        fill = Fill(order.order_id, order.window, wish.outcome, wish.side, price_micro, size_micro, fee_micro)
        self.holdings.fill(fill)
        self.told(at_ns, fill)

    def _cancel(self, at_ns: int, order_id: str) -> None:
        order = self.orders.get(order_id)
        pit = self._pits.get(order.window) if order is not None else None
        if order is None:
            return
        if order.state == "open" and pit is not None:
            pit.cancel(order_id)
            self._close(order)
        else:
            order.cancelled = True

    # --- small things -----------------------------------------------------------------------------------------------

    def _close(self, order: Order) -> None:
        order.cancelled = True
        self._version += self.orders.pop(order.order_id, None) is not None

    def _refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1

    def _reserved(self) -> int:
        return sum(order.reserved_micro for order in self.orders.values())

    def _later(self, due_ns: int, act: Callable[..., None], about: Order | str) -> None:
        heappush(self._due, (due_ns, next(self._number), lambda at_ns: act(at_ns, about)))


def _wish(order: Order) -> matching.Wish:
    """The order in the venue's terms: an immediate buy spends dollars, as it is signed."""
    wish, immediate = order.wish, order.wish.kind in _IMMEDIATE
    spend_micro = wish.size_micro * wish.price_micro // MICRO if immediate and wish.side == "BUY" else None
    return matching.Wish(
        order_id=order.order_id,
        account=US,
        outcome=wish.outcome,
        side=wish.side,
        price_micro=wish.price_micro,
        size_micro=wish.size_micro,
        kind=wish.kind,
        spend_micro=spend_micro,
    )


def _view(order: Order) -> m.OrderView:
    wish = order.wish
    return m.OrderView(order.order_id, wish.outcome, wish.side, wish.price_micro, max(0, order.open_micro), order.state)


def _fee(terms: m.Terms) -> Fee:
    return Fee(terms.fee_rate_micro, terms.fee_exponent)


_SEEN: Final[dict[type, Callable[..., None]]] = {
    m.WindowOpened: Paper._opened,
    m.TickSizeSet: Paper._tick_size,
    m.BookSeen: Paper._book,
    m.TradeSeen: Paper._trade,
    m.WindowClosed: Paper._closed,
    m.Keyframe: Paper._keyframe,
}
