"""Cells and results for tests of sweeps that replay nothing, and a process that says what it is told to say.

And a sweep that is held in the middle, so that it has not ended by the time a test interrupts it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.analysis.replay import Job, Result
from deploy.analysis.sweep.cells import Cell, Release, Stretch
from deploy.analysis.sweep.grid import Point
from deploy.analysis.sweep.tasks import Done, Task

R1: Final = Release("r1 aaaa", "a" * 12, "releases/a")
R2: Final = Release("r2 bbbb", "b" * 12, "releases/b")


def a_stretch(day: int = 1, **changes: Any) -> Stretch:
    """A day of November."""
    usual = {"at": f"2026-11-{day:02}", "content": f"{day:032x}", "from_seq": 1, "to_seq": 90, "folder": "tape"}
    return Stretch(**({**usual, "until_seq": 100} | changes))


def a_cell(point: Point | None = None, release: Release = R1, day: int = 1, **changes: Any) -> Cell:
    """One cell."""
    usual: Mapping[str, Any] = {"fills": "rehearsal", "seed": 1, "engine": "e" * 12}
    return Cell(release, point or {}, a_stretch(day), **{**usual, **changes})


def a_result(net_micro: int = 0, **changes: Any) -> Result:
    """What came of a cell: so much, in ten windows."""
    usual = {"ticks": 10, "frames": 20, "decisions": "d", "state": "s", "windows": 10, "traded": 5, "wins": 3}
    return Result(**(usual | {"net_micro": net_micro, "gross_micro": net_micro} | changes))


def done(net_micro: int = 0, *nets: int, **changes: Any) -> Done:
    """A cell that was replayed."""
    return Done(a_result(net_micro, **changes), nets)


def a_task(name: str, **parameters: Any) -> Task:
    """A task for a hand of `a_hand`."""
    return Task(name, Job(release="", tape="", parameters=parameters))


def a_hand(lines: str) -> list[str]:
    """A process as a pool starts it, in whose loop `task` is a task's JSON; `answer` says that a cell is done."""
    program = f"""
import json, os, signal, sys, time
def answer(net_micro=0, **more):
    result = dict(ticks=1, frames=1, decisions="", state="", net_micro=net_micro)
    print(json.dumps({{"cell": task["cell"], "done": {{"result": result}}, **more}}), flush=True)
for line in sys.stdin:
    task = json.loads(line)
    parameters = task["job"]["parameters"]
    {lines}
"""
    return [sys.executable, "-c", program]


_HELD: Final = """
import sys, time
from pathlib import Path
from deploy.analysis.sweep import cluster, pool
from deploy.foresight import main
gates, kept = Path(sys.argv.pop(1)), 0
def held(heard):
    def hear(self):
        global kept
        for answer in heard(self):
            yield answer
            kept += 1
            while not (gates / str(kept)).exists():
                time.sleep(0.01)
    return hear
for kind in (cluster.Cluster, pool.Pool):
    kind._heard = held(kind._heard)
main()
"""


def a_held_sweep(gates: Path, *arguments: str) -> list[str]:
    """`foresight sweep` that goes no further once a cell is kept, until the file of its number is in a folder: 1, 2."""
    return [sys.executable, "-c", _HELD, str(gates), "sweep", *arguments]
