"""What a sweep needs before its first cell: releases on disk, and parameters that each of them takes.

Leaves making a release to `release`. What always holds: which parameters there are, and within which bounds, is said by
the release's own reader, in its own environment; if one set is refused by one release, nothing is replayed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from deploy.analysis.replay import Fills
from deploy.analysis.replay.command import active
from deploy.analysis.sweep.cells import Release
from deploy.analysis.sweep.grid import Point
from deploy.release import NotFound, Stager, index, run_alone
from shared.paths import State

ASK_S: Final = 60.0
"""How long a release may take to look at all sets of parameters, real seconds."""
TOLD_MAX: Final = 5
"""Refusals that are told."""
_ASK: Final = """
import json, sys
import worker.replay
from worker.parameters import BadParameters, read_json
from worker.reading import WARM_UP_S
refused = {}
for line in open(sys.argv[1]):
    try:
        read_json(line)
    except BadParameters as error:
        refused[str(error)] = True
on_paper = hasattr(worker.replay, "follow")
print(json.dumps({"warm_s": WARM_UP_S, "on_paper": on_paper, "refused": list(refused)}))
"""
"""What a release is asked, in its own words: any one that trades has these rooms."""


class Refused(ValueError):
    """A release cannot be replayed so, or with these parameters; one line for each refusal."""


class _Said(msgspec.Struct, frozen=True):
    warm_s: int
    on_paper: bool
    refused: list[str]


def staged(state: State, wanted: Iterable[str], progress: Callable[[str], None]) -> list[Release]:
    """The releases that are named, staged if they are not yet; where none is, the active one, or else the newest.

    Raises: NotFound, Rejected; OSError.
    """
    names = list(wanted) or [active(state) or f"r{known.seq}" for known in index(state)[-1:]]
    if not names:
        raise NotFound("no release was named, and none is staged here")
    stager = Stager(state, progress=progress)
    found = [stager.stage(name).indexed for name in names]
    releases = (
        Release(f"r{each.seq} {each.release[:8]}", each.release, str(state.releases / each.release)) for each in found
    )
    return list({release.hash: release for release in releases}.values())


def ask(state: State, release: Release, points: Sequence[Point], fills: Fills) -> int:
    """Let a release look at every set; how many seconds of tape it has to read before. Raises: Refused; OSError."""
    lock = next(known.lock for known in index(state) if known.release == release.hash)
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(b"".join(msgspec.json.encode(point) + b"\n" for point in points))
        file.flush()
        python = state.environments / lock / "bin" / "python"
        code, said, last_words = run_alone([str(python), "-c", _ASK, file.name], Path(release.folder), ASK_S)
    if code != 0:
        why = last_words.strip().splitlines()[-1:] or [f"no answer in {ASK_S:g} s"]
        raise Refused(f"{release.name}: it cannot say which parameters it takes: {why[0]}")
    answer = msgspec.json.decode(said, type=_Said)
    if fills == "rehearsal" and not answer.on_paper:
        raise Refused(f"{release.name} was made before there were accounts on paper; it knows --fills recorded alone")
    if answer.refused:
        more = len(answer.refused) - TOLD_MAX
        lines = [f"{release.name}: {why}" for why in answer.refused[:TOLD_MAX]]
        raise Refused("\n".join([*lines, *([f"and {more} more"] if more > 0 else [])]))
    return answer.warm_s
