"""Scenarios carried out: each fault at its moment, and what it does at once."""

from __future__ import annotations

from typing import Any

import pytest
from kit.days import START_S, a_day
from kit.venue import Trader, an_exchange, lines_of

from deploy.rehearsal.director import COMMAND, Director
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.faults import MODES, read_fault
from deploy.rehearsal.modes import Mode
from deploy.rehearsal.outbox import Effect, Shut, ToMarket
from deploy.rehearsal.scenario import read_scenario

NOW_MS = (START_S + 20) * 1_000
DAY = a_day()


def a_director(text: str = "") -> Director:
    director = Director(an_exchange(DAY, NOW_MS))
    director.plan(read_scenario(text) if text else ())
    return director


def began(exchange: Exchange) -> list[tuple[str, int]]:
    lines = lines_of(exchange, "fault")
    return [(line["fault"], line["t_ms"]) for line in lines if line["phase"] == "begins"]


def test_faults_begin_at_their_market_times() -> None:
    """In order, each at its own time, when a late process catches up."""
    director = a_director(
        '[[fault]]\nkind = "silence"\nafter_s = 30\n'
        '[[fault]]\nkind = "feed_gap"\nwindow = "5m"\noffset_s = 25\n'
        '[[fault]]\nkind = "delay_answer"\nat = "00:00:00"\n'
    )
    exchange = director.exchange
    assert director.planned
    exchange.advance(NOW_MS + 120_000)
    start_ms = NOW_MS // 300_000 * 300_000
    assert began(exchange) == [("feed_gap", start_ms + 25_000), ("silence", NOW_MS + 30_000)]


@pytest.mark.parametrize(("windows", "times"), [(1, 1), (2, 2), (0, 3)])
def test_a_fault_of_windows_comes_in_each_of_them(windows: int, times: int) -> None:
    """As many as was said; 0 is all."""
    director = a_director(f'[[fault]]\nkind = "close"\nwindow = "5m"\noffset_s = -10\nwindows = {windows}\n')
    director.exchange.advance(NOW_MS + 900_000)
    moments = [at_ms for _, at_ms in began(director.exchange)]
    assert len(moments) == times
    assert {at_ms % 300_000 for at_ms in moments} == {290_000}


def test_a_fault_after_orders_begins_at_the_turn_after_the_last_of_them() -> None:
    """Once."""
    director = a_director('[[fault]]\nkind = "drop_answer"\nafter_orders = 2\n')
    exchange = director.exchange
    key = Trader().join(exchange)
    token = exchange.floor.by_slug[f"btc-updown-5m-{START_S}"].listing.up_token
    for salt in range(3):
        director.ordered()
        assert exchange.floor.mischief.quiet == (salt < 2)
        exchange.place(Trader().limit(key, token, "BUY", 50_000, 10, salt=salt), key)
    director.ordered()
    assert len(began(exchange)) == 1


def command(director: Director, kind: str, **arguments: Any) -> list[Effect]:
    director.exchange.out.watched = set(director.exchange.floor.by_condition)
    director.exchange.out.take()
    director.begin(read_fault({"kind": kind, **arguments}), COMMAND)
    return director.exchange.out.take()


def test_sockets_are_closed_once() -> None:
    """The fault is over as soon as it was."""
    director = a_director()
    effects = command(director, "close", channel="user", code=0)
    assert [effect for effect in effects if isinstance(effect, Shut)] == [Shut("user", 0, "fault 1")]
    assert director.exchange.floor.mischief.quiet


def test_a_restart_closes_the_channels_of_the_exchange() -> None:
    """Not the one of the prices, which is another service."""
    shut = [effect.channel for effect in command(a_director(), "restart") if isinstance(effect, Shut)]
    assert shut == ["market", "user"]


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_is_switched_and_switched_back(mode: str) -> None:
    """At its time, or when somebody ends the fault."""
    director = a_director()
    exchange = director.exchange
    command(director, "mode", mode=mode, for_s=60)
    assert exchange.modes.at(exchange.now_ms).mode is Mode(mode)
    exchange.advance(exchange.now_ms + 60_000)
    assert exchange.modes.at(exchange.now_ms).mode is Mode.OPEN
    command(director, "mode", mode=mode, for_s=0)
    exchange.advance(exchange.now_ms + 100_000)
    assert exchange.modes.at(exchange.now_ms).mode is Mode(mode)
    exchange.floor.mischief.end_all()
    assert exchange.modes.at(exchange.now_ms).mode is Mode.OPEN


def test_a_restart_is_down_then_post_only_then_over() -> None:
    """Each for its time."""
    director = a_director()
    exchange = director.exchange
    command(director, "restart", down_s=30, post_only_s=40)
    modes = [exchange.modes.at(exchange.now_ms + after_s * 1_000).mode for after_s in (0, 29, 30, 69, 70)]
    assert modes == [Mode.RESTARTING, Mode.RESTARTING, Mode.POST_ONLY, Mode.POST_ONLY, Mode.OPEN]
    exchange.floor.mischief.end_all()
    assert exchange.modes.at(exchange.now_ms).mode is Mode.OPEN


@pytest.mark.parametrize("shape", ["change", "book"])
def test_a_crossed_book_is_told_and_is_not_there(shape: str) -> None:
    """A bid at the best ask in the message; the book itself is sound."""
    director = a_director()
    effects = command(director, "crossed_book", market="BTC/5m", shape=shape)
    told = [effect.message for effect in effects if isinstance(effect, ToMarket)]
    assert len(told) >= 2 and len(told) % 2 == 0
    for message in told:
        if shape == "change":
            (change,) = message["price_changes"]
            assert change["side"] == "BUY" and change["price"] == change["best_bid"] == change["best_ask"]
        else:
            assert message["bids"][-1]["price"] == message["asks"][-1]["price"]
    for market in director.exchange.floor.by_slug.values():
        bid, ask = market.book.best(True), market.book.best(False)
        assert bid is None or ask is None or bid < ask


def test_a_crossed_book_leaves_other_markets_alone() -> None:
    """As was asked for."""
    director = Director(an_exchange())
    effects = command(director, "crossed_book", market="DOGE/15m")
    listing_of = director.exchange.floor.listing_of
    listings = [listing_of(effect.condition_id) for effect in effects if isinstance(effect, ToMarket)]
    assert {(listing.asset, listing.interval_s) for listing in listings if listing} == {("DOGE", 900)}


@pytest.mark.parametrize(("usd", "paid_micro"), [(50, 50_000_000), (-20.5, -20_500_000), (-5_000, -994_824_800)])
def test_money_is_paid_into_every_account_and_out_of_what_is_free(usd: float, paid_micro: int) -> None:
    """Once, on the record; what an open order holds back, its fee with it, stays."""
    director = a_director()
    exchange = director.exchange
    key = Trader().join(exchange)
    token = exchange.floor.by_slug[f"btc-updown-5m-{START_S}"].listing.up_token
    exchange.place(Trader().limit(key, token, "BUY", 500_000, 10), key)
    before = exchange.accounts.get(Trader().address).cash_micro
    director.begin(read_fault({"kind": "transfer", "usd": usd}), COMMAND)
    assert exchange.accounts.get(Trader().address).cash_micro == before + paid_micro
    assert [line["amount_micro"] for line in lines_of(exchange, "transfer")] == [paid_micro]
    assert exchange.floor.mischief.quiet
