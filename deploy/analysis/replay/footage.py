"""A tape as replays read it: where it begins and ends, which frame a moment is, and its frames from there on.

Leaves what a frame means to others. What always holds: records are checked as they are read, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.analysis.places import Place
from shared import wire
from shared.messages import Streamed
from shared.records import Damaged, Segment, first_number, read, segments

KIND: Final = "tape"


class NoTape(Exception):
    """There is no tape, it is empty, or it is damaged; the text names the folder or the place."""


class Footage:
    """Args: folder: of the segments. Raises: NoTape, also while it is read.

    `paths`: the segments as they were listed, oldest first; one may be packed since.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = segments(folder) if folder.is_dir() else []
        if not self.paths:
            raise NoTape(f"{folder} holds no segment of a tape")
        self._firsts: dict[Path, Streamed | None] = {}
        first = next((frame for frame in map(self._first, self.paths) if frame is not None), None)
        if first is None:
            raise NoTape(f"{folder}: its tape holds no frame yet")
        self.first: Streamed = first
        self.last: Streamed = self._last()

    def frames(self, from_seq: int = 1, from_ns: int | None = None) -> Iterator[tuple[bytes, Streamed]]:
        """Payload and frame, from the beginning of the newest segment that begins before a number, or a moment."""
        begin = self.segment(from_seq, from_ns)
        try:
            for _, payload in read(self.folder, KIND, first_number(begin)):
                yield payload, wire.decode_streamed(payload)
        except (Damaged, wire.BadFrame, OSError) as error:
            raise NoTape(str(error)) from error

    def seq_at(self, at_ns: int) -> int:
        """The first frame that is not before a moment; one more than the last when none is."""
        for _, frame in self.frames(from_ns=at_ns - 1):
            if frame.at_ns >= at_ns:
                return frame.seq
        return self.last.seq + 1

    def first_of(self, place: Place) -> int:
        """The first frame that is not before a place."""
        return place.seq if place.seq is not None else self.seq_at(place.moment(self.last.at_ns))

    def last_of(self, place: Place) -> int:
        """The last frame that is not behind a place; 0 when all are."""
        return place.seq if place.seq is not None else self.seq_at(place.moment(self.last.at_ns) + 1) - 1

    def at(self, seq: int) -> int:
        """The moment of a frame, or of the first one after it; of the last when the tape ends before it."""
        for _, frame in self.frames(from_seq=seq):
            if frame.seq >= seq:
                return frame.at_ns
        return self.last.at_ns

    def segment(self, from_seq: int = 1, from_ns: int | None = None) -> Path:
        """The newest segment that begins before a number, or a moment; the oldest when none does."""
        low, high = 0, len(self.paths) - 1
        while low < high:
            middle = (low + high + 1) // 2
            frame = self._first(self.paths[middle])
            early = frame is not None and (frame.seq <= from_seq if from_ns is None else frame.at_ns <= from_ns)
            low, high = (middle, high) if early else (low, middle - 1)
        return self.paths[low]

    def _first(self, path: Path) -> Streamed | None:
        if path not in self._firsts:
            self._firsts[path] = next(self._of(path), None)
        return self._firsts[path]

    def _last(self) -> Streamed:
        for path in reversed(self.paths):
            newest = None
            for frame in self._of(path):
                newest = frame
            if newest is not None:
                return newest
        return self.first

    def _of(self, path: Path) -> Iterator[Streamed]:
        try:
            for _, payload in Segment(path, KIND):
                yield wire.decode_streamed(payload)
        except (Damaged, wire.BadFrame, OSError) as error:
            raise NoTape(str(error)) from error
