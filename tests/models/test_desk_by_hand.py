"""The real desk, driven by whatever happens to it, in any order: its promises are watched as it acts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import ClassVar, Final

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from kit.played_desk import Broken, Fate, PlayedDesk, Puppet
from kit.still_desk import R2, R3

from shared import entries as e
from shared import messages as m
from supervisor import effects as fx
from supervisor import executions, handover, operations, rollout, slotstate
from supervisor.board import Board
from supervisor.decisions import Decisions
from supervisor.effects import Moment
from supervisor.judgement import Judgement
from supervisor.operations import Operations
from supervisor.plan import Plan
from supervisor.slotstate import SlotState
from supervisor.turns import Turns

Record = Callable[[str, object], None]

PLANS: Final = st.builds(
    Plan,
    expect=st.sampled_from(("any", "identical")),
    trial=st.booleans(),
    shadow_pairs=st.sampled_from((0, 2)),
    bake_s=st.sampled_from((0.0, 3.0)),
    rings=st.sampled_from(((), (1,))),
    hold_before=st.sampled_from(("", "", "", "shadow", "flip", "retire")),
    flip_policy=st.sampled_from(("any", "any", "calm", "drain")),
    boundary_s=st.just(10.0),
    take_back=st.booleans(),
    trail_s=st.sampled_from((0.0, 20.0)),
)
ANY: Final = st.integers(0, 1_000)
FATES: Final[st.SearchStrategy[Fate]] = st.sampled_from(("well", "well", "badly", "not"))
MOSTLY: Final = st.sampled_from((True, True, True, False))


class DeskByHand(RuleBasedStateMachine):
    """Time, workers, errands, people, the disk and the supervisor's own end, each by its own rule."""

    seen: ClassVar[Counter[str]] = Counter()

    @initialize(assets=st.sampled_from((("BTC",), ("BTC", "ETH"))), standby=st.booleans())
    def begin(self, assets: tuple[str, ...], standby: bool) -> None:
        """A desk that trades."""
        self.desk = PlayedDesk(*assets, standby=standby)
        for release in (R2, R3):
            self.desk.desk.register(release)
        self.desk.settle()

    def one(self, which: int) -> Puppet:
        """One of the workers that live."""
        names = sorted(self.desk.puppets)
        return self.desk.puppets[names[which % len(names)]]

    @property
    def phase(self) -> str:
        """Where the operation stands."""
        return self.desk.desk.operations.rollout.phase

    @property
    def guarded(self) -> bool:
        """Whether green has slots, or is about to, and there is a blue to go back to."""
        walk = self.desk.desk.operations.rollout
        flips = walk.phase in {"flipping", "attesting", "baking"} or (walk.phase == "held" and walk.flipped > 0)
        return flips and walk.verb == "deploy"

    # --- time ---

    @rule(seconds=st.sampled_from((1.0, 3.0, 8.0)), errands=FATES)
    def all_goes_well_or_only_errands_fail(self, seconds: float, errands: Fate) -> None:
        self.desk.calm(seconds, errands=errands)

    @precondition(lambda self: self.phase != "idle")
    @rule()
    def all_goes_well_until_the_operation_goes_on(self) -> None:
        phase = self.phase
        self.desk.calm(12, lambda: self.phase != phase)

    @rule(seconds=st.sampled_from((0.25, 1.0, 2.5)))
    def time_passes(self, seconds: float) -> None:
        self.desk.wait(seconds)

    # --- workers ---

    @precondition(lambda self: self.desk.puppets)
    @rule(which=ANY, frames=st.integers(1, 12))
    def a_worker_reads_on(self, which: int, frames: int) -> None:
        self.desk.read_on(self.one(which), frames)

    @precondition(lambda self: self.desk.puppets)
    @rule(which=ANY, honest=MOSTLY)
    def a_worker_comes_up_or_does_what_it_was_told(self, which: int, honest: bool) -> None:
        puppet = self.one(which)
        if puppet.told:
            self.desk.obey(puppet, honest=honest)
        else:
            self.desk.come_up(puppet.uid, honest=honest)

    @precondition(lambda self: self.desk.puppets)
    @rule(how=st.sampled_from(("dies", "is about to raise", "stalls", "wakes")), which=ANY)
    def a_worker_fails(self, how: str, which: int) -> None:
        """It dies, the next ticks kill their owners, or its loop stands still."""
        if how == "is about to raise":
            self.desk.deadly = which % 4
        elif how == "dies":
            self.desk.die(self.one(which).uid)
        else:
            self.one(which).stalled = how == "stalls"

    @precondition(lambda self: self.guarded)
    @rule()
    def green_goes_wild(self) -> None:
        self.desk.go_wild()

    @precondition(lambda self: self.desk.ghosts)
    @rule(frames=st.integers(1, 12))
    def a_dead_worker_is_heard(self, frames: int) -> None:
        self.desk.read_on(self.desk.ghosts.pop(), frames)

    # --- the venue, and a trial ---

    @precondition(lambda self: self.desk.errands)
    @rule(which=ANY, fate=FATES)
    def an_errand_is_run(self, which: int, fate: Fate) -> None:
        self.desk.run_errand(which % len(self.desk.errands), fate)

    @rule(which=ANY, told=MOSTLY, drop=MOSTLY)
    def an_order_is_filled_or_a_feed_drops(self, which: int, told: bool, drop: bool) -> None:
        resting = [order_id for order_id, sold in self.desk.sold.items() if sold.rests]
        if resting:
            self.desk.fill(resting[which % len(resting)], told=told)
        else:
            self.desk.feeds("" if drop else "dropped")

    # --- people ---

    @precondition(lambda self: self.phase == "idle")
    @rule(plan=PLANS, third=st.booleans(), back=st.sampled_from((False, False, True)))
    def somebody_wants_another_release(self, plan: Plan, third: bool, back: bool) -> None:
        active, op = self.desk.accounts.active, f"op{self.desk.operated}"
        others = [name for name in self.desk.accounts.releases if active is not None and name != active.release]
        if len(others) <= third:  # a supervisor that died too soon knows of none but the first
            return
        self.desk.operated += 1
        wanted = others[third]
        verb, plan = ("rollback", Plan(boundary_s=10.0)) if back else ("deploy", plan)
        self.desk.do(self.desk.desk.operations.begin, op, verb, wanted, "uid:1000", "better", {}, plan)

    @rule(word=st.sampled_from(("promote", "promote", "abort", "pause", "resume", "resume")))
    def somebody_says_a_word(self, word: str) -> None:
        operations = self.desk.desk.operations
        if word in {"promote", "abort"}:
            self.desk.by_hand(operations.promote if word == "promote" else operations.abort, "uid:1000")
        else:
            self.desk.do(self.desk.desk.pause, word == "pause", "uid:1000", "felt like it")

    # --- the disk and the supervisor ---

    @rule(slow=st.sampled_from((True, False, None)))
    def the_disk_changes_its_pace_or_catches_up(self, slow: bool | None) -> None:
        self.desk.slow_disk = self.desk.slow_disk if slow is None else slow
        if not slow:
            self.desk.sync()

    @rule(lives=MOSTLY, kept=ANY, frames_lost=st.sampled_from((0, 0, 1, 4)))
    def the_supervisor_may_die(self, lives: bool, kept: int, frames_lost: int) -> None:
        if not lives:
            self.desk.crash(kept % (len(self.desk.journal) - self.desk.durable + 1), frames_lost)

    def teardown(self) -> None:
        """Whatever happened, it comes to rest with nothing missing; what has failed already is left as it is."""
        if hasattr(self, "desk") and sys.exc_info()[0] is None:
            self.desk.judge()
            self.seen.update(self.desk.seen)
            self.seen["runs"] += 1


