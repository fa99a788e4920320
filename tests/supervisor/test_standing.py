"""What the venue lets us do, from where we are and with this account."""

from __future__ import annotations

import pytest
from kit.still_desk import BTC, CASH, StillDesk, a_trading_desk, buy, tokens

from shared import entries as e
from shared import messages as m
from supervisor import effects as fx
from supervisor.standing import RETRY_S
from supervisor.venue.requests import Answer, Where
from supervisor.venue.user import TradeLeg

SELL = m.Place("Up", "SELL", 480_000, 10_000_000, "GTC")


def entries(still: StillDesk) -> str:
    """Why entries are closed."""
    return still.desk.board.entries_closed(still.desk.board.lane_of[BTC])


def told(still: StillDesk, where: Where | None, closed_only: bool | None, fault: str = "") -> None:
    """The venue answers, or only half of it does."""
    still.do(still.desk.standing.on_told, where, closed_only, fault)


def alarms(still: StillDesk) -> list[str]:
    """The names of the alarms, in order."""
    return [alarm.name for alarm in still.said(e.Alarm)]


def test_it_is_asked_when_the_venue_is_joined_and_every_hour() -> None:
    """Not before: it takes the key."""
    still = a_trading_desk()
    still.jump(5_000)
    assert not still.wanted(fx.AskStanding)
    still.desk.standing.ask()
    still.settle()
    for passed, asked in ((3_599, 1), (1, 2), (3_599, 2), (1, 3)):
        still.jump(passed)
        assert len(still.wanted(fx.AskStanding)) == asked


def test_no_entry_is_made_before_both_were_answered() -> None:
    """Nobody has said that we may."""
    still = a_trading_desk()
    still.desk.board.accounts.standing = None
    assert entries(still) == "standing_unknown"
    told(still, Where(False, "IE/L"), None, "closed only: HTTP 500")
    assert entries(still) == "standing_unknown"
    told(still, Where(False, "IE/L"), False)
    assert entries(still) == ""
    assert still.said(e.Standing)[-1] == e.Standing(False, False, "IE/L")


def test_where_the_venue_takes_no_orders_none_is_sent() -> None:
    """Not even one that reduces; it is named, and over when the venue says so."""
    still = a_trading_desk()
    still.may_trade(blocked=True)
    still.jump(5)
    still.answer(buy(), SELL)
    assert still.said(e.OutcomeOf)[-1].denied == ("0 halted: blocked", "1 halted: blocked")
    assert (entries(still), alarms(still)) == ("blocked", ["blocked"])
    still.may_trade()
    assert (entries(still), still.desk.board.halted(BTC)) == ("", "")


def test_an_account_that_is_closed_only_reduces() -> None:
    """What is held can be sold; nothing can be bought."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy())
    order_id = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order_id, Answer("accepted", "live", order_id), 900)
    still.do(still.desk.executions.on_leg, _bought(order_id))
    still.hold()
    still.may_trade(closed_only=True)
    still.jump(5)
    still.answer(buy(), SELL)
    assert still.said(e.OutcomeOf)[-1].denied == ("0 entries_closed: closed_only",)
    assert still.said(e.Placing)[-1].side == "SELL"
    assert alarms(still) == ["closed_only"]


def test_who_does_not_answer_changes_nothing_and_is_an_alarm_once() -> None:
    """Open stays open and blocked stays blocked, over a restart as well; asked again soon."""
    for blocked, closed in ((False, ""), (True, "blocked")):
        still = a_trading_desk()
        still.may_trade(blocked=blocked)
        still.desk.standing.ask()
        still.settle()
        asked = len(still.wanted(fx.AskStanding))
        for _ in range(2):
            told(still, None, None, "geoblock does not answer")
        assert entries(still) == closed
        assert alarms(still).count("standing_unreachable") == 1
        still.jump(RETRY_S)
        assert len(still.wanted(fx.AskStanding)) == asked + 1
        still.restart()
        still.feeds()
        still.do(still.desk.reconciling.on_balance, CASH)
        assert still.accounts.standing is not None
        assert still.accounts.standing.blocked is blocked


@pytest.mark.parametrize(("said", "asked"), [("'0x1' address in closed only mode", 1), ("not enough balance", 0)])
def test_an_order_that_is_refused_for_what_we_are_lets_the_desk_ask(said: str, asked: int) -> None:
    """An hour is long; the venue's own word on what we may do is fetched at once."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy())
    order_id = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order_id, Answer("rejected", reason=said), 900)
    assert len(still.wanted(fx.AskStanding)) == asked


def test_the_half_that_answers_counts() -> None:
    """A page that is down does not hide what the account may do."""
    still = a_trading_desk()
    told(still, None, True, "geoblock does not answer")
    assert still.said(e.Standing)[-1] == e.Standing(False, True, "IE/L")


def test_the_same_answer_is_written_once() -> None:
    """The journal has what changed."""
    still = a_trading_desk()
    for _ in range(3):
        still.may_trade()
    assert len(still.said(e.Standing)) == 1


def _bought(order_id: str) -> TradeLeg:
    return TradeLeg("t1", order_id, tokens(BTC)[0], "BUY", 500_000, 10_000_000, True, "CONFIRMED")
