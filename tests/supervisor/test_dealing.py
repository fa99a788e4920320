"""Our orders once they left: answers, reports, fills, look-ups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from kit.still_desk import BTC, CASH, ETH, START_S, StillDesk, a_trading_desk, buy, tokens
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.config import Slots, Venue
from supervisor import effects as fx
from supervisor.dealing import LOOKUP_S, RECHECK_S, REPLACE_S, SETTLING_S
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


# --- several at once, and one for another ---


def a_desk_with_orders(*prices_micro: int) -> tuple[StillDesk, list[str]]:
    """Orders of one decision rest at these prices."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(*(buy(price_micro) for price_micro in prices_micro))
    orders = [submit.order_id for submit in still.wanted(fx.Submit)]
    for order in orders:
        answered(still, order, "accepted", "live")
    still.jump(5)
    return still, orders


def cancels_sent(still: StillDesk) -> list[str]:
    """Orders whose cancels left, in order."""
    return [effect.order_id for effect in still.wanted(fx.CancelOrder)]


def cancels_answered(still: StillDesk, **verdicts: Any) -> None:
    """The venue's answer to several cancels."""
    answers = {
        order: Answer(verdict, reason="" if verdict == "accepted" else "no") for order, verdict in verdicts.items()
    }
    still.do(still.desk.dealing.on_cancel_answers, answers, 700)


def test_orders_of_one_decision_leave_as_one_and_so_do_its_cancels() -> None:
    """Each of them durable first, each answered for itself."""
    still, orders = a_desk_with_orders(450_000, 460_000, 470_000)
    assert still.batches == [3]
    still.answer(*(m.Cancel(order) for order in orders))
    assert (still.batches, cancels_sent(still)) == ([3, 3], orders)
    cancels_answered(still, **{orders[0]: "accepted", orders[1]: "rejected", orders[2]: "unknown"})
    assert {effect.order_id for effect in still.wanted(fx.LookUp)} == set(orders)
    assert still.desk.dealing.cancelling == {orders[0]}
    for order, found in zip(orders, ("closed", "open", "open"), strict=True):
        looked_up(still, order, found)
    assert [state(still, order) for order in orders] == ["closed", "open", "open"]
    assert still.desk.dealing.cancelling == set()


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


def test_nothing_of_a_batch_leaves_before_the_disk_has_all_of_it() -> None:
    """A slow disk holds it back as a whole."""
    still = a_trading_desk()
    still.jump(5)
    still.slow_disk = True
    still.answer(buy(450_000), buy(460_000))
    assert (len(still.said(e.Placing)), still.wanted(fx.Submit)) == (2, [])
    still.sync()
    assert len(still.wanted(fx.Submit)) == 2


def a_desk_that_replaces(*others: m.Intent) -> tuple[StillDesk, str, str]:
    """An order rests; a decision cancels it and wishes for another one instead."""
    still, (old,) = a_desk_with_orders(450_000)
    still.answer(m.Cancel(old), buy(470_000), *others)
    placed = [placing.order_id for placing in still.said(e.Placing)]
    return still, old, placed[1]


def submitted(still: StillDesk) -> list[str]:
    """Orders that left."""
    return [effect.order_id for effect in still.wanted(fx.Submit)]


def test_a_replacement_leaves_when_what_it_replaces_is_gone() -> None:
    """Not before it is known what it traded: the two are never open together. Both are in the journal at once."""
    still, old, new = a_desk_that_replaces()
    assert (submitted(still), cancels_sent(still), state(still, new)) == ([old], [old], "pending")
    assert still.state().in_flight == 2
    cancels_answered(still, **{old: "accepted"})
    assert submitted(still) == [old]
    looked_up(still, old, "closed")
    assert submitted(still) == [old, new]
    answered(still, new, "accepted", "live")
    assert (state(still, old), state(still, new), still.state().in_flight) == ("closed", "open", 0)


