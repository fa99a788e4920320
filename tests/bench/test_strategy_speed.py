"""How fast a worker folds and decides, of processor time: what bounds a replay, and how late an answer is.

The stream is a made-up desk of three lanes; how a decision's cost depends on remembering what closed candles said is
shown beside it, because that is where it was saved.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import pytest
from kit.tapes import Market, Stream

from shared.messages import Streamed, Tick
from shared.wire import decode_streamed, encode
from worker.candles import Closed
from worker.reading import Reading

EVENTS_PER_S = 100_000
DECISION_US = 200.0
ROUNDS = 3


@pytest.fixture(scope="module")
def frames() -> list[Streamed]:
    """Half an hour of three lanes, ticks by the second in the snipe window."""
    return Market(Stream(), slots=("BTC/5m", "BTC/15m", "ETH/5m")).run(1_800).frames


def best(run: Callable[[], float]) -> float:
    """The least of some runs: what the machine can do when nobody else wants it."""
    return min(run() for _ in range(ROUNDS))


def folding(frames: list[Streamed]) -> float:
    reading, began_s = Reading(), process_time()
    for frame in frames:
        reading.fold(frame)
    return process_time() - began_s


def folding_bytes(frames: list[bytes]) -> float:
    reading, began_s = Reading(), process_time()
    for frame in frames:
        reading.fold(decode_streamed(frame))
    return process_time() - began_s


def deciding(frames: list[Streamed], *, remembering: bool = True) -> float:
    """Seconds for all ticks, without the folding between them."""
    reading, took_s = Reading(), 0.0
    for frame in frames:
        reading.fold(frame)
        if isinstance(frame.event, Tick):
            if not remembering:
                forget(reading)
            began_s = process_time()
            reading.answer(frame.event)
            took_s += process_time() - began_s
    return took_s


def forget(reading: Reading) -> None:
    """Let every tick compute anew what closed candles say."""
    for candles in reading.view._candles.values():
        candles._closed = Closed(-1, (), {})


def test_the_fold_takes_a_day_in_a_minute(frames: list[Streamed], capsys: pytest.CaptureFixture[str]) -> None:
    """As frames, and as the bytes of a tape."""
    per_s = len(frames) / best(lambda: folding(frames))
    encoded = [encode(frame) for frame in frames]
    bytes_per_s = len(frames) / best(lambda: folding_bytes(encoded))
    with capsys.disabled():
        print(f"\nfold: {per_s:,.0f} frames a second of a core, {bytes_per_s:,.0f} with decoding")
    assert bytes_per_s >= EVENTS_PER_S


def test_a_decision_takes_a_fraction_of_a_millisecond(
    frames: list[Streamed], capsys: pytest.CaptureFixture[str]
) -> None:
    """The mean over a stream, and how much dearer it were without what was remembered."""
    ticks = sum(isinstance(frame.event, Tick) for frame in frames)
    us = best(lambda: deciding(frames)) / ticks * 1e6
    anew_us = best(lambda: deciding(frames, remembering=False)) / ticks * 1e6
    with capsys.disabled():
        print(
            f"\ndecide: {us:,.0f} us of a core; {anew_us:,.0f} when every tick computes anew, {anew_us / us:.1f} times"
        )
    assert us <= DECISION_US
