"""How much the venue takes on at once: requests that are under way - waiting for their body, out the taker delay, or
in a fault - have a bound, so that what waits does not grow with what arrives.

Production delays and refuses by rate first (`buckets.py`; facts 3.8); what it bears beyond is not known. Leaves readers
that are too slow to `sockets.py`. What always holds: one request too many is answered 503 at once, changes nothing and
is on the record; who controls the venue is never turned away.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from deploy.rehearsal import refusals
from deploy.rehearsal.misbehaviour import CONTROL, SOCKETS
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.routing import Answered, Handler, refused
from deploy.rehearsal.venue import Venue

REQUESTS_MAX: Final = 1_024
"""Requests under way: some three times what sits out the taker delay while one core takes all the orders it can."""
RETRY_S: Final = 1
"""What a client that was turned away is told to wait. Real time; made up."""
_UNCOUNTED: Final = (CONTROL, *SOCKETS)
"""Sockets have a bound of their own."""


def shedding(venue: Venue, requests_max: int) -> Middleware:
    """The middleware of one venue that has at most so many requests under way."""
    under_way = 0

    @web.middleware
    async def shed(request: web.Request, handler: Handler) -> Answered:
        nonlocal under_way
        if request.path.startswith(_UNCOUNTED):
            return await handler(request)
        if under_way >= requests_max:
            return _turned_away(venue)
        under_way += 1
        try:
            return await handler(request)
        finally:
            under_way -= 1

    return shed


def _turned_away(venue: Venue) -> Answered:
    refusal = Refused(503, refusals.IN_TROUBLE[503], {"Retry-After": str(RETRY_S)})
    venue.note("reject", refusals.fields_of(refusal, "", ""))
    return refused(refusal)
