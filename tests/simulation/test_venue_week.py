"""What the venue keeps does not grow with time."""

from __future__ import annotations

import gc

import psutil
from kit.venue import Trader, an_exchange

from deploy.rehearsal.bridged import BridgedDay, Thread
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.history import plain_listing
from deploy.rehearsal.keys import Key

START_S = 1_794_960_000
WINDOW_S = 900
DAY_WINDOWS = 96
WEEK = 7
QUIET = 0.005
"""The share of the usual trades: what is kept does not depend on how many there are, the time this takes does."""
GROWTH_MB = 12.0


def a_long_day(windows: int) -> BridgedDay:
    """One slot of windows without an end, a price every minute."""
    listings = [plain_listing("long", "BTC", WINDOW_S, START_S + WINDOW_S * number) for number in range(windows)]
    minutes = range(windows * WINDOW_S // 60 + 90)
    prices = {START_S - 1_800 + 60 * minute: (64_000 + minute % 7) * 10**18 for minute in minutes}
    return BridgedDay("long", listings, {"BTC": Thread("BTC", prices, 1)})


def a_window_of_trading(exchange: Exchange, key: Key, number: int) -> None:
    """A client rests one order, which the window's end cancels, and buys with another, which is paid or lost."""
    start_s = START_S + WINDOW_S * number
    exchange.advance((start_s + 300) * 1_000)
    market = exchange.floor.by_slug[f"btc-updown-15m-{start_s}"]
    for price_micro, salt in ((10_000, 2 * number + 1), (990_000, 2 * number + 2)):
        exchange.place(Trader().limit(key, market.listing.up_token, "BUY", price_micro, 5, salt=salt), key)
    exchange.advance((start_s + WINDOW_S) * 1_000 - 1)
    exchange.out.take()


def kept(exchange: Exchange, key: Key) -> dict[str, int]:
    """How much there is of everything that could grow."""
    floor, account = exchange.floor, exchange.accounts.get(key.owner)
    counted = {
        "orders": exchange.orders,
        "trades": exchange.trades,
        "unsettled": exchange._unsettled,
        "plans": exchange.agenda._heap,
        "markets": floor.by_slug,
        "conditions": floor.by_condition,
        "tokens": floor.by_token,
        "quoted": [slug for own in floor._quoted.values() for slug in own],
        "refilling": floor._refilling,
        "history": [point for own in floor.history.values() for point in own],
        "positions": account.positions,
        "holds": account.holds,
        "held": account.held,
        "effects": exchange.out.take(),
    }
    return {name: len(things) for name, things in counted.items()}


def test_a_week_of_trading_keeps_no_more_than_a_day() -> None:
    """Orders, trades, markets, plans and memory after seven days are those of the first."""
    exchange = an_exchange(a_long_day((WEEK + 2) * DAY_WINDOWS), START_S * 1_000, Rules(flow=QUIET, grant_micro=10**12))
    key = Trader().join(exchange)
    after: dict[int, dict[str, int]] = {}
    memory_mb: dict[int, float] = {}
    for number in range(WEEK * DAY_WINDOWS):
        a_window_of_trading(exchange, key, number)
        if (number + 1) % DAY_WINDOWS == 0:
            gc.collect()
            day = (number + 1) // DAY_WINDOWS
            after[day], memory_mb[day] = kept(exchange, key), psutil.Process().memory_info().rss / 1e6
    assert after[1]["orders"] > 0 and after[1]["trades"] > 0
    assert all(after[WEEK][name] <= 1.25 * after[1][name] + 4 for name in after[1])
    assert memory_mb[WEEK] - memory_mb[1] < GROWTH_MB
