"""What an order is here, once it is read: holding it to the market's rules, and what it is while the venue has it.

The checks run in the order of facts 10: signer, maker, grid, size, dollar, decimals, expiry. What needs the account or
the state of the venue is `admission.py`; the wire and the signature are `posted.py`. What always holds: an `Asked`
order was signed by the address that owns the API key, names a token of a known market, and lies on that market's grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from deploy.rehearsal import refusals
from deploy.rehearsal.days import Listing, Outcome
from deploy.rehearsal.keys import Key
from deploy.rehearsal.matching import IMMEDIATE, Kind, Side, Wish, collateral_of
from deploy.rehearsal.posted import NOBODY_TAKES, SIDES, AnyPosted, number, prove
from deploy.rehearsal.quantities import MICRO, is_count, text_of
from deploy.rehearsal.signatures import AnyOrder, Domain, LegacyOrder

KINDS: Final = frozenset({"GTC", "GTD", "FAK", "FOK"})
GTD_LEAD_S: Final = 180
"""A GTD order has to expire at least this far ahead. Source: facts 3.3."""
GTD_EARLY_S: Final = 60
"""A GTD order expires this long before the second it states."""
MARKETABLE_MIN_MICRO: Final = MICRO
_SIZE_PLACES: Final = 2
_AMOUNT_PLACES: Final = {100_000: 3, 10_000: 4, 5_000: 5, 2_500: 6, 1_000: 5, 100: 6}
"""Decimals of price x size on each tick. Source: facts 1.5."""
_SPEND_PLACES, _BOUGHT_PLACES = 2, 4
"""An immediate BUY: cents in, shares out, whatever the tick: production refuses a fifth decimal on fine ticks too."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An order that was read and proved. expires_s: the second it states, 0 for none. spend_micro: see `Wish`."""

    order_id: str
    key: Key
    wallet: str
    signature_type: int
    listing: Listing
    outcome: Outcome
    side: Side
    kind: Kind
    price_micro: int
    size_micro: int
    spend_micro: int | None
    post_only: bool
    expires_s: int
    deferred: bool = False

    @property
    def token_id(self) -> str:
        """The token it buys or sells."""
        return self.listing.token(self.outcome)

    @property
    def worth_micro(self) -> int:
        """Dollars at its limit."""
        return self.spend_micro or collateral_of(self.size_micro, self.price_micro)

    @property
    def wish(self) -> Wish:
        """What enters the book."""
        return Wish(
            self.order_id,
            self.key.owner,
            self.outcome,
            self.side,
            self.price_micro,
            self.size_micro,
            self.kind,
            self.spend_micro,
        )


@dataclass(slots=True)
class Order:
    """An order the venue took, in any status. made/taken: what it gave and got so far, as the answer words it."""

    order_id: str
    api_key: str
    owner: str
    wallet: str
    condition_id: str
    token_id: str
    outcome: Outcome
    side: Side
    kind: Kind
    price_micro: int
    size_micro: int
    post_only: bool
    created_ms: int
    expires_s: int
    status: str = "LIVE"
    matched_micro: int = 0
    made_micro: int = 0
    taken_micro: int = 0
    trades: list[str] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether it may still fill."""
        return self.status == "LIVE"


def order_of(asked: Asked, now_ms: int) -> Order:
    """The order an accepted request becomes."""
    return Order(
        order_id=asked.order_id,
        api_key=asked.key.api_key,
        owner=asked.key.owner,
        wallet=asked.wallet,
        condition_id=asked.listing.condition_id,
        token_id=asked.token_id,
        outcome=asked.outcome,
        side=asked.side,
        kind=asked.kind,
        price_micro=asked.price_micro,
        size_micro=asked.size_micro,
        post_only=asked.post_only,
        created_ms=now_ms,
        expires_s=asked.expires_s,
    )


def fits(order: Order, wanted: Mapping[str, str]) -> bool:
    """Whether an order's fields are as wanted; a blank wish fits everything."""
    return all(not want or getattr(order, name) == want for name, want in wanted.items())


@dataclass(frozen=True, slots=True)
class Ground:
    """What an order is held to: its market as it stands, and what the venue knows beyond the order.

    permits: raises Refused where the key's owner may not send such an order. crosses: whether a wish would trade now.
    """

    listing: Listing
    tick_micro: int
    now_ms: int
    domain: Domain
    permits: Callable[[Key, AnyOrder], None]
    crosses: Callable[[Wish], bool]


def ask(posted: AnyPosted, key: Key, ground: Ground) -> Asked:
    """Prove an order and hold it to the market's rules. Raises: Refused, on the first rule it breaks."""
    order_id, order = prove(posted, key, ground.domain)
    ground.permits(key, order)
    asked = _asked(posted, key, order, order_id, ground)
    for check in CHECKS:
        check(asked, order, ground)
    return asked


