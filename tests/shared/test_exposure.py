"""What is open, counted as risk wants it, and orders judged with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from shared.config import Risk
from shared.exposure import (
    Conditions,
    Open,
    Sized,
    Token,
    at_cost,
    buys,
    exposure,
    judge,
    judge_cancel,
    judge_successor,
    may_charge,
    may_cost,
    same_way,
)
from shared.messages import Cancel, Outcome, Place, Side, Terms
from shared.risk import Best, Denied, limits, quote
from shared.slots import Slot

TERMS = Terms("0x1", 10_000, 5_000_000, 70_000, 1, 0, "twap60")
SLOT, START_S = Slot("BTC", 5), 300
LIMITS = limits(Risk())
QUOTE = quote(TERMS, Best(480_000, 500_000, ""), Best(500_000, 520_000, ""))
BUY = Place("Up", "BUY", 500_000, 10_000_000, "FAK")


@dataclass(frozen=True)
class Order:
    """An order that is open."""

    slot: str = "BTC/5m"
    start_s: int = START_S
    outcome: Outcome = "Up"
    side: Side = "BUY"
    price_micro: int = 470_000
    open_micro: int = 10_000_000
    state: str = "open"
    charge_micro: int = 0


@dataclass(frozen=True)
class Position:
    """Shares at their cost."""

    size_micro: int
    cost_micro: int


@dataclass
class Account:
    """Books as risk asks for them."""

    positions: dict[Token, Position] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    cash_micro: int = 1_000_000_000
    day_realized_micro: int = 0

    def open_orders(self, slot: str | None = None) -> Sequence[Order]:
        return [order for order in self.orders if slot in {None, order.slot}]

    def exposure(self, slot: str = "", outcome: str = "") -> int:
        return at_cost(self.positions, slot, outcome) + self.reserved(slot, outcome)

    def reserved(self, slot: str = "", outcome: str = "") -> int:
        open_buys = buys(self.orders, slot, outcome)
        return sum(may_cost("GTC", o.price_micro, o.open_micro, o.open_micro, 0) for o in open_buys)

    def charges(self, slot: str = "", outcome: str = "") -> int:
        return sum(order.charge_micro for order in buys(self.orders, slot, outcome))


def judged(wish: Place, account: Account, entries: str = "", sent: int = 0) -> str:
    """Why an order may not go; empty when it may."""
    verdict = judge(wish, SLOT, START_S, QUOTE, account, Conditions(LIMITS, entries, sent))
    return verdict.reason if isinstance(verdict, Denied) else ""


def test_positions_orders_and_what_they_may_be_charged_count_in_every_ring() -> None:
    """In this slot, this asset, on this outcome and in all; a sale takes nothing."""
    held: dict[Token, Position] = {("BTC/5m", 0, "Up"): Position(8, 4_000_000), ("ETH/5m", 0, "Down"): Position(1, 7)}
    orders = [Order(charge_micro=300_000), Order("BTC/15m", outcome="Down"), Order(side="SELL", price_micro=900_000)]
    found = exposure(BUY, SLOT, START_S, Account(held, orders), 3)
    assert (found.slot_micro, found.asset_micro, found.total_micro) == (9_000_000, 13_700_000, 13_700_007)
    assert (found.side_micro, found.open_orders, found.orders_last_minute) == (9_000_000, 3, 3)
    assert found.cash_micro == 1_000_000_000 - 2 * 4_700_000 - 300_000


def test_two_orders_at_once_stay_under_a_cap_when_both_have_paid_their_fees() -> None:
    """The first one's fee is as good as spent while it is on its way."""
    first = judge(BUY, SLOT, START_S, QUOTE, Account(), Conditions(LIMITS, "", 0))
    assert isinstance(first, Sized)
    charge = may_charge(first.place, TERMS)
    assert first.cost_micro == 5_000_000 + charge
    room = LIMITS.slot_micro - first.cost_micro
    under_way = Order(price_micro=500_000, charge_micro=charge)
    for cost_micro, why in ((room - first.cost_micro, ""), (room - first.cost_micro + 1, "slot_cap")):
        account = Account({("BTC/5m", START_S, "Up"): Position(1, cost_micro)}, [under_way])
        assert judged(BUY, account) == why


