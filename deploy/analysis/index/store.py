"""The index on disk: one SQLite file beside the journal, brought up to date by whoever wants to read it.

It holds nothing that the journal does not: delete it and it is made again, the same. A build commits in pieces, each a
whole beginning of the journal, so it may be killed at any moment and goes on where the last piece ended; readers see
whole pieces only, and are never waited for. The file remembers how far it has read and the chain up to there; where
the journal does not continue that - it was replaced, changed or pruned - or other code made it, everything is built
anew. One builder at a time, held by a lock that the kernel drops when its holder dies.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

from deploy.analysis.index.fold import Fold
from deploy.analysis.index.schema import SCHEMA_VERSION, TABLES, statements
from shared import entries as e
from shared.clock import NS, SystemClock
from shared.fingerprint import file_digest, release_hash
from shared.paths import State
from shared.records import Damaged, Segment, first_number, linked, segments

BATCH: Final = 5_000
"""Journal records between two commits."""
LOCK_WAIT_S: Final = 600.0
"""How long another builder is waited for."""
_LOCK_LOOK_S: Final = 0.05
_BUSY_MS: Final = 10_000
"""How long SQLite waits for another connection of its own."""
_STATE_DDL: Final = (
    "CREATE TABLE state (only INTEGER PRIMARY KEY CHECK (only = 1), schema_version INTEGER NOT NULL,"
    " code TEXT NOT NULL, first_n INTEGER NOT NULL, last_n INTEGER NOT NULL, chain TEXT NOT NULL) STRICT"
)
"""By which code it was made; and how far it has read: first record of the journal, last one that is in, chain after it.
"""


class NoJournal(Exception):
    """There is no journal to make an index from."""


class JournalUnreadable(Exception):
    """The journal cannot be read on: it is damaged, or says what only a newer release understands; and where."""


class IndexBusy(Exception):
    """Another process is building this index, and did not end in time."""


class IndexUnwritable(Exception):
    """The index cannot be written or read: no permission, no space."""


class IndexForbidden(Exception):
    """Who asks may not read the journal, or not write the index or its folder."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build has come: journal records that are in, and bytes of the journal read and in all."""

    records: int
    read_bytes: int
    all_bytes: int


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did. `anew`: why it began from the first record; empty where it went on."""

    first_n: int
    last_n: int
    added: int
    anew: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Up to where an index has read."""

    first_n: int = 0
    last_n: int = 0
    chain: str = ""


def open_index(state: State, wait_s: float = LOCK_WAIT_S) -> sqlite3.Connection:
    """The index of a desk, up to date with its journal; read only, rows by column name.

    Raises: NoJournal, JournalUnreadable, IndexBusy, IndexUnwritable, IndexForbidden.
    """
    update(state, wait_s=wait_s)
    with _faults(state.index):
        connection = _connect(state.index)
        connection.execute("PRAGMA query_only = ON")
    connection.row_factory = sqlite3.Row
    return connection


def update(
    state: State,
    *,
    rebuild: bool = False,
    wait_s: float = LOCK_WAIT_S,
    tell: Callable[[Progress], None] = lambda progress: None,
    batch: int = BATCH,
) -> Built:
    """Bring the index up to date with the journal, or make it anew. Raises: as for `open_index`."""
    with _faults(state.index):
        _demand_journal(state)
    with _faults(state.index), _alone(state.index, wait_s):
        try:
            return _build(state, rebuild, tell, batch)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            _remove(state.index)
            built = _build(state, True, tell, batch)
            return Built(built.first_n, built.last_n, built.added, f"the index was damaged: {error}")


def digest(connection: sqlite3.Connection) -> str:
    """What names the content of an index: equal journals have equal ones, however they were read."""
    content = blake2b(digest_size=16)
    for table in TABLES:
        content.update(table.name.encode())
        for row in connection.execute(f"SELECT * FROM {table.name} ORDER BY {', '.join(table.key)}"):
            content.update(repr(tuple(row)).encode())
    return content.hexdigest()


@cache
def code() -> str:
    """The digest of the code that an index is made by: other code may make other rows of the same journal."""
    files = {path.name: file_digest(path) for path in Path(__file__).parent.glob("*.py")}
    return release_hash(files)


def _demand_journal(state: State) -> None:
    """A folder that may not be listed looks empty. Raises: NoJournal, PermissionError."""
    if state.journal.exists():
        os.scandir(state.journal).close()
    if not segments(state.journal):
        raise NoJournal(f"{state.root} holds no journal")


def _build(state: State, rebuild: bool, tell: Callable[[Progress], None], batch: int) -> Built:
    connection = _connect(state.index)
    try:
        place, anew = _begin(connection, state.journal, rebuild)
        last_n = _read(connection, state.journal, place, tell, batch)
        return Built(_place(connection).first_n, last_n, last_n - max(place.last_n, place.first_n - 1), anew)
    finally:
        connection.close()


