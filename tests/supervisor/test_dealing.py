"""Our orders once they left: answers, reports, fills, look-ups."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from kit.still_desk import BTC, CASH, ETH, START_S, StillDesk, a_trading_desk, buy, tokens
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.config import Slots
from supervisor import effects as fx
from supervisor.dealing import LOOKUP_S, RECHECK_S, SETTLING_S
from supervisor.venue.requests import Answer, VenueOrder
from supervisor.venue.user import OrderReport, TradeLeg

HORIZON_S, ANSWER_S = 30.0, 5.0
Status = Literal["MATCHED", "MINED", "CONFIRMED", "RETRYING", "FAILED"]


def a_desk_with_an_order(kind: m.OrderKind = "GTC", price_micro: int = 470_000) -> tuple[StillDesk, str]:
    """Ten shares of Up were sent and nothing was heard of them."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(price_micro, kind=kind))
    return still, still.wanted(fx.Submit)[-1].order_id


def answered(still: StillDesk, order: str, verdict: Any, status: str = "", *trades: str) -> None:
    """The venue's answer to the order."""
    said = Answer(verdict, status, order, trades, "" if status else "said so")
    still.do(still.desk.dealing.on_answer, order, said, 900)


def leg(
    order: str, trade: str = "t1", *, size: int = 10_000_000, status: Status = "MATCHED", maker: bool = True
) -> TradeLeg:
    """A trade of the order."""
    return TradeLeg(trade, order, tokens(BTC)[0], "BUY", 470_000, size, maker, status)


def filled(still: StillDesk, *legs: TradeLeg) -> None:
    """The user channel tells of trades."""
    for one in legs:
        still.do(still.desk.dealing.on_leg, one)


def looked_up(still: StillDesk, order: str, state: str, *legs: TradeLeg) -> None:
    """The venue's answer to a look-up: open, closed, or absent."""
    found = VenueOrder(order, tokens(BTC)[0], "BUY", 470_000, 10_000_000, 0, state == "open")
    still.do(still.desk.dealing.on_lookup, order, None if state == "absent" else found, list(legs))


def state(still: StillDesk, order: str) -> str:
    """What we believe of the order."""
    return still.accounts.orders[order].state


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


def test_an_answer_for_an_order_nobody_knows_changes_nothing() -> None:
    """It was forgotten with its window."""
    still, _ = a_desk_with_an_order()
    before = len(still.journal)
    answered(still, "0xstrange", "accepted", "live")
    assert len(still.journal) == before


# --- cancels ---


def a_desk_with_a_cancel() -> tuple[StillDesk, str]:
    """An order rests, and its cancel was sent."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.jump(5)
    still.answer(m.Cancel(order))
    return still, order


def cancelled(still: StillDesk, order: str, verdict: Any) -> None:
    """The venue's answer to the cancel."""
    reason = "" if verdict == "accepted" else "already canceled or matched"
    still.do(still.desk.dealing.on_cancel_answer, order, Answer(verdict, reason=reason), 700)


def test_a_cancel_holds_its_slot_until_it_is_known_what_it_left() -> None:
    """That it is cancelled says nothing of what it traded before: until a look-up has, all of it counts."""
    still, order = a_desk_with_a_cancel()
    assert still.state().in_flight == 1
    cancelled(still, order, "accepted")
    assert (state(still, order), still.state().in_flight, still.accounts.exposure()) == ("open", 1, 4_700_000)
    assert still.said(e.Answered)[-1] == e.Answered(order, "cancel", "", "canceled", 700)
    assert still.wanted(fx.LookUp)[-1] == fx.LookUp(order)
    looked_up(still, order, "closed", leg(order, size=4_000_000))
    assert (state(still, order), still.state().in_flight, still.desk.dealing.cancelling) == ("closed", 0, set())
    assert still.accounts.exposure() == 1_880_000


def test_a_cancelled_order_that_traded_more_than_was_told_counts_until_it_is_told() -> None:
    """The report of its end may come before its trades, which may not come by themselves at all."""
    still, order = a_desk_with_a_cancel()
    gone = OrderReport(order, "closed", 4_000_000, "CANCELED")
    still.do(still.desk.dealing.on_report, gone)
    assert (state(still, order), still.accounts.exposure()) == ("open", 4_700_000)
    assert still.wanted(fx.LookUp)[-1] == fx.LookUp(order)
    found = VenueOrder(order, tokens(BTC)[0], "BUY", 470_000, 10_000_000, 4_000_000, False)
    still.do(still.desk.dealing.on_lookup, order, found, [])
    assert (state(still, order), still.accounts.exposure()) == ("open", 4_700_000)
    still.do(still.desk.dealing.on_lookup, order, found, [leg(order, size=4_000_000)])
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
    still.do(still.desk.dealing.on_report, OrderReport(order, "open", 0, "PLACEMENT"))
    assert (state(still, order), still.state().blocked) == ("open", False)
    still.do(still.desk.dealing.on_report, OrderReport(order, "closed", None, "CANCELLATION"))
    assert state(still, order) == "closed"
    moved = [(event.state, event.open_micro) for event in still.told(m.OrderMoved)]
    assert moved == [("unknown", 10_000_000), ("open", 10_000_000), ("closed", 0)]


