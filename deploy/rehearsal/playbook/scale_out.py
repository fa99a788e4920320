"""Buys one token early in the window and rests offers for it above its cost: out in two parts, at two profits.

A stand-in for `worker/strategy.py` in rehearsals: positions that are closed before the resolution, and SELL orders,
which stay allowed when entries are closed. What finds no buyer is held to the resolution.
"""

from __future__ import annotations

from typing import Final

from shared.messages import OUTCOMES, Account, Decision, Outcome, Tick
from worker.intents import Quote, bid_price, cost_per_share, held, offer_price, towards
from worker.scene import Blind, Scene, look
from worker.view import View

CANDLES: Final = 6
BELOW_MICRO: Final = 5_000
PROFITS_MICRO: Final = (20_000, 50_000)
"""How far above cost the two parts are offered."""
DRIFT_MICRO: Final = 20_000
SIZE_MICRO: Final = 5_000_000
PARTS: Final = 2
BUDGET_MICRO: Final = 13_000_000
LAST_S: Final = 12.0
LATE_PART: Final = 0.1
"""Bids rest while more than this part of the window is left."""


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    scene = look(view, tick, candles=CANDLES)
    if isinstance(scene, Blind):
        return Decision((), {"verdict": f"hold: {scene.why}"})
    trading = view.parameters.mode != "off" and scene.left_s > LAST_S
    early = scene.left_s > scene.minutes * 60 * LATE_PART
    offers = [offer for outcome in OUTCOMES for offer in _offers(scene, tick.account, outcome)] if trading else []
    bids = _bids(scene, tick.account) if trading and early else []
    entries = view.parameters.mode == "on" and not tick.entries
    wanted = [*offers, *bids]
    intents = towards(wanted, tick.account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)
    reasons: dict[str, int | str] = {
        "verdict": "scale" if intents else "hold: nothing to change",
        "left_ms": round(scene.left_s * 1_000),
        "fair_up_bp": round(scene.fair_up * 10_000),
        "offers": len(offers),
        "bids": len(bids),
    }
    return Decision(intents, reasons)


def _bids(scene: Scene, account: Account) -> list[Quote]:
    """For the token that is worth more, until both parts are held."""
    outcome: Outcome = "Up" if scene.fair_up >= 0.5 else "Down"
    if held(account, outcome) > SIZE_MICRO * (PARTS - 1):
        return []
    price = bid_price(scene.fair_micro(outcome) - BELOW_MICRO, scene.books[outcome], scene.terms.tick_micro)
    return [Quote(outcome, "BUY", price, SIZE_MICRO)] if price is not None else []


def _offers(scene: Scene, account: Account, outcome: Outcome) -> list[Quote]:
    """A part of what is held for each profit; a rest too small for the venue is held."""
    parts = min(PARTS, held(account, outcome) // SIZE_MICRO)
    prices = [
        offer_price(cost_per_share(account, outcome) + profit, scene.books[outcome], scene.terms.tick_micro)
        for profit in PROFITS_MICRO[:parts]
    ]
    return [Quote(outcome, "SELL", price, SIZE_MICRO) for price in prices if price is not None]
