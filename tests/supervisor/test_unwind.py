"""What the desk does by itself because a person said so: cancels, and sales inside the price band."""

from __future__ import annotations

from typing import Literal

import pytest
from kit.still_desk import BTC, ETH, START_S, StillDesk, a_trading_desk, buy, tokens

from shared import entries as e
from shared import messages as m
from shared.messages import Outcome, Side
from supervisor import effects as fx
from supervisor.unwind import AGAIN_S
from supervisor.venue.requests import Answer, VenueOrder
from supervisor.venue.user import TradeLeg

SELL = m.Place("Up", "SELL", 480_000, 10_000_000, "GTC")


def sent(still: StillDesk) -> fx.Submit:
    """The newest order that left."""
    return still.wanted(fx.Submit)[-1]


def answered(still: StillDesk, order_id: str, status: str, *trades: str) -> None:
    """The venue took an order, and says how."""
    still.do(still.desk.executions.on_answer, order_id, Answer("accepted", status, order_id, trades), 900)


def traded(
    still: StillDesk, order_id: str, size: int, *, side: Side = "BUY", price: int = 470_000, outcome: Outcome = "Up"
) -> None:
    """The user channel tells of a trade of an order."""
    token = tokens(BTC)[outcome == "Down"]
    leg = TradeLeg(f"t{order_id[:8]}{size}", order_id, token, side, price, size, True, "CONFIRMED")
    still.do(still.desk.executions.on_leg, leg)


def canceled(still: StillDesk, verdict: Literal["accepted", "rejected", "unknown"] = "accepted") -> str:
    """The venue answers the newest cancel, and of an order that is gone that it never traded."""
    order_id = still.wanted(fx.CancelOrder)[-1].order_id
    still.do(still.desk.executions.on_cancel_answer, order_id, Answer(verdict, order_id=order_id), 700)
    if verdict == "accepted":
        still.do(still.desk.executions.on_lookup, order_id, VenueOrder(order_id, "", "BUY", 0, 0, 0, False), [])
    return order_id


def a_resting_order(still: StillDesk, name: str = BTC) -> str:
    """Ten shares of Up are bid for at 0.47."""
    still.jump(5)
    still.answer(buy(470_000), name=name)
    order_id = sent(still).order_id
    answered(still, order_id, "live")
    return order_id


def a_desk_that_holds(shares: int = 10, *assets: str) -> StillDesk:
    """So many shares of Up were bought."""
    still = a_trading_desk(*assets)
    still.jump(5)
    still.answer(buy(500_000, shares=shares))
    order_id = sent(still).order_id
    answered(still, order_id, "live")
    traded(still, order_id, shares * 1_000_000, price=500_000)
    still.hold()
    return still


def flatten(still: StillDesk, *slots: str, op: str = "op9") -> bool:
    """A person wants it."""
    return still.do(still.desk.flatten, op, slots or (BTC,), "uid:1000", "news")


def halt(still: StillDesk) -> bool:
    """A person wants that too."""
    return still.do(lambda now: still.desk.pause(now, False, "uid:1000", "news", halted=True))


def resume(still: StillDesk) -> bool:
    """It is over."""
    return still.do(lambda now: still.desk.pause(now, False, "uid:1000", "better", halted=False))


# --- halt ---


def test_a_halt_cancels_what_rests_and_says_for_whom() -> None:
    """The cancel is durable before it leaves, and names the person's operation, not a release."""
    still = a_trading_desk()
    order_id = a_resting_order(still)
    still.slow_disk = True
    halt(still)
    cancel = still.said(e.Cancelling)[-1]
    assert (cancel.order_id, cancel.cause, cancel.op, cancel.by) == (order_id, "halt", "halt-1", e.NOBODY)
    assert still.said(e.Control)[-1].op == "halt-1"
    assert not still.wanted(fx.CancelOrder)
    still.sync()
    assert still.wanted(fx.CancelOrder) == [fx.CancelOrder(order_id)]


