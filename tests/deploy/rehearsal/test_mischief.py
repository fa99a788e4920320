"""Faults in force: what meets them, and what is written down of it."""

from __future__ import annotations

from typing import Any

import pytest
from kit.venue import Trader, an_exchange, lines_of, said

from deploy.rehearsal.exchange import Exchange, Reply
from deploy.rehearsal.faults import read_fault
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Key
from deploy.rehearsal.memory import Memory
from deploy.rehearsal.mischief import ACTIVE_MAX, BOOK_EVENTS, NOTHING, Active
from deploy.rehearsal.outbox import Line, ToMarket, ToPrices, ToUser
from deploy.rehearsal.refusals import Refused

AT_ONCE = Rules(taker_delay_ms=0)


def begin(exchange: Exchange, kind: str, **arguments: Any) -> Active:
    return exchange.floor.mischief.begin(read_fault({"kind": kind, **arguments}), "command")


def a_buyer(exchange: Exchange, index: int = 0) -> tuple[Key, str]:
    """A key, and the Up token of a BTC window that is quoted."""
    tokens = [market.listing.up_token for market in quoted(exchange)]
    return Trader().join(exchange), tokens[index]


def quoted(exchange: Exchange) -> list[Any]:
    return [
        market
        for market in exchange.floor.by_slug.values()
        if market.listing.asset == "BTC" and market.listing.interval_s == 300 and market.book.best(True)
    ]


def buy(exchange: Exchange, key: Key, token: str, salt: int = 1) -> str:
    """Take what is offered for four dollars; the order's id."""
    body = Trader().order(key, token, "BUY", 4_000_000, 4_040_000, "FAK", salt)
    reply = exchange.place(body, key)
    assert isinstance(reply, Reply) and reply.status == 200, reply
    return str(reply.body["orderID"])


def phases(exchange: Exchange) -> list[tuple[str, str]]:
    return [(line["fault"], line["phase"]) for line in lines_of(exchange, "fault")]


def test_without_faults_nothing_is_met() -> None:
    """The room might as well not be there."""
    mischief = an_exchange().floor.mischief
    assert mischief.quiet
    assert mischief.meets("orders", "POST /order") is NOTHING
    assert not mischief.turns_away("market") and not mischief.silences("market") and not mischief.dooms("t")


def test_beginning_hits_and_end_are_on_the_record() -> None:
    """With the fault's number, its arguments, who began it, and what it hit."""
    exchange = an_exchange()
    begin(exchange, "drop_answer", count=1)
    meeting = exchange.floor.mischief.meets("orders", "POST /order")
    assert meeting.dropped and meeting.carried_out
    lines = lines_of(exchange, "fault")
    assert [line["phase"] for line in lines] == ["begins", "hits", "ends"]
    assert {line["number"] for line in lines} == {1}
    assert (lines[0]["arguments"]["route"], lines[0]["source"]) == ("orders", "command")
    assert (lines[1]["what"], lines[2]["hits"]) == ("POST /order", 1)
    assert exchange.floor.mischief.quiet


def test_a_fault_ends_at_its_market_time() -> None:
    """However late the process looks."""
    exchange = an_exchange()
    began_ms = exchange.now_ms
    begin(exchange, "silence", for_s=10)
    exchange.advance(began_ms + 9_999)
    assert exchange.floor.mischief.silences("market") and not exchange.floor.mischief.silences("user")
    exchange.out.take()
    exchange.advance(began_ms + 60_000)
    assert [line["t_ms"] for line in lines_of(exchange, "fault")] == [began_ms + 10_000]
    assert not exchange.floor.mischief.silences("market")


def test_a_route_is_met_only_by_its_own_faults() -> None:
    """Several faults meet one request together."""
    mischief = an_exchange().floor.mischief
    for kind, arguments in (("delay_answer", {"delay_ms": 5}), ("delay_answer", {"route": "gamma", "delay_ms": 7})):
        mischief.begin(read_fault({"kind": kind, **arguments}), "command")
    mischief.begin(read_fault({"kind": "refuse", "route": "gamma", "status": 500, "retry_after_s": 3}), "command")
    assert mischief.meets("books", "GET /book").delay_ms == 5
    meeting = mischief.meets("gamma", "GET /gamma/markets")
    assert meeting.refused is not None
    assert (meeting.delay_ms, meeting.refused.status, meeting.carried_out) == (12, 500, False)
    assert meeting.refused.headers == {"Retry-After": "3"}


def test_what_a_share_hits_is_drawn_from_the_seed() -> None:
    """The same requests in the same order meet the same; about the share of them."""

    def hits() -> list[bool]:
        mischief = an_exchange().floor.mischief
        mischief.begin(read_fault({"kind": "drop_answer", "share": 0.3, "count": 0}), "command")
        return [mischief.meets("orders", "POST /order").dropped for _ in range(200)]

    first = hits()
    assert first == hits()
    assert 35 < sum(first) < 85


