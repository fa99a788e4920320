"""The markets and the crowd, driven by market time alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kit.days import START_S, WINDOW_S, a_market_row, write_day, write_markets
from kit.shared_data import SETTLEMENT_DAY
from kit.venue import SEEDED_MS, an_exchange, lines_of, said

from deploy.rehearsal.days import DAY_S
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import QUOTED_AHEAD_S, Rules
from deploy.rehearsal.markets import Market
from deploy.rehearsal.outbox import ToEverybody, ToPrices
from deploy.rehearsal.protocol import book
from deploy.rehearsal.recordings import read_day
from deploy.rehearsal.seeded import SeededDay

START_MS = START_S * 1_000


def current(exchange: Exchange, asset: str = "BTC", interval_s: int = 300) -> Market:
    """The market whose window is open."""
    now_s = exchange.now_ms // 1_000
    slug = f"{asset.lower()}-updown-{interval_s // 60}m-{now_s // interval_s * interval_s}"
    return exchange.floor.by_slug[slug]


def books(exchange: Exchange) -> dict[str, Any]:
    return {slug: market.book.levels("Up") for slug, market in exchange.floor.by_slug.items()}


def test_every_listed_slot_has_an_open_quoted_market() -> None:
    """Five assets on two timeframes, bid below ask, near the odds."""
    exchange = an_exchange()
    for asset in ("BTC", "ETH", "SOL", "XRP", "DOGE"):
        for interval_s in (300, 900):
            market = current(exchange, asset, interval_s)
            bid, ask = market.book.best(True), market.book.best(False)
            assert exchange.floor.accepting(market) and bid and ask and bid < ask


def test_how_often_a_venue_was_turned_changes_nothing() -> None:
    """One turn over a minute does what six hundred do: what happens depends on market time alone."""
    often, once = an_exchange(), an_exchange()
    for step in range(1, 601):
        often.advance(SEEDED_MS + step * 100)
    once.advance(SEEDED_MS + 60_000)
    assert books(often) == books(once)
    assert [type(effect) for effect in often.out.take()] == [type(effect) for effect in once.out.take()]


def test_a_market_is_quoted_from_before_its_window_to_its_end(tmp_path: Path) -> None:
    """Empty before makers come, empty when it is over."""
    exchange = an_exchange(read_day(write_day(tmp_path, windows=6)), START_MS)
    last = exchange.floor.by_slug[f"btc-updown-5m-{START_S + 5 * WINDOW_S}"]
    exchange.advance((last.listing.start_s - QUOTED_AHEAD_S) * 1_000 - 1)
    assert last.book.best(True) is None
    exchange.advance((last.listing.start_s - QUOTED_AHEAD_S) * 1_000 + 1_000)
    assert last.book.best(True)
    exchange.advance(last.listing.end_s * 1_000)
    assert (last.book.best(True), last.over, exchange.floor.accepting(last)) == (None, True, False)


def test_a_recorded_market_resolves_as_it_did_when_it_did(tmp_path: Path) -> None:
    """The official outcome at the official closing time, both compared values on the record."""
    exchange = an_exchange(read_day(write_day(tmp_path, windows=2)), START_MS)
    exchange.advance((START_S + WINDOW_S + 20) * 1_000 - 1)
    assert lines_of(exchange, "resolve") == []
    exchange.advance((START_S + WINDOW_S + 20) * 1_000)
    (line,) = lines_of(exchange, "resolve")
    assert (line["winner"], line["official"]) == ("Up", True)
    assert (line["strike"], line["close"]) == ("64000.000000000000000000", "64600.000000000000000000")
    assert line["t_ms"] == (START_S + WINDOW_S + 20) * 1_000


def test_a_seeded_market_resolves_by_its_rule_within_the_known_delay() -> None:
    """53 to 152 seconds after its end, as its date has it, and its close is the next window's strike."""
    exchange = an_exchange(SeededDay(7))
    exchange.advance(SEEDED_MS + 740_000)
    lines = {line["slug"]: line for line in lines_of(exchange, "resolve")}
    ended = [line for line in lines.values() if line["slug"].startswith("btc-updown-5m-")]
    assert len(ended) >= 2
    for line in ended:
        start_s = int(line["slug"].rpartition("-")[2])
        assert 53_000 <= line["t_ms"] - (start_s + 300) * 1_000 <= 152_000
        assert (line["winner"] == "Up") == (float(line["close"]) >= float(line["strike"]))
        following = lines.get(f"btc-updown-5m-{start_s + 300}")
        assert following is None or following["strike"] == line["close"]


