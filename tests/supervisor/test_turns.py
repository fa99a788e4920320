"""The turns of every slot: ticks come due, are shown, wait, expire."""

from __future__ import annotations

import pytest
from kit.still_desk import BTC, CASH, ETH, R1, START_S, StillDesk, a_trading_desk, buy, tokens

from shared import entries as e
from shared import messages as m
from shared.config import Ticks
from shared.messages import Level
from shared.slots import parse_slot, schedule
from supervisor import effects as fx
from supervisor.slotstate import HELD_MAX, Done, Due
from supervisor.turns import OUTAGE_MAX_NS, SHOWN_MAX, Turns
from supervisor.venue.market import Traded
from supervisor.venue.requests import Answer
from supervisor.venue.user import TradeLeg

MS = 1_000
SNIPE_S = 210.0
"""When the snipe window of the first window begins, seconds after its start."""


def ticks(still: StillDesk, name: str = BTC) -> list[float]:
    """The ticks a slot was shown, in seconds after the desk's first window began."""
    return [(tick.tick - START_S * MS) / MS for tick in still.told(m.Tick) if tick.slot == name]


def outcomes(still: StillDesk) -> list[tuple[float, str]]:
    """Each outcome's tick, and why it was skipped."""
    return [((outcome.tick - START_S * MS) / MS, outcome.reason or outcome.kind) for outcome in still.said(e.OutcomeOf)]


# --- when ---


def test_a_lane_is_evaluated_at_once_and_then_at_every_cadence() -> None:
    """The first tick of a reign does not wait for the clock."""
    still = a_trading_desk()
    still.to_s(30)
    assert ticks(still) == [10, 15, 20, 25, 30]


def test_the_newest_ticks_that_were_shown_are_known() -> None:
    """By slot; what came due and was not shown is not among them, and there is a bound."""
    still = a_trading_desk("BTC", "ETH")
    turns, first = still.desk.turns, still.asked().tick
    assert turns.was_shown(BTC, first) and not turns.was_shown(BTC, first + 5_000)
    assert not turns.was_shown("DOGE/5m", first)
    for second in range(1, SHOWN_MAX + 1):
        turns.step(ETH, Due(first + second))
        turns.step(ETH, Done())
    assert turns.was_shown(BTC, first) and not turns.was_shown(ETH, first)
    assert turns.was_shown(ETH, first + 1)


def test_the_beat_is_faster_where_entries_may_be_made() -> None:
    """Every second of the snipe window, as configured."""
    still = a_trading_desk()
    still.to_s(215)
    assert ticks(still)[-7:] == [205, 210, 211, 212, 213, 214, 215]


def test_every_scheduled_tick_of_an_open_window_has_its_outcome() -> None:
    """Held against the calendar, over the turn of a window."""
    still = a_trading_desk()
    still.to_s(250)
    still.open(start_s=START_S + 300)
    still.to_s(330)
    slot = parse_slot(BTC)
    due = list(schedule(slot, still.settings.beat(slot), (START_S + 10) * MS, (START_S + 330) * MS))
    assert [outcome.tick for outcome in still.said(e.OutcomeOf)][1:] == due
    assert {outcome.kind for outcome in still.said(e.OutcomeOf)} == {"HOLD"}


@pytest.mark.parametrize("first", ["clock", "price", "book", "listing"])
def test_a_tick_due_as_a_window_begins_is_about_the_new_window(first: str) -> None:
    """Whatever arrives first after midnight plus five minutes."""
    still = a_trading_desk()
    still.to_s(299.9)
    still.open(start_s=START_S + 300)
    still.at_ns += 150_000_000
    arrivals = {
        "clock": lambda: None,
        "price": still.price,
        "book": lambda: still.book(470_000, 490_000),
        "listing": lambda: still.open(start_s=START_S + 300),
    }
    arrivals[first]()
    still.jump(0)
    turn = [(tick.tick, tick.start_s) for tick in still.told(m.Tick) if tick.tick >= (START_S + 299) * MS]
    assert turn == [((START_S + 299) * MS, START_S), ((START_S + 300) * MS, START_S + 300)]


