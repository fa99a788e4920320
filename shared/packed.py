"""A complete segment made small, and back: the same records, bit for bit, without what can be computed again.

    offset 0 magic "FSPACK01" | 8 kind, 8 bytes | 16 first record's number, u64 | 24 chain before it, 16 bytes
           40 chain after the last, 16 bytes | 56 records, u32 | 60 crc32 of 0..60
           64 one zstd frame with its checksum: for each record u32 length | payload       all integers little-endian

The links of the chain are noise, which nothing compresses; they follow from the payloads, so only the last one is kept,
and whoever unpacks computes all of them again and must arrive at it. Leaves files to others: bytes in, bytes out.
The library is imported when there is something to pack or unpack.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from shared.records import HEADER, MAGIC, MAX_RECORD, RECORD, Damaged, chain

PACKED_MAGIC: Final = b"FSPACK01"
PACKED_HEADER: Final = struct.Struct("<8s8sQ16s16sII")
assert PACKED_HEADER.size == 64
LEVEL: Final = 6
"""Measured on tapes of busy desks: 8.2 times smaller at 100 MB/s; level 1 gives 6.9, level 9 8.3 in twice the time, and
level 19 9.5 in 36 times."""
SEGMENT_MAX: Final = 1 << 30
"""No segment is larger, in bytes; what says so is damage."""
_LENGTH: Final = struct.Struct("<I")
_CHECKED: Final = PACKED_HEADER.size - 4


def pack(data: bytes) -> bytes:
    """A segment's bytes, made small. Raises: Damaged: a record in it does not check, or something stands behind it."""
    import zstandard

    _, kind, first, before = HEADER.unpack_from(data)
    payloads, link = list[bytes](), before
    for payload, its_link in _records(data):
        link = chain(link, payload)
        if link != its_link:
            raise Damaged(f"record {first + len(payloads)} does not check")
        payloads.append(payload)
    head = PACKED_HEADER.pack(PACKED_MAGIC, kind, first, before, link, len(payloads), 0)[:_CHECKED]
    body = b"".join(part for payload in payloads for part in (_LENGTH.pack(len(payload)), payload))
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    return head + _LENGTH.pack(zlib.crc32(head)) + compressor.compress(body)


def unpack(data: bytes, most: int = SEGMENT_MAX) -> bytes:
    """The segment as it was before, or its first `most` bytes and the record they end in.

    Raises: Damaged: it is not what was packed.
    """
    kind, first, before, after, count = _header(data)
    parts, link, number, size = [HEADER.pack(MAGIC, kind, first, before)], before, first, HEADER.size
    try:
        body = _body(data[PACKED_HEADER.size :], most)
    except ValueError as error:
        raise Damaged(f"records {first} to {first + count - 1} cannot be unpacked: {error}") from error
    for payload in _payloads(body):
        link, number = chain(link, payload), number + 1
        parts += [RECORD.pack(len(payload), zlib.crc32(payload), link), payload]
        size += RECORD.size + len(payload)
    whole = most >= SEGMENT_MAX
    if whole and (number - first, link) != (count, after):
        raise Damaged(f"records {first} to {first + count - 1} are not those that were packed")
    return b"".join(parts)


def _header(data: bytes) -> tuple[bytes, int, bytes, bytes, int]:
    if len(data) < PACKED_HEADER.size:
        raise Damaged(f"{len(data)} bytes are too few for a packed segment's header")
    magic, kind, first, before, after, count, crc = PACKED_HEADER.unpack_from(data)
    if magic != PACKED_MAGIC or zlib.crc32(data[:_CHECKED]) != crc:
        raise Damaged("its header does not check")
    return kind, first, before, after, count


def _body(frame: bytes, most: int) -> bytes:
    """Raises: ValueError: it is no sound frame of the library's, or of no sound size."""
    import zstandard

    reader = zstandard.ZstdDecompressor()
    try:
        if not 0 <= zstandard.frame_content_size(frame) <= SEGMENT_MAX:
            raise ValueError(f"they say that they are larger than {SEGMENT_MAX} bytes")
        if most < SEGMENT_MAX:
            with reader.stream_reader(frame) as stream:
                return bytes(stream.read(most))
        return bytes(reader.decompress(frame, allow_extra_data=False))
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Payload and link of each record of a plain segment. Raises: Damaged: something else stands in it."""
    at = HEADER.size
    while at < len(data):
        length, crc, link = RECORD.unpack_from(data, at) if at + RECORD.size <= len(data) else (0, 0, b"")
        payload = data[at + RECORD.size : at + RECORD.size + length]
        if not 0 < length <= MAX_RECORD or len(payload) != length or zlib.crc32(payload) != crc:
            raise Damaged(f"the record at byte {at} does not check")
        yield payload, link
        at += RECORD.size + length


def _payloads(body: bytes) -> Iterator[bytes]:
    """Each whole payload of a body; what is cut off at its end shows in the count."""
    at = 0
    while at + _LENGTH.size <= len(body):
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        if not 0 < length <= MAX_RECORD or at + length > len(body):
            return
        yield body[at : at + length]
        at += length
