"""One sequence out: a real subscriber and the tape on a real disk hear the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from kit.disks import files_end_at

from shared import wire
from shared.clock import NS
from shared.messages import Account, ParametersSet, Pulse, Streamed, TermBegan, Tick
from shared.records import CannotWrite, Damaged, read, segments
from shared.tape_index import KIND
from supervisor.stream import RETRY_NS, Stream, tail

PATIENCE_MS = 60_000
ACCOUNT = Account(1, 0, 0, (), ())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="fs") as made:
        yield Path(made)


@contextmanager
def a_stream(folder: Path) -> Iterator[Stream]:
    """A stream that publishes, and its tape."""
    stream = Stream(folder / "stream.sock", folder / "tape")
    try:
        yield stream
    finally:
        stream.close()


def tick(seq: int, slot: str, number: int) -> Streamed:
    """A decision opportunity."""
    return Streamed(seq, seq, Tick(slot, number, 0, "w1", 7, "p", "", ACCOUNT))


def pulses(first: int, last: int) -> list[Streamed]:
    """Frames that say only their number."""
    return [Streamed(seq, seq, Pulse()) for seq in range(first, last + 1)]


def publish(stream: Stream, frames: list[Streamed]) -> None:
    """One turn: publish, then hand over."""
    for frame in frames:
        stream.publish(frame, new_segment=False)
    stream.flush()


def on_tape(folder: Path) -> list[bytes]:
    """Every frame of the tape, as bytes."""
    return [frame for _, frame in read(folder / "tape", KIND)]


def numbers(frames: list[bytes]) -> list[int]:
    """Their sequence numbers."""
    return [wire.decode_streamed(frame).seq for frame in frames]


class Subscriber:
    """A worker's end of the stream."""

    def __init__(self, stream: Stream) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.connect(stream.endpoint)
        assert monitor.poll(PATIENCE_MS)
        self.socket.disable_monitor()
        monitor.close()

    def until(self, seq: int) -> list[bytes]:
        """Every frame up to the one with this number."""
        frames = [self.socket.recv()]
        while numbers(frames[-1:]) != [seq]:
            frames.append(self.socket.recv())
        return frames

    def close(self) -> None:
        self.socket.close(0)
        self.context.term()


def a_subscriber(stream: Stream) -> tuple[Subscriber, int]:
    """A subscriber that is heard by now, and the next free number: the first frames tell when it is."""
    subscriber = Subscriber(stream)
    seq = 0
    while True:
        seq += 1
        publish(stream, pulses(seq, seq))
        if subscriber.socket.poll(20):
            subscriber.until(seq)
            return subscriber, seq + 1


def test_stream_and_tape_are_the_same_bytes_in_one_gapless_sequence(folder: Path) -> None:
    """Whoever follows live and whoever reads the tape have the same past, also over segments."""
    with a_stream(folder) as stream:
        subscriber, seq = a_subscriber(stream)
        for frame in pulses(seq, seq + 5_000):
            stream.publish(frame, new_segment=frame.seq % 1_000 == 0)
        live = subscriber.until(seq + 5_000)
        subscriber.close()
        stream.flush()
        assert on_tape(folder)[seq - 1 :] == live
    assert numbers(live) == list(range(seq, seq + 5_001))
    assert numbers(on_tape(folder)) == list(range(1, seq + 5_001))
    assert len(segments(folder / "tape")) >= 5


def test_a_frame_is_on_the_tape_when_its_turn_ends(folder: Path) -> None:
    """A worker that starts reads it there, although nothing waited for the disk."""
    with a_stream(folder) as stream:
        stream.publish(Streamed(1, 1, Pulse()), new_segment=True)
        assert on_tape(folder) == []
        stream.flush()
        assert numbers(on_tape(folder)) == [1]


def test_a_subscriber_that_does_not_read_holds_nobody_up(folder: Path) -> None:
    """Nothing is dropped for it either: when it reads, all of it is there."""
    big = [Streamed(seq, seq, ParametersSet("p", {"x": "x" * 4_000})) for seq in range(1, 5_001)]
    with a_stream(folder) as stream:
        subscriber, seq = a_subscriber(stream)
        publish(stream, [Streamed(frame.seq + seq, frame.seq, frame.event) for frame in big])
        assert numbers(subscriber.until(seq + 5_000)) == list(range(seq + 1, seq + 5_001))
        subscriber.close()


def test_the_tail_tells_where_to_go_on_and_which_ticks_were_shown(folder: Path) -> None:
    """By slot and in order, from the last two segments; the last number and time from whatever came last."""
    assert tail(folder / "tape") == (0, 0, {})
    with a_stream(folder) as stream:
        for seq in range(1, 10):
            stream.publish(tick(seq, f"BTC/{5 if seq % 2 else 15}m", seq * 10), new_segment=seq in {4, 7})
        stream.publish(Streamed(10, 12, TermBegan(1, "rehearsal", "x")), new_segment=False)
        stream.flush()
    assert tail(folder / "tape") == (10, 12, {"BTC/15m": [40, 60, 80], "BTC/5m": [50, 70, 90]})


