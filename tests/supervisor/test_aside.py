"""A process of a release beside those that trade. That it is bounded, and swept away, the trial's tests show."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from shared.config import Gates
from shared.paths import State
from supervisor.aside import NICENESS, Aside

pytestmark = pytest.mark.system

LOWEST = 19
"""The niceness that nothing is below."""
RELEASE, LOCK = "71be04000000", "10c0c0000000"
SAYS = "import os, sys\nprint(sys.argv[1:], os.environ['PYTHONHASHSEED'])\nprint('oh', file=sys.stderr)\nsys.exit(3)\n"
NICE = "import os\nprint(os.getpriority(os.PRIO_PROCESS, 0))\n"
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


def run_nicely(state: State, output: Path, nicer: int) -> int | None:
    """Run a process on behalf of a supervisor that is nicer than we are: Linux keeps that for each thread."""

    async def run() -> int | None:
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + nicer)
        aside = Aside(state, Gates(), 60, lambda release: LOCK)
        until_s = asyncio.get_running_loop().time() + 60
        return await aside.run(RELEASE, [], output, state.root / "log", until_s=until_s)

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, run()).result()


@pytest.mark.parametrize("nicer", [0, 5, 15, 19])
def test_it_is_below_a_supervisor_that_is_nice_itself(nicer: int) -> None:
    """By as much as below any other, as far as there is room: never above it, which would not be allowed either."""
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        state, output = a_state(folder, NICE), Path(folder) / "out"
        assert run_nicely(state, output, nicer) == 0
        assert int(output.read_text()) == min(LOWEST, min(LOWEST, ours + nicer) + NICENESS)


def test_one_that_cannot_be_bounded_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine refuses: the process is ended, and reaped, before anybody hears of it."""

    def refuse(*arguments: int) -> None:
        raise PermissionError(13, "Permission denied")

    async def run(state: State) -> int | None:
        aside = Aside(state, Gates(), 60, lambda release: LOCK)
        until_s = asyncio.get_running_loop().time() + 60
        return await aside.run(RELEASE, [], state.root / "out", state.root / "log", until_s=until_s)

    before = set(psutil.Process().children())
    monkeypatch.setattr(os, "setpriority", refuse)
    with tempfile.TemporaryDirectory(prefix="fs") as folder, pytest.raises(PermissionError):
        asyncio.run(run(a_state(folder, LINGERS)))
    assert not set(psutil.Process().children()) - before


def test_one_that_is_stopped_ends_at_once() -> None:
    """Whoever waits for it is told how it ended, and goes on."""

    async def run(state: State) -> int | None:
        aside = Aside(state, Gates(), 60, lambda release: LOCK)
        files = state.root / "out", state.root / "log"
        until_s = asyncio.get_running_loop().time() + 60
        running = asyncio.create_task(aside.run(RELEASE, [], *files, until_s=until_s))
        while aside._running is None:  # noqa: ASYNC110 - nothing tells of a start
            await asyncio.sleep(0.01)
        aside.stop()
        return await running

    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        assert asyncio.run(run(a_state(folder, LINGERS))) == -9
