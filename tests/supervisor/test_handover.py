"""How a slot changes hands."""

import pytest
from kit.still_desk import BTC, ETH, R1, R2, START_S, STRAIGHT, StillDesk, a_trading_desk, buy, loaded, tokens
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import FlipPolicy
from supervisor import effects as fx
from supervisor.handover import changed_files
from supervisor.plan import Plan
from supervisor.slotstate import PATIENT_MAX
from supervisor.venue.requests import Answer
from supervisor.venue.user import TradeLeg

QUIESCE_S = 3.0


def a_desk_with_green(*assets: str) -> tuple[StillDesk, str]:
    """A deploy whose candidate has greeted and is about to say that it is ready; ticks of each slot are outstanding."""
    still = a_trading_desk(*assets)
    green = still.deploy()
    still.hello(green)
    still.jump(5)
    return still, green


def test_a_slot_changes_hands_only_when_its_tick_is_answered() -> None:
    """Its owner's answer still counts; the next tick is shown to the new owner, under the next epoch."""
    still, green = a_desk_with_green()
    still.ready(green)
    assert (still.state().phase, still.state().owner, still.state().outstanding) == (
        "quiescing",
        "w1-1",
        1_784_851_215_000,
    )
    still.answer()
    assert (still.state().phase, still.state().owner, still.state().epoch) == ("owned", green, 2)
    still.jump(5)
    assert (still.asked().owner, still.asked().epoch, still.asked().tick) == (green, 2, 1_784_851_220_000)


def test_the_grant_is_on_the_disk_before_anybody_decides_under_it() -> None:
    """Ticks that come due meanwhile wait for it; none is skipped."""
    still, green = a_desk_with_green()
    still.slow_disk = True
    still.ready(green)
    still.answer()
    still.jump(5)
    assert (still.state().phase, still.state().outstanding, still.state().held) == ("granting", 0, (1_784_851_220_000,))
    still.answer(epoch=1, uid="w1-1")
    assert still.said(e.Refused)[-1].reason == "not_outstanding"
    still.sync()
    assert (still.state().outstanding, still.asked().owner) == (1_784_851_220_000, green)
    assert [outcome.kind for outcome in still.said(e.OutcomeOf)] == ["HOLD", "HOLD"]


def test_the_new_owner_must_have_read_what_the_slot_was_shown() -> None:
    """Its state contains the tick it did not decide."""
    still, green = a_desk_with_green()
    still.ready(green)
    behind = still.desk.turns.tick_seq[BTC] - 1
    still.desk.board.crew.update(green, read_seq=behind)
    still.answer()
    still.beat(green, behind)
    assert still.state().phase == "quiescing"
    still.beat(green, behind + 1)
    assert still.state().owner == green


def test_a_shadow_decision_proves_that_the_tick_was_read() -> None:
    """No heartbeat is waited for."""
    still, green = a_desk_with_green()
    still.ready(green)
    still.desk.board.crew.update(green, read_seq=0)
    still.answer()
    assert still.state().owner == "w1-1"
    still.answer(uid=green)
    assert still.state().owner == green


def test_no_slot_changes_hands_with_an_order_in_flight() -> None:
    """The order's answer comes to the owner that sent it."""
    still, green = a_desk_with_green()
    still.ready(green)
    still.answer(buy())
    assert still.state().phase == "quiescing"
    assert still.desk.handover.waiting() == {BTC: "1 requests are in flight"}
    order = next(iter(still.accounts.orders))
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    assert still.state().owner == green


def test_a_slot_whose_new_owner_dies_does_not_begin_to_wait_anew() -> None:
    """Its ticks have been held back since it was armed first; whoever comes next has what is left of the time."""
    still = a_trading_desk(deploy=structs.replace(STRAIGHT, standby=True))
    still.jump(1)
    still.employ("w1-2")
    still.employ(still.deploy())
    still.jump(5)
    still.answer(buy())
    still.do(still.desk.operations.abort, "uid:1000")
    assert (still.state().owner, still.state().phase, still.state().candidate) == ("w1-3", "quiescing", "w1-1")
    still.jump(QUIESCE_S - 1)
    still.lose("w1-1")
    assert (still.state().phase, still.state().candidate) == ("quiescing", "w1-2")
    still.jump(0.9)
    assert still.state().phase == "quiescing"
    still.jump(0.2)
    assert (still.state().phase, still.state().owner) == ("owned", "w1-3")