def test_an_order_is_judged_in_the_size_in_which_it_leaves() -> None:
    """Rounded as the venue rounds; what rounds to nothing is no order."""
    verdict = judge(
        Place("Up", "BUY", 470_000, 10_009_900, "FAK"), SLOT, START_S, QUOTE, Account(), Conditions(LIMITS, "", 0)
    )
    assert isinstance(verdict, Sized)
    assert (verdict.place.size_micro, verdict.maker_amount, verdict.taker_amount) == (10_000_000, 4_700_000, 10_000_000)
    assert judged(Place("Up", "BUY", 500_000, 9_999, "GTC"), Account()) == "bad_size"


def test_what_is_offered_already_is_not_sold_again() -> None:
    """Of the same token of the same window."""
    account = Account({("BTC/5m", START_S, "Up"): Position(10_000_000, 1)}, [Order(side="SELL", price_micro=990_000)])
    assert judged(Place("Up", "SELL", 480_000, 5_000_000, "GTC"), account) == "uncovered_sell"
    account.orders = [Order(side="SELL", start_s=0, price_micro=990_000)]
    assert judged(Place("Up", "SELL", 480_000, 5_000_000, "GTC"), account) == ""


def test_an_order_that_our_own_would_meet_is_denied() -> None:
    """To buy Down at a price is to sell Up at one minus it."""
    assert judged(BUY, Account(orders=[Order(outcome="Down", price_micro=500_000)])) == "own_order"
    assert judged(BUY, Account(orders=[Order(outcome="Down", price_micro=490_000)])) == ""


@pytest.mark.parametrize(
    ("order", "cancelling", "recent", "why"),
    [
        (Order(), (), 0, None),
        (None, (), 0, "not_open"),
        (Order(state="pending"), (), 0, "not_open"),
        (Order("ETH/5m"), (), 0, "not_open"),
        (Order(), ("0xa",), 0, "cancelling"),
        (Order(), (), LIMITS.cancels_per_minute, "cancel_rate"),
    ],
)
def test_only_an_order_of_the_own_slot_that_rests_is_cancelled_once(
    order: Open | None, cancelling: tuple[str, ...], recent: int, why: str | None
) -> None:
    """And not without end."""
    denied = judge_cancel(Cancel("0xa"), SLOT.name, order, cancelling, recent, LIMITS)
    assert (denied and denied.reason) == why


@pytest.mark.parametrize(
    ("stays", "why"), [(Order(), "not_replaced"), (None, "not_replaced"), (Order(side="SELL"), "")]
)
def test_an_order_whose_predecessor_stays_is_denied(stays: Open | None, why: str) -> None:
    """It would stand beside it, or beside its fill; one that goes the other way is no successor."""
    denied = judge_successor(BUY, {"0xa": stays})
    assert (denied.reason if denied else "") == why


@pytest.mark.parametrize(
    ("outcome", "side", "same"),
    [("Up", "BUY", True), ("Down", "SELL", True), ("Up", "SELL", False), ("Down", "BUY", False)],
)
def test_to_sell_down_is_to_buy_up(outcome: Outcome, side: Side, same: bool) -> None:
    """The two tokens of a market are one book."""
    assert same_way(Order(), Order(outcome=outcome, side=side)) == same
    assert same_way(Place(outcome, side, 1, 1, "GTC"), Order()) == same


def test_what_only_rests_or_sells_is_charged_nothing() -> None:
    """Makers pay no fee, and a sale pays it out of what it brings."""
    bid = Place("Up", "BUY", 500_000, 10_000_000, "GTC")
    assert may_charge(bid, TERMS) == 175_500  # the fee, and what rounding by trades may add to it
    assert may_charge(Place("Up", "BUY", 500_000, 10_000_000, "GTC", post_only=True), TERMS) == 0
    assert may_charge(Place("Up", "SELL", 500_000, 10_000_000, "FAK"), TERMS) == 0
