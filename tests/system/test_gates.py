"""Gates on a real desk: what it has just recorded decides whether a release may trade, and anybody can check it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.desks import SPEED, Desk, a_desk
from kit.releases import BUSY

from shared import entries as e
from shared.config import Deploy, Gates
from supervisor.comparing import Comparison
from supervisor.gates import shadow_gates
from supervisor.watch import Watched

pytestmark = pytest.mark.system
DICE = """

import os

_inner = decide


def decide(view, tick):
    decision = _inner(view, tick)
    return Decision(decision.intents, {**decision.reasons, "dice": os.urandom(4).hex()})
"""


def dicing(desk: Desk) -> Path:
    """A strategy that throws dice, and tells of them where nobody would notice."""
    strategy = desk.root / "dicing.py"
    strategy.write_text(BUSY.read_text() + DICE)
    return strategy


def test_a_release_that_does_not_repeat_itself_is_rejected_before_it_trades() -> None:
    """The operator is told the first tick on which it contradicts itself; one that does repeat itself goes on."""
    with a_desk(careful=True, unhurried=True) as desk:
        blue, first = desk.worker(), desk.ask("status").data["release"]["hash"]
        desk.until_open()
        *_, (code, reply, _, _) = desk.tries(desk.release(strategy=dicing(desk)))
        assert (code, reply["code"]) == (10, "REJECTED"), reply
        assert "two replays of the same tape differ at " in reply["message"]
        assert desk.worker().pid == blue.pid
        assert {boundary.now.release for boundary in desk.said_by(e.Boundary)} == {first}
        *_, (code, reply, _, _) = desk.tries(desk.release("takes_its_time()"))
        assert code == 0, reply
        desk.judged()
        assert sum(boundary.op == reply["op"] for boundary in desk.said_by(e.Boundary)) == 4


def moment_ns(line: e.Line) -> int:
    """The moment of the turn in which it came true, real nanoseconds: it may have been written down later than that."""
    return line.at_ns // int(SPEED)


def test_what_the_gates_said_can_be_computed_from_the_journal_again() -> None:
    """To the word: the entries between two steps of a deploy are all that its shadow was judged by, save its memory."""
    with a_desk(careful=True) as desk:
        desk.until_open()
        *_, (code, reply, _, _) = desk.tries(desk.release("takes_its_time()"))
        assert code == 0, reply
        lines = desk.lines()
    said = [(n, line.entry) for n, line in enumerate(lines) if isinstance(line.entry, e.Step)]
    steps = [(n, step) for n, step in said if step.op == reply["op"]]
    at, (began, step) = next((n, found) for n, found in enumerate(steps) if found[1].phase == "shadow")
    ended, judged = steps[at + 1]
    seen = lines[began + 1 : ended]
    green = next(
        x.entry.by for x in seen if isinstance(x.entry, e.Shadow) and x.entry.by.release == judged.detail["green"]
    )
    comparison = Comparison(green.uid, step.detail["blue"], Gates())
    for line in seen:
        comparison.see(line.entry, moment_ns(line))
    summary = comparison.summary(moment_ns(lines[ended]))
    again = shadow_gates(summary, Watched(), Deploy().expect, Deploy().shadow_pairs, Gates())
    told = {gate["name"]: gate for gate in judged.detail["gates"]}
    words = {gate.name: (gate.verdict, gate.words) for gate in again if gate.name != "memory"}
    assert {name: (told[name]["verdict"], told[name]["words"]) for name in words} == words
    assert summary.pairs >= Deploy().shadow_pairs
