"""What an order is here: reading one off the wire, proving who signed it, holding it to the market's rules.

The checks run in the order of facts 10: owner, market, version, signature, signer, sizes and grid, expiry. What needs
the book, the money or the clock of the taker delay is the exchange's. What always holds: an `Asked` order was signed
by the address that owns the API key, names a token of a known market, and lies on that market's grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from deploy.rehearsal import refusals
from deploy.rehearsal.days import Listing, Outcome
from deploy.rehearsal.keys import Key
from deploy.rehearsal.matching import IMMEDIATE, Kind, Side, Wish, collateral_of
from deploy.rehearsal.quantities import MICRO, is_count, text_of
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.signatures import (
    BEFORE_V2,
    CTF,
    DEPOSIT_WALLET,
    PROTOCOL_V2,
    Forged,
    SignedOrder,
    order_hash,
    order_signer,
)

EOA: Final = 0
SIDES: Final[tuple[Side, Side]] = ("BUY", "SELL")
KINDS: Final = frozenset({"GTC", "GTD", "FAK", "FOK"})
GTD_LEAD_S: Final = 180
"""A GTD order has to expire at least this far ahead. Source: facts 3.3."""
GTD_EARLY_S: Final = 60
"""A GTD order expires this long before the second it states."""
MARKETABLE_MIN_MICRO: Final = MICRO
_BEFORE_V2_FIELDS: Final = ("taker", "nonce", "feeRateBps")
_SIZE_PLACES: Final = 2
_AMOUNT_PLACES: Final = {10_000: 4, 1_000: 5}
"""Decimals of price x size on each tick."""
_SPEND_PLACES, _BOUGHT_PLACES = 2, 4
"""An immediate BUY: cents in, shares out, whatever the tick: production refuses a fifth decimal on fine ticks too."""


class WireOrder(msgspec.Struct, rename="camel"):
    """The signed struct as posted: numbers as text but for salt and signature type."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: str
    taker_amount: str
    side: str
    signature_type: int
    timestamp: str
    signature: str
    metadata: str
    builder: str
    expiration: str = "0"


class Posted(msgspec.Struct, rename="camel"):
    """One body of POST /order."""

    order: WireOrder
    owner: str
    order_type: str
    defer_exec: bool = False
    post_only: bool = False


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


def read_posted(body: object) -> Posted:
    """Read one order body. Raises: Refused: not an order, or one of the time before CLOB V2."""
    fields = body.get("order") if isinstance(body, Mapping) else None
    if isinstance(fields, Mapping) and "timestamp" not in fields and any(name in fields for name in _BEFORE_V2_FIELDS):
        raise refusals.bad(refusals.VERSION_MISMATCH)
    try:
        return msgspec.convert(body, Posted)
    except msgspec.ValidationError as error:
        raise refusals.bad(refusals.INVALID_PAYLOAD) from error


def struct_of(wire: WireOrder) -> SignedOrder:
    """The struct that was signed. Raises: Refused: a number that is none, or no such side."""
    if wire.side not in SIDES or wire.signature_type not in range(4):
        raise refusals.bad(refusals.INVALID_PAYLOAD)
    return SignedOrder(
        salt=wire.salt,
        maker=wire.maker,
        signer=wire.signer,
        token_id=_number(wire.token_id),
        maker_amount=_number(wire.maker_amount),
        taker_amount=_number(wire.taker_amount),
        side=SIDES.index(wire.side),
        signature_type=wire.signature_type,
        timestamp=_number(wire.timestamp),
        metadata=wire.metadata,
        builder=wire.builder,
    )


def id_of(posted: Posted) -> str:
    """The order id a body would have, "" where it makes no sense: what a record of refusals can name."""
    try:
        return order_hash(struct_of(posted.order), CTF)
    except (Refused, Forged):
        return ""


def prove(posted: Posted, key: Key) -> str:
    """Hold an order to its signer and its maker. Returns its id. Raises: Refused."""
    order = struct_of(posted.order)
    try:
        signer = order_signer(order, CTF, posted.order.signature)
    except Forged as error:
        raise refusals.bad(refusals.INVALID_SIGNATURE) from error
    if signer != key.owner:
        raise refusals.bad(_why_not(order, posted.order.signature, key))
    names_itself = order.maker if order.signature_type == DEPOSIT_WALLET else key.owner
    if order.signer.lower() != names_itself.lower():
        raise refusals.bad(refusals.SIGNER_IS_NOT_KEY)
    if order.signature_type == EOA and order.maker.lower() != key.owner.lower():
        raise refusals.bad(refusals.MAKER_NOT_ALLOWED)
    return order_hash(order, CTF)


