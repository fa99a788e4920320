"""Who listens to what."""

from __future__ import annotations

from typing import Any

import pytest
from kit.days import START_S, a_day
from kit.hall import NOW_MS, Ear, Hall, credentials
from kit.venue import Trader, an_exchange

from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Key
from deploy.rehearsal.outbox import ToEverybody, ToUser
from deploy.rehearsal.subscriptions import TOKENS_MAX, Listener

# The market channel.


def test_a_market_subscriber_first_gets_its_books_in_one_array() -> None:
    """One for each token it named; unknown ones are passed over."""
    hall = Hall()
    ear, listener = hall.join("market")
    tokens = [hall.market.listing.up_token, hall.market.listing.down_token, "5"]
    hall.say(listener, {"type": "market", "assets_ids": tokens})
    (books,) = ear.take()
    assert {book["asset_id"] for book in books} == set(tokens[:2])
    assert all(book["event_type"] == "book" and book["bids"] for book in books)


def test_only_subscribed_markets_are_heard_and_custom_events_on_request() -> None:
    """Until they are unsubscribed."""
    hall = Hall()
    (plain, first), (custom, second), (deaf, third) = (hall.join("market") for _ in range(3))
    tokens = [hall.market.listing.up_token]
    hall.say(first, {"type": "market", "assets_ids": tokens})
    hall.say(second, {"operation": "subscribe", "assets_ids": tokens, "custom_feature_enabled": True})
    hall.say(third, {"type": "market", "assets_ids": []})
    for ear in (plain, custom, deaf):
        ear.take()
    hall.advance(5_000)
    kinds = [{event["event_type"] for event in events(ear)} for ear in (plain, custom, deaf)]
    assert "price_change" in kinds[0] and "best_bid_ask" not in kinds[0]
    assert {"price_change", "best_bid_ask"} <= kinds[1]
    assert kinds[2] == set()
    hall.say(first, {"operation": "unsubscribe", "assets_ids": tokens})
    hall.advance(5_000)
    assert (plain.take(), bool(custom.take())) == ([], True)


def test_naming_an_active_token_again_only_sets_the_flag() -> None:
    """No second snapshot."""
    hall = Hall()
    ear, listener = hall.join("market")
    frame = {"type": "market", "assets_ids": [hall.market.listing.up_token]}
    hall.say(listener, frame)
    hall.say(listener, {"operation": "subscribe", **frame, "custom_feature_enabled": True})
    assert len(ear.take()) == 1
    hall.subscriptions.to_everybody(ToEverybody({"event_type": "new_market"}))
    assert ear.take() == [{"event_type": "new_market"}]


def test_a_dump_can_be_declined() -> None:
    """Changes come all the same."""
    hall = Hall()
    ear, listener = hall.join("market")
    hall.say(listener, {"type": "market", "assets_ids": [hall.market.listing.up_token], "initial_dump": False})
    assert ear.take() == []
    hall.advance(3_000)
    assert ear.take()


def test_the_exchange_makes_messages_only_while_somebody_listens() -> None:
    """The last one to leave turns it off."""
    hall = Hall()
    (_, first), (_, second) = hall.join("market"), hall.join("market")
    frame = {"type": "market", "assets_ids": [hall.market.listing.up_token, hall.market.listing.down_token]}
    hall.say(first, frame)
    hall.say(second, frame)
    hall.say(first, {"operation": "unsubscribe", "assets_ids": [hall.market.listing.up_token]})
    hall.subscriptions.leave(second)
    assert hall.exchange.out.watched == {hall.market.listing.condition_id}
    hall.subscriptions.leave(first)
    assert hall.exchange.out.watched == set()


def test_a_connection_has_a_bound_on_its_tokens() -> None:
    """More are ignored."""
    hall = Hall(an_exchange())
    ear, listener = hall.join("market")
    hall.say(listener, {"type": "market", "assets_ids": list(hall.exchange.floor.by_token)})
    assert len(ear.take()[0]) == TOKENS_MAX < len(hall.exchange.floor.by_token)


