"""Deliberate faults in the code under simulation: each is caught by a named promise, within a few seeds.

A promise that no fault can break proves nothing. Each fault takes one safeguard out; the test prints which promise
noticed, and with which seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest
from kit.auditor import Broken
from kit.invariants import CHECKS
from kit.mutants import intent_not_durable
from kit.sim import Sim
from kit.weather import BUSY, CALM, ROUGH, Weather
from msgspec import structs

from shared import entries as e
from shared.risk import Denied
from supervisor import executions as executions_room
from supervisor import operations as operations_room
from supervisor import rollout, slotstate, verbs
from supervisor.accounts import Accounts
from supervisor.board import Board
from supervisor.catching_up import CatchingUp
from supervisor.crew import RESPAWN_S, Crew
from supervisor.decisions import Decisions
from supervisor.desk import Desk
from supervisor.dispatch import Dispatch
from supervisor.effects import Grant, Moment
from supervisor.executions import Executions
from supervisor.handover import Handover
from supervisor.lookups import Lookups
from supervisor.operations import Operations
from supervisor.staff import Staff
from supervisor.tuning import Tuning
from supervisor.turns import Turns
from supervisor.unwind import Unwind

SEEDS: Final = 24
"""Runs within which a fault must be noticed."""
RUN_S: Final = 120
FALSE: Final = replace(ROUGH, answer_late=0.05, answer_forged=0.1, worker_stalls=0.1)
"""Workers answer late and under epochs that are not theirs."""
AFRAID: Final = replace(ROUGH, people_stop=0.05)
"""People stop the desk again and again."""
TUNED: Final = replace(ROUGH, people_tune=0.3)
"""People change the parameters again and again."""
FOGGY: Final = replace(BUSY, frame_lost=0.1)
"""Frames get lost while slots pass on."""
TORN: Final = replace(ROUGH, power_fails=0.03, supervisor_killed=0.03)
"""The supervisor never lives long."""
Patch = Callable[[pytest.MonkeyPatch], None]


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """Any answer to the outstanding tick counts, whoever gives it under whatever epoch."""

    def admits(slot: slotstate.SlotState, uid: str, epoch: int, tick: int) -> str:
        return "" if tick == slot.outstanding else "not_outstanding"

    patch.setattr(slotstate, "admits", admits)


def epoch_not_increased(patch: pytest.MonkeyPatch) -> None:
    """A slot passes on under the epoch it had."""

    def commit(slot: slotstate.SlotState, event: slotstate.Commit) -> Any:
        return replace(slot, phase="granting"), (slotstate.WriteGrant(slot.candidate, max(1, slot.epoch)),)

    patch.setitem(slotstate._TABLE, slotstate.Commit, (frozenset({"quiescing"}), commit))


def old_epoch_restored(patch: pytest.MonkeyPatch) -> None:
    """What goes back to the previous worker goes back under its previous epoch."""
    write = Handover._write_grant

    def write_grant(handover: Handover, name: str, command: slotstate.WriteGrant) -> None:
        active = handover.board.accounts.active
        release = handover.board.crew.members[command.uid].release
        restores = handover.cause.op and command.epoch > 2 and active is not None and release == active.release
        write(handover, name, replace(command, epoch=command.epoch - 2) if restores else command)

    patch.setattr(Handover, "_write_grant", write_grant)


def grant_not_durable(patch: pytest.MonkeyPatch) -> None:
    """A new owner is asked before its grant is on the disk."""

    def write_first(board: Board, entries: tuple[e.Entry, ...], then: tuple[Any, ...]) -> None:
        if any(isinstance(effect, Grant) for effect in then):
            board.effects.extend(then)
            then = ()
        first(board, entries, then)

    first = Board.write_first
    patch.setattr(Board, "write_first", write_first)


def set_not_told(patch: pytest.MonkeyPatch) -> None:
    """Ticks name the new parameters, and no frame has told which they are."""
    patch.setattr(Tuning, "tell", lambda tuning: None)


def set_of_the_moment(patch: pytest.MonkeyPatch) -> None:
    """A decision is kept under the parameters in force when it comes, not under those it was made with."""
    by = Board.by
    patch.setattr(Board, "by", lambda board, uid, epoch, parameters: by(board, uid, epoch, board.parameters))


def version_without_boundary(patch: pytest.MonkeyPatch) -> None:
    """Other parameters are in force, and nobody has written what was open then."""

    def write_first(board: Board, entries: tuple[e.Entry, ...], then: tuple[Any, ...]) -> None:
        first(board, tuple(entry for entry in entries if not isinstance(entry, e.Retuned)), then)

    first = Board.write_first
    patch.setattr(Board, "write_first", write_first)


def halt_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A halt, or a flatten, closes nothing to the releases."""
    patch.setattr(Board, "halted", lambda board, slot: "")


