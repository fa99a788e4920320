"""The user channel: our own orders and trades."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from kit.recordings import API_KEY, DOWN, ORDER, TRADE, UP, damaged, objects, recording, samples
from kit.shared_data import POLYMARKET

from supervisor.venue.frames import BadFrame
from supervisor.venue.keys import ApiKey
from supervisor.venue.market import Ignored
from supervisor.venue.user import OrderReport, TradeLeg, UserEvent, legs_of, parse_user_frame, subscribe_user

OTHERS = "0x" + "0b2c" * 16
TAKEN = TradeLeg(TRADE, ORDER, UP, "BUY", 520_000, 10_000_000, False, "MATCHED")


def read(name: str) -> list[UserEvent]:
    """The events of a recording, for our key."""
    return parse_user_frame(recording(name), API_KEY)


@pytest.mark.parametrize(
    ("name", "report"),
    [
        ("user_order_placement", OrderReport(ORDER, "open", 0, "LIVE")),
        ("user_order_update", OrderReport(ORDER, "open", 4_000_000, "LIVE")),
        ("user_order_matched", OrderReport(ORDER, "open", 10_000_000, "MATCHED")),
        ("user_order_delayed", OrderReport(ORDER, "pending", 0, "DELAYED")),
        ("user_order_canceled", OrderReport(ORDER, "closed", 0, "CANCELED")),
        ("user_order_resolved", OrderReport(ORDER, "closed", 0, "CANCELED_MARKET_RESOLVED")),
        ("user_order_invalid", OrderReport(ORDER, "closed", 0, "INVALID")),
    ],
)
def test_an_orders_report_says_whether_it_may_still_fill(name: str, report: OrderReport) -> None:
    """Matched is not over: its trades are."""
    assert read(name) == [report]


def test_a_killed_order_comes_with_blank_numbers_and_free_text() -> None:
    """As production sends it: closed, nothing known of what matched, and the venue's own words."""
    (report,) = read("user_order_fok_killed")
    assert isinstance(report, OrderReport)
    assert (report.state, report.matched_micro) == ("closed", None)
    assert report.reason.startswith("CANCELED_order couldn't be fully filled.")


def test_as_taker_the_whole_trade_is_ours() -> None:
    """With the trade's own price, size and token."""
    assert read("user_trade_taker") == [TAKEN]


def test_as_maker_our_entry_is_the_one_with_our_key() -> None:
    """The others in the same trade are not ours."""
    assert read("user_trade_maker") == [TradeLeg(TRADE, ORDER, UP, "BUY", 520_000, 4_000_000, True, "MATCHED")]


def test_a_mint_fills_us_on_the_other_token_than_the_takers() -> None:
    """Both bought: the entry's own token and price count, and a side it does not name follows from them."""
    assert read("user_trade_maker_minted") == [TradeLeg(TRADE, ORDER, UP, "BUY", 520_000, 4_000_000, True, "MATCHED")]
    frame = json.loads(recording("user_trade_maker_minted"))
    frame["maker_orders"][0] |= {"asset_id": DOWN}
    (leg,) = parse_user_frame(json.dumps(frame).encode(), API_KEY)
    assert isinstance(leg, TradeLeg)
    assert (leg.token, leg.side) == (DOWN, "SELL")


@pytest.mark.parametrize(
    ("name", "status"),
    [("user_trade_confirmed", "CONFIRMED"), ("user_trade_retrying", "RETRYING"), ("user_trade_failed", "FAILED")],
)
def test_a_trade_settles_further_under_the_same_ids(name: str, status: str) -> None:
    """One trade, told again."""
    (leg,) = read(name)
    assert isinstance(leg, TradeLeg)
    assert (leg.trade_id, leg.order_id, leg.status) == (TRADE, ORDER, status)


@pytest.mark.parametrize("side", ["TAKER", ""])
def test_a_taker_that_met_an_order_of_our_own_has_both_legs(side: str) -> None:
    """Whoever keeps the orders knows which are ours; an old frame does not even say on which side we are."""
    frame = json.loads(recording("user_trade_maker")) | {"trader_side": side}
    taken, *made = parse_user_frame(json.dumps(frame).encode(), API_KEY)
    assert isinstance(taken, TradeLeg)
    assert (taken.order_id, taken.maker) == (frame["taker_order_id"], False)
    assert made == [TradeLeg(TRADE, ORDER, UP, "BUY", 520_000, 4_000_000, True, "MATCHED")]


