"""One slot's owner: ticks, outcomes, and how the right to decide is passed on."""

from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from supervisor import slotstate
from supervisor.slotstate import (
    HELD_MAX,
    Arm,
    Commit,
    Disarm,
    Done,
    Due,
    Expired,
    Flight,
    Granted,
    Lost,
    RefusedEvent,
    Show,
    Skip,
    SlotState,
    WriteGrant,
    admits,
    step,
)

OWNED = SlotState("owned", epoch=7, owner="blue")


def through(slot: SlotState, *events: slotstate.SlotEvent) -> tuple[SlotState, list[slotstate.SlotCommand]]:
    """A slot after events, and everything it asked for on the way."""
    commands: list[slotstate.SlotCommand] = []
    for event in events:
        slot, more = step(slot, event)
        commands += more
    return slot, commands


def test_ticks_are_shown_one_at_a_time_and_none_is_lost() -> None:
    """The next one waits until the one before has its outcome."""
    slot, commands = through(OWNED, Due(5), Due(10))
    assert (slot.outstanding, slot.held, commands) == (5, (10,), [Show(5)])
    slot, commands = through(slot, Done())
    assert (slot.outstanding, slot.held, commands) == (10, (), [Show(10)])


def test_nothing_new_is_shown_while_the_venue_owes_an_answer() -> None:
    """A decision sees the order before it."""
    slot, commands = through(OWNED, Due(5), Flight(1, False), Done(), Due(10))
    assert (slot.outstanding, slot.held, commands) == (0, (10,), [Show(5)])
    assert through(slot, Flight(0, False))[1] == [Show(10)]


def test_a_tick_number_is_used_once() -> None:
    """However often it is said to be due."""
    slot, commands = through(OWNED, Due(5), Done(), Due(5), Due(4))
    assert (commands, slot.held) == ([Show(5)], ())


def test_a_flip_waits_for_the_clean_boundary_and_keeps_every_tick() -> None:
    """Armed, answered, granted under the next epoch; what came due meanwhile goes to the new owner."""
    slot, _ = through(OWNED, Due(5), Arm("green"), Due(10))
    assert not slot.clean
    with pytest.raises(RefusedEvent, match="not clean"):
        step(slot, Commit())
    slot, commands = through(slot, Done(), Commit())
    assert commands == [WriteGrant("green", 8)]
    assert admits(slot, "blue", 7, 10) == "not_outstanding"
    slot, commands = through(slot, Granted())
    assert (slot.owner, slot.epoch, slot.candidate, commands) == ("green", 8, "", [Show(10)])


@pytest.mark.parametrize(("in_flight", "unknown"), [(1, False), (0, True)])
def test_no_boundary_is_clean_while_an_order_is_in_flight_or_unknown(in_flight: int, unknown: bool) -> None:
    """Orders keep the owner that sent them."""
    slot, _ = through(OWNED, Arm("green"), Flight(in_flight, unknown))
    assert not slot.clean
    assert through(slot, Flight(0, False))[0].clean


def test_a_former_owners_word_no_longer_counts() -> None:
    """Right tick, right worker, wrong epoch; and the other way round."""
    slot, _ = through(OWNED, Arm("green"), Commit(), Granted(), Due(5))
    assert admits(slot, "green", 8, 5) == ""
    assert admits(slot, "blue", 7, 5) == admits(slot, "blue", 8, 5) == admits(slot, "green", 7, 5) == "stale_epoch"
    assert admits(slot, "green", 8, 10) == "not_outstanding"
    assert admits(replace(slot, blocked=True), "green", 8, 5) == "unknown_order"


def test_a_dead_owners_tick_waits_for_the_next_owner() -> None:
    """A worker that is ready soon answers it first and loses none; without one, all are skipped by name."""
    slot, commands = through(OWNED, Due(5), Due(10), Lost("blue"), Due(15))
    assert (slot.phase, slot.held, commands) == ("orphan", (5, 10, 15), [Show(5)])
    assert through(slot, Arm("new"), Commit(), Granted())[1] == [WriteGrant("new", 8), Show(5)]
    assert through(slot, Expired())[1] == [Skip(tick, "no_owner") for tick in (5, 10, 15)]