def test_nothing_of_a_release_leaves_a_halted_desk_not_even_an_exit() -> None:
    """Each wish is denied by name, and the tick is decided all the same."""
    still = a_desk_that_holds()
    before = len(still.wanted(fx.Submit))
    halt(still)
    still.jump(5)
    assert still.asked().entries == "halted"
    still.answer(buy(), SELL)
    assert still.said(e.OutcomeOf)[-1].denied == ("0 halted: halted", "1 halted: halted")
    assert len(still.wanted(fx.Submit)) == before


def test_a_halt_lasts_over_a_restart_until_somebody_resumes() -> None:
    """What rested when the supervisor died is cancelled by the next one."""
    still = a_trading_desk()
    order_id = a_resting_order(still)
    still.slow_disk = True
    halt(still)
    still.slow_disk = False
    still.restart()
    assert still.accounts.halted == "halt-1"
    still.jump(AGAIN_S)
    assert [want.order_id for want in still.wanted(fx.CancelOrder)] == [order_id]
    assert resume(still)
    assert not still.accounts.halted
    assert not resume(still)


def test_a_cancel_that_did_not_come_through_is_sent_again_in_its_time() -> None:
    """Not twice at once, and not in every turn."""
    still = a_trading_desk()
    a_resting_order(still)
    halt(still)
    canceled(still, "unknown")
    still.do(still.desk.on_time)
    assert len(still.wanted(fx.CancelOrder)) == 1
    still.jump(AGAIN_S)
    assert len(still.wanted(fx.CancelOrder)) == 2


