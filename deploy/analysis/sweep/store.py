"""The store of a sweep: one line for each cell that is done, appended and never changed.

    {"cell": "3f9c...", "inputs": {...}, "done": {...}}

A cell is found again by its name, the hash of its inputs; so the same command goes on where it was interrupted, another
grid re-uses what is there, and what depends on a changed input is not found. Leaves to others what to do about cells
that failed: they are not written. What always holds: a line that is there was on the disk before it was counted; one
that a crash cut short, or that cannot be read, is passed over and its cell is done again; one sweep writes at a time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from deploy.analysis.sweep.cells import Cell
from deploy.analysis.sweep.tasks import Done


class InUse(Exception):
    """Another sweep writes to this store."""


class Line(msgspec.Struct, frozen=True):
    """One line of the file. `inputs` is for people and other programs; the name already says it."""

    cell: str
    inputs: dict[str, object]
    done: Done


class Store:
    """The cells that are done, and room for more. Args: descriptor: the file, open for appending, ours alone."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor
        self.done = {line.cell: line.done for line in read(path)}

    def add(self, cell: Cell, done: Done) -> None:
        """Keep a result; it is on the disk when this returns. Raises: OSError."""
        line = msgspec.json.encode(Line(cell.name, cell.inputs, done)) + b"\n"
        os.write(self._descriptor, line)
        os.fdatasync(self._descriptor)
        self.done[cell.name] = done


def read(path: Path) -> Iterator[Line]:
    """Every line that is whole. Raises: OSError."""
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            yield msgspec.json.decode(line, type=Line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The store in a file, made if it is missing. Raises: InUse; OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"another sweep writes to {path}") from None
        _end_torn_line(descriptor)
        yield Store(path, descriptor)
    finally:
        os.close(descriptor)


def _end_torn_line(descriptor: int) -> None:
    """What a crash left of a line is ended, so that it spoils no other."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")
