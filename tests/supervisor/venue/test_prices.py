"""The reference prices that decide a window."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from kit.recordings import damaged, recording, samples
from kit.shared_data import POLYMARKET

from supervisor.venue.frames import BadFrame
from supervisor.venue.keys import ApiKey
from supervisor.venue.market import Ignored
from supervisor.venue.prices import (
    MEANS,
    PRICE_ASSETS,
    SPOT,
    Price,
    PriceControl,
    authenticate_prices,
    parse_price_frame,
    subscribe_prices,
)


def test_a_price_keeps_its_second_and_all_its_decimals() -> None:
    """In units of 1e-18; the rounded number beside it is not read. What the venue left out before it is told."""
    assert parse_price_frame(recording("price_update")) == [
        Ignored("dropped"),
        Price("BTC", 0, 1_791_240_001_000, 78_803_715_261_094_101_516_288),
    ]


def test_a_snapshot_is_the_last_prices_oldest_first() -> None:
    """Of a mean, with the seconds it is over."""
    assert parse_price_frame(recording("price_snapshot")) == [
        Price("ETH", 60, 1_791_239_999_000, 4_100_610_000_000_000_000_000),
        Price("ETH", 60, 1_791_240_000_000, 4_100_700_000_000_000_000_001),
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("price_authed", PriceControl("authed", "")),
        ("price_subscribed", PriceControl("subscribed", "")),
        ("price_pong", PriceControl("pong", "")),
        ("price_error", PriceControl("error", "auth_required")),
    ],
)
def test_answers_are_told_apart_from_prices(name: str, said: PriceControl) -> None:
    """An error brings its code."""
    assert parse_price_frame(recording(name)) == said


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"symbol": "btcusd"},
        {"symbol": "btcusd", "timestamp": 1, "full_accuracy_value": ""},
        {"symbol": "btcusd", "timestamp": 1, "full_accuracy_value": "0"},
        {"symbol": "btcusd", "timestamp": 1, "full_accuracy_value": "-1"},
        {"symbol": "btcusd", "timestamp": 1, "full_accuracy_value": "1e3"},
        {"symbol": "btcusd", "timestamp": 1, "full_accuracy_value": 1.5},
        {"symbol": "btcusd", "timestamp": -1, "full_accuracy_value": "1"},
        {"symbol": "btcusd", "timestamp": 2**70, "full_accuracy_value": "1"},
        {"symbol": "btcusd", "timestamp": 1, "full_accuracy_value": "1", "window_seconds": -60},
        {"symbol": "x" * 40, "timestamp": 1, "full_accuracy_value": "1"},
        {"symbol": "b tc", "timestamp": 1, "full_accuracy_value": "1"},
        {"symbol": "usd", "timestamp": 1, "full_accuracy_value": "1"},
        {"symbol": "btcusd", "data": [{"timestamp": 1}]},
    ],
)
def test_a_price_that_is_none_is_refused(payload: dict[str, object]) -> None:
    """No second, no value, no asset: no price is made up."""
    with pytest.raises(BadFrame, match="price channel"):
        parse_price_frame(json.dumps({"channel": SPOT, "payload": payload}).encode())


def test_a_mean_that_names_no_window_is_refused() -> None:
    """It would pass for a price of the moment, and decide a window."""
    frame = json.loads(recording("price_update")) | {"channel": MEANS}
    with pytest.raises(BadFrame, match="a mean of BTC over no window"):
        parse_price_frame(json.dumps(frame).encode())


def test_a_channel_nobody_asked_for_is_ignored_by_its_name() -> None:
    """Its payload may look like ours."""
    frame = json.loads(recording("price_update")) | {"channel": "price.equity", "dropped": 0}
    assert parse_price_frame(json.dumps(frame).encode()) == [Ignored("channel price.equity")]


@given(damaged("price"))
def test_a_damaged_frame_is_a_value_or_a_bad_frame(frame: bytes) -> None:
    """And every price that is taken can be published."""
    try:
        said = parse_price_frame(frame)
    except BadFrame:
        return
    for price in said if isinstance(said, list) else []:
        if isinstance(price, Ignored):
            continue
        assert 0 <= price.source_ms <= 2**53
        assert price.exact > 0
        assert 0 < len(price.asset) <= 8


def test_the_channel_is_asked_for_both_prices_of_each_asset() -> None:
    """Instantaneous and averaged, after saying who asks."""
    wanted = json.loads(subscribe_prices(["BTC", "ETH"], 30))["subscriptions"]
    assert wanted == [
        {"channel": "price.crypto", "filter": {"symbol": "btcusd"}},
        {"channel": "price.crypto.twap", "filter": {"symbol": "btcusd", "window_seconds": 30}},
        {"channel": "price.crypto", "filter": {"symbol": "ethusd"}},
        {"channel": "price.crypto.twap", "filter": {"symbol": "ethusd", "window_seconds": 30}},
    ]
    hello = json.loads(authenticate_prices(ApiKey("0x1", "k", "s", "p")))
    assert hello == {"op": "auth", "rid": "auth", "auth": {"apiKey": "k", "secret": "s", "passphrase": "p"}}


def test_all_known_assets_fit_one_connection() -> None:
    """The venue takes 64 subscriptions on one, and a frame of 64 KiB."""
    frame = subscribe_prices(sorted(PRICE_ASSETS))
    assert len(json.loads(frame)["subscriptions"]) <= 64
    assert len(frame) < 64 * 1024


if POLYMARKET:

    def test_the_sampled_session_is_read() -> None:
        """Every frame that was received in it."""
        frames = json.loads(samples("doc_polybolt_session")[0].read_bytes())
        said = [parse_price_frame(json.dumps(f["data"]).encode()) for f in frames if f["dir"] == "recv"]
        controls = [item.op for item in said if isinstance(item, PriceControl)]
        prices = [price for item in said if isinstance(item, list) for price in item]
        assert controls == ["authed", "subscribed", "subscribed", "pong", "error", "error"]
        assert [(p.asset, p.window_s) for p in prices] == [("BTC", 60)] * 3
