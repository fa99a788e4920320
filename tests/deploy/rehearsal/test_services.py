"""Routes of the services beside the exchange, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from kit.days import START_S, WINDOW_S, a_day
from kit.envelopes import ACCOUNT, a_batch
from kit.venue import Running, Trader, running_venue

NOW_MS = (START_S + 20) * 1_000
KEY = {"RELAYER_API_KEY": "k", "RELAYER_API_KEY_ADDRESS": ACCOUNT.address}
SLUG = f"btc-updown-5m-{START_S}"

Ask = Callable[..., Awaitable[tuple[int, Any]]]
Scenario = Callable[[Running, Ask], Awaitable[None]]


def play(folder: Path, scenario: Scenario) -> None:
    async def whole() -> None:
        async with running_venue(folder, a_day(), NOW_MS) as running, ClientSession() as http:

            async def ask(path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
                method, raw = ("GET", None) if body is None else ("POST", json.dumps(body).encode())
                where = running.where["clob"] + path
                async with http.request(method, where, data=raw, headers=headers) as answer:
                    return answer.status, json.loads(await answer.read())

            await scenario(running, ask)

    asyncio.run(whole())


def test_the_data_api_is_public(tmp_path: Path) -> None:
    """Pages and envelopes; a query that names nothing is refused."""

    async def scenario(running: Running, ask: Ask) -> None:
        running.venue.create_key(Trader().address, 0)
        empty = {"data": [], "pagination": {"next_cursor": None, "has_more": False}}
        assert await ask(f"/data-api/v2/positions?user={Trader().address}") == (200, empty)
        assert await ask("/data-api/v2/trades") == (200, empty)
        assert await ask("/data-api/v2/resolutions?condition_id=0x" + "0" * 64) == (200, {"data": []})
        assert (await ask(f"/data-api/v2/approvals?user={Trader().address}"))[1]["data"]["chain_id"] == 137
        assert (await ask("/data-api/v2/positions"))[0] == 400
        assert (await ask("/data-api/positions"))[0] == 404

    play(tmp_path, scenario)


def test_the_relayer_wants_a_key(tmp_path: Path) -> None:
    """For all but whether a wallet is there."""

    async def scenario(running: Running, ask: Ask) -> None:
        running.venue.create_key(Trader().address, 0)
        assert (await ask("/relayer/deployed?address=0x5"))[1]["deployed"] is True
        params = f"/relayer/v1/account/transactions/params?address={ACCOUNT.address}&type=WALLET"
        assert (await ask(params))[0] == 401
        assert (await ask(params, headers=KEY))[1]["nonce"] == "0"
        assert (await ask("/relayer/submit", a_batch([])))[0] == 401
        status, sent = await ask("/relayer/submit", a_batch([]), KEY)
        assert (status, sent["state"]) == (200, "STATE_NEW")
        told = f"/relayer/v1/account/transactions/{sent['transactionID']}"
        assert (await ask(told, headers=KEY))[1]["transaction_id"] == sent["transactionID"]
        assert (await ask("/relayer/submit", {"type": "DANCE"}, KEY))[0] == 400
        assert running.record("transaction")[0]["state"] == "STATE_NEW"

    play(tmp_path, scenario)


def test_the_chain_answers_by_json_rpc(tmp_path: Path) -> None:
    """With HTTP 200 also where it refuses."""

    async def scenario(running: Running, ask: Ask) -> None:
        assert (await ask("/rpc", {"id": 1, "method": "eth_chainId"}))[1]["result"] == "0x89"
        assert (await ask("/rpc", [{"id": 1, "method": "eth_dance"}]))[1][0]["error"]["code"] == -32601

    play(tmp_path, scenario)


def test_binance_answers_by_rest(tmp_path: Path) -> None:
    """Time, a snapshot that joins the stream, candles; its own words for nonsense."""

    async def scenario(running: Running, ask: Ask) -> None:
        api = "/binance/api/v3"
        assert await ask(f"{api}/ping") == (200, {})
        assert abs((await ask(f"{api}/time"))[1]["serverTime"] - NOW_MS) < 60_000
        _, depth = await ask(f"{api}/depth?symbol=BTCUSDT&limit=5")
        assert len(depth["bids"]) == 5 and depth["lastUpdateId"] > 0
        _, rows = await ask(f"{api}/klines?symbol=BTCUSDT&interval=1m&limit=3")
        assert len(rows) == 3 and rows[1][0] == rows[0][0] + 60_000
        _, seconds = await ask(f"{api}/klines?symbol=BTCUSDT&interval=1s&startTime={NOW_MS - 5_000}&endTime={NOW_MS}")
        assert [row[0] for row in seconds] == list(range(NOW_MS - 5_000, NOW_MS + 1, 1_000))
        for query, code in (
            ("depth?symbol=AVAXUSDT", -1121),
            ("klines?symbol=BTCUSDT&interval=1h", -1120),
            ("depth?symbol=BTCUSDT&limit=x", -1100),
        ):
            status, body = await ask(f"{api}/{query}")
            assert (status, body["code"]) == (400, code)

    play(tmp_path, scenario)


def test_the_catalogue_has_lists(tmp_path: Path) -> None:
    """Open ones unless closed are asked for, in pages, by condition or series."""

    async def scenario(running: Running, ask: Ask) -> None:
        market = running.exchange.floor.by_slug[SLUG]
        _, first = await ask("/gamma/markets/keyset?limit=2")
        _, second = await ask(f"/gamma/markets/keyset?limit=2&after_cursor={first['next_cursor']}")
        slugs = [each["slug"] for each in (*first["markets"], *second["markets"])]
        assert slugs == [f"btc-updown-5m-{START_S + number * WINDOW_S}" for number in range(4)]
        _, one = await ask(f"/gamma/markets/keyset?condition_ids={market.listing.condition_id}")
        assert [each["slug"] for each in one["markets"]] == [SLUG] and "next_cursor" not in one
        assert (await ask(f"/gamma/markets/keyset?closed=true&slug={SLUG}"))[1] == {"markets": []}
        _, events = await ask("/gamma/events/keyset?series_id=10684&limit=1")
        assert events["events"][0]["slug"] == SLUG
        assert (await ask("/gamma/events/keyset?series_id=5"))[1] == {"events": []}
        assert (await ask("/gamma/events/keyset?limit=x"))[0] == 400

    play(tmp_path, scenario)


def test_the_catalogue_has_its_older_lists_too(tmp_path: Path) -> None:
    """Bare arrays, by offset; the same filters; without any, the open ones."""

    async def scenario(running: Running, ask: Ask) -> None:
        market = running.exchange.floor.by_slug[SLUG]
        _, rows = await ask("/gamma/markets?limit=2&offset=1&active=true&closed=false")
        assert [each["slug"] for each in rows] == [f"btc-updown-5m-{START_S + n * WINDOW_S}" for n in (1, 2)]
        _, one = await ask(f"/gamma/events?condition_ids={market.listing.condition_id}")
        assert [each["slug"] for each in one] == [SLUG]
        assert await ask("/gamma/markets?closed=true") == (200, [])
        assert (await ask("/gamma/markets?offset=x"))[0] == 400

    play(tmp_path, scenario)
