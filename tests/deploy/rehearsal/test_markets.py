"""One market's views of its one book."""

from __future__ import annotations

from kit.days import START_S, a_market_row

from deploy.rehearsal.markets import Market
from deploy.rehearsal.matching import Wish
from deploy.rehearsal.recordings import listing_of

LISTING = listing_of(a_market_row())
NOW_MS = START_S * 1_000


def a_market() -> Market:
    """Bid 0.47 for 10 Up; 0.52 asked for 4 Up by somebody who buys Down."""
    market = Market(LISTING, 10_000)
    market.book.place(Wish("a", "a", "Up", "BUY", 470_000, 10_000_000))
    market.book.place(Wish("b", "b", "Down", "BUY", 480_000, 4_000_000))
    return market


def test_both_tokens_are_views_of_one_book() -> None:
    """What is bid for one is asked for the other."""
    up, down = a_market().view("Up", NOW_MS), a_market().view("Down", NOW_MS)
    assert (up.best_bid, up.best_ask) == ("0.47", "0.52")
    assert (down.best_bid, down.best_ask) == ("0.48", "0.53")
    assert (up.token_id, down.token_id) == (LISTING.up_token, LISTING.down_token)


def test_the_best_price_of_a_side_is_in_the_tokens_own_terms() -> None:
    """None where nobody is."""
    market = a_market()
    assert market.best("Down", "SELL") == 530_000
    assert market.best("Up", "BUY") == 470_000
    assert Market(LISTING, 10_000).best("Up", "BUY") is None


def test_a_changed_level_is_told_for_both_tokens() -> None:
    """With the new total; 0 when it is gone."""
    market = a_market()
    market.book.drain()
    market.book.cancel("b")
    up, down = market.changes(market.book.drain())
    assert (up.token_id, up.side, up.price_micro, up.size_micro) == (LISTING.up_token, "SELL", 520_000, 0)
    assert (down.token_id, down.side, down.price_micro, down.size_micro) == (LISTING.down_token, "BUY", 480_000, 0)


def test_trades_are_counted_and_the_last_price_is_kept() -> None:
    """In both tokens' terms."""
    market = a_market()
    assert market.last_trade("Up") == ""
    assert [market.traded(520_000, 4_000_000, 480_000), market.traded(470_000, 1_000_000, 470_000)] == [1, 2]
    assert (market.last_trade("Up"), market.last_trade("Down")) == ("0.47", "0.53")
    assert market.volume_micro == 1_920_000 + 470_000


def test_the_catalogue_sees_price_and_liquidity() -> None:
    """Dollars behind every order."""
    shown = a_market().shown(NOW_MS, True)
    assert (shown.up_micro, shown.liquidity_micro) == (495_000, 4_700_000 + 2_080_000)


def test_tokens_know_their_outcome() -> None:
    """By id."""
    assert [a_market().outcome_of(token) for token in (LISTING.up_token, LISTING.down_token)] == ["Up", "Down"]
