"""The market channel: books, trades and price grids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from shared.messages import Level, Side
from shared.units import MICRO, NotANumber, parse_micro
from supervisor.venue.frames import UNREADABLE, BadFrame, bounded, sample, to_json


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole book of a token; levels in no particular order."""

    token: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    tick_micro: int


@dataclass(frozen=True, slots=True)
class Change:
    """A level's new size, 0 when nothing is left. `side` BUY is the bids."""

    token: str
    side: Side
    level: Level


@dataclass(frozen=True, slots=True)
class Changes:
    """Levels that changed together; the book is only consistent after all of them."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Traded:
    """A public trade."""

    token: str
    side: Side
    level: Level


@dataclass(frozen=True, slots=True)
class TickSizeChanged:
    """A token's new price grid."""

    token: str
    tick_micro: int


@dataclass(frozen=True, slots=True)
class MarketResolved:
    """The channel says which token won."""

    condition_id: str
    winning_token: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A kind of message this desk has no use for; counted by its name."""

    kind: str


MarketEvent = Snapshot | Changes | Traded | TickSizeChanged | MarketResolved | Ignored


class _Level(msgspec.Struct):
    price: str
    size: str


class _PriceChange(msgspec.Struct):
    asset_id: str
    price: str
    size: str
    side: Side


class _MarketFrame(msgspec.Struct):
    """The union of what the market channel sends: kinds differ in which fields are there."""

    event_type: str = ""
    market: str = ""
    asset_id: str = ""
    bids: list[_Level] = []
    asks: list[_Level] = []
    tick_size: str = ""
    price_changes: list[_PriceChange] = []
    price: str = ""
    size: str = ""
    side: str = ""
    new_tick_size: str = ""
    winning_asset_id: str = ""


_market_one: msgspec.json.Decoder[_MarketFrame] = msgspec.json.Decoder(_MarketFrame)
_market_many: msgspec.json.Decoder[list[_MarketFrame]] = msgspec.json.Decoder(list[_MarketFrame])


def parse_market_frame(frame: bytes) -> list[MarketEvent]:
    """Read a frame of the market channel: one object or an array, perhaps with a newline behind it.

    Raises: BadFrame: too large, not JSON, or a field that is not what its kind needs.
    """
    text = bounded(frame)
    if text in {b"PONG", b""}:
        return []
    try:
        frames = _market_many.decode(text) if text.startswith(b"[") else [_market_one.decode(text)]
        return [_market_event(item) for item in frames]
    except UNREADABLE as error:
        raise BadFrame(f"market channel: {error}: {sample(text)}") from error


def _market_event(frame: _MarketFrame) -> MarketEvent:
    reader = _MARKET_KINDS.get(frame.event_type)
    return reader(frame) if reader else Ignored(frame.event_type or "nameless")


def _level(price: str, size: str) -> Level:
    price_micro, size_micro = parse_micro(price), parse_micro(size)
    if not 0 <= price_micro <= MICRO or size_micro < 0:
        raise NotANumber(f"no level has price {price} and size {size}")
    return Level(price_micro, size_micro)


def _grid(text: str) -> int:
    tick_micro = parse_micro(text)
    if not 0 < tick_micro < MICRO:
        raise NotANumber(f"no price grid has steps of {text}")
    return tick_micro


def _snapshot(frame: _MarketFrame) -> Snapshot:
    return Snapshot(
        token=frame.asset_id,
        bids=tuple(_level(level.price, level.size) for level in frame.bids),
        asks=tuple(_level(level.price, level.size) for level in frame.asks),
        tick_micro=_grid(frame.tick_size) if frame.tick_size else 0,
    )


def _changes(frame: _MarketFrame) -> Changes:
    return Changes(tuple(Change(c.asset_id, c.side, _level(c.price, c.size)) for c in frame.price_changes))


def _traded(frame: _MarketFrame) -> Traded:
    return Traded(frame.asset_id, "SELL" if frame.side == "SELL" else "BUY", _level(frame.price, frame.size))


_MARKET_KINDS: Final[dict[str, Callable[[_MarketFrame], MarketEvent]]] = {
    "book": _snapshot,
    "price_change": _changes,
    "last_trade_price": _traded,
    "tick_size_change": lambda frame: TickSizeChanged(frame.asset_id, _grid(frame.new_tick_size)),
    "market_resolved": lambda frame: MarketResolved(frame.market, frame.winning_asset_id),
}


def subscribe_market(tokens: list[str], *, first: bool) -> str:
    """The frame that asks for tokens: the first one of a connection has another shape than those that add."""
    head: dict[str, Any] = {"type": "market"} if first else {"operation": "subscribe"}
    return to_json({**head, "assets_ids": tokens, "custom_feature_enabled": True})


def unsubscribe_market(tokens: list[str]) -> str:
    """The frame that lets tokens go."""
    return to_json({"operation": "unsubscribe", "assets_ids": tokens, "custom_feature_enabled": True})
