"""A recorded tape through this release, as fast as it goes: the decisions it made, or would have made.

Reads through the same `reading` as the live process and reads no clock, so what it prints for a tick is, byte for
byte, what the worker answered. The frames come from a folder; or one by one from whoever asks "what if", who waits for
the answer to a tick before the next frame, because the next account depends on it. Leaves to others to compare. What
always holds: ticks that follow a hole of the tape before a keyframe are not answered - what a live worker knew there
is not on the tape - and the summary names the hole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from shared.clock import NS
from shared.messages import Streamed, Tick
from shared.wire import decode_streamed, encode
from worker.parameters import Parameters
from worker.reading import WARM_UP_S, Reading
from worker.tape import Tape, begin_at, begin_with, first_frame
from worker.view import LOOKBACK_S

_LENGTH: Final = 4
"""Bytes before each frame that is handed over: its length, little-endian."""


def replay(
    folder: Path, from_seq: int, to_seq: int | None, fixed: Parameters | None, write: Callable[[str], object]
) -> None:
    """Write one JSON line for every tick in from_seq..to_seq, and a summary line at the end.

    The tape is read from far enough before `from_seq` for the state to be whole there. Args: fixed: parameters instead
    of the recorded ones. Raises: Unreadable, Unexplained: the tape is missing, damaged, or has a hole nobody explains.
    """
    frames = Tape(_begin(folder, from_seq)).more()
    _play(frames, from_seq, to_seq, fixed, write)


def follow(
    source: BinaryIO,
    from_seq: int,
    fixed: Parameters | None,
    write: Callable[[str], object],
    flush: Callable[[], object],
) -> None:
    """The same for frames that are handed over, each behind its length; every tick has a line, empty if not answered.

    Says first how many seconds of frames it wants to see before `from_seq`. Raises: BadFrame, Unexplained.
    """

    def answer(line: str) -> None:
        write(line)
        flush()

    answer(msgspec.json.encode({"warm_up_s": WARM_UP_S}).decode() + "\n")
    _play(_handed(source), from_seq, None, fixed, answer, unanswered=_unanswered)


def _play(
    frames: Iterable[Streamed],
    from_seq: int,
    to_seq: int | None,
    fixed: Parameters | None,
    write: Callable[[str], object],
    unanswered: Callable[[int], str] = lambda seq: "",
) -> None:
    reading, ticks, holes = Reading(fixed), 0, []
    for frame in frames:
        seq, event = frame.seq, frame.event
        if to_seq is not None and seq > to_seq:
            break
        if reading.read_seq and seq != reading.read_seq + 1:
            holes.append((reading.read_seq + 1, seq - 1))
        reading.fold(frame)
        if type(event) is Tick and seq >= from_seq:
            ticks += reading.whole
            line = _line(seq, event, reading) if reading.whole else unanswered(seq)
            if line:
                write(line)
    summary = {
        "frames": reading.events,
        "ticks": ticks,
        "last_seq": reading.read_seq,
        "holes": holes,
        "state": reading.view.state_digest(),
        "lookback_s": LOOKBACK_S,
    }
    write(msgspec.json.encode(summary).decode() + "\n")


def _begin(folder: Path, from_seq: int) -> Path:
    first = first_frame(begin_with(folder, from_seq))
    return begin_at(folder, first.at_ns - WARM_UP_S * NS if first else 0)


def _handed(source: BinaryIO) -> Iterator[Streamed]:
    """Frames as they come, until nothing more does."""
    read = source.read
    while header := read(_LENGTH):
        yield decode_streamed(read(int.from_bytes(header, "little")))


def _line(seq: int, tick: Tick, reading: Reading) -> str:
    answer = encode(reading.answer(tick)).hex()
    line = {"slot": tick.slot, "tick": tick.tick, "epoch": tick.epoch, "seq": seq, "decision": answer}
    return msgspec.json.encode(line).decode() + "\n"


def _unanswered(seq: int) -> str:
    return msgspec.json.encode({"seq": seq, "decision": ""}).decode() + "\n"
