"""deploy.analysis.replay.ledger: what an account on paper has open."""

from __future__ import annotations

from kit.tapes import TERMS
from msgspec import structs

from deploy.analysis.replay.holdings import Fill, Holdings
from deploy.analysis.replay.ledger import Ledger, sent
from shared.exposure import Sized
from shared.messages import Place

MICRO = 1_000_000
HERE, THERE = ("BTC/5m", 300), ("ETH/5m", 300)
BID = Place("Up", "BUY", 500_000, 10 * MICRO, "GTC")


def a_ledger(*orders: tuple[tuple[str, int], Place]) -> Ledger:
    """An account with these orders, named 0, 1 and so on."""
    ledger = Ledger(Holdings(100 * MICRO))
    for number, (window, place) in enumerate(orders):
        maker, taker = (5 * MICRO, 10 * MICRO) if place.side == "BUY" else (10 * MICRO, 5 * MICRO)
        ledger.orders[f"{number}"] = sent(f"{number}", window, Sized(place, maker, taker, 0), TERMS)
    return ledger


def test_positions_and_open_buys_are_at_stake() -> None:
    """By slot, by asset, by outcome, and all; a sale is not, and what filled of an order is a position."""
    ledger = a_ledger(
        (HERE, BID), (THERE, structs.replace(BID, outcome="Down")), (HERE, structs.replace(BID, side="SELL"))
    )
    assert (ledger.exposure(), ledger.exposure("BTC/"), ledger.exposure("ETH/5m")) == (10 * MICRO, 5 * MICRO, 5 * MICRO)
    assert ledger.exposure(outcome="Down") == ledger.reserved("ETH/") == 5 * MICRO
    ledger.holdings.fill(Fill("0", HERE, "Up", "BUY", 500_000, 4 * MICRO, 60_000))
    ledger.orders["0"].fill(500_000, 4 * MICRO, 60_000)
    assert (ledger.reserved("BTC/"), ledger.exposure("BTC/")) == (3 * MICRO, 5_060_000)
    assert ledger.cash_micro == 100 * MICRO - 2_060_000
    assert [order.order_id for order in ledger.open_orders("BTC/5m")] == ["0", "2"]


def test_fees_that_are_still_to_come_are_told_apart_from_those_that_were_paid() -> None:
    """Of what takes, the dearest; of what only rests, none."""
    ledger = a_ledger((HERE, BID), (HERE, structs.replace(BID, post_only=True)))
    assert ledger.charges() == 175_500
    ledger.orders["0"].fill(500_000, 4 * MICRO, 70_000)
    assert (ledger.charges("BTC/"), ledger.charges("ETH/"), ledger.charges(outcome="Down")) == (105_500, 0, 0)


def test_an_immediate_buy_is_for_dollars() -> None:
    """What it is signed for, however many shares that buys."""
    ledger = a_ledger((HERE, structs.replace(BID, kind="FAK")), (HERE, BID))
    assert [order.spend_micro for order in ledger.orders.values()] == [5 * MICRO, None]
    ledger.orders["0"].fill(300_000, 10 * MICRO, 0)
    assert (ledger.orders["0"].open_micro, ledger.reserved()) == (0, 2 * MICRO + 5 * MICRO)
