"""The journal on a real disk: what is durable when, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kit.disks import files_end_at

from shared.clock import SystemClock
from shared.entries import Alarm, UnknownEntry
from shared.records import Appender, CannotWrite, Damaged, segments
from supervisor.journal import JOURNAL, Journal, JournalFailed, lines

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
PATIENCE_S = 60.0


@asynccontextmanager
async def a_journal(folder: Path, *, segment_bytes: int = 64 * 1024) -> AsyncIterator[Journal]:
    """An open journal; its thread is gone afterwards."""
    journal = Journal(folder, SystemClock(), segment_bytes)
    try:
        yield journal
    finally:
        journal.close()


def write(journal: Journal, *names: str, size: int = 0) -> None:
    """Facts that are told apart by their names."""
    for name in names:
        journal.append(Alarm(name, "x" * size), 7, 3)


def names(folder: Path) -> list[str]:
    """What the journal says, in order."""
    return [line.entry.name for line in lines(folder) if isinstance(line.entry, Alarm)]


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    """Numbered, with both times and the reign; going on after a clean end goes on behind it."""

    async def reign(*said: str) -> None:
        async with a_journal(tmp_path) as journal:
            assert journal.torn_bytes == 0
            write(journal, *said)

    asyncio.run(reign("a", "b"))
    asyncio.run(reign("c"))
    read = list(lines(tmp_path))
    assert [(line.n, line.entry) for line in read] == [
        (1, Alarm("a", "")),
        (2, Alarm("b", "")),
        (3, Alarm("c", "")),
    ]
    assert {(line.at_ns, line.term) for line in read} == {(7, 3)}
    assert [line.wall_ns for line in read] == sorted(line.wall_ns for line in read)


class SlowDisk:
    """A disk that takes its time: each wait for it lasts until it is let go, and is counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits = 0
        self.busy, self.go = threading.Event(), threading.Event()
        self._real = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self._wait)

    def _wait(self, fd: int) -> None:
        self.waits += 1
        self.busy.set()
        assert self.go.wait(PATIENCE_S)
        self._real(fd)


