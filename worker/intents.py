"""Wishes that the venue's grid and our own stake allow, and what of ours already rests.

Numbers of one window in, intents out. Leaves to others whether to wish at all. What always holds: sizes are whole
hundredths of a share and at least the market's minimum, prices are on its grid, a budget is never passed by a purchase
and its fee. The supervisor's risk checks all of it again; a wish that it would deny is a wasted tick.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from shared.amounts import MIN_IMMEDIATE_MICRO, BadSize, order_amounts
from shared.messages import Account, BookSeen, Cancel, Intent, OrderView, Outcome, Place, Side, Terms
from shared.units import MICRO, OffGrid, cost_of, round_to_tick, taker_fee

SHARE_STEP_MICRO: Final = 10_000
"""Sizes are hundredths of a share."""
ORDERS_MAX: Final = 6
"""Orders of one window that may be open at once."""
_UNSETTLED: Final = frozenset({"pending", "unknown"})


class Quote(msgspec.Struct, frozen=True):
    """An order that should rest."""

    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int


def shares(budget_micro: int, price_micro: int, terms: Terms, *, taking: bool) -> int:
    """How many shares a budget buys at a price, with the fee when taking; 0 when the venue takes none so small."""
    million_micro = price_micro * MICRO + (_fee(MICRO * MICRO, price_micro, terms) if taking else 0)
    size = max(0, budget_micro) * MICRO * MICRO // million_micro
    size -= size % SHARE_STEP_MICRO
    if taking and size and cost_of(size, price_micro) + _fee(size, price_micro, terms) > budget_micro:
        size -= SHARE_STEP_MICRO  # the fee is rounded to five decimals, perhaps upwards
    enough = takeable(size, price_micro, terms) if taking else size >= terms.min_size_micro
    return size if enough else 0


def takeable(size_micro: int, price_micro: int, terms: Terms) -> bool:
    """Whether the venue takes an immediate purchase: worth a dollar, and the minimum of shares once it is rounded."""
    try:
        _, bought_micro = order_amounts("BUY", "FAK", price_micro, size_micro, terms.tick_micro)
    except BadSize:
        return False
    return bought_micro >= terms.min_size_micro and cost_of(size_micro, price_micro) >= MIN_IMMEDIATE_MICRO


def fee_per_share(price_micro: int, terms: Terms) -> int:
    """What taking one share at a price costs, in millionths, by the market's own schedule."""
    return _fee(MICRO, price_micro, terms)


def on_grid(price_micro: int, tick_micro: int) -> int | None:
    """A price rounded down to the grid, or None where the venue takes no order."""
    try:
        return round_to_tick(price_micro, tick_micro)
    except OffGrid:
        return None


def bid_price(ceiling_micro: int, book: BookSeen, tick_micro: int) -> int | None:
    """Where to rest a bid: one tick above the best, never above the ceiling, never at or over the best ask.

    None where the book is one-sided, or the grid has no such price.
    """
    if not book.bids or not book.asks:
        return None
    best, ask = book.bids[0].price_micro, book.asks[0].price_micro
    return on_grid(min(ceiling_micro, best + tick_micro, ask - tick_micro), tick_micro)


def offer_price(floor_micro: int, book: BookSeen, tick_micro: int) -> int | None:
    """Where to rest an offer: the floor rounded up to the grid, above the best bid. None where the grid ends."""
    best = book.bids[0].price_micro if book.bids else 0
    return on_grid(max(floor_micro, best + tick_micro) + tick_micro - 1, tick_micro)


def rest(outcome: Outcome, side: Side, price_micro: int, size_micro: int) -> Place:
    """A post-only order that stays until it is taken or cancelled."""
    return Place(outcome, side, price_micro, size_micro, "GTC", post_only=True)


def take(outcome: Outcome, side: Side, price_micro: int, size_micro: int) -> Place:
    """An immediate order at a price or better; what is not there is not waited for."""
    return Place(outcome, side, price_micro, size_micro, "FAK")


