"""A real desk that may not trade any more as it did: the venue says so by its own pages, and the desk holds to it."""

from __future__ import annotations

from typing import Any

import pytest
from kit.desks import TWO_ASSETS, Desk, a_desk, eventually
from kit.misbehaving import steer

from shared import entries as e

pytestmark = pytest.mark.system
ASKED_OFTEN = f"{TWO_ASSETS}[venue]\nstanding_s = 0.5\n"
"""An hour is long for a test."""


def begin(desk: Desk, kind: str, **arguments: Any) -> int:
    """Let the venue say it; the fault's number."""
    said = steer(desk.where, "POST", "", {"kind": kind, "for_s": 0, **arguments})
    return int(said["fault"]["number"])


def alarms(desk: Desk) -> list[str]:
    """Names of the alarms so far."""
    return [alarm.name for alarm in desk.said_by(e.Alarm)]


def placed(desk: Desk, side: str) -> int:
    """How many orders of a side it has decided on."""
    return sum(placing.side == side for placing in desk.said_by(e.Placing))


def test_where_nobody_may_trade_no_order_is_sent() -> None:
    """What rests is cancelled; decisions go on, and orders when it is over."""
    with a_desk(settings=ASKED_OFTEN) as desk:
        begin(desk, "geoblock", country="FR")
        desk.until(lambda status: status["standing"] == "blocked in FR/L" and not status["orders"], "nothing rests")
        sent = len(desk.venue_lines("order"))
        desk.until_decided(30)
        assert len(desk.venue_lines("order")) == sent
        assert "blocked" in alarms(desk)
        steer(desk.where, "DELETE")
        desk.until(lambda status: status["standing"] == "ok", "the end of it")
        eventually(lambda: len(desk.venue_lines("order")) > sent, "an order after it")
        desk.judged()


def test_an_account_that_is_closed_only_buys_nothing() -> None:
    """Bids that rest are cancelled; no further one is sent, so that the venue need not refuse it."""
    with a_desk(settings=ASKED_OFTEN) as desk:
        begin(desk, "closed_only")
        desk.until(lambda status: status["standing"] == "closed only", "the account's word")
        desk.until(lambda status: not [o for o in status["orders"] if o["side"] == "BUY"], "no bid of ours")
        bought = placed(desk, "BUY")
        desk.until_decided(30)
        assert placed(desk, "BUY") == bought
        assert "closed_only" in alarms(desk)
        steer(desk.where, "DELETE")
        eventually(lambda: placed(desk, "BUY") > bought, "a bid after it")
        desk.judged()


def test_who_cannot_be_asked_changes_nothing() -> None:
    """An alarm says so, once; the desk trades on as before."""
    with a_desk(settings=ASKED_OFTEN) as desk:
        begin(desk, "refuse", route="standing", status=503)
        eventually(lambda: "standing_unreachable" in alarms(desk), "the alarm")
        bought = placed(desk, "BUY")
        eventually(lambda: placed(desk, "BUY") > bought, "an order all the same")
        assert desk.ask("status").data["standing"] == "ok"
        assert alarms(desk).count("standing_unreachable") == 1
        steer(desk.where, "DELETE")
        desk.judged()
