"""A market in the CLOB's own forms."""

from __future__ import annotations

from dataclasses import replace

from kit.days import START_S, a_market_row

from deploy.rehearsal import clob_markets
from deploy.rehearsal.days import Settled
from deploy.rehearsal.markets import Market
from deploy.rehearsal.matching import Wish
from deploy.rehearsal.migrated import moved
from deploy.rehearsal.prints import Print
from deploy.rehearsal.recordings import listing_of

LISTING = listing_of(a_market_row())
SINCE = "2026-07-24T00:00:00Z"
SHOWN = {"question": "window", "questionID": "0xq", "description": "rules"}


def a_market() -> Market:
    market = Market(LISTING, 1_000)
    market.book.place(Wish("0xb", "", "Up", "BUY", 470_000, 5_000_000))
    market.book.place(Wish("0xa", "", "Up", "SELL", 490_000, 5_000_000))
    return market


def test_the_short_form_names_version_and_tick() -> None:
    """A market of Protocol V2 also says that its book is cleared at the start."""
    old, new = (clob_markets.short(each, 1_000, True, SINCE) for each in (LISTING, moved(LISTING)))
    assert (old["v"], old["mts"], "cbos" in old) == ("v1", 0.001, False)
    assert (new["v"], new["cbos"]) == ("v2", True)


def test_the_long_forms_tick_is_the_one_of_listing() -> None:
    """Stale, as production's is."""
    shown = clob_markets.long(a_market(), True, SINCE, SHOWN)
    assert (shown["minimum_tick_size"], shown["minimum_order_size"]) == (0.01, 5)
    assert (shown["market_slug"], shown["accepting_orders"], shown["closed"]) == (LISTING.slug, True, False)
    assert shown["end_date_iso"] == "2026-07-24T00:05:00Z"


def test_prices_are_the_best_bids_until_one_has_won() -> None:
    """Then one and nothing."""
    market = a_market()
    assert [token["price"] for token in clob_markets.simplified(market, True)["tokens"]] == [0.47, 0.51]
    market.settled = Settled(None, None, "Down")
    after = clob_markets.simplified(market, False)
    assert [(token["price"], token["winner"]) for token in after["tokens"]] == [(0.0, False), (1.0, True)]
    assert after["closed"]


def test_primary_is_just_the_smaller_token() -> None:
    """Not Up."""
    found = clob_markets.of_token(replace(LISTING, up_token="20", down_token="3"))
    assert (found["primary_token_id"], found["secondary_token_id"]) == ("3", "20")


def test_activity_names_the_token_and_nobody() -> None:
    """In the taker's terms."""
    row = Print(START_S * 1_000, "Down", "SELL", 530_000, 5_000_000)
    shown = clob_markets.activity(a_market(), SHOWN, row)
    assert (shown["market"]["asset_id"], shown["outcome_index"]) == (LISTING.down_token, 1)
    assert (shown["side"], shown["price"], shown["size"], shown["user"]["address"]) == ("SELL", "0.53", "5", "")
