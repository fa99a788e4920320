"""The cells of a sweep: one release with one set of parameters over one stretch of one tape, named by their content.

Pure. What always holds: a cell's name is the hash of everything its result depends on - the release's code, the
parameters, the frames, the way fills are made and the caps they are under, the code that replays - and of nothing else:
not of where files are, not of the machine, not of the order in which cells are done. So a result is found again by
name, and an input that changed is another cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from deploy.analysis.replay import Fills
from deploy.analysis.replay.job import DEFAULTS, Caps
from deploy.analysis.sweep.grid import Point


class Release(msgspec.Struct, frozen=True):
    """A release: how people call it, its content hash, and its place on this machine."""

    name: str
    hash: str
    folder: str


class Stretch(msgspec.Struct, frozen=True):
    """A part of a tape: frames `from_seq` to `to_seq`, both among them.

    A replay looks on to `until_seq` for the winners of windows that were open. `content` is the tape's hash chain after
    that frame, which names all before it too. `at` is for people: the day, or the hour, as UTC text; `folder` where the
    tape is on this machine; `caps` those of the desk that accounts on paper are to be.
    """

    at: str
    content: str
    from_seq: int
    to_seq: int
    until_seq: int
    folder: str
    caps: tuple[Caps, ...] = DEFAULTS


class Cell(msgspec.Struct, frozen=True):
    """One run of the grid."""

    release: Release
    point: Point
    stretch: Stretch
    fills: Fills
    seed: int
    engine: str
    """The hash of the code that replays and matches."""

    @property
    def name(self) -> str:
        """The hash of all that the result depends on, 32 hex digits."""
        return blake2b(msgspec.json.encode(self.inputs, order="sorted"), digest_size=16).hexdigest()

    @property
    def inputs(self) -> dict[str, object]:
        """What the result depends on."""
        return {
            "release": self.release.hash,
            "parameters": self.point,
            "tape": self.stretch.content,
            "from_seq": self.stretch.from_seq,
            "to_seq": self.stretch.to_seq,
            "until_seq": self.stretch.until_seq,
            "fills": self.fills,
            "caps": msgspec.to_builtins(self.stretch.caps) if self.fills == "rehearsal" else None,
            "seed": self.seed,
            "engine": self.engine,
        }


def cells(
    releases: Iterable[Release],
    points: Iterable[Point],
    stretches: Iterable[Stretch],
    *,
    fills: Fills,
    seed: int,
    engine: str,
) -> list[Cell]:
    """Every release with every point over every stretch, in this order; two that are the same once."""
    points, stretches = list(points), list(stretches)
    every = (
        Cell(release, point, stretch, fills, seed, engine)
        for release in releases
        for point in points
        for stretch in stretches
    )
    return list({cell.name: cell for cell in every}.values())
