"""A second worker of the active release follows in the shadow: when the owner dies, hangs or is replaced, it is there.

The figures come from the journal's own stamps and are told; what is asserted is how they compare, not how fast this
machine is today.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import psutil
import pytest
from kit.desks import STOOD_STILL, TWO_ASSETS, UNHURRIED, Desk, a_desk, ended, eventually, stopped

from shared import entries as e
from shared.clock import NS

pytestmark = pytest.mark.system
SETTINGS: Final = f"{TWO_ASSETS}[deploy]\nstandby = true\n[ticks]\nfast_ms = 5000\n"
"""At twenty times the speed a slot is asked four times a second: enough of them, and so few that what waits for an
owner is not dropped for its number."""
PATIENT: Final = f"{TWO_ASSETS}{UNHURRIED}".replace("[deploy]\n", "[deploy]\nstandby = true\n").replace(
    "[ticks]\n", "[ticks]\nfast_ms = 5000\n"
)
"""Where no limit is tried, a worker that is starved for a while shall not look like one that hangs."""
STARVED: Final = STOOD_STILL - {"deadline"}
"""Skips of a machine that is too busy for so fast a market, whoever owns the slot. A deadline is the owner's own."""
READY_S: Final = 60.0
"""How long a standby may take to come on a machine that is busy with other things."""
TAKEN_OVER_S: Final = 1.0
"""A standby takes over within this at the very most; milliseconds are expected."""
TIMES_FASTER: Final = 3
"""By how much taking over beats starting again."""


def test_the_standby_of_an_owner_that_is_killed_takes_over_at_once() -> None:
    """No tick is skipped; and it takes a small part of the time that it takes when there is nobody to follow."""
    with a_desk(settings=PATIENT) as desk:
        owner, standby = both(desk)
        since = desk.lines()[-1].n
        process(desk, owner).kill()
        taken_over_s = taken_after_s(desk, owner, since)
        eventually(lambda: owners(desk) == {standby}, "the standby to own every slot")
        assert both(desk)[0] == standby
        assert {reason for reason, _ in skipped(desk, since)} <= STARVED
        owner, standby = both(desk)
        since, last = desk.lines()[-1].n, [process(desk, uid) for uid in (standby, owner)]
        with stopped(desk.supervisor):  # it hears of both deaths at once, and starts nobody between them
            for worker in last:
                worker.kill()
            eventually(lambda: all(map(ended, last)), "both deaths")
        replaced_s = taken_after_s(desk, owner, since, {owner, standby})
        print(f"taken over in {taken_over_s * 1_000:.1f} ms, replaced in {replaced_s * 1_000:.1f} ms")
        assert taken_over_s < min(TAKEN_OVER_S, replaced_s / TIMES_FASTER)
        desk.until_decided()
        verdict = desk.judged()
    assert verdict.skip_reasons.keys() <= {"no_owner", "owner_dead"} | STARVED


def test_the_standby_of_an_owner_that_hangs_takes_over_at_its_second_missed_deadline() -> None:
    """The first one costs each slot a tick at most; the tick of the second is the standby's, as are all that waited."""
    with a_desk(settings=SETTINGS) as desk:
        owner, standby = both(desk)
        since, hanging = desk.lines()[-1].n, process(desk, owner)
        with stopped(hanging):
            taken_over_s = taken_after_s(desk, owner, since)
            eventually(lambda: ended(hanging), "its end")
        print(f"fenced, and taken over {taken_over_s * 1_000:.1f} ms later")
        lost = next(entry for entry in desk.said_by(e.Worker) if (entry.uid, entry.event) == (owner, "lost"))
        assert "missed 2 deadlines in a row" in lost.detail
        eventually(lambda: owners(desk) == {standby}, "the standby to own every slot")
        assert taken_over_s < TAKEN_OVER_S
        missed = [(reason, slot) for reason, slot in skipped(desk, since) if reason not in STARVED - {"late"}]
        assert {reason for reason, _ in missed} == {"deadline"}
        assert len(missed) == len({slot for _, slot in missed})
        desk.until_decided()
        desk.judged()


def test_a_release_whose_owner_and_standby_die_of_the_same_is_taken_back_by_the_desk_itself() -> None:
    """Nobody has to be awake: the second death of one cause names the release, and the one before it trades again."""
    with a_desk(settings=PATIENT) as desk:
        blue = desk.ask("status").data["release"]["hash"]
        code, reply = desk.deploy(desk.release("crashes_on_tick(1, 'told')"))
        assert code == 0, reply
        poisoned = reply["data"]["green"]
        told = [desk.state.workers / uid for uid in both(desk)]
        for folder in reversed(told):
            (folder / "go").touch()
        desk.until(lambda s: s["release"]["hash"] == blue and not s["operation"], "the release before", READY_S)
        alarm = next(alarm for alarm in desk.said_by(e.Alarm) if alarm.name == "poison")
        assert poisoned in alarm.detail
        assert "cannot bear a live market" in alarm.detail
        back = [boundary for boundary in desk.said_by(e.Boundary) if boundary.op.startswith("poison-")]
        assert {boundary.slot for boundary in back} == {slot["slot"] for slot in desk.ask("slots").data}
        assert {(boundary.actor, boundary.now.release) for boundary in back} == {("supervisor", blue)}
        desk.until_decided()
        verdict = desk.judged()
    assert verdict.skip_reasons.keys() <= {"owner_dead", "no_owner"} | STARVED


