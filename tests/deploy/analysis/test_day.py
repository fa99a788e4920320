"""`foresight day`: what a recorded day holds, and whether its prices give its official outcomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from kit.days import DATE, START_S, WINDOW_S, a_day, a_market_row, write_day, write_markets
from kit.shared_data import DATA, SETTLEMENT_DAY
from kit.thin_days import write_polls, write_windows

from deploy.analysis.day import day, examine
from deploy.rehearsal.days import Point, RecordedDay
from deploy.rehearsal.recordings import listing_of


def run(*arguments: object) -> Result:
    """Run it in this process."""
    return CliRunner().invoke(day, list(map(str, arguments)))


def a_point(second: int, dollars: int = 1) -> Point:
    """A price of BTC, heard a moment later."""
    return Point("BTC", second * 1_000, dollars * 10**18, second * 1_000 + 900)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four windows of a day, on disk."""
    return write_day(tmp_path / DATE, windows=4)


def test_a_day_whose_prices_give_its_outcomes_agrees(folder: Path) -> None:
    """Every window compared, none wrong."""
    result = run(folder)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "4 windows of BTC; 1260 prices, 2026-07-24T00:00:00Z to 2026-07-24T00:20:59Z",
        "0 gaps of more than 60 s, the longest 0 s",
        "4 windows compared, 0 disagree with the official outcome",
        "not compared: 0 without an exact closing price, 0 without a strike, "
        "0 settled on a mean that was not recorded, 0 without an official outcome",
    ]


def test_a_wrong_outcome_is_found(folder: Path) -> None:
    """1, and which window it is."""
    rows = [a_market_row(START_S + number * WINDOW_S) for number in range(4)]
    rows[2]["outcome_prices"].reverse()
    write_markets(folder, rows)
    result = run(folder)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[2:3] == ["4 windows compared, 1 disagree with the official outcome"]
    assert result.stdout.splitlines()[4:] == [f"! {rows[2]['slug']}"]


def test_a_close_at_the_strike_is_up() -> None:
    """At or above: the rule has no third outcome."""
    up = replace(listing_of(a_market_row()), official="Up", strike_e18=64_000 * 10**18)
    points = [a_point(START_S + WINDOW_S, 64_000)]
    assert examine(RecordedDay("at", [up], points)).wrong == []
    down = replace(up, official="Down")
    assert examine(RecordedDay("at", [down], points)).wrong == [up.slug]


def test_what_cannot_be_judged_is_counted_apart() -> None:
    """Without a close, without a strike, without an official outcome, or settled on a mean nobody recorded."""
    known = a_day(4)
    without_close, without_strike, unresolved, averaged = known.listings(0, 2**40)
    listings = [
        replace(without_close, start_s=START_S + 86_400),
        replace(without_strike, strike_e18=None, start_s=START_S - 86_400, interval_s=86_400 + WINDOW_S),
        replace(unresolved, official=None),
        replace(averaged, lookback_s=60),
    ]
    points = [a_point(START_S + second) for second in range(4 * WINDOW_S + 1)]
    found = examine(RecordedDay("odd", listings, points))
    assert (found.windows, found.compared, found.mismatches) == (4, 0, 0)
    assert (found.without_close, found.without_strike, found.unresolved, found.averaged) == (1, 1, 1, 1)


def test_gaps_are_told() -> None:
    """How many are longer than a minute, and the longest."""
    points = [a_point(START_S + second) for second in (0, 60, 121, 500, 501)]
    found = examine(RecordedDay("gaps", [listing_of(a_market_row())], points))
    assert (found.gaps, found.longest_gap_s, found.prices) == (2, 379, 5)


def test_the_findings_are_one_document(folder: Path) -> None:
    """For programs."""
    (line,) = run(folder, "--json").stdout.splitlines()
    found = msgspec.json.decode(line)
    assert (found["windows"], found["compared"], found["mismatches"], found["assets"]) == (4, 4, 0, ["BTC"])


@pytest.mark.parametrize("missing", ["everything", "markets", "prices"])
def test_what_is_no_day_is_not_found(missing: str, folder: Path, tmp_path: Path) -> None:
    """66: what is missing, and what a day consists of."""
    for path in folder.glob(f"*-{missing}-*"):
        path.unlink()
    result = run(tmp_path / "nowhere" if missing == "everything" else folder)
    assert (result.exit_code, result.stdout) == (66, "")
    first, second = result.stderr.splitlines()
    assert first.startswith(f"foresight day: {tmp_path}")
    assert second == (
        "  next     foresight day FOLDER, one that holds *-markets-*.jsonl.gz and *-prices-*.csv.gz of a day"
    )


if SETTLEMENT_DAY is not None:

    def test_a_real_day_agrees_with_the_venue() -> None:
        """Every window of it that can be judged, and that is nearly all."""
        result = run(SETTLEMENT_DAY, "--json")
        found = msgspec.json.decode(result.stdout)
        assert (result.exit_code, found["compared"], found["mismatches"]) == (0, 257, 0)


def test_prices_of_another_feed_are_counted_not_judged(tmp_path: Path) -> None:
    """A window whose outcome they do not give is told as their worth; the day is no fault of anybody."""
    found = run(write_windows(tmp_path, windows=4, outcome="up"))
    assert found.exit_code == 0
    assert found.stdout.splitlines()[-1].startswith(
        "4 windows held against prices of another feed: 2 (50.0%) say something else, 0 say nothing"
    )


def test_windows_that_cannot_be_played_are_counted(tmp_path: Path) -> None:
    """With the reason; polls know no official outcome."""
    found = msgspec.json.decode(run(write_polls(tmp_path), "--json").stdout)
    assert (found["windows"], found["unresolved"]) == (2, 2)
    assert found["left_out"] == {"without prices from start to end": 2}


if DATA:

    def test_the_recorded_outcomes_are_as_noisy_as_they_are_known_to_be() -> None:
        """3.4 % of eleven thousand windows end other than their proxy says."""
        assert DATA is not None
        found = msgspec.json.decode(run(DATA / "H_btc5m_outcomes", "--json").stdout)
        assert (found["proxied"], found["proxy_differs"], found["mismatches"]) == (11_431, 394, 0)