def test_a_tick_that_two_owners_died_of_is_shown_to_no_third() -> None:
    """It may be what kills them; the one after it is asked of the next."""
    slot, _ = through(OWNED, Due(5), Due(10), Lost("blue"), Arm("new"), Commit(), Granted())
    slot, commands = through(slot, Lost("new"))
    assert (slot.held, commands) == ((10,), [Skip(5, "owner_dead")])
    slot, commands = through(slot, Arm("third"), Commit(), Granted(), Lost("third"))
    assert (slot.held, commands) == ((10,), [WriteGrant("third", 9), Show(10)])


def test_an_owner_that_dies_while_a_candidate_waits_leaves_the_slot_to_it() -> None:
    """Nobody's decision can be cut in two, so the boundary is clean at once."""
    slot, commands = through(OWNED, Due(5), Arm("green"), Flight(1, False), Lost("blue"))
    assert slot.clean
    assert (slot.held, commands) == ((5,), [Show(5)])


def test_a_candidate_that_dies_leaves_the_slot_to_its_owner() -> None:
    """No epoch is spent, and the ticks that waited go to it."""
    slot, commands = through(OWNED, Arm("green"), Due(5), Lost("green"))
    assert (slot.owner, slot.epoch, slot.phase, commands) == ("blue", 7, "owned", [Show(5)])


def test_a_candidate_that_dies_while_its_grant_is_written_is_shown_nothing() -> None:
    """The epoch is spent, nobody owns the slot, and what waited goes to the next owner."""
    slot, commands = through(OWNED, Arm("green"), Commit(), Due(5), Lost("green"), Granted())
    assert (slot.phase, slot.owner, slot.epoch, commands) == ("orphan", "", 8, [WriteGrant("green", 8)])
    assert through(slot, Arm("blue"), Commit(), Granted())[1] == [WriteGrant("blue", 9), Show(5)]


def test_a_missed_deadline_is_a_strike_and_an_answer_clears_it() -> None:
    """The late answer finds nothing outstanding."""
    slot, commands = through(OWNED, Due(5), Expired(), Due(10), Expired())
    assert (slot.strikes, commands[-1]) == (2, Skip(10, "deadline"))
    assert admits(slot, "blue", 7, 10) == "not_outstanding"
    assert through(slot, Due(15), Done())[0].strikes == 0


def test_an_unknown_order_skips_ticks_by_name() -> None:
    """Nothing is decided on a picture that may be wrong."""
    assert through(OWNED, Flight(0, True), Due(5))[1] == [Skip(5, "unknown_order")]


def test_a_backlog_is_bounded() -> None:
    """The oldest are skipped as late, in order, so that the newest outcome says which ticks have theirs."""
    slot, commands = through(OWNED, *[Due(tick) for tick in range(1, HELD_MAX + 4)])
    assert len(slot.held) == HELD_MAX
    assert commands == [Show(1), Skip(1, "late"), Show(2), Skip(2, "late"), Show(3)]


def test_a_backlog_that_may_not_be_shown_is_bounded_as_well() -> None:
    """While a candidate waits for its boundary nothing new is shown: what was shown goes first, then the oldest."""
    slot, commands = through(OWNED, Due(1), Arm("green"), *[Due(tick) for tick in range(2, HELD_MAX + 5)])
    assert (slot.outstanding, len(slot.held)) == (0, HELD_MAX)
    assert commands == [Show(1), Skip(1, "late"), Skip(2, "late"), Skip(3, "late"), Skip(4, "late")]


