"""Takes a little of the favourite late, and all through the window rests a cheap bid for the underdog.

A stand-in for `worker/strategy.py` in rehearsals: it trades at the ends of the price range, where the grid refines and
rounding goes wrong first. Everything is held to the resolution.
"""

from __future__ import annotations

from typing import Final

from shared.messages import Decision, Outcome, Tick
from shared.units import cost_of
from worker.intents import Quote, bid_price, committed, fee_per_share, held, take, takeable, towards, unsettled
from worker.scene import Blind, Scene, look, other
from worker.view import View

CANDLES: Final = 6
LATE_S: Final = 120.0
SURE_MICRO: Final = 600_000
"""A token that is worth more than this is the favourite, and worth taking."""
DEAR_MICRO: Final = 10_000
CHEAP_PART: Final = 2
"""The underdog is bid for at its value divided by this."""
DRIFT_MICRO: Final = 40_000
SIZE_MICRO: Final = 5_000_000
BUDGET_MICRO: Final = 12_000_000
LAST_S: Final = 6.0


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick."""
    scene = look(view, tick, candles=CANDLES)
    if isinstance(scene, Blind):
        return Decision((), {"verdict": f"hold: {scene.why}"})
    favourite: Outcome = "Up" if scene.fair_up >= 0.5 else "Down"
    reasons: dict[str, int | str] = {
        "left_ms": round(scene.left_s * 1_000),
        "favourite": favourite,
        "fair_micro": scene.fair_micro(favourite),
    }
    entries = view.parameters.mode == "on" and not tick.entries
    ask = _late_ask(scene, tick, favourite) if entries else None
    if ask is not None:
        return Decision((take(favourite, "BUY", ask, SIZE_MICRO),), {"verdict": f"take {favourite}", **reasons})
    trading = view.parameters.mode != "off" and scene.left_s > LAST_S
    wanted = _cheap(scene, tick, other(favourite)) if trading else []
    intents = towards(wanted, tick.account, drift_micro=DRIFT_MICRO, budget_micro=BUDGET_MICRO, entries=entries)
    return Decision(intents, {"verdict": "bid low" if intents else "hold: nothing to change", **reasons})


def _late_ask(scene: Scene, tick: Tick, favourite: Outcome) -> int | None:
    """The favourite's ask when it is to be taken now: once a window, late, and not much above its value."""
    ask, fair = scene.best_ask(favourite), scene.fair_micro(favourite)
    if ask is None or not LAST_S < scene.left_s <= LATE_S or fair < SURE_MICRO or ask > fair + DEAR_MICRO:
        return None
    if not takeable(SIZE_MICRO, ask, scene.terms):
        return None
    cost = cost_of(SIZE_MICRO, ask + fee_per_share(ask, scene.terms))
    fits = committed(tick.account) + cost <= BUDGET_MICRO
    return ask if fits and not held(tick.account, favourite) and not unsettled(tick.account) else None


def _cheap(scene: Scene, tick: Tick, underdog: Outcome) -> list[Quote]:
    if held(tick.account, underdog) >= 2 * SIZE_MICRO:
        return []
    price = bid_price(scene.fair_micro(underdog) // CHEAP_PART, scene.books[underdog], scene.terms.tick_micro)
    return [Quote(underdog, "BUY", price, SIZE_MICRO)] if price is not None else []
