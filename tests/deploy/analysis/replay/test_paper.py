"""deploy.analysis.replay.paper: a release's wishes as orders in the recorded books, and the account they make."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from kit.bounds import CASES, Case, on_paper, on_the_desk
from kit.tapes import NO_ACCOUNT, TERMS, a_book
from msgspec import structs

from deploy.analysis.replay.holdings import Fill, Holdings
from deploy.analysis.replay.job import Caps
from deploy.analysis.replay.paper import TRAVEL_MS, Paper
from shared import messages as m
from shared.clock import DAY_NS
from shared.config import Risk
from shared.risk import limits
from shared.units import cost_of

SLOT, START_S = "BTC/5m", 1_800_000_000
MICRO, MS = 1_000_000, 1_000_000
AT_NS = START_S * 1_000 * MS
TICK = m.Tick(SLOT, START_S * 1_000, START_S, "w1", 1, "", "", NO_ACCOUNT)
THERE_NS = AT_NS + TRAVEL_MS * MS
TAKEN_NS = THERE_NS + TERMS.taker_delay_ms * MS
BUY = m.Place("Up", "BUY", 420_000, 10 * MICRO, "FAK")
BID = m.Place("Up", "BUY", 400_000, 10 * MICRO, "GTC")


class Desk:
    """One account in one market, quoted 40 to 42, sixty shares at each level."""

    def __init__(self, cash_micro: int = 100 * MICRO) -> None:
        self.fills = list[Fill]()
        self.holdings = Holdings(cash_micro)
        self.paper = Paper(self.holdings, "p", lambda at_ns, fill: self.fills.append(fill))
        self.paper.see(AT_NS, m.WindowOpened(SLOT, START_S, TERMS))
        self.paper.see(AT_NS, a_book(SLOT, START_S, "Up", 40, 42))
        self.paper.see(AT_NS, a_book(SLOT, START_S, "Down", 58, 60))

    def wish(self, *wishes: m.Intent, tick: m.Tick = TICK, seq: int = 1) -> None:
        """Decide so at the first moment."""
        self.paper.decided(AT_NS, seq, tick, m.Decision(wishes, {}))

    def account(self, at_ns: int) -> m.Account:
        """What a tick of that moment is shown."""
        self.paper.pass_time(at_ns)
        return self.paper.shown(TICK).account


def test_a_taker_travels_and_sits_out_the_delay() -> None:
    """Pending until the market's own delay is over, then a position at the ask and its fee."""
    desk = Desk()
    desk.wish(BUY)
    for at_ns in (AT_NS, THERE_NS, TAKEN_NS - 1):
        assert [order.state for order in desk.account(at_ns).orders] == ["pending"]
        assert not desk.fills
    account = desk.account(TAKEN_NS)
    assert account.orders == ()
    fee_micro = 70_000 * 10 * 42 * 58 // 10_000
    assert account.positions == (m.PositionView("Up", 10 * MICRO, 4_200_000 + fee_micro),)
    assert account.cash_micro == 100 * MICRO - 4_200_000 - fee_micro
    assert desk.fills[0].fee_micro == fee_micro


def test_a_taker_meets_the_book_as_it_is_when_the_delay_is_over() -> None:
    """The ask was taken away meanwhile: nothing fills, and nothing rests of it."""
    desk = Desk()
    desk.wish(BUY)
    desk.paper.pass_time(THERE_NS)
    desk.paper.see(THERE_NS + 1, a_book(SLOT, START_S, "Up", 40, 44))
    assert desk.account(TAKEN_NS).orders == ()
    assert not desk.fills


