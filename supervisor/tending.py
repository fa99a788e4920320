"""The tape's complete segments, tended: indexed, packed, and pruned when the policy says so. A process of its own.

    python -m supervisor.tending FOLDER PLAIN_S KEEP_DAYS KEEP_MIB

It runs below everything that trades, does a bounded amount and ends; the supervisor only starts it. Leaves the newest
segment to the supervisor, and never touches what a start, a warm-up or a trial reads: the last PLAIN_S of the tape, and
the newest segments that show ticks. What always holds: the packed segment is on the disk before the plain one goes,
and the word of what is pruned before the first of it does; whatever moment it is killed at, every record that is not
pruned is there to be read, and the next run takes up what was left. What it did it says on standard output, a line of
JSON for each act.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.clock import DAY_NS, NS
from shared.files import sync_folder
from shared.packed import pack, unpack
from shared.records import PACKED, PLAIN, Damaged, Segment, first_number, segments
from shared.tape_index import KIND, PRUNED, SUFFIX, TAIL_SEGMENTS, Entry, Pruned, describe, keep, kept, pruned
from shared.wire import BadFrame

NICENESS: Final = 19
ACTS_MAX: Final = 64
"""Segments that are indexed, packed or pruned in one run; the rest waits for the next."""
LOCK: Final = ".tending"
DAMAGED: Final = 74


@dataclass(frozen=True, slots=True)
class Policy:
    """How long segments stay plain, market seconds; how many market days and MiB of the tape are kept."""

    plain_s: float
    keep_days: float
    keep_mib: int


@dataclass(frozen=True, slots=True)
class Held:
    """A complete segment: what it holds, its bytes on the disk, and whether it is packed."""

    entry: Entry
    size: int
    packed: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How many of the oldest segments go, and the first records of those that are packed."""

    prune: int
    pack: tuple[int, ...]


def plan(held: Sequence[Held], newest_size: int, policy: Policy) -> Plan:
    """What to do with a tape's complete segments, oldest first. Args: newest_size: of the segment that still grows."""
    free = _free(held, policy.plain_s)
    end_ns = held[-1].entry.last_ns if held else 0
    left, prune = newest_size + sum(each.size for each in held), 0
    for each in held[:free]:
        too_old = end_ns - each.entry.last_ns > policy.keep_days * DAY_NS
        if not too_old and left <= policy.keep_mib << 20:
            break
        left, prune = left - each.size, prune + 1
    return Plan(prune, tuple(each.entry.first for each in held[prune:free] if not each.packed))


def _free(held: Sequence[Held], plain_s: float) -> int:
    """How many of the oldest segments nobody needs for a start, a warm-up or a trial."""
    end_ns = held[-1].entry.last_ns if held else 0
    showing = [number for number, each in enumerate(held) if each.entry.ticks]
    read_on_start = showing[-TAIL_SEGMENTS] if len(showing) >= TAIL_SEGMENTS else 0
    recent = next((n for n, each in enumerate(held) if end_ns - each.entry.last_ns <= plain_s * NS), len(held))
    return min(read_on_start, recent)


def tend(folder: Path, policy: Policy) -> Iterator[dict[str, Any]]:
    """Do what there is to do, up to a bound; yields each act when it is done.

    Raises: Damaged, BadFrame: a segment cannot be believed, and nothing newer is touched; OSError.
    """
    _sweep(folder)
    if not segments(folder):
        return
    *complete, newest = segments(folder)
    held, acts = list[Held](), 0
    for path in complete:
        entry = kept(path)
        if entry is None and acts < ACTS_MAX:
            entry, acts = _index(path), acts + 1
            yield {"event": "tape_indexed", "segment": path.name, "records": entry.records}
        if entry is None:
            return
        held.append(Held(entry, path.stat().st_size, path.suffix == PACKED))
    wanted = plan(held, newest.stat().st_size, policy)
    for each in held[: min(wanted.prune, ACTS_MAX - acts)]:
        yield _prune(folder, each)
    for first in wanted.pack[: max(0, ACTS_MAX - acts - wanted.prune)]:
        yield _pack(folder / f"{first:016d}{PLAIN}")


def _sweep(folder: Path) -> None:
    """Finish what a run that was cut off had begun. The supervisor's own `.new` is no longer there, or a segment."""
    for aside in (*folder.glob(f"*{PACKED}.new"), *folder.glob(f"*{SUFFIX}.new"), *folder.glob(f"{PRUNED}.new")):
        aside.unlink(missing_ok=True)
    for plain in [path for path in folder.glob(f"*{PLAIN}") if path.with_suffix(PACKED).exists()]:
        (plain if _gives_back(plain) else plain.with_suffix(PACKED)).unlink()
    said = pruned(folder)
    for path in [path for path in segments(folder) if said is not None and first_number(path) <= said.to_record]:
        path.unlink()
    there = {path.stem for path in segments(folder)}
    for index in [path for path in folder.glob(f"*{SUFFIX}") if path.stem not in there]:
        index.unlink()


def _gives_back(plain: Path) -> bool:
    """Whether the packed segment beside a plain one is the same."""
    with contextlib.suppress(Damaged):
        return unpack(plain.with_suffix(PACKED).read_bytes()) == plain.read_bytes()
    return False


def _index(path: Path) -> Entry:
    segment = Segment(path, KIND)
    entry = describe(segment)
    if segment.leftover():
        raise Damaged(f"{segment.path}: record {segment.next} at byte {segment.end} does not check")
    keep(path.with_suffix(SUFFIX), msgspec.json.encode(entry))
    return entry


def _pack(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    try:
        small = pack(data)
    except Damaged as error:
        raise Damaged(f"{path}: {error}") from error
    keep(path.with_suffix(PACKED), small)
    if not _gives_back(path):
        path.with_suffix(PACKED).unlink()
        raise Damaged(f"{path}: what was packed of it is not what it holds")
    path.unlink()
    sync_folder(path.parent)
    return {"event": "tape_packed", "segment": path.name, "bytes": len(data), "packed_bytes": len(small)}


def _prune(folder: Path, held: Held) -> dict[str, Any]:
    """Let the oldest segment go; that it went is on the disk before it does."""
    entry, before = held.entry, pruned(folder)
    said = Pruned(
        to_record=entry.first + entry.records - 1,
        to_seq=entry.last_seq,
        to_ns=entry.last_ns,
        chain=entry.chain,
        segments=(before.segments if before else 0) + 1,
        size=(before.size if before else 0) + held.size,
    )
    keep(folder / PRUNED, msgspec.json.encode(said))
    path = folder / f"{entry.first:016d}{PACKED if held.packed else PLAIN}"
    path.unlink()
    path.with_suffix(SUFFIX).unlink(missing_ok=True)
    sync_folder(folder)
    return {"event": "tape_pruned", "segment": path.name, "from_seq": entry.first_seq, "to_seq": entry.last_seq}


def main(arguments: Sequence[str]) -> int:
    """Tend once. 0 done, or another run is at it; 74 something on the disk cannot be believed, or the disk refuses."""
    folder, plain_s, keep_days, keep_mib = arguments
    os.nice(NICENESS)
    policy, parent = Policy(float(plain_s), float(keep_days), int(keep_mib)), os.getppid()
    with open(Path(folder) / LOCK, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        try:
            for act in tend(Path(folder), policy):
                print(msgspec.json.encode(act).decode(), flush=True)
                if os.getppid() != parent:  # who started it is gone, and whoever follows starts another
                    return 0
        except (Damaged, BadFrame, OSError) as error:
            with contextlib.suppress(OSError):
                print(error, file=sys.stderr)
            return DAMAGED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
