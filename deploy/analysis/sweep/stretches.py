"""Stretches of a tape: whole days, or hours, each with the name of its content.

Leaves to the replay to check every record: here only the segments in which a stretch begins or ends are walked. What
always holds: stretches follow one another without a gap; where frames lie - in which segment, on which machine -
changes no name; a name stands for everything that a replay of the stretch looks at, what comes shortly behind it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from deploy.analysis.replay.engine import AFTER_NS
from deploy.analysis.replay.footage import KIND, Footage, NoTape
from deploy.analysis.sweep.cells import Stretch
from shared.clock import NS
from shared.records import Damaged, Segment

_FOR_EVER_NS: Final = 1 << 62


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """The number and the moment of a frame; what it says is not looked at."""

    seq: int
    at_ns: int


class Span(msgspec.Struct, frozen=True):
    """Which part of a tape: from `since_ns`, before `until_ns`; its pieces begin at whole multiples of `piece_s`."""

    since_ns: int = 0
    until_ns: int = _FOR_EVER_NS
    piece_s: int = 86_400

    def name(self, piece: int) -> str:
        """When a piece begins, for people: the day alone where that says it."""
        begins = datetime.fromtimestamp(piece * self.piece_s, UTC)
        return begins.strftime("%Y-%m-%d" if self.piece_s % 86_400 == 0 else "%Y-%m-%d %H:%M:%S")


def stretches(folder: Path, span: Span) -> list[Stretch]:
    """Every piece of a span of which the tape has a frame, in the order of time. Raises: NoTape."""
    footage, size_ns = Footage(folder), span.piece_s * NS
    first_ns, last_ns = max(span.since_ns, footage.first.at_ns), min(span.until_ns - 1, footage.last.at_ns)
    found = []
    for piece in range(first_ns // size_ns, last_ns // size_ns + 1):
        begin_ns, end_ns = max(first_ns, piece * size_ns), min(last_ns, (piece + 1) * size_ns - 1)
        from_seq, (last, _) = footage.seq_at(begin_ns), _newest(footage, end_ns)
        if from_seq <= last.seq:
            behind, link = _newest(footage, last.at_ns + AFTER_NS)
            where = str(folder.absolute())
            found.append(Stretch(span.name(piece), link, from_seq, last.seq, behind.seq, where))
    if not found:
        raise NoTape(f"{folder} has no frame of the time that was asked for")
    return found


def content(folder: Path, seq: int) -> str:
    """The chain after a frame, empty where the folder has no such frame, or no tape at all."""
    try:
        return next((link for stamp, link in _walked(Footage(folder).segment(seq)) if stamp.seq == seq), "")
    except NoTape:
        return ""


def files(folder: Path, stretch: Stretch, warm_s: int) -> list[Path]:
    """The segments that a replay of a stretch reads, with so many seconds before it. Raises: NoTape."""
    footage = Footage(folder)
    paths = footage.paths
    begins, _ = next(_walked(footage.segment(stretch.from_seq)))
    first = paths.index(footage.segment(from_ns=begins.at_ns - warm_s * NS))
    last = paths.index(footage.segment(stretch.until_seq))
    return paths[first : last + 1]


def _newest(footage: Footage, at_ns: int) -> tuple[Stamp, str]:
    """The last frame that is not after a moment - or the tape's first one - and the chain after it."""
    walked = _walked(footage.segment(from_ns=at_ns))
    newest = next(walked)
    for stamp, link in walked:
        if stamp.at_ns > at_ns:
            break
        newest = stamp, link
    return newest


_stamp: Final = msgspec.msgpack.Decoder(Stamp)


def _walked(path: Path) -> Iterator[tuple[Stamp, str]]:
    """The frames of a segment, each with the chain after it. Raises: NoTape."""
    try:
        segment = Segment(path, KIND)
        for _, payload in segment:
            yield _stamp.decode(payload), segment.chain.hex()
    except (OSError, Damaged, msgspec.DecodeError) as error:
        raise NoTape(f"{path}: {error}") from error
