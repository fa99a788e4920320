"""Money: fees, legs, holds, payouts, reversals."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.accounts import Accounts, Hold, Leg, dearest_fee, taker_fee
from deploy.rehearsal.days import Fee
from deploy.rehearsal.matching import Side

FEE = Fee(70_000, 1)
OWNER = "0xOwner"
SHARE = 10**6


def a_leg(side: Side = "BUY", price_micro: int = 500_000, shares: int = 10, fee_micro: int = 0) -> Leg:
    return Leg("order", OWNER, "0xwallet", "token", "Up", side, price_micro, shares * SHARE, fee_micro, fee_micro == 0)


@pytest.mark.parametrize(
    ("price_micro", "fee_micro"), [(500_000, 17_500), (300_000, 14_700), (900_000, 6_300), (970_000, 2_040)]
)
def test_the_fee_of_a_share_is_the_published_one(price_micro: int, fee_micro: int) -> None:
    """shares x 0.07 x p(1-p), to five decimals."""
    assert taker_fee(SHARE, price_micro, FEE) == fee_micro


def test_a_fee_below_one_step_is_no_fee() -> None:
    """Below 0.00001 dollars nothing is taken; half a step more is rounded up."""
    assert taker_fee(500, 500_000, FEE) == 0
    assert taker_fee(600, 500_000, FEE) == 10
    assert taker_fee(900, 500_000, FEE) == 20


@given(st.integers(1, 10**10), st.integers(1, 999), st.sampled_from([FEE, Fee(70_000, 2), Fee(0, 1), Fee(250_000, 2)]))
def test_the_fee_is_the_formulas_in_decimal(size_micro: int, price_mills: int, fee: Fee) -> None:
    """Half up, exact, for every size, price, rate and exponent."""
    price = Decimal(price_mills) / 1_000
    exact = Decimal(size_micro) / SHARE * Decimal(fee.rate_micro) / SHARE * (price * (1 - price)) ** fee.exponent
    rounded = exact.quantize(Decimal("0.00001"), ROUND_HALF_UP) if exact >= Decimal("0.00001") else Decimal(0)
    assert taker_fee(size_micro, price_mills * 1_000, fee) == int(rounded * SHARE)


@given(st.integers(1, 10**9), st.integers(1, 99), st.integers(1, 99), st.integers(1, 99))
def test_no_price_in_between_costs_a_dearer_fee(size_micro: int, one: int, other: int, between: int) -> None:
    """The fee is dearest nearest to a half."""
    low, middle, high = sorted((one, other, between))
    assert taker_fee(size_micro, middle * 10_000, FEE) <= dearest_fee(size_micro, low * 10_000, high * 10_000, FEE)


def test_a_buy_pays_its_fee_on_top_and_a_sell_out_of_its_proceeds() -> None:
    """Both in dollars."""
    assert a_leg("BUY", fee_micro=175_000).cash_micro == -5_175_000
    assert a_leg("SELL", fee_micro=175_000).cash_micro == 4_825_000


def test_collateral_is_rounded_down() -> None:
    """A millionth of a dollar is not split."""
    assert replace(a_leg(price_micro=333_000), size_micro=1_000_001).cash_micro == -333_000


legs = st.builds(
    a_leg,
    side=st.sampled_from(["BUY", "SELL"]),
    price_micro=st.integers(1, 999_999),
    shares=st.integers(1, 1_000),
    fee_micro=st.integers(0, 10**6),
)


@given(st.lists(legs, max_size=20))
def test_cash_and_shares_are_the_sum_of_what_was_booked(booked: list[Leg]) -> None:
    """And undoing every leg restores the grant."""
    accounts = Accounts()
    accounts.grant(OWNER, 10**9)
    for leg in booked:
        accounts.book(leg)
    account = accounts.get(OWNER)
    assert account.cash_micro == 10**9 + sum(leg.cash_micro for leg in booked)
    assert account.positions.get("token", 0) == sum(leg.shares_micro for leg in booked)
    for leg in booked:
        accounts.reverse(leg)
    assert (account.cash_micro, account.positions) == (10**9, {})


def test_open_orders_hold_money_and_shares_back() -> None:
    """Each in its own currency; an order that needs nothing any more holds nothing."""
    accounts = Accounts()
    accounts.grant(OWNER, 100)
    accounts.book(replace(a_leg(price_micro=1), size_micro=50))
    accounts.hold(OWNER, "buy", Hold("", 60))
    accounts.hold(OWNER, "sell", Hold("token", 20))
    account = accounts.get(OWNER)
    assert (account.free_cash(), account.free_shares("token")) == (40, 30)
    accounts.hold(OWNER, "buy", Hold("", 0))
    assert account.free_cash() == 100


def test_the_winning_token_pays_a_dollar_and_the_losing_one_nothing() -> None:
    """Either way the position is gone."""
    accounts = Accounts()
    accounts.book(a_leg(price_micro=1))
    cash = accounts.get(OWNER).cash_micro
    assert accounts.holders(["token", "other"]) == [(OWNER, "token")]
    assert accounts.redeem(OWNER, "token", won=True) == (10 * SHARE, 10 * SHARE)
    assert accounts.get(OWNER).cash_micro == cash + 10 * SHARE
    accounts.book(a_leg(price_micro=1))
    assert accounts.redeem(OWNER, "token", won=False) == (10 * SHARE, 0)
    assert accounts.holders(["token"]) == []


def test_a_wallet_belongs_to_the_first_owner_who_names_it() -> None:
    """Nobody else may, and its owner may name no second one; letters' case does not matter."""
    accounts = Accounts()
    accounts.grant(OWNER, 1)
    assert accounts.bind(OWNER, "0xAbc", 3)
    assert not accounts.bind(OWNER, "0xabc", 3)
    assert not accounts.permits("0xOther", "0xABC")
    assert not accounts.permits(OWNER, "0xdef")


def test_money_is_shown_to_its_own_signature_type_only() -> None:
    """Once the wallet is known, who asks with another type sees nothing: the wrong wallet was asked."""
    accounts = Accounts()
    accounts.grant(OWNER, 1)
    assert accounts.get(OWNER).shows_to(0)
    accounts.bind(OWNER, "0xabc", 3)
    assert (accounts.get(OWNER).shows_to(0), accounts.get(OWNER).shows_to(3)) == (False, True)
