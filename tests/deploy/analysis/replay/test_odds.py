"""deploy.analysis.replay.odds: how near decisions' odds were to what came true."""

from __future__ import annotations

from kit.tapes import a_book

from deploy.analysis.replay.odds import Odds, middle_bp
from shared.messages import BookSeen, Decision

WINDOW = ("BTC/5m", 300)


def test_squared_distances_are_counted_when_the_window_resolves() -> None:
    """Two decisions, at 0.80 and 0.60, where the market said 0.50; the window ends Up."""
    odds = Odds()
    for fair_bp in (8_000, 6_000):
        odds.decided(WINDOW, Decision((), {"fair_up_bp": fair_bp}), 5_000)
    assert odds.count == 0
    odds.resolved(WINDOW, "Up")
    assert (odds.count, odds.ours_e8, odds.market_e8) == (2, 2_000**2 + 4_000**2, 2 * 5_000**2)


def test_a_window_that_ends_down_is_held_against_nothing() -> None:
    """The distance is then that from 0."""
    odds = Odds()
    odds.decided(WINDOW, Decision((), {"fair_up_bp": 3_000}), 4_000)
    odds.resolved(WINDOW, "Down")
    assert (odds.ours_e8, odds.market_e8) == (3_000**2, 4_000**2)


def test_no_odds_of_either_side_count_for_nothing() -> None:
    """A comparison needs both."""
    odds = Odds()
    odds.decided(WINDOW, Decision((), {"verdict": "hold"}), 4_000)
    odds.decided(WINDOW, Decision((), {"fair_up_bp": 4_000}), None)
    odds.resolved(WINDOW, "Up")
    assert odds.count == 0


def test_either_tokens_book_gives_the_odds_of_up() -> None:
    """In the middle of its best prices; a side that is empty gives none."""
    assert middle_bp(a_book("BTC/5m", 300, "Up", 40, 42)) == 4_100
    assert middle_bp(a_book("BTC/5m", 300, "Down", 40, 42)) == 5_900
    assert middle_bp(BookSeen("BTC/5m", 300, "Up", (), (), False)) is None
    assert middle_bp(None) is None
