"""The append-only file under journal and tape: numbered records in segments, checksummed and hash-chained.

    folder/0000000000000001.seg, 0000000000004711.seg, ...        named for the number of their first record
    folder/0000000000000001.segz                                  the same segment, packed: see shared.packed

    segment:  offset 0 magic "FSRECS01" | 8 kind, 8 bytes | 16 first record's number, u64 | 24 chain before it, 16 bytes
              | 40 records ...                                     all integers little-endian
    record:   u32 length of payload, 0 = end | u32 crc32 of payload | 16 bytes chain | payload
    chain:    blake2b-128(chain of the record before + payload)

One Appender at a time; any number of readers. An append reaches the page cache with `flush` (it survives this process)
and the disk with `sync` (it survives the machine). What a crash left half written at the very end is cut off on
opening and kept beside the segment as `.torn`; damage anywhere else is never skipped: it is Damaged, with its place. A
crash leaves the beginning of a record, or one with holes of zeros where the disk did not get to; a record that is whole
and does not check was changed afterwards, also at the very end.

A segment with others behind it is complete and may be packed by somebody else meanwhile: the packed one is there before
the plain one goes, so a reader takes whichever it finds, and finds the same bytes in both.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from shared.files import sync_folder

HEADER: Final = struct.Struct("<8s8sQ16s")
RECORD: Final = struct.Struct("<II16s")
assert HEADER.size == 40
assert RECORD.size == 24
MAGIC: Final = b"FSRECS01"
PLAIN: Final = ".seg"
PACKED: Final = ".segz"
MAX_RECORD: Final = 1 << 20
"""No record is larger, in bytes: a length beyond it is damage, not data."""

_GENESIS: Final = bytes(16)
_SECTOR: Final = 512
"""The least that a disk writes at once, in bytes."""


class Damaged(Exception):
    """A record or a segment does not check, and it is not the torn end of the last segment."""


class CannotWrite(Exception):
    """The disk refused a write. Nothing of the batch is in the file; what was there before still is."""


def chain(before: bytes, payload: bytes) -> bytes:
    """The link that binds a record to everything before it, 16 bytes."""
    return blake2b(before + payload, digest_size=16).digest()


def segments(folder: Path) -> list[Path]:
    """The segments of a folder, oldest first; one that is there in both forms is given as the plain one.

    The plain ones are looked for first: one that is packed between the two looks is seen in one of them at least.
    """
    plain = {path.stem: path for path in folder.glob(f"*{PLAIN}")}
    found = {path.stem: path for path in folder.glob(f"*{PACKED}")} | plain
    return [found[stem] for stem in sorted(found)]


def first_number(segment: Path) -> int:
    """The number of a segment's first record."""
    return int(segment.stem)


