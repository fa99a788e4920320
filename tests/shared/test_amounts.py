"""What an order comes to at the venue, beside what its official client computes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polymarket._internal.actions.orders.limit import _compute_limit_order_amounts
from polymarket._internal.actions.orders.market import _compute_market_order_amounts

from shared.amounts import BadSize, order_amounts
from shared.messages import OrderKind, Side
from shared.units import MICRO

GRIDS = (100_000, 10_000, 5_000, 2_500, 1_000, 100)
IMMEDIATE: tuple[OrderKind, ...] = ("FAK", "FOK")


@st.composite
def priced(draw: st.DrawFn) -> tuple[int, int, int]:
    """A grid, a price on it, and a size of five shares or more."""
    tick = draw(st.sampled_from(GRIDS))
    return tick, draw(st.integers(1, MICRO // tick - 1)) * tick, draw(st.integers(5 * MICRO, 5_000 * MICRO))


def in_units(micro: int) -> Decimal:
    """Millionths as the official client computes."""
    return Decimal(micro) / MICRO


@given(priced(), st.sampled_from(["BUY", "SELL"]))
def test_a_resting_order_has_the_official_clients_amounts(order: tuple[int, int, int], side: Side) -> None:
    """On every grid the venue has."""
    tick, price, size = order
    official = _compute_limit_order_amounts(
        price=in_units(price), size=in_units(size), side=side, tick_size=in_units(tick)
    )
    assert order_amounts(side, "GTC", price, size, tick) == official


@given(priced(), st.sampled_from(IMMEDIATE))
def test_an_immediate_sell_has_the_official_clients_amounts(order: tuple[int, int, int], kind: OrderKind) -> None:
    """Shares in, collateral out."""
    tick, price, size = order
    official = _compute_market_order_amounts(
        amount=in_units(size), price=in_units(price), side="SELL", tick_size=in_units(tick)
    )
    assert order_amounts("SELL", kind, price, size, tick) == official


@given(priced(), st.sampled_from(IMMEDIATE))
def test_an_immediate_buy_has_the_official_clients_amounts_to_four_decimals(
    order: tuple[int, int, int], kind: OrderKind
) -> None:
    """Cents in; a fifth decimal of the shares is dropped: the client keeps it on fine grids, the venue refuses it."""
    tick, price, size = order
    offered, asked = _compute_market_order_amounts(
        amount=in_units(size) * in_units(price), price=in_units(price), side="BUY", tick_size=in_units(tick)
    )
    if offered:
        assert order_amounts("BUY", kind, price, size, tick) == (offered, asked - asked % 100)


@given(priced(), st.sampled_from(IMMEDIATE))
def test_an_immediate_buy_reaches_its_price_and_no_further(order: tuple[int, int, int], kind: OrderKind) -> None:
    """What is offered for a share is never below the price, and below the next one of the finest grid.

    On the coarsest grid shares have three decimals: from ten shares on, dropping the rest costs less than that step.
    """
    tick, price, size = order
    try:
        offered, asked = order_amounts("BUY", kind, price, size, tick)
    except BadSize:
        assert price * size < 10_000 * MICRO
        return
    assert offered <= size * price // MICRO
    if asked >= 10 * MICRO:
        assert price * asked <= offered * MICRO < (price + 100) * asked


@pytest.mark.parametrize(
    ("price", "size", "tick"),
    [
        (500_000, 5_000_000, 30_000),
        (0, 5_000_000, 10_000),
        (-10_000, 5_000_000, 10_000),
        (500_000, 0, 10_000),
        (500_000, -5_000_000, 10_000),
        (500_000, 9_999, 10_000),
    ],
)
@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize("kind", ["GTC", "FAK"])
def test_a_size_that_makes_no_order_is_refused(side: Side, kind: OrderKind, price: int, size: int, tick: int) -> None:
    """No such grid, no price, nothing to trade, or nothing left after rounding."""
    with pytest.raises(BadSize):
        order_amounts(side, kind, price, size, tick)
