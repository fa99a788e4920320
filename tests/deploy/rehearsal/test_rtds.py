"""The older, public socket of reference prices, with its traps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kit.hall import Ear, Hall
from kit.shared_data import POLYMARKET
from polymarket.models.rtds_events import parse_rtds_event

from deploy.rehearsal.subscriptions import Listener


def topic(name: str, symbol: str = "", between: str = "") -> dict[str, str]:
    """One subscription. between: what stands after the colon of its filter."""
    found = {"topic": name, "type": "update"}
    return found | ({"filters": f'{{"symbol":{between}"{symbol}"}}'} if symbol else {})


def a_reader(hall: Hall, *topics: dict[str, str], action: str = "subscribe") -> tuple[Ear, Listener]:
    ear, listener = hall.join("rtds")
    hall.say(listener, {"action": action, "subscriptions": list(topics)})
    return ear, listener


def test_the_first_answer_is_history_and_chainlinks_is_mislabelled() -> None:
    """Updates then come under the right name."""
    hall = Hall()
    ear, _ = a_reader(hall, topic("crypto_prices_chainlink", "btc/usd"))
    (first,) = ear.take()
    assert (first["topic"], first["type"], first["payload"]["symbol"]) == ("crypto_prices", "subscribe", "btc/usd")
    assert len(first["payload"]["data"]) == 120
    hall.advance(2_000)
    updates = ear.take()
    assert [(frame["topic"], frame["type"]) for frame in updates] == [("crypto_prices_chainlink", "update")] * 2
    assert {frame["timestamp"] - frame["payload"]["timestamp"] for frame in updates} == {1_600}


def test_the_exact_value_is_an_integer_here() -> None:
    """1e-18 dollars, where the newer socket writes a decimal; the mean says over how many seconds."""
    hall = Hall()
    ear, _ = a_reader(hall, topic("crypto_prices_twap_sixty", "btc/usd"))
    ear.take()
    hall.advance(1_000)
    (update,) = ear.take()
    assert update["payload"]["window_s"] == 60
    assert abs(int(update["payload"]["full_accuracy_value"]) / 10**18 - update["payload"]["value"]) < 1e-6
    assert parse_rtds_event(update).payload.window_seconds == 60


def test_binance_prices_come_every_second() -> None:
    """Under their own symbols, with eight places."""
    hall = Hall()
    ear, _ = a_reader(hall, topic("crypto_prices", "btcusdt"))
    (history,) = ear.take()
    assert len(history["payload"]["data"]) == 120
    hall.advance(3_500)
    updates = ear.take()
    assert [frame["payload"]["timestamp"] % 1_000 for frame in updates] == [0, 0, 0]
    assert {frame["timestamp"] - frame["payload"]["timestamp"] for frame in updates} == {142}
    assert {len(frame["payload"]["full_accuracy_value"].partition(".")[2]) for frame in updates} == {8}


def test_without_a_filter_every_symbol_is_heard_and_no_history() -> None:
    """As the official client subscribes."""
    hall = Hall()
    ear, _ = a_reader(hall, topic("crypto_prices"), topic("crypto_prices_chainlink"))
    assert ear.take() == []
    hall.advance(2_000)
    assert {frame["topic"] for frame in ear.take()} == {"crypto_prices", "crypto_prices_chainlink"}


def test_a_space_in_the_filter_stops_updates() -> None:
    """History comes all the same, so it looks as if it worked."""
    hall = Hall()
    ear, _ = a_reader(hall, topic("crypto_prices_chainlink", "btc/usd", between=" "))
    assert [frame["type"] for frame in ear.take()] == ["subscribe"]
    hall.advance(3_000)
    assert ear.take() == []


def test_one_unknown_topic_spoils_the_whole_frame() -> None:
    """In silence."""
    hall = Hall()
    ear, _ = a_reader(hall, topic("crypto_prices_chainlink", "btc/usd"), topic("crypto_price"))
    hall.advance(3_000)
    assert ear.take() == []


@pytest.mark.parametrize("frame", ["PING", "{", "[]", '{"action":"dance"}', '{"action":"subscribe","subscriptions":5}'])
def test_ping_and_nonsense_get_no_answer(frame: str) -> None:
    """Not even PONG."""
    hall = Hall()
    ear, listener = hall.join("rtds")
    hall.say(listener, frame)
    assert (ear.take(), ear.ended) == ([], None)


def test_an_unsubscribed_topic_is_heard_no_more() -> None:
    """And who left neither."""
    hall = Hall()
    (ear, listener), (gone, other) = (a_reader(hall, topic("crypto_prices_chainlink")) for _ in range(2))
    hall.say(listener, {"action": "unsubscribe", "subscriptions": [topic("crypto_prices_chainlink")]})
    hall.subscriptions.leave(other)
    hall.advance(2_000)
    assert (ear.take(), gone.take()) == ([], [])


if POLYMARKET:
    SAMPLES = POLYMARKET

    @pytest.mark.parametrize(
        ("name", "wanted", "kind"),
        [
            ("nt_rtds_crypto_prices_subscribe.json", topic("crypto_prices", "btcusdt"), "subscribe"),
            ("nt_rtds_crypto_prices_update.json", topic("crypto_prices", "btcusdt"), "update"),
            ("doc_rtds_twap_update.json", topic("crypto_prices_twap_sixty", "btc/usd"), "update"),
        ],
    )
    def test_our_frames_have_the_captured_fields(name: str, wanted: dict[str, str], kind: str) -> None:
        """Those of the payload too; the opaque connection id is not in every capture."""
        captured: Any = json.loads((SAMPLES / name).read_text())
        captured = captured[-1] if isinstance(captured, list) else captured
        hall = Hall()
        ear, _ = a_reader(hall, wanted)
        hall.advance(2_000)
        ours = next(frame for frame in ear.take() if frame["type"] == kind)
        assert set(ours) - {"connection_id"} == set(captured) - {"connection_id"}
        assert set(ours["payload"]) == set(captured["payload"])
        assert ours["topic"] == captured["topic"]
