"""The seeds of simulated runs: some fixed, some new each time, or the one that is asked for with --sim-seed."""

from __future__ import annotations

import secrets
from typing import Final

import pytest

FRESH: Final = None
"""A seed that nobody has seen before."""
SEED_MAX: Final = 1 << 32


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each seed; with --sim-seed only that one."""
    wanted = metafunc.definition.get_closest_marker("seeds")
    if wanted is None:
        return
    given = metafunc.config.getoption("--sim-seed")
    seeds = [*range(wanted.kwargs["fixed"]), *[FRESH] * wanted.kwargs["fresh"]] if given is None else [given]
    names = [f"fresh{n}" if seed is FRESH else str(seed) for n, seed in enumerate(seeds)]
    metafunc.parametrize("seed", seeds, ids=names, indirect=True)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed of a run; it is printed, and said again by whatever breaks."""
    seed = secrets.randbelow(SEED_MAX) if request.param is FRESH else int(request.param)
    print(f"replay with: pytest tests/simulation --sim-seed {seed}")
    return seed
