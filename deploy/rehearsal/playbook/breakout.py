"""Takes a few shares in the direction in which the price leaves its range, and rests a bid for the pullback.

A stand-in for `worker/strategy.py` in rehearsals: candle shapes, immediate orders, and decisions that follow the price
rather than the book. One more helping for every hundred seconds of the window; what is held is offered at a target, and
else kept to the resolution.
"""

from __future__ import annotations

from typing import Final

from shared.messages import Decision, Outcome, Tick
from shared.units import cost_of
from worker.intents import (
    Quote,
    bid_price,
    committed,
    cost_per_share,
    fee_per_share,
    held,
    offer_price,
    take,
    takeable,
    towards,
    unsettled,
)
from worker.patterns import breakout
from worker.scene import OUTCOMES, Blind, Scene, look
from worker.view import View

RANGE: Final = 8
"""Candles of five seconds whose highs and lows are the range."""
DEAR_MICRO: Final = 15_000
"""How far above fair value an ask is still taken: a breakout runs ahead of the model."""
PULLBACK_MICRO: Final = 25_000
TARGET_MICRO: Final = 120_000
"""How far above its cost what is held is offered."""
DRIFT_MICRO: Final = 30_000
SIZE_MICRO: Final = 5_000_000
HELPING_S: Final = 100
BUDGET_MICRO: Final = 14_000_000
LAST_S: Final = 8.0


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    scene = look(view, tick, candles=RANGE + 1)
    if isinstance(scene, Blind):
        return Decision((), {"verdict": f"hold: {scene.why}"})
    way = breakout(scene.fast, RANGE)
    trend: Outcome = "Up" if scene.closes[-1] >= scene.closes[-1 - RANGE] else "Down"
    reasons: dict[str, int | str] = {"left_ms": round(scene.left_s * 1_000), "breakout": way, "trend": trend}
    entries = view.parameters.mode == "on" and not tick.entries
    if way and entries and scene.left_s > LAST_S and _takes(scene, tick, "Up" if way > 0 else "Down"):
        outcome: Outcome = "Up" if way > 0 else "Down"
        ask = scene.books[outcome].asks[0].price_micro
        return Decision((take(outcome, "BUY", ask, SIZE_MICRO),), {"verdict": f"take {outcome}", **reasons})
    trading = view.parameters.mode != "off" and scene.left_s > LAST_S
    wanted = [*_targets(scene, tick), *_pullback(scene, tick, trend)] if trading else []
    intents = towards(wanted, tick.account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)
    return Decision(intents, {"verdict": "wait for the pullback" if intents else "hold: within the range", **reasons})


def _helping(scene: Scene) -> int:
    """How much of a token may be held by now, in millionths of a share."""
    gone_s = scene.minutes * 60 - scene.left_s
    return SIZE_MICRO * (1 + min(2, int(gone_s // HELPING_S)))


def _takes(scene: Scene, tick: Tick, outcome: Outcome) -> bool:
    ask = scene.best_ask(outcome)
    if ask is None or ask > scene.fair_micro(outcome) + DEAR_MICRO or not takeable(SIZE_MICRO, ask, scene.terms):
        return False
    if unsettled(tick.account):
        return False
    cost = cost_of(SIZE_MICRO, ask + fee_per_share(ask, scene.terms))
    fits = committed(tick.account) + cost <= BUDGET_MICRO
    return fits and held(tick.account, outcome) + SIZE_MICRO <= _helping(scene)


def _targets(scene: Scene, tick: Tick) -> list[Quote]:
    offers = []
    for outcome in OUTCOMES:
        floor = cost_per_share(tick.account, outcome) + TARGET_MICRO
        price = offer_price(floor, scene.books[outcome], scene.terms.tick_micro)
        if price is not None and held(tick.account, outcome) >= SIZE_MICRO:
            offers.append(Quote(outcome, "SELL", price, SIZE_MICRO))
    return offers


def _pullback(scene: Scene, tick: Tick, outcome: Outcome) -> list[Quote]:
    if held(tick.account, outcome) + SIZE_MICRO > _helping(scene) + SIZE_MICRO:
        return []
    price = bid_price(scene.fair_micro(outcome) - PULLBACK_MICRO, scene.books[outcome], scene.terms.tick_micro)
    return [Quote(outcome, "BUY", price, SIZE_MICRO)] if price is not None else []
