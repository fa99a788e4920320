"""Stretches of a tape: whole days, or hours, each with the name of its content.

Reads segments through `shared.records`. Leaves to the replay to check every record: here only the segments in which a
stretch begins or ends are walked. What always holds: stretches follow one another without a gap; where frames lie -
in which segment, compressed or not, on which machine - changes no name.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from deploy.analysis.replay.footage import KIND, NoTape
from deploy.analysis.sweep.cells import Stretch
from shared.clock import NS
from shared.records import Damaged, Segment, segments

_BEFORE: Final = -1
_AFTER: Final = 1 << 62


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """The number and the moment of a frame; what it says is not looked at."""

    seq: int
    at_ns: int


class Span(msgspec.Struct, frozen=True):
    """Which part of a tape: from `since_ns`, before `until_ns`; its pieces begin at whole multiples of `piece_s`."""

    since_ns: int = 0
    until_ns: int = _AFTER
    piece_s: int = 86_400

    def piece(self, at_ns: int) -> int:
        """The piece a moment is in; _BEFORE or _AFTER when it is in none."""
        if at_ns < self.since_ns:
            return _BEFORE
        return at_ns // (self.piece_s * NS) if at_ns < self.until_ns else _AFTER

    def name(self, piece: int) -> str:
        """When a piece begins, for people: the day alone where that says it."""
        begins = datetime.fromtimestamp(piece * self.piece_s, UTC)
        return begins.strftime("%Y-%m-%d" if self.piece_s % 86_400 == 0 else "%Y-%m-%d %H:%M:%S")


def stretches(folder: Path, span: Span) -> list[Stretch]:
    """Every piece of a span of which the tape has a frame, in the order of time. Raises: NoTape."""
    begins: dict[int, int] = {}
    ends: dict[int, tuple[int, str]] = {}
    for segment, first, following in _with_following(folder):
        piece = span.piece(first.at_ns)
        begins.setdefault(piece, first.seq)
        if following is not None and span.piece(following.at_ns) == piece:
            continue
        for stamp, link in _walked(segment):
            piece = span.piece(stamp.at_ns)
            begins.setdefault(piece, stamp.seq)
            ends[piece] = stamp.seq, link
    found = [piece for piece in ends if piece not in {_BEFORE, _AFTER}]
    if not found:
        raise NoTape(f"{folder} has no frame of the time that was asked for")
    where = str(folder.absolute())
    return [Stretch(span.name(piece), ends[piece][1], begins[piece], ends[piece][0], where) for piece in found]


def content(folder: Path, to_seq: int) -> str:
    """The chain after frame `to_seq`, empty where the folder has no such frame, or no tape at all."""
    try:
        for segment, _, following in _with_following(folder):
            if following is None or following.seq > to_seq:
                return next((link for stamp, link in _walked(segment) if stamp.seq == to_seq), "")
    except NoTape:
        pass
    return ""


def files(folder: Path, stretch: Stretch, warm_s: int) -> list[Path]:
    """The segments that a replay of a stretch reads, with so many seconds before it. Raises: NoTape."""
    found = list(_with_following(folder))
    begins = next((first for _, first, after in found if after is None or after.seq > stretch.from_seq), None)
    assert begins is not None, "a stretch is of frames that are there"
    read = []
    for segment, first, following in found:
        early = following is not None and following.at_ns <= begins.at_ns - warm_s * NS
        if not early and first.seq <= stretch.to_seq:
            read.append(segment.path)
    return read


def _with_following(folder: Path) -> Iterator[tuple[Segment, Stamp, Stamp | None]]:
    """Every segment that has a frame, with its first one and that of the next segment. Raises: NoTape."""
    found = [(path, next((stamp for stamp, _ in _walked(_open(path))), None)) for path in segments(folder)]
    firsts = [(path, stamp) for path, stamp in found if stamp is not None]
    if not firsts:
        raise NoTape(f"{folder} holds no tape")
    followers = [*(stamp for _, stamp in firsts[1:]), None]
    for (path, first), following in zip(firsts, followers, strict=True):
        yield _open(path), first, following


def _open(path: Path) -> Segment:
    try:
        return Segment(path, KIND)
    except (OSError, Damaged) as error:
        raise NoTape(str(error)) from error


_stamp: Final = msgspec.msgpack.Decoder(Stamp)


def _walked(segment: Segment) -> Iterator[tuple[Stamp, str]]:
    """The frames of a segment that was just opened, each with the chain after it."""
    for number, payload in segment:
        try:
            yield _stamp.decode(payload), segment.chain.hex()
        except msgspec.DecodeError as error:
            raise NoTape(f"{segment.path}: record {number} is no frame: {error}") from error
