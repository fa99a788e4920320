"""The accounts as they were at one record of the journal, kept beside it: a start folds only what came after.

    folder/0000000000004711.snap             named for the number of the last record that is in it
    offset 0 magic "FSSNAP01" | 8 number, u64 | 16 the journal's chain after that record, 16 bytes
           32 code that wrote it, 16 bytes | 48 blake2b-256 of all the rest | 80 the accounts, MessagePack, by field

The journal is the truth, and a snapshot is only a shorter way to it: one that is damaged, that other code wrote, or
that does not continue into this very journal is left out, and said so. Without any the whole journal is folded. What is
folded from a snapshot is, field by field, what is folded from the beginning; what a start leaves unread before it,
`foresightctl audit verify` walks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec

from shared import files
from shared.entries import Line, decode_line
from shared.fingerprint import code_hash
from shared.records import linked
from supervisor.accounts import Accounts, rebuild
from supervisor.journal import JOURNAL, lines

KEPT: Final = 3
"""Snapshots that are kept: a machine without power may have lost the journal's end that the newest one needs."""
SNAPSHOT_MAX: Final = 64 << 20
"""Bytes of the largest snapshot that is read; a busy desk's is a quarter of a MiB."""
MAGIC: Final = b"FSSNAP01"
HEADER: Final = struct.Struct("<8sQ16s16s32s")
assert HEADER.size == 80
_SUM_AT: Final = 48


class Unusable(Exception):
    """A snapshot that cannot be gone on from. `damaged`: it should not be like that."""

    def __init__(self, why: str, *, damaged: bool = True) -> None:
        super().__init__(why)
        self.damaged = damaged


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The accounts up to a record. `link`: the journal's chain after it."""

    number: int
    link: bytes
    accounts: Accounts


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a journal adds up to, how it was found out, and which snapshots could not be used, each with why."""

    accounts: Accounts
    snapshot: int
    folded: int
    left_out: tuple[str, ...]
    damaged: tuple[str, ...]


def own_code() -> str:
    """The hash of the code that folds here. Raises: OSError: a file of it is gone."""
    return code_hash(Path(__file__).resolve().parent.parent, ("supervisor", "shared"))


def pack(accounts: Accounts, number: int, link: bytes, code: str) -> bytes:
    """A snapshot's bytes."""
    fields = vars(accounts) | {"strikes": {window: str(exact) for window, exact in accounts.strikes.items()}}
    payload = msgspec.msgpack.encode(fields)
    head = HEADER.pack(MAGIC, number, link, code.encode(), bytes(32))
    return HEADER.pack(MAGIC, number, link, code.encode(), _sum(head, payload)) + payload


def unpack(data: bytes, code: str) -> Snapshot:
    """The snapshot in some bytes. Raises: Unusable."""
    if len(data) < HEADER.size or not data.startswith(MAGIC):
        raise Unusable("no snapshot")
    _, number, link, its_code, its_sum = HEADER.unpack_from(data)
    if _sum(data[:_SUM_AT] + bytes(32), data[HEADER.size :]) != its_sum:
        raise Unusable("its bytes were changed")
    if its_code.rstrip(b"\0") != code.encode()[:16]:
        raise Unusable("other code wrote it", damaged=False)
    try:
        kept = msgspec.msgpack.decode(data[HEADER.size :], type=_Fields)
    except msgspec.DecodeError as error:
        raise Unusable(f"its accounts cannot be read: {error}") from error
    fields = {name: getattr(kept, name) for name in _FIELDS}
    strikes = {window: int(exact) for window, exact in fields["strikes"].items()}
    return Snapshot(number, link, Accounts(**fields | {"strikes": strikes}))


def recover(journal: Path, folder: Path, code: str) -> Recovered:
    """The accounts that a journal adds up to, from the newest snapshot that continues into it.

    Raises: shared.records.Damaged, shared.entries.UnknownEntry: as for the whole journal.
    """
    left_out, damaged = list[str](), list[str]()
    for path in reversed(_kept(folder)):
        try:
            snapshot = unpack(_read(path), code)
            return _continued(snapshot, journal, tuple(left_out), tuple(damaged))
        except Unusable as why:
            (damaged if why.damaged else left_out).append(f"{path.name}: {why}")
    counted = _Counted(lines(journal))
    return Recovered(rebuild(counted), 0, counted.count, tuple(left_out), tuple(damaged))


def write(folder: Path, number: int, data: bytes) -> None:
    """Keep a snapshot, whole or not at all, and forget all but the newest. Raises: OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{number:016d}.snap"
    files.replace(path, data, aside=path.with_suffix(".new"), durable=True)
    for old in (*_kept(folder)[:-KEPT], *folder.glob("*.new")):
        old.unlink(missing_ok=True)


class _Counted:
    """Lines, and how many there were."""

    def __init__(self, source: Iterator[Line]) -> None:
        self.source, self.count = source, 0

    def __iter__(self) -> Iterator[Line]:
        for line in self.source:
            self.count += 1
            yield line


def _continued(snapshot: Snapshot, journal: Path, left_out: tuple[str, ...], damaged: tuple[str, ...]) -> Recovered:
    counted = _Counted(_after(journal, snapshot))
    accounts = rebuild(counted, snapshot.accounts)
    return Recovered(accounts, snapshot.number, counted.count, left_out, damaged)


def _after(journal: Path, snapshot: Snapshot) -> Iterator[Line]:
    """What the journal says after a snapshot. Raises: Unusable: before the first, if it is not this journal's."""
    found = False
    for segment in linked(journal, JOURNAL, snapshot.number):
        found = found or segment.skip_past(snapshot.number, snapshot.link)
        if not found:
            break
        for _, record in segment:
            yield decode_line(record)
    if not found:
        raise Unusable("its last record is not in this journal")


def _kept(folder: Path) -> list[Path]:
    """The snapshots of a folder, oldest first."""
    return sorted(folder.glob("*.snap"))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(SNAPSHOT_MAX + 1)
    except OSError as error:
        raise Unusable(error.strerror or str(error)) from error
    if len(data) > SNAPSHOT_MAX:
        raise Unusable(f"it is larger than {SNAPSHOT_MAX} bytes")
    return data


def _sum(head: bytes, payload: bytes) -> bytes:
    """Over the header, its own place zeroed, and the accounts."""
    return blake2b(head + payload, digest_size=32).digest()


_FIELDS: Final[dict[str, Any]] = get_type_hints(Accounts) | {"strikes": dict[tuple[str, int], str]}
"""Every field of the accounts by its type; strikes, in 1e-18, are beyond the integers of MessagePack."""
_Fields: Final = msgspec.defstruct("_Fields", list(_FIELDS.items()), forbid_unknown_fields=True, frozen=True)
