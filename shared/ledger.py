"""The ledger in shared memory: what the account looks like now, for every process, from one writer.

A mirror: the journal can always rebuild it, and nobody waits for anybody. The segment is Python's multiprocessing
shared memory under a name; readers map it read-only.

    offset 0     magic "FSLEDGER" | 8 LAYOUT_VERSION | 16 size of a bank | 24 generation, the last word to be written
           64    bank 0 | 64 + size of a bank: bank 1        the bank in force is generation % 2
    bank:        header, slots, positions, orders, each a fixed table; the header ends with the crc32 of all the rest

The writer fills the bank that is *not* in force and then stores the generation, one aligned word, so a reader always
finds a whole bank however and whenever the writer died; should the writer lap a slow reader, the checksum and the
generation in the bank say so and the reader copies again. Any change here is a new LAYOUT_VERSION.
"""

from __future__ import annotations

import _posixshmem  # type: ignore[import-not-found]  # what multiprocessing.shared_memory itself stands on
import mmap
import os
import struct
import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from multiprocessing import shared_memory

LAYOUT_VERSION: Final = 1
MAX_SLOTS: Final = 32
MAX_POSITIONS: Final = 128
MAX_ORDERS: Final = 256
_READ_TRIES: Final = 64

_MAGIC: Final = b"FSLEDGER"
# offset 0 generation | 8 ledger version | 16 at, market ns | 24 beat, monotonic ns | 32 term | 40 cash, 1e-6
#   48 exposure, 1e-6 | 56 counts of slots, positions, orders, u16 each | 62 spare | 64 pid | 72 crc32 | 76 spare
_HEADER = struct.Struct("<QQqqQqqHHHHQII")
# 0 name | 16 owner, uid | 32 release | 48 phase | 64 epoch | 72 last tick | 80 window start, s
_SLOT = struct.Struct("<16s16s16s16sQQq40x")
# 0 slot | 16 window start, s | 24 outcome | 32 size, 1e-6 shares | 40 cost, 1e-6 | 48 provisional size | 56 release
_POSITION = struct.Struct("<16sq8sqqq16s56x")
# 0 order id, its 32 bytes | 32 slot | 48 window start, s | 56 outcome | 64 side | 72 state | 80 price | 88 open size
#   96 release
_ORDER = struct.Struct("<32s16sq8s8s8sqq16s16x")
assert (_HEADER.size, _SLOT.size, _POSITION.size, _ORDER.size) == (80, 128, 128, 128)

_AT_CRC: Final = 72
_SLOTS_AT: Final = 128
_POSITIONS_AT: Final = _SLOTS_AT + MAX_SLOTS * _SLOT.size
_ORDERS_AT: Final = _POSITIONS_AT + MAX_POSITIONS * _POSITION.size
BANK: Final = _ORDERS_AT + MAX_ORDERS * _ORDER.size
_BANKS_AT: Final = 64
SIZE: Final = _BANKS_AT + 2 * BANK
_GENERATION_WORD: Final = 3


class LedgerFull(Exception):
    """More slots, positions or orders than the layout holds: nothing was written."""


class LedgerMissing(Exception):
    """No ledger of this name: no supervisor has run here, or its name was removed."""


class LedgerUnreadable(Exception):
    """The segment is no ledger of this layout, or no whole bank could be read in a bounded number of tries."""


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A slot: who owns it under which epoch, what it is doing, and its last tick."""

    name: str
    owner: str
    release: str
    phase: str
    epoch: int
    last_tick: int
    start_s: int


@dataclass(frozen=True, slots=True)
class PositionRow:
    """What is held of one token; `provisional_micro` of it is matched but not confirmed. Cost includes fees."""

    slot: str
    start_s: int
    outcome: str
    size_micro: int
    cost_micro: int
    provisional_micro: int
    release: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order that is not closed. `order_id` is 0x and 64 hex digits."""

    order_id: str
    slot: str
    start_s: int
    outcome: str
    side: str
    state: str
    price_micro: int
    open_micro: int
    release: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """One consistent picture. `version` grows with every change; `beat_ns` is the writer's last turn, monotonic."""

    version: int
    at_ns: int
    beat_ns: int
    term: int
    cash_micro: int
    exposure_micro: int
    pid: int
    slots: tuple[SlotRow, ...]
    positions: tuple[PositionRow, ...]
    orders: tuple[OrderRow, ...]


