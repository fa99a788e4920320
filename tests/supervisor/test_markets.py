"""What the venue says of markets, prices and its own feeds, and what the desk makes of it."""

from __future__ import annotations

import pytest
from kit.still_desk import BTC, CASH, START_S, StillDesk, a_listing, a_trading_desk, buy, tokens

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.messages import Level
from shared.slots import parse_slot
from supervisor import effects as fx
from supervisor.markets import CAUSE_MAX
from supervisor.venue.market import Change, Changes, Ignored, MarketResolved, TickSizeChanged
from supervisor.venue.requests import Answer
from supervisor.venue.user import TradeLeg

UP, DOWN = tokens(BTC)


def changed(still: StillDesk, *changes: Change) -> None:
    """The market channel tells of changes that belong together."""
    still.do(still.desk.markets.on_market, [Changes(changes)])


def level(side: m.Side, price_micro: int, shares: int, token: str = UP) -> Change:
    """One level's new size."""
    return Change(token, side, Level(price_micro, shares * 1_000_000))


# --- books ---


def test_a_book_reaches_the_stream_as_its_best_levels() -> None:
    """The whole state each time, and only when it differs from what was told last."""
    still = a_trading_desk()
    told = len(still.told(m.BookSeen))
    changed(still, level("BUY", 490_000, 7))
    changed(still, level("BUY", 490_000, 7))
    assert len(still.told(m.BookSeen)) == told + 1
    best = (Level(490_000, 7_000_000), Level(480_000, 100_000_000))
    assert still.told(m.BookSeen)[-1] == m.BookSeen(BTC, START_S, "Up", best, (Level(500_000, 100_000_000),), False)


def test_changes_that_belong_together_are_judged_together() -> None:
    """In between the book may look crossed; both tokens may be in one message."""
    still = a_trading_desk()
    wide = [level("BUY", 500_000, 5), level("SELL", 500_000, 0), level("SELL", 520_000, 5)]
    changed(still, *wide, level("SELL", 520_000, 9, DOWN))
    assert not any(seen.stale for seen in still.told(m.BookSeen)[-2:])
    assert {seen.outcome for seen in still.told(m.BookSeen)[-2:]} == {"Up", "Down"}
    assert still.wanted(fx.Refetch) == []


def test_a_crossed_book_is_not_believed_and_one_snapshot_is_asked_for() -> None:
    """However often it is changed until that comes."""
    still = a_trading_desk()
    changed(still, level("BUY", 500_000, 5))
    changed(still, level("BUY", 510_000, 5))
    changed(still, level("BUY", 510_000, 0))
    assert still.told(m.BookSeen)[-1].stale
    assert still.wanted(fx.Refetch) == [fx.Refetch(UP)]
    assert [alarm.name for alarm in still.said(e.Alarm)] == ["crossed_book"]
    assert "BTC/5m Up: crossed: bid 500000 at or above ask 500000" in still.said(e.Alarm)[0].detail
    still.book(480_000, 500_000)
    assert not still.told(m.BookSeen)[-1].stale
    changed(still, level("BUY", 500_000, 5))
    assert still.wanted(fx.Refetch) == [fx.Refetch(UP)] * 2


def test_a_book_that_was_asked_for_and_does_not_come_is_asked_for_again() -> None:
    """Nobody could enter or leave that market otherwise; one that is believed again is left alone."""
    still = a_trading_desk()
    changed(still, level("BUY", 500_000, 5))
    still.to_s(16)
    assert still.wanted(fx.Refetch) == [fx.Refetch(UP)] * 2
    still.book(500_000, 490_000)
    assert still.wanted(fx.Refetch) == [fx.Refetch(UP)] * 2
    still.to_s(22)
    assert still.wanted(fx.Refetch) == [fx.Refetch(UP)] * 3
    still.book(480_000, 500_000)
    still.to_s(40)
    assert len(still.wanted(fx.Refetch)) == 3


