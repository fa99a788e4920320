"""What leaves for the venue, and when: batches, replacements, our pace."""

from __future__ import annotations

from typing import Any

import pytest
from kit.still_desk import StillDesk, a_trading_desk, buy
from kit.venue_words import (
    a_desk_with_a_cancel,
    a_desk_with_an_order,
    a_desk_with_orders,
    answered,
    cancelled,
    cancels_answered,
    cancels_sent,
    filled,
    leg,
    looked_up,
    state,
    submitted,
)
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.config import Venue
from supervisor import effects as fx
from supervisor.dispatch import REPLACE_S
from supervisor.venue.requests import Answer
from supervisor.venue.user import OrderReport

SLOW = Venue(orders_per_s=1, orders_burst=2, cancels_per_s=1, cancels_burst=2)


# --- several at once ---


def test_orders_of_one_decision_leave_as_one_and_so_do_its_cancels() -> None:
    """Each of them durable first, each answered for itself."""
    still, orders = a_desk_with_orders(450_000, 460_000, 470_000)
    assert still.batches == [3]
    still.answer(*(m.Cancel(order) for order in orders))
    assert (still.batches, cancels_sent(still)) == ([3, 3], orders)
    cancels_answered(still, **{orders[0]: "accepted", orders[1]: "rejected", orders[2]: "unknown"})
    assert {effect.order_id for effect in still.wanted(fx.LookUp)} == set(orders)
    assert still.desk.dispatch.cancelling == {orders[0]}
    for order, found in zip(orders, ("closed", "open", "open"), strict=True):
        looked_up(still, order, found)
    assert [state(still, order) for order in orders] == ["closed", "open", "open"]
    assert still.desk.dispatch.cancelling == set()


def test_nothing_of_a_batch_leaves_before_the_disk_has_all_of_it() -> None:
    """A slow disk holds it back as a whole."""
    still = a_trading_desk()
    still.jump(5)
    still.slow_disk = True
    still.answer(buy(450_000), buy(460_000))
    assert (len(still.said(e.Placing)), still.wanted(fx.Submit)) == (2, [])
    still.sync()
    assert len(still.wanted(fx.Submit)) == 2


# --- one for another ---


def a_desk_that_replaces(*others: m.Intent) -> tuple[StillDesk, str, str]:
    """An order rests; a decision cancels it and wishes for another one instead."""
    still, (old,) = a_desk_with_orders(450_000)
    still.answer(m.Cancel(old), buy(470_000), *others)
    placed = [placing.order_id for placing in still.said(e.Placing)]
    return still, old, placed[1]


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
    still.do(still.desk.executions.on_report, OrderReport(second, "closed", None, "CANCELED"))
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
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order, left=0), 900)
    still.jump(0.5)
    still.price()
    assert still.desk.dispatch.orders_pace.why_not(still.mono_ns)[0] == "venue_rate"


@pytest.mark.parametrize(
    ("mode", "plain", "post_only"),
    [("restarting", False, False), ("closed", False, False), ("too_many", False, False), ("post_only", False, True)],
)
def test_a_venue_that_takes_no_orders_is_left_alone_for_a_while(mode: Any, plain: bool, post_only: bool) -> None:
    """By name, as long as it says; post-only orders may go where those are taken."""
    still, order = a_desk_with_an_order()
    refused = Answer("rejected", reason="no", away="the venue says no", mode=mode, wait_s=8)
    still.do(still.desk.executions.on_answer, order, refused, 900)
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
    assert (cancels_sent(still), still.desk.dispatch.cancelling) == (orders[:2], set(orders))
    still.jump(1.0)
    assert cancels_sent(still) == orders[:3]
    still.do(still.desk.executions.on_report, OrderReport(orders[3], "closed", None, "CANCELED"))
    still.jump(2.0)
    assert cancels_sent(still) == [*orders[:3], orders[4]]
    assert orders[3] not in still.desk.dispatch.cancelling


def test_a_cancel_that_came_too_fast_is_sent_again_in_its_turn() -> None:
    """It was not done; nobody has to wish for it anew."""
    still, order = a_desk_with_a_cancel()
    too_fast = Answer("unknown", reason="Too Many Requests", mode="too_many", wait_s=2)
    still.do(still.desk.executions.on_cancel_answer, order, too_fast, 700)
    assert (order in still.desk.dispatch.cancelling, still.state().in_flight) == (True, 1)
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
    still.do(still.desk.executions.on_cancel_answer, order, away, 700)
    still.jump(5)
    still.answer(m.Cancel(order))
    assert still.said(e.OutcomeOf)[-1].denied[0].startswith("0 venue_away: the venue takes no orders")
    assert cancels_sent(still) == [order]
