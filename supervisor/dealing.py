"""Our orders once they left: answers, reports, fills, look-ups. Each word of the venue is written down, then counted.

An order that owes us a word is asked about, never sent again. That the venue knows nothing of an order proves nothing
until the horizon is past; a fill is counted once for each (trade, order), whatever we believed of the order. An order
that replaces others leaves when all of them are cancelled, or never: the two cannot both fill.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.exposure import same_way
from shared.risk import Denied
from shared.units import taker_fee
from supervisor.accounts import FINAL
from supervisor.board import Board
from supervisor.effects import AskStanding, Batch, CatchUp, Effect, LookUp, Moment, Submit, Withdraw
from supervisor.orders import Order
from supervisor.pacing import CANCELS, ORDERS, pace
from supervisor.turns import Turns
from supervisor.venue.requests import BATCH_MAX, CANCELS_MAX, Answer, VenueOrder
from supervisor.venue.user import OrderReport, TradeLeg

LOOKUP_S: Final = 2.0
"""Real seconds an order may leave us without the word it owes before the venue is asked about it, and asked again."""
RECHECK_S: Final = 5.0
"""Real seconds between two looks at the venue's own lists while anything of ours there may change untold."""
REASON_MAX: Final = 200
"""Characters of an order's reason that the stream carries."""
QUEUED_MAX: Final = 256
"""Cancels that may wait for their turn; there are never more than orders that rest."""
REPLACE_S: Final = 5.0
"""Real seconds a replacement may wait for the cancels before it: what it was decided on is old then."""
SETTLING_S: Final = 300
"""A trade matched this long before, market seconds, may still have been waiting for its settlement."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """An order that waits for the end of others. `replaces`: each of them with what was filled of it by then."""

    submit: Submit
    replaces: Mapping[str, int]
    since_ns: int


class Dealing:
    """Orders in the venue's hands. `cancelling`: those with a cancel in flight, or waiting for its turn.

    `orders_pace`, `cancels_pace`: how fast the venue may be asked for either.

    Since `_unheard_ns` the user channel was not listened to, or not yet asked after; 0 when it was all along. What
    nobody heard is known up to `_known_ns`. Both are market time, what is about patience is monotonic.
    """

    def __init__(self, board: Board, turns: Turns) -> None:
        self.board, self.turns = board, turns
        self.cancelling: set[str] = set()
        venue, speed = board.settings.venue, board.settings.clock.speed if board.settings.clock is not None else 1.0
        self.orders_pace = pace(venue.orders_per_s, venue.orders_burst, speed, ORDERS)
        self.cancels_pace = pace(venue.cancels_per_s, venue.cancels_burst, speed, CANCELS)
        self._queued: deque[str] = deque()
        self._replacements: list[Replacement] = []
        self._there = False
        self._unheard_ns = 0
        self._missed_ns = -1
        self._asked_ns = 0
        self._known_ns = 0
        self._checked_ns = 0
        self._checking = 0
        self._since_ns: dict[str, int] = {}
        self._looked_up_ns: dict[str, int] = {}
        self._not_found: set[str] = set()

    def begin(self, unheard_ns: int) -> None:
        """After a restart: an order without an answer may exist, one that rested may have filled. Ask about both.

        Args: unheard_ns: market time since when nobody listened to the user channel, as far as the journal shows it.
        The reign before may not have listened either: an order we still know may have traded since its window began.
        """
        self.orders_pace.begin(self.board.mono_ns)
        self.cancels_pace.begin(self.board.mono_ns)
        begun_ns = [order.start_s * NS for order in self.board.accounts.orders.values()]
        self._unheard_ns = min([unheard_ns, *begun_ns])
        self._catch_up()
        for order in self.board.accounts.open_orders():
            if order.state == "pending":
                gone = "the supervisor ended before the answer came"
                self.board.write(e.Answered(order.order_id, "place", "unknown", gone, 0))
            self._since_ns[order.order_id] = self.board.mono_ns
            self.board.effects.append(LookUp(order.order_id))
        for name in self.turns.slots:
            self.turns.refresh(name, self.cancelling)

    def on_channel(self, *, there: bool) -> None:
        """The user channel is there, or is not: what it would have told in between is asked for, it repeats nothing."""
        self._there = there
        self._unheard_ns = self._unheard_ns or self.board.at_ns
        if there:
            self._catch_up()

    def missed(self) -> None:
        """The user channel told something that could not be read: what it was is asked for with the next look."""
        self._missed_ns = self.board.at_ns
        self._unheard_ns = self._unheard_ns or self.board.at_ns

    def knows(self, at_ns: int) -> bool:
        """Whether every trade of ours up to a market time was told: we listened without a gap, or have asked since."""
        return not self._unheard_ns or self._known_ns >= at_ns

    def _catch_up(self) -> None:
        self._checking, self._checked_ns = self._checking + 1, self.board.mono_ns
        self._asked_ns = self.board.at_ns
        since_ns = self._unheard_ns or self.board.at_ns
        self.board.effects.append(CatchUp(since_ns // NS - SETTLING_S))

    def recheck(self) -> None:
        """Ask for what the user channel should have told: a socket can stay open, answer pings, and say nothing."""
        if self._checking or self.board.since_s(self._checked_ns) <= RECHECK_S:
            return
        accounts = self.board.accounts
        if any(accounts.unsettled_fills()) or accounts.open_orders() or self._unheard_ns:
            self._catch_up()

    def on_caught_up(self, now: Moment, legs: list[TradeLeg], resting: set[str]) -> None:
        """Our trades, and the orders that rest; one of ours that neither rests nor is closed is asked about."""
        self._checking = max(0, self._checking - 1)
        if not self._checking:  # the newest question as well has its answer
            self._known_ns = self._asked_ns
            heard = self._there and self._missed_ns < self._asked_ns
            self._unheard_ns = 0 if heard else self._unheard_ns
        self.take_in(now, legs, resting)

    def take_in(self, now: Moment, legs: Iterable[TradeLeg], resting: Container[str]) -> None:
        """The venue's lists of our trades and of the orders that rest: count what is new, follow up what is missing."""
        for leg in legs:
            self.on_leg(now, leg)
        for order in self.board.accounts.open_orders():
            if order.order_id not in resting and order.state != "pending":
                self.board.effects.append(LookUp(order.order_id))

    def sent(self, order_id: str) -> None:
        """An order is on its way; its answer is owed from now on."""
        self._since_ns[order_id] = self.board.mono_ns

    # --- what leaves, and when ---

    def send(self, requests: Sequence[Submit | Withdraw]) -> list[Effect]:
        """What of a decision's requests may leave at once, cancels first; the rest waits for its turn.

        An order that follows cancels in the decision replaces what they cancel on its side of the market, and leaves
        when all of that is gone.
        """
        cancels, orders = list[str](), list[Submit]()
        for request in requests:
            if isinstance(request, Withdraw):
                cancels.append(request.order_id)
            elif replaced := self._replaced(request.order_id, cancels):
                self._replacements.append(Replacement(request, replaced, self.board.mono_ns))
            else:
                self.sent(request.order_id)
                orders.append(request)
        return [*self._withdraw(cancels), *_together(orders, BATCH_MAX)]

    def _replaced(self, order_id: str, cancels: Iterable[str]) -> dict[str, int]:
        """What an order replaces of what is cancelled before it, each with how far it is filled."""
        orders = self.board.accounts.orders
        return {each: orders[each].filled_micro for each in cancels if same_way(orders[each], orders[order_id])}

    def _withdraw(self, order_ids: Iterable[str]) -> list[Effect]:
        """Cancels in turn, as many as the venue takes now."""
        self._queued.extend(order_ids)
        room = min(len(self._queued), self.cancels_pace.room(self.board.mono_ns))
        self.cancels_pace.bucket.take(room, self.board.mono_ns)
        return _together([Withdraw(self._queued.popleft()) for _ in range(room)], CANCELS_MAX)

    def release(self) -> None:
        """Send what may leave by now: cancels in their turn, replacements of what is gone; drop what is too old."""
        if self._queued:
            self._queued = deque(order_id for order_id in self._queued if self._may_be_open(order_id))
            self._leave(self._withdraw(()))
        self._let_go()

    def _leave(self, requests: list[Effect]) -> None:
        """Let requests of before leave once all that was written is on the disk; their own entries may not be, yet."""
        if requests:
            self.board.write_first((), requests)

    def _may_be_open(self, order_id: str) -> bool:
        order = self.board.accounts.orders.get(order_id)
        if order is None or order.state == "closed":
            self.cancelling.discard(order_id)
            return False
        return True

    def why_no_cancel(self) -> Denied | None:
        """Why no cancel may be wished for now: the venue takes none at all, or too many wait for their turn."""
        refusal, now_ns = self.cancels_pace.refusal, self.board.mono_ns
        if refusal.holds(now_ns) and refusal.mode != "too_many":
            return Denied("venue_away", refusal.words(now_ns))
        return Denied("venue_rate", f"{QUEUED_MAX} cancels wait for their turn") if self._full() else None

    @property
    def cancels_waiting(self) -> int:
        """How many cancels wait for their turn."""
        return len(self._queued)

    def _full(self) -> bool:
        return len(self._queued) >= QUEUED_MAX

    def _let_go(self) -> None:
        """Send the replacements whose every cancel is through, and drop those that have one that is not."""
        ready = list[Submit]()
        for waiting in list(self._replacements):
            why_not = self._why_not(waiting)
            if why_not:
                self._drop(waiting, why_not)
            elif all(order_id not in self.cancelling for order_id in waiting.replaces):
                self._replacements.remove(waiting)
                self.sent(waiting.submit.order_id)
                ready.append(waiting.submit)
        self._leave(_together(ready, BATCH_MAX))

    def _why_not(self, waiting: Replacement) -> str:
        """Why a replacement may not leave any more: something it replaces is not gone by its cancel, or has traded."""
        accounts = self.board.accounts
        order = accounts.orders.get(waiting.submit.order_id)
        if order is None or order.state != "pending":
            return "it was closed meanwhile"
        if self.board.since_s(waiting.since_ns) > REPLACE_S:
            return "what it replaces was not cancelled in time"
        for order_id, filled_micro in waiting.replaces.items():
            replaced = accounts.orders.get(order_id)
            if replaced is not None and replaced.filled_micro != filled_micro:
                return f"order {order_id[:10]} traded meanwhile"
            if order_id not in self.cancelling and replaced is not None and replaced.state != "closed":
                return f"order {order_id[:10]} was not cancelled"
        lane = self.board.lane_of[order.slot]
        window = self.board.lanes.window(lane)
        if window is None or window.start_s != order.start_s or self.board.at_ns >= window.end_s * NS:
            return "the window closed meanwhile"
        closed = self.board.halted(order.slot) or (self.board.entries_closed(lane) if order.side == "BUY" else "")
        return f"entries are closed: {closed}" if closed else ""

    def _drop(self, waiting: Replacement, why: str) -> None:
        """A replacement never leaves: it exists nowhere, and that is certain."""
        self._replacements.remove(waiting)
        order_id = waiting.submit.order_id
        order = self.board.accounts.orders.get(order_id)
        if order is not None and order.state == "pending":
            self.board.count("replacements_dropped")
            self.board.write(e.Answered(order_id, "unsent", "closed", f"not sent: {why}", 0))
            self._moved(order_id)

    # --- what is heard ---

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
        self.orders_pace.hear(answer, self.board.mono_ns)
        request: Literal["place", "unsent"] = "unsent" if answer.verdict == "unsent" else "place"
        self.board.write(e.Answered(order_id, request, _state_by(answer), said, took_us, answer.trades))
        if answer.verdict in {"rejected", "unsent"}:
            self.board.count(f"orders_{answer.verdict}")
        self._moved(order_id)

    def on_cancel_answer(self, now: Moment, order_id: str, answer: Answer, took_us: int) -> None:
        """The venue answered a cancel, or did not."""
        self.on_cancel_answers(now, {order_id: answer}, took_us)

    def on_cancel_answers(self, now: Moment, answers: Mapping[str, Answer], took_us: int) -> None:
        """The venue answered some cancels, or did not; what became of each order it is asked about, whatever it said.

        That an order is cancelled says nothing of what it traded before: it is closed when that is known. What came too
        fast is sent again in its turn: it was not done, and nobody has to wish for it anew.
        """
        self.board.now(now)
        for order_id, answer in answers.items():
            self.cancels_pace.hear(answer, self.board.mono_ns)
            if answer.mode == "too_many" and self._may_be_open(order_id) and not self._full():
                self.board.count("cancels_put_off")
                self._queued.append(order_id)
            else:
                self._cancel_ended(order_id, answer, took_us)
        self._let_go()

    def _cancel_ended(self, order_id: str, answer: Answer, took_us: int) -> None:
        self.board.write(e.Answered(order_id, "cancel", "", answer.reason or "canceled", took_us))
        order = self.board.accounts.orders.get(order_id)
        if answer.verdict != "accepted" or order is None or order.state == "closed":
            self.cancelling.discard(order_id)
        if order is not None and order.state != "closed":
            self.sent(order_id)
            self.board.effects.append(LookUp(order_id))
        self._moved(order_id)

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
            self._moved(report.order_id)
        elif report.state == "closed" and order.state != "closed":  # it has traded more than we were told
            self.sent(report.order_id)
            self.board.effects.append(LookUp(report.order_id))

    def _not_tracked(self, order_id: str, what: str) -> None:
        """Count a word about an order that is not followed: one of ours that is over, or somebody else's."""
        whose = "late" if order_id in self.board.accounts.forgotten else "foreign"
        self.board.count(f"{whose}_{what}")

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
        self._moved(leg.order_id)

    def on_lookup(self, now: Moment, order_id: str, found: VenueOrder | None, legs: list[TradeLeg]) -> None:
        """The venue said what it has of an order and of its trades."""
        self.board.now(now)
        for leg in legs:
            if leg.order_id == order_id:
                self.on_leg(now, leg)
        order = self.board.accounts.orders.get(order_id)
        if order is None or order.state == "closed":
            return
        state = self._looked_up(order, found)
        if not state:
            self._not_found.add(order_id)
            self._since_ns.setdefault(order_id, self.board.mono_ns)
            return
        self._not_found.discard(order_id)
        if state != order.state:
            said = "the venue never knew it" if found is None else f"found, {state}"
            self.board.write(e.Answered(order_id, "lookup", state, said, 0))
        self._moved(order_id)
        self._let_go()

    def ask_overdue(self) -> None:
        """Ask the venue about orders that owe us a word."""
        for order_id, since_ns in list(self._since_ns.items()):
            order = self.board.accounts.orders.get(order_id)
            if order is None or order.state == "closed":
                self._settled(order_id)
            elif self.board.since_s(self._looked_up_ns.get(order_id, since_ns)) > self._patience_s(order):
                self._looked_up_ns[order_id] = self.board.mono_ns
                self.board.effects.append(LookUp(order_id))

    def _patience_s(self, order: Order) -> float:
        """One that is pending is answered first; what is pending after that waits in the taker delay, or was lost."""
        return LOOKUP_S + (self.board.settings.venue.answer_s if order.state == "pending" else 0.0)

    def on_balance(self, now: Moment, cash_micro: int) -> None:
        """The venue told our collateral: the first time it is taken over. The rest is for `reconciling`."""
        self.board.now(now)
        if not self.board.accounts.opened:
            self.board.write(e.Balance(cash_micro, True))

    def _looked_up(self, order: Order, found: VenueOrder | None) -> str:
        """The state that a look-up shows; empty while it shows none, or while trades of the order are missing."""
        if found is not None and found.open:
            self.cancelling.discard(order.order_id)
            return "open"
        if found is not None:
            return "closed" if self.board.accounts.told(order) >= found.matched_micro else ""
        waited_s = self.board.since_s(self._since_ns.get(order.order_id, self.board.mono_ns))
        return "closed" if waited_s > self.board.settings.venue.unknown_horizon_s else ""

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

    def _moved(self, order_id: str) -> None:
        """Something is new about an order: tell the stream, and its slot what is still in flight."""
        order = self.board.accounts.orders.get(order_id)
        if order is None:
            return
        if order.state == "closed":
            self.cancelling.discard(order_id)
        rests = order.state == "open" and not order.awaited and order_id not in self._not_found
        if order.state == "closed" or rests:
            self._settled(order_id)
        reason = order.reason[:REASON_MAX]
        moved = m.OrderMoved(order_id, order.slot, order.start_s, order.state, order.open_micro, reason)
        self.board.publish(moved)
        self.turns.refresh(order.slot, self.cancelling)

    def _settled(self, order_id: str) -> None:
        self._since_ns.pop(order_id, None)
        self._looked_up_ns.pop(order_id, None)
        self._not_found.discard(order_id)


def _state_by(answer: Answer) -> str:
    """The state an answer puts an order in; one in the taker delay stays pending until it is reported."""
    if answer.verdict != "accepted":
        return "unknown" if answer.verdict == "unknown" else "closed"
    return {"delayed": "", "matched": "matched"}.get(answer.status, "open")


Leg = TypeVar("Leg", Submit, Withdraw)


def _together(legs: list[Leg], most: int) -> list[Effect]:
    """One request for as many as fit into it; one alone is sent as one."""
    parts = (tuple(legs[at : at + most]) for at in range(0, len(legs), most))
    return [part[0] if len(part) == 1 else Batch(part) for part in parts]