def test_a_book_nobody_wants_any_more_is_not_asked_for_again() -> None:
    """Its window was resolved meanwhile."""
    still = a_trading_desk()
    still.to_s(299)
    still.do(still.desk.markets.on_bad_frame, "market", "not JSON")
    still.to_s(301)
    still.do(still.desk.markets.on_market, [MarketResolved("0x", UP)])
    still.to_s(320)
    assert len(still.wanted(fx.Refetch)) == 2


def test_a_frame_that_cannot_be_read_may_have_been_any_books() -> None:
    """All are distrusted and asked for again, aloud; prices and orders have no book to distrust."""
    still = a_trading_desk()
    still.do(still.desk.markets.on_bad_frame, "market", "not JSON")
    assert still.said(e.Alarm)[-1] == e.Alarm("bad_frame", "market: not JSON")
    assert still.wanted(fx.Refetch) == [fx.Refetch(token) for token in sorted((UP, DOWN))]
    assert [seen.stale for seen in still.told(m.BookSeen)[-2:]] == [True, True]
    still.do(still.desk.markets.on_bad_frame, "prices", "not JSON")
    assert len(still.wanted(fx.Refetch)) == 2
    assert still.desk.board.counters["alarm:bad_frame"] == 2


def test_tokens_nobody_follows_and_kinds_nobody_knows_are_passed_over() -> None:
    """Frames of a window that is gone may still be on the way."""
    still = a_trading_desk()
    before = len(still.frames)
    changed(still, level("BUY", 490_000, 7, "another token"))
    still.book(470_000, 490_000, start_s=START_S - 300)
    still.do(still.desk.markets.on_market, [Ignored("best_bid_ask")])
    assert len(still.frames) == before


def test_the_price_grid_may_change_while_a_window_runs() -> None:
    """It is one for both tokens, and orders are judged by it from then on."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(475_500))
    assert "bad_price" in still.said(e.OutcomeOf)[-1].denied[0]
    still.do(still.desk.markets.on_market, [TickSizeChanged(UP, 1_000)] * 2)
    assert [event.tick_micro for event in still.told(m.TickSizeSet)] == [1_000]
    still.jump(5)
    still.answer(buy(475_000, outcome="Down"))
    assert still.said(e.Placing)[-1].price_micro == 475_000


# --- feeds ---


def test_a_gap_is_told_when_it_begins_and_when_it_ends() -> None:
    """Workers learn of both, the journal has it whole; a fault that is repeated is no news."""
    still = a_trading_desk()
    began = still.at_ns
    for fault in ("closed by the venue", "closed by the venue"):
        still.do(still.desk.markets.on_feed, "prices", fault, "venue")
    still.jump(4)
    still.do(still.desk.markets.on_feed, "prices", "")
    gaps = [m.FeedGap("prices", began, end, "closed by the venue", "venue") for end in (0, still.at_ns)]
    assert still.told(m.FeedGap) == gaps
    assert still.said(e.Gap) == [e.Gap("prices", began, began + 4 * NS, "closed by the venue", "venue")]


def test_a_gap_whose_cause_changes_is_one_gap() -> None:
    """From its first moment to its last."""
    still = a_trading_desk()
    began = still.at_ns
    still.do(still.desk.markets.on_feed, "user", "closed by the venue", "venue")
    still.jump(2)
    still.do(still.desk.markets.on_feed, "user", "no route", "network")
    still.jump(2)
    still.do(still.desk.markets.on_feed, "user", "")
    assert still.said(e.Gap) == [e.Gap("user", began, began + 4 * NS, "no route", "network")]


def test_the_time_between_two_reigns_is_a_gap_of_ours_in_every_feed() -> None:
    """From the tape's last frame until each of them is there again, whatever keeps it away meanwhile."""
    still = a_trading_desk()
    ended = still.at_ns
    still.restart(after_s=7)
    opened = [gap for gap in still.told(m.FeedGap) if not gap.to_ns]
    why = "nobody listened between two reigns"
    assert opened == [m.FeedGap(feed, ended, 0, why, "ours") for feed in ("market", "user", "prices")]
    still.do(still.desk.markets.on_feed, "market", "")
    still.do(still.desk.markets.on_feed, "prices", "no route", "network")
    still.jump(3)
    still.do(still.desk.markets.on_feed, "prices", "")
    assert still.said(e.Gap) == [
        e.Gap("market", ended, ended + 7 * NS, why, "ours"),
        e.Gap("prices", ended, ended + 10 * NS, "no route", "network"),
    ]


