"""A day on which some markets are of Protocol V2."""

from __future__ import annotations

import json

import pytest
from kit.days import START_S, a_day, a_market_row
from polymarket._internal.protocol import is_v2_position_id

from deploy.rehearsal import gamma
from deploy.rehearsal.migrated import MigratedDay, moved, position_base
from deploy.rehearsal.recordings import listing_of
from deploy.rehearsal.seeded import SeededDay

SLUG = f"btc-updown-5m-{START_S}"
NOW_MS = START_S * 1_000
FRESH = gamma.Shown(NOW_MS, True, 10_000, 480_000, 500_000, None, 0, 0, None, None)


def test_positions_look_like_the_captured_ones() -> None:
    """Module 1, a hash, zeros, the outcome in the last byte; the condition ends in zeros and is the first position."""
    listing = moved(listing_of(a_market_row()))
    assert (listing.version, int(listing.down_token) - int(listing.up_token)) == ("v2", 1)
    assert int(listing.condition_id, 16) == int(listing.up_token)
    assert listing.condition_id.startswith("0x01") and listing.condition_id.endswith("0" * 30)
    assert len(listing.condition_id) == 66


def test_the_official_client_knows_them_by_their_bits() -> None:
    """And takes token ids for what they are."""
    listing = SeededDay(7).listing(f"eth-updown-5m-{START_S}")
    assert listing is not None
    assert is_v2_position_id(moved(listing).up_token)
    assert not is_v2_position_id(listing.up_token)


@pytest.mark.parametrize(("assets", "version"), [({"BTC"}, "v2"), ({"ETH"}, "v1"), ({"ALL"}, "v2")])
def test_only_named_assets_move(assets: set[str], version: str) -> None:
    """Prices and windows stay what they were."""
    under = a_day()
    day = MigratedDay(under, frozenset(assets))
    found = day.listing(SLUG)
    assert found is not None and found.version == version
    assert {listing.version for listing in day.listings(START_S, START_S + 900)} == {version}
    assert day.value_at("BTC", START_S) == under.value_at("BTC", START_S)
    assert next(iter(day.points(NOW_MS))) == next(iter(under.points(NOW_MS)))
    assert day.settles_directly("BTC") == under.settles_directly("BTC")
    assert day.listing("btc-updown-5m-1") is None
    assert "Protocol V2" in day.label


def test_gamma_shows_position_ids_as_an_array_and_no_tokens() -> None:
    """Recorded and made up alike; token ids were text that holds JSON."""
    recorded = listing_of(a_market_row())
    made = SeededDay(7).listing(f"btc-updown-5m-{START_S}")
    assert made is not None
    for listing in (recorded, made):
        before, after = gamma.market(listing, FRESH), gamma.market(moved(listing), FRESH)
        assert json.loads(before["clobTokenIds"]) == [listing.up_token, listing.down_token]
        base = position_base(listing.slug)
        assert (after["version"], after["clobTokenIds"]) == ("v2", None)
        assert after["positionIds"] == [str(base), str(base + 1)]
        assert gamma.event(moved(listing), FRESH)["version"] == "v2"


def test_position_ids_follow_the_order_of_the_recorded_outcomes() -> None:
    """By name, as token ids do."""
    row = a_market_row()
    listing = listing_of(row | {"raw": row["raw"] | {"outcomes": '["Down", "Up"]'}})
    base = position_base(listing.slug)
    assert gamma.market(moved(listing), FRESH)["positionIds"] == [str(base + 1), str(base)]
