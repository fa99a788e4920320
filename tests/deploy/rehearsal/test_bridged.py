"""Prices between recorded ones."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.bridged import DELAY_MS, JITTER_MS, BridgedDay, Thread
from deploy.rehearsal.days import averaged_here, settle
from deploy.rehearsal.history import plain_listing

DOLLAR = 10**18
START_S = 1_766_031_900


def a_thread(*prices: tuple[int, int], longest_s: int = 300) -> Thread:
    """Prices in dollars by seconds after the start."""
    return Thread("BTC", {START_S + after_s: value * DOLLAR for after_s, value in prices}, longest_s)


@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(1_000, 99_000)), min_size=1, max_size=8))
def test_recorded_prices_are_told_as_they_are(prices: list[tuple[int, int]]) -> None:
    """Whatever lies between them, which is never nothing."""
    thread = a_thread(*prices)
    for after_s, value in dict(prices).items():
        assert thread.at(START_S + after_s) == value * DOLLAR
    inside = [thread.at(START_S + after_s) for after_s in range(min(prices)[0], max(prices)[0] + 1, 97)]
    assert all(value is not None and value > 0 for value in inside)


def test_a_bridge_strays_as_recorded_steps_do() -> None:
    """Five minutes between two prices a tenth of a per cent apart: near the line, not on it, the same every time."""
    thread = a_thread((0, 64_000), (300, 64_064), (600, 64_000))
    values = [thread.at(START_S + second) or 0 for second in range(301)]
    assert values == [a_thread((0, 64_000), (300, 64_064), (600, 64_000)).at(START_S + s) for s in range(301)]
    off = [abs(value / DOLLAR - (64_000 + 64 * second / 300)) for second, value in enumerate(values)]
    assert 5 < max(off) < 200
    assert len(set(values)) > 250


def test_across_a_hole_the_feed_is_silent() -> None:
    """The last price stays in effect and no new one is told."""
    thread = a_thread((0, 64_000), (10, 64_010), (500, 64_100), longest_s=30)
    assert thread.at(START_S + 300) == 64_010 * DOLLAR
    assert [thread.told(START_S + second) for second in (-1, 0, 5, 10, 11, 499, 500, 501)] == [
        False, True, True, True, False, False, True, False,
    ]  # fmt: skip
    assert thread.at(START_S - 1) is None


@pytest.mark.parametrize(
    ("window", "covered"),
    [((0, 300), True), ((0, 330), True), ((0, 331), False), ((400, 700), False), ((-1, 300), False)],
)
def test_a_stretch_is_covered_when_no_hole_is_in_it(window: tuple[int, int], covered: bool) -> None:
    """Its ends may be as far from a price as holes may be long."""
    thread = a_thread(*((second, 64_000) for second in range(0, 301, 20)), longest_s=30)
    assert thread.covers(START_S + window[0], START_S + window[1]) is covered


def a_bridged_day() -> BridgedDay:
    prices = {"BTC": 64_000, "ETH": 2_000}
    threads = {
        asset: Thread(asset, {START_S + 300 * n: (level + n) * DOLLAR for n in range(4)}, 300)
        for asset, level in prices.items()
    }
    listings = [plain_listing("x", asset, 300, START_S + 300 * n) for n in (2, 0, 1) for asset in prices]
    return BridgedDay("x", listings, threads)


def test_prices_arrive_in_order_a_second_or_two_late() -> None:
    """Of both assets, from any moment on."""
    after_ms = (START_S + 100) * 1_000
    points = list(islice(a_bridged_day().points(after_ms), 200))
    arrivals = [point.arrival_ms for point in points]
    assert arrivals == sorted(arrivals) and arrivals[0] > after_ms
    assert all(DELAY_MS <= point.arrival_ms - point.source_ms < DELAY_MS + JITTER_MS for point in points)
    assert {point.asset for point in points} == {"BTC", "ETH"}
    assert len(points) == 200


def test_a_day_of_threads_lists_its_windows_by_start() -> None:
    """And begins with the first of them."""
    day = a_bridged_day()
    assert [listing.start_s for listing in day.listings(START_S, START_S + 600)] == [START_S] * 2 + [START_S + 300] * 2
    assert day.listing(f"eth-updown-5m-{START_S}") in day.listings(0, 2**40)
    assert (day.first_ms, day.assets, day.price_count) == (START_S * 1_000, ["BTC", "ETH"], 8)
    assert day.span_s == (START_S, START_S + 900)
    assert (day.value_at("SOL", START_S), day.exact_value_at("BTC", START_S + 901), day.gaps("BTC", 60)) == (
        None,
        None,
        [],
    )


def test_its_outcomes_are_near_the_official_ones_only() -> None:
    """By rule where none was recorded; such windows are told apart."""
    day = a_bridged_day()
    listing = day.listings(0, 2**40)[0]
    assert settle(day, listing).winner == "Up"
    assert averaged_here(day, listing)
