"""How a slot changes hands: armed with whoever should own it, at a clean boundary, by a grant that is durable first.

First grant, flip, restoring and the replacement of a dead owner all pass here. `target` is the worker that should own
every slot; `moving` says whether slots that have an owner move to it as well, or only those that have none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared import entries as e
from shared.clock import NS
from supervisor import slotstate
from supervisor.accounts import NOBODY
from supervisor.board import Board
from supervisor.crew import Member
from supervisor.effects import Grant, Moment
from supervisor.slotstate import SlotState
from supervisor.turns import Turns


@dataclass
class Cause:
    """Why slots move: the operation (empty when it is the desk's own doing), who wanted it, and what it took so far."""

    op: str = ""
    actor: str = "supervisor"
    reason: str = "the slot had no owner"
    steps_ms: dict[str, int] = field(default_factory=dict)


class Handover:
    """Who owns what. `crossed` is told of every slot that changed hands: its name and its new owner."""

    def __init__(self, board: Board, turns: Turns) -> None:
        self.board, self.turns = board, turns
        self.target = ""
        self.moving = False
        self.cause = Cause()
        self.crossed: Callable[[str, str], None] = lambda name, uid: None
        self._armed_ns: dict[str, int] = {}
        self._paused_ns: dict[str, int] = {}
        turns.grant = self._write_grant
        turns.moved = self.try_boundary

    def aim(self, target: str, *, moving: bool, cause: Cause) -> None:
        """Let slots move to `target` from now on; those that were on their way to another worker turn back first."""
        self.target, self.moving, self.cause = target, moving, cause
        self._paused_ns.clear()
        for name, state in list(self.turns.slots.items()):
            if state.phase == "quiescing" and state.candidate != target:
                self.turns.step(name, slotstate.Disarm())
        self.arm()

    def arm(self) -> None:
        """Arm every slot that should move and is not on its way, if its new owner is ready."""
        if not self.board.crew.ready(self.target):
            return
        for name, state in list(self.turns.slots.items()):
            wanted = state.phase == "orphan" or (self.moving and state.phase == "owned" and state.owner != self.target)
            if wanted and name not in self._paused_ns:
                self._armed_ns[name] = self.board.mono_ns
                self.turns.step(name, slotstate.Arm(self.target))

    def try_boundary(self, name: str) -> None:
        """Hand a slot over if its boundary is clean and its new owner has read everything the slot was shown."""
        state = self.turns.slots[name]
        if may_cross(state, self.board.crew.members.get(state.candidate), self.turns.tick_seq.get(name, 0)):
            self.turns.step(name, slotstate.Commit())

    def hold_no_longer(self) -> None:
        """No slot holds its ticks back for ever: it goes back to its owner, and tries again a little later."""
        quiesce_s = self.board.settings.deploy.quiesce_s
        for name, state in list(self.turns.slots.items()):
            held_s = self.board.since_s(self._armed_ns.get(name, self.board.mono_ns))
            if state.phase == "quiescing" and state.owner and held_s > quiesce_s:
                self._paused_ns[name] = self.board.mono_ns
                self.turns.step(name, slotstate.Disarm())
        rested = [name for name, since in self._paused_ns.items() if self.board.since_s(since) > quiesce_s / 4]
        for name in rested:
            del self._paused_ns[name]
        if rested:
            self.arm()

    def on_granted(self, now: Moment, name: str) -> None:
        """A grant is durable: its holder decides from the next tick on."""
        self.board.now(now)
        self._armed_ns.pop(name, None)
        self.turns.step(name, slotstate.Granted())
        self.turns.first_tick(self.board.lane_of[name])
        self.crossed(name, self.board.accounts.owners[name].uid)
        self.arm()

    def owned_by(self, uid: str) -> bool:
        """Whether a worker owns every slot, and none is about to leave it."""
        return all(state.owner == uid and state.phase == "owned" for state in self.turns.slots.values())

    def waiting(self) -> dict[str, str]:
        """Why each slot that should change hands has not."""
        return {name: _why_waiting(state) for name, state in self.turns.slots.items() if state.owner != self.target}

    def _write_grant(self, name: str, command: slotstate.WriteGrant) -> None:
        board = self.board
        member = board.crew.members[command.uid]
        grant = e.Grant(name, command.epoch, command.uid, member.release, board.parameters, self.cause.op)
        boundary = self._boundary(name, grant)
        board.apply(boundary)
        board.apply(grant)
        board.write_first((boundary, grant), (Grant(name),))

    def _boundary(self, name: str, grant: e.Grant) -> e.Boundary:
        """What stood at the moment the slot changed hands."""
        board = self.board
        slot, was = board.lane_of[name], board.accounts.owners.get(name, NOBODY).by()
        waited_ms = (board.mono_ns - self._armed_ns.get(name, board.mono_ns)) // 1_000_000
        return e.Boundary(
            slot=name,
            op=grant.op,
            was=was,
            now=e.By(grant.release, grant.parameters, grant.epoch, grant.uid),
            tick=self.turns.slots[name].last_tick,
            seconds_to_close=slot.window_s - board.at_ns // NS % slot.window_s,
            positions=board.accounts.holdings(name),
            orders=board.accounts.resting(name),
            cash_micro=board.accounts.cash_micro,
            changed=changed_files(board, was.release, grant.release),
            steps_ms={**self.cause.steps_ms, "boundary": waited_ms},
            actor=self.cause.actor,
            reason=self.cause.reason,
        )


def may_cross(state: SlotState, heir: Member | None, shown_seq: int) -> bool:
    """Whether a slot may pass to its candidate now: at a clean boundary, to one that misses nothing of what was shown.

    Args: shown_seq: the frame of the newest tick the slot was shown.
    """
    return state.clean and heir is not None and heir.ready and heir.read_seq >= shown_seq


def changed_files(board: Board, was: str, now: str) -> tuple[str, ...]:
    """Files that differ between two releases the desk knows, sorted; everything when there was none before."""
    releases = board.accounts.releases
    old = releases[was].modules if was in releases else {}
    new = releases[now].modules if now in releases else {}
    return tuple(sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path)))


def _why_waiting(state: SlotState) -> str:
    if state.outstanding:
        return "its tick is not answered"
    if state.blocked:
        return "an order of it is unknown"
    if state.in_flight:
        return f"{state.in_flight} requests are in flight"
    if state.phase == "granting":
        return "its grant is not durable yet"
    return "its new owner has not read its last tick"
