"""The measures of a crowd."""

from __future__ import annotations

from math import exp

import pytest

from deploy.analysis.measures import LEFT_S, Joined, Look, Observations, Print, Tape, curve, measure


def numbers(seen: Observations) -> dict[str, float]:
    return {number.name: number.value for number in measure(seen)}


def a_look(left_s: int = 100, bid: float | None = 0.49, ask: float | None = 0.5, shares: float = 1.0) -> Look:
    return Look(left_s, bid, ask, shares, 0.0)


def a_print(left_s: float, up: float, shares: float = 10.0, for_up: bool = True) -> Print:
    return Print(left_s, up, shares, True, for_up)


def test_nothing_seen_measures_nothing() -> None:
    """No number stands on no observation but the empty curve."""
    assert {number.count for number in measure(Observations())} == {0}


def test_a_curve_that_was_drawn_is_found() -> None:
    """Shares at a price of one, and the exponent."""
    looks = [a_look(bid=p - 0.005, ask=p + 0.005, shares=30_000 * p**0.25) for p in (0.1, 0.3, 0.5, 0.9)]
    assert curve(looks) == pytest.approx((30_000, 0.25, 4))


def test_depth_is_told_against_the_curve_of_books_with_time_left() -> None:
    """A late book of half the depth is a half."""
    early = [a_look(bid=p - 0.005, ask=p + 0.005, shares=30_000 * p**0.25) for p in (0.1, 0.5, 0.9)]
    late = a_look(left_s=10, bid=0.495, ask=0.505, shares=15_000 * 0.5**0.25)
    assert numbers(Observations(looks=[*early, late]))["depth at 10 s"] == pytest.approx(0.5)


def test_spreads_and_one_sided_books_are_counted_by_time_left() -> None:
    """A book with one side has no spread."""
    looks = [a_look(), a_look(ask=0.52), a_look(bid=None), a_look(left_s=10, bid=None)]
    found = numbers(Observations(looks=looks))
    assert found["one-sided at 100 s"] == pytest.approx(1 / 3)
    assert found["a tick wide at 100 s"] == 0.5
    assert found["one-sided at 10 s"] == 1
    assert "a tick wide at 10 s" not in found


def test_rates_are_told_against_an_undecided_price() -> None:
    """Half as many trades a second once the price is at 0.99."""
    prints = [a_print(900 - second - 0.5, 0.5) for second in range(400)]
    prints += [a_print(900 - second - 0.5, 0.99) for second in range(400, 860, 2)]
    found = numbers(Observations(flows=[Tape(900, prints)]))
    assert found["rate at a distance of 0.48"] == pytest.approx(0.5, abs=0.02)


def test_a_trade_is_right_when_the_price_follows_it() -> None:
    """Five seconds later, by more than a bounce."""
    prints = [a_print(100, 0.5, for_up=True), a_print(99, 0.5, for_up=False), a_print(95, 0.6), a_print(80, 0.6)]
    assert numbers(Observations(flows=[Tape(300, prints)]))["trades on the side of the next 5 s"] == 0.5


def test_a_queue_is_told_against_its_cent_of_the_curve() -> None:
    """The median ratio and how it strays."""
    looks = [a_look(bid=p - 0.005, ask=p + 0.005, shares=40_000 * p**0.3) for p in (0.1, 0.5, 0.9)]
    there = 40_000 * (0.505**0.3 - 0.495**0.3)
    joined = [Joined(0.5, there * exp(step), step > 0) for step in (-1, 0, 1)]
    found = numbers(Observations(looks=looks, joined=joined))
    assert found["best level over the curve"] == pytest.approx(1)
    assert found["its spread (log)"] == pytest.approx((2 / 3) ** 0.5)
    assert found["small orders at the best bid, passed"] == pytest.approx(1 / 3)


def test_sizes_and_dollars() -> None:
    """Quantiles of what takers took, the median of what windows turned over."""
    tape = Tape(300, [a_print(100, 0.5, shares) for shares in range(1, 101)])
    found = numbers(Observations(sized=[tape], turnovers=[1.0, 5.0, 9.0]))
    assert (found["size at 0.5"], found["size at 0.99"], found["dollars a window"]) == (51, 100, 5)


def test_books_are_looked_at_as_the_end_nears() -> None:
    """Earliest first: the small orders join at the first look."""
    assert list(LEFT_S) == sorted(LEFT_S, reverse=True)
