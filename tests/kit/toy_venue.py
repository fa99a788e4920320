"""A toy venue: markets, books, prices, and orders that match by chance. It loses, delays and repeats its words.

It keeps the truth that our books are held against: every order that arrived, every trade, how each settled, who won.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.messages import Level, Outcome
from shared.slots import Slot, parse_slot
from shared.units import cost_of, taker_fee
from supervisor import effects as fx
from supervisor.recovery import View
from supervisor.venue.discovery import Listing, Market
from supervisor.venue.market import Snapshot
from supervisor.venue.prices import Price
from supervisor.venue.requests import Answer, VenueOrder, Where
from supervisor.venue.user import OrderReport, TradeLeg

if TYPE_CHECKING:
    from kit.sim import Sim

MS: Final = 1_000_000
OPENING_CASH: Final = 1_000_000_000
FEE: Final = (70_000, 1)
"""Rate in millionths, and exponent."""
NO_ANSWER: Final = Answer("unknown", reason="no answer: timeout")
NEVER_LEFT: Final = Answer("unsent", reason="it never left: connection refused")
FEEDS: Final = ("market", "user", "prices")


@dataclass
class RestingOrder:
    """An order as the venue has it."""

    placing: e.Placing
    matched_micro: int = 0
    open: bool = True


@dataclass
class ToyVenue:
    """`final`: how each trade of each order settled, once it has. `down`: feeds that are not there.

    `matched_s`: when each trade happened, market time; by that a catch-up chooses. `pays_itself`: winners are paid when
    they are named, else they wait to be claimed.
    """

    sim: Sim
    orders: dict[str, RestingOrder] = field(default_factory=dict)
    legs: dict[str, list[TradeLeg]] = field(default_factory=dict)
    final: dict[tuple[str, str], str] = field(default_factory=dict)
    matched_s: dict[str, int] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    pays_itself: bool = field(init=False)

    def __post_init__(self) -> None:
        self.pays_itself = bool(self.sim.seed % 2)

    # --- the truth ---

    def held(self) -> dict[tuple[str, int, str], int]:
        """Shares by slot, window and token, from the trades that did not fail."""
        held: dict[tuple[str, int, str], int] = {}
        for order_id, order in self.orders.items():
            placing = order.placing
            key = (placing.slot, placing.start_s, placing.outcome)
            for leg in self.settled_legs(order_id):
                if leg.status != "FAILED":
                    held[key] = held.get(key, 0) + (leg.size_micro if leg.side == "BUY" else -leg.size_micro)
        return held

    def view(self, tokens: Collection[str], since_s: int) -> View:
        """Everything of ours as it is now."""
        cash, shares = OPENING_CASH, dict.fromkeys(tokens, 0)
        for order_id, order in self.orders.items():
            placing = order.placing
            legs = [leg for leg in self.settled_legs(order_id) if leg.status != "FAILED"]
            held = sum(leg.size_micro if leg.side == "BUY" else -leg.size_micro for leg in legs)
            cash += sum(map(_flow, legs))
            if self.pays_itself and self._over(parse_slot(placing.slot), placing.start_s):
                cash += held if placing.outcome == _winner(placing.slot, placing.start_s) else 0
            elif placing.token_id in shares:
                shares[placing.token_id] += held
        resting = tuple(self._as_listed(order) for order in self.orders.values() if self._rests(order))
        return View(resting, tuple(self._legs_since(since_s)), cash, shares)

    def settled_legs(self, order_id: str) -> list[TradeLeg]:
        """An order's trades, each as far as it is settled."""
        legs = self.legs.get(order_id, [])
        return [replace(leg, status=self.final.get((leg.trade_id, order_id), leg.status)) for leg in legs]  # type: ignore[arg-type]

    # --- feeds, markets, prices ---

    def connect(self) -> None:
        """A reign begins: the feeds come up one after the other, and the balance is told."""
        for feed in FEEDS:
            self.down.add(feed)
            self.sim.during(self.sim.chance.randrange(50 * MS), self._feed, feed, "")
        self.sim.during(60 * MS, self.sim.hear, self.sim.desk.reconciling.on_balance, OPENING_CASH)
        told = self.sim.desk.standing.on_told
        self.sim.during(70 * MS, self.sim.hear, told, Where(blocked=False, place="IE"), False, "")

    def reconnect(self) -> None:
        """Somebody does not believe the user channel any more. That it is closed is heard in a turn of its own."""
        if "user" not in self.down:
            self.sim.during(0, self._feed, "user", "given up")
            self.sim.during(1 + self.sim.chance.randrange(NS), self._feed, "user", "")

    def drop_feed(self) -> None:
        """A feed is gone for a while."""
        feed = self.sim.chance.choice(FEEDS)
        if feed not in self.down:
            self._feed(feed, "dropped")
            self.sim.during(self.sim.chance.randrange(4 * NS), self._feed, feed, "")

    def _feed(self, feed: str, fault: str) -> None:
        self.down.add(feed) if fault else self.down.discard(feed)
        self.sim.hear(self.sim.desk.markets.on_feed, feed, fault)

    def ask_listing(self, effect: fx.AskListing) -> None:
        """Discovery asks for a window's market, or for its winner."""
        self.sim.during(self.sim.chance.randrange(5 * MS, 80 * MS), self._list, effect.slot, effect.start_s)

    def _list(self, slot: Slot, start_s: int) -> None:
        name = f"{slot.name}-{start_s}"
        terms = m.Terms(name, 10_000, 5_000_000, *FEE, 150, "spot")
        market = Market(slot, start_s, (f"{name}-up", f"{name}-down"), "v1", False, terms)
        ended = self._over(slot, start_s)
        listing = Listing(market, not ended, _winner(slot.name, start_s) if ended else None, None)
        self.sim.hear(self.sim.desk.markets.on_listing, slot, start_s, listing, not ended)

    def _over(self, slot: Slot, start_s: int) -> bool:
        return self.sim.now().at_ns // NS > start_s + slot.window_s + 20

    def tell_prices(self) -> None:
        """A second's reference prices."""
        if "prices" not in self.down:
            source_ms = (self.sim.now().at_ns // NS - 1) * 1_000
            assets = self.sim.settings.slots.assets
            prices = [Price(asset, 0, source_ms, 10**23 + self.sim.chance.randrange(10**20)) for asset in assets]
            self.sim.hear(self.sim.desk.markets.on_prices, prices)

    def tell_books(self, *_: object) -> None:
        """Whole books of every market that is followed."""
        if "market" in self.down:
            return
        for window in list(self.sim.desk.board.lanes.current.values()):
            if window.market is not None:
                bid = self.sim.chance.randrange(40, 55) * 10_000
                up, down = window.market.tokens
                self.sim.hear(self.sim.desk.markets.on_market, [_book(up, bid), _book(down, 980_000 - bid)])

    def send_book(self, effect: fx.Watch | fx.Refetch) -> None:
        """Somebody follows other books from now on, or could not believe one."""
        self.sim.during(10 * MS, self.tell_books)

    # --- orders come in ---

    def submit(self, effect: fx.Submit) -> None:
        """An order is on the wire: it arrives soon, or late, or never."""
        sim, weather = self.sim, self.sim.weather
        placing = sim.audit.record.placings[effect.order_id]
        if sim.chancy(weather.order_lost):
            unsent = sim.chancy(0.5)
            self._reply(placing.order_id, NEVER_LEFT if unsent else NO_ANSWER, 0 if unsent else sim.answer_ns)
        elif sim.chancy(weather.order_late):
            self._reply(placing.order_id, NO_ANSWER, sim.answer_ns)
            sim.later(sim.answer_ns + sim.chance.randrange(2 * NS), self._arrives, placing, 0)
        else:
            sim.later(sim.chance.randrange(MS, 20 * MS), self._arrives, placing, sim.reign)

    def _arrives(self, placing: e.Placing, reign: int) -> None:
        """The order is here, whatever became of whoever sent it; `reign` 0 hears no answer any more."""
        sim = self.sim
        sim.audit.arrived(placing)
        if sim.chancy(sim.weather.order_refused):
            answer = Answer("rejected", reason="not enough balance / allowance")
        else:
            self.orders[placing.order_id] = order = RestingOrder(placing)
            answer = self._delay(order) if sim.chancy(sim.weather.order_delayed) else self._take(order)
        if reign == sim.reign:
            lost = sim.chancy(sim.weather.answer_lost)
            self._reply(placing.order_id, NO_ANSWER if lost else answer, sim.answer_ns if lost else 0)

    def _delay(self, order: RestingOrder) -> Answer:
        self.sim.later(self.sim.chance.randrange(150 * MS, 500 * MS), self._take, order)
        return Answer("accepted", "delayed", order.placing.order_id)

    def _take(self, order: RestingOrder) -> Answer:
        """Match an order that has come in, or let it rest; one that was cancelled in the taker delay does neither."""
        if not order.open:
            return NO_ANSWER
        order_id, kind = order.placing.order_id, order.placing.kind
        trades = self._match(order, self.sim.chance.choice((0.0, 0.5, 1.0)))
        if kind == "FAK":
            order.open = False
        self._report(order)
        if order.open:
            self.sim.later(self.sim.chance.randrange(NS, 40 * NS), self._fill_later, order)
        if kind == "FAK" and not trades:
            return Answer("rejected", reason="no orders found to match with FAK order")
        return Answer("accepted", "matched" if trades else "live", order_id, tuple(trades))

    def _reply(self, order_id: str, answer: Answer, delay_ns: int = 0) -> None:
        arrives_ns = delay_ns or self.sim.chance.randrange(MS, 20 * MS)
        self.sim.during(arrives_ns, self.sim.hear, self.sim.desk.executions.on_answer, order_id, answer, 900)

    def _match(self, order: RestingOrder, part: float) -> list[str]:
        placing = order.placing
        size = int(placing.size_micro * part) // 10_000 * 10_000
        size = min(size, placing.size_micro - order.matched_micro)
        if size <= 0:
            return []
        order.matched_micro += size
        order.open = order.open and order.matched_micro < placing.size_micro
        trade_id = f"t{len(self.matched_s) + 1}"
        self.matched_s[trade_id] = self.sim.now().at_ns // NS
        named = (trade_id, placing.order_id, placing.token_id, placing.side)
        leg = TradeLeg(*named, placing.price_micro, size, part < 1, "MATCHED")
        self.legs.setdefault(placing.order_id, []).append(leg)
        self._tell(self._leg, leg)
        fate = "FAILED" if self.sim.chancy(self.sim.weather.settlement_fails) else "CONFIRMED"
        self.sim.later(self.sim.chance.randrange(NS, 5 * NS), self._settle, leg, fate)
        return [trade_id]

    def _fill_later(self, order: RestingOrder) -> None:
        if self._rests(order):
            self._match(order, self.sim.chance.choice((0.3, 1.0)))

    def _settle(self, leg: TradeLeg, fate: str) -> None:
        self.final[leg.trade_id, leg.order_id] = fate
        self._tell(self._leg, replace(leg, status=fate))  # type: ignore[arg-type]

    # --- the user channel ---

    def _tell(self, arrive: object, *words: object) -> None:
        """Perhaps twice, perhaps not; never while it is down, which the desk has to make up for."""
        if not self.sim.chancy(self.sim.weather.told_not):
            for _ in range(2 if self.sim.chancy(self.sim.weather.told_twice) else 1):
                self.sim.during(self.sim.chance.randrange(MS, 30 * MS), arrive, *words)

    def _leg(self, leg: TradeLeg) -> None:
        if "user" not in self.down:
            self.sim.hear(self.sim.desk.executions.on_leg, leg)

    def _report(self, order: RestingOrder) -> None:
        state = "open" if order.open else "closed"
        self._tell(self._reported, OrderReport(order.placing.order_id, state, order.matched_micro, state))  # type: ignore[arg-type]

    def _reported(self, report: OrderReport) -> None:
        if "user" not in self.down:
            self.sim.hear(self.sim.desk.executions.on_report, report)

    # --- cancels and questions ---

    def cancel(self, effect: fx.CancelOrder) -> None:
        """A cancel is on the wire, and may get lost there."""
        sim = self.sim
        if sim.chancy(sim.weather.order_lost):
            sim.during(sim.answer_ns, sim.hear, sim.desk.executions.on_cancel_answer, effect.order_id, NO_ANSWER, 700)
        else:
            sim.later(sim.chance.randrange(MS, 20 * MS), self._cancel, effect.order_id, sim.reign)

    def _cancel(self, order_id: str, reign: int) -> None:
        order = self.orders.get(order_id)
        answer = Answer("rejected", reason="already canceled or matched")
        if order is not None and self._rests(order):
            order.open = False
            self._report(order)
            answer = Answer("accepted", order_id=order_id)
        if self.sim.chancy(self.sim.weather.answer_lost):
            answer = NO_ANSWER
        if reign == self.sim.reign:
            self.sim.during(10 * MS, self.sim.hear, self.sim.desk.executions.on_cancel_answer, order_id, answer, 700)

    def look_up(self, effect: fx.LookUp) -> None:
        """What has the venue of an order?"""
        self.sim.during(self.sim.chance.randrange(5 * MS, 40 * MS), self._look_up, effect.order_id)

    def _look_up(self, order_id: str) -> None:
        order = self.orders.get(order_id)
        found = self._as_listed(order) if order is not None else None
        self.sim.hear(self.sim.desk.executions.on_lookup, order_id, found, self.settled_legs(order_id))

    def catch_up(self, effect: fx.CatchUp) -> None:
        """Every trade of ours since then, and what rests."""
        self.sim.during(self.sim.chance.randrange(5 * MS, 40 * MS), self._catch_up, effect.since_s)

    def reconcile(self, effect: fx.Reconcile) -> None:
        """Everything of ours, or no answer this time."""
        self.sim.during(self.sim.chance.randrange(5 * MS, 90 * MS), self._reconcile, effect)

    def _reconcile(self, effect: fx.Reconcile) -> None:
        lost = self.sim.chancy(self.sim.weather.answer_lost)
        view = None if lost else self.view([token.token_id for token in effect.tokens], effect.since_s)
        self.sim.hear(self.sim.desk.reconciling.on_view, view)

    def _as_listed(self, order: RestingOrder) -> VenueOrder:
        placing = order.placing
        named = (placing.order_id, placing.token_id, placing.side, placing.price_micro)
        return VenueOrder(*named, placing.size_micro, order.matched_micro, self._rests(order))

    def _rests(self, order: RestingOrder) -> bool:
        """Whether it may still match: the venue takes every order out of a market that is resolved."""
        return order.open and not self._over(parse_slot(order.placing.slot), order.placing.start_s)

    def _legs_since(self, since_s: int) -> list[TradeLeg]:
        recent = {
            leg.order_id for legs in self.legs.values() for leg in legs if self.matched_s[leg.trade_id] >= since_s
        }
        return [leg for order_id in sorted(recent) for leg in self.settled_legs(order_id)]

    def _catch_up(self, since_s: int) -> None:
        legs = self._legs_since(since_s)
        resting = {order_id for order_id, order in self.orders.items() if self._rests(order)}
        self.sim.hear(self.sim.desk.catching_up.on_caught_up, legs, resting)


def _winner(slot: str, start_s: int) -> Outcome:
    return "Up" if hashlib.sha256(f"{slot}-{start_s}".encode()).digest()[0] % 2 else "Down"


def _flow(leg: TradeLeg) -> int:
    """What a trade does to the cash; a maker pays no fee."""
    amount = cost_of(leg.size_micro, leg.price_micro)
    fee = 0 if leg.maker else taker_fee(leg.size_micro, leg.price_micro, *FEE)
    return (amount if leg.side == "SELL" else -amount) - fee


def _book(token: str, bid_micro: int) -> Snapshot:
    size = 100_000_000
    return Snapshot(token, (Level(bid_micro, size),), (Level(bid_micro + 20_000, size),), 10_000)
