"""A tape as people judge it: whole or not, where it begins and ends, and what could not be seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.tapes import NS, START_S, Market, Stream

from deploy.analysis import tapes
from deploy.analysis.places import Place
from deploy.analysis.tapes import Gap, Gaps, NoTape, check, frames, gaps, parts
from shared.messages import Event, FeedGap, Keyframe, Pulse, Streamed, TermBegan
from shared.records import PACKED, Appender, Damaged, Segment, first_number, linked, segments
from shared.tape_index import KIND, PRUNED, SUFFIX, Entry, describe, entries
from shared.wire import BadFrame, encode
from supervisor.tending import Policy, tend

TERM = TermBegan(2, "rehearsal", "x")


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """Six minutes of a lane, a segment each minute."""
    return Market(Stream(tmp_path_factory.mktemp("desk") / "tape", segment_keyframes=1), slots=("BTC/5m",)).run(360)


def folder_of(stream: Stream) -> Path:
    assert stream.tape is not None
    return stream.tape.folder


def a_tape(folder: Path, *said: tuple[int, int, Event]) -> Path:
    """Frames with these numbers, seconds and events."""
    appender = Appender(folder, KIND)
    for seq, at_s, event in said:
        appender.append(encode(Streamed(seq, at_s * NS, event)))
    appender.close()
    return folder


def test_a_whole_tape_is_sound(tape: Stream) -> None:
    """Every frame counted, the link of the newest named."""
    verdict = check(folder_of(tape))
    assert verdict.sound and not verdict.faults
    assert (verdict.frames, verdict.first_seq, verdict.last_seq) == (tape.seq, 1, tape.seq)
    assert (verdict.first_ns, verdict.last_ns, verdict.missing) == (START_S * NS, tape.at_ns, 0)
    assert (verdict.segments, verdict.packed) == (6, 0)
    assert verdict.digest == check(folder_of(tape)).digest != ""


def test_frames_that_are_missing_have_to_be_explained_before_the_next_keyframe(tmp_path: Path) -> None:
    """By a gap of the tape itself, or by a keyframe that repeats one; another feed's explains nothing."""
    gap, other = FeedGap("tape", 1, 2, "full", "ours"), FeedGap("prices", 1, 2, "gone", "venue")
    told = {
        "gap": [(5, 2, gap)],
        "repeated": [(5, 2, Pulse()), (6, 2, Keyframe((gap,)))],
        "later": [(5, 2, Pulse()), (6, 2, gap), (7, 2, Keyframe(()))],
    }
    for name, said in told.items():
        verdict = check(a_tape(tmp_path / name, (1, 1, Keyframe(())), *said))
        assert (verdict.sound, verdict.missing) == (True, 3), name
    for name, said in {
        "other": [(5, 2, other), (6, 2, Keyframe(()))],
        "end": [(5, 2, Pulse())],
        "late": [(5, 2, Keyframe(())), (6, 2, gap)],
    }.items():
        verdict = check(a_tape(tmp_path / name, (1, 1, Keyframe(())), *said))
        assert not verdict.sound
        assert verdict.faults == ["frames 2 to 4 are missing, and nothing on the tape says why"], name


def test_numbers_and_times_that_run_back_are_faults(tmp_path: Path) -> None:
    """Each is named by its frame."""
    verdict = check(a_tape(tmp_path, (1, 5, Pulse()), (2, 4, Pulse()), (2, 6, Pulse())))
    assert verdict.faults == ["time runs back at frame 2", "frame 2 comes after frame 2"]


def test_a_pruned_tape_is_sound_and_one_that_lost_its_beginning_is_not(tape: Stream, tmp_path: Path) -> None:
    """The word of it was written before anything went; without it nobody knows."""
    folder = copied(tape, tmp_path)
    list(tend(folder, Policy(plain_s=60, keep_days=121 / 86_400, keep_mib=1_000)))
    verdict = check(folder)
    assert verdict.sound and 0 < verdict.pruned_to_seq == verdict.first_seq - 1
    (folder / PRUNED).unlink()
    lost = check(folder)
    assert lost.faults == [f"record {verdict.first_seq} is the first, and nothing says where those before it are"]