def test_prices_are_told_as_they_arrive_spot_and_averaged() -> None:
    """Each second of each asset twice, after its delay, and remembered for two minutes."""
    exchange = an_exchange()
    exchange.out.take()
    exchange.advance(SEEDED_MS + 10_000)
    told = [effect for effect in exchange.out.take() if isinstance(effect, ToPrices)]
    assert 9 * 5 * 2 <= len(told) <= 11 * 5 * 2
    assert {effect.window_s for effect in told} == {0, 60}
    assert all(1_000 < effect.at_ms - effect.source_ms < 2_300 for effect in told)
    history = exchange.floor.history["btcusd", 60]
    assert len(history) == 120 and history[-1][0] - history[0][0] == 119_000


def test_a_look_back_that_a_day_needs_is_published_as_well(tmp_path: Path) -> None:
    """Markets of August 2026 settled on thirty seconds."""
    row = a_market_row(strike_value=None)
    row["raw"]["resolutionSource"] += "-twap-30s-streams"
    folder = write_day(tmp_path, windows=1)
    write_markets(folder, [row])
    exchange = an_exchange(read_day(folder), START_MS)
    exchange.advance(START_MS + 100_000)
    lengths = {window_s: len(points) for (_, window_s), points in exchange.floor.history.items()}
    assert lengths.keys() == {0, 30, 60}
    latest = {window_s: points[-1] for (_, window_s), points in exchange.floor.history.items()}
    assert latest[0][1] - latest[30][1] == 29 * 10**18
    assert latest[0][1] - latest[60][1] == 59 * 10**18


def test_nothing_is_made_for_markets_nobody_listens_to() -> None:
    """Messages begin with the first listener."""
    exchange = an_exchange()
    exchange.out.take()
    exchange.advance(SEEDED_MS + 5_000)
    assert said(exchange.out.take(), "price_change") == []
    market = current(exchange)
    exchange.out.watched = {market.listing.condition_id}
    exchange.advance(SEEDED_MS + 10_000)
    changes = said(exchange.out.take(), "price_change")
    assert changes and {change["market"] for change in changes} == {market.listing.condition_id}


def test_a_listener_who_applies_every_change_has_the_book() -> None:
    """Snapshot plus changes is the book, for both tokens, over minutes of trading."""
    exchange = an_exchange()
    market = current(exchange)
    exchange.out.watched = {market.listing.condition_id}
    kept = {
        token: sides(market, token, exchange.now_ms) for token in (market.listing.up_token, market.listing.down_token)
    }
    exchange.out.take()
    exchange.advance(SEEDED_MS + 120_000)
    for message in said(exchange.out.take(), "price_change"):
        for change in message["price_changes"]:
            levels = kept[change["asset_id"]][change["side"]]
            levels[change["price"]] = change["size"]
            if change["size"] == "0":
                del levels[change["price"]]
    for token, levels in kept.items():
        assert levels == sides(market, token, exchange.now_ms)


def sides(market: Market, token: str, at_ms: int) -> dict[str, dict[str, str]]:
    shown = book(market.view(market.outcome_of(token), at_ms))
    return {
        side: {row["price"]: row["size"] for row in shown[name]} for side, name in (("BUY", "bids"), ("SELL", "asks"))
    }


def test_trades_are_followed_by_whole_books() -> None:
    """And shown with the taker's token, side and price."""
    exchange = an_exchange()
    exchange.out.watched = {current(exchange).listing.condition_id}
    exchange.out.take()
    exchange.advance(SEEDED_MS + 30_000)
    effects = exchange.out.take()
    trades, snapshots = said(effects, "last_trade_price"), said(effects, "book")
    assert trades and len(snapshots) % 2 == 0 and len(snapshots) >= 2
    assert {trade["side"] for trade in trades} <= {"BUY", "SELL"}


