"""worker.momentum: which way, how far, and whether that supports a bet."""

from __future__ import annotations

import msgspec
import pytest

from shared.messages import Outcome
from worker.candles import Candle
from worker.momentum import Momentum, confirms, measure, witnesses
from worker.technicals import CANDLES, Technicals, read

RISE = [60_000_000 + 1_000 * n + 2_500 * (n % 3) for n in range(CANDLES)]
FALL = [120_000_000 - value for value in RISE]


def technicals(closes: list[int]) -> Technicals:
    found = read([Candle(5 * n, close, close, close, close) for n, close in enumerate(closes)])
    assert found is not None
    return found


def test_a_rise_scores_up_and_a_fall_mirrors_it() -> None:
    """The score is in standard deviations, the sign is the direction."""
    rise, fall = measure(technicals(RISE)), measure(technicals(FALL))
    assert rise.score > 0.25 > -0.25 > fall.score
    assert rise.change_percent > 0 > fall.change_percent


def test_a_market_that_never_moved_has_no_momentum() -> None:
    """No scale, no score."""
    assert measure(technicals([5] * CANDLES)).score == 0.0


@pytest.mark.parametrize(("outcome", "closes"), [("Up", RISE), ("Down", FALL)])
def test_witnesses_look_at_the_same_move_in_other_ways(outcome: Outcome, closes: list[int]) -> None:
    """A steady move has most of them on its side, and none on the other; each that turns away is missed."""
    seen = technicals(closes)
    against = technicals(FALL if outcome == "Up" else RISE)
    assert witnesses(seen, outcome) >= 3
    assert witnesses(against, outcome) <= 1
    turned = msgspec.structs.replace(seen, change_percent=-seen.change_percent)
    assert witnesses(turned, outcome) == witnesses(seen, outcome) - 1


def test_nobody_bears_witness_to_what_was_not_measured() -> None:
    """Too few candles, or a market that stood still."""
    assert witnesses(None, "Up") == 0
    assert witnesses(technicals([5] * CANDLES), "Up") == 0


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
