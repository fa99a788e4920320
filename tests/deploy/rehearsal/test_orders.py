"""The market's rules for an order, and what it is afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kit.days import START_S, a_market_row
from kit.venue import Trader, a_ground

from deploy.rehearsal import refusals
from deploy.rehearsal.keys import Key
from deploy.rehearsal.orders import (
    Asked,
    ask,
    fits,
    order_of,
    seconds_of,
)
from deploy.rehearsal.posted import id_of, read_posted
from deploy.rehearsal.recordings import listing_of
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.signatures import BEFORE_V2, CTF

LISTING = listing_of(a_market_row())
UP, DOWN = LISTING.up_token, LISTING.down_token
TRADER = Trader()
KEY = Key("key-1", "secret", "phrase", TRADER.address, 0)
NOW_MS = START_S * 1_000


def asked(body: dict[str, Any], **ground: Any) -> Asked:
    return ask(read_posted(body), KEY, a_ground(LISTING, NOW_MS, **ground))


def forbids(key: Key, order: object) -> None:
    raise refusals.bad(refusals.MAKER_NOT_ALLOWED)


def refusal(body: dict[str, Any], **how: Any) -> str:
    with pytest.raises(Refused) as refused:
        asked(body, **how)
    return refused.value.reason


def test_a_limit_buy_is_read_in_shares_at_a_price() -> None:
    """10 shares at 0.53 of the token it names."""
    order = asked(TRADER.limit(KEY, DOWN, "BUY", 530_000, 10))
    assert (order.outcome, order.side, order.kind) == ("Down", "BUY", "GTC")
    assert (order.price_micro, order.size_micro, order.spend_micro) == (530_000, 10_000_000, None)
    assert order.worth_micro == 5_300_000


def test_an_immediate_buy_is_read_in_dollars_at_the_tick_it_was_rounded_from() -> None:
    """$10 at 0.54 is signed as 18.5185 shares, whose quotient is a hair above the tick."""
    order = asked(TRADER.order(KEY, UP, "BUY", 10_000_000, 18_518_500, "FAK"))
    assert (order.price_micro, order.spend_micro) == (540_000, 10_000_000)


def test_an_immediate_sell_is_read_in_shares() -> None:
    """Its rounded-down proceeds belong to the tick above the quotient."""
    order = asked(TRADER.order(KEY, UP, "SELL", 3_330_000, 1_898_000, "FOK"))
    assert (order.price_micro, order.size_micro, order.spend_micro) == (570_000, 3_330_000, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (TRADER.limit(KEY, UP, "BUY", 535_000, 10), "Price (0.535) breaks minimum tick size rule: 0.01"),
        (TRADER.order(KEY, UP, "BUY", 5_300_001, 10_000_000), "breaks minimum tick size rule"),
        (TRADER.order(KEY, UP, "BUY", 10_000_000, 10_000_000), "Price (1) breaks minimum tick size rule"),
        (TRADER.limit(KEY, UP, "BUY", 530_000, 4), "Size (4) lower than the minimum: 5"),
        (
            TRADER.order(KEY, UP, "BUY", 2_677_030, 5_051_000),
            "the buy orders maker amount supports a max accuracy of 4",
        ),
        (TRADER.order(KEY, UP, "BUY", 10_001_000, 18_520_300, "FAK"), "the market buy orders maker amount"),
        (TRADER.order(KEY, UP, "BUY", 9_980_000, 18_481_480, "FAK"), "taker amount a max of 4 decimals"),
        (TRADER.order(KEY, UP, "SELL", 3_333_000, 1_899_810, "FAK"), "the market sell orders maker amount"),
        (TRADER.limit(KEY, UP, "BUY", 530_000, 10, order_type="FAK", post_only=True), "post-only is for GTC and GTD"),
        (TRADER.limit(KEY, UP, "BUY", 530_000, 10, expiration=START_S + 900), "invalid expiration"),
        (TRADER.limit(KEY, UP, "BUY", 530_000, 10, order_type="GTD"), "invalid expiration"),
        (TRADER.limit(KEY, UP, "BUY", 530_000, 10, order_type="GTD", expiration=START_S + 179), "invalid expiration"),
        (TRADER.limit(KEY, UP, "BUY", 530_000, 10, order_type="IOC"), refusals.INVALID_PAYLOAD),
        (TRADER.order(KEY, UP, "BUY", 0, 10_000_000), refusals.INVALID_PAYLOAD),
    ],
)
def test_what_breaks_a_rule_of_the_market_is_refused_in_its_words(body: dict[str, Any], reason: str) -> None:
    """Grid, size, decimals, expiry."""
    assert reason in refusal(body)


def test_a_fine_tick_takes_prices_that_a_cent_does_not() -> None:
    """Limit orders only: an immediate buy keeps four decimals whatever the tick, as production does."""
    assert asked(TRADER.limit(KEY, UP, "BUY", 985_000, 10), tick_micro=1_000).price_micro == 985_000
    market_buy = TRADER.order(KEY, UP, "BUY", 9_980_000, 10_131_970, "FAK")
    assert "taker amount a max of 4 decimals" in refusal(market_buy, tick_micro=1_000)


def test_a_gtd_order_three_minutes_ahead_is_taken() -> None:
    """To the second."""
    order = asked(TRADER.limit(KEY, UP, "BUY", 530_000, 10, order_type="GTD", expiration=START_S + 180))
    assert order.expires_s == START_S + 180


def test_a_maker_that_is_not_permitted_is_refused_before_the_grid_is_looked_at() -> None:
    """The order of checks is the facts'."""
    assert refusal(TRADER.limit(KEY, UP, "BUY", 535_000, 10), permits=forbids) == refusals.MAKER_NOT_ALLOWED


