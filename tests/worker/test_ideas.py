"""worker.ideas: who speaks for a bet and who against it, each switched by a mode of its own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.messages import BookSeen, Level, Outcome
from worker.ideas import IDEAS, Evidence, Judgement, judge
from worker.momentum import Momentum
from worker.parameters import Parameters
from worker.scene import Scene
from worker.technicals import Technicals

RISING = Momentum(0.5, 0.1, 60.0)
FLAT = Momentum(0.0, 0.0, 50.0)
SEEN = Technicals(60, 60.0, 59.0, 0.1, 60.0, 1.0, 2.0, 58.0, 62.0, 1.0, 1e-4)


def a_scene(*, ask: int = 500_000, vwap: int | None = None) -> Scene:
    """What the ideas look at of a scene; the rest is left out."""
    book = BookSeen("BTC/5m", 0, "Up", (), (Level(ask, 1),), False)
    books: dict[Outcome, BookSeen] = {"Up": book, "Down": book}
    vwaps: dict[Outcome, int | None] = {"Up": vwap, "Down": vwap}
    known: dict[str, Any] = {"books": books, "vwaps": vwaps, "technicals": SEEN}
    return Scene(**{name: known.get(name) for name in Scene.__struct_fields__})


def judged(
    outcome: Outcome = "Up",
    *,
    move: Momentum = RISING,
    jump: float = 0.0,
    shapes: dict[str, int] | None = None,
    scene: Scene | None = None,
    **modes: object,
) -> Judgement:
    parameters = msgspec.convert(modes, Parameters)
    return judge(Evidence(scene or a_scene(), move, jump, shapes or {}, parameters), outcome)


# --- one idea at a time ---------------------------------------------------------------------------------------------


def test_momentum_backs_a_bet_with_the_move() -> None:
    """And says in numbers why it backs none without one."""
    assert judged("Up") == Judgement(("momentum",), "")
    assert judged("Up", move=FLAT) == Judgement((), "momentum 0.00 does not confirm Up")


def test_momentum_can_be_made_to_ask_for_witnesses() -> None:
    """Four other looks at the same candles see this move; one that turned is one too few."""
    assert judged("Up", min_witnesses=4).backers == ("momentum",)
    turned = msgspec.structs.replace(a_scene(), technicals=msgspec.structs.replace(SEEN, stretch=-1.0))
    assert judged("Up", min_witnesses=4, scene=turned).refusal == "3 witnesses < 4 for Up"


def test_a_jump_is_not_followed_but_may_be_bet_against() -> None:
    """Set to trade, overreaction backs the other side, and only that."""
    assert judged("Up", jump=5.0, overreaction="trade").refusal == "jump 5.00 is not followed"
    assert judged("Down", jump=5.0, overreaction="trade") == Judgement(("overreaction",), "")
    assert judged("Up", jump=-5.0, overreaction="trade") == Judgement(("overreaction",), "")


def test_no_jump_is_nothing_to_bet_against() -> None:
    """At the threshold it is not one yet."""
    judgement = judged("Down", jump=4.5, overreaction="trade", momentum="off")
    assert judgement == Judgement((), "jump 4.50 <= 4.50")


def test_a_fade_waits_until_the_token_is_cheaper_than_it_was() -> None:
    """Dearer than the last minute's trades, the book has not overreacted; without trades there is nothing to ask."""
    dear = judged("Down", jump=5.0, overreaction="trade", scene=a_scene(ask=500_000, vwap=490_000))
    assert (dear.backers, dear.refusal.split(";")[1]) == ((), " ask 500000 > 490000 paid in the last minute")
    assert judged("Down", jump=5.0, overreaction="trade", scene=a_scene(vwap=500_000)).backers == ("overreaction",)


def test_in_a_jump_the_others_are_not_asked() -> None:
    """Their candles are the jump: momentum would follow it. Where jumps are moves like any other, it does."""
    followed = judged("Up", jump=5.0, overreaction="off")
    assert followed == Judgement(("momentum",), "")
    assert judged("Down", jump=5.0, overreaction="trade", shapes={"engulfing": 1}).backers == ("overreaction",)


def test_a_shape_against_a_bet_refuses_it_and_a_shape_for_it_may_back_it() -> None:
    """guard only refuses; trade also bets, with no momentum at all."""
    assert judged("Up", shapes={"engulfing": -1}).refusal == "the last minute turned against Up"
    assert judged("Up", move=FLAT, shapes={"engulfing": 1}).backers == ()
    assert judged("Up", move=FLAT, shapes={"engulfing": 1}, patterns="trade").backers == ("patterns",)
    assert judged("Up", shapes={"engulfing": -1}, patterns="off").backers == ("momentum",)


# --- all of them together -------------------------------------------------------------------------------------------


def test_one_refusal_outweighs_every_backer() -> None:
    """A shape for Down against a rise: nothing is bet, either way."""
    torn = {"shapes": {"rejection": -1}, "patterns": "trade"}
    assert judged("Up", **torn) == Judgement((), "the last minute turned against Up", "patterns")
    assert judged("Down", **torn).refusal == "momentum 0.50 does not confirm Down"


def test_all_that_back_a_bet_are_named() -> None:
    """So that a fill can be told by its idea."""
    assert judged("Up", shapes={"engulfing": 1}, patterns="trade").backers == ("momentum", "patterns")


@pytest.mark.parametrize("mode", ["guard", "off"])
def test_without_an_idea_that_trades_nothing_is_bet(mode: str) -> None:
    """guard and off open nothing, each alone and together."""
    assert judged("Up", momentum=mode).refusal == "no idea is set to trade"


@pytest.mark.parametrize("idea", IDEAS)
def test_every_idea_has_a_mode_among_the_parameters(idea: str) -> None:
    """What is in the table can be switched while the process runs."""
    assert Parameters().idea_mode(idea) in ("trade", "guard", "off")
