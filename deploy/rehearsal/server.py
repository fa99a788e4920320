"""The venue's HTTP server: CLOB at the root, the catalogue under /gamma, sockets beside them, all on one port.

The routes of orders and of the catalogue are here, the CLOB's others in `market_reads.py` and `account_routes.py`,
those of the services beside it in `services.py`. A
handler reads its request, asks the exchange, shapes the answer; it decides nothing. Leaves every rule to the rooms
below. What always holds: the exchange is turned to now before a request reaches it; a refusal is answered in the
venue's words; a fault of our own stops the venue instead of hiding in an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web

from deploy.rehearsal import account_routes, gamma, market_reads, protocol, refusals, services
from deploy.rehearsal.control import control_routes
from deploy.rehearsal.exchange import BATCH_MAX, CANCEL_MAX
from deploy.rehearsal.keys import Key, WrongHeartbeat
from deploy.rehearsal.misbehaviour import misbehaving
from deploy.rehearsal.posted import body_of
from deploy.rehearsal.refusals import Refused, bad
from deploy.rehearsal.routing import VENUE, Answered, Handler, Route, answered, keyed, refused
from deploy.rehearsal.shedding import REQUESTS_MAX, shedding
from deploy.rehearsal.venue import Venue

BODY_MAX_BYTES: Final = 1 << 20
FATAL: Final[web.AppKey[Callable[[Exception], None]]] = web.AppKey("fatal")


def application(venue: Venue, fatal: Callable[[Exception], None], requests_max: int = REQUESTS_MAX) -> web.Application:
    """The venue's web application. fatal: is told of a fault of our own, once. requests_max: of requests under way."""
    middlewares = [shedding(venue, requests_max), misbehaving(venue), _answer_refusals]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_MAX_BYTES)
    app[VENUE], app[FATAL] = venue, fatal
    for method, path, handler in (*ROUTES, *control_routes(venue)):
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
    except Refused as refusal:
        venue.carry()
        return refused(refusal)
    except web.HTTPNotFound:
        return answered(protocol.error("not found"), 404)
    except (web.HTTPException, web.RequestPayloadError, OSError, EOFError):
        raise  # the client's doing, or its leaving; a record that cannot be written is RecordUnusable, and ours
    except Exception as fault:
        request.app[FATAL](fault)
        raise


def _socket(channel: str) -> Handler:
    async def connected(request: web.Request) -> Answered:
        return await request.app[VENUE].sockets.serve(channel, request)

    return connected


# Orders.


async def _post_order(request: web.Request, key: Key, body: bytes) -> Answered:
    venue = request.app[VENUE]
    order = body_of(body)
    headers = venue.admit([order], key)
    reply = await venue.place(order, key)
    return answered(reply.body, reply.status, headers)


async def _post_orders(request: web.Request, key: Key, body: bytes) -> Answered:
    venue = request.app[VENUE]
    orders = body_of(body)
    if not isinstance(orders, list) or not orders:
        raise bad(refusals.INVALID_PAYLOAD)
    if len(orders) > BATCH_MAX:
        raise refusals.too_many_orders(len(orders), BATCH_MAX)
    headers = venue.admit(orders, key)
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
    headers = venue.admit_cancels(key, cost)
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


async def _old_heartbeat(request: web.Request, key: Key, body: bytes) -> Answered:
    """Answered, and arms nothing: its timing is documented nowhere, so nobody may rely on it. Source: facts 3.6."""
    return answered({"status": "ok"})


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
    exchange = request.app[VENUE].exchange
    found = exchange.trades_of(key.owner, request.query)
    rows = [protocol.trade_row(trade, key.api_key, exchange.now_ms) for trade in found]
    return answered(protocol.page(rows, request.query.get("next_cursor", "")))


# The catalogue.


def _by_slug(shape: Callable[..., protocol.Json]) -> Handler:
    async def found(request: web.Request) -> Answered:
        each = request.app[VENUE].exchange.floor.catalogue(request.match_info["slug"])
        if each is None:
            raise Refused(404, "slug not found")
        return answered(shape(each[0].listing, each[1]))

    return found


ROUTES: Final[tuple[Route, ...]] = (
    *market_reads.ROUTES,
    *account_routes.ROUTES,
    *services.ROUTES,
    ("POST", "/order", keyed(_post_order)),
    ("POST", "/orders", keyed(_post_orders)),
    ("DELETE", "/order", keyed(_cancel_order)),
    ("DELETE", "/orders", keyed(_cancel_orders)),
    ("DELETE", "/cancel-all", keyed(_cancel_all)),
    ("DELETE", "/cancel-market-orders", keyed(_cancel_market)),
    ("POST", "/v1/heartbeats", keyed(_heartbeat)),
    ("POST", "/heartbeats", keyed(_old_heartbeat)),
    ("GET", "/data/orders", keyed(_open_orders)),
    ("GET", "/data/order/{order_id}", keyed(_order)),
    ("GET", "/data/trades", keyed(_trades)),
    ("GET", "/gamma/markets/slug/{slug}", _by_slug(gamma.market)),
    ("GET", "/gamma/events/slug/{slug}", _by_slug(gamma.event)),
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
