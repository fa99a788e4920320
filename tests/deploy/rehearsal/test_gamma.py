"""The catalogue, rewound to its moment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kit.days import START_S, a_market_row
from kit.shared_data import POLYMARKET
from polymarket.models import Event, Market

from deploy.rehearsal import gamma
from deploy.rehearsal.days import Listing, Settled
from deploy.rehearsal.gamma import Shown
from deploy.rehearsal.recordings import listing_of
from deploy.rehearsal.seeded import SeededDay

RECORDED = listing_of(a_market_row())
SEEDED = SeededDay(7).listings(1_791_241_200, 1_791_241_201)[0]
NOW_MS = START_S * 1_000 + 60_000
END_ONLY = {"closedTime", "umaEndDate", "umaResolutionStatus", "automaticallyResolved", "eventMetadata"}


def a_state(settled: Settled | None = None, **changes: Any) -> Shown:
    fields: dict[str, Any] = {
        "at_ms": NOW_MS,
        "accepting": settled is None,
        "tick_micro": 10_000,
        "bid_micro": 470_000,
        "ask_micro": 480_000,
        "last_micro": 480_000,
        "volume_micro": 12_500_000,
        "liquidity_micro": 3_000_000,
        "settled": settled,
        "closed_ms": NOW_MS if settled else None,
    }
    return Shown(**(fields | changes))


@pytest.mark.parametrize("listing", [RECORDED, SEEDED])
def test_a_running_market_tells_nothing_of_its_end(listing: Listing) -> None:
    """No outcome, no closing time, no strike: a recording is rewound."""
    shown = gamma.event(listing, a_state())
    market = shown["markets"][0]
    assert not END_ONLY & (set(market) | set(shown))
    assert (market["closed"], market["acceptingOrders"]) == (False, True)
    assert json.loads(market["outcomePrices"]) == ["0.475", "0.525"]
    assert market["orderPriceMinTickSize"] == 0.01


def test_trading_is_the_rehearsals_own() -> None:
    """Volume, liquidity and prices in the types the recording had; a change it cannot know is gone."""
    market = gamma.market(RECORDED, a_state())
    assert (market["volume"], market["volumeNum"], market["liquidity"]) == ("12.5", 12.5, "3")
    assert (market["bestBid"], market["bestAsk"], market["spread"], market["lastTradePrice"]) == (
        0.47,
        0.48,
        0.01,
        0.48,
    )
    assert "oneHourPriceChange" not in market


def test_an_untraded_market_has_no_prices() -> None:
    """And stands at a half."""
    market = gamma.market(SEEDED, a_state(bid_micro=None, ask_micro=None, last_micro=None))
    assert not {"bestBid", "bestAsk", "spread", "lastTradePrice"} & set(market)
    assert json.loads(market["outcomePrices"]) == ["0.5", "0.5"]


def test_a_resolved_recorded_market_is_as_it_was_recorded() -> None:
    """Outcome, closing time and state."""
    market = gamma.market(RECORDED, a_state(Settled(None, None, "Up")))
    raw = dict(RECORDED.raw or {})
    for name in ("closed", "closedTime", "umaResolutionStatus", "outcomePrices", "acceptingOrders", "umaEndDate"):
        assert market[name] == raw[name]


def test_a_resolved_event_names_what_was_compared() -> None:
    """Strike and close, as numbers."""
    settled = Settled(64_000 * 10**18, 64_600_500_000 * 10**12, "Up")
    assert gamma.event(SEEDED, a_state(settled))["eventMetadata"] == {"priceToBeat": 64_000.0, "finalPrice": 64_600.5}


def test_a_value_nobody_knows_is_left_out() -> None:
    """Not told as nothing."""
    assert gamma.compared(Settled(None, 10**18, "Up")) == {"finalPrice": 1.0}


@pytest.mark.parametrize("listing", [RECORDED, SEEDED])
@pytest.mark.parametrize("settled", [None, Settled(10**18, 10**18, "Up")])
def test_the_official_client_reads_the_catalogue(listing: Listing, settled: Settled | None) -> None:
    """Market and event, running and resolved."""
    market = Market.parse_response(gamma.market(listing, a_state(settled)))
    event = Event.parse_response(gamma.event(listing, a_state(settled)))
    assert market.condition_id == listing.condition_id
    assert event.slug == listing.slug


def test_a_seeded_market_names_its_rule_twice() -> None:
    """By source and by configuration, as production does."""
    market = gamma.market(SEEDED, a_state())
    assert market["resolutionSource"].endswith("-usd-twap-60s-streams")
    assert market["cryptoMarketConfig"]["twapLookbackSeconds"] == 60
    assert json.loads(market["clobTokenIds"]) == [SEEDED.up_token, SEEDED.down_token]


@pytest.mark.parametrize(
    ("second", "hour"),
    [(1_791_241_200, 19), (1_772_953_199, 1), (1_772_953_200, 3), (1_793_512_799, 1), (1_793_512_800, 1)],
)
def test_titles_are_in_eastern_time(second: int, hour: int) -> None:
    """Summer begins on March's second Sunday and ends on November's first, when one o'clock comes twice."""
    assert gamma.eastern(second).hour == hour


def test_the_title_is_the_captured_ones() -> None:
    """Bitcoin, October 5, 2026, seven in the evening."""
    listing = next(
        found
        for found in SeededDay(1).listings(1_791_241_200, 1_791_241_201)
        if (found.asset, found.interval_s) == ("BTC", 900)
    )
    assert gamma.title(listing) == "Bitcoin Up or Down - October 5, 7:00PM-7:15PM ET"


if POLYMARKET:
    SAMPLES = POLYMARKET

    def test_a_seeded_market_has_the_fields_of_a_captured_one() -> None:
        """All but what production computes from a longer past."""
        captured = json.loads((SAMPLES / "live_gamma_market_btc15m_v1.json").read_text())
        computed = {"competitive", "oneDayPriceChange", "oneHourPriceChange"}
        assert set(captured) - set(gamma.market(SEEDED, a_state())) == computed

    def test_captured_resolved_markets_are_rewound() -> None:
        """Real objects, taken after the end, tell nothing of it."""
        for raw in json.loads((SAMPLES / "live_gamma_markets_btc5m_resolved_2026-07-24.json").read_text()):
            listing = listing_of(a_market_row() | {"raw": raw})
            assert not END_ONLY & set(gamma.market(listing, a_state()))
