"""The venue's HTTP routes: CLOB at the root, the catalogue under /gamma, sockets beside them, all on one port.

A handler reads its request, asks the exchange, shapes the answer; it decides nothing. Leaves every rule to the rooms
below. What always holds: the exchange is turned to now before a request reaches it; a refusal is answered in the
venue's words; a fault of our own stops the venue instead of hiding in an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from deploy.rehearsal import gamma, protocol, refusals
from deploy.rehearsal.exchange import BATCH_MAX, CANCEL_MAX
from deploy.rehearsal.keys import Key, WrongHeartbeat, asker, authenticate
from deploy.rehearsal.markets import Market
from deploy.rehearsal.orders import body_of
from deploy.rehearsal.quantities import MICRO, is_count, text_of
from deploy.rehearsal.refusals import Refused, bad
from deploy.rehearsal.venue import Venue

BODY_MAX_BYTES: Final = 1 << 20
_JSON: Final = "application/json"
VENUE: Final = web.AppKey("venue", Venue)
FATAL: Final[web.AppKey[Callable[[Exception], None]]] = web.AppKey("fatal")

Answered = web.StreamResponse
Handler = Callable[[web.Request], Awaitable[Answered]]
Keyed = Callable[[web.Request, Key, bytes], Awaitable[Answered]]


def application(venue: Venue, fatal: Callable[[Exception], None]) -> web.Application:
    """The venue's web application. fatal: is told of a fault of our own, once."""
    app = web.Application(middlewares=[_answer_refusals], client_max_size=BODY_MAX_BYTES)
    app[VENUE], app[FATAL] = venue, fatal
    for method, path, handler in ROUTES:
        app.router.add_route(method, path, handler)
    for path, channel in SOCKETS.items():
        app.router.add_get(path, _socket(channel))
    return app


@web.middleware
async def _answer_refusals(request: web.Request, handler: Handler) -> Answered:
    """Turn the exchange to now, run the handler, carry out what it caused; say no in the venue's words."""
    venue = request.app[VENUE]
    try:
        venue.turn()
        answer = await handler(request)
        venue.carry()
        return answer
    except Refused as refused:
        venue.carry()
        return answered(protocol.error(refused.reason), refused.status, refused.headers)
    except web.HTTPNotFound:
        return answered(protocol.error("not found"), 404)
    except (web.HTTPException, web.RequestPayloadError, OSError, EOFError):
        raise  # the client's doing, or its leaving; a record that cannot be written is RecordUnusable, and ours
    except Exception as fault:
        request.app[FATAL](fault)
        raise


def answered(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers, content_type=_JSON)


def keyed(handler: Keyed) -> Handler:
    """A route for proved keys only."""

    async def checked(request: web.Request) -> Answered:
        body = await request.read()
        venue = request.app[VENUE]
        ring, path = venue.exchange.keyring, request.rel_url.raw_path
        key = authenticate(ring, request.headers, request.method, path, body, venue.clocks_s())
        venue.turn()
        return await handler(request, key, body)

    return checked


def _socket(channel: str) -> Handler:
    async def connected(request: web.Request) -> Answered:
        return await request.app[VENUE].sockets.serve(channel, request)

    return connected


# Reads.


async def _ok(request: web.Request) -> Answered:
    return answered("OK")


