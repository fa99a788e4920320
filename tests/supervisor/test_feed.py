"""Channels over real WebSockets to a venue that closes, falls silent and floods; and its answers about markets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import SO_SNDBUF, SOL_SOCKET
from typing import Any

import pytest
from kit.answers import GOODBYE, Script, answering, ok, reply
from kit.channels import Act, Floor, a_closed_door, channel_floor
from kit.recordings import API_KEY, CONDITION, DOWN, START_S, UP, recording
from websockets.asyncio.server import ServerConnection

from shared.messages import Whose
from shared.slots import Slot
from supervisor import feed
from supervisor.feed import UNANSWERED, Channel, Discovery, MarketChannel, PriceChannel, through_whom
from supervisor.venue.discovery import BadMarket
from supervisor.venue.frames import BadFrame
from supervisor.venue.keys import ApiKey
from supervisor.venue.market import parse_market_frame

PATIENCE_S = 60.0
KEY = ApiKey("0xabc", API_KEY, "c2VjcmV0", "pass")
BTC = Slot("BTC", 5)


class Heard:
    """Everything a channel told of itself."""

    def __init__(self, floor: Floor) -> None:
        self.frames: list[bytes] = []
        self.states: list[str] = []
        self.whose: list[Whose] = []
        self._floor = floor

    def frame(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._floor.passed += 1
        self._floor.note()

    def state(self, fault: str, whose: Whose) -> None:
        self.states.append(fault)
        self.whose.append(whose)
        self._floor.note()


def a_channel(floor: Floor, heard: Heard, ping: str = "") -> Channel:
    """A channel that greets with one frame."""
    return Channel(floor.url, greet=lambda: ["hello"], heard=heard.frame, there=heard.state, ping=ping)


@asynccontextmanager
async def running(channel: Channel) -> AsyncIterator[asyncio.Task[None]]:
    """A channel that runs until the test is over; it ends when it is told to."""
    task = asyncio.create_task(channel.run())
    try:
        yield task
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
        assert task in done, "the channel did not end"


def over_a_channel(act: Act | None, play: Callable[[Floor, Heard], Awaitable[Any]], **more: Any) -> Heard:
    """Let a channel run against a venue that acts so."""

    async def scenario() -> Heard:
        async with channel_floor(act) as floor:
            heard = Heard(floor)
            async with running(a_channel(floor, heard, **more)):
                await play(floor, heard)
            return heard

    return asyncio.run(scenario())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other quickly, and ends are short."""
    monkeypatch.setattr(feed, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(feed, "CLOSE_S", 0.1)


def test_a_channel_greets_and_passes_on_what_it_hears_as_it_came() -> None:
    """Text and bytes, odd ones too; it says once that it is there."""
    sent: list[str | bytes] = ['{"a": 1}\n', b"\xff\x00", "", "[]"]

    async def act(floor: Floor, socket: ServerConnection, number: int) -> None:
        for frame in sent:
            await socket.send(frame)

    async def play(floor: Floor, heard: Heard) -> None:
        await floor.until(lambda: len(heard.frames) == len(sent) and floor.heard[0])
        assert floor.heard == [["hello"]]
        assert heard.states == [""]

    heard = over_a_channel(act, play)
    assert heard.frames == [b'{"a": 1}\n', b"\xff\x00", b"", b"[]"]


async def close(floor: Floor, socket: ServerConnection, number: int) -> None:
    """Twice, each time after the greeting."""
    await floor.until(lambda: floor.heard[number])
    if number < 2:
        await socket.close()


async def fail(floor: Floor, socket: ServerConnection, number: int) -> None:
    """The same, with a code of the venue's own."""
    await floor.until(lambda: floor.heard[number])
    if number < 2:
        await socket.close(4003, "drain")


async def drop(floor: Floor, socket: ServerConnection, number: int) -> None:
    """The same, without a word."""
    await floor.until(lambda: floor.heard[number])
    if number < 2:
        socket.transport.abort()


@pytest.mark.parametrize(
    ("act", "why", "whose"),
    [(close, "closed by the venue", "venue"), (fail, "4003", "venue"), (drop, "", "network")],
    ids=["closed", "code", "dropped"],
)
def test_a_channel_that_is_closed_comes_back_and_greets_again(act: Act, why: str, whose: Whose) -> None:
    """However it ended; each end is told with its reason and through whom it was, each return without either."""

    async def play(floor: Floor, heard: Heard) -> None:
        await floor.until(lambda: heard.states.count("") == 3 and len(floor.heard) == 3 and floor.heard[2])
        assert floor.heard[2] == ["hello"]

    heard = over_a_channel(act, play)
    assert [bool(state) for state in heard.states] == [False, True, False, True, False]
    assert why in heard.states[1]
    assert heard.whose == ["unknown", whose, "unknown", whose, "unknown"]


def test_a_silent_channel_is_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open, but nothing comes: it is given up and opened anew, and the reason has its number."""
    monkeypatch.setattr(feed, "SILENT_S", 0.2)

    async def act(floor: Floor, socket: ServerConnection, number: int) -> None:
        if number > 0:
            while True:
                await socket.send("x")
                await asyncio.sleep(0.02)

    async def play(floor: Floor, heard: Heard) -> None:
        await floor.until(lambda: len(heard.frames) > 20)

    heard = over_a_channel(act, play)
    assert heard.states[:3] == ["", "silent for 0.2 s", ""]
    assert heard.whose[1] == "network"


def test_a_frame_over_the_bound_closes_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never passed on; the channel comes back."""
    monkeypatch.setattr(feed, "MAX_FRAME", 1_000)

    async def act(floor: Floor, socket: ServerConnection, number: int) -> None:
        await socket.send("x" * (1_001 if number == 0 else 1_000))

    async def play(floor: Floor, heard: Heard) -> None:
        await floor.until(lambda: heard.frames)

    heard = over_a_channel(act, play)
    assert heard.frames == [b"x" * 1_000]
    told = dict(zip(heard.states, heard.whose, strict=True))
    assert [whose for state, whose in told.items() if "message too big" in state] == ["venue"]


def test_a_venue_that_is_not_there_is_tried_until_it_is() -> None:
    """Each failed try is told with its reason."""

    async def scenario() -> Heard:
        floor, door = Floor(), a_closed_door()
        heard = Heard(floor)
        url = f"ws://127.0.0.1:{door.getsockname()[1]}"
        channel = Channel(url, greet=lambda: ["hello"], heard=heard.frame, there=heard.state)
        async with running(channel):
            await floor.until(lambda: len(heard.states) >= 2)
            async with channel_floor(door=door) as back:
                await floor.until(lambda: "" in heard.states)
                await back.until(lambda: back.heard and back.heard[0])
        return heard

    heard = asyncio.run(scenario())
    assert "Connect call failed" in heard.states[0]
    assert heard.whose[0] == "venue"


@pytest.mark.parametrize("answer", [reply(403, "no"), reply(200, "hello"), b"hello\r\n\r\n", GOODBYE])
def test_what_is_no_websocket_is_told_as_a_reason(answer: bytes) -> None:
    """A refusal, a page, noise: tried again like everything else."""

    async def scenario() -> Heard:
        async with channel_floor() as floor, answering() as page:
            page.on("GET /", answer)
            heard = Heard(floor)
            url = page.url.replace("http:", "ws:")
            async with running(Channel(f"{url}/", greet=list, heard=heard.frame, there=heard.state)):
                await floor.until(lambda: len(heard.states) == 3)
            return heard

    heard = asyncio.run(scenario())
    assert all(heard.states)
    assert {*heard.whose} == {"venue"}


@pytest.mark.parametrize(
    "error",
    [TimeoutError("timed out during opening handshake"), ConnectionResetError(), OSError(113, "No route to host")],
)
def test_a_venue_that_nobody_can_reach_is_the_networks(error: OSError) -> None:
    """Nothing of it says that the venue was there."""
    assert through_whom(error) == "network"


class Backoff(tuple[float, ...]):
    """Waits nothing, and remembers which wait was asked for."""

    asked: list[int]

    def __getitem__(self, index: Any) -> Any:
        self.asked.append(index)
        return 0.0


@pytest.mark.parametrize(("steady_s", "waits"), [(3_600.0, [0, 1, 2, 2, 2]), (0.0, [0, 0, 0, 0, 0])])
def test_a_venue_that_closes_at_once_is_not_hammered(
    steady_s: float, waits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waits grow up to the last; only a connection that lived for a while begins again with the first."""
    backoff = Backoff((0.0, 0.0, 0.0))
    backoff.asked = []
    monkeypatch.setattr(feed, "BACKOFF_S", backoff)
    monkeypatch.setattr(feed, "STEADY_S", steady_s)

    async def act(floor: Floor, socket: ServerConnection, number: int) -> None:
        await socket.send("x")
        await floor.until(lambda: floor.passed > number)
        await socket.close()

    async def play(floor: Floor, heard: Heard) -> None:
        await floor.until(lambda: len(backoff.asked) >= 5)

    over_a_channel(act, play)
    assert backoff.asked[:5] == waits


def test_a_channel_pings_where_the_venue_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Again and again, in text."""
    monkeypatch.setattr(feed, "PING_S", 0.02)

    async def play(floor: Floor, heard: Heard) -> None:
        await floor.until(lambda: floor.heard and len(floor.heard[0]) > 3)
        assert floor.heard[0][:4] == ["hello", "PING", "PING", "PING"]

    over_a_channel(None, play, ping="PING")


@pytest.mark.parametrize("after", [0, 7, 1_500])
def test_a_channel_ends_when_it_is_told_to_while_frames_pour_in(after: int) -> None:
    """A cancel that meets a frame is not lost: wherever in the stream it comes, also from the frame's own handler."""

    async def act(floor: Floor, connection: ServerConnection, number: int) -> None:
        line = connection.transport.get_extra_info("socket")
        line.setsockopt(SOL_SOCKET, SO_SNDBUF, 1 << 16)  # else megabytes are sent before the loop goes on
        while True:
            await connection.send("x" * 200)

    async def scenario(inside: bool) -> None:
        async with channel_floor(act) as floor:
            heard = Heard(floor)

            def frame(content: bytes) -> None:
                assert True not in given_up, "the channel goes on after its end"
                heard.frame(content)
                if inside and len(heard.frames) > after:
                    task.cancel()

            given_up: list[bool] = []
            channel = Channel(floor.url, greet=list, heard=frame, there=heard.state)
            task = asyncio.create_task(channel.run())
            await floor.until(lambda: len(heard.frames) > after)
            task.cancel()
            done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
            given_up.append(task not in done)
            assert task in done
            assert task.cancelled()

    for inside in (False, True):
        asyncio.run(scenario(inside))


def test_a_channel_that_is_given_up_comes_back() -> None:
    """With the reason it was given up for; without a connection there is nothing to give up."""

    async def scenario() -> Heard:
        async with channel_floor() as floor:
            heard = Heard(floor)
            channel = a_channel(floor, heard)
            await channel.give_up("too early")
            async with running(channel):
                await floor.until(lambda: floor.heard and floor.heard[0])
                await channel.give_up("it tells nothing")
                await floor.until(lambda: len(floor.heard) == 2 and floor.heard[1])
            return heard

    heard = asyncio.run(scenario())
    assert heard.states[:3] == ["", "it tells nothing", ""]
    assert heard.whose[1] == "ours"


def test_a_channel_that_is_given_up_has_one_reason_whatever_the_venue_does() -> None:
    """A venue that tells nothing may not agree to the end either: it is cut, and the reason stays ours."""

    async def scenario() -> Heard:
        reads_no_more = asyncio.Event()

        async def deaf(floor: Floor, socket: ServerConnection, number: int) -> None:
            await floor.until(lambda: floor.heard[number])
            if number == 0:
                socket.transport.pause_reading()
                reads_no_more.set()

        async with channel_floor(deaf) as floor:
            heard = Heard(floor)
            channel = a_channel(floor, heard)
            async with running(channel):
                await reads_no_more.wait()
                await floor.until(lambda: heard.states)
                await channel.give_up("it tells nothing")
                await floor.until(lambda: len(floor.heard) == 2 and floor.heard[1])
            return heard

    heard = asyncio.run(scenario())
    assert heard.states[:3] == ["", "it tells nothing", ""]
    assert heard.whose[1] == "ours"


def test_what_was_given_up_before_it_was_there_is_not_the_next_ones_end() -> None:
    """Nothing was ended then: when the connection that was being made ends, its own reason is told."""

    async def scenario() -> Heard:
        async with channel_floor(close) as floor:
            heard = Heard(floor)
            channel = a_channel(floor, heard)
            async with running(channel):
                await asyncio.sleep(0)  # it begins to connect
                await channel.give_up("too early")
                await floor.until(lambda: len(heard.states) > 1)
            return heard

    heard = asyncio.run(scenario())
    assert heard.states[:2] == ["", "closed by the venue"]
    assert heard.whose[1] == "venue"


def test_what_is_sent_while_nobody_is_there_is_dropped() -> None:
    """The greeting of the next connection says it all again."""

    async def scenario() -> None:
        async with channel_floor() as floor:
            heard = Heard(floor)
            channel = a_channel(floor, heard)
            await channel.send("lost")
            async with running(channel):
                await floor.until(lambda: floor.heard and floor.heard[0])
                await channel.send("kept")
                await floor.until(lambda: len(floor.heard[0]) == 2)
                assert floor.heard[0] == ["hello", "kept"]
            await channel.send("lost too")

    asyncio.run(scenario())


# --- the market channel and the prices ---


def test_the_market_channel_follows_what_it_is_told_and_asks_for_all_of_it_again() -> None:
    """The first question of a connection has its own shape; what is dropped is let go; nothing is asked twice."""

    async def scenario() -> list[list[dict[str, Any]]]:
        async def act(floor: Floor, socket: ServerConnection, number: int) -> None:
            if number == 0:
                await floor.until(lambda: len(floor.heard[0]) == 3)
                await socket.close()

        async with channel_floor(act) as floor:
            heard = Heard(floor)
            channel = MarketChannel(floor.url, heard.frame, heard.state)
            async with running(channel):
                await floor.until(lambda: heard.states)
                for tokens in ({"2", "1"}, {"2", "1"}, {"2", "3"}):
                    await channel.follow(frozenset(tokens))
                await floor.until(lambda: len(floor.heard) == 2 and floor.heard[1])
        return [[json.loads(frame) for frame in frames] for frames in floor.heard]

    first, second = asyncio.run(scenario())
    more = {"custom_feature_enabled": True}
    assert first == [
        {"type": "market", "assets_ids": ["1", "2"], **more},
        {"operation": "subscribe", "assets_ids": ["3"], **more},
        {"operation": "unsubscribe", "assets_ids": ["1"], **more},
    ]
    assert second == [{"type": "market", "assets_ids": ["2", "3"], **more}]


def test_a_market_channel_that_follows_nothing_asks_for_nothing() -> None:
    """Until it is told; and again when everything was let go."""

    async def scenario() -> list[str]:
        async with channel_floor() as floor:
            heard = Heard(floor)
            channel = MarketChannel(floor.url, heard.frame, heard.state)
            async with running(channel):
                await floor.until(lambda: heard.states)
                assert floor.heard == [[]]
                for tokens in ({"1"}, set[str](), {"2"}):
                    await channel.follow(frozenset(tokens))
                await floor.until(lambda: len(floor.heard[0]) == 3)
        return floor.heard[0]

    shapes = [next(iter(json.loads(frame).items())) for frame in asyncio.run(scenario())]
    assert shapes == [("type", "market"), ("operation", "unsubscribe"), ("type", "market")]


def test_the_price_channel_proves_its_key_first_and_asks_for_all_of_it_again() -> None:
    """Each asset, and once each further mean that a market settles by."""

    async def scenario() -> list[list[dict[str, Any]]]:
        async def act(floor: Floor, socket: ServerConnection, number: int) -> None:
            if number == 0:
                await floor.until(lambda: len(floor.heard[0]) == 3)
                await socket.close()

        async with channel_floor(act) as floor:
            heard = Heard(floor)
            channel = PriceChannel(floor.url, KEY, ["BTC", "ETH"], heard.frame, heard.state)
            async with running(channel):
                await floor.until(lambda: floor.heard and len(floor.heard[0]) == 2)
                await channel.follow("BTC", 30)
                await channel.follow("BTC", 30)
                await floor.until(lambda: len(floor.heard) == 2 and len(floor.heard[1]) == 3)
        return [[json.loads(frame) for frame in frames] for frames in floor.heard]

    first, second = asyncio.run(scenario())
    assert [frame["op"] for frame in first] == ["auth", "subscribe", "subscribe"]
    assert first[0]["auth"] == {"apiKey": API_KEY, "secret": "c2VjcmV0", "passphrase": "pass"}
    wanted = [(s["filter"]["symbol"], s["filter"].get("window_seconds")) for s in first[1]["subscriptions"]]
    assert wanted == [("btcusd", None), ("btcusd", 60), ("ethusd", None), ("ethusd", 60)]
    assert ("btcusd", 30) in [
        (s["filter"]["symbol"], s["filter"].get("window_seconds")) for s in first[2]["subscriptions"]
    ]
    assert second == first


# --- discovery ---


def discovering(act: Callable[[Discovery, Script], Awaitable[Any]]) -> Any:
    """Ask a venue that answers so."""

    async def scenario() -> Any:
        async with answering() as venue:
            discovery = Discovery(venue.settings())
            try:
                return await act(discovery, venue)
            finally:
                await discovery.close()

    return asyncio.run(scenario())


LISTED, CLOB = "GET /markets", f"GET /clob-markets/{CONDITION}"


def test_a_market_is_found_by_its_window_and_held_against_its_order_book() -> None:
    """The listing names it, the order book has its grid and says that it takes orders."""

    async def act(discovery: Discovery, venue: Script) -> None:
        venue.on(LISTED, ok(recording("gamma_market")))
        venue.on(CLOB, ok(recording("clob_market")))
        found = await discovery.ask(BTC, START_S, None)
        assert found is not None
        listing, accepting = found
        assert accepting
        assert (listing.market.tokens, listing.market.terms.tick_micro) == ((UP, DOWN), 1_000)
        assert venue.asked[0].target == f"/markets?slug=btc-updown-5m-{START_S}"

    discovering(act)


@pytest.mark.parametrize(
    "book",
    [reply(404, "{}"), ok({**json.loads(recording("clob_market")), "ao": False})],
    ids=["not there yet", "not accepting"],
)
def test_a_market_whose_book_takes_no_orders_is_listed_and_no_more(book: bytes) -> None:
    """It is asked about again."""

    async def act(discovery: Discovery, venue: Script) -> None:
        venue.on(LISTED, ok(recording("gamma_market")))
        venue.on(CLOB, book)
        found = await discovery.ask(BTC, START_S, None)
        assert found is not None
        assert not found[1]

    discovering(act)


def test_a_known_market_is_asked_only_for_its_winner() -> None:
    """Its order book is not looked at again."""

    async def act(discovery: Discovery, venue: Script) -> None:
        venue.on(LISTED, ok(recording("gamma_market")), ok(recording("gamma_market_resolved")))
        venue.on(CLOB, ok(recording("clob_market")))
        first = await discovery.ask(BTC, START_S, None)
        assert first is not None
        again = await discovery.ask(BTC, START_S, first[0].market)
        assert again is not None
        assert again[0].winner is not None
        assert len(venue.asked_for(CLOB)) == 1

    discovering(act)


@pytest.mark.parametrize("answer", [ok([]), reply(404, ""), reply(500, "x")], ids=["none", "404", "500"])
def test_a_window_without_a_market_is_none(answer: bytes) -> None:
    """NO MARKET is a state, no fault."""

    async def act(discovery: Discovery, venue: Script) -> None:
        venue.on(LISTED, answer)
        assert await discovery.ask(BTC, START_S, None) is None

    discovering(act)


def other_tokens() -> bytes:
    """An order book that contradicts the listing."""
    market = json.loads(recording("clob_market"))
    market["t"][0]["t"] = "7"
    return ok(market)


@pytest.mark.parametrize(
    ("listed", "book", "fault"),
    [
        (ok(b"{"), b"", BadFrame),
        (GOODBYE, b"", Exception),
        (ok(recording("gamma_market")), ok(b"[]"), BadFrame),
        (ok(recording("gamma_market")), other_tokens(), BadMarket),
    ],
    ids=["no list", "closed", "no book", "contradiction"],
)
def test_a_market_that_cannot_be_read_is_a_fault_that_asking_may_have(
    listed: bytes, book: bytes, fault: type[Exception]
) -> None:
    """By one of the names that whoever asks knows."""

    async def act(discovery: Discovery, venue: Script) -> None:
        venue.on(LISTED, listed)
        venue.on(CLOB, book)
        with pytest.raises(UNANSWERED) as caught:
            await discovery.ask(BTC, START_S, None)
        assert isinstance(caught.value, fault)

    discovering(act)


def test_a_book_comes_as_a_frame_of_the_market_channel() -> None:
    """The same parser reads it; what is no book is said with its status."""
    book = {name: value for name, value in json.loads(recording("market_book")).items() if name != "event_type"}

    async def act(discovery: Discovery, venue: Script) -> None:
        venue.on("GET /book", ok(book), reply(404, '{"error":"No orderbook exists"}'))
        frame = await discovery.book(UP)
        assert parse_market_frame(frame) == parse_market_frame(recording("market_book"))
        assert venue.asked[0].target == f"/book?token_id={UP}"
        with pytest.raises(BadFrame, match=r"HTTP 404.*No orderbook"):
            await discovery.book(UP)

    discovering(act)
