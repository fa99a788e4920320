"""deploy.analysis.replay.holdings: what fills and resolutions add up to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deploy.analysis.replay.holdings import Fill, Holdings, Position

WINDOW = ("BTC/5m", 300)
MICRO = 1_000_000


def a_fill(**changes: Any) -> Fill:
    """Ten shares of Up bought at 0.40, for a fee of two cents."""
    fields: dict[str, Any] = {"order_id": "o", "window": WINDOW, "outcome": "Up", "side": "BUY"}
    fields |= {"price_micro": 400_000, "size_micro": 10 * MICRO, "fee_micro": 20_000}
    return Fill(**(fields | changes))


def test_a_winner_pays_and_its_window_earns_what_is_left() -> None:
    """Ten dollars for four: six are earned before the fee."""
    holdings = Holdings(100 * MICRO)
    holdings.fill(a_fill())
    assert holdings.cash_micro == 96 * MICRO - 20_000
    assert holdings.positions[(*WINDOW, "Up")] == Position(10 * MICRO, 4 * MICRO + 20_000)
    earned = holdings.resolve(WINDOW, "Up")
    assert earned is not None
    assert (earned.moved_micro, earned.fees_micro, holdings.ended) == (6 * MICRO, 20_000, [earned])
    assert holdings.cash_micro == 106 * MICRO - 20_000
    assert not holdings.held


def test_a_loser_pays_nothing() -> None:
    """What was paid for it is gone."""
    holdings = Holdings(100 * MICRO)
    holdings.fill(a_fill())
    holdings.resolve(WINDOW, "Down")
    assert [earned.moved_micro for earned in holdings.ended] == [-4 * MICRO]


def test_a_sale_takes_its_part_of_the_cost_with_it() -> None:
    """Half of the shares, half of what they cost."""
    holdings = Holdings(100 * MICRO)
    holdings.fill(a_fill(fee_micro=0))
    holdings.fill(a_fill(side="SELL", size_micro=5 * MICRO, price_micro=700_000, fee_micro=0))
    assert holdings.positions[(*WINDOW, "Up")] == Position(5 * MICRO, 2 * MICRO)
    assert holdings.cash_micro == 100 * MICRO - 4 * MICRO + 3_500_000


def test_what_is_taken_back_has_never_been() -> None:
    """A fill that fails at the venue leaves neither shares nor a traded window."""
    holdings = Holdings(100 * MICRO)
    holdings.fill(a_fill())
    holdings.take_back(a_fill())
    assert (holdings.cash_micro, holdings.fills, holdings.held) == (100 * MICRO, 0, set())
    holdings.resolve(WINDOW, "Up")
    assert (holdings.windows, holdings.ended) == (1, [])


def test_a_window_without_a_fill_is_resolved_and_not_traded() -> None:
    """It counts, and earns nothing."""
    holdings = Holdings()
    holdings.resolve(WINDOW, "Down")
    assert (holdings.windows, holdings.ended) == (1, [])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Up", "Down"]), st.integers(1_000, 999_000), st.integers(1, 10**9), st.integers(0, 10**6)
        )
    ),
    st.sampled_from(["Up", "Down"]),
)
def test_cash_is_the_opening_plus_what_windows_earned(fills: list[tuple[Any, int, int, int]], winner: Any) -> None:
    """Whatever was bought: after the resolution nothing is held, and the sums agree to the millionth."""
    holdings = Holdings(10**12)
    for outcome, price_micro, size_micro, fee_micro in fills:
        holdings.fill(a_fill(outcome=outcome, price_micro=price_micro, size_micro=size_micro, fee_micro=fee_micro))
    holdings.resolve(WINDOW, winner)
    earned = sum(each.moved_micro - each.fees_micro for each in holdings.ended)
    assert holdings.cash_micro == 10**12 + earned
    assert not holdings.held