def play(runs: int, steps: int, record: Record) -> None:
    """Let it be driven, and tell what came to pass."""
    DeskByHand.seen.clear()
    run_state_machine_as_test(DeskByHand, settings=settings(max_examples=runs, stateful_step_count=steps))
    told = ", ".join(f"{what} {count:,}" for what, count in sorted(DeskByHand.seen.items()))
    record("model", f"desk by hand: {told}")
    assert DeskByHand.seen["flips"] > runs


def test_the_desk_keeps_its_promises_whatever_happens(record_property: Record) -> None:
    """Grants, outcomes, orders and operations are as they should be, and everything comes to rest in the end."""
    play(120, 50, record_property)


@pytest.mark.nightly
def test_the_desk_keeps_its_promises_all_night(record_property: Record) -> None:
    """The same for longer."""
    play(3_000, 120, record_property)


# --- the desk with a safeguard taken out: what watches it has to notice -----------------------------------------------

Step = Callable[[SlotState, slotstate.SlotEvent], tuple[SlotState, tuple[slotstate.SlotCommand, ...]]]
STEP: Final[Step] = slotstate.step


def same_epoch(slot: SlotState, event: slotstate.SlotEvent) -> tuple[SlotState, tuple[slotstate.SlotCommand, ...]]:
    """A grant does not raise the epoch."""
    moved, commands = STEP(slot, event)
    moved = replace(moved, epoch=slot.epoch) if isinstance(event, slotstate.Granted) else moved
    wrote = slotstate.WriteGrant
    return moved, tuple(wrote(c.uid, slot.epoch) if isinstance(c, wrote) else c for c in commands)


