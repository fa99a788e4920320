"""The market side of every slot: which window runs, its market, its books, its strike, and how it ended."""

from __future__ import annotations

from typing import Any

import pytest
from kit.still_desk import BTC, START_S, a_listing, a_market, tokens
from kit.trading import an_opening
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Slots, load
from shared.messages import Level, Rule
from shared.slots import Slot, parse_slot
from supervisor.lanes import ASK_AGAIN_S, PREFETCH_S, WATCHED_AFTER_END_S, Lanes
from supervisor.venue.market import MarketResolved, Snapshot, TickSizeChanged, Traded
from supervisor.venue.prices import Price

SLOT = parse_slot(BTC)
NEXT_S = START_S + 300


class Lane:
    """One lane and what it told, on a clock that stands still."""

    def __init__(self) -> None:
        self.lanes = Lanes(structs.replace(load(environ={}), slots=Slots(assets=("BTC",), minutes=(5,))))
        self.told: list[Any] = []

    def roll(self, second: float) -> list[str]:
        """Let the clock be so many seconds after midnight; returns the kinds of what was told."""
        return self._tell(self.lanes.roll(SLOT, round((START_S + second) * NS)))

    def listed(self, start_s: int = START_S, accepting: bool = True, **listing: Any) -> list[str]:
        """The venue describes a window."""
        return self._tell(self.lanes.listed(SLOT, start_s, a_listing(BTC, start_s, **listing), accepting))

    def price(self, second: int, exact: int = 100, window_s: int = 0) -> list[str]:
        """A reference price of a second after midnight."""
        price = Price("BTC", window_s, (START_S + second) * 1_000, exact)
        return self._tell(self.lanes.price(price, (START_S + second) * NS))

    def hear(self, event: Any) -> list[str]:
        """The market channel says something."""
        return self._tell(self.lanes.market_event(event))

    def book(self, bid: int, ask: int, start_s: int = START_S) -> list[str]:
        """A snapshot of Up's book."""
        return self.hear(Snapshot(tokens(BTC, start_s)[0], (Level(bid, 10**7),), (Level(ask, 10**7),), 0))

    def questions(self, second: float) -> list[int]:
        """Windows to be asked about, by their start after midnight."""
        found = self.lanes.questions(round((START_S + second) * NS))
        return [window.start_s - START_S for window in found]

    def last(self, kind: type) -> Any:
        """The newest thing told of a kind."""
        return [item for item in self.told if isinstance(item, kind)][-1]

    def _tell(self, told: Any) -> list[str]:
        fresh = list(told)
        self.told += fresh
        return [type(item).__name__ for item in fresh]


def an_open_lane() -> Lane:
    """The first window runs and its market is known."""
    lane = Lane()
    lane.roll(0)
    lane.listed()
    return lane


def test_a_window_runs_when_its_time_has_come_and_its_market_is_known() -> None:
    """In either order."""
    lane = Lane()
    assert lane.roll(0) == []
    assert lane.lanes.window(SLOT) is None
    assert lane.listed() == ["Opened", "WindowOpened", "BookSeen", "BookSeen"]
    assert lane.lanes.window(SLOT) is lane.lanes.current[SLOT]
    lane.roll(250)
    assert lane.listed(NEXT_S) == []
    assert lane.roll(300) == ["WindowClosed", "Opened", "WindowOpened", "BookSeen", "BookSeen"]


def test_a_market_is_asked_for_when_its_window_is_near_and_again_until_it_is_known() -> None:
    """A window's own market first, then the next one's; each question keeps its distance."""
    lane = Lane()
    lane.roll(5)
    assert lane.questions(5) == [0]
    assert lane.questions(5 + ASK_AGAIN_S - 1) == []
    assert lane.questions(5 + ASK_AGAIN_S) == [0]
    lane.listed()
    lane.roll(300 - PREFETCH_S)
    assert lane.questions(300 - PREFETCH_S) == [300]


def test_a_description_of_a_window_nobody_waits_for_is_passed_over() -> None:
    """The answer came too late, or too early."""
    lane = an_open_lane()
    assert lane.listed(START_S - 300) == []
    assert lane.listed(NEXT_S) == []
    assert lane.lanes.watched() == set(tokens(BTC))


def test_a_market_that_takes_no_orders_is_no_market_yet() -> None:
    """It is asked for again."""
    lane = Lane()
    lane.roll(0)
    assert lane.listed(accepting=False) == []
    assert lane.lanes.watched() == frozenset()


