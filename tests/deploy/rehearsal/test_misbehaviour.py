"""What a client of a venue that misbehaves sees: one fault a test, in a real process, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from aiohttp import ClientError, ClientPayloadError
from kit.misbehaving import SPEED, WAIT_S, Client, Ears, a_client, eventually, venue_process
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deploy.rehearsal.misbehaviour import route_of
from shared.clock import SystemClock

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("misbehaving")]
CUT = (ClientError, ClientPayloadError, ConnectionError)
Scenario = Callable[[Client], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One venue for all tests of this room."""
    with venue_process(tmp_path_factory.mktemp("venue")) as where:
        yield where


def play(where: dict[str, Any], scenario: Scenario) -> None:
    async def whole() -> None:
        async with a_client(where) as client:
            await scenario(client)

    asyncio.run(whole())


def faults(client: Client, number: int) -> list[str]:
    """The phases of one fault on the record."""
    return [line["phase"] for line in client.record("fault") if line["number"] == number]


def test_an_order_whose_answer_is_dropped_was_taken(venue: dict[str, Any]) -> None:
    """The line is cut; the order rests; the next one is answered."""

    async def scenario(client: Client) -> None:
        number = await client.fault("drop_answer", count=1)
        body = await client.order()
        with pytest.raises(CUT):
            await client.keyed("POST", "/order", body)
        (order_id,) = await client.open_orders()
        assert (await client.keyed("POST", "/order", body))[1]["error"].endswith("Duplicated.")
        assert client.record("order")[-1]["order_id"] == order_id
        assert faults(client, number) == ["begins", "hits", "ends"]

    play(venue, scenario)


def test_a_delayed_answer_comes_late_and_the_order_does_not(venue: dict[str, Any]) -> None:
    """It rests while its answer waits."""

    async def scenario(client: Client) -> None:
        await client.fault("delay_answer", delay_ms=600, route="orders")
        status, said, _ = await client.keyed("POST", "/order", await client.order())
        answered_ms = SystemClock().wall_ns() // 1_000_000
        assert (status, said["status"]) == (200, "live")
        assert await client.open_orders() == [said["orderID"]]
        assert answered_ms - client.record("order")[-1]["wall_ms"] >= 590, "it was on the record so long before"

    play(venue, scenario)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (425, b""),
        (429, {"error": "Too many requests"}),
        (500, {"error": "could not insert order"}),
        (503, {"error": "service unavailable"}),
    ],
)
def test_a_venue_in_trouble_says_so_and_takes_nothing(venue: dict[str, Any], status: int, body: Any) -> None:
    """On the routes it was told; others are answered."""

    async def scenario(client: Client) -> None:
        await client.fault("refuse", status=status, route="orders", retry_after_s=2)
        answered, said, headers = await client.keyed("POST", "/order", await client.order())
        assert (answered, said, headers["Retry-After"]) == (status, body, "2")
        assert await client.open_orders() == []

    play(venue, scenario)


def test_an_order_may_be_taken_although_the_answer_is_500(venue: dict[str, Any]) -> None:
    """When the fault says so."""

    async def scenario(client: Client) -> None:
        await client.fault("refuse", status=500, route="orders", carried_out=True, count=1)
        assert (await client.keyed("POST", "/order", await client.order()))[0] == 500
        assert len(await client.open_orders()) == 1

    play(venue, scenario)


def test_the_catalogue_may_be_in_trouble_alone(venue: dict[str, Any]) -> None:
    """Gamma says 500, the exchange trades on."""

    async def scenario(client: Client) -> None:
        body = await client.order()
        await client.fault("refuse", status=500, route="gamma")
        assert (await client.ask("GET", "/gamma/markets?slug=x"))[0] == 500
        assert (await client.keyed("POST", "/order", body))[0] == 200

    play(venue, scenario)


