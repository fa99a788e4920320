"""The real desk, driven by whatever happens to it, in any order: its promises are watched as it acts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from kit.played_desk import PlayedDesk, Puppet
from kit.still_desk import R2, R3

from supervisor.plan import Plan
from supervisor.rollout import Hold

Record = Callable[[str, object], None]
HOLDS: tuple[Hold, ...] = ("", "shadow", "flip", "retire")
PLANS = st.builds(
    Plan,
    expect=st.sampled_from(("any", "identical")),
    trial=st.booleans(),
    shadow_pairs=st.sampled_from((0, 2)),
    bake_s=st.sampled_from((0.0, 3.0)),
    rings=st.sampled_from(((), (1,))),
    hold_before=st.sampled_from(("", *HOLDS)),
    flip_policy=st.sampled_from(("any", "calm", "drain")),
    boundary_s=st.just(10.0),
    take_back=st.booleans(),
    trail_s=st.sampled_from((0.0, 20.0)),
)
ANY = st.integers(0, 1_000)
FATES = st.sampled_from(("well", "well", "badly", "not"))


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

    # --- time ---

    @rule(seconds=st.sampled_from((1.0, 3.0, 8.0)))
    def nothing_fails_for_a_while(self, seconds: float) -> None:
        self.desk.calm(seconds)

    @precondition(lambda self: self.desk.desk.operations.current is not None)
    @rule()
    def nothing_fails_until_the_operation_goes_on(self) -> None:
        phase = self.desk.desk.operations.rollout.phase
        self.desk.calm(12, lambda: self.desk.desk.operations.rollout.phase != phase)

    @rule(seconds=st.sampled_from((0.25, 1.0, 2.5)))
    def time_passes(self, seconds: float) -> None:
        self.desk.wait(seconds)

    # --- workers ---

    @precondition(lambda self: self.desk.puppets)
    @rule(which=ANY, frames=st.integers(1, 12), wishes=st.integers(0, 2))
    def a_worker_reads_on(self, which: int, frames: int, wishes: int) -> None:
        self.desk.read_on(self.one(which), frames, wishes=wishes)

    @precondition(lambda self: self.desk.puppets)
    @rule(which=ANY, honest=st.sampled_from((True, True, False)))
    def a_worker_comes_up(self, which: int, honest: bool) -> None:
        self.desk.come_up(self.one(which).uid, honest=honest)

    @precondition(lambda self: any(puppet.told for puppet in self.desk.puppets.values()))
    @rule(which=ANY, honest=st.sampled_from((True, True, False)))
    def a_worker_does_what_it_was_told(self, which: int, honest: bool) -> None:
        told = [puppet for _, puppet in sorted(self.desk.puppets.items()) if puppet.told]
        self.desk.obey(told[which % len(told)], honest=honest)

    @precondition(lambda self: self.desk.puppets)
    @rule(which=ANY, why=st.sampled_from(("killed by SIGKILL", "exit 1: it raised")))
    def a_worker_dies(self, which: int, why: str) -> None:
        self.desk.die(self.one(which).uid, why)

    @precondition(lambda self: self.desk.puppets)
    @rule(which=ANY)
    def a_worker_stalls_or_wakes(self, which: int) -> None:
        puppet = self.one(which)
        puppet.stalled = not puppet.stalled

    @precondition(lambda self: self.desk.ghosts)
    @rule(frames=st.integers(1, 12))
    def a_dead_worker_is_heard(self, frames: int) -> None:
        self.desk.read_on(self.desk.ghosts.pop(), frames, wishes=1)

    # --- the venue, and a trial ---

    @precondition(lambda self: self.desk.errands)
    @rule(which=ANY, fate=FATES)
    def an_errand_is_run(self, which: int, fate: str) -> None:
        self.desk.run_errand(which % len(self.desk.errands), fate)  # type: ignore[arg-type]

    @precondition(lambda self: any(sold.rests for sold in self.desk.sold.values()))
    @rule(which=ANY, told=st.booleans())
    def an_order_is_filled(self, which: int, told: bool) -> None:
        resting = [order_id for order_id, sold in self.desk.sold.items() if sold.rests]
        self.desk.fill(resting[which % len(resting)], told=told)

    @rule(fault=st.sampled_from(("", "dropped")))
    def the_feeds_change(self, fault: str) -> None:
        self.desk.feeds(fault)

    # --- people ---

    @precondition(lambda self: self.desk.desk.operations.current is None)
    @rule(plan=PLANS, third=st.booleans(), verb=st.sampled_from(("deploy", "deploy", "rollback")))
    def somebody_wants_another_release(self, plan: Plan, third: bool, verb: str) -> None:
        active, number = self.desk.accounts.active, self.desk.operated
        wanted = [name for name in self.desk.accounts.releases if active is None or name != active.release]
        if active is not None:
            self.desk.operated += 1
            plan = plan if verb == "deploy" else Plan(boundary_s=10.0)
            begin, release = self.desk.desk.operations.begin, wanted[third % len(wanted)]
            self.desk.do(begin, f"op{number}", verb, release, "uid:1000", "better", {}, plan)

    @precondition(lambda self: self.desk.desk.operations.current is not None)
    @rule()
    def somebody_aborts(self) -> None:
        self.desk.by_hand(self.desk.desk.operations.abort, "uid:1000")

    @precondition(lambda self: self.desk.desk.operations.rollout.phase in {"held", "baking"})
    @rule()
    def somebody_promotes(self) -> None:
        self.desk.by_hand(self.desk.desk.operations.promote, "uid:1000")

    @rule(paused=st.booleans())
    def somebody_pauses_or_resumes(self, paused: bool) -> None:
        self.desk.do(self.desk.desk.pause, paused, "uid:1000", "felt like it")

    # --- the disk and the supervisor ---

    @rule(slow=st.booleans())
    def the_disk_changes_its_pace(self, slow: bool) -> None:
        self.desk.slow_disk = slow
        if not slow:
            self.desk.sync()

    @rule()
    def the_disk_catches_up(self) -> None:
        self.desk.sync()

    @rule(really=st.integers(0, 3), kept=ANY, frames_lost=st.sampled_from((0, 0, 1, 4)))
    def the_supervisor_may_die(self, really: int, kept: int, frames_lost: int) -> None:
        if not really:
            self.desk.crash(kept % (len(self.desk.journal) - self.desk.durable + 1), frames_lost)

    def teardown(self) -> None:
        """Whatever happened, it comes to rest with nothing missing."""
        if hasattr(self, "desk"):
            self.desk.judge()
            self.seen.update(self.desk.seen)
            self.seen["runs"] += 1


def play(runs: int, steps: int, record: Record) -> None:
    """Let it be driven, and tell what came to pass."""
    DeskByHand.seen.clear()
    run_state_machine_as_test(DeskByHand, settings=settings(max_examples=runs, stateful_step_count=steps))
    told = ", ".join(f"{count:,} {what}" for what, count in sorted(DeskByHand.seen.items()))
    record("model", f"desk by hand: {told}")
    assert DeskByHand.seen["flips"] > runs


def test_the_desk_keeps_its_promises_whatever_happens(record_property: Record) -> None:
    """Grants, outcomes, orders and operations are as they should be, and everything comes to rest in the end."""
    play(40, 50, record_property)


@pytest.mark.nightly
def test_the_desk_keeps_its_promises_all_night(record_property: Record) -> None:
    """The same for longer."""
    play(2_000, 100, record_property)