PHASES = ("orphan", "owned", "quiescing", "granting")
EVENTS = [Due(99), Done(), Flight(0, False), Expired(), Arm("x"), Disarm(), Commit(), Granted(), Lost("y")]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_in_every_phase_is_thought_about(phase: slotstate.Phase, event: slotstate.SlotEvent) -> None:
    """It moves the slot, or it is refused and changes nothing; nothing else."""
    slot = SlotState(phase, 3, "" if phase == "orphan" else "blue", "g" if phase in {"quiescing", "granting"} else "")
    handed_over = {
        "Arm": ("orphan", "owned"),
        "Disarm": ("quiescing",),
        "Commit": ("quiescing",),
        "Granted": ("granting",),
    }
    allowed = handed_over.get(type(event).__name__, PHASES)
    if phase in allowed:
        moved, _ = step(slot, event)
        assert moved.epoch == slot.epoch + isinstance(event, Granted)
    else:
        with pytest.raises(RefusedEvent, match=phase):
            step(slot, event)


class SlotMachine(RuleBasedStateMachine):
    """Ticks come due while owners die, boundaries come and go and orders are in doubt, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.slot = SlotState()
        self.now = 0
        self.due: list[int] = []
        self.outcomes: dict[int, str] = {}
        self.shown: list[tuple[int, str, int]] = []
        self.grants: list[int] = []
        self.workers = 0

    def tell(self, event: slotstate.SlotEvent) -> None:
        """Advance, and keep book of what the slot asked for."""
        if isinstance(event, Done):
            self.outcomes[self.slot.outstanding] = "decided"
        self.slot, commands = step(self.slot, event)
        for command in commands:
            if isinstance(command, Show):
                self.shown.append((command.tick, self.slot.owner, self.slot.epoch))
            elif isinstance(command, Skip):
                assert command.tick not in self.outcomes
                self.outcomes[command.tick] = command.reason
            else:
                self.grants.append(command.epoch)

    @rule(step_ms=st.integers(0, 3))
    def time_passes(self, step_ms: int) -> None:
        self.now += step_ms
        if self.now > self.slot.last_tick:
            self.due.append(self.now)
        self.tell(Due(self.now))

    @precondition(lambda self: self.slot.outstanding)
    @rule()
    def answered(self) -> None:
        self.tell(Done())

    @rule(in_flight=st.integers(0, 2), unknown=st.booleans())
    def orders_move(self, in_flight: int, unknown: bool) -> None:
        self.tell(Flight(in_flight, unknown))

    @rule()
    def deadline(self) -> None:
        self.tell(Expired())

    @precondition(lambda self: self.slot.phase in {"orphan", "owned"})
    @rule()
    def armed(self) -> None:
        self.workers += 1
        self.tell(Arm(f"w{self.workers}"))

    @precondition(lambda self: self.slot.phase == "quiescing")
    @rule()
    def disarmed(self) -> None:
        self.tell(Disarm())

    @precondition(lambda self: self.slot.clean)
    @rule()
    def boundary(self) -> None:
        self.tell(Commit())

    @precondition(lambda self: self.slot.phase == "granting")
    @rule()
    def durable(self) -> None:
        self.tell(Granted())

    @rule(owner=st.booleans())
    def died(self, owner: bool) -> None:
        self.tell(Lost(self.slot.owner if owner else self.slot.candidate or "nobody"))

    @invariant()
    def every_tick_has_one_place(self) -> None:
        """Decided or skipped once, or outstanding, or waiting: never two of them, never none."""
        waiting = [*self.slot.held, *([self.slot.outstanding] if self.slot.outstanding else [])]
        assert sorted([*self.outcomes, *waiting]) == self.due

    @invariant()
    def each_tick_is_shown_in_order_and_a_second_time_only_to_the_next_owner(self) -> None:
        ticks = [tick for tick, _, _ in self.shown]
        assert ticks == sorted(ticks)
        for tick, pair in groupby(self.shown, key=lambda shown: shown[0]):
            epochs = [epoch for _, _, epoch in pair]
            assert len(epochs) <= 2, tick
            assert epochs == sorted(set(epochs)), tick

    @invariant()
    def epochs_only_grow(self) -> None:
        """And a tick is shown only to somebody."""
        assert self.grants == sorted(set(self.grants))
        assert all(owner and epoch for _, owner, epoch in self.shown)


TestSlotMachine = SlotMachine.TestCase
TestSlotMachine.settings = settings(max_examples=150, stateful_step_count=40)
