"""The crowd under the eyes of a bystander."""

from __future__ import annotations

from kit.days import a_day

from deploy.analysis.crowded import watch
from deploy.analysis.measures import LEFT_S
from deploy.rehearsal.days import RecordedDay


def watched(day: RecordedDay, windows: int = 1, seed: int = 1):  # type: ignore[no-untyped-def]
    return watch(day, day.listings(0, 2**40)[:windows], seed)


def test_a_window_is_looked_at_when_recorded_ones_were() -> None:
    """Both tokens, a tape, its dollars, and a small order that joined the best bid of each."""
    seen = watched(a_day(2))
    assert [look.left_s for look in seen.looks] == [*LEFT_S, *LEFT_S]
    assert len(seen.flows) == len(seen.sized) == 1
    dollars = sum(each.shares * (each.up if each.for_up == each.buys else 1 - each.up) for each in seen.sized[0].prints)
    assert abs(seen.turnovers[0] - dollars) < 1 + 0.01 * dollars
    assert len(seen.joined) == 2 and all(order.ahead > 0 for order in seen.joined)


def test_no_small_order_fills_before_what_stood_before_it() -> None:
    """Those that filled saw at least the shares ahead of them trade after they came."""
    seen = watched(a_day(4), windows=4)
    for number, tape in enumerate(seen.sized):
        late = sum(each.shares for each in tape.prints if each.left_s <= LEFT_S[0])
        for order in seen.joined[2 * number : 2 * number + 2]:
            assert not order.filled or late > order.ahead


def test_the_same_seed_shows_the_same_crowd() -> None:
    """Another one another."""
    day = a_day(2)
    assert watched(day).sized == watched(day).sized != watched(day, seed=2).sized
