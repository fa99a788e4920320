"""Whether an order may be sent."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config import Risk
from shared.messages import OrderKind, Place, Terms
from shared.risk import (
    PARTS_MAX,
    Approved,
    Best,
    Denied,
    Exposure,
    Limits,
    Quote,
    check,
    check_cancel,
    limits,
    quote,
    worst_cost,
)
from shared.units import MICRO, cost_of, taker_fee

LIMITS = Limits(25_000_000, 50_000_000, 100_000_000, 250_000_000, 100_000_000, 120, 64, 200_000, 200_000_000, 240)
QUOTE = Quote(480_000, 500_000, "", 10_000, 5_000_000, 1_000_000, 70_000, 1)
EXPOSURE = Exposure(0, 0, 0, 0, 0, 1_000_000_000, 0, 0, 0)
BUY = Place("Up", "BUY", 500_000, 10_000_000, "FAK")
SELL = Place("Up", "SELL", 480_000, 10_000_000, "GTC")


def test_an_ordinary_order_is_approved_with_what_it_can_cost() -> None:
    """Price and taker fee for one that takes, price alone for one that only rests."""
    assert check(BUY, QUOTE, EXPOSURE, LIMITS, "") == Approved(5_350_500)  # 5 dollars may meet an ask of a cent
    taking = replace_place(BUY, kind="GTC")
    assert check(taking, QUOTE, EXPOSURE, LIMITS, "") == Approved(5_175_500)
    resting = replace_place(BUY, kind="GTC", post_only=True, price_micro=470_000)
    assert check(resting, QUOTE, EXPOSURE, LIMITS, "") == Approved(4_700_000)


def replace_place(place: Place, **changes: object) -> Place:
    """An order that differs."""
    fields = {name: getattr(place, name) for name in place.__struct_fields__}
    return Place(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "quote", "exposure", "entries", "reason"),
    [
        (BUY, QUOTE, EXPOSURE, "paused", "entries_closed"),
        (replace_place(BUY, post_only=True), QUOTE, EXPOSURE, "", "bad_kind"),
        (replace_place(BUY, price_micro=505_000), QUOTE, EXPOSURE, "", "bad_price"),
        (replace_place(BUY, price_micro=1_000_000), QUOTE, EXPOSURE, "", "bad_price"),
        (replace_place(BUY, size_micro=4_990_000), QUOTE, EXPOSURE, "", "bad_size"),
        (replace_place(BUY, price_micro=100_000, size_micro=5_000_000), QUOTE, EXPOSURE, "", "too_little"),
        (BUY, replace(QUOTE, stale="crossed"), EXPOSURE, "", "book_stale"),
        (BUY, replace(QUOTE, opposite_ask_micro=290_000), EXPOSURE, "", "books_disagree"),
        (SELL, replace(QUOTE, opposite_bid_micro=730_000), replace(EXPOSURE, held_micro=10**9), "", "books_disagree"),
        (BUY, replace(QUOTE, bid_micro=0, ask_micro=0), EXPOSURE, "", "no_quote"),
        (BUY, replace(QUOTE, ask_micro=0, bid_micro=0, opposite_bid_micro=800_000), EXPOSURE, "", "price_far"),
        (BUY, replace(QUOTE, ask_micro=990_000, opposite_bid_micro=710_000), EXPOSURE, "", "price_far"),
        (replace_place(BUY, price_micro=710_000), QUOTE, EXPOSURE, "", "price_far"),
        (replace_place(SELL, price_micro=270_000), QUOTE, replace(EXPOSURE, held_micro=10**9), "", "price_far"),
        (SELL, QUOTE, replace(EXPOSURE, held_micro=9_999_999), "", "uncovered_sell"),
        (BUY, QUOTE, replace(EXPOSURE, opposite_micro=500_000), "", "own_order"),
        (SELL, QUOTE, replace(EXPOSURE, held_micro=10**9, opposite_micro=480_000), "", "own_order"),
        (BUY, QUOTE, replace(EXPOSURE, day_realized_micro=-100_000_000), "", "day_loss"),
        (BUY, QUOTE, replace(EXPOSURE, orders_last_minute=120), "", "order_rate"),
        (BUY, QUOTE, replace(EXPOSURE, open_orders=64), "", "open_orders"),
        (replace_place(BUY, size_micro=60_000_000), QUOTE, EXPOSURE, "", "order_cap"),
        (BUY, QUOTE, replace(EXPOSURE, slot_micro=45_000_000), "", "slot_cap"),
        (BUY, QUOTE, replace(EXPOSURE, asset_micro=95_000_000), "", "asset_cap"),
        (BUY, QUOTE, replace(EXPOSURE, side_micro=195_000_000), "", "side_cap"),
        (BUY, QUOTE, replace(EXPOSURE, total_micro=245_000_000), "", "total_cap"),
        (BUY, QUOTE, replace(EXPOSURE, cash_micro=5_000_000), "", "cash"),
    ],
)
def test_each_bound_denies_by_its_own_name(
    place: Place, quote: Quote, exposure: Exposure, entries: str, reason: str
) -> None:
    """With the number that explains it."""
    verdict = check(place, quote, exposure, LIMITS, entries)
    assert isinstance(verdict, Denied)
    assert verdict.reason == reason
    assert verdict.detail


def test_an_exit_goes_out_when_entries_are_closed() -> None:
    """Paused, at a loss, over every cap: selling what is held is still allowed."""
    exposure = replace(EXPOSURE, held_micro=10_000_000, total_micro=10**12, day_realized_micro=-(10**12), cash_micro=0)
    assert check(SELL, QUOTE, exposure, LIMITS, "paused") == Approved(0)


def test_nothing_goes_out_when_it_is_halted() -> None:
    """Not even what only reduces."""
    verdict = check(SELL, QUOTE, replace(EXPOSURE, held_micro=10**9), LIMITS, "", "halted")
    assert verdict == Denied("halted", "halted")


def test_an_exit_needs_no_quote() -> None:
    """To rest an offer where nobody bids can cost nothing that is not lost already."""
    bare = replace(QUOTE, bid_micro=0, ask_micro=0)
    assert check(SELL, bare, replace(EXPOSURE, held_micro=10**9), LIMITS, "") == Approved(0)


def test_a_release_that_cancels_without_end_is_stopped() -> None:
    """At the cap, by its own name."""
    assert check_cancel(239, LIMITS) is None
    refused = check_cancel(240, LIMITS)
    assert refused == Denied("cancel_rate", "240 cancels in the last minute, the limit is 240")


PRICES = st.integers(0, 100).map(lambda cents: cents * 10_000 % 1_000_000)


@given(st.integers(1, 99).map(lambda cents: cents * 10_000), st.tuples(PRICES, PRICES, PRICES, PRICES))
def test_no_approved_price_is_beyond_the_band_of_either_book(price: int, seen: tuple[int, int, int, int]) -> None:
    """To buy at a price is to let somebody sell the other token at one minus it: p up and p down are one."""
    bid, ask, other_bid, other_ask = seen
    quote = replace(QUOTE, bid_micro=bid, ask_micro=ask, opposite_bid_micro=other_bid, opposite_ask_micro=other_ask)
    exposure, band = replace(EXPOSURE, held_micro=10**9), LIMITS.price_band_micro
    wide = replace(LIMITS, order_micro=10**9, slot_micro=10**9)
    if isinstance(check(replace_place(BUY, price_micro=price), quote, exposure, wide, ""), Approved):
        assert not ask or price <= ask + band
        assert not other_bid or price + other_bid <= 1_000_000 + band
        assert any(seen)
    if isinstance(check(replace_place(SELL, price_micro=price), quote, exposure, wide, ""), Approved):
        assert not bid or price >= bid - band
        assert not other_ask or price + other_ask >= 1_000_000 - band


@given(
    st.integers(1, 99).map(lambda cents: cents * 10_000),
    st.integers(5_000_000, 200_000_000),
    st.tuples(*[st.integers(0, 300_000_000)] * 4),
)
def test_no_approved_buy_exceeds_any_cap(price: int, size: int, used: tuple[int, int, int, int]) -> None:
    """Whatever is wished for and whatever is open already."""
    exposure = replace(EXPOSURE, slot_micro=used[0], asset_micro=used[1], total_micro=used[2], side_micro=used[3])
    verdict = check(replace_place(BUY, price_micro=price, size_micro=size), QUOTE, exposure, LIMITS, "")
    if isinstance(verdict, Approved):
        assert verdict.cost_micro <= LIMITS.order_micro
        assert used[0] + verdict.cost_micro <= LIMITS.slot_micro
        assert used[1] + verdict.cost_micro <= LIMITS.asset_micro
        assert used[2] + verdict.cost_micro <= LIMITS.total_micro
        assert used[3] + verdict.cost_micro <= LIMITS.side_micro


ODDS = st.integers(1, 999).map(lambda mills: mills * 1_000)
PARTS = st.lists(st.tuples(ODDS, st.integers(1, 1_000)), min_size=1, max_size=PARTS_MAX)
SCHEDULES = st.tuples(st.integers(0, 200_000), st.integers(0, 3))


def charged(place: Place, parts: list[tuple[int, int]], quote: Quote) -> int:
    """What the venue takes for an order that trades in these parts: (price, share of what is left in thousandths).

    An immediate buy spends dollars, any other gets shares; each trade pays its own fee, rounded.
    """
    paid, dollars = 0, cost_of(place.size_micro, place.price_micro)
    left = -(-dollars // 10_000) * 10_000 if place.kind != "GTC" else place.size_micro
    for price, part in (*parts, (place.price_micro, 1_000)):
        at = max(quote.tick_micro, min(price, place.price_micro))
        size = left * part // 1_000 if place.kind == "GTC" else left * part // 1_000 * MICRO // at
        fee = taker_fee(size, at, quote.fee_rate_micro, quote.fee_exponent)
        paid += cost_of(size, at) + fee
        left -= size if place.kind == "GTC" else cost_of(size, at)
    return paid


@given(st.sampled_from(("GTC", "FAK", "FOK")), ODDS, st.integers(5_000_000, 10**9), PARTS, SCHEDULES)
def test_the_worst_cost_is_never_below_what_the_venue_can_charge(
    kind: OrderKind, price: int, size: int, parts: list[tuple[int, int]], schedule: tuple[int, int]
) -> None:
    """However the order trades: at better prices, in crumbs, under any schedule of fees."""
    quote = replace(QUOTE, tick_micro=1_000, fee_rate_micro=schedule[0], fee_exponent=schedule[1])
    place = replace_place(BUY, kind=kind, price_micro=price, size_micro=size)
    assert charged(place, parts[: PARTS_MAX - 1], quote) <= worst_cost(place, quote)


def test_an_immediate_buy_counts_the_cents_it_spends() -> None:
    """Its shares were rounded down: by them alone it would seem up to 0.0001 dollars cheaper than it is."""
    place = replace_place(BUY, price_micro=990_000, size_micro=10_101_000)  # of 10.00
    free = replace(QUOTE, fee_rate_micro=0)
    assert (cost_of(10_101_000, 990_000), worst_cost(place, free)) == (9_999_990, 10_000_000)


def test_the_caps_of_the_settings_are_the_limits() -> None:
    """Dollars as millionths, each under its own name."""
    assert limits(Risk()) == LIMITS
    assert limits(Risk(order_max_usd=2.5)).order_micro == 2_500_000


def test_a_quote_leaves_out_what_the_other_book_says_while_it_is_not_believed() -> None:
    """And has the market's own terms."""
    terms = Terms("0x1", 1_000, 15_000_000, 1, 2, 0, "twap60")
    seen = quote(terms, Best(480_000, 500_000, ""), Best(500_000, 520_000, ""))
    assert (seen.bid_micro, seen.ask_micro, seen.stale) == (480_000, 500_000, "")
    assert (seen.tick_micro, seen.min_size_micro, seen.fee_rate_micro, seen.fee_exponent) == (1_000, 15_000_000, 1, 2)
    assert (seen.opposite_bid_micro, seen.opposite_ask_micro) == (500_000, 520_000)
    blind = quote(terms, Best(480_000, 500_000, ""), Best(500_000, 520_000, "crossed"))
    assert (blind.opposite_bid_micro, blind.opposite_ask_micro) == (0, 0)
