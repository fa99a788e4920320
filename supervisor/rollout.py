"""How one release takes over from another: events in, commands out, one table.

    idle       no operation
    spawning   the candidate's process was started and has not greeted
    warming    it greeted with the right hash and is reading the tape
    trial      the recent tape is replayed through it twice, in processes of their own
    shadow     it decides on the ticks that blue answers, and is compared with blue
    held       a person's word is needed to go on
    flipping   the slots of a ring are waiting for their clean boundary, or have crossed it
    attesting  the candidate owns the ring and is asked what it has loaded
    baking     the candidate trades the ring, blue is warm, and what it does is watched
    retiring   it is the active release; the previous worker ends
    restoring  something went wrong after the first boundary: every slot goes back, under the next epoch

A walk goes ring by ring through flipping, attesting and baking; parts that its course leaves out are passed over. Up to
the first boundary blue trades on whatever fails, and the walk ends in `idle` with nothing changed; after it blue stays
warm until the walk retires it, and what green does counts as long (`Breached`), in whatever phase. Each phase has a
deadline (`Late`) and one default exit, and each event that can end it stands in the tables; a pair that is missing is
refused and changes nothing. `operations` carries the commands out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

Phase = Literal[
    "idle",
    "spawning",
    "warming",
    "trial",
    "shadow",
    "held",
    "flipping",
    "attesting",
    "baking",
    "retiring",
    "restoring",
]
Result = Literal["OK", "REJECTED", "GATE_FAILED", "NO_BOUNDARY", "ABORTED", "ROLLED_BACK", "ROLLBACK_FAILED"]
Hold = Literal["", "shadow", "flip", "retire"]

AS_ASKED: Final = "as asked"
"""Why a walk is held that was told so when it began."""


@dataclass(frozen=True, slots=True)
class Course:
    """Which parts a walk has. `rings`: how many, at least one. `hold`: before which part a person's word is needed.

    `take_back`: whether a breach puts slots that crossed back by itself, or waits for a person. Among the boundaries it
    always does: half a ring is nothing to wait with.
    """

    trial: bool = False
    shadow: bool = False
    rings: int = 1
    bake: bool = False
    hold: Hold = ""
    take_back: bool = True


@dataclass(frozen=True, slots=True)
class Rollout:
    """One operation. `blue` traded when it began (empty for the first release of all), `green` shall trade.

    `ring`: the one that is flipping, attesting or baking, from 0. `flipped`: slots that crossed their boundary to
    green. `after`: the phase a hold leads to, and `held_for` why it holds. `fault`: why it goes back, and the result
    that will be given when it has.
    """

    op: str = ""
    verb: str = ""
    phase: Phase = "idle"
    blue: str = ""
    green: str = ""
    actor: str = ""
    reason: str = ""
    course: Course = Course()
    ring: int = 0
    flipped: int = 0
    after: Phase = "idle"
    held_for: str = ""
    fault: str = ""
    result: Result = "OK"

    @property
    def to_decide(self) -> bool:
        """Whether a person has to say what becomes of slots that crossed: no breach can add to that."""
        return self.phase == "held" and bool(self.flipped) and self.held_for != AS_ASKED


@dataclass(frozen=True, slots=True)
class Begin:
    """An operator wants `green` to trade."""

    op: str
    verb: str
    blue: str
    green: str
    actor: str
    reason: str
    course: Course = Course()


@dataclass(frozen=True, slots=True)
class Greeted:
    """The candidate greeted and its hash is the one that was staged."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The candidate misses nothing of the stream."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Every gate of the phase passed."""


@dataclass(frozen=True, slots=True)
class Breached:
    """A gate of the phase failed, or green does what no worker of a candidate may, in whatever phase."""

    fault: str


@dataclass(frozen=True, slots=True)
class Promoted:
    """A person lets a walk that is held go on."""

    actor: str


@dataclass(frozen=True, slots=True)
class Flipped:
    """A slot crossed its boundary to green, if only because its grant was being written; `last` of its ring."""

    last: bool


@dataclass(frozen=True, slots=True)
class Attested:
    """The candidate has loaded what was staged."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The previous worker has ended."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Every slot is back; where no release traded before, none is on its way to green any more."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The candidate died, refused, or loaded something else."""

    fault: str


@dataclass(frozen=True, slots=True)
class Late:
    """The phase's deadline passed; `waiting` says what it was waiting for."""

    waiting: str


@dataclass(frozen=True, slots=True)
class Abort:
    """An operator does not want it any more."""

    actor: str


