"""The real desk, driven by whatever happens to it, in any order: its promises are watched as it acts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import ClassVar, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from kit.played_desk import Fate, PlayedDesk, Puppet
from kit.still_desk import R2, R3

from supervisor.plan import Plan

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

    def one(self, which: int) -> Puppet:
        """One of the workers that live."""
        names = sorted(self.desk.puppets)
        return self.desk.puppets[names[which % len(names)]]

    @property
    def phase(self) -> str:
        """Where the operation stands."""
        return self.desk.desk.operations.rollout.phase

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
        if active is None:
            return
        self.desk.operated += 1
        wanted = [name for name in self.desk.accounts.releases if name != active.release][third]
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
    play(60, 50, record_property)


@pytest.mark.nightly
def test_the_desk_keeps_its_promises_all_night(record_property: Record) -> None:
    """The same for longer."""
    play(3_000, 120, record_property)