def test_ping_is_answered_with_pong_on_the_older_channels() -> None:
    """As text; nonsense gets no answer."""
    hall = Hall()
    for channel in ("market", "user"):
        ear, listener = hall.join(channel)
        for frame in ("PING", "{", "[]", "5"):
            hall.say(listener, frame)
        assert (ear.take(), ear.ended) == (["PONG"], None)


# Its quirks, as a client sees them.


def a_listener(hall: Hall, *tokens: str, **frame: Any) -> tuple[Ear, Listener]:
    ear, listener = hall.join("market")
    hall.say(listener, {"type": "market", "assets_ids": list(tokens), **frame})
    return ear, listener


def events(ear: Ear) -> list[dict[str, Any]]:
    """Everything it was sent, arrays taken apart."""
    return [event for frame in ear.take() for event in (frame if isinstance(frame, list) else [frame])]


def test_a_frame_may_be_an_array_and_end_with_a_newline() -> None:
    """The first dump is both; books after a trade come in one array."""
    hall = Hall()
    tokens = hall.market.listing.up_token, hall.market.listing.down_token
    ear, _ = a_listener(hall, *tokens)
    assert ear.raw[0].endswith(b"]\n")
    ear.take()
    hall.advance(20_000)
    arrays = [frame for frame in ear.take() if isinstance(frame, list)]
    assert arrays and {tuple(event["event_type"] for event in array) for array in arrays} == {("book", "book")}
    assert {event["asset_id"] for event in arrays[0]} == set(tokens)


def test_who_asked_for_one_token_hears_of_the_other_only_in_changes() -> None:
    """Books, tops and ticks are of its own token; one change may hold both."""
    hall = Hall()
    ear, _ = a_listener(hall, hall.market.listing.up_token, custom_feature_enabled=True)
    hall.advance(20_000)
    seen = events(ear)
    assert {event["asset_id"] for event in seen if "asset_id" in event} == {hall.market.listing.up_token}
    changed = {change["asset_id"] for event in seen for change in event.get("price_changes", [])}
    assert changed == {hall.market.listing.up_token, hall.market.listing.down_token}


def test_nothing_is_numbered_and_everything_is_dated_in_milliseconds_as_text() -> None:
    """So a hole cannot be seen, and a replay cannot be asked for."""
    hall = Hall()
    ear, _ = a_listener(hall, hall.market.listing.up_token, custom_feature_enabled=True)
    hall.advance(10_000)
    for event in events(ear):
        assert not {"seq", "sequence", "u"} & set(event)
        assert isinstance(event["timestamp"], str) and len(event["timestamp"]) == 13


def test_a_level_that_is_gone_has_size_0_and_a_book_its_best_last() -> None:
    """Sizes are new totals."""
    hall = Hall()
    ear, _ = a_listener(hall, hall.market.listing.up_token)
    (book,) = ear.take()[0]
    assert float(book["bids"][-1]["price"]) > float(book["bids"][0]["price"])
    assert float(book["asks"][-1]["price"]) < float(book["asks"][0]["price"])
    hall.advance(20_000)
    sizes = [change["size"] for event in events(ear) for change in event.get("price_changes", [])]
    assert "0" in sizes


def test_fields_without_a_value_are_blank() -> None:
    """The last price before the first trade, a side that is empty, the hash of a trade that is not mined."""
    hall = Hall()
    fresh = hall.exchange.floor.by_slug[f"btc-updown-5m-{START_S + 11 * 300}"].listing.up_token
    ear, _ = a_listener(hall, fresh)
    (book,) = ear.take()[0]
    assert (book["last_trade_price"], book["bids"], book["asks"]) == ("", [], [])
    ear, _ = a_listener(hall, hall.market.listing.up_token, hall.market.listing.down_token)
    hall.advance(20_000)
    trades = [event for event in events(ear) if event["event_type"] == "last_trade_price"]
    assert trades and {trade["transaction_hash"] for trade in trades} == {""}
    assert {trade["fee_rate_bps"] for trade in trades} == {"0"}


