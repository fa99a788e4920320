"""A part of a tape is a tape, and says how it begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kit.tapes import NS, START_S, Market, Stream

from deploy.analysis.aside import Exists
from deploy.analysis.cutting import ORIGIN, NotOnTape, cut
from deploy.analysis.places import Place
from deploy.analysis.tapes import check, frames
from shared.clock import NS as SECOND_NS
from shared.messages import Keyframe, ParametersSet, Streamed, Tick
from shared.records import PACKED, segments
from supervisor.tending import Policy, tend
from worker.replay import replay


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stream]:
    """An hour of a lane, in segments of five minutes; the older ones are packed."""
    folder = tmp_path_factory.mktemp("desk") / "tape"
    stream = Stream(folder, segment_keyframes=5)
    Market(stream, slots=("BTC/5m",), parameters=ParametersSet("p1", {"stake_usd": 6})).run(3_600)
    list(tend(folder, Policy(plain_s=1_200, keep_days=1_000, keep_mib=1_000)))
    assert {path.suffix for path in segments(folder)} == {".seg", PACKED}
    return folder, stream


def at(second: int) -> Place:
    """So many seconds after the tape began."""
    return Place(at_ns=(START_S + second) * NS)


def decisions(folder: Path, from_seq: int, to_seq: int) -> list[dict[str, object]]:
    """What our own release decides on a tape."""
    lines = list[str]()
    replay(folder, from_seq, to_seq, None, lines.append)
    return [json.loads(line) for line in lines[:-1]]


def test_a_part_holds_the_same_frames_and_is_sound(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """Under their own numbers, from a keyframe far enough before on."""
    folder, stream = tape
    made = cut(folder, tmp_path / "part", at(2_000), at(2_100), 600)
    kept = [frame for _, frame in frames(tmp_path / "part")]
    assert kept == [frame for frame in stream.frames if made.begin_seq <= frame.seq <= made.to_seq]
    assert isinstance(kept[0].event, Keyframe) and made.whole
    assert 600 <= made.lookback_s < 660
    assert kept[-1].at_ns <= (START_S + 2_100) * SECOND_NS
    verdict = check(tmp_path / "part")
    assert (verdict.sound, verdict.frames, verdict.digest) == (True, made.frames, made.digest)
    assert verdict.segments == made.segments == 2
    assert json.loads((tmp_path / "part" / ORIGIN).read_bytes())["from_seq"] == made.from_seq


def test_a_release_decides_on_a_part_as_on_the_whole(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """With the lookback its state depends on, byte for byte."""
    folder, _ = tape
    made = cut(folder, tmp_path / "part", at(3_000), at(3_300), 1_800)
    on_part = decisions(tmp_path / "part", made.from_seq, made.to_seq)
    assert on_part == decisions(folder, made.from_seq, made.to_seq)
    assert len(on_part) > 60


def test_a_part_by_numbers_begins_and_ends_with_them(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """Without lookback, at the newest keyframe."""
    folder, stream = tape
    tick = next(f for f in stream.frames if isinstance(f.event, Tick) and f.at_ns > (START_S + 900) * NS)
    made = cut(folder, tmp_path / "part", Place(seq=tick.seq), Place(seq=tick.seq + 10), 0)
    assert (made.from_seq, made.to_seq) == (tick.seq, tick.seq + 10)
    assert 0 <= made.lookback_s <= 60


def test_the_whole_can_be_cut_as_well(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """From its oldest frame: it has nothing before it."""
    folder, stream = tape
    made = cut(folder, tmp_path / "part", None, None, 600)
    assert (made.begin_seq, made.frames, made.whole) == (1, stream.seq, False)
    assert check(tmp_path / "part").sound


def test_a_part_from_before_there_was_enough_begins_with_the_oldest_keyframe(
    tape: tuple[Path, Stream], tmp_path: Path
) -> None:
    """And says how little came before it."""
    made = cut(tape[0], tmp_path / "part", at(100), at(200), 1_800)
    assert made.whole and round(made.lookback_s) == 100


def test_nothing_is_overwritten_and_nothing_is_made_of_nothing(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """A folder that is there stays as it is; a part without a frame makes none."""
    (tmp_path / "part").mkdir()
    with pytest.raises(Exists, match="part"):
        cut(tape[0], tmp_path / "part", None, None, 0)
    with pytest.raises(NotOnTape):
        cut(tape[0], tmp_path / "other", at(9_000), None, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


def test_an_interruption_leaves_nothing_behind(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """Ctrl-C in the middle; the next try is not in its way either."""

    def interrupted(frame: Streamed) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut(tape[0], tmp_path / "part", None, None, 0, interrupted)
    assert not list(tmp_path.iterdir())
    (tmp_path / ".part.new").mkdir()  # one that was killed
    cut(tape[0], tmp_path / "part", at(0), at(60), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["part"]
