"""The index of any history that a simulated desk can live: its books are the desk's own after every record.

A short history is looked at wherever the index is tested; here, at night, are long ones that nobody has seen before.
"""

from __future__ import annotations

from typing import Final

import pytest
from kit.claim_lives import Life
from kit.indexes import balanced
from kit.sim import Sim

LONG_S: Final = 600
LIVES: Final = 40


@pytest.mark.nightly
@pytest.mark.seeds(fixed=2, fresh=4)
def test_every_simulated_desk_finds_its_own_books_in_its_index(seed: int) -> None:
    """In any weather, through any number of deaths, deploys and flattens."""
    sim = Sim(seed)
    sim.run(LONG_S)
    balanced(sim.disk.journal)


@pytest.mark.nightly
@pytest.mark.seeds(fixed=1, fresh=2)
def test_every_claim_is_in_the_index_as_it_is_in_the_books(seed: int) -> None:
    """Whatever is lost, late, reverted or taken back."""
    for run in range(LIVES):
        life = Life(f"index/{seed}/{run}")
        life.live()
        balanced(life.still.journal)
