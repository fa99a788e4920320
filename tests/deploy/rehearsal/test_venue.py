"""The running venue: clock, effects, waiting requests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kit.days import START_S, a_day
from kit.venue import Running, Trader, running_venue

from deploy.rehearsal import refusals
from deploy.rehearsal.exchange import Reply
from deploy.rehearsal.keys import HEARTBEAT_EXPIRY_NS, Key
from deploy.rehearsal.record import read_keys
from deploy.rehearsal.refusals import Refused

NOW_MS = (START_S + 20) * 1_000
HOUR_NS = 3_600 * 10**9
DAY = a_day()


def a_client(running: Running) -> tuple[Key, str]:
    key = running.venue.create_key(Trader().address, 0)
    return key, running.exchange.floor.by_slug[f"btc-updown-5m-{START_S}"].listing.up_token


def test_a_waiting_order_is_answered_after_its_delay(tmp_path: Path) -> None:
    """The venue turns itself: 150 ms of market time are 15 ms at ten times the speed."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS, speed=10.0) as running:
            key, token = a_client(running)
            before = running.venue.now_ms()
            reply = await running.venue.place(Trader().limit(key, token, "BUY", 990_000, 10), key)
            assert (reply.status, reply.body["status"]) == (200, "matched")
            assert running.venue.now_ms() - before >= 150
            assert running.record("trade")[0]["t_ms"] - before >= 150

    asyncio.run(scenario())


def test_a_batch_is_answered_leg_by_leg(tmp_path: Path) -> None:
    """In its order: a resting one, a refused one, a waiting one, a killed one."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS, speed=10.0) as running:
            key, token = a_client(running)
            orders = [
                Trader().limit(key, token, "BUY", 50_000, 10, salt=1),
                Trader().limit(key, token, "BUY", 50_000, 1, salt=2),
                Trader().limit(key, token, "BUY", 990_000, 10, salt=3),
                Trader().limit(key, token, "BUY", 20_000, 100, salt=4, order_type="FAK"),
            ]
            legs = await running.venue.place_all(orders, key)
            assert [leg["status"] for leg in legs] == ["live", "", "matched", ""]
            assert "lower than the minimum" in legs[1]["errorMsg"]
            assert (legs[3]["errorMsg"], legs[3]["orderID"], legs[3]["success"]) == (refusals.FAK_KILLED, "", True)

    asyncio.run(scenario())


def test_the_record_is_written_before_the_answer(tmp_path: Path) -> None:
    """What a client was told is on disk."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running:
            key, token = a_client(running)
            begun = running.venue.begin(Trader().limit(key, token, "BUY", 50_000, 10), key)
            assert isinstance(begun, Reply)
            assert running.record("order")[0]["order_id"] == begun.body["orderID"]
            assert [stored.api_key for stored in read_keys(tmp_path)] == [key.api_key]

    asyncio.run(scenario())


def test_a_refusal_is_raised_and_recorded(tmp_path: Path) -> None:
    """Also the one of an empty bucket."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running:
            key, token = a_client(running)
            with pytest.raises(Refused):
                await running.venue.place(Trader().limit(key, token, "BUY", 50_000, 1), key)
            running.venue.buckets.drain(key.owner, running.venue.clock.monotonic_ns() + HOUR_NS)
            with pytest.raises(Refused):
                running.venue.admit([{}], key)
            assert [line["http"] for line in running.record("reject")] == [400, 429]

    asyncio.run(scenario())


def test_the_sweep_cancels_for_a_silent_client(tmp_path: Path) -> None:
    """The switch is looked at in real time, whatever the market's speed; the order's window is a minute of it away."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS, speed=60.0) as running:
            key, _ = a_client(running)
            token = running.exchange.floor.by_slug[f"btc-updown-5m-{START_S + 3_000}"].listing.up_token
            await running.venue.place(Trader().limit(key, token, "BUY", 50_000, 10), key)
            running.exchange.switches.beat(key.api_key, "", running.venue.clock.monotonic_ns() - HEARTBEAT_EXPIRY_NS)
            running.venue._sweep()
            assert running.record("heartbeat_expired")[0]["cancelled"] == 1
            assert running.exchange.open_orders(key.owner) == []

    asyncio.run(scenario())


def test_a_venue_that_stops_says_how_everybody_stood(tmp_path: Path) -> None:
    """The last line."""

    async def scenario() -> None:
        async with running_venue(tmp_path, DAY, NOW_MS) as running:
            a_client(running)
        (line,) = running.record("stop")
        assert line["balances"] == [{"owner": Trader().address, "wallet": "", "cash_micro": 10**9, "positions": []}]

    asyncio.run(scenario())
