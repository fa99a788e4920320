"""A recorded tape through this release, as fast as it goes: the decisions it made, or would have made.

Reads through the same `reading` as the live process and reads no clock, so what it prints for a tick is, byte for
byte, what the worker answered. Leaves to others to compare. What always holds: ticks that follow a hole of the tape
before a keyframe are not answered - what a live worker knew there is not on the tape - and the summary names the hole.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import msgspec

from shared.clock import NS
from shared.messages import Tick
from shared.wire import encode
from worker.parameters import Parameters
from worker.reading import WARM_UP_S, Reading
from worker.tape import Tape, begin_at, begin_with, first_frame


def replay(
    folder: Path, from_seq: int, to_seq: int | None, fixed: Parameters | None, write: Callable[[str], object]
) -> None:
    """Write one JSON line for every tick in from_seq..to_seq, and a summary line at the end.

    The tape is read from far enough before `from_seq` for the state to be whole there. Args: fixed: parameters instead
    of the recorded ones. Raises: Unreadable, Unexplained: the tape is missing, damaged, or has a hole nobody explains.
    """
    reading, ticks, holes = Reading(fixed), 0, []
    for frame in Tape(_begin(folder, from_seq)).more():
        if to_seq is not None and frame.seq > to_seq:
            break
        if reading.read_seq and frame.seq != reading.read_seq + 1:
            holes.append((reading.read_seq + 1, frame.seq - 1))
        reading.fold(frame)
        if isinstance(frame.event, Tick) and frame.seq >= from_seq and reading.whole:
            ticks += 1
            write(_line(frame.seq, frame.event, reading))
    state = blake2b(reading.view.state(), digest_size=16).hexdigest()
    summary = {"frames": reading.events, "ticks": ticks, "last_seq": reading.read_seq, "holes": holes, "state": state}
    write(msgspec.json.encode(summary).decode() + "\n")


def _begin(folder: Path, from_seq: int) -> Path:
    first = first_frame(begin_with(folder, from_seq))
    return begin_at(folder, first.at_ns - WARM_UP_S * NS if first else 0)


def _line(seq: int, tick: Tick, reading: Reading) -> str:
    answer = encode(reading.answer(tick)).hex()
    line = {"slot": tick.slot, "tick": tick.tick, "epoch": tick.epoch, "seq": seq, "decision": answer}
    return msgspec.json.encode(line).decode() + "\n"