def test_a_torn_last_frame_is_not_believed(folder: Path) -> None:
    """The reign that follows begins behind the last whole one, and the tape goes on from there."""
    with a_stream(folder) as stream:
        publish(stream, [tick(1, "BTC/5m", 10), tick(2, "BTC/5m", 20)])
    path = segments(folder / "tape")[0]
    path.write_bytes(path.read_bytes()[:-5])
    with a_stream(folder) as stream:
        assert tail(folder / "tape") == (1, 1, {"BTC/5m": [10]})
        publish(stream, [tick(2, "BTC/5m", 20)])
    assert numbers(on_tape(folder)) == [1, 2]
    assert len(list((folder / "tape").glob("*.torn"))) == 1


def test_a_tape_that_was_changed_is_not_gone_on_with(folder: Path) -> None:
    """A segment that is none is named."""
    with a_stream(folder) as stream:
        publish(stream, pulses(1, 3))
    segments(folder / "tape")[0].write_bytes(b"hello" * 20)
    with pytest.raises(Damaged, match="not a tape segment"):
        tail(folder / "tape")


def test_a_full_disk_costs_the_tape_and_not_the_stream(folder: Path) -> None:
    """Publishing goes on; fault and first missing frame are known; with room again the tape goes on, and is sound.

    What is missing is exactly what was published from the first frame that did not fit until the tape was mended.
    """
    with a_stream(folder) as stream:
        subscriber, seq = a_subscriber(stream)
        first_live = seq
        with files_end_at(8_192):
            while not stream.fault:
                publish(stream, pulses(seq, seq + 9))
                seq += 10
            missing_from, fault = stream.missing_from, stream.fault
            assert missing_from == seq - 10
            publish(stream, pulses(seq, seq + 99))
            seq += 100
            assert (stream.missing_from, stream.fault) == (missing_from, fault)
        assert stream.mend(RETRY_NS)
        assert (stream.missing_from, stream.fault) == (missing_from, "")
        publish(stream, pulses(seq, seq + 9))
        assert numbers(subscriber.until(seq + 9)) == list(range(first_live, seq + 10))
        subscriber.close()
    assert "seg" in fault
    assert numbers(on_tape(folder)) == [*range(1, missing_from), *range(seq, seq + 10)]
    assert len(segments(folder / "tape")) == 2


def test_the_tail_reaches_over_reigns_that_were_cut_off_before_they_showed_anything(folder: Path) -> None:
    """However often a start fails, the tick that was outstanding when it all began is still owed an outcome."""
    with a_stream(folder) as stream:
        publish(stream, [tick(1, "BTC/5m", 10)])
    for seq in range(2, 7):
        with a_stream(folder) as stream:
            stream.publish(Streamed(seq, 1, Pulse()), new_segment=True)
    assert tail(folder / "tape") == (6, 1, {"BTC/5m": [10]})


def test_mending_is_tried_once_in_a_while(folder: Path) -> None:
    """A disk that stays full is not asked at every turn, and the first missing frame stays the first."""
    with a_stream(folder) as stream:
        with files_end_at(8):
            publish(stream, pulses(1, 50))
            assert stream.missing_from == 1
            assert not stream.mend(5 * NS)
            fault = stream.fault
            assert not stream.mend(5 * NS + RETRY_NS - 1)
            assert not stream.mend(5 * NS + RETRY_NS)
            assert (stream.missing_from, bool(fault), bool(stream.fault)) == (1, True, True)
        assert not stream.mend(5 * NS + 2 * RETRY_NS - 1)
        assert stream.mend(5 * NS + 2 * RETRY_NS)
        publish(stream, pulses(51, 52))
    assert numbers(on_tape(folder)) == [51, 52]


def test_a_tape_that_is_well_needs_no_mending(folder: Path) -> None:
    """Asking costs nothing and begins no segment."""
    with a_stream(folder) as stream:
        publish(stream, pulses(1, 2))
        assert not stream.mend(10 * NS)
        assert len(segments(folder / "tape")) == 1


def test_a_segment_that_cannot_begin_is_a_fault_of_the_tape(folder: Path) -> None:
    """The frame that should have opened it is published and missing; the turn's frames before it are on the tape."""
    with a_stream(folder) as stream:
        subscriber, seq = a_subscriber(stream)
        publish(stream, pulses(seq, seq))
        (folder / "tape" / f"{seq + 2:016d}.new").mkdir()
        stream.publish(Streamed(seq + 1, 1, Pulse()), new_segment=False)
        stream.publish(Streamed(seq + 2, 1, Pulse()), new_segment=True)
        stream.flush()
        assert stream.fault
        assert numbers(subscriber.until(seq + 2)) == [seq, seq + 1, seq + 2]
        subscriber.close()
    assert numbers(on_tape(folder)) == list(range(1, seq + 2))
    assert stream.missing_from == seq + 2


def test_without_room_for_a_tape_there_is_no_stream(folder: Path) -> None:
    """At the very start it is an error, before anybody listens."""
    with files_end_at(8), pytest.raises(CannotWrite, match="tape"):
        Stream(folder / "stream.sock", folder / "tape")
