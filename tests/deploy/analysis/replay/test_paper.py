"""deploy.analysis.replay.paper: a release's wishes as orders in the recorded books, and the account they make."""

from __future__ import annotations

from typing import Any

import pytest
from kit.tapes import NO_ACCOUNT, TERMS, a_book
from msgspec import structs

from deploy.analysis.replay.holdings import Fill, Holdings
from deploy.analysis.replay.paper import TRAVEL_MS, Paper
from shared import messages as m

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


def test_an_order_that_is_cancelled_on_its_way_never_rests() -> None:
    """Both arrive; the cancel comes for what is not there yet, and is remembered."""
    desk = Desk()
    desk.wish(BUY, seq=3)
    desk.wish(m.Cancel("p-3-0"))
    assert desk.account(TAKEN_NS).orders == ()
    assert not desk.fills


def test_the_end_of_the_window_takes_every_order_out() -> None:
    """Also one that sits out its delay."""
    desk = Desk()
    desk.wish(BID, BUY)
    desk.paper.pass_time(THERE_NS)
    desk.paper.see(THERE_NS + 1, m.WindowClosed(SLOT, START_S))
    assert desk.account(TAKEN_NS).orders == ()
    assert not desk.fills


REFUSED: list[tuple[m.Place, str]] = [
    (structs.replace(BID, price_micro=405_000), "off the grid"),
    (structs.replace(BID, price_micro=0), "off the grid"),
    (structs.replace(BID, size_micro=4 * MICRO), "below the minimum"),
    (structs.replace(BUY, size_micro=2 * MICRO), "below a dollar"),
    (structs.replace(BID, price_micro=420_000, post_only=True), "post-only would trade"),
    (structs.replace(BID, size_micro=300 * MICRO), "no balance"),
    (structs.replace(BID, side="SELL"), "no shares"),
]


@pytest.mark.parametrize(("wish", "why"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_the_venue_would_refuse_is_refused(wish: m.Place, why: str) -> None:
    """And leaves no order and no trace in the account."""
    desk = Desk()
    desk.wish(wish)
    account = desk.account(TAKEN_NS)
    assert (account.orders, account.cash_micro, desk.paper.refused) == ((), 100 * MICRO, {why: 1})


def test_closed_entries_let_nothing_be_bought() -> None:
    """Whatever the release wishes; sales still go."""
    desk = Desk()
    desk.holdings.fill(Fill("o", (SLOT, START_S), "Up", "BUY", 400_000, 20 * MICRO, 0))
    paused = structs.replace(TICK, entries="paused")
    desk.wish(BUY, m.Place("Up", "SELL", 400_000, 10 * MICRO, "FAK"), tick=paused)
    desk.account(TAKEN_NS)
    assert desk.paper.refused == {"entries closed: paused": 1}
    assert [(fill.side, fill.size_micro) for fill in desk.fills] == [("SELL", 10 * MICRO)]


def test_a_stale_book_takes_no_order() -> None:
    """Nobody knows what it would meet."""
    desk = Desk()
    desk.paper.see(AT_NS, a_book(SLOT, START_S, "Up", 40, 42, stale=True))
    desk.wish(BUY)
    desk.account(TAKEN_NS)
    assert desk.paper.refused == {"no book": 1}


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
    paper.see(AT_NS, m.Keyframe(known))
    paper.see(AT_NS, m.TickSizeSet(SLOT, START_S, 1_000))
    paper.see(AT_NS, m.Keyframe(known))
    paper.decided(AT_NS, 1, TICK, m.Decision((structs.replace(BID, price_micro=405_000),), {}))
    paper.pass_time(THERE_NS)
    assert len(paper.shown(TICK).account.orders) == 1
