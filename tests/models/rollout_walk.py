"""One operation from its beginning to its end, as a model: the rollout's own table in a world that does what it can.

`rollout.step` decides, and `close_left_open` after a restart. Here are green's worker that greets, warms, answers, lies
and dies, blue's that dies and comes back, gates that pass, fail and never say anything, slots that cross one by one,
people who abort and promote at any moment, deadlines, and a supervisor that is started anew. Every course is walked:
with and without trial, shadow and bake, one to three rings, each hold, taking back by itself or not; and those of a
first start, where no release traded before and there is nobody to give anything back to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from typing import Final, NamedTuple, get_args

from models.explorer import Broken, Move

from shared import entries as e
from shared.config import Settings
from supervisor import rollout
from supervisor.accounts import Accounts
from supervisor.board import Board
from supervisor.operation import close_left_open
from supervisor.rollout import Course, Hold, Rollout

COURSES: Final = [
    Course(trial, shadow, rings, bake, hold, take_back)
    for trial, shadow, rings, bake, hold, take_back in product(
        (False, True), (False, True), (1, 2, 3), (False, True), get_args(Hold), (True, False)
    )
    if bake or take_back or hold == "retire"
]
"""All there are; taking back by itself makes no difference where nothing is baked, and nobody is asked in the end."""
FIRSTS: Final = [Course(trial=trial, hold=hold) for trial, hold in product((False, True), get_args(Hold))]
"""Of a first start: nothing to be compared with, one ring."""
WATCHED: Final = {"held", "flipping", "attesting"}
"""Phases that ask no gate, and in which green is watched all the same."""
NOTHING_MOVED: Final = {"REJECTED", "GATE_FAILED", "NO_BOUNDARY", "ABORTED"}
_OF_A_RING: Final = {"flipped", "attested", "baking", "word after baking"}
_CAUSES: Final[dict[str, set[str]]] = {
    "OK": set(),
    "REJECTED": {"the trial fails"},
    "GATE_FAILED": {"green dies", "green lies", "a gate fails", "too late", "restart"},
    "NO_BOUNDARY": {"too late"},
    "ABORTED": {"abort", "too late"},
    "ROLLED_BACK": {"green dies", "green lies", "a gate fails", "too late", "abort", "restart"},
    "ROLLBACK_FAILED": {"too late"},
}
"""Results, and what of all that can go wrong has to have happened for each."""


class Slot(NamedTuple):
    """A slot of a ring: who owns it, empty for nobody, and whether green's grant is being written."""

    ring: int
    owner: str = "blue"
    crossing: bool = False


class World(NamedTuple):
    """Everything. `green`: how far its worker is; `blue`: whether one lives. `aimed`: the last ring that is green's.

    `active`: whose the journal says the desk is, nobody's before a first start.

    `passed`: what was passed on the course: its parts, people's words, and what the last ring has behind it. `crossed`:
    how many slots ever passed to green. `restoring`: they are being put back. `suffered`: what went wrong. `deaths`:
    that may still come. `result`: of the operation, once it ended.
    """

    walk: Rollout
    slots: tuple[Slot, ...] = ()
    green: str = ""
    blue: bool = True
    active: str = "blue"
    aimed: int = -1
    passed: frozenset[str] = frozenset()
    crossed: int = 0
    restoring: bool = False
    suffered: frozenset[str] = frozenset()
    deaths: int = 1
    result: str = ""


@cache
def ended_by_restart(promoted: bool, crossed: int, blue: str) -> str:
    """How a supervisor that begins ends the operation of the one before: what it writes, from what the journal says."""
    accounts, by = Accounts(), e.By("green", "", 1, "w1")
    if blue:
        accounts.apply(e.Active(blue, ""), 0)
    accounts.apply(e.Step("op", "deploy", "spawning", 0, "", "", {"green": by.release, "blue": blue}), 0)
    for number in range(crossed):
        accounts.apply(e.Grant(f"slot {number}", by.epoch, by.uid, by.release, by.parameters, "op"), 0)
    if promoted:
        accounts.apply(e.Active(by.release, "op"), 0)
    board = Board(Settings(), accounts, seq=0, pid=0, code="")
    close_left_open(board)
    return accounts.operations["op"].result


