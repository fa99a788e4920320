"""Rests three bids below one another on each token: small falls fill the top rung, large ones all of them.

A stand-in for `worker/strategy.py` in rehearsals: many orders open at once, each with its own place in a queue. What it
has bought is offered dear, one rung for each token, and else held to the resolution.
"""

from __future__ import annotations

from typing import Final

from shared.messages import OUTCOMES, Decision, Outcome, Tick
from worker.intents import ORDERS_MAX, Quote, bid_price, cost_per_share, held, offer_price, on_grid, towards
from worker.scene import Blind, Scene, look
from worker.view import View

CANDLES: Final = 6
RUNGS: Final = 3
TOP_MICRO: Final = 15_000
"""How far below fair value the top rung rests."""
STEP_MICRO: Final = 30_000
OUT_MICRO: Final = 100_000
"""How far above its cost a rung is offered."""
DRIFT_MICRO: Final = 20_000
SIZE_MICRO: Final = 5_000_000
HELD_MAX_MICRO: Final = 15_000_000
BUDGET_MICRO: Final = 15_000_000
LAST_S: Final = 10.0


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    scene = look(view, tick, candles=CANDLES)
    if isinstance(scene, Blind):
        return Decision((), {"verdict": f"hold: {scene.why}"})
    trading = view.parameters.mode != "off" and scene.left_s > LAST_S
    wanted = _rungs(scene, tick)[:ORDERS_MAX] if trading else []
    entries = view.parameters.mode == "on" and not tick.entries
    intents = towards(wanted, tick.account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)
    reasons: dict[str, int | str] = {
        "verdict": "climb" if intents else "hold: every rung is in place",
        "left_ms": round(scene.left_s * 1_000),
        "fair_up_bp": round(scene.fair_up * 10_000),
        "rungs": len(wanted),
    }
    return Decision(intents, reasons)


def _rungs(scene: Scene, tick: Tick) -> list[Quote]:
    """The way out first: it must not be crowded out by the ways in."""
    outs = [out for outcome in OUTCOMES for out in _out(scene, tick, outcome)]
    rungs = [rung for outcome in OUTCOMES for rung in _ladder(scene, tick, outcome)]
    return [*outs, *sorted(rungs, key=lambda rung: -rung.price_micro)]


def _out(scene: Scene, tick: Tick, outcome: Outcome) -> list[Quote]:
    if held(tick.account, outcome) < SIZE_MICRO:
        return []
    floor = cost_per_share(tick.account, outcome) + OUT_MICRO
    price = offer_price(floor, scene.books[outcome], scene.terms.tick_micro)
    return [Quote(outcome, "SELL", price, SIZE_MICRO)] if price is not None else []


def _ladder(scene: Scene, tick: Tick, outcome: Outcome) -> list[Quote]:
    """As many rungs as there is room for what they may still buy."""
    tick_micro, room = scene.terms.tick_micro, (HELD_MAX_MICRO - held(tick.account, outcome)) // SIZE_MICRO
    top = bid_price(scene.fair_micro(outcome) - TOP_MICRO, scene.books[outcome], tick_micro)
    prices = [on_grid(top - rung * STEP_MICRO, tick_micro) for rung in range(min(RUNGS, room))] if top else []
    return [Quote(outcome, "BUY", price, SIZE_MICRO) for price in prices if price is not None]
