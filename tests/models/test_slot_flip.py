"""One slot changes hands whatever fails: every state of the model is looked at, and every safeguard is missed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from models.explorer import explore
from models.slot_flip import Disk, Luck, Resumed, Rules, SlotFlip, Stepped, resumed

from supervisor import handover, slotstate
from supervisor.crew import Member
from supervisor.slotstate import Commit, Flight, Granted, Lost, SlotEvent, SlotState, WriteGrant

FINE = Luck(all=0)
ONE = Luck(all=1)
TWO = Luck(all=2)
DEATHS = Luck(crash=0, death=2, stall=0, silence=0, loss=0, all=2)
THREE = Luck(crash=2, death=2, stall=2, silence=2, loss=1, all=3)

Record = Callable[[str, object], None]


def holds(model: SlotFlip, name: str, record: Record) -> None:
    """Every promise holds in every state, and how many there were is told at the end of the run."""
    found = explore(model)
    record("model", f"slot flip, {name}: {found.told()}")
    held = not found.broken
    assert held, found.story()


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("3 ticks, nothing fails", SlotFlip(FINE, ticks=3, sends=2)),
        ("2 ticks, any one fault", SlotFlip(ONE)),
        ("1 tick, any two faults", SlotFlip(TWO, ticks=1, wishes=1)),
        ("1 tick, two deaths", SlotFlip(DEATHS, ticks=1, sends=0, wishes=1)),
    ],
)
def test_a_slot_changes_hands_and_every_promise_holds(name: str, model: SlotFlip, record_property: Record) -> None:
    """One outcome and at most one order for each tick, whoever dies, stalls or is not heard, and whenever."""
    holds(model, name, record_property)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("3 ticks, any one fault", SlotFlip(ONE, ticks=3)),
        ("2 ticks, any two faults", SlotFlip(TWO)),
        ("1 tick, any three faults, any of them twice", SlotFlip(THREE, ticks=1)),
    ],
)
def test_a_slot_changes_hands_among_more_faults(name: str, model: SlotFlip, record_property: Record) -> None:
    """The same with larger bounds."""
    holds(model, name, record_property)


# --- what may be left out ---------------------------------------------------------------------------------------------


def at_any_time(slot: SlotState, heir: Member | None, shown_seq: int) -> bool:
    """A slot crosses without waiting for its boundary."""
    return handover.may_cross(replace(slot, outstanding=0, in_flight=0, blocked=False), heir, shown_seq)


def cut_in_two(slot: SlotState, event: SlotEvent) -> Stepped:
    """A tick that is outstanding when the slot crosses is shown to its new owner as well."""
    if isinstance(event, Commit):
        return replace(slot, phase="granting"), (WriteGrant(slot.candidate, slot.epoch + 1),)
    if isinstance(event, Granted) and slot.outstanding:
        slot = replace(slot, outstanding=0, held=(slot.outstanding, *slot.held))
    return slotstate.step(slot, event)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("without waiting for the boundary, fence kept", Rules(step=cut_in_two, may_cross=at_any_time)),
        ("the same bytes sent again, the venue takes them once", Rules(unanswered="sent again")),
    ],
)
def test_what_looks_wrong_and_holds(name: str, rules: Rules, record_property: Record) -> None:
    """The boundary is clean so that one release decided each tick, not for safety: the fence alone gives that."""
    holds(SlotFlip(ONE, ticks=1, rules=rules), name, record_property)


# --- what may not: a mutant for each safeguard ------------------------------------------------------------------------


def whatever_epoch(slot: SlotState, uid: str, epoch: int, tick: int) -> str:
    """The right worker's word counts whenever it was said."""
    return slotstate.admits(slot, uid, slot.epoch, tick)


def whoever_says_it(slot: SlotState, uid: str, epoch: int, tick: int) -> str:
    """A word under the right epoch counts, whoever says it."""
    return slotstate.admits(slot, slot.owner, epoch, tick)


def however_often(slot: SlotState, uid: str, epoch: int, tick: int) -> str:
    """A word counts for its tick, whatever became of that."""
    return slotstate.admits(replace(slot, outstanding=tick), uid, epoch, tick)


def same_epoch(slot: SlotState, event: SlotEvent) -> Stepped:
    """A grant does not raise the epoch."""
    moved, commands = slotstate.step(slot, event)
    if isinstance(event, Granted):
        moved = replace(moved, epoch=slot.epoch)
    return moved, tuple(WriteGrant(c.uid, slot.epoch) if isinstance(c, WriteGrant) else c for c in commands)


def old_epoch(slot: SlotState, event: SlotEvent) -> Stepped:
    """Blue takes its slot back under the epoch it had."""
    if isinstance(event, Granted) and slot.candidate == "blue":
        slot = replace(slot, epoch=0)
    moved, commands = slotstate.step(slot, event)
    return moved, tuple(WriteGrant("blue", 1) if c == WriteGrant("blue", slot.epoch + 1) else c for c in commands)