def test_a_tick_that_waited_over_the_turn_is_shown_about_the_window_that_runs() -> None:
    """It is late, and still each tick is evaluated once, on what is true now."""
    still = a_trading_desk()
    still.to_s(298)
    still.open(start_s=START_S + 300)
    still.jump(1)
    still.jump(1)
    assert still.state().held == ((START_S + 300) * MS,)
    still.answer()
    assert (still.asked().tick, still.asked().start_s) == ((START_S + 300) * MS, START_S + 300)


def test_a_window_without_market_costs_no_tick() -> None:
    """Nor does the time before its market is known; from then on it is evaluated."""
    still = a_trading_desk("BTC", "ETH")
    still.to_s(330)
    assert max(ticks(still)) == 299
    still.open(start_s=START_S + 300)
    still.to_s(341)
    assert [tick for tick in ticks(still) if tick >= 300] == [335, 340]


def test_a_stall_over_a_whole_window_owes_only_windows_that_were_open() -> None:
    """Nobody knew that window's market; the one before it is owed to its end."""
    still = a_trading_desk()
    still.to_s(295)
    still.jump(310)
    still.open(start_s=START_S + 600)
    still.hold()
    still.to_s(612)
    numbers = [tick for tick, _ in outcomes(still)]
    assert [tick for tick in numbers if tick > 295] == [296, 297, 298, 299, 610]


def test_the_next_look_at_the_clock_is_when_a_tick_is_due() -> None:
    """Within a second at the latest."""
    still = a_trading_desk()
    turns = still.desk.turns
    assert turns.next_due_ns() == still.at_ns + 10**9
    still.to_s(14.25)
    assert turns.next_due_ns() == (START_S + 15) * 10**9


# --- events ---


def in_the_snipe_window(**settings: object) -> StillDesk:
    """A desk a quarter second after a tick of the snipe window was answered."""
    still = a_trading_desk(**settings)
    still.to_s(SNIPE_S + 5)
    still.jump(0.25)
    return still


def test_an_event_raises_a_tick_where_entries_may_be_made() -> None:
    """A book that moved, at its own moment; not sooner than the spacing after the one before."""
    still = in_the_snipe_window()
    still.book(470_000, 490_000)
    assert ticks(still)[-1] == 215
    still.jump(0.3)
    still.book(460_000, 490_000)
    assert ticks(still)[-1] == 215.55


def test_events_while_a_tick_is_answered_raise_no_other() -> None:
    """The answer to it is about a newer book than its number says; the next event may raise one."""
    still = in_the_snipe_window()
    still.jump(0.3)
    for bid in (460_000, 450_000, 440_000):
        still.book(bid, 490_000)
        still.at_ns += 100_000_000
    assert ticks(still)[-2:] == [215, 215.55]
    still.hold()
    still.at_ns += 300_000_000
    still.book(430_000, 490_000)
    assert ticks(still)[-2:] == [215.55, 216]


def test_an_event_does_not_pass_a_scheduled_tick_by() -> None:
    """It is owed first, and does for the event as well."""
    still = in_the_snipe_window()
    still.at_ns += 800_000_000
    still.book(460_000, 490_000)
    assert ticks(still)[-1] == 216


def test_the_same_book_again_raises_nothing() -> None:
    """Nothing happened that a decision could be about; nor does a book of another depth than is shown."""
    still = in_the_snipe_window()
    still.jump(0.3)
    still.book(480_000, 500_000)
    assert ticks(still)[-1] == 215


def test_a_price_raises_a_tick_in_its_assets_lanes() -> None:
    """And in no other."""
    still = a_trading_desk("BTC", "ETH")
    still.to_s(SNIPE_S + 5)
    still.jump(0.6)
    still.price(asset="ETH")
    assert (ticks(still, BTC)[-1], ticks(still, ETH)[-1]) == (215, 215.6)