@pytest.mark.parametrize("verdict", ["rejected", "unknown", "unsent"])
def test_a_replacement_never_leaves_when_the_cancel_did_not_go_through(verdict: str) -> None:
    """What it replaces may have filled, or may yet: the new one exists nowhere, and the next decision sees that."""
    still, old, new = a_desk_that_replaces()
    cancels_answered(still, **{old: verdict})
    assert (submitted(still), state(still, new)) == ([old], "closed")
    assert still.said(e.Answered)[-1].request == "unsent"
    assert still.accounts.orders[new].reason == f"not sent: order {old[:10]} was not cancelled"
    assert still.desk.board.counters["replacements_dropped"] == 1
    cancels_answered(still, **{old: "accepted"})
    assert submitted(still) == [old]


def test_a_replacement_never_leaves_when_what_it_replaces_traded_meanwhile() -> None:
    """Part of the wish is fulfilled already."""
    still, old, new = a_desk_that_replaces()
    filled(still, leg(old, size=4_000_000))
    cancels_answered(still, **{old: "accepted"})
    assert (submitted(still), state(still, new)) == ([old], "closed")
    assert "traded meanwhile" in still.accounts.orders[new].reason


def test_a_replacement_waits_for_every_cancel_before_it() -> None:
    """However they are answered; those after it in the decision do not concern it."""
    still, (first, second, third) = a_desk_with_orders(440_000, 450_000, 460_000)
    still.answer(m.Cancel(first), m.Cancel(second), buy(470_000), m.Cancel(third), buy(480_000))
    new = [placing.order_id for placing in still.said(e.Placing)][3:]
    cancels_answered(still, **{first: "accepted"})
    looked_up(still, first, "closed")
    assert submitted(still) == [first, second, third]
    cancels_answered(still, **{second: "accepted"})
    looked_up(still, second, "closed")
    assert submitted(still)[3:] == new[:1]
    cancels_answered(still, **{third: "rejected"})
    assert (submitted(still)[3:], state(still, new[1])) == (new[:1], "closed")


def test_an_order_that_stands_before_a_cancel_does_not_wait_for_it() -> None:
    """It was asked for first."""
    still, (old,) = a_desk_with_orders(450_000)
    still.answer(buy(440_000), m.Cancel(old))
    assert (len(submitted(still)), cancels_sent(still)) == (2, [old])


def test_an_order_for_something_else_does_not_wait_for_a_cancel_before_it() -> None:
    """To buy Down is no replacement of buying Up; to sell Down would be."""
    still, (old,) = a_desk_with_orders(450_000)
    still.answer(m.Cancel(old), buy(460_000, outcome="Down"))
    assert (len(submitted(still)), cancels_sent(still)) == (2, [old])
    cancels_answered(still, **{old: "rejected"})
    assert "replacements_dropped" not in still.desk.board.counters


def test_no_order_replaces_one_whose_cancel_was_denied() -> None:
    """It may have filled since the decision was made: the order after it is denied by that name."""
    still, (old,) = a_desk_with_orders(450_000)
    filled(still, leg(old))
    still.answer(m.Cancel(old), buy(470_000))
    assert [text.partition(":")[0] for text in still.said(e.OutcomeOf)[-1].denied] == ["0 not_open", "1 not_replaced"]
    assert submitted(still) == [old]


def test_a_replacement_leaves_when_the_channel_tells_of_the_end_of_what_it_replaces() -> None:
    """Its cancel had not even had its turn; and it leaves only when it is on the disk itself."""
    still = a_trading_desk(venue=Venue(cancels_burst=1, cancels_per_s=1))
    still.jump(5)
    still.answer(buy(440_000), buy(450_000))
    first, second = submitted(still)
    for order in (first, second):
        answered(still, order, "accepted", "live")
    still.jump(5)
    still.slow_disk = True
    still.answer(m.Cancel(first), m.Cancel(second), buy(460_000))
    cancels_answered(still, **{first: "accepted"})
    looked_up(still, first, "closed")
    still.do(still.desk.dealing.on_report, OrderReport(second, "closed", None, "CANCELED"))
    still.jump(0.1)
    assert submitted(still) == [first, second]
    still.sync()
    assert len(submitted(still)) == 3


