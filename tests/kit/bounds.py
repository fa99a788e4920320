"""One table of orders that a desk does not send, and the two that are asked about each: the desk, and one on paper.

A case is what went before, the caps, the market and one wish. Lots were bought as a maker and are held; orders before
it rest; what was lost was lost in a window of today.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from kit.signer import NamingSigner
from kit.tapes import NO_ACCOUNT, TERMS, a_book
from kit.trading import BY, a_fill, a_placing, an_answer

from deploy.analysis.replay.holdings import Fill, Holdings
from deploy.analysis.replay.job import Caps
from deploy.analysis.replay.paper import Paper
from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Risk
from shared.risk import HALTS, Denied, limits
from shared.slots import parse_slot
from supervisor.accounts import Accounts
from supervisor.admission import Conditions, place
from supervisor.lanes import Window
from supervisor.venue.discovery import Market

SLOT, START_S, MICRO = "BTC/5m", 1_800_000_000, 1_000_000
CASH_MICRO: Final = 100 * MICRO
TICK: Final = m.Tick(SLOT, START_S * 1_000, START_S, "w1", 1, "", "", NO_ACCOUNT)
BUY: Final = m.Place("Up", "BUY", 420_000, 10 * MICRO, "FAK")
BID: Final = m.Place("Up", "BUY", 400_000, 10 * MICRO, "GTC")
OFFER: Final = m.Place("Up", "SELL", 420_000, 10 * MICRO, "GTC")


@dataclass(frozen=True)
class Case:
    """`why`: the word of the denial, empty where there is none. lots: slot, outcome and dollars of what is held.

    books: best bid and ask of Up in cents, and of Down; `stale`: Up's is not to be believed.
    """

    why: str
    wish: m.Place = BUY
    risk: dict[str, Any] = field(default_factory=dict)
    lots: tuple[tuple[str, m.Outcome, int], ...] = ()
    resting: tuple[m.Place, ...] = ()
    lost_usd: int = 0
    entries: str = ""
    books: tuple[tuple[int, int], tuple[int, int]] = ((40, 42), (58, 60))
    stale: bool = False
    cash_micro: int = CASH_MICRO


def _cap(name: str, usd: float, *lots: tuple[str, m.Outcome, int]) -> tuple[Case, Case]:
    """A cap that ten shares at 42 cents are over, and one that they are not: 4.494 dollars with their dearest fee."""
    setting = f"{name.removesuffix('_cap')}_max_usd"
    return Case(name, risk={setting: usd}, lots=lots), Case("", risk={setting: usd + 0.5}, lots=lots)


CASES: Final = (
    Case(""),
    *_cap("order_cap", 4.2),
    *_cap("slot_cap", 8.2, (SLOT, "Up", 4)),
    *_cap("asset_cap", 8.2, ("BTC/15m", "Down", 4)),
    *_cap("side_cap", 8.2, ("ETH/5m", "Up", 4)),
    *_cap("total_cap", 8.2, ("ETH/15m", "Down", 4)),
    Case("slot_cap", risk={"slot_max_usd": 8.4}, resting=(BID,)),
    Case("day_loss", risk={"day_loss_max_usd": 4}, lost_usd=4),
    Case("", risk={"day_loss_max_usd": 4}, lost_usd=3),
    Case("order_rate", risk={"orders_per_minute": 2}, resting=(BID, BID)),
    Case("open_orders", risk={"open_orders_max": 2}, resting=(BID, BID)),
    Case("", risk={"orders_per_minute": 3, "open_orders_max": 3}, resting=(BID, BID)),
    Case("cash", cash_micro=4 * MICRO),
    Case("cash", cash_micro=8 * MICRO, resting=(BID,)),
    Case("price_far", m.Place("Up", "BUY", 630_000, 10 * MICRO, "FAK")),
    Case("price_far", m.Place("Up", "SELL", 190_000, 10 * MICRO, "FAK"), lots=((SLOT, "Up", 4),)),
    Case("bad_price", m.Place("Up", "BUY", 405_000, 10 * MICRO, "GTC")),
    Case("bad_size", m.Place("Up", "BUY", 0, 10 * MICRO, "GTC")),
    Case("bad_size", m.Place("Up", "BUY", 400_000, 4 * MICRO, "GTC")),
    Case("bad_kind", m.Place("Up", "BUY", 420_000, 10 * MICRO, "FOK", post_only=True)),
    Case("too_little", m.Place("Up", "BUY", 150_000, 6 * MICRO, "FAK")),
    Case("uncovered_sell", OFFER),
    Case("uncovered_sell", OFFER, lots=((SLOT, "Up", 5),), resting=(OFFER,)),
    Case("", OFFER, lots=((SLOT, "Up", 10),), resting=(OFFER,)),
    Case("own_order", m.Place("Down", "BUY", 600_000, 10 * MICRO, "FAK"), resting=(BID,)),
    Case("book_stale", stale=True),
    Case("no_quote", books=((0, 100), (0, 100))),
    Case("books_disagree", books=((40, 42), (90, 92))),
    Case("entries_closed", entries="paused"),
    Case("", OFFER, lots=((SLOT, "Up", 5),), entries="paused"),
    Case("halted", OFFER, lots=((SLOT, "Up", 5),), entries="flattened"),
)


def on_the_desk(case: Case) -> str:
    """What the supervisor makes of it: the word of its denial, empty when the order leaves."""
    slot = parse_slot(SLOT)
    window = Window(slot, START_S, Market(slot, START_S, ("1", "2"), "v2", False, TERMS), opened=True)
    for seen in _books(case):
        window.books[seen.outcome].replace(seen.bids, seen.asks)
    if case.stale:
        window.books["Up"].distrust("said so")
    halted = case.entries if case.entries in HALTS else ""
    sent = len(case.resting)
    conditions = Conditions(window, limits(Risk(**case.risk)), case.entries, sent, frozenset(), halted=halted)
    decided = m.Decided(SLOT, TICK.tick, 1, 1, 1, "", 1, m.Decision((case.wish,), {}))
    verdict = place(decided, 0, case.wish, BY, _accounts(case), conditions, NamingSigner())
    return verdict.reason if isinstance(verdict, Denied) else ""


def _accounts(case: Case) -> Accounts:
    accounts, ids = Accounts(), (f"0x{number}" for number in count())
    entries: list[e.Entry] = [e.Balance(case.cash_micro + _spent(case), True)]
    for slot, start_s, outcome, usd in _lots(case):
        filled = {"slot": slot, "start_s": start_s, "outcome": outcome, "size_micro": 2 * usd * MICRO}
        order = a_placing(order_id=next(ids), **filled)
        entries += [order, an_answer("open", order_id=order.order_id)]
        entries.append(a_fill(order_id=order.order_id, trade_id=order.order_id, **filled))
    if case.lost_usd:
        entries.append(e.Resolved(SLOT, START_S - 300, "Down", 0))
    for wish in case.resting:
        terms = {name: getattr(wish, name) for name in wish.__struct_fields__}
        order = a_placing(order_id=next(ids), slot=SLOT, start_s=START_S, **terms)
        entries += [order, an_answer("open", order_id=order.order_id)]
    for entry in entries:
        accounts.apply(entry, START_S * NS)
    return accounts


def on_paper(case: Case) -> str:
    """What an account on paper makes of it."""
    holdings = Holdings(case.cash_micro + _spent(case))
    paper = Paper(holdings, "p", lambda at_ns, fill: None)
    paper.pass_time(START_S * NS)
    for slot, start_s, outcome, usd in _lots(case):
        holdings.fill(Fill("o", (slot, start_s), outcome, "BUY", 500_000, 2 * usd * MICRO, 0))
    if case.lost_usd:
        holdings.resolve((SLOT, START_S - 300), "Down")
    paper.see(START_S * NS, m.WindowOpened(SLOT, START_S, TERMS))
    for seen in _books(Case("")):
        paper.see(START_S * NS, seen)
    paper.decided(START_S * NS, 1, TICK, m.Decision(case.resting, {}))
    assert not paper.denied, "what went before was allowed"
    for seen in _books(case):
        paper.see(START_S * NS, seen)
    paper.caps = (Caps(0, limits(Risk(**case.risk))),)
    tick = m.Tick(SLOT, TICK.tick, START_S, "w1", 1, "", case.entries, NO_ACCOUNT)
    paper.decided(START_S * NS, 2, tick, m.Decision((case.wish,), {}))
    return next(iter(paper.denied), "")


def _lots(case: Case) -> list[tuple[str, int, m.Outcome, int]]:
    """Everything that was bought at 50 cents: slot, window, outcome and dollars."""
    held = [(slot, START_S, outcome, usd) for slot, outcome, usd in case.lots]
    lost: list[tuple[str, int, m.Outcome, int]] = [(SLOT, START_S - 300, "Up", case.lost_usd)] if case.lost_usd else []
    return held + lost


def _spent(case: Case) -> int:
    return sum(usd for *_, usd in _lots(case)) * MICRO


def _books(case: Case) -> list[m.BookSeen]:
    up, down = case.books
    return [
        a_book(SLOT, START_S, "Up", *up, stale=case.stale),
        a_book(SLOT, START_S, "Down", *down),
    ]