def test_words_about_orders_that_are_not_ours_are_counted() -> None:
    """The account may be traded by hand as well."""
    still, _ = a_desk_with_an_order()
    before = len(still.journal)
    still.do(still.desk.dealing.on_report, OrderReport("0xtheirs", "open", 0, ""))
    filled(still, leg("0xtheirs"))
    assert still.desk.board.counters["foreign_orders"] == still.desk.board.counters["foreign_trades"] == 1
    assert len(still.journal) == before


def test_a_trade_is_counted_once_however_often_it_is_told() -> None:
    """Over the channel, in a look-up, after a reconnect."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    filled(still, leg(order), leg(order))
    looked_up(still, order, "closed", leg(order))
    still.do(still.desk.dealing.on_caught_up, [leg(order)], set())
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


# --- asking ---


def test_an_unknown_order_is_asked_about_until_the_horizon() -> None:
    """That the venue does not find it proves nothing before; after it, it never existed and the slot goes on."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unknown")
    asked = 0
    while state(still, order) == "unknown":
        still.jump(0.5)
        if len(still.wanted(fx.LookUp)) > asked:
            asked += 1
            looked_up(still, order, "absent")
    waited_s = (still.mono_ns - 1_005 * 10**9) / 10**9
    assert HORIZON_S < waited_s < HORIZON_S + LOOKUP_S + 1
    assert asked == pytest.approx(HORIZON_S / (LOOKUP_S + 0.5), abs=1)
    assert still.said(e.Answered)[-1] == e.Answered(order, "lookup", "closed", "the venue never knew it", 0)
    assert (still.state().blocked, still.accounts.exposure()) == (False, 0)


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


def test_an_answer_that_is_still_owed_is_waited_for() -> None:
    """A pending order is asked about only when its own answer can no longer come, or said that it waits."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "delayed")
    for _ in range(14):
        still.jump(0.5)
    assert still.wanted(fx.LookUp) == []
    still.jump(0.5)
    assert still.wanted(fx.LookUp) == [fx.LookUp(order)]
    looked_up(still, order, "open")
    assert (state(still, order), still.state().in_flight) == ("open", 0)


def test_trades_that_were_announced_and_did_not_come_are_asked_for() -> None:
    """The channel may have dropped them."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "matched", "t1")
    still.jump(LOOKUP_S + 0.1)
    assert still.wanted(fx.LookUp) == [fx.LookUp(order)]
    looked_up(still, order, "closed", leg(order))
    still.jump(LOOKUP_S + 0.1)
    assert len(still.wanted(fx.LookUp)) == 1


def test_an_order_that_rests_is_not_asked_about() -> None:
    """It owes us nothing."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.to_s(60)
    assert still.wanted(fx.LookUp) == []


def test_a_resting_order_that_is_gone_is_not_believed_in_for_ever() -> None:
    """The venue cancelled it while nobody listened: absent when asked, absent until the horizon, closed."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.do(still.desk.dealing.on_caught_up, [], set())
    asked = 0
    for _ in range(70):
        if len(still.wanted(fx.LookUp)) > asked:
            asked += 1
            looked_up(still, order, "absent")
        still.jump(0.5)
        still.hold()
    assert state(still, order) == "closed"
    assert asked > 5
    assert still.state().in_flight == 0