def unblocked(slot: SlotState, event: SlotEvent) -> Stepped:
    """That an order is unknown does not matter to its slot."""
    return slotstate.step(slot, Flight(event.in_flight, False) if isinstance(event, Flight) else event)


def dropped(slot: SlotState, event: SlotEvent) -> Stepped:
    """What a dead owner was asked is forgotten."""
    if isinstance(event, Lost) and event.uid == slot.owner:
        slot = replace(slot, outstanding=0)
    return slotstate.step(slot, event)


def shown_on(slot: SlotState, event: SlotEvent) -> Stepped:
    """What an owner died of is shown to the next one, always."""
    return slotstate.step(replace(slot, again=0), event)


def forgiving(slot: SlotState, heir: Member | None, shown_seq: int) -> bool:
    """A dead owner's heir may miss the tick that was outstanding, and does although none was."""
    return handover.may_cross(slot, heir, shown_seq if slot.owner else shown_seq - 1)


def trusting(slot: SlotState, heir: Member | None, shown_seq: int) -> bool:
    """An heir that is behind will catch up some time."""
    return handover.may_cross(slot, heir, 0)


def dead_or_alive(slot: SlotState, event: SlotEvent) -> Stepped:
    """A candidate that died while its grant was written gets the slot all the same."""
    if isinstance(event, Lost) and event.uid == slot.candidate and slot.phase == "granting":
        return slot, ()
    return slotstate.step(slot, event)


def forgets_epochs(disk: Disk, due: int) -> Resumed:
    """A supervisor begins to count epochs anew."""
    known = resumed(disk, due)
    return known._replace(slot=replace(known.slot, epoch=0))


def forgets_ticks(disk: Disk, due: int) -> Resumed:
    """A supervisor says nothing of the ticks that it missed."""
    return resumed(disk, due)._replace(owed=())


def forgets_orders(disk: Disk, due: int) -> Resumed:
    """A supervisor does not ask what became of orders that were not answered."""
    known = resumed(disk, due)
    return known._replace(orders=(None,) * len(known.orders), slot=replace(known.slot, blocked=False))


@dataclass(frozen=True)
class Mutant:
    """A safeguard that is missing, the promise that breaks of it, and bounds within which it does."""

    name: str
    rules: Rules
    breaks: str
    model: Callable[[Rules], SlotFlip] = lambda rules: SlotFlip(TWO, rules=rules)


MUTANTS = [
    Mutant("no epoch check", Rules(admits=whatever_epoch), "what counts was decided under the grant in force"),
    Mutant("a shadow's answer admitted", Rules(admits=whoever_says_it), "what counts was decided under the grant"),
    Mutant("outcome not unique", Rules(admits=however_often), "a tick has one outcome"),
    Mutant("epoch not increased", Rules(step=same_epoch), "epochs only grow"),
    Mutant("epoch only in memory", Rules(resume=forgets_epochs), "epochs only grow"),
    Mutant("rollback restores the old epoch", Rules(step=old_epoch), "epochs only grow"),
    Mutant("grant announced before durable", Rules(grant_first=False), "a grant is durable before its first tick"),
    Mutant("no durable intent before the POST", Rules(intent_first=False), "an intent is durable before its order"),
    Mutant("blind retry with another salt", Rules(unanswered="made anew"), "one order for a tick"),
    Mutant("unknown taken for failed", Rules(unanswered="failed"), "no order is given up that the venue has"),
    Mutant("failover with sloppy watermark", Rules(may_cross=forgiving), "a slot passes only to a worker that misses"),
    Mutant("last-seen watermark", Rules(watermark=lambda worker: worker.read, mends=False), "a slot passes only to"),
    Mutant(
        "hole not mended",
        Rules(mends=False),
        "nothing counts of a worker that misses something",
        lambda rules: SlotFlip(TWO, wishes=0, rules=rules),
    ),
    Mutant("flip without catch-up", Rules(may_cross=trusting), "a slot passes only to a worker that misses nothing"),
    Mutant("unknown does not block", Rules(step=unblocked), "nothing is asked while an order is unknown"),
    Mutant("tick of a dead owner dropped", Rules(step=dropped), "every tick has its outcome"),
    Mutant("grant to a candidate that died", Rules(step=dead_or_alive), "every tick has its outcome"),
    Mutant("unanswered orders forgotten", Rules(resume=forgets_orders), "of every order all is known"),
    Mutant("ticks of an outage not owned up to", Rules(resume=forgets_ticks), "every tick has its outcome"),
    Mutant(
        "shown to a third owner",
        Rules(step=shown_on),
        "a tick that two owners died of is shown to no third",
        lambda rules: SlotFlip(DEATHS, ticks=1, sends=0, rules=rules),
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_missing_safeguard_is_caught(mutant: Mutant, record_property: Record) -> None:
    """The promise it kept is broken, and the shortest way there is told."""
    found = explore(mutant.model(mutant.rules))
    record_property("model", f"slot flip, mutant, {mutant.name}: {found.told()}")
    caught = found.broken.startswith(mutant.breaks)
    assert caught, found.story()
