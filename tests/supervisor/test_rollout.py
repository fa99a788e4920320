"""How one release takes over from another."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import rollout
from supervisor.rollout import (
    Abort,
    Attest,
    Attested,
    Bake,
    Begin,
    Breached,
    Compare,
    Course,
    Discard,
    Failed,
    Finish,
    Flip,
    Flipped,
    Gone,
    Greeted,
    Late,
    Passed,
    Promote,
    Promoted,
    Ready,
    RefusedEvent,
    Restore,
    Restored,
    Rollout,
    Spawn,
    Try,
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
    assert commands == [Spawn(), Flip(0), Attest(), Promote(), Finish("OK", "")]
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


FULL = Course(trial=True, shadow=True, rings=3, bake=True)
TRIED = (Greeted(), Ready(), Passed(), Passed())
"""Up to the first boundary of a full course."""
RING = (Flipped(True), Attested(), Passed())


def a_course(*events: rollout.Event, **changes: Any) -> tuple[Rollout, list[rollout.Command]]:
    """A walk on the full course, or one that differs from it."""
    return through(replace(BEGIN, course=replace(FULL, **changes)), *events)


def test_a_full_course_is_tried_compared_and_baked_ring_by_ring() -> None:
    """Each part before the next; blue goes when the last ring was baked."""
    walk, commands = a_course(*TRIED, *RING, *RING, *RING, Gone())
    ring = [Attest(), Bake()]
    start = [Spawn(), Try(), Compare()]
    assert commands == [*start, Flip(0), *ring, Flip(1), *ring, Flip(2), *ring, Promote(), Finish("OK", "")]
    assert (walk.phase, walk.ring, walk.flipped) == ("idle", 2, 3)


@pytest.mark.parametrize(
    ("course", "way", "commands"),
    [
        ({"trial": False}, (Greeted(), Ready()), [Spawn(), Compare()]),
        ({"shadow": False}, (Greeted(), Ready(), Passed()), [Spawn(), Try(), Flip(0)]),
        ({"trial": False, "shadow": False}, (Greeted(), Ready()), [Spawn(), Flip(0)]),
        ({"rings": 1, "bake": False}, (*TRIED, Flipped(True), Attested()), [Promote()]),
        ({"rings": 2, "bake": False}, (*TRIED, Flipped(True), Attested()), [Flip(1)]),
    ],
)
def test_parts_that_a_course_leaves_out_are_passed_over(
    course: dict[str, Any], way: tuple[rollout.Event, ...], commands: list[rollout.Command]
) -> None:
    """The walk goes on with the next one."""
    assert a_course(*way, **course)[1][-len(commands) :] == commands


@pytest.mark.parametrize(
    ("hold", "course", "way", "after"),
    [
        ("shadow", {}, (Greeted(), Ready(), Passed()), "shadow"),
        ("shadow", {"shadow": False}, (Greeted(), Ready(), Passed()), "flipping"),
        ("flip", {}, TRIED, "flipping"),
        ("retire", {"rings": 1}, (*TRIED, *RING), "retiring"),
    ],
)
def test_a_walk_waits_for_a_person_where_it_was_told_to(
    hold: rollout.Hold, course: dict[str, Any], way: tuple[rollout.Event, ...], after: str
) -> None:
    """And goes on at their word, once."""
    walk, _ = a_course(*way, hold=hold, **course)
    assert (walk.phase, walk.after, walk.held_for) == ("held", after, rollout.AS_ASKED)
    walk, _ = step(walk, Promoted("uid:0"))
    assert (walk.phase, walk.held_for) == (after, "")


@pytest.mark.parametrize(
    ("event", "result", "fault"),
    [
        (Abort("uid:0"), "ABORTED", "aborted by uid:0"),
        (Late("a person: as asked"), "ABORTED", "held for a person (as asked) took too long: a person: as asked"),
        (Failed("died"), "GATE_FAILED", "died"),
    ],
)
def test_a_hold_ends_without_a_word_too(event: rollout.Event, result: str, fault: str) -> None:
    """Before the first boundary nothing changed; after it the slots are put back first."""
    walk, commands = a_course(*TRIED, event, hold="flip")
    assert (commands[-2:], walk.phase) == ([Discard(), Finish(result, fault)], "idle")  # type: ignore[arg-type]
    walk, commands = a_course(*TRIED, *RING, event, hold="retire", rings=1)
    assert (commands[-1], walk.phase, walk.result, walk.held_for) == (Restore(), "restoring", result, "")


def test_a_shadow_that_has_not_seen_enough_asks_a_person() -> None:
    """No data is never a pass; nobody's word is none either."""
    walk, _ = a_course(*TRIED[:3], Late("pairs: 3 of 20"))
    assert (walk.phase, walk.after) == ("held", "flipping")
    assert walk.held_for == "shadow took too long: pairs: 3 of 20"
    assert step(walk, Promoted("uid:0"))[1] == (Flip(0),)
    assert step(walk, Late("a person"))[0].result == "GATE_FAILED"


@pytest.mark.parametrize("event", [Breached("rejects: 9 of 20"), Late("ticks: 0 of 2"), Failed("died"), Abort("x")])
def test_a_bake_that_is_not_passed_puts_every_slot_back(event: rollout.Event) -> None:
    """Also one that has not seen enough in time."""
    walk, commands = a_course(*TRIED, *RING, *RING[:2], event, Restored())
    assert commands[-3:] == [Restore(), Discard(), Finish("ROLLED_BACK", walk.fault)]


