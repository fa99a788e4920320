"""How one release takes over from another."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import rollout
from supervisor.rollout import (
    Abort,
    Attest,
    Attested,
    Begin,
    Discard,
    Failed,
    Finish,
    Flip,
    Flipped,
    Gone,
    Greeted,
    Late,
    Promote,
    Ready,
    RefusedEvent,
    Restore,
    Restored,
    Rollout,
    Spawn,
    step,
)

BEGIN = Begin("op1", "deploy", "71be04", "9f3c21", "uid:0", "better")


def through(*events: rollout.Event) -> tuple[Rollout, list[rollout.Command]]:
    """A rollout after events, and everything it asked for on the way."""
    walk, commands = Rollout(), list[rollout.Command]()
    for event in events:
        walk, more = step(walk, event)
        commands += more
    return walk, commands


def test_a_deploy_walks_from_spawn_to_retire() -> None:
    """Each part in its turn, and the old worker goes last."""
    walk, commands = through(BEGIN, Greeted(), Ready(), Flipped(False), Flipped(True), Attested(), Gone())
    assert commands == [Spawn(), Flip(), Attest(), Promote(), Finish("OK", "")]
    assert (walk.phase, walk.flipped, walk.result) == ("idle", 2, "OK")


@pytest.mark.parametrize("way", [(), (Greeted(),)], ids=["spawning", "warming"])
@pytest.mark.parametrize(
    ("event", "result"),
    [(Failed("does not import"), "GATE_FAILED"), (Late("hello"), "GATE_FAILED"), (Abort("uid:0"), "ABORTED")],
)
def test_what_fails_before_the_first_boundary_changes_nothing(
    way: tuple[rollout.Event, ...], event: rollout.Event, result: str
) -> None:
    """Green is discarded; no slot ever moved."""
    walk, commands = through(BEGIN, *way, event)
    assert commands[1:3] == [Discard(), Finish(result, walk.fault)]  # type: ignore[arg-type]
    assert (walk.phase, walk.flipped) == ("idle", 0)


@pytest.mark.parametrize(
    ("event", "unmoved"),
    [
        (Failed("died"), "GATE_FAILED"),
        (Late("BTC/5m: its tick is not answered"), "NO_BOUNDARY"),
        (Abort("x"), "ABORTED"),
    ],
)
@pytest.mark.parametrize("flipped", [0, 1])
def test_what_fails_among_the_boundaries_is_put_back(event: rollout.Event, unmoved: str, flipped: int) -> None:
    """Rolled back when a slot had passed; else nothing changed, and the cause is the result."""
    walk, commands = through(BEGIN, Greeted(), Ready(), *[Flipped(False)] * flipped, event, Restored())
    assert commands[2:] == [Restore(), Discard(), Finish("ROLLED_BACK" if flipped else unmoved, walk.fault)]  # type: ignore[arg-type]


def test_a_candidate_that_loaded_something_else_is_put_back() -> None:
    """Success is said only when the loaded hash is the staged one."""
    _, commands = through(BEGIN, Greeted(), Ready(), Flipped(True), Failed("it runs 000000"), Restored())
    assert commands[-1] == Finish("ROLLED_BACK", "it runs 000000")


def test_a_slot_that_crosses_while_others_go_back_is_counted() -> None:
    """Its grant was being written: `nothing changed` would not be true."""
    walk, commands = through(BEGIN, Greeted(), Ready(), Abort("x"), Flipped(False), Flipped(True), Restored())
    assert (walk.flipped, commands[-1]) == (2, Finish("ROLLED_BACK", "aborted by x"))


def test_slots_that_cannot_be_given_back_need_a_person() -> None:
    """The one end that is not clean has its own name."""
    _, commands = through(BEGIN, Greeted(), Ready(), Flipped(False), Failed("died"), Late("BTC/5m"))
    assert commands[-1] == Finish("ROLLBACK_FAILED", "died")


def test_a_retired_worker_that_lingers_does_not_hold_the_operation() -> None:
    """Green trades; the deploy is done."""
    assert through(BEGIN, Greeted(), Ready(), Flipped(True), Attested(), Late("x"))[1][-1] == Finish("OK", "")


def test_a_second_deploy_is_refused_while_one_runs() -> None:
    """Two never interleave."""
    walk, _ = through(BEGIN)
    with pytest.raises(RefusedEvent, match="Begin while spawning"):
        step(walk, BEGIN)


SAMPLES: dict[type, rollout.Event] = {
    Begin: BEGIN,
    Greeted: Greeted(),
    Ready: Ready(),
    Flipped: Flipped(False),
    Attested: Attested(),
    Gone: Gone(),
    Restored: Restored(),
    Failed: Failed("x"),
    Late: Late("x"),
    Abort: Abort("x"),
}
MOVES = {
    "idle": {Begin},
    "spawning": {Greeted, Failed, Late, Abort},
    "warming": {Ready, Failed, Late, Abort},
    "flipping": {Flipped, Failed, Late, Abort},
    "attesting": {Attested, Failed, Late, Abort},
    "retiring": {Gone, Late},
    "restoring": {Flipped, Restored, Late},
}


@pytest.mark.parametrize("phase", rollout.PHASES)
@pytest.mark.parametrize("kind", rollout.EVENTS, ids=lambda kind: kind.__name__)
def test_every_phase_stands_beside_every_event(phase: rollout.Phase, kind: type) -> None:
    """A pair is in the table, or it is refused and nothing changes."""
    walk = Rollout(phase=phase)
    if kind in MOVES[phase]:
        step(walk, SAMPLES[kind])
    else:
        with pytest.raises(RefusedEvent):
            step(walk, SAMPLES[kind])


def test_every_phase_has_a_deadline_and_an_end() -> None:
    """Late always leads nearer to idle, and from everywhere idle is reached when nobody says anything else."""
    for phase in rollout.PHASES[1:]:
        walk = Rollout(phase=phase)
        for _ in range(3):
            if walk.phase != "idle":
                walk, _ = step(walk, Late("silence"))
        assert walk.phase == "idle"


@given(st.lists(st.sampled_from(list(SAMPLES.values())), max_size=25))
def test_an_operation_ends_once_and_only_with_its_result(events: list[rollout.Event]) -> None:
    """One Finish for each Begin that was taken, and the candidate is discarded unless it trades."""
    walk, begun, finished = Rollout(), 0, list[rollout.Command]()
    for event in events:
        before = walk
        try:
            walk, commands = step(walk, event)
        except RefusedEvent:
            assert walk == before
            continue
        begun += isinstance(event, Begin)
        ends = [c for c in commands if isinstance(c, Finish)]
        finished += ends
        assert (walk.phase == "idle") == bool(ends)
        if ends and ends[0].result != "OK":  # type: ignore[union-attr]
            assert commands[0] == Discard()
    assert begun - len(finished) == (walk.phase != "idle")


def test_a_rollout_is_a_value() -> None:
    """Stepping it changes nothing of the one before."""
    walk = Rollout(phase="flipping", flipped=2)
    step(walk, Flipped(False))
    assert walk == replace(walk, flipped=2)
