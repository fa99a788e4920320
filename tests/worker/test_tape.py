"""worker.tape: where to begin, and on from there as the file grows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.tapes import NS, START_S, Stream

from shared.messages import Keyframe, Pulse
from shared.packed import pack
from shared.records import PACKED, Appender, Segment, segments
from worker.tape import Tape, Unreadable, begin_at, begin_with, first_frame


def a_tape(folder: Path, *, keyframes: int = 4, segment_keyframes: int = 1) -> Stream:
    """A keyframe each minute, two pulses after each."""
    stream = Stream(folder, segment_keyframes=segment_keyframes)
    for minute in range(keyframes):
        stream.keyframe((START_S + 60 * minute) * NS)
        stream.say((START_S + 60 * minute) * NS, Pulse())
        stream.say((START_S + 60 * minute) * NS, Pulse())
    stream.flush()
    return stream


def numbers(tape: Tape) -> list[int]:
    return [frame.seq for frame in tape.more()]


def test_a_tape_is_read_to_its_end_across_segments(tmp_path: Path) -> None:
    """Every frame once, in order; then there is no more."""
    a_tape(tmp_path)
    tape = Tape(segments(tmp_path)[0])
    assert numbers(tape) == list(range(1, 13))
    assert numbers(tape) == []


def test_a_tape_that_grew_is_read_on(tmp_path: Path) -> None:
    """In the same segment, and over the roll to a new one."""
    stream = a_tape(tmp_path, segment_keyframes=100)
    tape = Tape(segments(tmp_path)[0])
    numbers(tape)
    stream.say(stream.at_ns, Pulse())
    stream.flush()
    assert numbers(tape) == [13]
    stream.say(stream.at_ns, Pulse())
    stream.segment_keyframes = 1
    stream.keyframe(stream.at_ns)
    assert numbers(tape) == [14]
    stream.flush()
    assert numbers(tape) == [15]


def test_a_roll_while_it_is_being_read_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames written, and a new segment begun, at the very moment in which the reader looks for one."""
    stream = a_tape(tmp_path, keyframes=1)
    tape = Tape(segments(tmp_path)[0])

    def written_meanwhile(folder: Path) -> list[Path]:
        if stream.seq < 6:
            stream.say(stream.at_ns, Pulse())
            stream.keyframe(stream.at_ns)
            stream.flush()
        return segments(folder)

    monkeypatch.setattr("worker.tape.segments", written_meanwhile)
    assert numbers(tape) == list(range(1, 8))


def test_a_reader_may_stop_anywhere_and_go_on(tmp_path: Path) -> None:
    """An unfinished look at the tape loses nothing."""
    a_tape(tmp_path)
    tape = Tape(segments(tmp_path)[0])
    first = next(iter(tape.more()))
    assert first.seq == 1
    assert numbers(tape) == list(range(2, 13))


def test_the_beginning_is_the_newest_that_is_early_enough(tmp_path: Path) -> None:
    """By market time or by number; the oldest segment where none is."""
    a_tape(tmp_path)
    paths = segments(tmp_path)
    assert begin_at(tmp_path, (START_S + 119) * NS) == paths[1]
    assert begin_at(tmp_path, (START_S + 120) * NS) == paths[2]
    assert begin_at(tmp_path, 0) == paths[0]
    assert begin_with(tmp_path, 6) == paths[1]
    assert begin_with(tmp_path, 0) == paths[0]


def test_a_segment_without_a_frame_yet_is_no_beginning(tmp_path: Path) -> None:
    """The tape has just rolled: what is there begins in the segment before."""
    stream = a_tape(tmp_path)
    assert stream.tape is not None
    stream.tape.roll()
    assert first_frame(segments(tmp_path)[-1]) is None
    assert begin_at(tmp_path, 10**20) == segments(tmp_path)[-2]


