"""What an indexer of the chain knows of wallets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.accounts import Leg
from deploy.rehearsal.portfolio import Portfolio

OWNER = "0xOwner"


def a_leg(side: str, price_micro: int, size_micro: int, fee_micro: int = 0) -> Leg:
    return Leg("o", OWNER, "0xWallet", "1", "Up", side, price_micro, size_micro, fee_micro, False)  # type: ignore[arg-type]


def test_a_position_costs_what_it_was_bought_for_and_makes_what_it_is_sold_for() -> None:
    """Fees beside it."""
    portfolio = Portfolio()
    portfolio.book(a_leg("BUY", 400_000, 10_000_000, 5), 1_000)
    portfolio.book(a_leg("BUY", 600_000, 10_000_000), 2_000)
    (holding,) = portfolio.of(OWNER)
    assert (holding.size_micro, holding.cost_micro, holding.price_micro) == (20_000_000, 10_000_000, 500_000)
    portfolio.book(a_leg("SELL", 700_000, 5_000_000), 3_000)
    assert (holding.cost_micro, holding.realized_micro, holding.fees_micro) == (7_500_000, 1_000_000, 5)
    assert (holding.first_ms, holding.last_ms) == (1_000, 3_000)


def test_a_redeemed_position_is_closed_and_still_known() -> None:
    """With what it made."""
    portfolio = Portfolio()
    portfolio.book(a_leg("BUY", 400_000, 10_000_000), 1)
    portfolio.redeem(OWNER, "1", 10_000_000, 2)
    (holding,) = portfolio.of(OWNER)
    assert (holding.size_micro, holding.realized_micro, holding.price_micro) == (0, 6_000_000, 400_000)
    portfolio.forget(["1"])
    assert portfolio.among(["1"]) == []


@given(st.lists(st.integers(1, 10**9), max_size=8))
def test_a_split_that_is_merged_again_made_nothing(sizes: list[int]) -> None:
    """Each side costs half of the pair."""
    portfolio = Portfolio()
    for size in sizes:
        portfolio.split(OWNER, ["1", "2"], 2 * size, 1)
    for size in sizes:
        portfolio.merge(OWNER, ["1", "2"], 2 * size, 2)
    for holding in portfolio.among(["1", "2"]):
        assert (holding.size_micro, holding.cost_micro, holding.realized_micro) == (0, 0, 0)
