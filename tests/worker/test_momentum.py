"""worker.momentum: which way, how far, and whether that supports a bet."""

from __future__ import annotations

from worker.momentum import CANDLES, Momentum, confirms, measure

RISE = [60_000_000 + 1_000 * n + 2_500 * (n % 3) for n in range(CANDLES)]
FALL = [120_000_000 - value for value in RISE]


def test_a_rise_scores_up_and_a_fall_mirrors_it() -> None:
    """The score is in standard deviations, the sign is the direction."""
    rise, fall = measure(RISE), measure(FALL)
    assert rise is not None
    assert fall is not None
    assert rise.score > 0.25 > -0.25 > fall.score
    assert rise.change_percent > 0 > fall.change_percent


def test_only_the_last_candles_count() -> None:
    """The same number is always looked at, whatever was before."""
    assert measure([1, 9, 1, 9, *RISE]) == measure(RISE)
    assert measure(RISE[1:]) is None


def test_a_market_that_never_moved_has_no_momentum() -> None:
    """No scale, no score."""
    flat = measure([5] * CANDLES)
    assert flat is not None
    assert flat.score == 0.0


def test_a_bet_is_confirmed_by_a_move_its_way() -> None:
    """Far enough, and in the direction of the token."""
    rising = Momentum(0.5, 0.1, 60.0)
    assert confirms(rising, "Up", 0.25)
    assert not confirms(rising, "Up", 0.75)
    assert not confirms(rising, "Down", 0.25)
    assert confirms(Momentum(-0.5, -0.1, 40.0), "Down", 0.25)


def test_a_spent_move_confirms_nothing() -> None:
    """A strength of 95 has nobody left to buy; of 5, nobody left to sell."""
    assert not confirms(Momentum(0.5, 0.1, 95.0), "Up", 0.25)
    assert not confirms(Momentum(-0.5, -0.1, 5.0), "Down", 0.25)
