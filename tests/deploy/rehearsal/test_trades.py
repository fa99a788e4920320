"""A trade's parts, its legs and its course."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kit.days import START_S, a_market_row
from kit.venue import Trader, a_ground

from deploy.rehearsal.keys import Key
from deploy.rehearsal.matching import Fill, Wish
from deploy.rehearsal.orders import Order, ask, order_of
from deploy.rehearsal.posted import read_posted
from deploy.rehearsal.recordings import listing_of
from deploy.rehearsal.trades import BROADCAST_MS, FINAL, STRANGER, Trade, course, made, wanted

LISTING = listing_of(a_market_row())
NOW_MS = START_S * 1_000


def an_order(trader: Trader, side: str = "BUY", price_micro: int = 500_000) -> Order:
    key = Key(f"key-{trader.number}", "", "", trader.address, 0)
    posted = read_posted(trader.limit(key, LISTING.up_token, side, price_micro, 10))
    return order_of(ask(posted, key, a_ground(LISTING, NOW_MS)), NOW_MS)


def a_trade(taker: Order | None, maker: Order | None) -> Trade:
    """Ten shares of Up at 0.50: the taker buys; the maker buys Down, so that a pair is minted."""
    wish = Wish(taker.order_id if taker else "0xcrowd-t", "t", "Up", "BUY", 500_000, 10_000_000)
    fill = Fill(maker.order_id if maker else "0xcrowd-m", "m", "Down", "BUY", 500_000, 10_000_000, 0)
    orders = {order.order_id: order for order in (taker, maker) if order}
    return made(LISTING, wish, [fill], orders, NOW_MS, 3)


def test_only_clients_have_legs_and_only_the_taker_pays() -> None:
    """The crowd's parts are shown, not booked."""
    mine = an_order(Trader(1))
    (leg,) = a_trade(mine, None).legs
    assert (leg.owner, leg.side, leg.fee_micro, leg.maker) == (mine.owner, "BUY", 175_000, False)
    (leg,) = a_trade(None, mine).legs
    assert (leg.outcome, leg.side, leg.price_micro, leg.fee_micro, leg.maker) == ("Down", "BUY", 500_000, 0, True)
    assert a_trade(None, None).legs == ()


def test_a_trade_between_clients_has_both_legs() -> None:
    """And is told to both keys."""
    trade = a_trade(an_order(Trader(1)), an_order(Trader(2)))
    assert [leg.maker for leg in trade.legs] == [False, True]
    assert trade.clients() == ["key-1", "key-2"]


def test_strangers_have_an_owner_that_is_nobodys_key() -> None:
    """So no client takes their part for its own."""
    trade = a_trade(an_order(Trader(1)), None)
    assert (trade.makers[0].owner, trade.clients()) == (STRANGER, ["key-1"])


def test_a_transaction_has_a_hash_once_it_is_mined() -> None:
    """Not before, and not when it failed."""
    trade = a_trade(an_order(Trader(1)), None)
    hashes = [replace(trade, status=status).transaction_hash for status in ("MATCHED", "MINED", "CONFIRMED", "FAILED")]
    assert hashes[0] == hashes[3] == "" and hashes[1] == hashes[2] != ""


def test_a_trade_is_mined_and_confirmed_within_the_facts_delays() -> None:
    """2 to 5 s, then 10 to 50 s after the match; the same trade always the same."""
    for number in range(50):
        (mined, first), (confirmed, last) = course(f"trade {number}", failing=0.0)
        assert (first, last) == ("MINED", "CONFIRMED")
        assert 2_000 <= mined < 5_000 and 10_000 <= confirmed < 50_000
    assert course("trade", 0.0) == course("trade", 0.0)


def test_as_many_trades_fail_as_was_asked_for() -> None:
    """By way of RETRYING, and for good."""
    ends = [course(f"trade {number}", failing=0.3) for number in range(1_000)]
    failed = [steps for steps in ends if steps[-1][1] == "FAILED"]
    assert len(failed) == pytest.approx(300, abs=60)
    assert all(steps[0][1] == "RETRYING" and steps[0][0] < steps[1][0] for steps in failed)
    assert {steps[-1][1] for steps in ends} == FINAL


def test_as_many_again_are_retried_and_mined_after_all() -> None:
    """Later than those that went through at once."""
    ends = [course(f"trade {number}", failing=0.3) for number in range(1_000)]
    recovered = [steps for steps in ends if steps[0][1] == "RETRYING" and steps[-1][1] == "CONFIRMED"]
    assert len(recovered) == pytest.approx(300, abs=60)
    for steps in recovered:
        assert [name for _, name in steps] == ["RETRYING", "MINED", "CONFIRMED"]
        assert [after for after, _ in steps] == sorted(after for after, _ in steps)


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({}, True),
        ({"id": ""}, True),
        ({"id": "x"}, False),
        ({"market": LISTING.condition_id}, True),
        ({"asset_id": LISTING.down_token}, True),
        ({"asset_id": "1"}, False),
        ({"maker_address": Trader(1).address}, True),
        ({"maker_address": Trader(3).address}, False),
    ],
)
def test_trades_are_found_by_any_of_their_parts(asked: dict[str, str], fits: bool) -> None:
    """A maker's token or wallet counts as the taker's does."""
    assert wanted(a_trade(an_order(Trader(1)), None), asked) is fits


def test_a_fresh_trade_is_listed_as_not_yet_broadcast() -> None:
    """For a second; afterwards, and in every other status, the lists say what it is."""
    trade = a_trade(an_order(Trader(1)), None)
    assert trade.listed_status(NOW_MS + BROADCAST_MS - 1) == "TRADE_STATUS_MATCHED_NOT_BROADCASTED"
    assert trade.listed_status(NOW_MS + BROADCAST_MS) == "TRADE_STATUS_MATCHED"
    trade.status = "MINED"
    assert trade.listed_status(NOW_MS) == "TRADE_STATUS_MINED"