def _why_not(order: SignedOrder, signature: str, key: Key) -> str:
    """Another domain's signature of the right key is a version mismatch; another key's is a wrong signer or forged."""
    for domain in (BEFORE_V2, PROTOCOL_V2):
        try:
            if order_signer(order, domain, signature) == key.owner:
                return refusals.VERSION_MISMATCH
        except Forged:
            continue
    wrong_signer = order.signature_type != DEPOSIT_WALLET and order.signer.lower() != key.owner.lower()
    return refusals.SIGNER_IS_NOT_KEY if wrong_signer else refusals.INVALID_SIGNATURE


Permits = Callable[[Key, str], bool]
"""Whether a key's owner may name a wallet as maker."""


def ask(posted: Posted, key: Key, listing: Listing, tick_micro: int, now_ms: int, permits: Permits) -> Asked:
    """Prove an order and hold it to the market's rules. Raises: Refused, on the first rule it breaks."""
    order_id = prove(posted, key)
    if not permits(key, posted.order.maker):
        raise refusals.bad(refusals.MAKER_NOT_ALLOWED)
    asked, order = _asked(posted, key, listing, order_id, tick_micro), struct_of(posted.order)
    for check in CHECKS:
        check(asked, order, tick_micro, now_ms)
    return asked


def _asked(posted: Posted, key: Key, listing: Listing, order_id: str, tick_micro: int) -> Asked:
    order = struct_of(posted.order)
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
        listing=listing,
        outcome="Up" if str(order.token_id) == listing.up_token else "Down",
        side=SIDES[order.side],
        kind=cast(Kind, posted.order_type),
        price_micro=_limit(dollars, shares, buys, immediate, tick_micro),
        size_micro=shares,
        spend_micro=dollars if buys and immediate else None,
        post_only=posted.post_only,
        expires_s=_number(posted.order.expiration),
    )


def _limit(dollars: int, shares: int, buys: bool, immediate: bool, tick_micro: int) -> int:
    """The limit price in millionths. An immediate order's rounded amounts are taken back to the tick they came from."""
    exact = dollars * MICRO
    if not immediate:
        return exact // shares if exact % shares == 0 else -1
    return exact // shares // tick_micro * tick_micro if buys else -(-exact // shares // tick_micro) * tick_micro


def _check_grid(asked: Asked, order: SignedOrder, tick_micro: int, now_ms: int) -> None:
    price, tick = asked.price_micro, tick_micro
    if price % tick or not tick <= price <= MICRO - tick:
        dollars = order.maker_amount if asked.side == "BUY" else order.taker_amount
        shown = text_of(dollars * MICRO // asked.size_micro)
        raise refusals.breaks_tick(asked.order_id, shown, text_of(tick))


def _check_size(asked: Asked, order: SignedOrder, tick_micro: int, now_ms: int) -> None:
    if asked.kind not in IMMEDIATE and asked.size_micro < asked.listing.min_size_micro:
        minimum = text_of(asked.listing.min_size_micro)
        raise refusals.too_small(asked.order_id, text_of(asked.size_micro), minimum)


def _check_places(asked: Asked, order: SignedOrder, tick_micro: int, now_ms: int) -> None:
    name, maker, taker = _places(asked, tick_micro)
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


def _check_post_only(asked: Asked, order: SignedOrder, tick_micro: int, now_ms: int) -> None:
    if asked.post_only and asked.kind in IMMEDIATE:
        raise refusals.bad(refusals.INVALID_POST_ONLY)


def _check_expiry(asked: Asked, order: SignedOrder, tick_micro: int, now_ms: int) -> None:
    dated = asked.kind == "GTD"
    if dated != bool(asked.expires_s) or (dated and asked.expires_s * 1_000 < now_ms + GTD_LEAD_S * 1_000):
        raise refusals.bad(refusals.INVALID_EXPIRATION)


CHECKS: Final[tuple[Callable[[Asked, SignedOrder, int, int], None], ...]] = (
    _check_grid,
    _check_size,
    _check_places,
    _check_post_only,
    _check_expiry,
)
"""The market's rules in the order they are applied."""


def check_dollar(asked: Asked) -> None:
    """Refuse a marketable BUY of less than a dollar. Raises: Refused."""
    if asked.side == "BUY" and asked.worth_micro < MARKETABLE_MIN_MICRO:
        raise refusals.below_a_dollar(asked.side, text_of(asked.worth_micro))


def _number(text: str) -> int:
    if not is_count(text) or len(text) > 78:
        raise refusals.bad(refusals.INVALID_PAYLOAD)
    return int(text)


def seconds_of(text: str | None) -> int | None:
    """Read a bound in seconds, None for a blank one. Raises: Refused."""
    if not text:
        return None
    if not is_count(text):
        raise refusals.bad("invalid timestamp")
    return int(text)


def body_of(raw: bytes) -> Any:
    """Decode a JSON body. Raises: Refused."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise refusals.bad(refusals.INVALID_PAYLOAD) from error