class Writer:
    """The one writer. Takes over a segment of the same name and layout, whoever left it behind, else makes it anew."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._memory = _attach_or_create(name)
        assert self._memory.buf is not None
        self._buffer = self._memory.buf
        self._words = self._buffer[:_BANKS_AT].cast("Q")
        self._image = bytearray(BANK)
        if bytes(self._buffer[:8]) != _MAGIC or self._words[1] != LAYOUT_VERSION:
            self._buffer[8:_BANKS_AT] = bytes(_BANKS_AT - 8)
            self._words[1], self._words[2] = LAYOUT_VERSION, BANK
            self._buffer[:8] = _MAGIC
        self._generation = self._words[_GENERATION_WORD]

    def write(self, ledger: Ledger) -> None:
        """Publish a picture. Raises: LedgerFull."""
        image, generation = self._image, self._generation + 1
        _check_room(ledger)
        _pack(image, _SLOTS_AT, _SLOT.size, (_slot_bytes(row) for row in ledger.slots))
        _pack(image, _POSITIONS_AT, _POSITION.size, (_position_bytes(row) for row in ledger.positions))
        _pack(image, _ORDERS_AT, _ORDER.size, (_order_bytes(row) for row in ledger.orders))
        counts = (len(ledger.slots), len(ledger.positions), len(ledger.orders))
        head = (generation, ledger.version, ledger.at_ns, ledger.beat_ns, ledger.term)
        _HEADER.pack_into(image, 0, *head, ledger.cash_micro, ledger.exposure_micro, *counts, 0, ledger.pid, 0, 0)
        image[_AT_CRC : _AT_CRC + 4] = _crc(image, counts).to_bytes(4, "little")
        start = _BANKS_AT + (generation % 2) * BANK
        self._buffer[start : start + BANK] = image
        self._words[_GENERATION_WORD] = generation
        self._generation = generation

    def exists(self) -> bool:
        """Whether the name still leads to this segment; a stranger may have removed it."""
        try:
            return os.stat(f"/dev/shm/{self.name}").st_ino == os.fstat(self._memory._fd).st_ino  # type: ignore[attr-defined]
        except FileNotFoundError:
            return False

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the segment; it stays for readers and the next supervisor unless `unlink`."""
        self._words.release()
        self._buffer.release()
        self._memory.close()
        if unlink:
            _posixshmem.shm_unlink(f"/{self.name}")


class Reader:
    """A read-only map of the ledger: it cannot be written through, and closing it removes nothing.

    Raises: LedgerMissing: no such name. LedgerUnreadable: another layout.
    """

    def __init__(self, name: str) -> None:
        try:
            fd = _posixshmem.shm_open(f"/{name}", os.O_RDONLY, 0)
        except FileNotFoundError as error:
            raise LedgerMissing(f"no ledger named {name}") from error
        try:
            self._map = mmap.mmap(fd, SIZE, mmap.MAP_SHARED, mmap.PROT_READ)
        except ValueError as error:
            raise LedgerUnreadable(f"{name} is smaller than a ledger of layout {LAYOUT_VERSION}") from error
        finally:
            os.close(fd)
        layout = int.from_bytes(self._map[8:16], sys.byteorder)
        if self._map[:8] != _MAGIC or layout != LAYOUT_VERSION:
            raise LedgerUnreadable(f"{name} has layout {layout}, this code reads layout {LAYOUT_VERSION}")

    def read(self) -> Ledger:
        """The newest whole picture. Raises: LedgerUnreadable: none in a bounded number of tries."""
        for _ in range(_READ_TRIES):
            generation = int.from_bytes(self._map[24:32], sys.byteorder)
            start = _BANKS_AT + (generation % 2) * BANK
            ledger = _unpack(self._map[start : start + BANK], generation)
            if ledger is not None:
                return ledger
        raise LedgerUnreadable(f"no whole bank in {_READ_TRIES} tries")

    def close(self) -> None:
        """Unmap."""
        self._map.close()


def _attach_or_create(name: str) -> shared_memory.SharedMemory:
    try:
        memory = _untracked(name=name, create=False)
        if memory.size >= SIZE:
            return memory
        memory.close()
        _posixshmem.shm_unlink(f"/{name}")
    except FileNotFoundError:
        pass
    except ValueError:  # it has no size: whoever made the name died before it had room
        _posixshmem.shm_unlink(f"/{name}")
    return _untracked(name=name, create=True, size=SIZE)