def test_a_worker_that_trails_goes_on_in_the_shadow_and_is_there_for_a_rollback() -> None:
    """Its release was retired and its process was not: it decides on, unheeded, and a rollback starts nobody."""
    with a_desk(settings=PATIENT) as desk:
        old, _ = both(desk)
        code, reply = desk.deploy(desk.release("takes_its_time()"), "--trail", "12h")
        assert code == 0, reply
        assert uid_of(desk, "trailing") == old
        since = both(desk) and desk.lines()[-1].n
        eventually(lambda: shadows(desk, old, since) >= 10, "its decisions in the shadow")
        code, reply = desk.ctl("rollback")
        assert code == 0, reply
        passed = [line for line in desk.lines(e.Boundary) if line.entry.op == reply["op"]]  # type: ignore[union-attr]
        begun = next(line for line in desk.lines(e.Step) if line.entry.op == reply["op"])  # type: ignore[union-attr]
        print(f"every slot was back after {(passed[-1].wall_ns - begun.wall_ns) / 1_000_000:.1f} ms")
        started = [line for line in desk.lines(e.Worker) if begun.n < line.n < passed[-1].n]
        assert not [line for line in started if line.entry.event == "spawned"]  # type: ignore[union-attr]
        assert uid_of(desk, "blue") == old
        desk.until_decided()
        verdict = desk.judged()
    assert verdict.skip_reasons.keys() <= STARVED
    assert verdict.flips == 2 * 4


def both(desk: Desk) -> tuple[str, str]:
    """The owner and its standby, when that is ready to follow."""

    def ready(status: dict[str, object]) -> bool:
        workers: list[dict[str, object]] = status["workers"]  # type: ignore[assignment]
        return {"blue", "standby"} <= {worker["part"] for worker in workers if worker["stage"] == "ready"}

    desk.until(ready, "a standby", READY_S)
    return uid_of(desk, "blue"), uid_of(desk, "standby")


def uid_of(desk: Desk, part: str) -> str:
    """Who has a part."""
    workers = desk.ask("status").data["workers"]
    return str(next(worker["uid"] for worker in workers if worker["part"] == part))


def process(desk: Desk, uid: str) -> psutil.Process:
    """A worker's process."""
    workers = desk.ask("status").data["workers"]
    return psutil.Process(next(worker["pid"] for worker in workers if worker["uid"] == uid))


def owners(desk: Desk) -> set[str]:
    """Who owns slots: from the moment on that the grant is on the disk, a little after it stands in the journal."""
    return {slot["owner"] for slot in desk.ask("slots").data}


def taken_after_s(desk: Desk, lost: str, since: int, dead: Collection[str] = ()) -> float:
    """Wait until every slot has another owner; how long after its loss the last one had.

    Args: dead: who is gone as well and may be granted a slot in the moment before that is noticed.
    """
    slots = len(desk.ask("slots").data)

    def stamps() -> tuple[list[int], dict[str, int]]:
        lines = [line for line in desk.lines(e.Worker, e.Grant) if line.n > since]
        deaths = [line.wall_ns for line in lines if isinstance(line.entry, e.Worker) and is_loss(line.entry, lost)]
        granted = [(line.entry, line.wall_ns) for line in lines if isinstance(line.entry, e.Grant)]
        return deaths, {grant.slot: wall_ns for grant, wall_ns in granted if grant.uid not in dead}

    eventually(lambda: len(stamps()[1]) == slots, "a grant for every slot", READY_S)
    deaths, grants = stamps()
    return (max(grants.values()) - deaths[0]) / NS


def is_loss(entry: e.Worker, uid: str) -> bool:
    """Whether it says that this worker was lost."""
    return (entry.uid, entry.event) == (uid, "lost")


def skipped(desk: Desk, since: int) -> list[tuple[str, str]]:
    """Reason and slot of every tick that was skipped after a line of the journal."""
    outcomes = [line.entry for line in desk.lines(e.OutcomeOf) if line.n > since]
    return [(said.reason, said.slot) for said in outcomes if isinstance(said, e.OutcomeOf) and said.kind == "SKIP"]


def shadows(desk: Desk, uid: str, since: int) -> int:
    """How often a worker decided in the shadow after a line of the journal."""
    said = [line.entry for line in desk.lines(e.Shadow) if line.n > since]
    return sum(isinstance(shadow, e.Shadow) and shadow.by.uid == uid for shadow in said)