def test_a_tape_that_lost_more_than_was_pruned_is_damaged(tape: Stream, tmp_path: Path) -> None:
    """Its first segment does not continue what went."""
    folder = copied(tape, tmp_path)
    list(tend(folder, Policy(plain_s=60, keep_days=181 / 86_400, keep_mib=1_000)))
    first = segments(folder)[0]
    first.unlink()
    with pytest.raises(Damaged, match="does not continue record"):
        check(folder)


def test_an_index_that_says_something_else_is_a_fault(tape: Stream, tmp_path: Path) -> None:
    """Whoever trusts it would be misled; the segment is what counts."""
    folder = copied(tape, tmp_path)
    path = segments(folder)[2]
    wrong = msgspec.structs.replace(describe(Segment(path, KIND)), events={"pulse": 1})
    path.with_suffix(SUFFIX).write_bytes(msgspec.json.encode(wrong))
    assert check(folder).faults == [f"the index of {path.name} is not what the segment holds; remove it"]


def test_a_segment_that_is_indexed_after_it_was_read_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tape of a desk that trades: its newest segment grew to its end behind the reader, and was indexed."""
    stream = Stream(tmp_path / "tape", segment_keyframes=1)
    market = Market(stream, slots=("BTC/5m",))
    folder, frames_before = folder_of(market.run(90)), stream.seq

    def read_while_it_grows(folder: Path, kind: str) -> Iterator[Segment]:
        for segment in linked(folder, kind):
            if stream.seq == frames_before and segment.first == first_number(segments(folder)[-1]):
                market.run(120, START_S + 90)
                list(tend(folder, Policy(plain_s=3_600, keep_days=1, keep_mib=1_000)))
                assert segment.path.with_suffix(SUFFIX).exists()
            yield segment

    monkeypatch.setattr(tapes, "linked", read_while_it_grows)
    verdict = check(folder)
    assert verdict.sound, verdict.faults
    assert verdict.frames == frames_before < stream.seq


def test_a_segment_that_is_packed_after_it_was_listed_has_its_bytes_told(
    tape: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those it has by then."""
    folder = copied(tape, tmp_path)

    def packed_meanwhile(folder: Path) -> Iterator[tuple[Path, Entry]]:
        listed = list(entries(folder))
        list(tend(folder, Policy(plain_s=1, keep_days=1, keep_mib=1_000)))
        yield from listed

    monkeypatch.setattr(tapes, "entries", packed_meanwhile)
    told, now = parts(folder), {path.stem: path for path in segments(folder)}
    assert PACKED in {path.suffix for path in now.values()}
    assert [part.disk_bytes for part in told] == [now[part.path.stem].stat().st_size for part in told]


def test_what_cannot_be_believed_is_named(tape: Stream, tmp_path: Path) -> None:
    """A flipped bit in a packed segment, a record that is no frame, a folder without a tape."""
    folder = copied(tape, tmp_path)
    list(tend(folder, Policy(plain_s=60, keep_days=1_000, keep_mib=1_000)))
    packed = segments(folder)[1]
    packed.write_bytes(packed.read_bytes()[:-3])
    with pytest.raises(Damaged, match=rf"{packed.name}: records \d+ to \d+ cannot be unpacked"):
        check(folder)
    senseless = Appender(tmp_path / "senseless", KIND)
    senseless.append(b"\x01")
    senseless.close()
    with pytest.raises(BadFrame):
        check(tmp_path / "senseless")
    with pytest.raises(NoTape, match="holds no tape"):
        check(tmp_path / "nowhere")


