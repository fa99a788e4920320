"""`foresight report` as people type it: text, one document, exit codes, and what it says when it cannot."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from kit.histories import Made, a_desk_that_did

from deploy.analysis.report import report
from shared import entries as e
from shared.outcomes import EXIT
from shared.paths import State


def run(state: State, *options: str) -> Result:
    """The verb, in this process."""
    return CliRunner().invoke(report, ["--state-dir", str(state.root), *options])


def document(result: Result) -> dict[str, Any]:
    """What --json printed."""
    return msgspec.json.decode(result.stdout, type=dict[str, Any])


@pytest.fixture(scope="module")
def made() -> Made:
    """An hour of two releases."""
    return Made(21, quarters=4, releases=2, rough=True)


@pytest.fixture(scope="module")
def desk(made: Made, tmp_path_factory: pytest.TempPathFactory) -> State:
    """Its folder."""
    return a_desk_that_did(tmp_path_factory.mktemp("desk"), made)


def test_it_tells_every_release_and_that_the_sums_agree(desk: State, made: Made) -> None:
    """0, on stdout alone."""
    result = run(desk)
    assert result.exit_code == EXIT["OK"], result.output
    assert result.stderr == ""
    assert all(f"r{n} {release[:4]}" in result.stdout for n, release in enumerate(made.releases, start=1))
    assert "Reconciles: " in result.stdout


def test_the_document_says_what_the_books_say(desk: State, made: Made) -> None:
    """Net of each release to the millionth; intervals, counts and the verdict are in it."""
    told = document(run(desk, "--json"))
    assert told["schema"] == "foresight.report/1" and told["holds"] is True
    assert {row["release"]: row["net_micro"] for row in told["rows"]} == dict(made.books.net_micro)
    assert told["blended"]["badges"][0] == "MIXED"
    assert told["reconciled"]["transfers_micro"] == made.books.transfers_micro
    assert told["cadence"]["missing"] == 0


def test_every_row_is_split_by_slot_and_by_hour(desk: State, made: Made) -> None:
    """Both splits add up to the row; --by hour has the hours as rows, and holds none against another."""
    told = document(run(desk, "--json"))
    for row, of in ((row, of) for row in told["rows"] for of in ("slot", "hour")):
        splits = [split for split in told["splits"] if (split["row"], split["of"]) == (row["key"], of)]
        for name in ("trades", "won", "net_micro"):
            assert sum(split[name] for split in splits) == row[name], (of, name)
    hours = document(run(desk, "--json", "--by", "hour"))
    assert [row["name"] for row in hours["rows"]] == ["00:00"] and hours["versus"] == []
    assert hours["rows"][0]["net_micro"] == sum(made.books.net_micro.values())
    assert "2 releases" in run(desk, "--by", "hour").stdout.splitlines()[0]


def test_two_releases_are_named_by_number_or_digest(desk: State, made: Made) -> None:
    """A name that fits none, or more than one, is refused with those that are known."""
    told = document(run(desk, "--json", "--compare", "r2", made.releases[0][:6]))
    assert len(told["versus"]) == 1 and len(told["paired"]) == 1
    unknown = run(desk, "--compare", "r1", "r9")
    assert unknown.exit_code == EXIT["NOINPUT"]
    assert "r9 names 0 releases" in unknown.stderr and "r1 " in unknown.stderr and "next" in unknown.stderr


def test_a_period_is_told_in_utc(desk: State) -> None:
    """A day is its first moment; what is no time is refused as usage."""
    assert document(run(desk, "--json", "--since", "2026-05-30"))["rows"] == []
    assert document(run(desk, "--json", "--since", "2026-05-29", "--until", "2026-05-29T00:30:00Z"))["rows"]
    wrong = run(desk, "--since", "yesterday")
    assert wrong.exit_code == EXIT["USAGE"] and "2026-11-28T14:05" in wrong.stderr


def test_a_period_is_reconciled_by_itself(desk: State, made: Made) -> None:
    """Its own opening and closing equity, and its own trades between; a morning's end is the evening's beginning."""
    noon = "2026-05-29T00:37:00"
    early, late = (document(run(desk, "--json", flag, noon))["reconciled"] for flag in ("--until", "--since"))
    for told in (early, late):
        assert told["difference_micro"] == 0 and not told["differs"]
        change = told["net_micro"] + told["transfers_micro"]
        assert told["opening_equity_micro"] + change == told["closing_equity_micro"]
    assert early["closing_equity_micro"] == late["opening_equity_micro"]
    assert early["net_micro"] + late["net_micro"] == sum(made.books.net_micro.values())
    text = run(desk, "--since", noon).stdout
    assert f"opening equity {late['opening_equity_micro'] / 1e6:,.2f}" in text and "snapshot of 05-29 00:30:00" in text


def test_books_that_differ_are_an_exit_code(tmp_path: Path) -> None:
    """33, and by how much."""
    made = Made(22, quarters=1)
    last = made.lines[-1]
    made.lines[-1] = e.Line(last.n, last.at_ns, last.wall_ns, 1, e.Snapshot(made.books.cash_micro + 10_000, (), ()))
    result = run(a_desk_that_did(tmp_path, made))
    assert result.exit_code == EXIT["DRIFT"]
    assert "DOES NOT RECONCILE" in result.stdout and "10000 millionths" in result.stdout


def test_a_folder_without_a_journal_is_said_to_be_one(tmp_path: Path) -> None:
    """66, and what to type."""
    result = run(State(tmp_path))
    assert result.exit_code == EXIT["NOINPUT"]
    assert "holds no journal" in result.stderr and "next" in result.stderr and not result.stdout


@pytest.mark.parametrize("kind", ["journal", "tape"])
def test_a_record_that_was_changed_is_not_reported_on(tmp_path: Path, kind: str) -> None:
    """74, and which file."""
    state = a_desk_that_did(tmp_path, Made(23, quarters=1))
    (segment,) = getattr(state, kind).glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    result = run(state)
    assert result.exit_code == EXIT["IOERR"], result.output
    assert segment.name in result.stderr and "next" in result.stderr


def test_the_page_and_the_table_are_files_beside_the_text(desk: State, made: Made, tmp_path: Path) -> None:
    """Whole ones, with nothing left beside them; the table has a line a row."""
    page, table = tmp_path / "report.html", tmp_path / "report.csv"
    result = run(desk, "--html", str(page), "--csv", str(table))
    assert result.exit_code == EXIT["OK"] and "Attribution" in result.stdout
    assert page.read_text().startswith("<!doctype html>")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["release"]: int(row["net_micro"]) for row in rows} == dict(made.books.net_micro)
    assert all(row["badges"].startswith("TOO FEW") for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.csv", "report.html"]


def test_a_file_that_cannot_be_written_is_named(desk: State, tmp_path: Path) -> None:
    """74, and what to do."""
    result = run(desk, "--html", str(tmp_path / "nowhere" / "report.html"))
    assert result.exit_code == EXIT["IOERR"] and "nowhere" in result.stderr and "next" in result.stderr
