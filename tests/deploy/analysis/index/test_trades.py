"""Who earned what: the result belongs to whoever entered, and not a millionth is lost between them."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.analysis.index.trades import PERSON, Leg, Merge, Trade, shared, trades

A, B = (1, "aaaa"), (2, "bbbb")


def a_leg(
    n: int, side: str, size: int, price: float, who: tuple[int, str] = A, outcome: str = "Up", fee: int = 0
) -> Leg:
    """So many shares at a price."""
    return Leg(n, n * 10**9, outcome, side, size * 10**6, round(size * price * 10**6), fee, *who)


def by_release(found: list[Trade]) -> dict[str, Trade]:
    """Trades of one token, by who entered."""
    return {trade.release: trade for trade in found}


def test_what_was_held_to_the_end_is_paid_to_the_one_who_bought() -> None:
    """Ten shares at 0.60 that win: four dollars, less the fee."""
    (trade,) = trades([a_leg(1, "BUY", 10, 0.60, fee=50_000)], [], "Up")
    assert (trade.payout_micro, trade.net_micro, trade.open_cost_micro) == (10_000_000, 3_950_000, 0)
    assert (trade.exit_release, trade.left_micro) == ("", 10_000_000)


def test_a_loser_pays_nothing() -> None:
    """All of the price and the fee is lost."""
    (trade,) = trades([a_leg(1, "BUY", 10, 0.60, fee=50_000)], [], "Down")
    assert trade.net_micro == -6_050_000


def test_a_sale_by_another_release_is_the_buyers_result() -> None:
    """The entry release earned it; who sold is named, so that the trade can be told as crossing."""
    (trade,) = trades([a_leg(1, "BUY", 10, 0.60), a_leg(2, "SELL", 10, 0.90, B)], [], "Down")
    assert (trade.release, trade.net_micro, trade.exit_release) == ("aaaa", 3_000_000, "bbbb")


def test_a_sale_by_a_person_says_so() -> None:
    """A flatten is of no release."""
    (trade,) = trades([a_leg(1, "BUY", 10, 0.60), a_leg(2, "SELL", 10, 0.50, (3, ""))], [], "")
    assert (trade.net_micro, trade.exit_release) == (-1_000_000, PERSON)


def test_what_was_bought_first_is_sold_first() -> None:
    """Of two releases that bought, the earlier one's shares leave; the other's are paid."""
    legs = [a_leg(1, "BUY", 10, 0.40), a_leg(2, "BUY", 10, 0.60, B), a_leg(3, "SELL", 15, 0.80, B)]
    found = by_release(trades(legs, [], "Up"))
    assert (found["aaaa"].sold_micro, found["aaaa"].net_micro) == (10_000_000, 4_000_000)
    assert (found["bbbb"].sold_micro, found["bbbb"].left_micro) == (5_000_000, 5_000_000)
    assert found["bbbb"].net_micro == 4_000_000 - 6_000_000 + 5_000_000


def test_a_sale_that_was_told_before_its_purchase_is_of_that_purchase() -> None:
    """The order in which fills are heard of decides nothing."""
    (trade,) = trades([a_leg(1, "SELL", 10, 0.70), a_leg(2, "BUY", 10, 0.60)], [], "Up")
    assert (trade.left_micro, trade.net_micro) == (0, 1_000_000)


def test_what_was_sold_without_being_had_is_owed_by_the_seller() -> None:
    """The purchase failed after its shares were sold: the winner's payout is missing."""
    (trade,) = trades([a_leg(1, "SELL", 10, 0.70)], [], "Up")
    assert (trade.left_micro, trade.payout_micro, trade.net_micro) == (-10_000_000, -10_000_000, -3_000_000)


def test_a_merged_pair_pays_both_sides_alike() -> None:
    """0.40 and 0.40 for a pair that pays 1: each side gains a quarter of its cost."""
    legs = [a_leg(1, "BUY", 10, 0.40), a_leg(2, "BUY", 10, 0.40, B, "Down")]
    found = by_release(trades(legs, [Merge(3, 10_000_000, True)], ""))
    assert {trade.net_micro for trade in found.values()} == {1_000_000}
    assert found["aaaa"].merged_micro == found["aaaa"].merge_paid_micro * 2 == 10_000_000


def test_pairs_on_their_way_are_neither_held_nor_paid() -> None:
    """They can no longer be sold, and what they cost is not lost yet."""
    legs = [a_leg(1, "BUY", 10, 0.40), a_leg(2, "BUY", 10, 0.50, A, "Down")]
    up, down = trades(legs, [Merge(3, 10_000_000, False)], "")
    assert (up.left_micro, up.merging_micro, up.open_cost_micro) == (0, 10_000_000, 4_000_000)
    assert up.net_micro + down.net_micro + up.open_cost_micro + down.open_cost_micro == 0


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(1, 10**9), min_size=1, max_size=9))
def test_parts_add_up_exactly(amount: int, weights: list[int]) -> None:
    """Whatever rounding leaves is in the last part."""
    parts = shared(amount, weights)
    assert sum(parts) == amount
    assert all(
        abs(part - amount * weight / sum(weights)) <= len(weights) for part, weight in zip(parts, weights, strict=True)
    )


_leg = st.tuples(
    st.sampled_from(["BUY", "BUY", "SELL"]),
    st.integers(1, 30),
    st.integers(1, 99),
    st.sampled_from([A, B]),
    st.sampled_from(["Up", "Down"]),
    st.integers(0, 99_999),
)


@given(st.lists(_leg, max_size=12), st.sampled_from(["Up", "Down", ""]))
def test_trades_add_up_to_what_was_paid_and_received(
    drawn: list[tuple[str, int, int, tuple[int, str], str, int]], winner: str
) -> None:
    """To the millionth: cash of all fills, and one for every winning share that is left."""
    numbers = count(1)
    legs = [
        a_leg(next(numbers), side, size, cents / 100, who, outcome, fee)
        for side, size, cents, who, outcome, fee in drawn
    ]
    flows = sum((leg.cost_micro if leg.side == "SELL" else -leg.cost_micro) - leg.fee_micro for leg in legs)
    held = {
        o: sum(leg.size_micro if leg.side == "BUY" else -leg.size_micro for leg in legs if leg.outcome == o)
        for o in ("Up", "Down")
    }
    found = trades(legs, [], winner)
    assert sum(trade.net_micro for trade in found) == flows + held.get(winner, 0)
    for outcome, size in held.items():
        assert sum(trade.left_micro for trade in found if trade.outcome == outcome) == size


@pytest.mark.parametrize("paid", [True, False])
def test_a_merge_takes_as_much_of_either_side(paid: bool) -> None:
    """Shares of several purchases, oldest first; the pairs pay one each, no more and no less."""
    legs = [
        a_leg(n, "BUY", 3, 0.37, who, outcome)
        for n, (who, outcome) in enumerate([(A, "Up"), (B, "Up"), (A, "Down"), (B, "Down")], 1)
    ]
    found = trades(legs, [Merge(9, 5_000_000, paid)], "")
    assert sum(trade.merge_paid_micro for trade in found) == (5_000_000 if paid else 0)
    assert sum(trade.left_micro for trade in found) == 2_000_000
