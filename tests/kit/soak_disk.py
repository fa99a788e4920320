"""A desk's journal on a real disk that pretends to have no time for `sync`: what it would have kept is cut by hand.

The journal is the product's own file, written by its own appender: a killed process loses what it had not handed to
the kernel, a machine without power loses bytes that nobody had waited for, at any byte. Of the tape only its ticks are
kept, by the toy disk.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from kit.toy_disk import ToyDisk

from shared import entries as e
from shared import messages as m
from shared.records import Appender, read
from supervisor.accounts import Accounts
from supervisor.journal import JOURNAL

SEGMENT_BYTES: Final = 2 << 20


class Mark(NamedTuple):
    """A place in the journal: its segment, the bytes of it that the kernel has, the number of the next record."""

    segment: Path
    end: int
    next: int


class SoakDisk:
    """`tape`: the ticks a tape would show. `torn`: how often a power cut left half a record."""

    tape_full = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tape = ToyDisk()
        self.torn = 0
        self._open()
        self._survived()
        self._fold, self._folded = Accounts(), 1

    @property
    def next(self) -> int:
        """The number of the journal's next record."""
        return self._appender.next

    def write(self, entry: e.Entry, at_ns: int, term: int) -> None:
        """Append a fact."""
        self._appender.append(e.encode_line(e.Line(self._appender.next, at_ns, at_ns, term, entry)))
        if self._appender.size >= SEGMENT_BYTES:
            self._appender.roll()
            self._survived()

    def publish(self, frame: m.Streamed) -> None:
        """Append a frame to the tape."""
        self.tape.publish(frame)

    def flush(self) -> None:
        """The kernel has everything."""
        self._appender.flush()
        self.tape.flush()

    def mark(self) -> Mark:
        """What a sync that begins now will have made durable."""
        return Mark(self._appender.path, self._appender._offset, self._appender.next)

    def synced(self, mark: Mark) -> None:
        """A sync that began at a mark is over; a segment that was left since then is durable anyway."""
        if mark.segment == self._appender.path:
            self._durable_bytes = max(self._durable_bytes, mark.end)
        self._durable = max(self._durable, mark.next)

    def is_durable(self, number: int) -> bool:
        """Whether a record survives the machine."""
        return number < self._durable

    def kill(self) -> None:
        """The process ends in the middle of a turn: what the kernel did not have is gone."""
        self._appender.abandon()
        self.tape.lose_turn()
        self._reopen()

    def lose_power(self, chance: random.Random) -> None:
        """The machine stops: bytes that no sync had waited for are gone, from any byte on."""
        self._appender.abandon()
        path, end = self._appender.path, self._appender._offset
        self.tape.lose_power(chance)
        self._appender.close()
        kept = chance.randint(min(self._durable_bytes, end), end)
        os.truncate(path, kept)
        self._open()
        self.torn += self._appender.torn_bytes > 0
        self._survived()

    def rebuilt(self) -> Accounts:
        """What the journal adds up to; records that cannot be lost any more are folded once."""
        for line in self._lines(self._folded, self._durable):
            self._fold.apply(line.entry, line.at_ns)
        self._folded = self._durable
        accounts = copy(self._fold)
        for line in self._lines(self._folded, self._appender.next):
            accounts.apply(line.entry, line.at_ns)
        return accounts

    def every_line(self) -> Iterator[e.Line]:
        """The whole journal, read back from the disk and checked."""
        return self._lines(1, self._appender.next)

    def close(self) -> None:
        """Nothing more is written."""
        self._appender.close()

    def _lines(self, begin: int, end: int) -> Iterator[e.Line]:
        if begin < end:
            for number, record in read(self.folder, JOURNAL, begin):
                if number >= end:
                    return
                yield e.decode_line(record)

    def _reopen(self) -> None:
        self._appender.close()
        self._open()

    def _survived(self) -> None:
        """What a machine finds on its disk when it starts is there to stay."""
        self._durable_bytes, self._durable = self._appender._offset, self._appender.next

    def _open(self) -> None:
        self._appender = Appender(self.folder, JOURNAL)


def copy(accounts: Accounts) -> Accounts:
    """The same facts, to go on from; what the facts are made of never changes."""
    copied = Accounts()
    for name, value in vars(accounts).items():
        setattr(copied, name, type(value)(value) if isinstance(value, dict | set | list) else value)
    return copied
