"""A tape read by people who judge it: its frames in order, its segments at a glance, its gaps, and whether it is whole.

Reads only, and holds no more than a segment at a time. Leaves to `deploy.tape` how that looks. What always holds: the
chain is checked wherever frames are read; a gap is one gap however often it was told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from deploy.analysis.places import Place
from shared import messages as m
from shared.records import PACKED, Damaged, Segment, first_number, linked, segments
from shared.tape_index import KIND, PRUNED, Entry, entries, kept, newest, pruned
from shared.wire import BadFrame, decode_streamed

FAULTS_TOLD: Final = 20


class NoTape(Exception):
    """There is no tape in this folder."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that could not be seen. `to_ns`: 0 while it is open; `seq`: the frame that told of it last."""

    feed: str
    from_ns: int
    to_ns: int
    cause: str
    whose: str
    seq: int


@dataclass
class Gaps:
    """The gaps of a tape, folded from its frames: begun, going on for another reason, over."""

    over: list[Gap] = field(default_factory=list)
    begun: dict[str, Gap] = field(default_factory=dict)

    def take(self, frame: m.Streamed) -> None:
        """Fold a frame. A reign that was cut off leaves its gaps open: the next one's begin where that one ended."""
        event = frame.event
        if isinstance(event, m.FeedGap):
            before = self.begun.pop(event.feed, None)
            from_ns = min(event.from_ns, before.from_ns) if before is not None else event.from_ns
            gap = Gap(event.feed, from_ns, event.to_ns, event.cause, event.whose, frame.seq)
            if event.to_ns:
                self.over.append(gap)
            else:
                self.begun[event.feed] = gap
        elif isinstance(event, m.TermBegan):
            self._end_books(frame)

    def all(self) -> list[Gap]:
        """Every gap, by its beginning; those that are open last."""
        return [*sorted(self.over, key=lambda gap: gap.from_ns), *self.begun.values()]

    def _end_books(self, frame: m.Streamed) -> None:
        """A new reign asks for every book anew."""
        for feed in [feed for feed in self.begun if feed.startswith("book ")]:
            self.over.append(replace(self.begun.pop(feed), to_ns=frame.at_ns, seq=frame.seq))


@dataclass(frozen=True, slots=True)
class Part:
    """One segment: what it holds, its file, and its bytes there."""

    path: Path
    entry: Entry
    disk_bytes: int


@dataclass
class Verdict:
    """What was found. `sound`: nothing is out of order, and nothing missing that the tape does not explain itself."""

    segments: int = 0
    packed: int = 0
    frames: int = 0
    first_seq: int = 0
    last_seq: int = 0
    first_ns: int = 0
    last_ns: int = 0
    pruned_to_seq: int = 0
    missing: int = 0
    gaps: int = 0
    torn_bytes: int = 0
    digest: str = ""
    faults: list[str] = field(default_factory=list)
    sound: bool = False


def parts(folder: Path) -> list[Part]:
    """Every segment that holds a frame, oldest first. Raises: NoTape; Damaged, BadFrame, OSError."""
    found = [Part(path, entry, _disk_bytes(path)) for path, entry in entries(folder)]
    if not found:
        raise NoTape(f"{folder} holds no tape")
    return [part for part in found if part.entry.records]


