"""The life of an order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.trading import an_order

from supervisor.orders import Fills, Gone, Lives, Matched, Order, OrderEvent, Unanswered, Unfills, step

EVENTS = st.one_of(
    st.builds(Lives, st.frozensets(st.sampled_from(["t1", "t2"]), max_size=2)),
    st.builds(Matched, st.frozensets(st.sampled_from(["t1", "t2"]), max_size=2)),
    st.builds(Gone, st.just("canceled")),
    st.builds(Unanswered, st.just("timeout")),
    st.builds(Fills, st.sampled_from(["t1", "t2", "t3"]), st.integers(1, 4_000_000)),
)


def through(order: Order, *events: OrderEvent) -> Order:
    """An order after events."""
    for event in events:
        order = step(order, event)
    return order


def test_a_resting_order_fills_and_closes() -> None:
    """Open until its size has traded."""
    order = through(an_order(), Lives(), Fills("t1", 4_000_000))
    assert (order.state, order.open_micro, order.in_flight) == ("open", 6_000_000, False)
    assert through(order, Fills("t2", 6_000_000)).state == "closed"


def test_an_immediate_order_waits_for_the_fills_it_was_promised() -> None:
    """Matched is not closed: the slot stays busy until the announced trades have arrived."""
    order = through(an_order(kind="FAK"), Matched(frozenset({"t1", "t2"})), Fills("t1", 1))
    assert (order.state, order.in_flight) == ("matched", True)
    assert through(order, Fills("t2", 1)).state == "closed"


def test_a_fill_may_overtake_the_answer() -> None:
    """The user channel was faster: the answer announces nothing that is still awaited."""
    order = through(an_order(kind="FAK"), Fills("t1", 5), Matched(frozenset({"t1"})))
    assert (order.state, order.filled_micro, order.awaited) == ("closed", 5, frozenset())


def test_no_answer_is_unknown_and_blocks_nothing_for_ever() -> None:
    """It may exist: whatever the venue says later decides."""
    unknown = through(an_order(), Unanswered("no answer: timeout"))
    assert (unknown.state, unknown.reason) == ("unknown", "no answer: timeout")
    assert through(unknown, Lives()).state == "open"
    assert through(unknown, Gone("the venue never knew it")).state == "closed"
    assert unknown.open_micro == unknown.size_micro


def test_a_late_word_about_a_closed_order_changes_no_state() -> None:
    """Cancelled is cancelled; but a fill that comes after it is counted all the same."""
    closed = through(an_order(), Lives(), Gone("canceled"))
    assert through(closed, Lives(frozenset({"t1"})), Matched()).state == "closed"
    assert through(closed, Fills("t1", 3)).filled_micro == 3


def test_a_failed_fill_is_taken_back() -> None:
    """The size is not ours after all."""
    assert through(an_order(), Lives(), Fills("t1", 5), Unfills(5)).filled_micro == 0


@given(st.lists(EVENTS, max_size=12))
def test_whatever_happens_the_count_is_of_the_fills(events: list[OrderEvent]) -> None:
    """Filled is their sum; closed never opens again; what may still fill is never negative; awaited never was seen."""
    order, closed = an_order(), False
    for event in events:
        order = step(order, event)
        assert not (closed and order.state != "closed")
        closed = order.state == "closed"
        assert order.open_micro >= 0
        assert not order.awaited & order.seen
    assert order.filled_micro == sum(e.size_micro for e in events if isinstance(e, Fills))


@pytest.mark.parametrize("kind", ["FAK", "FOK"])
def test_an_immediate_order_that_matched_nothing_is_over(kind: str) -> None:
    """Nothing announced, nothing to wait for."""
    assert through(an_order(kind=kind), Matched()).state == "closed"
