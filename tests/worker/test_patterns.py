"""worker.patterns: shapes of closed candles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.candles import Candle
from worker.patterns import SHAPES, breakout, engulfing, read, verdict


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


def bar(open_micro: int, high: int, low: int, close: int) -> tuple[int, int, int, int]:
    return open_micro, high, low, close


FALLING = [bar(40, 40, 34, 35), bar(35, 35, 29, 30), bar(30, 30, 24, 25)]
SHAPED = {
    "engulfing": [bar(10, 10, 8, 8), bar(8, 12, 7, 11)],
    "rejection": [*FALLING, bar(24, 26, 12, 26)],
    "inside_break": [bar(20, 30, 10, 25), bar(22, 26, 18, 20), bar(21, 35, 20, 31)],
    "three_in_a_row": [bar(10, 16, 9, 15), bar(13, 21, 12, 20), bar(18, 26, 17, 25)],
}
shapes = pytest.mark.parametrize("name", SHAPED)
candles = st.lists(
    st.tuples(*[st.integers(1, 40)] * 4).map(lambda four: (four[0], max(four), min(four), four[1])), max_size=8
)


def upside_down(shape: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    return [(100 - first, 100 - low, 100 - high, 100 - last) for first, high, low, last in shape]


@shapes
def test_each_shape_is_found_and_nothing_else(name: str) -> None:
    """The textbook's picture of it is that shape, for Up; whatever came before it."""
    assert read(bars(*SHAPED[name])) == {name: 1}
    assert SHAPES[name](bars(bar(50, 50, 50, 50), *SHAPED[name])) == 1


@shapes
def test_the_wrong_way_up_a_shape_speaks_for_down(name: str) -> None:
    """Shooting star for hammer, crows for soldiers."""
    assert read(bars(*upside_down(SHAPED[name]))) == {name: -1}


@shapes
def test_a_shape_that_lacks_a_candle_is_none(name: str) -> None:
    """No guess about what came before."""
    assert SHAPES[name](bars(*SHAPED[name][1:])) == 0
    assert SHAPES[name]([]) == 0


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("rejection", [*FALLING, bar(24, 26, 21, 26)]),
        ("rejection", [*FALLING, bar(24, 36, 12, 26)]),
        ("rejection", [bar(10, 15, 10, 15), bar(15, 20, 15, 20), bar(20, 25, 20, 25), bar(24, 26, 12, 26)]),
        ("rejection", [*FALLING, bar(25, 25, 12, 25)]),
        ("inside_break", [bar(20, 30, 10, 25), bar(22, 31, 18, 20), bar(21, 35, 20, 32)]),
        ("inside_break", [bar(20, 30, 10, 25), bar(22, 26, 18, 20), bar(21, 35, 20, 30)]),
        ("three_in_a_row", [bar(10, 16, 9, 15), bar(16, 21, 12, 20), bar(18, 26, 17, 25)]),
        ("three_in_a_row", [bar(10, 16, 9, 15), bar(13, 21, 12, 14), bar(14, 26, 13, 25)]),
        ("three_in_a_row", [bar(10, 16, 9, 15), bar(15, 21, 12, 13), bar(14, 26, 13, 25)]),
    ],
    ids=[
        "short shadow",
        "a shadow either way",
        "nothing to reverse",
        "no body",
        "outside",
        "touching",
        "a gap",
        "no progress",
        "one turned",
    ],
)
def test_what_is_nearly_a_shape_is_none(name: str, near: list[tuple[int, int, int, int]]) -> None:
    """Each condition counts."""
    assert SHAPES[name](bars(*near)) == 0


@given(candles)
def test_every_market_mirrors_itself(market: list[tuple[int, int, int, int]]) -> None:
    """Turned upside down, each shape is the opposite one, and so is what they say together."""
    up, down = read(bars(*market)), read(bars(*upside_down(market)))
    assert down == {name: -way for name, way in up.items()}
    assert verdict(down) == -verdict(up)


def test_shapes_that_contradict_one_another_say_nothing() -> None:
    """More of one kind decide; as many of each cancel out."""
    assert verdict({"engulfing": 1, "rejection": -1}) == 0
    assert verdict({"engulfing": -1, "rejection": -1, "inside_break": 1}) == -1
    assert verdict({}) == 0
