"""One slot's owner: its ticks and their outcomes, and how the right to decide passes from one worker to another.

    orphan       nobody owns it; ticks that come due wait a little for an owner
    owned        its owner is asked one tick at a time
    quiescing    a candidate is armed; no new tick is shown until the boundary is clean
    granting     the boundary was clean; the grant is on its way to the disk, nothing else happens meanwhile

First grant, flip, rollback and the replacement of a dead owner are one act: arm a candidate, wait for a clean boundary,
make the grant under the next epoch durable, go on. Ticks that come due in between wait; none is dropped, and each gets
exactly one outcome. What may count is decided here and in `admits`, nowhere else.

A tick whose owner died before it answered waits for the next owner and is shown once more, under its epoch; if that one
dies of it too it is skipped: a tick that kills workers must not kill them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

HELD_MAX: Final = 64
"""Ticks that may wait; one more and the oldest is skipped as late, the one that was shown before all others."""
PATIENT_MAX: Final = HELD_MAX // 2
"""Ticks that may wait for a boundary. They come as fast as the market's time, which in a rehearsal is not ours."""

Phase = Literal["orphan", "owned", "quiescing", "granting"]


@dataclass(frozen=True, slots=True)
class SlotState:
    """`epoch` is that of the last grant; `outstanding` the tick that was shown and has no outcome, 0 for none.

    `in_flight`: orders and cancels the venue owes an answer for. `blocked`: an order is unknown, so nothing new may be
    decided. `strikes`: deadlines the owner missed in a row. `again`: the newest tick that an owner's death left without
    an answer; it is shown to the next owner, and to no third one.
    """

    phase: Phase = "orphan"
    epoch: int = 0
    owner: str = ""
    candidate: str = ""
    outstanding: int = 0
    held: tuple[int, ...] = ()
    last_tick: int = 0
    in_flight: int = 0
    blocked: bool = False
    strikes: int = 0
    again: int = 0

    @property
    def clean(self) -> bool:
        """Whether this is a boundary at which the slot may change hands: nothing of it is in flight.

        With nobody owning it there is nobody whose decision could be cut in two.
        """
        idle = not self.in_flight and not self.blocked
        return self.phase == "quiescing" and not self.outstanding and (idle or not self.owner)


@dataclass(frozen=True, slots=True)
class Due:
    """A tick's time has come."""

    tick: int


@dataclass(frozen=True, slots=True)
class Done:
    """The outstanding tick has its outcome."""


@dataclass(frozen=True, slots=True)
class Flight:
    """How many requests of the slot the venue owes a word on, and whether any order of it is unknown."""

    in_flight: int
    unknown: bool


@dataclass(frozen=True, slots=True)
class Expired:
    """The outstanding tick, or those that wait for an owner, waited too long."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A worker that is ready shall own the slot."""

    candidate: str


@dataclass(frozen=True, slots=True)
class Disarm:
    """The candidate shall not own it after all."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The boundary is clean: write the grant."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The grant is durable."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is gone."""

    uid: str


SlotEvent = Due | Done | Flight | Expired | Arm | Disarm | Commit | Granted | Lost


@dataclass(frozen=True, slots=True)
class Show:
    """Publish this tick and wait for its owner's answer."""

    tick: int


@dataclass(frozen=True, slots=True)
class Skip:
    """Record that this tick was not decided, and why."""

    tick: int
    reason: str


@dataclass(frozen=True, slots=True)
class WriteGrant:
    """Make the right of a worker durable, then say Granted."""

    uid: str
    epoch: int


SlotCommand = Show | Skip | WriteGrant


class RefusedEvent(Exception):
    """An event that cannot happen in this phase: nothing changed."""


def step(slot: SlotState, event: SlotEvent) -> tuple[SlotState, tuple[SlotCommand, ...]]:
    """Advance a slot by one event. Raises: RefusedEvent."""
    phases, act = _TABLE[type(event)]
    if slot.phase not in phases:
        raise RefusedEvent(f"{type(event).__name__} while {slot.phase}")
    moved, commands = act(slot, event)
    shown, more = _pump(moved)
    return shown, commands + more


def admits(slot: SlotState, uid: str, epoch: int, tick: int) -> str:
    """Why an answer may not count; empty when it may. The fence: right epoch, its holder, the outstanding tick."""
    if epoch != slot.epoch or uid != slot.owner:
        return "stale_epoch"
    if not slot.outstanding or tick != slot.outstanding:
        return "not_outstanding"
    if slot.blocked:
        return "unknown_order"
    return ""


