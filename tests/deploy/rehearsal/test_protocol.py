"""Every shape on the wire: held against captures where present, against the official client's parsers always."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha1
from typing import Any

import pytest
from kit.days import START_S, a_market_row
from kit.shared_data import POLYMARKET
from polymarket._internal.actions.account import (
    parse_account_trades_page,
    parse_balance_allowance,
    parse_open_orders_page,
)
from polymarket._internal.actions.orders.market_data import _parse_market_info
from polymarket._internal.actions.orders.post import parse_order_response
from polymarket._internal.streams.realtime.protocol import parse_price_event
from polymarket.models.clob.market_events import parse_market_event
from polymarket.models.clob.order_book import OrderBook
from polymarket.models.clob.user_events import parse_user_event, parse_user_events

from deploy.rehearsal import clob_markets, protocol
from deploy.rehearsal.matching import Side
from deploy.rehearsal.orders import Order
from deploy.rehearsal.protocol import BookView, LevelChange
from deploy.rehearsal.recordings import listing_of
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.trades import STRANGER, Part, Trade

LISTING = listing_of(a_market_row())
NOW_MS = START_S * 1_000 + 123
VIEW = BookView(
    LISTING.condition_id,
    LISTING.up_token,
    NOW_MS,
    [(400_000, 5_000_000), (470_000, 7_500_000)],
    [(600_000, 1_000_000), (480_000, 2_000_000)],
    5_000_000,
    10_000,
    "0.47",
)
ORDER = Order(
    order_id="0x" + "ab" * 32,
    api_key="00000000-0000-4000-8000-000000000001",
    owner="0xOwner",
    wallet="0xWallet",
    condition_id=LISTING.condition_id,
    token_id=LISTING.up_token,
    outcome="Up",
    side="BUY",
    kind="GTC",
    price_micro=520_000,
    size_micro=10_000_000,
    post_only=False,
    created_ms=NOW_MS,
    expires_s=0,
)


def a_part(side: Side, owner: str, order_id: str = "0x" + "cd" * 32) -> Part:
    return Part(order_id, owner, "0xWallet", LISTING.up_token, "Up", side, 520_000, 4_000_000)


def a_trade(status: str = "MATCHED") -> Trade:
    taker, maker = a_part("SELL", STRANGER), a_part("BUY", ORDER.api_key, ORDER.order_id)
    identity = "7d3c0000-0000-4000-8000-000000000001"
    return Trade(identity, LISTING.condition_id, LISTING.slug, taker, (maker,), (), NOW_MS, NOW_MS, status)


def test_the_best_level_is_last_on_both_sides() -> None:
    """As production lists them; the official client reads it."""
    shown = protocol.book(VIEW)
    assert [level["price"] for level in shown["bids"]] == ["0.4", "0.47"]
    assert [level["price"] for level in shown["asks"]] == ["0.6", "0.48"]
    assert OrderBook.parse_response(shown).asset_id == LISTING.up_token


def test_the_book_hash_covers_the_book_with_its_hash_left_blank() -> None:
    """SHA-1 over the compact object, keys in the venue's order."""
    shown = protocol.book(VIEW)
    blank = json.dumps(shown | {"hash": ""}, separators=(",", ":"))
    assert shown["hash"] == sha1(blank.encode()).hexdigest()
    assert protocol.book(replace(VIEW, last_trade=""))["hash"] != shown["hash"]


def test_market_events_are_read_by_the_official_client() -> None:
    """Every kind, with what it says."""
    changes = [LevelChange(LISTING.up_token, "BUY", 470_000, 0), LevelChange(LISTING.down_token, "SELL", 530_000, 0)]
    views = {LISTING.up_token: VIEW, LISTING.down_token: replace(VIEW, token_id=LISTING.down_token)}
    messages = (
        protocol.book_event(VIEW),
        protocol.price_change(views, changes),
        protocol.best_bid_ask(VIEW),
        protocol.best_bid_ask(replace(VIEW, bids=[])),
        protocol.last_trade_price(LISTING.condition_id, a_part("BUY", STRANGER), "", NOW_MS),
        protocol.tick_size_change(LISTING.condition_id, LISTING.up_token, 10_000, 1_000, NOW_MS),
        protocol.market_resolved(LISTING, "5", "Up", NOW_MS),
    )
    assert [parse_market_event(message).type for message in messages] == [
        "book",
        "price_change",
        "best_bid_ask",
        "best_bid_ask",
        "last_trade_price",
        "tick_size_change",
        "market_resolved",
    ]


