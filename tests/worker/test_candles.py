"""worker.candles: exact, closed for good, and never more than was asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.candles import FOUND_MAX, Candle, Candles

NS = 1_000_000_000
arrivals = st.lists(st.tuples(st.integers(0, 20 * NS), st.integers(1, 10**12)), max_size=60)


def test_a_candle_holds_open_high_low_and_close() -> None:
    """Three prices in one bucket, and it is not closed before its time is over."""
    candles = Candles(5, 3)
    for at_s, price in ((10, 7), (12, 9), (14, 5)):
        candles.add(at_s * NS, price)
    assert candles.closed(14 * NS) == ()
    assert candles.closed(15 * NS) == (Candle(10, 7, 9, 5, 5),)


def test_a_price_belongs_to_the_bucket_it_arrived_in() -> None:
    """The first nanosecond of a bucket is its own."""
    candles = Candles(5, 3)
    candles.add(15 * NS - 1, 1)
    candles.add(15 * NS, 2)
    assert candles.closed(20 * NS) == (Candle(10, 1, 1, 1, 1), Candle(15, 2, 2, 2, 2))


def test_silence_makes_flat_candles_at_the_last_close() -> None:
    """A bucket without a price is not a hole, neither inside nor at the end."""
    candles = Candles(5, 10)
    candles.add(0, 4)
    candles.add(10 * NS, 6)
    closes = [(candle.start_s, candle.close_micro) for candle in candles.closed(25 * NS)]
    assert closes == [(0, 4), (5, 4), (10, 6), (15, 6), (20, 6)]


def test_what_is_older_than_the_series_counts_for_nothing() -> None:
    """Not even as the close that a silence continues: a fold that began later does not know it."""
    candles = Candles(5, 2)
    candles.add(0, 4)
    assert [candle.start_s for candle in candles.closed(14 * NS)] == [0, 5]
    assert candles.closed(15 * NS) == ()


def test_forgetting_changes_no_answer() -> None:
    """It only gives the memory back."""
    candles = Candles(5, 2)
    for at_s in range(0, 30, 5):
        candles.add(at_s * NS, at_s)
    before = candles.closed(33 * NS)
    candles.forget(33 * NS)
    assert candles.closed(33 * NS) == before
    assert len(candles) == 2


@given(arrivals, st.integers(1, 6))
def test_a_series_is_whole_and_bounded(steps: list[tuple[int, int]], count: int) -> None:
    """Closed candles follow one another without a hole, at most `count`; at most one more is kept."""
    candles, at_ns = Candles(5, count), 0
    for step_ns, price in steps:
        at_ns += step_ns
        candles.add(at_ns, price)
        starts = [candle.start_s for candle in candles.closed(at_ns)]
        assert starts == list(range(starts[0], starts[0] + 5 * len(starts), 5)) if starts else True
        assert len(starts) <= count
        assert len(candles) <= count + 1


@given(arrivals, arrivals, st.integers(1, 6))
def test_series_that_began_at_different_times_agree_in_the_end(
    early: list[tuple[int, int]], late: list[tuple[int, int]], count: int
) -> None:
    """After as much time as a series covers, what came before has left no trace."""
    older, younger, at_ns = Candles(5, count), Candles(5, count), 0
    for step_ns, price in early:
        at_ns += step_ns
        older.add(at_ns, price)
    at_ns += (count + 1) * 5 * NS
    for step_ns, price in late:
        at_ns += step_ns
        older.add(at_ns, price)
        younger.add(at_ns, price)
    older.forget(at_ns)
    younger.forget(at_ns)
    assert older.image() == younger.image()
    assert older.closed(at_ns) == younger.closed(at_ns)


# --- what is remembered of closed candles ---------------------------------------------------------------------------


def total(candles: tuple[Candle, ...]) -> int:
    return sum(candle.close_micro for candle in candles)


asks = st.lists(st.tuples(st.integers(0, 8 * NS), st.integers(1, 99), st.booleans()), max_size=40)


@given(asks)
def test_remembering_changes_no_answer(steps: list[tuple[int, int, bool]]) -> None:
    """Whenever it was asked in between: the candles, and what is computed of them, are those of one never asked."""
    asked, at_ns, added = Candles(5, 3), 100 * NS, list[tuple[int, int]]()
    for step_ns, price, ask in steps:
        at_ns += step_ns
        added.append((at_ns, price))
        asked.add(at_ns, price)
        if ask:
            fresh = Candles(5, 3)
            for known_ns, known in added:
                fresh.add(known_ns, known)
            assert asked.closed(at_ns) == fresh.closed(at_ns)
            assert asked.once(at_ns, total) == total(fresh.closed(at_ns))


def test_functions_without_end_are_answered_and_not_remembered() -> None:
    """A strategy that makes a function at every tick costs time, never memory."""
    candles = Candles(5, 3)
    candles.add(10 * NS, 7)
    said = {candles.once(15 * NS, lambda closed, n=number: n + len(closed)) for number in range(3 * FOUND_MAX)}
    assert said == set(range(1, 3 * FOUND_MAX + 1))
    assert len(candles._closed.found) == FOUND_MAX
