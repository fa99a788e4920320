"""Requests and their answers: orders, cancels, look-ups, heartbeat, keys; and what answers say of how fast to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

import msgspec

from shared.units import WORD_MAX, parse_micro, parse_scaled
from supervisor.venue.frames import SAID_MAX, UNREADABLE, BadFrame, an_id, sample
from supervisor.venue.user import TradeLeg, legs_of

ANSWER_MAX: Final = 64 * 1024
"""The largest answer to an order that is read, in bytes; a usual one has some 300."""
BARRED: Final = ("address banned", "address in closed only mode")
"""What is said to an account that may not trade any more, or only reduce. Source: facts 3.4."""
PLACE_MAX: Final = 20
"""Letters kept of the name of a place: a country's two and a region's few."""

Mode = Literal["", "too_many", "restarting", "post_only", "closed"]
"""How the venue is when it takes not all there is: too many requests of ours, no engine, post-only orders, none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an order as far as its answer tells.

    `verdict`: accepted (it exists), rejected (it does not), unknown (it may), or unsent (it does not: nothing of it
    ever left). `status`: live, matched, delayed or unmatched. `trades`: ids of the trades it made at once; their fills
    come over the user channel. `away`: why the venue takes no orders at all just now, if that is what it says, and
    `mode` which of its restricted modes that is. `wait_s`: real seconds after which to ask again, 0 where it does not
    say. `left`: requests of this kind that its rate limit leaves us, None where it does not say; `tier`: which of its
    limits that is, by its name for it.
    """

    verdict: Literal["accepted", "rejected", "unknown", "unsent"]
    status: str = ""
    order_id: str = ""
    trades: tuple[str, ...] = ()
    reason: str = ""
    away: str = ""
    mode: Mode = ""
    wait_s: float = 0.0
    left: int | None = None
    tier: str = ""

    @property
    def barred(self) -> bool:
        """Whether it says that this account may not trade as it did."""
        return any(text in self.reason for text in BARRED)


class _OrderAnswer(msgspec.Struct):
    success: bool | None = None
    errorMsg: str | None = ""
    orderID: str | None = ""
    status: str | None = ""
    tradeIDs: list[str] | None = []


class _ErrorAnswer(msgspec.Struct):
    error: str = ""
    code: str = ""
    retry_after_seconds: float = 0


_order_answer: msgspec.json.Decoder[_OrderAnswer] = msgspec.json.Decoder(_OrderAnswer)
_error_answer: msgspec.json.Decoder[_ErrorAnswer] = msgspec.json.Decoder(_ErrorAnswer)

_POST_ONLY: Final = "post-only mode"
_REFUSED_WHILE_503: Final = (_POST_ONLY, "trading is disabled", "cancel-only")
_LEFT: Final = "Poly-RateLimit-Remaining"
_TIER: Final = "Poly-RateLimit-Tier"
_TIER_MAX: Final = 20
_DIGITS_MAX: Final = 12
RESTARTING: Final = 425
"""What every request is answered with while the matching engine restarts."""
TOO_MANY: Final = 429
_MODES: Final[dict[int, Mode]] = {RESTARTING: "restarting", TOO_MANY: "too_many"}
WAIT_MAX_S: Final = 3_600.0
"""The longest wait an answer may ask for; longer is taken for this."""
BATCH_MAX: Final = 15
"""Orders in one request. Source: facts 3.3."""
CANCELS_MAX: Final = 1_000
"""Cancels in one request."""
NO_HEADERS: Final[Mapping[str, str]] = {}


def parse_order_answer(http: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """Read the answer to one order. Only words that say the order does not exist make it rejected; doubt is unknown."""
    answer = _accepted(body) if http == 200 else _refused(http, body)
    return _paced(answer, body, headers)


def parse_order_answers(
    http: int, body: bytes, order_ids: Sequence[str], headers: Mapping[str, str] = NO_HEADERS
) -> list[Answer]:
    """Read the answer to a batch of orders, in their order.

    A refusal of the whole is one of each leg. A refused leg is known by its place alone, so that it counts only where
    every other leg stands in its own; a leg the answer does not tell of is unknown.
    """
    if http != 200:
        return [parse_order_answer(http, body, headers)] * len(order_ids)
    try:
        legs = [_accepted(bytes(leg)) for leg in msgspec.json.decode(_within(body), type=list[msgspec.Raw])]
        missing = Answer("unknown", reason=f"not among the {len(legs)} legs of the answer")
    except UNREADABLE as error:
        legs, missing = [], Answer("unknown", reason=f"answer could not be read: {error}"[:SAID_MAX])
    named = {leg.order_id: leg for leg in legs if leg.verdict == "accepted"}
    if len(legs) == len(order_ids) and all(leg.order_id in {"", own} for leg, own in zip(legs, order_ids, strict=True)):
        found = legs
    else:
        found = [named.get(order_id, missing) for order_id in order_ids]
    return [_paced(answer, b"", headers) for answer in found]


def _refused(http: int, body: bytes) -> Answer:
    reason = _error_text(body) or f"HTTP {http}"
    closed = next((text for text in _REFUSED_WHILE_503 if http == 503 and text in reason), "")
    definite = bool(closed) or http in {400, 401, 403, 404, RESTARTING, TOO_MANY}
    away = "the venue restarts" if http == RESTARTING else closed and f"the venue says: {closed}"
    return Answer("rejected" if definite else "unknown", reason=reason, away=away, mode=_mode(http, closed))


def _mode(http: int, closed: str) -> Mode:
    if http in _MODES:
        return _MODES[http]
    return "" if not closed else "post_only" if closed == _POST_ONLY else "closed"


def _paced(answer: Answer, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Add what the answer says of how fast to ask; what it says in words that are no numbers is not said."""
    left, wait_s = _number(headers.get(_LEFT, "")), _number(headers.get("Retry-After", ""))
    if wait_s is None and answer.mode:
        wait_s = _retry_after(body)
    tier = headers.get(_TIER, "").lower()
    said = tier if tier.isascii() and tier.isalpha() and len(tier) <= _TIER_MAX else ""
    return replace(answer, left=None if left is None else int(left), wait_s=wait_s or 0.0, tier=said)