def test_the_tick_becomes_finer_near_the_ends_and_the_market_resolves_for_who_asked() -> None:
    """In a window whose price runs away: everybody hears of the tick, only custom features of the end."""
    hall = Hall(an_exchange(a_day(price=lambda second: 64_000.0 + max(0, second - START_S)), NOW_MS))
    tokens = hall.market.listing.up_token, hall.market.listing.down_token
    (plain, _), (custom, _) = a_listener(hall, *tokens), a_listener(hall, *tokens, custom_feature_enabled=True)
    hall.advance(330_000)
    seen = events(plain)
    ticks = [event for event in seen if event["event_type"] == "tick_size_change"]
    assert {(tick["old_tick_size"], tick["new_tick_size"]) for tick in ticks} == {("0.01", "0.001")}
    assert {tick["asset_id"] for tick in ticks} == set(tokens)
    assert not {"best_bid_ask", "market_resolved", "new_market"} & {event["event_type"] for event in seen}
    (end,) = [event for event in events(custom) if event["event_type"] == "market_resolved"]
    assert end["winning_asset_id"] in tokens and end["assets_ids"] == list(tokens)


# The user channel.


def a_user(hall: Hall, trader: int = 1, **frame: Any) -> tuple[Ear, Listener, Key]:
    key = Trader(trader).join(hall.exchange)
    ear, listener = hall.join("user")
    hall.say(listener, {"type": "user", "auth": credentials(key), **frame})
    return ear, listener, key


def test_a_user_hears_of_its_own_orders_only() -> None:
    """Nobody else's."""
    hall = Hall()
    (mine, _, key), (theirs, _, _) = a_user(hall), a_user(hall, 2)
    hall.exchange.place(Trader().limit(key, hall.market.listing.up_token, "BUY", 50_000, 10), key)
    hall.carry()
    assert [frame["type"] for frame in mine.take()] == ["PLACEMENT"]
    assert theirs.take() == []


def test_a_user_may_name_its_markets() -> None:
    """And change them later."""
    hall = Hall()
    other = hall.exchange.floor.by_slug[f"btc-updown-5m-{START_S + 300}"]
    ear, listener, key = a_user(hall, markets=[other.listing.condition_id.upper()])
    orders = (Trader().limit(key, hall.market.listing.up_token, "BUY", 50_000, 10, salt=salt) for salt in range(9))
    hall.exchange.place(next(orders), key)
    hall.carry()
    assert ear.take() == []
    hall.say(listener, {"operation": "subscribe", "markets": [hall.market.listing.condition_id]})
    hall.exchange.place(next(orders), key)
    hall.carry()
    assert len(ear.take()) == 1
    hall.say(listener, {"operation": "unsubscribe", "markets": [hall.market.listing.condition_id]})
    hall.exchange.place(next(orders), key)
    hall.carry()
    assert ear.take() == []


@pytest.mark.parametrize("change", [{"secret": "x"}, {"apiKey": "x"}, {"passphrase": "x"}])
def test_a_user_that_proves_no_key_is_ended(change: dict[str, str]) -> None:
    """At its first frame."""
    hall = Hall()
    key = Trader().join(hall.exchange)
    ear, listener = hall.join("user")
    hall.say(listener, {"type": "user", "auth": credentials(key) | change})
    assert ear.ended and ear.ended[0] == 1008


def test_who_left_hears_nothing() -> None:
    """Its key's orders go on."""
    hall = Hall()
    ear, listener, key = a_user(hall)
    hall.subscriptions.leave(listener)
    hall.exchange.place(Trader().limit(key, hall.market.listing.up_token, "BUY", 50_000, 10), key)
    hall.advance(2_000)
    assert ear.take() == []