def test_no_event_raises_a_tick_outside_the_snipe_window() -> None:
    """Nobody may enter there."""
    still = a_trading_desk()
    still.to_s(100)
    still.jump(0.6)
    still.book(470_000, 490_000)
    still.price()
    assert ticks(still)[-1] == 100


def test_no_event_raises_a_tick_while_an_order_is_in_flight() -> None:
    """Its answer comes first."""
    still = in_the_snipe_window()
    still.price()
    still.jump(0.75)
    still.answer(buy(470_000))
    still.jump(0.6)
    still.book(460_000, 490_000)
    assert (ticks(still)[-1], still.state().in_flight) == (216, 1)


def test_nothing_raises_a_tick_once_the_reign_ends() -> None:
    """Neither an event nor the schedule: nobody would be there for the answer."""
    still = in_the_snipe_window()
    before = ticks(still)
    still.desk.turns.close()
    still.book(460_000, 490_000)
    still.price()
    still.to_s(290)
    assert ticks(still) == before


def test_what_was_shown_and_not_answered_when_the_reign_ends_is_owned_up_to() -> None:
    """As the next reign would; an answer that comes all the same does not count, and the next reign owes the rest."""
    still = a_trading_desk(ticks=Ticks(deadline_s=20))
    still.to_s(30)
    still.jump(5)
    still.jump(5)
    still.desk.turns.close()
    still.do(lambda now: still.desk.turns.own_up())
    still.answer()
    assert outcomes(still)[-2:] == [(30, "HOLD"), (35, "outage")]
    assert [refused.reason for refused in still.said(e.Refused)] == ["not_outstanding"]
    still.restart()
    assert outcomes(still)[-2:] == [(35, "outage"), (40, "outage")]


def test_a_tick_that_a_death_left_behind_is_owned_up_to_when_the_reign_ends() -> None:
    """It was shown, and waits for an owner that does not come any more."""
    still = a_trading_desk()
    still.to_s(30)
    still.jump(5)
    still.lose(still.state().owner)
    still.desk.turns.close()
    still.do(lambda now: still.desk.turns.own_up())
    assert outcomes(still)[-1] == (35, "outage")


def test_an_event_after_a_windows_end_raises_nothing_in_it() -> None:
    """Even where the whole window is one snipe window."""
    still = a_trading_desk(ticks=Ticks(snipe_5m_s=300))
    still.to_s(299.5)
    still.at_ns += 700_000_000
    still.book(460_000, 490_000)
    assert ticks(still)[-1] < 300


def test_a_public_trade_reaches_the_stream_and_raises_nothing() -> None:
    """It changes no book by itself."""
    still = in_the_snipe_window()
    still.jump(0.3)
    still.do(still.desk.markets.on_market, [Traded(tokens(BTC)[0], "BUY", Level(500_000, 7_000_000))])
    assert still.told(m.TradeSeen)[-1] == m.TradeSeen(BTC, START_S, "Up", "BUY", 500_000, 7_000_000)
    assert ticks(still)[-1] == 215


# --- what a tick says ---


def test_a_tick_carries_all_a_decision_may_know_of_the_ledger() -> None:
    """Its own slot's positions and orders, totals of the rest, who is asked, and why entries are closed."""
    still = a_trading_desk("BTC", "ETH")
    still.jump(5)
    for name in (BTC, ETH):
        still.answer(buy(470_000), name=name)
    for order in list(still.accounts.orders):
        still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    order = next(iter(still.accounts.orders))
    still.do(still.desk.executions.on_leg, TradeLeg("t1", order, "", "BUY", 470_000, 4_000_000, True, "MATCHED"))
    still.jump(5)
    tick = still.asked(BTC)
    assert (tick.owner, tick.epoch, tick.parameters, tick.entries) == ("w1-1", 1, still.desk.board.parameters, "")
    assert tick.account == m.Account(
        ledger_version=still.accounts.version,
        cash_micro=CASH - 1_880_000,
        exposure_micro=9_400_000,
        positions=(m.PositionView("Up", 4_000_000, 1_880_000),),
        orders=(m.OrderView(order, "Up", "BUY", 470_000, 6_000_000, "open"),),
    )
    still.do(still.desk.markets.on_feed, "user", "gone")
    still.hold()
    still.jump(5)
    assert still.asked(BTC).entries == "user_feed_down"


