"""How a slot changes hands: armed with whoever should own it, at a clean boundary, by a grant that is durable first.

First grant, flip, restoring and the replacement of a dead owner all pass here. `wanted` names the worker that should
own each slot; a slot that has an owner waits besides for a moment its flip policy allows, one that has none does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from shared import entries as e
from shared.clock import NS
from shared.config import FlipPolicy
from shared.slots import in_snipe_window
from supervisor import slotstate
from supervisor.accounts import NOBODY
from supervisor.board import Board
from supervisor.crew import Member
from supervisor.effects import Grant, Moment
from supervisor.slotstate import SlotState
from supervisor.turns import Turns


@dataclass
class Cause:
    """Why slots move: the operation (empty when it is the desk's own doing), who wanted it, and what it took so far.

    `evidence`: what its gates have said. `ring`: which of its rings moves, from 1.
    """

    op: str = ""
    actor: str = "supervisor"
    reason: str = "the slot had no owner"
    steps_ms: dict[str, int] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    ring: int = 0


class Handover:
    """Who owns what. `crossed` is told of every slot that changed hands: its name and its new owner."""

    def __init__(self, board: Board, turns: Turns) -> None:
        self.board, self.turns = board, turns
        self.wanted: Mapping[str, str] = {}
        self.policy: FlipPolicy = "any"
        self.cause = Cause()
        self.crossed: Callable[[str, str], None] = lambda name, uid: None
        self._armed_ns: dict[str, int] = {}
        self._paused_ns: dict[str, int] = {}
        turns.grant = self._write_grant
        turns.moved = self.try_boundary

    def aim(self, wanted: Mapping[str, str], *, policy: FlipPolicy, cause: Cause) -> None:
        """Let slots move to these workers from now on; those that were on their way to another one turn back first."""
        self.wanted, self.policy, self.cause = wanted, policy, cause
        self._paused_ns.clear()
        for name, state in list(self.turns.slots.items()):
            if state.phase == "quiescing" and state.candidate != wanted.get(name):
                self.turns.step(name, slotstate.Disarm())
        self.arm()

    def arm(self) -> None:
        """Arm every slot that should move, may now, and is not on its way, if its new owner is ready."""
        for name, state in list(self.turns.slots.items()):
            uid = self.wanted.get(name, "")
            moves = state.phase == "orphan" or (state.phase == "owned" and state.owner != uid)
            if moves and self.board.crew.ready(uid) and name not in self._paused_ns and not self._not_now(name):
                self._armed_ns.setdefault(name, self.board.mono_ns)
                self.turns.step(name, slotstate.Arm(uid))

    def try_boundary(self, name: str) -> None:
        """Hand a slot over if its boundary is clean and its new owner has read everything the slot was shown."""
        state = self.turns.slots[name]
        heir = self.board.crew.members.get(state.candidate)
        if may_cross(state, heir, self.turns.tick_seq.get(name, 0)) and not self._not_now(name):
            self.turns.step(name, slotstate.Commit())

    def pass_time(self) -> None:
        """Arm what may move by now, and turn back what has waited for its boundary too long.

        A slot goes back to its owner when it has held its ticks back for `quiesce_s`, when so many wait that some would
        soon be skipped, or when it may not move any more; it tries again a little later. Where a new owner dies, the
        time runs on for the next one that is armed: the ticks have waited since the first.
        """
        quiesce_s = self.board.settings.deploy.quiesce_s
        for name, state in list(self.turns.slots.items()):
            if state.phase in {"owned", "orphan"}:
                self._armed_ns.pop(name, None)
            held_s = self.board.since_s(self._armed_ns.get(name, self.board.mono_ns))
            enough = held_s > quiesce_s or len(state.held) >= slotstate.PATIENT_MAX
            if state.phase == "quiescing" and state.owner and (enough or self._not_now(name)):
                self._paused_ns[name] = self.board.mono_ns
                self.turns.step(name, slotstate.Disarm())
        rested = [name for name, since in self._paused_ns.items() if self.board.since_s(since) > quiesce_s / 4]
        for name in rested:
            del self._paused_ns[name]
        self.arm()

    def on_granted(self, now: Moment, name: str) -> None:
        """A grant is durable: its holder decides from the next tick on."""
        self.board.now(now)
        self._armed_ns.pop(name, None)
        self.turns.step(name, slotstate.Granted())
        self.turns.first_tick(self.board.lane_of[name])
        self.crossed(name, self.board.accounts.owners[name].uid)
        self.arm()

    def held_by(self, uid: str, names: Iterable[str]) -> bool:
        """Whether a worker owns these slots, and none is about to leave it."""
        states = [self.turns.slots[name] for name in names]
        return all(state.owner == uid and state.phase == "owned" for state in states)

    def waiting(self) -> dict[str, str]:
        """Why each slot that should change hands has not."""
        left = {name: state for name, state in self.turns.slots.items() if state.owner != self.wanted.get(name)}
        return {name: self._not_now(name) or _why_waiting(state) for name, state in left.items()}

    def may_move(self, name: str, policy: FlipPolicy) -> str:
        """Why a slot may not change hands now under a policy; empty when it may."""
        if policy == "any":
            return ""
        why = self._unrest() or self._window_says(name)
        if not why and policy in {"drain", "market-close"} and self.board.accounts.resting(name):
            why = "orders of it rest"
        if not why and policy == "market-close" and self._held(name):
            why = "it holds a position until its window ends"
        return why

    def _not_now(self, name: str) -> str:
        """A slot without an owner waits for nothing: there is nobody whose work could be cut in two."""
        return self.may_move(name, self.policy) if self.turns.slots[name].owner else ""

    def _unrest(self) -> str:
        """What of the venue and its feeds makes this no time to change hands."""
        down = next((feed for feed, fault in self.board.feeds.items() if fault), "")
        lost = self.board.lifeline_lost.replace("_", " ")
        return f"the {down} feed is away" if down else lost or self.board.venue_fault

    def _window_says(self, name: str) -> str:
        """Around its resolution and in its entry window a slot stays with whoever has it."""
        slot, board = self.board.lane_of[name], self.board
        if board.lanes.window(slot) is None:
            return ""
        into_s = board.at_ns / NS % slot.window_s
        if in_snipe_window(slot, board.settings.beat(slot), board.at_ns // 1_000_000):
            return f"its window resolves in {slot.window_s - into_s:.0f} s"
        return "its window has just begun" if into_s < board.settings.deploy.settle_s else ""

    def _held(self, name: str) -> bool:
        slot = self.board.lane_of[name]
        start_s = slot.window_start(self.board.at_ns // NS)
        return any(holding.start_s == start_s for holding in self.board.accounts.holdings(name))

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
        changed = changed_files(board, was.release, grant.release)
        return e.Boundary(
            slot=name,
            op=grant.op,
            was=was,
            now=e.By(grant.release, grant.parameters, grant.epoch, grant.uid),
            tick=self.turns.slots[name].last_tick,
            seconds_to_close=slot.seconds_left(board.at_ns // NS),
            positions=board.accounts.holdings(name),
            orders=board.accounts.resting(name),
            cash_micro=board.accounts.cash_micro,
            changed=changed,
            steps_ms={**self.cause.steps_ms, "boundary": waited_ms},
            actor=self.cause.actor,
            reason=self.cause.reason,
            loaded=_loaded(board, grant.uid, changed),
            evidence=self.cause.evidence,
            ring=self.cause.ring,
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


def _loaded(board: Board, uid: str, changed: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """Digest and load time of each changed module that the worker has loaded."""
    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in changed}
    modules = board.crew.members[uid].modules
    return {loaded.module: (loaded.digest, loaded.load_us) for loaded in modules if loaded.module in names}


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
