"""Who listens to what."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from kit.days import START_S, a_day
from kit.venue import Trader, an_exchange

from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.keys import Key
from deploy.rehearsal.markets import Market
from deploy.rehearsal.outbox import Effect, ToEverybody, ToMarket, ToPrices, ToUser
from deploy.rehearsal.subscriptions import ATTEMPTS_MAX, TOKENS_MAX, Listener, Subscriptions

NOW_MS = (START_S + 20) * 1_000
DAY = a_day()


@dataclass
class Ear:
    """A connection that keeps what it was sent."""

    number: int = 1
    frames: list[Any] = field(default_factory=list)
    ended: tuple[int, str] | None = None

    def send(self, frame: bytes) -> None:
        self.frames.append(frame.decode() if frame == b"PONG" else json.loads(frame))

    def end(self, code: int, reason: str) -> None:
        self.ended = (code, reason)

    def take(self) -> list[Any]:
        frames, self.frames = self.frames, []
        return frames


@dataclass
class Hall:
    """An exchange with its subscriptions."""

    exchange: Exchange = field(default_factory=lambda: an_exchange(DAY, NOW_MS))

    def __post_init__(self) -> None:
        self.subscriptions = Subscriptions(self.exchange)
        self.exchange.out.take()

    @property
    def market(self) -> Market:
        return self.exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]

    def join(self, channel: str) -> tuple[Ear, Listener]:
        ear = Ear()
        return ear, self.subscriptions.join(channel, ear)

    def say(self, listener: Listener, frame: Any) -> None:
        self.subscriptions.heard(listener, frame if isinstance(frame, str) else json.dumps(frame))

    def carry(self, *kinds: type[Effect]) -> None:
        """Bring what the exchange said to its listeners."""
        ways = {
            ToMarket: self.subscriptions.to_market,
            ToEverybody: self.subscriptions.to_everybody,
            ToUser: self.subscriptions.to_user,
            ToPrices: self.subscriptions.to_prices,
        }
        for effect in self.exchange.out.take():
            if type(effect) in ways:
                ways[type(effect)](effect)  # type: ignore[operator]

    def advance(self, milliseconds: int) -> None:
        self.exchange.advance(self.exchange.now_ms + milliseconds)
        self.carry()


def credentials(key: Key) -> dict[str, str]:
    return {"apiKey": key.api_key, "secret": key.secret, "passphrase": key.passphrase}


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


# The price channel.


def a_reader(hall: Hall) -> tuple[Ear, Listener]:
    key = Trader().join(hall.exchange)
    ear, listener = hall.join("prices")
    hall.say(listener, {"op": "auth", "rid": "a1", "auth": credentials(key)})
    assert ear.take() == [{"op": "authed", "rid": "a1"}]
    return ear, listener


def wish(channel: str = "price.crypto.twap", symbol: str = "btcusd", window: Any = 60) -> dict[str, Any]:
    found = {"symbol": symbol} | ({"window_seconds": window} if window else {})
    return {"channel": channel, "filter": found}


def test_a_price_reader_gets_two_minutes_then_every_point() -> None:
    """Numbered for each channel, snapshot first."""
    hall = Hall()
    ear, listener = a_reader(hall)
    hall.say(listener, {"op": "subscribe", "rid": "s1", "subscriptions": [wish(), wish("price.crypto", window=0)]})
    replies = ear.take()
    assert replies[0] == {"op": "subscribed", "channel": "price.crypto.twap", "rid": "s1"}
    assert (replies[1]["seq"], replies[1]["snapshot"], len(replies[1]["payload"]["data"])) == (1, True, 120)
    assert replies[2]["channel"] == replies[3]["channel"] == "price.crypto"
    hall.advance(5_000)
    frames = ear.take()
    assert [frame["seq"] for frame in frames if frame["channel"] == "price.crypto.twap"] == [2, 3, 4, 5, 6]
    assert all(frame["payload"]["window_seconds"] == 60 for frame in frames if "twap" in frame["channel"])
    assert all("window_seconds" not in frame["payload"] for frame in frames if frame["channel"] == "price.crypto")


def test_an_unsubscribed_price_is_heard_no_more() -> None:
    """The other one goes on."""
    hall = Hall()
    ear, listener = a_reader(hall)
    hall.say(listener, {"op": "subscribe", "subscriptions": [wish(), wish("price.crypto", window=0)]})
    ear.take()
    hall.say(listener, {"op": "unsubscribe", "rid": "u", "subscriptions": [wish()]})
    assert ear.take() == [{"op": "unsubscribed", "channel": "price.crypto.twap", "rid": "u"}]
    hall.advance(2_000)
    assert {frame["channel"] for frame in ear.take()} == {"price.crypto"}


def test_prices_are_for_proved_keys() -> None:
    """Each refused subscription is told by itself."""
    hall = Hall()
    ear, listener = hall.join("prices")
    hall.say(listener, {"op": "subscribe", "rid": "s1", "subscriptions": [wish()]})
    assert ear.take() == [{"op": "error", "channel": "price.crypto.twap", "rid": "s1", "code": "auth_required"}]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (wish("price.equity"), "bad_channel"),
        (wish(window=45), "bad_filter"),
        (wish(window=0), "bad_filter"),
        (wish(window="60"), "bad_filter"),
        (wish("price.crypto", window=60), "bad_filter"),
        (wish(symbol=""), "bad_filter"),
    ],
)
def test_a_price_that_does_not_exist_is_refused(asked: dict[str, Any], code: str) -> None:
    """With the code production has for it."""
    hall = Hall()
    ear, listener = a_reader(hall)
    hall.say(listener, {"op": "subscribe", "subscriptions": [asked]})
    assert ear.take()[0]["code"] == code


def test_a_reader_has_a_bound_on_its_prices() -> None:
    """The sixty-fifth is refused."""
    hall = Hall()
    ear, listener = a_reader(hall)
    asked = [wish("price.crypto", f"coin{number}usd", 0) for number in range(65)]
    hall.say(listener, {"op": "subscribe", "subscriptions": asked})
    assert [frame["code"] for frame in ear.take() if frame.get("op") == "error"] == ["sub_limit"]


def test_wrong_credentials_are_told_and_too_many_end_it() -> None:
    """Eight tries."""
    hall = Hall()
    ear, listener = hall.join("prices")
    for _ in range(ATTEMPTS_MAX + 1):
        hall.say(listener, {"op": "auth", "rid": "a", "auth": {"apiKey": "x"}})
    codes = [frame["code"] for frame in ear.take()]
    assert codes == ["auth_invalid"] * ATTEMPTS_MAX + ["auth_attempts"]
    assert ear.ended and ear.ended[0] == 4001


def test_the_price_channel_answers_pings_and_nonsense() -> None:
    """With pong, and with an error by name."""
    hall = Hall()
    ear, listener = hall.join("prices")
    hall.say(listener, {"op": "ping", "rid": "p1"})
    hall.say(listener, {"op": "dance", "rid": "d"})
    hall.say(listener, "{")
    assert ear.take() == [
        {"op": "pong", "rid": "p1"},
        {"op": "error", "rid": "d", "code": "bad_op"},
        {"op": "error", "code": "bad_op"},
    ]


def test_who_left_hears_nothing() -> None:
    """On any channel."""
    hall = Hall()
    (user, first, key), (reader, second) = a_user(hall), a_reader(hall)
    hall.say(second, {"op": "subscribe", "subscriptions": [wish()]})
    reader.take()
    hall.subscriptions.leave(first)
    hall.subscriptions.leave(second)
    hall.exchange.place(Trader().limit(key, hall.market.listing.up_token, "BUY", 50_000, 10), key)
    hall.advance(2_000)
    assert (user.take(), reader.take()) == ([], [])
