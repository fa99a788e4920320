"""Our books held against the venue's own lists: what differs by more than what is in flight can explain.

Orders that rest, trades, collateral and shares, each as the venue tells them, beside what the journal adds up to. A
number in flight is a range: a fill that is not settled yet may be in the venue's balance or not, an order without its
word may have taken what it wished for, a payout may be claimed or wait for it. Only what is outside of its range
differs. Leaves to `reconciling` how often to look and what to do about it. What always holds: an order that our journal
does not name is foreign, and is reported as nothing else.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from shared import entries as e
from shared.clock import NS
from shared.risk import worst_paid
from shared.slots import parse_slot
from shared.units import cost_of, show_micro, show_usd
from supervisor.accounts import Accounts, Paid
from supervisor.claims import OVER, Claim
from supervisor.orders import Order
from supervisor.venue.requests import Token, VenueOrder
from supervisor.venue.user import TradeLeg


@dataclass(frozen=True, slots=True)
class View:
    """What the venue says: orders of this key that rest, trades, collateral, shares by token; those asked for."""

    resting: tuple[VenueOrder, ...]
    legs: tuple[TradeLeg, ...]
    cash_micro: int
    shares: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. `key` is the same each time it is seen; `slot` is empty when it is about all of them."""

    key: str
    slot: str
    text: str
    order_id: str = ""
    """The order of ours that rests at the venue and must not."""


@dataclass(slots=True)
class Range:
    """A number in millionths that may be anything from `low` to `high`."""

    low: int
    high: int

    def may_add(self, micro: int) -> None:
        """Let this come or not come to it; it may be negative."""
        self.low, self.high = self.low + min(0, micro), self.high + max(0, micro)

    def has(self, micro: int) -> bool:
        """Whether it may be this."""
        return self.low <= micro <= self.high


def asked(accounts: Accounts, gone: Container[Paid] = ()) -> list[Token]:
    """Tokens whose shares tell something: traded in a window that is not resolved, or paid out and perhaps waiting.

    Args: gone: payouts that were seen to wait no more.
    """
    tokens = {Token(paid.token_id, paid.version): None for paid in accounts.payouts.values() if paid not in gone}
    for slot, start_s, outcome in accounts.positions:
        opened = accounts.windows.get((slot, start_s))
        if opened is not None:
            tokens[Token(opened.token_of(outcome), opened.version)] = None
    return list(tokens)


