"""Who listens to what."""

from __future__ import annotations

from typing import Any

import pytest
from kit.days import START_S
from kit.hall import Ear, Hall, credentials
from kit.venue import Trader, an_exchange

from deploy.rehearsal.keys import Key
from deploy.rehearsal.outbox import ToEverybody
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
    kinds = [{frame["event_type"] for frame in ear.take()} for ear in (plain, custom, deaf)]
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
