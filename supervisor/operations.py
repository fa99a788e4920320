"""Deploys and rollbacks, and the workers they move slots between: the rollout's table, carried out.

The operation lives here, in the supervisor: a lost terminal changes nothing. Whoever dies, `staff` says who follows;
which slots belong to whom is always computed anew from where the walk stands (`_aim`), never remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from supervisor import rollout, slotstate
from supervisor.board import WORDS_MAX, Board
from supervisor.crew import Member, not_staged
from supervisor.death import Death
from supervisor.effects import EndTrial, Kill, Moment, Tell, Try
from supervisor.gates import Tried, Verdict
from supervisor.handover import Cause, Handover
from supervisor.judgement import Judgement
from supervisor.operation import Operation, close_left_open, from_journal
from supervisor.plan import Plan, SlotStanding, alone, make_rings, planned
from supervisor.staff import Staff
from supervisor.turns import Turns
from supervisor.wait import Wait

KEPT: Final = 64
"""Operations that are remembered for people who ask."""
WORTH_TELLING_S: Final = 0.5
"""Real seconds after which it is worth saying what a phase waits for."""
Retune = Callable[[Operation, int, str], bool]
"""Lets a version of the parameters that has traded be in force again, for a reason; whether it will."""


class Operations:
    """The rollout in progress, if any, and the workers it is about. `retune` is asked for parameters of before."""

    def __init__(self, board: Board, turns: Turns, handover: Handover) -> None:
        self.board, self.turns, self.handover = board, turns, handover
        self.staff = Staff(board)
        self.rollout = rollout.Rollout()
        self.all: dict[str, Operation] = {}
        self.current: Operation | None = None
        self.judgement = Judgement(board)
        self.wait = Wait(board, turns, handover, self.staff, self.judgement)
        handover.crossed = self._crossed
        self.retune: Retune = _nobody_retunes

    @property
    def blue(self) -> str:
        """The worker of the active release."""
        return self.staff.blue

    @property
    def green(self) -> str:
        """The candidate's worker."""
        return self.staff.green

    def resume(self) -> None:
        """After a restart, end what the last reign left open."""
        close_left_open(self.board)

    def known(self, op: str) -> Operation | None:
        """An operation of this reign, or what the journal says of one before it."""
        operated = self.board.accounts.operations.get(op)
        return self.all.get(op) or (from_journal(op, operated) if operated is not None else None)

    # --- what people ask for ---

    def begin(
        self,
        now: Moment,
        op: str,
        verb: str,
        release: str,
        actor: str,
        reason: str,
        steps_ms: dict[str, int],
        plan: Plan | None = None,
    ) -> Operation:
        """Let a release take over. The caller has seen that nothing else runs and that the release is known."""
        self.board.now(now)
        active = self.board.accounts.active
        operation = Operation(op, verb, release, active.release if active else "", actor, reason, self.board.mono_ns)
        operation.phase_ns, operation.steps_ms = self.board.mono_ns, dict(steps_ms)
        operation.plan = plan or planned(self.board.settings.deploy, verb, {})
        if not operation.blue:
            operation.plan = alone(operation.plan)
        operation.rings = self.rings(op, operation.plan)
        self.all[op] = operation
        for old in list(self.all)[:-KEPT]:
            del self.all[old]
        self.current = operation
        course = operation.plan.course(len(operation.rings))
        self._roll(rollout.Begin(op, verb, operation.blue, release, actor, reason, course))
        return operation

    def rings(self, op: str, plan: Plan) -> tuple[tuple[str, ...], ...]:
        """The rings an operation that began now would have."""
        board = self.board
        standings = [
            SlotStanding(
                name=slot.name,
                exposure_micro=board.accounts.exposure(slot.name),
                closes_in_s=slot.seconds_left(board.at_ns // NS),
                has_market=board.lanes.window(slot) is not None,
            )
            for slot in board.lanes.slots
        ]
        return make_rings(op, standings, plan.rings)

    def abort(self, now: Moment, actor: str) -> None:
        """Let the operation go back while it still can. Raises: rollout.RefusedEvent: it cannot any more."""
        self._by_hand(now, rollout.Abort(actor))

    def promote(self, now: Moment, actor: str) -> None:
        """Let an operation that waits for a person go on. Raises: rollout.RefusedEvent: it does not wait for one."""
        self._by_hand(now, rollout.Promoted(actor))

    def close(self, why: str) -> None:
        """The reign ends: let every worker go, and start none."""
        self.staff.retire_all(why)

    # --- what workers do ---

    def on_hello(self, now: Moment, uid: str, hello: m.Hello, pid: int) -> str:
        """A worker greeted. Return why it is refused, or nothing."""
        self.board.now(now)
        member = self.board.crew.members.get(uid)
        if member is None:
            return "nobody expects it"
        fault = self._not_staged(member, hello.release, hello.modules)
        if fault:
            return fault
        self.board.crew.update(uid, stage="greeted", pid=pid, modules=hello.modules, heard_ns=self.board.mono_ns)
        self.board.write(e.Worker(uid, member.release, pid, "greeted", f"{len(hello.modules)} modules"))
        if uid == self.green:
            self._greeted(hello.modules)
        return ""

    def on_ready(self, now: Moment, uid: str, ready: m.Ready) -> None:
        """A worker misses nothing of the stream, or no longer does."""
        self.board.now(now)
        member = self.board.crew.members.get(uid)
        if member is None:
            return
        self.board.crew.update(
            uid, whole=True, holed_ns=0, stage="ready" if member.stage == "greeted" else member.stage
        )
        self.board.crew.hear(uid, self.board.mono_ns, ready.read_seq, ready.parameters)
        if member.stage == "greeted":
            detail = f"{ready.events} frames in {ready.took_us // 1_000} ms"
            self.board.write(e.Worker(uid, member.release, member.pid, "ready", detail))
        self._see_fit(uid, ready.parameters, ready.fault)
        self.see_proved()
        self.handover.arm()

    def on_beat(self, now: Moment, uid: str, beat: m.Beating) -> None:
        """A worker's loop turned."""
        self.board.now(now)
        if uid not in self.board.crew.members:
            return
        self.board.crew.hear(uid, self.board.mono_ns, beat.read_seq, beat.parameters)
        self.board.crew.update(uid, decided=beat.decided, rss_kib=beat.rss_kib)
        self._see_fit(uid, beat.parameters, beat.fault)
        if uid == self.green:
            self.judgement.beat(beat.rss_kib)
        for name in [name for name, state in self.turns.slots.items() if state.candidate == uid]:
            self.handover.try_boundary(name)

    def _see_fit(self, uid: str, parameters: str, fault: str) -> None:
        """A worker that cannot use the parameters in force trades nothing: of an owner a person should know."""
        known = self.board.crew.members[uid]
        unfit = fault if parameters == self.board.parameters else ""
        if unfit == known.unfit:
            return
        self.board.crew.update(uid, unfit=unfit)
        if unfit and uid != self.green:
            self.board.alarm("parameters_unusable", f"{uid} of {known.release}, {parameters}: {unfit}")
        self._see_green_fit()

    def _see_green_fit(self) -> None:
        """A candidate that cannot use the parameters in force goes back at once; a rollback takes them back as well."""
        green = self.board.crew.members.get(self.green)
        if green is None or not green.unfit or green.parameters != self.board.parameters:
            return
        if not (self.rollout.verb == "rollback" and self._take_parameters_back(green)):
            self._roll(rollout.Failed(f"it cannot use the parameters in force, {green.parameters}: {green.unfit}"))

    def _take_parameters_back(self, green: Member) -> bool:
        """Bring back the version that a release last traded with; once, before it owns a slot.

        Nobody is asked: it has traded with them, and whoever trades now is on the way out.
        """
        operation, in_force = self.current, self._in_force().number
        if operation is None or self.rollout.phase != "warming":
            return False
        if not operation.retuned_from:
            why = f"taken back with {green.release[:8]}, which cannot use p{in_force}: {green.unfit}"
            if not self.retune(operation, self.board.accounts.traded_with.get(green.release, 0), why):
                return False
            operation.retuned_from = in_force
        return operation.retuned_from == in_force

    def _put_parameters_back(self, operation: Operation, result: rollout.Result) -> None:
        """A rollback that did not come about leaves what it found, unless somebody has set others since."""
        came = result in {"OK", "ROLLBACK_FAILED"}
        in_force = self._in_force()
        ours = in_force.number == operation.retuned_from or in_force.op.startswith(f"{operation.op}:")
        if operation.retuned_from and ours and not came:
            self.retune(operation, operation.retuned_from, f"put back: {operation.op} ended as {result}")

    def _in_force(self) -> e.Parameters:
        parameters = self.board.accounts.parameters
        assert parameters is not None, "a reign begins with its parameters"
        return parameters

    def on_hole(self, now: Moment, uid: str, hole: m.Hole) -> None:
        """A worker missed a part of the stream: it owns nothing until it says that it is whole again."""
        self.board.now(now)
        member = self.board.crew.members.get(uid)
        if member is not None:
            self.board.crew.update(uid, whole=False, holed_ns=member.holed_ns or self.board.mono_ns)
            self.board.alarm("hole", f"{uid} expected frame {hole.expected_seq} and got {hole.got_seq}")

    def on_attested(self, now: Moment, uid: str, attested: m.Attested) -> None:
        """A worker said what it has loaded, digested again from the files."""
        self.board.now(now)
        member = self.board.crew.members.get(uid)
        if member is None or uid != self.green or self.rollout.phase != "attesting":
            return
        fault = self._not_staged(member, attested.release, attested.modules)
        if fault:
            self._roll(rollout.Failed(fault))
        else:
            self.board.crew.update(uid, attested=True)
            self.see_proved()

    def on_trial(self, now: Moment, op: str, first: Tried, second: Tried) -> None:
        """The recent tape was replayed through green twice."""
        self.board.now(now)
        if self.current is None or op != self.current.op or self.rollout.phase != "trial":
            return
        self._pass_judgement(self.judgement.judge_trial(first, second))

    def on_breach(self, now: Moment, uid: str, why: str) -> None:
        """A worker sent what no worker may send."""
        self.board.now(now)
        self.board.alarm("bad_frame", f"worker {uid}: {why}")
        self.fence(uid, why)

    def on_lost(self, now: Moment, uid: str, death: Death) -> None:
        """A worker process is gone."""
        self.board.now(now)
        self._lose(uid, str(death), by_itself=not death.from_outside)

    def _lose(self, uid: str, why: str, *, by_itself: bool) -> None:
        """A worker is gone, or is treated as if it were: whoever follows it takes its place."""
        member = self.board.crew.dismiss(uid, self.board.mono_ns)
        if member is None:
            return
        retired = member.stage == "retiring"
        self.board.write(e.Worker(uid, member.release, member.pid, "retired" if retired else "lost", why[:WORDS_MAX]))
        part = self.staff.lost(member)
        for name in self.turns.slots:
            self.turns.step(name, slotstate.Lost(uid))
        if part == "blue" and not retired:
            self._owner_died(member, why, by_itself)
        elif part == "green":
            self._roll(rollout.Failed(f"its worker {uid} is gone: {why}"))
        elif part == "old":
            self._roll(rollout.Gone())
        self.staff.fill()
        self._aim()

    def fence(self, uid: str, why: str) -> None:
        """Take everything from a worker, then end its process: whatever it still says no longer counts."""
        if uid in self.board.crew.members:
            self.board.effects.append(Kill(uid))
            self._lose(uid, why, by_itself=False)

    # --- what time does ---

    def pass_time(self) -> None:
        """Look at what speaks against green, then at what it proved; give up what is late, start who is missing."""
        self.handover.pass_time()
        self._judge()
        self._see_green_fit()
        self.see_proved()
        self._give_up_late()
        self.staff.pass_time()
        self.ensure_active()

    def ensure_active(self) -> None:
        """Bring back who the active release lacks."""
        if self.staff.fill():
            self._aim()

    def see_proved(self) -> None:
        """Go on when green has shown that it can decide, as far as there is a market to show it on.

        No slot passes to it before it decided on a live tick in blue's shadow, and the next ring or the end of blue
        waits until green answered one as the owner: what crashes on its first tick costs nothing, or is put back. A
        rollback waits for neither: it goes to what has traded before, and it is in a hurry.
        """
        proved = _PROVED.get(self.rollout.phase)
        if proved is not None and self.green and not self.wait.missing(self.rollout):
            self._roll(proved())

    def _judge(self) -> None:
        """Trial, shadow and bake go on when every gate passes; when one fails they end, and what follows them does."""
        if self.rollout.phase in {"shadow", "baking"}:
            self._pass_judgement(self.judgement.look())
        elif self.rollout.phase in _WATCHED and self.judgement.breached():
            self._pass_judgement("FAIL")
        elif self.rollout.phase == "trial" and self.judgement.retry():
            self._do_try(rollout.Try())

    def _pass_judgement(self, verdict: Verdict) -> None:
        if verdict == "PASS":
            self._roll(rollout.Passed())
        elif verdict == "FAIL":
            self._roll(rollout.Breached(_listed(self.judgement.saying("FAIL"))))

    def _give_up_late(self) -> None:
        """Fence workers that are overdue, and end a phase whose deadline passed."""
        board = self.board
        for uid, why in board.crew.overdue(board.settings.deploy, board.seq, board.mono_ns):
            self.fence(uid, why)
        operation = self.current
        if operation is None:
            return
        waited_s = board.since_s(operation.phase_ns)
        operation.waiting = self.wait.why(self.rollout) if waited_s > WORTH_TELLING_S else {}
        if waited_s > self.wait.most_s(self.rollout.phase, operation.plan):
            self._roll(rollout.Late(_listed(self.wait.why(self.rollout))))

    # --- the table, carried out ---

    def _by_hand(self, now: Moment, event: rollout.Event) -> None:
        self.board.now(now)
        self._move(*rollout.step(self.rollout, event))

    def _roll(self, event: rollout.Event) -> None:
        """Advance the rollout; an event that means nothing in this phase is counted."""
        try:
            moved, commands = rollout.step(self.rollout, event)
        except rollout.RefusedEvent:
            self.board.count("rollout_refused")
            return
        self._move(moved, commands)

    def _move(self, moved: rollout.Rollout, commands: tuple[rollout.Command, ...]) -> None:
        operation, before = self.current, self.rollout
        assert operation is not None, "a rollout moves only while its operation runs"
        self.rollout = moved
        operation.flips = moved.flipped
        if (moved.phase, moved.held_for) != (before.phase, before.held_for):
            operation.held_for, operation.after = moved.held_for, moved.after if moved.phase == "held" else ""
            operation.enter(self.board, moved.phase, self.judgement.take())
            operation.ring = moved.ring
            if before.phase == "held" or moved.to_decide:
                self.judgement.drop()
        for command in commands:
            _CARRY_OUT[type(command)](self, command)
        if moved.phase != before.phase:
            self._aim()
            if before.phase == "trial":
                self.board.effects.append(EndTrial(operation.op))

    def _do_spawn(self, command: rollout.Spawn) -> None:
        release = self.rollout.green
        self.staff.green = self.staff.recall(release)
        if not self.green:
            self.staff.green = self.staff.start(release)
            return
        self._greeted(self.board.crew.members[self.green].modules)
        self.see_proved()

    def _greeted(self, modules: tuple[m.Loaded, ...]) -> None:
        assert self.current is not None
        self.current.loaded = {loaded.module: (loaded.digest, loaded.load_us) for loaded in modules}
        self._roll(rollout.Greeted())

    def _do_try(self, command: rollout.Try) -> None:
        board = self.board
        from_seq = board.seq_since(board.at_ns - int(board.settings.deploy.trial_tape_s * NS))
        board.effects.append(Try(self.rollout.op, self.rollout.green, from_seq, board.seq))

    def _do_compare(self, command: rollout.Compare) -> None:
        self._gather(None)

    def _do_bake(self, command: rollout.Bake) -> None:
        assert self.current is not None
        self._gather(frozenset(self.current.rings[self.rollout.ring]))

    def _gather(self, slots: frozenset[str] | None) -> None:
        assert self.current is not None
        self.judgement.gather(self.green, self.current.blue, self.current.plan, slots)

    def _do_flip(self, command: rollout.Flip) -> None:
        """The ring is aimed at already, as every phase's slots are. What led here still counts, until the ring bakes.

        Green is guarded where there is something better to go back to: not at a first start, not in a rollback.
        """
        if self.rollout.blue and self.rollout.verb != "rollback":
            self.judgement.guard(self.green)

    def _do_attest(self, command: rollout.Attest) -> None:
        self.board.crew.update(self.green, attested=False)
        self.board.effects.append(Tell(self.green, m.Attest()))

    def _do_promote(self, command: rollout.Promote) -> None:
        assert self.current is not None
        self.judgement.drop()
        self.board.write(e.Active(self.rollout.green, self.rollout.op))
        trail_s = self.current.plan.trail_s
        ends = self.staff.promote(self.board.at_ns + int(trail_s * NS) if trail_s else 0)
        self._aim()
        if not ends:
            self._roll(rollout.Gone())

    def _do_restore(self, command: rollout.Restore) -> None:
        self.judgement.drop()
        self.staff.fill()
        self._aim()
        self._see_restored()

    def _do_discard(self, command: rollout.Discard) -> None:
        """Let the candidate go; if it still owns slots, because nobody can take them back, it may not decide on."""
        self.judgement.drop()
        green, self.staff.green = self.green, ""
        if any(green and green in {state.owner, state.candidate} for state in self.turns.slots.values()):
            self.fence(green, self.rollout.fault)
        else:
            self.staff.retire(green, self.rollout.fault)

    def _do_finish(self, command: rollout.Finish) -> None:
        operation = self.current
        assert operation is not None
        operation.end(self.board, command.result, command.fault, self.rollout.flipped)
        self._put_parameters_back(operation, command.result)
        self.current = None
        self._aim()
        if command.result == "ROLLBACK_FAILED":
            self.board.alarm("rollback_failed", f"{operation.op}: not every slot could be given back")
            generation = self.board.accounts.generation + 1
            self.board.write(e.Control(generation, True, "supervisor", "a rollback failed"))

    # --- who should own what ---

    def _aim(self) -> None:
        """Point every slot at who should own it, from where the walk stands."""
        greens = self._green_slots()
        wanted = {name: self.green if name in greens else self.blue for name in self.turns.slots}
        plan = self.current.plan if self.current is not None and self.rollout.phase == "flipping" else Plan()
        self.handover.aim(wanted, policy=plan.flip_policy, cause=self._cause())

    def _green_slots(self) -> frozenset[str]:
        """The slots that are green's, or shall be: those of every ring the walk has come to."""
        came = self.rollout.phase in _WITH_GREEN and (self.rollout.phase != "held" or self.rollout.flipped)
        rings = self.current.rings[: self.rollout.ring + 1] if self.current is not None and came else ()
        return frozenset(name for ring in rings for name in ring)

    def _cause(self) -> Cause:
        operation = self.current
        if operation is None or self.rollout.phase not in {"flipping", "restoring"}:
            return Cause()
        ring = self.rollout.ring + 1
        return Cause(operation.op, operation.actor, operation.reason, operation.steps_ms, operation.evidence, ring)

    def _crossed(self, name: str, uid: str) -> None:
        """A slot changed hands; to green also while slots go back, if its grant was on the way to the disk by then."""
        operation = self.current
        if operation is None or self.rollout.phase not in {"flipping", "restoring"}:
            return
        if self.board.accounts.owners[name].release == operation.green:
            self._roll(rollout.Flipped(self.handover.held_by(uid, self._green_slots())))
        if self.rollout.phase == "restoring":
            self._see_restored()

    def _see_restored(self) -> None:
        if self.wait.restored(self.rollout):
            self._roll(rollout.Restored())

    def _not_staged(self, member: Member, said: str, modules: tuple[m.Loaded, ...]) -> str:
        return not_staged(self.board.accounts.releases[member.release], said, modules)

    def _owner_died(self, member: Member, why: str, by_itself: bool) -> None:
        """An owner died. A release whose next owner dies of the same by itself is the cause: it is taken back."""
        self.board.alarm("worker_lost", f"{member.uid} of {member.release}: {why}")
        if by_itself and self.staff.died_again(member.release, why):
            self._roll_poison_back(member.release, why)

    def _roll_poison_back(self, release: str, why: str) -> None:
        board, previous = self.board, self.board.accounts.previous
        board.alarm("poison", f"two workers of {release} died of the same: {why}")
        if self.current is None and previous and previous != release:
            op = f"poison-{board.accounts.term}-{board.crew.spawned}"
            reason = f"two workers of {release} died of the same: {why}"
            now = Moment(board.at_ns, board.mono_ns)
            self.begin(now, op, "rollback", previous, "supervisor", reason[:WORDS_MAX], {})


def _nobody_retunes(operation: Operation, number: int, why: str) -> bool:
    return False


def _listed(said: Mapping[str, str]) -> str:
    return "; ".join(f"{what}: {why}" for what, why in said.items())


_WITH_GREEN: Final[frozenset[rollout.Phase]] = frozenset({"held", "flipping", "attesting", "baking"})
"""Phases in which slots are green's, or shall be; a hold only once some are."""
_WATCHED: Final[frozenset[rollout.Phase]] = frozenset({"held", "flipping", "attesting"})
"""Phases that ask no gate, and end all the same when one of those before them would fail by now."""
_PROVED: Final[Mapping[rollout.Phase, type[rollout.Ready | rollout.Attested]]] = {
    "warming": rollout.Ready,
    "attesting": rollout.Attested,
}
"""What green has done when nothing is missing in a phase."""
_CARRY_OUT: Final[dict[type, Callable[[Operations, Any], None]]] = {
    rollout.Spawn: Operations._do_spawn,
    rollout.Try: Operations._do_try,
    rollout.Compare: Operations._do_compare,
    rollout.Flip: Operations._do_flip,
    rollout.Attest: Operations._do_attest,
    rollout.Bake: Operations._do_bake,
    rollout.Promote: Operations._do_promote,
    rollout.Restore: Operations._do_restore,
    rollout.Discard: Operations._do_discard,
    rollout.Finish: Operations._do_finish,
}