def test_a_bid_rests_and_is_cancelled_when_the_word_arrives() -> None:
    """Open as soon as it is there; what fills before the cancel arrives is ours."""
    desk = Desk()
    desk.wish(BID)
    [order] = desk.account(THERE_NS).orders
    assert (order.state, order.open_micro) == ("open", 10 * MICRO)
    assert desk.account(THERE_NS).exposure_micro == 4 * MICRO
    desk.paper.decided(THERE_NS, 2, TICK, m.Decision((m.Cancel(order.order_id),), {}))
    desk.paper.see(THERE_NS + 1, m.TradeSeen(SLOT, START_S, "Up", "SELL", 400_000, 64 * MICRO))
    assert [order.open_micro for order in desk.account(THERE_NS + 2).orders] == [6 * MICRO]
    assert desk.account(THERE_NS + TRAVEL_MS * MS).orders == ()
    assert [(fill.size_micro, fill.fee_micro) for fill in desk.fills] == [(4 * MICRO, 0)]


def test_an_order_on_its_way_cannot_be_cancelled() -> None:
    """The desk takes back what rests, once, and sends no successor beside what stays."""
    desk = Desk()
    desk.wish(BID, seq=3)
    desk.wish(m.Cancel("p-3-0"), BID, m.Cancel("p-9-9"))
    assert desk.paper.denied == {"not_open": 2, "not_replaced": 1}
    desk.paper.pass_time(THERE_NS)
    desk.wish(m.Cancel("p-3-0"), BID, m.Cancel("p-3-0"), seq=4)
    assert desk.paper.denied == {"not_open": 2, "not_replaced": 1, "cancelling": 1}
    assert [order.order_id for order in desk.account(THERE_NS + TRAVEL_MS * MS).orders] == ["p-4-1"]


def test_cancels_without_end_are_stopped() -> None:
    """At the desk's rate, and a minute later they go again."""
    desk = Desk()
    desk.paper.caps = (Caps(0, limits(Risk(cancels_per_minute=1))),)
    desk.wish(BID, BID)
    desk.paper.pass_time(THERE_NS)
    desk.paper.decided(THERE_NS, 2, TICK, m.Decision((m.Cancel("p-1-0"), m.Cancel("p-1-1")), {}))
    assert desk.paper.denied == {"cancel_rate": 1}
    desk.paper.decided(THERE_NS + 60_000 * MS, 3, TICK, m.Decision((m.Cancel("p-1-1"),), {}))
    assert desk.account(THERE_NS + 61_000 * MS).orders == ()


def test_the_end_of_the_window_takes_every_order_out() -> None:
    """Also one that sits out its delay."""
    desk = Desk()
    desk.wish(BID, BUY)
    desk.paper.pass_time(THERE_NS)
    desk.paper.see(THERE_NS + 1, m.WindowClosed(SLOT, START_S))
    assert desk.account(TAKEN_NS).orders == ()
    assert not desk.fills


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why or "allowed")
def test_an_order_is_denied_on_paper_as_it_is_on_the_desk(case: Case) -> None:
    """Each cap, rate and rule by its own name, or not at all; the same of both."""
    assert (on_the_desk(case), on_paper(case)) == (case.why, case.why)


def test_what_is_denied_leaves_no_trace_in_the_account() -> None:
    """No order, no money, no fill: it was never sent."""
    desk = Desk()
    desk.wish(structs.replace(BID, size_micro=300 * MICRO), m.Place("Up", "SELL", 400_000, 10 * MICRO, "FAK"))
    account = desk.account(TAKEN_NS)
    assert (account.orders, account.cash_micro, desk.paper.placed) == ((), 100 * MICRO, 0)
    assert desk.paper.denied == {"order_cap": 1, "uncovered_sell": 1}


REJECTED: list[tuple[m.Place, str]] = [
    (structs.replace(BID, price_micro=420_000, post_only=True), "post-only would trade"),
    (m.Place("Down", "BUY", 150_000, 5 * MICRO, "GTC"), "below a dollar"),
]


