"""What leaves for the venue, and when: orders at once, cancels in turn, replacements when what they replace is gone.

So it knows which cancels are under way, and tells a slot what of it is in flight. Leaves to `decisions` and `unwind`
what is wished for, to `executions` what the venue says of it. What always holds: nothing leaves before the entry that
wishes for it is on the disk; an order that replaces others leaves when all of them are cancelled, or never: the two
cannot both fill; a cancel that waits for its turn leaves in it, unless its order is over by then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.exposure import same_way
from shared.risk import Denied
from supervisor.board import Board
from supervisor.effects import Batch, CancelOrder, Effect, Submit
from supervisor.lookups import Lookups
from supervisor.pacing import CANCELS, ORDERS, pace
from supervisor.turns import Turns
from supervisor.venue.requests import BATCH_MAX, CANCELS_MAX, Answer

QUEUED_MAX: Final = 256
"""Cancels that may wait for their turn; there are never more than orders that rest."""
REPLACE_S: Final = 5.0
"""Real seconds a replacement may wait for the cancels before it: what it was decided on is old then."""
REASON_MAX: Final = 200
"""Characters of an order's reason that the stream carries."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """An order that waits for the end of others. `replaces`: each of them with what was filled of it by then.

    since_ns: monotonic.
    """

    submit: Submit
    replaces: Mapping[str, int]
    since_ns: int


class Dispatch:
    """`cancelling`: orders with a cancel under way, or waiting for its turn.

    `orders_pace`, `cancels_pace`: how fast the venue may be asked for either.
    """

    def __init__(self, board: Board, turns: Turns, lookups: Lookups) -> None:
        self.board, self.turns, self.lookups = board, turns, lookups
        self.cancelling: set[str] = set()
        venue, speed = board.settings.venue, board.settings.clock.speed if board.settings.clock is not None else 1.0
        self.orders_pace = pace(venue.orders_per_s, venue.orders_burst, speed, ORDERS)
        self.cancels_pace = pace(venue.cancels_per_s, venue.cancels_burst, speed, CANCELS)
        self._queued: deque[str] = deque()
        self._replacements: list[Replacement] = []

    def begin(self) -> None:
        """After a restart: nobody knows what the reign before has used up of the venue's patience."""
        self.orders_pace.begin(self.board.mono_ns)
        self.cancels_pace.begin(self.board.mono_ns)

    # --- may it leave ---

    def why_no_order(self, *, post_only: bool = False) -> Denied | None:
        """Why no order may be wished for now: the venue would refuse it, and what it would refuse is not sent."""
        reason, detail = self.orders_pace.why_not(self.board.mono_ns, post_only=post_only)
        return Denied(reason, detail) if reason else None

    def why_no_cancel(self) -> Denied | None:
        """Why no cancel may be wished for now: the venue takes none at all, or too many wait for their turn."""
        refusal, now_ns = self.cancels_pace.refusal, self.board.mono_ns
        if refusal.holds(now_ns) and refusal.mode != "too_many":
            return Denied("venue_away", refusal.words(now_ns))
        return Denied("venue_rate", f"{QUEUED_MAX} cancels wait for their turn") if self._full() else None

    def admit(self, request: Submit | CancelOrder) -> None:
        """From here on a request counts as sent, so that the next one is judged with it; `send` follows."""
        if isinstance(request, CancelOrder):
            self.cancelling.add(request.order_id)
        else:
            self.orders_pace.bucket.take(1, self.board.mono_ns)

    # --- leaving ---

    def send(self, requests: Sequence[Submit | CancelOrder]) -> list[Effect]:
        """What of a decision's requests may leave once its entries are on the disk, cancels first; the rest waits.

        An order that follows cancels in the decision replaces what they cancel on its side of the market, and leaves
        when all of that is gone.
        """
        cancels, orders = list[str](), list[Submit]()
        for request in requests:
            if isinstance(request, CancelOrder):
                cancels.append(request.order_id)
            elif replaced := self._replaced(request.order_id, cancels):
                self._replacements.append(Replacement(request, replaced, self.board.mono_ns))
            else:
                self.lookups.owe(request.order_id)
                orders.append(request)
        return [*self._cancel(cancels), *_together(orders, BATCH_MAX)]

    def pass_time(self) -> None:
        """Send what may leave by now: cancels in their turn, replacements of what is gone; drop what is too old."""
        if self._queued:
            self._queued = deque(order_id for order_id in self._queued if self._may_be_open(order_id))
            self._leave(self._cancel(()))
        self.replace()

    def replace(self) -> None:
        """Send the replacements whose every cancel is through, and drop those that have one that is not."""
        ready = list[Submit]()
        for waiting in list(self._replacements):
            why_not = self._why_not(waiting)
            if why_not:
                self._drop(waiting, why_not)
            elif all(order_id not in self.cancelling for order_id in waiting.replaces):
                self._replacements.remove(waiting)
                self.lookups.owe(waiting.submit.order_id)
                ready.append(waiting.submit)
        self._leave(_together(ready, BATCH_MAX))

    @property
    def cancels_waiting(self) -> int:
        """How many cancels wait for their turn."""
        return len(self._queued)

    def _replaced(self, order_id: str, cancels: Iterable[str]) -> dict[str, int]:
        """What an order replaces of what is cancelled before it, each with how far it is filled."""
        orders = self.board.accounts.orders
        return {each: orders[each].filled_micro for each in cancels if same_way(orders[each], orders[order_id])}

    def _cancel(self, order_ids: Iterable[str]) -> list[Effect]:
        """Cancels in turn, as many as the venue takes now."""
        self._queued.extend(order_ids)
        room = min(len(self._queued), self.cancels_pace.room(self.board.mono_ns))
        self.cancels_pace.bucket.take(room, self.board.mono_ns)
        return _together([CancelOrder(self._queued.popleft()) for _ in range(room)], CANCELS_MAX)

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

    def _full(self) -> bool:
        return len(self._queued) >= QUEUED_MAX

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
            self.moved(order_id)

    # --- what became of it ---

    def put_off(self, order_id: str, answer: Answer) -> bool:
        """A cancel was answered: whether it came too fast, and is sent again in its turn.

        It was not done then, and nobody has to wish for it anew.
        """
        self.cancels_pace.hear(answer, self.board.mono_ns)
        if answer.mode != "too_many" or not self._may_be_open(order_id) or self._full():
            return False
        self.board.count("cancels_put_off")
        self._queued.append(order_id)
        return True

    def cancel_over(self, order_id: str) -> None:
        """No cancel of this order is under way any more."""
        self.cancelling.discard(order_id)

    def moved(self, order_id: str) -> None:
        """Something is new about an order: tell the stream, and its slot what is still in flight."""
        order = self.board.accounts.orders.get(order_id)
        if order is None:
            return
        if order.state == "closed":
            self.cancelling.discard(order_id)
        self.lookups.hear(order)
        reason = order.reason[:REASON_MAX]
        moved = m.OrderMoved(order_id, order.slot, order.start_s, order.state, order.open_micro, reason)
        self.board.publish(moved)
        self.refresh(order.slot)

    def refresh(self, slot: str) -> None:
        """Tell a slot what of it is in flight now."""
        self.turns.refresh(slot, self.cancelling)


Leg = TypeVar("Leg", Submit, CancelOrder)


def _together(legs: list[Leg], most: int) -> list[Effect]:
    """One request for as many as fit into it; one alone is sent as one."""
    parts = (tuple(legs[at : at + most]) for at in range(0, len(legs), most))
    return [part[0] if len(part) == 1 else Batch(part) for part in parts]
