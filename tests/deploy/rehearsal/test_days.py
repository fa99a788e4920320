"""What reality did: values in effect, look-backs, settlement."""

from __future__ import annotations

from dataclasses import replace

from kit.days import START_S, WINDOW_S, a_market_row, price_e18

from deploy.rehearsal.days import Listing, Point, RecordedDay, declared_lookback_s, settle, settlement_value
from deploy.rehearsal.recordings import listing_of


def a_listing(start_s: int = START_S, lookback_s: int = 0) -> Listing:
    return replace(listing_of(a_market_row(start_s)), lookback_s=lookback_s)


def a_point(second: int, value: int, delay_ms: int = 1_500) -> Point:
    return Point("BTC", second * 1_000, value, second * 1_000 + delay_ms)


def a_day(listing: Listing, values: dict[int, int]) -> RecordedDay:
    return RecordedDay("a day", [listing], [a_point(second, value) for second, value in values.items()])


def test_a_second_without_a_price_has_the_last_one() -> None:
    """The feed has gaps; the value stays in effect until the next point."""
    day = a_day(a_listing(), {START_S: 10, START_S + 5: 20})
    assert [day.value_at("BTC", START_S + second) for second in (-1, 0, 4, 5, 99)] == [None, 10, 10, 20, 20]


def test_points_come_in_the_order_they_arrived() -> None:
    """A late point waits for its arrival, not for its second."""
    late, early = a_point(START_S, 1, 5_000), a_point(START_S + 1, 2)
    day = RecordedDay("a day", [a_listing()], [late, early])
    assert list(day.points(0)) == [early, late]
    assert list(day.points(early.arrival_ms)) == [late]


def test_a_second_sent_twice_counts_once() -> None:
    """The first value of a second is kept."""
    day = RecordedDay("a day", [a_listing()], [a_point(START_S, 1), a_point(START_S, 2, 9_000)])
    assert day.value_at("BTC", START_S) == 1


def test_an_averaged_value_weighs_every_second_of_its_lookback() -> None:
    """A second without a point counts with the value in effect: (30 x 10 + 30 x 40) / 60."""
    day = a_day(a_listing(), {START_S: 10, START_S + 31: 40})
    assert settlement_value(day, "BTC", START_S + 60, 60) == 25


def test_a_recording_of_the_averaged_feed_is_not_averaged_again() -> None:
    """Where the recorded price equals the recorded strike at the start of averaged windows, it is compared directly."""
    listing = replace(a_listing(lookback_s=60), strike_e18=100, official=None)
    day = a_day(listing, {START_S - 30: 1, START_S: 100, START_S + WINDOW_S - 1: 5, START_S + WINDOW_S: 101})
    assert day.settles_directly("BTC")
    assert (settle(day, listing).close_e18, settle(day, listing).winner) == (101, "Up")


def test_a_recording_of_the_spot_feed_is_averaged_for_averaged_windows() -> None:
    """A strike that differs from the recorded price tells that the feed is another one."""
    listing = replace(a_listing(lookback_s=60), strike_e18=100, official=None)
    day = a_day(listing, {START_S: 130, START_S + WINDOW_S - 59: 90, START_S + WINDOW_S: 130})
    assert not day.settles_directly("BTC")
    assert settle(day, listing).winner == "Down"


def test_the_official_outcome_outranks_the_rule() -> None:
    """What was paid is what is paid again, whatever the recorded prices say."""
    listing = replace(a_listing(), official="Down", strike_e18=1)
    assert settle(a_day(listing, {START_S: 1, START_S + WINDOW_S: 2}), listing).winner == "Down"


def test_a_tie_is_up() -> None:
    """Up wins if the close is at least the strike."""
    listing = replace(a_listing(), official=None, strike_e18=None)
    assert settle(a_day(listing, {START_S: 7}), listing).winner == "Up"


def test_a_market_names_its_own_rule() -> None:
    """By its configuration, else by its source; a source without a word of averaging is spot."""
    source = "https://data.chain.link/streams/btc-usd"
    assert declared_lookback_s({"resolutionSource": source}) == 0
    assert declared_lookback_s({"resolutionSource": source + "-twap-30s-streams"}) == 30
    config = {"twapEnabled": True, "twapLookbackSeconds": 60}
    assert declared_lookback_s({"resolutionSource": source, "cryptoMarketConfig": config}) == 60


def test_listings_are_found_by_window_and_by_name() -> None:
    """Half-open: the window that starts at the end is the next one's."""
    first, second = a_listing(), a_listing(START_S + WINDOW_S)
    day = RecordedDay("a day", [second, first], [a_point(START_S, price_e18(START_S))])
    assert day.listings(START_S, START_S + WINDOW_S) == [first]
    assert day.listing(second.slug) == second
    assert day.listing("btc-updown-5m-1") is None


def test_a_replay_does_not_begin_hours_before_the_first_market() -> None:
    """With the first price, or some minutes before the first market where prices begin long before it."""
    early = {START_S - 7_200: 1, START_S: 2}
    assert a_day(a_listing(), early).first_ms == (START_S - 300) * 1_000
    assert a_day(a_listing(), {START_S - 9: 1}).first_ms == (START_S - 9) * 1_000