def test_a_trade_of_others_is_ignored_by_that_name() -> None:
    """None of its makers has our key."""
    assert parse_user_frame(recording("user_trade_maker"), "somebody-else") == [Ignored("trade of others")]


def test_a_settlement_nobody_knows_is_ignored_by_its_name() -> None:
    """A new word of the venue's makes no fill."""
    frame = recording("user_trade_taker").replace(b'"MATCHED"', b'"PONDERED"')
    assert parse_user_frame(frame, API_KEY) == [Ignored("trade PONDERED")]


def test_a_trade_of_a_list_is_read_like_one_of_the_channel() -> None:
    """With the prefixes that only lists have."""
    item = recording("user_trade_taker").replace(b'"MATCHED"', b'"TRADE_STATUS_MATCHED_NOT_BROADCASTED"')
    assert legs_of(item, API_KEY) == [TAKEN]
    with pytest.raises(BadFrame, match="trade"):
        legs_of(b"[]", API_KEY)


@pytest.mark.parametrize("frame", [b"PONG", b"", b"[]\n"])
def test_a_pong_or_nothing_is_no_event(frame: bytes) -> None:
    """The answer to our PING."""
    assert parse_user_frame(frame, API_KEY) == []


@pytest.mark.parametrize(
    "change",
    [
        {"size": ""},
        {"size": "0"},
        {"size": "-1"},
        {"price": "1.5"},
        {"side": "HOLD"},
        {"id": ""},
        {"id": "x" * 10_000},
        {"taker_order_id": "a\nb"},
        {"maker_orders": None},
    ],
    ids=str,
)
def test_a_trade_without_the_numbers_of_a_fill_is_refused(change: dict[str, object]) -> None:
    """No fill is made of a guess, and no id goes into our records that would not fit them."""
    frame = json.loads(recording("user_trade_taker")) | change
    with pytest.raises(BadFrame, match="user channel") as caught:
        parse_user_frame(json.dumps(frame).encode(), API_KEY)
    assert len(str(caught.value)) < 1_000


def test_a_long_explanation_is_cut() -> None:
    """It goes into the journal."""
    frame = json.loads(recording("user_order_canceled")) | {"status": "CANCELED_" + "because " * 50_000}
    (report,) = parse_user_frame(json.dumps(frame).encode(), API_KEY)
    assert isinstance(report, OrderReport)
    assert len(report.reason) <= 300


@given(damaged("user"))
def test_a_damaged_frame_is_a_value_or_a_bad_frame(frame: bytes) -> None:
    """And what is taken fits our own records."""
    try:
        events = parse_user_frame(frame, API_KEY)
    except BadFrame:
        return
    assert len(msgspec.msgpack.encode(events)) < 64 * 1024


def test_the_channel_is_asked_for_everything_of_our_key() -> None:
    """No list of markets: all of them."""
    asked = json.loads(subscribe_user(ApiKey("0x1", "k", "s", "p")))
    assert asked == {"type": "user", "auth": {"apiKey": "k", "secret": "s", "passphrase": "p"}}


if POLYMARKET:
    OWNERS = "00000000-0000-0000-0000-000000000001"

    def test_every_sample_of_the_channel_is_read() -> None:
        """Orders and trades, the quirks of production among them; none of it is ignored for its name."""
        found: list[UserEvent] = []
        for path in samples("nt_ws_user", "nt_capture_ws_order", "nt_capture_ws_user", "doc_user", "synthetic_user"):
            for item in objects(json.loads(path.read_bytes()), "event_type"):
                found += parse_user_frame(json.dumps(item).encode(), OWNERS)
        kinds = [event.kind if isinstance(event, Ignored) else type(event) for event in found]
        assert {OrderReport, TradeLeg} <= set(kinds) <= {OrderReport, TradeLeg, "trade of others"}

    def test_the_sampled_life_of_a_trade_is_one_leg_told_again() -> None:
        """From matched to confirmed, and the other way it can end."""
        life = json.loads(samples("synthetic_user_channel")[0].read_bytes())
        for part in ("sequence", "alternative_tail"):
            legs = [event for item in life[part] for event in parse_user_frame(json.dumps(item).encode(), OWNERS)]
            told = {(leg.trade_id, leg.order_id, leg.size_micro) for leg in legs if isinstance(leg, TradeLeg)}
            assert len(told) == 1
