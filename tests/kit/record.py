"""What the auditor of a simulated desk is told besides entries, frames and effects, and the journal as it folds it.

The fold is its own, much smaller than the desk's: who holds what, which ticks have their outcome, what was placed, what
runs. Two readings of one journal check each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from supervisor.accounts import Accounts
from supervisor.crew import RESPAWN_S, STEADY_S

MS: Final = 1_000_000
TickKey = tuple[str, int]
"""Slot and number of a tick."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An order reached the venue."""

    placing: e.Placing


@dataclass(frozen=True, slots=True)
class Taped:
    """A frame was written to the tape, which ended with frame `after`."""

    seq: int
    after: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Something arrived at the desk, and all that it wanted done about it is done."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The desk has just looked at the time."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """A supervisor was rebuilt from the journal; `before` is what the last one knew, if it did not die half-way."""

    rebuilt: Accounts
    before: Accounts | None


@dataclass(frozen=True, slots=True)
class AtRest:
    """Nothing has gone wrong for a while, and nobody has wanted anything."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A tick as it was shown last, and how often it was."""

    tick: m.Tick
    seq: int
    mono_ns: int
    times: int


@dataclass
class Record:
    """The journal, folded by the auditor. `ends`: every operation and its result, empty while it runs.

    `running`: the one that runs, with its phase and where its plan lets slots change hands.
    """

    term: int = 0
    at_ns: int = 0
    grants: dict[str, e.Grant] = field(default_factory=dict)
    first_grant_ms: dict[str, int] = field(default_factory=dict)
    boundaries: dict[str, e.Boundary] = field(default_factory=dict)
    outcomes: dict[TickKey, e.OutcomeOf] = field(default_factory=dict)
    placings: dict[str, e.Placing] = field(default_factory=dict)
    legs: set[tuple[str, str, int, int]] = field(default_factory=set)
    halted: str = ""
    taken: dict[str, str] = field(default_factory=dict)
    fills: set[tuple[str, str]] = field(default_factory=set)
    opened_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    winners: dict[tuple[str, int], str] = field(default_factory=dict)
    releases: set[str] = field(default_factory=set)
    active: str = ""
    parameters: str = ""
    sets: set[str] = field(default_factory=set)
    version: int = 0
    retuned: e.Retuned | None = None
    ends: dict[str, str] = field(default_factory=dict)
    running: str = ""
    phase: str = ""
    flip_policy: str = ""
    gap: str = ""
    gaps: int = 0

    def take(self, line: e.Line) -> None:
        """Fold one line."""
        self.at_ns = line.at_ns
        fold = _FOLD.get(type(line.entry))
        if fold is not None:
            fold(self, line.entry, line.at_ns // MS)

    def _grant(self, entry: e.Grant, at_ms: int) -> None:
        self.grants[entry.slot] = entry
        self.first_grant_ms.setdefault(entry.slot, at_ms)

    def _placing(self, entry: e.Placing, at_ms: int) -> None:
        self.placings[entry.order_id] = entry
        self.legs.add((entry.slot, entry.op, entry.tick, entry.leg))

    def _control(self, entry: e.Control, at_ms: int) -> None:
        self.halted = entry.op if entry.halted else ""
        self.taken = {} if entry.gives_back else self.taken

    def _flatten(self, entry: e.Flatten, at_ms: int) -> None:
        self.taken |= dict.fromkeys(entry.slots, entry.op)

    def _step(self, entry: e.Step, at_ms: int) -> None:
        ended = entry.phase == "done"
        self.ends[entry.op] = str(entry.detail.get("result", "")) if ended else ""
        self.running, self.phase = ("", "") if ended else (entry.op, entry.phase)
        if "plan" in entry.detail:
            self.flip_policy = entry.detail["plan"]["flip_policy"]

    def _gap(self, entry: e.Gap, at_ms: int) -> None:
        self.gap, self.gaps = f"{entry.what}: {entry.cause}", self.gaps + 1

    def _term(self, entry: e.Term, at_ms: int) -> None:
        self.term = entry.term

    def _outcome(self, entry: e.OutcomeOf, at_ms: int) -> None:
        self.outcomes[entry.slot, entry.tick] = entry

    def _boundary(self, entry: e.Boundary, at_ms: int) -> None:
        self.boundaries[entry.slot] = entry

    def _fill(self, entry: e.Fill, at_ms: int) -> None:
        self.fills.add((entry.trade_id, entry.order_id))

    def _opened(self, entry: e.Opened, at_ms: int) -> None:
        self.opened_ms.setdefault((entry.slot, entry.start_s), at_ms)

    def _resolved(self, entry: e.Resolved, at_ms: int) -> None:
        self.winners[entry.slot, entry.start_s] = entry.winner

    def _release(self, entry: e.Release, at_ms: int) -> None:
        self.releases.add(entry.release)

    def _active(self, entry: e.Active, at_ms: int) -> None:
        self.active = entry.release

    def _parameters(self, entry: e.Parameters, at_ms: int) -> None:
        self.parameters, self.version = entry.digest, entry.number
        self.sets.add(entry.digest)

    def _retuned(self, entry: e.Retuned, at_ms: int) -> None:
        self.retuned = entry


_FOLD: Final[dict[type, Callable[[Record, Any, int], None]]] = {
    e.Term: Record._term,
    e.Grant: Record._grant,
    e.Boundary: Record._boundary,
    e.OutcomeOf: Record._outcome,
    e.Placing: Record._placing,
    e.Fill: Record._fill,
    e.Opened: Record._opened,
    e.Resolved: Record._resolved,
    e.Release: Record._release,
    e.Active: Record._active,
    e.Parameters: Record._parameters,
    e.Retuned: Record._retuned,
    e.Control: Record._control,
    e.Flatten: Record._flatten,
    e.Step: Record._step,
    e.Gap: Record._gap,
}


@dataclass
class Starts:
    """The workers of one reign as they come and go: how often in a row those of a release died before they were steady.

    `again_ns`: when the next one of a release may be started; `bare_ns`: since when the active release has none.
    """

    living: dict[str, tuple[str, int]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    again_ns: dict[str, int] = field(default_factory=dict)
    bare_ns: int = 0

    def take(self, entry: e.Worker, mono_ns: int) -> None:
        """Follow one word of a worker's life."""
        if entry.event == "spawned":
            self.living[entry.uid] = (entry.release, mono_ns)
        elif entry.event in {"lost", "retired"}:
            _, spawned_ns = self.living.pop(entry.uid)
            if entry.event == "lost":
                steady = mono_ns - spawned_ns >= STEADY_S * NS
                failures = 0 if steady else self.failures.get(entry.release, 0) + 1
                self.failures[entry.release] = failures
                self.again_ns[entry.release] = mono_ns + int(RESPAWN_S[min(failures, len(RESPAWN_S) - 1)] * NS)


def request_name(entry: e.Placing | e.Cancelling) -> str:
    """What its intent, when it is durable, lets leave."""
    return f"place {entry.order_id}" if isinstance(entry, e.Placing) else f"cancel {entry.order_id}"
