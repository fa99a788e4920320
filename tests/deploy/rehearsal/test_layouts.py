"""Whatever day a folder holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.days import START_S, WINDOW_S, price_e18, write_day
from kit.market_data import write_csv
from kit.shared_data import DATA
from kit.thin_days import POLLED_WINDOW_S, write_books, write_polls, write_windows
from kit.venue import an_exchange, lines_of

from deploy.rehearsal.bridged import BridgedDay
from deploy.rehearsal.days import RecordedDay
from deploy.rehearsal.layouts import read_day
from deploy.rehearsal.recordings import DayUnreadable


def thin(folder: Path) -> BridgedDay:
    day = read_day(folder)
    assert isinstance(day, BridgedDay)
    return day


def test_a_settlement_day_is_read_as_one(tmp_path: Path) -> None:
    """It needs no bridge."""
    assert isinstance(read_day(write_day(tmp_path)), RecordedDay)


def test_polls_play_windows_they_cover(tmp_path: Path) -> None:
    """The window before the first poll has no start, so it is not played; a told price is exact."""
    day = thin(write_polls(tmp_path))
    assert [listing.start_s - START_S for listing in day.listings(0, 2**40)] == [0, POLLED_WINDOW_S]
    assert day.left_out == {"without prices from start to end": 2}
    assert day.value_at("BTC", START_S + 6) == price_e18(START_S + 6)
    (first, _) = day.listings(0, 2**40)
    assert (first.lookback_s, first.official, first.strike_e18) == (0, None, None)


def test_a_strike_that_was_told_is_kept(tmp_path: Path) -> None:
    """Polls that end early leave their window out."""
    day = thin(write_polls(tmp_path, windows=2, strike="64000.5", until_s=START_S + POLLED_WINDOW_S + 200))
    assert [listing.strike_e18 for listing in day.listings(0, 2**40)][-1] == 64_000_500_000_000_000_000_000
    assert day.listings(0, 2**40)[-1].start_s == START_S


def test_windows_play_with_their_official_outcome(tmp_path: Path) -> None:
    """Prices are recorded at both ends; over a missing window there are none."""
    day = thin(write_windows(tmp_path, windows=5, skipped=[2]))
    listings = day.listings(0, 2**40)
    assert [(row.start_s - START_S) // WINDOW_S for row in listings] == [0, 1, 3, 4]
    assert [row.official for row in listings] == ["Up", "Down", "Down", "Up"]
    assert day.exact_value_at("BTC", START_S + 2 * WINDOW_S) == price_e18(START_S + 2 * WINDOW_S)
    assert day.first_ms == START_S * 1_000


def test_books_play_where_spot_goes_through(tmp_path: Path) -> None:
    """One source of spot, the fuller one; an asset without spot is left out; who won is taken where it was written."""
    write_books(tmp_path / "x", batches=["aggregator", "exchange"])
    day = thin(write_books(tmp_path / "y"))
    assert [listing.official for listing in day.listings(0, 2**40)] == ["Down", None, None]
    assert day.listings(0, 2**40)[0].condition_id == f"0x{START_S:064x}"
    assert day.left_out == {"of an asset without prices": 3}
    assert thin(tmp_path / "x").value_at("BTC", START_S) == price_e18(START_S)


def test_a_window_with_a_hole_in_its_prices_is_not_played(tmp_path: Path) -> None:
    """Two minutes without spot are too long; with no window left the day is refused."""
    with pytest.raises(DayUnreadable, match="no window that can be played: 3 without prices from start to end, 3"):
        read_day(write_books(tmp_path, spot_s=130))


def test_a_folder_that_holds_no_day_is_told_what_it_lacks(tmp_path: Path) -> None:
    """In one line, with what it has."""
    write_csv(tmp_path / "bars.csv.gz", "ts,open,close", [(1, 2, 3)])
    with pytest.raises(DayUnreadable, match=r"holds no day to play: it needs markets .* it has bars\.csv\.gz") as said:
        read_day(tmp_path)
    assert "\n" not in str(said.value)
    for number in range(20):
        (tmp_path / f"note {number}").touch()
    with pytest.raises(DayUnreadable, match=r"and 13 more$"):
        read_day(tmp_path)
    with pytest.raises(DayUnreadable, match="is no folder"):
        read_day(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("1784851200,up,abc,1", "InvalidOperation"),
        ("1784851200,up,-1,1", "is not above 0"),
        ("1784851201,up,1,1", "is no start of a window"),
        ("x,up,1,1", "ValueError"),
    ],
)
def test_a_senseless_row_is_named_by_file_and_line(tmp_path: Path, row: str, fault: str) -> None:
    """So that somebody can look at it."""
    write_csv(tmp_path / "w.csv.gz", "timestamp,outcome,btc_open,btc_close", [row.split(",")])
    with pytest.raises(DayUnreadable, match=rf"w\.csv\.gz line 2: .*{fault}"):
        read_day(tmp_path)


def test_a_torn_table_is_refused(tmp_path: Path) -> None:
    """By its name."""
    path = write_windows(tmp_path, windows=400) / "btc5m_outcomes.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DayUnreadable, match="cannot be read"):
        read_day(tmp_path)


def test_a_thin_day_drives_the_venue(tmp_path: Path) -> None:
    """Prices every second, a book around them, and the official outcome in the end."""
    day = thin(write_windows(tmp_path, windows=3, outcome="down"))
    exchange = an_exchange(day, START_S * 1_000)
    exchange.advance((START_S + 100) * 1_000)
    market = exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]
    assert market.book.best(True) and market.book.best(False)
    assert len(exchange.floor.history["btcusd", 0]) > 90
    exchange.advance((START_S + WINDOW_S + 200) * 1_000)
    (line,) = lines_of(exchange, "resolve")
    assert (line["winner"], line["official"], line["averaged_here"]) == ("Down", True, True)
    assert line["strike"] == "64000.000000000000000000"


RECORDED = {
    "B_pm_updown_top_of_book": ({"BNB", "BTC", "DOGE", "ETH", "SOL", "XRP"}, 1_698),
    "E_pm_15m_polls": ({"BTC"}, 1),
    "H_btc5m_outcomes": ({"BTC"}, 11_431),
}
"""Every thin recording: its assets, and the windows of it that can be played."""

if DATA:

    @pytest.mark.parametrize("name", sorted(RECORDED))
    def test_a_recorded_thin_day_drives_the_venue(name: str) -> None:
        """From its first window through that window's end."""
        assert DATA is not None
        assets, windows = RECORDED[name]
        day = thin(DATA / name)
        listings = day.listings(0, 2**40)
        assert ({listing.asset for listing in listings}, len(listings)) == (assets, windows)
        first = listings[0]
        exchange = an_exchange(day, day.first_ms)
        exchange.advance((first.start_s + 60) * 1_000)
        assert exchange.floor.by_slug[first.slug].book.best(True)
        exchange.advance((first.end_s + 151) * 1_000)
        assert first.slug in {line["slug"] for line in lines_of(exchange, "resolve")}

    @pytest.mark.parametrize("name", ["C_pm_btc5m_endgame_books", "D_pm_btc5m_full_trade_tape", "K_crypto_bars"])
    def test_a_recording_without_a_day_says_so(name: str) -> None:
        """It has trades or books or bars, but no market with its prices."""
        assert DATA is not None
        with pytest.raises(DayUnreadable, match="holds no day to play"):
            read_day(DATA / name)
