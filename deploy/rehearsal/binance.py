"""Binance's JSON: stream events, answers to control frames, REST bodies. Shapes: facts 9 and the samples behind them.

Leaves what happened to `spot.py` and who hears it to `spotstreams.py`. What always holds: plain values in, plain JSON
values out; prices and quantities are text of eight places; a bookTicker has neither an event name nor a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deploy.rehearsal.protocol import Json
from deploy.rehearsal.spot import E8, IDS_PER_TICK, TICK_MS, Candle, Deal, Pair, Side

INTERVALS_MS: Final = {"1s": 1_000, "1m": 60_000}
DEPTH_MAX: Final = 5_000
KLINES_MAX: Final = 1_000
_TIMES: Final = ("E", "T")
INVALID_SYMBOL: Final[Json] = {"code": -1121, "msg": "Invalid symbol."}
INVALID_INTERVAL: Final[Json] = {"code": -1120, "msg": "Invalid interval."}
INVALID_NUMBER: Final[Json] = {"code": -1100, "msg": "Illegal characters found in a parameter."}


def text(units: int) -> str:
    """A price or quantity of 1e-8 with all its places."""
    return f"{units // E8}.{units % E8:08d}"


def trades(pair: Pair, deal: Deal) -> Iterator[Json]:
    """One event for each trade of a taker order."""
    for number, size in enumerate(deal.sizes, deal.first):
        yield {
            "e": "trade",
            "E": deal.at_ms,
            "s": pair.symbol,
            "t": number,
            "p": text(deal.price),
            "q": text(size),
            "T": deal.at_ms,
            "m": deal.buyer_is_maker,
            "M": True,
        }


def agg_trade(pair: Pair, deal: Deal) -> Json:
    """One event for all trades of a taker order at one price."""
    return {
        "e": "aggTrade",
        "E": deal.at_ms,
        "s": pair.symbol,
        "a": deal.number,
        "p": text(deal.price),
        "q": text(deal.size),
        "f": deal.first,
        "l": deal.last,
        "T": deal.at_ms,
        "m": deal.buyer_is_maker,
        "M": True,
    }


def book_ticker(pair: Pair, tick: int, book: tuple[Side, Side]) -> Json:
    """The best of both sides."""
    (bid, bid_size), (ask, ask_size) = (next(iter(side.items())) for side in book)
    return {
        "u": last_update(tick),
        "s": pair.symbol,
        "b": text(bid),
        "B": text(bid_size),
        "a": text(ask),
        "A": text(ask_size),
    }


def depth_update(pair: Pair, older: int, newer: int, changes: tuple[Side, Side]) -> Json:
    """What changed between two ticks; its first number follows the last one's last."""
    bids, asks = changes
    return {
        "e": "depthUpdate",
        "E": newer * TICK_MS,
        "s": pair.symbol,
        "U": last_update(older) + 1,
        "u": last_update(newer),
        "b": _levels(bids),
        "a": _levels(asks),
    }


def depth(tick: int, book: tuple[Side, Side], limit: int) -> Json:
    """The best levels, as REST and the partial streams show them."""
    bids, asks = book
    return {"lastUpdateId": last_update(tick), "bids": _levels(bids)[:limit], "asks": _levels(asks)[:limit]}


def last_update(tick: int) -> int:
    """The number of a tick's last change."""
    return tick * IDS_PER_TICK


def kline(pair: Pair, interval: str, candle: Candle, at_ms: int, closed: bool) -> Json:
    """A candle's event."""
    return {
        "e": "kline",
        "E": at_ms,
        "s": pair.symbol,
        "k": {
            "t": candle.start_ms,
            "T": candle.end_ms,
            "s": pair.symbol,
            "i": interval,
            "f": candle.first,
            "L": candle.last,
            "o": text(candle.open),
            "c": text(candle.close),
            "h": text(candle.high),
            "l": text(candle.low),
            "v": text(candle.volume),
            "n": candle.trades,
            "x": closed,
            "q": text(candle.quote // E8),
            "V": text(candle.taker_volume),
            "Q": text(candle.taker_quote // E8),
            "B": "0",
        },
    }


def kline_row(candle: Candle) -> list[object]:
    """A candle of GET /api/v3/klines."""
    prices = [text(price) for price in (candle.open, candle.high, candle.low, candle.close)]
    return [
        candle.start_ms,
        *prices,
        text(candle.volume),
        candle.end_ms,
        text(candle.quote // E8),
        candle.trades,
        text(candle.taker_volume),
        text(candle.taker_quote // E8),
        "0",
    ]


def server_shutdown(at_ms: int) -> Json:
    """The server is about to end the connection."""
    return {"e": "serverShutdown", "E": at_ms}


def combined(stream: str, data: Json) -> Json:
    """An event as a combined connection gets it."""
    return {"stream": stream, "data": data}


def in_micros(data: Json) -> Json:
    """The same event with its times in microseconds, for who asked so."""
    shown = data | {name: data[name] * 1_000 for name in _TIMES if name in data}
    if "k" in data:
        shown["k"] = data["k"] | {name: data["k"][name] * 1_000 for name in ("t", "T")}
    return shown


def _levels(side: Side) -> list[list[str]]:
    return [[text(price), text(size)] for price, size in side.items()]
