"""What the venue says of our orders, and what it means for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit.still_desk import BTC, CASH, ETH, START_S, a_trading_desk, buy, tokens
from kit.venue_words import (
    a_desk_with_a_cancel,
    a_desk_with_an_order,
    answered,
    cancelled,
    filled,
    leg,
    looked_up,
    state,
)
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.config import Slots
from supervisor import effects as fx
from supervisor.lookups import LOOKUP_S
from supervisor.venue.requests import VenueOrder
from supervisor.venue.user import OrderReport

# --- answers ---


@pytest.mark.parametrize(
    ("verdict", "status", "expected"),
    [
        ("accepted", "live", "open"),
        ("accepted", "matched", "open"),
        ("accepted", "delayed", "pending"),
        ("rejected", "", "closed"),
        ("unknown", "", "unknown"),
    ],
)
def test_what_an_answer_makes_of_a_resting_order(verdict: str, status: str, expected: str) -> None:
    """It rests, or rests behind the taker delay, or is none, or nobody knows."""
    still, order = a_desk_with_an_order()
    answered(still, order, verdict, status)
    assert state(still, order) == expected
    assert still.said(e.Answered)[-1].took_us == 900


def test_an_immediate_order_is_over_when_its_announced_trades_have_come() -> None:
    """Until then its slot waits."""
    still, order = a_desk_with_an_order("FAK", 500_000)
    answered(still, order, "accepted", "matched", "t1", "t2")
    assert (state(still, order), still.state().in_flight) == ("matched", 1)
    filled(still, leg(order, "t1", size=4_000_000), leg(order, "t2", size=6_000_000))
    assert (state(still, order), still.state().in_flight) == ("closed", 0)


def test_a_rejection_is_counted_and_kept_in_the_venues_words() -> None:
    """Nothing of it is exposed any more."""
    still, order = a_desk_with_an_order()
    assert still.accounts.exposure() == 4_700_000
    answered(still, order, "rejected")
    assert still.accounts.exposure() == 0
    assert still.said(e.Answered)[-1] == e.Answered(order, "place", "closed", "said so", 900)
    assert still.desk.board.counters["orders_rejected"] == 1


def test_no_answer_means_unknown_never_failed() -> None:
    """Exposure counts as filled, the slot is blocked, its ticks are skipped by that name, nothing is sent again."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unknown")
    still.jump(5)
    assert still.state().blocked
    assert still.said(e.OutcomeOf)[-1].reason == "unknown_order"
    assert still.accounts.exposure() == 4_700_000
    assert len(still.wanted(fx.Submit)) == 1


def test_what_never_left_is_closed_and_no_refusal_of_the_venues() -> None:
    """The slot goes on at once; nobody has it, so nothing is exposed and nothing is asked."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unsent")
    assert (state(still, order), still.state().blocked, still.accounts.exposure()) == ("closed", False, 0)
    assert still.said(e.Answered)[-1].request == "unsent"
    assert still.desk.board.counters["orders_unsent"] == 1
    assert "orders_rejected" not in still.desk.board.counters


def test_legs_of_a_batch_have_each_their_own_fate() -> None:
    """One rests, one was refused, of one nothing is known: the slot is blocked for that one alone."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(450_000), buy(460_000), buy(470_000))
    orders = [submit.order_id for submit in still.wanted(fx.Submit)]
    assert len(still.said(e.Placing)) == 3
    for order, verdict in zip(orders, ("accepted", "rejected", "unknown"), strict=True):
        answered(still, order, verdict, "live" if verdict == "accepted" else "")
    assert [state(still, order) for order in orders] == ["open", "closed", "unknown"]
    assert still.state().blocked
    looked_up(still, orders[2], "open")
    assert not still.state().blocked


def test_an_answer_for_an_order_nobody_knows_changes_nothing() -> None:
    """It was forgotten with its window."""
    still, _ = a_desk_with_an_order()
    before = len(still.journal)
    answered(still, "0xstrange", "accepted", "live")
    assert len(still.journal) == before


# --- cancels ---


def test_a_cancel_holds_its_slot_until_it_is_known_what_it_left() -> None:
    """That it is cancelled says nothing of what it traded before: until a look-up has, all of it counts."""
    still, order = a_desk_with_a_cancel()
    assert still.state().in_flight == 1
    cancelled(still, order, "accepted")
    assert (state(still, order), still.state().in_flight, still.accounts.exposure()) == ("open", 1, 4_700_000)
    assert still.said(e.Answered)[-1] == e.Answered(order, "cancel", "", "canceled", 700)
    assert still.wanted(fx.LookUp)[-1] == fx.LookUp(order)
    looked_up(still, order, "closed", leg(order, size=4_000_000))
    assert (state(still, order), still.state().in_flight, still.desk.dispatch.cancelling) == ("closed", 0, set())
    assert still.accounts.exposure() == 1_880_000


