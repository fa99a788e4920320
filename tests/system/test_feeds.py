"""Channels of the exchange that break or fall silent: connected again, the gap named, what was missed made up for."""

from __future__ import annotations

import pytest
from kit.desks import Desk, a_desk, eventually
from kit.meddler import Meddler

from shared import entries as e

pytestmark = pytest.mark.system


@pytest.mark.parametrize("channel", ["market", "user", "prices"])
def test_a_channel_that_breaks_is_connected_again(channel: str) -> None:
    """While it is away entries are closed and ticks are answered; its gap has a beginning, an end and a cause."""
    with Meddler() as meddler, a_desk(meddler=meddler) as desk:
        meddler.refuse(channel)
        desk.until(lambda s: s["feeds"][channel], "word of the lost channel")
        desk.until_decided(10)
        meddler.accept(channel)
        desk.until(lambda s: not any(s["feeds"].values()), "every channel to be there")
        gap = eventually(lambda: [gap for gap in desk.said_by(e.Gap) if gap.what == channel], "the end of the gap")[0]
        assert gap.from_ns < gap.to_ns
        assert gap.cause
        desk.until_decided()
        verdict = desk.judged(reconnects=reconnects(desk, channel))
    assert not verdict.skipped


def test_a_fill_that_was_not_told_is_found_when_the_channel_is_back() -> None:
    """The user channel is mute while a resting order fills, then breaks: the fill is booked once, the cash right."""
    with Meddler() as meddler, a_desk(meddler=meddler) as desk:
        meddler.stall("user")
        untold = eventually(lambda: missed(desk), "a fill nobody told us of")
        meddler.cut("user")
        meddler.flow("user")
        eventually(lambda: not untold & missed(desk), "the fill in the journal")
        desk.until_decided()
        desk.judged(reconnects=1)


def missed(desk: Desk) -> set[str]:
    """Trades in which an order of ours filled that rested, and which the journal does not have."""
    resting = {placing.order_id for placing in desk.said_by(e.Placing) if placing.kind == "GTC"}
    booked = {fill.trade_id for fill in desk.said_by(e.Fill)}
    trades = desk.venue_lines("trade")
    ours = {trade["trade_id"] for trade in trades if any(leg["order_id"] in resting for leg in trade["legs"])}
    return ours - booked


def reconnects(desk: Desk, channel: str) -> int:
    """How often a channel was connected after the first time, as the venue saw it."""
    return (
        sum(
            line["channel"] == channel and line["agent"].startswith("foresight/")
            for line in desk.venue_lines("connect")
        )
        - 1
    )
