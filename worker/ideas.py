"""Who speaks for a bet and who against it: momentum, overreaction and patterns, each switched by a mode of its own.

An idea that is set to `trade` may back a bet; set to `trade` or `guard` it may refuse one; `off` is not asked. One
refusal is enough to stay out, one idea that backs a bet is enough to make it. In a jump only overreaction is asked: the
candles that the others look at are the jump.

Leaves to others what a bet is worth. What always holds: whatever was weighed is in the judgement, in words and numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from shared.messages import Outcome
from worker import patterns
from worker.momentum import Momentum, confirms, direction, witnesses
from worker.parameters import Parameters
from worker.scene import Scene, other


class Evidence(msgspec.Struct, frozen=True):
    """What the ideas look at. `jump`: deviations, signed; `shapes`: of the last minutes' candles."""

    scene: Scene
    momentum: Momentum
    jump: float
    shapes: dict[str, int]
    parameters: Parameters

    @property
    def jumped(self) -> bool:
        """Whether the last seconds were an overreaction."""
        return abs(self.jump) > self.parameters.max_jump


class Opinion(msgspec.Struct, frozen=True):
    """What one idea thinks of a bet. `doubt`: why it does not back it; `refusal`: why nobody may make it."""

    doubt: str = ""
    refusal: str = ""


class Judgement(msgspec.Struct, frozen=True):
    """`backers`: the ideas that speak for the bet. `refusal`: why it may not be made, empty when it may.

    `refuser`: the idea that will not have it; empty where only nobody speaks for it.
    """

    backers: tuple[str, ...]
    refusal: str
    refuser: str = ""


def judge(evidence: Evidence, outcome: Outcome) -> Judgement:
    """What the ideas make of a bet on a token together."""
    parameters, backers, doubts = evidence.parameters, list[str](), list[str]()
    for idea, ask in IDEAS.items():
        mode = parameters.idea_mode(idea)
        if mode == "off":
            continue
        opinion = ask(evidence, outcome)
        if opinion.refusal:
            return Judgement((), opinion.refusal, idea)
        if mode == "trade":
            (doubts if opinion.doubt else backers).append(opinion.doubt or idea)
    return Judgement(tuple(backers), "" if backers else "; ".join(doubts) or "no idea is set to trade")


# --- the ideas ------------------------------------------------------------------------------------------------------


def _momentum(evidence: Evidence, outcome: Outcome) -> Opinion:
    """Bets with the move; refuses a bet against one that is under way."""
    if evidence.jumped and evidence.parameters.overreaction != "off":
        return Opinion(doubt="momentum is not asked in a jump")
    score, least = evidence.momentum.score, evidence.parameters.min_momentum
    if not confirms(evidence.momentum, outcome, least):
        why = f"momentum {score:.2f} does not confirm {outcome}"
        return Opinion(why, why if confirms(evidence.momentum, other(outcome), least) else "")
    agreed = witnesses(evidence.scene.technicals, outcome)
    enough = agreed >= evidence.parameters.min_witnesses
    return Opinion("" if enough else f"{agreed} witnesses < {evidence.parameters.min_witnesses} for {outcome}")


def _overreaction(evidence: Evidence, outcome: Outcome) -> Opinion:
    """Bets against a jump once the token is cheaper than the last minute's trades; refuses whatever follows one."""
    jump, way = evidence.jump, direction(outcome)
    if not evidence.jumped:
        return Opinion(doubt=f"jump {abs(jump):.2f} <= {evidence.parameters.max_jump:.2f}")
    if way * jump > 0:
        return Opinion(refusal=f"jump {abs(jump):.2f} is not followed")
    ask, paid = evidence.scene.best_ask(outcome), evidence.scene.vwaps.get(outcome)
    if ask is not None and paid is not None and ask > paid:
        return Opinion(doubt=f"ask {ask} > {paid} paid in the last minute")
    return Opinion()


def _patterns(evidence: Evidence, outcome: Outcome) -> Opinion:
    """Bets with a shape; refuses a bet against one."""
    if evidence.jumped and evidence.parameters.overreaction != "off":
        return Opinion(doubt="patterns are not asked in a jump")
    way = direction(outcome) * patterns.verdict(evidence.shapes)
    if way < 0:
        return Opinion(refusal=f"the last minute turned against {outcome}")
    return Opinion("" if way else f"no shape speaks for {outcome}")


IDEAS: Final[dict[str, Callable[[Evidence, Outcome], Opinion]]] = {
    "momentum": _momentum,
    "overreaction": _overreaction,
    "patterns": _patterns,
}
