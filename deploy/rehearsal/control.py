"""The rehearsal venue's own control, under /control: begin faults, end them, see which are in force.

Nothing of it exists at Polymarket, and nothing here can be taken for it: a prefix of its own, a name in every answer,
a body that has to be declared as JSON (so no page in a browser can send one), and only for callers of this machine. It
answers in one shape: what is in force, or the lines that say what was wrong. Leaves faults to `director.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from aiohttp import web

from deploy.rehearsal.director import COMMAND
from deploy.rehearsal.faults import KINDS, Unfit, read_fault, shown
from deploy.rehearsal.routing import Handler, Route, answered
from deploy.rehearsal.venue import Venue

SCHEMA: Final = "foresight.venue-control/1"
BODY_MAX: Final = 65_536


class _No(Exception):
    """A request that cannot be followed."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.status, self.lines = status, lines


def control_routes(venue: Venue) -> list[Route]:
    """The routes of one venue's control: method, path, handler."""
    control = _Control(venue)
    found = (
        ("GET", "/control", control.describe),
        ("GET", "/control/faults", control.list_all),
        ("POST", "/control/faults", control.begin),
        ("DELETE", "/control/faults", control.end_all),
        ("DELETE", "/control/faults/{number}", control.end),
    )
    return [(method, path, _guarded(handler)) for method, path, handler in found]


class _Control:
    def __init__(self, venue: Venue) -> None:
        self.venue = venue

    async def describe(self, request: web.Request) -> dict[str, Any]:
        """What it is and what it can do."""
        return {
            "is": "the control of a rehearsal venue; Polymarket has no such thing",
            "can": {
                "GET /control/faults": "every fault that began",
                "POST /control/faults": 'begin one: {"kind": ..., its arguments}',
                "DELETE /control/faults/NUMBER": "end one",
                "DELETE /control/faults": "end all",
            },
            "market_ms": self.venue.now_ms(),
            "kinds": [shown(kind) for kind in KINDS.values()],
        }

    async def list_all(self, request: web.Request) -> dict[str, Any]:
        """Every fault that began, the oldest first."""
        return {"faults": [active.shown() for active in self.venue.exchange.floor.mischief.all()]}

    async def begin(self, request: web.Request) -> dict[str, Any]:
        """Begin a fault."""
        if request.content_type != "application/json":
            raise _No(415, "the body has to be declared as application/json")
        try:
            said = msgspec.json.decode(await request.content.read(BODY_MAX), type=dict[str, Any])
            fault = read_fault(said)
        except msgspec.DecodeError as error:
            raise _No(400, f"the body is no JSON object: {error}") from error
        except Unfit as unfit:
            raise _No(400, *unfit.lines) from unfit
        active = self.venue.director.begin(fault, COMMAND)
        self.venue.carry()
        return {"fault": active.shown()}

    async def end(self, request: web.Request) -> dict[str, Any]:
        """End one fault."""
        number = request.match_info["number"]
        if not number.isdecimal() or not self.venue.exchange.floor.mischief.end(int(number)):
            raise _No(404, f"no fault {number} is in force")
        self.venue.carry()
        return await self.list_all(request)

    async def end_all(self, request: web.Request) -> dict[str, Any]:
        """End every fault."""
        self.venue.exchange.floor.mischief.end_all()
        self.venue.carry()
        return await self.list_all(request)


def _guarded(handler: Callable[[web.Request], Awaitable[dict[str, Any]]]) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            if not ip_address(request.remote or "0.0.0.0").is_loopback:
                raise _No(403, "only callers of this machine may steer a rehearsal venue")
            return _answer({"ok": True} | await handler(request), 200)
        except _No as no:
            return _answer({"ok": False, "errors": list(no.lines)}, no.status)

    return guarded


def _answer(body: dict[str, Any], status: int) -> web.Response:
    return answered({"schema": SCHEMA} | body, status)
