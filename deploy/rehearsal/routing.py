"""What every room of routes needs: the venue behind a request, JSON answers, and the proof of a key.

Leaves the routes themselves to the rooms above. What always holds: a keyed handler runs only for a proved key, with
the exchange turned to now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from aiohttp import web

from deploy.rehearsal import protocol
from deploy.rehearsal.keys import Key, authenticate
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.venue import Venue

JSON: Final = "application/json"
VENUE: Final = web.AppKey("venue", Venue)

Answered = web.StreamResponse
Handler = Callable[[web.Request], Awaitable[Answered]]
Keyed = Callable[[web.Request, Key, bytes], Awaitable[Answered]]
Route = tuple[str, str, Handler]
"""Method, path, handler."""


def answered(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers, content_type=JSON)


def refused(refusal: Refused) -> web.Response:
    """The answer that says no in the venue's words."""
    if refusal.bare:
        return web.Response(status=refusal.status, headers=refusal.headers)
    return answered(protocol.error(refusal.reason) | refusal.more, refusal.status, refusal.headers)


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
