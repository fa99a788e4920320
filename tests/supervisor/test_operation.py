"""An operation as people and the journal see it."""

from __future__ import annotations

from kit.still_desk import BTC, R1, R2, StillDesk, a_trading_desk

from shared import entries as e
from supervisor.gates import Gate, Tried
from supervisor.operation import Told, from_journal
from supervisor.plan import Plan


def tried_and_flipped() -> StillDesk:
    """A deploy with a trial, whose only slot has crossed."""
    still = a_trading_desk()
    green = still.deploy(plan=Plan(trial=True))
    still.jump(0.2)
    still.employ(green)
    still.jump(0.3)
    same = Tried(12, "d", "s", 300)
    still.do(still.desk.operations.on_trial, "op1", same, same)
    return still


def steps(still: StillDesk) -> list[e.Step]:
    """What the journal says of the deploy, phase by phase."""
    return [step for step in still.said(e.Step) if step.op == "op1"]


def test_each_transition_is_one_step_in_the_journal() -> None:
    """The first has the plan and the rings; each says how long the phase before it took."""
    still = tried_and_flipped()
    assert [(step.phase, step.took_ms) for step in steps(still)] == [
        *(("spawning", 0), ("warming", 200), ("trial", 0), ("flipping", 300), ("attesting", 0)),
    ]
    first = steps(still)[0].detail
    assert (first["rings"], first["plan"]["trial"]) == ([[BTC]], True)
    assert steps(still)[1].detail["loaded"]["worker.strategy"] == ["digest 2", 900]


def test_what_the_gates_said_is_written_with_the_phase_they_ended() -> None:
    """And stands in the boundary record of every slot that moved on their word."""
    still = tried_and_flipped()
    gates = steps(still)[3].detail["gates"]
    assert [gate["verdict"] for gate in gates] == ["PASS", "PASS"]
    assert [(told.phase, told.ring) for told in still.operation().told] == [("trial", 1)] * 2
    boundary = still.said(e.Boundary)[-1]
    assert boundary.evidence == still.operation().evidence
    assert boundary.evidence[0].startswith("trial repeats PASS: 12 ticks replayed twice")
    assert boundary.loaded == {"worker.strategy": ("digest 2", 900)}
    assert boundary.ring == 1


def test_evidence_is_a_line_a_gate() -> None:
    """Phase, name, verdict, words."""
    still = tried_and_flipped()
    still.operation().told = [Told("baking", 2, Gate("time", "FAIL", "9 s of 15 s"))]
    assert still.operation().evidence == ("baking time FAIL: 9 s of 15 s",)


def test_an_operation_of_an_earlier_reign_is_known_by_its_end() -> None:
    """Left open by a restart, it was put back; what people are told comes from the journal alone."""
    still = tried_and_flipped()
    still.restart()
    told = from_journal("op1", still.accounts.operations["op1"])
    assert (told.result, told.green, told.blue, told.flips) == ("ROLLED_BACK", R2.release, R1.release, 1)
    assert told.fault == "the supervisor was restarted while it ran"