Event = (
    Begin
    | Greeted
    | Ready
    | Passed
    | Breached
    | Promoted
    | Flipped
    | Attested
    | Gone
    | Restored
    | Failed
    | Late
    | Abort
)


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a worker of the candidate release."""


@dataclass(frozen=True, slots=True)
class Try:
    """Replay the recent tape through the candidate release."""


@dataclass(frozen=True, slots=True)
class Compare:
    """Compare the candidate's decisions with blue's from here on."""


@dataclass(frozen=True, slots=True)
class Flip:
    """Arm every slot of the rings up to this one with the candidate."""

    ring: int


@dataclass(frozen=True, slots=True)
class Attest:
    """Ask the candidate what it has loaded."""


@dataclass(frozen=True, slots=True)
class Bake:
    """Watch the candidate trade, from here on."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Journal the candidate as the active release and retire the previous worker."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Disarm what waits and arm every slot that crossed with the previous worker."""


@dataclass(frozen=True, slots=True)
class Discard:
    """End the candidate's process."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The operation is over, with this result."""

    result: Result
    fault: str


Command = Spawn | Try | Compare | Flip | Attest | Bake | Promote | Restore | Discard | Finish


class RefusedEvent(Exception):
    """An event that has no meaning in this phase: nothing changed."""


# What goes wrong. The result is the one it gives if no slot has moved; if one has, the slots are put back first.
_FAULTS: Final[dict[tuple[Phase, type], Result]] = {
    ("spawning", Failed): "GATE_FAILED",
    ("spawning", Late): "GATE_FAILED",
    ("spawning", Abort): "ABORTED",
    ("warming", Failed): "GATE_FAILED",
    ("warming", Late): "GATE_FAILED",
    ("warming", Abort): "ABORTED",
    ("trial", Breached): "REJECTED",
    ("trial", Failed): "GATE_FAILED",
    ("trial", Late): "GATE_FAILED",
    ("trial", Abort): "ABORTED",
    ("shadow", Breached): "GATE_FAILED",
    ("shadow", Failed): "GATE_FAILED",
    ("shadow", Abort): "ABORTED",
    ("held", Breached): "GATE_FAILED",
    ("held", Failed): "GATE_FAILED",
    ("held", Late): "ABORTED",
    ("held", Abort): "ABORTED",
    ("flipping", Breached): "GATE_FAILED",
    ("flipping", Failed): "GATE_FAILED",
    ("flipping", Late): "NO_BOUNDARY",
    ("flipping", Abort): "ABORTED",
    ("attesting", Breached): "GATE_FAILED",
    ("attesting", Failed): "GATE_FAILED",
    ("attesting", Late): "GATE_FAILED",
    ("attesting", Abort): "ABORTED",
    ("baking", Breached): "GATE_FAILED",
    ("baking", Failed): "GATE_FAILED",
    ("baking", Late): "GATE_FAILED",
    ("baking", Abort): "ABORTED",
}
_ONLY_FORWARD: Final[frozenset[Phase]] = frozenset({"spawning", "warming", "trial", "shadow"})
"""Phases before the first boundary: what fails there has nothing to put back."""

# What a person has to decide instead. The bake's rows count only where slots are not taken back by themselves;
# `_hold_for_fault` is the same for a walk that is held already.
_ASKS: Final[frozenset[tuple[Phase, type]]] = frozenset({("shadow", Late), ("baking", Breached), ("baking", Late)})

# What ends a phase well, and the phase it leads to; `_walk` finds the next one on the course.
_DONE: Final[frozenset[tuple[Phase, type]]] = frozenset(
    {
        ("warming", Ready),
        ("trial", Passed),
        ("shadow", Passed),
        ("attesting", Attested),
        ("baking", Passed),
    }
)
_NEXT: Final[dict[tuple[Phase, type], Phase]] = {
    ("idle", Begin): "spawning",
    ("spawning", Greeted): "warming",
    ("flipping", Flipped): "flipping",
    ("retiring", Gone): "idle",
    ("retiring", Late): "idle",
    ("restoring", Flipped): "restoring",
    ("restoring", Restored): "idle",
    ("restoring", Late): "idle",
}
_ORDER: Final[dict[Phase, Phase]] = {
    "warming": "trial",
    "trial": "shadow",
    "shadow": "flipping",
    "flipping": "attesting",
    "attesting": "baking",
}

PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
EVENTS: Final[tuple[type, ...]] = get_args(Event)


def step(rollout: Rollout, event: Event) -> tuple[Rollout, tuple[Command, ...]]:
    """Advance the rollout by one event. Raises: RefusedEvent."""
    key = (rollout.phase, type(event))
    if key in _ASKS and not (rollout.phase == "baking" and rollout.course.take_back):
        return _hold(rollout, _after(rollout), _fault(rollout, event))
    if key == ("held", Breached) and rollout.flipped and not rollout.course.take_back:
        return _hold_for_fault(rollout, event)
    if key in _FAULTS:
        unsure = key == ("held", Late) and rollout.held_for != AS_ASKED
        return _fail(rollout, event, "GATE_FAILED" if unsure else _FAULTS[key])
    if key in _DONE:
        return _go_on(rollout)
    if isinstance(event, Promoted) and rollout.phase == "held":
        return _enter(replace(rollout, after="idle", held_for=""), rollout.after)
    phase = _NEXT.get(key)
    if phase is None:
        raise RefusedEvent(f"{type(event).__name__} while {rollout.phase}")
    if isinstance(event, Begin):
        begun = Rollout(event.op, event.verb, phase, event.blue, event.green, event.actor, event.reason, event.course)
        return begun, (Spawn(),)
    return _advance(rollout, event, phase)


