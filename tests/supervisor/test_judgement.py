"""The word on the phase that runs."""

from __future__ import annotations

from kit.still_desk import R1, StillDesk, a_trading_desk

from shared import entries as e
from shared.clock import NS
from supervisor.board import NO_DECISION
from supervisor.gates import Tried
from supervisor.judgement import LOOK_S, RETRY_S, Judgement
from supervisor.plan import Plan

PLAN = Plan(expect="any", shadow_pairs=1)
SAME = Tried(12, "digest", "state", 300)


def judging() -> tuple[StillDesk, Judgement]:
    """A judgement that hears of everything a desk writes, long enough after its last look."""
    still = a_trading_desk()
    judgement = Judgement(still.desk.board)
    still.jump(1)
    return still, judgement


def pass_s(still: StillDesk, seconds: float) -> None:
    """Let real time pass for the desk's clock alone."""
    still.desk.board.mono_ns += round(seconds * NS)


def test_where_nothing_was_gathered_nothing_can_be_said() -> None:
    """Before it begins, and when what was gathered is over."""
    _, judgement = judging()
    assert (judgement.look(), judgement.gates) == ("INCONCLUSIVE", ())
    judgement.gather("w1-2", R1.release, PLAN, None)
    judgement.drop()
    assert judgement.look() == "INCONCLUSIVE"


def test_it_hears_what_the_desk_writes_and_looks_now_and_then() -> None:
    """Not at every entry: a look costs more than an entry."""
    still, judgement = judging()
    judgement.gather("w1-2", R1.release, PLAN, None)
    judgement.beat(40 * 1024)
    assert judgement.look() == "INCONCLUSIVE"
    assert judgement.saying("INCONCLUSIVE")["pairs"] == "0 of 1 paired decisions"
    still.jump(5)
    still.answer()
    owned = still.said(e.OutcomeOf)[-1]
    green = e.By("green", owned.by.parameters, owned.by.epoch, "w1-2")
    still.desk.board.write(e.Shadow(owned.slot, owned.tick, green, owned.read_seq, 50, owned.decision))
    assert judgement.look() == "PASS"
    assert judgement.look() == "INCONCLUSIVE"
    pass_s(still, LOOK_S)
    assert judgement.look() == "PASS"


def test_what_speaks_against_green_is_seen_where_no_gate_is_asked() -> None:
    """From what was gathered before, or from the guard; what passes or is open is not kept."""
    still, judgement = judging()
    assert not judgement.breached()
    judgement.gather("w1-2", R1.release, PLAN, None)
    pass_s(still, LOOK_S)
    assert (judgement.breached(), judgement.gates) == (False, ())
    still.desk.board.alarm("ledger_differs", "w1-2 on BTC/5m at 5: cash")
    assert not judgement.breached()
    pass_s(still, LOOK_S)
    assert judgement.breached()
    assert [(gate.name, gate.verdict) for gate in judgement.take()] == [("alarms", "FAIL")]


def test_the_guard_sees_every_slot_from_where_it_begins() -> None:
    """Also when the phase looks at one ring only; what fails in both is told once, and what was before counts not."""
    still, judgement = judging()
    alarm = ("ledger_differs", "w1-2 on BTC/5m at 5: cash")
    still.desk.board.alarm(*alarm)
    judgement.gather("w1-2", R1.release, PLAN, frozenset({"ETH/5m"}))
    judgement.guard("w1-2")
    assert judgement.look() == "INCONCLUSIVE"
    owner = e.By("green", "p", 2, "w1-2")
    for tick in (1, 2):
        still.desk.board.write(e.OutcomeOf("BTC/5m", tick, "SKIP", "deadline", owner, 0, 0, NO_DECISION))
    pass_s(still, LOOK_S)
    assert (judgement.look(), list(judgement.saying("FAIL"))) == ("FAIL", ["deadlines"])
    still.desk.board.alarm(*alarm)
    pass_s(still, LOOK_S)
    judgement.look()
    assert sorted(gate.name for gate in judgement.take() if gate.verdict == "FAIL") == ["alarms", "deadlines"]
    judgement.drop()
    pass_s(still, LOOK_S)
    assert not judgement.breached()


def test_the_guard_watches_the_memory_too() -> None:
    """Over its bound it fails."""
    still, judgement = judging()
    judgement.guard("w1-2")
    judgement.beat(600 * 1024)
    pass_s(still, LOOK_S)
    assert judgement.breached()
    assert list(judgement.saying("FAIL")) == ["memory"]


def test_what_the_gates_said_goes_with_the_phase_that_ends() -> None:
    """The next one begins with none."""
    _, judgement = judging()
    assert judgement.judge_trial(SAME, SAME) == "PASS"
    assert [gate.verdict for gate in judgement.take()] == ["PASS", "PASS"]
    assert judgement.take() == ()


def test_a_tape_without_a_tick_is_worth_another_try_once_a_moment() -> None:
    """Said once; a word that is clear is final."""
    still, judgement = judging()
    assert judgement.judge_trial(Tried(), Tried()) == "INCONCLUSIVE"
    assert not judgement.retry()
    pass_s(still, RETRY_S)
    assert judgement.retry()
    assert not judgement.retry()
    judgement.judge_trial(SAME, SAME)
    pass_s(still, RETRY_S)
    assert not judgement.retry()