def test_no_slot_changes_hands_with_an_order_unknown() -> None:
    """Exposure that may exist is not handed to somebody who did not decide it."""
    still, green = a_desk_with_green()
    still.ready(green)
    still.answer(buy())
    order = next(iter(still.accounts.orders))
    still.do(still.desk.executions.on_answer, order, Answer("unknown", reason="timeout"), 900)
    assert still.desk.handover.waiting() == {BTC: "an order of it is unknown"}
    still.do(still.desk.executions.on_answer, order, Answer("rejected", reason="no"), 900)
    assert still.state().owner == green


def test_a_boundary_says_everything_that_stood_when_the_slot_crossed() -> None:
    """Who was, who is, the tick, positions, orders, cash, what differs, what took how long, who wanted it and why."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(470_000))
    order = next(iter(still.accounts.orders))
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    still.do(still.desk.executions.on_leg, TradeLeg("t1", order, "", "BUY", 470_000, 4_000_000, True, "MATCHED"))
    still.employ(still.deploy())
    boundary, grant = still.journal[-3].entry, still.journal[-2].entry
    assert isinstance(boundary, e.Boundary)
    assert isinstance(grant, e.Grant)
    parameters = still.desk.board.parameters
    assert grant == e.Grant(BTC, 2, "w1-2", R2.release, parameters, "op1")
    assert boundary.was == e.By(R1.release, parameters, 1, "w1-1")
    assert boundary.now == e.By(R2.release, parameters, 2, "w1-2")
    assert (boundary.tick, boundary.seconds_to_close) == (1_784_851_215_000, 285)
    assert boundary.positions == (e.Holding(BTC, START_S, "Up", 4_000_000, 1_880_000, R1.release),)
    assert [(resting.order_id, resting.open_micro) for resting in boundary.orders] == [(order, 6_000_000)]
    assert boundary.cash_micro == 998_120_000
    assert boundary.changed == ("worker/strategy.py",)
    assert boundary.steps_ms == {"verify": 4, "spawning": 0, "warming": 0, "boundary": 0}
    assert (boundary.op, boundary.actor, boundary.reason) == ("op1", "uid:1000", "better")


def test_a_boundary_names_how_long_the_slot_waited_for_it() -> None:
    """From being armed to being clean, in real milliseconds."""
    still, green = a_desk_with_green()
    still.ready(green)
    still.jump(0.25)
    still.answer()
    assert still.said(e.Boundary)[-1].steps_ms["boundary"] == 250


def test_boundary_and_grant_reach_the_disk_together() -> None:
    """One write, boundary first: no crash leaves a grant whose boundary is missing."""
    still, green = a_desk_with_green()
    still.slow_disk = True
    still.ready(green)
    still.answer()
    assert [type(line.entry) for line in still.journal[-2:]] == [e.Boundary, e.Grant]


def test_a_slot_that_waits_too_long_goes_back_and_tries_again() -> None:
    """Its owner decides in between; no tick is skipped for it."""
    still, green = a_desk_with_green()
    still.ready(green)
    still.desk.board.crew.update(green, read_seq=0)
    still.answer()
    still.beat(green, 0)
    for _ in range(4):
        still.jump(1, beats=False)
    assert (still.state().phase, still.state().owner, still.state().epoch) == ("owned", "w1-1", 1)
    still.jump(QUIESCE_S / 4 + 0.01, beats=False)
    assert still.state().phase == "quiescing"
    still.beat(green)
    assert (still.state().owner, still.state().epoch) == (green, 2)


def test_a_slot_that_waits_goes_back_before_a_tick_would_be_skipped_for_it() -> None:
    """A rehearsed market may be faster than patience, which is in real seconds."""
    still, green = a_desk_with_green()
    still.ready(green)
    still.desk.board.crew.update(green, read_seq=0)
    still.answer()
    while still.state().phase == "quiescing":
        still.at_ns += 5 * NS
        still.jump(0.05, beats=False)
    waited = [still.state().outstanding, *still.state().held]
    assert (still.state().owner, len(waited)) == ("w1-1", PATIENT_MAX)
    still.hold()
    assert [outcome.tick for outcome in still.said(e.OutcomeOf)][-len(waited) :] == waited
    assert {outcome.kind for outcome in still.said(e.OutcomeOf)} == {"HOLD"}


def test_a_worker_that_is_not_ready_is_given_nothing() -> None:
    """Greeted is not ready, and neither is one that missed a frame."""
    still, green = a_desk_with_green()
    assert still.state().phase == "owned"
    still.ready(green)
    still.do(still.desk.operations.on_hole, green, m.Hole(10, 12))
    still.answer()
    assert (still.state().phase, still.state().owner) == ("quiescing", "w1-1")
    still.ready(green)
    still.beat(green)
    assert still.state().owner == green


def test_slots_that_nobody_owns_go_to_the_next_worker_that_is_ready() -> None:
    """Whatever was in flight: nobody's decision is cut in two."""
    still = a_trading_desk("BTC", "ETH")
    still.jump(5)
    still.answer(buy(), name=ETH)
    still.lose("w1-1")
    assert still.owners() == {""}
    still.jump(0.3)
    still.employ("w1-2")
    assert still.owners() == {"w1-2"}
    assert {state.epoch for state in still.desk.turns.slots.values()} == {2}
    assert still.said(e.Boundary)[-1].reason == "the slot had no owner"


