"""deploy.analysis.replay.footage: where a tape begins and ends, and its frames from a place on."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.tapes import NS, START_S, Market, Stream

from deploy.analysis.places import Place, PlaceType
from deploy.analysis.replay.footage import Footage, NoTape
from shared.records import segments


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stream]:
    """Fifteen minutes of one lane, in segments of two."""
    folder = tmp_path_factory.mktemp("footage") / "tape"
    return folder, Market(Stream(folder, segment_keyframes=2), slots=("BTC/5m",)).run(900)


def test_it_knows_where_the_tape_begins_and_ends(tape: tuple[Path, Stream]) -> None:
    """The first and the last frame."""
    footage = Footage(tape[0])
    assert (footage.first, footage.last) == (tape[1].frames[0], tape[1].frames[-1])


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 1.0])
def test_frames_come_from_the_segment_that_holds_the_first_one_wanted(tape: tuple[Path, Stream], part: float) -> None:
    """In order and without a gap, to the end; not from the very beginning where that is far."""
    folder, stream = tape
    wanted = stream.frames[int(part * (len(stream.frames) - 1))]
    found = [frame for _, frame in Footage(folder).frames(wanted.seq)]
    assert found == stream.frames[found[0].seq - 1 :]
    assert found[0].seq <= wanted.seq
    assert len(segments(folder)) > 5
    if part:
        assert len(found) < len(stream.frames)


def test_a_moment_is_a_frame_and_a_frame_a_moment(tape: tuple[Path, Stream]) -> None:
    """The first that is not before it; beyond the end, one more than the last."""
    folder, stream = tape
    footage = Footage(folder)
    at_ns = (START_S + 400) * NS
    first = next(frame for frame in stream.frames if frame.at_ns >= at_ns)
    assert footage.seq_at(at_ns) == first.seq
    assert footage.seq_at(0) == 1
    assert footage.seq_at(2**62) == stream.seq + 1
    assert footage.at(first.seq) == first.at_ns
    assert footage.at(stream.seq + 5) == stream.at_ns


def test_no_tape_is_named(tmp_path: Path) -> None:
    """A folder that is not there, one without segments, a tape without frames."""
    with pytest.raises(NoTape, match="no segment"):
        Footage(tmp_path / "nowhere")
    with pytest.raises(NoTape, match="no segment"):
        Footage(tmp_path)
    Stream(tmp_path / "empty").flush()
    with pytest.raises(NoTape, match="no frame"):
        Footage(tmp_path / "empty")


def test_a_damaged_tape_is_refused_with_its_place(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """A byte in the middle was changed."""
    for path in segments(tape[0])[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    victim = segments(tmp_path)[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(NoTape, match=r"record \d+"):
        list(Footage(tmp_path).frames())


def read(text: str) -> Place:
    """What the command line makes of it."""
    return PlaceType().convert(text, None, None)


def test_places_are_frames_of_the_tape(tmp_path: Path) -> None:
    """The first that is not before it, the last that is not behind it."""
    stream = Market(Stream(tmp_path), slots=("BTC/5m",)).run(400)
    footage, at_ns = Footage(tmp_path), (START_S + 200) * NS
    inside = [frame.seq for frame in stream.frames if frame.at_ns >= at_ns]
    assert footage.first_of(read("08:03:20")) == inside[0]
    assert footage.last_of(read("08:03:20")) == max(f.seq for f in stream.frames if f.at_ns <= at_ns)
    assert footage.first_of(read("4711")) == footage.last_of(read("4711")) == 4711
    end_ns = stream.at_ns - 60 * NS
    assert footage.first_of(read("-60s")) == next(f.seq for f in stream.frames if f.at_ns >= end_ns)
