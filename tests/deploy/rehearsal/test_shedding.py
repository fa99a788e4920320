"""More requests than the venue takes on at once, over real sockets: some wait, the one too many is answered at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kit.venue_http import Desk, play
from websockets.asyncio.client import connect

from deploy.rehearsal import refusals

REQUESTS_MAX = 3
AWAY = (503, {"error": refusals.IN_TROUBLE[503]})
WAIT_S = 10
HEAD = b"POST /order HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def a_request_under_way(desk: Desk) -> AsyncIterator[None]:
    """One whose body does not come until the block is left, and which is answered then."""
    port = int(desk.running.where["clob"].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD)
    yield
    writer.write(b"{}")
    async with asyncio.timeout(WAIT_S):
        assert (await reader.read()).startswith(b"HTTP/1.1 401 ")
    writer.close()
    await writer.wait_closed()


async def until(desk: Desk, status: int) -> None:
    """Ask until the answer has that status: when another connection's head is read is the loop's affair."""
    async with asyncio.timeout(WAIT_S):
        while (await desk.get("/time"))[0] != status:
            pass


@asynccontextmanager
async def a_full_venue(desk: Desk) -> AsyncIterator[None]:
    """One with as many requests under way as it takes on."""
    async with a_request_under_way(desk), a_request_under_way(desk), a_request_under_way(desk):
        await until(desk, 503)
        yield


def test_one_request_too_many_is_turned_away_and_changes_nothing(tmp_path: Path) -> None:
    """At once, with when to come back, on the record; the same order is taken when there is room again."""

    async def scenario(desk: Desk) -> None:
        body = desk.order()
        async with a_full_venue(desk):
            before = len(desk.running.record("reject"))
            assert await desk.keyed("POST", "/order", body) == AWAY
            assert (await desk.raw("POST", "/order", body))[2] == "1"
            lines = desk.running.record("reject")[before:]
            assert [(line["http"], line["order_id"]) for line in lines] == [(503, ""), (503, "")]
        await until(desk, 200)
        assert (await desk.keyed("GET", "/data/orders"))[1]["data"] == []
        assert (await desk.keyed("POST", "/order", body))[1]["status"] == "live"

    play(tmp_path, scenario, requests_max=REQUESTS_MAX)


def test_what_was_under_way_before_is_answered(tmp_path: Path) -> None:
    """However many were turned away meanwhile, the places are as many as before."""

    async def scenario(desk: Desk) -> None:
        for _ in range(2):
            async with a_full_venue(desk):
                assert [(await desk.get("/time"))[0] for _ in range(5)] == [503] * 5
            await until(desk, 200)
            async with a_request_under_way(desk), a_request_under_way(desk):
                assert (await desk.get("/time"))[0] == 200

    play(tmp_path, scenario, requests_max=REQUESTS_MAX)


def test_a_full_venue_can_still_be_controlled_and_listened_to(tmp_path: Path) -> None:
    """Faults can be looked at and a socket speaks: neither counts among requests."""

    async def scenario(desk: Desk) -> None:
        async with a_full_venue(desk):
            assert (await desk.get("/control/faults"))[0] == 200
            async with connect(desk.running.where["market_ws"]) as socket, asyncio.timeout(WAIT_S):
                await socket.send("PING")
                assert await socket.recv() == "PONG"

    play(tmp_path, scenario, requests_max=REQUESTS_MAX)
