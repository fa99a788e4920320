"""How fast a tape goes through a release: the fold alone, and an hour of an asset's tape with all its decisions."""

from __future__ import annotations

import resource
from pathlib import Path
from time import process_time

import pytest
from kit.days import START_S, WINDOW_S, a_day
from kit.releases import ROOT

from deploy.analysis.replay import Job, replayed
from deploy.analysis.replay.made import make
from shared.records import Segment, segments
from shared.wire import decode_streamed
from worker.reading import Reading
from worker.tape import Tape

WINDOWS = 6
"""Half an hour of a 5-minute market whose book moves forty times a second."""
FOLDED_MIN = 100_000
"""Frames a second of the processor's time, from their bytes to the state."""
DAY_S_MAX = 60.0
"""Of one asset's tape, both processes together on one core."""


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of a day in memory."""
    folder = tmp_path_factory.mktemp("bench") / "tape"
    first_s, until_s = START_S - 60, START_S + WINDOWS * WINDOW_S
    make(a_day(WINDOWS), first_s * 1_000, until_s * 1_000, folder, seed=1, progress=lambda done, of: None)
    return folder


def test_the_fold_takes_a_hundred_thousand_frames_a_second(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Read, checked, decoded and folded; beside what decoding alone takes in the same run."""
    reading, frames = Reading(), 0
    began = process_time()
    for frame in Tape(segments(tape)[0]).more():
        reading.fold(frame)
        frames += 1
    folded_s = process_time() - began
    payloads = [payload for path in segments(tape) for payload in _payloads(path)]
    began = process_time()
    for payload in payloads:
        decode_streamed(payload)
    decoded_s = process_time() - began
    with capsys.disabled():
        print(
            f"\n{frames:,} frames folded, {frames / folded_s:,.0f} a second; decoding alone {frames / decoded_s:,.0f}"
        )
    assert frames / folded_s > FOLDED_MIN


def _payloads(path: Path) -> list[bytes]:
    return [payload for _, payload in Segment(path, "tape")]


@pytest.mark.parametrize("fills", ["recorded", "rehearsal"])
def test_a_day_of_one_asset_takes_less_than_a_minute(
    tape: Path, fills: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half an hour, times forty-eight: the processor's time of the release and of who plays it."""
    used = _used_s()
    result = replayed(Job(release=str(ROOT), tape=str(tape), fills=fills))  # type: ignore[arg-type]
    took_s = _used_s() - used
    day_s = took_s * 86_400 / (WINDOWS * WINDOW_S)
    with capsys.disabled():
        print(f"\n{fills}: {result.frames:,} frames, {result.ticks:,} decisions in {took_s:.2f} s; a day {day_s:.0f} s")
    assert result.ticks > 500
    assert day_s < DAY_S_MAX


def _used_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + used.ru_utime + used.ru_stime