def test_an_order_keeps_its_id_from_request_to_order() -> None:
    """The typed-data hash, known before it is sent."""
    body = TRADER.limit(KEY, UP, "BUY", 530_000, 10)
    order = order_of(asked(body), NOW_MS)
    assert order.order_id == id_of(read_posted(body), CTF) == asked(body).order_id
    assert (order.status, order.open, order.wallet) == ("LIVE", True, TRADER.address)


def test_blank_wishes_fit_every_order() -> None:
    """And others only their own."""
    order = order_of(asked(TRADER.limit(KEY, UP, "BUY", 530_000, 10)), NOW_MS)
    assert fits(order, {"token_id": "", "condition_id": LISTING.condition_id})
    assert not fits(replace(order, token_id=DOWN), {"token_id": UP})


def test_a_marketable_buy_is_worth_a_dollar_at_least() -> None:
    """99 cents are not; one that rests, and a sell, have no such limit."""
    small = TRADER.order(KEY, UP, "BUY", 990_000, 1_980_000, "FAK")
    asked(TRADER.order(KEY, UP, "BUY", 1_000_000, 2_000_000, "FAK"), crosses=lambda wish: True)
    assert "($0.99), min size: $1" in refusal(small, crosses=lambda wish: True)
    assert asked(small).worth_micro == 990_000
    asked(TRADER.order(KEY, UP, "SELL", 1_000_000, 500_000, "FAK"), crosses=lambda wish: True)


@pytest.mark.parametrize("tick_micro", [100_000, 5_000, 2_500, 100])
def test_every_tick_has_its_decimals(tick_micro: int) -> None:
    """Price x size of a limit order, as the clients round it."""
    price = 500_000 + tick_micro
    assert asked(TRADER.limit(KEY, UP, "BUY", price, 10), tick_micro=tick_micro).price_micro == price


def test_an_order_of_the_time_before_is_held_to_the_same_rules() -> None:
    """Read under its own domain; besides, it is for everybody and of the first nonce."""
    old = {"domain": BEFORE_V2}
    order = asked(TRADER.legacy(KEY, UP, "BUY", (5_300_000, 10_000_000)), **old)
    assert (order.price_micro, order.size_micro, order.kind) == (530_000, 10_000_000, "GTC")
    assert refusal(TRADER.legacy(KEY, UP, "BUY", (5_300_000, 10_000_000), nonce=1), **old) == "invalid nonce"
    private = TRADER.legacy(KEY, UP, "BUY", (5_300_000, 10_000_000), taker=Trader(2).address)
    assert refusal(private, **old) == refusals.INVALID_PAYLOAD


def test_bounds_are_read_or_refused() -> None:
    """A blank bound is none."""
    assert (seconds_of(None), seconds_of(""), seconds_of("17")) == (None, None, 17)
    with pytest.raises(Refused):
        seconds_of("-1")
