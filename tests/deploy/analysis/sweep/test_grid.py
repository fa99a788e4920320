"""The grid of a sweep: what people write, and every combination of it."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.analysis.sweep.grid import POINTS_MAX, Axis, BadGrid, axis, points, shown


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("stake_usd=1:5:1", (1, 2, 3, 4, 5)),
        ("edge=0.1:0.5:0.2", (0.1, 0.3, 0.5)),
        ("edge=5:1:-2", (5, 3, 1)),
        ("edge=1:2:0.4", (1.0, 1.4, 1.8)),
        ("mode=on,exit-only", ("on", "exit-only")),
        ("kelly=true,false", (True, False)),
        ("last_s=4", (4,)),
        ("edge=2.5,1e2", (2.5, 100)),
    ],
)
def test_values_are_read_as_they_are_written(text: str, values: tuple[object, ...]) -> None:
    """A step of a tenth stays one."""
    read = axis(text)
    assert (read.name, read.values) == (text.partition("=")[0], values)
    assert list(map(type, read.values)) == list(map(type, values))


NO_GRID: Final = (
    *("", "stake", "stake=", "=1", "a b=1", "x=1:2", "x=1:5:0", "x=1:5:-1", "x=1:nan:1"),
    *("x=a:b:c", "x=1,1", "x=2,2.0", "x=0:1:0.0001", "x=1:1e99:1", f"x={','.join(map(str, range(1_001)))}"),
)


@pytest.mark.parametrize("text", NO_GRID)
def test_what_is_no_grid_is_refused_by_name(text: str) -> None:
    """The text itself, so that one of several is found."""
    with pytest.raises(BadGrid) as refused:
        axis(text)
    assert repr(text) in str(refused.value)


def test_every_combination_comes_once_and_in_order() -> None:
    """The last parameter changes fastest, as somebody would write them down."""
    grid = points([axis("a=1,2"), axis("b=on,off")])
    assert grid == [{"a": 1, "b": "on"}, {"a": 1, "b": "off"}, {"a": 2, "b": "on"}, {"a": 2, "b": "off"}]
    assert points([]) == [{}]


def test_a_parameter_that_is_named_twice_is_refused() -> None:
    """The second would silently win."""
    with pytest.raises(BadGrid, match="a is named twice"):
        points([axis("a=1"), axis("b=1"), axis("a=2")])


def test_a_grid_that_would_never_end_is_refused() -> None:
    """Before it is made."""
    with pytest.raises(BadGrid, match=f"1000000000 points, at most {POINTS_MAX}"):
        points(Axis(name, tuple(range(1000))) for name in "abc")


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers() | st.booleans() | st.floats(0, 1e6)))
def test_a_point_is_shown_as_it_can_be_typed(point: dict[str, int | bool | float]) -> None:
    """And reads back as what it was."""
    read = {one.name: one.values[0] for one in map(axis, shown(point).split())} if point else {}
    assert read == {name: value for name, value in point.items() if abs(value) < 1e17} | read
