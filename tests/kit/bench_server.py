"""A server in a process of its own to be measured: the rehearsal venue, or the bare web server doing nothing.

Run as a script: `bench_server.py venue SPEED FOLDER` or `bench_server.py bare`; its first line is JSON: where it is.
The venue has no rate limits here: what it can do is the question, not what it allows. Both keep their memory as
`foresight venue` does.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import uvloop
from aiohttp import WSMsgType, web
from kit.venue import Trader

from deploy.rehearsal.buckets import Buckets, Tier
from deploy.rehearsal.command import settle_memory
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Keyring
from deploy.rehearsal.layouts import read_day
from deploy.rehearsal.record import Record
from deploy.rehearsal.seeded import SeededDay
from deploy.rehearsal.server import application
from deploy.rehearsal.venue import MS_NS, Venue
from shared.clock import RehearsalClock, SystemClock

UNBOUND = Tier("bench", 1e9, 1e9)
TRADERS = 16
GRANT_MICRO = 10**15
BARE_ANSWER = json.dumps({"success": True, "orderID": "0x" + "0" * 64, "status": "live"}).encode()
BARE_FRAME = b"x" * 700
"""About as long as a change of a book."""


async def serve(app: web.Application, begin: Callable[[int], Awaitable[None]]) -> None:
    """Serve on a free port, say so, and stay until the process is ended."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024).start()
    await begin(runner.addresses[0][1])
    settle_memory()
    await asyncio.Event().wait()


async def venue(speed: float, folder: Path, day_folder: str) -> None:
    """The venue with a made-up day as it is now, or a recorded one from its start."""
    clock = SystemClock()
    day = read_day(Path(day_folder)) if day_folder else SeededDay(7)
    now_ms = clock.wall_ns() // MS_NS if isinstance(day, SeededDay) else day.first_ms + 3_600_000
    exchange = Exchange(
        day=day,
        rules=Rules(grant_micro=GRANT_MICRO),
        dice=lambda name: random.Random(f"7/{name}"),
        now_ms=now_ms,
        keyring=Keyring(),
    )
    running = Venue(
        exchange, RehearsalClock(now_ms * MS_NS, clock.monotonic_ns(), speed), Record(folder), folder, os.urandom
    )
    running.buckets = Buckets(UNBOUND, speed)

    async def begin(port: int) -> None:
        running.start()
        keys = [Trader(number).join(exchange) for number in range(1, TRADERS + 1)]
        markets = sorted(exchange.floor.by_slug.values(), key=lambda market: market.listing.start_s)
        open_now = [market.listing for market in markets if exchange.floor.accepting(market)]
        tokens = [[each.slug, each.up_token, each.down_token] for each in open_now]
        say({"port": port, "markets": tokens, "keys": [asdict(key) for key in keys]})

    await serve(application(running, lambda fault: sys.exit(f"{fault!r}")), begin)


async def bare() -> None:
    """A web server that reads a request and answers, and one that sends frames for as long as somebody reads."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=BARE_ANSWER, content_type="application/json")

    async def frames(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        while not socket.closed:
            await socket.send_frame(BARE_FRAME, WSMsgType.TEXT)
        return socket

    app = web.Application()
    app.router.add_post("/order", answer)
    app.router.add_get("/ws/market", frames)

    async def begin(port: int) -> None:
        say({"port": port})

    await serve(app, begin)


def say(facts: dict[str, object]) -> None:
    """One line."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    work = bare() if kind == "bare" else venue(float(rest[0]), Path(rest[1]), rest[2] if len(rest) > 2 else "")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(work)
