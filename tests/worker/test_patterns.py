"""worker.patterns: shapes of closed candles."""

from __future__ import annotations

from worker.candles import Candle
from worker.patterns import breakout, engulfing


def bars(*shapes: tuple[int, int, int, int]) -> list[Candle]:
    return [Candle(5 * n, *shape) for n, shape in enumerate(shapes)]


RANGE = [(10, 12, 9, 11), (11, 12, 10, 10), (10, 11, 9, 11)]


def test_a_close_outside_the_range_is_a_breakout() -> None:
    """Above every high, or below every low; touching is not leaving."""
    assert breakout(bars(*RANGE, (11, 14, 11, 13)), 3) == 1
    assert breakout(bars(*RANGE, (11, 11, 7, 8)), 3) == -1
    assert breakout(bars(*RANGE, (11, 14, 8, 12)), 3) == 0


def test_too_few_candles_break_out_of_nothing() -> None:
    """A range needs its candles."""
    assert breakout(bars((1, 1, 1, 1), (9, 9, 9, 9)), 2) == 0


def test_a_body_that_swallows_its_opposite_is_a_turn() -> None:
    """Down and then more up: 1. Up and then more down: -1. The same way twice: nothing."""
    assert engulfing(bars((10, 10, 8, 8), (8, 12, 7, 11))) == 1
    assert engulfing(bars((8, 10, 8, 10), (10, 11, 6, 7))) == -1
    assert engulfing(bars((8, 10, 8, 10), (10, 12, 10, 12))) == 0
    assert engulfing(bars((8, 10, 8, 10))) == 0
