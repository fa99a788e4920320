"""Every sample of production that is an answer of this venue: the venue's own answer has its fields and their types.

Captures are met exactly; documented and hand-made ones may have fewer fields than we send, never others. What is no
answer of this venue, or is held to elsewhere, is named with the reason, so that a new sample cannot go unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from kit.days import START_S, a_day
from kit.shared_data import POLYMARKET
from kit.venue import Trader, an_exchange

from deploy.rehearsal import clob_markets, gamma, protocol, refusals
from deploy.rehearsal.exchange import Exchange, Reply
from deploy.rehearsal.keys import Key, WrongHeartbeat
from deploy.rehearsal.markets import Market
from deploy.rehearsal.matching import CROWD, Wish
from deploy.rehearsal.migrated import MigratedDay
from deploy.rehearsal.modes import Mode, Modes
from deploy.rehearsal.outbox import Answer, ToEverybody, ToMarket, ToUser
from deploy.rehearsal.posted import prove, read_posted
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.seeded import SeededDay
from deploy.rehearsal.signatures import CTF, CTF_NEG_RISK, PROTOCOL_V2, Domain

NOW_MS = (START_S + 20) * 1_000
QUIET = f"btc-updown-5m-{START_S + 2_400}"
Json = dict[str, Any]


class Day:
    """A day's worth of answers: one trader rests, takes, is filled and cancelled, until the markets resolve."""

    def __init__(self) -> None:
        self.exchange: Exchange = an_exchange(a_day(), NOW_MS)
        self.me = Trader()
        self.key = self.me.join(self.exchange)
        self.salt = 0
        self.said: list[Any] = []
        self.exchange.out.watched |= {market.listing.condition_id for market in (self.market(), self.quiet())}
        self.rested = self.place(self.quiet(), 400_000, 10)
        self.exchange.floor.execute(self.quiet(), Wish("0xc", CROWD, "Up", "SELL", 390_000, 4_000_000, "FAK"))
        self.matched = self.place(self.market(), 990_000, 10)
        self.killed = self.place(self.market(), 10_000, 100, "FOK")
        self.cancelled = self.exchange.cancel([self.rested["orderID"], "0x5"], self.key)
        self.advance(600_000)

    def market(self) -> Market:
        return self.exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]

    def quiet(self) -> Market:
        return self.exchange.floor.by_slug[QUIET]

    def place(self, market: Market, price_micro: int, shares: int, kind: str = "GTC") -> Json:
        self.salt += 1
        body = self.me.limit(
            self.key, market.listing.up_token, "BUY", price_micro, shares, order_type=kind, salt=self.salt
        )
        outcome = self.exchange.place(body, self.key)
        if isinstance(outcome, Reply):
            self.advance(0)
            return outcome.body
        self.advance(200)
        return next(each.body for each in self.said if isinstance(each, Answer) and each.ticket == outcome.ticket)

    def advance(self, milliseconds: int) -> None:
        self.exchange.advance(self.exchange.now_ms + milliseconds)
        self.said += self.exchange.out.take()

    def message(self, kind: str, **which: str) -> Json:
        """The first message of an event type with these fields."""
        told = (each.message for each in self.said if isinstance(each, ToUser | ToMarket | ToEverybody))
        wanted = {"event_type": kind} | which
        single = (each for message in told for each in (message if isinstance(message, list) else [message]))
        return next(message for message in single if wanted.items() <= message.items())


@cache
def day() -> Day:
    return Day()


def seeded(market: bool) -> Json:
    """A made-up market in the middle of its window, or its event."""
    exchange = an_exchange(SeededDay(7))
    exchange.advance(exchange.now_ms + 60_000)
    found = exchange.floor.by_slug[f"btc-updown-15m-{exchange.now_ms // 900_000 * 900}"]
    shown = found.shown(exchange.now_ms, True)
    return (gamma.market if market else gamma.event)(found.listing, shown)


def position_book() -> Json:
    exchange = an_exchange(MigratedDay(a_day(), frozenset({"BTC"})), NOW_MS)
    return protocol.book(exchange.floor.by_slug[QUIET].view("Up", NOW_MS))


def short(moved: bool) -> Json:
    under = a_day()
    listing = (MigratedDay(under, frozenset({"BTC"})) if moved else under).listing(QUIET)
    assert listing is not None
    return clob_markets.short(listing, 10_000, True, "2026-07-24T00:00:00Z")


def long() -> Json:
    market = day().quiet()
    return clob_markets.long(market, True, "", gamma.market(market.listing, market.shown(NOW_MS, True)))


def order() -> Json:
    return protocol.open_order(day().exchange.orders[day().matched["orderID"]])


def trade_row() -> Json:
    exchange = day().exchange
    return protocol.trade_row(exchange.trades[day().matched["tradeIDs"][0]], day().key.api_key, NOW_MS)