def _asked(posted: AnyPosted, key: Key, order: AnyOrder, order_id: str, ground: Ground) -> Asked:
    if posted.order_type not in KINDS or not order.maker_amount or not order.taker_amount:
        raise refusals.bad(refusals.INVALID_PAYLOAD)
    buys = order.side == 0
    dollars, shares = (order.maker_amount, order.taker_amount) if buys else (order.taker_amount, order.maker_amount)
    immediate = posted.order_type in IMMEDIATE
    return Asked(
        order_id=order_id,
        key=key,
        wallet=order.maker,
        signature_type=order.signature_type,
        listing=ground.listing,
        outcome="Up" if str(order.token_id) == ground.listing.up_token else "Down",
        side=SIDES[order.side],
        kind=cast(Kind, posted.order_type),
        price_micro=_limit(dollars, shares, buys, immediate, ground.tick_micro),
        size_micro=shares,
        spend_micro=dollars if buys and immediate else None,
        post_only=posted.post_only,
        expires_s=number(posted.order.expiration),
        deferred=posted.defer_exec,
    )


def _limit(dollars: int, shares: int, buys: bool, immediate: bool, tick_micro: int) -> int:
    """The limit price in millionths. An immediate order's rounded amounts are taken back to the tick they came from."""
    exact = dollars * MICRO
    if not immediate:
        return exact // shares if exact % shares == 0 else -1
    return exact // shares // tick_micro * tick_micro if buys else -(-exact // shares // tick_micro) * tick_micro


def _check_grid(asked: Asked, order: AnyOrder, ground: Ground) -> None:
    price, tick = asked.price_micro, ground.tick_micro
    if price % tick or not tick <= price <= MICRO - tick:
        dollars = order.maker_amount if asked.side == "BUY" else order.taker_amount
        shown = text_of(dollars * MICRO // asked.size_micro)
        raise refusals.breaks_tick(asked.order_id, shown, text_of(tick))


def _check_size(asked: Asked, order: AnyOrder, ground: Ground) -> None:
    if asked.kind not in IMMEDIATE and asked.size_micro < asked.listing.min_size_micro:
        minimum = text_of(asked.listing.min_size_micro)
        raise refusals.too_small(asked.order_id, text_of(asked.size_micro), minimum)


def _check_places(asked: Asked, order: AnyOrder, ground: Ground) -> None:
    name, maker, taker = _places(asked, ground.tick_micro)
    if order.maker_amount % 10 ** (6 - maker) or order.taker_amount % 10 ** (6 - taker):
        raise refusals.too_exact(name, maker, taker)


def _places(asked: Asked, tick_micro: int) -> tuple[str, int, int]:
    """Which decimals an order of this sort may have: of what it gives, of what it gets."""
    amount = _AMOUNT_PLACES[tick_micro]
    if asked.spend_micro is not None:
        return "market buy", _SPEND_PLACES, _BOUGHT_PLACES
    if asked.side == "BUY":
        return "buy", amount, _SIZE_PLACES
    return ("market sell" if asked.kind in IMMEDIATE else "sell"), _SIZE_PLACES, amount


def _check_post_only(asked: Asked, order: AnyOrder, ground: Ground) -> None:
    if asked.post_only and asked.kind in IMMEDIATE:
        raise refusals.bad(refusals.INVALID_POST_ONLY)


def _check_expiry(asked: Asked, order: AnyOrder, ground: Ground) -> None:
    dated = asked.kind == "GTD"
    if dated != bool(asked.expires_s) or (dated and asked.expires_s * 1_000 < ground.now_ms + GTD_LEAD_S * 1_000):
        raise refusals.bad(refusals.INVALID_EXPIRATION)


def _check_dollar(asked: Asked, order: AnyOrder, ground: Ground) -> None:
    """A BUY that would trade at once is for a dollar at least."""
    if asked.side == "BUY" and asked.worth_micro < MARKETABLE_MIN_MICRO and ground.crosses(asked.wish):
        raise refusals.below_a_dollar(asked.side, text_of(asked.worth_micro))


def _check_legacy(asked: Asked, order: AnyOrder, ground: Ground) -> None:
    """An order of the time before says whom it is for and which round of nonces it belongs to: everybody, the first."""
    if isinstance(order, LegacyOrder) and order.nonce:
        raise refusals.bad(refusals.INVALID_NONCE)
    if isinstance(order, LegacyOrder) and order.taker.lower() != NOBODY_TAKES:
        raise refusals.bad(refusals.INVALID_PAYLOAD)


CHECKS: Final[tuple[Callable[[Asked, AnyOrder, Ground], None], ...]] = (
    _check_legacy,
    _check_grid,
    _check_size,
    _check_dollar,
    _check_places,
    _check_post_only,
    _check_expiry,
)
"""The market's rules in the order they are applied."""


def seconds_of(text: str | None) -> int | None:
    """Read a bound in seconds, None for a blank one. Raises: Refused."""
    if not text:
        return None
    if not is_count(text):
        raise refusals.bad("invalid timestamp")
    return int(text)
