"""Rests a bid on each token below fair value from early in the window, and an offer above it for what it has bought.

A stand-in for `worker/strategy.py` in rehearsals: what a patient liquidity provider does. It re-quotes rarely, never
holds more than ten shares of a token, and takes its orders back late.
"""

from __future__ import annotations

from typing import Final

from shared.messages import OUTCOMES, Decision, Outcome, Tick
from worker.intents import Quote, bid_price, held, offer_price, towards
from worker.scene import Blind, Scene, look
from worker.view import View

CANDLES: Final = 6
AWAY_MICRO: Final = 20_000
"""How far below fair value a bid rests, and above it an offer."""
DRIFT_MICRO: Final = 30_000
"""A bid this near to where it should be keeps its place in the queue."""
SIZE_MICRO: Final = 5_000_000
HELD_MAX_MICRO: Final = 10_000_000
BUDGET_MICRO: Final = 12_000_000
LAST_S: Final = 15.0


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    scene = look(view, tick, candles=CANDLES)
    if isinstance(scene, Blind):
        return Decision((), {"verdict": f"hold: {scene.why}"})
    trading = view.parameters.mode != "off" and scene.left_s > LAST_S
    wanted = [quote for outcome in OUTCOMES for quote in _quotes(scene, tick, outcome)] if trading else []
    entries = view.parameters.mode == "on" and not tick.entries
    intents = towards(wanted, tick.account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)
    reasons: dict[str, int | str] = {
        "verdict": "quote" if intents else "hold: the quotes are where they should be",
        "left_ms": round(scene.left_s * 1_000),
        "fair_up_bp": round(scene.fair_up * 10_000),
        "wanted": len(wanted),
    }
    return Decision(intents, reasons)


def _quotes(scene: Scene, tick: Tick, outcome: Outcome) -> list[Quote]:
    fair, book, tick_micro = scene.fair_micro(outcome), scene.books[outcome], scene.terms.tick_micro
    has, quotes = held(tick.account, outcome), list[Quote]()
    bid, offer = bid_price(fair - AWAY_MICRO, book, tick_micro), offer_price(fair + AWAY_MICRO, book, tick_micro)
    if bid is not None and has + SIZE_MICRO <= HELD_MAX_MICRO:
        quotes.append(Quote(outcome, "BUY", bid, SIZE_MICRO))
    if offer is not None and has >= SIZE_MICRO:
        quotes.append(Quote(outcome, "SELL", offer, SIZE_MICRO))
    return quotes
