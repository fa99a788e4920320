"""What a trade came to, and what a row of them did on the way."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.analysis.attribution.trades import Trade, drawdown_micro, percentile


def _trade(won: bool, size: int = 5_000_000, cost: int = 4_400_000, fee: int = 20_000, start_s: int = 900) -> Trade:
    return Trade("BTC/5m", start_s, 0, "Up", size, cost, fee, size if won else 0)


def test_the_mean_edge_is_win_rate_less_breakeven_where_trades_are_held() -> None:
    """The one number that says whether a price was worth paying."""
    trades = [_trade(True), _trade(False, cost=4_000_000), _trade(True, size=2_000_000, cost=1_900_000)]
    rate, breakeven = fmean(trade.won for trade in trades), fmean(trade.breakeven for trade in trades)
    assert fmean(trade.edge for trade in trades) == pytest.approx(rate - breakeven)


def test_the_breakeven_holds_the_fee() -> None:
    """88 cents and 0.4 of fees for a share have to win 88.4 times in a hundred."""
    assert (_trade(True).price, _trade(True).breakeven) == (0.88, 0.884)


def test_a_trade_sold_at_a_loss_is_lost_although_its_token_won() -> None:
    """Won is what earned something."""
    assert not Trade("BTC/5m", 0, 0, "Up", 5_000_000, 4_000_000, 0, 3_000_000).won


def test_windows_of_one_quarter_hour_are_one_observation() -> None:
    """Three 5-minute windows and the 15-minute one above them."""
    assert [_trade(True, start_s=start_s).quarter for start_s in (900, 1_200, 1_500, 1_800)] == [1, 1, 1, 2]


@given(st.lists(st.integers(-100, 100), max_size=50))
def test_the_drawdown_is_the_deepest_fall_between_any_two_moments(results: list[int]) -> None:
    """Held against every pair."""
    standings = [sum(results[:n]) for n in range(len(results) + 1)]
    deepest = max(a - b for n, a in enumerate(standings) for b in standings[n:])
    assert drawdown_micro(results) == deepest


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_a_value_that_was_seen(values: list[int], share: float) -> None:
    """At least so many are not above it, and it is the smallest such value."""
    found = percentile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)


def test_nothing_has_no_percentile() -> None:
    """No data is no number."""
    assert percentile([], 0.99) is None
