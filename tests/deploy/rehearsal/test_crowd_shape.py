"""The table of fitted numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal import crowd_shape as shape

LINES = {
    name: getattr(shape, name) for name in ("DEPTH_LEFT", "TOUCH_LEFT", "WIDER_LEFT", "EAGER_DISTANCE", "EAGER_LEFT")
}


@pytest.mark.parametrize("name", sorted(LINES))
def test_every_line_of_points_rises_in_where_and_stays_a_share(name: str) -> None:
    """A point out of order would be read as another number."""
    places = [where for where, _ in LINES[name]]
    assert places == sorted(set(places))
    assert all(0 <= value <= 1 for _, value in LINES[name])


def test_between_two_points_a_line_is_straight_and_outside_it_stays() -> None:
    """So that nothing jumps as a window runs out."""
    steps = ((10, 0.2), (20, 0.6))
    assert [shape.along(steps, where) for where in (0, 10, 15, 20, 99)] == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.6])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_shares_between_prices_add_up(prices: list[float]) -> None:
    """However a side is cut into levels, the whole is the same, and no part is negative."""
    cuts = sorted({0.0, 1.0, *prices})
    parts = [shape.shares_between(low, high) for low, high in pairwise(cuts)]
    assert min(parts) >= 0
    assert sum(parts) == pytest.approx(shape.DEPTH_SHARES)


@given(
    st.sampled_from(["BTC", "ETH", "DOGE", "XYZ"]), st.sampled_from([300, 900]), st.floats(0, 1), st.floats(0, 2_000)
)
def test_no_market_is_busier_than_btc_of_five_minutes(asset: str, interval_s: int, up: float, left_s: float) -> None:
    """The rate is bounded by that of an undecided BTC window, and there is always a little of it."""
    assert 0 < shape.takers_per_s(asset, interval_s, up, left_s) <= shape.TAKERS_PER_S
    assert 0 < shape.standing(asset, interval_s) <= 1
