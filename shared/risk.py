"""Whether an order may be sent: intent, market, exposure and limits in; Approved or Denied out.

The caps are configuration and nothing a release says can exceed them. The checks stand in one table, first denial wins,
and every denial carries the number that explains it. One code for the desk and for accounts on paper: what the one
would refuse, the other does not fill. Leaves counting what is open to `exposure`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from shared import config
from shared.amounts import MIN_IMMEDIATE_MICRO
from shared.messages import OrderKind, Place, Terms
from shared.units import MICRO, cost_of, show_micro, show_usd, up_to_cent

PARTS_MAX: Final = 100
"""Trades that one order makes at most, as far as its cost is counted beforehand: each rounds its fee for itself."""
HALF_STEP_MICRO: Final = 5
"""What rounding can add to the fee of one trade; fees are kept to five decimals."""
INTENTS_MAX: Final = 8
"""Wishes one decision may hold."""
HALTS: Final = frozenset({"halted", "flattened", "blocked"})
"""Why entries may be closed and exits with them: words of a tick, and of a denial."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps, in millionths of collateral and counts. See the settings under [risk]."""

    order_micro: int
    slot_micro: int
    asset_micro: int
    total_micro: int
    day_loss_micro: int
    orders_per_minute: int
    open_orders: int
    price_band_micro: int
    side_micro: int
    cancels_per_minute: int


def limits(settings: config.Risk) -> Limits:
    """The caps of a desk with these settings."""
    return Limits(
        order_micro=round(settings.order_max_usd * MICRO),
        slot_micro=round(settings.slot_max_usd * MICRO),
        asset_micro=round(settings.asset_max_usd * MICRO),
        total_micro=round(settings.total_max_usd * MICRO),
        day_loss_micro=round(settings.day_loss_max_usd * MICRO),
        orders_per_minute=settings.orders_per_minute,
        open_orders=settings.open_orders_max,
        price_band_micro=settings.price_band_micro,
        side_micro=round(settings.side_max_usd * MICRO),
        cancels_per_minute=settings.cancels_per_minute,
    )


@dataclass(frozen=True, slots=True)
class Exposure:
    """What could still be lost, positions at cost and open buys at their price; and what went before."""

    slot_micro: int
    asset_micro: int
    total_micro: int
    held_micro: int
    """Shares of the order's own token that are held and not already offered: what a SELL may sell."""
    opposite_micro: int
    """The best price at which an order of our own would be on the other side of this one; 0 for none."""
    cash_micro: int
    day_realized_micro: int
    open_orders: int
    orders_last_minute: int
    side_micro: int = 0
    """What could be lost if this outcome, Up or Down, lost in every market at once."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The token's market now. `stale`: why its book is not to be believed, else empty. Prices 0: nothing there.

    `opposite_*`: of the market's other token, 0 as well while its book is not to be believed. The two are one market:
    who bids for Down at a price offers Up at one minus it.
    """

    bid_micro: int
    ask_micro: int
    stale: str
    tick_micro: int
    min_size_micro: int
    min_immediate_micro: int
    fee_rate_micro: int
    fee_exponent: int
    opposite_bid_micro: int = 0
    opposite_ask_micro: int = 0

    @property
    def offered_micro(self) -> int:
        """The lowest price at which either book sells the token now; 0 for none."""
        minted = MICRO - self.opposite_bid_micro if self.opposite_bid_micro else 0
        return min((price for price in (self.ask_micro, minted) if price), default=0)

    @property
    def wanted_micro(self) -> int:
        """The highest price at which either book buys the token now; 0 for none."""
        return max(self.bid_micro, MICRO - self.opposite_ask_micro if self.opposite_ask_micro else 0)


class Best(NamedTuple):
    """The best prices of one token's book, 0 where nothing rests, and why they are not to be believed, if so."""

    bid_micro: int
    ask_micro: int
    stale: str


def quote(terms: Terms, own: Best, other: Best) -> Quote:
    """A token's market by its terms and the books of both tokens."""
    return Quote(
        bid_micro=own.bid_micro,
        ask_micro=own.ask_micro,
        stale=own.stale,
        tick_micro=terms.tick_micro,
        min_size_micro=terms.min_size_micro,
        min_immediate_micro=MIN_IMMEDIATE_MICRO,
        fee_rate_micro=terms.fee_rate_micro,
        fee_exponent=terms.fee_exponent,
        opposite_bid_micro=0 if other.stale else other.bid_micro,
        opposite_ask_micro=0 if other.stale else other.ask_micro,
    )