def test_while_a_restart_is_down_its_sockets_are_turned_away() -> None:
    """Not those of the prices, and not any more while it is post-only."""
    exchange = an_exchange()
    mischief = exchange.floor.mischief
    begin(exchange, "restart", down_s=90, post_only_s=120)
    assert mischief.turns_away("market") and mischief.turns_away("user") and not mischief.turns_away("prices")
    exchange.advance(exchange.now_ms + 90_000)
    assert not mischief.turns_away("market") and not mischief.quiet
    exchange.advance(exchange.now_ms + 120_000)
    assert mischief.quiet


def test_a_ghost_fill_matches_and_is_taken_back() -> None:
    """MATCHED, RETRYING, FAILED on the channel; dollars and shares are as before."""
    exchange = an_exchange(rules=AT_ONCE)
    key, token = a_buyer(exchange)
    begin(exchange, "ghost_fill", count=100)
    buy(exchange, key, token)
    assert exchange.accounts.get(key.owner).positions[token] > 0
    exchange.advance(exchange.now_ms + 60_000)
    effects = exchange.out.take()
    statuses = {event["status"] for event in said(effects, "trade")}
    assert statuses == {"MATCHED", "RETRYING", "FAILED"}
    assert exchange.accounts.get(key.owner).cash_micro == 1_000_000_000
    assert exchange.accounts.get(key.owner).positions == {}


def test_only_so_many_fills_are_ghosts() -> None:
    """The next trade settles again."""
    exchange = an_exchange(rules=AT_ONCE)
    key, token = a_buyer(exchange)
    begin(exchange, "ghost_fill", count=1)
    buy(exchange, key, token)
    buy(exchange, key, token, salt=2)
    trades = list(exchange.trades)
    exchange.advance(exchange.now_ms + 60_000)
    settled = {line["trade_id"]: line["status"] for line in lines_of(exchange, "settlement")}
    assert [settled[trade] for trade in trades] == ["FAILED", *["CONFIRMED"] * (len(trades) - 1)]


def test_a_venue_that_is_started_again_still_fails_its_ghosts() -> None:
    """The record says which trades are doomed."""
    exchange = an_exchange(rules=AT_ONCE)
    key, token = a_buyer(exchange)
    begin(exchange, "ghost_fill", count=1)
    buy(exchange, key, token)
    start = {"kind": "start", "t_ms": exchange.now_ms, "day": None, "seed": 7}
    lines = [e.fields | {"kind": e.kind, "t_ms": e.at_ms} for e in exchange.out.take() if isinstance(e, Line)]
    memory = Memory().fold([start, *lines])
    again = an_exchange(now_ms=exchange.now_ms, memory=memory)
    again.advance(again.now_ms + 60_000)
    assert {line["status"] for line in lines_of(again, "settlement")} >= {"FAILED"}
    assert memory.doomed == {next(iter(exchange.trades))}


def watch(exchange: Exchange) -> None:
    exchange.out.watched = set(exchange.floor.by_condition)


def messages(exchange: Exchange) -> list[dict[str, Any]]:
    """What was said of markets, arrays taken apart."""
    told = [effect.message for effect in exchange.out.take() if isinstance(effect, ToMarket)]
    return [each for message in told for each in (message if isinstance(message, list) else [message])]


def test_a_stale_book_moves_and_nobody_hears_of_it() -> None:
    """Other markets are told as ever, and trades of the stale one too."""
    exchange = an_exchange()
    watch(exchange)
    begin(exchange, "stale_book", market="BTC/5m", for_s=30)
    before = [market.book.levels("Up") for market in quoted(exchange)]
    exchange.out.take()
    exchange.advance(exchange.now_ms + 20_000)
    told = messages(exchange)
    kinds = {(exchange.floor.listing_of(message["market"]), message["event_type"]) for message in told}
    stale = {kind for listing, kind in kinds if listing and (listing.asset, listing.interval_s) == ("BTC", 300)}
    assert "last_trade_price" in stale and not stale & BOOK_EVENTS
    assert any(listing and listing.asset == "ETH" and kind == "price_change" for listing, kind in kinds)
    assert [market.book.levels("Up") for market in quoted(exchange)] != before


def test_in_a_feed_gap_no_price_is_sent() -> None:
    """Of the asset it names; afterwards they come again."""
    exchange = an_exchange()
    begin(exchange, "feed_gap", asset="BTC", for_s=10)
    exchange.out.take()
    exchange.advance(exchange.now_ms + 9_000)
    assert "btcusd" not in symbols(exchange)
    exchange.advance(exchange.now_ms + 5_000)
    assert symbols(exchange) >= {"btcusd", "ethusd"}


def symbols(exchange: Exchange) -> set[str]:
    return {effect.symbol for effect in exchange.out.take() if isinstance(effect, ToPrices)}


