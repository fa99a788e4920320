"""What the user channel did not tell, and how it is asked for."""

from __future__ import annotations

from kit.still_desk import BTC, START_S, a_trading_desk
from kit.venue_words import a_desk_with_an_order, answered, leg

from supervisor import effects as fx
from supervisor.catching_up import RECHECK_S, SETTLING_S


def test_what_the_user_channel_missed_is_asked_for_when_it_is_back() -> None:
    """From when it went, and as long before as a settlement may take."""
    still = a_trading_desk()
    lost_s = still.at_ns // 10**9
    still.do(still.desk.markets.on_feed, "user", "closed by the venue")
    still.jump(40)
    still.do(still.desk.markets.on_feed, "user", "refused")
    still.jump(40)
    still.do(still.desk.markets.on_feed, "user", "")
    assert still.wanted(fx.CatchUp)[-1] == fx.CatchUp(lost_s - SETTLING_S)


def test_after_a_restart_all_is_asked_for_that_nobody_heard() -> None:
    """However long the outage: at once, and again when the user channel is there, which may be much later."""
    still = a_trading_desk()
    last_s = still.journal[-1].at_ns // 10**9
    still.restart(after_s=3_600)
    assert still.wanted(fx.CatchUp) == [fx.CatchUp(last_s - SETTLING_S)]
    still.jump(1_000)
    still.do(still.desk.markets.on_feed, "user", "refused")
    still.jump(1_000)
    still.do(still.desk.markets.on_feed, "user", "")
    assert still.wanted(fx.CatchUp)[1:] == [fx.CatchUp(last_s - SETTLING_S)]


def test_a_reign_that_never_listened_does_not_hide_what_was_missed_before_it() -> None:
    """It wrote and was cut off; the next one asks from the beginning of the window that an order of ours is in."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unknown")
    still.restart(after_s=20)
    still.jump(200)
    still.restart(after_s=20)
    assert still.wanted(fx.CatchUp)[-1] == fx.CatchUp(START_S - SETTLING_S)


def test_a_trade_is_known_when_somebody_listened_or_asked_since() -> None:
    """Up to the newest question, and only once each question is answered; all of it while the channel is there."""
    still = a_trading_desk()
    knows = still.desk.catching_up.knows
    still.jump(1)
    lost_ns = still.at_ns
    assert knows(lost_ns)
    still.do(still.desk.markets.on_feed, "user", "closed by the venue")
    still.jump(RECHECK_S + 0.1)
    assert not knows(lost_ns)
    asked_ns = still.at_ns
    still.caught_up()
    assert (knows(lost_ns), knows(asked_ns + 1)) == (True, False)
    still.jump(RECHECK_S + 0.1)
    still.do(still.desk.markets.on_feed, "user", "")
    still.do(still.desk.catching_up.on_caught_up, [], set())
    assert not knows(still.at_ns), "one of two questions has its answer"
    still.do(still.desk.catching_up.on_caught_up, [], set())
    assert knows(still.at_ns + 1)


def test_a_channel_that_is_there_is_not_believed_blindly() -> None:
    """While an order rests the venue's lists are looked at now and then, one look at a time."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.do(still.desk.catching_up.on_caught_up, [], {order})
    before = len(still.wanted(fx.CatchUp))
    asked_s = still.at_ns / 10**9
    for _ in range(4):
        still.jump(RECHECK_S + 0.1)
    assert len(still.wanted(fx.CatchUp)) == before + 1
    since_s = still.wanted(fx.CatchUp)[-1].since_s
    assert asked_s <= since_s + SETTLING_S <= asked_s + 2 * RECHECK_S
    still.do(still.desk.catching_up.on_caught_up, [leg(order, size=10_000_000)], set())
    still.jump(RECHECK_S + 0.1)
    assert len(still.wanted(fx.CatchUp)) == before + 2, "its settlement may fail untold"
    assert still.accounts.positions[BTC, START_S, "Up"].size_micro == 10_000_000


def test_who_has_nothing_at_the_venue_does_not_look() -> None:
    """Nothing can change there."""
    still, order = a_desk_with_an_order()
    answered(still, order, "rejected")
    still.do(still.desk.catching_up.on_caught_up, [], set())
    before = len(still.wanted(fx.CatchUp))
    for _ in range(4):
        still.jump(RECHECK_S + 0.1)
    assert len(still.wanted(fx.CatchUp)) == before