def test_a_second_description_does_not_replace_the_market() -> None:
    """Terms are those that were announced."""
    lane = an_open_lane()
    assert lane.listed(tick_micro=1_000) == []
    window = lane.lanes.window(SLOT)
    assert window is not None
    assert window.market == a_market()


def test_a_lane_that_slept_goes_on_in_the_window_that_runs() -> None:
    """One that was prepared for another time is dropped."""
    lane = an_open_lane()
    lane.roll(250)
    lane.listed(NEXT_S)
    assert lane.roll(900) == ["WindowClosed"]
    assert lane.lanes.current[SLOT].start_s == START_S + 900
    assert lane.lanes.window(SLOT) is None


# --- strike and settlement ---


def test_a_strike_seen_before_its_market_is_known_is_not_forgotten() -> None:
    """The price comes a second or two after midnight, the market perhaps a minute."""
    lane = Lane()
    lane.roll(0)
    assert lane.price(0, 77) == ["PriceSeen"]
    assert lane.listed() == ["Opened", "Strike", "WindowOpened", "StrikeSet", "BookSeen", "BookSeen"]
    assert lane.last(m.StrikeSet).exact == "77"


@pytest.mark.parametrize(("rule", "window_s"), [("spot", 0), ("twap30", 30), ("twap60", 60)])
def test_the_markets_own_rule_says_which_price_counts(rule: Rule, window_s: int) -> None:
    """Strike and close of that mean; the other prices of the same second are none of its business."""
    lane = Lane()
    lane.roll(0)
    lane.listed(rule=rule)
    for other in {0, 30, 60} - {window_s}:
        lane.price(0, 1, other)
    lane.price(0, 77, window_s)
    assert lane.last(e.Strike).exact == "77"
    lane.roll(301)
    for other in {0, 30, 60} - {window_s}:
        lane.price(300, 1, other)
    lane.price(300, 76, window_s)
    assert lane.last(e.Settled) == e.Settled(BTC, START_S, "77", "76", "Down")


def test_a_close_seen_before_the_lane_turned_settles_the_window_as_it_ends() -> None:
    """Price and clock race each other at every turn."""
    lane = an_open_lane()
    lane.price(0, 77)
    assert lane.price(300, 78) == ["PriceSeen"]
    assert lane.roll(300.5) == ["WindowClosed", "Settled"]
    assert lane.last(e.Settled).winner == "Up"


def test_a_window_without_a_boundary_price_is_left_to_the_venue() -> None:
    """Nothing is guessed from the second beside it."""
    lane = an_open_lane()
    lane.price(0, 77)
    lane.roll(301)
    assert lane.price(301, 78) == ["PriceSeen"]
    assert lane.listed(winner="Down", accepting=False) == ["WindowResolved"]
    assert lane.last(m.WindowResolved).winner == "Down"


def test_a_winner_on_the_channel_ends_what_is_kept_of_a_window() -> None:
    """Only of one that is over; its books are no longer wanted."""
    lane = an_open_lane()
    up, down = tokens(BTC)
    assert lane.hear(MarketResolved("0x", up)) == []
    lane.roll(301)
    assert lane.hear(MarketResolved("0x", "another token")) == []
    assert lane.hear(MarketResolved("0x", down)) == ["WindowResolved"]
    assert lane.hear(MarketResolved("0x", down)) == []
    assert (lane.lanes.watched(), lane.lanes.find(BTC, START_S)) == (frozenset(), None)


def test_the_tokens_of_a_window_nobody_resolves_are_followed_for_a_while() -> None:
    """The channel may still name the winner; after that only the listing is asked."""
    lane = an_open_lane()
    end = 300
    while end <= 300 + WATCHED_AFTER_END_S + 300:
        lane.roll(end)
        lane.listed(START_S + end)
        assert (tokens(BTC)[0] in lane.lanes.watched()) == (end - 300 - 300 <= WATCHED_AFTER_END_S)
        end += 300
    assert lane.lanes.find(BTC, START_S) is not None


def test_a_winner_is_asked_for_until_it_is_named() -> None:
    """A little after the end, and again; not any more once it is known."""
    lane = an_open_lane()
    lane.roll(301)
    assert 0 not in lane.questions(300 + ASK_AGAIN_S - 1)
    assert 0 in lane.questions(300 + ASK_AGAIN_S)
    lane.listed(winner="Up", accepting=False)
    assert 0 not in lane.questions(300 + 2 * ASK_AGAIN_S)


# --- after a restart ---


def test_a_window_from_before_a_restart_is_taken_up() -> None:
    """Its market and its strike are known without asking."""
    lane = Lane()
    lane.lanes.resume(an_opening(START_S), 77)
    assert lane.roll(20) == ["Opened", "WindowOpened", "StrikeSet", "BookSeen", "BookSeen"]
    assert lane.last(m.StrikeSet).exact == "77"
    assert lane.last(e.Opened) == an_opening(START_S)


