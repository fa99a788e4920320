"""`polymarket-client`, unmodified: every stream of its that this venue has, in its own parsers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from kit.days import START_S, WINDOW_S, a_day
from kit.official import environment
from kit.venue import Running, running_venue
from polymarket import AsyncPublicClient, AsyncSecureClient
from polymarket.streams import (
    CryptoPricesChainlinkTwapSpec,
    CryptoPriceSpec,
    CryptoPricesSpec,
    CryptoTwapPriceSpec,
    MarketSpec,
    UserSpec,
)

NOW_MS = (START_S + 20) * 1_000
PRIVATE = "0x" + "11" * 32
WAIT_S = 180

Scenario = Callable[[Running, AsyncSecureClient], Awaitable[None]]


def play(folder: Path, scenario: Scenario, speed: float = 10.0) -> None:
    async def whole() -> None:
        async with (
            running_venue(folder, a_day(), NOW_MS, speed) as running,
            asyncio.timeout(WAIT_S),
            await AsyncSecureClient.create(private_key=PRIVATE, environment=environment(running.where)) as client,
        ):
            await scenario(running, client)

    asyncio.run(whole())


def token(running: Running, number: int) -> str:
    return running.exchange.floor.by_slug[f"btc-updown-5m-{START_S + number * WINDOW_S}"].listing.up_token


async def kinds(handle: Any, wanted: set[str]) -> set[str]:
    """Read events until every wanted kind was seen."""
    seen: set[str] = set()
    async for event in handle:
        seen.add(event.type)
        if wanted <= seen:
            return seen
    return seen


async def cancellation(orders: Any) -> None:
    """Read a user's events until an order of his was cancelled."""
    async for change in orders:
        if change.payload.order_event_type == "CANCELLATION":
            return


def test_the_market_stream_tells_everything_it_has(tmp_path: Path) -> None:
    """Books, changes, trades, ticks, tops, listings and the end, as custom features have them."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        tokens = [token(running, number) for number in range(2)]
        events = await client.subscribe(MarketSpec(token_ids=tokens, custom_feature_enabled=True))
        wanted = {"book", "price_change", "last_trade_price", "best_bid_ask", "new_market", "tick_size_change"}
        reading = asyncio.ensure_future(kinds(events, wanted | {"market_resolved"}))
        await asyncio.sleep(0)
        while not reading.done():
            running.venue.clock.market_ns += 2 * 10**9
            await asyncio.sleep(0.02)
        assert wanted | {"market_resolved"} <= await reading
        await events.close()

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("spec", "topic"),
    [
        (CryptoPriceSpec(symbols=["btcusd"]), "prices.crypto"),
        (CryptoTwapPriceSpec(symbols=["btcusd"]), "prices.crypto.twap"),
    ],
)
def test_reference_prices_come_with_history_then_live(tmp_path: Path, spec: Any, topic: str) -> None:
    """Over PolyBolt, for a proved key."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        prices = await client.subscribe(spec)
        first, second = await anext(prices), await anext(prices)
        assert (first.type, second.type, second.topic) == ("subscribe", "update", topic)
        assert len(first.payload.data) >= 100 and second.payload.value > 0
        await prices.close()

    play(tmp_path, scenario)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "how",
    [
        {"topic": "prices.crypto.binance", "symbols": ["btcusdt"]},
        {"topic": "prices.crypto.chainlink", "symbols": ["btc/usd"]},
        {"window_seconds": 60, "symbols": ["btc/usd"]},
    ],
)
def test_the_older_socket_is_read_without_a_key(tmp_path: Path, how: dict[str, Any]) -> None:
    """Binance's prices, Chainlink's, and their mean."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        make: Any = CryptoPricesSpec if "topic" in how else CryptoPricesChainlinkTwapSpec
        async with AsyncPublicClient(environment=environment(running.where)) as public:
            prices = await public.subscribe(make(**how))
            updates = [await anext(prices) for _ in range(3)]
            stamps = [update.payload.timestamp for update in updates]
            assert stamps == sorted(set(stamps))
            assert {update.payload.symbol for update in updates} == set(how["symbols"])
            await prices.close()

    play(tmp_path, scenario)


def test_a_client_that_was_cut_off_comes_back_by_itself(tmp_path: Path) -> None:
    """Its subscriptions with it: market and user."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        books = await client.subscribe(MarketSpec(token_ids=[token(running, 2)]))
        orders = await client.subscribe(UserSpec())
        assert (await anext(books)).type == "book"
        running.venue.sockets.end_all()
        placed = await client.place_limit_order(asset_id=token(running, 2), side="BUY", price="0.05", size=10)
        assert placed.ok
        while len(running.record("connect")) < 4:  # noqa: ASYNC110 - the record has no event
            await asyncio.sleep(0.05)
        async for event in books:
            if event.type == "book":
                break
        cancelled = asyncio.ensure_future(cancellation(orders))
        while not cancelled.done():  # a channel that is connected need not be subscribed yet
            await client.cancel_order(order_id=placed.order_id)
            placed = await client.place_limit_order(asset_id=token(running, 2), side="BUY", price="0.05", size=10)
            await asyncio.sleep(0.05)
        await cancelled

    play(tmp_path, scenario)