def test_a_skewed_clock_stamps_messages_and_moves_nothing_else() -> None:
    """Market time goes on as it was."""
    exchange = an_exchange()
    watch(exchange)
    began_ms = exchange.now_ms
    begin(exchange, "clock_skew", skew_ms=-90_000, for_s=60)
    exchange.advance(began_ms + 5_000)
    stamps = [int(message["timestamp"]) for message in messages(exchange)]
    assert stamps and all(began_ms - 90_000 <= stamp <= began_ms - 85_000 for stamp in stamps)
    assert exchange.now_ms == began_ms + 5_000
    exchange.advance(began_ms + 60_000)
    assert exchange.floor.stamp_ms == exchange.now_ms


def user_events(exchange: Exchange) -> list[Any]:
    return [effect.message for effect in exchange.out.take() if isinstance(effect, ToUser)]


def test_events_are_repeated() -> None:
    """Each one as often as was asked for, side by side."""
    exchange = an_exchange(rules=AT_ONCE)
    key, token = a_buyer(exchange)
    begin(exchange, "repeat_events", times=2)
    buy(exchange, key, token)
    events = user_events(exchange)
    assert events and [events[at] == events[at + 1] == events[at + 2] for at in range(0, len(events), 3)]
    assert len(events) % 3 == 0


def test_events_are_reordered_and_none_is_lost() -> None:
    """Gathered up to a depth or for a while, and shuffled with the seed's chance."""

    def told(kind: str) -> list[tuple[str, str, str]]:
        exchange = an_exchange(rules=AT_ONCE)
        key, token = a_buyer(exchange)
        begin(exchange, kind)
        for salt in range(3):
            buy(exchange, key, token, salt)
        exchange.advance(exchange.now_ms + 60_000)
        exchange.floor.mischief.end_all()
        return [(event["event_type"], event["id"], event["status"]) for event in user_events(exchange)]

    usual, other = told("silence"), told("reorder_events")
    assert sorted(usual) == sorted(other)
    assert usual != other == told("reorder_events")


def test_an_event_that_waits_for_others_waits_only_so_long() -> None:
    """And what waits when the fault ends is said then."""
    exchange = an_exchange(rules=AT_ONCE)
    key, token = a_buyer(exchange)
    fault = begin(exchange, "reorder_events", depth=64, hold_ms=1_000)
    buy(exchange, key, token)
    assert user_events(exchange) == []
    exchange.advance(exchange.now_ms + 1_000)
    assert len(user_events(exchange)) >= 2
    buy(exchange, key, token, salt=2)
    assert user_events(exchange) == []
    exchange.floor.mischief.end(fault.number)
    assert len(user_events(exchange)) >= 2


def test_a_missing_market_is_not_known_anywhere() -> None:
    """Neither catalogued nor accepting; afterwards it is there again."""
    exchange = an_exchange()
    market = quoted(exchange)[0]
    begin(exchange, "market_missing", market="BTC/5m", for_s=10)
    assert exchange.floor.known(market) is None and not exchange.floor.accepting(market)
    assert exchange.floor.catalogue(market.listing.slug) is None
    key, token = a_buyer(exchange)
    with pytest.raises(Refused):
        exchange.place(Trader().limit(key, token, "BUY", 50_000, 10), key)
    exchange.advance(exchange.now_ms + 10_000)
    assert exchange.floor.catalogue(market.listing.slug) is not None


def test_a_late_catalogue_lists_after_the_start() -> None:
    """The exchange itself knows the market all the time."""
    exchange = an_exchange()
    market = next(m for m in quoted(exchange) if m.listing.start_s * 1_000 > exchange.now_ms)
    begin(exchange, "gamma_late", late_s=15)
    exchange.advance(market.listing.start_s * 1_000 + 14_999)
    assert exchange.floor.catalogue(market.listing.slug) is None
    assert exchange.floor.known(market) is market
    exchange.advance(market.listing.start_s * 1_000 + 15_000)
    assert exchange.floor.catalogue(market.listing.slug) is not None


def test_a_late_outcome_is_told_late() -> None:
    """The market was resolved and paid; the catalogue does not say so yet."""
    exchange = an_exchange()
    market = quoted(exchange)[0]
    begin(exchange, "gamma_late", what="outcome", late_s=100, market="BTC/5m")
    exchange.advance((market.listing.end_s + 160) * 1_000)
    assert market.settled and market.closed_ms
    exchange.advance(market.closed_ms + 99_999)
    assert shown_settled(exchange, market.listing.slug) is False
    exchange.advance(market.closed_ms + 100_000)
    assert shown_settled(exchange, market.listing.slug) is True


def shown_settled(exchange: Exchange, slug: str) -> bool:
    found = exchange.floor.catalogue(slug)
    assert found is not None
    return found[1].settled is not None


def test_faults_in_force_have_a_bound() -> None:
    """The one too many ends the oldest."""
    exchange = an_exchange()
    for _ in range(ACTIVE_MAX + 1):
        begin(exchange, "silence", for_s=0)
    told = exchange.floor.mischief.all()
    assert [active.number for active in told if active.over] == [1]
    exchange.floor.mischief.end_all()
    assert not exchange.floor.mischief.end(5)
    assert len(exchange.floor.mischief.all()) == ACTIVE_MAX + 1
