"""What could still be lost, and what of our own stands in an order's way: from what is held and what is open.

The books may be the desk's or an account's on paper: both are counted, and every order is judged, by this one code.
Leaves the bounds to `risk`, and what the venue will say to others. What always holds: an order is judged in the size in
which it would leave, together with everything that is open already, and with the fees that this may still pay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from msgspec import structs

from shared import risk
from shared.amounts import BadSize, order_amounts
from shared.messages import Cancel, OrderKind, Outcome, Place, Side
from shared.slots import Slot
from shared.units import MICRO, cost_of, up_to_cent

Token = tuple[str, int, Outcome]
"""Slot, window start, outcome."""


class Way(Protocol):
    """Which way something trades."""

    @property
    def side(self) -> Side: ...
    @property
    def outcome(self) -> Outcome: ...


class Open(Way, Protocol):
    """An order that is not over."""

    @property
    def slot(self) -> str: ...
    @property
    def start_s(self) -> int: ...
    @property
    def price_micro(self) -> int: ...
    @property
    def open_micro(self) -> int: ...
    @property
    def state(self) -> str: ...


class Held(Protocol):
    """What is held of one token; the cost with fees."""

    @property
    def size_micro(self) -> int: ...
    @property
    def cost_micro(self) -> int: ...


class Books(Protocol):
    """An account as far as risk asks. `slot`: of this one, or of an asset when written "BTC/"; of all when empty."""

    @property
    def positions(self) -> Mapping[Token, Held]: ...
    @property
    def cash_micro(self) -> int: ...
    @property
    def day_realized_micro(self) -> int: ...

    def open_orders(self, slot: str | None = None) -> Sequence[Open]:
        """Orders that are not over, of one slot or of all."""

    def exposure(self, slot: str = "", outcome: str = "") -> int:
        """Positions at cost and open buys at their price, fees of these apart."""

    def reserved(self, slot: str = "", outcome: str = "") -> int:
        """What open buys would take out of the cash at their price."""

    def charges(self, slot: str = "", outcome: str = "") -> int:
        """The most that open buys may still be charged in fees."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under what an order is judged. `sent_last_minute`: orders of the last minute of market time.

    `entries`: empty, or why no entry may be made now. `halted`: empty, or why not even an exit may leave.
    """

    limits: risk.Limits
    entries: str
    sent_last_minute: int
    halted: str = ""


@dataclass(frozen=True, slots=True)
class Sized:
    """An order that may go, in the size in which it leaves: what it offers, what it asks for, the most it can cost."""

    place: Place
    maker_amount: int
    taker_amount: int
    cost_micro: int


def judge(
    wish: Place, slot: Slot, start_s: int, quote: risk.Quote, books: Books, conditions: Conditions
) -> Sized | risk.Denied:
    """Round an order as the venue does and judge it against all that is open."""
    try:
        maker, taker = order_amounts(wish.side, wish.kind, wish.price_micro, wish.size_micro, quote.tick_micro)
    except BadSize as error:
        return risk.Denied("bad_size", str(error))
    sized = structs.replace(wish, size_micro=taker if wish.side == "BUY" else maker)
    exposed = exposure(sized, slot, start_s, books, conditions.sent_last_minute)
    verdict = risk.check(sized, quote, exposed, conditions.limits, conditions.entries, conditions.halted)
    return verdict if isinstance(verdict, risk.Denied) else Sized(sized, maker, taker, verdict.cost_micro)


def judge_cancel(
    wish: Cancel, slot: str, order: Open | None, cancelling: Collection[str], recent: int, limits: risk.Limits
) -> risk.Denied | None:
    """Judge a cancel of a decision: only an order of its own slot that rests and is not being cancelled already.

    Args: recent: cancels of the last minute of market time.
    """
    if order is None or order.slot != slot or order.state != "open":
        state = "unknown here" if order is None else f"{order.state} in {order.slot}"
        return risk.Denied("not_open", f"order {wish.order_id[:10]} is {state}")
    if wish.order_id in cancelling:
        return risk.Denied("cancelling", f"order {wish.order_id[:10]} is being cancelled")
    return risk.check_cancel(recent, limits)


def judge_successor(wish: Place, stay: Mapping[str, Way | None]) -> risk.Denied | None:
    """An order that was to replace another, whose cancel was denied, would stand beside it or beside its fill.

    Args: stay: orders whose cancel this decision was denied, by their id; None for one that is over or nobody knows.
    """
    for order_id, order in stay.items():
        if order is None or same_way(order, wish):
            return risk.Denied("not_replaced", f"the cancel of {order_id[:10]} before it was denied")
    return None


def exposure(wish: Place, slot: Slot, start_s: int, books: Books, sent_last_minute: int) -> risk.Exposure:
    """Everything that is open already, orders of this very decision included: they are in the books by now."""

    def at_stake(where: str = "", outcome: str = "") -> int:
        return books.exposure(where, outcome) + books.charges(where, outcome)

    position = books.positions.get((slot.name, start_s, wish.outcome))
    here = [order for order in books.open_orders(slot.name) if order.start_s == start_s]
    offered = sum(o.open_micro for o in here if (o.side, o.outcome) == ("SELL", wish.outcome))
    return risk.Exposure(
        slot_micro=at_stake(slot.name),
        asset_micro=at_stake(f"{slot.asset}/"),
        total_micro=at_stake(),
        held_micro=(position.size_micro if position else 0) - offered,
        opposite_micro=opposite(wish, here),
        cash_micro=books.cash_micro - books.reserved() - books.charges(),
        day_realized_micro=books.day_realized_micro,
        open_orders=len(books.open_orders()),
        orders_last_minute=sent_last_minute,
        side_micro=at_stake(outcome=wish.outcome),
    )


def opposite(wish: Place, here: Iterable[Open]) -> int:
    """The best price, in the wish's own token, at which one of our open orders of its window is on its other side.

    0 for none. To buy Down at a price is to sell Up at one minus it: mint and merge make one book of the two.
    """
    prices = [
        (order.price_micro if order.outcome == wish.outcome else MICRO - order.price_micro)
        for order in here
        if not same_way(order, wish)
    ]
    return (min if wish.side == "BUY" else max)(prices, default=0)


def same_way(one: Way, other: Way) -> bool:
    """Whether both are for the same: to buy Down is to sell Up, because mint and merge make one book of the two."""
    return (one.side == other.side) == (one.outcome == other.outcome)


# --- what books add up to ---------------------------------------------------------------------------------------------

OpenT = TypeVar("OpenT", bound=Open)


def at_cost(positions: Mapping[Token, Held], slot: str = "", outcome: str = "") -> int:
    """What is held, at its cost."""
    return sum(
        held.cost_micro
        for (name, _, token), held in positions.items()
        if name.startswith(slot) and outcome in {"", token}
    )


def buys(orders: Iterable[OpenT], slot: str = "", outcome: str = "") -> Iterator[OpenT]:
    """Of open orders those that may still take something out of the cash."""
    return (o for o in orders if o.side == "BUY" and o.slot.startswith(slot) and outcome in {"", o.outcome})


def may_cost(kind: OrderKind, price_micro: int, size_micro: int, open_micro: int, paid_micro: int) -> int:
    """What an open buy can still take out of the cash, fees apart. Args: paid_micro: for what filled of it already.

    An immediate one is for a value in whole cents, of which its shares were rounded down: where it meets a better
    price it buys more of them than it asked for.
    """
    if kind == "GTC":
        return cost_of(open_micro, price_micro)
    return max(0, up_to_cent(cost_of(size_micro, price_micro)) - paid_micro)


def may_charge(place: Place, fees: risk.Fees) -> int:
    """The most that an order's trades can be charged altogether: nothing for what sells, or only ever rests."""
    if place.side == "SELL" or place.post_only:
        return 0
    size_micro, price_micro = place.size_micro, place.price_micro
    most_micro = risk.worst_paid(place.kind, price_micro, size_micro, fees)
    return most_micro - may_cost(place.kind, price_micro, size_micro, size_micro, 0)