def _number(text: str) -> float | None:
    return min(float(text), WAIT_MAX_S) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else None


def _retry_after(body: bytes) -> float:
    try:
        return min(max(0.0, _error_answer.decode(body).retry_after_seconds), WAIT_MAX_S)
    except UNREADABLE:
        return 0.0


def _within(body: bytes) -> bytes:
    if len(body) > ANSWER_MAX:
        raise msgspec.DecodeError(f"answer of {len(body)} bytes is over the bound of {ANSWER_MAX}")
    return body


def _accepted(body: bytes) -> Answer:
    try:
        answer = _order_answer.decode(_within(body))
        trades = tuple(an_id(trade_id) for trade_id in answer.tradeIDs or ())
    except UNREADABLE as error:
        return Answer("unknown", reason=f"answer could not be read: {error}")
    said = (answer.errorMsg or "")[:SAID_MAX]
    if answer.success and answer.orderID and not said:
        return Answer("accepted", answer.status or "", answer.orderID, trades)
    if not answer.orderID and (said or answer.success is False):
        return Answer("rejected", reason=said or "refused without a reason")
    return Answer("unknown", reason=f"the answer contradicts itself: {sample(body)}")


def _error_text(body: bytes) -> str:
    """What an answer that is no success says; empty when it says nothing."""
    try:
        return _error_answer.decode(body).error[:SAID_MAX]
    except UNREADABLE:
        text = body[:SAID_MAX].decode(errors="replace").strip()
        return "" if text == "null" else text


class _CancelAnswer(msgspec.Struct):
    canceled: list[str] = []
    not_canceled: dict[str, str] = {}


_cancel_answer: msgspec.json.Decoder[_CancelAnswer] = msgspec.json.Decoder(_CancelAnswer)


