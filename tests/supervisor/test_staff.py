"""Which worker has which part, and who follows whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit.deaths import CRASHED, KILLED
from kit.still_desk import BTC, R1, R2, STRAIGHT, StillDesk, a_trading_desk
from msgspec import structs

from shared import entries as e
from shared import messages as m
from supervisor import effects as fx
from supervisor.death import Death
from supervisor.staff import Staff

STOOD_BY = structs.replace(STRAIGHT, standby=True)
BLUE, STANDBY = "w1-1", "w1-2"


def a_desk(*assets: str, trail_s: float = 0) -> StillDesk:
    """A desk whose owner has a standby that is ready."""
    still = a_trading_desk(*assets, deploy=structs.replace(STOOD_BY, trail_s=trail_s))
    still.jump(0.1)
    still.employ(staff(still).standby)
    return still


def staff(still: StillDesk) -> Staff:
    """Its staff."""
    return still.desk.operations.staff


def test_a_standby_is_started_when_the_owner_is_ready() -> None:
    """A second worker of the active release, which owns nothing."""
    still = a_desk()
    assert (staff(still).blue, staff(still).standby) == (BLUE, STANDBY)
    assert still.wanted(fx.Spawn) == [fx.Spawn(BLUE, R1.release), fx.Spawn(STANDBY, R1.release)]
    assert still.owners() == {BLUE}


def test_no_standby_is_started_where_none_is_wanted() -> None:
    """One setting."""
    still = a_trading_desk()
    still.jump(5)
    assert staff(still).standby == ""


@pytest.mark.parametrize("how", ["dies", "stalls"])
def test_a_standby_takes_over_at_once_and_the_tick_is_its_own(how: str) -> None:
    """Under the next epoch, in the same moment; no tick is skipped, and another standby is started."""
    still = a_desk("BTC", "ETH")
    still.jump(5)
    tick = still.asked().tick
    if how == "dies":
        still.lose(BLUE, KILLED)
    else:
        still.do(lambda now: still.desk.operations.fence(BLUE, "missed 2 deadlines in a row on BTC/5m"))
    still.beat(STANDBY)
    assert still.owners() == {STANDBY}
    assert (still.asked().owner, still.asked().tick, still.asked().epoch) == (STANDBY, tick, 2)
    assert [outcome for outcome in still.said(e.OutcomeOf) if outcome.kind == "SKIP"] == []
    still.jump(1)
    assert (staff(still).blue, staff(still).standby) == (STANDBY, "w1-3")


def test_a_standby_that_dies_costs_nothing_and_comes_back_in_its_own_time() -> None:
    """A release whose workers die early is given a little longer each time."""
    still = a_desk()
    still.lose(STANDBY, KILLED)
    assert (staff(still).standby, still.owners()) == ("", {BLUE})
    still.jump(0.1)
    assert staff(still).standby == ""
    still.jump(0.2)
    assert staff(still).standby == "w1-3"


def test_another_release_dying_does_not_hold_the_active_one_up() -> None:
    """Each release has its own patience."""
    still = a_trading_desk()
    for number in range(4):
        still.lose(still.deploy(R2, f"op{number}"), CRASHED)
    still.lose(BLUE, KILLED)
    still.jump(0.25)
    assert still.wanted(fx.Spawn)[-1].release == R1.release


def test_the_standby_goes_with_its_release() -> None:
    """When another becomes active; that one gets a standby of its own."""
    still = a_desk()
    green = still.deploy()
    still.employ(green)
    still.hold()
    still.attest(green)
    assert fx.Tell(STANDBY, m.Retire("its release was replaced")) in still.wants
    still.lose(BLUE, Death(0))
    still.jump(0.1)
    assert still.wanted(fx.Spawn)[-1] == fx.Spawn(staff(still).standby, R2.release)


def test_a_retired_worker_may_trail_in_the_shadow_for_a_while() -> None:
    """It goes on deciding, and goes when its time is over; the operation does not wait for it."""
    still = a_desk(trail_s=30)
    green = still.deploy()
    still.employ(green)
    still.hold()
    still.attest(green)
    operation = still.desk.operations.known("op1")
    assert operation is not None
    assert operation.result == "OK"
    assert staff(still).trailing == BLUE
    still.jump(5)
    still.answer(uid=BLUE)
    assert still.said(e.Shadow)[-1].by.uid == BLUE
    still.jump(26)
    assert fx.Tell(BLUE, m.Retire("it has trailed long enough")) in still.wants
    assert staff(still).trailing == ""


def test_a_rollback_to_a_release_that_trails_needs_no_new_worker() -> None:
    """It is warm: its slots are its own at their next boundary."""
    still = a_desk(trail_s=300)
    green = still.deploy()
    still.employ(green)
    still.hold()
    still.attest(green)
    spawned = len(still.wanted(fx.Spawn))
    still.deploy(R1, "op2", "rollback")
    still.beat(BLUE)
    still.hold()
    assert still.owners() == {BLUE}
    assert [spawn.release for spawn in still.wanted(fx.Spawn)[spawned:]] == []
    still.attest(BLUE)
    assert still.accounts.active == e.Active(R1.release, "op2")
    assert still.state(BTC).epoch == 3


def test_a_release_that_kills_the_next_owner_the_same_way_is_rolled_back() -> None:
    """Numbers and names aside: what traded before it trades again, and the journal says why."""
    still = a_desk()
    green = still.deploy()
    still.employ(green)
    still.hold()
    still.attest(green)
    still.lose(BLUE, Death(0))
    still.jump(0.1)
    standby = staff(still).standby
    still.employ(standby)
    still.lose(green, Death(1, "raised: ZeroDivisionError at tick 1784851215000"))
    assert staff(still).blue == standby
    still.lose(standby, Death(1, "raised: ZeroDivisionError at tick 1784851220000"))
    operation = still.desk.operations.current
    assert operation is not None
    assert (operation.verb, operation.green, operation.actor) == ("rollback", R1.release, "supervisor")
    assert "died of the same: raised: ZeroDivisionError" in operation.reason
    still.employ(still.desk.operations.green)
    assert still.owners() == {still.desk.operations.green}


@pytest.mark.parametrize("death", [KILLED, replace(KILLED, output="nothing")], ids=str)
def test_workers_that_somebody_else_ends_are_no_fault_of_their_release(death: Death) -> None:
    """Nor are two that die of different things."""
    still = a_desk()
    green = still.deploy()
    still.employ(green)
    still.hold()
    still.attest(green)
    still.lose(BLUE, Death(0))
    still.jump(0.1)
    standby = staff(still).standby
    still.employ(standby)
    still.lose(green, death)
    still.lose(standby, death)
    assert still.desk.operations.current is None
