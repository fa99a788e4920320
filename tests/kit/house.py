"""The rehearsal venue without a socket: requests in and answers out as bytes, connections as queues of frames.

All of it is the venue's own code - routes, middlewares, faults, keys, matching, settlement, subscriptions - as it
stands behind its server; only the server's parsing of HTTP and the WebSocket framing are left out. What always holds:
a request is handled in the turn it arrives, whoever still waits for its answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from kit.made_up_loop import MadeUpClock
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from deploy.rehearsal.days import Listing, Point
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.faults import read_fault
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Keyring
from deploy.rehearsal.memory import Memory
from deploy.rehearsal.record import Record
from deploy.rehearsal.seeded import SeededDay
from deploy.rehearsal.server import BODY_MAX_BYTES, SOCKETS, application
from deploy.rehearsal.sockets import MANNERS, Wire
from deploy.rehearsal.venue import Venue

ADDRESS: Final = "venue"
"""What the settings of whoever talks to it name as its host."""
MS_NS: Final = 1_000_000


class Answer(NamedTuple):
    """What the venue answers a request with."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class FewMarkets(SeededDay):
    """A generated day on which only some assets are listed, for five minutes each: the crowd costs time."""

    def __init__(self, seed: int, assets: tuple[str, ...]) -> None:
        super().__init__(seed)
        self._assets = assets

    def listings(self, from_s: int, until_s: int) -> list[Listing]:
        every = super().listings(from_s, until_s)
        return [listing for listing in every if listing.asset in self._assets and listing.interval_s == 300]

    def points(self, after_ms: int) -> Any:
        return (point for point in super().points(after_ms) if self._wanted(point))

    def _wanted(self, point: Point) -> bool:
        return point.asset in self._assets


class HeardRecord(Record):
    """The venue's record, with somebody who hears each line."""

    def __init__(self, folder: Path, heard: Callable[[str, dict[str, Any]], None]) -> None:
        super().__init__(folder)
        self._heard = heard

    def add(self, kind: str, at_ms: int, wall_ms: int, fields: dict[str, Any]) -> None:
        self._heard(kind, fields)
        super().add(kind, at_ms, wall_ms, fields)


class _Line:
    """The connection under a request: a fault of the venue may cut it."""

    ssl_context = peername = sockname = None

    def __init__(self) -> None:
        self.transport = self
        self.cut = False

    def abort(self) -> None:
        self.cut = True


class House:
    """One venue. Args: heard: every line of its record. Made and used inside the loop of its clock."""

    def __init__(
        self,
        seed: int,
        assets: tuple[str, ...],
        clock: MadeUpClock,
        folder: Path,
        heard: Callable[[str, dict[str, Any]], None],
        rules: Rules,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        exchange = Exchange(
            day=FewMarkets(seed, assets),
            rules=rules,
            dice=lambda name: random.Random(f"{seed}/{name}"),
            now_ms=clock.unix_ns() // MS_NS,
            keyring=Keyring(),
            memory=Memory(),
        )
        self.record = HeardRecord(folder, heard)
        self.venue = Venue(exchange, clock, self.record, folder, random.Random(f"{seed}/keys").randbytes)  # type: ignore[arg-type]
        self.faults: list[Exception] = []
        self._app = application(self.venue, self.faults.append)
        self._app.freeze()
        self._connections = 0
        self.venue.start()

    @property
    def exchange(self) -> Exchange:
        return self.venue.exchange

    def misbehave(self, kind: str, **arguments: object) -> None:
        """Let a fault of the venue begin."""
        self.venue.director.begin(read_fault({"kind": kind, **arguments}), "control")
        self.venue.carry()

    async def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer one request. Raises: aiohttp.ServerDisconnectedError: the line was cut instead."""
        line = _Line()
        fields = CIMultiDictProxy(CIMultiDict(headers))
        raw = RawRequestMessage(
            method, path, HttpVersion11, fields, (), False, None, False, False, URL(path, encoded=True)
        )
        request = web.Request(raw, None, line, None, None, self._loop, client_max_size=BODY_MAX_BYTES)  # type: ignore[arg-type]
        request._read_bytes = body
        try:
            response: Any = await self._app._handle(request)
        except web.HTTPException as refused:
            response = refused
        if line.cut:
            raise aiohttp.ServerDisconnectedError
        return Answer(response.status, bytes(response.body or b""), response.headers)

    def connect(self, path: str) -> Connection:
        """Open a connection of a channel. Raises: OSError: the venue turns it away."""
        channel = SOCKETS[path]
        if self.venue.exchange.floor.mischief.turns_away(channel):
            raise OSError("HTTP 503")
        self._connections += 1
        return Connection(self.venue, self._connections, channel)


class Connection:
    """One WebSocket connection as the venue has it."""

    def __init__(self, venue: Venue, number: int, channel: str) -> None:
        silent = partial(venue.exchange.floor.mischief.silences, channel)
        self._venue = venue
        self.wire = Wire(number, channel, MANNERS[channel], silent, self._cut)
        venue.sockets.wires.add(self.wire)
        venue.turn()
        self._listener = venue.subscriptions.join(channel, self.wire)

    def say(self, text: str) -> None:
        """The client sends a frame."""
        self._venue.turn()
        self._venue.subscriptions.heard(self._listener, text)
        self._venue.turn()

    async def hear(self) -> bytes | tuple[int, str]:
        """The venue's next frame, or how it ended the connection."""
        return await self.wire.queue.get()

    def leave(self) -> None:
        """The client is gone."""
        self._venue.sockets.wires.discard(self.wire)
        self._venue.subscriptions.leave(self._listener)

    def _cut(self) -> None:
        self.wire.end(0, "cut")
