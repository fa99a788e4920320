"""What to trade, how much and when: ideas inside the snipe window, priced against the market's own fee schedule.

`decide(view, tick)` looks at one window. While every gate is open and the ideas agree to a bet (`ideas`), a token whose
fair value is above its ask by the fee and `min_edge_bp` is bought at once; one that is only worth `rest_edge_bp` more
than a bid is bid for, one bid at a time. What is bought is held to the resolution. A resting bid is taken back when
its reason is gone or the snipe window ends; an order that the venue has not answered for is left alone.

What always holds: the same view and tick give the same decision; a window never costs more than the stake; with
`tick.entries` not empty nothing new is wished for, cancels still are; `reasons` carries every number that was weighed
and, first, the verdict.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.messages import OUTCOMES, Decision, Intent, OrderView, Outcome, Tick
from shared.units import MICRO, show_micro
from worker import gates, patterns
from worker.candles import Candle
from worker.ideas import Evidence, Judgement, judge
from worker.intents import (
    bid_price,
    cancels,
    fee_per_share,
    rest,
    resting,
    shares,
    take,
    unsettled,
)
from worker.momentum import direction, measure, witnesses
from worker.overreaction import jump
from worker.parameters import Parameters
from worker.scene import Blind, Scene, look
from worker.sizing import budget
from worker.view import FAST_S, SLOW_S, View

Reasons = dict[str, int | str]

_LEFT_BEHIND: Final = 2
"""A bid more than so many ticks below the best has lost its place to others."""


class Case(msgspec.Struct, frozen=True):
    """Everything weighed at one tick. `edge_micro`: what the better token is worth above its ask, after the fee."""

    evidence: Evidence
    tick: Tick
    judgement: Judgement
    outcome: Outcome
    fair_micro: int
    ask_micro: int
    fee_micro: int

    @property
    def scene(self) -> Scene:
        """The window as it is."""
        return self.evidence.scene

    @property
    def parameters(self) -> Parameters:
        """The numbers in force."""
        return self.evidence.parameters

    @property
    def edge_micro(self) -> int:
        """What a share is worth above what it costs to take one."""
        return self.fair_micro - self.ask_micro - self.fee_micro

    @property
    def against(self) -> bool:
        """Whether a bid that rests follows a jump, or stands against the move with no idea to speak for it."""
        if self.judgement.refuser == "overreaction":
            return True
        heard = self.parameters.momentum != "off" and not self.judgement.backers
        return heard and direction(self.outcome) * self.evidence.momentum.score < 0


def decide(view: View, tick: Tick) -> Decision:
    """The decision of one tick; never raises for anything the stream can say."""
    if view.parameters.mode == "off":
        return _cancel_bids(tick, "mode is off", {})
    scene = look(view, tick)
    if isinstance(scene, Blind):
        return _hold(scene.why, {})
    evidence = _evidence(view, scene)
    reasons = _numbers(evidence)
    shut = _first_shut(evidence, reasons)
    if shut:
        return _cancel_bids(tick, shut, reasons)
    case = _best(evidence, tick)
    return _cancel_bids(tick, "no asks", reasons) if case is None else _weigh(case, reasons)


# --- the numbers and the gates --------------------------------------------------------------------------------------


def _evidence(view: View, scene: Scene) -> Evidence:
    """What the ideas look at; of the candles, what was computed when the last of them closed."""
    assert scene.technicals is not None, "a scene has as many candles as the technicals look at"
    leap, shapes = view.once(scene.asset, FAST_S, _jump), view.once(scene.asset, SLOW_S, patterns.read)
    return Evidence(scene, measure(scene.technicals), leap, shapes, view.parameters)


def _jump(candles: tuple[Candle, ...]) -> float:
    leap = jump([candle.close_micro for candle in candles])
    assert leap is not None, "a scene has as many candles as a jump looks at"
    return leap


def _numbers(evidence: Evidence) -> Reasons:
    scene, momentum, technicals = evidence.scene, evidence.momentum, evidence.scene.technicals
    assert technicals is not None
    return {
        "left_ms": round(scene.left_s * 1_000),
        "price_micro": scene.price_micro,
        "strike_micro": scene.strike_micro,
        **scene.odds(),
        "volatility_bp_e2": round(scene.volatility_bp * 100),
        "momentum_e3": round(momentum.score * 1_000),
        "change_bp_e2": round(momentum.change_percent * 10_000),
        "rsi_e2": round(momentum.strength * 100),
        "histogram_micro": round(technicals.histogram_micro),
        "range_micro": round(technicals.range_micro),
        "stretch_e3": round(technicals.stretch * 1_000),
        "jump_e3": round(evidence.jump * 1_000),
        "shapes": " ".join(f"{name}{way:+d}" for name, way in evidence.shapes.items()),
    }


def _first_shut(evidence: Evidence, reasons: Reasons) -> str:
    """Ask every gate in order and write each down; the first shut one's words, empty when all are open."""
    scene, parameters = evidence.scene, evidence.parameters
    asked = [
        gates.timing(scene.left_s, parameters.snipe_s(scene.minutes), parameters.last_s),
        gates.volatility(scene.volatility_bp, parameters.min_volatility_bp, parameters.max_volatility_bp),
    ]
    if parameters.overreaction == "guard":
        asked.append(gates.reaction(evidence.jump, parameters.max_jump))
    for gate in asked:
        reasons[f"gate_{gate.name}"] = gate.shut or "open"
    return next((gate.shut for gate in asked if gate.shut), "")