def since_s(accounts: Accounts, at_ns: int) -> int:
    """The second since when every trade that our books still tell apart has happened: no later than their windows."""
    return min((fill.start_s for fill in accounts.fills.values()), default=at_ns // NS)


def compare(accounts: Accounts, view: View, at_ns: int) -> list[Difference]:
    """Everything that differs now."""
    each = (_cash(accounts, view, at_ns), _shares(accounts, view, at_ns), _orders(accounts, view))
    return list(chain(*each, _fills(accounts, view)))


def foreign(accounts: Accounts, view: View) -> list[str]:
    """Orders of this key that our journal does not name: those that rest, and those that traded in a window of ours.

    One of ours that is over and forgotten has traded, and no longer rests.
    """
    ours = {token for opened in accounts.unresolved() for token in opened.tokens}
    traded = {leg.order_id for leg in view.legs if leg.token in ours} - accounts.forgotten.keys()
    return sorted({*(order.order_id for order in view.resting), *traded} - accounts.orders.keys())


# --- money ---


def unexplained(accounts: Accounts, view: View, at_ns: int) -> Range:
    """How much more collateral the venue has than our books explain: less than nothing is less; a range while trades or
    claims are under way.
    """
    ours = _explained(accounts, view, at_ns)
    return Range(view.cash_micro - ours.high, view.cash_micro - ours.low)


def _cash(accounts: Accounts, view: View, at_ns: int) -> Iterator[Difference]:
    ours = _explained(accounts, view, at_ns)
    if not ours.has(view.cash_micro):
        yield Difference("cash", "", f"cash: {_dollars(ours)} by our books, {show_usd(view.cash_micro)} at the venue")


def _explained(accounts: Accounts, view: View, at_ns: int) -> Range:
    """What the venue may have of our collateral, by our books."""
    ours = Range(accounts.cash_micro, accounts.cash_micro)
    for fill in accounts.unsettled_fills():
        ours.may_add(-_flow(fill))
        if (fill.slot, fill.start_s) in accounts.winners:
            ours.may_add(fill.size_micro if fill.side == "SELL" else -fill.size_micro)
    for order in _doubtful(accounts):
        ours.may_add(_at_stake(accounts, order))
    for payout in _ending(accounts, at_ns):
        ours.may_add(payout)
    for claim in _unclaimed(accounts):
        ours.may_add(claim.amount_micro)
    for paid in accounts.payouts.values():
        waits = view.shares.get(paid.token_id, 0)
        ours.low, ours.high = ours.low - waits, ours.high - waits
        if paid.token_id not in view.shares:
            ours.may_add(-paid.micro)
    return ours


def _shares(accounts: Accounts, view: View, at_ns: int) -> Iterator[Difference]:
    for key, position in accounts.positions.items():
        slot, start_s, outcome = key
        opened = accounts.windows.get((slot, start_s))
        token = opened.token_of(outcome) if opened is not None else ""
        if token not in view.shares:
            continue
        ours = Range(position.size_micro, position.size_micro)
        for fill in accounts.unsettled_fills():
            if (fill.slot, fill.start_s, fill.outcome) == key:
                ours.may_add(-fill.size_micro if fill.side == "BUY" else fill.size_micro)
        for order in _doubtful(accounts):
            if (order.slot, order.start_s, order.outcome) == key:
                ours.may_add(order.open_micro if order.side == "BUY" else -order.open_micro)
        for claim in _unclaimed(accounts):
            if (claim.kind, claim.slot, claim.start_s) == ("merge", slot, start_s):
                ours.may_add(claim.amount_micro)
        if _ended(slot, start_s, at_ns):
            ours.low, ours.high = min(ours.low, 0), max(ours.high, 0)  # whoever resolves it may have paid it already
        if not ours.has(view.shares[token]):
            name = f"{slot} {start_s} {outcome}"
            text = f"{name}: {_amount(ours)} shares by our books, {show_micro(view.shares[token])} at the venue"
            yield Difference(f"shares {name}", slot, text)


def _doubtful(accounts: Accounts) -> Iterator[Order]:
    """Orders that owe us a word: what is open of them may be filled."""
    return (order for order in accounts.open_orders() if order.in_flight or order.state == "unknown")


def _unclaimed(accounts: Accounts) -> Iterator[Claim]:
    """Claims that are not over: no cash in our books, and perhaps in the venue's; whoever sent the transaction."""
    return (claim for claim in accounts.claims.values() if claim.state not in OVER)


def _flow(fill: e.Fill) -> int:
    amount = cost_of(fill.size_micro, fill.price_micro)
    return -amount - fill.fee_micro if fill.side == "BUY" else amount - fill.fee_micro


def _at_stake(accounts: Accounts, order: Order) -> int:
    """What a doubtful order may have moved at most: a BUY all it can cost, a SELL one unit a share."""
    if order.side == "SELL":
        return order.open_micro
    opened = accounts.windows.get((order.slot, order.start_s))
    if opened is None:
        return -cost_of(order.open_micro, order.price_micro)
    return -worst_paid(order.kind, order.price_micro, order.open_micro, opened.terms)


def _ending(accounts: Accounts, at_ns: int) -> Iterable[int]:
    """What windows that are over and that nobody has named a winner of to us may have paid already."""
    most: dict[tuple[str, int], int] = {}
    for (slot, start_s, _), position in accounts.positions.items():
        if _ended(slot, start_s, at_ns):
            most[slot, start_s] = max(most.get((slot, start_s), 0), position.size_micro)
    return most.values()


def _ended(slot: str, start_s: int, at_ns: int) -> bool:
    return at_ns // NS >= start_s + parse_slot(slot).window_s


# --- orders and trades ---


def _orders(accounts: Accounts, view: View) -> Iterator[Difference]:
    resting = {order.order_id for order in view.resting}
    for order_id, order in accounts.orders.items():
        if order.state == "closed" and order_id in resting:
            text = f"order {order_id[:10]} of {order.slot} is closed in our books and rests at the venue"
            yield Difference(f"order {order_id}", order.slot, text, order_id)
        elif order.state == "open" and not order.in_flight and order_id not in resting:
            text = f"order {order_id[:10]} of {order.slot} rests in our books and not at the venue"
            yield Difference(f"order {order_id}", order.slot, text)


def _fills(accounts: Accounts, view: View) -> Iterator[Difference]:
    known = {(leg.trade_id, leg.order_id) for leg in view.legs}
    for key, fill in accounts.fills.items():
        if key not in known and fill.status != "FAILED":
            text = f"trade {fill.trade_id[:40]} of order {fill.order_id[:10]} in {fill.slot} is not in the venue's list"
            yield Difference(f"fill {fill.trade_id} {fill.order_id}", fill.slot, text)


def _dollars(ours: Range) -> str:
    return show_usd(ours.low) if ours.low == ours.high else f"{show_usd(ours.low)} to {show_usd(ours.high)}"


def _amount(ours: Range) -> str:
    return show_micro(ours.low) if ours.low == ours.high else f"{show_micro(ours.low)} to {show_micro(ours.high)}"
