"""What is known of green's work in one phase."""

from __future__ import annotations

import msgspec

from shared import entries as e
from shared import messages as m
from shared import wire
from shared.clock import NS
from shared.config import Gates
from supervisor.evidence import Evidence
from supervisor.gates import Verdict, worst
from supervisor.plan import Plan

GREEN, BLUE = e.By("green", "p", 2, "w1-3"), e.By("blue", "p", 1, "w1-1")
PLAN = Plan(shadow_pairs=5, bake_s=10.0)
HOLD = msgspec.Raw(wire.encode(m.Decision((), {})))


def evidence(slots: frozenset[str] | None = None, **plan: object) -> Evidence:
    """Fresh evidence of a phase: the shadow, or the bake of these slots."""
    wanted = msgspec.structs.replace(PLAN, **plan)
    gathered = Evidence(GREEN.uid, BLUE.release, wanted, Gates(), slots, 0, 0)
    gathered.beat(40 * 1024, 0)
    return gathered


def decide(gathered: Evidence, owner: e.By, shadow: e.By, ticks: range, slot: str = "BTC/5m") -> None:
    """Both decide on these ticks; one of them owns the slot."""
    for tick in ticks:
        gathered.see(e.OutcomeOf(slot, tick, "HOLD", "", owner, tick, 50, HOLD), 0)
        gathered.see(e.Shadow(slot, tick, shadow, tick, 50, HOLD), 0)


def said(gathered: Evidence, at_s: float = 10) -> dict[str, Verdict]:
    """Each gate's verdict."""
    return {gate.name: gate.verdict for gate in gathered.gates(round(at_s * NS), round(at_s * NS))}


def test_a_shadow_passes_when_enough_ticks_were_decided_alike() -> None:
    """One pair short is inconclusive."""
    gathered = evidence()
    decide(gathered, BLUE, GREEN, range(1, 5))
    assert said(gathered)["pairs"] == "INCONCLUSIVE"
    decide(gathered, BLUE, GREEN, range(5, 6))
    assert worst(gathered.gates(0, 0)) == "PASS"


def test_a_bake_looks_at_its_ring_for_its_time() -> None:
    """Ticks of other slots are nobody's evidence."""
    gathered = evidence(frozenset({"ETH/5m"}))
    decide(gathered, GREEN, BLUE, range(1, 9))
    assert said(gathered)["ticks"] == "INCONCLUSIVE"
    decide(gathered, GREEN, BLUE, range(1, 9), "ETH/5m")
    assert said(gathered, 9.9)["time"] == "INCONCLUSIVE"
    assert worst(gathered.gates(10 * NS, 0)) == "PASS"


def test_an_alarm_about_the_candidate_ends_a_bake_at_once() -> None:
    """No averaging over what it did well before."""
    gathered = evidence(frozenset({"BTC/5m"}))
    decide(gathered, GREEN, BLUE, range(1, 9))
    gathered.see(e.Alarm("ledger_differs", f"{GREEN.uid} on BTC/5m at 8: cash"), 0)
    assert worst(gathered.gates(0, 0)) == "FAIL"


def test_memory_is_watched_too() -> None:
    """Over its bound it fails."""
    gathered = evidence()
    decide(gathered, BLUE, GREEN, range(1, 9))
    gathered.beat(600 * 1024, NS)
    assert "FAIL" in said(gathered).values()
