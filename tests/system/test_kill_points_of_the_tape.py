"""Whoever tends the tape is killed at its system calls, each of them: every record stays, and the next run goes on.

The process is traced first; the points are read off the trace. A pipeline looks at points spread evenly over all of
them, the night at every one.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from kit.kill_points import Point, of_one_thread, point, spread
from kit.releases import ROOT
from kit.tapes import Market, Stream

from deploy.analysis.tapes import check
from shared.records import PACKED, read, segments
from shared.tape_index import KIND, pruned
from worker.tape import Tape

pytestmark = pytest.mark.system
POINTS: Final = 10
"""How many points a pipeline looks at."""
CALLS: Final = "openat,write,fsync,rename,unlink,getdents64,flock,ftruncate"
POLICY: Final = ("60", str(241 / 86_400), "1000")
"""A minute stays plain, four are kept: of eight segments some go, some are packed, some stay."""
KILLED: Final = -9
RUN_S: Final = 300.0
"""How long a process may take that is stopped at each call, on a machine that is busy with other things."""


@dataclass
class Scene:
    """A tape as a desk leaves it, in a folder of its own."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "tape"

    def run(self, at: Point | None = None) -> int:
        """Let it be tended; the process dies at a point, if one is named. What it ended with."""
        numbers = [int(path.stem) for path in segments(self.folder)]
        kinds = ("seg", "segz", "segz.new", "idx", "idx.new")
        paths = [self.folder / f"{number:016d}.{kind}" for number in numbers for kind in kinds]
        paths += [self.folder, *(self.folder / name for name in ("pruned.json", "pruned.json.new", ".tending"))]
        trace = ["strace", "-qq", f"--output={self.root / 'trace'}", f"--trace={CALLS}"]
        inject = [f"--inject={at.call}:signal=KILL:when={at.nth}"] if at is not None else []
        program = [sys.executable, "-m", "supervisor.tending", str(self.folder), *POLICY]
        command = [*trace, *(f"--trace-path={path}" for path in paths), *inject, *program]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=RUN_S)
        assert not ran.stderr, ran.stderr
        return ran.returncode

    def points(self) -> list[Point]:
        """Every call of the last run on the tape, in order."""
        return of_one_thread(self.root / "trace")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight minutes of a lane, a segment each minute."""
    folder = tmp_path_factory.mktemp("desk") / "tape"
    Market(Stream(folder, segment_keyframes=1), slots=("BTC/5m",)).run(480)
    return folder


def a_scene(made: Path, root: Path) -> Scene:
    """A copy of it."""
    scene = Scene(root)
    scene.folder.mkdir(parents=True)
    for path in made.iterdir():
        (scene.folder / path.name).write_bytes(path.read_bytes())
    return scene


def test_killed_at_a_call_on_the_tape_nothing_is_lost_and_the_next_run_goes_on(
    made: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Readable right after, as one chain without holes; after the next run as if nothing had happened."""
    scene = a_scene(made, tmp_path / "traced")
    assert scene.run() == 0
    every, wanted = scene.points(), kept(scene.folder)
    named, seed = request.config.getoption("--kill-point"), request.config.getoption("--kill-seed")
    count = len(every) if request.config.getoption("--run-nightly") else POINTS
    chosen = list(map(point, named)) or spread(every, count, seed)
    print(f"{len(every)} points, seed {seed}: {', '.join(map(str, chosen))}")
    assert {"openat", "write", "fsync", "rename", "unlink"} <= {at.call for at in every}
    before = list(read(made, KIND))
    for number, at in enumerate(chosen):
        scene = a_scene(made, tmp_path / f"killed-{number}")
        assert scene.run(at) == KILLED, f"{at} was not reached"
        survived(scene, at, before)
        assert scene.run() == 0, at
        assert kept(scene.folder) == wanted, at


def survived(scene: Scene, at: Point, before: list[tuple[int, bytes]]) -> None:
    """All that was not said to be pruned can be read, by everybody who reads tapes."""
    said = pruned(scene.folder)
    left = list(read(scene.folder, KIND))
    assert left == before[len(before) - len(left) :], at
    assert left[0][0] <= (said.to_record if said is not None else 0) + 1, at
    assert check(scene.folder).sound, at
    assert len(list(Tape(segments(scene.folder)[0]).more())) == len(left), at


def kept(folder: Path) -> tuple[list[str], list[str]]:
    """The segments of a tape with their forms, and what else is there."""
    forms = [path.name for path in segments(folder)]
    assert {PACKED, ".seg"} == {Path(name).suffix for name in forms}
    return forms, sorted(path.name for path in folder.iterdir() if path.name not in forms)
