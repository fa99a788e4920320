"""Binance's market streams as a client meets them."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from typing import Any

import pytest
from kit.days import START_S, a_day
from kit.hall import Ear, Hall
from kit.shared_data import DATA
from kit.venue import an_exchange

from deploy.rehearsal.spotstreams import LIFE_MS, STREAMS_MAX, WARNING_MS
from deploy.rehearsal.subscriptions import Listener

ALL = "btcusdt@trade/btcusdt@aggTrade/btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@kline_1s/btcusdt@kline_1m"


def a_reader(hall: Hall, wanted: str) -> tuple[Ear, Listener]:
    return hall.join("binance", wanted)


def control(hall: Hall, ear: Ear, listener: Listener, method: str, params: Any = None, number: int = 1) -> Any:
    hall.say(listener, {"method": method, "id": number} | ({} if params is None else {"params": params}))
    return ear.take()[-1]


def test_a_combined_stream_wraps_every_event_in_its_name() -> None:
    """All kinds of one pair on one connection."""
    hall = Hall()
    ear, _ = a_reader(hall, f"/stream?streams={ALL}")
    hall.advance(5_000)
    frames = ear.take()
    assert {frame["stream"] for frame in frames} == set(ALL.split("/"))
    named = {frame["stream"]: frame["data"].get("e") for frame in frames}
    assert named["btcusdt@bookTicker"] is None
    assert named["btcusdt@depth@100ms"] == "depthUpdate"


def test_a_raw_stream_is_the_bare_event() -> None:
    """At /ws/<name>."""
    hall = Hall()
    ear, _ = a_reader(hall, "/ws/btcusdt@aggTrade")
    hall.advance(5_000)
    assert {frame["e"] for frame in ear.take()} == {"aggTrade"}


def a_book_kept(snapshot: Any, events: list[Any]) -> dict[str, float]:
    """The bids of a reader who follows Binance's own recipe: drop what is older, join without a hole, apply."""
    later = [event for event in events if event["u"] > snapshot["lastUpdateId"]]
    assert later and later[0]["U"] <= snapshot["lastUpdateId"] + 1 <= later[0]["u"]
    bids = {price: float(size) for price, size in snapshot["bids"]}
    for older, newer in pairwise([later[0], *later]):
        assert newer is older or newer["U"] == older["u"] + 1
        bids |= {price: float(size) for price, size in newer["b"]}
    return {price: size for price, size in bids.items() if size}


def test_a_book_kept_from_snapshot_and_updates_is_the_markets() -> None:
    """Buffer, snapshot, drop what is older, apply the rest: the numbers join without a hole."""
    hall = Hall()
    ear, _ = a_reader(hall, "/ws/btcusdt@depth@100ms")
    hall.advance(1_050)
    snapshot = hall.subscriptions.binance.snapshot("BTCUSDT", 5_000)
    hall.advance(2_000)
    now = hall.subscriptions.binance.snapshot("BTCUSDT", 5_000)
    assert a_book_kept(snapshot, ear.take()) == {price: float(size) for price, size in now["bids"]}


def test_two_connections_hear_the_same_numbers() -> None:
    """So that a reader may hold two and drop what it has seen."""
    hall = Hall()
    (one, _), (two, _) = (a_reader(hall, "/ws/btcusdt@trade") for _ in range(2))
    hall.advance(5_000)
    numbers = [[frame["t"] for frame in ear.take()] for ear in (one, two)]
    assert numbers[0] == numbers[1] == list(range(numbers[0][0], numbers[0][0] + len(numbers[0])))


def test_a_candle_grows_and_is_closed_at_its_end() -> None:
    """Once, as its last telling."""
    hall = Hall()
    ear, _ = a_reader(hall, "/stream?streams=btcusdt@kline_1m/btcusdt@kline_1s")
    hall.advance(60_000)
    candles = [frame["data"] for frame in ear.take()]
    minutes = [candle["k"] for candle in candles if candle["k"]["i"] == "1m"]
    assert len(minutes) == 30 and sum(candle["x"] for candle in minutes) == 1
    closed = next(candle for candle in minutes if candle["x"])
    assert closed["T"] == closed["t"] + 59_999
    seconds = [candle["k"] for candle in candles if candle["k"]["i"] == "1s"]
    assert len(seconds) == 60 and all(candle["x"] for candle in seconds)


def test_streams_come_and_go_by_control_frames() -> None:
    """Each answered with its id."""
    hall = Hall()
    ear, listener = a_reader(hall, "/ws")
    hall.advance(1_000)
    assert ear.take() == []
    assert control(hall, ear, listener, "SUBSCRIBE", ["btcusdt@depth@100ms"]) == {"result": None, "id": 1}
    assert control(hall, ear, listener, "LIST_SUBSCRIPTIONS") == {"result": ["btcusdt@depth@100ms"], "id": 1}
    hall.advance(1_000)
    assert {frame["e"] for frame in ear.take()} == {"depthUpdate"}
    assert control(hall, ear, listener, "UNSUBSCRIBE", ["btcusdt@depth@100ms"], 312) == {"result": None, "id": 312}
    hall.advance(1_000)
    assert ear.take() == []