def parse_cancel_answer(http: int, body: bytes, order_id: str, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """Read the answer to a cancel: accepted when the order is gone by it; HTTP 200 alone says nothing."""
    (answer,) = parse_cancel_answers(http, body, [order_id], headers)
    return answer


def parse_cancel_answers(
    http: int, body: bytes, order_ids: Sequence[str], headers: Mapping[str, str] = NO_HEADERS
) -> list[Answer]:
    """Read the answer to several cancels, in their order: each by its own word in it."""
    if http != 200:
        refused = replace(_refused(http, body), verdict="unknown", away="")
        return [_paced(refused, body, headers)] * len(order_ids)
    try:
        answer = _cancel_answer.decode(body)
    except UNREADABLE as error:
        return [Answer("unknown", reason=f"answer could not be read: {error}"[:SAID_MAX])] * len(order_ids)
    return [_paced(_cancelled(answer, order_id), b"", headers) for order_id in order_ids]


def parse_cancelled(body: bytes) -> int:
    """How many orders an answer says are cancelled by it. Raises: BadFrame."""
    try:
        return len(_cancel_answer.decode(body).canceled)
    except UNREADABLE as error:
        raise BadFrame(f"cancelled: {error}") from error


def _cancelled(answer: _CancelAnswer, order_id: str) -> Answer:
    if order_id in answer.canceled:
        return Answer("accepted", order_id=order_id)
    return Answer("rejected", reason=answer.not_canceled.get(order_id, "not mentioned in the answer")[:SAID_MAX])


class _OpenOrder(msgspec.Struct):
    id: str
    status: str = ""
    asset_id: str = ""
    side: str = ""
    price: str = ""
    original_size: str = ""
    size_matched: str = ""


class _Page(msgspec.Struct):
    data: list[msgspec.Raw] = []
    next_cursor: str = ""


class _Version(msgspec.Struct):
    version: int


def parse_version(http: int, body: bytes) -> int | None:
    """Which version of the exchange a venue says it is: what orders it takes. None: it does not say."""
    try:
        return msgspec.json.decode(body, type=_Version).version if http == 200 else None
    except UNREADABLE:
        return None


FIRST_CURSOR: Final = "MA=="
LAST_CURSOR: Final = "LTE="


def parse_page(body: bytes) -> tuple[list[bytes], str]:
    """The items of a page, raw, and the cursor of the next one (LAST_CURSOR: there is none). Raises: BadFrame."""
    try:
        page = msgspec.json.decode(body, type=_Page)
    except UNREADABLE as error:
        raise BadFrame(f"page: {error}") from error
    return [bytes(item) for item in page.data], page.next_cursor or LAST_CURSOR


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue has it."""

    order_id: str
    token: str
    side: str
    price_micro: int
    size_micro: int
    matched_micro: int
    open: bool


def parse_venue_order(item: bytes) -> VenueOrder | None:
    """One order of a list or a look-up; None when the look-up found nothing. Raises: BadFrame."""
    if item.strip() in {b"null", b"", b"{}"}:
        return None
    try:
        order = msgspec.json.decode(item, type=_OpenOrder)
        return VenueOrder(
            order_id=an_id(order.id),
            token=order.asset_id,
            side=order.side,
            price_micro=parse_micro(order.price or "0"),
            size_micro=parse_micro(order.original_size or "0"),
            matched_micro=parse_micro(order.size_matched or "0"),
            open=order.status.upper().removeprefix("ORDER_STATUS_") in {"LIVE", "DELAYED", "UNMATCHED"},
        )
    except UNREADABLE as error:
        raise BadFrame(f"order: {error}: {sample(item)}") from error


def parse_trades(items: list[bytes], api_key: str) -> list[TradeLeg]:
    """Our legs of the trades of a list. Raises: BadFrame."""
    return [leg for item in items for leg in legs_of(item, api_key)]


class Token(NamedTuple):
    """A token whose shares are asked for. `version`: of the protocol that keeps them, v1 or v2."""

    token_id: str
    version: str

    def query(self) -> str:
        """What names it, and its kind, where balances are asked for."""
        return f"asset_type={_ASSET_TYPES[self.version]}&token_id={self.token_id}"


_ASSET_TYPES: Final = {"v1": "CONDITIONAL", "v2": "CONDITIONAL-V2"}


class _Balance(msgspec.Struct):
    balance: str


def parse_balance(body: bytes) -> int:
    """Collateral or shares in millionths; the venue sends a whole number of them. Raises: BadFrame."""
    try:
        balance = parse_scaled(msgspec.json.decode(body, type=_Balance).balance, 0)
    except UNREADABLE as error:
        raise BadFrame(f"balance: {error}") from error
    if not 0 <= balance <= WORD_MAX:
        raise BadFrame(f"balance: {balance} millionths")
    return balance


@dataclass(frozen=True, slots=True)
class Where:
    """Whether orders may be sent from where we are, and where the venue thinks that is."""

    blocked: bool
    place: str


class _Where(msgspec.Struct):
    blocked: bool
    country: str = ""
    region: str = ""


def parse_where(body: bytes) -> Where:
    """Read the answer of the geoblock page. Raises: BadFrame."""
    try:
        said = msgspec.json.decode(body, type=_Where)
    except UNREADABLE as error:
        raise BadFrame(f"geoblock: {error}") from error
    named = "/".join(part for part in (said.country, said.region) if part.isascii() and part.isalnum())
    return Where(said.blocked, named[:PLACE_MAX])


class _ClosedOnly(msgspec.Struct):
    closed_only: bool


def parse_closed_only(body: bytes) -> bool:
    """Whether the account may only reduce what it holds. Raises: BadFrame."""
    try:
        return msgspec.json.decode(body, type=_ClosedOnly).closed_only
    except UNREADABLE as error:
        raise BadFrame(f"closed only: {error}") from error


@dataclass(frozen=True, slots=True)
class HeartbeatAnswer:
    """The id to send next; `accepted` is False when the venue corrected us."""

    next_id: str
    accepted: bool


class _Heartbeat(msgspec.Struct):
    heartbeat_id: str | None = None


def parse_heartbeat(http: int, body: bytes) -> HeartbeatAnswer:
    """Read the answer to a heartbeat; a wrong id is answered with the right one. Raises: BadFrame: neither.

    The right one is empty where the venue has no beat to follow: before the first, and when it has lost patience.
    """
    try:
        said = msgspec.json.decode(body, type=_Heartbeat).heartbeat_id
        next_id = "" if (http, said) == (400, "") else an_id(said or "")
    except UNREADABLE as error:
        raise BadFrame(f"heartbeat, HTTP {http}: {error}") from error
    if http not in {200, 400}:
        raise BadFrame(f"heartbeat, HTTP {http}: {sample(body)}")
    return HeartbeatAnswer(next_id, http == 200)