def test_a_fill_of_an_order_the_venue_does_not_find_does_not_end_the_asking() -> None:
    """Only a word about the order itself does."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    looked_up(still, order, "absent")
    filled(still, leg(order, size=4_000_000))
    still.jump(LOOKUP_S + 0.1)
    assert still.wanted(fx.LookUp) == [fx.LookUp(order)]
    looked_up(still, order, "open")
    still.jump(LOOKUP_S + 0.1)
    assert len(still.wanted(fx.LookUp)) == 1


# --- catching up ---


def test_what_the_user_channel_missed_is_asked_for_when_it_is_back() -> None:
    """From when it went, and as long before as a settlement may take."""
    still = a_trading_desk()
    lost_s = still.at_ns // 10**9
    still.do(still.desk.markets.on_feed, "user", "closed by the venue")
    still.jump(40)
    still.do(still.desk.markets.on_feed, "user", "refused")
    still.jump(40)
    still.do(still.desk.markets.on_feed, "user", "")
    assert still.wanted(fx.CatchUp)[-1] == fx.CatchUp(lost_s - SETTLING_S)


def test_after_a_restart_all_is_asked_for_that_nobody_heard() -> None:
    """However long the outage: at once, and again when the user channel is there, which may be much later."""
    still = a_trading_desk()
    last_s = still.journal[-1].at_ns // 10**9
    still.restart(after_s=3_600)
    assert still.wanted(fx.CatchUp) == [fx.CatchUp(last_s - SETTLING_S)]
    still.jump(1_000)
    still.do(still.desk.markets.on_feed, "user", "refused")
    still.jump(1_000)
    still.do(still.desk.markets.on_feed, "user", "")
    assert still.wanted(fx.CatchUp)[1:] == [fx.CatchUp(last_s - SETTLING_S)]


def test_a_reign_that_never_listened_does_not_hide_what_was_missed_before_it() -> None:
    """It wrote and was cut off; the next one asks from the beginning of the window that an order of ours is in."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unknown")
    still.restart(after_s=20)
    still.jump(200)
    still.restart(after_s=20)
    assert still.wanted(fx.CatchUp)[-1] == fx.CatchUp(START_S - SETTLING_S)


def test_a_trade_is_known_when_somebody_listened_or_asked_since() -> None:
    """Up to the newest question, and only once each question is answered; all of it while the channel is there."""
    still = a_trading_desk()
    knows = still.desk.dealing.knows
    still.jump(1)
    lost_ns = still.at_ns
    assert knows(lost_ns)
    still.do(still.desk.markets.on_feed, "user", "closed by the venue")
    still.jump(RECHECK_S + 0.1)
    assert not knows(lost_ns)
    asked_ns = still.at_ns
    still.caught_up()
    assert (knows(lost_ns), knows(asked_ns + 1)) == (True, False)
    still.jump(RECHECK_S + 0.1)
    still.do(still.desk.markets.on_feed, "user", "")
    still.do(still.desk.dealing.on_caught_up, [], set())
    assert not knows(still.at_ns), "one of two questions has its answer"
    still.do(still.desk.dealing.on_caught_up, [], set())
    assert knows(still.at_ns + 1)


def test_orders_that_do_not_rest_any_more_are_asked_about() -> None:
    """What rests is left alone; an order that is just being sent cannot rest yet."""
    still, first = a_desk_with_an_order()
    answered(still, first, "accepted", "live")
    still.jump(5)
    still.answer(buy(460_000))
    second = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.dealing.on_caught_up, [leg(first, size=4_000_000)], {first})
    assert still.wanted(fx.LookUp) == []
    still.do(still.desk.dealing.on_caught_up, [], set())
    assert still.wanted(fx.LookUp) == [fx.LookUp(first)]
    assert state(still, second) == "pending"
    assert still.accounts.positions[BTC, START_S, "Up"].size_micro == 4_000_000


def test_a_channel_that_is_there_is_not_believed_blindly() -> None:
    """While an order rests the venue's lists are looked at now and then, one look at a time."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.do(still.desk.dealing.on_caught_up, [], {order})
    before = len(still.wanted(fx.CatchUp))
    asked_s = still.at_ns / 10**9
    for _ in range(4):
        still.jump(RECHECK_S + 0.1)
    assert len(still.wanted(fx.CatchUp)) == before + 1
    since_s = still.wanted(fx.CatchUp)[-1].since_s
    assert asked_s <= since_s + SETTLING_S <= asked_s + 2 * RECHECK_S
    still.do(still.desk.dealing.on_caught_up, [leg(order, size=10_000_000)], set())
    still.jump(RECHECK_S + 0.1)
    assert len(still.wanted(fx.CatchUp)) == before + 2, "its settlement may fail untold"
    assert still.accounts.positions[BTC, START_S, "Up"].size_micro == 10_000_000


def test_who_has_nothing_at_the_venue_does_not_look() -> None:
    """Nothing can change there."""
    still, order = a_desk_with_an_order()
    answered(still, order, "rejected")
    still.do(still.desk.dealing.on_caught_up, [], set())
    before = len(still.wanted(fx.CatchUp))
    for _ in range(4):
        still.jump(RECHECK_S + 0.1)
    assert len(still.wanted(fx.CatchUp)) == before


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


# --- cash ---


def test_the_first_balance_is_taken_over_and_later_ones_are_held_against_ours() -> None:
    """A difference is counted; our own sums stand."""
    still = a_trading_desk()
    assert still.accounts.cash_micro == CASH
    still.do(still.desk.dealing.on_balance, CASH)
    assert "balance_differs" not in still.desk.board.counters
    still.do(still.desk.dealing.on_balance, CASH - 1)
    assert still.desk.board.counters["balance_differs"] == 1
    assert (still.accounts.cash_micro, len(still.said(e.Balance))) == (CASH, 1)