def test_no_tape_is_unreadable(tmp_path: Path) -> None:
    """Named with its folder."""
    with pytest.raises(Unreadable, match="holds no segment"):
        begin_at(tmp_path / "nowhere", 0)


def test_damage_inside_the_tape_is_never_skipped(tmp_path: Path) -> None:
    """A flipped bit in a segment that has a successor: the reader stops with the place."""
    a_tape(tmp_path)
    second = segments(tmp_path)[1]
    data = bytearray(second.read_bytes())
    data[-1] ^= 1
    second.write_bytes(data)
    with pytest.raises(Unreadable, match="does not continue record"):
        numbers(Tape(segments(tmp_path)[0]))


def test_another_file_under_a_segments_name_is_refused(tmp_path: Path) -> None:
    """Journal and tape look alike; their names inside differ."""
    journal = Appender(tmp_path / "j", "journal")
    journal.append(b"x")
    journal.close()
    with pytest.raises(Unreadable, match="not a tape segment"):
        Tape(segments(tmp_path / "j")[0])


def test_a_record_that_is_no_frame_is_refused_with_its_number(tmp_path: Path) -> None:
    """Sound on the disk, senseless to us: written by something else."""
    tape = Appender(tmp_path / "t", "tape")
    tape.append(b"\x01")
    tape.close()
    with pytest.raises(Unreadable, match="record 1 of the tape"):
        numbers(Tape(segments(tmp_path / "t")[0]))


def packed(folder: Path, *, both: bool = False) -> None:
    """Pack every complete segment; the plain one stays beside it, as if it happened just now, or goes."""
    for path in segments(folder)[:-1]:
        if path.suffix != PACKED:
            path.with_suffix(PACKED).write_bytes(pack(path.read_bytes()))
        if not both and path.suffix != PACKED:
            path.unlink()


def test_the_beginning_is_found_by_a_few_first_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 segments, packed or not, no more than 9 are looked into, and none is read whole."""
    a_tape(tmp_path, keyframes=200)
    packed(tmp_path)
    read = list[int | None]()

    class Counted(Segment):
        def __init__(self, path: Path, kind: str, most: int | None = None) -> None:
            read.append(most)
            super().__init__(path, kind, most)

    monkeypatch.setattr("shared.tape_index.Segment", Counted)
    for minute in (0, 1, 77, 198, 199, 5_000):
        read.clear()
        assert begin_at(tmp_path, (START_S + 60 * minute) * NS) == segments(tmp_path)[min(minute, 199)]
        assert len(read) <= 9 and None not in read


def test_a_damaged_packed_segment_is_unreadable(tmp_path: Path) -> None:
    """The reader stops with its name."""
    a_tape(tmp_path)
    packed(tmp_path)
    second = segments(tmp_path)[1]
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(Unreadable, match=rf"{second.name}: records 4 to 6 cannot be unpacked"):
        numbers(Tape(segments(tmp_path)[0]))


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["say", "flush", "keyframe", "read", "pack", "pack beside"]), max_size=40))
def test_however_it_grows_every_frame_comes_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """Writer, reader and packer interleaved at random: nothing lost, nothing twice, nothing early."""
    stream = Stream(tmp_path_factory.mktemp("grows") / "tape", segment_keyframes=1)
    assert stream.tape is not None
    stream.keyframe(START_S * NS)
    tape, got, flushed = Tape(segments(stream.tape.folder)[0]), list[int](), 0
    for step in [*steps, "flush", "read"]:
        if step == "say":
            stream.say(stream.at_ns, Pulse())
        elif step == "keyframe":
            flushed = stream.seq  # rolling flushes what came before
            stream.keyframe(stream.at_ns)
        elif step == "flush":
            stream.flush()
            flushed = stream.seq
        elif step.startswith("pack"):
            packed(stream.tape.folder, both=step == "pack beside")
        else:
            got += numbers(tape)
            assert len(got) == flushed
    assert got == [frame.seq for frame in stream.frames]
    assert isinstance(stream.frames[0].event, Keyframe)
