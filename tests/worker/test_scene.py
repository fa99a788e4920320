"""worker.scene: a complete picture of one window, or what is missing."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from kit.tapes import EXACT, NO_ACCOUNT, NS, START_S, TERMS, a_book, a_price

from shared.messages import BookSeen, StrikeSet, Tick, WindowOpened
from worker.scene import Blind, Scene, look, other
from worker.view import View

SLOT = "BTC/5m"


def a_view(
    *, until_s: int = 280, strike: int = 60_000, rule: str = "twap60", from_s: int = 0, terms: bool = True
) -> View:
    """A window whose price wanders gently above its strike, with both books, a price each second."""
    view = View()
    for second in range(from_s, until_s):
        at_s = START_S + second
        view.apply(at_s * NS, a_price(at_s, 60_010 + second % 3 - second % 5))
    at_ns = (START_S + until_s) * NS
    if terms:
        view.apply(at_ns, WindowOpened(SLOT, START_S, msgspec.structs.replace(TERMS, rule=rule)))
    if strike:
        view.apply(at_ns, StrikeSet(SLOT, START_S, str(strike * 1_000_000 * EXACT)))
    for outcome, bid in (("Up", 70), ("Down", 28)):
        view.apply(at_ns, a_book(SLOT, START_S, outcome, bid, bid + 2))
    return view


def a_tick(view: View) -> Tick:
    return Tick(SLOT, view.at_ns // 1_000_000, START_S, "w1", 1, "", "", NO_ACCOUNT)


def seen(view: View) -> Scene:
    scene = look(view, a_tick(view))
    assert isinstance(scene, Scene)
    return scene


def test_a_scene_has_every_number_a_strategy_weighs() -> None:
    """Time left, books, price, strike, volatility, and Up's fair value and Down's that make one."""
    scene = seen(a_view())
    assert (scene.minutes, scene.left_s, scene.strike_micro) == (5, 20.0, 60_000_000_000)
    assert (scene.best_bid("Up"), scene.best_ask("Up"), scene.best_bid("Down")) == (700_000, 720_000, 280_000)
    assert 0 < scene.volatility_bp < 60
    assert scene.fair_up > 0.9
    assert scene.fair_micro("Up") + scene.fair_micro(other("Up")) == 1_000_000


def test_in_the_settling_seconds_the_price_now_is_not_the_whole_story() -> None:
    """Half of the last minute was far above the strike: a price just below it is not yet Down."""
    view = a_view(until_s=270)
    view.apply(view.at_ns, a_price(START_S + 270, 59_999))
    assert seen(view).fair_up > 0.6
    spot = a_view(until_s=270, rule="spot")
    spot.apply(spot.at_ns, a_price(START_S + 270, 59_999))
    assert seen(spot).fair_up < 0.5


def stale(view: View) -> None:
    view.apply(view.at_ns, a_book(SLOT, START_S, "Down", 28, 30, stale=True))


def empty(view: View) -> None:
    view.apply(view.at_ns, BookSeen(SLOT, START_S, "Up", (), (), False))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: View(), "no market known for this window"),
        (lambda: a_view(terms=False), "no market known for this window"),
        (lambda: a_view(strike=0), "no strike yet"),
        (lambda: a_view(until_s=100), "20 candles of 48"),
        (lambda: a_view(from_s=280), "no reference price"),
    ],
)
def test_what_is_missing_is_named(make: Callable[[], View], why: str) -> None:
    """A person reads which part of the picture is not there."""
    view = make()
    assert look(view, a_tick(view)) == Blind(why)


def test_a_stale_book_blinds() -> None:
    """However good it looks."""
    view = a_view()
    stale(view)
    assert look(view, a_tick(view)) == Blind("stale book of Down")


def test_an_empty_book_is_a_fact_and_not_blindness() -> None:
    """Nobody sells: that can be judged."""
    view = a_view()
    empty(view)
    assert (seen(view).best_bid("Up"), seen(view).best_ask("Up")) == (None, None)


def test_the_markets_odds_are_the_middle_of_a_book() -> None:
    """Up's own; where it is one-sided, what Down's says of it; where both are, none."""
    view = a_view()
    assert seen(view).odds() == {"fair_up_bp": round(seen(view).fair_up * 10_000), "mid_up_micro": 710_000}
    empty(view)
    assert seen(view).mid_up_micro == 710_000
    view.apply(view.at_ns, BookSeen(SLOT, START_S, "Down", (), (), False))
    assert seen(view).odds() == {"fair_up_bp": round(seen(view).fair_up * 10_000)}


def test_an_old_price_is_no_price() -> None:
    """Twelve seconds after the last one the feed is not what it was."""
    view = a_view(until_s=268)
    view.apply((START_S + 279) * NS, a_book(SLOT, START_S, "Up", 70, 72))
    assert look(view, a_tick(view)) == Blind("price is 12.0 s old > 10.0")


def test_settling_seconds_that_were_not_seen_cannot_be_guessed() -> None:
    """A feed that came back twenty seconds ago does not know the mean of the last minute."""
    view = a_view(until_s=200)
    for second in range(291, 296):
        at_s = START_S + second
        view.apply(at_s * NS, a_price(at_s, 60_010))
    blind = look(view, a_tick(view))
    assert blind == Blind("the settling seconds were not seen from their beginning")


def test_the_larger_of_two_volatilities_counts() -> None:
    """A lull of three minutes after a wild stretch is still a wild market."""
    wild, lull = a_view(until_s=120), View()
    for second in range(600):
        at_s, swing = START_S - 300 + second, 120 if second < 300 else 2
        lull.apply(at_s * NS, a_price(at_s, 60_000 + swing * (second // 5 % 2)))
    for event in (WindowOpened(SLOT, START_S, TERMS), StrikeSet(SLOT, START_S, str(60_000 * 10**18))):
        lull.apply(lull.at_ns, event)
    for outcome in ("Up", "Down"):
        lull.apply(lull.at_ns, a_book(SLOT, START_S, outcome, 49, 51))
    assert wild.closed("BTC", 5)
    assert seen(lull).volatility_bp > 20
