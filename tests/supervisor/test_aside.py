"""A process of a release beside those that trade. That it is bounded, and swept away, the trial's tests show."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import pytest

from shared.config import Gates
from shared.paths import State
from supervisor.aside import Aside

pytestmark = pytest.mark.system

RELEASE, LOCK = "71be04000000", "10c0c0000000"
SAYS = "import os, sys\nprint(sys.argv[1:], os.environ['PYTHONHASHSEED'])\nprint('oh', file=sys.stderr)\nsys.exit(3)\n"
LINGERS = "import time\ntime.sleep(600)\n"


def a_state(folder: str, body: str) -> State:
    """A state folder with a release that is nothing but a main program."""
    state = State(Path(folder) / "s")
    package = state.releases / RELEASE / "worker"
    for made in (state.environments, state.tape, package):
        made.mkdir(parents=True)
    (state.environments / LOCK).symlink_to(sys.prefix)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(body)
    return state


def test_what_it_says_and_how_it_ends_is_told() -> None:
    """Its output, its complaints, its status; with the seed of strings it was given."""

    async def run(state: State, output: Path, log: Path) -> int | None:
        aside = Aside(state, Gates(), 60, lambda release: LOCK)
        until_s = asyncio.get_running_loop().time() + 60
        return await aside.run(RELEASE, ["--x", "1"], output, log, until_s=until_s, seed="7")

    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        state, output, log = a_state(folder, SAYS), Path(folder) / "out", Path(folder) / "log"
        assert asyncio.run(run(state, output, log)) == 3
        assert (output.read_text(), log.read_text()) == ("['--x', '1'] 7\n", "oh\n")


def test_one_that_is_stopped_ends_at_once() -> None:
    """Whoever waits for it is told how it ended, and goes on."""

    async def run(state: State) -> int | None:
        aside = Aside(state, Gates(), 60, lambda release: LOCK)
        files = state.root / "out", state.root / "log"
        until_s = asyncio.get_running_loop().time() + 60
        running = asyncio.create_task(aside.run(RELEASE, [], *files, until_s=until_s))
        while aside._pidfd is None:  # noqa: ASYNC110 - nothing tells of a start
            await asyncio.sleep(0.01)
        aside.stop()
        return await running

    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        assert asyncio.run(run(a_state(folder, LINGERS))) == -9
