"""What the market thought at each decision: the middle of the Up token's book as the tape had it at the tick's frame.

The journal does not hold it, and a release need not write it among its reasons; the tape holds every book that a
decision could see. The tape is read once: what was found is kept in a small file beside the index, which may be
deleted, and reading goes on with the segment in which it ended. A side that is empty, or a book that is stale, has no
middle; where only the other token's book has one, it is one less that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared import messages as m
from shared import wire
from shared.paths import State
from shared.records import Damaged, Segment, first_number, segments
from shared.units import MICRO

FILE: Final = "index-mids.sqlite"
_DDL: Final = (
    "CREATE TABLE IF NOT EXISTS mids (seq INTEGER PRIMARY KEY, slot TEXT NOT NULL, tick INTEGER NOT NULL,"
    " up_micro INTEGER) STRICT"
)
_KEEP: Final = "INSERT OR IGNORE INTO mids VALUES (?, ?, ?, ?)"


@dataclass(slots=True)
class Books:
    """The fold: the middle of each token, by window. Only the newest window of a slot is kept."""

    middles: dict[str, tuple[int, dict[str, int | None]]] = field(default_factory=dict)

    def take(self, event: m.Event) -> None:
        """Fold one frame."""
        if isinstance(event, m.BookSeen):
            start_s, middles = self.middles.get(event.slot, (0, {}))
            if event.start_s > start_s:
                start_s, middles = event.start_s, {}
            if event.start_s == start_s:
                middles[event.outcome] = middle_micro(event)
                self.middles[event.slot] = start_s, middles
        elif isinstance(event, m.Keyframe):
            for each in event.events:
                self.take(each)

    def up_micro(self, slot: str, start_s: int) -> int | None:
        """What the market takes for the probability of Up."""
        known, middles = self.middles.get(slot, (0, {}))
        if known != start_s:
            return None
        up, down = middles.get("Up"), middles.get("Down")
        return up if up is not None else MICRO - down if down is not None else None


def middle_micro(book: m.BookSeen) -> int | None:
    """The middle between best bid and best ask; None of a stale or one-sided book."""
    if book.stale or not (book.bids and book.asks):
        return None
    return (book.bids[0].price_micro + book.asks[0].price_micro) // 2


def found(frames: Iterable[m.Streamed]) -> Iterator[tuple[int, str, int, int | None]]:
    """Sequence, slot, number and market's probability of Up for every tick that a tape shows."""
    books = Books()
    for frame in frames:
        tick = frame.event
        if isinstance(tick, m.Tick):
            yield frame.seq, tick.slot, tick.tick, books.up_micro(tick.slot, tick.start_s)
        else:
            books.take(tick)


def bring_up(state: State, tell: Callable[[int, int], None] = lambda done, of: None) -> Path:
    """Read what is new of the tape. Returns the file; its table is `mids`. A tape that is not there leaves it empty.

    Args: tell: hears how many segments are read, of how many. Raises: Damaged, wire.BadFrame: the tape cannot be
    believed, and where; OSError, sqlite3.Error: the file cannot be written.
    """
    path = state.root / FILE
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(_DDL)
        last = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM mids").fetchone()[0]
        wanted = _from(segments(state.tape), last)
        for number, segment in enumerate(wanted, start=1):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_KEEP, found(_frames(segment)))
            connection.execute("COMMIT")
            tell(number, len(wanted))
    finally:
        connection.close()
    return path


def attach(
    connection: sqlite3.Connection, state: State, tell: Callable[[int, int], None] = lambda done, of: None
) -> None:
    """Put the middles, up to date, beside an index: as `mids.mids`. Raises: as `bring_up`."""
    connection.execute("ATTACH ? AS mids", (str(bring_up(state, tell)),))


def _from(tape: list[Path], last_seq: int) -> list[Path]:
    """Segments from the one that holds a frame; each begins with a keyframe, so no earlier one is needed."""
    begun = [number for number, segment in enumerate(tape) if first_number(segment) <= last_seq]
    return tape[begun[-1] :] if begun else tape


def _frames(path: Path) -> Iterator[m.Streamed]:
    segment = Segment(path, "tape")
    for _, record in segment:
        yield wire.decode_streamed(record)
    if segment.changed():
        raise Damaged(f"{path}: record {segment.next} was changed after it was written")
