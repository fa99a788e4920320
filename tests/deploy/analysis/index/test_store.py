"""The index on disk: however it was built it is the same, and it follows its journal and no other."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from kit.indexes import a_journal, a_line, simulated, write
from kit.trading import a_fill, a_placing, an_opening
from msgspec import msgpack

from deploy.analysis.index import IndexBusy, JournalUnreadable, NoJournal, digest, open_index, update
from deploy.analysis.index.store import Progress
from shared.paths import State
from shared.records import Appender, segments

ROOT = Path(__file__).resolve().parents[4]


KILLED = """
import os, signal, sys
from pathlib import Path
from deploy.analysis.index import store
from shared.paths import State

take, left = store.Fold.take, int(sys.argv[2])

def taken(fold, line):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    take(fold, line)

store.Fold.take = taken
store.update(State(Path(sys.argv[1])), batch=150)
"""
"""A process that builds an index, and is killed in the middle of a commit: before it folds its so many-th record."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A simulated desk's journal, and its index, built in one go."""
    state = a_journal(tmp_path_factory.mktemp("whole"), simulated(), 300)
    update(state)
    return state


def content(state: State) -> str:
    """What names everything in an index."""
    with closing(open_index(state)) as connection:
        return digest(connection)


def test_built_in_pieces_it_is_what_it_is_built_in_one_go(whole: State, tmp_path: Path) -> None:
    """Read whenever the journal has grown, in small and large commits."""
    lines, state = simulated(), State(tmp_path)
    cuts = [0, 1, 2, 40, 299, 300, 301, 900, 901, len(lines)]
    for begin, end in pairwise(cuts):
        write(state, lines[begin:end], 250)
        built = update(state, batch=37)
        assert (built.last_n, built.added) == (min(end, len(lines)), len(lines[begin:end]))
        assert bool(built.anew) == (begin == 0)
    assert content(state) == content(whole)


def test_deleted_it_is_made_again_the_same(whole: State) -> None:
    """It holds nothing that the journal does not."""
    before = content(whole)
    for path in whole.root.glob("index.sqlite*"):
        path.unlink()
    assert content(whole) == before
    assert update(whole, rebuild=True).anew
    assert content(whole) == before


def test_killed_while_it_is_built_it_goes_on(whole: State, tmp_path: Path) -> None:
    """A real process, killed in the middle of a commit three times: what was committed is there and gone on from."""
    state = State(tmp_path)
    shutil.copytree(whole.journal, state.journal)
    ended = []
    for record in (700, 250, 900):
        ran = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path), str(record)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        with closing(sqlite3.connect(state.index)) as connection:
            ended.append(connection.execute("SELECT last_n FROM state").fetchone()[0])
    assert ended == [600, 750, 1_500]
    assert content(state) == content(whole)


def test_a_build_that_is_interrupted_leaves_whole_commits(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a commit: what was in before is in, and nothing of it."""
    state = a_journal(tmp_path, simulated(), 300)

    def stop(progress: Progress) -> None:
        if progress.records >= 400:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        update(state, tell=stop, batch=200)
    built = update(state)
    assert not built.anew
    assert built.added == len(simulated()) - 400


def a_small_journal(folder: Path, size_micro: int = 4_000_000, records: int = 2) -> State:
    """Some fills in segments of their own."""
    fills = [a_fill(trade_id=f"t{n}", size_micro=size_micro) for n in range(8)]
    entries = [an_opening(), a_placing(), *fills]
    return a_journal(folder, [a_line(n, entry) for n, entry in enumerate(entries, start=1)], records)


def replaced(state: State) -> None:
    """Another journal of the same length stands there."""
    shutil.rmtree(state.journal)
    a_small_journal(state.root, size_micro=5_000_000)


def shortened(state: State) -> None:
    """The machine lost power, and the journal its end."""
    segments(state.journal)[-1].unlink()
    segments(state.journal)[-1].unlink()


def pruned(state: State) -> None:
    """Its beginning is no longer there."""
    segments(state.journal)[0].unlink()


def damaged(state: State) -> None:
    """The index itself cannot be read."""
    for path in state.root.glob("index.sqlite-*"):
        path.unlink()
    state.index.write_bytes(b"SQLite format 3\0" + b"no database at all" * 400)


def of_another_version(state: State) -> None:
    """It was made by a release with other tables."""
    with closing(sqlite3.connect(state.index, isolation_level=None)) as connection:
        connection.execute("UPDATE state SET schema_version = 0")
        connection.execute("DROP TABLE fills")


def of_other_code(state: State) -> None:
    """It has these tables, and rows that this code would not make."""
    with closing(sqlite3.connect(state.index, isolation_level=None)) as connection:
        connection.execute("UPDATE state SET code = 'of yesterday'")
        connection.execute("UPDATE fills SET size_micro = 0")


@pytest.mark.parametrize("change", [replaced, shortened, pruned, damaged, of_another_version, of_other_code])
def test_what_the_journal_does_not_continue_is_made_anew(change: Callable[[State], None], tmp_path: Path) -> None:
    """And then it is what a new index of that journal is."""
    state = a_small_journal(tmp_path)
    update(state)
    change(state)
    assert update(state).anew
    anew = State(tmp_path / "anew")
    shutil.copytree(state.journal, anew.journal)
    assert content(state) == content(anew)


def fills(connection: sqlite3.Connection) -> int:
    """How many an index holds."""
    return int(connection.execute("SELECT COUNT(*) FROM fills").fetchone()[0])


def test_a_reader_sees_whole_commits_and_is_not_disturbed(tmp_path: Path) -> None:
    """While another builds on, a question that was begun is answered from what there was."""
    state = a_small_journal(tmp_path)
    with closing(open_index(state)) as reader:
        reader.execute("BEGIN")
        before = fills(reader)
        write(state, [a_line(11, a_fill(trade_id="new"))])
        update(state)
        assert fills(reader) == before
        reader.execute("COMMIT")
        assert fills(reader) == before + 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM fills")


def test_one_builds_at_a_time(tmp_path: Path) -> None:
    """Who comes second waits, and says so when it takes too long."""
    state = a_small_journal(tmp_path)

    def second(progress: Progress) -> None:
        with pytest.raises(IndexBusy):
            update(state, wait_s=0)

    assert update(state, tell=second).added == 10


def test_without_a_journal_there_is_no_index(tmp_path: Path) -> None:
    """And no empty file is left that looks like one."""
    with pytest.raises(NoJournal):
        open_index(State(tmp_path))
    assert not State(tmp_path).index.exists()


def test_a_damaged_journal_is_named_by_its_place(tmp_path: Path) -> None:
    """What is in front of the damage is in the index."""
    state = a_small_journal(tmp_path)
    path = segments(state.journal)[2]
    raw = bytearray(path.read_bytes())
    raw[70] ^= 1
    path.write_bytes(raw)
    with pytest.raises(JournalUnreadable, match="record 5 "):
        update(state, batch=1)
    with closing(sqlite3.connect(state.index)) as connection:
        assert connection.execute("SELECT last_n FROM state").fetchone() == (4,)


def test_a_record_of_a_newer_release_is_not_passed_over(tmp_path: Path) -> None:
    """What cannot be understood is not left out of the sums."""
    state = a_small_journal(tmp_path)
    appender = Appender(state.journal, "journal")
    appender.append(msgpack.encode([11, 1, 1, 1, ["FROM-THE-FUTURE", 1]]))
    appender.close()
    with pytest.raises(JournalUnreadable, match="newer release"):
        update(state)