def test_a_silent_socket_answers_pings_and_nothing_else(venue: dict[str, Any]) -> None:
    """Even a subscription; afterwards it speaks again, of what comes then."""

    async def scenario(client: Client) -> None:
        number = await client.fault("silence", channel="market", for_s=0)
        async with client.listening("market") as ears:
            assert await ears.within(0.5) == []
            await ears.socket.send("PING")
            assert await ears.hear() == "PONG"
            await client.ask("DELETE", f"/control/faults/{number}")
            heard = await ears.hear()
            first = heard[0] if isinstance(heard, list) else heard
            assert first["event_type"] in {"price_change", "best_bid_ask", "book", "last_trade_price", "new_market"}

    play(venue, scenario)


@pytest.mark.parametrize("channel", ["market", "user", "prices"])
@pytest.mark.parametrize("code", [1012, 0])
def test_sockets_are_closed_or_cut(venue: dict[str, Any], channel: str, code: int) -> None:
    """With the code, or without a word; the record says whose doing it was; connecting anew works."""

    async def scenario(client: Client) -> None:
        async with client.listening("price" if channel == "prices" else channel) as ears:
            number = await client.fault("close", channel=channel, code=code)
            with pytest.raises(ConnectionClosed) as closed:
                async with asyncio.timeout(WAIT_S):
                    while True:
                        await ears.socket.recv()
            assert (closed.value.rcvd.code if closed.value.rcvd else 0) == code
        (gone,) = await eventually(lambda: disconnects(client, f"fault {number}"))
        assert gone["channel"] == channel
        before = connections(client, channel)
        async with client.listening("price" if channel == "prices" else channel):
            await eventually(lambda: connected(client, channel, before))

    play(venue, scenario)


def connections(client: Client, channel: str) -> int:
    """How many sockets of a channel there were."""
    return sum(line["channel"] == channel for line in client.record("connect"))


async def connected(client: Client, channel: str, before: int) -> bool:
    """Whether there was one more since; a handshake is answered before it is written down."""
    return connections(client, channel) > before


async def disconnects(client: Client, reason: str) -> list[dict[str, Any]]:
    """What the record says of sockets that ended for a reason."""
    return [line for line in client.record("disconnect") if line["reason"] == reason]


def test_new_sockets_are_turned_away(venue: dict[str, Any]) -> None:
    """503 to the handshake; sockets that are open stay so, and other channels connect."""

    async def scenario(client: Client) -> None:
        async with client.listening("market") as ears:
            await client.fault("refuse_connections", channel="market")
            with pytest.raises(InvalidStatus) as refused:
                async with client.listening("market"):
                    raise AssertionError("a socket was let in")
            assert refused.value.response.status_code == 503
            await ears.socket.send("PING")
            assert await ears.hear(lambda message: message == "PONG")
        async with client.listening("user") as ears:
            await ears.socket.send("PING")
            assert await ears.hear() == "PONG"

    play(venue, scenario)


def test_user_events_come_twice(venue: dict[str, Any]) -> None:
    """Word for word, one behind the other."""

    async def scenario(client: Client) -> None:
        async with client.listening("user") as ears:
            await ears.socket.send("PING")
            assert await ears.hear() == "PONG"
            await client.fault("repeat_events", times=1)
            await client.keyed("POST", "/order", await client.order())
            assert await ears.hear() == await ears.hear()

    play(venue, scenario)


def test_user_events_come_in_another_order_and_complete(venue: dict[str, Any]) -> None:
    """Eight orders are told of, not in the order in which they came."""

    async def scenario(client: Client) -> None:
        async with client.listening("user") as ears:
            await ears.socket.send("PING")
            assert await ears.hear() == "PONG"
            await client.fault("reorder_events", depth=8, hold_ms=60_000, for_s=0)
            placed = [(await client.keyed("POST", "/order", await client.order()))[1]["orderID"] for _ in range(8)]
            told = [(await ears.hear(lambda message: message["event_type"] == "order"))["id"] for _ in range(8)]
        assert sorted(told) == sorted(placed)
        assert told != placed

    play(venue, scenario)