@pytest.mark.parametrize("event", [Breached("rejects: 9 of 20"), Late("ticks: 0 of 2")])
def test_a_breach_waits_for_a_person_who_wanted_to_decide(event: rollout.Event) -> None:
    """They let it go on with the next ring, or take it back."""
    walk, _ = a_course(*TRIED, *RING[:2], event, take_back=False)
    assert (walk.phase, walk.after) == ("held", "flipping")
    assert step(walk, Promoted("uid:0"))[1] == (Flip(1),)
    assert step(walk, Abort("uid:0"))[1] == (Restore(),)


@pytest.mark.parametrize(
    ("way", "hold", "last"),
    [
        (TRIED, "flip", Finish("GATE_FAILED", "2 deadlines missed")),
        (TRIED, "", Restore()),
        ((*TRIED, Flipped(False)), "", Restore()),
        ((*TRIED, Flipped(True)), "", Restore()),
        ((*TRIED, *RING), "", Restore()),
        ((*TRIED, *RING, *RING, *RING), "retire", Restore()),
    ],
    ids=["held", "unflipped", "half flipped", "attesting", "between rings", "held in the end"],
)
@pytest.mark.parametrize("take_back", [True, False])
def test_what_green_does_counts_also_where_no_gate_is_asked(
    way: tuple[rollout.Event, ...], hold: rollout.Hold, last: rollout.Command, take_back: bool
) -> None:
    """Nothing changed before the first boundary; after it the slots go back, by themselves unless a person decides."""
    walk, commands = a_course(*way, Breached("2 deadlines missed"), hold=hold, take_back=take_back)
    if hold == "retire" and not take_back:
        assert (walk.phase, walk.after, walk.held_for) == ("held", "retiring", "2 deadlines missed")
        with pytest.raises(RefusedEvent, match="a person has to decide anyway"):
            step(walk, Breached("3 deadlines missed"))
    else:
        assert (commands[-1], walk.fault) == (last, "2 deadlines missed")


def test_nothing_is_waited_for_once_a_hold_is_over() -> None:
    """However it ended."""
    for event in (Abort("uid:0"), Late("a person"), Failed("died"), Breached("wild"), Promoted("uid:0")):
        walk, _ = a_course(*TRIED, event, hold="flip")
        assert (walk.held_for, walk.after) == ("", "idle")


def test_a_first_release_that_is_taken_back_is_rolled_back_to_nobody() -> None:
    """No release traded before it: the cause is the result, and nobody trades, as before."""
    walk, commands = through(replace(BEGIN, blue=""), Greeted(), Ready(), Flipped(True), Failed("died"), Restored())
    assert (commands[-1], walk.flipped) == (Finish("GATE_FAILED", "died"), 1)


def test_a_death_in_the_bake_is_put_back_whatever_was_wanted() -> None:
    """Somebody has to trade."""
    assert a_course(*TRIED, *RING[:2], Failed("died"), take_back=False)[1][-1] == Restore()


def test_a_release_that_cannot_replay_the_tape_is_rejected() -> None:
    """As one that does not import: nothing changed."""
    assert a_course(Greeted(), Ready(), Breached("differs"))[1][-1] == Finish("REJECTED", "differs")


def test_a_second_deploy_is_refused_while_one_runs() -> None:
    """Two never interleave."""
    walk, _ = through(BEGIN)
    with pytest.raises(RefusedEvent, match="Begin while spawning"):
        step(walk, BEGIN)


SAMPLES: dict[type, rollout.Event] = {
    Begin: BEGIN,
    Greeted: Greeted(),
    Ready: Ready(),
    Passed: Passed(),
    Breached: Breached("x"),
    Promoted: Promoted("x"),
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
    "trial": {Passed, Breached, Failed, Late, Abort},
    "shadow": {Passed, Breached, Failed, Late, Abort},
    "held": {Promoted, Breached, Failed, Late, Abort},
    "flipping": {Flipped, Breached, Failed, Late, Abort},
    "attesting": {Attested, Breached, Failed, Late, Abort},
    "baking": {Passed, Breached, Failed, Late, Abort},
    "retiring": {Gone, Late},
    "restoring": {Flipped, Restored, Late},
}


@pytest.mark.parametrize("phase", rollout.PHASES)
@pytest.mark.parametrize("kind", rollout.EVENTS, ids=lambda kind: kind.__name__)
def test_every_phase_stands_beside_every_event(phase: rollout.Phase, kind: type) -> None:
    """A pair is in the table, or it is refused and nothing changes."""
    walk = Rollout(phase=phase, after="flipping")
    if kind in MOVES[phase]:
        step(walk, SAMPLES[kind])
    else:
        with pytest.raises(RefusedEvent):
            step(walk, SAMPLES[kind])


def test_every_phase_has_a_deadline_and_an_end() -> None:
    """Late always leads nearer to idle, and from everywhere idle is reached when nobody says anything else."""
    for phase in rollout.PHASES[1:]:
        walk = Rollout(phase=phase, flipped=1)
        for _ in range(3):
            if walk.phase != "idle":
                walk, _ = step(walk, Late("silence"))
        assert walk.phase == "idle"


COURSES = st.builds(
    Course,
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(get_args(rollout.Hold)),
    st.booleans(),
)


@given(
    st.lists(
        st.sampled_from(list(SAMPLES.values())[1:]) | st.builds(replace, st.just(BEGIN), course=COURSES), max_size=40
    )
)
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
