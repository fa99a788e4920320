"""Reading a recorded day from its folder."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from kit.days import DATE, START_S, WINDOW_S, a_market_row, price_e18, write_day, write_markets
from kit.shared_data import SETTLEMENT_DAY

from deploy.rehearsal.days import settle
from deploy.rehearsal.recordings import DayUnreadable, asset_of, listing_of, read_day


def test_a_day_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Markets, exact prices and official outcomes."""
    day = read_day(write_day(tmp_path, windows=3))
    listings = day.listings(START_S, START_S + 3 * WINDOW_S)
    assert [listing.official for listing in listings] == ["Up", "Down", "Up"]
    assert day.value_at("BTC", START_S + 77) == price_e18(START_S + 77)
    assert day.first_ms == START_S * 1_000


def test_assets_and_intervals_come_from_the_files(tmp_path: Path) -> None:
    """Another asset needs no code; its price file is known by its name."""
    write_day(tmp_path, windows=1)
    day = read_day(write_day(tmp_path, windows=1, asset="eth"))
    assert {listing.asset for listing in day.listings(0, 2**40)} == {"BTC", "ETH"}
    assert asset_of("DOGEUSD-prices-2026-11-01.csv.gz") == "DOGE"


def test_a_market_is_listed_no_later_than_its_window_starts() -> None:
    """Whatever a recording says of its listing."""
    row = a_market_row()
    row["raw"]["startDate"] = "2030-01-01T00:00:00Z"
    assert listing_of(row).listed_ms == START_S * 1_000


def test_a_market_nobody_resolved_has_no_official_outcome() -> None:
    """Its rule will decide."""
    assert listing_of(a_market_row(resolved=False)).official is None


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    """In one line that names it."""
    with pytest.raises(DayUnreadable, match="nowhere is no folder"):
        read_day(tmp_path / "nowhere")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """By the pattern that found nothing."""
    write_markets(tmp_path, [a_market_row()])
    with pytest.raises(DayUnreadable, match=r"no file named \*-prices-\*"):
        read_day(tmp_path)


def test_markets_without_prices_are_refused(tmp_path: Path) -> None:
    """Each asset needs its price file."""
    write_day(tmp_path, windows=1)
    write_markets(tmp_path, [a_market_row(asset="sol")], asset="sol")
    with pytest.raises(DayUnreadable, match="lists markets of SOL but has no price file"):
        read_day(tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [("not json", "JSON is malformed"), ('{"slug": "x"}', "KeyError: 'raw'"), ("[]", "TypeError")],
)
def test_a_senseless_market_row_is_named_by_file_and_line(tmp_path: Path, line: str, said: str) -> None:
    """So that somebody can look at it."""
    write_day(tmp_path, windows=2)
    path = tmp_path / f"BTC-5m-markets-{DATE}.jsonl.gz"
    rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("\n".join([rows[0], line]).encode()))
    with pytest.raises(DayUnreadable, match=f"jsonl.gz line 2: .*{said}"):
        read_day(tmp_path)


@pytest.mark.parametrize("row", ["1784851200000,1.0,abc,1,2", "1784851200000,1.0,-5,1,2", "x"])
def test_a_senseless_price_row_is_named_by_file_and_line(tmp_path: Path, row: str) -> None:
    """Also one whose price is not above 0."""
    write_day(tmp_path, windows=1)
    path = tmp_path / f"BTCUSD-prices-{DATE}.csv.gz"
    head = "feed_ts_ms,value,full_accuracy_value,server_ts_ms,recv_ms"
    path.write_bytes(gzip.compress(f"{head}\n{row}\n".encode()))
    with pytest.raises(DayUnreadable, match=r"csv\.gz line 2: "):
        read_day(tmp_path)


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    """A download that broke off is no day."""
    write_day(tmp_path, windows=1)
    path = tmp_path / f"BTCUSD-prices-{DATE}.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DayUnreadable, match="cannot be read"):
        read_day(tmp_path)


def test_wrong_columns_are_refused(tmp_path: Path) -> None:
    """The needed ones are named."""
    write_day(tmp_path, windows=1)
    path = tmp_path / f"BTCUSD-prices-{DATE}.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(DayUnreadable, match="line 1: the columns feed_ts_ms"):
        read_day(tmp_path)


if SETTLEMENT_DAY:

    def test_the_recorded_settlement_day_settles_as_it_did() -> None:
        """All 292 markets of a real day have their official outcome; the spot rule alone gets 286 of them."""
        from dataclasses import replace

        assert SETTLEMENT_DAY is not None
        day = read_day(SETTLEMENT_DAY)
        listings = day.listings(0, 2**40)
        assert len(listings) == 292
        assert all(settle(day, listing).winner == listing.official for listing in listings)
        by_rule = [settle(day, replace(listing, official=None)).winner == listing.official for listing in listings]
        assert sum(by_rule) == 286
