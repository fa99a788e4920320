"""Stretches of a tape, and what they are called."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kit.tapes import START_S, Market, Stream
from msgspec.structs import replace

from deploy.analysis.replay.engine import AFTER_NS
from deploy.analysis.replay.footage import Footage
from deploy.analysis.sweep import stretches as rooms
from deploy.analysis.sweep.stretches import NoTape, Span, content, files, stretches
from shared.clock import NS
from shared.records import read
from shared.wire import decode_streamed
from supervisor.tending import Policy, tend

PIECE_S = 600
PIECES = Span(piece_s=PIECE_S)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty minutes of one lane, ten of them within one whole piece."""
    folder = tmp_path_factory.mktemp("tape")
    Market(Stream(folder, segment_keyframes=2), slots=("BTC/5m",)).run(1_200, START_S + 300)
    return folder


def _seqs(folder: Path, since_s: int, until_s: int) -> list[int]:
    frames = (decode_streamed(payload) for _, payload in read(folder, "tape"))
    return [frame.seq for frame in frames if since_s * NS <= frame.at_ns < until_s * NS]


def test_pieces_follow_one_another_without_a_gap(tape: Path) -> None:
    """Every frame is in one of them."""
    found = stretches(tape, PIECES)
    for stretch, since_s in zip(found, range(START_S, START_S + 3 * PIECE_S, PIECE_S), strict=True):
        inside = _seqs(tape, since_s, since_s + PIECE_S)
        assert (stretch.from_seq, stretch.to_seq) == (inside[0], inside[-1])
        assert stretch.at == datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def test_a_day_is_called_by_its_date(tape: Path) -> None:
    """The tape is of one day."""
    (day,) = stretches(tape, Span())
    assert day.at == "2027-01-15" and (day.from_seq, day.to_seq) == (1, _seqs(tape, 0, 1 << 33)[-1])


@pytest.mark.parametrize(("since_s", "until_s"), [(400, 430), (500, 1_100), (0, 301), (900, 90_000)])
def test_a_span_takes_what_is_within_it(tape: Path, since_s: int, until_s: int) -> None:
    """Also when it is shorter than a segment."""
    span = Span((START_S + since_s) * NS, (START_S + until_s) * NS, 86_400)
    (found,) = stretches(tape, span)
    inside = _seqs(tape, START_S + since_s, START_S + until_s)
    assert (found.from_seq, found.to_seq) == (inside[0], inside[-1])


def test_a_stretch_is_named_by_what_is_in_it_and_before_it(tape: Path, tmp_path: Path) -> None:
    """Another folder with the same frames has the same name; one changed frame, and it has not."""
    copy = shutil.copytree(tape, tmp_path / "copy")
    assert [each.content for each in stretches(copy, PIECES)] == [each.content for each in stretches(tape, PIECES)]
    other = tmp_path / "other"
    Market(Stream(other, segment_keyframes=2), slots=("BTC/5m",), seed=2).run(1_200, START_S + 300)
    assert not {each.content for each in stretches(other, PIECES)} & {each.content for each in stretches(tape, PIECES)}


def test_a_tape_that_goes_on_does_not_change_what_was(tape: Path, tmp_path: Path) -> None:
    """But for pieces so near its end that the winners of their windows may have come since."""
    longer = tmp_path / "longer"
    Market(Stream(longer, segment_keyframes=2), slots=("BTC/5m",)).run(2_000, START_S + 300)
    before, since = stretches(tape, PIECES), stretches(longer, PIECES)
    assert (before[0].from_seq, before[0].to_seq) == (since[0].from_seq, since[0].to_seq)
    assert before[0].until_seq == before[-1].to_seq
    assert _moment(longer, since[0].until_seq) == START_S + 600 + AFTER_NS // NS - 1
    much_longer = tmp_path / "much longer"
    Market(Stream(much_longer, segment_keyframes=2), slots=("BTC/5m",)).run(2_100, START_S + 300)
    assert [replace(each, folder="") for each in stretches(much_longer, PIECES)[:1]] == [replace(since[0], folder="")]
    assert stretches(much_longer, PIECES)[1].content != since[1].content


def _moment(folder: Path, seq: int) -> int:
    (frame,) = (frame for _, frame in Footage(folder).frames(seq) if frame.seq == seq)
    return frame.at_ns // NS


def test_the_content_at_a_frame_tells_whether_a_folder_has_it(tape: Path, tmp_path: Path) -> None:
    """Without an error where there is nothing."""
    for stretch in stretches(tape, PIECES):
        assert content(tape, stretch.until_seq) == stretch.content
    assert content(tape, 10**9) == content(tmp_path, 1) == ""


def test_a_replay_reads_from_far_enough_before(tape: Path) -> None:
    """And not what comes after."""
    second = stretches(tape, PIECES)[1]
    needed = files(tape, replace(second, until_seq=second.to_seq), 120)
    assert 1 < len(needed) < len(list(tape.glob("*.seg")))
    partial = [decode_streamed(p) for path in needed[:1] for _, p in read(path.parent, "tape", int(path.stem))]
    first = next(frame for frame in partial if frame.seq == second.from_seq)
    assert partial[0].at_ns <= first.at_ns - 120 * NS


def test_a_tape_that_is_packed_meanwhile_is_read_as_it_was_listed(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a desk that trades."""
    folder = shutil.copytree(tape, tmp_path / "tape")
    second, expected = stretches(folder, PIECES)[1], files(folder, stretches(folder, PIECES)[1], 120)

    class PackedMeanwhile(Footage):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            list(tend(folder, Policy(plain_s=1, keep_days=1, keep_mib=1_000)))

    monkeypatch.setattr(rooms, "Footage", PackedMeanwhile)
    assert files(folder, second, 120) == expected
    assert not all(path.exists() for path in expected)


@pytest.mark.parametrize("harm", ["nothing there", "no such time", "damaged"])
def test_a_tape_that_is_none_is_one_line(tape: Path, tmp_path: Path, harm: str) -> None:
    """It names the folder."""
    folder = tmp_path / "tape"
    if harm != "nothing there":
        shutil.copytree(tape, folder)
    if harm == "damaged":
        first = sorted(folder.glob("*.seg"))[0]
        first.write_bytes(b"x" + first.read_bytes()[1:])
    span = Span(until_ns=1) if harm == "no such time" else PIECES
    with pytest.raises(NoTape, match=str(folder)):
        stretches(folder, span)
