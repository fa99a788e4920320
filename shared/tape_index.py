"""What a segment of the tape holds, in a small file beside it: numbers, times, how many events of each kind.

    folder/0000000000004711.idx      JSON, for 0000000000004711.seg or .segz

It only spares reading the segment: one that is missing, or that does not speak of the segment's first record and what
came before it, is made again from the segment. `pruned.json` in the same folder says up to where a tape was pruned: it
is on the disk before anything goes, so a tape that begins later than at its first record is either explained by it, or
damaged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from shared import files
from shared.messages import Streamed
from shared.records import HEADER, RECORD, Damaged, Segment, segments
from shared.wire import MAX_FRAME, decode_streamed

KIND: Final = "tape"
SUFFIX: Final = ".idx"
PRUNED: Final = "pruned.json"
SCHEMA: Final = "foresight.tape-index/1"
TAIL_SEGMENTS: Final = 2
"""The newest segments that show ticks, which a supervisor reads when it starts: in them a tick may be that has no
outcome yet. It waits for seconds, and a segment lasts minutes. None of them is packed or pruned.
"""

_FIRST_MAX: Final = HEADER.size + RECORD.size + MAX_FRAME
"""Bytes in which a segment's first frame ends."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One segment. `before`, `chain`: the links before its first and after its last record, hex; `size`: bytes of the
    plain one. Without records sequence numbers and times are 0."""

    schema: str = SCHEMA
    first: int
    records: int
    first_seq: int
    last_seq: int
    first_ns: int
    last_ns: int
    events: dict[str, int]
    before: str
    chain: str
    size: int

    @property
    def ticks(self) -> int:
        """How many decision opportunities were shown in it."""
        return self.events.get("tick", 0)


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where a tape was pruned, and all that went. `chain`: the link after the last record that went, hex."""

    schema: str = "foresight.tape-pruned/1"
    to_record: int
    to_seq: int
    to_ns: int
    chain: str
    segments: int
    size: int


def describe(segment: Segment) -> Entry:
    """Read a segment to its end and say what it holds. Raises: shared.wire.BadFrame; `segment` says where it ended."""
    first, before, kinds = segment.first, segment.chain.hex(), Counter[str]()
    ends = list[tuple[int, int]]()
    for _, payload in segment:
        frame = decode_streamed(payload)
        kinds[str(frame.event.__struct_config__.tag)] += 1
        ends[1:] = [(frame.seq, frame.at_ns)] if ends else [(frame.seq, frame.at_ns)] * 2
    (first_seq, first_ns), (last_seq, last_ns) = ends or [(0, 0)] * 2
    return Entry(
        first=first,
        records=segment.next - first,
        first_seq=first_seq,
        last_seq=last_seq,
        first_ns=first_ns,
        last_ns=last_ns,
        events=dict(sorted(kinds.items())),
        before=before,
        chain=segment.chain.hex(),
        size=segment.end,
    )


def entries(folder: Path) -> Iterator[tuple[Path, Entry]]:
    """Each segment with what it holds, oldest first; those without a sound index are read.

    Raises: shared.records.Damaged, shared.wire.BadFrame, OSError.
    """
    for path in segments(folder):
        yield path, kept(path) or describe(Segment(path, KIND))


def newest(folder: Path, suits: Callable[[Streamed], bool]) -> Path | None:
    """The newest segment whose first frame suits, else the oldest; None where there is none.

    Numbers and times only grow along a tape, so that a few first frames tell in any number of segments; only the newest
    may have no frame yet. Raises: shared.records.Damaged, shared.wire.BadFrame, OSError.
    """
    paths = segments(folder)
    found, too_new = 0, len(paths)
    while too_new - found > 1:
        middle = (found + too_new) // 2
        frame = first_frame(paths[middle])
        if frame is not None and suits(frame):
            found = middle
        else:
            too_new = middle
    return paths[found] if paths else None


def first_frame(path: Path) -> Streamed | None:
    """The first frame of a segment, None while it has none; no more of it is read. Raises: as above."""
    for _, payload in Segment(path, KIND, _FIRST_MAX):
        return decode_streamed(payload)
    return None


def last_frame(folder: Path) -> Streamed | None:
    """The newest frame of a tape, None where there is none. Raises: as above."""
    for path in reversed(segments(folder)):
        frame = None
        for _, payload in Segment(path, KIND):
            frame = payload
        if frame is not None:
            return decode_streamed(frame)
    return None


def kept(path: Path) -> Entry | None:
    """The index that is kept beside a segment; None where there is none to be believed."""
    try:
        entry = msgspec.json.decode(path.with_suffix(SUFFIX).read_bytes(), type=Entry)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return entry if (entry.schema, entry.first) == (SCHEMA, int(path.stem)) else None


def pruned(folder: Path) -> Pruned | None:
    """Up to where a tape was pruned; None when nothing went. Raises: OSError; shared.records.Damaged."""
    try:
        return msgspec.json.decode((folder / PRUNED).read_bytes(), type=Pruned)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{folder / PRUNED}: {error}") from error


def keep(path: Path, data: bytes) -> None:
    """Write a file beside the segments: whole or not at all, and on the disk. Raises: OSError."""
    files.replace(path, data, aside=path.with_name(f"{path.name}.new"), durable=True)
