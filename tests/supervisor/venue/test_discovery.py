"""Which market a window of a slot has, on what terms, and who won it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from kit.recordings import CONDITION, DOWN, START_S, UP, damaged, recording, samples
from kit.shared_data import POLYMARKET

from shared import wire
from shared.messages import Streamed, Terms, WindowOpened
from shared.slots import Slot
from supervisor.venue.discovery import BadMarket, Listing, Market, parse_accepting, parse_listing, slug
from supervisor.venue.frames import BadFrame

BTC = Slot("BTC", 5)


def listed(name: str = "gamma_market", **changes: Any) -> Listing | None:
    """A recorded listing, with fields that differ."""
    (market,) = json.loads(recording(name))
    return parse_listing(json.dumps([market | changes]).encode(), BTC, START_S)


def found(name: str = "gamma_market", **changes: Any) -> Listing:
    """The same, and it is there."""
    listing = listed(name, **changes)
    assert listing is not None
    return listing


def test_a_window_is_asked_for_by_a_name_anyone_can_compute() -> None:
    """Asset, timeframe, start."""
    assert slug(Slot("DOGE", 15), 1_791_240_300) == "doge-updown-15m-1791240300"


def test_a_listing_is_read_with_its_terms() -> None:
    """Tokens by the names of their outcomes, numbers in millionths, the rule by which it resolves."""
    listing = found()
    terms = Terms(CONDITION, 10_000, 5_000_000, 70_000, 1, 150, "twap60")
    assert listing == Listing(Market(BTC, START_S, (UP, DOWN), "v1", False, terms), True, None, None)


def test_a_resolved_listing_names_winner_and_strike() -> None:
    """Wherever Up stands among the outcomes; the strike to its last decimal."""
    listing = found("gamma_market_resolved")
    assert (listing.tradable, listing.winner) == (False, "Up")
    assert listing.market.tokens == (UP, DOWN)
    assert listing.strike == 78_803_715_261 * 10**12


def test_a_market_of_the_second_protocol_has_its_tokens_elsewhere() -> None:
    """As an array, and another exchange signs for it."""
    market = found("gamma_market_protocol_v2").market
    assert market.version == "v2"
    assert [token[-1] for token in market.tokens] == ["0", "1"]


@pytest.mark.parametrize("body", [b"[]", b'[{"slug":"eth-updown-5m-1","conditionId":"0x1","outcomes":"[]"}]'])
def test_a_window_without_a_market_is_none(body: bytes) -> None:
    """Nothing listed, or only others."""
    assert parse_listing(body, BTC, START_S) is None


@pytest.mark.parametrize("price", ["a lot", 1e-30, None, {"value": 1}, "9" * 5_000])
def test_a_strike_that_cannot_be_read_is_not_known(price: object) -> None:
    """The winner is, all the same."""
    listing = found("gamma_market_resolved", events=[{"eventMetadata": {"priceToBeat": price}}])
    assert (listing.strike, listing.winner) == (None, "Up")


@pytest.mark.parametrize(
    ("closed", "accepting", "tradable"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_only_an_open_market_that_takes_orders_is_tradable(closed: bool, accepting: bool, tradable: bool) -> None:
    """Both have to be said."""
    assert found(closed=closed, acceptingOrders=accepting).tradable is tradable


@pytest.mark.parametrize("prices", ['["0.5", "0.5"]', '["1", "0", "0"]', "[]", '["0.999", "0.001"]'])
def test_a_closed_market_without_a_clear_winner_has_none(prices: str) -> None:
    """Only one and nothing name a winner."""
    assert found(closed=True, outcomePrices=prices).winner is None
    assert found(closed=False, outcomePrices='["1", "0"]').winner is None


SPOT = "https://data.chain.link/streams/btc-usd"


@pytest.mark.parametrize(
    ("source", "config", "rule"),
    [
        (SPOT, None, "spot"),
        (SPOT, {"twapEnabled": False, "twapLookbackSeconds": 0}, "spot"),
        (SPOT, {"twapEnabled": False, "twapLookbackSeconds": 60}, "spot"),
        (f"{SPOT}-twap-30s-streams", None, "twap30"),
        (f"{SPOT}-twap-60s-streams", {"twapEnabled": True, "twapLookbackSeconds": 60}, "twap60"),
        (f"{SPOT}-twap-60s-streams", {"id": "says-nothing"}, "twap60"),
        ("", {"twapEnabled": True, "twapLookbackSeconds": 30}, "twap30"),
    ],
)
def test_the_rule_is_the_one_the_market_names(source: str, config: dict[str, object] | None, rule: str) -> None:
    """In its source, in its settings, or in both."""
    assert found(resolutionSource=source, cryptoMarketConfig=config).market.terms.rule == rule


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcomes": '["Yes", "No"]'}, "not Up and Down"),
        ({"negRisk": True}, "is a neg-risk market"),
        ({"outcomes": '["Up", "Sideways", "Down"]'}, "not Up and Down"),
        ({"outcomes": "Up, Down"}, "malformed"),
        ({"clobTokenIds": None}, "not two decimal numbers"),
        ({"clobTokenIds": f'["{UP}", "{UP}"]'}, "not two decimal numbers"),
        ({"clobTokenIds": f'["{UP}", "0xff"]'}, "not two decimal numbers"),
        ({"clobTokenIds": f'["{UP}", "٣"]'}, "not two decimal numbers"),
        ({"clobTokenIds": "[" * 50_000}, "Expected `str`"),
        ({"conditionId": "0x" + "f" * 65}, "condition id"),
        ({"conditionId": ""}, "condition id"),
        ({"feeSchedule": None}, "names no fee schedule"),
        ({"feeSchedule": {"rate": 1.5, "exponent": 1}}, "fee 1.5"),
        ({"feeSchedule": {"rate": 0.07, "exponent": 10**9}}, "exponent 1000000000"),
        ({"feeSchedule": {"rate": 0.07, "exponent": -1}}, "exponent -1"),
        ({"orderPriceMinTickSize": 1e300}, "price grid"),
        ({"orderPriceMinTickSize": 0}, "price grid"),
        ({"orderMinSize": 1e305}, "size 1e"),
        ({"resolutionSource": f"{SPOT}-twap-30s-streams"}, "says 30 s"),
        ({"resolutionSource": SPOT}, "says 0 s"),
        ({"resolutionSource": f"{SPOT}-twap-45s-streams", "cryptoMarketConfig": None}, "averages 45 s"),
        ({"closed": True, "outcomePrices": "?"}, "malformed"),
    ],
)
def test_a_market_that_is_not_what_a_slot_needs_is_not_traded(changes: dict[str, object], said: str) -> None:
    """Named, with what is wrong about it, in a line."""
    with pytest.raises(BadMarket, match=said) as caught:
        listed(**changes)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b'[{"slug":7}]', b"[" * 100_000, b"<html>busy</html>"])
def test_an_answer_that_is_no_list_of_markets_is_a_bad_frame(body: bytes) -> None:
    """Whatever stands between us and the venue said that."""
    with pytest.raises(BadFrame, match="market list"):
        parse_listing(body, BTC, START_S)


@given(damaged("gamma"))
def test_a_damaged_listing_is_a_value_or_refused_by_name(body: bytes) -> None:
    """And what is taken can be told to the stream."""
    try:
        listing = parse_listing(body, BTC, START_S)
    except (BadFrame, BadMarket):
        return
    if listing is not None:
        wire.encode(Streamed(1, 1, WindowOpened("BTC/5m", START_S, listing.market.terms)))


def test_the_order_book_confirms_tokens_and_grid() -> None:
    """Its tick size is the one in force; the listing's may be old."""
    market = found().market
    accepted = parse_accepting(recording("clob_market"), market)
    assert accepted is not None
    assert accepted.terms == msgspec.structs.replace(market.terms, tick_micro=1_000)
    undelayed = recording("clob_market").replace(b'"itode": true', b'"itode": false')
    again = parse_accepting(undelayed, market)
    assert again is not None
    assert again.terms.taker_delay_ms == 0


