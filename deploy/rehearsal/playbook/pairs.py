"""Bids for Up and for Down so that both together cost less than the dollar that one of them will pay.

A stand-in for `worker/strategy.py` in rehearsals: indifferent to who wins, it lives on the spread. When one leg is
bought, the other may cost what is left of the dollar; a leg that stays alone is held to the resolution.
"""

from __future__ import annotations

from typing import Final

from shared.messages import OUTCOMES, Account, Decision, Outcome, Tick
from shared.units import MICRO
from worker.intents import Quote, bid_price, cost_per_share, held, towards
from worker.scene import Blind, Scene, look, other
from worker.view import View

CANDLES: Final = 6
MARGIN_MICRO: Final = 20_000
"""What a whole pair must leave of its dollar."""
HURRY_MICRO: Final = 10_000
"""What is given up of it, when one leg is held, to get the other."""
DRIFT_MICRO: Final = 20_000
SIZE_MICRO: Final = 5_000_000
PAIRS_MAX: Final = 2
BUDGET_MICRO: Final = 14_000_000
LAST_S: Final = 10.0


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    scene = look(view, tick, candles=CANDLES)
    if isinstance(scene, Blind):
        return Decision((), {"verdict": f"hold: {scene.why}"})
    trading = view.parameters.mode != "off" and scene.left_s > LAST_S
    wanted = [quote for outcome in OUTCOMES for quote in _leg(scene, tick.account, outcome)] if trading else []
    entries = view.parameters.mode == "on" and not tick.entries
    intents = towards(wanted, tick.account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)
    reasons: dict[str, int | str] = {
        "verdict": "pair" if intents else "hold: both legs are where they should be",
        "left_ms": round(scene.left_s * 1_000),
        "fair_up_bp": round(scene.fair_up * 10_000),
        "up_micro": held(tick.account, "Up"),
        "down_micro": held(tick.account, "Down"),
    }
    return Decision(intents, reasons)


def _leg(scene: Scene, account: Account, outcome: Outcome) -> list[Quote]:
    """A bid that, with the other leg at its cost or its own bid, leaves the margin."""
    mine, theirs = held(account, outcome), held(account, other(outcome))
    if mine + SIZE_MICRO > PAIRS_MAX * SIZE_MICRO or mine > theirs:
        return []
    if theirs > mine:
        ceiling = MICRO - cost_per_share(account, other(outcome)) - MARGIN_MICRO + HURRY_MICRO
    else:
        ceiling = scene.fair_micro(outcome) - MARGIN_MICRO // 2
    price = bid_price(ceiling, scene.books[outcome], scene.terms.tick_micro)
    return [Quote(outcome, "BUY", price, SIZE_MICRO)] if price is not None else []
