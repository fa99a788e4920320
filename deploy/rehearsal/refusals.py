"""Every no of the venue, in the venue's own words, with the status it is said with.

Clients match on status and text, so both are the facts' (3.4 and 3.7), kept in one place. Leaves the judging to the
rooms that raise them. What always holds: a refusal changed nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final


class Refused(Exception):
    """The venue says no. status: the HTTP status; reason: the text in the body; headers: what the answer also says.

    more: what the body says besides. bare: the answer has no body at all.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, str | int] | None = None,
        bare: bool = False,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = dict(headers or {})
        self.more = dict(more or {})
        self.bare = bare


def fields_of(refused: Refused, order_id: str, owner: str) -> dict[str, str | int]:
    """The record's line of a refusal; order_id is blank where none could be computed."""
    return {"order_id": order_id, "owner": owner, "reason": refused.reason, "http": refused.status}


def bad(reason: str) -> Refused:
    """A refusal of what was asked: HTTP 400."""
    return Refused(400, reason)


UNAUTHORIZED: Final = "Unauthorized/Invalid api key"
INVALID_L1: Final = "Invalid L1 Request headers"
NO_SUCH_KEY: Final = "Could not derive api key!"
TOO_MANY: Final = "Too many requests"
NO_BOOK: Final = "No orderbook exists for the requested token id"
NO_MARKET: Final = "market not found"
NO_ORDER: Final = "order not found"
TOO_MANY_KEYS: Final = "too many keys"
INVALID_PAYLOAD: Final = "Invalid order payload"
NOT_READY: Final = "the market is not yet ready to process new orders"
VERSION_MISMATCH: Final = "order_version_mismatch"
INVALID_SIGNATURE: Final = "invalid signature"
SIGNER_IS_NOT_KEY: Final = "the order signer address has to be the address of the API KEY"
OWNER_IS_NOT_KEY: Final = "the order owner has to be the owner of the API KEY"
MAKER_NOT_ALLOWED: Final = "maker address not allowed, please use the deposit wallet flow"
NO_BALANCE: Final = "not enough balance / allowance"
POST_ONLY_CROSSES: Final = "invalid post-only order: order crosses book"
INVALID_NONCE: Final = "invalid nonce"
INVALID_EXPIRATION: Final = "invalid expiration"
INVALID_POST_ONLY: Final = "invalid post-only order: post-only is for GTC and GTD orders"
FOK_KILLED: Final = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED: Final = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no match is found."
)
ALREADY_DONE: Final = "already canceled or matched"
NOT_FOUND_OR_CANCELED: Final = "Order not found or already canceled"
RESTARTING: Final = "matching engine restarting"
"""Only on the record: the answer itself has no body."""
COULD_NOT_INSERT: Final = "could not insert order"
POST_ONLY_MODE: Final = "post-only mode: only post-only orders and cancels are allowed"
TRADING_DISABLED: Final = "trading is disabled"
CANCEL_ONLY: Final = "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."
HEARTBEAT_ID: Final = "Invalid Heartbeat ID"
IN_TROUBLE: Final = {425: RESTARTING, 429: TOO_MANY, 500: COULD_NOT_INSERT, 503: "service unavailable"}
"""What a server in trouble says."""


def breaks_tick(order_id: str, price: str, tick: str) -> Refused:
    """The price is off the market's grid, or nearer than one tick to 0 or 1."""
    return bad(f"order {order_id} is invalid. Price ({price}) breaks minimum tick size rule: {tick}")


def too_small(order_id: str, size: str, minimum: str) -> Refused:
    """A limit order for fewer shares than the market's minimum."""
    return bad(f"order {order_id} is invalid. Size ({size}) lower than the minimum: {minimum}")


def below_a_dollar(side: str, amount: str) -> Refused:
    """A marketable order worth less than a dollar."""
    return bad(f"invalid amount for a marketable {side} order (${amount}), min size: $1")


def too_exact(kind: str, maker_places: int, taker_places: int) -> Refused:
    """An amount with more decimals than the venue keeps."""
    return bad(
        f"invalid amounts, the {kind} orders maker amount supports a max accuracy of {maker_places} decimals, "
        f"taker amount a max of {taker_places} decimals"
    )


def duplicated(order_id: str) -> Refused:
    """The same signed order again."""
    return bad(f"order {order_id} is invalid. Duplicated.")


def banned(owner: str) -> Refused:
    """The address may do nothing."""
    return bad(f"'{owner}' address banned")


def closed_only(owner: str) -> Refused:
    """The address may only sell what it has."""
    return bad(f"'{owner}' address in closed only mode")


def too_many_orders(count: int, most: int) -> Refused:
    """A batch longer than the venue takes."""
    return bad(f"Too many orders in payload: {count}, max allowed: {most}")
