"""Routes of the services beside the exchange: Data API, relayer, the chain's JSON-RPC, Binance's REST, Gamma's lists.

A handler reads its request, asks a room below, shapes the answer; it decides nothing. Leaves the exchange's own routes
to `server.py`, which serves these too. What always holds: the same as there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiohttp import web

from deploy.rehearsal import binance, dataapi, gamma, refusals
from deploy.rehearsal.markets import Market
from deploy.rehearsal.posted import body_of
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.quantities import is_count
from deploy.rehearsal.routing import VENUE, Answered, Handler, Route, answered
from deploy.rehearsal.spot import PAIRS, Pair
from deploy.rehearsal.venue import Venue

GAMMA_PAGE: Final = 20
GAMMA_PAGE_MAX: Final = 500

# The Data API.


async def _positions(request: web.Request) -> Answered:
    exchange = request.app[VENUE].exchange
    rows = dataapi.positions(exchange.chain, exchange.floor, exchange.chain.portfolio, request.query)
    return answered(dataapi.page(rows, request.query))


async def _trades(request: web.Request) -> Answered:
    exchange = request.app[VENUE].exchange
    rows = dataapi.trades(exchange.chain, exchange.trades.values(), request.query)
    return answered(dataapi.page(rows, request.query))


async def _resolutions(request: web.Request) -> Answered:
    return answered({"data": dataapi.resolutions(request.app[VENUE].exchange.floor, request.query)})


async def _approvals(request: web.Request) -> Answered:
    return answered(dataapi.approvals(request.app[VENUE].exchange.chain, request.query.get("user", "")))


# The relayer.


async def _deployed(request: web.Request) -> Answered:
    address = request.query.get("address", "")
    return answered({"deployed": request.app[VENUE].relayer.deployed(address), "address": address})


async def _params(request: web.Request) -> Answered:
    await _relayer_key(request)
    relayer = request.app[VENUE].relayer
    return answered(relayer.params(request.query.get("address", ""), request.query.get("type", "")))


async def _submit(request: web.Request) -> Answered:
    venue, body = request.app[VENUE], await request.read()
    address = await _relayer_key(request)
    relayer = venue.relayer
    relayer.charge(venue.clock.monotonic_ns(), venue.clock.speed)
    venue.turn()
    return answered(relayer.submit(body_of(body), address, venue.exchange.now_ms))


async def _transaction(request: web.Request) -> Answered:
    await _relayer_key(request)
    return answered(request.app[VENUE].relayer.transaction(request.match_info["identity"]))


async def _relayer_key(request: web.Request) -> str:
    """The address whose relayer key a request carries, checksummed or not; blank for a builder's. Raises: Refused."""
    venue, headers = request.app[VENUE], request.headers
    if "POLY_BUILDER_API_KEY" in headers:
        path, body = request.rel_url.raw_path.removeprefix("/relayer"), await request.read()
        venue.side_keys.builder_of(headers, request.method, path, venue.clocks_s(), body)
        return ""
    return venue.relayer.known(headers.get("RELAYER_API_KEY", ""), headers.get("RELAYER_API_KEY_ADDRESS", ""))


async def _rpc(request: web.Request) -> Answered:
    venue, body = request.app[VENUE], await request.read()
    venue.turn()
    return answered(venue.node.answer(body_of(body), venue.exchange.now_ms))


# Binance.


async def _binance_ping(request: web.Request) -> Answered:
    return answered({})


async def _binance_time(request: web.Request) -> Answered:
    return answered({"serverTime": request.app[VENUE].now_ms()})


async def _binance_depth(request: web.Request) -> Answered:
    venue = request.app[VENUE]
    pair = _pair(venue, request)
    limit = _number(request, "limit", 100, binance.DEPTH_MAX)
    return answered(venue.subscriptions.binance.snapshot(pair.symbol, limit))


