"""The venue over real HTTP: by hand for what clients hide, by the official client for what they do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from kit.official import environment
from kit.venue_http import SLUG, STILL, Desk, play
from polymarket import AsyncSecureClient
from polymarket.errors import RequestRejectedError
from polymarket.streams import CryptoTwapPriceSpec, MarketSpec, UserSpec

from deploy.rehearsal import refusals
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.modes import Mode

PRIVATE = "0x" + "11" * 32
HOUR_NS = 3_600 * 10**9


def test_what_does_not_exist_is_not_found(tmp_path: Path) -> None:
    """An asset without markets is an empty list at the catalogue, not an error."""

    async def scenario(desk: Desk) -> None:
        assert await desk.get("/book?token_id=5") == (404, {"error": refusals.NO_BOOK})
        assert (await desk.get("/clob-markets/0x5"))[0] == 404
        assert await desk.get("/gamma/markets?slug=avax-updown-5m-1") == (200, [])
        assert await desk.get("/gamma/events?slug=avax-updown-5m-1") == (200, [])
        assert (await desk.get("/gamma/events/slug/avax-updown-5m-1"))[0] == 404
        assert (await desk.get("/nowhere"))[0] == 404
        assert (await desk.ask("POST", "/books", b"{"))[0] == 400

    play(tmp_path, scenario)


def test_the_catalogue_leads_to_the_tokens(tmp_path: Path) -> None:
    """By any of its four ways."""

    async def scenario(desk: Desk) -> None:
        (market,) = (await desk.get(f"/gamma/markets?slug={SLUG}"))[1]
        (event,) = (await desk.get(f"/gamma/events?slug={SLUG}"))[1]
        assert json.loads(market["clobTokenIds"]) == [desk.market.listing.up_token, desk.market.listing.down_token]
        assert event["markets"][0]["conditionId"] == market["conditionId"] == desk.market.listing.condition_id
        assert (await desk.get(f"/gamma/markets/slug/{SLUG}"))[1]["id"] == market["id"]
        assert (await desk.get(f"/gamma/events/slug/{SLUG}"))[1]["slug"] == SLUG

    play(tmp_path, scenario)


def test_an_order_lives_from_post_to_delete(tmp_path: Path) -> None:
    """Listed while it rests, found in any status."""

    async def scenario(desk: Desk) -> None:
        status, answer = await desk.keyed("POST", "/order", desk.order())
        assert (status, answer["status"], answer["makingAmount"]) == (200, "live", "0")
        order_id = answer["orderID"]
        page = (await desk.keyed("GET", f"/data/orders?id={order_id}"))[1]
        assert ([row["id"] for row in page["data"]], page["next_cursor"]) == ([order_id], "LTE=")
        assert (await desk.keyed("DELETE", "/order", {"orderID": order_id}))[1]["canceled"] == [order_id]
        again = await desk.keyed("DELETE", "/orders", [order_id, "0x5"])
        assert again == (
            200,
            {
                "canceled": [],
                "not_canceled": {order_id: refusals.ALREADY_DONE, "0x5": refusals.NOT_FOUND_OR_CANCELED},
            },
        )
        assert (await desk.keyed("GET", f"/data/order/{order_id}"))[1]["status"] == "CANCELED"
        assert (await desk.keyed("GET", "/data/order/0x5"))[0] == 404
        assert (await desk.keyed("GET", "/data/orders"))[1]["data"] == []

    play(tmp_path, scenario)


def test_many_orders_are_cancelled_at_once(tmp_path: Path) -> None:
    """All of them, or those of one market or token."""

    async def scenario(desk: Desk) -> None:
        legs = [desk.order(salt=salt) for salt in range(4)]
        _status, answers = await desk.keyed("POST", "/orders", legs)
        assert [answer["status"] for answer in answers] == ["live"] * 4
        other = (await desk.keyed("DELETE", "/cancel-market-orders", {"market": "0x5", "asset_id": ""}))[1]
        assert other["canceled"] == []
        await desk.keyed("DELETE", "/order", {"orderID": answers[0]["orderID"]})
        where = {"market": desk.market.listing.condition_id, "asset_id": desk.market.listing.up_token}
        assert len((await desk.keyed("DELETE", "/cancel-market-orders", where))[1]["canceled"]) == 3
        await desk.keyed("POST", "/order", desk.order(salt=9))
        assert len((await desk.keyed("DELETE", "/cancel-all"))[1]["canceled"]) == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/order", [1]),
        ("POST", "/orders", []),
        ("POST", "/orders", {}),
        ("DELETE", "/order", {"id": 5}),
        ("DELETE", "/orders", {}),
        ("DELETE", "/cancel-market-orders", [1]),
        ("GET", "/data/orders?next_cursor=%25", None),
        ("GET", "/data/trades?before=soon", None),
    ],
)
def test_requests_that_make_no_sense_are_bad(tmp_path: Path, method: str, path: str, body: Any) -> None:
    """And the venue goes on."""

    async def scenario(desk: Desk) -> None:
        assert (await desk.keyed(method, path, body))[0] == 400
        assert (await desk.get("/ok"))[0] == 200

    play(tmp_path, scenario)


def test_a_batch_has_a_bound(tmp_path: Path) -> None:
    """Fifteen, in the venue's words."""

    async def scenario(desk: Desk) -> None:
        legs = [desk.order(salt=salt) for salt in range(16)]
        answer = await desk.keyed("POST", "/orders", legs)
        assert answer == (400, {"error": "Too many orders in payload: 16, max allowed: 15"})

    play(tmp_path, scenario)