def test_a_packed_tape_says_the_same(tape: Stream, tmp_path: Path) -> None:
    """Nothing of what is told depends on the form, but the bytes on the disk."""
    folder = copied(tape, tmp_path)
    before, found = check(folder), parts(folder)
    list(tend(folder, Policy(plain_s=60, keep_days=1_000, keep_mib=1_000)))
    after = check(folder)
    assert after.packed == sum(path.suffix == PACKED for path in segments(folder)) == 3
    assert (after.digest, after.frames, after.sound) == (before.digest, before.frames, True)
    assert [part.entry for part in parts(folder)] == [part.entry for part in found]
    assert sum(part.disk_bytes for part in parts(folder)) < sum(part.disk_bytes for part in found)


@given(st.data())
def test_a_part_is_what_lies_between_two_places(tape: Stream, data: st.DataObject) -> None:
    """By number or by time, both ends included; frames are given as they were written."""
    bounds = [data.draw(st.integers(0, tape.seq + 5)) for _ in range(2)]
    assert [frame for _, frame in frames(folder_of(tape), *(Place(seq=seq) for seq in bounds))] == [
        frame for frame in tape.frames if bounds[0] <= frame.seq <= bounds[1]
    ]
    times = [START_S * NS + data.draw(st.integers(-NS, 361 * NS)) for _ in range(2)]
    got = list(frames(folder_of(tape), *(Place(at_ns=at_ns) for at_ns in times)))
    assert [frame for _, frame in got] == [frame for frame in tape.frames if times[0] <= frame.at_ns <= times[1]]
    assert all(payload == encode(frame) for payload, frame in got)


def fold(*said: tuple[int, Event]) -> list[Gap]:
    """The gaps of frames at these seconds."""
    folded = Gaps()
    for seq, (at_s, event) in enumerate(said, 1):
        folded.take(Streamed(seq, at_s * NS, event))
    return folded.all()


def test_a_gap_is_one_however_often_it_is_told() -> None:
    """Begun, for another reason, over: the last word counts, from the first moment on."""
    assert fold(
        (10, FeedGap("user", 10 * NS, 0, "closed", "venue")),
        (12, FeedGap("user", 10 * NS, 0, "no route", "network")),
        (15, FeedGap("user", 10 * NS, 15 * NS, "no route", "network")),
        (20, FeedGap("user", 20 * NS, 0, "closed", "venue")),
    ) == [Gap("user", 10 * NS, 15 * NS, "no route", "network", 3), Gap("user", 20 * NS, 0, "closed", "venue", 4)]


def test_a_gap_that_a_reign_left_open_goes_on_in_the_next() -> None:
    """Of a channel; books are asked for anew, and one that nobody believed is not heard of again."""
    book = "book BTC/5m Up 0"
    assert fold(
        (10, FeedGap("market", 10 * NS, 0, "closed", "venue")),
        (11, FeedGap(book, 11 * NS, 0, "crossed", "venue")),
        (30, TERM),
        (30, FeedGap("market", 20 * NS, 0, "nobody listened", "ours")),
        (40, FeedGap("market", 20 * NS, 40 * NS, "nobody listened", "ours")),
    ) == [
        Gap("market", 10 * NS, 40 * NS, "nobody listened", "ours", 5),
        Gap(book, 11 * NS, 30 * NS, "crossed", "venue", 3),
    ]


def test_only_segments_that_tell_of_a_gap_are_read_for_them(tmp_path: Path) -> None:
    """The others are known by their index, whatever became of them."""
    stream = Stream(tmp_path, segment_keyframes=1)
    for minute in range(4):
        stream.keyframe((START_S + 60 * minute) * NS)
        if minute == 2:
            stream.say(stream.at_ns, FeedGap("user", 1, 2, "closed", "venue"))
    stream.flush()
    found = parts(tmp_path)
    segments(tmp_path)[0].write_bytes(b"not read")
    assert gaps(found) == [Gap("user", 1, 2, "closed", "venue", 4)]


def copied(stream: Stream, folder: Path) -> Path:
    """A copy of a tape that may be changed."""
    target = folder / "tape"
    target.mkdir()
    for path in folder_of(stream).iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target