def _disk_bytes(path: Path) -> int:
    """A segment's bytes on the disk; it may have been packed since it was listed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return path.with_suffix(PACKED).stat().st_size


def frames(folder: Path, begin: Place | None = None, end: Place | None = None) -> Iterator[tuple[bytes, m.Streamed]]:
    """Every frame from one place to another, both included, with its bytes; neither floats.

    Raises: Damaged, BadFrame, OSError.
    """
    for segment in linked(folder, KIND, _first_record(folder, begin)):
        for _, payload in segment:
            frame = decode_streamed(payload)
            if begin is not None and not begin.reached(frame.seq, frame.at_ns):
                continue
            if end is not None and end.passed(frame.seq, frame.at_ns):
                return
            yield payload, frame


def gaps(found: list[Part]) -> list[Gap]:
    """The gaps of a tape; only segments that tell of one are read. Raises: Damaged, BadFrame, OSError."""
    folded = Gaps()
    for part in found:
        if {"gap", "term"} & part.entry.events.keys():
            for _, payload in Segment(part.path, KIND):
                folded.take(decode_streamed(payload))
    return folded.all()


def check(folder: Path) -> Verdict:
    """Read a whole tape: its chain, its order, what is missing and whether that is explained, and its index.

    Raises: NoTape; Damaged, BadFrame: it cannot be believed, and where; OSError.
    """
    listed = segments(folder)
    if not listed:
        raise NoTape(f"{folder} holds no tape")
    complete = {path.stem for path in listed[:-1]}
    verdict, order, folded = Verdict(), _Order(), Gaps()
    for segment in linked(folder, KIND):
        if not verdict.segments:
            _begins(folder, segment, verdict)
        verdict.segments, verdict.packed = verdict.segments + 1, verdict.packed + segment.packed
        _check_segment(segment, order, folded, indexed=segment.path.stem in complete)
        verdict.digest, verdict.torn_bytes = segment.chain.hex(), len(segment.leftover())
    verdict.frames, verdict.missing, verdict.gaps = order.frames, order.missing, len(folded.all())
    verdict.first_seq, verdict.first_ns = order.first
    verdict.last_seq, verdict.last_ns = order.last
    verdict.faults += order.faults[:FAULTS_TOLD]
    if order.hole:
        verdict.faults.append(f"{order.hole}, and nothing on the tape says why")
    verdict.sound = not verdict.faults
    return verdict


@dataclass
class _Order:
    """Numbers that grow by one, times that never run back, holes that are explained before the next keyframe."""

    frames: int = 0
    missing: int = 0
    first: tuple[int, int] = (0, 0)
    last: tuple[int, int] = (0, 0)
    hole: str = ""
    faults: list[str] = field(default_factory=list)

    def take(self, frame: m.Streamed) -> None:
        last_seq, last_ns = self.last
        if not self.frames:
            self.first = frame.seq, frame.at_ns
        elif frame.seq <= last_seq:
            self.faults.append(f"frame {frame.seq} comes after frame {last_seq}")
        elif frame.seq > last_seq + 1:
            self.missing += frame.seq - last_seq - 1
            self.hole = f"frames {last_seq + 1} to {frame.seq - 1} are missing"
        if frame.at_ns < last_ns:
            self.faults.append(f"time runs back at frame {frame.seq}")
        self._explain(frame.event)
        self.frames, self.last = self.frames + 1, (frame.seq, frame.at_ns)

    def _explain(self, event: m.Event) -> None:
        if self.hole and _explains(event):
            self.hole = ""
        elif self.hole and isinstance(event, m.Keyframe):
            self.faults.append(f"{self.hole}, and nothing on the tape says why")
            self.hole = ""


def _explains(event: m.Event) -> bool:
    """Whether it says that the tape itself has a gap; a keyframe may repeat that."""
    if isinstance(event, m.Keyframe):
        return any(map(_explains, event.events))
    return isinstance(event, m.FeedGap) and event.feed == "tape"


def _check_segment(segment: Segment, order: _Order, folded: Gaps, *, indexed: bool) -> None:
    """Take the frames of a segment. `indexed`: it was complete before it was read.

    What still grew then may be complete by now, and have an index of more than was read.
    """
    kinds, index = Counter[str](), kept(segment.path) if indexed else None
    for _, payload in segment:
        frame = decode_streamed(payload)
        kinds[str(frame.event.__struct_config__.tag)] += 1
        order.take(frame)
        folded.take(frame)
    if index is not None and (index.events, index.chain) != (dict(sorted(kinds.items())), segment.chain.hex()):
        order.faults.append(f"the index of {segment.path.name} is not what the segment holds; remove it")


def _begins(folder: Path, segment: Segment, verdict: Verdict) -> None:
    """Whether a tape that does not begin with its first record was pruned up to there."""
    said = pruned(folder)
    verdict.pruned_to_seq = said.to_seq if said is not None else 0
    if segment.first == 1:
        return
    if said is None:
        verdict.faults.append(f"record {segment.first} is the first, and nothing says where those before it are")
    elif segment.first > said.to_record + 1 or (
        segment.first == said.to_record + 1 and segment.chain.hex() != said.chain
    ):
        raise Damaged(f"{segment.path}: does not continue record {said.to_record}, up to which {PRUNED} says it went")


def _first_record(folder: Path, begin: Place | None) -> int:
    """The first record of the segment in which a place is."""
    found = begin and newest(folder, lambda frame: not begin.reached(frame.seq, frame.at_ns))
    return first_number(found) if found else 0


UNREADABLE: Final = (Damaged, BadFrame)
"""What reading a tape may raise beside OSError."""
