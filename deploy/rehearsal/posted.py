"""An order as it was posted: reading either struct off the wire, the exchange it was signed for, and who signed it.

CLOB V2 has a struct of its own; what was signed before it had another (facts 2.1). Which one a venue takes is its
version: 2, or 1 for a venue of the time before. Leaves the market's rules to `orders.py`. What always holds: an id is
the typed-data hash under the domain of the market's own exchange; a proved order was signed by the key's owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from deploy.rehearsal import refusals
from deploy.rehearsal.days import Listing
from deploy.rehearsal.keys import Key
from deploy.rehearsal.matching import Side
from deploy.rehearsal.quantities import is_count
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.signatures import (
    BEFORE_V2,
    CTF,
    DEPOSIT_WALLET,
    PROTOCOL_V2,
    AnyOrder,
    Domain,
    Forged,
    LegacyOrder,
    SignedOrder,
    order_hash,
    order_signer,
)

CLOB_V1, CLOB_V2 = 1, 2
"""What GET /version says: which struct the venue takes."""
EOA: Final = 0
SIDES: Final[tuple[Side, Side]] = ("BUY", "SELL")
NOBODY_TAKES: Final = "0x" + "0" * 40
"""The taker of an order for everybody; a public book takes no other."""
_DIGITS_MAX: Final = 78
_OTHERS: Final[Mapping[int, tuple[Domain, ...]]] = {CLOB_V1: (BEFORE_V2,), CLOB_V2: (CTF, PROTOCOL_V2, BEFORE_V2)}
"""Domains that somebody may have signed a struct for by mistake."""


class Wire(msgspec.Struct, rename="camel", kw_only=True):
    """What both structs carry: numbers as text but for salt and signature type."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: str
    taker_amount: str
    side: str
    signature_type: int
    signature: str
    expiration: str = "0"


class WireOrder(Wire, rename="camel", kw_only=True):
    """The struct of CLOB V2 as posted; its expiration is not signed."""

    timestamp: str
    metadata: str
    builder: str


class LegacyWire(Wire, rename="camel", kw_only=True):
    """The struct of before as posted."""

    taker: str
    nonce: str
    fee_rate_bps: str


class Posted(msgspec.Struct, rename="camel", kw_only=True):
    """One body of POST /order."""

    owner: str
    order_type: str
    defer_exec: bool = False
    post_only: bool = False
    order: WireOrder


class LegacyPosted(msgspec.Struct, rename="camel", kw_only=True):
    """One body of POST /order as it was before CLOB V2."""

    owner: str
    order_type: str
    defer_exec: bool = False
    post_only: bool = False
    order: LegacyWire


AnyPosted = Posted | LegacyPosted


def read_posted(body: object) -> AnyPosted:
    """Read one order body, of either struct. Raises: Refused: not an order."""
    fields = body.get("order") if isinstance(body, dict) else None
    legacy = isinstance(fields, dict) and "timestamp" not in fields and "feeRateBps" in fields
    try:
        return msgspec.convert(body, LegacyPosted) if legacy else msgspec.convert(body, Posted)
    except msgspec.ValidationError as error:
        raise refusals.bad(refusals.INVALID_PAYLOAD) from error


def version_of(posted: AnyPosted) -> int:
    """Which version of the venue takes this struct."""
    return CLOB_V1 if isinstance(posted, LegacyPosted) else CLOB_V2


def domain_of(listing: Listing, version: int) -> Domain | None:
    """The domain a market's orders are signed for; None: that version of the venue has no exchange for it."""
    if listing.version == "v2":
        return PROTOCOL_V2 if version == CLOB_V2 else None
    return CTF if version == CLOB_V2 else BEFORE_V2


def struct_of(wire: WireOrder | LegacyWire) -> AnyOrder:
    """The struct that was signed. Raises: Refused: a number that is none, or no such side."""
    if wire.side not in SIDES or wire.signature_type not in range(4):
        raise refusals.bad(refusals.INVALID_PAYLOAD)
    both: dict[str, Any] = {
        "salt": wire.salt,
        "maker": wire.maker,
        "signer": wire.signer,
        "token_id": number(wire.token_id),
        "maker_amount": number(wire.maker_amount),
        "taker_amount": number(wire.taker_amount),
        "side": SIDES.index("BUY" if wire.side == "BUY" else "SELL"),
        "signature_type": wire.signature_type,
    }
    if isinstance(wire, WireOrder):
        own: dict[str, Any] = {"timestamp": number(wire.timestamp), "metadata": wire.metadata, "builder": wire.builder}
        return SignedOrder(**both, **own)
    counts: dict[str, Any] = {"expiration": number(wire.expiration), "nonce": number(wire.nonce)}
    return LegacyOrder(**both, **counts, taker=wire.taker, fee_rate_bps=number(wire.fee_rate_bps))


def id_of(posted: AnyPosted, domain: Domain | None = None) -> str:
    """The order id a body would have, "" where it makes no sense. domain: None where the market is not known."""
    usual = CTF if isinstance(posted, Posted) else BEFORE_V2
    try:
        return order_hash(struct_of(posted.order), domain or usual)
    except (Refused, Forged):
        return ""


def prove(posted: AnyPosted, key: Key, domain: Domain) -> tuple[str, AnyOrder]:
    """Hold an order to its signer and its maker. Returns its id and what was signed. Raises: Refused."""
    order = struct_of(posted.order)
    try:
        signer = order_signer(order, domain, posted.order.signature)
    except Forged:
        signer = ""
    if signer != key.owner:
        raise refusals.bad(_why_not(posted, order, key))
    names_itself = order.maker if order.signature_type == DEPOSIT_WALLET else key.owner
    if order.signer.lower() != names_itself.lower():
        raise refusals.bad(refusals.SIGNER_IS_NOT_KEY)
    if order.signature_type == EOA and order.maker.lower() != key.owner.lower():
        raise refusals.bad(refusals.MAKER_NOT_ALLOWED)
    return order_hash(order, domain), order


def _why_not(posted: AnyPosted, order: AnyOrder, key: Key) -> str:
    """Another domain's signature of the right key is a version mismatch; another key's is a wrong signer or forged."""
    for domain in _OTHERS[version_of(posted)]:
        try:
            if order_signer(order, domain, posted.order.signature) == key.owner:
                return refusals.VERSION_MISMATCH
        except Forged:
            continue
    wrong_signer = order.signature_type != DEPOSIT_WALLET and order.signer.lower() != key.owner.lower()
    return refusals.SIGNER_IS_NOT_KEY if wrong_signer else refusals.INVALID_SIGNATURE


def number(text: str) -> int:
    """Read a plain number of at most 256 bits or so. Raises: Refused."""
    if not is_count(text) or len(text) > _DIGITS_MAX:
        raise refusals.bad(refusals.INVALID_PAYLOAD)
    return int(text)


def body_of(raw: bytes) -> Any:
    """Decode a JSON body. Raises: Refused."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise refusals.bad(refusals.INVALID_PAYLOAD) from error
