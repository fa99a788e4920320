"""The ledger in shared memory: one writer, many readers, no torn picture whoever dies when."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import shared_memory

import pytest
from kit.ledgers import a_ledger

from shared import ledger

NAME = f"foresight-test-{os.getpid()}"


@pytest.fixture
def writer() -> Iterator[ledger.Writer]:
    """A ledger of this test's own."""
    made = ledger.Writer(NAME)
    yield made
    made.close(unlink=True)


def test_what_is_written_is_read(writer: ledger.Writer) -> None:
    """Every field of every row."""
    written = a_ledger(version=7)
    writer.write(written)
    reader = ledger.Reader(NAME)
    assert reader.read() == written
    writer.write(a_ledger(version=8, positions=0, orders=0))
    assert reader.read() == a_ledger(version=8, positions=0, orders=0)
    reader.close()


def test_a_reader_cannot_write(writer: ledger.Writer) -> None:
    """Its map is read-only: the kernel refuses, not we."""
    writer.write(a_ledger())
    reader = ledger.Reader(NAME)
    with pytest.raises(TypeError, match=r"read-only|readonly|modify"):
        reader._map[100:101] = b"x"
    reader.close()


def test_nothing_written_yet_is_not_read_as_a_ledger(writer: ledger.Writer) -> None:
    """An empty bank is no picture."""
    reader = ledger.Reader(NAME)
    with pytest.raises(ledger.LedgerUnreadable, match="no whole bank"):
        reader.read()
    reader.close()


@pytest.mark.parametrize("offset", [0, 40, 72, 128, 5_000])
def test_a_damaged_bank_is_not_read(writer: ledger.Writer, offset: int) -> None:
    """The checksum covers header and rows alike."""
    writer.write(a_ledger(slots=32, positions=10))
    memory = shared_memory.SharedMemory(NAME) if sys.version_info < (3, 13) else _untracked(NAME)
    start = 64 + ledger.BANK  # generation 1 is in bank 1
    assert memory.buf is not None
    memory.buf[start + offset] ^= 0xFF
    reader = ledger.Reader(NAME)
    with pytest.raises(ledger.LedgerUnreadable):
        reader.read()
    reader.close()
    memory.close()
    _forget(NAME)


def test_the_next_writer_continues_where_a_dead_one_was(writer: ledger.Writer) -> None:
    """A restart finds the segment, readers stay attached, and the next picture is seen."""
    writer.write(a_ledger(version=1))
    reader = ledger.Reader(NAME)
    successor = ledger.Writer(NAME)
    successor.write(a_ledger(version=2))
    assert reader.read().version == 2
    successor.close()
    reader.close()


def test_a_removed_name_is_noticed(writer: ledger.Writer) -> None:
    """Somebody cleaned up /dev/shm: the writer can tell."""
    assert writer.exists()
    os.rename(f"/dev/shm/{NAME}", f"/dev/shm/{NAME}-away")
    assert not writer.exists()
    os.rename(f"/dev/shm/{NAME}-away", f"/dev/shm/{NAME}")
    assert writer.exists()


def test_a_missing_ledger_is_named() -> None:
    """No supervisor has run here."""
    with pytest.raises(ledger.LedgerMissing, match="no-such-ledger"):
        ledger.Reader("no-such-ledger")


def test_more_than_the_layout_holds_is_refused_whole(writer: ledger.Writer) -> None:
    """The picture before stays in force."""
    writer.write(a_ledger(version=1))
    with pytest.raises(ledger.LedgerFull, match="257 orders"):
        writer.write(a_ledger(version=2, orders=ledger.MAX_ORDERS + 1))
    reader = ledger.Reader(NAME)
    assert reader.read().version == 1
    reader.close()


READ_UNTIL_KILLED = textwrap.dedent(
    """
    import sys
    from shared.ledger import Reader
    reader = Reader(sys.argv[1])
    seen = 0
    print("reading", flush=True)
    while True:
        picture = reader.read()
        assert picture.cash_micro == picture.version * 3, "torn"
        assert all(row.size_micro == picture.version for row in picture.positions), "torn"
        assert picture.version >= seen, "went back"
        seen = picture.version
    """
)
WRITE_UNTIL_KILLED = textwrap.dedent(
    """
    import sys
    from dataclasses import replace
    from kit.ledgers import a_ledger
    from shared.ledger import Writer
    writer = Writer(sys.argv[1])
    base, version = a_ledger(positions=20, orders=20), int(sys.argv[2])
    print("writing", flush=True)
    while True:
        version += 1
        rows = tuple(replace(row, size_micro=version) for row in base.positions)
        writer.write(replace(base, version=version, cash_micro=version * 3, positions=rows))
    """
)


def started(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own that says when it is under way."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", program, NAME, *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in {"reading", "writing"}
    return process


def killed(process: subprocess.Popen[str]) -> str:
    """Kill, and say what it had complained about."""
    process.kill()
    return process.communicate()[1]


def test_no_reader_sees_a_torn_picture_though_writers_are_killed(writer: ledger.Writer) -> None:
    """Twenty writers die by SIGKILL in the middle of their loop; every picture read is whole and none goes back."""
    writer.write(replace(a_ledger(), version=0, cash_micro=0, positions=()))
    reader = started(READ_UNTIL_KILLED)
    ours = ledger.Reader(NAME)
    for _ in range(20):
        before = ours.read().version
        victim = started(WRITE_UNTIL_KILLED, str(before))
        while ours.read().version < before + 50:
            assert victim.poll() is None
        assert killed(victim) == ""
        picture = ours.read()
        assert picture.cash_micro == picture.version * 3
    ours.close()
    assert reader.poll() is None, reader.communicate()[1]
    assert killed(reader) == ""


@pytest.mark.parametrize("who", ["reader", "writer"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_segment_outlives_whoever_ends(writer: ledger.Writer, who: str, how: signal.Signals) -> None:
    """No resource tracker removes it: neither when a stranger's reader ends nor when its owner is killed."""
    writer.write(replace(a_ledger(), version=0, cash_micro=0, positions=()))
    process = started(READ_UNTIL_KILLED) if who == "reader" else started(WRITE_UNTIL_KILLED, "0")
    process.send_signal(how)
    process.communicate()
    assert writer.exists()
    ledger.Reader(NAME).close()


def _untracked(name: str) -> shared_memory.SharedMemory:
    return shared_memory.SharedMemory(name, track=False)


def _forget(name: str) -> None:
    """Take back what an ordinary attachment told the resource tracker of this test process."""
    if sys.version_info < (3, 13):
        from multiprocessing import resource_tracker

        resource_tracker.unregister(f"/{name}", "shared_memory")
