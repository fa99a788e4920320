"""The fencing point's second half: what of an admitted decision may leave, order by order.

`slotstate.admits` has said that the answer counts. Here each wish in it is rounded as the venue rounds, judged by risk
against everything that is already open, signed, and turned into the entry that must be durable before it leaves. What
is refused is named; nothing is ever sent from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from msgspec import structs

from shared import entries as e
from shared.messages import OUTCOMES, Cancel, Decided, Place
from shared.units import MICRO
from supervisor import risk
from supervisor.accounts import Accounts
from supervisor.effects import CancelOrder, Submit
from supervisor.lanes import Window
from supervisor.orders import same_way
from supervisor.venue.discovery import Market
from supervisor.venue.requests import MIN_IMMEDIATE_MICRO, BadSize, order_amounts

MAX_INTENTS: Final = 8
"""Wishes one decision may hold."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An order ready to be signed, amounts in millionths. `timestamp_ms`: the tick.

    `identity` names the decision's leg and nothing else: a salt made of it is the same however often it is made.
    """

    market: Market
    token_id: str
    place: Place
    maker_amount: int
    taker_amount: int
    identity: str
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Signed:
    """The order's own hash, which is its id at the venue, and the exact bytes to send."""

    order_id: str
    body: bytes


class Signer(Protocol):
    """The port to whoever holds the key."""

    def sign(self, draft: Draft) -> Signed:
        """Sign an order; the same draft always gives the same bytes."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under what a wish is judged: the window, the caps, what was sent of late, and why entries are closed.

    `sent_last_minute`, `cancelled_last_minute`: orders and cancels of releases in the last minute of market time.
    `cancelling`: orders with a cancel in flight. `halted`: why not even an exit may leave, if so.
    """

    window: Window
    limits: risk.Limits
    entries: str
    sent_last_minute: int
    cancelling: frozenset[str]
    cancelled_last_minute: int = 0
    halted: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose wish it is: a leg of a decision about a tick, or, under `op`, the desk's own at a moment in milliseconds.

    `leg`: which of its wishes; no two of one origin have the same.
    """

    slot: str
    tick: int
    leg: int
    by: e.By
    op: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A wish that may leave: what must be durable first, and the request itself."""

    entry: e.Placing | e.Cancelling
    request: Submit | CancelOrder


def place(
    decided: Decided, leg: int, wish: Place, by: e.By, accounts: Accounts, conditions: Conditions, signer: Signer
) -> Admitted | risk.Denied:
    """Judge and sign one order of a decision."""
    return admit(Origin(decided.slot, decided.tick, leg, by), wish, accounts, conditions, signer)


def admit(
    origin: Origin, wish: Place, accounts: Accounts, conditions: Conditions, signer: Signer
) -> Admitted | risk.Denied:
    """Judge and sign one order, whoever wishes it."""
    window = conditions.window
    market = window.market
    assert market is not None, "an opened window has a market"
    try:
        maker, taker = order_amounts(wish.side, wish.kind, wish.price_micro, wish.size_micro, market.terms.tick_micro)
    except BadSize as error:
        return risk.Denied("bad_size", str(error))
    sized = structs.replace(wish, size_micro=taker if wish.side == "BUY" else maker)
    exposed = exposure(window, sized, accounts, conditions)
    verdict = risk.check(sized, quote(window, sized), exposed, conditions.limits, conditions.entries, conditions.halted)
    if isinstance(verdict, risk.Denied):
        return verdict
    token = market.tokens[OUTCOMES.index(sized.outcome)]
    identity = f"{origin.slot}|{market.terms.condition_id}|{origin.op}{origin.tick}|{origin.leg}"
    signed = signer.sign(Draft(market, token, sized, maker, taker, identity, origin.tick))
    entry = e.Placing(
        order_id=signed.order_id,
        slot=origin.slot,
        tick=origin.tick,
        leg=origin.leg,
        start_s=window.start_s,
        token_id=token,
        outcome=sized.outcome,
        side=sized.side,
        price_micro=sized.price_micro,
        size_micro=sized.size_micro,
        kind=sized.kind,
        post_only=sized.post_only,
        by=origin.by,
        op=origin.op,
    )
    return Admitted(entry, Submit(signed.order_id, signed.body))


def cancel(
    decided: Decided, wish: Cancel, by: e.By, accounts: Accounts, conditions: Conditions
) -> Admitted | risk.Denied:
    """Judge one cancel of a decision: only an order of its own slot that rests and is not being cancelled already."""
    order = accounts.orders.get(wish.order_id)
    if order is None or order.slot != decided.slot or order.state != "open":
        state = "unknown here" if order is None else f"{order.state} in {order.slot}"
        return risk.Denied("not_open", f"order {wish.order_id[:10]} is {state}")
    if wish.order_id in conditions.cancelling:
        return risk.Denied("cancelling", f"order {wish.order_id[:10]} is being cancelled")
    too_many = risk.check_cancel(conditions.cancelled_last_minute, conditions.limits)
    if too_many is not None:
        return too_many
    entry = e.Cancelling(wish.order_id, decided.slot, decided.tick, "decision", by)
    return Admitted(entry, CancelOrder(wish.order_id))


def quote(window: Window, wish: Place) -> risk.Quote:
    """The market of the wish's token as risk wants to see it."""
    assert window.market is not None
    terms, book = window.market.terms, window.books[wish.outcome]
    other = window.books["Down" if wish.outcome == "Up" else "Up"]
    return risk.Quote(
        bid_micro=book.best("BUY"),
        ask_micro=book.best("SELL"),
        stale=book.stale,
        tick_micro=terms.tick_micro,
        min_size_micro=terms.min_size_micro,
        min_immediate_micro=MIN_IMMEDIATE_MICRO,
        fee_rate_micro=terms.fee_rate_micro,
        fee_exponent=terms.fee_exponent,
        opposite_bid_micro=0 if other.stale else other.best("BUY"),
        opposite_ask_micro=0 if other.stale else other.best("SELL"),
    )


def exposure(window: Window, wish: Place, accounts: Accounts, conditions: Conditions) -> risk.Exposure:
    """Everything that is open already, orders of this very decision included: they are in the accounts by now."""
    slot = window.slot
    position = accounts.positions.get((slot.name, window.start_s, wish.outcome))
    offered = sum(
        o.open_micro
        for o in accounts.open_orders(slot.name)
        if o.side == "SELL" and o.outcome == wish.outcome and o.start_s == window.start_s
    )
    return risk.Exposure(
        slot_micro=accounts.exposure(slot.name),
        asset_micro=accounts.exposure(f"{slot.asset}/"),
        total_micro=accounts.exposure(),
        held_micro=(position.size_micro if position else 0) - offered,
        opposite_micro=opposite(window, wish, accounts),
        cash_micro=accounts.cash_micro - accounts.reserved(),
        day_realized_micro=accounts.day_realized_micro,
        open_orders=len(accounts.open_orders()),
        orders_last_minute=conditions.sent_last_minute,
        side_micro=accounts.exposure(outcome=wish.outcome),
    )


def opposite(window: Window, wish: Place, accounts: Accounts) -> int:
    """The best price, in the wish's own token, at which one of our open orders is on its other side; 0 for none.

    To buy Down at a price is to sell Up at one minus it: mint and merge make one book of the two.
    """
    prices = [
        (o.price_micro if o.outcome == wish.outcome else MICRO - o.price_micro)
        for o in accounts.open_orders(window.slot.name)
        if o.start_s == window.start_s and not same_way(o, wish)
    ]
    return (min if wish.side == "BUY" else max)(prices, default=0)
