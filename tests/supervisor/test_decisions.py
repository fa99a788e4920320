"""The fencing point: which answers count, what of them leaves, and what is written of the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from kit.still_desk import BTC, ETH, R1, R2, START_S, StillDesk, a_trading_desk, buy, tokens

from shared import entries as e
from shared import messages as m
from shared import wire
from shared.risk import INTENTS_MAX
from supervisor import effects as fx
from supervisor.gates import EXCUSED
from supervisor.slotstate import Flight
from supervisor.venue.requests import Answer, VenueOrder

BLUE, GREEN = "w1-1", "w1-2"


def asked(*assets: str) -> StillDesk:
    """A desk whose slots were just shown a tick."""
    still = a_trading_desk(*assets)
    still.jump(5)
    return still


def last(still: StillDesk) -> e.OutcomeOf:
    """The newest outcome."""
    return still.said(e.OutcomeOf)[-1]


# --- what counts ---


def test_the_owners_answer_is_the_ticks_one_outcome() -> None:
    """With the decision as it came, who decided, what was read and how long it took."""
    still = asked()
    still.answer(took_us=77)
    decision = m.Decision((), {"edge": 0})
    by = e.By(R1.release, still.desk.board.parameters, 1, BLUE)
    seq = still.desk.turns.tick_seq[BTC]
    raw = msgspec.Raw(wire.encode(decision))
    assert last(still) == e.OutcomeOf(BTC, 1_784_851_215_000, "HOLD", "", by, seq, 77, raw)
    assert (still.state().outstanding, still.desk.decisions.taken) == (0, 2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epoch": 0}, "stale_epoch"),
        ({"epoch": 2}, "stale_epoch"),
        ({"tick": 1_784_851_210_000}, "not_outstanding"),
        ({"tick": 1_784_851_216_000}, "not_outstanding"),
        ({"slot": "XRP/5m"}, "unknown_slot"),
        ({"uid": "w9-9"}, "no_such_worker"),
    ],
)
def test_what_may_not_count_is_refused_by_name(changes: dict[str, Any], reason: str) -> None:
    """Written down with its sender and its epoch; nothing leaves, and the tick still waits for its owner."""
    still = asked()
    still.answer(buy(), **changes)
    refused = still.said(e.Refused)[-1]
    assert (refused.reason, refused.uid) == (reason, changes.get("uid", BLUE))
    assert (refused.epoch, refused.slot) == (changes.get("epoch", 1), changes.get("slot", BTC))
    assert still.desk.board.counters[f"refused:{reason}"] == 1
    assert still.wanted(fx.Submit) == []
    assert still.state().outstanding


def test_a_second_answer_to_the_same_tick_is_refused() -> None:
    """One outcome, one order."""
    still = asked()
    still.answer(buy())
    still.answer(buy())
    assert still.said(e.Refused)[-1].reason == "not_outstanding"
    assert len(still.wanted(fx.Submit)) == 1


def test_an_owner_with_a_hole_in_its_stream_decides_nothing() -> None:
    """Until it says that it is whole again."""
    still = asked()
    still.do(still.desk.operations.on_hole, BLUE, m.Hole(10, 12))
    still.answer(buy())
    assert still.said(e.Refused)[-1].reason == "hole_in_stream"
    still.ready(BLUE)
    still.answer(buy())
    assert last(still).kind == "ORDER"


def test_an_order_that_became_unknown_meanwhile_stops_the_decision() -> None:
    """It was taken on a picture that is not true any more."""
    still = asked()
    still.desk.turns.step(BTC, Flight(0, unknown=True))
    still.answer(buy())
    assert still.said(e.Refused)[-1].reason == "unknown_order"
    assert still.wanted(fx.Submit) == []


def test_a_former_owners_answer_is_refused_even_if_it_was_on_the_way() -> None:
    """The slot crossed while it was thinking; the same worker's shadow answers are shadows."""
    still = asked()
    green = still.deploy()
    still.employ(green)
    still.answer()
    assert still.state().owner == green
    still.jump(5)
    still.answer(buy(), uid=BLUE, epoch=1)
    assert still.said(e.Refused)[-1] == e.Refused(BTC, 1_784_851_220_000, BLUE, 1, "stale_epoch")
    still.answer(buy(), uid=BLUE)
    assert still.said(e.Shadow)[-1].by == e.By(R1.release, still.desk.board.parameters, 2, BLUE)
    assert still.wanted(fx.Submit) == []