def dropped(slot: SlotState, event: slotstate.SlotEvent) -> tuple[SlotState, tuple[slotstate.SlotCommand, ...]]:
    """What a dead owner was asked is forgotten."""
    dies = isinstance(event, slotstate.Lost) and event.uid == slot.owner
    return STEP(replace(slot, outstanding=0) if dies else slot, event)


def unblocked(slot: SlotState, event: slotstate.SlotEvent) -> tuple[SlotState, tuple[slotstate.SlotCommand, ...]]:
    """That an order is unknown does not matter to its slot."""
    known = slotstate.Flight(event.in_flight, False) if isinstance(event, slotstate.Flight) else event
    return STEP(slot, known)


def whoever(self: Decisions, now: Moment, uid: str, decided: m.Decided) -> None:
    """The first word on a tick counts."""
    self.board.now(now)
    if self.turns.slots[decided.slot].outstanding == decided.tick:
        self._admit(uid, decided)


def at_once(self: Board, entries: Iterable[e.Entry], then: Iterable[fx.Effect]) -> None:
    """What has to be durable first is done at once."""
    self.effects += [*map(fx.Write, entries), *then]


def forgotten(self: Turns, shown: dict[str, list[int]]) -> None:
    """A supervisor begins with epochs of its own."""
    BEGIN(self, shown)
    self.slots = {name: replace(slot, epoch=0) for name, slot in self.slots.items()}


def retired_early(self: Operations, command: object) -> None:
    """Blue goes as soon as slots begin to pass."""
    self.staff.retire(self.staff.blue, "green comes")


BEGIN: Final = Turns.begin
MAY_CROSS: Final = handover.may_cross
MUTANTS: Final = {
    "no fence": (Decisions, "on_decided", whoever),
    "epoch not increased": (slotstate, "step", same_epoch),
    "epoch only in memory": (Turns, "begin", forgotten),
    "durable afterwards": (Board, "write_first", at_once),
    "flip without catch-up": (handover, "may_cross", lambda slot, heir, seq: MAY_CROSS(slot, heir, 0)),
    "tick of a dead owner dropped": (slotstate, "step", dropped),
    "shown to a third owner": (slotstate, "step", lambda slot, event: STEP(replace(slot, again=0), event)),
    "unknown does not block": (slotstate, "step", unblocked),
    "unknown taken for failed": (
        executions,
        "_state_by",
        lambda answer: "open" * (answer.verdict == "accepted") or "closed",
    ),
    "ticks of an outage not owned up to": (Turns, "_owed", lambda *_: []),
    "blue goes before green is baked": (Operations, "_do_flip", retired_early),
    "green is watched in its bake alone": (Judgement, "breached", lambda _: False),
    "what a ring has shown is forgotten": (Operations, "_do_flip", lambda self, _: self.judgement.drop()),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_desk_without_a_safeguard_is_found_out(
    name: str, monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    """The promise that it kept is broken soon, and always in the same run."""
    where, attribute, mutant = MUTANTS[name]
    monkeypatch.setattr(where, attribute, mutant)
    monkeypatch.setitem(operations._CARRY_OUT, rollout.Flip, Operations._do_flip)
    DeskByHand.seen.clear()
    found = settings(max_examples=600, stateful_step_count=60, derandomize=True, phases=[Phase.generate], database=None)
    with pytest.raises(Broken) as broken:
        run_state_machine_as_test(DeskByHand, settings=found)
    record_property(
        "model", f"desk by hand, mutant, {name}: broken in run {DeskByHand.seen['runs'] + 1}: {broken.value}"
    )
