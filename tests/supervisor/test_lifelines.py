"""Heartbeats that are not taken, and a user channel that is there and tells nothing."""

from __future__ import annotations

import pytest
from kit.still_desk import BTC, StillDesk, a_trading_desk, buy

from shared import entries as e
from shared.clock import NS
from supervisor import effects as fx
from supervisor.lifelines import Lifelines
from supervisor.venue.requests import Answer

BEAT_S, BLIND_S = 8.0, 10.0


def lines() -> Lifelines:
    """Nothing was sent or heard yet."""
    return Lifelines(BEAT_S, BLIND_S)


def entries(still: StillDesk) -> str:
    """Why entries are closed."""
    return still.desk.board.entries_closed(still.desk.board.lane_of[BTC])


def alarms(still: StillDesk) -> list[str]:
    """The names of the alarms, in order."""
    return [alarm.name for alarm in still.said(e.Alarm)]


def test_before_the_first_beat_and_the_first_order_nothing_is_missed() -> None:
    """Whenever somebody looks."""
    for mono_ns in (0, 1, 10**18):
        assert (lines().missed(mono_ns), lines().blind(mono_ns)) == ("", "")


def test_a_beat_that_failed_is_missed_at_once_and_until_the_next_good_one() -> None:
    """With what the venue said."""
    lost = lines()
    lost.beat(5 * NS, "HTTP 500")
    assert lost.missed(5 * NS) == "HTTP 500"
    lost.beat(6 * NS, "")
    assert not lost.missed(6 * NS)


@pytest.mark.parametrize(("after_s", "why"), [(8.0, ""), (8.5, "none was taken for 8.5 s")])
def test_a_beat_that_does_not_come_is_missed_too(after_s: float, why: str) -> None:
    """A loop that stands still sends none and says so afterwards."""
    late = lines()
    late.beat(100 * NS, "")
    assert late.missed(100 * NS + round(after_s * NS)) == why


def test_an_order_that_was_taken_is_owed_a_word() -> None:
    """Any word of ours will do, also one that came before the answer; a new connection is believed again."""
    owed = lines()
    owed.owe(20 * NS, sent_ns=19 * NS)
    assert not owed.blind(30 * NS)
    assert owed.blind(31 * NS) == "no word for 11.0 s of an order that the venue took"
    owed.owe(32 * NS, sent_ns=32 * NS)
    assert owed.blind(33 * NS).startswith("no word for 13.0 s")
    owed.hear(34 * NS)
    assert not owed.blind(99 * NS)
    owed.owe(35 * NS, sent_ns=33 * NS)
    assert not owed.blind(99 * NS)


def test_a_missed_beat_closes_entries_and_is_an_alarm_once() -> None:
    """Until one is taken again; exits and cancels go on."""
    still = a_trading_desk()
    still.do(still.desk.on_beat, "")
    assert entries(still) == ""
    for _ in range(3):
        still.jump(1)
        still.do(still.desk.on_beat, "HTTP 500")
    assert (entries(still), alarms(still)) == ("heartbeat_missed", ["heartbeat_missed"])
    assert still.desk.board.halted(BTC) == ""
    still.do(still.desk.on_beat, "")
    assert entries(still) == ""
    still.do(still.desk.on_beat, "HTTP 500")
    assert alarms(still) == ["heartbeat_missed"] * 2


def test_a_user_channel_that_tells_nothing_closes_entries_and_is_connected_anew() -> None:
    """It is connected and answers pings; that the venue took an order and it said no word of it shows the truth."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(470_000))
    order_id = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order_id, Answer("accepted", "live", order_id), 900)
    for _ in range(11):
        still.jump(1)
        still.price()
    assert (entries(still), alarms(still)) == ("user_feed_blind", ["user_feed_blind"])
    assert len(still.wanted(fx.Reconnect)) == 1
    still.do(still.desk.markets.on_feed, "user", "closed by us")
    assert entries(still) == "user_feed_down"
    still.do(still.desk.markets.on_feed, "user", "")
    assert entries(still) == ""