def test_the_tick_turns_fine_and_both_tokens_are_told(tmp_path: Path) -> None:
    """In a window whose price runs away, and never back."""
    exchange = an_exchange(read_day(write_day(tmp_path, windows=1)), START_MS)
    market = exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]
    exchange.out.watched = {market.listing.condition_id}
    exchange.advance((START_S + WINDOW_S) * 1_000 - 1)
    changes = said(exchange.out.take(), "tick_size_change")
    assert [(change["old_tick_size"], change["new_tick_size"]) for change in changes] == [("0.01", "0.001")] * 2
    assert {change["asset_id"] for change in changes} == {market.listing.up_token, market.listing.down_token}
    assert market.tick_micro == 1_000


def test_gamma_knows_a_market_before_the_exchange_does() -> None:
    """By the lead that was set; everybody with custom features hears of it at its listing."""
    exchange = an_exchange(rules=Rules(gamma_lead_s=7))
    coming = min(
        (market for market in exchange.floor.by_slug.values() if market.listing.listed_ms > SEEDED_MS),
        key=lambda market: market.listing.listed_ms,
    )
    assert exchange.floor.catalogue(coming.listing.slug) is None
    exchange.out.take()
    exchange.advance(coming.listing.listed_ms)
    (told,) = [effect for effect in exchange.out.take() if isinstance(effect, ToEverybody)]
    assert (told.message["event_type"], told.message["slug"]) == ("new_market", coming.listing.slug)
    assert exchange.floor.catalogue(coming.listing.slug)
    assert exchange.floor.known(coming) is None
    exchange.advance(coming.listing.listed_ms + 7_000)
    assert exchange.floor.known(coming) is coming


def test_resolved_markets_are_forgotten_and_new_ones_listed() -> None:
    """So that a venue that runs for days stays as small as it was."""
    exchange = an_exchange(rules=Rules(keep_s=60))
    before = len(exchange.floor.by_slug)
    first = current(exchange)
    exchange.advance(SEEDED_MS + 700_000)
    assert first.listing.slug not in exchange.floor.by_slug
    assert abs(len(exchange.floor.by_slug) - before) < 100
    assert len(exchange.floor.by_token) == 2 * len(exchange.floor.by_slug)
    assert f"btc-updown-5m-{(exchange.now_ms // 1_000 + DAY_S) // 300 * 300}" in exchange.floor.by_slug


def test_a_market_that_ended_before_the_start_is_history() -> None:
    """It shows its outcome, but nothing is resolved again."""
    exchange = an_exchange()
    past = exchange.floor.by_slug[f"btc-updown-5m-{SEEDED_MS // 300_000 * 300 - 900}"]
    assert past.settled is not None and past.over
    assert all(line["slug"] != past.listing.slug for line in lines_of(exchange, "resolve"))


def test_the_crowd_quotes_on_through_a_gap_in_the_feed(tmp_path: Path) -> None:
    """The market trades on while the feed is silent."""
    exchange = an_exchange(read_day(write_day(tmp_path, windows=2, seconds=60)), START_MS)
    market = exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]
    exchange.advance(START_MS + 100_000)
    before = market.number
    exchange.advance(START_MS + 200_000)
    assert market.number > before and market.book.best(True)


if SETTLEMENT_DAY:

    def test_an_hour_of_the_recorded_day_resolves_to_its_official_outcomes() -> None:
        """Twelve windows of a real day, at their real closing times; the book is never crossed."""
        assert SETTLEMENT_DAY is not None
        day = read_day(SETTLEMENT_DAY)
        exchange = an_exchange(day, START_MS + 43_200_000)
        for step in range(1, 3_661, 20):
            exchange.advance(START_MS + 43_200_000 + step * 1_000)
            for market in exchange.floor.by_slug.values():
                bid, ask = market.book.best(True), market.book.best(False)
                assert bid is None or ask is None or bid < ask
        lines = lines_of(exchange, "resolve")
        assert len(lines) >= 12
        for line in lines:
            listing = day.listing(line["slug"])
            assert listing and (line["winner"], line["t_ms"]) == (listing.official, listing.closed_ms)
