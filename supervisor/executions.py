"""What the venue says of our orders, and what it means for them: answers, reports, trades, look-ups, its lists.

Each word is written down, then counted. Leaves to `dispatch` what leaves by it, to `lookups` and `catching_up` what is
asked for. What always holds: that the venue knows nothing of an order proves nothing until the horizon is past; a fill
is counted once for each (trade, order), whatever we believed of the order; an order is over only when all it traded is
known.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Literal

from shared import entries as e
from shared import messages as m
from shared.units import taker_fee
from supervisor.accounts import FINAL
from supervisor.board import Board
from supervisor.dispatch import Dispatch
from supervisor.effects import AskStanding, Moment
from supervisor.lookups import Lookups
from supervisor.orders import Order
from supervisor.venue.requests import Answer, VenueOrder
from supervisor.venue.user import OrderReport, TradeLeg


class Executions:
    """Holds nothing of its own: what is known of an order is in the accounts."""

    def __init__(self, board: Board, lookups: Lookups, dispatch: Dispatch) -> None:
        self.board, self.lookups, self.dispatch = board, lookups, dispatch

    def begin(self) -> None:
        """After a restart: an order without an answer may exist, one that rested may have filled. Ask about both."""
        for order in self.board.accounts.open_orders():
            if order.state == "pending":
                gone = "the supervisor ended before the answer came"
                self.board.write(e.Answered(order.order_id, "place", "unknown", gone, 0))
            self.lookups.owe(order.order_id)
            self.lookups.ask(order.order_id)
        for slot in self.board.lane_of:
            self.dispatch.refresh(slot)

    # --- answers ---

    def on_answer(self, now: Moment, order_id: str, answer: Answer, took_us: int) -> None:
        """The venue answered an order, or did not."""
        self.board.now(now)
        if order_id not in self.board.accounts.orders:
            return
        if answer.verdict == "accepted":
            self.board.lifelines.owe(self.board.mono_ns, self.board.mono_ns - took_us * 1_000)
        said = answer.reason or answer.status
        if answer.away or answer.verdict == "accepted":
            self.board.venue_says(answer.away)
        if answer.barred:
            self.board.effects.append(AskStanding())
        self.dispatch.orders_pace.hear(answer, self.board.mono_ns)
        request: Literal["place", "unsent"] = "unsent" if answer.verdict == "unsent" else "place"
        self.board.write(e.Answered(order_id, request, _state_by(answer), said, took_us, answer.trades))
        if answer.verdict in {"rejected", "unsent"}:
            self.board.count(f"orders_{answer.verdict}")
        self.dispatch.moved(order_id)

    def on_cancel_answer(self, now: Moment, order_id: str, answer: Answer, took_us: int) -> None:
        """The venue answered a cancel, or did not."""
        self.on_cancel_answers(now, {order_id: answer}, took_us)

    def on_cancel_answers(self, now: Moment, answers: Mapping[str, Answer], took_us: int) -> None:
        """The venue answered some cancels, or did not; what became of each order it is asked about, whatever it said.

        That an order is cancelled says nothing of what it traded before: it is closed when that is known.
        """
        self.board.now(now)
        for order_id, answer in answers.items():
            if not self.dispatch.put_off(order_id, answer):
                self._cancel_ended(order_id, answer, took_us)
        self.dispatch.replace()

    def _cancel_ended(self, order_id: str, answer: Answer, took_us: int) -> None:
        self.board.write(e.Answered(order_id, "cancel", "", answer.reason or "canceled", took_us))
        order = self.board.accounts.orders.get(order_id)
        if answer.verdict != "accepted" or order is None or order.state == "closed":
            self.dispatch.cancel_over(order_id)
        if order is not None and order.state != "closed":
            self.lookups.owe(order_id)
            self.lookups.ask(order_id)
        self.dispatch.moved(order_id)

    # --- reports and trades ---

    def on_report(self, now: Moment, report: OrderReport) -> None:
        """The user channel told of an order."""
        self.board.now(now)
        order = self.board.accounts.orders.get(report.order_id)
        if order is None:
            self._not_tracked(report.order_id, "orders")
            return
        matched = report.matched_micro or 0
        self.board.write(e.OrderReported(report.order_id, report.state, matched, report.reason))
        if self.board.accounts.orders[report.order_id].state != order.state:
            self.dispatch.moved(report.order_id)
        elif report.state == "closed" and order.state != "closed":  # it has traded more than we were told
            self.lookups.owe(report.order_id)
            self.lookups.ask(report.order_id)

    def on_leg(self, now: Moment, leg: TradeLeg) -> None:
        """A trade of ours, new or settled further; words that come late or twice are no news."""
        self.board.now(now)
        order = self.board.accounts.orders.get(leg.order_id)
        if order is None:
            self._not_tracked(leg.order_id, "trades")
            return
        known = self.board.accounts.fills.get((leg.trade_id, leg.order_id))
        if known is None:
            self.board.write(self._fill(order, leg))
        elif leg.status not in {"MATCHED", known.status} and known.status not in FINAL:
            self.board.write(e.FillStatus(leg.trade_id, leg.order_id, leg.status))
        else:
            return
        self._publish_fill(leg)
        self.dispatch.moved(leg.order_id)

    def _not_tracked(self, order_id: str, what: str) -> None:
        """Count a word about an order that is not followed: one of ours that is over, or somebody else's."""
        whose = "late" if order_id in self.board.accounts.forgotten else "foreign"
        self.board.count(f"{whose}_{what}")

    def _fill(self, order: Order, leg: TradeLeg) -> e.Fill:
        opened = self.board.accounts.windows.get((order.slot, order.start_s))
        fee = 0
        if not leg.maker and opened is not None:
            terms = opened.terms
            fee = taker_fee(leg.size_micro, leg.price_micro, terms.fee_rate_micro, terms.fee_exponent)
        return e.Fill(
            trade_id=leg.trade_id,
            order_id=leg.order_id,
            slot=order.slot,
            start_s=order.start_s,
            outcome=order.outcome,
            side=order.side,
            price_micro=leg.price_micro,
            size_micro=leg.size_micro,
            fee_micro=fee,
            maker=leg.maker,
            status=leg.status,
            by=order.by,
        )

    def _publish_fill(self, leg: TradeLeg) -> None:
        fill = self.board.accounts.fills[leg.trade_id, leg.order_id]
        self.board.publish(
            m.Filled(
                trade_id=fill.trade_id,
                order_id=fill.order_id,
                slot=fill.slot,
                start_s=fill.start_s,
                outcome=fill.outcome,
                side=fill.side,
                price_micro=fill.price_micro,
                size_micro=fill.size_micro,
                fee_micro=fill.fee_micro,
                status=fill.status,
            )
        )

    # --- what it says when it is asked ---

    def on_lookup(self, now: Moment, order_id: str, found: VenueOrder | None, legs: list[TradeLeg]) -> None:
        """The venue said what it has of an order, None for nothing, and of its trades."""
        self.board.now(now)
        for leg in legs:
            if leg.order_id == order_id:
                self.on_leg(now, leg)
        order = self.board.accounts.orders.get(order_id)
        if order is None or order.state == "closed":
            return
        state = self._looked_up(order, found)
        if not state:
            self.lookups.doubt(order_id)
            return
        self.lookups.found(order_id)
        if state != order.state:
            said = "the venue never knew it" if found is None else f"found, {state}"
            self.board.write(e.Answered(order_id, "lookup", state, said, 0))
        self.dispatch.moved(order_id)
        self.dispatch.replace()

    def on_lists(self, now: Moment, legs: Iterable[TradeLeg], resting: Container[str]) -> None:
        """The venue's lists of our trades and of the orders that rest: count what is new, follow up what is missing.

        An order that is being sent cannot rest yet; any other of ours that neither rests nor is closed is asked about.
        """
        for leg in legs:
            self.on_leg(now, leg)
        for order in self.board.accounts.open_orders():
            if order.order_id not in resting and order.state != "pending":
                self.lookups.ask(order.order_id)

    def _looked_up(self, order: Order, found: VenueOrder | None) -> str:
        """The state that a look-up shows; empty while it shows none, or while trades of the order are missing."""
        if found is not None and found.open:
            self.dispatch.cancel_over(order.order_id)
            return "open"
        if found is not None:
            return "closed" if self.board.accounts.told(order) >= found.matched_micro else ""
        gone = self.lookups.waited_s(order.order_id) > self.board.settings.venue.unknown_horizon_s
        return "closed" if gone else ""


def _state_by(answer: Answer) -> str:
    """The state an answer puts an order in; one in the taker delay stays pending until it is reported."""
    if answer.verdict != "accepted":
        return "unknown" if answer.verdict == "unknown" else "closed"
    return {"delayed": "", "matched": "matched"}.get(answer.status, "open")
