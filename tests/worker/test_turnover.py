"""worker.turnover: what others paid of late, in a bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.tapes import NS, START_S

from worker.turnover import Turnover

CENT_SHARE = 10_000
ROUNDED_MICRO = 1_000_000 // CENT_SHARE
"""What a hundredth of a share cost is known to a millionth: its price to a hundredth of a cent."""
trades = st.lists(
    st.tuples(
        st.integers(0, 20 * NS),
        st.integers(1, 999).map(lambda n: n * 1_000),
        st.sampled_from([0, CENT_SHARE, 7 * CENT_SHARE, 10**9]),
    ),
    max_size=30,
)


def test_each_trade_weighs_what_was_traded() -> None:
    """Three shares at 60 cents and one at 40: 55 cents."""
    turnover = Turnover(5, 12)
    turnover.add(START_S * NS, 600_000, 3_000_000)
    turnover.add((START_S + 7) * NS, 400_000, 1_000_000)
    assert turnover.vwap((START_S + 8) * NS) == 550_000


def test_no_trade_is_no_price() -> None:
    """Neither before the first nor after the last is forgotten, and shares of nothing cost nothing."""
    turnover = Turnover(5, 2)
    assert turnover.vwap(START_S * NS) is None
    turnover.add(START_S * NS, 600_000, 0)
    assert turnover.vwap(START_S * NS) is None
    turnover.add(START_S * NS, 600_000, 5)
    assert [turnover.vwap((START_S + after) * NS) for after in (14, 15)] == [600_000, None]


@given(trades)
def test_the_memory_is_bounded_and_the_average_is_a_price_that_was_paid(steps: list[tuple[int, int, int]]) -> None:
    """Whatever is traded: at most the whole buckets and the open one, and nothing beyond the extremes."""
    turnover, at_ns, paid = Turnover(5, 3), START_S * NS, list[int]()
    for step_ns, price_micro, size_micro in steps:
        at_ns += step_ns
        turnover.add(at_ns, price_micro, size_micro)
        paid.append(price_micro)
        assert len(turnover) <= 4
        average = turnover.vwap(at_ns)
        assert average is None or min(paid) - ROUNDED_MICRO <= average <= max(paid)


@given(trades, trades)
def test_two_that_began_at_different_times_agree_after_a_while(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]]
) -> None:
    """Same past, same state: what was forgotten leaves no trace."""
    long, short, at_ns = Turnover(5, 3), Turnover(5, 3), START_S * NS
    for step_ns, *trade in before:
        at_ns += step_ns
        long.add(at_ns, *trade)
    at_ns += 20 * NS
    for step_ns, *trade in after:
        at_ns += step_ns
        for turnover in (long, short):
            turnover.add(at_ns, *trade)
            turnover.forget(at_ns)
        assert long.image() == short.image()
        assert long.vwap(at_ns) == short.vwap(at_ns)


@pytest.mark.parametrize("after_s", [0, 4, 9])
def test_asking_later_counts_what_is_still_young_enough(after_s: int) -> None:
    """Forgotten or not yet: the answer is of the same buckets."""
    swept, unswept = Turnover(5, 1), Turnover(5, 1)
    for turnover in (swept, unswept):
        turnover.add(START_S * NS, 600_000, 10)
    swept.forget((START_S + after_s) * NS)
    assert swept.vwap((START_S + after_s) * NS) == unswept.vwap((START_S + after_s) * NS)
