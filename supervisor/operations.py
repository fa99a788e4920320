"""Deploys and rollbacks, and the workers they move slots between: the rollout's table, carried out.

`blue` is the worker of the active release, `green` the candidate's. The operation lives here, in the supervisor: a lost
terminal changes nothing. When blue dies another worker of its release is started; when green dies its operation fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from supervisor import rollout, slotstate
from supervisor.board import Board
from supervisor.effects import Kill, Moment, Spawn, Tell
from supervisor.handover import Cause, Handover
from supervisor.turns import Turns

KEPT: Final = 64
"""Operations that are remembered for people who ask."""
WORTH_TELLING_S: Final = 0.5
"""Real seconds after which it is worth saying what a handover waits for."""


@dataclass
class Operation:
    """A deploy or rollback as people see it. `steps_ms`: what took how long; `result` is empty while it runs."""

    op: str
    verb: str
    green: str
    blue: str
    actor: str
    reason: str
    began_ns: int
    phase: str = "idle"
    phase_ns: int = 0
    steps_ms: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    load_us: dict[str, int] = field(default_factory=dict)
    flips: int = 0
    result: str = ""
    fault: str = ""


class Operations:
    """The rollout in progress, if any, and the two workers it is about."""

    def __init__(self, board: Board, turns: Turns, handover: Handover) -> None:
        self.board, self.turns, self.handover = board, turns, handover
        self.blue = ""
        self.green = ""
        self.rollout = rollout.Rollout()
        self.all: dict[str, Operation] = {}
        self.current: Operation | None = None
        self._not_before_ns: dict[str, int] = {}
        self._old = ""
        self._closing = False
        handover.crossed = self._crossed

    def resume(self) -> None:
        """After a restart, say how the operations ended that the last reign did not end itself.

        Every slot comes back on the active release, so an operation either got that far or was put back.
        """
        accounts = self.board.accounts
        active = accounts.active.release if accounts.active is not None else ""
        for op, operated in list(accounts.operations.items()):
            if operated.result:
                continue
            unmoved = "ROLLED_BACK" if operated.flips else "GATE_FAILED"
            result = "OK" if operated.green == active else unmoved
            fault = "" if result == "OK" else "the supervisor was restarted while it ran"
            sides = {"green": operated.green, "blue": operated.blue}
            step, detail = operated.step, {**sides, "result": result, "fault": fault, "flips": operated.flips}
            self.board.write(e.Step(op, step.verb, "done", 0, step.actor, step.reason, detail))

    def known(self, op: str) -> Operation | None:
        """An operation of this reign, or what the journal says of one before it."""
        if op in self.all:
            return self.all[op]
        operated = self.board.accounts.operations.get(op)
        if operated is None:
            return None
        step = operated.step
        told = Operation(op, step.verb, operated.green, operated.blue, step.actor, step.reason, 0, phase=step.phase)
        told.flips, told.result, told.fault = operated.flips, operated.result, operated.fault
        return told

    # --- what people ask for ---

    def begin(
        self, now: Moment, op: str, verb: str, release: str, actor: str, reason: str, steps_ms: dict[str, int]
    ) -> Operation:
        """Let a release take over. The caller has seen that nothing else runs and that the release is known."""
        self.board.now(now)
        active = self.board.accounts.active
        operation = Operation(op, verb, release, active.release if active else "", actor, reason, self.board.mono_ns)
        operation.phase_ns, operation.steps_ms = self.board.mono_ns, dict(steps_ms)
        self.all[op] = operation
        for old in list(self.all)[:-KEPT]:
            del self.all[old]
        self.current = operation
        self._roll(rollout.Begin(op, verb, operation.blue, release, actor, reason))
        return operation

    def abort(self, now: Moment, actor: str) -> None:
        """Let the operation go back while it still can. Raises: rollout.RefusedEvent: it cannot any more."""
        self.board.now(now)
        self.rollout, commands = self._stepped(rollout.Abort(actor))
        self._carry_out(commands)

    def close(self, why: str) -> None:
        """The reign ends: let every worker go, and start none."""
        self._closing = True
        for uid in list(self.board.crew.members):
            self._retire(uid, why)

    # --- what workers do ---

    def on_hello(self, now: Moment, uid: str, hello: m.Hello, pid: int) -> str:
        """A worker greeted. Return why it is refused, or nothing."""
        self.board.now(now)
        member = self.board.crew.members.get(uid)
        if member is None:
            return "nobody expects it"
        fault = self._not_staged(member.release, hello.release, hello.modules)
        if fault:
            return fault
        self.board.crew.update(uid, stage="greeted", pid=pid, modules=hello.modules, heard_ns=self.board.mono_ns)
        self.board.write(e.Worker(uid, member.release, pid, "greeted", f"{len(hello.modules)} modules"))
        if uid == self.green:
            self._roll(rollout.Greeted())
        return ""

    def on_ready(self, now: Moment, uid: str, ready: m.Ready) -> None:
        """A worker misses nothing of the stream, or no longer does."""
        self.board.now(now)
        member = self.board.crew.members.get(uid)
        if member is None:
            return
        self.board.crew.update(uid, whole=True, stage="ready" if member.stage == "greeted" else member.stage)
        self.board.crew.hear(uid, self.board.mono_ns, ready.read_seq)
        if member.stage == "greeted":
            detail = f"{ready.events} frames in {ready.took_us // 1_000} ms"
            self.board.write(e.Worker(uid, member.release, member.pid, "ready", detail))
        self.see_proved()
        self.handover.arm()

    def on_beat(self, now: Moment, uid: str, beat: m.Beating) -> None:
        """A worker's loop turned."""
        self.board.now(now)
        if uid not in self.board.crew.members:
            return
        self.board.crew.hear(uid, self.board.mono_ns, beat.read_seq)
        self.board.crew.update(uid, decided=beat.decided, rss_kib=beat.rss_kib)
        for name in [name for name, state in self.turns.slots.items() if state.candidate == uid]:
            self.handover.try_boundary(name)

    def on_hole(self, now: Moment, uid: str, hole: m.Hole) -> None:
        """A worker missed a part of the stream: it owns nothing until it says that it is whole again."""
        self.board.now(now)
        if uid in self.board.crew.members:
            self.board.crew.update(uid, whole=False)
            self.board.alarm("hole", f"{uid} expected frame {hole.expected_seq} and got {hole.got_seq}")

    def on_attested(self, now: Moment, uid: str, attested: m.Attested) -> None:
        """A worker said what it has loaded, digested again from the files."""
        self.board.now(now)
        member = self.board.crew.members.get(uid)
        if member is None or uid != self.green or self.rollout.phase != "attesting":
            return
        fault = self._not_staged(member.release, attested.release, attested.modules)
        if fault:
            self._roll(rollout.Failed(fault))
        else:
            self.board.crew.update(uid, attested=True)
            self.see_proved()

    def see_proved(self) -> None:
        """Go on when green has shown that it can decide, as far as there is a market to show it on.

        No slot passes to it before it decided on a live tick in blue's shadow, and blue may not go before green
        answered one as the owner: what crashes on its first tick costs nothing, or is put back. A rollback waits for
        neither: it goes to what has traded before, and it is in a hurry.
        """
        proved = _PROVED.get(self.rollout.phase)
        if proved is not None and self.green and not self._missing():
            self._roll(proved())

    def _missing(self) -> str:
        """What green has not shown yet in this phase; empty when it has."""
        member = self.board.crew.members[self.green]
        said, decided, owner = member.attested, member.answered, self.green
        if self.rollout.phase == "warming":
            said, decided, owner = member.stage == "ready", member.shadowed, self.blue
        if not said:
            return "its worker did not answer"
        tried = decided or self.rollout.verb == "rollback" or not self._ticks_come_to(owner)
        return "" if tried else "it decided on no live tick"

    def on_breach(self, now: Moment, uid: str, why: str) -> None:
        """A worker sent what no worker may send."""
        self.board.now(now)
        self.board.alarm("bad_frame", f"worker {uid}: {why}")
        self.fence(uid, why)

    def on_lost(self, now: Moment, uid: str, why: str) -> None:
        """A worker process is gone, or is treated as if it were."""
        self.board.now(now)
        member = self.board.crew.dismiss(uid, self.board.mono_ns)
        if member is None:
            return
        retired = member.stage == "retiring"
        self.board.write(e.Worker(uid, member.release, member.pid, "retired" if retired else "lost", why[:500]))
        if not retired:
            delay_s = self.board.crew.respawn_after_s(member.release)
            self._not_before_ns[member.release] = self.board.mono_ns + int(delay_s * NS)
        if uid == self.blue:
            self.blue = ""
            if not retired:
                self.board.alarm("worker_lost", f"{uid} of {member.release}: {why}")
        for name in self.turns.slots:
            self.turns.step(name, slotstate.Lost(uid))
        if uid == self.green:
            self.green = ""
            self._roll(rollout.Failed(f"its worker {uid} is gone: {why}"))
        elif uid == self._old and self.rollout.phase == "retiring":
            self._roll(rollout.Gone())
        self.ensure_active()
        self.handover.arm()

    def fence(self, uid: str, why: str) -> None:
        """Take everything from a worker, then end its process: whatever it still says no longer counts."""
        if uid in self.board.crew.members:
            self.board.effects.append(Kill(uid))
            self.on_lost(Moment(self.board.at_ns, self.board.mono_ns), uid, why)

    # --- what time does ---

    def ensure_active(self) -> None:
        """Bring a worker of the active release back if there is none and nobody is about to take over.

        A release whose workers die is given a little longer each time; it never waits for another one's.
        """
        active = self.board.accounts.active
        if self.blue or active is None or self._closing:
            return
        if self.board.mono_ns < self._not_before_ns.get(active.release, 0):
            return
        if self.rollout.phase not in {"flipping", "attesting"}:
            self.blue = self._spawn(active.release)
            if self.rollout.phase in {"idle", "spawning", "warming", "retiring"}:
                self.handover.aim(self.blue, moving=False, cause=Cause())
            else:
                self.handover.aim(self.blue, moving=True, cause=self.handover.cause)

    def give_up_late(self) -> None:
        """Fence workers that are overdue, and end a phase whose deadline passed."""
        board = self.board
        for uid, why in board.crew.overdue(board.settings.deploy, board.seq, board.mono_ns):
            self.fence(uid, why)
        operation = self.current
        if operation is None:
            return
        moving = self.rollout.phase in {"flipping", "restoring"}
        long = board.since_s(operation.phase_ns) > WORTH_TELLING_S
        operation.waiting = self.handover.waiting() if moving and long else {}
        if board.since_s(operation.phase_ns) > self._phase_limit_s():
            self._roll(rollout.Late(self._overdue()))

    def _ticks_come_to(self, uid: str) -> bool:
        """Whether this worker owns a slot in which a tick will come, or waits for its answer."""
        window, lane_of = self.board.lanes.window, self.board.lane_of
        owned = [name for name, state in self.turns.slots.items() if state.owner == uid and not state.blocked]
        return bool(uid) and any(window(lane_of[name]) for name in owned)

    def _overdue(self) -> str:
        """What the phase that took too long was waiting for."""
        if self.rollout.phase in {"flipping", "restoring"}:
            return "; ".join(f"{slot}: {why}" for slot, why in self.handover.waiting().items())
        return self._missing() if self.green else "its worker did not go"

    # --- the table, carried out ---

    def _roll(self, event: rollout.Event) -> None:
        """Advance the rollout; an event that means nothing in this phase is counted."""
        try:
            self.rollout, commands = self._stepped(event)
        except rollout.RefusedEvent:
            self.board.count("rollout_refused")
            return
        self._carry_out(commands)

    def _stepped(self, event: rollout.Event) -> tuple[rollout.Rollout, tuple[rollout.Command, ...]]:
        moved, commands = rollout.step(self.rollout, event)
        if moved.phase != self.rollout.phase:
            self._note_phase(self.rollout.phase, moved.phase)
        return moved, commands

    def _carry_out(self, commands: tuple[rollout.Command, ...]) -> None:
        for command in commands:
            _CARRY_OUT[type(command)](self, command)

    def _note_phase(self, before: str, after: str) -> None:
        operation = self.current
        assert operation is not None, "a rollout moves only while its operation runs"
        took_ms = (self.board.mono_ns - operation.phase_ns) // 1_000_000
        if before != "idle":
            operation.steps_ms[before] = took_ms
        operation.phase, operation.phase_ns, operation.waiting = after, self.board.mono_ns, {}
        detail: dict[str, Any] = {"from": before, "green": operation.green, "blue": operation.blue}
        member = self.board.crew.members.get(self.green)
        if before == "spawning" and member is not None:
            operation.load_us = {loaded.module: loaded.load_us for loaded in member.modules}
            detail["load_us"] = operation.load_us
        self._write_step(after, 0 if before == "idle" else took_ms, detail)

    def _write_step(self, phase: str, took_ms: int, detail: dict[str, Any]) -> None:
        operation = self.current
        assert operation is not None
        self.board.write(
            e.Step(operation.op, operation.verb, phase, took_ms, operation.actor, operation.reason, detail)
        )

    def _spawn(self, release: str) -> str:
        uid = self.board.crew.hire(self.board.accounts.term, release, self.board.mono_ns)
        self.board.write(e.Worker(uid, release, 0, "spawned", ""))
        self.board.effects.append(Spawn(uid, release))
        return uid

    def _do_spawn(self, command: rollout.Spawn) -> None:
        self.green = self._spawn(self.rollout.green)

    def _do_flip(self, command: rollout.Flip) -> None:
        self.handover.aim(self.green, moving=True, cause=self._cause())

    def _do_attest(self, command: rollout.Attest) -> None:
        self.board.effects.append(Tell(self.green, m.Attest()))

    def _do_promote(self, command: rollout.Promote) -> None:
        self._old, self.blue, self.green = self.blue, self.green, ""
        self.board.write(e.Active(self.rollout.green, self.rollout.op))
        self.handover.aim(self.blue, moving=False, cause=Cause())
        if self._old in self.board.crew.members:
            self._retire(self._old, f"{self.rollout.green} took over")
        else:
            self._roll(rollout.Gone())

    def _do_restore(self, command: rollout.Restore) -> None:
        self.handover.aim(self.blue, moving=True, cause=self._cause())
        self.ensure_active()
        self._see_restored()

    def _do_discard(self, command: rollout.Discard) -> None:
        """Let the candidate go; if it still owns slots, because nobody can take them back, it may not decide on."""
        green, self.green = self.green, ""
        if any(green in {state.owner, state.candidate} for state in self.turns.slots.values()):
            self.fence(green, self.rollout.fault)
        elif green in self.board.crew.members:
            self._retire(green, self.rollout.fault)

    def _do_finish(self, command: rollout.Finish) -> None:
        operation = self.current
        assert operation is not None
        operation.result, operation.fault, operation.flips = command.result, command.fault, self.rollout.flipped
        total_ms = (self.board.mono_ns - operation.began_ns) // 1_000_000
        ended = {"result": command.result, "fault": command.fault, "flips": operation.flips}
        detail = {"green": operation.green, "blue": operation.blue, **ended}
        self._write_step("done", total_ms, detail)
        self.current = None
        self.handover.aim(self.blue, moving=False, cause=Cause())
        if command.result == "ROLLBACK_FAILED":
            self.board.alarm("rollback_failed", f"{operation.op}: not every slot could be given back")
            generation = self.board.accounts.generation + 1
            self.board.write(e.Control(generation, True, "supervisor", "a rollback failed"))

    def _retire(self, uid: str, why: str) -> None:
        self.board.crew.update(uid, stage="retiring", told_ns=self.board.mono_ns)
        self.board.effects.append(Tell(uid, m.Retire(why[:500])))

    def _cause(self) -> Cause:
        operation = self.current
        assert operation is not None
        return Cause(operation.op, operation.actor, operation.reason, operation.steps_ms)

    def _crossed(self, name: str, uid: str) -> None:
        """A slot changed hands; to green also while slots go back, if its grant was on the way to the disk by then."""
        operation = self.current
        if operation is None or self.rollout.phase not in {"flipping", "restoring"}:
            return
        if self.board.accounts.owners[name].release == operation.green:
            self._roll(rollout.Flipped(self.handover.owned_by(uid)))
            operation.flips = self.rollout.flipped
        if self.rollout.phase == "restoring":
            self._see_restored()

    def _see_restored(self) -> None:
        """Everything is back when the active release owns every slot; a first release that failed leaves none."""
        nobody = self.board.accounts.active is None
        if nobody or (self.blue and self.handover.owned_by(self.blue)):
            self._roll(rollout.Restored())

    def _not_staged(self, staged: str, said: str, modules: tuple[m.Loaded, ...]) -> str:
        """Why a worker is not what was staged; empty when it is."""
        if said != staged:
            return f"it runs {said}, staged was {staged}"
        if not modules:
            return "it names no module that it has loaded"
        files = self.board.accounts.releases[staged].modules
        for loaded in modules:
            stem = loaded.module.replace(".", "/")
            if loaded.digest not in {files.get(f"{stem}.py"), files.get(f"{stem}/__init__.py")}:
                return f"it loaded a {loaded.module} that is not the one that was staged"
        return ""

    def _phase_limit_s(self) -> float:
        deploy = self.board.settings.deploy
        limits = {
            "spawning": deploy.hello_s + 1,
            "warming": deploy.warm_s + 1,
            "flipping": deploy.boundary_s,
            "attesting": deploy.attest_s,
            "retiring": deploy.retire_s + 1,
            "restoring": deploy.boundary_s,
        }
        return limits[self.rollout.phase]


_PROVED: Final[dict[rollout.Phase, type[rollout.Ready | rollout.Attested]]] = {
    "warming": rollout.Ready,
    "attesting": rollout.Attested,
}
"""What green has done when nothing is missing in a phase."""
_CARRY_OUT: Final[dict[type, Callable[[Operations, Any], None]]] = {
    rollout.Spawn: Operations._do_spawn,
    rollout.Flip: Operations._do_flip,
    rollout.Attest: Operations._do_attest,
    rollout.Promote: Operations._do_promote,
    rollout.Restore: Operations._do_restore,
    rollout.Discard: Operations._do_discard,
    rollout.Finish: Operations._do_finish,
}