@pytest.mark.parametrize(("wish", "why"), REJECTED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_the_venue_would_refuse_is_refused(wish: m.Place, why: str) -> None:
    """And leaves no order and no trace in the account."""
    desk = Desk()
    if why == "below a dollar":
        desk.paper.see(AT_NS, a_book(SLOT, START_S, "Up", 86, 88))
        desk.paper.see(AT_NS, a_book(SLOT, START_S, "Down", 12, 14))
    desk.wish(wish)
    account = desk.account(TAKEN_NS)
    assert (account.orders, account.cash_micro, desk.paper.rejected) == ((), 100 * MICRO, {why: 1})


def test_what_changes_while_an_order_travels_is_the_venues_to_refuse() -> None:
    """A grid that became coarser, a book that is not to be believed any more."""
    fine = structs.replace(TERMS, tick_micro=1_000)
    for change, why in (
        (m.TickSizeSet(SLOT, START_S, 10_000), "off the grid"),
        (a_book(SLOT, START_S, "Up", 40, 42, stale=True), "no book"),
    ):
        desk = Desk()
        desk.paper.see(AT_NS, m.WindowOpened(SLOT, START_S, fine))
        desk.wish(structs.replace(BID, price_micro=405_000))
        desk.paper.see(AT_NS + 1, change)
        assert desk.account(TAKEN_NS).orders == ()
        assert (desk.paper.denied, desk.paper.rejected) == ({}, {why: 1})


def test_closed_entries_let_nothing_be_bought() -> None:
    """Whatever the release wishes; sales still go."""
    desk = Desk()
    desk.holdings.fill(Fill("o", (SLOT, START_S), "Up", "BUY", 400_000, 20 * MICRO, 0))
    paused = structs.replace(TICK, entries="paused")
    desk.wish(BUY, m.Place("Up", "SELL", 400_000, 10 * MICRO, "FAK"), tick=paused)
    desk.account(TAKEN_NS)
    assert desk.paper.denied == {"entries_closed": 1}
    assert [(fill.side, fill.size_micro) for fill in desk.fills] == [("SELL", 10 * MICRO)]


def test_a_book_that_was_never_seen_takes_no_order() -> None:
    """Of the token that is wished for: nobody knows what it would meet."""
    paper = Paper(Holdings(100 * MICRO), "p", lambda at_ns, fill: None)
    paper.see(AT_NS, m.WindowOpened(SLOT, START_S, TERMS))
    paper.see(AT_NS, a_book(SLOT, START_S, "Up", 40, 42))
    paper.decided(AT_NS, 1, TICK, m.Decision((structs.replace(BID, outcome="Down"),), {}))
    assert paper.denied == {"book_stale": 1}


def test_a_window_that_is_over_and_the_ninth_wish_are_denied() -> None:
    """As on the desk."""
    desk = Desk()
    desk.wish(*[structs.replace(BID, size_micro=5 * MICRO)] * 9)
    assert desk.paper.denied == {"too_many_intents": 1}
    desk.paper.see(AT_NS, m.WindowClosed(SLOT, START_S))
    desk.wish(BID, seq=2)
    assert desk.paper.denied == {"too_many_intents": 1, "no_window": 1}


def test_caps_hold_from_when_they_were_in_force() -> None:
    """The first ones also before."""
    desk = Desk()
    small, large = limits(Risk(order_max_usd=1)), limits(Risk())
    desk.paper.caps = (Caps(AT_NS + 1, small), Caps(AT_NS + 3, large))
    for at_ns, denied in ((AT_NS, 1), (AT_NS + 1, 2), (AT_NS + 2, 3), (AT_NS + 3, 3)):
        desk.paper.decided(at_ns, at_ns, TICK, m.Decision((BID,), {}))
        assert desk.paper.denied == {"order_cap": denied}


def test_a_days_loss_is_forgotten_at_midnight() -> None:
    """UTC, as on the desk; the winner's cost is no loss."""
    desk = Desk()
    desk.paper.pass_time(AT_NS)
    desk.holdings.fill(Fill("o", (SLOT, 0), "Up", "BUY", 400_000, 20 * MICRO, 0))
    desk.holdings.resolve((SLOT, 0), "Down")
    desk.holdings.fill(Fill("o", (SLOT, 300), "Up", "BUY", 400_000, 5 * MICRO, 100_000))
    desk.holdings.fill(Fill("o", (SLOT, 300), "Up", "SELL", 500_000, 2 * MICRO, 10_000))
    desk.holdings.resolve((SLOT, 300), "Up")
    assert desk.holdings.day_realized_micro == -8 * MICRO + (990_000 + 3 * MICRO - 2_100_000)
    desk.paper.pass_time(AT_NS - AT_NS % DAY_NS + DAY_NS)
    assert desk.holdings.day_realized_micro == 0


def test_a_finer_grid_is_used_from_when_it_is_told() -> None:
    """The venue turned the tick to a tenth of a cent."""
    desk = Desk()
    desk.paper.see(AT_NS, m.TickSizeSet(SLOT, START_S, 1_000))
    desk.wish(structs.replace(BID, price_micro=405_000))
    assert [order.price_micro for order in desk.account(THERE_NS).orders] == [405_000]


def test_a_tape_that_begins_inside_a_window_is_introduced_by_its_keyframe() -> None:
    """Terms and books; what is known already is not put back."""
    paper = Paper(Holdings(100 * MICRO), "p", lambda at_ns, fill: None)
    known: Any = (m.WindowOpened(SLOT, START_S, TERMS), a_book(SLOT, START_S, "Up", 40, 42))
    known += (a_book(SLOT, START_S, "Down", 58, 60),)
    paper.see(AT_NS, m.Keyframe(known))
    paper.see(AT_NS, m.TickSizeSet(SLOT, START_S, 1_000))
    paper.see(AT_NS, m.Keyframe(known))
    paper.decided(AT_NS, 1, TICK, m.Decision((structs.replace(BID, price_micro=405_000),), {}))
    paper.pass_time(THERE_NS)
    assert len(paper.shown(TICK).account.orders) == 1


# --- whatever is wished for ---

LANES = ("BTC/5m", "BTC/15m", "ETH/5m")
TIGHT = Risk(
    order_max_usd=6,
    slot_max_usd=9,
    asset_max_usd=13,
    side_max_usd=12,
    total_max_usd=17,
    day_loss_max_usd=3,
    orders_per_minute=5,
    open_orders_max=4,
)


def a_wish(random: Random) -> m.Place:
    """Mostly something that a strategy would wish, near the books; now and then anything at all."""
    outcome, side = random.choice(m.OUTCOMES), random.choice(("BUY", "BUY", "BUY", "SELL"))
    if random.random() < 0.1:
        price_micro, size_micro = random.randint(-10_000, 1_100_000), random.randint(-1, 400 * MICRO)
        kind, post_only = random.choice(("GTC", "FAK", "FOK")), random.random() < 0.5
        return m.Place(outcome, side, price_micro, size_micro, kind, post_only)
    price_micro, shares = random.choice((38, 42, 50, 60)) * 10_000, random.randint(5, 12)
    return m.Place(outcome, side, price_micro, shares * MICRO, random.choice(("GTC", "FAK")))


STEPS: dict[str, Callable[[Random], Any]] = {
    "decide": lambda random: [a_wish(random) for _ in range(random.randint(1, 4))],
    "wait": lambda random: random.choice((20, 60, 250, 61_000)),
    "book": lambda random: random.randint(25, 65),
    "trade": lambda random: random.randint(30, 60) * 10_000,
    "resolve": lambda random: random.choice(m.OUTCOMES),
}
OFTEN = ("decide", "decide", "decide", "wait", "wait", "book", "trade", "resolve")


class Lanes:
    """An account that trades in three slots under tight caps; `sent_ns`: when an order left, by its id."""

    def __init__(self) -> None:
        self.holdings, self.paid, self.at_ns = Holdings(16 * MICRO), dict[str, int](), AT_NS
        self.paper = Paper(self.holdings, "p", self._filled, (Caps(0, limits(TIGHT)),))
        self.starts = dict.fromkeys(LANES, START_S)
        self.sent_ns: dict[str, int] = {}
        for lane in LANES:
            self._open(lane)

    def step(self, kind: str, lane: str, what: Any) -> None:
        """Let one thing happen."""
        self.at_ns += MS
        self.paper.pass_time(self.at_ns)
        getattr(self, f"_{kind}")(lane, what)

    def at_stake(self, where: str, outcome: str) -> int:
        """Positions at cost, and open buys at their price with their dearest fee, added up by hand."""
        held = [(lane, token, each.cost_micro) for (lane, _, token), each in self.holdings.positions.items()]
        for order in self.paper.orders.values():
            if order.side == "BUY":
                price_micro = cost_of(order.open_micro, order.price_micro)
                held.append((order.slot, order.outcome, max(price_micro, order.spend_micro or 0) + order.charge_micro))
        return sum(cost for lane, token, cost in held if lane.startswith(where) and outcome in {"", token})

    def _filled(self, at_ns: int, fill: Fill) -> None:
        if fill.side == "BUY":
            self.paid[fill.order_id] = self.paid.get(fill.order_id, 0) + fill.worth_micro + fill.fee_micro

    def _open(self, lane: str) -> None:
        self.paper.see(self.at_ns, m.WindowOpened(lane, self.starts[lane], TERMS))
        self._book(lane, 40)

    def _decide(self, lane: str, wishes: list[m.Place]) -> None:
        tick = structs.replace(TICK, slot=lane, start_s=self.starts[lane])
        held_micro = sum(held.cost_micro for held in self.holdings.positions.values())
        lost = 16 * MICRO - self.holdings.cash_micro - held_micro >= 3 * MICRO
        self.paper.decided(self.at_ns, self.at_ns, tick, m.Decision(tuple(wishes), {}))
        for order in self.paper.orders.values():
            if self.sent_ns.setdefault(order.order_id, self.at_ns) == self.at_ns and lost:
                assert order.side == "SELL"

    def _book(self, lane: str, bid: int) -> None:
        for outcome, best in (("Up", bid), ("Down", 98 - bid)):
            self.paper.see(self.at_ns, a_book(lane, self.starts[lane], outcome, best, best + 2))

    def _trade(self, lane: str, price_micro: int) -> None:
        trade = m.TradeSeen(lane, self.starts[lane], "Up", "SELL", price_micro, 90 * MICRO)
        self.paper.see(self.at_ns, trade)

    def _resolve(self, lane: str, winner: m.Outcome) -> None:
        start_s = self.starts[lane]
        self.paper.see(self.at_ns, m.WindowClosed(lane, start_s))
        self.holdings.resolve((lane, start_s), winner)
        self.starts[lane] += 900
        self._open(lane)

    def _wait(self, lane: str, ms: int) -> None:
        self.at_ns += ms * MS


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_wished_for_no_cap_is_ever_passed(seed: int) -> None:
    """By what is held and open together, fees included, after every step; nor the rates, nor the cash."""
    lanes, random, caps = Lanes(), Random(seed), limits(TIGHT)
    ledger = lanes.paper.ledger
    for _ in range(150):
        kind = random.choice(OFTEN)
        lanes.step(kind, random.choice(LANES), STEPS[kind](random))
        rings = [*((lane, "", caps.slot_micro) for lane in LANES), ("BTC/", "", caps.asset_micro)]
        rings += [*(("", outcome, caps.side_micro) for outcome in m.OUTCOMES), ("", "", caps.total_micro)]
        for where, outcome, cap_micro in rings:
            assert lanes.at_stake(where, outcome) <= cap_micro
        assert all(paid_micro <= caps.order_micro for paid_micro in lanes.paid.values())
        assert len(ledger.orders) <= caps.open_orders
        minute_ns = [sent_ns for sent_ns in lanes.sent_ns.values() if sent_ns > lanes.at_ns - 60_000 * MS]
        assert len(minute_ns) <= caps.orders_per_minute
        assert lanes.holdings.cash_micro >= 0