def test_durable_waits_for_the_disk_and_nobody_else_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk works, facts are written and more waits asked for; those share the next one (group commit)."""
    disk = SlowDisk(monkeypatch)

    async def reign() -> None:
        async with a_journal(tmp_path) as journal:
            write(journal, "first")
            first = journal.durable()
            assert await asyncio.to_thread(disk.busy.wait, PATIENCE_S)
            later = []
            for count in range(20):
                write(journal, f"later {count}")
                later.append(journal.durable())
            await asyncio.sleep(0)
            assert not first.done()
            assert disk.waits == 1
            disk.go.set()
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(first, *later)
            assert disk.waits == 2

    asyncio.run(reign())
    assert len(names(tmp_path)) == 21


def test_what_was_called_durable_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL right after the acknowledgement: everything up to it is there, in order, and the end is sound."""
    code = (
        "import asyncio, sys; from pathlib import Path; from shared.clock import SystemClock\n"
        "from shared.entries import Alarm; from supervisor.journal import Journal\n"
        "async def reign():\n"
        "    journal = Journal(Path(sys.argv[1]), SystemClock(), 65536)\n"
        "    for count in range(100_000):\n"
        "        journal.append(Alarm(str(count), 'x' * 100), 1, 1)\n"
        "        if count % 7 == 0:\n"
        "            await journal.durable()\n"
        "            print(count, flush=True)\n"
        "asyncio.run(reign())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(40)][-1]
        child.kill()
    found = [int(name) for name in names(tmp_path)]
    assert found == list(range(len(found)))
    assert found[-1] >= acknowledged
    asyncio.run(_one_more(tmp_path))
    assert names(tmp_path)[-1] == "one more"


async def _one_more(folder: Path) -> None:
    async with a_journal(folder) as journal:
        write(journal, "one more")


def test_segments_roll_at_their_size(tmp_path: Path) -> None:
    """Each is taken from the disk ahead of need, none grows much beyond it, and the chain goes through all of them."""

    async def reign() -> None:
        async with a_journal(tmp_path, segment_bytes=4_096) as journal:
            for count in range(60):
                write(journal, str(count), size=200)
                if count % 10 == 9:
                    await journal.durable()

    asyncio.run(reign())
    made = segments(tmp_path)
    assert len(made) > 3
    assert all(4_096 <= path.stat().st_size < 2 * 4_096 for path in made)
    assert names(tmp_path) == [str(count) for count in range(60)]


def test_a_torn_end_is_cut_off_and_told(tmp_path: Path) -> None:
    """What a crash left half written costs that record and no other."""

    async def reign(*said: str) -> int:
        async with a_journal(tmp_path) as journal:
            write(journal, *said)
            return journal.torn_bytes

    asyncio.run(reign("whole", "torn"))
    path = segments(tmp_path)[0]
    content = path.read_bytes().rstrip(b"\0")
    path.write_bytes(content[:-3])
    assert asyncio.run(reign("after")) > 0
    assert names(tmp_path) == ["whole", "after"]


def test_damage_in_the_middle_is_never_passed_over(tmp_path: Path) -> None:
    """A journal whose past was changed is not read as if it were true."""

    async def reign() -> None:
        async with a_journal(tmp_path, segment_bytes=2_048) as journal:
            for count in range(30):
                write(journal, str(count), size=200)

    asyncio.run(reign())
    first = segments(tmp_path)[0]
    content = bytearray(first.read_bytes())
    content[200] ^= 1
    first.write_bytes(content)
    with pytest.raises(Damaged, match="does not check"):
        names(tmp_path)


def test_a_fact_of_a_newer_release_is_named(tmp_path: Path) -> None:
    """It is sound and means nothing here: starting again with older code says so."""
    appender = Appender(tmp_path, JOURNAL)
    appender.append(b"\x93\x01\x02\x03")
    appender.close()
    with pytest.raises(UnknownEntry, match="journal record of 4 bytes"):
        names(tmp_path)


def test_a_full_disk_fails_every_promise(tmp_path: Path) -> None:
    """Appending into a new segment, handing over and waiting: each says so by name; what was there is still true."""

    async def failing() -> None:
        journal = Journal(tmp_path, SystemClock(), 4_096)
        write(journal, "there")
        await journal.durable()
        with files_end_at(2_048):
            with pytest.raises(JournalFailed, match="seg"):
                write(journal, "rolls", size=5_000)
            with pytest.raises(JournalFailed, match="seg"):
                journal.flush()
            with pytest.raises(JournalFailed, match="seg"):
                journal.durable()
            with pytest.raises(JournalFailed, match="seg"):
                journal.close()

    asyncio.run(failing())
    assert names(tmp_path) == ["there"]


def test_a_disk_that_loses_a_write_fails_whoever_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them: nothing that depended on it may happen."""

    def lost(fd: int) -> None:
        raise OSError(5, os.strerror(5))

    async def reign() -> list[BaseException | None]:
        journal = Journal(tmp_path, SystemClock(), MIB)
        write(journal, "lost")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", lost)
            waiting = [journal.durable(), journal.durable()]
            async with asyncio.timeout(PATIENCE_S):
                faults = await asyncio.gather(*waiting, return_exceptions=True)
        journal.close()
        return faults

    faults = asyncio.run(reign())
    assert [type(fault) for fault in faults] == [JournalFailed, JournalFailed]
    assert "Input/output error" in str(faults[0])


def test_without_room_there_is_no_journal(tmp_path: Path) -> None:
    """Where even the first segment does not fit, it is said before anything is decided."""

    async def reign() -> None:
        with files_end_at(4_096), pytest.raises(CannotWrite, match="File too large"):
            Journal(tmp_path / "journal", SystemClock(), MIB)

    asyncio.run(reign())
    assert list((tmp_path / "journal").iterdir()) == []
