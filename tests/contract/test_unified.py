"""`polymarket-client`, unmodified, through its public calls, against the venue in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from eth_account import Account
from kit.official import environment
from kit.official_clients import private
from kit.venue_process import Served, served
from polymarket import AsyncPublicClient, AsyncSecureClient
from polymarket.auth import BuilderApiKey
from polymarket.models.clob import PriceRequest

from deploy.rehearsal import refusals

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("unified")]
numbers = iter(range(3_000, 4_000))
Scenario = Callable[[AsyncSecureClient], Awaitable[None]]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """CTF markets, and ETH's on Protocol V2 beside them."""
    folder = tmp_path_factory.mktemp("unified")
    with served(folder / "record", "--protocol-v2", "ETH") as running:
        yield running


def play(venue: Served, scenario: Scenario, **how: Any) -> None:
    """Run a scenario with a new trader in his deposit wallet, or as `how` says."""

    async def whole() -> None:
        key = private(next(numbers))
        where = environment(venue.where)
        async with await AsyncSecureClient.create(private_key=key, environment=where, **how) as client:
            await scenario(client)

    asyncio.run(whole())


def test_keys_are_derived_listed_and_deleted(venue: Served) -> None:
    """Builder keys beside them, revoked by their own proof."""

    async def scenario(client: AsyncSecureClient) -> None:
        (name,) = await client.fetch_api_keys()
        assert name
        assert await client.get_closed_only_mode() is False
        made = await client.create_builder_api_key()
        assert [each.key for each in await client.fetch_builder_api_keys()] == [made.key]
        await revoke(venue, made)
        assert await client.fetch_builder_api_keys() == ()
        public = await client.end_authentication()
        await public.close()

    play(venue, scenario)


async def revoke(venue: Served, key: BuilderApiKey) -> None:
    """A client that was made with a builder key revokes it."""
    where = environment(venue.where)
    async with await AsyncSecureClient.create(
        private_key=private(next(numbers)), environment=where, api_key=key
    ) as client:
        await client.revoke_builder_api_key()


def test_a_gtc_order_rests_is_listed_and_is_cancelled(venue: Served) -> None:
    """Also the reason why it cannot be cancelled again."""

    async def scenario(client: AsyncSecureClient) -> None:
        token = venue.market().up
        rested = await client.place_limit_order(asset_id=token, side="BUY", price="0.05", size=10)
        assert rested.ok and rested.status == "live"
        listed = [order async for page in client.list_open_orders(asset_id=token) for order in page.items]
        assert [order.id for order in listed] == [rested.order_id]
        assert (await client.get_order(order_id=rested.order_id)).status == "LIVE"
        assert (await client.cancel_order(order_id=rested.order_id)).canceled == (rested.order_id,)
        again = await client.cancel_orders(order_ids=[rested.order_id])
        assert again.not_canceled == {rested.order_id: refusals.ALREADY_DONE}

    play(venue, scenario)


def test_gtd_and_post_only_orders(venue: Served) -> None:
    """An expiration of the market's time; an order that would take is refused by name."""

    async def scenario(client: AsyncSecureClient) -> None:
        token, later_s = venue.market().up, int(venue.where["clock"]["market_ns"]) // 10**9 + 100_000
        dated = await client.place_limit_order(asset_id=token, side="BUY", price="0.05", size=10, expiration=later_s)
        assert dated.ok
        assert (await client.get_order(order_id=dated.order_id)).order_type == "GTD"
        kept = await client.place_limit_order(asset_id=token, side="BUY", price="0.05", size=10, post_only=True)
        assert kept.ok and kept.status == "live"
        with pytest.raises(Exception, match=refusals.POST_ONLY_CROSSES):
            await client.place_limit_order(asset_id=token, side="BUY", price="0.99", size=10, post_only=True)
        assert len((await client.cancel_all()).canceled) == 2

    play(venue, scenario)


@pytest.mark.parametrize("asset", ["btc", "eth"])
def test_market_orders_fill_and_settle(venue: Served, asset: str) -> None:
    """FAK bought, FOK sold; a CTF token and a position of Protocol V2."""

    async def scenario(client: AsyncSecureClient) -> None:
        token, kind = venue.market(asset).up, "CONDITIONAL" if asset == "btc" else "CONDITIONAL-V2"
        bought = await client.place_market_order(asset_id=token, side="BUY", amount=20, max_price="0.9")
        assert bought.ok and bought.status == "matched" and bought.trade_ids
        assert all(await client.wait_for_order_fill_settlement(bought))
        trades = [trade async for page in client.list_account_trades() for trade in page.items]
        assert {trade.id for trade in trades} == set(bought.trade_ids)
        balance = await client.get_balance_allowance(asset_type=kind, asset_id=token)
        assert balance.balance == sum(int(trade.size * 10**6) for trade in trades)
        whole = balance.balance // 10**6
        sold = await client.place_market_order(
            asset_id=token, side="SELL", shares=whole, min_price="0.1", order_type="FOK"
        )
        assert sold.ok and sold.status == "matched"

    play(venue, scenario)