def test_a_cancelled_order_that_traded_more_than_was_told_counts_until_it_is_told() -> None:
    """The report of its end may come before its trades, which may not come by themselves at all."""
    still, order = a_desk_with_a_cancel()
    gone = OrderReport(order, "closed", 4_000_000, "CANCELED")
    still.do(still.desk.executions.on_report, gone)
    assert (state(still, order), still.accounts.exposure()) == ("open", 4_700_000)
    assert still.wanted(fx.LookUp)[-1] == fx.LookUp(order)
    found = VenueOrder(order, tokens(BTC)[0], "BUY", 470_000, 10_000_000, 4_000_000, False)
    still.do(still.desk.executions.on_lookup, order, found, [])
    assert (state(still, order), still.accounts.exposure()) == ("open", 4_700_000)
    still.do(still.desk.executions.on_lookup, order, found, [leg(order, size=4_000_000)])
    assert (state(still, order), still.accounts.exposure()) == ("closed", 1_880_000)


@pytest.mark.parametrize("verdict", ["rejected", "unknown"])
def test_a_cancel_in_doubt_leaves_the_order_as_it_was_and_asks(verdict: str) -> None:
    """It may have filled, or be gone already."""
    still, order = a_desk_with_a_cancel()
    cancelled(still, order, verdict)
    assert state(still, order) == "open"
    assert still.wanted(fx.LookUp)[-1] == fx.LookUp(order)
    looked_up(still, order, "closed", leg(order))
    assert state(still, order) == "closed"
    assert still.accounts.positions[BTC, START_S, "Up"].size_micro == 10_000_000


# --- reports and fills ---


def test_a_report_settles_an_order_whose_answer_was_lost() -> None:
    """The user channel knows it by its hash; the slot goes on."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unknown")
    still.do(still.desk.executions.on_report, OrderReport(order, "open", 0, "PLACEMENT"))
    assert (state(still, order), still.state().blocked) == ("open", False)
    still.do(still.desk.executions.on_report, OrderReport(order, "closed", None, "CANCELLATION"))
    assert state(still, order) == "closed"
    moved = [(event.state, event.open_micro) for event in still.told(m.OrderMoved)]
    assert moved == [("unknown", 10_000_000), ("open", 10_000_000), ("closed", 0)]


def test_words_about_orders_that_are_not_ours_are_counted() -> None:
    """The account may be traded by hand as well."""
    still, _ = a_desk_with_an_order()
    before = len(still.journal)
    still.do(still.desk.executions.on_report, OrderReport("0xtheirs", "open", 0, ""))
    filled(still, leg("0xtheirs"))
    assert still.desk.board.counters["foreign_orders"] == still.desk.board.counters["foreign_trades"] == 1
    assert len(still.journal) == before


def test_late_words_about_an_order_of_ours_are_no_strangers() -> None:
    """Its window is over and the order forgotten; that it was ours is not."""
    still, order = a_desk_with_an_order()
    still.accounts.orders[order] = replace(still.accounts.orders[order], state="closed")
    still.accounts._forget((BTC, START_S + 300))
    assert order not in still.accounts.orders
    before = len(still.journal)
    still.do(still.desk.executions.on_report, OrderReport(order, "closed", 0, ""))
    filled(still, leg(order))
    counters = still.desk.board.counters
    assert (counters["late_orders"], counters["late_trades"]) == (1, 1)
    assert not {"foreign_orders", "foreign_trades"} & counters.keys()
    assert len(still.journal) == before


def test_a_trade_is_counted_once_however_often_it_is_told() -> None:
    """Over the channel, in a look-up, after a reconnect."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    filled(still, leg(order), leg(order))
    looked_up(still, order, "closed", leg(order))
    still.do(still.desk.catching_up.on_caught_up, [leg(order)], set())
    assert len(still.said(e.Fill)) == len(still.told(m.Filled)) == 1
    assert still.accounts.cash_micro == CASH - 4_700_000