Stepped = tuple[Rollout, tuple[rollout.Command, ...]]


@dataclass(frozen=True)
class Rules:
    """What is the code's own; a mutant is this with one of them broken."""

    step: Callable[[Rollout, rollout.Event], Stepped] = rollout.step
    ends: Callable[[bool, int, str], str] = ended_by_restart


OURS: Final = Rules()


class Walk:
    """The model. Args: courses, firsts: those that are walked, beside a release that trades and where none does."""

    def __init__(self, courses: list[Course] = COURSES, rules: Rules = OURS, firsts: list[Course] = FIRSTS) -> None:
        self.courses, self.rules, self.firsts = courses, rules, firsts
        self._step = cache(rules.step)

    def first(self) -> Iterator[World]:
        """Nothing runs."""
        yield World(Rollout())

    def moves(self, world: World) -> Iterator[Move[World]]:
        """All that may happen next."""
        if not world.walk.op:
            for course in self.courses:
                yield Move(f"somebody wants green: {course}", partial(self._begin, world, course))
            for course in self.firsts:
                yield Move(f"green is the first of all: {course}", partial(self._begin_first, course))
            return
        if not world.result:
            yield from self._slots(world)
            yield from self._green(world)
            yield from self._gates(world)
            yield from self._people(world)
            yield from self._faults(world)

    # --- what always holds, besides what is said where it is done ---

    def check(self, world: World) -> None:
        """A walk is over when it said so, and not before; while it lasts no other one begins, after it any."""
        walk = world.walk
        if walk.op and (walk.phase == "idle") != bool(world.result):
            raise Broken(f"an operation ends once, with a result: {walk.phase} and {world.result or 'none'}")
        begin = _begin(walk.course)
        if walk.phase != "held" and (walk.held_for or walk.after != "idle"):
            raise Broken(f"what a person is waited for is told while they are: {walk.held_for!r} while {walk.phase}")
        if walk.phase == "idle" and self._step(walk, begin) != self._step(Rollout(), begin):
            raise Broken("an operation begins as the first one did: this leaves something to the next")
        if walk.phase != "idle" and self._takes(walk, begin):
            raise Broken(f"no operation begins while one runs: another does while {walk.phase}")
        if walk.phase != "idle" and not self._takes(walk, rollout.Late("x")):
            raise Broken(f"every phase has a deadline: {walk.phase} has none")

    def check_rest(self, world: World) -> None:
        """Nothing is left to happen only when it is over."""
        if not world.result:
            raise Broken(f"an operation ends whatever happens: not this one while {world.walk.phase}")

    def _takes(self, walk: Rollout, event: rollout.Event) -> bool:
        try:
            self._step(walk, event)
        except rollout.RefusedEvent:
            return False
        return True

    # --- what may happen ---

    def _begin(self, world: World, course: Course) -> World:
        slots = tuple(Slot(ring) for ring in range(course.rings)) if course.rings > 1 else (Slot(0), Slot(0))
        return self._roll(world._replace(slots=slots), _begin(course))

    def _begin_first(self, course: Course) -> World:
        world = World(Rollout(), slots=(Slot(0, ""), Slot(0, "")), blue=False, active="")
        return self._roll(world, replace(_begin(course), blue=""))

    def _green(self, world: World) -> Iterator[Move[World]]:
        walk = world.walk
        if world.green == "spawned":
            yield Move("green greets", partial(self._roll, world._replace(green="greeted"), rollout.Greeted()))
            yield Move("green greets with another hash", partial(self._lose_green, world, "green lies"), free=True)
        if world.green == "greeted":
            yield Move("green is warm", partial(self._roll, world._replace(green="warm"), rollout.Ready()))
        if walk.phase == "attesting":
            passed = _pass(world, "attested")
            yield Move("green says what it runs", partial(self._roll, passed, rollout.Attested()))
            lied = partial(self._roll, _suffer(world, "green lies"), rollout.Failed("it runs another"))
            yield Move("green runs something else", lied, free=True)
        if walk.phase == "retiring":
            yield Move("blue is gone", partial(self._roll, world._replace(blue=False), rollout.Gone()))

    def _gates(self, world: World) -> Iterator[Move[World]]:
        phase = world.walk.phase
        if phase in {"trial", "shadow", "baking"}:
            yield Move(f"{phase}: PASS", partial(self._roll, _pass(world, phase), rollout.Passed()))
            cause = "the trial fails" if phase == "trial" else "a gate fails"
            yield Move(f"{phase}: FAIL", partial(self._breach, _suffer(world, cause)), free=True)
        elif phase in WATCHED and not _decides_anyway(world):
            if not self._takes(world.walk, rollout.Breached("x")):
                raise Broken(f"what green does counts until blue is told to go: not while {phase}")
            yield Move("green breaches a limit", partial(self._breach, _suffer(world, "a gate fails")), free=True)

    def _breach(self, world: World) -> World:
        """By itself or by a person, as was wished; before the first boundary and among them always by itself."""
        after = self._roll(world, rollout.Breached("a gate fails"))
        settled = world.walk.phase == "baking" or (world.walk.phase == "held" and world.crossed)
        by_itself = not settled or world.walk.course.take_back
        if after.walk.phase == "held" and by_itself:
            raise Broken("what fails is taken back by itself unless a person wanted to decide: it waits")
        if after.walk.phase != "held" and not by_itself:
            raise Broken("what fails in a bake waits for a person who wanted to decide: it does not")
        if after.walk.held_for == rollout.AS_ASKED:
            raise Broken("a person is told what they decide about: they are not")
        return after

    def _people(self, world: World) -> Iterator[Move[World]]:
        walk = world.walk
        aborted = partial(self._roll, _suffer(world, "abort"), rollout.Abort("somebody"))
        if self._takes(walk, rollout.Abort("somebody")):
            yield Move("somebody aborts", aborted, free=True)
        elif walk.phase not in {"retiring", "restoring"}:
            raise Broken(f"an operation can be aborted until it is done: not while {walk.phase}")
        if self._takes(walk, rollout.Promoted("somebody")):
            promoted = partial(self._roll, _pass(world, _word(walk)), rollout.Promoted("somebody"))
            yield Move("somebody promotes", promoted, free=True)

    def _faults(self, world: World) -> Iterator[Move[World]]:
        late = partial(self._roll, _suffer(world, "too late"), rollout.Late("x"))
        yield Move(f"{world.walk.phase} takes too long", late)
        if world.green and world.active != "green" and world.deaths:
            died = world._replace(deaths=world.deaths - 1)
            yield Move("green dies", partial(self._lose_green, died, "green dies"), free=True)
        if world.blue and world.active != "green" and world.deaths:
            died = _without(world._replace(deaths=world.deaths - 1, blue=False), "blue")
            yield Move("blue dies", lambda: died, free=True)
        yield Move("the supervisor is started anew", partial(self._restart, world), free=True)

    def _lose_green(self, world: World, why: str) -> World:
        return self._roll(_suffer(_without(world._replace(green=""), "green"), why), rollout.Failed(why))

    def _restart(self, world: World) -> World:
        """No worker is left, and no grant that was being written; the operation is ended by what the journal says."""
        slots = tuple(Slot(slot.ring, "") for slot in world.slots)
        back = replace(world.walk, phase="idle", after="idle", held_for="")
        world = _suffer(world._replace(walk=back, slots=slots, green="", aimed=-1), "restart")
        return self._conclude(world, self.rules.ends(world.active == "green", world.crossed, back.blue), at_once=True)

    # --- slots ---

    def _slots(self, world: World) -> Iterator[Move[World]]:
        if not world.blue and world.active == "blue":
            yield Move("blue is back", lambda: world._replace(blue=True))
        for slot in dict.fromkeys(world.slots):
            if slot.crossing:
                yield Move("a grant to green is durable", partial(self._cross, world, slot))
            elif slot.ring <= world.aimed and slot.owner != "green" and world.green == "warm":
                yield Move("a slot is granted to green", partial(_put, world, slot, slot._replace(crossing=True)))
            elif slot.ring > world.aimed and slot.owner != "blue" and world.blue:
                yield Move("a slot is blue's", partial(self._go_back, world, slot))

    def _cross(self, world: World, slot: Slot) -> World:
        """A grant stands also if its worker died meanwhile; then nobody owns the slot."""
        world = _put(world, slot, Slot(slot.ring, "green" if world.green else ""))._replace(crossed=world.crossed + 1)
        ring = [slot for slot in world.slots if slot.ring <= world.aimed]
        last = bool(ring) and all(slot.owner == "green" for slot in ring)
        if last:
            world = _pass(world, "flipped")
        return self._see_restored(self._roll(world, rollout.Flipped(last)))

    def _go_back(self, world: World, slot: Slot) -> World:
        return self._see_restored(_put(world, slot, Slot(slot.ring)))

    def _see_restored(self, world: World) -> World:
        """Blue has everything again; where there is none, no slot is on its way to green any more."""
        if world.walk.blue:
            back = all(slot == Slot(slot.ring) for slot in world.slots)
        else:
            back = not any(slot.crossing for slot in world.slots)
        return self._roll(world, rollout.Restored()) if back and world.walk.phase == "restoring" else world

    # --- the table, carried out ---

    def _roll(self, world: World, event: rollout.Event) -> World:
        """Advance the walk; what means nothing in its phase changes nothing."""
        try:
            walk, commands = self._step(world.walk, event)
        except rollout.RefusedEvent:
            return world
        if walk == world.walk and not commands:
            raise Broken(f"an event acts or is refused: {event} while {walk.phase} does nothing")
        world = world._replace(walk=walk)
        for command in commands:
            world = _CARRY_OUT[type(command)](self, world, command)
        return world

    def _spawn(self, world: World, command: rollout.Spawn) -> World:
        if world.green:
            raise Broken(f"one worker of green is enough: another is started while it {world.green}")
        return world._replace(green="spawned")

    def _nothing(self, world: World, command: rollout.Command) -> World:
        return world

    def _flip(self, world: World, command: rollout.Flip) -> World:
        """Every part before it was passed, or a person let it go on; rings come in their turn, each baked before."""
        walk, ring = world.walk, command.ring
        holds = {"flip"} if walk.course.shadow else {"flip", "shadow"}
        _asked_first(world, walk.course.hold in holds and not ring, {"word before flipping", "word after shadow"})
        for part, on_course in (("trial", walk.course.trial), ("shadow", walk.course.shadow)):
            if on_course and not world.passed & {part, f"word after {part}"}:
                raise Broken(f"no slot moves before what the course has first: {part} was not passed")
        if ring != world.aimed + 1:
            raise Broken(f"rings come in their turn: {ring} after {world.aimed}")
        if ring:
            _ring_done(world)
        return world._replace(aimed=ring, passed=world.passed - _OF_A_RING)

    def _compare(self, world: World, command: rollout.Compare) -> World:
        _asked_first(world, world.walk.course.hold == "shadow", {"word before shadow"})
        return world

    def _attest(self, world: World, command: rollout.Attest) -> World:
        if "flipped" not in world.passed:
            raise Broken(f"green is asked what it runs when it owns the ring: {world.walk.ring} is not its own")
        return world

    def _promote(self, world: World, command: rollout.Promote) -> World:
        """Blue goes last: when every ring was passed on, attested and baked, and who wanted to be asked was."""
        _asked_first(world, world.walk.course.hold == "retire", {"word before retiring", "word after baking"})
        _ring_done(world)
        if any(slot.owner != "green" for slot in world.slots):
            raise Broken(f"blue goes when green owns every slot: {world.slots}")
        return world._replace(active="green")

    def _restore(self, world: World, command: rollout.Restore) -> World:
        if world.active == "green":
            raise Broken("nothing is put back after blue was told to go")
        return self._see_restored(world._replace(aimed=-1, restoring=True))

    def _discard(self, world: World, command: rollout.Discard) -> World:
        failed = world.walk.result == "ROLLBACK_FAILED"
        if world.active == "green":
            raise Broken("green is promoted or discarded: it is both")
        owns = any(slot.owner == "green" for slot in world.slots) and world.walk.blue
        if (owns or any(slot.crossing for slot in world.slots)) and not failed:
            raise Broken(f"green is not ended while slots are its own: {world.slots}")
        return _without(world._replace(green="", aimed=-1), "green")

    def _finish(self, world: World, command: rollout.Finish) -> World:
        if world.walk.phase != "idle":
            raise Broken(f"an operation ends once, with a result: {world.walk.phase} and {command.result}")
        if world.walk.flipped != world.crossed:
            raise Broken(f"how many slots moved is told as it was: {world.crossed}, and told are {world.walk.flipped}")
        if world.active != "green" and world.green:
            raise Broken("green is promoted or discarded: it is neither")
        if world.crossed and world.active != "green" and not world.restoring:
            raise Broken("what crossed is put back before the end: it was not")
        return self._conclude(world, command.result)

    def _conclude(self, world: World, result: str, *, at_once: bool = False) -> World:
        """The result says what happened. `at_once`: the slots have lost their owners, and have yet to come back."""
        if world.result:
            raise Broken(f"an operation ends once, with a result: {world.result} and {result}")
        owners = {slot.owner for slot in world.slots}
        true = {
            "OK": world.active == "green" and (at_once or owners == {"green"}),
            "ROLLED_BACK": world.active == "blue" and bool(world.crossed) and (at_once or owners == {"blue"}),
            "ROLLBACK_FAILED": world.active != "green" and world.restoring,
        }
        as_before = not world.crossed if world.walk.blue else owners == {""}
        if not true.get(result, result in NOTHING_MOVED and world.active == world.walk.blue and as_before):
            raise Broken(f"a result says what happened: {result} with {world.crossed} slots moved, {world.slots}")
        if _CAUSES[result] and not _CAUSES[result] & world.suffered:
            raise Broken(f"a result has its cause: {result} after {set(world.suffered) or 'nothing'}")
        return World(world.walk, suffered=world.suffered, result=result)


