"""A writer of the ledger and of snapshots is killed at its system calls, each of them: whoever comes next goes on.

The journal's own calls are killed in `test_kill_points`. Here a small process does with both what a supervisor does,
over nothing and over what another one left. It is traced first; the points are read off the trace. A pipeline looks at
points spread evenly over all of them, the night at every one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from kit.kill_points import Point, of_one_thread, point, spread
from kit.ledgers import a_ledger
from kit.releases import ROOT

from shared import entries as e
from shared.ledger import Ledger, Reader, Writer
from shared.records import Appender
from supervisor import snapshots
from supervisor.accounts import Accounts, rebuild
from supervisor.journal import JOURNAL, lines

pytestmark = pytest.mark.system
POINTS: Final = 8
"""How many points of each beginning a pipeline looks at."""
CALLS: Final = "openat,ftruncate,fstat,newfstatat,mmap,munmap,write,fsync,rename,unlink,getdents64,close,mkdir"
RECORDS, EVERY = 120, 20
CODE: Final = "code"
KILLED: Final = -9
RUN_S: Final = 300.0
"""How long a process may take that is stopped at each call, on a machine that is busy with other things."""

WRITER: Final = """
import sys
from pathlib import Path
from kit.ledgers import a_ledger
from shared.ledger import Writer
from supervisor import snapshots

name, ready, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
ledger = Writer(name)
for version, path in enumerate(sorted(ready.iterdir()), 100):
    ledger.write(a_ledger(version=version, orders=version % 7))
    print("ledger", version, flush=True)
    snapshots.write(folder, int(path.stem), path.read_bytes())
    print("snapshot", int(path.stem), flush=True)
ledger.close()
"""


@dataclass
class Scene:
    """A state of things before a run: a journal, snapshots that are ready to be kept, and a ledger's name."""

    root: Path
    name: str
    before: Ledger | None = None
    kept: int = 0
    """The newest snapshot that was there before."""
    said: dict[str, int] = field(default_factory=dict)
    """What the process had said was done when it died."""

    @property
    def folder(self) -> Path:
        return self.root / "snapshots"

    @property
    def shared(self) -> Path:
        return Path("/dev/shm", self.name)

    def run(self, at: Point | None = None) -> int:
        """Let the process write; it dies at a point, if one is named. What it ended with."""
        trace = ["strace", "-qq", f"--output={self.root / 'trace'}", f"--trace={CALLS}", *self._paths()]
        inject = [f"--inject={at.call}:signal=KILL:when={at.nth}"] if at is not None else []
        program = [sys.executable, "-c", WRITER, self.name, str(self.root / "ready"), str(self.folder)]
        environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        command = [*trace, *inject, *program]
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=RUN_S)
        assert not ran.stderr, ran.stderr
        self.said = {what: int(number) for what, number in map(str.split, ran.stdout.splitlines())}
        return ran.returncode

    def points(self) -> list[Point]:
        """Every call of the last run on what it wrote, in order."""
        return of_one_thread(self.root / "trace")

    def _paths(self) -> list[str]:
        numbers = range(EVERY, RECORDS + 1, EVERY)
        files = [self.folder / f"{number:016d}.{kind}" for number in numbers for kind in ("new", "snap")]
        return [f"--trace-path={path}" for path in (self.shared, self.folder, *files)]


@contextmanager
def a_scene(root: Path, *, over: bool) -> Iterator[Scene]:
    """Nothing but a journal; or, `over` what another left, a ledger in force and a snapshot."""
    scene = Scene(root, f"foresight-killed-{os.getpid()}")
    (root / "ready").mkdir(parents=True)
    appender, accounts = Appender(root / "journal", JOURNAL), Accounts()
    for number in range(1, RECORDS + 1):
        line = e.Line(number, number, number, 1, e.Control(number, False, "uid:0", "x" * number))
        appender.append(e.encode_line(line))
        accounts.apply(line.entry, line.at_ns)
        if number % EVERY == 0:
            data = snapshots.pack(accounts, number, appender.link, CODE)
            (root / "ready" / f"{number:016d}").write_bytes(data)
    appender.close()
    if over:
        first = min((root / "ready").iterdir())
        snapshots.write(scene.folder, int(first.stem), first.read_bytes())
        scene.before, scene.kept = a_ledger(version=1), int(first.stem)
        writer = Writer(scene.name)
        writer.write(scene.before)
        writer.close()
    try:
        yield scene
    finally:
        scene.shared.unlink(missing_ok=True)


@pytest.mark.parametrize("over", [False, True], ids=["anew", "over another's"])
def test_killed_at_a_call_on_ledger_or_snapshot_the_next_one_goes_on(
    over: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """No torn picture, no damaged snapshot, nothing that was said to be done is undone; by night at every point."""
    with a_scene(tmp_path / "traced", over=over) as scene:
        assert scene.run() == 0
        every = scene.points()
    named, seed = request.config.getoption("--kill-point"), request.config.getoption("--kill-seed")
    wanted = len(every) if request.config.getoption("--run-nightly") else POINTS
    chosen = list(map(point, named)) or spread(every, wanted, seed)
    print(f"{len(every)} points, seed {seed}: {', '.join(map(str, chosen))}")
    assert {"mmap", "write", "fsync", "rename", *(() if over else ("ftruncate",))} <= {at.call for at in every}
    for number, at in enumerate(chosen):
        with a_scene(tmp_path / f"killed-{number}", over=over) as scene:
            assert scene.run(at) == KILLED, f"{at} was not reached"
            survived(scene, at)


def survived(scene: Scene, at: Point) -> None:
    """What the dead process left is whole, and its heir goes on with it."""
    if scene.before is not None or "ledger" in scene.said:
        reader = Reader(scene.name)
        picture = reader.read()
        reader.close()
        assert picture in {scene.before, a_ledger(version=picture.version, orders=picture.version % 7)}, at
        assert picture.version >= scene.said.get("ledger", 0), at
    heir = Writer(scene.name)
    heir.write(a_ledger(version=999))
    assert Reader(scene.name).read() == a_ledger(version=999), at
    heir.close()
    found = snapshots.recover(scene.root / "journal", scene.folder, CODE)
    assert (found.damaged, found.left_out) == ((), ()), at
    assert found.snapshot >= max(scene.kept, scene.said.get("snapshot", 0)), at
    assert vars(found.accounts) == vars(rebuild(lines(scene.root / "journal"))), at
    last = max((scene.root / "ready").iterdir())
    snapshots.write(scene.folder, int(last.stem), last.read_bytes())
    assert not list(scene.folder.glob("*.new")), at