def test_a_connection_may_be_turned_into_a_combined_one() -> None:
    """And says which it is."""
    hall = Hall()
    ear, listener = a_reader(hall, "/ws/btcusdt@depth@100ms")
    assert control(hall, ear, listener, "SET_PROPERTY", ["combined", True]) == {"result": None, "id": 1}
    assert control(hall, ear, listener, "GET_PROPERTY", ["combined"]) == {"result": True, "id": 1}
    hall.advance(100)
    assert ear.take()[0]["stream"] == "btcusdt@depth@100ms"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", 3),
        ('{"method":"DANCE"}', 2),
        ("[]", 2),
        ('{"method":"SET_PROPERTY","params":["colour",1]}', 0),
        ('{"method":"SET_PROPERTY","params":["combined",1]}', 1),
        ('{"method":"GET_PROPERTY","params":["colour"]}', 0),
    ],
)
def test_nonsense_is_named(frame: str, code: int) -> None:
    """With Binance's number for it."""
    hall = Hall()
    ear, listener = a_reader(hall, "/ws")
    hall.say(listener, frame)
    assert ear.take()[0]["code"] == code


def test_a_hasty_connection_is_ended() -> None:
    """Five control frames a second."""
    hall = Hall()
    ear, listener = a_reader(hall, "/ws")
    for _ in range(5):
        hall.say(listener, {"method": "LIST_SUBSCRIPTIONS"})
    assert ear.ended is None
    hall.say(listener, {"method": "LIST_SUBSCRIPTIONS"})
    assert ear.ended and ear.ended[0] == 1008


def test_a_connection_has_a_bound_on_its_streams() -> None:
    """1,024."""
    hall = Hall()
    ear, listener = a_reader(hall, "/ws")
    control(hall, ear, listener, "SUBSCRIBE", [f"coin{n}usdt@trade" for n in range(STREAMS_MAX)])
    assert ear.ended is None
    control(hall, ear, listener, "SUBSCRIBE", ["one@trade"])
    assert ear.ended is not None


def test_what_does_not_exist_is_taken_and_stays_silent() -> None:
    """Another pair, another kind: no error, no event."""
    hall = Hall()
    ear, _ = a_reader(hall, "/stream?streams=ethusdt@trade/avaxusdt@trade/btcusdt@miniTicker")
    hall.advance(5_000)
    assert ear.take() == []


def test_a_connection_lives_for_a_day_and_is_warned_before() -> None:
    """Ten minutes; a client that listens goes to a new connection."""
    hall = Hall(an_exchange(a_day(windows=1), (START_S + 20) * 1_000))
    (ear, _), (gone, left) = (a_reader(hall, "/stream?streams=") for _ in range(2))
    hall.subscriptions.leave(left)
    hall.advance(LIFE_MS - WARNING_MS)
    assert [(frame["stream"], frame["data"]["e"]) for frame in ear.take()] == [("!serverShutdown", "serverShutdown")]
    assert ear.ended is None
    hall.advance(WARNING_MS)
    assert ear.ended and ear.ended[1] == "24 hours"
    assert (gone.take(), gone.ended) == ([], None)


def test_times_are_in_microseconds_on_request() -> None:
    """By the connection's address."""
    hall = Hall()
    ear, _ = a_reader(hall, "/stream?streams=btcusdt@depth@100ms&timeUnit=MICROSECOND")
    hall.advance(200)
    assert ear.take()[0]["data"]["E"] > 10**15


def test_nothing_is_planned_when_nobody_listens() -> None:
    """The last one to leave stops the clockwork."""
    hall = Hall()
    ear, listener = a_reader(hall, "/ws/btcusdt@trade")
    hall.advance(500)
    hall.subscriptions.leave(listener)
    hall.advance(500)
    told = len(ear.take())
    hall.advance(5_000)
    assert told and ear.take() == []


if DATA:
    DATA_I = DATA / "I_binance_raw_frames"

    def recorded(name: str) -> list[str]:
        """The lines of a recording."""
        with gzip.open(DATA_I / name, "rt") as file:
            return file.read().splitlines()

    def test_the_same_recipe_keeps_a_recorded_book() -> None:
        """So what our numbers promise is what Binance's do: its own frames and snapshots, joined by the same reader."""
        events: dict[str, list[Any]] = {}
        for line in recorded("BINANCE.ws.1.0.gz"):
            frame = json.loads(line.partition(": ")[2]) if ": {" in line else {}
            if frame.get("stream", "").endswith("@depth@100ms"):
                events.setdefault(frame["data"]["s"], []).append(frame["data"])
        joined = 0
        for line in recorded("BINANCE.http.0.0.gz"):
            if "lastUpdateId" not in line:
                continue
            address, _, body = line.partition(" -> ")
            symbol = address.partition("symbol=")[2].partition("&")[0]
            snapshot = json.loads(body.partition(": ")[2])
            if any(event["u"] > snapshot["lastUpdateId"] for event in events.get(symbol, [])):
                assert a_book_kept(snapshot, events[symbol])
                joined += 1
        assert joined