def test_a_window_that_ended_before_a_restart_waits_for_its_winner() -> None:
    """It does not run again."""
    lane = Lane()
    lane.lanes.resume(an_opening(START_S), 77)
    assert lane.roll(301) == []
    assert lane.lanes.window(SLOT) is None
    assert lane.price(300, 76) == ["PriceSeen", "Settled"]
    assert lane.hear(MarketResolved("0x", "1")) == ["WindowResolved"]


def test_a_window_of_a_lane_that_is_not_configured_is_left_alone() -> None:
    """Settings may change between two reigns."""
    lane = Lane()
    opened = an_opening(START_S)
    lane.lanes.resume(structs.replace(opened, slot="ETH/5m"), None)
    assert lane.lanes.ended == {}


# --- books ---


def test_nothing_is_told_of_a_book_before_its_window_runs() -> None:
    """It is kept, and told when the window begins."""
    lane = an_open_lane()
    lane.roll(250)
    lane.listed(NEXT_S)
    assert lane.book(400_000, 420_000, NEXT_S) == []
    lane.roll(300)
    assert lane.last(m.BookSeen).outcome == "Down"
    assert [seen.bids for seen in lane.told if isinstance(seen, m.BookSeen)][-2] == (Level(400_000, 10**7),)


def test_a_snapshot_may_bring_a_new_price_grid() -> None:
    """Told before the book on it; the same grid again is no news."""
    lane = an_open_lane()
    bids, asks = (Level(480_000, 10**7),), (Level(500_000, 10**7),)
    snapshot = Snapshot(tokens(BTC)[1], bids, asks, 1_000)
    assert lane.hear(snapshot) == ["TickSizeSet", "BookSeen"]
    assert lane.hear(snapshot) == []
    assert lane.hear(TickSizeChanged(tokens(BTC)[0], 1_000)) == []


def test_a_grid_that_changed_before_its_window_runs_is_part_of_its_terms() -> None:
    """There is nobody to tell yet."""
    lane = an_open_lane()
    lane.roll(250)
    lane.listed(NEXT_S)
    assert lane.hear(TickSizeChanged(tokens(BTC, NEXT_S)[0], 1_000)) == []
    lane.roll(300)
    assert lane.last(m.WindowOpened).terms.tick_micro == 1_000


@pytest.mark.parametrize(
    "event", [Traded("?", "BUY", Level(1, 1)), TickSizeChanged("?", 1_000), MarketResolved("", "?")]
)
def test_words_about_strange_tokens_are_passed_over(event: Any) -> None:
    """The channel tells of everything that was ever subscribed."""
    assert an_open_lane().hear(event) == []


def test_every_book_is_distrusted_together() -> None:
    """Told once each, of the window that runs."""
    lane = an_open_lane()
    lane.book(480_000, 500_000)
    assert list(lane.lanes.distrust("gone")) == [
        m.BookSeen(BTC, START_S, "Up", (Level(480_000, 10**7),), (Level(500_000, 10**7),), True),
    ]
    assert list(lane.lanes.distrust("gone")) == []
    assert lane.lanes.current[SLOT].books["Down"].stale == "gone"


# --- for those who begin to read now ---


def test_a_keyframe_holds_all_that_is_true_of_the_markets() -> None:
    """Last prices, the window that runs with its terms and strike, its books; nothing of what is to come."""
    lane = an_open_lane()
    lane.price(0, 77)
    lane.price(3, 78)
    lane.price(3, 79, 60)
    lane.book(480_000, 500_000)
    lane.roll(250)
    lane.listed(NEXT_S)
    known = list(lane.lanes.keyframe())
    assert [type(event).__name__ for event in known] == [
        *("PriceSeen", "PriceSeen", "WindowOpened", "StrikeSet", "BookSeen", "BookSeen"),
    ]
    assert {event.exact for event in known if isinstance(event, m.PriceSeen)} == {"78", "79"}
    assert {event.start_s for event in known if isinstance(event, m.WindowOpened)} == {START_S}


def test_lanes_stand_in_the_order_of_the_settings() -> None:
    """Each asset's five minutes before its fifteen."""
    lanes = Lanes(structs.replace(load(environ={}), slots=Slots(assets=("ETH", "BTC"))))
    assert lanes.slots == (Slot("ETH", 5), Slot("ETH", 15), Slot("BTC", 5), Slot("BTC", 15))