def test_a_ghost_fill_is_matched_and_then_fails(venue: dict[str, Any]) -> None:
    """The answer says matched, the channel MATCHED, RETRYING, FAILED; the dollars are back."""

    async def scenario(client: Client) -> None:
        cash = await balance(client)
        async with client.listening("user") as ears:
            await ears.socket.send("PING")
            assert await ears.hear() == "PONG"
            await client.fault("ghost_fill", count=50)
            status, said, _ = await client.take()
            assert (status, said["status"]) == (200, "matched")
            mine = said["tradeIDs"][0]
            seen: list[str] = []
            while seen[-1:] != ["FAILED"]:
                seen.append((await ears.hear(lambda message: message.get("id") == mine))["status"])
        assert seen == ["MATCHED", "RETRYING", "FAILED"]
        await eventually(lambda: whole_again(client, cash))

    play(venue, scenario)


async def whole_again(client: Client, cash: int) -> bool:
    return await balance(client) == cash


async def balance(client: Client) -> int:
    return int((await client.keyed("GET", "/balance-allowance?asset_type=COLLATERAL&signature_type=0"))[1]["balance"])


def test_a_stale_book_is_not_the_book(venue: dict[str, Any]) -> None:
    """The socket says nothing of it any more; the book that is asked for moves on."""

    async def scenario(client: Client) -> None:
        token = (await client.market())["tokens"][0]
        async with client.listening("market") as ears:
            await ears.hear()
            await client.fault("stale_book", market="BTC/5m", for_s=0)
            _, before, _ = await client.ask("GET", f"/book?token_id={token}")
            await eventually(lambda: moved_on(client, token, before))
            heard = await ears.within(0.5)
        books = [message for message in heard if message["event_type"] in {"book", "price_change", "best_bid_ask"}]
        stamps = [int(message["timestamp"]) for message in books]
        assert all(stamp <= int(before["timestamp"]) for stamp in stamps)

    play(venue, scenario)


async def moved_on(client: Client, token: str, before: dict[str, Any]) -> bool:
    """Whether the book that is asked for is no longer the one that was read."""
    _, after, _ = await client.ask("GET", f"/book?token_id={token}")
    return (before["bids"], before["asks"]) != (after["bids"], after["asks"])


@pytest.mark.parametrize("shape", ["change", "book"])
def test_a_crossed_book_is_heard_and_is_not_there(venue: dict[str, Any], shape: str) -> None:
    """Best bid at best ask in a frame, never in the book that is asked for."""

    def crossed(message: Any) -> bool:
        if message["event_type"] == "book":
            bids, asks = message["bids"], message["asks"]
            return bool(bids and asks) and float(bids[-1]["price"]) >= float(asks[-1]["price"])
        changes = message.get("price_changes", ())
        return any(0 < float(each["best_ask"] or 0) <= float(each["best_bid"] or 0) for each in changes)

    async def scenario(client: Client) -> None:
        async with client.listening("market") as ears:
            await ears.hear()
            await client.fault("crossed_book", shape=shape)
            told = await ears.hear(crossed)
        token = told["asset_id"] if shape == "book" else told["price_changes"][0]["asset_id"]
        _, book, _ = await client.ask("GET", f"/book?token_id={token}")
        assert float(book["bids"][-1]["price"]) < float(book["asks"][-1]["price"])

    play(venue, scenario)


def test_prices_have_a_gap(venue: dict[str, Any]) -> None:
    """Nothing for a while, then again; who asks anew finds in the snapshot what was missed."""

    async def scenario(client: Client) -> None:
        async with client.listening("price") as ears:
            before = await ears.hear(is_price)
            await client.fault("feed_gap", asset="BTC", for_s=30)
            last, following = await across_a_gap(ears, before)
            assert following["seq"] == last["seq"] + 1
        missed = range(last["payload"]["timestamp"] + 5_000, following["payload"]["timestamp"] - 5_000, 1_000)
        async with client.listening("price") as ears:
            snapshot = await ears.hear(lambda frame: frame.get("snapshot", False))
        known = {point["timestamp"] for point in snapshot["payload"]["data"]}
        assert {at for at in missed if at >= min(known)} <= known, "two minutes are told, and it may be later than that"

    play(venue, scenario)


def is_price(frame: dict[str, Any]) -> bool:
    """Whether a frame is a price that has just come."""
    return "payload" in frame and not frame.get("snapshot")


