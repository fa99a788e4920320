"""The whole desk on a made-up clock, seeded. A failing seed is printed, and replays with --sim-seed."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from kit.invariants import CHECKS, KEPT_ELSEWHERE
from kit.sim import Sim
from kit.tally import faults, tally
from kit.weather import BUSY, CALM, ROUGH

from shared.entries import encode_line

ROOT: Final = Path(__file__).resolve().parents[2]
CALM_S, BUSY_S, ROUGH_S = 420, 90, 180
"""Market seconds of one run."""
FIXED_BUSY: Final = 2
TUNED: Final = replace(BUSY, people_act=0.2, people_tune=0.9)
TUNED_S: Final = 300
VERSIONS: Final = 100
ROUGH_SEEDS: Final = 14
"""Runs that together go through everything."""
NIGHT_S: Final = 600
NIGHT_TICKS: Final = 1_000_000
NIGHT_FLIPS: Final = 10_000
NIGHT_RUNS_MAX: Final = 1_000


@pytest.mark.seeds(fixed=1, fresh=1)
def test_a_calm_day_skips_nothing(seed: int) -> None:
    """Every tick of every window decided, none twice; our book is the venue's."""
    sim = Sim(seed, CALM)
    sim.run(CALM_S)
    assert sim.audit.ticks > 20
    assert not [outcome for outcome in sim.audit.record.outcomes.values() if outcome.kind == "SKIP"]


@pytest.mark.seeds(fixed=FIXED_BUSY, fresh=2)
def test_deploys_cost_no_tick(seed: int) -> None:
    """Release after release takes over, some aborted half way: nothing skipped, every operation ends."""
    sim = Sim(seed, BUSY)
    sim.run(BUSY_S)
    assert not [outcome for outcome in sim.audit.record.outcomes.values() if outcome.kind == "SKIP"]
    ends = Counter(sim.audit.record.ends.values())
    assert ends.keys() <= {"OK", "ABORTED", "ROLLED_BACK", "NO_BOUNDARY", "GATE_FAILED", "REJECTED"}
    chosen = seed >= FIXED_BUSY  # its settings may let few slots pass, or no second release come as far as a flip
    assert ends["OK"] and (chosen or sim.audit.flips > 5)


@pytest.mark.seeds(fixed=1, fresh=1)
def test_parameters_cost_no_tick(seed: int) -> None:
    """A hundred versions, one after the other, while releases take over: nothing skipped, each change is over."""
    sim = Sim(seed, TUNED)
    sim.run(TUNED_S)
    assert sim.audit.record.version > VERSIONS
    assert not [outcome for outcome in sim.audit.record.outcomes.values() if outcome.kind == "SKIP"]
    assert len(sim.audit.record.sets) > VERSIONS // 4


@pytest.mark.seeds(fixed=4, fresh=3)
def test_promises_hold_when_everything_goes_wrong(seed: int) -> None:
    """Workers, supervisor and power fail, answers and frames are lost, releases are bad, people deploy throughout."""
    sim = Sim(seed, ROUGH)
    sim.run(ROUGH_S)
    assert sim.audit.ticks > 20 or not sim.audit.record.active  # its first release may not start


@pytest.mark.seeds(fixed=2, fresh=4)
def test_promises_hold_in_any_weather(seed: int) -> None:
    """Some kinds of faults left out, others often: what one of them hides is seen when it is missing."""
    sim = Sim(seed)
    sim.run(NIGHT_S)
    assert sim.audit.ticks > 20 or not sim.audit.record.active  # its first release may not start


def test_everything_goes_wrong_at_least_once() -> None:
    """What a rough day is for: each way to skip, to refuse, to end an operation, to lose and to find an order again."""
    seen: Counter[str] = Counter()
    for seed in range(ROUGH_SEEDS):
        sim = Sim(seed, ROUGH)
        sim.run(ROUGH_S)
        seen += tally(sim.disk.journal)
        seen["stale"] += sim.audit.refused
    missing = {
        *("skip deadline", "skip no_owner", "skip outage", "skip unknown_order"),
        *("refused stale_epoch", "refused not_outstanding", "refused no_such_worker", "refused hole_in_stream"),
        *("operation OK", "operation ABORTED", "operation GATE_FAILED", "operation ROLLED_BACK"),
        *("place unknown", "lookup closed", "lookup open", "cancel canceled", "fill CONFIRMED", "fill FAILED"),
        *("worker lost", "worker retired", "alarm hole", "gap market", "gap user", "gap prices", "gap tape"),
        *("resolved", "shadow", "alarm tape_unavailable", "retuned", "worker parameters"),
    } - set(seen)
    assert not missing
    assert faults(seen, ROUGH_SEEDS) > 1_000
    assert seen["term"] > 2 * ROUGH_SEEDS and seen["stale"] > 100


def test_every_invariant_has_its_check() -> None:
    """I1 to I18 are looked at after every step, or a test is named that keeps what cannot be seen here."""
    looked_at = {name.split()[0] for name, _, _ in CHECKS}
    assert {f"I{number}" for number in range(1, 19)} <= looked_at | {*KEPT_ELSEWHERE}
    assert all((ROOT / test).is_file() for test in KEPT_ELSEWHERE.values())
    assert all(check.__doc__ for _, _, check in CHECKS)


def _digest(seed: int) -> str:
    sim = Sim(seed)
    sim.run(60)
    return sha256(b"".join(encode_line(line) for line in sim.disk.journal)).hexdigest()


def test_a_seed_replays_to_the_byte() -> None:
    """In another process, whose hashes are salted differently, the same seed writes the same journal."""
    code = "from simulation.test_desk import _digest; print(_digest(7))"
    environment = {"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}", "PYTHONHASHSEED": "7"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == _digest(7)


@pytest.mark.nightly
@pytest.mark.seeds(fixed=0, fresh=1)
def test_a_million_ticks_and_ten_thousand_flips(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Run after run, each in its own weather, until there were enough; what they went through is printed."""
    seen, ticks, flips, runs = Counter[str](), 0, 0, 0
    for runs in range(1, NIGHT_RUNS_MAX + 1):
        sim = Sim(seed + runs - 1)
        sim.run(NIGHT_S)
        seen += tally(sim.disk.journal)
        ticks, flips = ticks + sim.audit.ticks, flips + sim.audit.flips
        if ticks >= NIGHT_TICKS and flips >= NIGHT_FLIPS:
            break
    with capsys.disabled():
        print(f"\n{runs} runs from seed {seed} on: {ticks:,} ticks, {flips:,} flips, {faults(seen, runs):,} faults")
        print("\n".join(f"{number:>9} {name}" for name, number in sorted(seen.items())))
    assert ticks >= NIGHT_TICKS and flips >= NIGHT_FLIPS