_CARRY_OUT: Final[dict[type, Callable[..., World]]] = {
    rollout.Spawn: Walk._spawn,
    rollout.Try: Walk._nothing,
    rollout.Compare: Walk._compare,
    rollout.Flip: Walk._flip,
    rollout.Attest: Walk._attest,
    rollout.Bake: Walk._nothing,
    rollout.Promote: Walk._promote,
    rollout.Restore: Walk._restore,
    rollout.Discard: Walk._discard,
    rollout.Finish: Walk._finish,
}


# --- small things -----------------------------------------------------------------------------------------------------


@cache
def _begin(course: Course) -> rollout.Begin:
    return rollout.Begin("op", "deploy", "blue", "green", "somebody", "better", course)


def _pass(world: World, part: str) -> World:
    return world._replace(passed=world.passed | {part})


def _suffer(world: World, fault: str) -> World:
    return world._replace(suffered=world.suffered | {fault})


def _put(world: World, slot: Slot, changed: Slot) -> World:
    """One slot changed; slots of a ring are as good as one another."""
    slots = list(world.slots)
    slots[slots.index(slot)] = changed
    return world._replace(slots=tuple(sorted(slots)))


def _without(world: World, name: str) -> World:
    """A worker is gone: what it owned nobody owns."""
    slots = (slot._replace(owner="") if slot.owner == name else slot for slot in world.slots)
    return world._replace(slots=tuple(sorted(slots)))


def _decides_anyway(world: World) -> bool:
    """Whether a person has been asked already what becomes of slots that crossed."""
    return world.walk.phase == "held" and bool(world.crossed) and world.walk.held_for != rollout.AS_ASKED


def _word(walk: Rollout) -> str:
    """A person's word, named for what was waiting for it."""
    if walk.held_for == rollout.AS_ASKED:
        return f"word before {walk.after}"
    return f"word after {'baking' if walk.flipped else 'shadow'}"


def _asked_first(world: World, wanted: bool, words: set[str]) -> None:
    if wanted and not world.passed & words:
        raise Broken(f"who wanted to be asked is asked: nobody was before {world.walk.phase}")


def _ring_done(world: World) -> None:
    """A ring that came before was passed on, attested, and baked or let go on by a person."""
    parts = [{"flipped"}, {"attested"}]
    if world.walk.course.bake:
        parts.append({"baking", "word after baking"})
    if not all(part & world.passed for part in parts):
        raise Broken(f"a ring is attested and baked before what follows: ring {world.aimed} was not")