# --- waiting ---


def test_a_late_answer_finds_its_tick_skipped() -> None:
    """By its real deadline; two in a row and the owner is fenced, and the second tick waits for the next one."""
    still = a_trading_desk()
    still.jump(5)
    still.jump(1.4)
    assert still.state().outstanding
    still.jump(0.2)
    assert outcomes(still)[-1] == (15, "deadline")
    still.answer()
    assert still.said(e.Refused)[-1].reason == "not_outstanding"
    still.jump(3.4)
    still.jump(1.6)
    assert outcomes(still)[-1] == (15, "deadline")
    assert still.state().held[0] == (START_S + 20) * 1_000
    assert fx.Kill("w1-1") in still.wants
    assert still.said(e.Worker)[-1].detail == f"missed 2 deadlines in a row on {BTC}"


def test_an_answer_in_between_clears_the_strike() -> None:
    """A worker that was slow once is not replaced for the next time."""
    still = a_trading_desk()
    for _ in range(3):
        still.jump(5)
        still.jump(1.6)
        still.jump(3.4)
        still.answer()
    assert still.wanted(fx.Kill) == []
    assert still.state().strikes == 0


def test_ticks_wait_a_little_for_an_owner_and_then_are_skipped_by_name() -> None:
    """A worker that comes back in time loses none."""
    still = a_trading_desk()
    still.lose("w1-1")
    still.jump(5)
    still.jump(1.4)
    assert still.state().held == ((START_S + 15) * MS,)
    still.jump(0.2)
    assert outcomes(still)[-1] == (15, "no_owner")
    still.jump(3.4)
    still.employ("w1-2")
    still.hold()
    assert outcomes(still)[-1] == (20, "HOLD")


def test_a_tick_that_comes_due_when_its_window_has_no_market_is_skipped_by_that_name() -> None:
    """It waited for an order's answer until the window was over, and the next one's market is not known."""
    still = a_trading_desk()
    still.to_s(295)
    still.price()
    still.jump(1)
    still.answer(buy(470_000))
    still.jump(3)
    order = still.wanted(fx.Submit)[-1].order_id
    still.jump(2)
    still.do(still.desk.executions.on_answer, order, Answer("rejected", reason="no"), 900)
    assert outcomes(still)[-3:] == [(297, "no_market"), (298, "no_market"), (299, "no_market")]


