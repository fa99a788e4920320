"""What faults do to HTTP requests: answers that come late, never, or with trouble in them.

A middleware around all others; which fault meets a request is `mischief.py`'s to say. Its own control (`/control`) is
never met by a fault, else nobody could end one. What always holds: a request whose answer is dropped or delayed was
carried out when it came, in its place among the others.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from deploy.rehearsal.routing import Answered, Handler, refused
from deploy.rehearsal.venue import Venue

CONTROL: Final = "/control"
_ROUTES: Final = (
    ("DELETE", "/", "cancels"),
    ("POST", "/order", "orders"),
    ("POST", "/v1/heartbeats", "heartbeat"),
    ("GET", "/data/", "account"),
    ("GET", "/balance-allowance", "account"),
    ("GET", "/api/geoblock", "standing"),
    ("GET", "/auth/ban-status/", "standing"),
    ("", "/auth/", "keys"),
    ("", "/book", "books"),
    ("GET", "/tick-size", "books"),
    ("GET", "/midpoint", "books"),
    ("GET", "/price", "books"),
    ("GET", "/clob-markets", "books"),
    ("GET", "/markets", "books"),
    ("GET", "/gamma/", "gamma"),
)
"""Method (empty: any), how the path begins, and the route's name; the first that fits counts."""
SOCKETS: Final = ("/ws/", "/prices/ws", "/rtds", "/binance/ws", "/binance/stream")


def route_of(method: str, path: str) -> str:
    """The name of the route a request takes."""
    named = (name for verb, start, name in _ROUTES if verb in ("", method) and path.startswith(start))
    return next(named, "other")


def misbehaving(venue: Venue) -> Middleware:
    """The middleware of one venue."""

    @web.middleware
    async def misbehave(request: web.Request, handler: Handler) -> Answered:
        path = request.path
        if path.startswith((CONTROL, *SOCKETS)):
            return await handler(request)
        mischief = venue.exchange.floor.mischief
        if mischief.quiet and not venue.director.planned:
            return await handler(request)
        venue.turn()
        meeting = mischief.meets(route_of(request.method, path), f"{request.method} {path}")
        venue.carry()
        answer = await handler(request) if meeting.carried_out else None
        if meeting.refused is not None:
            answer = refused(meeting.refused)
        await asyncio.sleep(meeting.delay_ms / 1_000)
        if meeting.dropped and request.transport is not None:
            request.transport.abort()
        assert answer is not None, "what is not carried out is refused"
        return answer

    return misbehave
