"""The reference prices that decide a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from shared.units import NotANumber, parse_exact
from supervisor.venue.frames import UNREADABLE, BadFrame, bounded, sample, to_json
from supervisor.venue.keys import ApiKey
from supervisor.venue.market import Ignored

SPOT: Final = "price.crypto"
MEANS: Final = "price.crypto.twap"
CHANNELS: Final = frozenset({SPOT, MEANS})
"""Instantaneous prices, and means over a window that each frame names."""
ASSET_MAX: Final = 8
"""Letters of an asset."""


@dataclass(frozen=True, slots=True)
class Price:
    """A reference price of one second. `exact` in 1e-18. `window_s`: 0 for the instantaneous price, else its mean's."""

    asset: str
    window_s: int
    source_ms: int
    exact: int


_UnixMs = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Point(msgspec.Struct):
    timestamp: _UnixMs
    full_accuracy_value: str


class _PricePayload(msgspec.Struct):
    symbol: str = ""
    window_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    timestamp: _UnixMs = 0
    full_accuracy_value: str = ""
    data: list[_Point] | None = None


class _PriceFrame(msgspec.Struct):
    op: str = ""
    rid: str = ""
    code: str = ""
    channel: str = ""
    dropped: int = 0
    payload: _PricePayload | None = None


_price_frame: msgspec.json.Decoder[_PriceFrame] = msgspec.json.Decoder(_PriceFrame)


@dataclass(frozen=True, slots=True)
class PriceControl:
    """An answer on the price channel: authed, subscribed, pong, or an error with its code."""

    op: str
    code: str


def parse_price_frame(frame: bytes) -> list[Price | Ignored] | PriceControl:
    """Read a frame of the reference-price channel: prices, a snapshot's oldest first, or an answer.

    That the venue left frames out before this one, and a channel nobody asked for, are told by name.
    Raises: BadFrame: also a mean that does not say over which window.
    """
    text = bounded(frame)
    try:
        message = _price_frame.decode(text)
        payload = message.payload
        if payload is None:
            return PriceControl(message.op, message.code)
        left_out: list[Price | Ignored] = [Ignored("dropped")] if message.dropped else []
        known = message.channel in CHANNELS
        return [
            *left_out,
            *(_prices(message.channel, payload) if known else [Ignored(f"channel {message.channel or 'nameless'}")]),
        ]
    except UNREADABLE as error:
        raise BadFrame(f"price channel: {error}: {sample(text)}") from error


def _prices(channel: str, payload: _PricePayload) -> list[Price]:
    asset, window_s = _asset(payload.symbol), payload.window_seconds if channel == MEANS else 0
    if channel == MEANS and not window_s:
        raise NotANumber(f"a mean of {asset} over no window")
    points = payload.data
    if points is None:
        points = [_Point(payload.timestamp, payload.full_accuracy_value)]
    return [Price(asset, window_s, point.timestamp, _exact(point.full_accuracy_value)) for point in points]


def _asset(symbol: str) -> str:
    asset = symbol.removesuffix("usd").upper()
    if not (asset.isascii() and asset.isalnum() and len(asset) <= ASSET_MAX):
        raise NotANumber(f"{symbol[:20]!r} is no symbol of an asset")
    return asset


def _exact(text: str) -> int:
    exact = parse_exact(text)
    if exact <= 0:
        raise NotANumber(f"a price of {text}")
    return exact


def authenticate_prices(key: ApiKey) -> str:
    """The first frame on the price channel. It carries the secret: never log what is sent."""
    return to_json({"op": "auth", "rid": "auth", "auth": key.fields()})


def subscribe_prices(assets: list[str], window_s: int = 60) -> str:
    """Instantaneous prices of assets and their means over a window; 64 subscriptions fit a connection."""
    wanted: list[dict[str, Any]] = []
    for asset in assets:
        symbol = f"{asset.lower()}usd"
        wanted.append({"channel": SPOT, "filter": {"symbol": symbol}})
        wanted.append({"channel": MEANS, "filter": {"symbol": symbol, "window_seconds": window_s}})
    return to_json({"op": "subscribe", "rid": "prices", "subscriptions": wanted})


PRICE_ASSETS: Final = frozenset({"BTC", "ETH", "SOL", "XRP", "DOGE", "HYPE", "BNB", "ZEC"})
"""Assets the price channel knows; asking for another spoils nothing but is pointless."""