def _best(evidence: Evidence, tick: Tick) -> Case | None:
    """The case for the token with the larger edge; None where nobody sells either."""
    cases, scene = [], evidence.scene
    for outcome in OUTCOMES:
        ask, fair = scene.best_ask(outcome), scene.fair_micro(outcome)
        if ask is not None:
            fee, judgement = fee_per_share(ask, scene.terms), judge(evidence, outcome)
            cases.append(Case(evidence, tick, judgement, outcome, fair, ask, fee))
    return max(cases, key=lambda case: case.edge_micro, default=None)


# --- what to do about it --------------------------------------------------------------------------------------------


def _weigh(case: Case, reasons: Reasons) -> Decision:
    """Take back what lost its reason; enter where nothing speaks against it."""
    price = gates.price(case.ask_micro, case.parameters.min_price, case.parameters.max_price)
    reasons |= _of_the_bet(case) | {"gate_price": price.shut or "open"}
    bids = resting(case.tick.account, "BUY")
    gone = [order for order in bids if not _worth_keeping(case, order)]
    if gone:
        return _decision(f"cancel: {len(gone)} bids are not worth keeping", reasons, cancels(gone))
    refusal = price.shut or _not_now(case)
    if refusal:
        return _hold(refusal, reasons)
    if case.edge_micro >= case.parameters.min_edge_bp * 100:
        return _take(case, bids, reasons)
    return _hold("a bid rests", reasons) if bids else _rest(case, reasons)


def _of_the_bet(case: Case) -> Reasons:
    paid = case.scene.vwaps[case.outcome]
    return {
        "bet": case.outcome,
        "ask_micro": case.ask_micro,
        "fee_micro": case.fee_micro,
        "edge_bp": case.edge_micro // 100,
        "paid_micro": "no trades" if paid is None else paid,
        "witnesses": witnesses(case.scene.technicals, case.outcome),
        "backers": " ".join(case.judgement.backers),
    }


def _not_now(case: Case) -> str:
    """Why nothing may be opened now, whatever it is worth; empty when it may."""
    if case.judgement.refusal:
        return case.judgement.refusal
    if case.parameters.mode != "on":
        return f"mode is {case.parameters.mode}"
    if case.tick.entries:
        return f"entries are closed: {case.tick.entries}"
    return "the venue has not answered for an order" if unsettled(case.tick.account) else ""


def _take(case: Case, bids: list[OrderView], reasons: Reasons) -> Decision:
    if bids:
        return _decision("cancel: taking needs the stake that rests", reasons, cancels(bids))
    return _buy(case, case.ask_micro, case.fee_micro, reasons)


def _rest(case: Case, reasons: Reasons) -> Decision:
    ceiling_micro = case.fair_micro - round(case.parameters.rest_edge_bp * 100)
    price_micro = bid_price(ceiling_micro, case.scene.books[case.outcome], case.scene.terms.tick_micro)
    least_micro = max(case.scene.best_bid(case.outcome) or 0, round(case.parameters.min_price * MICRO))
    if price_micro is None or price_micro < least_micro:  # behind the best bid it would wait for a crash
        return _hold(f"edge {case.edge_micro // 100} bp < {case.parameters.min_edge_bp:.0f}, no bid to rest", reasons)
    return _buy(case, price_micro, None, reasons)


def _buy(case: Case, price_micro: int, fee_micro: int | None, reasons: Reasons) -> Decision:
    """Spend the budget at a price: at once when there is a fee to pay, resting when there is none."""
    taking, account = fee_micro is not None, case.tick.account
    budget_micro = budget(case.parameters, account, case.fair_micro, price_micro + (fee_micro or 0))
    reasons["budget_micro"] = budget_micro
    size = shares(budget_micro, price_micro, case.scene.terms, taking=taking)
    if not size:
        return _hold(f"{show_micro(budget_micro)} left buys nothing at {show_micro(price_micro)}", reasons)
    intent = (take if taking else rest)(case.outcome, "BUY", price_micro, size)
    return _decision("take" if taking else "rest", reasons, (intent,))


def _worth_keeping(case: Case, order: OrderView) -> bool:
    """Whether a bid still has its reason: the better token, enough edge, near the top of the book, no move against."""
    best_micro = case.scene.best_bid(order.outcome) or 0
    return (
        order.outcome == case.outcome
        and case.fair_micro - order.price_micro >= case.parameters.keep_edge_bp * 100
        and order.price_micro >= best_micro - _LEFT_BEHIND * case.scene.terms.tick_micro
        and not case.against
    )


# --- how it is said -------------------------------------------------------------------------------------------------


def _decision(verdict: str, reasons: Reasons, intents: tuple[Intent, ...]) -> Decision:
    return Decision(intents, {"verdict": verdict, **reasons})


def _hold(why: str, reasons: Reasons) -> Decision:
    return _decision(f"hold: {why}", reasons, ())


def _cancel_bids(tick: Tick, why: str, reasons: Reasons) -> Decision:
    """No reason to be in the book: take back every bid that rests; hold when none does."""
    bids = resting(tick.account, "BUY")
    return _decision(f"cancel: {why}", reasons, cancels(bids)) if bids else _hold(why, reasons)
