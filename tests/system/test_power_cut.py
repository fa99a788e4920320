"""The machine loses its power: what the journal had said was durable is there, record by record; a real ext4 is asked.

A process writes with the supervisor's own journal and snapshots, and says which records it was told are durable. The
power is cut at a moment of chance, again and again on the same disk. What survives begins at the first record and has
no hole; nothing that was acknowledged is missing; a start from a snapshot comes to what a start from all of it does.
"""

from __future__ import annotations

import random
import subprocess
import threading
from pathlib import Path
from typing import Final

import pytest
from kit.clocks import eventually
from kit.power import COMMAND_S, Disk, a_disk

pytestmark = pytest.mark.system
ROUNDS: Final = 6
SEEDS: Final = (1, 2)
ACKED_MAX: Final = 1_500
"""A cut comes after so many acknowledged records at most; a segment holds some three hundred."""
EIO_EXIT: Final = 3

WRITER: Final = """
import asyncio, sys, time
from pathlib import Path
from shared import entries as e
from shared.clock import SystemClock
from supervisor import snapshots
from supervisor.accounts import rebuild
from supervisor.journal import Journal, JournalFailed, lines

root, lazy = Path(sys.argv[1]), len(sys.argv) > 2

async def main():
    accounts = rebuild(lines(root / "journal")) if (root / "journal").exists() else rebuild(())
    journal = Journal(root / "journal", SystemClock(), 32 << 10)
    if lazy:  # a disk that nobody waits for
        journal._records.sync = lambda: None
    print("begun", flush=True)
    while True:
        last = journal.next
        for _ in range(last % 3 + 1):  # what is synced together, and what one of them is told on the way
            number = journal.next
            entry = e.Control(number, bool(number % 2), "uid:0", f"record {number} " + "x" * (number % 97))
            journal.append(entry, number, 1)
            accounts.apply(entry, number)
        await journal.durable()
        print(number, time.monotonic_ns(), flush=True)
        if number % 20 < 3:
            data = snapshots.pack(accounts, number, journal.link, "code")
            await asyncio.to_thread(snapshots.write, root / "snapshots", number, data)
        untold = e.Control(journal.next, False, "uid:0", f"record {journal.next} untold")
        accounts.apply(untold, journal.next)
        journal.append(untold, journal.next, 1)
        journal.flush()

try:
    asyncio.run(main())
except (JournalFailed, OSError):
    sys.exit(3)
"""

READER: Final = """
import sys
from pathlib import Path
from shared.clock import SystemClock
from supervisor import snapshots
from supervisor.accounts import rebuild
from supervisor.journal import lines
from shared.records import Appender

root = Path(sys.argv[1])
Appender(root / "journal", "journal").close()  # as a start does: what is torn at the end is cut off
told = list(lines(root / "journal"))
assert [line.n for line in told] == list(range(1, len(told) + 1)), "a hole"
assert all(line.entry.generation == line.n and line.entry.reason.startswith(f"record {line.n} ") for line in told)
found = snapshots.recover(root / "journal", root / "snapshots", "code")
assert vars(found.accounts) == vars(rebuild(told)), "a snapshot tells something else"
print(len(told), found.snapshot)
"""

UNSYNCED: Final = """
import sys
from pathlib import Path
Path(sys.argv[1], "unsynced").write_bytes(b"x" * 4096)
"""


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_acknowledged_survives_the_power(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Round after round on one disk; the process that writes notices, and ends."""
    chance, acked, told = random.Random(seed), 0, list[str]()
    with a_disk(tmp_path) as disk:
        for _ in range(ROUNDS):
            acked = wrote_until_cut(disk, chance.randrange(1, ACKED_MAX))
            survived, snapshot = came_back(disk)
            assert survived >= acked, f"{acked} were acknowledged, {survived} survived"
            told.append(f"{acked}/{survived}")
            assert snapshot > 0
    with capsys.disabled():
        print(f"\nseed {seed}, acknowledged/survived: {', '.join(told)}", end="")


def test_what_was_not_synced_is_lost_with_the_power(tmp_path: Path) -> None:
    """So the cut is one: a file that nobody synced is not there, or empty."""
    with a_disk(tmp_path) as disk:
        disk.run(disk.python(UNSYNCED))
        assert disk.run(disk.command("stat", "-c", "%s", str(disk.path / "unsynced"))) == "4096\n"
        disk.cut()
        disk.unmount()
        disk.mount()
        left = disk.run(disk.command("sh", "-c", f"stat -c %s {disk.path}/unsynced || echo gone"))
    assert left.strip() in {"gone", "0"}


def test_a_journal_that_does_not_wait_for_the_disk_is_caught(tmp_path: Path) -> None:
    """The same run, and only the wait is left out: acknowledged records are missing, at the end or before it."""
    with a_disk(tmp_path) as disk:
        acked = wrote_until_cut(disk, 200, "lazy")
        try:
            survived, _ = came_back(disk)
        except AssertionError as broken:  # a later segment was on the disk, and one before it was not
            assert "Damaged" in str(broken) or "a hole" in str(broken)
        else:
            assert survived < acked


def test_nothing_of_a_disk_is_left_when_its_holder_ends(tmp_path: Path) -> None:
    """Also when a test is interrupted: the mount is nobody else's, and the loop device is free again."""
    with a_disk(tmp_path) as disk:
        device = disk.run(disk.command("findmnt", "-n", "-o", "SOURCE", str(disk.path))).strip()
        assert str(disk.path) not in Path("/proc/self/mounts").read_text()
        backing = Path("/sys/block", Path(device).name, "loop/backing_file")
        assert backing.read_text().startswith(str(tmp_path))
    assert eventually(lambda: str(tmp_path) not in backing_of(backing)), "the loop device still has the image"


def backing_of(file: Path) -> str:
    """The image of a loop device; nothing once it is free, which the kernel sees to behind its holder's end."""
    try:
        return file.read_text()
    except OSError:
        return ""


def wrote_until_cut(disk: Disk, records: int, *how: str) -> int:
    """Let a process write until it has acknowledged so many more records, cut the power; the newest acknowledged."""
    command = disk.python(WRITER, *how)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        late = threading.Timer(COMMAND_S, writer.kill)
        late.start()
        try:
            assert writer.stdout is not None
            assert writer.stderr is not None
            assert writer.stdout.readline() == "begun\n", writer.stderr.read()
            first = acked = _acked(writer.stdout.readline())[0]
            while acked < first + records:
                acked, _ = _acked(writer.stdout.readline())
            cut_ns = disk.cut()
            rest = [_acked(line) for line in writer.stdout.read().splitlines()]
            code = writer.wait()
            assert code == EIO_EXIT, (code, writer.stderr.read())
        finally:
            late.cancel()
            writer.kill()
    return max([acked, *(number for number, at_ns in rest if at_ns < cut_ns)])


def _acked(line: str) -> tuple[int, int]:
    """The newest record that is durable, and when that was told, monotonic nanoseconds."""
    number, at_ns = map(int, line.split())
    return number, at_ns


def came_back(disk: Disk) -> tuple[int, int]:
    """The power is back: how many records there are, and which snapshot a start goes on from."""
    disk.unmount()
    disk.mount()
    survived, snapshot = map(int, disk.run(disk.python(READER)).split())
    return survived, snapshot