def test_a_market_that_takes_no_orders_yet_is_none() -> None:
    """The listing is minutes ahead of the order book."""
    assert parse_accepting(recording("clob_market").replace(b'"ao": true', b'"ao": false'), found().market) is None


@pytest.mark.parametrize(
    ("find", "put", "error"),
    [
        (b'"o": "Up"', b'"o": "Down"', BadMarket),
        (UP.encode(), b"1", BadMarket),
        (b'"mts": 0.001', b'"mts": 1e300', BadMarket),
        (b'"mts": 0.001', b'"mts": "fine"', BadFrame),
        (b'"t": [', b'"t": 7, "x": [', BadFrame),
    ],
)
def test_an_order_book_that_contradicts_the_listing_is_refused(find: bytes, put: bytes, error: type[Exception]) -> None:
    """Other tokens, or a grid that is none."""
    assert find in recording("clob_market")
    with pytest.raises(error):
        parse_accepting(recording("clob_market").replace(find, put), found().market)


@given(damaged("clob_market"))
def test_a_damaged_order_book_is_a_value_or_refused_by_name(body: bytes) -> None:
    """Nothing else."""
    try:
        parse_accepting(body, found().market)
    except (BadFrame, BadMarket):
        return


if POLYMARKET:

    def test_a_captured_market_and_its_order_book_agree() -> None:
        """One running window, from both sides of the venue."""
        gamma = json.loads(samples("live_gamma_market_btc15m_v1")[0].read_bytes())
        slot, start_s = Slot("BTC", 15), int(gamma["slug"].rsplit("-", 1)[1])
        listing = parse_listing(json.dumps([gamma]).encode(), slot, start_s)
        assert listing is not None and listing.tradable and listing.market.terms.rule == "twap60"
        accepted = parse_accepting(samples("live_clob_markets_v1")[0].read_bytes(), listing.market)
        assert accepted is not None and accepted.terms.taker_delay_ms == 150

    def test_captured_resolved_markets_name_their_winners() -> None:
        """One Up, one Down, by the rule of that day."""
        won = []
        for gamma in json.loads(samples("live_gamma_markets_btc5m_resolved")[0].read_bytes()):
            listing = parse_listing(json.dumps([gamma]).encode(), BTC, int(gamma["slug"].rsplit("-", 1)[1]))
            assert listing is not None and listing.market.terms.rule == "spot"
            won.append(listing.winner)
        assert sorted(filter(None, won)) == ["Down", "Up"]

    def test_captured_markets_of_the_second_protocol_are_read() -> None:
        """Their positions are their tokens."""
        page = json.loads(samples("live_gamma_events_keyset")[0].read_bytes())
        markets = [market for event in page["events"] for market in event["markets"]]
        for gamma in markets:
            minutes, start_s = gamma["slug"].split("-")[-2:]
            slot = Slot(gamma["slug"].split("-")[0].upper(), int(minutes[:-1]))
            listing = parse_listing(json.dumps([gamma]).encode(), slot, int(start_s))
            assert listing is not None and len(set(listing.market.tokens)) == 2
        assert markets