def stopped_orders_left(patch: pytest.MonkeyPatch) -> None:
    """What rests is left to rest when somebody stops the desk."""
    patch.setattr(Unwind, "_cancel", lambda unwind, order, cause, op: None)


def outcome_written_twice(patch: pytest.MonkeyPatch) -> None:
    """An answer that counted is counted once more."""
    conclude = Decisions._conclude

    def twice(decisions: Decisions, by: e.By, decided: Any, *parts: Any) -> None:
        conclude(decisions, by, decided, *parts)
        conclude(decisions, by, decided, [], [], [])

    patch.setattr(Decisions, "_conclude", twice)


def outage_not_owned_up(patch: pytest.MonkeyPatch) -> None:
    """A new reign says nothing of the ticks that nobody decided."""
    patch.setattr(Turns, "_owed", lambda turns, slot, last, shown: [])


def watermark_not_asked(patch: pytest.MonkeyPatch) -> None:
    """A slot passes to a worker that has not read the slot's last tick."""

    def try_boundary(handover: Handover, name: str) -> None:
        state = handover.turns.slots[name]
        if state.clean and handover.board.crew.ready(state.candidate):
            handover.turns.step(name, slotstate.Commit())

    patch.setattr(Handover, "try_boundary", try_boundary)


def last_seen_instead_of_contiguous(patch: pytest.MonkeyPatch) -> None:
    """Who missed frames and saw a later one has read up to that one."""

    def on_hole(operations: Operations, now: Moment, uid: str, hole: Any) -> None:
        if uid in operations.board.crew.members:
            operations.board.crew.hear(uid, now.mono_ns, hole.got_seq)

    patch.setattr(Operations, "on_hole", on_hole)


def unknown_does_not_block(patch: pytest.MonkeyPatch) -> None:
    """A slot goes on as if an order without an answer had failed."""
    step = Turns.step

    def blind(turns: Turns, name: str, event: Any) -> None:
        step(turns, name, replace(event, unknown=False) if isinstance(event, slotstate.Flight) else event)

    patch.setattr(Turns, "step", blind)


def unknown_not_reserved(patch: pytest.MonkeyPatch) -> None:
    """What an order without an answer may cost can be spent again."""
    reserved = Accounts.reserved

    def without(accounts: Accounts, slot: str = "", outcome: str = "") -> int:
        known = {key: order for key, order in accounts.orders.items() if order.state != "unknown"}
        return reserved(replace(accounts, orders=known), slot, outcome)

    patch.setattr(Accounts, "reserved", without)