def test_a_candidates_answer_is_a_shadow() -> None:
    """Recorded whole for the comparison; the tick still waits for its owner."""
    still = asked()
    still.deploy()
    still.employ(GREEN)
    still.answer(buy(), uid=GREEN, took_us=60)
    shadow = still.said(e.Shadow)[-1]
    assert (shadow.tick, shadow.by.release, shadow.took_us) == (1_784_851_215_000, R2.release, 60)
    assert msgspec.msgpack.decode(shadow.decision, type=m.Decision).intents == (buy(),)
    assert (still.state().outstanding, still.wanted(fx.Submit)) == (1_784_851_215_000, [])


def test_an_answer_to_a_tick_that_was_never_shown_proves_nothing() -> None:
    """It is kept, and the candidate has still not decided on a live tick."""
    still = asked()
    green = still.deploy()
    still.hello(green)
    still.answer(uid=green, tick=still.asked().tick - 250)
    still.answer(uid=green, tick=still.asked().tick + 5_000)
    assert still.desk.board.crew.members[green].shadowed == 0
    still.answer(uid=green)
    assert still.desk.board.crew.members[green].shadowed == 1
    assert len(still.said(e.Shadow)) == 3


def test_the_answer_of_a_fenced_worker_is_refused_and_counted() -> None:
    """It may still be on the way when its process is dead."""
    still = asked()
    still.desk.operations.fence(BLUE, "missed 2 deadlines")
    still.settle()
    still.answer(buy(), uid=BLUE)
    assert still.said(e.Refused)[-1].reason == "no_such_worker"
    assert still.wanted(fx.Submit) == []


# --- what leaves ---


def test_an_intent_is_on_the_disk_before_its_order_leaves() -> None:
    """Intent and outcome in one write; the request only after it."""
    still = asked()
    still.slow_disk = True
    still.answer(buy())
    placing, outcome = still.journal[-2].entry, still.journal[-1].entry
    assert isinstance(placing, e.Placing)
    assert isinstance(outcome, e.OutcomeOf)
    assert still.wanted(fx.Submit) == []
    assert still.state().in_flight == 1
    still.sync()
    assert still.wanted(fx.Submit) == [fx.Submit(placing.order_id, b"5000000")]


def test_an_intent_says_everything_an_order_is() -> None:
    """So that a crash between it and its answer can be understood."""
    still = asked()
    still.answer(buy(470_000, 10, "Down"))
    placing = still.said(e.Placing)[-1]
    assert placing == e.Placing(
        order_id=placing.order_id,
        slot=BTC,
        tick=1_784_851_215_000,
        leg=0,
        start_s=START_S,
        token_id=tokens(BTC)[1],
        outcome="Down",
        side="BUY",
        price_micro=470_000,
        size_micro=10_000_000,
        kind="GTC",
        post_only=False,
        by=e.By(R1.release, still.desk.board.parameters, 1, BLUE),
    )
    assert last(still).kind == "ORDER"


