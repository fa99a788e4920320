"""What is written when: every fact in order, and the rest of an act only when its facts are on the disk.

Appending is a memory copy and a write at the end of the loop turn; the wait for the disk is a thread's, and all that
was written meanwhile shares it (group commit). A journal that cannot be written ends the process: without the truth
nothing may leave, and starting again is the way to find out what is true.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from shared.clock import Clock
from shared.entries import Entry, Line, decode_line, encode_line
from shared.records import Appender, CannotWrite, read

JOURNAL: Final = "journal"


class JournalFailed(Exception):
    """The journal could not be written or synced; nothing that depends on it may happen."""


class Journal:
    """The journal of this term, and the thread that syncs it; `close` ends both.

    Args: folder: made if missing. segment_bytes: taken from the disk ahead of need. before: called before facts are
    handed to the kernel, to hand over what they speak of: an outcome must not survive this process without the frame
    that it read.
    """

    def __init__(
        self, folder: Path, clock: Clock, segment_bytes: int, before: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._before = before
        self._segment_bytes = segment_bytes
        self._records = Appender(folder, JOURNAL, preallocate=segment_bytes)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[asyncio.Future[None]] = []
        self._wanted = threading.Event()
        self._handing = threading.Lock()
        """Held for a moment: who waits."""
        self._syncing = threading.Lock()
        """Held while the disk works: the segment may not be changed under it."""
        self._closing = False
        self._thread = threading.Thread(target=self._commit, name="journal-commit", daemon=True)
        self._thread.start()

    @property
    def torn_bytes(self) -> int:
        """What a crash had left half written, and was cut off on opening."""
        return self._records.torn_bytes

    @property
    def next(self) -> int:
        """The number of the next record."""
        return self._records.next

    @property
    def link(self) -> bytes:
        """The chain after the newest record: what binds anything to this journal up to here."""
        return self._records.link

    def append(self, entry: Entry, at_ns: int, term: int) -> None:
        """Write a fact down. Raises: JournalFailed."""
        line = Line(self._records.next, at_ns, self._clock.wall_ns(), term, entry)
        self._records.append(encode_line(line))
        if self._records.size >= self._segment_bytes:
            with self._syncing:
                self._try(self._records.roll)

    def flush(self) -> None:
        """Hand everything to the kernel: it survives this process. Raises: JournalFailed."""
        self._try(self._records.flush)

    def durable(self) -> asyncio.Future[None]:
        """Done when everything appended so far is on the disk: it survives the machine. Fails with JournalFailed."""
        self.flush()
        future = self._loop.create_future()
        with self._handing:
            self._waiting.append(future)
        self._wanted.set()
        return future

    def close(self) -> None:
        """Write and sync what is left. Raises: JournalFailed."""
        self._closing = True
        self._wanted.set()
        self._thread.join()
        self._try(self._records.close)

    def _try(self, act: Callable[[], None]) -> None:
        self._before()
        try:
            act()
        except CannotWrite as error:
            raise JournalFailed(str(error)) from error

    def _commit(self) -> None:
        """The thread: one wait for the disk for everybody who asked before it began."""
        while True:
            self._wanted.wait()
            self._wanted.clear()
            with self._handing:
                waiting, self._waiting = self._waiting, []
            fault = self._sync() if waiting else None
            self._loop.call_soon_threadsafe(_answer, waiting, fault)
            if self._closing:
                return

    def _sync(self) -> JournalFailed | None:
        try:
            with self._syncing:
                self._records.sync()
        except CannotWrite as error:
            return JournalFailed(str(error))
        return None


def _answer(waiting: list[asyncio.Future[None]], fault: JournalFailed | None) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(fault) if fault else future.set_result(None)


def lines(folder: Path) -> Iterator[Line]:
    """Everything the journal says, in order. Raises: shared.records.Damaged, shared.entries.UnknownEntry."""
    for _, record in read(folder, JOURNAL):
        yield decode_line(record)