def test_a_level_that_is_gone_has_size_0_and_both_tokens_share_a_message() -> None:
    """With the best prices after the change."""
    message = protocol.price_change({LISTING.up_token: VIEW}, [LevelChange(LISTING.up_token, "BUY", 460_000, 0)])
    (change,) = message["price_changes"]
    assert (change["size"], change["best_bid"], change["best_ask"]) == ("0", "0.47", "0.48")
    assert change["hash"] == protocol.book(VIEW)["hash"]


def test_an_empty_side_is_blank() -> None:
    """No bid is no price, not a price of nothing."""
    message = protocol.best_bid_ask(replace(VIEW, bids=[]))
    assert (message["best_bid"], message["best_ask"], message["spread"]) == ("", "0.48", "")


def test_a_market_is_read_by_the_official_client() -> None:
    """Tick, tokens and fee."""
    info = _parse_market_info(clob_markets.short(LISTING, 1_000, True, "2026-07-24T00:00:00Z"))
    assert (str(info.tick_size), info.neg_risk, str(info.fee_info.rate)) == ("0.001", False, "0.07")
    assert info.token_ids == {LISTING.up_token, LISTING.down_token}


def test_order_answers_are_read_by_the_official_client() -> None:
    """Accepted ones as accepted; unmatched ones it calls rejected, which is the trap of facts 1.6."""
    order = replace(ORDER, made_micro=3_200_000, taken_micro=40_000_000, trades=["t1"])
    matched = protocol.accepted(order, "matched")
    assert parse_order_response(matched).ok
    assert (matched["tradeIDs"], matched["transactionsHashes"]) == (["t1"], [])
    assert not parse_order_response(protocol.accepted(ORDER, "unmatched")).ok
    assert not parse_order_response(protocol.refused_leg("not enough balance / allowance")).ok


def test_a_refused_leg_says_success_all_the_same() -> None:
    """So a client has to look at id and message."""
    leg = protocol.refused_leg("why")
    assert (leg["success"], leg["orderID"], leg["errorMsg"]) == (True, "", "why")


def test_user_events_are_read_by_the_official_client() -> None:
    """Orders and trades, from placement to settlement."""
    placed = parse_user_event(protocol.order_event(ORDER, "PLACEMENT", NOW_MS)).payload
    assert (placed.id, placed.status, str(placed.price)) == (ORDER.order_id, "LIVE", "0.52")
    for status in ("MATCHED", "MINED", "CONFIRMED", "RETRYING", "FAILED"):
        event: Any = parse_user_event(protocol.trade_event(a_trade(status), ORDER.api_key, NOW_MS)).payload
        assert (event.status, event.trader_side, event.maker_orders[0].owner) == (status, "MAKER", ORDER.api_key)


def test_the_top_of_a_trade_is_the_takers_whoever_looks() -> None:
    """The maker finds itself among the maker orders."""
    event = protocol.trade_event(a_trade(), ORDER.api_key, NOW_MS)
    assert (event["side"], event["trader_side"], event["maker_orders"][0]["side"]) == ("SELL", "MAKER", "BUY")
    assert protocol.trade_event(a_trade(), STRANGER, NOW_MS)["trader_side"] == "TAKER"


def test_what_the_venue_cancels_is_dated_in_milliseconds() -> None:
    """And the official client drops that event: its parser wants seconds."""
    by_client = protocol.order_event(ORDER, "CANCELLATION", NOW_MS)
    by_venue = protocol.order_event(ORDER, "CANCELLATION", NOW_MS, created_in_ms=True)
    assert (by_client["created_at"], by_venue["created_at"]) == (str(START_S), str(NOW_MS))
    assert len(parse_user_events(by_client)[0]) == 1
    assert parse_user_events(by_venue)[1] == 1


def test_a_killed_order_has_blank_fields() -> None:
    """The reason is in the status; the official client drops the event for its blank size."""
    event = protocol.killed_event(ORDER, "reason", NOW_MS)
    assert (event["size_matched"], event["created_at"], event["outcome"]) == ("", "", "")
    assert event["status"] == "CANCELED_reason"
    assert parse_user_events(event)[1] == 1


def test_orders_and_trades_are_listed_as_the_official_client_reads_them() -> None:
    """A trade's status has its prefix here."""
    orders = parse_open_orders_page(protocol.page([protocol.open_order(ORDER)], ""))
    row = protocol.trade_row(a_trade("CONFIRMED"), ORDER.api_key, NOW_MS)
    fresh = protocol.trade_row(a_trade(), ORDER.api_key, NOW_MS)
    trades = parse_account_trades_page(protocol.page([row], ""))
    assert (orders.items[0].id, orders.has_more) == (ORDER.order_id, False)
    assert (row["status"], trades.items[0].status) == ("TRADE_STATUS_CONFIRMED", "CONFIRMED")
    assert fresh["status"] == "TRADE_STATUS_MATCHED_NOT_BROADCASTED"
    assert parse_account_trades_page(protocol.page([fresh], "")).items[0].status == "MATCHED_NOT_BROADCASTED"