def test_a_process_that_stood_still_says_from_when_to_when() -> None:
    """What came meanwhile is stamped late: whoever measures must know."""
    still = a_trading_desk()
    began = still.at_ns
    still.at_ns += 2 * NS
    still.do(still.desk.markets.on_stall, began)
    gap = "all", began, began + 2 * NS, "the supervisor stood still", "ours"
    assert (still.told(m.FeedGap), still.said(e.Gap)) == ([m.FeedGap(*gap)], [e.Gap(*gap)])


def test_a_book_that_cannot_be_believed_is_a_gap_until_it_can() -> None:
    """The venue's: one that crossed itself has missed something; it is one gap however often it is asked for."""
    still = a_trading_desk()
    began, book = still.at_ns, f"book {BTC} Up {START_S}"
    changed(still, level("BUY", 500_000, 5))
    still.to_s(16)
    ended = still.at_ns
    still.book(480_000, 500_000)
    why = "crossed: bid 500000 at or above ask 500000"
    assert still.told(m.FeedGap) == [m.FeedGap(book, began, end, why, "venue") for end in (0, ended)]
    assert still.said(e.Gap) == [e.Gap(book, began, ended, why, "venue")]


def test_a_frame_that_cannot_be_read_is_a_gap_of_the_venue() -> None:
    """Of every book it may have been about, until each is whole again; of other feeds at that moment."""
    still = a_trading_desk()
    still.do(still.desk.markets.on_bad_frame, "market", "not JSON")
    still.jump(1)
    still.book(480_000, 500_000)
    still.do(still.desk.markets.on_bad_frame, "user", "x" * 1_000)
    assert [gap.what for gap in still.said(e.Gap)] == [f"book {BTC} Up {START_S}", "user"]
    assert {gap.whose for gap in still.said(e.Gap)} == {"venue"}
    begun = {gap.feed for gap in still.told(m.FeedGap) if not gap.to_ns}
    assert begun == {f"book {BTC} {outcome} {START_S}" for outcome in ("Up", "Down")}
    assert len(still.said(e.Gap)[-1].cause) == CAUSE_MAX


def test_the_first_connection_of_a_reign_is_no_gap() -> None:
    """There was nothing to be cut off from."""
    still = a_trading_desk()
    assert (still.told(m.FeedGap), still.said(e.Gap)) == ([], [])


def test_no_book_outlives_its_channel() -> None:
    """Each is believed again with its own next snapshot."""
    still = a_trading_desk()
    still.do(still.desk.markets.on_feed, "market", "closed")
    assert [seen.stale for seen in still.told(m.BookSeen)[-2:]] == [True, True]
    still.do(still.desk.markets.on_feed, "market", "")
    still.book(480_000, 500_000)
    assert [(seen.outcome, seen.stale) for seen in still.told(m.BookSeen)[-2:]] == [("Down", True), ("Up", False)]


# --- windows ---


def test_a_windows_market_is_asked_for_before_it_begins_and_followed_when_known() -> None:
    """A minute before, again and again until it is there; its books are wanted at once."""
    still = a_trading_desk()
    still.to_s(239.5)
    assert still.wanted(fx.AskListing) == []
    still.to_s(281)
    asked = fx.AskListing(parse_slot(BTC), START_S + 300, None)
    assert still.wanted(fx.AskListing) == [asked] * 3
    still.open(start_s=START_S + 300)
    assert still.wanted(fx.Watch)[-1].tokens == {*tokens(BTC), *tokens(BTC, START_S + 300)}
    still.to_s(299)
    assert len(still.wanted(fx.AskListing)) == 3


