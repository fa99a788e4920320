"""Buys the favourite near the end of a window, while it is still worth more than it costs.

The worked example of `worker/README.md`, which takes it from this file to a trading release. It takes at most the
stake, once a window, and holds to the resolution; what rests when it takes over is a predecessor's and is taken back.
"""

from __future__ import annotations

from typing import Final

from shared.messages import OUTCOMES, Decision, Tick
from worker.intents import cancels, fee_per_share, shares, take, unsettled
from worker.scene import Blind, Scene, look
from worker.sizing import budget
from worker.view import View

LATE_S: Final = 45.0
FAVOURITE_MICRO: Final = 600_000
"""What a token must be worth to be one."""
EDGE_MICRO: Final = 10_000
"""What it must be worth above its ask and the fee."""
Reasons = dict[str, int | str]


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    if gone := cancels(tick.account.orders):
        return Decision(gone, {"verdict": "cancel: it is not ours to wait for"})
    scene = look(view, tick)
    if isinstance(scene, Blind):
        return Decision((), {"verdict": f"hold: {scene.why}"})
    return _weigh(view, tick, scene)


def _weigh(view: View, tick: Tick, scene: Scene) -> Decision:
    favourite = max(OUTCOMES, key=scene.fair_micro)
    fair, ask = scene.fair_micro(favourite), scene.best_ask(favourite)
    reasons: Reasons = {"left_ms": round(scene.left_s * 1_000), "favourite": favourite, **scene.odds()}
    if ask is None:
        return Decision((), {"verdict": "hold: nobody sells it", **reasons})
    cost = ask + fee_per_share(ask, scene.terms)
    reasons |= {"ask_micro": ask, "edge_micro": fair - cost}
    size = shares(budget(view.parameters, tick.account, fair, cost), ask, scene.terms, taking=True)
    why = _not_now(view, tick, scene, fair, fair - cost) or ("" if size else "the stake is spent")
    if why:
        return Decision((), {"verdict": f"hold: {why}", **reasons})
    return Decision((take(favourite, "BUY", ask, size),), {"verdict": "take", **reasons})


def _not_now(view: View, tick: Tick, scene: Scene, fair: int, edge: int) -> str:
    """The first thing that speaks against it; empty when nothing does."""
    asked = {
        f"mode is {view.parameters.mode}": view.parameters.mode != "on",
        f"entries are closed: {tick.entries}": bool(tick.entries),
        "an order is not answered yet": unsettled(tick.account),
        "it is early": scene.left_s > LATE_S,
        "no favourite": fair < FAVOURITE_MICRO,
        f"edge {edge} < {EDGE_MICRO}": edge < EDGE_MICRO,
    }
    return next((why for why, speaks_against in asked.items() if speaks_against), "")