def test_a_replacement_that_waited_too_long_never_leaves() -> None:
    """What it was decided on is old by then."""
    still, old, new = a_desk_that_replaces()
    still.jump(REPLACE_S + 0.1)
    assert "not cancelled in time" in still.accounts.orders[new].reason
    cancels_answered(still, **{old: "accepted"})
    assert submitted(still) == [old]


@pytest.mark.parametrize("closed", ["paused", "feed"])
def test_a_replacement_never_leaves_once_entries_are_closed(closed: str) -> None:
    """A pause is a pause for it as well."""
    still, old, new = a_desk_that_replaces()
    if closed == "paused":
        still.do(still.desk.pause, True, "uid:0", "news")
    else:
        still.do(still.desk.markets.on_feed, "user", "gone")
    cancels_answered(still, **{old: "accepted"})
    assert (submitted(still), "entries are closed" in still.accounts.orders[new].reason) == ([old], True)


def test_a_replacement_that_waited_when_the_supervisor_ended_is_looked_up_as_any_other() -> None:
    """The next reign does not know whether it left: it is never sent again."""
    still, old, new = a_desk_that_replaces()
    still.restart()
    assert state(still, new) == "unknown"
    cancels_answered(still, **{old: "accepted"})
    assert submitted(still) == []


# --- our pace ---