def test_only_a_market_that_takes_orders_is_a_windows_market() -> None:
    """One that is listed and closed is asked for again."""
    still = StillDesk()
    still.begin()
    listed = still.desk.markets.on_listing
    still.do(listed, parse_slot(BTC), START_S, a_listing(), False)
    assert still.desk.board.lanes.window(parse_slot(BTC)) is None
    still.do(listed, parse_slot(BTC), START_S, a_listing(), True)
    assert [opened.start_s for opened in still.said(e.Opened)] == [START_S]


def test_a_window_opens_with_all_that_is_known_of_it() -> None:
    """In the journal its market; on the stream its terms, its strike, its books."""
    still = a_trading_desk()
    still.to_s(280)
    still.open(start_s=START_S + 300)
    still.book(480_000, 500_000, start_s=START_S + 300)
    seen = len(still.frames)
    still.price(at_s=300, exact=65_000 * 10**18)
    still.to_s(300)
    opened = still.said(e.Opened)[-1]
    assert (opened.slot, opened.start_s, opened.tokens) == (BTC, START_S + 300, tokens(BTC, START_S + 300))
    events = [frame.event for frame in still.frames[seen:]]
    kinds = [type(event) for event in events if not isinstance(event, m.Tick | m.PriceSeen | m.Keyframe)]
    assert kinds == [m.WindowClosed, m.WindowOpened, m.StrikeSet, m.BookSeen, m.BookSeen]
    assert still.told(m.BookSeen)[-2].bids == (Level(480_000, 100_000_000),)


def test_the_strike_is_the_price_of_the_first_second() -> None:
    """Not of the second before or after it, nor of another mean, nor of another asset."""
    still = a_trading_desk()
    still.to_s(285)
    still.open(start_s=START_S + 300)
    still.to_s(302)
    for at_s, asset, window_s in ((299, "BTC", 0), (301, "BTC", 0), (300, "BTC", 60), (300, "ETH", 0)):
        still.price(at_s=at_s, asset=asset, window_s=window_s)
    assert [strike.start_s for strike in still.said(e.Strike)] == []
    still.price(at_s=300, exact=65_000 * 10**18)
    assert still.said(e.Strike) == [e.Strike(BTC, START_S + 300, f"{65_000 * 10**18}")]
    assert still.told(m.StrikeSet) == [m.StrikeSet(BTC, START_S + 300, f"{65_000 * 10**18}")]


def test_a_strike_that_was_never_seen_comes_from_the_venue_when_the_window_is_over() -> None:
    """Feeds skip seconds; while the window runs there is none."""
    still = a_trading_desk()
    still.to_s(301)
    still.price(at_s=300, exact=65_000 * 10**18)
    assert (still.said(e.Strike), still.said(e.Settled)) == ([], [])
    still.do(still.desk.markets.on_listing, parse_slot(BTC), START_S, a_listing(strike=64_000 * 10**18), False)
    exacts = (f"{64_000 * 10**18}", f"{65_000 * 10**18}")
    assert still.said(e.Strike) == [e.Strike(BTC, START_S, exacts[0])]
    assert still.said(e.Settled) == [e.Settled(BTC, START_S, *exacts, "Up")]


@pytest.mark.parametrize(("close", "winner"), [(64_001, "Up"), (64_000, "Up"), (63_999, "Down")])
def test_a_window_is_settled_by_the_reference_prices_as_soon_as_both_are_there(close: int, winner: str) -> None:
    """Once; the venue's word may take minutes more."""
    still = a_trading_desk()
    still.to_s(285)
    still.open(start_s=START_S + 300)
    still.price(at_s=300, exact=64_000 * 10**18)
    still.to_s(601)
    still.price(at_s=600, exact=close * 10**18)
    still.price(at_s=600, exact=close * 10**18 + 1)
    assert [(settled.start_s, settled.winner) for settled in still.said(e.Settled)] == [(START_S + 300, winner)]


