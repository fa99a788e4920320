"""How one release takes over from another: events in, commands out, one table.

    idle       no operation
    spawning   the candidate's process was started and has not greeted
    warming    it greeted with the right hash and is reading the tape
    flipping   every slot is waiting for its clean boundary, or has crossed it
    attesting  the candidate owns every slot and is asked what it has loaded
    retiring   it is the active release; the previous worker ends
    restoring  something went wrong after the first boundary: every slot goes back, under the next epoch

The active release trades on in every phase before `flipping`, and whatever fails there ends in `idle` with nothing
changed. Each phase has a deadline (`Late`), and each event that can end it stands in the tables; a pair that is missing
is refused and changes nothing. `desk` carries the commands out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

Phase = Literal["idle", "spawning", "warming", "flipping", "attesting", "retiring", "restoring"]
Result = Literal["OK", "REJECTED", "GATE_FAILED", "NO_BOUNDARY", "ABORTED", "ROLLED_BACK", "ROLLBACK_FAILED"]


@dataclass(frozen=True, slots=True)
class Rollout:
    """One operation. `blue` traded when it began (empty for the first release of all), `green` shall trade.

    `flipped`: slots that crossed their boundary to green. `fault`: why it goes back, and the result that will be given
    when it has.
    """

    op: str = ""
    verb: str = ""
    phase: Phase = "idle"
    blue: str = ""
    green: str = ""
    actor: str = ""
    reason: str = ""
    flipped: int = 0
    fault: str = ""
    result: Result = "OK"


@dataclass(frozen=True, slots=True)
class Begin:
    """An operator wants `green` to trade."""

    op: str
    verb: str
    blue: str
    green: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Greeted:
    """The candidate greeted and its hash is the one that was staged."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The candidate misses nothing of the stream."""


@dataclass(frozen=True, slots=True)
class Flipped:
    """A slot crossed its boundary to green, if only because its grant was being written; `last`: no slot is left."""

    last: bool


@dataclass(frozen=True, slots=True)
class Attested:
    """The candidate has loaded what was staged."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The previous worker has ended."""


@dataclass(frozen=True, slots=True)
class Restored:
    """Every slot is back."""


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


Event = Begin | Greeted | Ready | Flipped | Attested | Gone | Restored | Failed | Late | Abort


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start a worker of the candidate release."""


@dataclass(frozen=True, slots=True)
class Flip:
    """Arm every slot with the candidate."""


@dataclass(frozen=True, slots=True)
class Attest:
    """Ask the candidate what it has loaded."""


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


Command = Spawn | Flip | Attest | Promote | Restore | Discard | Finish


class RefusedEvent(Exception):
    """An event that has no meaning in this phase: nothing changed."""


# A pair missing here is refused. The result is the one a failure will be given, told apart by its cause.
_FAULTS: Final[dict[tuple[Phase, type], tuple[Phase, Result]]] = {
    ("spawning", Failed): ("idle", "GATE_FAILED"),
    ("spawning", Late): ("idle", "GATE_FAILED"),
    ("spawning", Abort): ("idle", "ABORTED"),
    ("warming", Failed): ("idle", "GATE_FAILED"),
    ("warming", Late): ("idle", "GATE_FAILED"),
    ("warming", Abort): ("idle", "ABORTED"),
    ("flipping", Failed): ("restoring", "GATE_FAILED"),
    ("flipping", Late): ("restoring", "NO_BOUNDARY"),
    ("flipping", Abort): ("restoring", "ABORTED"),
    ("attesting", Failed): ("restoring", "GATE_FAILED"),
    ("attesting", Late): ("restoring", "GATE_FAILED"),
    ("attesting", Abort): ("restoring", "ABORTED"),
}

_NEXT: Final[dict[tuple[Phase, type], Phase]] = {
    ("idle", Begin): "spawning",
    ("spawning", Greeted): "warming",
    ("warming", Ready): "flipping",
    ("flipping", Flipped): "flipping",
    ("attesting", Attested): "retiring",
    ("retiring", Gone): "idle",
    ("retiring", Late): "idle",
    ("restoring", Flipped): "restoring",
    ("restoring", Restored): "idle",
    ("restoring", Late): "idle",
}

PHASES: Final[tuple[Phase, ...]] = ("idle", "spawning", "warming", "flipping", "attesting", "retiring", "restoring")
EVENTS: Final = (Begin, Greeted, Ready, Flipped, Attested, Gone, Restored, Failed, Late, Abort)


def step(rollout: Rollout, event: Event) -> tuple[Rollout, tuple[Command, ...]]:
    """Advance the rollout by one event. Raises: RefusedEvent."""
    key = (rollout.phase, type(event))
    if key in _FAULTS:
        return _fail(rollout, event, *_FAULTS[key])
    phase = _NEXT.get(key)
    if phase is None:
        raise RefusedEvent(f"{type(event).__name__} while {rollout.phase}")
    if isinstance(event, Begin):
        begun = Rollout(event.op, event.verb, phase, event.blue, event.green, event.actor, event.reason)
        return begun, (Spawn(),)
    return _advance(rollout, event, phase)


def _advance(rollout: Rollout, event: Event, phase: Phase) -> tuple[Rollout, tuple[Command, ...]]:
    if isinstance(event, Flipped):
        counted = replace(rollout, flipped=rollout.flipped + 1)
        complete = event.last and phase == "flipping"
        return (replace(counted, phase="attesting"), (Attest(),)) if complete else (counted, ())
    if rollout.phase == "restoring" and phase == "idle":
        return _put_back(rollout, event)
    moved = replace(rollout, phase=phase)
    return moved, (Finish("OK", ""),) if phase == "idle" else _ON_ENTRY.get(phase, ())


def _fail(rollout: Rollout, event: Event, phase: Phase, result: Result) -> tuple[Rollout, tuple[Command, ...]]:
    fault = _fault(rollout, event)
    moved = replace(rollout, phase=phase, fault=fault, result=result)
    return moved, (Restore(),) if phase == "restoring" else (Discard(), Finish(result, fault))


def _put_back(rollout: Rollout, event: Event) -> tuple[Rollout, tuple[Command, ...]]:
    """Nothing crossed: nothing changed, and the cause is the result. Something crossed and is back: rolled back."""
    if isinstance(event, Late):
        result: Result = "ROLLBACK_FAILED"
    else:
        result = "ROLLED_BACK" if rollout.flipped else rollout.result
    return replace(rollout, phase="idle", result=result), (Discard(), Finish(result, rollout.fault))


def _fault(rollout: Rollout, event: Event) -> str:
    if isinstance(event, Failed):
        return event.fault
    if isinstance(event, Late):
        return f"{rollout.phase} took too long: {event.waiting}"
    assert isinstance(event, Abort)
    return f"aborted by {event.actor}"


_ON_ENTRY: Final[dict[Phase, tuple[Command, ...]]] = {
    "flipping": (Flip(),),
    "retiring": (Promote(),),
}
