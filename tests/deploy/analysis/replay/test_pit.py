"""deploy.analysis.replay.pit: our orders in a recorded book, never generously."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from kit.tapes import TERMS

from deploy.analysis.replay.pit import US, Pit
from deploy.rehearsal.matching import Wish
from shared.clock import NS
from shared.messages import BookSeen, Level, TradeSeen

SLOT, START_S = "BTC/5m", 300
SHARE = 1_000_000
CENT = 10_000


def a_book(bids: dict[int, int], asks: dict[int, int], outcome: Any = "Up") -> BookSeen:
    """A book from cents and shares."""
    return BookSeen(SLOT, START_S, outcome, _levels(bids, falling=True), _levels(asks, falling=False), False)


def _levels(sizes: dict[int, int], *, falling: bool) -> tuple[Level, ...]:
    return tuple(Level(cents * CENT, sizes[cents] * SHARE) for cents in sorted(sizes, reverse=falling))


def a_wish(cents: int, shares: int, kind: Any = "GTC", **changes: Any) -> Wish:
    """A bid for Up."""
    fields: dict[str, Any] = {"order_id": "mine", "account": US, "outcome": "Up", "side": "BUY"}
    return Wish(**(fields | {"price_micro": cents * CENT, "size_micro": shares * SHARE, "kind": kind} | changes))


def sold(cents: int, shares: int) -> TradeSeen:
    """Somebody sold Up."""
    return TradeSeen(SLOT, START_S, "Up", "SELL", cents * CENT, shares * SHARE)


def a_pit(book: BookSeen) -> Pit:
    """A market whose book was seen once."""
    pit = Pit(TERMS)
    pit.show(book, 0)
    return pit


def shares_of(fills: Any) -> int:
    """Whole shares that filled."""
    return int(sum(fill.size_micro for fill in fills)) // SHARE


BOOK = a_book({40: 100, 39: 50}, {42: 100, 43: 50})


def test_a_taker_gets_what_was_recorded_and_no_more() -> None:
    """Level by level at the recorded prices; the rest is killed."""
    matched = a_pit(BOOK).place(a_wish(43, 400, "FAK"), 0)
    assert [(fill.up_micro, fill.size_micro) for fill in matched.fills] == [
        (42 * CENT, 100 * SHARE),
        (43 * CENT, 50 * SHARE),
    ]
    assert matched.killed_micro == 250 * SHARE


def test_what_was_taken_is_not_there_again() -> None:
    """The recorded book knows nothing of us and shows it on; a price that was seen empty is new."""
    pit = a_pit(BOOK)
    assert shares_of(pit.place(a_wish(42, 80, "FAK", order_id="a"), 0).fills) == 80
    pit.show(BOOK, 1)
    assert shares_of(pit.place(a_wish(42, 80, "FAK", order_id="b"), 1).fills) == 20
    pit.show(a_book({40: 100}, {43: 50}), 2)
    pit.show(BOOK, 3)
    pit.place(a_wish(42, 80, "FAK", order_id="c"), 3)
    assert shares_of(pit.place(a_wish(42, 80, "FAK", order_id="d"), 3).fills) == 20


def test_a_bid_waits_for_all_that_stood_before_it() -> None:
    """A hundred shares first; what is sold beyond them is ours."""
    pit = a_pit(BOOK)
    assert not pit.place(a_wish(40, 10), 0).fills
    assert pit.trade(sold(40, 60), 1) == []
    assert pit.trade(sold(40, 40), 2) == []
    assert shares_of(pit.trade(sold(40, 7), 3)) == 7
    assert shares_of(pit.trade(sold(40, 7), 4)) == 3
    assert pit.trade(sold(40, 7), 5) == []


def test_who_comes_later_stands_behind() -> None:
    """More size at our price does not put us back, and does not help us."""
    pit = a_pit(BOOK)
    pit.place(a_wish(40, 10), 0)
    pit.show(a_book({40: 500}, {42: 100}), 1)
    assert pit.trade(sold(40, 100), 2) == []
    assert shares_of(pit.trade(sold(40, 10), 3)) == 10


def test_size_that_goes_goes_from_behind_first() -> None:
    """Of 500 at our price, 400 came after us: when those go, a hundred still stand before us."""
    pit = a_pit(BOOK)
    pit.place(a_wish(40, 10), 0)
    pit.show(a_book({40: 500}, {42: 100}), 1)
    pit.show(a_book({40: 100}, {42: 100}), 2)
    late_ns = 5 * NS
    assert pit.trade(sold(40, 100), late_ns) == []
    assert shares_of(pit.trade(sold(40, 1), late_ns)) == 1


def test_a_trade_that_the_book_has_shown_already_moves_nobody_twice() -> None:
    """The book lost forty, then the forty are told: sixty still stand before us."""
    pit = a_pit(BOOK)
    pit.place(a_wish(40, 10), 0)
    pit.show(a_book({40: 60, 39: 50}, {42: 100}), 1)
    assert pit.trade(sold(40, 40), 2) == []
    assert pit.trade(sold(40, 60), 3) == []
    assert shares_of(pit.trade(sold(40, 5), 4)) == 5


def test_what_others_took_is_gone_before_the_book_says_so() -> None:
    """Sixty of a hundred were sold to: who sells next meets forty."""
    pit = a_pit(BOOK)
    pit.place(a_wish(39, 10), 0)
    pit.trade(sold(40, 60), 1)
    assert shares_of(pit.place(a_wish(40, 100, "FAK", side="SELL", order_id="other"), 2).fills) == 40


def test_a_quote_that_meets_our_order_trades_with_it_once() -> None:
    """Who would have sold at our price has; the same quote, seen again, has nothing more to sell us."""
    pit = a_pit(BOOK)
    pit.place(a_wish(40, 30), 0)
    met = a_book({38: 50}, {40: 20, 41: 10})
    fills = pit.show(met, 1)
    assert shares_of(fills) == 20
    assert all(fill.up_micro == 40 * CENT for fill in fills)
    assert pit.show(met, 2) == []


def test_below_the_recorded_levels_an_order_waits_outside() -> None:
    """What stands at 35 is not known: when it shows, all of it stands before us."""
    deep = a_book({40: 9, 39: 9, 38: 9, 37: 9, 36: 9}, {42: 100})
    pit = a_pit(deep)
    pit.place(a_wish(35, 10), 0)
    assert pit.trade(sold(35, 50), 1) == []
    pit.show(a_book({36: 9, 35: 70}, {42: 100}), 5 * NS)
    assert pit.trade(sold(35, 79), 8 * NS) == []
    assert shares_of(pit.trade(sold(35, 10), 9 * NS)) == 10


def test_the_other_tokens_book_says_the_same() -> None:
    """A bid for Down at 58 is an ask for Up at 42."""
    pit = a_pit(a_book({58: 100}, {60: 100}, outcome="Down"))
    assert shares_of(pit.place(a_wish(42, 30, "FAK"), 0).fills) == 30
    down = a_wish(60, 30, "FAK", outcome="Down", order_id="other")
    assert shares_of(pit.place(down, 0).fills) == 30


def test_a_cancelled_order_is_gone_inside_and_outside() -> None:
    """It fills no more."""
    pit = a_pit(a_book({40: 9, 39: 9, 38: 9, 37: 9, 36: 9}, {42: 100}))
    pit.place(a_wish(40, 10), 0)
    pit.place(a_wish(35, 10, order_id="deep"), 0)
    assert (pit.cancel("mine"), pit.cancel("deep"), pit.cancel("mine")) == (10 * SHARE, 10 * SHARE, 0)
    pit.show(a_book({34: 9}, {35: 50}), 1)
    assert pit.trade(sold(30, 500), 2) == []


def test_an_order_without_a_book_meets_nobody() -> None:
    """Nothing was recorded yet."""
    pit = Pit(TERMS)
    assert not pit.crosses(a_wish(99, 1), 0)
    assert not pit.place(a_wish(99, 1, "FAK"), 0).fills


@given(st.data())
def test_a_bid_never_fills_for_more_than_was_sold_at_its_price(data: st.DataObject) -> None:
    """Whatever the books and trades: no more than what was sold at its price beyond what stood there first."""
    pit, sizes = a_pit(BOOK), st.integers(0, 200)
    pit.place(a_wish(40, 1_000), 0)
    sold_there = filled = 0
    for at in range(1, data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            shares = data.draw(st.integers(1, 200))
            sold_there += shares
            filled += shares_of(pit.trade(sold(40, shares), at * NS))
        else:
            bids = {39: data.draw(sizes), 40: data.draw(sizes)}
            pit.show(a_book({cents: size for cents, size in bids.items() if size}, {42: 100}), at * NS)
    assert filled <= sold_there
