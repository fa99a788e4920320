"""The life of one order as a table: what is known of it, and what may still fill.

    pending   its intent is durable, it was sent or is about to be, and no answer is known
    open      it rests at the venue
    matched   nothing of it rests any more, but fills that were announced have not all arrived
    closed    nothing of it can fill any more
    unknown   no answer came: it may exist. Never failed, never sent again; found by its hash or by its fills

Fills are counted whatever the state: the venue's trades are facts, our picture of the order is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from shared.entries import By
from shared.messages import OrderKind, OrderState, Outcome, Side


@dataclass(frozen=True, slots=True)
class Order:
    """An order of ours. `seen`: trades that filled it; `awaited`: trades that were announced and have not arrived."""

    order_id: str
    slot: str
    start_s: int
    token_id: str
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int
    kind: OrderKind
    by: By
    state: OrderState = "pending"
    filled_micro: int = 0
    seen: frozenset[str] = frozenset()
    awaited: frozenset[str] = frozenset()
    reason: str = ""
    charge_micro: int = 0
    """The most that its trades can be charged in fees."""

    @property
    def open_micro(self) -> int:
        """The size that may still fill, shares in millionths."""
        return 0 if self.state == "closed" else max(0, self.size_micro - self.filled_micro)

    @property
    def in_flight(self) -> bool:
        """Whether the venue owes us a word on it."""
        return self.state in {"pending", "matched"} or bool(self.awaited)


@dataclass(frozen=True, slots=True)
class Lives:
    """It rests at the venue, or waits there in the taker delay."""

    trades: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Matched:
    """It matched as far as it will; these trades came of it."""

    trades: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Gone:
    """It was refused, cancelled or expired, or it never existed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No word came in time."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fills:
    """A part of it traded."""

    trade_id: str
    size_micro: int


@dataclass(frozen=True, slots=True)
class Unfills:
    """A trade of it failed to settle: that part is not ours after all."""

    size_micro: int


OrderEvent = Lives | Matched | Gone | Unanswered | Fills | Unfills

_NEXT: Final[dict[tuple[OrderState, type], OrderState]] = {  # a pair missing here changes no state
    ("pending", Lives): "open",
    ("pending", Matched): "matched",
    ("pending", Gone): "closed",
    ("pending", Unanswered): "unknown",
    ("open", Matched): "matched",
    ("open", Gone): "closed",
    ("matched", Gone): "closed",
    ("unknown", Lives): "open",
    ("unknown", Matched): "matched",
    ("unknown", Gone): "closed",
}


def step(order: Order, event: OrderEvent) -> Order:
    """Advance an order by one event; a late or repeated word about an order that is closed changes nothing of it."""
    moved = replace(order, state=_NEXT.get((order.state, type(event)), order.state))
    return _settle(_DETAIL[type(event)](moved, event))


def _settle(order: Order) -> Order:
    """Close an order that has nothing left to wait for."""
    complete = order.filled_micro >= order.size_micro and order.kind == "GTC"
    done = order.state == "matched" or (order.state in {"open", "unknown"} and complete)
    return replace(order, state="closed") if done and not order.awaited else order


def _announce(order: Order, event: Lives | Matched) -> Order:
    return order if order.state == "closed" else replace(order, awaited=(order.awaited | event.trades) - order.seen)


def _explain(order: Order, event: Unanswered) -> Order:
    return replace(order, reason=event.reason)


def _end(order: Order, event: Gone) -> Order:
    return replace(order, reason=event.reason, awaited=frozenset())


def _fill(order: Order, event: Fills) -> Order:
    return replace(
        order,
        filled_micro=order.filled_micro + event.size_micro,
        seen=order.seen | {event.trade_id},
        awaited=order.awaited - {event.trade_id},
    )


def _unfill(order: Order, event: Unfills) -> Order:
    return replace(order, filled_micro=order.filled_micro - event.size_micro)


_DETAIL: Final[dict[type, Callable[[Order, Any], Order]]] = {
    Lives: _announce,
    Matched: _announce,
    Gone: _end,
    Unanswered: _explain,
    Fills: _fill,
    Unfills: _unfill,
}
