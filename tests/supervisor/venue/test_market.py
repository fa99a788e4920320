"""The market channel: books, trades and price grids."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from kit.recordings import CONDITION, DOWN, UP, damaged, names, objects, recording, samples
from kit.shared_data import POLYMARKET

from shared.messages import Level
from supervisor.venue.frames import MAX_FRAME, BadFrame
from supervisor.venue.market import (
    Change,
    Changes,
    Ignored,
    MarketEvent,
    MarketResolved,
    Snapshot,
    TickSizeChanged,
    Traded,
    parse_market_frame,
    subscribe_market,
    unsubscribe_market,
)


def read(name: str) -> list[MarketEvent]:
    """The events of a recording."""
    return parse_market_frame(recording(name))


def test_a_snapshot_is_the_whole_book_of_a_token() -> None:
    """Levels as they came, best or not; a price and a size in millionths."""
    assert read("market_book") == [
        Snapshot(
            token=UP,
            bids=(Level(10_000, 1_100_000_000), Level(470_000, 20_500_000), Level(480_000, 31_000_000)),
            asks=(Level(990_000, 900_000_000), Level(530_000, 12_000_000), Level(520_000, 7_250_000)),
            tick_micro=10_000,
        )
    ]


def test_a_frame_may_be_an_array_and_end_with_a_newline() -> None:
    """As the first answer of a connection is."""
    assert read("market_book_array") == [
        Snapshot(UP, (), (), 10_000),
        Snapshot(DOWN, (Level(500_000, 5_000_000),), (), 1_000),
    ]


def test_levels_that_changed_together_stay_together() -> None:
    """Of both tokens, with new totals; a size of nothing is a level that is gone."""
    assert read("market_price_change") == [
        Changes(
            (Change(UP, "BUY", Level(480_000, 44_200_000)), Change(DOWN, "SELL", Level(520_000, 0))),
        )
    ]


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("market_last_trade_price", Traded(UP, "SELL", Level(520_000, 7_250_000))),
        ("market_tick_size_change", TickSizeChanged(UP, 1_000)),
        ("market_resolved", MarketResolved(CONDITION, DOWN)),
        ("market_best_bid_ask", Ignored("best_bid_ask")),
        ("market_new_market", Ignored("new_market")),
    ],
)
def test_each_kind_is_read_as_what_it_is(name: str, event: MarketEvent) -> None:
    """What this desk has no use for is named, not refused."""
    assert read(name) == [event]


@pytest.mark.parametrize("frame", [b"PONG", b"PONG\n", b"", b"  \n", b"[]"])
def test_a_pong_or_nothing_is_no_event(frame: bytes) -> None:
    """The answer to our PING."""
    assert parse_market_frame(frame) == []


def test_a_nameless_object_is_ignored_by_that_name() -> None:
    """Nothing is guessed from its fields."""
    assert parse_market_frame(b'{"asset_id":"1","bids":[]}') == [Ignored("nameless")]


@pytest.mark.parametrize(
    "frame",
    [
        b"{",
        b"hello",
        b"7",
        b'{"event_type":"book","bids":{}}',
        b'{"event_type":"book","bids":[{"price":"0.5"}]}',
        b'{"event_type":"book","bids":[{"price":"0.5","size":"-1"}]}',
        b'{"event_type":"book","bids":[{"price":"1.01","size":"1"}]}',
        b'{"event_type":"book","asks":[{"price":"-0.5","size":"1"}]}',
        b'{"event_type":"book","asks":[{"price":"","size":"1"}]}',
        b'{"event_type":"book","asks":[{"price":"0.5","size":"1e3"}]}',
        b'{"event_type":"book","asks":[{"price":"0.5","size":"99999999999999999999"}]}',
        b'{"event_type":"book","tick_size":"0"}',
        b'{"event_type":"tick_size_change","new_tick_size":"0"}',
        b'{"event_type":"tick_size_change","new_tick_size":"1"}',
        b'{"event_type":"tick_size_change"}',
        b'{"event_type":"price_change","price_changes":[{"asset_id":"1","price":"0.5","size":"1","side":"buy"}]}',
        b'{"event_type":"last_trade_price","price":"0.5","size":""}',
        b'{"event_type":"book","bids":[{"price":"' + b"1" * 5_000 + b'","size":"1"}]}',
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b" " * (MAX_FRAME + 1),
    ],
    ids=lambda frame: repr(frame[:40]) if isinstance(frame, bytes) else "",
)
def test_what_cannot_be_read_is_refused_by_name(frame: bytes) -> None:
    """Nothing is guessed, nothing crashes, and the text stays short whatever came."""
    with pytest.raises(BadFrame) as caught:
        parse_market_frame(frame)
    assert len(str(caught.value)) < 1_000


@given(damaged("market"))
def test_a_damaged_frame_is_a_value_or_a_bad_frame(frame: bytes) -> None:
    """And what is taken fits our own frames."""
    try:
        events = parse_market_frame(frame)
    except BadFrame:
        return
    assert msgspec.msgpack.encode(events)


def test_the_first_subscription_has_another_shape_than_those_that_add() -> None:
    """Both want the events that need the flag."""
    first = json.loads(subscribe_market(["1", "2"], first=True))
    assert first == {"type": "market", "assets_ids": ["1", "2"], "custom_feature_enabled": True}
    more = json.loads(subscribe_market(["3"], first=False))
    assert more == {"operation": "subscribe", "assets_ids": ["3"], "custom_feature_enabled": True}
    less = json.loads(unsubscribe_market(["3"]))
    assert less == {"operation": "unsubscribe", "assets_ids": ["3"], "custom_feature_enabled": True}


def test_every_recording_of_the_channel_is_read() -> None:
    """One of each kind the venue sends."""
    kinds = {type(event) for name in names("market") for event in read(name)}
    assert kinds == {Snapshot, Changes, Traded, TickSizeChanged, MarketResolved, Ignored}


if POLYMARKET:

    def test_every_sample_of_the_channel_is_read() -> None:
        """Whole files and every object in them that names its kind."""
        events: list[MarketEvent] = []
        for path in samples(
            "nt_ws_market", "nt_capture_ws_book", "nt_capture_ws_price", "nt_capture_ws_tick", "live_ws"
        ):
            for item in objects(json.loads(path.read_bytes()), "event_type"):
                events += parse_market_frame(json.dumps(item).encode())
        kinds = {event.kind if isinstance(event, Ignored) else type(event) for event in events}
        assert kinds >= {Snapshot, Changes, Traded, TickSizeChanged, MarketResolved, "best_bid_ask", "new_market"}
        assert "nameless" not in kinds

    def test_a_sampled_book_over_http_is_read_as_a_frame() -> None:
        """With its kind put in front, as discovery does."""
        for path in samples("live_clob_book", "nt_capture_http_book", "nt_clob_book"):
            body = path.read_bytes()
            (snapshot,) = parse_market_frame(b'{"event_type":"book",' + body.lstrip()[1:])
            assert isinstance(snapshot, Snapshot)
            assert len(snapshot.bids) == len(json.loads(body)["bids"])