def _begin(connection: sqlite3.Connection, journal: Path, rebuild: bool) -> tuple[_Place, str]:
    """Where to go on, and why that is at the beginning if it is; the tables are there afterwards."""
    why = "it was asked for" if rebuild else _why_anew(connection, journal)
    if not why:
        return _place(connection), ""
    place = _Place(first_n=first_number(segments(journal)[0]))
    connection.execute("BEGIN IMMEDIATE")
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        connection.execute(f'DROP TABLE "{name}"')
    for statement in (_STATE_DDL, *statements()):
        connection.execute(statement)
    connection.execute("INSERT INTO state VALUES (1, ?, ?, ?, 0, '')", (SCHEMA_VERSION, code(), place.first_n))
    connection.execute("COMMIT")
    return place, why


def _why_anew(connection: sqlite3.Connection, journal: Path) -> str:
    """Why an index cannot go on; empty when it can."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'state'").fetchone():
        return "there was none"
    made_by = connection.execute("SELECT * FROM state").fetchone()
    if made_by is None or made_by[1:3] != (SCHEMA_VERSION, code()):
        return "it was made by other code than this"
    place = _place(connection)
    first_n = first_number(segments(journal)[0])
    if first_n != place.first_n:
        return f"the journal begins with record {first_n} now, and not with {place.first_n}"
    if place.last_n and not _continues(journal, place):
        return f"the journal's record {place.last_n} is another now"
    return ""


def _continues(journal: Path, place: _Place) -> bool:
    """Whether the journal still has the record up to which the index has read, under the same chain."""
    path = [each for each in segments(journal) if first_number(each) <= place.last_n][-1]
    try:
        return Segment(path, "journal").skip_past(place.last_n, bytes.fromhex(place.chain))
    except Damaged as error:
        raise JournalUnreadable(str(error)) from error


def _place(connection: sqlite3.Connection) -> _Place:
    row = connection.execute("SELECT first_n, last_n, chain FROM state").fetchone()
    return _Place(*row)


def _read(
    connection: sqlite3.Connection, journal: Path, place: _Place, tell: Callable[[Progress], None], batch: int
) -> int:
    """Fold what the journal says behind a place, commit by commit. Returns: the last record that is in."""
    fold, last_n = Fold(connection), place.last_n
    for records, link, progress in _batches(journal, place, batch):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for record in records:
                fold.take(_line(record))
            fold.settle()
            last_n = progress.records
            connection.execute("UPDATE state SET last_n = ?, chain = ?", (last_n, link))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        tell(progress)
    connection.execute("PRAGMA optimize")
    return last_n


def _line(record: bytes) -> e.Line:
    try:
        return e.decode_line(record)
    except e.UnknownEntry as error:
        raise JournalUnreadable(f"{error}; a newer release has to read this journal") from error


def _batches(journal: Path, place: _Place, batch: int) -> Iterator[tuple[list[bytes], str, Progress]]:
    """Records behind a place, so many at a time, with the chain after them."""
    sizes = {path: path.stat().st_size for path in segments(journal)}
    taken, link, number, done = list[bytes](), "", 0, 0
    try:
        for segment in linked(journal, "journal", place.last_n):
            if place.last_n >= segment.first:
                segment.skip_past(place.last_n, bytes.fromhex(place.chain))
            for number, record in segment:
                taken.append(record)
                link = segment.chain.hex()
                if len(taken) >= batch:
                    yield taken, link, Progress(number, done + segment.end, sum(sizes.values()))
                    taken = []
            done += sizes.get(segment.path, 0)
    except Damaged as error:
        raise JournalUnreadable(str(error)) from error
    if taken:
        yield taken, link, Progress(number, done, sum(sizes.values()))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_MS / 1_000)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _remove(path: Path) -> None:
    for file in _files(path):
        file.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    """Everything that SQLite keeps of one index."""
    return [path.with_name(f"{path.name}{part}") for part in ("", "-wal", "-shm")]


@contextmanager
def _alone(index: Path, wait_s: float) -> Iterator[None]:
    """Be the one builder. Raises: IndexBusy."""
    fd = os.open(index.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline_ns = SystemClock().monotonic_ns() + int(wait_s * NS)
        while not _locked(fd):
            if SystemClock().monotonic_ns() >= deadline_ns:
                raise IndexBusy(f"{index} is being built by another process for more than {wait_s:g} s")
            time.sleep(_LOCK_LOOK_S)
        yield
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _faults(index: Path) -> Iterator[None]:
    """What the machine refuses, under our own name. Raises: IndexUnwritable, IndexForbidden."""
    try:
        yield
    except sqlite3.OperationalError as error:
        refused = IndexForbidden if _forbidden(index) else IndexUnwritable
        raise refused(f"{index}: {error}") from error
    except PermissionError as error:
        raise IndexForbidden(f"{error.filename or index}: {error.strerror}") from error
    except OSError as error:
        raise IndexUnwritable(f"{error.filename or index}: {error.strerror}") from error


def _forbidden(index: Path) -> bool:
    """Whether we may not read and write a file of the index, or make one beside it: SQLite says only that it cannot."""
    files = [path for path in _files(index) if path.exists()]
    return not all(os.access(path, os.R_OK | os.W_OK) for path in (index.parent, *files))
