"""What everybody else believes and does."""

from __future__ import annotations

import random
from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.days import START_S, WINDOW_S, a_market_row
from kit.venue import dice

from deploy.rehearsal.crowd import (
    FAR_STEP_MICRO,
    LEVELS,
    Add,
    Odds,
    Scene,
    Taker,
    Trim,
    maker_wish,
    quotes,
    refresh,
    taker_wish,
    takers,
    turned_tick,
    volatility,
)
from deploy.rehearsal.crowd_shape import INFORMED, TAKERS_PER_S
from deploy.rehearsal.days import Listing, Point, RecordedDay
from deploy.rehearsal.matching import CROWD, Book, Wish
from deploy.rehearsal.recordings import listing_of

DOLLAR = 10**18
END_S = START_S + WINDOW_S


def a_listing(lookback_s: int = 0) -> Listing:
    return replace(listing_of(a_market_row()), lookback_s=lookback_s, strike_e18=64_000 * DOLLAR)


def a_day(listing: Listing, price: float = 64_000, later: float = 64_000, step_s: int = 60) -> RecordedDay:
    """Half an hour of twenty dollars up and down by the minute, then `price`, and `later` from 30 s before the end."""
    before = [(START_S - 1_800 + 60 * minute, 64_000 + 20 * (minute % 2)) for minute in range(30)]
    rows = [*before, (START_S, 64_000.25), (START_S + 1, price), (END_S - 30, later)]
    points = [Point("BTC", second * 1_000, int(value * DOLLAR), second * 1_000 + 1_500) for second, value in rows]
    return RecordedDay("a day", [listing], points)


def odds(price: float, second: int, lookback_s: int = 0, later: float | None = None) -> float:
    listing = a_listing(lookback_s)
    return Odds(a_day(listing, price, price if later is None else later)).up(listing, second)


def test_before_the_window_nobody_knows_anything() -> None:
    """There is no strike yet."""
    assert odds(64_000, START_S - 1) == 0.5


def test_at_the_strike_it_is_a_coin_toss() -> None:
    """And every dollar above it counts more the less time is left."""
    assert odds(64_000, START_S + 100) == pytest.approx(0.5)
    early, late = odds(64_003, START_S + 60), odds(64_003, START_S + 290)
    assert 0.5 < early < late < 1


def test_at_the_end_of_a_spot_window_the_price_decides() -> None:
    """No doubt is left."""
    assert (odds(64_001, END_S), odds(63_999, END_S)) == (1.0, 0.0)


def test_near_the_end_of_an_averaged_window_part_of_the_average_is_fixed() -> None:
    """A fall in the last half minute undoes a spot window, not an average that stood high for half of its time."""
    assert odds(64_050, END_S - 5, lookback_s=60, later=63_990) > 0.99
    assert odds(64_050, END_S - 5, lookback_s=0, later=63_990) < 0.1


def test_a_lead_is_worth_more_in_an_averaged_window() -> None:
    """Averaging leaves less time to move."""
    assert odds(64_003, START_S + 100, lookback_s=60) > odds(64_003, START_S + 100)


def test_volatility_is_that_of_the_last_half_hour() -> None:
    """Twenty dollars a minute on 64,000; an asset without prices has a usual one."""
    day = a_day(a_listing())
    assert volatility(day, "BTC", START_S - 60) == pytest.approx(20 / 64_000 / sqrt(60), rel=0.05)
    assert volatility(day, "ETH", START_S) == pytest.approx(7e-5)


scenes = st.builds(
    Scene,
    asset=st.sampled_from(["BTC", "DOGE"]),
    up=st.floats(0, 1),
    left_s=st.floats(0, 900),
    tick_micro=st.sampled_from([10_000, 1_000]),
    fine=st.booleans(),
)


@given(scenes, st.integers(0, 10**6))
def test_makers_never_quote_across_each_other_or_off_the_grid(scene: Scene, seed: int) -> None:
    """Every tick near the best price, every fifth cent beyond, between one tick and one tick below 1."""
    found = quotes(scene, random.Random(seed))
    bids, asks = ([price for is_bid, price in found if is_bid is side] for side in (True, False))
    assert max(bids, default=0) < min(asks, default=10**6)
    assert max(len(bids), len(asks)) <= LEVELS + 10**6 // FAR_STEP_MICRO
    assert all(price % scene.tick_micro == 0 and 0 < price < 10**6 for price in (*bids, *asks))
    assert all(size >= 5_000_000 for size in found.values())


def apply(book: Book, steps: list[Trim | Add]) -> int:
    """Carry steps out; shares that traded on the way."""
    traded = 0
    for number, step in enumerate(steps):
        if isinstance(step, Trim):
            book.trim(step.bid, step.up_micro, step.size_micro)
        else:
            name = f"{id(steps)}-{number}"
            traded += book.place(maker_wish(name, step, mint=number % 2 == 0)).filled_micro
    return traded


@given(st.lists(scenes, min_size=1, max_size=8), st.integers(0, 10**6))
def test_the_crowds_book_says_what_it_last_believed(past: list[Scene], seed: int) -> None:
    """After any past: exactly the wanted levels, and the crowd never trades with itself by requoting."""
    book, rng, history = Book(), random.Random(seed), []
    for scene in past:
        before = random.Random(seed)
        before.setstate(rng.getstate())
        steps = refresh(book, scene, rng)
        history.append(steps)
        assert apply(book, steps) == 0
        wanted = quotes(scene, before)
        assert {(bid, price) for bid in (True, False) for price in book.prices(bid)} == set(wanted)


