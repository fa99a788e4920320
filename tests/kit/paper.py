"""A toy venue for one strategy: what it wishes is matched against the made-up books, and every rule is watched.

Orders are acknowledged a second after they were wished for (until then they are `pending`), bids fill when the ask
comes down to them, offers when the bid comes up. No queue, no depth: it is there to exercise a strategy, not to judge
its profit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.messages import (
    Account,
    BookSeen,
    Cancel,
    Decision,
    OrderView,
    Place,
    PositionView,
    Streamed,
    Terms,
    Tick,
    WindowClosed,
    WindowOpened,
)
from shared.units import MICRO, cost_of, taker_fee
from worker.reading import Reading

ACKNOWLEDGED_NS = 800_000_000
CENT_SHARE = 10_000


@dataclass
class Held:
    """What is held of one token."""

    size: int = 0
    cost: int = 0


@dataclass
class Paper:
    """The toy venue's memory of one desk. Bounds: what the strategy promised for one window."""

    stake_micro: int
    orders_max: int
    fills: int = 0
    ticks: int = 0
    rested_ticks: int = 0
    busy_ticks: int = 0
    placed: int = 0
    cancelled: int = 0
    broken: list[str] = field(default_factory=list)
    trail: list[tuple[int, str, int]] = field(default_factory=list)
    terms: dict[tuple[str, int], Terms] = field(default_factory=dict)
    books: dict[tuple[str, int, str], BookSeen] = field(default_factory=dict)
    orders: dict[str, tuple[str, int, int, OrderView]] = field(default_factory=dict)
    held: dict[tuple[str, int, str], Held] = field(default_factory=dict)
    most_cost: int = 0
    number: int = 0

    def account(self, slot: str, start_s: int) -> Account:
        """What a tick tells of a window."""
        orders = tuple(order for lane, start, _, order in self.orders.values() if (lane, start) == (slot, start_s))
        positions = tuple(
            PositionView(outcome, held.size, held.cost)  # type: ignore[arg-type]
            for (lane, start, outcome), held in sorted(self.held.items())
            if (lane, start) == (slot, start_s) and held.size
        )
        return Account(1, 1_000_000_000, 0, positions, orders)

    def watch(self, reading: Reading, frame: Streamed) -> None:
        """Every frame of the made-up market passes here; a tick is answered and its wishes carried out."""
        reading.fold(frame)
        event = frame.event
        if isinstance(event, WindowOpened):
            self.terms[event.slot, event.start_s] = event.terms
        elif isinstance(event, WindowClosed):
            self._close(event)
        elif isinstance(event, BookSeen):
            self.books[event.slot, event.start_s, event.outcome] = event
            self._match(event)
        elif isinstance(event, Tick):
            self._carry_out(event, reading.answer(event), frame.at_ns)

    def _close(self, event: WindowClosed) -> None:
        self.orders = {k: o for k, o in self.orders.items() if o[:2] != (event.slot, event.start_s)}
        self.held = {k: h for k, h in self.held.items() if k[:2] != (event.slot, event.start_s)}

    def _carry_out(self, tick: Tick, decision: Decision, at_ns: int) -> None:
        self._note(tick, decision)
        for intent in decision.intents:
            if isinstance(intent, Cancel):
                self._cancel(tick, intent)
            else:
                self._place(tick, intent, at_ns)
        self._acknowledge(at_ns)

    def _note(self, tick: Tick, decision: Decision) -> None:
        """Rules that hold for a decision as a whole, and how the time is spent."""
        rests = any(order.state == "open" for order in tick.account.orders)
        self.ticks, self.rested_ticks = self.ticks + 1, self.rested_ticks + rests
        self.busy_ticks += rests or bool(tick.account.positions)
        places = [intent for intent in decision.intents if isinstance(intent, Place)]
        self._rule(not (tick.entries and any(p.side == "BUY" for p in places)), "an entry although entries are closed")
        self._rule("verdict" in decision.reasons, "no verdict")
        self._rule(all(type(v) in (int, str) for v in decision.reasons.values()), "a reason that is no int or text")
        resting = {order.order_id for order in tick.account.orders}
        gone = {intent.order_id for intent in decision.intents if isinstance(intent, Cancel)}
        self._rule(len(resting - gone) + len(places) <= self.orders_max, "too many orders")

    def _cancel(self, tick: Tick, intent: Cancel) -> None:
        order = self.orders.get(intent.order_id)
        self._rule(order is not None and order[3].state == "open", "a cancel of an order that is not open")
        self.cancelled += 1
        self.orders.pop(intent.order_id, None)

    def _place(self, tick: Tick, place: Place, at_ns: int) -> None:
        terms = self.terms[tick.slot, tick.start_s]
        self.placed, self.number = self.placed + 1, self.number + 1
        self.trail.append((tick.tick, place.side, place.price_micro))
        self._rule(place.price_micro % terms.tick_micro == 0, f"price {place.price_micro} is off the grid")
        self._rule(terms.tick_micro <= place.price_micro <= MICRO - terms.tick_micro, "price at or beyond 0 or 1")
        self._rule(place.size_micro >= terms.min_size_micro, f"size {place.size_micro} is below the minimum")
        self._rule(place.size_micro % CENT_SHARE == 0, f"size {place.size_micro} is no hundredth")
        order = OrderView(
            f"0x{self.number:064x}", place.outcome, place.side, place.price_micro, place.size_micro, "pending"
        )
        book = self.books[tick.slot, tick.start_s, place.outcome]
        if place.kind == "GTC":
            self._rule(place.post_only and not _crosses(order, book), "a resting order that would take")
            self.orders[order.order_id] = (tick.slot, tick.start_s, at_ns, order)
        elif _crosses(order, book):
            self._fill(tick.slot, tick.start_s, order, taking=True)
        self._spent(tick)

    def _acknowledge(self, at_ns: int) -> None:
        for key, (slot, start_s, wished_ns, order) in list(self.orders.items()):
            if order.state == "pending" and at_ns - wished_ns >= ACKNOWLEDGED_NS:
                self.orders[key] = (slot, start_s, wished_ns, _opened(order))

    def _match(self, book: BookSeen) -> None:
        for key, (slot, start_s, _, order) in list(self.orders.items()):
            if (slot, start_s, order.outcome) == (book.slot, book.start_s, book.outcome) and _crosses(order, book):
                del self.orders[key]
                self._fill(slot, start_s, order, taking=False)

    def _fill(self, slot: str, start_s: int, order: OrderView, *, taking: bool) -> None:
        terms = self.terms[slot, start_s]
        held = self.held.setdefault((slot, start_s, order.outcome), Held())
        money = cost_of(order.open_micro, order.price_micro)
        rate = terms.fee_rate_micro if taking else 0
        fee = taker_fee(order.open_micro, order.price_micro, rate, terms.fee_exponent)
        self.fills += 1
        if order.side == "BUY":
            held.size, held.cost = held.size + order.open_micro, held.cost + money + fee
        else:
            self._rule(held.size >= order.open_micro, "sold what is not held")
            part = held.cost * order.open_micro // held.size if held.size else 0
            held.size, held.cost = held.size - order.open_micro, held.cost - part

    def _spent(self, tick: Tick) -> None:
        account = self.account(tick.slot, tick.start_s)
        bids = sum(cost_of(o.open_micro, o.price_micro) for o in account.orders if o.side == "BUY")
        cost = bids + sum(position.cost_micro for position in account.positions)
        self.most_cost = max(self.most_cost, cost)
        self._rule(cost <= self.stake_micro, f"{cost} millionths in one window")
        for outcome in ("Up", "Down"):
            offered = sum(o.open_micro for o in account.orders if (o.side, o.outcome) == ("SELL", outcome))
            held = self.held.get((tick.slot, tick.start_s, outcome), Held()).size
            self._rule(offered <= held, "more offered than held")

    def _rule(self, kept: bool, what: str) -> None:
        if not kept:
            self.broken.append(what)


def broken_rules(paper: Paper) -> list[str]:
    """Every rule that was broken, each once."""
    return sorted(set(paper.broken))


def _crosses(order: OrderView, book: BookSeen) -> bool:
    if order.side == "BUY":
        return bool(book.asks) and order.price_micro >= book.asks[0].price_micro
    return bool(book.bids) and order.price_micro <= book.bids[0].price_micro


def _opened(order: OrderView) -> OrderView:
    return OrderView(order.order_id, order.outcome, order.side, order.price_micro, order.open_micro, "open")