def _untracked(**arguments: Any) -> shared_memory.SharedMemory:
    """Shared memory that no resource tracker knows of: one would unlink it as soon as some process ends.

    Imported here: only the writer needs the package, and it would be a fifth of a worker's start.
    """
    from multiprocessing import resource_tracker, shared_memory

    if sys.version_info >= (3, 13):
        return shared_memory.SharedMemory(track=False, **arguments)
    register = resource_tracker.register
    resource_tracker.register = lambda *_: None
    try:
        return shared_memory.SharedMemory(**arguments)
    finally:
        resource_tracker.register = register


def _check_room(ledger: Ledger) -> None:
    for what, rows, most in (
        ("slots", ledger.slots, MAX_SLOTS),
        ("positions", ledger.positions, MAX_POSITIONS),
        ("orders", ledger.orders, MAX_ORDERS),
    ):
        if len(rows) > most:
            raise LedgerFull(f"{len(rows)} {what}, the layout holds {most}")


def _pack(image: bytearray, at: int, step: int, rows: Iterable[bytes]) -> None:
    for row in rows:
        image[at : at + step] = row
        at += step


def _crc(image: bytes | bytearray, counts: tuple[int, int, int]) -> int:
    crc = zlib.crc32(memoryview(image)[:_AT_CRC])
    for at, step, count in zip(
        (_SLOTS_AT, _POSITIONS_AT, _ORDERS_AT), (_SLOT.size, _POSITION.size, _ORDER.size), counts, strict=True
    ):
        crc = zlib.crc32(memoryview(image)[at : at + step * count], crc)
    return crc


def _slot_bytes(row: SlotRow) -> bytes:
    names = (row.name.encode(), row.owner.encode(), row.release.encode(), row.phase.encode())
    return _SLOT.pack(*names, row.epoch, row.last_tick, row.start_s)


def _position_bytes(row: PositionRow) -> bytes:
    return _POSITION.pack(
        row.slot.encode(),
        row.start_s,
        row.outcome.encode(),
        row.size_micro,
        row.cost_micro,
        row.provisional_micro,
        row.release.encode(),
    )


def _order_bytes(row: OrderRow) -> bytes:
    words = (row.outcome.encode(), row.side.encode(), row.state.encode())
    identity = bytes.fromhex(row.order_id.removeprefix("0x"))
    return _ORDER.pack(
        identity, row.slot.encode(), row.start_s, *words, row.price_micro, row.open_micro, row.release.encode()
    )


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode()


def _unpack(image: bytes, generation: int) -> Ledger | None:
    """The picture in a bank, or None when the bank is empty, torn or not of this generation."""
    its_generation, version, at_ns, beat_ns, term, cash, exposure, *rest = _HEADER.unpack_from(image)
    counts, pid, crc = (rest[0], rest[1], rest[2]), rest[4], rest[5]
    if its_generation != generation or not generation or max(counts) > MAX_ORDERS or _crc(image, counts) != crc:
        return None
    return Ledger(
        version=version,
        at_ns=at_ns,
        beat_ns=beat_ns,
        term=term,
        cash_micro=cash,
        exposure_micro=exposure,
        pid=pid,
        slots=tuple(_slot_row(image, _SLOTS_AT + i * _SLOT.size) for i in range(counts[0])),
        positions=tuple(_position_row(image, _POSITIONS_AT + i * _POSITION.size) for i in range(counts[1])),
        orders=tuple(_order_row(image, _ORDERS_AT + i * _ORDER.size) for i in range(counts[2])),
    )


def _slot_row(image: bytes, at: int) -> SlotRow:
    name, owner, release, phase, epoch, last_tick, start_s = _SLOT.unpack_from(image, at)
    return SlotRow(_text(name), _text(owner), _text(release), _text(phase), epoch, last_tick, start_s)


def _position_row(image: bytes, at: int) -> PositionRow:
    slot, start_s, outcome, size, cost, provisional, release = _POSITION.unpack_from(image, at)
    return PositionRow(_text(slot), start_s, _text(outcome), size, cost, provisional, _text(release))


def _order_row(image: bytes, at: int) -> OrderRow:
    identity, slot, start_s, outcome, side, state, price, open_micro, release = _ORDER.unpack_from(image, at)
    words = (_text(outcome), _text(side), _text(state))
    return OrderRow(f"0x{identity.hex()}", _text(slot), start_s, *words, price, open_micro, _text(release))
