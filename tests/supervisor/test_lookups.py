"""Orders that owe us a word, and when the venue is asked about them."""

from __future__ import annotations

from typing import Final

import pytest
from kit.venue_words import a_desk_with_an_order, answered, filled, leg, looked_up, state

from shared import entries as e
from supervisor import effects as fx
from supervisor.lookups import LOOKUP_S

HORIZON_S: Final = 30.0


def test_an_unknown_order_is_asked_about_until_the_horizon() -> None:
    """That the venue does not find it proves nothing before; after it, it never existed and the slot goes on."""
    still, order = a_desk_with_an_order()
    answered(still, order, "unknown")
    asked = 0
    while state(still, order) == "unknown":
        still.jump(0.5)
        if len(still.wanted(fx.LookUp)) > asked:
            asked += 1
            looked_up(still, order, "absent")
    waited_s = (still.mono_ns - 1_005 * 10**9) / 10**9
    assert HORIZON_S < waited_s < HORIZON_S + LOOKUP_S + 1
    assert asked == pytest.approx(HORIZON_S / (LOOKUP_S + 0.5), abs=1)
    assert still.said(e.Answered)[-1] == e.Answered(order, "lookup", "closed", "the venue never knew it", 0)
    assert (still.state().blocked, still.accounts.exposure()) == (False, 0)


def test_an_answer_that_is_still_owed_is_waited_for() -> None:
    """A pending order is asked about only when its own answer can no longer come, or said that it waits."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "delayed")
    for _ in range(14):
        still.jump(0.5)
    assert still.wanted(fx.LookUp) == []
    still.jump(0.5)
    assert still.wanted(fx.LookUp) == [fx.LookUp(order)]
    looked_up(still, order, "open")
    assert (state(still, order), still.state().in_flight) == ("open", 0)


def test_trades_that_were_announced_and_did_not_come_are_asked_for() -> None:
    """The channel may have dropped them."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "matched", "t1")
    still.jump(LOOKUP_S + 0.1)
    assert still.wanted(fx.LookUp) == [fx.LookUp(order)]
    looked_up(still, order, "closed", leg(order))
    still.jump(LOOKUP_S + 0.1)
    assert len(still.wanted(fx.LookUp)) == 1


def test_an_order_that_rests_is_not_asked_about() -> None:
    """It owes us nothing."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.to_s(60)
    assert still.wanted(fx.LookUp) == []


def test_a_resting_order_that_is_gone_is_not_believed_in_for_ever() -> None:
    """The venue cancelled it while nobody listened: absent when asked, absent until the horizon, closed."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.do(still.desk.catching_up.on_caught_up, [], set())
    asked = 0
    for _ in range(70):
        if len(still.wanted(fx.LookUp)) > asked:
            asked += 1
            looked_up(still, order, "absent")
        still.jump(0.5)
        still.hold()
    assert state(still, order) == "closed"
    assert asked > 5
    assert still.state().in_flight == 0


def test_a_fill_of_an_order_the_venue_does_not_find_does_not_end_the_asking() -> None:
    """Only a word about the order itself does."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    looked_up(still, order, "absent")
    filled(still, leg(order, size=4_000_000))
    still.jump(LOOKUP_S + 0.1)
    assert still.wanted(fx.LookUp) == [fx.LookUp(order)]
    looked_up(still, order, "open")
    still.jump(LOOKUP_S + 0.1)
    assert len(still.wanted(fx.LookUp)) == 1
