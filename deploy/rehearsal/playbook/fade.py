"""Bets against the last move: when the price is stretched, it bids for the token that the move has made cheap.

A stand-in for `worker/strategy.py` in rehearsals: a contrarian, on the other side of whoever follows momentum. A bid
follows the stretch from token to token, so orders come and go often; what is bought is held to the resolution.
"""

from __future__ import annotations

from typing import Final

from shared.messages import Decision, Outcome, Tick
from worker.indicators import zscore
from worker.intents import Quote, bid_price, held, on_grid, towards
from worker.scene import Blind, Scene, look
from worker.view import View

CANDLES: Final = 12
STRETCHED: Final = 0.6
"""Standard deviations from the mean of the last minute beyond which a move is too far."""
OVERPAID_MICRO: Final = 10_000
"""How far above the model's value a bid may go: the model does not know that the move will be given back."""
SECOND_MICRO: Final = 40_000
DRIFT_MICRO: Final = 30_000
SIZE_MICRO: Final = 5_000_000
HELD_MAX_MICRO: Final = 10_000_000
BUDGET_MICRO: Final = 12_000_000
LAST_S: Final = 20.0


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    scene = look(view, tick, candles=CANDLES)
    if isinstance(scene, Blind):
        return Decision((), {"verdict": f"hold: {scene.why}"})
    stretch = zscore(scene.closes[-CANDLES:]) or 0.0
    against: Outcome = "Down" if stretch > 0 else "Up"
    trading = view.parameters.mode != "off" and scene.left_s > LAST_S
    wanted = _bids(scene, tick, against, stretched=abs(stretch) > STRETCHED) if trading else []
    entries = view.parameters.mode == "on" and not tick.entries
    intents = towards(wanted, tick.account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)
    reasons: dict[str, int | str] = {
        "verdict": f"fade into {against}" if intents else "hold: the bids are where they should be",
        "left_ms": round(scene.left_s * 1_000),
        "stretch_e3": round(stretch * 1_000),
        "fair_up_bp": round(scene.fair_up * 10_000),
    }
    return Decision(intents, reasons)


def _bids(scene: Scene, tick: Tick, outcome: Outcome, *, stretched: bool) -> list[Quote]:
    """One near bid while the price is stretched, and one far below that waits for more of it."""
    tick_micro = scene.terms.tick_micro
    if held(tick.account, outcome) + SIZE_MICRO > HELD_MAX_MICRO:
        return []
    near = bid_price(scene.fair_micro(outcome) + OVERPAID_MICRO, scene.books[outcome], tick_micro)
    far = on_grid(near - SECOND_MICRO, tick_micro) if near is not None else None
    prices = [near, far] if stretched else [far]
    return [Quote(outcome, "BUY", price, SIZE_MICRO) for price in prices if price is not None]