def a_desk_with_a_position() -> StillDesk:
    """Ten shares of Up, bought at 0.47; the window is over."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(470_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    still.do(still.desk.executions.on_leg, TradeLeg("t1", order, UP, "BUY", 470_000, 10_000_000, True, "CONFIRMED"))
    still.to_s(310)
    return still


@pytest.mark.parametrize(("winner", "payout_micro"), [("Up", 10_000_000), ("Down", 0)])
def test_the_venues_word_pays_a_position_once(winner: m.Outcome, payout_micro: int) -> None:
    """Over the channel and in a listing: the first one counts."""
    still = a_desk_with_a_position()
    still.do(still.desk.markets.on_market, [MarketResolved("0x", UP if winner == "Up" else DOWN)])
    still.do(still.desk.markets.on_listing, parse_slot(BTC), START_S, a_listing(winner=winner), False)
    assert still.said(e.Resolved) == [e.Resolved(BTC, START_S, winner, payout_micro)]
    assert still.told(m.WindowResolved) == [m.WindowResolved(BTC, START_S, winner)]
    assert still.accounts.cash_micro == CASH - 4_700_000 + payout_micro
    assert still.accounts.holdings() == ()


def test_a_window_is_paid_only_once_every_trade_in_it_is_known() -> None:
    """Nobody listened when an order of it traded: it is found first, then paid, and the cash is the venue's."""
    still = a_trading_desk()
    still.to_s(295)
    still.price()
    still.jump(1)
    still.answer(buy(470_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    still.do(still.desk.markets.on_feed, "user", "closed by the venue")
    still.to_s(310)
    still.do(still.desk.markets.on_market, [MarketResolved("0x", UP)])
    still.jump(1)
    assert not still.said(e.Resolved)
    still.do(still.desk.markets.on_feed, "user", "")
    still.caught_up(TradeLeg("t1", order, UP, "BUY", 470_000, 10_000_000, True, "CONFIRMED"))
    still.jump(1)
    assert still.said(e.Resolved) == [e.Resolved(BTC, START_S, "Up", 10_000_000)]
    assert len(still.told(m.WindowResolved)) == 1
    assert still.accounts.cash_micro == CASH - 4_700_000 + 10_000_000


def test_the_winner_is_asked_for_until_somebody_names_it() -> None:
    """With the market that is known; and not any more afterwards."""
    still = a_desk_with_a_position()
    still.wants.clear()
    still.to_s(361)
    asked = [ask for ask in still.wanted(fx.AskListing) if ask.start_s == START_S]
    assert [ask.known is not None for ask in asked] == [True] * 3
    still.do(still.desk.markets.on_listing, parse_slot(BTC), START_S, a_listing(winner="Up"), False)
    still.to_s(400)
    assert len([ask for ask in still.wanted(fx.AskListing) if ask.start_s == START_S]) == 3


def test_a_resolved_windows_order_no_longer_blocks_its_slot() -> None:
    """Whatever was unknown of it can make no difference any more."""
    still = a_trading_desk()
    still.to_s(295)
    still.price()
    still.jump(1)
    still.answer(buy(470_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.executions.on_answer, order, Answer("unknown", reason="timeout"), 900)
    assert still.state().blocked
    still.to_s(301)
    still.do(still.desk.markets.on_market, [MarketResolved("0x", DOWN)])
    assert (still.state().blocked, still.accounts.exposure()) == (False, 0)


# --- prices ---


def test_a_price_is_told_once_and_in_order() -> None:
    """A late point only fills in a boundary second; it does not turn the price back."""
    still = a_trading_desk()
    still.to_s(20)
    told = len(still.told(m.PriceSeen))
    for at_s, exact in ((19, 1), (18, 2), (19, 3), (20, 4)):
        still.price(at_s=at_s, exact=exact)
    assert [(seen.source_ms // 1_000 - START_S, seen.exact) for seen in still.told(m.PriceSeen)[told:]] == [
        (19, "1"),
        (20, "4"),
    ]


def test_instantaneous_and_mean_prices_are_two_feeds() -> None:
    """Which of them decides a window is the market's own word."""
    still = a_trading_desk()
    still.to_s(20)
    still.price(at_s=20, exact=5)
    still.price(at_s=20, exact=6, window_s=60)
    assert [(seen.feed, seen.exact) for seen in still.told(m.PriceSeen)[-2:]] == [("spot", "5"), ("twap", "6")]
