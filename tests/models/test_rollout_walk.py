"""Every course is walked to every end: what its parts promise holds, and each row that is wrong breaks a promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from models.explorer import Explored, explore, going_round
from models.rollout_walk import COURSES, FIRSTS, Rules, Stepped, Walk, World, ended_by_restart

from supervisor import rollout
from supervisor.rollout import (
    Abort,
    Attest,
    Bake,
    Begin,
    Breached,
    Course,
    Discard,
    Failed,
    Finish,
    Flip,
    Flipped,
    Late,
    Passed,
    Promote,
    Restore,
    Restored,
    Rollout,
    Spawn,
)

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def walked() -> Explored[World]:
    """Every state of every course."""
    return explore(Walk())


def test_every_promise_holds_on_every_course(walked: Explored[World], record_property: Record) -> None:
    """Whoever dies, lies, aborts, promotes or says nothing, and wherever the supervisor is started anew."""
    courses = f"{len(COURSES)} courses and {len(FIRSTS)} of a first start"
    record_property("model", f"rollout, {courses}: {walked.told()}")
    held = not walked.broken
    assert held, walked.story()


def test_every_operation_ends(walked: Explored[World]) -> None:
    """No way leads back to where the walk was before: there are only so many steps, whatever happens."""
    again = going_round(walked)
    assert again is None, walked.way_to(again or 0)


def test_every_end_is_reached(walked: Explored[World], record_property: Record) -> None:
    """On each course a walk on which nothing fails ends well; and no result stands in the table for nothing."""
    ends = [walked.states[number] for number in walked.rests]
    fine = {(end.walk.blue, end.walk.course) for end in ends if end.result == "OK" and not end.suffered}
    assert fine == {("blue", course) for course in COURSES} | {("", course) for course in FIRSTS}
    counts = {result: sum(end.result == result for end in ends) for result in sorted({end.result for end in ends})}
    record_property("model", f"rollout, ends: {counts}")
    assert len(counts) == 7


def test_when_nobody_says_anything_it_is_over_soon(walked: Explored[World]) -> None:
    """From everywhere deadlines alone lead to the end, each phase to its own default."""
    for walk in {state.walk for state in walked.states}:
        left = 4
        while walk.phase != "idle":
            walk, _ = rollout.step(walk, Late("silence"))
            left -= 1
            assert left, walk


# --- a mutant for each row that matters -------------------------------------------------------------------------------

FULL = Course(trial=True, shadow=True, rings=3, bake=True)
SHORT = Course(rings=1)


def without(phase: rollout.Phase, kind: type) -> Callable[[Rollout, rollout.Event], Stepped]:
    """The table without a row."""

    def step(walk: Rollout, event: rollout.Event) -> Stepped:
        if (walk.phase, type(event)) == (phase, kind):
            raise rollout.RefusedEvent
        return rollout.step(walk, event)

    return step


def leading(
    phase: rollout.Phase, kind: type, to: rollout.Phase, *commands: rollout.Command
) -> Callable[[Rollout, rollout.Event], Stepped]:
    """The table with another row there."""

    def step(walk: Rollout, event: rollout.Event) -> Stepped:
        if (walk.phase, type(event)) != (phase, kind):
            return rollout.step(walk, event)
        return replace(walk, phase=to, flipped=walk.flipped + isinstance(event, Flipped)), commands

    return step


def unasked(walk: Rollout, event: rollout.Event) -> Stepped:
    """A walk goes on without the person it should wait for."""
    moved, commands = rollout.step(walk, event)
    if moved.phase == "held" and moved.held_for == rollout.AS_ASKED:
        return rollout.step(moved, rollout.Promoted("nobody"))
    return moved, commands


def too_far(walk: Rollout, event: rollout.Event) -> Stepped:
    """The ring after the first is left out."""
    moved, commands = rollout.step(walk, event)
    if commands == (Flip(1),):
        return replace(moved, ring=2), (Flip(2),)
    return moved, commands


def always(take_back: bool) -> Callable[[Rollout, rollout.Event], Stepped]:
    """What was wished about taking back does not matter."""

    def step(walk: Rollout, event: rollout.Event) -> Stepped:
        asked = walk.course
        moved, commands = rollout.step(replace(walk, course=replace(asked, take_back=take_back)), event)
        return (moved if isinstance(event, Begin) else replace(moved, course=asked)), commands

    return step


def good_enough(walk: Rollout, event: rollout.Event) -> Stepped:
    """A shadow that has not seen enough in time is let through."""
    late = walk.phase == "shadow" and isinstance(event, Late)
    return rollout.step(walk, Passed() if late else event)


def any_way(walk: Rollout, event: rollout.Event) -> Stepped:
    """The deadline of putting back counts as done."""
    late = walk.phase == "restoring" and isinstance(event, Late)
    return rollout.step(walk, Restored() if late else event)


def interleaved(walk: Rollout, event: rollout.Event) -> Stepped:
    """A deploy begins whatever runs."""
    return rollout.step(Rollout() if isinstance(event, Begin) else walk, event)


def uncounted(walk: Rollout, event: rollout.Event) -> Stepped:
    """A slot that crosses while others go back is not counted."""
    if walk.phase == "restoring" and isinstance(event, Flipped):
        return replace(walk, reason="nothing"), ()
    return rollout.step(walk, event)


def as_if_nothing(walk: Rollout, event: rollout.Event) -> Stepped:
    """What was put back is told as if nothing had moved."""
    moved, commands = rollout.step(walk, event)
    if isinstance(event, Restored):
        return moved, (Discard(), Finish(walk.result, walk.fault))
    return moved, commands


def kept(walk: Rollout, event: rollout.Event) -> Stepped:
    """What was discarded is not."""
    moved, commands = rollout.step(walk, event)
    return moved, tuple(command for command in commands if command != Discard())


def twice(walk: Rollout, event: rollout.Event) -> Stepped:
    """Its end is told again."""
    moved, commands = rollout.step(walk, event)
    return moved, commands * 2 if any(isinstance(command, Finish) for command in commands) else commands


def as_if_there_was_a_blue(walk: Rollout, event: rollout.Event) -> Stepped:
    """A first start is put back as if a release had traded before it."""
    moved, commands = rollout.step(replace(walk, blue="blue") if walk.phase == "restoring" else walk, event)
    return replace(moved, blue=walk.blue) if walk.phase == "restoring" else moved, commands


def still_waiting(walk: Rollout, event: rollout.Event) -> Stepped:
    """What somebody was waited for is not forgotten when they have aborted."""
    moved, commands = rollout.step(walk, event)
    return (replace(moved, held_for=walk.held_for) if isinstance(event, Abort) else moved), commands


def forgetful(walk: Rollout, event: rollout.Event) -> Stepped:
    """A new operation goes on where the last one was."""
    moved, commands = rollout.step(walk, event)
    return replace(moved, ring=walk.ring, flipped=walk.flipped) if isinstance(event, Begin) else moved, commands


@dataclass(frozen=True)
class Mutant:
    """What is wrong, the promise that breaks of it, and a course on which it does; `first` for one of a first start."""

    name: str
    rules: Rules
    breaks: str
    course: Course = FULL
    first: bool = False


def _by(step: Callable[[Rollout, rollout.Event], Stepped]) -> Rules:
    return Rules(step=step)


WATCHED = "what green does counts until blue is told to go: not while"
IN_TURN = "a ring is attested and baked before what follows"
MUTANTS = [
    Mutant("no deadline for the shadow", _by(without("shadow", Late)), "every phase has a deadline: shadow"),
    Mutant("no deadline for a hold", _by(without("held", Late)), "every phase has a deadline: held"),
    Mutant("a worker that lingers keeps it", _by(without("retiring", Late)), "every phase has a deadline: retiring"),
    Mutant("no abort among the boundaries", _by(without("flipping", Abort)), "an operation can be aborted"),
    Mutant("green's death unnoticed", _by(without("baking", Failed)), "blue goes when green owns every slot"),
    Mutant("bake skipped", _by(leading("attesting", rollout.Attested, "retiring", Promote())), IN_TURN),
    Mutant("promoted before attested", _by(leading("flipping", Flipped, "retiring", Promote())), IN_TURN, SHORT),
    Mutant(
        "attested before it owns", _by(leading("flipping", Flipped, "attesting", Attest())), "green is asked", SHORT
    ),
    Mutant("shadow skipped", _by(leading("trial", Passed, "flipping", Flip(0))), "no slot moves before what"),
    Mutant("trial skipped", _by(leading("warming", rollout.Ready, "flipping", Flip(0))), "no slot moves before what"),
    Mutant("too little taken for enough", _by(good_enough), "no slot moves before what the course has first: shadow"),
    Mutant(
        "finished without putting back",
        _by(leading("baking", Failed, "idle", Discard(), Finish("GATE_FAILED", "x"))),
        "what crossed is put back before the end",
    ),
    Mutant(
        "green ended before its slots are back",
        _by(leading("baking", Abort, "restoring", Discard(), Restore())),
        "green is not ended while slots are its own",
    ),
    Mutant("hold ignored", _by(unasked), "who wanted to be asked is asked", replace(FULL, hold="retire", rings=1)),
    Mutant(
        "hold before the flip ignored", _by(unasked), "who wanted to be asked is asked", replace(SHORT, hold="flip")
    ),
    Mutant("ring skipped", _by(too_far), "rings come in their turn: 2 after 0"),
    Mutant("take_back always", _by(always(True)), "what fails in a bake waits for a", replace(FULL, take_back=False)),
    Mutant("take_back never", _by(always(False)), "what fails is taken back by itself"),
    Mutant(
        "take_back always, while somebody is asked",
        _by(always(True)),
        "what fails in a bake waits for a",
        Course(hold="retire", take_back=False),
    ),
    Mutant(
        "green unwatched while held", _by(without("held", Breached)), f"{WATCHED} held", replace(SHORT, hold="flip")
    ),
    Mutant("green unwatched while it flips", _by(without("flipping", Breached)), f"{WATCHED} flipping", SHORT),
    Mutant("green unwatched while it attests", _by(without("attesting", Breached)), f"{WATCHED} attesting", SHORT),
    Mutant("a hold unasked for stays", _by(still_waiting), "what a person is", replace(SHORT, hold="flip")),
    Mutant(
        "a first start rolled back to nobody",
        _by(as_if_there_was_a_blue),
        "a result says what happened: ROLLED_BACK",
        SHORT,
        first=True,
    ),
    Mutant(
        "a first start rolled back to nobody by a restart",
        Rules(ends=lambda promoted, crossed, blue: ended_by_restart(promoted, crossed, "blue")),
        "a result says what happened: ROLLED_BACK",
        SHORT,
        first=True,
    ),
    Mutant("put back when it is late", _by(any_way), "green is not ended while slots are its own"),
    Mutant("put back, told as nothing moved", _by(as_if_nothing), "a result says what happened"),
    Mutant("two deploys interleave", _by(interleaved), "no operation begins while one runs"),
    Mutant("a late crossing uncounted", _by(uncounted), "how many slots moved is told as it was"),
    Mutant("green neither promoted nor ended", _by(kept), "green is promoted or discarded: it is neither"),
    Mutant("ended twice", _by(twice), "an operation ends once", SHORT),
    Mutant("the next begins where the last was", _by(forgetful), "an operation begins as the first one did", SHORT),
    Mutant(
        "put back after it was promoted",
        _by(leading("retiring", Abort, "restoring", Restore())),
        "nothing is put back after blue was told to go",
        SHORT,
    ),
    Mutant(
        "bakes for ever",
        _by(leading("baking", Breached, "baking", Bake())),
        "a way leads back to where the walk was",
    ),
    Mutant(
        "a restart forgets what moved",
        Rules(ends=lambda promoted, crossed, blue: "OK" if promoted else "GATE_FAILED"),
        "a result says what happened: GATE_FAILED",
    ),
    Mutant(
        "a restart believes in green",
        Rules(ends=lambda promoted, crossed, blue: "OK" if crossed else "GATE_FAILED"),
        "a result says what happened: OK",
    ),
    Mutant("spawned twice", _by(leading("spawning", rollout.Greeted, "warming", Spawn())), "one worker of green"),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_wrong_row_is_caught(mutant: Mutant, record_property: Record) -> None:
    """The promise it kept is broken, and the shortest way there is told."""
    courses, firsts = ([], [mutant.course]) if mutant.first else ([mutant.course], [])
    found = explore(Walk(courses, mutant.rules, firsts))
    if not found.broken and (again := going_round(found)) is not None:
        found.broken, found.trace = "a way leads back to where the walk was", found.way_to(again)
    record_property("model", f"rollout, mutant, {mutant.name}: {found.told()}")
    caught = found.broken.startswith(mutant.breaks)
    assert caught, found.story()
