"""The user channel: what the venue says of our own orders and trades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from shared.messages import Side
from shared.units import MICRO, NotANumber, parse_micro
from supervisor.venue.frames import SAID_MAX, UNREADABLE, BadFrame, an_id, bounded, sample, to_json
from supervisor.venue.keys import ApiKey
from supervisor.venue.market import Ignored


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What the venue says of one of our orders. `state`: open, closed, or pending while it waits in the taker delay."""

    order_id: str
    state: Literal["open", "closed", "pending"]
    matched_micro: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class TradeLeg:
    """Our part of a trade, as taker or as one of its makers."""

    trade_id: str
    order_id: str
    token: str
    side: Side
    price_micro: int
    size_micro: int
    maker: bool
    status: Literal["MATCHED", "MINED", "CONFIRMED", "RETRYING", "FAILED"]


UserEvent = OrderReport | TradeLeg | Ignored


class _MakerOrder(msgspec.Struct):
    order_id: str
    matched_amount: str
    price: str
    asset_id: str = ""
    owner: str = ""
    side: str = ""


class _UserFrame(msgspec.Struct):
    event_type: str = ""
    type: str = ""
    id: str = ""
    status: str = ""
    side: str = ""
    price: str = ""
    size: str = ""
    size_matched: str = ""
    asset_id: str = ""
    owner: str = ""
    trade_owner: str = ""
    taker_order_id: str = ""
    trader_side: str = ""
    maker_orders: list[_MakerOrder] = []


_user_one: msgspec.json.Decoder[_UserFrame] = msgspec.json.Decoder(_UserFrame)
_user_many: msgspec.json.Decoder[list[_UserFrame]] = msgspec.json.Decoder(list[_UserFrame])

_SETTLEMENTS: Final = frozenset({"MATCHED", "MINED", "CONFIRMED", "RETRYING", "FAILED"})


def parse_user_frame(frame: bytes, api_key: str) -> list[UserEvent]:
    """Read a frame of the user channel; `api_key` tells which maker orders of a trade are ours.

    Blank numbers, times in seconds or milliseconds and free text after CANCELED are all taken as production sends them.
    Raises: BadFrame: too large, not JSON, or a trade without the numbers that make a fill.
    """
    text = bounded(frame)
    if text in {b"PONG", b""}:
        return []
    try:
        frames = _user_many.decode(text) if text.startswith(b"[") else [_user_one.decode(text)]
        return [event for item in frames for event in _user_events(item, api_key)]
    except UNREADABLE as error:
        raise BadFrame(f"user channel: {error}: {sample(text)}") from error


def _user_events(frame: _UserFrame, api_key: str) -> list[UserEvent]:
    if frame.event_type == "order":
        return [_order_report(frame)]
    if frame.event_type == "trade":
        return list(_legs(frame, api_key))
    return [Ignored(frame.event_type or "nameless")]


def _order_report(frame: _UserFrame) -> OrderReport:
    status = frame.status.upper()
    matched = parse_micro(frame.size_matched) if frame.size_matched else None
    said = frame.status[:SAID_MAX]
    if status.startswith(("CANCELED", "INVALID")) or frame.type == "CANCELLATION":
        return OrderReport(an_id(frame.id), "closed", matched, said)
    return OrderReport(an_id(frame.id), "pending" if status == "DELAYED" else "open", matched, said)


def _legs(frame: _UserFrame, api_key: str) -> list[UserEvent]:
    """Our legs of a trade. As maker ours are the entries with our key, perhaps on the other token than the taker's.

    An entry that names no owner may be ours: whoever keeps the orders knows. A taker that met an order of our own has
    both legs, and a trade that does not say on which side we are may be ours on either.
    """
    status = frame.status.upper().removeprefix("TRADE_STATUS_").removesuffix("_NOT_BROADCASTED")
    if status not in _SETTLEMENTS:
        return [Ignored(f"trade {frame.status[:SAID_MAX]}")]
    as_maker = frame.trader_side == "MAKER"
    ours = [maker for maker in frame.maker_orders if maker.owner == api_key or (as_maker and not maker.owner)]
    made = [_maker_leg(frame, maker, status) for maker in ours]
    if as_maker:
        return [*made] or [Ignored("trade of others")]
    size, price = parse_micro(frame.size), parse_micro(frame.price)
    taken = _leg(frame.id, frame.taker_order_id, frame.asset_id, frame.side, price, size, False, status)
    return [taken, *made]


def _maker_leg(frame: _UserFrame, maker: _MakerOrder, status: str) -> TradeLeg:
    token = maker.asset_id or frame.asset_id
    opposite = "SELL" if frame.side == "BUY" else "BUY"
    side = maker.side or (opposite if token == frame.asset_id else frame.side)
    price, size = parse_micro(maker.price), parse_micro(maker.matched_amount)
    return _leg(frame.id, maker.order_id, token, side, price, size, True, status)


def _leg(
    trade_id: str, order_id: str, token: str, side: str, price: int, size: int, maker: bool, status: str
) -> TradeLeg:
    if side not in {"BUY", "SELL"} or size <= 0 or not 0 <= price <= MICRO:
        raise NotANumber(f"trade {trade_id[:40]!r} has side {side[:9]!r}, size {size} and price {price}")
    return TradeLeg(an_id(trade_id), an_id(order_id), token, side, price, size, maker, status)  # type: ignore[arg-type]


def legs_of(trade: bytes, api_key: str) -> list[TradeLeg]:
    """Our legs of one trade of a list. Raises: BadFrame."""
    try:
        return [leg for leg in _legs(_user_one.decode(trade), api_key) if isinstance(leg, TradeLeg)]
    except UNREADABLE as error:
        raise BadFrame(f"trade: {error}: {sample(trade)}") from error


def subscribe_user(key: ApiKey) -> str:
    """The frame that asks for everything of this key. It carries the secret: never log what is sent."""
    return to_json({"type": "user", "auth": key.fields()})