def test_turning_back_disarms_what_has_not_crossed() -> None:
    """What crossed comes back under the next epoch, what only waited keeps its own."""
    still, green = a_desk_with_green("BTC", "ETH")
    still.ready(green)
    still.answer(name=BTC)
    assert (still.state(BTC).owner, still.state(ETH).phase) == (green, "quiescing")
    still.do(still.desk.operations.abort, "uid:1000")
    assert (still.state(ETH).owner, still.state(ETH).phase, still.state(ETH).epoch) == ("w1-1", "owned", 1)
    assert (still.state(BTC).owner, still.state(BTC).epoch) == ("w1-1", 3)


def test_a_candidate_that_dies_while_its_grant_is_written_owns_the_slot_for_no_tick() -> None:
    """The grant stands in the journal; the next epoch goes to who is alive."""
    still, green = a_desk_with_green()
    still.slow_disk = True
    still.ready(green)
    still.answer()
    still.lose(green)
    still.jump(5)
    still.slow_disk = False
    still.sync()
    assert (still.state().owner, still.state().epoch) == ("w1-1", 3)
    assert [(grant.uid, grant.epoch) for grant in still.said(e.Grant)] == [("w1-1", 1), (green, 2), ("w1-1", 3)]
    assert {tick.owner for tick in still.told(m.Tick)} == {"w1-1"}


def test_what_a_handover_waits_for_is_said_slot_by_slot() -> None:
    """In words an operator can act on."""
    still, green = a_desk_with_green("BTC", "ETH")
    still.ready(green)
    still.desk.board.crew.update(green, read_seq=0)
    still.answer(name=ETH)
    waiting = {BTC: "its tick is not answered", ETH: "its new owner has not read its last tick"}
    assert still.desk.handover.waiting() == waiting
    still.slow_disk = True
    still.beat(green)
    assert still.desk.handover.waiting()[ETH] == "its grant is not durable yet"


@pytest.mark.parametrize(
    ("was", "now", "changed"),
    [
        (R1.release, R2.release, ("worker/strategy.py",)),
        (R1.release, R1.release, ()),
        ("", R2.release, ("shared/units.py", "worker/strategy.py")),
        ("unheard", R2.release, ("shared/units.py", "worker/strategy.py")),
    ],
)
def test_a_boundary_names_the_files_that_differ(was: str, now: str, changed: tuple[str, ...]) -> None:
    """All of them when nobody traded before."""
    still = a_trading_desk()
    still.desk.register(R2)
    assert changed_files(still.desk.board, was, now) == changed