class Segment:
    """One segment as it was when opened, checked record by record while it is iterated.

    Args: most: bytes to read, where only the first records are wanted.
    Raises: Damaged: in the constructor when the header does not check, or it was packed and is not what it was then.
    """

    def __init__(self, path: Path, kind: str, most: int | None = None) -> None:
        self.path, self.data, self.packed = _content(path, most)
        path = self.path
        if len(self.data) < HEADER.size:
            raise Damaged(f"{path}: {len(self.data)} bytes are too few for a segment's header")
        magic, its_kind, self.first, self.chain = HEADER.unpack_from(self.data)
        if magic != MAGIC or its_kind.rstrip(b"\0") != kind.encode() or self.first != first_number(path):
            raise Damaged(f"{path}: not a {kind} segment, or not under its own name")
        self.end = HEADER.size
        self.next = self.first

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """(number, payload), until the end or the first record that does not check; `end` and `next` follow along."""
        data, size = self.data, len(self.data)
        while self.end + RECORD.size <= size:
            length, crc, link = RECORD.unpack_from(data, self.end)
            start = self.end + RECORD.size
            if not 0 < length <= MAX_RECORD or start + length > size:
                return
            payload = data[start : start + length]
            if not self.packed and (zlib.crc32(payload) != crc or chain(self.chain, payload) != link):
                return  # what was packed was checked, and its links computed, when it was unpacked
            self.chain, self.end, number = link, start + length, self.next
            self.next += 1
            yield number, payload

    def reload(self) -> None:
        """Take what was written meanwhile; to be iterated again, from where it ended. Raises: OSError, Damaged."""
        if not self.packed:
            self.path, self.data, self.packed = _content(self.path, None)

    def skip_past(self, number: int, link: bytes) -> bool:
        """Go on behind a record whose chain is known already, unchecked up to there; whether it is the one that is."""
        while self.end + RECORD.size <= len(self.data):
            length, _, self.chain = RECORD.unpack_from(self.data, self.end)
            if not 0 < length <= MAX_RECORD or self.end + RECORD.size + length > len(self.data):
                return False
            self.end, self.next = self.end + RECORD.size + length, self.next + 1
            if self.next > number:
                return bool(self.chain == link)
        return False

    def leftover(self) -> bytes:
        """What stands behind the last sound record, without the zeros of preallocation."""
        return self.data[self.end :].rstrip(b"\0")

    def changed(self) -> bool:
        """Whether the record behind the last sound one was changed after it was written: no crash leaves it so."""
        rest = self.leftover()
        head = rest[: RECORD.size]
        if len(head) < RECORD.size or not any(head):
            return False
        length = RECORD.unpack(head)[0]
        end = self.end + RECORD.size + length
        written = 0 < length <= MAX_RECORD and len(rest) < RECORD.size + length
        return not written and not self._has_hole(end)

    def _has_hole(self, end: int) -> bool:
        """Whether a sector that the record up to `end` reaches into was never written."""
        begin = -(-self.end // _SECTOR) * _SECTOR
        sectors = range(begin, min(end, len(self.data)), _SECTOR)
        return any(not any(self.data[at : at + _SECTOR]) for at in sectors)

    def refuse_changed(self) -> None:
        """Raises: Damaged: the next record was changed; its place."""
        if self.changed():
            raise Damaged(f"{self.path}: record {self.next} at byte {self.end} does not check")


def _content(path: Path, most: int | None) -> tuple[Path, bytes, bool]:
    """Where a segment is, its bytes, and whether they were packed: somebody may be about to do so."""
    if path.suffix == PLAIN:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            return path, file.read(most), False
        if not path.with_suffix(PACKED).exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    from shared.packed import SEGMENT_MAX, unpack

    path = path.with_suffix(PACKED)
    try:
        return path, unpack(path.read_bytes(), SEGMENT_MAX if most is None else most), True
    except Damaged as error:
        raise Damaged(f"{path}: {error}") from error


def read(folder: Path, kind: str, from_number: int = 0) -> Iterator[tuple[int, bytes]]:
    """Every record of a folder from a number on, the chain checked across segments.

    Raises: Damaged: a broken record that is no torn end, a missing segment, a chain that does not continue.
    """
    for segment in linked(folder, kind, from_number):
        for n, payload in segment:
            if n >= from_number:
                yield n, payload


def linked(folder: Path, kind: str, from_number: int = 0) -> Iterator[Segment]:
    """The segments that hold the records from a number on, each to be read to its end before the next is asked for.

    Raises: Damaged: as for `read`.
    """
    paths = segments(folder)
    begin = max((i for i, path in enumerate(paths) if first_number(path) <= from_number), default=0)
    before: Segment | None = None
    for path in paths[begin:]:
        segment = Segment(path, kind)
        if before is not None and (segment.first, segment.chain) != (before.next, before.chain):
            raise Damaged(f"{path}: does not continue record {before.next - 1} of the segment before it")
        yield segment
        if segment.leftover() and path != paths[-1]:
            raise Damaged(f"{path}: record {segment.next} at byte {segment.end} does not check")
        segment.refuse_changed()
        before = segment


class Appender:
    """The one writer of a folder.

    Args: folder: made if missing, mode 0700. kind: up to 8 letters, written into every segment. preallocate: bytes
    taken from the disk for each segment ahead of need, so that a full disk is met while there is still room to say so.
    Raises: Damaged: the last segment's header does not check, or a record in it was changed. CannotWrite: the folder or
    segment cannot be made.
    """

    def __init__(self, folder: Path, kind: str, *, preallocate: int = 0) -> None:
        self.folder, self.kind, self.preallocate = folder, kind, preallocate
        self.torn_bytes = 0
        self._pending: list[bytes] = []
        self._fd = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            existing = segments(folder)
            if existing:
                self._continue(existing[-1])
            else:
                self._chain, self.next = _GENESIS, 1
                self._begin()
            self._flushed_chain, self._flushed_next = self._chain, self.next
        except OSError as error:
            raise CannotWrite(f"{folder}: {error.strerror or error}") from error

    @property
    def size(self) -> int:
        """Bytes of the current segment, with what is not flushed yet."""
        return self._offset + sum(map(len, self._pending))

    @property
    def link(self) -> bytes:
        """The chain after the newest record taken: it names this record and everything before it."""
        return self._chain

    def append(self, payload: bytes) -> int:
        """Take a record and return its number; `flush` writes it."""
        self._chain = chain(self._chain, payload)
        self._pending.append(RECORD.pack(len(payload), zlib.crc32(payload), self._chain))
        self._pending.append(payload)
        number, self.next = self.next, self.next + 1
        return number

    def flush(self) -> None:
        """Hand everything taken to the kernel. Raises: CannotWrite: nothing of it is in the file, it stays pending."""
        if not self._pending:
            return
        batch = b"".join(self._pending)
        try:
            written = os.pwrite(self._fd, batch, self._offset)
            if written != len(batch):
                os.pwrite(self._fd, bytes(written), self._offset)
                raise OSError(errno.ENOSPC, f"only {written} of {len(batch)} bytes fitted")
        except OSError as error:
            raise CannotWrite(f"{self.path}: {error.strerror or error}") from error
        self._offset += len(batch)
        self._pending.clear()
        self._flushed_chain, self._flushed_next = self._chain, self.next

    def abandon(self) -> int:
        """Give up what is taken and not flushed, as if it had never been; return how many records that were."""
        lost = self.next - self._flushed_next
        self._pending.clear()
        self._chain, self.next = self._flushed_chain, self._flushed_next
        return lost

    def sync(self) -> None:
        """Wait until everything flushed is on the disk; callable from another thread. Raises: CannotWrite."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise CannotWrite(f"{self.path}: {error.strerror or error}") from error

    def roll(self) -> None:
        """Flush and sync, and go on in a new segment.

        In this order: a torn end is forgiven only in the last segment, so whatever the machine's power does, none may
        follow one whose end is not on the disk.
        Raises: CannotWrite: the old segment stays the current one.
        """
        self.flush()
        self.sync()
        old = self._fd
        try:
            self._begin()
        except OSError as error:
            self._fd = old
            raise CannotWrite(f"{self.path}: {error.strerror or error}") from error
        os.close(old)

    def close(self) -> None:
        """Flush and sync what is left."""
        self.flush()
        self.sync()
        os.close(self._fd)
        self._fd = -1

    def _begin(self) -> None:
        path = self.folder / f"{self.next:016d}{PLAIN}"
        header = HEADER.pack(MAGIC, self.kind.encode(), self.next, self._chain)
        aside = path.with_suffix(".new")
        fd = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if self.preallocate:
                os.posix_fallocate(fd, 0, self.preallocate)
            if os.pwrite(fd, header, 0) != len(header):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
            os.rename(aside, path)
        except OSError:
            os.close(fd)
            aside.unlink(missing_ok=True)
            raise
        sync_folder(self.folder)
        self.path, self._fd, self._offset = path, fd, HEADER.size

    def _continue(self, path: Path) -> None:
        segment = Segment(path, self.kind)
        for _ in segment:
            pass
        if segment.packed:  # somebody took away what came after it
            self._chain, self.next = segment.chain, segment.next
            self._begin()
            return
        segment.refuse_changed()
        torn = segment.leftover()
        if torn:
            self.torn_bytes = len(torn)
            path.with_suffix(f".{segment.end}.torn").write_bytes(torn)
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        if torn:
            os.ftruncate(self._fd, segment.end)
            if self.preallocate:
                os.posix_fallocate(self._fd, 0, max(self.preallocate, segment.end))
            os.fsync(self._fd)
        self.path, self._offset = path, segment.end
        self._chain, self.next = segment.chain, segment.next