def _advance(rollout: Rollout, event: Event, phase: Phase) -> tuple[Rollout, tuple[Command, ...]]:
    if isinstance(event, Flipped):
        counted = replace(rollout, flipped=rollout.flipped + 1)
        return _go_on(counted) if event.last and phase == "flipping" else (counted, ())
    if rollout.phase == "restoring" and phase == "idle":
        return _put_back(rollout, event)
    return replace(rollout, phase=phase), (Finish("OK", ""),) if phase == "idle" else ()


def _go_on(rollout: Rollout) -> tuple[Rollout, tuple[Command, ...]]:
    """Enter the next part of the course, unless a person wanted to be asked before it."""
    after = _after(rollout)
    return _hold(rollout, after, AS_ASKED) if _asked_before(rollout, after) else _enter(rollout, after)


def _after(rollout: Rollout) -> Phase:
    """The next phase on the course."""
    course, phase = rollout.course, rollout.phase
    left_out = {"trial": not course.trial, "shadow": not course.shadow, "baking": not course.bake}
    while phase in _ORDER:
        phase = _ORDER[phase]
        if not left_out.get(phase):
            return phase
    return "flipping" if rollout.ring + 1 < course.rings else "retiring"


def _asked_before(rollout: Rollout, after: Phase) -> bool:
    first = after == "flipping" and not rollout.flipped
    before = {"shadow": after == "shadow" or (first and not rollout.course.shadow), "flip": first}
    return bool(rollout.course.hold) and before.get(rollout.course.hold, after == "retiring")


def _hold(rollout: Rollout, after: Phase, why: str) -> tuple[Rollout, tuple[Command, ...]]:
    return replace(rollout, phase="held", after=after, held_for=why), ()


def _hold_for_fault(rollout: Rollout, event: Event) -> tuple[Rollout, tuple[Command, ...]]:
    """Where slots are not taken back by themselves, a walk that is held is held for the breach from now on.

    Raises: RefusedEvent: it waits for a decision about slots that crossed already.
    """
    if rollout.to_decide:
        raise RefusedEvent(f"{type(event).__name__} while a person has to decide anyway")
    return _hold(rollout, rollout.after, _fault(rollout, event))


def _enter(rollout: Rollout, phase: Phase) -> tuple[Rollout, tuple[Command, ...]]:
    ring = rollout.ring + (phase == "flipping" and rollout.flipped > 0)
    moved = replace(rollout, phase=phase, ring=ring)
    return moved, (Flip(ring),) if phase == "flipping" else _ON_ENTRY[phase]


def _fail(rollout: Rollout, event: Event, result: Result) -> tuple[Rollout, tuple[Command, ...]]:
    fault = _fault(rollout, event)
    forward = rollout.phase in _ONLY_FORWARD or (rollout.phase == "held" and not rollout.flipped)
    phase: Phase = "idle" if forward else "restoring"
    moved = replace(rollout, phase=phase, after="idle", held_for="", fault=fault, result=result)
    return moved, (Discard(), Finish(result, fault)) if forward else (Restore(),)


def _put_back(rollout: Rollout, event: Event) -> tuple[Rollout, tuple[Command, ...]]:
    """Something crossed and is back: rolled back. Nothing did, or there is nobody to give back to: the cause stands."""
    if isinstance(event, Late):
        result: Result = "ROLLBACK_FAILED"
    else:
        result = "ROLLED_BACK" if rollout.flipped and rollout.blue else rollout.result
    return replace(rollout, phase="idle", result=result), (Discard(), Finish(result, rollout.fault))


def _fault(rollout: Rollout, event: Event) -> str:
    if isinstance(event, Failed | Breached):
        return event.fault
    if isinstance(event, Late):
        held = f" for a person ({rollout.held_for})" if rollout.phase == "held" else ""
        return f"{rollout.phase}{held} took too long: {event.waiting}"
    assert isinstance(event, Abort)
    return f"aborted by {event.actor}"


_ON_ENTRY: Final[dict[Phase, tuple[Command, ...]]] = {
    "trial": (Try(),),
    "shadow": (Compare(),),
    "attesting": (Attest(),),
    "baking": (Bake(),),
    "retiring": (Promote(),),
}
