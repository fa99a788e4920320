"""worker.overreaction: the last seconds against the minutes before."""

from __future__ import annotations

from worker.overreaction import CANDLES, jump

CALM = [60_000_000 + 6_000 * (n % 2) for n in range(CANDLES - 3)]


def test_a_leap_out_of_calm_is_many_deviations() -> None:
    """Signed, in the scale of what was usual before it."""
    up, down = jump([*CALM, 60_020_000, 60_040_000, 60_060_000]), jump([*CALM, 59_980_000, 59_960_000, 59_940_000])
    assert up is not None
    assert down is not None
    assert up > 4.5
    assert down < -4.5


def test_a_usual_step_is_no_jump() -> None:
    """One more wiggle of the same size."""
    usual = jump([*CALM, *CALM[:3]])
    assert usual is not None
    assert abs(usual) < 1


def test_without_scale_or_past_there_is_nothing_to_say() -> None:
    """Too few candles: None. A dead market: no move is large."""
    assert jump(CALM) is None
    assert jump([7] * CANDLES) == 0.0
