"""The book: price, then time; mirrored views; nothing lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.days import Outcome
from deploy.rehearsal.matching import CROWD, Book, Kind, Matched, Side, Wish, collateral_of, in_up

SHARE = 10**6
CENT = 10_000
_NUMBERS = count()


def a_wish(
    side: Side,
    outcome: Outcome,
    cents: int,
    shares: int,
    account: str | None = None,
    kind: Kind = "GTC",
    spend_micro: int | None = None,
) -> Wish:
    number = next(_NUMBERS)
    owner = f"somebody {number}" if account is None else account
    return Wish(f"order-{number}", owner, outcome, side, cents * CENT, shares * SHARE, kind, spend_micro)


def a_book(*wishes: Wish) -> Book:
    book = Book()
    for wish in wishes:
        book.place(wish)
    return book


def trades(matched: Matched) -> list[tuple[str, int, int]]:
    """(maker, price in Up cents, shares) of every fill."""
    return [(fill.account, fill.up_micro // CENT, fill.size_micro // SHARE) for fill in matched.fills]


def test_the_better_price_trades_first_then_the_older_order() -> None:
    """At the makers' own prices, not at the taker's limit."""
    book = a_book(
        a_wish("SELL", "Up", 52, 10, "late and dear"),
        a_wish("SELL", "Up", 51, 10, "first"),
        a_wish("SELL", "Up", 51, 10, "second"),
    )
    matched = book.place(a_wish("BUY", "Up", 55, 25))
    assert trades(matched) == [("first", 51, 10), ("second", 51, 10), ("late and dear", 52, 5)]


def test_two_buyers_of_different_outcomes_mint_a_pair() -> None:
    """Who buys Down at 0.40 sells Up at 0.60."""
    book = a_book(a_wish("BUY", "Down", 40, 10, "down"))
    matched = book.place(a_wish("BUY", "Up", 60, 10))
    assert trades(matched) == [("down", 60, 10)]
    assert (matched.fills[0].outcome, matched.fills[0].price_micro) == ("Down", 40 * CENT)


def test_two_sellers_of_different_outcomes_merge_a_pair() -> None:
    """Who sells Down at 0.40 buys Up at 0.60."""
    book = a_book(a_wish("SELL", "Down", 40, 10, "down"))
    assert trades(book.place(a_wish("SELL", "Up", 60, 10))) == [("down", 60, 10)]


def test_what_is_left_of_a_limit_order_rests() -> None:
    """And is found at its price."""
    book = a_book(a_wish("SELL", "Up", 50, 4))
    matched = book.place(a_wish("BUY", "Up", 50, 10))
    assert (matched.filled_micro, matched.rested_micro, matched.killed_micro) == (4 * SHARE, 6 * SHARE, 0)
    assert book.levels("Up") == ([(50 * CENT, 6 * SHARE)], [])


def test_what_is_left_of_a_fak_is_killed() -> None:
    """It takes what there is and goes."""
    book = a_book(a_wish("SELL", "Up", 50, 4))
    matched = book.place(a_wish("BUY", "Up", 50, 10, kind="FAK"))
    assert (matched.filled_micro, matched.rested_micro, matched.killed_micro) == (4 * SHARE, 0, 6 * SHARE)
    assert book.levels("Up") == ([], [])


def test_a_fok_fills_wholly_or_changes_nothing() -> None:
    """One share too many, and the book is as it was."""
    book = a_book(a_wish("SELL", "Up", 50, 4), a_wish("SELL", "Up", 51, 4))
    before = book.levels("Up")
    assert book.place(a_wish("BUY", "Up", 51, 9, kind="FOK")).fills == ()
    assert book.levels("Up") == before
    assert book.place(a_wish("BUY", "Up", 51, 8, kind="FOK")).filled_micro == 8 * SHARE


def test_an_immediate_buy_spends_its_dollars_at_the_makers_prices() -> None:
    """Ten dollars at a limit of 0.55 buy 20 shares where 0.50 is asked: more than it signed for."""
    book = a_book(a_wish("SELL", "Up", 50, 100))
    wish = replace(a_wish("BUY", "Up", 55, 18, kind="FOK"), spend_micro=10 * 10**6)
    assert book.place(wish).filled_micro == 20 * SHARE


def test_dollars_are_spent_level_by_level_to_the_last_share() -> None:
    """$5 of $10 at 0.50, the rest at 0.53, rounded down to what the money buys."""
    book = a_book(a_wish("SELL", "Up", 50, 10), a_wish("SELL", "Up", 53, 100))
    matched = book.place(a_wish("BUY", "Up", 55, 18, kind="FAK", spend_micro=10 * 10**6))
    spent = sum(collateral_of(fill.size_micro, fill.up_micro) for fill in matched.fills)
    assert [fill.size_micro for fill in matched.fills] == [10 * SHARE, 9_433_962]
    assert 10 * 10**6 - 1 <= spent <= 10 * 10**6
    assert matched.killed_micro == 0


def test_a_fok_that_cannot_spend_its_dollars_changes_nothing() -> None:
    """All or none is measured in dollars."""
    book = a_book(a_wish("SELL", "Up", 50, 10))
    assert book.place(a_wish("BUY", "Up", 55, 18, kind="FOK", spend_micro=10 * 10**6)).fills == ()


def test_an_account_does_not_trade_with_itself() -> None:
    """Its own order is passed over, and stays; the next one trades."""
    book = a_book(a_wish("SELL", "Up", 50, 5, "me"), a_wish("SELL", "Up", 50, 5, "you"))
    assert trades(book.place(a_wish("BUY", "Up", 50, 5, "me"))) == [("you", 50, 5)]
    assert book.levels("Up") == ([], [(50 * CENT, 5 * SHARE)])


def test_crossing_ones_own_order_is_not_crossing() -> None:
    """So a post-only order of the same account may rest there."""
    book = a_book(a_wish("SELL", "Up", 50, 5, "me"))
    assert not book.crosses(a_wish("BUY", "Up", 50, 5, "me"))
    assert book.crosses(a_wish("BUY", "Up", 50, 5, "you"))
    assert not book.crosses(a_wish("BUY", "Up", 49, 5, "you"))


def test_the_crowd_does_trade_with_itself() -> None:
    """It is many."""
    book = a_book(a_wish("SELL", "Up", 50, 5, CROWD))
    assert book.place(a_wish("BUY", "Up", 50, 5, CROWD)).filled_micro == 5 * SHARE


def test_the_best_level_is_listed_last() -> None:
    """Bids rise, asks fall, as the venue lists them; Down's book is Up's in the mirror."""
    book = a_book(
        a_wish("BUY", "Up", 40, 1), a_wish("BUY", "Up", 45, 2), a_wish("SELL", "Up", 55, 3), a_wish("SELL", "Up", 60, 4)
    )
    bids, asks = book.levels("Up")
    assert [price // CENT for price, _ in bids] == [40, 45]
    assert [price // CENT for price, _ in asks] == [60, 55]
    assert book.levels("Down") == (
        [(40 * CENT, 4 * SHARE), (45 * CENT, 3 * SHARE)],
        [(60 * CENT, 1 * SHARE), (55 * CENT, 2 * SHARE)],
    )


def test_a_cancelled_order_is_gone_and_cancels_only_once() -> None:
    """What was open is told."""
    wish = a_wish("BUY", "Up", 40, 7)
    book = a_book(wish)
    assert (book.cancel(wish.order_id), book.cancel(wish.order_id)) == (7 * SHARE, 0)
    assert book.levels("Up") == ([], [])


def test_makers_take_the_newest_size_away_first() -> None:
    """So a client behind the crowd's older order is not moved up by what the crowd takes back."""
    book = a_book(
        a_wish("BUY", "Up", 40, 10, CROWD), a_wish("BUY", "Up", 40, 5, "me"), a_wish("BUY", "Up", 40, 10, CROWD)
    )
    book.trim(True, 40 * CENT, 12 * SHARE)
    assert [(order.account, order.open_micro // SHARE) for order in book.orders()] == [(CROWD, 8), ("me", 5)]


def test_a_restored_order_rests_last_and_trades_nothing() -> None:
    """The crowd's orders it would cross are cancelled instead."""
    book = a_book(a_wish("BUY", "Up", 50, 10, CROWD), a_wish("SELL", "Up", 52, 10, CROWD))
    book.restore(a_wish("BUY", "Up", 52, 10, "me"), 6 * SHARE)
    assert book.levels("Up") == ([(50 * CENT, 10 * SHARE), (52 * CENT, 6 * SHARE)], [])
    book.restore(a_wish("BUY", "Up", 50, 3, "me"), 3 * SHARE)
    assert trades(book.place(a_wish("SELL", "Up", 50, 19, "you")))[1:] == [(CROWD, 50, 10), ("me", 50, 3)]


def test_every_changed_level_is_told_once() -> None:
    """Rested, traded or cancelled."""
    book = a_book(a_wish("SELL", "Up", 50, 5, "a"), a_wish("SELL", "Up", 51, 5, "b"))
    assert book.drain() == [(False, 50 * CENT), (False, 51 * CENT)]
    book.place(a_wish("BUY", "Up", 51, 12, "c"))
    assert book.drain() == [(False, 50 * CENT), (False, 51 * CENT), (True, 51 * CENT)]
    assert book.drain() == []


wishes = st.lists(
    st.builds(
        a_wish,
        side=st.sampled_from(["BUY", "SELL"]),
        outcome=st.sampled_from(["Up", "Down"]),
        cents=st.integers(1, 99),
        shares=st.integers(1, 50),
        account=st.sampled_from(["a", "b", "c", CROWD]),
        kind=st.sampled_from(["GTC", "GTC", "GTC", "FAK", "FOK"]),
    ),
    max_size=40,
)


@given(wishes)
def test_no_share_is_lost_and_no_account_crosses_another(placed: list[Wish]) -> None:
    """Wanted = filled as taker + filled as maker + resting + killed; orders of two accounts never cross."""
    book, filled, killed = Book(), 0, 0
    for wish in placed:
        matched = book.place(wish)
        filled += 2 * matched.filled_micro
        killed += matched.killed_micro
        resting = book.orders()
        bids, asks = ([order for order in resting if order.bid is side] for side in (True, False))
        assert not any(
            bid.up_micro >= ask.up_micro and (bid.account != ask.account or bid.account == CROWD)
            for bid in bids
            for ask in asks
        )
    assert sum(wish.size_micro for wish in placed) == filled + killed + sum(order.open_micro for order in book.orders())


@given(wishes)
def test_the_two_books_are_mirrors(placed: list[Wish]) -> None:
    """Each level of one token is a level of the other, across the middle."""
    book = a_book(*placed)
    bids, asks = book.levels("Up")
    mirrored = [(10**6 - price, size) for price, size in asks], [(10**6 - price, size) for price, size in bids]
    assert book.levels("Down") == mirrored
    assert all(book.size_at(True, price) == size for price, size in bids)


@given(wishes, st.integers(1, 99), st.integers(1, 100))
def test_a_taker_never_pays_more_than_its_limit(placed: list[Wish], cents: int, shares: int) -> None:
    """Nor does it get more than it asked for."""
    book = a_book(*placed)
    wish = a_wish("BUY", "Down", cents, shares, "taker", "FAK")
    matched = book.place(wish)
    assert all(in_up("Down", fill.up_micro) <= wish.price_micro for fill in matched.fills)
    assert matched.filled_micro <= wish.size_micro