def test_events_are_made_only_for_keys_that_somebody_listens_with() -> None:
    """Once the key is proved and until the last one leaves; while a fault counts events, for every key."""
    hall = Hall()
    (_, listener, mine), theirs = a_user(hall), Trader(2).join(hall.exchange)
    salts = iter(range(9))

    def told(trader: int, key: Key) -> int:
        order = Trader(trader).limit(key, hall.market.listing.up_token, "BUY", 50_000, 10, salt=next(salts))
        hall.exchange.place(order, key)
        return sum(isinstance(effect, ToUser) for effect in hall.exchange.out.take())

    assert (told(1, mine), told(2, theirs)) == (1, 0)
    hall.exchange.out.through = lambda effect: [effect]
    assert told(2, theirs) == 1
    hall.exchange.out.through = None
    hall.subscriptions.leave(listener)
    assert told(1, mine) == 0


def test_a_user_hears_of_a_delayed_order_before_it_is_placed() -> None:
    """DELAYED at once, what became of it 150 ms later, then its trades."""
    hall = Hall()
    ear, _, key = a_user(hall)
    hall.exchange.place(Trader().limit(key, hall.market.listing.up_token, "BUY", 990_000, 10), key)
    hall.carry()
    hall.advance(200)
    frames = [(frame["event_type"], frame["status"]) for frame in ear.take()]
    assert frames[:2] == [("order", "DELAYED"), ("order", "MATCHED")]
    assert set(frames[2:]) == {("trade", "MATCHED")}


def test_a_user_meets_both_units_of_time_and_blank_fields() -> None:
    """What it cancels is dated in seconds, what the venue cancels in milliseconds, what is killed not at all."""
    hall = Hall()
    ear, _, key = a_user(hall)
    token = hall.market.listing.up_token
    hall.exchange.place(Trader().limit(key, token, "BUY", 50_000, 10, salt=1), key)
    hall.exchange.cancel(list(hall.exchange.orders), key)
    hall.exchange.place(Trader().limit(key, token, "BUY", 50_000, 10, salt=2), key)
    hall.exchange.place(Trader().limit(key, token, "BUY", 50_000, 10, order_type="FOK", salt=3), key)
    hall.exchange.switches.beat(key.api_key, "", 0)
    hall.exchange.sweep(10 * 10**9)
    hall.carry()
    cancelled, killed, swept = (frame for frame in ear.take() if frame.get("type") == "CANCELLATION")
    assert (len(cancelled["created_at"]), len(swept["created_at"])) == (10, 13)
    assert "FOK orders are fully filled or killed" in killed["status"]
    assert (killed["created_at"], killed["size_matched"], killed["outcome"]) == ("", "", "")


def test_a_trade_lives_on_the_user_channel_until_it_is_confirmed_or_failed() -> None:
    """Retried trades too; a failed one gives everything back."""
    hall = Hall(an_exchange(a_day(), (START_S + 20) * 1_000, Rules(failing=0.5)))
    ear, _, key = a_user(hall)
    for salt in range(12):
        hall.exchange.place(Trader().limit(key, hall.market.listing.up_token, "BUY", 990_000, 5, salt=salt), key)
        hall.advance(500)
    hall.advance(70_000)
    lives: dict[str, list[str]] = {}
    for frame in ear.take():
        if frame["event_type"] == "trade":
            lives.setdefault(frame["id"], []).append(frame["status"])
    assert {tuple(life) for life in lives.values()} <= {
        ("MATCHED", "MINED", "CONFIRMED"),
        ("MATCHED", "RETRYING", "FAILED"),
        ("MATCHED", "RETRYING", "MINED", "CONFIRMED"),
    }
    failed = {identity for identity, life in lives.items() if life[-1] == "FAILED"}
    assert failed and failed != set(lives)
    trades = hall.exchange.trades.values()
    held = sum(leg.size_micro for trade in trades if trade.status != "FAILED" for leg in trade.legs)
    spent = sum(leg.cash_micro for trade in trades if trade.status != "FAILED" for leg in trade.legs)
    account = hall.exchange.accounts.get(key.owner)
    assert account.positions == {hall.market.listing.up_token: held}
    assert account.cash_micro == 1_000 * 10**6 + spent
