"""One sequence out: each frame is published to every worker and written to the tape, the same bytes to both.

The feed never waits: no high-water mark, no blocking send. The tape is handed to the kernel at the end of each loop
turn, long before it is durable, so that a worker that starts can read up to the frame it first heard live. When the
tape cannot be written, publishing goes on; what is missing is counted, and said as soon as there is room again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import zmq

from shared import wire
from shared.clock import NS
from shared.messages import Streamed, Tick
from shared.records import Appender, CannotWrite, Segment, segments
from shared.tape_index import KIND, TAIL_SEGMENTS

TAIL_SEGMENTS_MAX: Final = 64
"""How many segments are looked at for them: so many reigns in a row are not cut off by chance."""
RETRY_NS: Final = NS
"""How long to wait before the next try to write a tape that could not be written."""


class Stream:
    """Args: socket: path of the ipc endpoint. folder: of the tape.

    `fault` says why the tape cannot be written now, `missing_from` which frame is the first that is not on it, `rolled`
    how many segments of it were completed here.
    Raises: CannotWrite: there is no room for a tape even at the start. zmq.ZMQError: the socket cannot be bound.
    """

    def __init__(self, socket: Path, folder: Path) -> None:
        self.endpoint, self._path = f"ipc://{socket}", socket
        self.fault = ""
        self.missing_from = 0
        self.rolled = 0
        self._tape = Appender(folder, KIND)
        self._taken = 0
        self._retry_ns = 0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(self.endpoint)

    def publish(self, streamed: Streamed, *, new_segment: bool) -> None:
        """Send a frame to every worker and take it for the tape."""
        frame = wire.encode(streamed)
        self._socket.send(frame, zmq.NOBLOCK)
        if self.fault:
            return
        self._taken = streamed.seq - 1
        if new_segment:
            self._try(self._roll)
        if not self.fault:
            self._tape.append(frame)
            self._taken = streamed.seq

    def flush(self) -> None:
        """Hand what was published in this turn to the kernel."""
        if not self.fault:
            self._try(self._tape.flush)

    def mend(self, mono_ns: int) -> bool:
        """Try again to write a tape that could not be; whether there is one again, beginning with a new segment."""
        if not self.fault or mono_ns < self._retry_ns:
            return False
        self._retry_ns, self.fault = mono_ns + RETRY_NS, ""
        missing_from = self.missing_from
        self._try(self._roll)
        self.missing_from = missing_from
        return not self.fault

    def close(self) -> None:
        """Write what is left and stop publishing."""
        if not self.fault:
            self._try(self._tape.close)
        self._socket.close()
        self._context.term()
        self._path.unlink(missing_ok=True)

    def _roll(self) -> None:
        self._tape.roll()
        self.rolled += 1

    def _try(self, act: Callable[[], None]) -> None:
        """A tape that cannot be written is a fault to be told, never a reason to stop publishing."""
        try:
            act()
        except CannotWrite as error:
            lost = self._tape.abandon()
            self.fault, self.missing_from = str(error), self._taken + 1 - lost


def tail(folder: Path) -> tuple[int, int, dict[str, list[int]]]:
    """The last frame on a tape, its market time, and the ticks its last segments show, by slot, in order.

    (0, 0, {}) for no tape.

    Raises: shared.records.Damaged, shared.wire.BadFrame.
    """
    seq, at_ns, shown = 0, 0, dict[str, list[int]]()
    for streamed in _last_frames(folder):
        seq, at_ns = streamed.seq, streamed.at_ns
        if isinstance(streamed.event, Tick):
            shown.setdefault(streamed.event.slot, []).append(streamed.event.tick)
    return seq, at_ns, shown


def _last_frames(folder: Path) -> list[Streamed]:
    """What the last two segments hold that show a tick, and all behind them, in order.

    A reign that was cut off before it showed one has left a segment as well, and may not have been the only one.
    """
    frames, showing = list[Streamed](), 0
    for path in segments(folder)[: -TAIL_SEGMENTS_MAX - 1 : -1]:
        read = [wire.decode_streamed(frame) for _, frame in Segment(path, KIND)]
        frames[:0] = read
        showing += any(isinstance(streamed.event, Tick) for streamed in read)
        if showing == TAIL_SEGMENTS:
            break
    return frames
