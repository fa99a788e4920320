"""The whole desk on a made-up clock, seeded. A failing seed is printed, and replays."""

import pytest
from kit.sim import Faults, Sim

CALM = Faults()
BUSY = Faults(operator_acts=0.3)
ROUGH = Faults(
    worker_dies=0.02,
    worker_stalls=0.01,
    answer_lost=0.05,
    refused=0.05,
    settlement_fails=0.05,
    repeated=0.2,
    supervisor_dies=0.008,
    feed_drops=0.01,
    operator_acts=0.08,
)


@pytest.mark.parametrize("seed", range(4))
def test_a_calm_day_skips_nothing(seed: int) -> None:
    """Every tick of every window decided, none twice; our book is the venue's."""
    sim = Sim(seed, CALM)
    sim.run(900)
    skipped = [outcome for outcome in sim.outcomes.values() if outcome.kind == "SKIP"]
    assert skipped == []
    assert sim.ticks > 500


@pytest.mark.parametrize("seed", range(6))
def test_deploys_cost_no_tick(seed: int) -> None:
    """Release after release takes over, some aborted half way: nothing skipped, every operation ends."""
    sim = Sim(seed, BUSY)
    sim.run(600)
    assert [outcome for outcome in sim.outcomes.values() if outcome.kind == "SKIP"] == []
    assert sim.flips > 20
    assert set(sim.operations.values()) <= {"OK", "ABORTED", "ROLLED_BACK"}


@pytest.mark.parametrize("seed", range(12))
def test_promises_hold_when_everything_goes_wrong(seed: int) -> None:
    """Workers die and stall, answers are lost, settlements fail, the supervisor is killed, people deploy throughout."""
    sim = Sim(seed, ROUGH)
    sim.run(900)
    assert sim.reigns > 1