def user_order(**which: str) -> Json:
    return day().message("order", **which)


def user_trade(status: str = "MATCHED") -> Json:
    return day().message("trade", status=status)


def posted() -> Json:
    market = day().quiet()
    return dict(day().me.limit(day().key, market.listing.up_token, "BUY", 400_000, 10)["order"])


def whole(sample: Any) -> list[Any]:
    return sample if isinstance(sample, list) else [sample]


def values(*names: str) -> Callable[[Any], list[Any]]:
    """The examples of a documented file, or some of them."""
    return lambda sample: [value for name, value in sample["examples"].items() if not names or name in names]


Pick = Callable[[Any], list[Any]]
Ours = Callable[[], Json]
EXACT: dict[str, tuple[Pick, Ours]] = {
    "live_clob_book_v1_btc15m": (whole, lambda: protocol.book(day().market().view("Up", NOW_MS))),
    "live_clob_book_v2_empty": (whole, position_book),
    "live_clob_markets_v1": (whole, lambda: short(False)),
    "live_clob_markets_v2": (whole, lambda: short(True)),
    "nt_capture_http_market": (whole, long),
    "nt_capture_ws_order_placement": (whole, lambda: user_order(type="PLACEMENT", status="LIVE")),
    "nt_capture_ws_order_cancel": (whole, lambda: user_order(type="CANCELLATION", status="CANCELED")),
    "nt_capture_ws_tick_size_change": (
        whole,
        lambda: protocol.tick_size_change("0x5", "5", 10_000, 1_000, NOW_MS) | {"timestamp": "5"},
    ),
    "nt_capture_ws_price_change_v2": (whole, lambda: day().message("price_change")),
    "nt_capture_ws_user_trade1": (whole, user_trade),
    "nt_capture_ws_user_trade2": (whole, user_trade),
    "nt_capture_ws_user_trade3": (whole, lambda: user_trade("CONFIRMED")),
    "nt_capture_ws_user_trade4": (whole, lambda: user_trade("CONFIRMED")),
    "nt_capture_ws_trades": (whole, trade_row),
}
"""Captures: no field more, none less."""
WITHIN: dict[str, tuple[Pick, Ours]] = {
    "live_gamma_market_btc15m_v1": (whole, lambda: seeded(market=True)),
    "live_gamma_events_keyset_series10192": (lambda sample: sample["events"], lambda: seeded(market=False)),
    "nt_capture_http_book": (whole, lambda: protocol.book(day().market().view("Up", NOW_MS))),
    "nt_capture_http_event": (whole, lambda: seeded(market=False)),
    "nt_capture_ws_last_trade_price": (whole, lambda: day().message("last_trade_price")),
    "nt_capture_ws_book": (whole, lambda: day().message("book")),
    "nt_clob_book_response": (whole, lambda: protocol.book(day().market().view("Up", NOW_MS))),
    "nt_http_batch_cancel_response": (whole, lambda: day().cancelled),
    "nt_http_cancel_response_failed": (whole, lambda: day().cancelled),
    "nt_http_cancel_response_ok": (whole, lambda: day().cancelled),
    "nt_http_open_order": (whole, order),
    "nt_http_open_order_sell_fok": (whole, order),
    "nt_http_open_orders_page": (lambda sample: [sample, *sample["data"]], lambda: order() | protocol.page([], "")),
    "nt_http_order_response_error_500": (whole, lambda: protocol.error(refusals.COULD_NOT_INSERT)),
    "nt_http_order_response_failed": (whole, lambda: protocol.refused_leg("no")),
    "nt_http_order_response_ok": (whole, lambda: day().matched),
    "nt_http_signed_order": (whole, posted),
    "nt_http_trade_report": (whole, trade_row),
    "nt_http_trades_page": (lambda sample: [sample, *sample["data"]], lambda: trade_row() | protocol.page([], "")),
    "nt_ws_book_snapshot": (whole, lambda: day().message("book")),
    "nt_ws_last_trade": (whole, lambda: day().message("last_trade_price")),
    "nt_ws_market_best_bid_ask_msg": (whole, lambda: day().message("best_bid_ask")),
    "nt_ws_market_book_msg": (whole, lambda: day().message("book")),
    "nt_ws_market_last_trade_msg": (whole, lambda: day().message("last_trade_price")),
    "nt_ws_market_new_market_msg": (whole, lambda: new_market()),
    "nt_ws_market_price_change_msg": (whole, lambda: day().message("price_change")),
    "nt_ws_market_resolved_msg": (whole, lambda: day().message("market_resolved")),
    "nt_ws_market_tick_size_msg": (whole, lambda: protocol.tick_size_change("0x5", "5", 10_000, 1_000, NOW_MS)),
    "nt_ws_quotes": (whole, lambda: day().message("price_change")),
    "nt_ws_tick_size_change": (whole, lambda: protocol.tick_size_change("0x5", "5", 10_000, 1_000, NOW_MS)),
    "nt_ws_user_order_cancellation": (whole, lambda: user_order(type="CANCELLATION")),
    "nt_ws_user_order_fok_killed": (whole, lambda: user_order(type="CANCELLATION", order_type="FOK")),
    "nt_ws_user_order_matched": (whole, lambda: user_order(type="PLACEMENT", status="MATCHED")),
    "nt_ws_user_order_msg": (whole, user_order),
    "nt_ws_user_order_placement": (whole, lambda: user_order(type="PLACEMENT")),
    "nt_ws_user_order_update": (whole, lambda: user_order(type="UPDATE")),
    "nt_ws_user_order_venue_cancel": (whole, lambda: user_order(type="CANCELLATION")),
    "nt_ws_user_trade": (whole, user_trade),
    "nt_ws_user_trade_msg": (whole, user_trade),
    "doc_order_responses": (values(), lambda: day().matched),
    "doc_user_order_lifecycle": (values(), lambda: user_order(type="UPDATE")),
    "doc_user_trade_settlement": (lambda sample: sample["examples"], user_trade),
    "synthetic_user_channel": (
        lambda sample: [*sample["sequence"], *sample["alternative_tail"]],
        lambda: user_trade() | user_order(type="UPDATE"),
    ),
    "live_ws_market_session_v2": (
        lambda sample: [row["data"] for row in sample if isinstance(row["data"], dict) and "event_type" in row["data"]],
        lambda: new_market(),
    ),
}
"""What is documented, hand-made or old: none of its fields is missing here."""
NOT_OURS = {
    "doc_heartbeat": "see test_heartbeats_are_answered_as_documented",
    "doc_restricted_modes_and_errors": "see test_every_documented_refusal_can_be_had",
    "doc_polybolt_session": "the price sockets are held to it in their own tests",
    "doc_rtds_twap_update": "the price sockets are held to it in their own tests",
    "nt_rtds_crypto_prices_subscribe": "the price sockets are held to it in their own tests",
    "nt_rtds_crypto_prices_update": "the price sockets are held to it in their own tests",
    "live_data_v2_resolutions": "the Data API is no part of the CLOB",
    "nt_data_api_positions_response": "version 1 of the Data API, retired in October 2026",
    "nt_data_api_trades_response": "version 1 of the Data API, retired in October 2026",
    "nt_capture_http_trades": "version 1 of the Data API, retired in October 2026",
    "live_gamma_markets_btc5m_resolved_2026-07-24": "two rows of the recorded day, which is replayed whole",
    "nt_clob_fee_rate_response_zero": "made by hand with text where production has a number",
    "nt_clob_fee_rate_response_nonzero": "made by hand with text where production has a number",
    "nt_http_balance_allowance_collateral": "made by hand with the one allowance of before; today there are several",
    "nt_http_balance_allowance_no_allowance": "made by hand with decimals; production has millionths",
    "signing_vectors": "held to in test_signatures.py and below",
}
"""Samples that no answer of the CLOB is compared with, and why."""
UNTOLD = frozenset({"competitive", "oneDayPriceChange", "oneHourPriceChange"})
"""What the catalogue of production computes from history that a rehearsal does not have."""


