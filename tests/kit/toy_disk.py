"""Journal and tape as the disk has them: what was written, what the kernel has, what would survive the machine.

Writing is at once, the kernel has it at the end of a turn, and the platter some time after it was asked for. A killed
process loses what it had not handed over; a machine without power keeps what was synced, and of the rest whatever
beginning chance left it, of journal and tape apart.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from typing import Final

from shared import entries as e
from shared import messages as m

TICKS_KEPT: Final = 4_000
"""Ticks that a tape's end still shows: at least its last two segments, as those who start read them."""


class ToyDisk:
    """`journal`: its lines. `seq`, `at_ns`: the last frame on the tape. `ticks`: those on it: frame, slot and number.

    `tape_full`: nothing more fits on the tape's disk; the journal's has its room reserved.
    """

    def __init__(self) -> None:
        self.journal: list[e.Line] = []
        self.seq = self.at_ns = 0
        self.tape_full = False
        self.ticks: deque[tuple[int, str, int]] = deque(maxlen=TICKS_KEPT)
        self._times: deque[tuple[int, int]] = deque(maxlen=TICKS_KEPT)
        self._flushed = (0, 0)
        self._durable = 0

    def write(self, entry: e.Entry, at_ns: int, term: int) -> e.Line:
        """Append a fact to the journal."""
        line = e.Line(len(self.journal) + 1, at_ns, 0, term, entry)
        self.journal.append(line)
        return line

    def publish(self, frame: m.Streamed) -> None:
        """Append a frame to the tape, if there is room."""
        if self.tape_full:
            return
        self.seq, self.at_ns = frame.seq, frame.at_ns
        self._times.append((frame.seq, frame.at_ns))
        if isinstance(frame.event, m.Tick):
            self.ticks.append((frame.seq, frame.event.slot, frame.event.tick))

    def flush(self) -> None:
        """The kernel has everything."""
        self._flushed = (len(self.journal), self.seq)

    def synced(self, lines: int) -> None:
        """So many lines of the journal survive the machine."""
        self._durable = max(self._durable, lines)

    def lose_turn(self) -> None:
        """The process was killed in the middle of a turn: what it had not handed over is gone."""
        self._cut(*self._flushed)

    def lose_power(self, chance: random.Random) -> None:
        """The machine stopped."""
        oldest = max(0, self.seq - chance.choice((0, 3, 300)))
        self._cut(chance.randint(self._durable, len(self.journal)), chance.randint(oldest, self.seq))

    def shown(self) -> dict[str, list[int]]:
        """The ticks at the tape's end, by slot, in order."""
        by_slot: dict[str, list[int]] = {}
        for _, slot, tick in self.ticks:
            by_slot.setdefault(slot, []).append(tick)
        return by_slot

    def said(self, kind: type) -> Iterable[e.Entry]:
        """Every entry of a kind."""
        return (line.entry for line in self.journal if isinstance(line.entry, kind))

    def _cut(self, lines: int, seq: int) -> None:
        del self.journal[lines:]
        self.seq = seq
        self._times = deque((time for time in self._times if time[0] <= seq), maxlen=TICKS_KEPT)
        self.at_ns = self._times[-1][1] if self._times else 0
        self.ticks = deque((tick for tick in self.ticks if tick[0] <= seq), maxlen=TICKS_KEPT)
        self._flushed, self._durable = (lines, seq), min(self._durable, lines)