def test_an_order_that_was_on_its_way_is_cancelled_when_it_rests() -> None:
    """The halt came between its decision and its answer."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(470_000))
    halt(still)
    assert not still.wanted(fx.CancelOrder)
    answered(still, sent(still).order_id, "live")
    still.jump(AGAIN_S)
    assert len(still.wanted(fx.CancelOrder)) == 1


def test_a_pause_under_a_halt_ends_nothing() -> None:
    """Only who says so ends a halt, or gives flattened slots back."""
    still = a_trading_desk()
    halt(still)
    flatten(still)
    still.do(still.desk.pause, True, "uid:1000", "")
    still.do(still.desk.pause, False, "control.json", "", 9)
    assert still.accounts.halted == "halt-1"
    assert still.accounts.flattening == {BTC: "op9"}
    resume(still)
    assert (still.accounts.halted, still.accounts.flattening, still.accounts.flat) == ("", {}, {})


# --- flatten ---


def test_a_flatten_sells_what_is_held_down_to_the_end_of_the_band() -> None:
    """At once, for the operation, as an immediate order; durable first, and no order of a release."""
    still = a_desk_that_holds()
    still.slow_disk = True
    assert flatten(still)
    placing = still.said(e.Placing)[-1]
    assert (placing.side, placing.kind, placing.size_micro) == ("SELL", "FAK", 10_000_000)
    assert placing.price_micro == 480_000 - still.desk.board.limits.price_band_micro
    assert (placing.op, placing.by) == ("op9", e.NOBODY)
    before = len(still.wanted(fx.Submit))
    still.sync()
    assert len(still.wanted(fx.Submit)) == before + 1


def test_a_slot_is_flat_when_nothing_of_it_can_fill_any_more() -> None:
    """First its orders, then what it holds; told slot by slot."""
    still = a_desk_that_holds(10, "BTC", "ETH")
    resting = a_resting_order(still)
    flatten(still, BTC, ETH)
    assert still.accounts.flat == {ETH: ""}
    assert still.desk.unwind.waits == {BTC: "1 orders wait for their end"}
    assert canceled(still) == resting
    still.jump(AGAIN_S)
    answered(still, sent(still).order_id, "matched", f"t{sent(still).order_id[:8]}10000000")
    still.jump(AGAIN_S)
    assert still.desk.unwind.waits == {BTC: "1 orders wait for their end"}
    traded(still, sent(still).order_id, 10_000_000, side="SELL", price=470_000)
    still.jump(AGAIN_S)
    assert still.accounts.flat == {ETH: "", BTC: ""}
    assert still.said(e.Flattened) == [e.Flattened("op9", ETH, ""), e.Flattened("op9", BTC, "")]
    assert not still.desk.unwind.waits


def test_what_did_not_find_a_buyer_is_offered_again_a_moment_later() -> None:
    """Each order once; the next one has a name of its own."""
    still = a_desk_that_holds()
    flatten(still)
    first = sent(still).order_id
    still.do(still.desk.executions.on_answer, first, Answer("rejected", reason="no orders found to match"), 900)
    still.do(still.desk.on_time)
    assert sent(still).order_id == first
    still.jump(AGAIN_S)
    assert sent(still).order_id != first


def test_every_sale_is_an_order_of_its_own_when_the_clock_stands_still() -> None:
    """Market time that was set back does not move for a while; a number that a restart remembers tells them apart."""
    still = a_desk_that_holds()
    flatten(still)
    for n in range(3):
        order_id = sent(still).order_id
        still.do(still.desk.executions.on_answer, order_id, Answer("rejected", reason="no orders found to match"), 900)
        if n == 1:
            still.restart(after_s=0.0)
            still.feeds()
            still.caught_up()
            still.book(480_000, 500_000)
        still.mono_ns += round(AGAIN_S * 10**9)
        still.do(still.desk.on_time)
    sales = [placing for placing in still.said(e.Placing) if placing.op]
    assert [sale.leg for sale in sales] == [0, 1, 2, 3]
    assert len({sale.order_id for sale in sales}) == 4
    assert len({sale.tick for sale in sales}) == 1


def test_asked_for_again_it_is_the_same() -> None:
    """Nothing is begun, sold or cancelled twice."""
    still = a_desk_that_holds()
    flatten(still)
    before = len(still.wanted(fx.Submit))
    assert not flatten(still, op="op10")
    assert len(still.wanted(fx.Submit)) == before
    assert still.accounts.flattening == {BTC: "op9"}


@pytest.mark.parametrize("hindrance", ["stale", "nobody", "user", "unknown", "blocked"])
def test_what_cannot_be_done_now_is_said_and_done_when_it_can_be(hindrance: str) -> None:
    """No order leaves meanwhile; when it is over the sale goes on by itself."""
    still = a_desk_that_holds()
    still.jump(5)
    before = len(still.wanted(fx.Submit))
    order_id = _hinder(still, hindrance)
    flatten(still)
    still.jump(AGAIN_S)
    assert _SAYS[hindrance] in still.desk.unwind.waits[BTC]
    assert len(still.wanted(fx.Submit)) == before + bool(order_id)
    _mend(still, hindrance, order_id)
    still.jump(AGAIN_S)
    assert len(still.wanted(fx.Submit)) == before + 1 + bool(order_id)


_SAYS = {
    "stale": "the book of Up is stale",
    "nobody": "nobody bids for Up",
    "user": "the user channel would not tell of the fill: gone",
    "unknown": "is unknown, and being looked up",
    "blocked": "no order may be sent from US",
}


def _hinder(still: StillDesk, hindrance: str) -> str:
    if hindrance == "stale":
        still.book(600_000, 500_000)
    elif hindrance == "nobody":
        still.book(0, 500_000)
    elif hindrance == "user":
        still.do(still.desk.markets.on_feed, "user", "gone")
    elif hindrance == "blocked":
        still.desk.board.write(e.Standing(True, False, "US"))
    else:
        still.answer(buy(470_000))
        still.do(still.desk.executions.on_answer, sent(still).order_id, Answer("unknown", reason="no answer"), 900)
        return sent(still).order_id
    return ""


def _mend(still: StillDesk, hindrance: str, order_id: str) -> None:
    if hindrance in {"stale", "nobody"}:
        still.book(480_000, 500_000)
    elif hindrance == "user":
        still.do(still.desk.markets.on_feed, "user", "")
        still.jump(AGAIN_S)
        assert still.desk.unwind.waits[BTC] == "trades that nobody may have heard of are being asked for"
        still.caught_up()
    elif hindrance == "blocked":
        still.desk.board.write(e.Standing(False, False, "IE"))
    else:
        still.jump(31)
        still.do(still.desk.executions.on_lookup, order_id, None, [])


def test_the_caps_on_how_many_and_how_often_do_not_hinder_a_person() -> None:
    """A wild release has used up both, and the sale goes out all the same."""
    still = a_desk_that_holds()
    still.jump(1)
    limits = still.desk.board.limits
    still.desk.board.limits = type(limits)(**{**_fields(limits), "orders_per_minute": 1, "open_orders": 1})
    before = len(still.wanted(fx.Submit))
    flatten(still)
    assert len(still.wanted(fx.Submit)) == before + 1


def _fields(limits: object) -> dict[str, int]:
    return {name: getattr(limits, name) for name in limits.__dataclass_fields__}  # type: ignore[attr-defined]


def test_what_the_venue_takes_no_order_for_is_left_and_named() -> None:
    """The slot is flat all the same: nothing more can be done there."""
    still = a_desk_that_holds()
    still.book(10_000, 500_000)
    flatten(still)
    still.jump(AGAIN_S)
    worth = "worth less than the dollar that an immediate order has to be"
    assert still.said(e.Flattened) == [e.Flattened("op9", BTC, f"10 Up: {worth}")]


def test_what_is_held_in_a_window_that_is_over_is_paid_by_itself() -> None:
    """Nobody takes orders for it any more."""
    still = a_desk_that_holds()
    still.at_ns = (START_S + 301) * 10**9
    still.do(still.desk.on_time)
    flatten(still)
    assert still.accounts.flat == {BTC: "10 Up: paid when its window is resolved"}


def test_a_fill_that_is_told_late_is_sold_too() -> None:
    """The slot was called flat, holds something, and is told of as one that is not flat."""
    still = a_trading_desk()
    order_id = a_resting_order(still)
    flatten(still)
    canceled(still)
    still.jump(AGAIN_S)
    assert still.accounts.flat == {BTC: ""}
    traded(still, order_id, 10_000_000)
    still.jump(AGAIN_S)
    assert still.accounts.flat == {}
    assert still.said(e.Placing)[-1].op == "op9"
    assert still.said(e.Flatten)[-1].actor == "supervisor"


def test_a_flattened_slot_is_its_releases_again_when_somebody_resumes() -> None:
    """Until then it denies by name, over a restart as well; its neighbour trades on."""
    still = a_desk_that_holds(10, "BTC", "ETH")
    flatten(still)
    still.jump(5)
    still.answer(buy(), name=ETH)
    assert not still.said(e.OutcomeOf)[-1].denied
    still.restart()
    assert still.accounts.flattening == {BTC: "op9"}
    assert still.desk.board.entries_closed(still.desk.board.lane_of[BTC]) == "flattened"
    resume(still)
    assert still.desk.board.halted(BTC) == ""


def test_where_we_may_not_trade_any_more_nothing_rests() -> None:
    """Nothing at all where we are blocked; only what reduces where the account is closed to all else."""
    for standing, left in ((e.Standing(True, False, "US"), 1), (e.Standing(False, True, ""), 1)):
        still = a_trading_desk()
        a_resting_order(still)
        still.desk.board.write(standing)
        still.jump(AGAIN_S)
        assert len(still.wanted(fx.CancelOrder)) == left
        assert still.said(e.Cancelling)[-1].cause == "standing"
