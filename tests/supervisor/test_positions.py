"""What a fill does to a position."""

from hypothesis import given
from hypothesis import strategies as st
from kit.trading import a_fill

from shared.units import cost_of
from supervisor.positions import Position, apply_fill, confirm, take_back

FRESH = Position("BTC/5m", 300, "Up", "9f31")
BUYS = st.builds(
    lambda size, price, fee: a_fill(size_micro=size, price_micro=price, fee_micro=fee),
    st.integers(1, 10**9),
    st.integers(1, 999_999),
    st.integers(0, 10**6),
)


def test_a_buy_costs_its_price_and_its_fee() -> None:
    """Fees are part of the cost."""
    moved = apply_fill(FRESH, a_fill(fee_micro=70_000))
    assert moved.cash_micro == -2_070_000
    assert (moved.position.size_micro, moved.position.cost_micro) == (4_000_000, 2_070_000)
    assert moved.position.provisional_micro == 4_000_000


def test_a_sell_realises_against_the_average_cost() -> None:
    """Half of it sold takes out half of what it cost."""
    held = apply_fill(FRESH, a_fill()).position
    moved = apply_fill(held, a_fill(trade_id="t2", side="SELL", size_micro=2_000_000, price_micro=600_000))
    assert (moved.cash_micro, moved.realized_micro) == (1_200_000, 200_000)
    assert (moved.position.size_micro, moved.position.cost_micro) == (2_000_000, 1_000_000)


@given(st.lists(BUYS, min_size=1, max_size=6))
def test_failed_buys_leave_no_trace(fills: list) -> None:
    """All taken back: no size, no cost, the cash as it was."""
    position, cash = FRESH, 0
    for fill in fills:
        moved = apply_fill(position, fill)
        position, cash = moved.position, cash + moved.cash_micro
    for fill in fills:
        moved = take_back(position, fill)
        position, cash = moved.position, cash + moved.cash_micro
    assert (position, cash) == (FRESH, 0)


@given(BUYS, st.integers(1, 999_999), st.booleans())
def test_money_is_never_made_or_lost(buy, price_micro: int, fails: bool) -> None:
    """Cash moved equals what was realised minus what is still in the position, whatever settles or fails."""
    bought = apply_fill(FRESH, buy)
    sell = a_fill(trade_id="t2", side="SELL", size_micro=buy.size_micro, price_micro=price_micro)
    sold = apply_fill(bought.position, sell)
    moves = [bought, sold, take_back(sold.position, sell)] if fails else [bought, sold]
    cash, realised = sum(m.cash_micro for m in moves), sum(m.realized_micro for m in moves)
    assert cash == realised - moves[-1].position.cost_micro
    assert cost_of(sell.size_micro, price_micro) == sold.cash_micro


def test_confirmed_is_firm() -> None:
    """Nothing of it is provisional any more."""
    assert confirm(apply_fill(FRESH, a_fill()).position, a_fill()).provisional_micro == 0
