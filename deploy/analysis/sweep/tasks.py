"""What a process that replays is told, and what it answers: one JSON line each.

Pure. What always holds: an answer names its cell, and has what came of it or says why there is nothing.
"""

from __future__ import annotations

import msgspec

from deploy.analysis.replay import Job, Result
from deploy.analysis.sweep.cells import Cell


class Task(msgspec.Struct, frozen=True):
    """One cell to be replayed, its release and tape where they are on the machine that does it."""

    cell: str
    job: Job


class Done(msgspec.Struct, frozen=True):
    """A cell that was replayed. `nets`: what each window in which something had filled earned, fees off, in order."""

    result: Result
    nets: tuple[int, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What came of a cell. `fault` says why it was not done, empty when it was."""

    cell: str
    done: Done | None = None
    fault: str = ""


def task(cell: Cell, release: str = "", tape: str = "") -> Task:
    """The task of a cell. Args: release, tape: where they are there; else where they are on this machine."""
    job = Job(
        release=release or cell.release.folder,
        tape=tape or cell.stretch.folder,
        parameters=dict(cell.point) or None,
        from_seq=cell.stretch.from_seq,
        to_seq=cell.stretch.to_seq,
        until_seq=cell.stretch.until_seq,
        fills=cell.fills,
        seed=cell.seed,
        caps=cell.stretch.caps,
    )
    return Task(cell.name, job)