def doubt_never_asked_about(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks the venue what became of an order."""
    patch.setattr(Lookups, "pass_time", lambda lookups: None)
    patch.setattr(CatchingUp, "pass_time", lambda catching_up: None)


def fill_counted_twice(patch: pytest.MonkeyPatch) -> None:
    """A trade that is told again is written down again."""
    on_leg = Executions.on_leg

    def again(executions: Executions, now: Moment, leg: Any) -> None:
        known = executions.board.accounts.fills.get((leg.trade_id, leg.order_id))
        if known is not None and leg.status == "MATCHED":
            executions.board.write(known)
        on_leg(executions, now, leg)

    patch.setattr(Executions, "on_leg", again)


def failed_fill_kept(patch: pytest.MonkeyPatch) -> None:
    """A trade whose settlement failed stays in our book."""
    settle = Accounts._settle_fill
    patch.setattr(Accounts, "_settle_fill", lambda a, fill, status: settle(a, fill, "CONFIRMED"))


def fee_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What a taker pays is not counted: the venue has less of our cash than we think."""
    patch.setattr(executions_room, "taker_fee", lambda *_: 0)


def order_placed_twice(patch: pytest.MonkeyPatch) -> None:
    """What waits for the disk is written once more."""
    first = Board.write_first

    def twice(board: Board, entries: tuple[e.Entry, ...], then: tuple[Any, ...]) -> None:
        placings = [entry for entry in entries if isinstance(entry, e.Placing)]
        first(board, (*placings, *entries), then)

    patch.setattr(Board, "write_first", twice)


def shadow_orders_sent(patch: pytest.MonkeyPatch) -> None:
    """What a worker that does not own the slot wishes is sent beside the owner's wishes."""
    shadow = Decisions._shadow

    def send(decisions: Decisions, uid: str, decided: Any) -> None:
        shadow(decisions, uid, decided)
        for leg, wish in enumerate(decided.decision.intents):
            ruling = decisions._rule_on(decided, leg, wish, decisions.board.by(uid, decided.epoch, decided.parameters))
            if not isinstance(ruling, Denied):
                decisions._note(ruling, uid)
                decisions.board.write_first((ruling.entry,), (ruling.request,))

    patch.setattr(Decisions, "_shadow", send)


def shadow_admitted(patch: pytest.MonkeyPatch) -> None:
    """What a worker that does not own the slot would do is done."""
    patch.setattr(Decisions, "_shadow", Decisions._admit)


def wrong_release_respawned(patch: pytest.MonkeyPatch) -> None:
    """A dead worker is replaced by one of the release before."""
    start = Staff.start

    def of_before(staff: Staff, release: str) -> str:
        accounts = staff.board.accounts
        replaces = not staff.blue and accounts.previous
        return start(staff, accounts.previous if replaces else release)

    patch.setattr(Staff, "start", of_before)


def blue_retired_at_the_flip(patch: pytest.MonkeyPatch) -> None:
    """The previous worker is let go as soon as slots begin to pass."""
    flip = Operations._do_flip

    def and_retire(operations: Operations, command: Any) -> None:
        flip(operations, command)
        operations.staff.retire(operations.blue, "green comes")

    patch.setitem(operations_room._CARRY_OUT, rollout.Flip, and_retire)


def exclusion_windows_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A slot passes on while entries may be made in it."""
    patch.setattr(Handover, "_window_says", lambda handover, name: "")


def operation_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A new reign says nothing of the operation that the old one did not end."""
    patch.setattr(Operations, "resume", lambda operations: None)


def two_operations_at_once(patch: pytest.MonkeyPatch) -> None:
    """A second deploy begins beside the first."""
    patch.setattr(verbs, "_nothing_runs", lambda desk: None)


def no_deadline(patch: pytest.MonkeyPatch) -> None:
    """A tick is waited for as long as it takes."""
    patch.setattr(Turns, "expire", lambda turns: [])


def one_slot_silent(patch: pytest.MonkeyPatch) -> None:
    """After its first tick a slot is forgotten."""
    step = Turns.step

    def but_one(turns: Turns, name: str, event: Any) -> None:
        if not (isinstance(event, slotstate.Due) and name == "BTC/5m" and turns.slots[name].last_tick):
            step(turns, name, event)

    patch.setattr(Turns, "step", but_one)


def nobody_named(patch: pytest.MonkeyPatch) -> None:
    """Outcomes do not say which release decided."""
    by = Board.by
    patch.setattr(Board, "by", lambda board, *who: structs.replace(by(board, *who), release=""))


def all_named_for_the_active(patch: pytest.MonkeyPatch) -> None:
    """Whoever decides, the active release is said to have."""
    by = Board.by

    def as_active(board: Board, *who: Any) -> e.By:
        active = board.accounts.active
        return structs.replace(by(board, *who), release=active.release) if active else by(board, *who)

    patch.setattr(Board, "by", as_active)


def lost_frames_not_named(patch: pytest.MonkeyPatch) -> None:
    """Frames that the tape lost are passed over in silence."""
    patch.setattr(Desk, "_own_up", lambda desk, since_ns, from_seq, cause: None)


def blindness_hidden(patch: pytest.MonkeyPatch) -> None:
    """A tick does not say that a feed is down."""
    patch.setattr(Board, "entries_closed", lambda board, slot: "")


def term_used_twice(patch: pytest.MonkeyPatch) -> None:
    """A new reign takes the number of the last."""
    write = Board.write

    def same_term(board: Board, entry: e.Entry) -> None:
        again = isinstance(entry, e.Term) and entry.term > 1
        write(board, structs.replace(entry, term=entry.term - 1) if again else entry)  # type: ignore[arg-type]

    patch.setattr(Board, "write", same_term)


def fact_not_written(patch: pytest.MonkeyPatch) -> None:
    """Something is known and not written down."""
    write = Board.write

    def keep(board: Board, entry: e.Entry) -> None:
        board.apply(entry) if isinstance(entry, e.FillStatus) else write(board, entry)

    patch.setattr(Board, "write", keep)


def failures_shared(patch: pytest.MonkeyPatch) -> None:
    """A release waits for the failures of every other one."""

    def respawn_after_s(crew: Crew, release: str) -> float:
        return RESPAWN_S[min(sum(crew.failures.values()), len(RESPAWN_S) - 1)]

    patch.setattr(Crew, "respawn_after_s", respawn_after_s)


def replacement_at_once(patch: pytest.MonkeyPatch) -> None:
    """An order that replaces another does not wait for its end."""
    patch.setattr(Dispatch, "_replaced", lambda dispatch, order_id, cancels: {})


def replacement_whatever_became_of_the_cancel(patch: pytest.MonkeyPatch) -> None:
    """It waits for the answer, and leaves whatever that says."""
    patch.setattr(Dispatch, "_why_not", lambda dispatch, waiting: "")


@dataclass(frozen=True)
class Mutant:
    """A fault, and the promises of which one must notice it."""

    fault: Patch
    promises: tuple[str, ...]
    weather: Weather = ROUGH


MUTANTS: Final = (
    Mutant(no_fence, ("I5", "I10"), FALSE),
    Mutant(epoch_not_increased, ("I2",), BUSY),
    Mutant(old_epoch_restored, ("I2",)),
    Mutant(grant_not_durable, ("I1", "I3")),
    Mutant(intent_not_durable, ("I7",)),
    Mutant(outcome_written_twice, ("I4",), BUSY),
    Mutant(outage_not_owned_up, ("I4",), TORN),
    Mutant(watermark_not_asked, ("I9",)),
    Mutant(last_seen_instead_of_contiguous, ("I9",), FOGGY),
    Mutant(unknown_does_not_block, ("I8",)),
    Mutant(unknown_not_reserved, ("I8",)),
    Mutant(doubt_never_asked_about, ("I12", "I18", "B2")),
    Mutant(fill_counted_twice, ("I7",)),
    Mutant(failed_fill_kept, ("B2",)),
    Mutant(fee_forgotten, ("B2",), CALM),
    Mutant(order_placed_twice, ("I6",)),
    Mutant(replacement_at_once, ("B4",)),
    Mutant(replacement_whatever_became_of_the_cancel, ("B4",)),
    Mutant(shadow_orders_sent, ("I10",), BUSY),
    Mutant(shadow_admitted, ("I5", "I10"), BUSY),
    Mutant(wrong_release_respawned, ("I11",)),
    Mutant(blue_retired_at_the_flip, ("I11",)),
    Mutant(exclusion_windows_forgotten, ("I13",), BUSY),
    Mutant(operation_forgotten, ("I12", "I14"), TORN),
    Mutant(two_operations_at_once, ("I14",)),
    Mutant(no_deadline, ("I12",)),
    Mutant(one_slot_silent, ("I18",)),
    Mutant(nobody_named, ("I15",)),
    Mutant(all_named_for_the_active, ("I15",), BUSY),
    Mutant(lost_frames_not_named, ("I16",), TORN),
    Mutant(blindness_hidden, ("I16",)),
    Mutant(term_used_twice, ("I17",), TORN),
    Mutant(set_not_told, ("I20",), TUNED),
    Mutant(set_of_the_moment, ("I15",), TUNED),
    Mutant(version_without_boundary, ("I15",), TUNED),
    Mutant(halt_forgotten, ("I19",), AFRAID),
    Mutant(stopped_orders_left, ("I19",), AFRAID),
    Mutant(fact_not_written, ("B1",)),
    Mutant(failures_shared, ("B3",)),
)


def _noticed(weather: Weather) -> tuple[int, Broken]:
    """The first seed that breaks a promise, and how."""
    for seed in range(SEEDS):
        try:
            Sim(seed, weather).run(RUN_S)
        except Broken as broken:
            return seed, broken
    raise AssertionError(f"{SEEDS} seeds noticed nothing")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.fault.__name__)
def test_a_safeguard_that_is_missing_is_noticed(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a promise that names it, within a few seeds."""
    mutant.fault(monkeypatch)
    seed, broken = _noticed(mutant.weather)
    with capsys.disabled():
        print(f"\n{mutant.fault.__name__}: noticed by {broken.promise}, seed {seed}", end="")
    assert broken.promise.split()[0] in mutant.promises, broken


def test_every_promise_can_be_broken() -> None:
    """A promise that no fault of ours breaks would prove nothing."""
    broken = {name for mutant in MUTANTS for name in mutant.promises}
    assert {name.split()[0] for name, _, _ in CHECKS} <= broken
