"""worker.sizing: the stake, or Kelly's fraction of what is free, and never more than is there."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.messages import Account, OrderView, PositionView
from worker.parameters import Parameters
from worker.sizing import budget, kelly_share

FREE = Account(1, 100_000_000, 0, (), ())
HALF = Parameters(kelly=0.5, stake_usd=100)
odds = st.integers(1, 999_999)


def test_without_kelly_a_bet_is_the_stake() -> None:
    """Five dollars, whatever the edge."""
    assert budget(Parameters(), FREE, 900_000, 500_000) == 5_000_000
    assert budget(Parameters(), FREE, 510_000, 500_000) == 5_000_000


def test_kelly_bets_more_where_more_is_to_be_won() -> None:
    """At even odds and 60 %: a fifth of the bankroll; half of that is bet, and nothing without an edge."""
    assert kelly_share(600_000, 500_000) == pytest.approx(0.2)
    assert budget(HALF, FREE, 600_000, 500_000) == 10_000_000
    assert budget(HALF, FREE, 500_000, 500_000) == 0


def test_the_stake_caps_what_kelly_would_bet() -> None:
    """However sure it seems."""
    assert budget(Parameters(kelly=1.0), FREE, 995_000, 500_000) == 5_000_000


def test_what_the_window_has_cost_is_taken_off() -> None:
    """Positions and bids that may yet trade."""
    held = PositionView("Up", 5_000_000, 3_000_000)
    bid = OrderView("0x11", "Up", "BUY", 200_000, 5_000_000, "open")
    assert budget(Parameters(), Account(1, 100_000_000, 0, (held,), (bid,)), 900_000, 500_000) == 1_000_000


def test_nobody_bets_what_is_not_there() -> None:
    """Free cash bounds everything."""
    assert budget(Parameters(), Account(1, 2_000_000, 0, (), ()), 900_000, 500_000) == 2_000_000


@given(odds, odds)
def test_kellys_share_grows_the_bankroll_fastest(fair_micro: int, cost_micro: int) -> None:
    """No share near it has a larger mean of the log of what is left."""
    share, fair, cost = kelly_share(fair_micro, cost_micro), fair_micro / 1e6, cost_micro / 1e6

    def growth(bet: float) -> float:
        won, lost = 1 - bet + bet / cost, 1 - bet
        return fair * log(won) + (1 - fair) * log(lost)

    assert 0.0 <= share < 1.0
    assert all(growth(share) >= growth(near) - 1e-9 for near in (share * 0.9, (share + 1e-4) / 1.0002))


@given(odds, st.integers(0, 2_000_000), st.floats(0, 1), st.integers(0, 10**9))
def test_a_budget_stays_within_stake_and_cash(fair: int, cost: int, kelly: float, cash: int) -> None:
    """Whatever the odds, prices beyond the venue's included."""
    amount = budget(Parameters(kelly=kelly), Account(1, cash, 0, (), ()), fair, cost)
    assert 0 <= amount <= min(5_000_000, cash)
