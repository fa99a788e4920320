"""What a sweep asks of another machine: who are you, what do you lack, take this, replay that.

Runs inside a Dask worker, whose machine has Foresight of the same code. Releases and tapes come by content and stay in
a cache folder, one for all workers of the machine: $XDG_CACHE_HOME/foresight/sweep, else under ~/.cache. What always
holds: nothing is used whose content is not what was asked for; what is written aside is renamed when it is whole; a
cell is replayed by a process of its own, so that it costs the worker nothing when it dies.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from deploy.analysis.sweep.cells import Release, Stretch
from deploy.analysis.sweep.pool import ROOT, Pool
from deploy.analysis.sweep.stretches import content
from deploy.analysis.sweep.tasks import Task
from deploy.release import Stager
from shared.fingerprint import code_hash, modules, release_hash
from shared.paths import State

_CODE: Final = code_hash(ROOT, ("shared", "deploy"))
"""What was on the disk when this was loaded: a worker that outlived an upgrade says what it is."""


class NotWhole(Exception):
    """What arrived is not what was sent, by its content."""


def testimony() -> dict[str, str]:
    """What this process runs, and which machine's cache it uses: in plain words, so that any version understands."""
    return {"code": _CODE, "python": platform.python_version(), "place": f"{socket.gethostname()}:{cache().root}"}


def cache() -> State:
    """Where releases and tapes that came from elsewhere are kept."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return State(Path(home) / "foresight" / "sweep")


def lacks_release(wanted: Release) -> bool:
    """Whether a release still has to be sent."""
    return _release(wanted) is None


def lacks_tape(wanted: Stretch) -> bool:
    """Whether a stretch of tape still has to be sent: it is neither in the cache nor where it is at home."""
    return _tape(wanted) is None


def take_release(wanted: Release, files: Mapping[str, bytes]) -> None:
    """Stage a release from its files, with an environment from its lock. Raises: NotWhole, Rejected; OSError."""
    aside = cache().root / "arriving" / f"{wanted.hash}-{os.getpid()}"
    try:
        for name, data in files.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / name).write_bytes(data)
        staged = Stager(cache()).stage(str(aside)).indexed.release
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    if staged != wanted.hash:
        raise NotWhole(f"{wanted.name} arrived as {staged}")


def take_piece(wanted: Stretch, file: str, offset: int, data: bytes) -> None:
    """Write a part of a segment aside. Two that send the same write the same."""
    path = _arriving(wanted) / Path(file).name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("r+b" if path.exists() else "wb") as segment:
        segment.seek(offset)
        segment.write(data)


def tape_is_whole(wanted: Stretch) -> None:
    """All pieces were sent: check what they are, and give them their name. Raises: NotWhole."""
    aside, there = _arriving(wanted), _kept(wanted)
    if content(aside, wanted.until_seq) != wanted.content:
        shutil.rmtree(aside, ignore_errors=True)
        if not there.is_dir():
            raise NotWhole(f"the tape of {wanted.at} did not arrive as it was sent")
    elif not there.is_dir():
        there.parent.mkdir(parents=True, exist_ok=True)
        aside.rename(there)


def replay(task: Task, release: Release, stretch: Stretch) -> bytes | None:
    """Replay a cell; its answer as JSON. None: something it needs is not here."""
    code, tape = _release(release), _tape(stretch)
    if code is None or tape is None:
        return None
    job = msgspec.structs.replace(task.job, release=str(code), tape=str(tape))
    (answer,) = Pool(1).run([Task(task.cell, job)])
    return msgspec.json.encode(answer)


def _release(wanted: Release) -> Path | None:
    folder = cache().releases / wanted.hash
    try:
        return folder if release_hash(modules(folder)) == wanted.hash else None
    except OSError:
        return None


def _tape(wanted: Stretch) -> Path | None:
    for folder in (Path(wanted.folder), _kept(wanted)):
        if folder.is_dir() and content(folder, wanted.until_seq) == wanted.content:
            return folder
    return None


def _kept(wanted: Stretch) -> Path:
    return cache().root / "tapes" / f"{wanted.content}-{wanted.from_seq}-{wanted.to_seq}"


def _arriving(wanted: Stretch) -> Path:
    return cache().root / "arriving" / _kept(wanted).name