def test_a_cancel_is_on_the_disk_before_it_leaves() -> None:
    """It is a request like any other."""
    still = asked()
    still.answer(buy(470_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    still.jump(5)
    still.slow_disk = True
    still.answer(m.Cancel(order))
    assert still.said(e.Cancelling) == [e.Cancelling(order, BTC, 1_784_851_220_000, "decision", last(still).by)]
    assert still.wanted(fx.CancelOrder) == []
    still.sync()
    assert still.wanted(fx.CancelOrder) == [fx.CancelOrder(order)]


def test_a_decision_of_which_nothing_is_allowed_is_a_hold_with_reasons() -> None:
    """The numbers travel with the outcome."""
    still = asked()
    still.answer(buy(505_000), buy(shares=4))
    assert last(still).kind == "HOLD"
    assert last(still).denied == (
        "0 bad_price: 0.505 is not on the grid of 0.01",
        "1 bad_size: 4 shares, the market takes 5",
    )
    assert still.desk.board.counters["denied:bad_price"] == 1
    assert still.wanted(fx.Submit) == []


def test_what_is_allowed_leaves_and_what_is_not_is_named() -> None:
    """Leg by leg."""
    still = asked()
    still.answer(buy(505_000), buy(470_000))
    assert (last(still).kind, len(last(still).denied)) == ("ORDER", 1)
    assert [placing.leg for placing in still.said(e.Placing)] == [1]


def test_each_leg_is_judged_with_the_legs_before_it() -> None:
    """Two halves of a cap fit, a third does not."""
    still = asked()
    still.answer(buy(480_000, 50), buy(470_000, 50), buy(460_000, 50))
    assert [denied.split(":")[0] for denied in last(still).denied] == ["2 slot_cap"]
    assert len(still.wanted(fx.Submit)) == 2


def test_no_decision_holds_more_wishes_than_the_bound() -> None:
    """The rest is refused, whatever it is."""
    still = asked()
    still.answer(*[buy(470_000 - 10_000 * leg, 5) for leg in range(INTENTS_MAX + 1)])
    assert len(still.wanted(fx.Submit)) == INTENTS_MAX
    assert last(still).denied == ("8 too_many_intents: a decision may hold 8",)


def test_a_release_that_cancels_without_end_is_stopped_and_heard_again_a_minute_later() -> None:
    """Counted over all slots; the order it may not cancel any more rests, and the gate counts the wish."""
    still = asked()
    still.desk.board.limits = replace(still.desk.board.limits, cancels_per_minute=1)
    still.answer(buy(470_000, 5), buy(460_000, 5))
    first, second = (submit.order_id for submit in still.wanted(fx.Submit)[-2:])
    for order in (first, second):
        still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    still.jump(5)
    still.answer(m.Cancel(first), m.Cancel(second))
    assert last(still).denied == ("1 cancel_rate: 1 cancels in the last minute, the limit is 1",)
    assert "cancel_rate" not in EXCUSED
    still.do(still.desk.executions.on_cancel_answer, first, Answer("accepted", order_id=first), 900)
    still.do(still.desk.executions.on_lookup, first, VenueOrder(first, "", "BUY", 0, 0, 0, False), [])
    still.to_s(80)
    still.jump(5)
    still.answer(m.Cancel(second))
    assert not last(still).denied


def test_orders_are_counted_over_a_minute_of_market_time() -> None:
    """Whichever slot sent them."""
    still = asked("BTC", "ETH")
    still.desk.board.limits = replace(still.desk.board.limits, orders_per_minute=2)
    still.answer(buy(470_000, 5), buy(460_000, 5), name=BTC)
    still.answer(buy(470_000, 5), name=ETH)
    assert last(still).denied == ("0 order_rate: 2 orders in the last minute, the limit is 2",)
    for placing in still.said(e.Placing):
        still.do(still.desk.executions.on_answer, placing.order_id, Answer("rejected", reason="no"), 9)
    still.to_s(76)
    still.price(asset="ETH")
    still.jump(5)
    still.answer(buy(470_000, 5), name=ETH)
    assert last(still).kind == "ORDER"


def test_a_wish_that_is_too_many_only_with_those_of_the_release_before_is_named_so() -> None:
    """Two share the minute of a flip: the gate does not count it, and from its own share on it does."""
    still = asked()
    still.desk.board.limits = replace(still.desk.board.limits, orders_per_minute=2)
    still.answer(buy(470_000, 5), buy(460_000, 5))
    for placing in still.said(e.Placing):
        still.do(still.desk.executions.on_answer, placing.order_id, Answer("rejected", reason="no"), 9)
    green = still.deploy(R2)
    still.employ(green)
    still.jump(5)
    still.answer(buy(470_000, 5))
    shared = "order_rate_shared"
    assert last(still).denied == (f"0 {shared}: 2 orders in the last minute, the limit is 2; 0 were its own",)
    assert shared in EXCUSED
    assert last(still).by.uid == green


# --- the end of a window ---


def at_the_end_of_a_window(next_is_known: bool) -> StillDesk:
    """A tick of the window's last second was shown; 40 ms of the window are left."""
    still = a_trading_desk()
    still.to_s(299.5)
    if next_is_known:
        still.open(start_s=START_S + 300)
    still.price()
    still.jump(0.45)
    still.book(490_000, 510_000)
    assert still.state().outstanding
    return still


@pytest.mark.parametrize("next_is_known", [True, False])
@pytest.mark.parametrize("rolled", [True, False])
def test_a_decision_about_a_window_that_is_over_places_nothing(next_is_known: bool, rolled: bool) -> None:
    """Not in it, and above all not in the next one, whose tokens it never saw."""
    still = at_the_end_of_a_window(next_is_known)
    if rolled:
        still.jump(0.1)
    else:
        still.at_ns += 100_000_000
    still.answer(buy(470_000), tick=still.state().outstanding)
    assert last(still).denied == ("0 no_window: the window closed meanwhile",)
    assert still.wanted(fx.Submit) == []


def test_a_decision_in_time_is_taken_to_the_last_moment() -> None:
    """The same tick, answered before the window ends."""
    still = at_the_end_of_a_window(True)
    still.answer(buy(470_000))
    assert still.said(e.Placing)[-1].start_s == START_S