def test_everybody_is_told_of_a_crossing_by_the_slots_name() -> None:
    """The operation counts them."""
    still, green = a_desk_with_green("BTC", "ETH")
    crossed: list[tuple[str, str]] = []
    still.desk.handover.crossed = lambda name, uid: crossed.append((name, uid))
    still.ready(green)
    still.hold()
    assert crossed == [(BTC, green), (ETH, green)]
    assert loaded(R2) == still.desk.board.crew.members[green].modules


# --- where a slot may change hands ---


def why_not(still: StillDesk, policy: FlipPolicy = "calm", name: str = BTC) -> str:
    """Why a slot may not change hands now."""
    return still.desk.handover.may_move(name, policy)


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (20.0, ""),
        (209.5, ""),
        (210.0, "its window resolves in 90 s"),
        (299.0, "its window resolves in 1 s"),
        (301.0, "its window has just begun"),
        (302.0, ""),
    ],
)
def test_a_slot_stays_where_it_is_around_its_entry_and_its_resolution(second: float, why: str) -> None:
    """From the entry window on to a little after the next window has begun."""
    still = a_trading_desk()
    if second > 270:
        still.to_s(270)
        still.open(start_s=START_S + 300)
    still.to_s(second)
    assert why_not(still) == why
    assert why_not(still, "any") == ""


def test_a_slot_without_a_market_waits_for_nothing() -> None:
    """It has no window that could resolve."""
    still = a_trading_desk("BTC", "ETH")
    still.to_s(400)
    assert still.desk.board.lanes.window(still.desk.board.lane_of[BTC]) is None
    still.feeds()
    assert why_not(still) == ""


def test_no_slot_moves_while_a_feed_is_away() -> None:
    """Whoever takes over should see what it takes over."""
    still = a_trading_desk()
    still.do(still.desk.markets.on_feed, "user", "closed by the venue")
    assert why_not(still) == "the user feed is away"
    still.feeds()
    still.do(still.desk.on_beat, "HTTP 500")
    assert why_not(still) == "heartbeat missed"


@pytest.mark.parametrize(
    ("away", "why"), [("the venue restarts", "the venue restarts"), ("the venue says: post-only mode", "post-only")]
)
def test_no_slot_moves_while_the_venue_takes_no_orders(away: str, why: str) -> None:
    """By its own word, until it takes one again or has said nothing for a while."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(480_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order, Answer("rejected", reason="no", away=away), 900)
    assert why in why_not(still)
    still.jump(30.5)
    still.price()
    assert why_not(still) == ""


def test_drain_waits_for_resting_orders_and_market_close_for_positions() -> None:
    """Each policy waits for what the one before it does, and for more."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(480_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    assert (why_not(still), why_not(still, "drain")) == ("", "orders of it rest")
    token = tokens(BTC)[0]
    leg = TradeLeg("t1", order, token, "BUY", 480_000, 10_000_000, True, "MATCHED")
    still.do(still.desk.executions.on_leg, leg)
    assert (why_not(still, "drain"), why_not(still, "market-close")) == (
        "",
        "it holds a position until its window ends",
    )


def test_a_slot_armed_as_its_entry_window_begins_goes_back_to_its_owner() -> None:
    """It is not held over, and it crosses when the next window has begun; nothing is skipped."""
    still = a_trading_desk()
    still.to_s(204)
    green = still.deploy(plan=Plan(flip_policy="calm", boundary_s=600))
    still.hello(green)
    still.jump(5)
    still.ready(green)
    assert still.state().phase == "quiescing"
    still.jump(1)
    assert still.state().phase == "owned"
    still.hold()
    still.to_s(270)
    still.open(start_s=START_S + 300)
    assert still.state().owner == "w1-1"
    assert still.desk.operations.handover.waiting()[BTC].startswith("its window resolves in")
    still.to_s(303)
    assert still.state().owner == green
    assert [outcome for outcome in still.said(e.OutcomeOf) if outcome.kind == "SKIP"] == []


def test_a_slot_nobody_owns_waits_for_nothing() -> None:
    """In its entry window too: somebody has to decide."""
    still = a_trading_desk()
    still.to_s(250)
    still.lose("w1-1")
    still.jump(0.25)
    still.employ(still.desk.operations.blue)
    assert still.owners() == {still.desk.operations.blue}
