"""What people read: the same for the same history, no wider than 120 columns, plain text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from kit.histories import Made, a_desk_that_did, judged_history

from deploy.analysis.attribution.gather import Asked, gather
from deploy.analysis.attribution.history import Boundary
from deploy.analysis.attribution.judged import Report, judge
from deploy.analysis.attribution.mids import attach
from deploy.analysis.attribution.terminal import WIDTH_MAX, as_text
from deploy.analysis.index import open_index

SAMPLE = Path(__file__).with_name("report.txt")
"""What nine made-up hours of seed 11 read like; written anew by deleting it and running this test twice."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Nine hours of three releases."""
    return judged_history(tmp_path_factory.mktemp("desk"), Made(11, quarters=36, rough=True))


def test_the_report_reads_as_it_always_did(report: Report) -> None:
    """Every figure of it: seeds are fixed, so a change of the text is a change of the code."""
    text = as_text(report, crossing=True) + "\n"
    if not SAMPLE.exists():
        SAMPLE.write_text(text)
        pytest.fail(f"{SAMPLE.name} was written: read it, and run this again")
    assert text == SAMPLE.read_text()


def test_no_line_is_wider_than_a_terminal_or_holds_an_escape(report: Report) -> None:
    """Piped or not: it is plain text."""
    lines = as_text(report, crossing=True).splitlines()
    assert max(map(len, lines)) <= WIDTH_MAX
    assert not re.search(r"[^\x20-\x7e]", "".join(lines))


def test_what_does_not_add_up_is_said_loudly(report: Report) -> None:
    """By how much, where, and what to type."""
    torn = replace(report.reconciled, difference_micro=-10_000, differs=("BTC/5m Up: trades leave 0, the desk has 5",))
    text = as_text(replace(report, reconciled=torn), crossing=False)
    assert "DOES NOT RECONCILE" in text
    assert "equity differs by -10000 millionths" in text and "! BTC/5m Up" in text and "foresight verify" in text


def test_what_cannot_be_held_against_anything_is_not_called_right(report: Report) -> None:
    """No account was told after the last money moved."""
    text = as_text(replace(report, reconciled=replace(report.reconciled, difference_micro=None)), crossing=False)
    assert "Reconciles: NOT KNOWN" in text


def test_crossing_trades_are_counted_and_listed_where_asked(report: Report) -> None:
    """With who entered and who left."""
    assert "list: --crossing" in as_text(report, crossing=False)
    assert re.search(r"entered by r\d, left by r\d", as_text(report, crossing=True))


def test_of_many_boundaries_the_newest_are_shown(report: Report) -> None:
    """The rest is counted; long reasons are cut."""
    many = [Boundary(n, 10**18, "CONTROL", "", 0, "", "", "uid:0", "because " * 20, 0, (), 0) for n in range(1, 41)]
    history = replace(report.history, boundaries=many)
    text = as_text(replace(report, history=history), crossing=False)
    assert "the newest 12 of 40" in text and "#40 " in text and "#28 " not in text
    assert max(map(len, text.splitlines())) <= WIDTH_MAX


def test_a_desk_that_did_nothing_has_a_report(tmp_path: Path) -> None:
    """Nothing decided, no boundary, and no fault."""
    state = a_desk_that_did(tmp_path, Made(1, quarters=1))
    connection = open_index(state)
    attach(connection, state)
    history = gather(state, connection, Asked(until_ns=1))
    connection.close()
    assert "nothing decided" in as_text(judge(history), crossing=True)
