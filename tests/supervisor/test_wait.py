"""What the phase that runs waits for, and how long it may."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit.still_desk import BTC, STRAIGHT, StillDesk, a_trading_desk

from shared import messages as m
from shared.config import Clock
from supervisor.plan import Plan
from supervisor.rollout import PHASES, Rollout
from supervisor.wait import Wait


def waits(still: StillDesk) -> tuple[Wait, Rollout]:
    """What knows what a desk waits for, and where its walk stands."""
    return still.desk.operations.wait, still.desk.operations.rollout


def test_every_phase_has_a_limit() -> None:
    """More than none; where nothing runs nothing is waited for."""
    wait, _ = waits(a_trading_desk())
    assert all(wait.most_s(phase, Plan()) > 0 for phase in PHASES if phase != "idle")
    with pytest.raises(KeyError):
        wait.most_s("idle", Plan())


def test_boundaries_and_bakes_may_take_what_the_plan_says() -> None:
    """A bake is market time, and passes as fast as the market's clock; its grace does not."""
    plan = Plan(boundary_s=7, bake_s=120)
    wait, _ = waits(a_trading_desk())
    assert (wait.most_s("flipping", plan), wait.most_s("baking", plan)) == (7, 180)
    assert wait.most_s("restoring", plan) == STRAIGHT.boundary_s
    fast, _ = waits(a_trading_desk(clock=Clock(1, 1, speed=60)))
    assert fast.most_s("baking", plan) == 62


def test_green_has_to_be_ready_and_to_have_decided_in_the_shadow() -> None:
    """Its own word, and a live tick."""
    still = a_trading_desk()
    green = still.deploy()
    still.hello(green)
    wait, walk = waits(still)
    assert wait.why(walk) == {"green": "its worker did not answer"}
    still.do(still.desk.operations.on_ready, green, m.Ready(still.desk.board.seq, 10, 5_000, "state"))
    assert wait.missing(walk) == "it decided on no live tick"
    assert wait.missing(replace(walk, verb="rollback")) == ""
    still.desk.board.crew.update(green, shadowed=1)
    assert wait.missing(walk) == ""


def test_green_has_to_say_what_it_runs_and_to_have_decided_as_the_owner() -> None:
    """Ticks in the shadow do not count any more."""
    still = a_trading_desk()
    green = still.deploy()
    still.employ(green)
    wait, walk = waits(still)
    assert (walk.phase, still.state().owner) == ("attesting", green)
    assert wait.missing(walk) == "its worker did not answer"
    still.desk.board.crew.update(green, attested=True)
    assert wait.missing(walk) == "it decided on no live tick"
    still.desk.board.crew.update(green, answered=1)
    assert wait.missing(walk) == ""


@pytest.mark.parametrize(
    ("phase", "why"),
    [
        ("flipping", {}),
        ("restoring", {}),
        ("trial", {}),
        ("held", {"a person": "as asked"}),
        ("retiring", {"blue": "its worker did not go"}),
    ],
)
def test_what_is_waited_for_has_words(phase: str, why: dict[str, str]) -> None:
    """By slot where slots move, by gate where gates are asked, else in a word."""
    wait, walk = waits(a_trading_desk())
    assert wait.why(replace(walk, phase=phase, held_for="as asked")) == why  # type: ignore[arg-type]


def test_everything_is_back_when_the_active_release_owns_every_slot() -> None:
    """Or, where none was active before, when no grant to the first one is on its way."""
    still = a_trading_desk()
    wait, _ = waits(still)
    assert wait.restored(Rollout(blue="r1"))
    still.deploy()
    still.employ(still.desk.operations.green)
    assert not wait.restored(Rollout(blue="r1"))
    assert wait.restored(Rollout())
    states = still.desk.turns.slots
    states[BTC] = replace(states[BTC], phase="granting")
    assert not wait.restored(Rollout())
