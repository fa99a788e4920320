"""A part of a tape, written as a tape of its own: another folder that every reader takes for one.

It holds the same frames under the same numbers, in records numbered and chained anew from the first, and begins with a
keyframe that lies far enough before what was asked for, so that whatever state depends on is in it. `cut.json` beside
it says where it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import msgspec

from deploy.analysis.aside import made_aside
from deploy.analysis.places import Place
from deploy.analysis.tapes import frames
from shared.clock import NS
from shared.messages import Keyframe, Streamed
from shared.records import Appender, Segment, segments
from shared.tape_index import KIND, first_frame
from shared.wire import decode_streamed

SEGMENT_KEYFRAMES: Final = 10
"""Keyframes in one segment, as the supervisor's settings have it."""
FLUSH_EVERY: Final = 1_000
"""Frames between two writes, and between two words of how far it is."""
ORIGIN: Final = "cut.json"


class NotOnTape(Exception):
    """No frame of the tape is in the part that was asked for."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What was written. It begins with frame `begin_seq`, and what was asked for with `from_seq`.

    `whole`: that it begins with a keyframe; else whoever reads it knows nothing until there is one.
    """

    frames: int
    segments: int
    begin_seq: int
    from_seq: int
    to_seq: int
    begin_ns: int
    from_ns: int
    to_ns: int
    whole: bool
    digest: str

    @property
    def lookback_s(self) -> float:
        """Market seconds from its first frame to the first that was asked for."""
        return (self.from_ns - self.begin_ns) / NS


def cut(
    source: Path,
    target: Path,
    begin: Place | None,
    end: Place | None,
    lookback_s: float,
    seen: Callable[[Streamed], None] = lambda frame: None,
) -> Cut:
    """Write the frames from one place to another, both included, and what is needed before them.

    Raises: Exists, NotOnTape; Damaged, BadFrame: as for reading; OSError, CannotWrite.
    """
    first = _first(source, begin, end)
    oldest = _begin(source, first, lookback_s)
    with made_aside(target) as aside:
        return _write(source, aside, first, oldest, end, seen)


def _first(source: Path, begin: Place | None, end: Place | None) -> Streamed:
    """The first frame that was asked for."""
    for _, frame in frames(source, begin, end):
        return frame
    raise NotOnTape(f"no frame of {source} is in that part")


def _begin(source: Path, first: Streamed, lookback_s: float) -> Streamed:
    """The newest keyframe far enough before a frame; else the oldest before it; else the frame itself."""
    wanted_ns = first.at_ns - round(lookback_s * NS)
    for path in reversed(segments(source)):
        oldest = first_frame(path)
        if oldest is not None and oldest.at_ns <= wanted_ns:
            early = [frame for frame in _keyframes(path) if frame.at_ns <= wanted_ns and frame.seq <= first.seq]
            if early:
                return early[-1]
    oldest = next((frame for _, frame in frames(source) if isinstance(frame.event, Keyframe)), first)
    return oldest if oldest.seq < first.seq else first


def _keyframes(path: Path) -> Iterator[Streamed]:
    for _, payload in Segment(path, KIND):
        frame = decode_streamed(payload)
        if isinstance(frame.event, Keyframe):
            yield frame


def _write(
    source: Path,
    aside: Path,
    first: Streamed,
    oldest: Streamed,
    end: Place | None,
    seen: Callable[[Streamed], None],
) -> Cut:
    appender, last, keyframes, count, segments_made = Appender(aside, KIND), first, 0, 0, 1
    for payload, frame in frames(source, Place(seq=oldest.seq), end):
        if isinstance(frame.event, Keyframe):
            if keyframes and keyframes % SEGMENT_KEYFRAMES == 0:
                appender.roll()
                segments_made += 1
            keyframes += 1
        appender.append(payload)
        count, last = count + 1, frame
        if count % FLUSH_EVERY == 1:
            appender.flush()
            seen(frame)
    digest = appender.link.hex()
    appender.close()
    made = Cut(
        frames=count,
        segments=segments_made,
        begin_seq=oldest.seq,
        from_seq=first.seq,
        to_seq=last.seq,
        begin_ns=oldest.at_ns,
        from_ns=first.at_ns,
        to_ns=last.at_ns,
        whole=isinstance(oldest.event, Keyframe),
        digest=digest,
    )
    (aside / ORIGIN).write_bytes(msgspec.json.encode({"schema": "foresight.tape-cut/1", **asdict(made)}))
    return made
