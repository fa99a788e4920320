"""What every part of the desk shares."""

from __future__ import annotations

import pytest
from kit.still_desk import BTC, R1, R2, StillDesk, a_trading_desk
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.config import Risk, load
from shared.risk import HALTS, Limits
from supervisor.accounts import Accounts
from supervisor.board import RECENT_MAX, Board
from supervisor.effects import Moment, Publish, Submit, Write, WriteFirst

LANE = "BTC/5m"


def a_board() -> Board:
    """A board on which nothing happened yet."""
    return Board(load(environ={}), Accounts(), seq=41, pid=7, code="code")


def closed(still: StillDesk) -> str:
    """Why entries are closed in the desk's one slot."""
    return still.desk.board.entries_closed(still.desk.board.lane_of[BTC])


# --- when entries are closed ---


def test_entries_are_open_when_everything_is_there() -> None:
    """The empty word."""
    assert closed(a_trading_desk()) == ""


def test_an_operators_pause_closes_entries() -> None:
    """First of all reasons."""
    still = a_trading_desk()
    still.do(still.desk.pause, True, "uid:1000", "lunch")
    still.feeds("gone")
    assert closed(still) == "paused"


def test_every_halt_has_a_word_that_a_replay_knows() -> None:
    """By it alone, on the tick, an account on paper knows that not even an exit leaves."""
    words = set()
    for entry in (
        e.Control(1, False, "uid:1", "news", halted=True, op="op"),
        e.Flatten("op", (BTC,), "uid:1", "news"),
        e.Standing(True, False, "XX"),
    ):
        still = a_trading_desk()
        still.desk.board.apply(entry)
        assert closed(still) == still.desk.board.halted(BTC)
        words.add(closed(still))
    assert words == HALTS


@pytest.mark.parametrize("feed", ["market", "user", "prices"])
def test_each_feed_that_is_down_closes_entries_by_its_name(feed: str) -> None:
    """And opens them again when it is back."""
    still = a_trading_desk()
    still.do(still.desk.markets.on_feed, feed, "closed by the venue")
    assert closed(still) == f"{feed}_feed_down"
    still.do(still.desk.markets.on_feed, feed, "")
    assert closed(still) == ""


def test_a_tape_that_cannot_be_written_closes_entries() -> None:
    """A decision that cannot be replayed is not taken."""
    still = a_trading_desk()
    still.do(still.desk.on_tape, "no space left on device", 9)
    assert closed(still) == "tape_unavailable"


def test_prices_that_do_not_move_on_close_the_entries_of_their_asset() -> None:
    """By market time, to the second of the bound."""
    still = a_trading_desk("BTC", "ETH")
    eth = still.desk.board.lane_of["ETH/5m"]
    still.jump(30)
    still.price(asset="ETH")
    assert closed(still) == ""
    still.at_ns += 1
    still.price(asset="ETH")
    assert closed(still) == "prices_stale"
    assert still.desk.board.entries_closed(eth) == ""


def test_nothing_is_bought_before_the_balance_is_known() -> None:
    """There is nothing to hold a purchase against."""
    still = StillDesk()
    still.begin()
    still.feeds()
    still.price()
    assert closed(still) == "balance_unknown"
    still.do(still.desk.reconciling.on_balance, 1)
    assert closed(still) == "standing_unknown"
    still.may_trade()
    assert closed(still) == ""


def test_a_desk_that_has_heard_of_no_feed_says_which_is_missing_first() -> None:
    """Not connected is down."""
    still = StillDesk()
    still.begin()
    assert closed(still) == "market_feed_down"


# --- the one way to tell ---


def test_the_stream_has_one_number_after_the_other() -> None:
    """From where the tape ended, stamped with the market's time."""
    board = a_board()
    board.now(Moment(5, 9))
    assert [board.publish(m.Pulse()), board.publish(m.Pulse(), new_segment=True)] == [42, 43]
    frames = [m.Streamed(42, 5, m.Pulse()), m.Streamed(43, 5, m.Pulse())]
    assert board.take_effects() == [Publish(frames[0]), Publish(frames[1], new_segment=True)]


def test_market_time_never_runs_backwards() -> None:
    """Durations go by the other clock, which never does."""
    board = a_board()
    board.now(Moment(50, 1))
    board.now(Moment(40, 2))
    assert (board.at_ns, board.mono_ns) == (50, 2)
    assert board.since_s(1) == 1e-9


def test_a_fact_is_true_as_soon_as_it_is_written() -> None:
    """And effects keep the order in which they were wished for."""
    board = a_board()
    board.write(e.Balance(7, True))
    board.publish(m.Pulse())
    assert board.accounts.cash_micro == 7
    assert [type(effect) for effect in board.take_effects()] == [Write, Publish]
    assert board.take_effects() == []


def test_what_must_be_durable_first_carries_what_waits_for_it() -> None:
    """The desk applies it before; nothing is applied twice."""
    board = a_board()
    board.write_first([e.Balance(7, True)], [Submit("0x1", b"body")])
    assert board.take_effects() == [WriteFirst((e.Balance(7, True),), (Submit("0x1", b"body"),))]
    assert board.accounts.cash_micro == 0


def test_an_alarm_is_counted_and_written_and_bounded() -> None:
    """By its name; a long story is cut."""
    board = a_board()
    board.alarm("bad_frame", "x" * 600)
    assert board.counters == {"alarm:bad_frame": 1}
    assert board.take_effects() == [Write(e.Alarm("bad_frame", "x" * 500))]


def test_only_what_a_person_asks_for_is_kept_and_not_for_ever() -> None:
    """Alarms and trades are, each tick's outcome is not."""
    board = a_board()
    board.write(e.Balance(7, True))
    for number in range(RECENT_MAX + 5):
        board.write(e.Alarm("a", f"{number}"))
    assert len(board.recent) == RECENT_MAX
    assert next(entry for _, entry in board.recent) == e.Alarm("a", "5")


def test_who_decides_is_named_with_what_it_runs() -> None:
    """A worker nobody knows any more runs nothing."""
    still = a_trading_desk()
    board = still.desk.board
    assert board.by("w1-1", 4, "77ab") == e.By(R1.release, "77ab", 4, "w1-1")
    assert board.by("w9-9", 4, "77ab").release == ""
    assert R2.release not in board.accounts.releases


def test_the_caps_are_the_settings_in_millionths() -> None:
    """To the cent and below."""
    risk = Risk(order_max_usd=0.1, slot_max_usd=1.5, day_loss_max_usd=19.99, open_orders_max=3, price_band_micro=10_000)
    board = Board(structs.replace(load(environ={}), risk=risk), Accounts(), seq=0, pid=1, code="")
    assert board.limits == Limits(
        *(100_000, 1_500_000, 100_000_000, 250_000_000, 19_990_000, 120, 3, 10_000), 200_000_000, 240
    )
    assert a_board().lane_of[LANE].window_s == 300