def test_a_slot_that_waits_for_an_order_goes_on_when_it_is_known() -> None:
    """Nothing of what came due meanwhile is lost."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(470_000))
    still.jump(5)
    still.jump(5)
    assert (ticks(still)[-1], len(still.state().held)) == (15, 2)
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    still.hold()
    assert outcomes(still)[-2:] == [(20, "HOLD"), (25, "HOLD")]


def test_more_ticks_than_may_wait_cost_the_oldest() -> None:
    """An order that is answered after a minute of the fast beat: what could not wait is skipped as late."""
    still = a_trading_desk()
    still.to_s(SNIPE_S + 5)
    still.price()
    still.jump(1)
    still.answer(buy(470_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.to_s(SNIPE_S + 6 + HELD_MAX + 2)
    assert outcomes(still)[-2:] == [(217, "late"), (218, "late")]
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    still.hold()
    assert [reason for tick, reason in outcomes(still) if tick > 218] == ["HOLD"] * HELD_MAX


# --- an outage ---


def test_the_ticks_of_an_outage_are_owned_up_to() -> None:
    """What was shown and not answered, and what came due while nobody was there; then the slot goes on."""
    still = a_trading_desk()
    still.jump(5)
    still.restart(after_s=17)
    assert outcomes(still)[-4:] == [(15, "outage"), (20, "outage"), (25, "outage"), (30, "outage")]
    assert still.state().last_tick == (START_S + 30) * MS
    assert still.said(e.OutcomeOf)[-1].by.release == R1.release
    still.employ("w2-1")
    still.hold()
    assert outcomes(still)[-1] == (32, "HOLD")


def test_a_tick_that_was_shown_is_owned_up_to_behind_a_backlog() -> None:
    """Its owner said nothing while more ticks came due than may wait, and then the supervisor died."""
    still = a_trading_desk()
    still.jump(5)
    for late in range(1, HELD_MAX + 3):
        still.desk.turns.step(BTC, Due((START_S + 15) * MS + late))
    still.restart(after_s=4)
    assert [tick for tick, _ in outcomes(still)][1:4] == [15, 15.001, 15.002]


def test_a_tick_that_was_shown_before_any_outcome_is_owned_up_to_as_well() -> None:
    """The first of all: its supervisor died before it was answered."""
    still = StillDesk()
    still.begin()
    still.employ("w1-1")
    still.open()
    assert ticks(still) == [10]
    still.restart(after_s=6, first=R1)
    assert outcomes(still) == [(10, "outage"), (15, "outage")]


def test_what_came_due_after_a_first_grant_that_no_tick_followed_is_owned_up_to() -> None:
    """The grant is in the journal and its supervisor died before it could show anything."""
    still = StillDesk()
    still.slow_disk = True
    still.begin()
    still.open()
    still.employ("w1-1")
    still.jump(5)
    assert (ticks(still), still.state().held) == ([], ((START_S + 15) * MS,))
    still.restart(after_s=6, first=R1)
    assert outcomes(still) == [(15, "outage"), (20, "outage")]


def test_a_desk_that_never_granted_anything_owes_none() -> None:
    """However long ago it began."""
    still = StillDesk()
    still.begin()
    still.open()
    still.restart(after_s=100, first=R1)
    assert outcomes(still) == []


def test_only_windows_that_were_open_are_owed_after_an_outage() -> None:
    """Nobody knows the markets of those that came and went meanwhile."""
    still = a_trading_desk()
    still.restart(after_s=600)
    numbers = [tick for tick, reason in outcomes(still) if reason == "outage"]
    assert (numbers[0], numbers[-1]) == (15, 299)


def test_an_outage_of_days_is_not_written_tick_by_tick() -> None:
    """A day of them is, at most."""
    still = a_trading_desk()
    days_s = 3 * OUTAGE_MAX_NS / 10**9
    still.restart(after_s=days_s)
    assert [reason for _, reason in outcomes(still)].count("outage") == 0
    assert still.state().last_tick == (START_S + 10) * MS


def test_slots_cannot_be_turned_before_somebody_hands_them_over() -> None:
    """A mistake in the wiring stops the desk instead of trading."""
    still = StillDesk()
    turns = Turns(still.desk.board)
    with pytest.raises(AssertionError, match="before anybody hands slots over"):
        turns.grant(BTC, None)  # type: ignore[arg-type]


def test_a_tick_that_is_held_until_its_window_is_over_still_asks_about_that_window() -> None:
    """Nobody is asked about a window that its number does not lie in; the answer is a hold, and nothing leaves."""
    still = a_trading_desk()
    still.to_s(295)
    still.jump(4.9)
    still.open(start_s=START_S + 300)
    owed = still.state().outstanding
    still.lose(still.state().owner)
    still.jump(0.3, beats=False)
    still.employ(still.desk.operations.blue)
    asked = still.asked()
    assert (asked.tick, asked.start_s) == (owed, START_S)
    still.hold()
    assert still.asked().start_s == START_S + 300