class Fees(Protocol):
    """What a market charges whoever takes, and its price grid: a quote says it, and so do a market's terms."""

    @property
    def tick_micro(self) -> int: ...
    @property
    def fee_rate_micro(self) -> int: ...
    @property
    def fee_exponent(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Approved:
    """The order may go. `cost_micro`: the most it can take out of the cash, fee included."""

    cost_micro: int


@dataclass(frozen=True, slots=True)
class Denied:
    """It may not. `reason` is a stable word, `detail` the numbers."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class _Case:
    place: Place
    quote: Quote
    exposure: Exposure
    limits: Limits
    entries: str
    halted: str
    cost_micro: int


def check(
    place: Place, quote: Quote, exposure: Exposure, limits: Limits, entries: str, halted: str = ""
) -> Approved | Denied:
    """Judge one order.

    Args: entries: empty, or why no entry may be made now; an order that only reduces what is held may still go.
    halted: empty, or why not even that may.
    """
    case = _Case(place, quote, exposure, limits, entries, halted, worst_cost(place, quote))
    for reason, refusal in _CHECKS:
        detail = refusal(case)
        if detail:
            return Denied(reason, detail)
    return Approved(case.cost_micro)


def check_cancel(cancels_last_minute: int, limits: Limits) -> Denied | None:
    """Judge one cancel of a release: one that places and cancels without end is stopped by both rates."""
    limit = limits.cancels_per_minute
    if cancels_last_minute < limit:
        return None
    return Denied("cancel_rate", f"{cancels_last_minute} cancels in the last minute, the limit is {limit}")


def worst_cost(place: Place, quote: Quote) -> int:
    """The most an order can take out of the cash: nothing for a SELL, price and taker fee for a BUY."""
    if place.side == "SELL":
        return 0
    if place.post_only:
        return cost_of(place.size_micro, place.price_micro)
    return worst_paid(place.kind, place.price_micro, place.size_micro, quote)


def worst_paid(kind: OrderKind, price_micro: int, size_micro: int, fees: Fees) -> int:
    """The most a BUY that takes can cost, however good the prices are that it meets, and however small the parts.

    One that may rest is for shares: the dearest are those at its limit. An immediate one is for dollars, in whole cents
    of which its shares were rounded down: at a better price it gets more shares, and the fee on them is dearer. For V
    dollars at a price q that fee is V x rate x q^(exponent - 1) x (1 - q)^exponent, so never over V x rate.
    Source: how the venue matches market orders, and its fee page.
    """
    value = cost_of(size_micro, price_micro)
    if kind == "GTC":
        curve = price_micro * (MICRO - price_micro)
        top, bottom = size_micro * fees.fee_rate_micro * curve**fees.fee_exponent, MICRO ** (2 * fees.fee_exponent + 1)
    else:
        value = up_to_cent(value)
        most = value if fees.fee_exponent else value * MICRO // fees.tick_micro
        top, bottom = most * fees.fee_rate_micro, MICRO
    fee: int = -(-top // bottom)
    return value + fee + min(-(-fee // 3), PARTS_MAX * HALF_STEP_MICRO)


def _bad_price(case: _Case) -> str:
    price, tick = case.place.price_micro, case.quote.tick_micro
    if price % tick or not tick <= price <= MICRO - tick:
        return f"{show_micro(price)} is not on the grid of {show_micro(tick)}"
    return ""


def _bad_size(case: _Case) -> str:
    if case.place.size_micro < case.quote.min_size_micro:
        return f"{show_micro(case.place.size_micro)} shares, the market takes {show_micro(case.quote.min_size_micro)}"
    return ""


def _too_little(case: _Case) -> str:
    """The venue wants an order that takes to be worth something."""
    value = cost_of(case.place.size_micro, case.place.price_micro)
    if case.place.kind != "GTC" and value < case.quote.min_immediate_micro:
        return f"worth {show_usd(value)}, an immediate order starts at {show_usd(case.quote.min_immediate_micro)}"
    return ""


def _bad_kind(case: _Case) -> str:
    return f"{case.place.kind} cannot be post-only" if case.place.post_only and case.place.kind != "GTC" else ""


def _no_entry(case: _Case) -> str:
    return case.entries if case.place.side == "BUY" else ""


def _stale(case: _Case) -> str:
    return case.quote.stale


def _disagreeing(case: _Case) -> str:
    """Books of one market that could be traded against each other far beyond a moment's lag: one of them is wrong."""
    bid, ask = case.quote.wanted_micro, case.quote.offered_micro
    if ask and bid > ask + case.limits.price_band_micro:
        return f"the two tokens' books want it at {show_micro(bid)} and offer it at {show_micro(ask)}"
    return ""


def _far_price(case: _Case) -> str:
    """A BUY far above the ask, or a SELL far below the bid, is a slip of the finger or of a unit.

    Held against both tokens' books: a side that is empty, or thin at the end, is bounded by the other token's.
    """
    price, band = case.place.price_micro, case.limits.price_band_micro
    ask, bid = case.quote.offered_micro, case.quote.wanted_micro
    if case.place.side == "BUY" and ask and price > ask + band:
        return f"{show_micro(price)} is over {show_micro(band)} above the ask, {show_micro(ask)}"
    if case.place.side == "SELL" and bid and price < bid - band:
        return f"{show_micro(price)} is over {show_micro(band)} below the bid, {show_micro(bid)}"
    return ""


def _unquoted(case: _Case) -> str:
    """With neither token bid for nor offered there is nothing to hold a price against."""
    bare = not case.quote.offered_micro and not case.quote.wanted_micro
    return "nobody bids for either token or offers one" if case.place.side == "BUY" and bare else ""


def _uncovered(case: _Case) -> str:
    if case.place.side == "SELL" and case.place.size_micro > case.exposure.held_micro:
        free = show_micro(max(0, case.exposure.held_micro))
        return f"sells {show_micro(case.place.size_micro)} shares, {free} are free"
    return ""


def _own_order(case: _Case) -> str:
    """An order that our own would meet trades nothing and costs a fee; the two tokens of a market are one book."""
    own, price = case.exposure.opposite_micro, case.place.price_micro
    meets = own and (price >= own if case.place.side == "BUY" else price <= own)
    return f"{show_micro(price)} meets our own order at {show_micro(own)}" if meets else ""


def _over(used_micro: int, cost_micro: int, cap_micro: int) -> str:
    if not cost_micro or used_micro + cost_micro <= cap_micro:
        return ""
    return f"{show_usd(used_micro)} + {show_usd(cost_micro)} is over {show_usd(cap_micro)}"


def _lost(case: _Case) -> str:
    loss = -case.exposure.day_realized_micro
    if case.place.side == "BUY" and loss >= case.limits.day_loss_micro:
        return f"{show_usd(loss)} lost today, the limit is {show_usd(case.limits.day_loss_micro)}"
    return ""


def _too_often(case: _Case) -> str:
    sent, limit = case.exposure.orders_last_minute, case.limits.orders_per_minute
    return f"{sent} orders in the last minute, the limit is {limit}" if sent >= limit else ""


def _too_many(case: _Case) -> str:
    rest, limit = case.exposure.open_orders, case.limits.open_orders
    return f"{rest} orders are open, the limit is {limit}" if rest >= limit else ""


_CHECKS: Final[tuple[tuple[str, Callable[[_Case], str]], ...]] = (
    ("halted", lambda c: c.halted),
    ("entries_closed", _no_entry),
    ("bad_kind", _bad_kind),
    ("bad_price", _bad_price),
    ("bad_size", _bad_size),
    ("too_little", _too_little),
    ("book_stale", _stale),
    ("books_disagree", _disagreeing),
    ("no_quote", _unquoted),
    ("price_far", _far_price),
    ("uncovered_sell", _uncovered),
    ("own_order", _own_order),
    ("day_loss", _lost),
    ("order_rate", _too_often),
    ("open_orders", _too_many),
    ("order_cap", lambda c: _over(0, c.cost_micro, c.limits.order_micro)),
    ("slot_cap", lambda c: _over(c.exposure.slot_micro, c.cost_micro, c.limits.slot_micro)),
    ("asset_cap", lambda c: _over(c.exposure.asset_micro, c.cost_micro, c.limits.asset_micro)),
    ("side_cap", lambda c: _over(c.exposure.side_micro, c.cost_micro, c.limits.side_micro)),
    ("total_cap", lambda c: _over(c.exposure.total_micro, c.cost_micro, c.limits.total_micro)),
    ("cash", lambda c: _over(0, c.cost_micro, max(0, c.exposure.cash_micro))),
)
