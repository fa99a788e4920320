"""WebSocket connections over real sockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from kit.days import START_S, a_day
from kit.venue import Running, running_venue
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from deploy.rehearsal.sockets import QUEUE_MAX, Wire

NOW_MS = (START_S + 20) * 1_000
DAY = a_day()
WAIT_S = 10


async def received(socket: ClientConnection) -> str:
    async with asyncio.timeout(WAIT_S):
        return str(await socket.recv())


async def until_recorded(running: Running, kind: str) -> dict[str, object]:
    """The first line of a kind, which another task of this loop is about to write."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if lines := running.record(kind):
                return lines[0]
            await asyncio.sleep(0)


def test_a_connection_is_on_the_record_from_beginning_to_end(tmp_path: Path) -> None:
    """Channel, number, who it was, and how it ended."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running:
            async with connect(running.where["user_ws"], user_agent_header="a reader/1"):
                line = await until_recorded(running, "connect")
                assert (line["channel"], line["conn"], line["agent"]) == ("user", 1, "a reader/1")
            ended = await until_recorded(running, "disconnect")
            assert (ended["channel"], ended["conn"], ended["reason"]) == ("user", 1, "closed 1000")

    asyncio.run(scenario())


def test_frames_go_both_ways(tmp_path: Path) -> None:
    """PONG for PING, books for a subscription, changes as the market moves."""

    async def scenario() -> None:
        async with (
            running_venue(tmp_path, DAY, NOW_MS, speed=20.0) as running,
            connect(running.where["market_ws"]) as socket,
        ):
            await socket.send("PING")
            assert await received(socket) == "PONG"
            token = running.exchange.floor.by_slug[f"btc-updown-5m-{START_S}"].listing.up_token
            await socket.send(json.dumps({"type": "market", "assets_ids": [token]}))
            assert json.loads(await received(socket))[0]["asset_id"] == token
            kinds = {json.loads(await received(socket))["event_type"] for _ in range(8)}
            assert "price_change" in kinds

    asyncio.run(scenario())


def test_who_proves_no_key_is_closed(tmp_path: Path) -> None:
    """The user channel ends at its first frame."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running, connect(running.where["user_ws"]) as socket:
            await socket.send(json.dumps({"type": "user", "auth": {}}))
            try:
                await received(socket)
            except ConnectionClosed as closed:
                assert closed.rcvd and closed.rcvd.code == 1008
            else:
                raise AssertionError("the connection stayed open")

    asyncio.run(scenario())


def test_a_venue_that_stops_says_goodbye(tmp_path: Path) -> None:
    """Open connections are closed, not cut."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running:
            socket = await connect(running.where["market_ws"])
            await until_recorded(running, "connect")
        try:
            await received(socket)
        except ConnectionClosed as closed:
            assert closed.rcvd and closed.rcvd.code == 1001
        else:
            raise AssertionError("the connection stayed open")

    asyncio.run(scenario())


def test_who_stays_silent_is_ended(tmp_path: Path) -> None:
    """Clients are told to PING; one that does not is taken for dead."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running:
            running.venue.sockets.silence_s = 0.05
            socket = await connect(running.where["market_ws"])
            assert (await until_recorded(running, "disconnect"))["reason"] == "silent"
            await socket.close()

    asyncio.run(scenario())


def test_a_reader_that_falls_too_far_behind_is_ended() -> None:
    """Rather than waited for: what is queued, then the code, then nothing more."""

    async def scenario() -> None:
        wire = Wire(1)
        for _ in range(QUEUE_MAX + 5):
            wire.send(b"frame")
        wire.end(1000, "again")
        queued = [wire.queue.get_nowait() for _ in range(wire.queue.qsize())]
        assert queued == [b"frame"] * QUEUE_MAX + [(4002, "slow")]

    asyncio.run(scenario())