def new_market() -> Json:
    market = day().quiet()
    shown = market.shown(NOW_MS, False)
    objects = gamma.market(market.listing, shown), gamma.event(market.listing, shown)
    return protocol.new_market(market.listing, *objects, NOW_MS)


def differences(theirs: Any, ours: Any, exact: bool, at: str = "") -> list[str]:
    """Where a sample and an answer of ours part, field by field and into every object and list."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        gone = sorted(theirs.keys() - ours.keys() - UNTOLD) if at != ".not_canceled" else []
        found = [f"{at}.{name} is missing" for name in gone]
        found += [f"{at}.{name} is ours alone" for name in sorted(ours.keys() - theirs.keys()) if exact]
        for name in theirs.keys() & ours.keys():
            found += differences(theirs[name], ours[name], exact, f"{at}.{name}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        return differences(theirs[0], ours[0], exact, f"{at}[]") if theirs and ours else []
    return [] if alike(theirs, ours) else [f"{at}: {theirs!r} there, {ours!r} here"]


def alike(theirs: Any, ours: Any) -> bool:
    """Of one JSON type; null says nothing of the type it stands for."""
    if theirs is None or ours is None:
        return True
    numbers = (int, float)
    both = isinstance(theirs, numbers) and isinstance(ours, numbers)
    return isinstance(theirs, bool) == isinstance(ours, bool) and (both or type(theirs) is type(ours))


OLD_MAKER_PART = {"maker_orders[].outcome_index", "maker_orders[].side"}
"""Parts of a trade got these two fields after the captures of 2024 were made."""

if POLYMARKET:
    SAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted(POLYMARKET.glob("*.json"))}

    @pytest.mark.parametrize("name", sorted(EXACT))
    def test_a_capture_is_met_field_by_field(name: str) -> None:
        """Names and types, all the way down."""
        pick, ours = EXACT[name]
        for sample in pick(SAMPLES[name]):
            found = differences(sample, ours(), exact=True)
            newer = {f".{field} is ours alone" for field in OLD_MAKER_PART}
            assert [each for each in found if each not in newer] == []

    @pytest.mark.parametrize("name", sorted(WITHIN))
    def test_a_sample_has_no_field_that_we_lack(name: str) -> None:
        """And what both have is of one type."""
        pick, ours = WITHIN[name]
        picked = pick(SAMPLES[name])
        assert picked
        assert [each for sample in picked for each in differences(sample, ours(), exact=False)] == []

    def test_no_sample_goes_unnoticed() -> None:
        """Each is compared, or it is said why not."""
        assert SAMPLES.keys() == EXACT.keys() | WITHIN.keys() | NOT_OURS.keys()

    @pytest.mark.parametrize("name", ["live_clob_book_v1_btc15m", "live_clob_book_v2_empty"])
    def test_a_captured_book_hashes_to_its_hash(name: str) -> None:
        """Of both versions, made again from its levels."""
        captured = SAMPLES[name]
        assert protocol.book(view_of(captured)) == captured

    def test_heartbeats_are_answered_as_documented() -> None:
        """First, next, and the wrong one."""
        sample = SAMPLES["doc_heartbeat"]
        switches = day().exchange.switches
        following = switches.beat("key", sample["first_request"]["body"]["heartbeat_id"], 0)
        assert {"heartbeat_id": following}.keys() == sample["first_response"].keys() == sample["next_request"].keys()
        with pytest.raises(WrongHeartbeat) as wrong:
            switches.beat("key", "another", 0)
        body = protocol.wrong_heartbeat(wrong.value.expected)
        assert body | {"heartbeat_id": ""} == sample["mismatch"]["body"] | {"heartbeat_id": ""}

    def test_every_documented_refusal_can_be_had() -> None:
        """Status, text and what the body says besides, as this venue says them."""
        ours = {(said.status, None if said.bare else said.reason): said for said in every_refusal()}
        for row in SAMPLES["doc_restricted_modes_and_errors"]["responses"]:
            body = row["body"] or {}
            said = ours[row["http"], body.get("error", body.get("error_msg"))]
            assert said.more.keys() == body.keys() - {"error", "error_msg", "heartbeat_id"}

    @pytest.mark.parametrize("number", range(6))
    def test_every_signing_vector_is_read_and_proved_as_it_would_be_posted(number: int) -> None:
        """The body of its request, under its exchange's domain, to the id both clients computed."""
        vector = SAMPLES["signing_vectors"]["orders"][number]
        domain = Domain(vector["domain"]["version"], vector["domain"]["verifyingContract"])
        key = Key("", "", "", vector["recovered_signer"], 0)
        assert domain in (CTF, CTF_NEG_RISK, PROTOCOL_V2)
        assert prove(read_posted(vector["post_order_body"]), key, domain)[0] == vector["order_hash"]

    def view_of(captured: Json) -> protocol.BookView:
        return protocol.BookView(
            captured["market"],
            captured["asset_id"],
            int(captured["timestamp"]),
            levels(captured["bids"]),
            levels(captured["asks"]),
            round(float(captured["min_order_size"]) * 10**6),
            round(float(captured["tick_size"]) * 10**6),
            captured["last_trade_price"],
            captured.get("version", "v1"),
        )

    def levels(rows: list[dict[str, str]]) -> list[tuple[int, int]]:
        return [(round(float(row["price"]) * 10**6), round(float(row["size"]) * 10**6)) for row in rows]

    def every_refusal() -> list[Refused]:
        """One of each kind that the documentation lists."""
        found = [refused_in(mode) for mode in Mode if mode is not Mode.OPEN]
        plain = (refusals.VERSION_MISMATCH, refusals.MAKER_NOT_ALLOWED, refusals.SIGNER_IS_NOT_KEY)
        found += [refusals.bad(reason) for reason in (*plain, refusals.HEARTBEAT_ID)]
        found += [Refused(401, refusals.UNAUTHORIZED), Refused(401, refusals.INVALID_L1)]
        return [*found, Refused(404, refusals.NO_BOOK), Refused(429, refusals.TOO_MANY)]

    def refused_in(mode: Mode) -> Refused:
        modes = Modes()
        modes.switch(mode, 0, for_s=79)
        with pytest.raises(Refused) as refused:
            modes.check_orders(0, [False])
        return refused.value