def test_a_careless_quote_of_a_client_is_taken_by_the_crowds_requote() -> None:
    """Asked 0.40 where the odds are 0.60: the new bids trade with it first, at its price."""
    book = Book()
    book.place(Wish("mine", "me", "Up", "SELL", 400_000, 10_000_000))
    assert apply(book, refresh(book, Scene("BTC", 0.6, 200, 10_000), dice("x"))) == 10_000_000


def shares(left_s: float, best_only: bool) -> float:
    """What makers bid for Up at a coin toss, over many refreshes: the median of the best level, or of all of it."""
    scene, found = Scene("BTC", 0.5, left_s, 10_000), []
    for number in range(200):
        bids = {price: size for (bid, price), size in quotes(scene, dice(str(number))).items() if bid}
        found.append(bids[max(bids)] if best_only else sum(bids.values()))
    return sorted(found)[100] / 1e6


def test_depth_thins_out_towards_the_end() -> None:
    """The best level to a fifth ten seconds before it, the whole side to less than two thirds."""
    assert 50 < shares(120, best_only=True) < 250
    assert shares(10, best_only=True) < 0.3 * shares(120, best_only=True)
    assert 0.4 < shares(10, best_only=False) / shares(120, best_only=False) < 0.7


def test_a_book_is_as_deep_at_one_token_as_recorded_and_less_so_for_other_assets() -> None:
    """Some thirty-five thousand shares bid for a BTC token at a half; a tenth of it where little stands."""
    btc, sol = Scene("BTC", 0.5, 120, 10_000), Scene("SOL", 0.5, 120, 10_000, 900)
    bids = [sum(size for (bid, _), size in quotes(scene, dice("x")).items() if bid) / 1e6 for scene in (btc, sol)]
    assert 28_000 < bids[0] < 42_000
    assert bids[1] == pytest.approx(bids[0] / 10, rel=0.1)


def arrivals(scene: Scene) -> list[Taker]:
    """Five minutes of one second."""
    return [taker for number in range(300) for taker in takers(scene, dice(f"s{number}"))]


def test_takers_come_while_the_outcome_is_open() -> None:
    """Hardly before the window, less when it is decided, fewest as it closes."""
    scene = Scene("BTC", 0.5, 200, 10_000)
    before, decided, late = replace(scene, left_s=400), replace(scene, up=0.995), replace(scene, left_s=3)
    counts = [len(arrivals(each)) for each in (scene, late, decided, before)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == pytest.approx(300 * TAKERS_PER_S, rel=0.1)
    assert counts[3] < 0.04 * counts[0]


def test_a_share_of_the_flow_is_that_share_of_the_takers() -> None:
    """No fewer sizes to choose from, only fewer of them."""
    scene = Scene("BTC", 0.5, 200, 10_000)
    few = [taker for number in range(300) for taker in takers(scene, dice(f"s{number}"), flow=0.25)]
    assert len(few) == pytest.approx(0.25 * len(arrivals(scene)), rel=0.15)


def test_taker_sizes_are_as_recorded() -> None:
    """Half of them below 9 shares or so, one in a hundred above some 400."""
    sizes = sorted(taker.size_micro / 1e6 for taker in arrivals(Scene("BTC", 0.5, 200, 10_000)))
    assert sizes[len(sizes) // 2] == pytest.approx(9, rel=0.15)
    assert 250 < sizes[len(sizes) * 99 // 100] < 600


def test_some_takers_know_the_next_price() -> None:
    """More of them gain from where it goes than not; without news they toss a coin."""
    news, none = (Scene("BTC", 0.5, 200, 10_000, ahead=ahead) for ahead in (0.6, None))
    for scene, share in ((news, 0.5 + INFORMED / 2), (none, 0.5)):
        found = [(taker.outcome == "Up") == (taker.side == "BUY") for taker in arrivals(scene)]
        assert sum(found) / len(found) == pytest.approx(share, abs=0.03)


@given(scenes, st.sampled_from(["Up", "Down"]), st.sampled_from(["BUY", "SELL"]))
def test_a_taker_has_limited_patience(scene: Scene, outcome: str, side: str) -> None:
    """He never pays more than three ticks beyond the odds."""
    wish = taker_wish("t", Taker(0, outcome, side, 10**6), scene)  # type: ignore[arg-type]
    paid = wish.up_micro - scene.up * 10**6 if wish.bid else scene.up * 10**6 - wish.up_micro
    assert paid <= 3 * scene.grid_micro
    assert (wish.account, wish.kind) == (CROWD, "FAK")
    assert 0 < wish.price_micro < 10**6


def test_the_same_second_brings_the_same_crowd() -> None:
    """Chance is drawn by name, not by when it was asked for."""
    scene = Scene("BTC", 0.5, 100, 10_000)
    assert quotes(scene, dice("a")) == quotes(scene, dice("a")) != quotes(scene, dice("b"))
    assert takers(scene, dice("a")) == takers(scene, dice("a"))


@pytest.mark.parametrize(
    ("bid", "ask", "tick"),
    [(470_000, 480_000, 10_000), (960_000, 970_000, 1_000), (30_000, 40_000, 1_000), (None, 50_000, 1_000)],
)
def test_the_tick_turns_fine_near_the_ends(bid: int | None, ask: int, tick: int) -> None:
    """Once the middle of the book leaves 0.04 to 0.96; an empty book turns nothing."""
    book = Book()
    if bid:
        book.place(Wish("b", "b", "Up", "BUY", bid, 10**6))
    book.place(Wish("a", "a", "Up", "SELL", ask, 10**6))
    assert turned_tick(book, 10_000) == tick
    assert turned_tick(Book(), 10_000) == 10_000
