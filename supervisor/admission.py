"""The fencing point's second half: what of an admitted decision may leave, order by order.

`slotstate.admits` has said that the answer counts. Here each wish in it is rounded as the venue rounds, judged by risk
against everything that is already open, signed, and turned into the entry that must be durable before it leaves. What
is refused is named; nothing is ever sent from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from shared import entries as e
from shared import exposure as exposed
from shared import risk
from shared.messages import OUTCOMES, Cancel, Decided, Place
from supervisor.accounts import Accounts
from supervisor.book import Book
from supervisor.effects import CancelOrder, Submit
from supervisor.lanes import Window
from supervisor.venue.discovery import Market


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

    def of_risk(self) -> exposed.Conditions:
        """As far as they are risk's."""
        return exposed.Conditions(self.limits, self.entries, self.sent_last_minute, self.halted)


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
    window, slot = conditions.window, conditions.window.slot
    market = window.market
    assert market is not None, "an opened window has a market"
    verdict = exposed.judge(wish, slot, window.start_s, quote(window, wish), accounts, conditions.of_risk())
    if isinstance(verdict, risk.Denied):
        return verdict
    sized, maker, taker = verdict.place, verdict.maker_amount, verdict.taker_amount
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
    order, recent = accounts.orders.get(wish.order_id), conditions.cancelled_last_minute
    denied = exposed.judge_cancel(wish, decided.slot, order, conditions.cancelling, recent, conditions.limits)
    if denied is not None:
        return denied
    entry = e.Cancelling(wish.order_id, decided.slot, decided.tick, "decision", by)
    return Admitted(entry, CancelOrder(wish.order_id))


def quote(window: Window, wish: Place) -> risk.Quote:
    """The market of the wish's token as risk wants to see it."""
    assert window.market is not None
    own, other = window.books[wish.outcome], window.books["Down" if wish.outcome == "Up" else "Up"]
    return risk.quote(window.market.terms, _best(own), _best(other))


def _best(book: Book) -> risk.Best:
    return risk.Best(book.best("BUY"), book.best("SELL"), book.stale)