_Acted = tuple[SlotState, tuple[SlotCommand, ...]]
_ANY: Final[frozenset[Phase]] = frozenset({"orphan", "owned", "quiescing", "granting"})


def _due(slot: SlotState, event: Due) -> _Acted:
    """Outcomes come in the order of their ticks: what was shown is given up before what waits behind it."""
    if event.tick <= slot.last_tick:
        return slot, ()
    held = (*slot.held, event.tick)
    moved = replace(slot, held=held, last_tick=event.tick)
    if slot.outstanding and len(held) > HELD_MAX:
        return replace(moved, outstanding=0), (Skip(slot.outstanding, "late"),)
    return replace(moved, held=held[-HELD_MAX:]), tuple(Skip(tick, "late") for tick in held[:-HELD_MAX])


def _done(slot: SlotState, event: Done) -> _Acted:
    return replace(slot, outstanding=0, strikes=0), ()


def _flight(slot: SlotState, event: Flight) -> _Acted:
    return replace(slot, in_flight=event.in_flight, blocked=event.unknown), ()


def _expired(slot: SlotState, event: Expired) -> _Acted:
    if slot.outstanding:
        skip = Skip(slot.outstanding, "deadline")
        return replace(slot, outstanding=0, strikes=slot.strikes + 1), (skip,)
    if not slot.owner:
        return replace(slot, held=()), tuple(Skip(tick, "no_owner") for tick in slot.held)
    return slot, ()


def _arm(slot: SlotState, event: Arm) -> _Acted:
    return replace(slot, phase="quiescing", candidate=event.candidate), ()


def _disarm(slot: SlotState, event: Disarm) -> _Acted:
    return replace(slot, phase="owned" if slot.owner else "orphan", candidate=""), ()


def _commit(slot: SlotState, event: Commit) -> _Acted:
    if not slot.clean:
        raise RefusedEvent("Commit while the boundary is not clean")
    return replace(slot, phase="granting"), (WriteGrant(slot.candidate, slot.epoch + 1),)


def _granted(slot: SlotState, event: Granted) -> _Acted:
    """A grant whose worker died while it was written spends its epoch and leaves the slot without an owner."""
    phase: Phase = "owned" if slot.candidate else "orphan"
    return replace(slot, phase=phase, epoch=slot.epoch + 1, owner=slot.candidate, candidate="", strikes=0), ()


def _lost(slot: SlotState, event: Lost) -> _Acted:
    moved, commands = slot, ()
    if event.uid == slot.candidate and slot.phase == "quiescing":
        moved, _ = _disarm(slot, Disarm())
    elif event.uid == slot.candidate:
        moved = replace(slot, candidate="")
    if event.uid != slot.owner:
        return moved, commands
    phase: Phase = "orphan" if moved.phase == "owned" else moved.phase
    moved = replace(moved, owner="", outstanding=0, strikes=0, phase=phase)
    if not slot.outstanding:
        return moved, commands
    if slot.outstanding == slot.again:
        return moved, (Skip(slot.outstanding, "owner_dead"),)
    return replace(moved, held=(slot.outstanding, *moved.held), again=slot.outstanding), commands


def _pump(slot: SlotState) -> _Acted:
    """Show the next tick that waits, if its owner may be asked; skip what waits while an order is unknown."""
    if slot.blocked and slot.held and slot.phase in {"owned", "orphan"} and not slot.outstanding:
        return replace(slot, held=()), tuple(Skip(tick, "unknown_order") for tick in slot.held)
    if slot.phase != "owned" or not slot.held or slot.outstanding or slot.in_flight:
        return slot, ()
    tick, *rest = slot.held
    return replace(slot, outstanding=tick, held=tuple(rest)), (Show(tick),)


_TABLE: Final[dict[type, tuple[frozenset[Phase], Callable[[SlotState, Any], _Acted]]]] = {
    Due: (_ANY, _due),
    Done: (_ANY, _done),
    Flight: (_ANY, _flight),
    Expired: (_ANY, _expired),
    Arm: (frozenset({"orphan", "owned"}), _arm),
    Disarm: (frozenset({"quiescing"}), _disarm),
    Commit: (frozenset({"quiescing"}), _commit),
    Granted: (frozenset({"granting"}), _granted),
    Lost: (_ANY, _lost),
}
