"""The tape's files: where to begin, and every frame from there to what is written by now - again and again.

`shared.records.read` ends where the file ends and cannot be resumed without reading its segment once more; a worker
follows a tape that grows, and between two frames it must be able to look after its channel. Leaves to others what a
frame means. What always holds: only frames whose record checks are given, in the order of the file, each once; a
record that does not check *yet* at the very end is simply not there yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from shared import tape_index
from shared.messages import Streamed
from shared.records import Damaged, Segment, first_number, segments
from shared.tape_index import KIND
from shared.wire import BadFrame, decode_streamed


class Unreadable(Exception):
    """There is no tape to begin with, or it is damaged."""


class Tape:
    """A place on the tape that only moves forward. Raises: Unreadable, also from `more`."""

    def __init__(self, begin: Path) -> None:
        self._segment = _open(begin)

    def more(self) -> Iterator[Streamed]:
        """Every frame from where the last call ended to the end of what is written now."""
        while True:
            following = self._following()
            yield from self._rest()
            if following is None:
                return
            self._segment = self._continued(following)

    def _following(self) -> Path | None:
        """The next segment. Asked for before this one is read: once it exists, this one is complete."""
        paths = segments(self._segment.path.parent)
        later = (path for path in paths if first_number(path) > self._segment.first)
        return next(later, None)

    def _rest(self) -> Iterator[Streamed]:
        try:
            self._segment.reload()
            for number, payload in self._segment:
                yield _decode(number, payload)
        except OSError as error:
            raise Unreadable(f"{self._segment.path}: {error.strerror}") from error
        except Damaged as error:
            raise Unreadable(str(error)) from error

    def _continued(self, path: Path) -> Segment:
        done, following = self._segment, _open(path)
        if following.first != done.next or following.chain != done.chain:
            raise Unreadable(f"{path} does not continue record {done.next - 1} of the segment before it")
        return following


def begin_at(folder: Path, at_ns: int) -> Path:
    """The newest segment whose first frame is not after `at_ns`, else the oldest. Raises: Unreadable: there is none."""
    return _newest(folder, lambda frame: frame.at_ns <= at_ns)


def begin_with(folder: Path, seq: int) -> Path:
    """The newest segment whose first frame is not after number `seq`, else the oldest. Raises: Unreadable."""
    return _newest(folder, lambda frame: frame.seq <= seq)


def first_frame(path: Path) -> Streamed | None:
    """The first frame of a segment, None while it has none; no more of it is read. Raises: Unreadable."""
    try:
        return tape_index.first_frame(path)
    except (OSError, Damaged, BadFrame) as error:
        raise Unreadable(str(error)) from error


def _newest(folder: Path, suits: Callable[[Streamed], bool]) -> Path:
    try:
        found = tape_index.newest(folder, suits)
    except (OSError, Damaged, BadFrame) as error:
        raise Unreadable(str(error)) from error
    if found is None:
        raise Unreadable(f"{folder} holds no segment of a tape")
    return found


def _open(path: Path) -> Segment:
    try:
        return Segment(path, KIND)
    except (OSError, Damaged) as error:
        raise Unreadable(str(error)) from error


def _decode(number: int, payload: bytes) -> Streamed:
    try:
        return decode_streamed(payload)
    except BadFrame as error:
        raise Unreadable(f"record {number} of the tape: {error}") from error