def cancels(orders: Iterable[OrderView]) -> tuple[Cancel, ...]:
    """The wish to take orders back; one that is not surely open is left alone, its answer is on the way."""
    return tuple(Cancel(order.order_id) for order in orders if order.state == "open")


def unsettled(account: Account) -> bool:
    """Whether the venue still owes an answer about an order of this window."""
    return any(order.state in _UNSETTLED for order in account.orders)


def resting(account: Account, side: Side, outcome: Outcome | None = None) -> list[OrderView]:
    """Our orders that rest in the book, best first for their side."""
    found = [o for o in account.orders if o.state == "open" and o.side == side and outcome in (None, o.outcome)]
    return sorted(found, key=lambda o: (-o.price_micro if side == "BUY" else o.price_micro, o.order_id))


def towards(
    wanted: Iterable[Quote], account: Account, *, drift_micro: int, budget_micro: int, entries: bool
) -> tuple[Intent, ...]:
    """The intents that bring what rests nearer to what should rest: at most one step a tick and token, never two.

    An open order within `drift_micro` of a wanted one stays, for its place in the queue; any other open one is taken
    back. What is missing is placed unless an order of its token and side is unanswered or just being taken back.
    Bounds: ORDERS_MAX orders; bids only with `entries`, and never beyond what is left of the budget.
    """
    kept, missing = _matched(wanted, account, drift_micro)
    gone = [order for order in account.orders if order.state == "open" and order.order_id not in kept]
    moving = [*gone, *(order for order in account.orders if order.state in _UNSETTLED)]
    busy = {(order.outcome, order.side) for order in moving}
    left_micro, places = budget_micro - committed(account), list[Place]()
    for quote in missing[: max(0, ORDERS_MAX - sum(order.state != "closed" for order in account.orders))]:
        cost_micro = cost_of(quote.size_micro, quote.price_micro) if quote.side == "BUY" else 0
        if (quote.outcome, quote.side) in busy or cost_micro > left_micro or (quote.side == "BUY" and not entries):
            continue
        left_micro -= cost_micro
        places.append(rest(quote.outcome, quote.side, quote.price_micro, quote.size_micro))
    return (*cancels(gone), *places)


def committed(account: Account) -> int:
    """What the window has cost or may still cost, in millionths: positions, and every bid that may yet trade."""
    held = sum(max(0, position.cost_micro) for position in account.positions)
    bids = sum(cost_of(o.open_micro, o.price_micro) for o in account.orders if o.side == "BUY" and o.state != "closed")
    return held + bids


def held(account: Account, outcome: Outcome) -> int:
    """How many shares of a token we hold, in millionths."""
    return sum(position.size_micro for position in account.positions if position.outcome == outcome)


def cost_per_share(account: Account, outcome: Outcome) -> int:
    """What a held share of a token has cost, fees included, in millionths; 0 when none is held."""
    size = held(account, outcome)
    cost = sum(position.cost_micro for position in account.positions if position.outcome == outcome)
    return cost * MICRO // size if size else 0


def _matched(wanted: Iterable[Quote], account: Account, drift_micro: int) -> tuple[set[str], list[Quote]]:
    """The ids of open orders that serve as wanted ones, and the wanted ones that no order serves."""
    kept, missing = set[str](), list[Quote]()
    for quote in wanted:
        serving = [
            order
            for order in resting(account, quote.side, quote.outcome)
            if order.order_id not in kept and abs(order.price_micro - quote.price_micro) <= drift_micro
        ]
        if serving:
            kept.add(serving[0].order_id)
        else:
            missing.append(quote)
    return kept, missing


def _fee(size_micro: int, price_micro: int, terms: Terms) -> int:
    return taker_fee(size_micro, price_micro, terms.fee_rate_micro, terms.fee_exponent)