def test_who_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    """429 with the headers of the signer's bucket."""

    async def scenario(desk: Desk) -> None:
        venue, owner = desk.running.venue, desk.join().owner
        venue.buckets.orders(owner, 60, venue.clock.monotonic_ns() + HOUR_NS)
        assert (await desk.keyed("POST", "/order", desk.order()))[0] == 429
        assert (await desk.keyed("DELETE", "/cancel-all"))[0] == 200

    play(tmp_path, scenario)


def test_a_fault_of_our_own_is_not_hidden_in_an_answer(tmp_path: Path) -> None:
    """The process is told of it, so that it stops."""

    async def scenario(desk: Desk) -> None:
        desk.running.exchange.floor.by_token["5"] = object()  # type: ignore[assignment]
        async with desk.http.get(desk.running.where["clob"] + "/book?token_id=5") as answer:
            assert answer.status == 500

    with pytest.raises(AssertionError):
        play(tmp_path, scenario)


def test_heartbeats_chain(tmp_path: Path) -> None:
    """The first is blank, each answer names the next, a wrong one is told the right one."""

    async def scenario(desk: Desk) -> None:
        status, first = await desk.keyed("POST", "/v1/heartbeats", {"heartbeat_id": ""})
        assert status == 200
        status, second = await desk.keyed("POST", "/v1/heartbeats", first)
        assert status == 200 and second != first
        wrong = await desk.keyed("POST", "/v1/heartbeats", first)
        assert wrong == (400, {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": second["heartbeat_id"]})

    play(tmp_path, scenario)


def test_heartbeats_of_the_old_path_arm_nothing(tmp_path: Path) -> None:
    """They are answered, and that is all."""

    async def scenario(desk: Desk) -> None:
        assert await desk.keyed("POST", "/heartbeats") == (200, {"status": "ok"})
        assert desk.running.exchange.switches.armed == {}

    play(tmp_path, scenario)


def test_a_restart_is_told_in_status_and_body(tmp_path: Path) -> None:
    """425 with nothing in it; 503 with a code and seconds, none of which passes here; then as before."""

    async def scenario(desk: Desk) -> None:
        exchange, order_id = desk.running.exchange, (await desk.keyed("POST", "/order", desk.order()))[1]["orderID"]
        exchange.modes.speed = 1.0
        exchange.modes.restart(exchange.now_ms)
        assert await desk.raw("POST", "/order", desk.order(salt=2)) == (425, b"", "90")
        assert await desk.raw("DELETE", "/order", {"orderID": order_id}) == (425, b"", "90")
        exchange.modes.switch(Mode.POST_ONLY, exchange.now_ms, for_s=79)
        status, body = await desk.keyed("POST", "/order", desk.order(salt=2))
        assert (status, body) == (
            503,
            {"error": refusals.POST_ONLY_MODE, "code": "post_only_mode", "retry_after_seconds": 79},
        )
        assert (await desk.keyed("POST", "/order", desk.order(salt=3, post_only=True)))[0] == 200
        assert (await desk.keyed("DELETE", "/order", {"orderID": order_id}))[0] == 200
        exchange.modes.switch(Mode.FAILING, exchange.now_ms)
        assert await desk.keyed("POST", "/order", desk.order(salt=2)) == (500, {"error": "could not insert order"})
        exchange.modes.switch(Mode.OPEN, exchange.now_ms)
        assert (await desk.keyed("POST", "/order", desk.order(salt=2)))[0] == 200

    play(tmp_path, scenario, speed=STILL)


# The official client, unmodified.


def test_the_official_client_trades_from_its_deposit_wallet(tmp_path: Path) -> None:
    """Derives keys, rests and cancels a limit order, buys at the market, sees its trades settle."""

    async def scenario(desk: Desk) -> None:
        token = desk.lasting
        async with await AsyncSecureClient.create(
            private_key=PRIVATE, environment=environment(desk.running.where)
        ) as client:
            balance = await client.get_balance_allowance(asset_type="COLLATERAL")
            assert balance.balance == 10**9
            rested = await client.place_limit_order(asset_id=token, side="BUY", price="0.05", size=10)
            assert rested.ok and rested.status == "live"
            listed = [order async for page in client.list_open_orders() for order in page.items]
            assert [order.id for order in listed] == [rested.order_id]
            assert (await client.cancel_order(order_id=rested.order_id)).canceled == (rested.order_id,)
            bought = await client.place_market_order(asset_id=token, side="BUY", amount=20, max_price="0.9")
            assert bought.ok and bought.status == "matched" and bought.trade_ids
            hashes = await client.wait_for_order_fill_settlement(bought)
            assert hashes and all(hashes)
            trades = [trade async for page in client.list_account_trades() for trade in page.items]
            assert {trade.id for trade in trades} == set(bought.trade_ids)
            assert {trade.status for trade in trades} == {"CONFIRMED"}
            assert (await client.send_order_heartbeat()).heartbeat_id
        account = desk.running.exchange.accounts.all()[0]
        assert (account.signature_type, account.wallet) != (0, account.owner)
        assert account.positions[token] == sum(int(trade.size * 10**6) for trade in trades)

    play(tmp_path, scenario, speed=30.0)


def test_the_official_client_is_refused_in_words_it_knows(tmp_path: Path) -> None:
    """Codes and messages arrive where its users look for them."""

    async def scenario(desk: Desk) -> None:
        token = desk.lasting
        where = environment(desk.running.where)
        address = Account.from_key(PRIVATE).address
        async with await AsyncSecureClient.create(private_key=PRIVATE, wallet=address, environment=where) as client:
            with pytest.raises(Exception, match=refusals.POST_ONLY_CROSSES):
                await client.place_limit_order(asset_id=token, side="BUY", price="0.99", size=10, post_only=True)
            with pytest.raises(Exception, match="not enough balance"):
                await client.place_limit_order(asset_id=token, side="BUY", price="0.05", size=1_000)

    play(tmp_path, scenario, rules=Rules(grant_micro=20_000_000))


def test_the_official_client_is_told_of_a_restart(tmp_path: Path) -> None:
    """425 with its wait, then the post-only minutes, in which it may still rest what never takes."""

    async def scenario(desk: Desk) -> None:
        where, modes, token = environment(desk.running.where), desk.running.exchange.modes, desk.lasting
        limit = {"asset_id": token, "side": "BUY", "price": "0.05", "size": 10}
        async with await AsyncSecureClient.create(private_key=PRIVATE, environment=where) as client:
            modes.switch(Mode.RESTARTING, desk.running.exchange.now_ms)
            with pytest.raises(RequestRejectedError) as away:
                await client.place_limit_order(**limit)
            assert away.value.status == 425
            modes.switch(Mode.POST_ONLY, desk.running.exchange.now_ms)
            with pytest.raises(RequestRejectedError, match=refusals.POST_ONLY_MODE):
                await client.place_limit_order(**limit)
            assert (await client.place_limit_order(**limit, post_only=True)).ok

    play(tmp_path, scenario)


def test_the_official_client_streams_books_and_prices(tmp_path: Path) -> None:
    """Market and price sockets, parsed by its own models."""

    async def scenario(desk: Desk) -> None:
        token = desk.lasting
        async with await AsyncSecureClient.create(
            private_key=PRIVATE, environment=environment(desk.running.where)
        ) as client:
            async with asyncio.timeout(60):
                books = await client.subscribe(MarketSpec(token_ids=[token]))
                kinds = [(await anext(books)).type for _ in range(4)]
                assert kinds[0] == "book"
                prices = await client.subscribe(CryptoTwapPriceSpec(symbols=["btcusd"]))
                first, second = await anext(prices), await anext(prices)
                assert (first.type, second.type) == ("subscribe", "update")
                assert second.payload.symbol == "btcusd"
                await books.close()
                await prices.close()

    play(tmp_path, scenario, speed=10.0)


def test_the_official_client_follows_its_orders(tmp_path: Path) -> None:
    """The user socket in its own parser: placed, cancelled, placed and matched, mined, confirmed; nothing dropped."""

    async def scenario(desk: Desk) -> None:
        token = desk.lasting
        where = environment(desk.running.where)
        async with (
            await AsyncSecureClient.create(private_key=PRIVATE, environment=where) as client,
            asyncio.timeout(60),
        ):
            events = await client.subscribe(UserSpec())
            rested = await client.place_limit_order(asset_id=token, side="BUY", price="0.05", size=10)
            assert rested.ok
            await client.cancel_order(order_id=rested.order_id)
            assert (await client.place_market_order(asset_id=token, side="BUY", amount=1, max_price="0.9")).ok
            seen = [await anext(events) for _ in range(7)]
            orders = [event.payload for event in seen if event.type == "order"]
            kinds = [order.order_event_type for order in orders]
            assert kinds == ["PLACEMENT", "CANCELLATION", "PLACEMENT", "PLACEMENT"]
            assert [order.status for order in orders] == ["LIVE", "CANCELED", "DELAYED", "MATCHED"]
            trades = [event.payload for event in seen if event.type == "trade"]
            assert [trade.status for trade in trades] == ["MATCHED", "MINED", "CONFIRMED"]

    play(tmp_path, scenario, speed=30.0)
