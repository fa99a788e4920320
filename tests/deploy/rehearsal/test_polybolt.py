"""The keyed socket of reference prices."""

from __future__ import annotations

from typing import Any

import pytest
from kit.hall import Ear, Hall, credentials
from kit.venue import Trader

from deploy.rehearsal.polybolt import ATTEMPTS_MAX, BACKLOG_MAX, FRAMES_MAX
from deploy.rehearsal.subscriptions import Listener


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
    reader, listener = a_reader(hall)
    hall.say(listener, {"op": "subscribe", "subscriptions": [wish()]})
    reader.take()
    hall.subscriptions.leave(listener)
    hall.advance(2_000)
    assert reader.take() == []


def test_pyth_is_another_source_with_a_price_of_its_own() -> None:
    """Near Chainlink's, named in every payload; an unknown provider is refused."""
    hall = Hall()
    ear, listener = a_reader(hall)
    asked = [wish("price.crypto", window=0), wish("price.crypto", window=0), wish("price.crypto", window=0)]
    asked[1]["filter"]["provider"], asked[2]["filter"]["provider"] = "pyth", "kaiko"
    hall.say(listener, {"op": "subscribe", "subscriptions": asked})
    assert [frame["code"] for frame in ear.take() if frame.get("op") == "error"] == ["bad_filter"]
    hall.advance(1_000)
    chainlink, pyth = (frame["payload"] for frame in ear.take())
    assert (chainlink["source"], pyth["source"], chainlink["timestamp"]) == ("chainlink", "pyth", pyth["timestamp"])
    assert 0 < abs(pyth["value"] / chainlink["value"] - 1) < 1.1e-5


def test_a_hasty_subscriber_is_told_and_ended() -> None:
    """Twenty subscribe frames a second, then no more."""
    hall = Hall()
    ear, listener = a_reader(hall)
    for _ in range(FRAMES_MAX):
        hall.say(listener, {"op": "subscribe", "subscriptions": []})
    assert ear.ended is None
    hall.say(listener, {"op": "subscribe", "rid": "s", "subscriptions": [wish()]})
    assert (ear.take(), ear.ended) == ([{"op": "error", "rid": "s", "code": "rate_limited"}], (4008, "rate_limited"))


def test_a_slow_reader_misses_prices_and_is_told_how_many() -> None:
    """The numbers show it as well."""
    hall = Hall()
    ear, listener = a_reader(hall)
    hall.say(listener, {"op": "subscribe", "subscriptions": [wish()]})
    ear.take()
    ear.backlog = BACKLOG_MAX + 1
    hall.advance(3_000)
    assert ear.take() == []
    ear.backlog = 0
    hall.advance(2_000)
    assert [(frame["seq"], frame.get("dropped")) for frame in ear.take()] == [(5, 3), (6, None)]


def test_keys_that_cannot_be_looked_up_now_are_another_matter_than_wrong_ones() -> None:
    """The reader may come again."""
    hall = Hall()
    hall.subscriptions.polybolt.unavailable = True
    ear, listener = hall.join("prices")
    hall.say(listener, {"op": "auth", "auth": credentials(Trader().join(hall.exchange))})
    assert (ear.take(), ear.ended) == ([{"op": "error", "code": "auth_unavailable"}], None)


def test_prices_are_as_old_as_in_the_day() -> None:
    """Each point is sent when it arrived at the recorder: its age is the recording's, and so are its gaps."""
    hall = Hall()
    ear, listener = a_reader(hall)
    hall.say(listener, {"op": "subscribe", "subscriptions": [wish("price.crypto", window=0)]})
    ear.take()
    hall.advance(3_000)
    assert {frame["ts"] - frame["payload"]["timestamp"] for frame in ear.take()} == {1_600}
