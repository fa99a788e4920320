"""The ledger in shared memory: one writer, many readers, no torn picture whoever dies when."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import shared_memory
from pathlib import Path
from time import monotonic, sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.interpreters import interpreters
from kit.ledgers import a_ledger

from shared import ledger
from shared.paths import State

ROOT = Path(__file__).resolve().parents[2]
DEV_SHM = Path("/dev/shm")
DEATHS, WRITES_EACH, DEATHS_S = 30, 100, 300.0
"""How many writers die, how much each writes at least, and how long all of it may take."""
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


def started(program: str, *arguments: str, python: str = sys.executable) -> subprocess.Popen[str]:
    """A process of its own that says when it is under way; another Python sees our code and none of our packages."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    process = subprocess.Popen(
        [python, "-c", program, NAME, *arguments],
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


def test_no_reader_sees_a_torn_picture_though_writers_are_killed(
    writer: ledger.Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writers that do nothing but write die by SIGKILL at random moments; two readers look all the while.

    Every picture read is whole and none goes back; after each death the next writer goes on from there.
    """
    writer.write(replace(a_ledger(), version=0, cash_micro=0, positions=()))
    readers = [started(READ_UNTIL_KILLED) for _ in range(2)]
    ours, chance, torn, deadline = ledger.Reader(NAME), random.Random(DEATHS), 0, monotonic() + DEATHS_S
    for _ in range(DEATHS):
        before = ours.read().version
        victim = started(WRITE_UNTIL_KILLED, str(before))
        while ours.read().version < before + WRITES_EACH:
            assert victim.poll() is None
            assert monotonic() < deadline, "the writers do not get on"
        sleep(chance.uniform(0, 0.002))  # not a wait for anything: the moment of death is the point
        assert killed(victim) == ""
        torn += left_torn(ours)
        picture = ours.read()
        assert picture.cash_micro == picture.version * 3
    written = ours.read().version
    ours.close()
    for reader in readers:
        assert reader.poll() is None, reader.communicate()[1]
        assert killed(reader) == ""
    with capsys.disabled():
        print(f"\n{DEATHS} writers killed after {written} writes, {torn} inside the copy itself", end="")
    assert written >= DEATHS * WRITES_EACH


def left_torn(reader: ledger.Reader) -> bool:
    """Whether the bank that is not in force was left half written."""
    generation = int.from_bytes(reader._map[24:32], sys.byteorder)
    start = 64 + ((generation + 1) % 2) * ledger.BANK
    bank = reader._map[start : start + ledger.BANK]
    return not any(ledger._unpack(bank, its) for its in (generation - 1, generation + 1))


@given(st.data())
def test_wherever_in_a_write_the_writer_dies_the_picture_before_is_read(data: st.DataObject) -> None:
    """After any byte of the copy, in whatever order they went, and after all of it; the next writer goes on."""
    name = f"{NAME}-dies"
    dying = ledger.Writer(name)
    try:
        dying.write(a_ledger(version=1))
        if data.draw(st.booleans()):
            dying.write(a_ledger(version=2, orders=7))
        before, reader = ledger.Reader(name).read(), ledger.Reader(name)
        spare = 64 + ((dying._generation + 1) % 2) * ledger.BANK
        held = bytes(dying._buffer)
        dying.write(
            a_ledger(version=3, positions=data.draw(st.integers(0, 128)), orders=data.draw(st.integers(0, 256)))
        )
        new = bytes(dying._buffer[spare : spare + ledger.BANK])
        dying._buffer[:] = held  # nothing of it happened, and now a part of it does
        first, last = sorted(data.draw(st.tuples(*(2 * [st.integers(0, ledger.BANK)]))))
        dying._buffer[spare + first : spare + last] = new[first:last]
        assert reader.read() == before
        heir = ledger.Writer(name)
        heir.write(a_ledger(version=4))
        assert reader.read() == a_ledger(version=4)
        reader.close()
        heir.close()
    finally:
        dying.close(unlink=True)


@pytest.mark.parametrize("version", interpreters())
@pytest.mark.parametrize("who", ["reader", "writer"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_segment_outlives_whoever_ends(writer: ledger.Writer, who: str, how: signal.Signals, version: str) -> None:
    """No resource tracker removes it, on any Python here: neither when a reader ends nor when its owner is killed."""
    writer.write(replace(a_ledger(), version=0, cash_micro=0, positions=()))
    python = interpreters()[version]
    program, arguments = (READ_UNTIL_KILLED, ()) if who == "reader" else (WRITE_UNTIL_KILLED, ("0",))
    process = started(program, *arguments, python=python)
    process.send_signal(how)
    process.communicate()  # and with it whatever the process left behind that had its standard error
    assert writer.exists()
    ledger.Reader(NAME).close()


@pytest.mark.parametrize("version", interpreters())
def test_the_usual_way_to_attach_would_remove_it(version: str) -> None:
    """What the test above would see if the tracker were not kept out: by default its end is the segment's, too."""
    name = f"{NAME}-usual"
    ours = ledger.Writer(name)
    code = f"from multiprocessing import shared_memory; shared_memory.SharedMemory({name!r})"
    ran = subprocess.run([interpreters()[version], "-c", code], capture_output=True, text=True, check=False)
    gone = not ours.exists()
    ours.close(unlink=not gone)
    assert (ran.returncode, gone) == (0, True), ran.stderr


def test_a_segment_that_a_dying_writer_left_without_its_size_is_made_anew() -> None:
    """Killed between the name and the room for it: the next writer does not stumble over it."""
    name = f"{NAME}-empty"
    (DEV_SHM / name).touch(mode=0o600)
    heir = ledger.Writer(name)
    heir.write(a_ledger())
    assert ledger.Reader(name).read() == a_ledger()
    heir.close(unlink=True)


def test_the_example_of_the_readme_reads_a_ledger(tmp_path: Path) -> None:
    """As it stands there, by every Python here, from a folder that is none of ours."""
    text = (ROOT / "README.md").read_text().partition("### Read the ledger from your own Python")[2]
    example = text.partition("```python\n")[2].partition("```")[0]
    assert 0 < len(example.splitlines()) <= 6, example
    named = ledger.Writer(State(tmp_path).ledger_name)
    try:
        named.write(a_ledger(version=7, positions=1))
        environ = {"FORESIGHT_STATE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
        for python in interpreters().values():
            said = subprocess.run([python, "-c", example], env=environ, cwd=tmp_path, capture_output=True, text=True)
            assert (said.returncode, said.stderr) == (0, "")
            assert said.stdout == "7 -7 [('BTC/5m', 'Down', 10000000)]\n"
    finally:
        named.close(unlink=True)


def _untracked(name: str) -> shared_memory.SharedMemory:
    return shared_memory.SharedMemory(name, track=False)


def _forget(name: str) -> None:
    """Take back what an ordinary attachment told the resource tracker of this test process."""
    if sys.version_info < (3, 13):
        from multiprocessing import resource_tracker

        resource_tracker.unregister(f"/{name}", "shared_memory")
