"""WebSocket connections over real sockets."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSMsgType
from kit.days import START_S, a_day
from kit.venue import Running, running_venue
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deploy.rehearsal.sockets import FRAME_MAX_BYTES, MANNERS, QUEUE_MAX, Manner, Wire

NOW_MS = (START_S + 20) * 1_000
DAY = a_day()
WAIT_S = 60


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
            frames = [json.loads(await received(socket)) for _ in range(8)]
            kinds = {each["event_type"] for frame in frames for each in (frame if isinstance(frame, list) else [frame])}
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
            running.venue.sockets.manners["market"] = Manner(silence_s=0.05)
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


def test_one_connection_too_many_is_turned_away(tmp_path: Path) -> None:
    """Whatever its channel; when another has left there is room again."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running:
            running.venue.sockets.connections_max = 1
            async with connect(running.where["user_ws"]):
                await until_recorded(running, "connect")
                with pytest.raises(InvalidStatus) as refused:
                    await connect(running.where["market_ws"])
                assert refused.value.response.status_code == 503
            await until_recorded(running, "disconnect")
            async with connect(running.where["market_ws"]) as socket:
                await socket.send("PING")
                assert await received(socket) == "PONG"

    asyncio.run(scenario())


async def an_end(socket: ClientConnection) -> int:
    """The code a connection is closed with, whatever comes before it."""
    async with asyncio.timeout(WAIT_S):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 0


def test_price_and_binance_sockets_ping_their_readers(tmp_path: Path) -> None:
    """A reader whose library answers is kept; one that never does is ended in the channel's manner."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running, ClientSession() as http:
            for channel, path in (("prices", "price_ws"), ("binance", "binance_ws")):
                manner = replace(MANNERS[channel], ping_s=0.02)
                running.venue.sockets.manners[channel] = manner
                where = running.where[path] + ("/ws" if channel == "binance" else "")
                async with http.ws_connect(where, autoping=False) as deaf:
                    pings = [await deaf.receive() for _ in range(manner.misses)]
                    assert {ping.type for ping in pings} == {WSMsgType.PING}
                    end = await deaf.receive()
                    assert (end.type, end.data) == (WSMsgType.CLOSE, manner.dead)
                running.venue.sockets.manners[channel] = replace(manner, ping_s=0.1)
                async with http.ws_connect(where, autoping=False) as awake:
                    for _ in range(3 * manner.misses):
                        ping = await awake.receive()
                        assert ping.type is WSMsgType.PING
                        await awake.pong(ping.data)

    asyncio.run(scenario())


def test_every_channel_says_goodbye_in_its_own_way(tmp_path: Path) -> None:
    """Prices are drained, Binance warns, the older ones go away."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running:
            names = ("market_ws", "user_ws", "rtds_ws", "price_ws")
            sockets = [await connect(running.where[name]) for name in names]
            binance = await connect(running.where["binance_ws"] + "/stream")
            for socket in (*sockets, binance):
                await (await socket.ping())
        assert [await an_end(socket) for socket in sockets] == [1001, 1001, 1001, 4003]
        assert json.loads(await received(binance))["stream"] == "!serverShutdown"
        assert await an_end(binance) == 1001

    asyncio.run(scenario())


def test_a_frame_too_long_ends_the_connection(tmp_path: Path) -> None:
    """64 KB."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running, connect(running.where["price_ws"]) as socket:
            await socket.send("x" * (FRAME_MAX_BYTES + 1))
            assert await an_end(socket) == 1009

    asyncio.run(scenario())