def test_orders_that_find_nothing_are_killed(venue: Served) -> None:
    """FOK and FAK, in the venue's words."""

    async def scenario(client: AsyncSecureClient) -> None:
        token = venue.market().up
        for kind, text in (("FOK", "FOK orders are fully filled or killed"), ("FAK", "no orders found to match")):
            with pytest.raises(Exception, match=text):
                await client.place_market_order(asset_id=token, side="BUY", amount=5, max_price="0.01", order_type=kind)

    play(venue, scenario)


def test_a_batch_is_answered_leg_by_leg(venue: Served) -> None:
    """The refused leg is a rejected order, though its success says true; then all of a market are cancelled."""

    async def scenario(client: AsyncSecureClient) -> None:
        market = venue.market()
        token = market.up
        orders = [
            await client.create_limit_order(asset_id=token, side="BUY", price="0.05", size=size) for size in (10, 4, 11)
        ]
        legs = await client.post_orders(orders)
        assert [leg.ok for leg in legs] == [True, False, True]
        assert "lower than the minimum: 5" in legs[1].message
        gone = await client.cancel_market_orders(market=market.condition, asset_id=token)
        assert set(gone.canceled) == {legs[0].order_id, legs[2].order_id}

    play(venue, scenario)


def test_an_own_address_trades_as_well(venue: Served) -> None:
    """EOA mode: maker, signer and owner are one."""
    key = private(next(numbers))

    async def scenario() -> None:
        where, me = environment(venue.where), Account.from_key(key).address
        async with await AsyncSecureClient.create(private_key=key, wallet=me, environment=where) as client:
            bought = await client.place_market_order(asset_id=venue.market().up, side="BUY", amount=2, max_price="0.9")
            assert bought.ok
            with pytest.raises(Exception, match="not enough balance"):
                await client.place_limit_order(asset_id=venue.market().up, side="BUY", price="0.05", size=100_000)

    asyncio.run(scenario())


def test_heartbeats_chain(venue: Served) -> None:
    """The client sends what it was told last; a wrong id is answered with the right one."""

    async def scenario(client: AsyncSecureClient) -> None:
        first = (await client.send_order_heartbeat()).heartbeat_id
        second = (await client.send_order_heartbeat(heartbeat_id=first)).heartbeat_id
        assert second != first
        with pytest.raises(Exception, match="Invalid Heartbeat ID"):
            await client.send_order_heartbeat(heartbeat_id=first)

    play(venue, scenario)


def test_the_public_reads_answer(venue: Served) -> None:
    """Books and prices one by one and in bulk, in its own models; both kinds of market."""

    async def scenario() -> None:
        async with AsyncPublicClient(environment=environment(venue.where)) as client:
            for asset in ("btc", "eth"):
                found = venue.market(asset)
                await read_all(client, found.up, found.down)

    asyncio.run(scenario())


async def read_all(client: AsyncPublicClient, up: str, down: str) -> None:
    book = await client.get_order_book(asset_id=up)
    assert book.asset_id == up and book.bids and book.asks
    assert [each.asset_id for each in await client.get_order_books(asset_ids=[up, down])] == [up, down]
    assert 0 < await client.get_midpoint(asset_id=up) < 1
    assert set(await client.get_midpoints(asset_ids=[up, down])) == {up, down}
    assert await client.get_spread(asset_id=up) > 0
    assert set(await client.get_spreads(asset_ids=[up, down])) == {up, down}
    assert 0 < await client.get_price(asset_id=up, side="BUY") < 1
    both = await client.get_prices(requests=[PriceRequest(up, "BUY"), PriceRequest(up, "SELL")])
    assert both[up].keys() == {"BUY", "SELL"} and both[up]["BUY"] < both[up]["SELL"]
    last = await client.get_last_trade_price(asset_id=up)
    assert last is None or last.side in ("BUY", "SELL")
    assert {each.asset_id for each in await client.get_last_trade_prices(asset_ids=[up, down])} <= {up, down}


def test_the_account_reads_answer(venue: Served) -> None:
    """What is not played here is empty, and parses."""

    async def scenario(client: AsyncSecureClient) -> None:
        assert await client.get_notifications() == ()
        assert await client.get_order_scoring(order_id="0x5") is False
        assert await client.get_orders_scoring(order_ids=["0x5"]) == {"0x5": False}
        assert [each async for page in client.list_current_rewards() for each in page.items] == []
        assert [
            each async for page in client.list_user_earnings_for_day(date="2026-11-20") for each in page.items
        ] == []
        price = await client.estimate_market_price(asset_id=venue.market().up, side="BUY", amount=5)
        assert 0 < price < 1

    play(venue, scenario)


def test_markets_and_events_are_found_by_their_names(venue: Served) -> None:
    """In its own models, of both versions."""

    async def scenario() -> None:
        async with AsyncPublicClient(environment=environment(venue.where)) as client:
            for asset in ("btc", "eth"):
                slug = venue.market(asset).slug
                market = await client.get_market(slug=slug)
                assert market.slug == slug
                event = await client.get_event(slug=slug)
                assert event.slug == slug

    asyncio.run(scenario())
