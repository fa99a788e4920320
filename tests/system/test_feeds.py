"""Channels of the exchange that break or fall silent: connected again, the gap named, what was missed made up for."""

from __future__ import annotations

from typing import Final

import pytest
from kit.desks import TWO_ASSETS, Desk, a_desk, eventually
from kit.meddler import Meddler
from kit.misbehaving import steer

from shared import entries as e

pytestmark = pytest.mark.system


@pytest.mark.parametrize("channel", ["market", "user", "prices"])
def test_a_channel_that_breaks_is_connected_again(channel: str) -> None:
    """While it is away entries are closed and ticks are answered; its gap has a beginning, an end and a cause."""
    with Meddler() as meddler, a_desk(meddler=meddler, unhurried=True) as desk:
        meddler.refuse(channel)
        desk.until(lambda s: s["feeds"][channel], "word of the lost channel")
        desk.until_decided(10)
        meddler.accept(channel)
        desk.until(lambda s: not any(s["feeds"].values()), "every channel to be there")
        gap = eventually(lambda: [gap for gap in desk.said_by(e.Gap) if gap.what == channel], "the end of the gap")[0]
        assert gap.from_ns < gap.to_ns
        assert gap.cause
        desk.until_decided()
        assert not desk.unpaid(desk.judged(reconnects=reconnects(desk, channel)))


MUTE_FOR_LONG: Final = f"{TWO_ASSETS}[venue]\nblind_s = 600\nreconcile_s = 600\n"
"""However long it takes until an order that rests has filled, the desk neither gives the channel up nor asks for it."""


def test_a_fill_that_was_not_told_is_found_when_the_channel_is_back() -> None:
    """The user channel is mute while a resting order fills, then breaks: the fill is booked once, the cash right."""
    with Meddler() as meddler, a_desk(meddler=meddler, settings=MUTE_FOR_LONG, unhurried=True) as desk:
        meddler.stall("user")
        told = filled(desk)
        untold = eventually(lambda: filled(desk) - told, "a fill nobody told us of")
        meddler.cut("user")
        meddler.flow("user")
        eventually(lambda: untold <= booked(desk), "the fill in the journal")
        desk.until_decided()
        desk.judged(reconnects=1)


def filled(desk: Desk) -> set[str]:
    """Trades in which an order of ours filled that rested, as the venue has them."""
    trades = desk.venue_lines("trade")
    resting = {placing.order_id for placing in desk.said_by(e.Placing) if placing.kind == "GTC"}
    return {trade["trade_id"] for trade in trades if any(leg["order_id"] in resting for leg in trade["legs"])}


def booked(desk: Desk) -> set[str]:
    """Trades that the journal has."""
    return {fill.trade_id for fill in desk.said_by(e.Fill)}


def reconnects(desk: Desk, channel: str) -> int:
    """How often a channel was connected after the first time, as the venue saw it."""
    return (
        sum(
            line["channel"] == channel and line["agent"].startswith("foresight/")
            for line in desk.venue_lines("connect")
        )
        - 1
    )


BLIND_SOON = f"{TWO_ASSETS}[venue]\nblind_s = 5.0\n"
"""Sooner than by itself, and not so soon that a busy machine makes it so: a word comes every second or two."""


def alarms(desk: Desk, name: str) -> int:
    """How often there was an alarm of that name."""
    return sum(alarm.name == name for alarm in desk.said_by(e.Alarm))


def test_a_user_channel_that_answers_pings_and_tells_nothing_is_not_believed() -> None:
    """Orders are taken and it says no word of them: entries close, it is connected anew, and the desk trades on."""
    with a_desk(settings=BLIND_SOON, unhurried=True) as desk:
        steer(desk.where, "POST", "", {"kind": "silence", "channel": "user", "for_s": 0})
        eventually(lambda: alarms(desk, "user_feed_blind"), "the alarm")
        gaps = eventually(lambda: [gap for gap in desk.said_by(e.Gap) if gap.what == "user"], "a new connection")
        assert "of an order that the venue took" in gaps[0].cause
        steer(desk.where, "DELETE")
        desk.until(lambda status: not any(status["feeds"].values()), "every channel")
        placed = len(desk.said_by(e.Placing))
        eventually(lambda: len(desk.said_by(e.Placing)) > placed, "an order after it")
        desk.judged()


def test_a_heartbeat_that_is_not_taken_closes_entries_until_one_is() -> None:
    """One alarm; no bid is placed meanwhile; it is over before the venue gives us up."""
    with a_desk(unhurried=True) as desk:
        before = alarms(desk, "heartbeat_missed")
        steer(desk.where, "POST", "", {"kind": "refuse", "route": "heartbeat", "status": 500, "for_s": 0})
        eventually(lambda: alarms(desk, "heartbeat_missed") > before, "the alarm")
        bought = sum(placing.side == "BUY" for placing in desk.said_by(e.Placing))
        desk.until_decided(10)
        assert sum(placing.side == "BUY" for placing in desk.said_by(e.Placing)) == bought
        assert alarms(desk, "heartbeat_missed") == before + 1
        steer(desk.where, "DELETE")
        eventually(lambda: sum(p.side == "BUY" for p in desk.said_by(e.Placing)) > bought, "a bid after it")
        desk.judged(lapsed=True)