async def across_a_gap(ears: Ears, last: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """From a price on, the last one before ten seconds or more that no price is of, and the first one after them."""
    async with asyncio.timeout(WAIT_S):
        while True:
            following = await ears.hear(is_price)
            if following["payload"]["timestamp"] >= last["payload"]["timestamp"] + 10_000:
                return last, following
            last = following


def test_a_wrong_clock_shows_in_times_and_turns_signatures_away(venue: dict[str, Any]) -> None:
    """/time and books are off by the skew; what was signed by the true time is not fresh any more.

    The clock is ahead: the market's runs away from the world's, and one that is behind would show the world's once.
    """

    async def scenario(client: Client) -> None:
        token = (await client.market())["tokens"][0]
        number = await client.fault("clock_skew", skew_ms=500_000, for_s=0)
        before_s = await market_s(client)
        _, seconds, _ = await client.ask("GET", "/time")
        _, book, _ = await client.ask("GET", f"/book?token_id={token}")
        after_s = await market_s(client)
        for told_s in (int(seconds), int(book["timestamp"]) / 1_000):
            assert before_s - 1 <= told_s - 500 <= after_s
        assert (await client.keyed("GET", "/data/orders"))[0] == 401
        await client.ask("DELETE", f"/control/faults/{number}")
        assert (await client.keyed("GET", "/data/orders"))[0] == 200

    play(venue, scenario)


async def market_s(client: Client) -> float:
    """The true time of the market, in seconds."""
    _, said, _ = await client.ask("GET", "/control")
    return float(said["market_ms"] / 1_000)


def test_the_catalogue_is_late(venue: dict[str, Any]) -> None:
    """The next window's market is not listed, though the exchange trades it."""

    async def scenario(client: Client) -> None:
        market = await client.market()
        await client.fault("gamma_late", late_s=20, for_s=0)
        assert (await client.ask("GET", f"/gamma/markets?slug={market['slug']}"))[1] == []
        assert (await client.ask("GET", f"/gamma/events/slug/{market['slug']}"))[0] == 404
        assert (await client.ask("GET", f"/clob-markets/{market['conditionId']}"))[0] == 200

    play(venue, scenario)


def test_nobody_may_trade_from_here_and_the_page_says_so(venue: dict[str, Any]) -> None:
    """With the country, each time it is asked; over when the fault is."""

    async def scenario(client: Client) -> None:
        number = await client.fault("geoblock", country="FR", for_s=0)
        for _ in range(2):
            _, said, _ = await client.ask("GET", "/api/geoblock")
            assert (said["blocked"], said["country"]) == (True, "FR")
        hits = [line for line in client.record("fault") if (line["number"], line["phase"]) == (number, "hits")]
        assert len(hits) == 2
        await client.ask("DELETE", f"/control/faults/{number}")
        assert (await client.ask("GET", "/api/geoblock"))[1]["blocked"] is False

    play(venue, scenario)


def test_an_account_that_is_closed_only_is_told_so_and_buys_nothing(venue: dict[str, Any]) -> None:
    """In the venue's words; over when the fault is."""

    async def scenario(client: Client) -> None:
        asked = "/auth/ban-status/closed-only"
        number = await client.fault("closed_only", for_s=0)
        assert (await client.keyed("GET", asked))[1] == {"closed_only": True}
        status, said, _ = await client.keyed("POST", "/order", await client.order())
        assert (status, said["error"][-27:]) == (400, "address in closed only mode")
        await client.ask("DELETE", f"/control/faults/{number}")
        assert (await client.keyed("GET", asked))[1] == {"closed_only": False}
        assert (await client.keyed("POST", "/order", await client.order()))[0] == 200

    play(venue, scenario)


def test_a_market_is_missing_everywhere(venue: dict[str, Any]) -> None:
    """Catalogue, book and order entry know nothing of it; other assets' are there."""

    async def scenario(client: Client) -> None:
        market, body = await client.market(), await client.order()
        await client.fault("market_missing", market="BTC/5m", for_s=0)
        assert (await client.ask("GET", f"/gamma/markets?slug={market['slug']}"))[1] == []
        assert (await client.ask("GET", f"/clob-markets/{market['conditionId']}"))[0] == 404
        assert (await client.ask("GET", f"/book?token_id={market['tokens'][0]}"))[0] == 404
        status, said, _ = await client.keyed("POST", "/order", body)
        assert (status, said["error"]) == (400, "the market is not yet ready to process new orders")
        other = market["slug"].replace("btc", "eth")
        assert len((await client.ask("GET", f"/gamma/markets?slug={other}"))[1]) == 1

    play(venue, scenario)


@pytest.mark.parametrize(
    ("mode", "status", "cancels"),
    [
        ("restarting", 425, False),
        ("post-only", 503, True),
        ("cancel-only", 503, True),
        ("disabled", 503, False),
        ("failing", 500, True),
    ],
)
def test_modes_of_the_exchange(venue: dict[str, Any], mode: str, status: int, cancels: bool) -> None:
    """Which orders and cancels pass in which mode; batches as well."""

    async def scenario(client: Client) -> None:
        order_id = (await client.keyed("POST", "/order", await client.order()))[1]["orderID"]
        await client.fault("mode", mode=mode, for_s=0)
        usual, only = await client.order(), await client.order(post_only=True)
        assert (await client.keyed("POST", "/order", usual))[0] == status
        assert (await client.keyed("POST", "/orders", [only, usual]))[0] == status
        assert (await client.keyed("POST", "/order", only))[0] == (200 if mode == "post-only" else status)
        assert (await client.keyed("DELETE", "/order", {"orderID": order_id}))[0] == (200 if cancels else status)
        assert (await client.ask("POST", "/order", usual))[0] == 401
        assert (await client.keyed("GET", "/data/orders"))[0] == 200

    play(venue, scenario)


def test_a_weekly_restart_from_close_to_trading_again(venue: dict[str, Any]) -> None:
    """Sockets closed, 425, connections refused; then post-only with the seconds left; then everything again.

    Three of them: what is looked at in a phase is looked at in one that lasts until it is ended.
    """

    async def scenario(client: Client) -> None:
        async with client.listening("market") as ears:
            number = await client.fault("restart", down_s=3_600)
            with pytest.raises(ConnectionClosed):
                await ears.hear(lambda message: False)
        with pytest.raises(InvalidStatus):
            async with client.listening("user"):
                raise AssertionError("a socket was let in")
        await an_answer(client, 425, behind=set())
        await client.ask("DELETE", f"/control/faults/{number}")
        number = await client.fault("restart", down_s=1, post_only_s=3_600)
        said = await an_answer(client, 503, behind={425})
        assert said["code"] == "post_only_mode" and 0 <= said["retry_after_seconds"] <= 3_600 / SPEED
        await client.ask("DELETE", f"/control/faults/{number}")
        number = await client.fault("restart", down_s=1, post_only_s=1)
        await an_answer(client, 200, behind={425, 503})
        assert faults(client, number)[-1] == "ends"
        async with client.listening("user") as ears:
            await ears.socket.send("PING")
            assert await ears.hear() == "PONG"

    play(venue, scenario)


async def an_answer(client: Client, status: int, behind: set[int]) -> Any:
    """What the first order is answered that is answered with a status; those before it got one of those `behind`."""
    async with asyncio.timeout(WAIT_S):
        while True:
            answered, said, _ = await client.keyed("POST", "/order", await client.order())
            if answered == status:
                return said
            assert answered in behind


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/order", "orders"),
        ("POST", "/orders", "orders"),
        ("DELETE", "/order", "cancels"),
        ("DELETE", "/cancel-all", "cancels"),
        ("POST", "/v1/heartbeats", "heartbeat"),
        ("GET", "/data/order/0x1", "account"),
        ("GET", "/balance-allowance/update", "account"),
        ("POST", "/auth/api-key", "keys"),
        ("POST", "/books", "books"),
        ("GET", "/clob-markets/0x1", "books"),
        ("GET", "/gamma/events", "gamma"),
        ("GET", "/time", "other"),
    ],
)
def test_every_request_takes_a_route(method: str, path: str, route: str) -> None:
    """By its method and how its path begins."""
    assert route_of(method, path) == route
