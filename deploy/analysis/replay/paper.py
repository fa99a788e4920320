"""An account on paper: a release's wishes become orders in the recorded books, and what they would have moved.

What the desk and the venue do to an order happens here in market time: it is judged by the desk's own risk, travels, a
taker sits out the market's own delay, it is refused, rests, fills, is cancelled, and its window pays. Fees, tick and
minimum are the recorded terms'. Leaves the caps to `shared.risk`, what is open to `ledger`, matching to `pit`, sums to
`holdings`, and which release wishes to others. What always holds: what the desk would have denied does not trade; an
order never spends more than the account has free, nor sells what it does not hold; nothing of one that is over fills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Final

from msgspec import structs

from deploy.analysis.replay.holdings import Fill, Holdings, Window
from deploy.analysis.replay.job import DEFAULTS, Caps, limits_at
from deploy.analysis.replay.ledger import Ledger, Order, sent
from deploy.analysis.replay.pit import US, Pit
from deploy.rehearsal import matching
from deploy.rehearsal.accounts import taker_fee
from deploy.rehearsal.days import Fee
from shared import messages as m
from shared.amounts import MIN_IMMEDIATE_MICRO
from shared.clock import NS
from shared.exposure import Conditions, judge, judge_cancel, judge_successor
from shared.risk import HALTS, INTENTS_MAX, Best, Denied, quote
from shared.slots import parse_slot
from shared.units import MICRO

TRAVEL_MS: Final = 50
"""Market time from a decision to the venue, for orders and cancels: ten times what a nearby machine needs."""
_MS: Final = 1_000_000
_IMMEDIATE: Final = frozenset({"FAK", "FOK"})


@dataclass(slots=True)
class Paper:
    """Args: holdings: where fills go. name: begins every order's id. `told`: hears of each fill, with its moment.

    caps: the desk's, since when each. placed: orders that the venue took. denied: wishes that the desk would not have
    sent, by its reason; rejected: orders that the venue would not have taken, by what is wrong with them.
    """

    holdings: Holdings
    name: str
    told: Callable[[int, Fill], None]
    caps: tuple[Caps, ...] = DEFAULTS
    ledger: Ledger = field(init=False)
    placed: int = 0
    denied: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    _pits: dict[Window, Pit] = field(default_factory=dict)
    _books: dict[tuple[str, int, m.Outcome], m.BookSeen] = field(default_factory=dict)
    _cancelling: set[str] = field(default_factory=set)
    _sent_ns: deque[int] = field(default_factory=deque)
    _cancelled_ns: deque[int] = field(default_factory=deque)
    _due: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)
    _version: int = 1

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.holdings)

    @property
    def orders(self) -> dict[str, Order]:
        """Orders that are not over, by their id."""
        return self.ledger.orders

    # --- time and the market ----------------------------------------------------------------------------------------

    def pass_time(self, at_ns: int) -> None:
        """Let everything happen that is due before a moment, each at its own, against the books as they were then."""
        while self._due and self._due[0][0] <= at_ns:
            due_ns, _, act = heappop(self._due)
            self.holdings.turn_day(due_ns)
            act(due_ns)
        self.holdings.turn_day(at_ns)

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
            self._books[event.slot, event.start_s, event.outcome] = event
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
            elif isinstance(known, m.BookSeen) and (known.slot, known.start_s, known.outcome) not in self._books:
                self._book(at_ns, known)

    def _closed(self, at_ns: int, event: m.WindowClosed) -> None:
        """The venue takes every order of a window out when it ends."""
        window = event.slot, event.start_s
        pit = self._pits.pop(window, None)
        if pit is not None:
            pit.over = True
        for outcome in m.OUTCOMES:
            self._books.pop((*window, outcome), None)
        for order in [order for order in self.orders.values() if order.window == window]:
            self._close(order)

    # --- what the worker sees and wishes ----------------------------------------------------------------------------

    def shown(self, tick: m.Tick) -> m.Tick:
        """The tick as the release would have been shown it, had this been its account."""
        window = tick.slot, tick.start_s
        held = [(outcome, self.holdings.positions.get((*window, outcome))) for outcome in m.OUTCOMES]
        account = m.Account(
            ledger_version=self._version,
            cash_micro=self.holdings.cash_micro,
            exposure_micro=self.ledger.exposure(),
            positions=tuple(m.PositionView(o, p.size_micro, p.cost_micro) for o, p in held if p and p.size_micro),
            orders=tuple(_view(order) for order in self.orders.values() if order.window == window),
        )
        return structs.replace(tick, account=account)

    def decided(self, at_ns: int, seq: int, tick: m.Tick, decision: m.Decision) -> None:
        """Let a decision's wishes leave, as far as the desk would have let them."""
        stay: list[str] = []
        for leg, wish in enumerate(decision.intents):
            denied = self._judge(at_ns, tick, leg, wish, f"{self.name}-{seq}-{leg}", stay)
            if denied is not None:
                stay += [wish.order_id] if isinstance(wish, m.Cancel) else []
                _count(self.denied, denied.reason)

    def _judge(
        self, at_ns: int, tick: m.Tick, leg: int, wish: m.Intent, order_id: str, stay: list[str]
    ) -> Denied | None:
        """Send a wish, or say why the desk would not have; in the order in which it asks."""
        pit = self._pits.get((tick.slot, tick.start_s))
        follows = None
        if isinstance(wish, m.Place):
            follows = judge_successor(wish, {each: self.orders.get(each) for each in stay})
        if follows is not None:
            return follows
        if pit is None:
            return Denied("no_window", "the window closed meanwhile")
        if leg >= INTENTS_MAX:
            return Denied("too_many_intents", f"a decision may hold {INTENTS_MAX}")
        if isinstance(wish, m.Cancel):
            return self._send_cancel(at_ns, tick.slot, wish)
        return self._send_order(at_ns, tick, pit, wish, order_id)

    def _send_cancel(self, at_ns: int, slot: str, wish: m.Cancel) -> Denied | None:
        recent = _last_minute(self._cancelled_ns, at_ns)
        limits = limits_at(self.caps, at_ns)
        denied = judge_cancel(wish, slot, self.orders.get(wish.order_id), self._cancelling, recent, limits)
        if denied is None:
            self._cancelled_ns.append(at_ns)
            self._cancelling.add(wish.order_id)
            self._later(at_ns + TRAVEL_MS * _MS, self._cancel, wish.order_id)
        return denied

    def _send_order(self, at_ns: int, tick: m.Tick, pit: Pit, wish: m.Place, order_id: str) -> Denied | None:
        window, halted = (tick.slot, tick.start_s), tick.entries if tick.entries in HALTS else ""
        recent = _last_minute(self._sent_ns, at_ns)
        conditions = Conditions(limits_at(self.caps, at_ns), tick.entries, recent, halted)
        own, other = m.OUTCOMES if wish.outcome == "Up" else m.OUTCOMES[::-1]
        seen = quote(pit.terms, self._best(window, own), self._best(window, other))
        verdict = judge(wish, parse_slot(tick.slot), tick.start_s, seen, self.ledger, conditions)
        if isinstance(verdict, Denied):
            return verdict
        order = self.orders[order_id] = sent(order_id, window, verdict, pit.terms)
        self._version += 1
        self._sent_ns.append(at_ns)
        self._later(at_ns + TRAVEL_MS * _MS, self._arrive, order)
        return None

    def _best(self, window: Window, outcome: m.Outcome) -> Best:
        seen = self._books.get((*window, outcome))
        if seen is None:
            return Best(0, 0, "no snapshot yet")
        bid, ask = (side[0].price_micro if side else 0 for side in (seen.bids, seen.asks))
        return Best(bid, ask, "not to be believed" if seen.stale else "")

    # --- at the venue -----------------------------------------------------------------------------------------------

    def _arrive(self, at_ns: int, order: Order) -> None:
        """The venue looks at an order: it is refused, sits out the taker's delay, or rests at once."""
        pit = self._pits.get(order.window)
        why = self._why_not(order, pit, at_ns)
        if why or pit is None:
            _count(self.rejected, why)
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
        if crosses and wish.side == "BUY" and worth_micro < MIN_IMMEDIATE_MICRO:
            return "below a dollar"
        if wish.kind not in _IMMEDIATE and wish.size_micro < terms.min_size_micro:
            return "below the minimum"
        return self._unaffordable(order, pit)

    def _unaffordable(self, order: Order, pit: Pit) -> str:
        """What the account lacks: shares to sell, or collateral for the price and the dearest fee."""
        wish, terms, ledger = order.wish, pit.terms, self.ledger
        if wish.side == "SELL":
            held = self.holdings.positions.get((*order.window, wish.outcome))
            same = (order.window, wish.outcome, "SELL")
            offers = [o for o in self.orders.values() if (o.window, o.outcome, o.side) == same and o is not order]
            free_micro = (held.size_micro if held else 0) - sum(o.open_micro for o in offers)
            return "" if wish.size_micro <= free_micro else "no shares"
        fee_micro = taker_fee(wish.size_micro, wish.price_micro, _fee(terms))
        return "" if ledger.reserved() + fee_micro <= self.holdings.cash_micro else "no balance"

    def _enter(self, at_ns: int, order: Order) -> None:
        pit = self._pits.get(order.window)
        if pit is None:
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
        order.fill(price_micro, size_micro, fee_micro)
        self._version += 1
        wish = order.wish
        fill = Fill(order.order_id, order.window, wish.outcome, wish.side, price_micro, size_micro, fee_micro)
        self.holdings.fill(fill)
        self.told(at_ns, fill)

    def _cancel(self, at_ns: int, order_id: str) -> None:
        order = self.orders.get(order_id)
        if order is not None:
            self._pits[order.window].cancel(order_id)
            self._close(order)

    # --- small things -----------------------------------------------------------------------------------------------

    def _close(self, order: Order) -> None:
        self._cancelling.discard(order.order_id)
        self._version += self.orders.pop(order.order_id, None) is not None

    def _later(self, due_ns: int, act: Callable[..., None], about: Order | str) -> None:
        heappush(self._due, (due_ns, next(self._number), lambda at_ns: act(at_ns, about)))


def _count(of: dict[str, int], what: str) -> None:
    of[what] = of.get(what, 0) + 1


def _last_minute(recent_ns: deque[int], at_ns: int) -> int:
    """How many of these lie in the last minute; older ones are forgotten."""
    while recent_ns and recent_ns[0] <= at_ns - 60 * NS:
        recent_ns.popleft()
    return len(recent_ns)


def _wish(order: Order) -> matching.Wish:
    """The order in the venue's terms: an immediate buy spends dollars, as it is signed."""
    wish = order.wish
    return matching.Wish(
        order_id=order.order_id,
        account=US,
        outcome=wish.outcome,
        side=wish.side,
        price_micro=wish.price_micro,
        size_micro=wish.size_micro,
        kind=wish.kind,
        spend_micro=order.spend_micro,
    )


def _view(order: Order) -> m.OrderView:
    wish = order.wish
    return m.OrderView(order.order_id, wish.outcome, wish.side, wish.price_micro, order.open_micro, order.state)


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
