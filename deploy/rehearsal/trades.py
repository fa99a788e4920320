"""A trade's life: matched at once, mined seconds later, confirmed or failed in the end.

One trade is one price level that one taker order took; its makers are parts of it. Delays are drawn from the trade's
id, so a venue started again settles a pending trade as it would have. Leaves booking and undoing to `accounts.py`.
What always holds: CONFIRMED and FAILED are final, and FAILED comes only by way of RETRYING.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from deploy.rehearsal.accounts import Leg, taker_fee
from deploy.rehearsal.days import Listing, Outcome
from deploy.rehearsal.keys import uuid_of
from deploy.rehearsal.matching import Fill, Side, Wish, in_up
from deploy.rehearsal.orders import Order

MINED_MS: Final = (2_000, 5_000)
CONFIRMED_MS: Final = (10_000, 50_000)
RETRYING_MS: Final = (4_000, 8_000)
FAILED_MS: Final = (15_000, 45_000)
"""Market time after the match. Source: facts 4.2, 10."""
RECOVERED_MS: Final = ((4_000, 8_000), (10_000, 20_000), (25_000, 60_000))
"""Retrying, mined and confirmed of a trade that had to be sent again; made up."""
BROADCAST_MS: Final = 1_000
"""A matched trade is not broadcast for so long: the lists say so, the user socket does not. Source: facts 4.2."""
FINAL: Final = frozenset({"CONFIRMED", "FAILED"})
UNMINED: Final = frozenset({"MATCHED", "RETRYING"})
"""What the chain knows nothing of yet."""
STRANGER: Final = "00000000-0000-4000-8000-00000000c0de"
"""The API key id shown for everybody who is not a client."""
NOBODY: Final = "0x000000000000000000000000000000000000c0DE"


@dataclass(frozen=True, slots=True)
class Part:
    """One order's share of a trade as messages show it, in the terms of its own token. owner: its API key's id."""

    order_id: str
    owner: str
    wallet: str
    token_id: str
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int


@dataclass(slots=True)
class Trade:
    """A trade with at least one client in it. legs: what to book, and to undo should it fail."""

    trade_id: str
    condition_id: str
    slug: str
    taker: Part
    makers: tuple[Part, ...]
    legs: tuple[Leg, ...]
    match_ms: int
    update_ms: int
    status: str = "MATCHED"

    @property
    def transaction_hash(self) -> str:
        """The hash it got on the chain: none before it is mined."""
        mined = self.status in ("MINED", "CONFIRMED")
        return "0x" + sha256(f"transaction/{self.trade_id}".encode()).hexdigest() if mined else ""

    def listed_status(self, now_ms: int) -> str:
        """Its status as the lists have it."""
        fresh = self.status == "MATCHED" and now_ms < self.match_ms + BROADCAST_MS
        return f"TRADE_STATUS_{self.status}" + ("_NOT_BROADCASTED" if fresh else "")

    def clients(self) -> list[str]:
        """API keys with a part in it."""
        owners = dict.fromkeys(part.owner for part in (self.taker, *self.makers))
        return [owner for owner in owners if owner != STRANGER]


def made(
    listing: Listing, wish: Wish, fills: Sequence[Fill], orders: Mapping[str, Order], now_ms: int, number: int
) -> Trade:
    """The trade of one taker order at one price. orders: the clients' orders; everybody else is a stranger."""
    up_micro, size_micro = fills[0].up_micro, sum(fill.size_micro for fill in fills)
    taker = _part(listing, wish.order_id, wish.outcome, wish.side, up_micro, size_micro, orders)
    makers = tuple(
        _part(listing, fill.maker_id, fill.outcome, fill.side, up_micro, fill.size_micro, orders) for fill in fills
    )
    fee = taker_fee(size_micro, taker.price_micro, listing.fee)
    parts = ((taker, fee, False), *((maker, 0, True) for maker in makers))
    return Trade(
        trade_id=trade_id(wish.order_id, up_micro, now_ms, number),
        condition_id=listing.condition_id,
        slug=listing.slug,
        taker=taker,
        makers=makers,
        legs=tuple(_leg(*part, orders[part[0].order_id].owner) for part in parts if part[0].order_id in orders),
        match_ms=now_ms,
        update_ms=now_ms,
    )


def _part(
    listing: Listing,
    order_id: str,
    outcome: Outcome,
    side: Side,
    up_micro: int,
    size_micro: int,
    orders: Mapping[str, Order],
) -> Part:
    order = orders.get(order_id)
    owner, wallet = (order.api_key, order.wallet) if order else (STRANGER, NOBODY)
    return Part(order_id, owner, wallet, listing.token(outcome), outcome, side, in_up(outcome, up_micro), size_micro)


def _leg(part: Part, fee_micro: int, maker: bool, owner: str) -> Leg:
    return Leg(
        order_id=part.order_id,
        owner=owner,
        wallet=part.wallet,
        token_id=part.token_id,
        outcome=part.outcome,
        side=part.side,
        price_micro=part.price_micro,
        size_micro=part.size_micro,
        fee_micro=fee_micro,
        maker=maker,
    )


def wanted(trade: Trade, asked: Mapping[str, str]) -> bool:
    """Whether a trade fits the filters that are not blank; wallets and tokens may be of any of its parts."""
    filters = ((asked.get(name), own) for name, own in _NAMED.items())
    return all(not value or not {value, value.lower()}.isdisjoint(own(trade)) for value, own in filters)


_NAMED: Final[dict[str, Callable[[Trade], set[str]]]] = {
    "id": lambda trade: {trade.trade_id},
    "market": lambda trade: {trade.condition_id},
    "asset_id": lambda trade: {part.token_id for part in (trade.taker, *trade.makers)},
    "maker_address": lambda trade: {part.wallet.lower() for part in (trade.taker, *trade.makers)},
}
"""By what a trade can be asked for, and what of it that may be."""


def trade_id(taker_order_id: str, up_micro: int, match_ms: int, number: int) -> str:
    """The id of one taker order's trade at one price. number: the trade's place in its market."""
    return uuid_of(sha256(f"{taker_order_id}/{up_micro}/{match_ms}/{number}".encode()).digest())


def course(trade: str, failing: float) -> list[tuple[int, str]]:
    """What becomes of a trade: (milliseconds after the match, status).

    failing: the probability that it fails in the end; as many again are retried and mined after all.
    """
    drawn = sha256(f"course/{trade}".encode()).digest()
    luck, *parts = (int.from_bytes(drawn[at : at + 4]) / 2**32 for at in (0, 4, 8, 12))
    steps: tuple[tuple[str, tuple[int, int]], ...] = (("MINED", MINED_MS), ("CONFIRMED", CONFIRMED_MS))
    if luck < failing:
        steps = (("RETRYING", RETRYING_MS), ("FAILED", FAILED_MS))
    elif luck < 2 * failing:
        steps = tuple(zip(("RETRYING", "MINED", "CONFIRMED"), RECOVERED_MS, strict=True))
    return [(low + int(part * (high - low)), status) for (status, (low, high)), part in zip(steps, parts, strict=False)]
