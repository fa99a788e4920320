"""The venue over real HTTP: by hand for what clients hide, by the official client for what they do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from eth_account import Account
from kit.days import START_S, a_day
from kit.official import environment
from kit.venue import Running, Trader, running_venue
from polymarket import AsyncSecureClient
from polymarket._internal.l1_auth import build_api_key_auth_typed_data
from polymarket.streams import CryptoTwapPriceSpec, MarketSpec, UserSpec

from deploy.rehearsal import refusals
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Key
from deploy.rehearsal.markets import Market
from deploy.rehearsal.modes import Mode, Standing
from deploy.rehearsal.signatures import request_hmac
from shared.clock import SystemClock

NOW_MS = (START_S + 20) * 1_000
DAY = a_day()
SLUG = f"btc-updown-5m-{START_S}"
PRIVATE = "0x" + "11" * 32


@dataclass
class Desk:
    """A served venue and a hand-made client of it."""

    running: Running
    http: ClientSession
    key: Key | None = None

    @property
    def market(self) -> Market:
        return self.running.exchange.floor.by_slug[SLUG]

    @property
    def lasting(self) -> str:
        """A token that is quoted and will be for a quarter of an hour: its window has not begun."""
        return self.running.exchange.floor.by_slug[f"btc-updown-5m-{START_S + 600}"].listing.up_token

    async def get(self, path: str) -> tuple[int, Any]:
        return await self.ask("GET", path)

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        async with self.http.request(method, self.running.where["clob"] + path, data=body, headers=headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def keyed(self, method: str, path: str, body: Any = None, key: Key | None = None) -> tuple[int, Any]:
        """A signed request."""
        raw = b"" if body is None else json.dumps(body).encode()
        return await self.ask(method, path, raw, self.proof(method, path, raw, key))

    async def raw(self, method: str, path: str, body: Any) -> tuple[int, bytes, str]:
        """A signed request's status, bare body, and when to come back."""
        sent = json.dumps(body).encode()
        headers, url = self.proof(method, path, sent), self.running.where["clob"] + path
        async with self.http.request(method, url, data=sent, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers["Retry-After"]

    def proof(self, method: str, path: str, raw: bytes, key: Key | None = None) -> dict[str, str]:
        """The headers that sign a request."""
        key = key or self.key or self.join()
        stamp = str(SystemClock().wall_ns() // 10**9)
        return {
            "POLY_ADDRESS": key.owner,
            "POLY_API_KEY": key.api_key,
            "POLY_PASSPHRASE": key.passphrase,
            "POLY_TIMESTAMP": stamp,
            "POLY_SIGNATURE": request_hmac(key.secret, stamp, method, path.partition("?")[0], raw),
        }

    def join(self) -> Key:
        self.key = self.running.venue.create_key(Trader().address, 0)
        return self.key

    def order(self, price_micro: int = 50_000, shares: int = 10, **more: Any) -> dict[str, Any]:
        key = self.key or self.join()
        return Trader().limit(key, self.market.listing.up_token, "BUY", price_micro, shares, **more)


@asynccontextmanager
async def a_desk(folder: Path, **how: Any) -> AsyncIterator[Desk]:
    async with running_venue(folder, DAY, NOW_MS, **how) as running, ClientSession() as http:
        yield Desk(running, http)


Scenario = Callable[[Desk], Coroutine[Any, Any, None]]


def play(folder: Path, scenario: Scenario, **how: Any) -> None:
    async def whole() -> None:
        async with a_desk(folder, **how) as desk:
            await scenario(desk)

    asyncio.run(whole())


def test_the_reads_that_need_no_key(tmp_path: Path) -> None:
    """Each answers in the captured shape."""

    async def scenario(desk: Desk) -> None:
        listing = desk.market.listing
        token = listing.up_token
        assert await desk.get("/ok") == (200, "OK")
        assert await desk.get("/version") == (200, {"version": 2})
        status, seconds = await desk.get("/time")
        assert (status, seconds) == (200, desk.running.venue.now_ms() // 1_000)
        assert (await desk.get("/api/geoblock"))[1]["blocked"] is False
        status, book = await desk.get(f"/book?token_id={token}")
        assert (status, book["asset_id"], book["market"]) == (200, token, listing.condition_id)
        assert (await desk.get(f"/tick-size?token_id={token}"))[1] == {"minimum_tick_size": 0.01}
        assert (await desk.get(f"/neg-risk?token_id={token}"))[1] == {"neg_risk": False}
        assert (await desk.get(f"/fee-rate?token_id={token}"))[1] == {"base_fee": 1000}
        bid, ask = book["bids"][-1]["price"], book["asks"][-1]["price"]
        assert (await desk.get(f"/price?token_id={token}&side=BUY"))[1] == {"price": bid}
        assert (await desk.get(f"/price?token_id={token}&side=SELL"))[1] == {"price": ask}
        middle = (await desk.get(f"/midpoint?token_id={token}"))[1]["mid"]
        assert Decimal(middle) == (Decimal(bid) + Decimal(ask)) / 2
        status, market = await desk.get(f"/clob-markets/{listing.condition_id}")
        assert (market["ao"], market["itode"], market["mts"]) == (True, True, 0.01)
        assert (await desk.get(f"/markets-by-token/{token}"))[1]["condition_id"] == listing.condition_id
        body = json.dumps([{"token_id": token}, {"token_id": "5"}, {"token_id": listing.down_token}]).encode()
        status, books = await desk.ask("POST", "/books", body)
        assert [each["asset_id"] for each in books] == [token, listing.down_token]

    play(tmp_path, scenario)


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


def key_request(nonce: int = 0, timestamp: int | None = None) -> dict[str, str]:
    account = Account.from_key(PRIVATE)
    stamp = SystemClock().wall_ns() // 10**9 if timestamp is None else timestamp
    typed = build_api_key_auth_typed_data(address=account.address, chain_id=137, timestamp=stamp, nonce=nonce)
    signature = account.sign_typed_data(full_message=typed).signature.hex()
    return {
        "POLY_ADDRESS": account.address,
        "POLY_SIGNATURE": "0x" + signature,
        "POLY_TIMESTAMP": str(stamp),
        "POLY_NONCE": str(nonce),
    }


def test_a_key_is_made_once_and_derived_ever_after(tmp_path: Path) -> None:
    """One per address and nonce; who made none derives none."""

    async def scenario(desk: Desk) -> None:
        refused = await desk.ask("GET", "/auth/derive-api-key", headers=key_request())
        assert refused == (400, {"error": refusals.NO_SUCH_KEY})
        first = await desk.ask("POST", "/auth/api-key", headers=key_request())
        assert await desk.ask("POST", "/auth/api-key", headers=key_request()) == first
        assert await desk.ask("GET", "/auth/derive-api-key", headers=key_request()) == first
        assert (await desk.ask("POST", "/auth/api-key", headers=key_request(1)))[1] != first[1]
        assert (await desk.ask("POST", "/auth/api-key", headers=key_request(0, 5)))[0] == 401
        assert [line["grant_micro"] for line in desk.running.record("key")] == [10**9, 0]
        assert first[1]["secret"] not in (tmp_path / "record.jsonl").read_text()

    play(tmp_path, scenario)


def test_keyed_reads_need_a_proof(tmp_path: Path) -> None:
    """401 in one voice without it."""

    async def scenario(desk: Desk) -> None:
        for path in ("/auth/api-keys", "/balance-allowance", "/data/orders", "/data/trades", "/data/order/0x"):
            assert await desk.get(path) == (401, {"error": refusals.UNAUTHORIZED})
        key = desk.join()
        assert (await desk.keyed("GET", "/auth/api-keys"))[1] == {"apiKeys": [key.api_key]}
        assert (await desk.keyed("GET", "/auth/ban-status/closed-only"))[1] == {"closed_only": False}
        _status, balance = await desk.keyed("GET", "/balance-allowance?asset_type=COLLATERAL&signature_type=3")
        assert balance["balance"] == "1000000000"

    play(tmp_path, scenario)


def test_the_wrong_signature_type_sees_an_empty_wallet(tmp_path: Path) -> None:
    """Once the wallet is known; the right one sees its dollars and shares."""

    async def scenario(desk: Desk) -> None:
        await desk.keyed("POST", "/order", desk.order())
        path = "/balance-allowance?asset_type=COLLATERAL&signature_type="
        balances = [(await desk.keyed("GET", path + kind))[1]["balance"] for kind in ("0", "3")]
        assert balances == ["1000000000", "0"]
        shares = f"/balance-allowance/update?asset_type=CONDITIONAL&token_id={desk.market.listing.up_token}"
        assert (await desk.keyed("GET", shares))[1]["balance"] == "0"
        assert (await desk.keyed("GET", path + "x"))[0] == 400

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
        desk.running.venue.admit([{}] * 60, desk.join())
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
    """425 with nothing in it; 503 with a code and seconds; then as before."""

    async def scenario(desk: Desk) -> None:
        exchange, order_id = desk.running.exchange, (await desk.keyed("POST", "/order", desk.order()))[1]["orderID"]
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

    play(tmp_path, scenario)


def test_closed_only_is_asked_and_told(tmp_path: Path) -> None:
    """By the address of the key."""

    async def scenario(desk: Desk) -> None:
        key = desk.join()
        desk.running.exchange.modes.set_standing(key.owner, Standing.CLOSED_ONLY)
        assert (await desk.keyed("GET", "/auth/ban-status/closed-only"))[1] == {"closed_only": True}
        status, body = await desk.keyed("POST", "/order", desk.order())
        assert (status, body) == (400, {"error": f"'{key.owner}' address in closed only mode"})

    play(tmp_path, scenario)


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


def test_the_official_client_streams_books_and_prices(tmp_path: Path) -> None:
    """Market and price sockets, parsed by its own models."""

    async def scenario(desk: Desk) -> None:
        token = desk.lasting
        async with await AsyncSecureClient.create(
            private_key=PRIVATE, environment=environment(desk.running.where)
        ) as client:
            async with asyncio.timeout(20):
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
            asyncio.timeout(20),
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