async def _klines(request: web.Request) -> Answered:
    """Candles, oldest first; between two of them others get their turn, for a thousand are work."""
    venue = request.app[VENUE]
    pair, interval = _pair(venue, request), request.query.get("interval", "")
    length_ms = binance.INTERVALS_MS.get(interval)
    if length_ms is None:
        raise BinanceError(binance.INVALID_INTERVAL)
    limit, now_ms = _number(request, "limit", 500, binance.KLINES_MAX), venue.exchange.now_ms
    end_ms = min(_number(request, "endTime", now_ms, 1 << 50), now_ms)
    first_ms = _number(request, "startTime", end_ms // length_ms * length_ms - (limit - 1) * length_ms, 1 << 50)
    rows: list[Any] = []
    for start_ms in range(-(-first_ms // length_ms) * length_ms, end_ms + 1, length_ms):
        if len(rows) < limit and venue.subscriptions.binance.spot.has(pair.symbol, start_ms):
            rows.append(binance.kline_row(venue.subscriptions.binance.spot.candle(pair, start_ms, length_ms, now_ms)))
            await asyncio.sleep(0)
    return answered(rows)


class BinanceError(Exception):
    """Binance says no. body: its code and message."""

    def __init__(self, body: Json) -> None:
        super().__init__(body["msg"])
        self.body = body


def _binance(handler: Handler) -> Handler:
    async def told(request: web.Request) -> Answered:
        try:
            return await handler(request)
        except BinanceError as error:
            return answered(error.body, 400)

    return told


def _pair(venue: Venue, request: web.Request) -> Pair:
    symbol = request.query.get("symbol", "")
    if not venue.subscriptions.binance.spot.has(symbol, venue.exchange.now_ms):
        raise BinanceError(binance.INVALID_SYMBOL)
    return PAIRS[symbol]


def _number(request: web.Request, name: str, usual: int, most: int) -> int:
    text = request.query.get(name)
    if text is not None and (not is_count(text) or int(text) == 0):
        raise BinanceError(binance.INVALID_NUMBER)
    return min(int(text), most) if text else usual


# Gamma's lists.


def _listed(named: str, shape: Callable[..., Json]) -> Handler:
    """A keyset list of markets or events."""

    async def found(request: web.Request) -> Answered:
        rows, end = _page(request, "after_cursor", shape)
        more = {} if end is None else {"next_cursor": str(end)}
        return answered({named: rows} | more)

    return found


def _plain(shape: Callable[..., Json]) -> Handler:
    """An older list, a bare array: whatever is named by slug, finished or not; else a page by `offset`."""

    async def found(request: web.Request) -> Answered:
        slugs = request.query.getall("slug", [])
        if not slugs:
            return answered(_page(request, "offset", shape)[0])
        each = map(request.app[VENUE].exchange.floor.catalogue, slugs)
        return answered([shape(shown[0].listing, shown[1]) for shown in each if shown])

    return found


def _page(request: web.Request, cursor: str, shape: Callable[..., Json]) -> tuple[list[Json], int | None]:
    """One page of what is asked for, and where the next begins, None after the last. Raises: Refused."""
    venue, asked = request.app[VENUE], request.query
    after, size = asked.get(cursor, "0"), asked.get("limit", str(GAMMA_PAGE))
    if not is_count(after) or not is_count(size):
        raise refusals.bad("invalid cursor or limit")
    rows = list(_asked_for(venue, request))
    start, end = int(after), int(after) + min(int(size), GAMMA_PAGE_MAX)
    shown = [venue.exchange.floor.catalogue(market.listing.slug) for market in rows[start:end]]
    return [shape(each[0].listing, each[1]) for each in shown if each], end if end < len(rows) else None


def _asked_for(venue: Venue, request: web.Request) -> Iterator[Market]:
    """Listed markets that fit a list's filters, by the start of their window. Without `closed` only open ones."""
    asked = request.query
    wanted = {
        name: {value.lower() for text in asked.getall(name, []) for value in text.split(",")}
        for name in ("condition_ids", "clob_token_ids", "slug", "id", "series_id")
    }
    closed = asked.get("closed", "false").lower() == "true"
    for market in sorted(venue.exchange.floor.by_slug.values(), key=lambda market: market.listing.start_s):
        listing = market.listing
        own = {
            "condition_ids": {listing.condition_id.lower()},
            "clob_token_ids": {listing.up_token, listing.down_token},
            "slug": {listing.slug},
            "id": {gamma.number_of(listing, "market")},
            "series_id": {gamma.series_of(listing)["id"]},
        }
        shown = listing.listed_ms <= venue.exchange.now_ms and (market.settled is not None) == closed
        if shown and all(not values or values & own[name] for name, values in wanted.items()):
            yield market


ROUTES: Final[tuple[Route, ...]] = (
    ("GET", "/data-api/v2/positions", _positions),
    ("GET", "/data-api/v2/trades", _trades),
    ("GET", "/data-api/v2/resolutions", _resolutions),
    ("GET", "/data-api/v2/approvals", _approvals),
    ("GET", "/relayer/deployed", _deployed),
    ("GET", "/relayer/v1/account/transactions/params", _params),
    ("GET", "/relayer/relay-payload", _params),
    ("GET", "/relayer/v1/account/transactions/{identity}", _transaction),
    ("POST", "/relayer/submit", _submit),
    ("POST", "/rpc", _rpc),
    ("POST", "/rpc/", _rpc),
    ("GET", "/binance/api/v3/ping", _binance_ping),
    ("GET", "/binance/api/v3/time", _binance_time),
    ("GET", "/binance/api/v3/depth", _binance(_binance_depth)),
    ("GET", "/binance/api/v3/klines", _binance(_klines)),
    ("GET", "/gamma/markets", _plain(gamma.market)),
    ("GET", "/gamma/events", _plain(gamma.event)),
    ("GET", "/gamma/markets/keyset", _listed("markets", gamma.market)),
    ("GET", "/gamma/events/keyset", _listed("events", gamma.event)),
)