def test_a_fill_goes_from_provisional_to_firm() -> None:
    """Each step is told once."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    filled(still, leg(order))
    assert still.accounts.positions[BTC, START_S, "Up"].provisional_micro == 10_000_000
    filled(still, leg(order, status="MINED"), leg(order, status="CONFIRMED"), leg(order, status="CONFIRMED"))
    assert still.accounts.positions[BTC, START_S, "Up"].provisional_micro == 0
    assert [event.status for event in still.told(m.Filled)] == ["MATCHED", "MINED", "CONFIRMED"]


def test_a_late_word_about_a_settled_fill_is_no_news() -> None:
    """Channels repeat themselves out of order; a settlement does not go back."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    filled(still, leg(order), leg(order, status="CONFIRMED"))
    before = len(still.journal), len(still.frames)
    filled(still, leg(order), leg(order, status="MINED"))
    assert (len(still.journal), len(still.frames)) == before


def test_a_failed_settlement_gives_the_money_back() -> None:
    """The part that failed is ours no more, and nothing of it is exposed."""
    still, order = a_desk_with_an_order("FAK", 500_000)
    answered(still, order, "accepted", "matched", "t1")
    filled(still, leg(order), leg(order, status="FAILED"))
    assert still.accounts.cash_micro == CASH
    assert still.accounts.positions[BTC, START_S, "Up"].size_micro == 0
    assert still.accounts.exposure() == 0


@pytest.mark.parametrize(("maker", "fee_micro"), [(True, 0), (False, 174_370)])
def test_only_takers_pay_the_markets_own_fee(maker: bool, fee_micro: int) -> None:
    """Shares x 0.07 x p (1-p), to five decimals."""
    still, order = a_desk_with_an_order("FAK", 500_000)
    filled(still, leg(order, maker=maker))
    assert still.said(e.Fill)[-1].fee_micro == fee_micro
    assert still.accounts.cash_micro == CASH - 4_700_000 - fee_micro


# --- what the venue says when it is asked ---


def test_an_unknown_order_that_is_found_is_taken_up() -> None:
    """Resting, with whatever of it traded."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unknown")
    looked_up(still, order, "open", leg(order, size=4_000_000))
    assert (state(still, order), still.accounts.orders[order].open_micro) == ("open", 6_000_000)
    assert not still.state().blocked


def test_a_look_up_counts_only_the_trades_of_its_order() -> None:
    """The venue answers with those of the whole market."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unknown")
    looked_up(still, order, "open", leg("0xother"))
    assert still.said(e.Fill) == []


def test_orders_that_do_not_rest_any_more_are_asked_about() -> None:
    """What rests is left alone; an order that is just being sent cannot rest yet."""
    still, first = a_desk_with_an_order()
    answered(still, first, "accepted", "live")
    still.jump(5)
    still.answer(buy(460_000))
    second = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.catching_up.on_caught_up, [leg(first, size=4_000_000)], {first})
    assert still.wanted(fx.LookUp) == []
    still.do(still.desk.catching_up.on_caught_up, [], set())
    assert still.wanted(fx.LookUp) == [fx.LookUp(first)]
    assert state(still, second) == "pending"
    assert still.accounts.positions[BTC, START_S, "Up"].size_micro == 4_000_000


# --- a restart ---


def test_an_order_without_an_answer_is_unknown_after_a_restart() -> None:
    """It may exist: asked about at once and again, its slot blocked until something is known."""
    still, order = a_desk_with_an_order()
    still.restart()
    assert state(still, order) == "unknown"
    assert still.said(e.Answered)[-1].raw == "the supervisor ended before the answer came"
    assert still.wanted(fx.LookUp) == [fx.LookUp(order)]
    assert still.state().blocked
    still.jump(LOOKUP_S + 0.1)
    assert len(still.wanted(fx.LookUp)) == 2
    looked_up(still, order, "open")
    assert not still.state().blocked


def test_an_order_that_rested_is_asked_about_after_a_restart() -> None:
    """It may have filled meanwhile."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.restart()
    assert still.wanted(fx.LookUp) == [fx.LookUp(order)]
    looked_up(still, order, "closed", leg(order))
    assert (state(still, order), still.accounts.cash_micro) == ("closed", CASH - 4_700_000)


def test_an_order_of_a_slot_that_is_no_longer_configured_is_followed_to_its_end() -> None:
    """Settings may change between two reigns; the money does not."""
    still = a_trading_desk("BTC", "ETH")
    still.jump(5)
    still.answer(buy(470_000), name=ETH)
    order = still.wanted(fx.Submit)[-1].order_id
    still.settings = structs.replace(still.settings, slots=Slots(assets=("BTC",), minutes=(5,)))
    still.restart()
    looked_up(still, order, "closed", leg(order))
    assert (state(still, order), still.accounts.cash_micro) == ("closed", CASH - 4_700_000)