def test_what_never_left_is_closed_and_no_refusal_of_the_venues() -> None:
    """The slot goes on at once; nobody has it, so nothing is exposed and nothing is asked."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unsent")
    assert (state(still, order), still.state().blocked, still.accounts.exposure()) == ("closed", False, 0)
    assert still.said(e.Answered)[-1].request == "unsent"
    assert still.desk.board.counters["orders_unsent"] == 1
    assert "orders_rejected" not in still.desk.board.counters


SLOW = Venue(orders_per_s=1, orders_burst=2, cancels_per_s=1, cancels_burst=2)


def test_orders_beyond_the_venues_bucket_are_denied_by_name() -> None:
    """Those of the very same decision count; nothing waits unseen."""
    still = a_trading_desk(venue=SLOW)
    still.jump(5)
    still.answer(buy(440_000), buy(450_000), buy(460_000))
    assert len(submitted(still)) == 2
    denied = still.said(e.OutcomeOf)[-1].denied
    assert denied == ("2 venue_rate: 1 a second and 2 at once are all the venue takes",)
    for order in submitted(still):
        answered(still, order, "rejected")
    still.jump(5)
    still.answer(buy(460_000))
    assert len(submitted(still)) == 3


def test_what_the_venue_says_is_left_is_believed() -> None:
    """Somebody else may use the same key."""
    still = a_trading_desk(venue=SLOW)
    still.jump(5)
    still.answer(buy(440_000))
    order = submitted(still)[0]
    still.do(still.desk.dealing.on_answer, order, Answer("accepted", "live", order, left=0), 900)
    still.jump(0.5)
    still.price()
    assert still.desk.dealing.orders_pace.why_not(still.mono_ns)[0] == "venue_rate"


@pytest.mark.parametrize(
    ("mode", "plain", "post_only"),
    [("restarting", False, False), ("closed", False, False), ("too_many", False, False), ("post_only", False, True)],
)
def test_a_venue_that_takes_no_orders_is_left_alone_for_a_while(mode: Any, plain: bool, post_only: bool) -> None:
    """By name, as long as it says; post-only orders may go where those are taken."""
    still, order = a_desk_with_an_order()
    refused = Answer("rejected", reason="no", away="the venue says no", mode=mode, wait_s=8)
    still.do(still.desk.dealing.on_answer, order, refused, 900)
    still.jump(5)
    still.answer(buy(470_000), structs.replace(buy(460_000), post_only=True))
    denied = [text.partition(":")[0] for text in still.said(e.OutcomeOf)[-1].denied]
    assert denied == [name for name, passes in (("0 venue_away", plain), ("1 venue_away", post_only)) if not passes]
    for left in submitted(still)[1:]:
        answered(still, left, "rejected")
    still.jump(5)
    still.answer(buy(470_000))
    assert state(still, submitted(still)[-1]) == "pending"


def test_cancels_beyond_the_venues_bucket_wait_their_turn() -> None:
    """They are held to be on their way, leave by themselves, and not one is lost."""
    still = a_trading_desk(venue=structs.replace(SLOW, orders_per_s=40, orders_burst=60))
    still.jump(5)
    still.answer(*(buy(price) for price in (430_000, 440_000, 450_000, 460_000, 470_000)))
    orders = submitted(still)
    for order in orders:
        answered(still, order, "accepted", "live")
    still.jump(5)
    still.answer(*(m.Cancel(order) for order in orders))
    assert (cancels_sent(still), still.desk.dealing.cancelling) == (orders[:2], set(orders))
    still.jump(1.0)
    assert cancels_sent(still) == orders[:3]
    still.do(still.desk.dealing.on_report, OrderReport(orders[3], "closed", None, "CANCELED"))
    still.jump(2.0)
    assert cancels_sent(still) == [*orders[:3], orders[4]]
    assert orders[3] not in still.desk.dealing.cancelling


def test_a_cancel_that_came_too_fast_is_sent_again_in_its_turn() -> None:
    """It was not done; nobody has to wish for it anew."""
    still, order = a_desk_with_a_cancel()
    too_fast = Answer("unknown", reason="Too Many Requests", mode="too_many", wait_s=2)
    still.do(still.desk.dealing.on_cancel_answer, order, too_fast, 700)
    assert (order in still.desk.dealing.cancelling, still.state().in_flight) == (True, 1)
    still.jump(1.9)
    assert cancels_sent(still) == [order]
    still.jump(0.2)
    assert cancels_sent(still) == [order, order]
    cancelled(still, order, "accepted")
    looked_up(still, order, "closed")
    assert (state(still, order), still.state().in_flight) == ("closed", 0)


def test_a_cancel_that_waits_leaves_only_when_it_is_on_the_disk() -> None:
    """Also when its turn comes before the disk has answered."""
    still = a_trading_desk(venue=structs.replace(SLOW, orders_per_s=40, orders_burst=60, cancels_burst=1))
    still.jump(5)
    still.answer(buy(450_000), buy(460_000))
    orders = submitted(still)
    for order in orders:
        answered(still, order, "accepted", "live")
    still.jump(5)
    still.slow_disk = True
    still.answer(*(m.Cancel(order) for order in orders))
    still.jump(1.0)
    assert cancels_sent(still) == []
    still.sync()
    assert cancels_sent(still) == orders


def test_no_cancel_is_wished_for_while_the_venue_takes_none() -> None:
    """Denied by name; the order rests as it did."""
    still, order = a_desk_with_a_cancel()
    away = Answer("unknown", reason="trading is disabled", mode="closed", wait_s=20)
    still.do(still.desk.dealing.on_cancel_answer, order, away, 700)
    still.jump(5)
    still.answer(m.Cancel(order))
    assert still.said(e.OutcomeOf)[-1].denied[0].startswith("0 venue_away: the venue takes no orders")
    assert cancels_sent(still) == [order]


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


def test_late_words_about_an_order_of_ours_are_no_strangers() -> None:
    """Its window is over and the order forgotten; that it was ours is not."""
    still, order = a_desk_with_an_order()
    still.accounts.orders[order] = replace(still.accounts.orders[order], state="closed")
    still.accounts._forget((BTC, START_S + 300))
    assert order not in still.accounts.orders
    before = len(still.journal)
    still.do(still.desk.dealing.on_report, OrderReport(order, "closed", 0, ""))
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


def test_the_first_balance_is_taken_over_and_later_ones_are_not() -> None:
    """Our own sums stand."""
    still = a_trading_desk()
    assert still.accounts.cash_micro == CASH
    still.do(still.desk.dealing.on_balance, CASH - 1)
    assert (still.accounts.cash_micro, len(still.said(e.Balance))) == (CASH, 1)