def test_long_lists_come_in_pages() -> None:
    """The cursor of one page finds the next; the last one says so; nonsense is refused."""
    rows: list[dict[str, Any]] = [{"n": number} for number in range(protocol.PAGE_MAX + 3)]
    first = protocol.page(rows, protocol.FIRST_CURSOR)
    last = protocol.page(rows, first["next_cursor"])
    assert (first["count"], last["count"], last["next_cursor"]) == (protocol.PAGE_MAX, 3, protocol.LAST_CURSOR)
    assert [*first["data"], *last["data"]] == rows
    with pytest.raises(Refused):
        protocol.page(rows, "%%%")


def test_balances_are_read_by_the_official_client() -> None:
    """In millionths; a debt shows as nothing."""
    assert parse_balance_allowance(protocol.balance(1_500_000)).balance == 1_500_000
    assert protocol.balance(-5)["balance"] == "0"


def test_prices_are_read_by_the_official_client() -> None:
    """Snapshots and updates of both channels, exact to the last place."""
    value = 78_803_715_261_094_101_516_288
    point = protocol.price_point(NOW_MS, value)
    twap = protocol.price_payload("btcusd", 60)
    update: Any = parse_price_event(protocol.price_frame("price.crypto.twap", 3, NOW_MS, twap | point))
    snapshot: Any = parse_price_event(
        protocol.price_frame("price.crypto.twap", 1, NOW_MS, twap | {"data": [point]}, True)
    )
    spot: Any = parse_price_event(
        protocol.price_frame("price.crypto", 1, NOW_MS, protocol.price_payload("btcusd", 0) | point)
    )
    assert str(update.payload.value) == "78803.715261094101516288"
    assert (update.seq, snapshot.payload.data[0].value, spot.topic) == (3, update.payload.value, "prices.crypto")


if POLYMARKET:
    SAMPLES = POLYMARKET

    def a_sample(name: str) -> Any:
        return json.loads((SAMPLES / name).read_text())

    def micro(levels: list[dict[str, str]]) -> list[tuple[int, int]]:
        return [(round(float(row["price"]) * 10**6), round(float(row["size"]) * 10**6)) for row in levels]

    def test_a_captured_book_is_made_again_to_its_hash() -> None:
        """Same levels, same time: same bytes, same hash as production's."""
        captured = a_sample("live_clob_book_v1_btc15m.json")
        view = BookView(
            captured["market"],
            captured["asset_id"],
            int(captured["timestamp"]),
            micro(captured["bids"]),
            micro(captured["asks"]),
            5_000_000,
            round(float(captured["tick_size"]) * 10**6),
            captured["last_trade_price"],
        )
        assert protocol.book(view) == captured

    @pytest.mark.parametrize(
        ("name", "made"),
        [
            ("live_clob_markets_v1.json", clob_markets.short(LISTING, 10_000, True, "")),
            ("nt_ws_market_best_bid_ask_msg.json", protocol.best_bid_ask(VIEW)),
            ("nt_ws_market_resolved_msg.json", protocol.market_resolved(LISTING, "5", "Up", NOW_MS)),
            ("nt_http_cancel_response_failed.json", protocol.canceled([], {"a": "b"})),
        ],
    )
    def test_our_shapes_have_the_captured_fields(name: str, made: dict[str, Any]) -> None:
        """No field more, none less."""
        assert set(made) == set(a_sample(name))

    def test_our_user_events_have_the_fields_of_the_full_ones() -> None:
        """Order and trade, maker parts included."""
        order, trade = a_sample("synthetic_user_channel.json")["sequence"][:2]
        mine = protocol.trade_event(a_trade(), ORDER.api_key, NOW_MS)
        assert set(protocol.order_event(ORDER, "PLACEMENT", NOW_MS)) == set(order)
        assert set(mine) == set(trade)
        assert set(mine["maker_orders"][0]) == set(trade["maker_orders"][0])

    def test_our_answers_have_the_captured_fields() -> None:
        """Also where they are refused."""
        examples = a_sample("doc_order_responses.json")["examples"]
        assert set(protocol.accepted(ORDER, "live")) == set(examples["live"])
        assert set(protocol.refused_leg("x")) == set(examples["no_balance"])
