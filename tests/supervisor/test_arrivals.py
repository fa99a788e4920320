"""What arrives: each kind told to the part of the desk it concerns, and what breaks its shape told as that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args
from unittest.mock import MagicMock, call

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.deaths import KILLED
from kit.listening import FEEDS, Listening
from kit.recordings import API_KEY, malformed, names, recording

from shared import messages as m
from supervisor.arrivals import _FROM_WORKER, KIND_MAX, KINDS_MAX, Arrivals
from supervisor.catching_up import RECHECK_S
from supervisor.effects import CatchUp, Moment, Tell
from supervisor.venue.market import parse_market_frame
from supervisor.venue.prices import Price, parse_price_frame
from supervisor.venue.user import TradeLeg, parse_user_frame

NOW = Moment(7, 8)
WELCOME = m.Welcome(1, "stream", "tape", "ledger")
HELLO = m.Hello((1, 1), "w1", 0, "r", 900, ())


class Door:
    """Where things arrive at a desk that remembers what it was told."""

    def __init__(self) -> None:
        self.desk, self.turns = MagicMock(), 0
        self.desk.operations.on_hello.return_value = ""
        self.desk.board.effects = []
        self.arrivals = Arrivals(self.desk, self.turn, own_key=lambda: API_KEY, welcome=lambda protocol: WELCOME)

    @contextmanager
    def turn(self) -> Iterator[Moment]:
        self.turns += 1
        yield NOW

    @property
    def bad(self) -> list[tuple[Any, ...]]:
        """What was told to be no frame: the feeds and the reasons."""
        return [told.args[1:] for told in self.desk.markets.on_bad_frame.call_args_list]


@pytest.mark.parametrize("name", names("market_"))
def test_a_market_frame_is_told_to_the_markets(name: str) -> None:
    """As its parser reads it, in one turn."""
    door = Door()
    door.arrivals.on_market_frame(recording(name))
    door.desk.markets.on_market.assert_called_once_with(NOW, parse_market_frame(recording(name)))
    assert (door.turns, door.bad) == (1, [])


def test_prices_are_told_to_the_markets() -> None:
    """Updates and snapshots alike."""
    for name in ("price_update", "price_snapshot"):
        door = Door()
        door.arrivals.on_price_frame(recording(name))
        prices = [price for price in parse_price_frame(recording(name)) if isinstance(price, Price)]
        door.desk.markets.on_prices.assert_called_once_with(NOW, prices)


def test_what_the_price_channel_says_of_itself_is_no_price() -> None:
    """Its errors are alarms as well, the rest is only counted."""
    door = Door()
    for name in ("price_authed", "price_subscribed", "price_pong", "price_error"):
        door.arrivals.on_price_frame(recording(name))
    door.desk.markets.on_prices.assert_not_called()
    assert [told.args[0] for told in door.desk.board.alarm.call_args_list] == ["price_channel"]
    counted = [told.args[0] for told in door.desk.board.count.call_args_list]
    assert counted == [f"ignored:prices:{op}" for op in ("authed", "subscribed", "pong", "error")]
    assert door.bad == []


@pytest.mark.parametrize("name", names("user_"))
def test_user_frames_are_told_to_executions(name: str) -> None:
    """Our legs of trades, and what became of our orders: each once and in order."""
    door = Door()
    door.arrivals.on_user_frame(recording(name))
    events = parse_user_frame(recording(name), API_KEY)
    told = [call.on_leg(NOW, e) if isinstance(e, TradeLeg) else call.on_report(NOW, e) for e in events]
    assert door.desk.executions.mock_calls == told
    assert door.turns == 1


@pytest.mark.parametrize("frame", [b"", b"hello", b"{", b"\xff", b"[" * 100_000, b'{"event_type":7}', b"[7]"])
def test_what_cannot_be_read_is_told_as_that_and_changes_nothing_else(frame: bytes) -> None:
    """With the feed it came from, on each of them."""
    door = Door()
    for feed, arrive in (
        ("market", door.arrivals.on_market_frame),
        ("prices", door.arrivals.on_price_frame),
        ("user", door.arrivals.on_user_frame),
    ):
        arrive(frame)
        told = [reason for name, reason in door.bad if name == feed]
        assert len(told) <= 1
        assert all(told)
    assert door.bad
    assert not door.desk.executions.mock_calls
    assert not door.desk.markets.on_prices.mock_calls


@pytest.mark.parametrize("feed", FEEDS)
@given(data=st.data())
def test_no_frame_crashes_the_desk_or_is_dropped_in_silence(feed: str, data: st.DataObject) -> None:
    """Whatever comes ends as events, as a counted name, or as a bad frame that changed nothing; the desk goes on."""
    listening = Listening()
    frame = data.draw(malformed(feed.removesuffix("s")))
    ended = listening.hear(feed, frame)
    assert ended
    assert "bad frame" not in ended or ended == {"bad frame"}
    listening.still.jump(0.5)


def test_names_the_venue_invents_do_not_fill_the_memory() -> None:
    """They are cut, and from so many on they are counted together."""
    listening = Listening()
    for number in range(2 * KINDS_MAX):
        listening.hear("market", b'{"event_type":"kind %d %s"}' % (number, b"x" * 10_000))
    names = [name for name in listening.counters if name.startswith("ignored:")]
    assert len(names) == KINDS_MAX + 1
    assert max(map(len, names)) <= KIND_MAX + len("ignored:market:")
    assert listening.counters["ignored:market:others"] == KINDS_MAX


def test_what_a_bad_user_frame_may_have_told_is_asked_for() -> None:
    """At the next look, by a question that was asked after it; until then a trade may be one that nobody heard of."""
    listening = Listening()
    still = listening.still
    still.jump(RECHECK_S + 0.1)
    assert still.wanted(CatchUp) == []
    listening.hear("user", b'{"event_type":7}')
    heard_ns = still.at_ns
    assert not still.desk.catching_up.knows(heard_ns)
    still.jump(RECHECK_S + 0.1)
    assert len(still.wanted(CatchUp)) == 1
    still.jump(0.1)
    listening.hear("user", b"{")
    still.caught_up()
    assert not still.desk.catching_up.knows(still.at_ns), "the second came after the question"
    still.jump(RECHECK_S + 0.1)
    still.caught_up()
    assert still.desk.catching_up.knows(still.at_ns)


def test_a_feed_that_comes_and_goes_is_told_with_its_reason() -> None:
    """By name."""
    door = Door()
    tell = door.arrivals.there("user")
    tell("closed by the venue", "venue")
    tell("", "unknown")
    assert door.desk.markets.mock_calls == [
        call.on_feed(NOW, "user", "closed by the venue", "venue"),
        call.on_feed(NOW, "user", "", "unknown"),
    ]


def test_a_greeting_is_answered_with_where_to_listen() -> None:
    """Through the desk, after it has said yes."""
    door = Door()
    door.arrivals.on_worker("w1", 42, HELLO)
    door.desk.operations.on_hello.assert_called_once_with(NOW, "w1", HELLO, 42)
    assert door.desk.board.effects == [Tell("w1", WELCOME)]


def test_a_worker_that_cannot_be_talked_to_is_fenced() -> None:
    """Its protocol is another, or the desk does not expect it: no welcome."""
    door = Door()
    stranger = m.Hello((7, 9), "w1", 0, "r", 900, ())
    door.arrivals.on_worker("w1", 42, stranger)
    door.desk.operations.on_hello.return_value = "another release was expected"
    door.arrivals.on_worker("w2", 43, HELLO)
    fenced = [told.args for told in door.desk.operations.fence.call_args_list]
    assert fenced == [("w1", "they speak 7 to 9, we speak 1 to 1"), ("w2", "another release was expected")]
    assert door.desk.operations.on_hello.call_count == 1
    assert door.desk.board.effects == []


MESSAGES: list[tuple[m.FromWorker, str]] = [
    (m.Decided("s", 1, 2, 3, 4, "p", 5, m.Decision((), {})), "decisions.on_decided"),
    (m.Ready(1, 2, 3, "x"), "operations.on_ready"),
    (m.Beating(1, 2, 3), "operations.on_beat"),
    (m.Hole(1, 2), "operations.on_hole"),
    (m.Differs("s", 1, 2, "x"), "on_differs"),
    (m.Attested("r", ()), "operations.on_attested"),
]


@pytest.mark.parametrize(("message", "handler"), MESSAGES, ids=lambda value: type(value).__name__)
def test_each_message_of_a_worker_has_one_that_hears_it(message: m.FromWorker, handler: str) -> None:
    """With the moment and the worker it came from."""
    door = Door()
    door.arrivals.on_worker("w1", 42, message)
    assert door.desk.mock_calls == [getattr(call, handler)(NOW, "w1", message)]
    assert door.turns == 1


def test_no_message_of_a_worker_is_without_a_handler() -> None:
    """Greetings are answered here, last words are kept for the death; all others are in the table."""
    assert set(_FROM_WORKER) | {m.Hello, m.LastWords} == set(get_args(m.FromWorker))


def test_breaches_and_deaths_are_told_with_their_reasons() -> None:
    """To operations."""
    door = Door()
    door.arrivals.on_breach("w1", "frame of 7 bytes")
    door.arrivals.on_worker_lost("w1", KILLED)
    told = [call.on_breach(NOW, "w1", "frame of 7 bytes"), call.on_lost(NOW, "w1", KILLED)]
    assert door.desk.operations.mock_calls == told