async def _time(request: web.Request) -> Answered:
    """The market's time: a client that signs with it is fresh."""
    return answered(request.app[VENUE].now_ms() // 1_000)


async def _version(request: web.Request) -> Answered:
    return answered({"version": 2})


async def _geoblock(request: web.Request) -> Answered:
    return answered({"blocked": False, "ip": "127.0.0.1", "country": "IE", "region": "L"})


def _market_of(venue: Venue, token_id: str) -> Market:
    market = venue.exchange.floor.known(venue.exchange.floor.by_token.get(token_id))
    if market is None:
        raise Refused(404, refusals.NO_BOOK)
    return market


def _book_of(venue: Venue, token_id: str) -> protocol.BookView:
    market = _market_of(venue, token_id)
    return market.view(market.outcome_of(token_id), venue.exchange.now_ms)


async def _book(request: web.Request) -> Answered:
    return answered(protocol.book(_book_of(request.app[VENUE], request.query.get("token_id", ""))))


async def _books(request: web.Request) -> Answered:
    wanted = body_of(await request.read())
    if not isinstance(wanted, list):
        raise bad(refusals.INVALID_PAYLOAD)
    tokens = [str(item.get("token_id", "")) for item in wanted if isinstance(item, dict)]
    known = [token for token in tokens if request.app[VENUE].exchange.floor.by_token.get(token)]
    return answered([protocol.book(_book_of(request.app[VENUE], token)) for token in known])


async def _tick_size(request: web.Request) -> Answered:
    market = _market_of(request.app[VENUE], request.query.get("token_id", ""))
    return answered({"minimum_tick_size": market.tick_micro / MICRO})


async def _neg_risk(request: web.Request) -> Answered:
    _market_of(request.app[VENUE], request.query.get("token_id", ""))
    return answered({"neg_risk": False})


async def _fee_rate(request: web.Request) -> Answered:
    _market_of(request.app[VENUE], request.query.get("token_id", ""))
    return answered({"base_fee": protocol.BASE_FEE})


async def _midpoint(request: web.Request) -> Answered:
    view = _book_of(request.app[VENUE], request.query.get("token_id", ""))
    bid, ask = (view.bids[-1][0] if view.bids else 0), (view.asks[-1][0] if view.asks else MICRO)
    return answered({"mid": text_of((bid + ask) // 2)})


async def _price(request: web.Request) -> Answered:
    """BUY is the best bid and SELL the best ask, as production has it."""
    view = _book_of(request.app[VENUE], request.query.get("token_id", ""))
    buying = request.query.get("side", "").upper() == "BUY"
    return answered({"price": (view.best_bid if buying else view.best_ask) or "0"})


async def _clob_market(request: web.Request) -> Answered:
    floor = request.app[VENUE].exchange.floor
    market = floor.known(floor.by_condition.get(request.match_info["condition_id"]))
    if market is None:
        raise Refused(404, refusals.NO_MARKET)
    listing = market.listing
    since = gamma.iso(listing.listed_ms + floor.rules.gamma_lead_s * 1_000)
    return answered(protocol.clob_market(listing, market.tick_micro, floor.accepting(market), since))


async def _market_by_token(request: web.Request) -> Answered:
    market = _market_of(request.app[VENUE], request.match_info["token_id"])
    return answered(protocol.market_of_token(market.listing))


# Keys.


async def _create_key(request: web.Request) -> Answered:
    venue = request.app[VENUE]
    return answered(protocol.credentials(venue.create_key(*asker(request.headers, venue.clocks_s()))))


async def _derive_key(request: web.Request) -> Answered:
    venue = request.app[VENUE]
    key = venue.exchange.keyring.derive(*asker(request.headers, venue.clocks_s()))
    return answered(protocol.credentials(key))


async def _list_keys(request: web.Request, key: Key, body: bytes) -> Answered:
    return answered({"apiKeys": request.app[VENUE].exchange.keyring.of(key.owner)})


async def _closed_only(request: web.Request, key: Key, body: bytes) -> Answered:
    return answered({"closed_only": False})


async def _balance(request: web.Request, key: Key, body: bytes) -> Answered:
    """Dollars or shares of the key's owner, as the wallet of that signature type has them."""
    account = request.app[VENUE].exchange.accounts.get(key.owner)
    kind = request.query.get("signature_type", "0")
    if not is_count(kind):
        raise bad("invalid signature type")
    dollars = request.query.get("asset_type", "COLLATERAL") == "COLLATERAL"
    owned = account.cash_micro if dollars else account.positions.get(request.query.get("token_id", ""), 0)
    return answered(protocol.balance(owned if account.shows_to(int(kind)) else 0))


# Orders.


async def _post_order(request: web.Request, key: Key, body: bytes) -> Answered:
    venue = request.app[VENUE]
    headers = venue.charge(key, 1)
    reply = await venue.place(body_of(body), key)
    return answered(reply.body, reply.status, headers)


async def _post_orders(request: web.Request, key: Key, body: bytes) -> Answered:
    venue = request.app[VENUE]
    orders = body_of(body)
    if not isinstance(orders, list) or not orders:
        raise bad(refusals.INVALID_PAYLOAD)
    if len(orders) > BATCH_MAX:
        raise refusals.too_many_orders(len(orders), BATCH_MAX)
    headers = venue.charge(key, len(orders))
    return answered(await venue.place_all(orders, key), 200, headers)


async def _cancel_order(request: web.Request, key: Key, body: bytes) -> Answered:
    wanted = body_of(body)
    if not isinstance(wanted, dict) or not isinstance(wanted.get("orderID"), str):
        raise bad(refusals.INVALID_PAYLOAD)
    return _canceled(request.app[VENUE], key, [wanted["orderID"]], 1)


async def _cancel_orders(request: web.Request, key: Key, body: bytes) -> Answered:
    wanted = body_of(body)
    if not isinstance(wanted, list) or len(wanted) > CANCEL_MAX:
        raise bad(refusals.INVALID_PAYLOAD)
    return _canceled(request.app[VENUE], key, [str(name) for name in wanted], len(wanted))


async def _cancel_all(request: web.Request, key: Key, body: bytes) -> Answered:
    mine = [order.order_id for order in request.app[VENUE].exchange.open_orders(key.owner)]
    return _canceled(request.app[VENUE], key, mine, 1 + len(mine))


async def _cancel_market(request: web.Request, key: Key, body: bytes) -> Answered:
    wanted = body_of(body) if body else {}
    if not isinstance(wanted, dict):
        raise bad(refusals.INVALID_PAYLOAD)
    where = str(wanted.get("market") or ""), str(wanted.get("asset_id") or "")
    mine = [order.order_id for order in request.app[VENUE].exchange.open_orders(key.owner, *where)]
    return _canceled(request.app[VENUE], key, mine, 1 + len(mine))


def _canceled(venue: Venue, key: Key, order_ids: list[str], cost: int) -> Answered:
    headers = venue.buckets.cancels(key.owner, cost, venue.clock.monotonic_ns())
    return answered(venue.exchange.cancel(order_ids, key), 200, headers)


async def _heartbeat(request: web.Request, key: Key, body: bytes) -> Answered:
    venue = request.app[VENUE]
    sent = body_of(body) if body else {}
    name = sent.get("heartbeat_id") if isinstance(sent, dict) else None
    try:
        following = venue.exchange.switches.beat(key.api_key, str(name or ""), venue.clock.monotonic_ns())
    except WrongHeartbeat as wrong:
        return answered(protocol.wrong_heartbeat(wrong.expected), 400)
    return answered({"heartbeat_id": following})


async def _open_orders(request: web.Request, key: Key, body: bytes) -> Answered:
    asked = request.query
    where = asked.get("market", ""), asked.get("asset_id", ""), asked.get("id", "")
    rows = [protocol.open_order(order) for order in request.app[VENUE].exchange.open_orders(key.owner, *where)]
    return answered(protocol.page(rows, asked.get("next_cursor", "")))


async def _order(request: web.Request, key: Key, body: bytes) -> Answered:
    order = request.app[VENUE].exchange.orders.get(request.match_info["order_id"])
    if order is None or order.owner != key.owner:
        raise Refused(404, refusals.NO_ORDER)
    return answered(protocol.open_order(order))


async def _trades(request: web.Request, key: Key, body: bytes) -> Answered:
    """The trades of the key's owner, newest first."""
    found = request.app[VENUE].exchange.trades_of(key.owner, request.query)
    rows = [protocol.trade_row(trade, key.api_key) for trade in found]
    return answered(protocol.page(rows, request.query.get("next_cursor", "")))


# The catalogue.


async def _gamma_markets(request: web.Request) -> Answered:
    found = (request.app[VENUE].exchange.floor.catalogue(slug) for slug in request.query.getall("slug", []))
    return answered([gamma.market(each[0].listing, each[1]) for each in found if each])


async def _gamma_events(request: web.Request) -> Answered:
    found = (request.app[VENUE].exchange.floor.catalogue(slug) for slug in request.query.getall("slug", []))
    return answered([gamma.event(each[0].listing, each[1]) for each in found if each])


def _by_slug(shape: Callable[..., protocol.Json]) -> Handler:
    async def found(request: web.Request) -> Answered:
        each = request.app[VENUE].exchange.floor.catalogue(request.match_info["slug"])
        if each is None:
            raise Refused(404, "slug not found")
        return answered(shape(each[0].listing, each[1]))

    return found


async def _deployed(request: web.Request) -> Answered:
    """Every wallet exists: what the official client asks before it trades from one."""
    return answered({"deployed": True})


ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/ok", _ok),
    ("GET", "/time", _time),
    ("GET", "/version", _version),
    ("GET", "/api/geoblock", _geoblock),
    ("GET", "/book", _book),
    ("POST", "/books", _books),
    ("GET", "/tick-size", _tick_size),
    ("GET", "/neg-risk", _neg_risk),
    ("GET", "/fee-rate", _fee_rate),
    ("GET", "/midpoint", _midpoint),
    ("GET", "/price", _price),
    ("GET", "/clob-markets/{condition_id}", _clob_market),
    ("GET", "/markets-by-token/{token_id}", _market_by_token),
    ("POST", "/auth/api-key", _create_key),
    ("GET", "/auth/api-key", _derive_key),
    ("GET", "/auth/derive-api-key", _derive_key),
    ("GET", "/auth/api-keys", keyed(_list_keys)),
    ("GET", "/auth/ban-status/closed-only", keyed(_closed_only)),
    ("GET", "/balance-allowance", keyed(_balance)),
    ("GET", "/balance-allowance/update", keyed(_balance)),
    ("POST", "/order", keyed(_post_order)),
    ("POST", "/orders", keyed(_post_orders)),
    ("DELETE", "/order", keyed(_cancel_order)),
    ("DELETE", "/orders", keyed(_cancel_orders)),
    ("DELETE", "/cancel-all", keyed(_cancel_all)),
    ("DELETE", "/cancel-market-orders", keyed(_cancel_market)),
    ("POST", "/v1/heartbeats", keyed(_heartbeat)),
    ("GET", "/data/orders", keyed(_open_orders)),
    ("GET", "/data/order/{order_id}", keyed(_order)),
    ("GET", "/data/trades", keyed(_trades)),
    ("GET", "/gamma/markets", _gamma_markets),
    ("GET", "/gamma/markets/slug/{slug}", _by_slug(gamma.market)),
    ("GET", "/gamma/events", _gamma_events),
    ("GET", "/gamma/events/slug/{slug}", _by_slug(gamma.event)),
    ("GET", "/relayer/deployed", _deployed),
)
SOCKETS: Final = {
    "/ws/market": "market",
    "/ws/user": "user",
    "/prices/ws": "prices",
    "/rtds": "rtds",
    "/binance/ws": "binance",
    "/binance/ws/{stream}": "binance",
    "/binance/stream": "binance",
}
