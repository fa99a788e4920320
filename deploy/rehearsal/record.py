"""The venue's own record on disk: one JSON object a line, appended and flushed; and the keys' secrets beside it.

An offline checker holds clients to this record, so it is written before anybody is told. A torn last
line is cut off at start. Secrets are not on the record: `keys.json` has them, readable by its owner alone. Leaves what
lines mean to `memory.py`. What always holds: a line is whole or absent, and never changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Final

import msgspec

from deploy.rehearsal.keys import Key
from deploy.rehearsal.protocol import Json

RECORD_FILE: Final = "record.jsonl"
KEYS_FILE: Final = "keys.json"
VERSION: Final = 1
_READ_BYTES: Final = 1 << 16


class RecordUnusable(Exception):
    """The folder's record cannot be read or continued; the text is one line for a person."""


class Record:
    """The open record of one folder. Lines are gathered until `flush`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / RECORD_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RecordUnusable(f"{self.path} cannot be written: {error.strerror}") from error
        self._lock()
        self._cut_torn_end()
        self._lines: list[bytes] = []

    def add(self, kind: str, at_ms: int, wall_ms: int, fields: Json) -> None:
        """Add a line. at_ms: market time; wall_ms: the world's."""
        self._lines.append(msgspec.json.encode({"kind": kind, "t_ms": at_ms, "wall_ms": wall_ms} | fields))

    def flush(self) -> None:
        """Hand all lines to the kernel: they survive the process from here on. Raises: RecordUnusable."""
        if self._lines:
            block = b"\n".join(self._lines) + b"\n"
            self._lines.clear()
            try:
                while block:
                    block = block[os.write(self._file, block) :]
            except OSError as error:
                raise RecordUnusable(f"{self.path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Flush, and make it durable."""
        self.flush()
        os.fsync(self._file)
        os.close(self._file)

    def _lock(self) -> None:
        """One venue writes a record: the kernel lets go of the lock when its process ends, however it ends."""
        try:
            flock(self._file, LOCK_EX | LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise RecordUnusable(f"{self.path} is being written by another venue") from error

    def _cut_torn_end(self) -> None:
        size = os.fstat(self._file).st_size
        at = size
        while at:
            start = max(0, at - _READ_BYTES)
            newline = os.pread(self._file, at - start, start).rfind(b"\n")
            if newline >= 0:
                at = start + newline + 1
                break
            at = start
        if at < size:
            os.ftruncate(self._file, at)


def read_lines(folder: Path) -> Iterator[Json]:
    """The lines of a folder's record, oldest first; none without a record. A torn last line is left out.

    Raises: RecordUnusable: a line that is no JSON object with the three fields every line has.
    """
    path = folder / RECORD_FILE
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield _line(path, number, line)


def _line(path: Path, number: int, line: bytes) -> Json:
    try:
        decoded: Json = msgspec.json.decode(line, type=dict)
    except msgspec.DecodeError as error:
        raise RecordUnusable(f"{path} line {number}: {error}") from error
    if not {"kind", "t_ms", "wall_ms"} <= decoded.keys():
        raise RecordUnusable(f"{path} line {number}: kind, t_ms and wall_ms are missing")
    return decoded


def read_keys(folder: Path) -> list[Key]:
    """The API keys of a folder; none without the file. Raises: RecordUnusable."""
    path = folder / KEYS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Key])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise RecordUnusable(f"{path}: {error}") from error


def write_keys(folder: Path, keys: Iterable[Key]) -> None:
    """Write the API keys, whole or not at all, for their owner's eyes only."""
    path, aside = folder / KEYS_FILE, folder / f".{KEYS_FILE}.new"
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:
        file.write(msgspec.json.encode([asdict(key) for key in keys]))
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
