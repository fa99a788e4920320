"""What recording costs whoever publishes: the same frames, on a tape and not, turn by turn on a real disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import pytest
from kit.tapes import Market
from kit.tapes import Stream as Written

from shared.messages import Streamed
from shared.wire import encode
from supervisor.stream import Stream

ROUNDS = 12
TURN = 4
"""Frames in one turn: a market event and the ticks that follow it."""
MOST_US = 5.0
"""Of recording an event, at the median. The issue's own bound; facts/performance 3 has 1.1 us for the write alone."""
RATIO_MAX = 10.0
"""Times a bare write of the same bytes, taken in the same run: what a slower machine leaves as it is."""


@pytest.fixture
def frames() -> list[Streamed]:
    """Five minutes of two lanes."""
    return Market(Written()).run(300).frames


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="fs") as made:
        yield Path(made)


def test_recording_costs_a_few_microseconds_an_event(
    frames: list[Streamed], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The checksum, the chain and the write, beside publishing alone; and beside a bare write of the same bytes."""
    recording, silent = Stream(folder / "a.sock", folder / "a"), Stream(folder / "b.sock", folder / "b")
    silent.fault = "nobody records"
    with_us, without_us, bare_us = list[float](), list[float](), list[float]()
    for _ in range(ROUNDS):
        with_us += published_us(recording, frames)
        without_us += published_us(silent, frames)
        bare_us += written_us(folder / "bare", frames)
    recording.close()
    silent.close()
    cost_us, ratio = median(with_us) - median(without_us), (median(with_us) - median(without_us)) / median(bare_us)
    with capsys.disabled():
        publish = f"published {median(without_us):.2f} us, published and recorded {median(with_us):.2f} us"
        print(f"\nrecord an event: {cost_us:.2f} us ({publish}); a bare write {median(bare_us):.2f} us, {ratio:.1f} x")
    assert cost_us < MOST_US
    assert ratio < RATIO_MAX


def published_us(stream: Stream, frames: list[Streamed]) -> list[float]:
    """Microseconds for each event of each turn, its flush included."""
    times = []
    for first in range(0, len(frames) - TURN, TURN):
        began = perf_counter_ns()
        for frame in frames[first : first + TURN]:
            stream.publish(frame, new_segment=False)
        stream.flush()
        times.append((perf_counter_ns() - began) / 1e3 / TURN)
    return times


def written_us(path: Path, frames: list[Streamed]) -> list[float]:
    """Microseconds for each event of each turn, when its bytes are only written."""
    fd, offset, times = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), 0, list[float]()
    turns = [b"".join(map(encode, frames[first : first + TURN])) for first in range(0, len(frames) - TURN, TURN)]
    for turn in turns:
        began = perf_counter_ns()
        offset += os.pwrite(fd, turn, offset)
        times.append((perf_counter_ns() - began) / 1e3 / TURN)
    os.close(fd)
    return times
