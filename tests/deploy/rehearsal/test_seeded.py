"""The generated world: pure, restartable, plausible."""

from __future__ import annotations

from itertools import islice
from math import log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.days import DAY_S, settle
from deploy.rehearsal.seeded import ASSETS, STRETCH_S, SeededDay

NOW_S = 1_795_000_200


@given(st.integers(0, 2**33), st.sampled_from(sorted(ASSETS)))
def test_a_price_needs_no_history(second: int, asset: str) -> None:
    """A world that was just started knows any second as one that has run for long does."""
    fresh, used = SeededDay(3), SeededDay(3)
    for earlier in range(second - 3, second):
        used.value_at(asset, earlier)
    assert fresh.value_at(asset, second) == used.value_at(asset, second)


def test_another_seed_is_another_world() -> None:
    """Prices and ids differ."""
    one, two = SeededDay(1), SeededDay(2)
    assert one.value_at("BTC", NOW_S) != two.value_at("BTC", NOW_S)
    assert one.listings(NOW_S, NOW_S + 300)[0].up_token != two.listings(NOW_S, NOW_S + 300)[0].up_token


@pytest.mark.parametrize("asset", sorted(ASSETS))
def test_prices_move_as_much_in_five_minutes_as_they_should(asset: str) -> None:
    """The standard deviation over a day and a half is within a tenth of the asset's own."""
    day = SeededDay(11)
    values = [day.value_at(asset, NOW_S + step * 60) or 0 for step in range(4_000)]
    moves = [log(later / earlier) for earlier, later in zip(values, values[5:], strict=False)]
    deviation = sqrt(sum(move * move for move in moves) / len(moves)) * 100
    assert deviation == pytest.approx(ASSETS[asset].move_pct, rel=0.1)


def test_prices_do_not_jump_where_two_stretches_meet() -> None:
    """One second moves a price by little, there as elsewhere."""
    day, border = SeededDay(5), NOW_S // STRETCH_S * STRETCH_S
    before, after = day.value_at("BTC", border - 1), day.value_at("BTC", border)
    assert before and after and abs(after / before - 1) < 0.001


def test_every_second_of_every_asset_arrives_once_and_in_order() -> None:
    """A second or two late, as the real feed is."""
    day = SeededDay(1)
    points = list(islice(day.points(NOW_S * 1_000), 50 * len(ASSETS)))
    assert [point.arrival_ms for point in points] == sorted(point.arrival_ms for point in points)
    assert len({(point.asset, point.source_ms) for point in points}) == len(points)
    assert all(1_200 < point.arrival_ms - point.source_ms < 2_200 for point in points)


def test_points_go_on_where_a_reader_stopped() -> None:
    """A venue started again misses none and repeats none."""
    points = list(islice(SeededDay(1).points(NOW_S * 1_000), 40))
    assert list(islice(SeededDay(1).points(points[19].arrival_ms), 20)) == points[20:]


def test_only_what_polymarket_lists_is_listed() -> None:
    """Five assets on two timeframes; anything else does not exist."""
    day = SeededDay(1)
    listings = day.listings(NOW_S // 900 * 900, NOW_S // 900 * 900 + 900)
    assert len(listings) == len(ASSETS) * 4
    assert all(day.listing(listing.slug) == listing for listing in listings)
    unheard = ("avax-updown-5m-1795000200", "btc-updown-5m-1795000201", "btc-updown-30m-1795000200", "btc", "")
    assert [day.listing(slug) for slug in unheard] == [None] * 5
    assert day.value_at("AVAX", NOW_S) is None


def test_a_market_is_listed_a_day_ahead() -> None:
    """Within minutes of a day before its window."""
    listing = SeededDay(1).listings(NOW_S, NOW_S + 300)[0]
    assert 0 <= listing.listed_ms - (listing.start_s - DAY_S) * 1_000 < 600_000


def test_a_window_closes_where_the_next_one_starts() -> None:
    """The final value of one window is the strike of the next."""
    day = SeededDay(1)
    first = day.listings(NOW_S, NOW_S + 1)[0]
    second = next(listing for listing in day.listings(first.end_s, first.end_s + 1) if listing.asset == first.asset)
    assert settle(day, first).close_e18 == settle(day, second).strike_e18
