"""Figures show what was judged: values where they belong, every hole, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as xml

import pytest
from kit.histories import Made, judged_history

from deploy.analysis.attribution import figures
from deploy.analysis.attribution.history import Lot, Stretch
from deploy.analysis.attribution.judged import Report, judge


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """An hour of two releases."""
    return judged_history(tmp_path_factory.mktemp("desk"), Made(31, quarters=4, releases=2, rough=True))


def _words(figure: str) -> list[str]:
    return [element.text or "" for element in xml.fromstring(figure).iter() if element.tag in {"text", "title"}]


def test_the_pnl_of_a_row_ends_with_its_net(report: Report) -> None:
    """The last point of each line is the sum of its trades."""
    for lot in report.history.lots:
        *_, last = figures._earned(lot)
        assert last[1] == pytest.approx(sum(trade.net_micro for trade in lot.trades) / 1e6)
    drawn = figures.pnl(report)
    assert drawn is not None
    assert any(word.startswith("#1 r2") for word in _words(drawn(860)))


def test_an_edge_stands_with_won_of_all(report: Report) -> None:
    """Each row has its k/n beside it."""
    drawn = figures.edges(report)
    assert drawn is not None
    assert {f"{row.won}/{row.trades}" for row in report.rows} <= set(_words(drawn(396)))


def test_every_hole_is_painted(report: Report) -> None:
    """Also a short one between two long stretches, and one that nobody could have decided is not a hole."""
    begin, end = report.history.from_ns, report.history.until_ns
    middle = (begin + end) // 2
    stretches = (
        Stretch("BTC/5m", "a" * 32, begin, middle, 500),
        Stretch("BTC/5m", "", middle, middle, 1, "missing"),
        Stretch("BTC/5m", "a" * 32, middle + 1, end, 500),
        Stretch("SPX/5m", "", begin, end, 500, "no_market"),
    )
    history = replace(report.history, cadence=replace(report.history.cadence, stretches=stretches))
    drawn = figures.cadence(replace(report, history=history))
    assert drawn is not None
    bad = [box for box in xml.fromstring(drawn(340)).iter("rect") if box.get("class") == "bad"]
    assert len(bad) == 1 and float(bad[0].get("width", 0)) > 0.5


def test_stretches_that_cannot_be_told_apart_are_one() -> None:
    """A window's turn is no hole; another release, or a reason, is."""
    row = [Stretch("s", "r1", 0, 10, 3), Stretch("s", "r1", 12, 20, 2), Stretch("s", "r2", 21, 30, 1)]
    assert figures._joined(row, 5) == [Stretch("s", "r1", 0, 20, 5), Stretch("s", "r2", 21, 30, 1)]
    assert figures._joined(row, 1) == row


def test_calibration_bars_count_a_quarter_hour_once(report: Report) -> None:
    """Thousands of decisions about a few windows are no thousands of observations."""
    lot = report.history.lots[0]
    points = figures._points(lot.ours)
    assert points
    for _, each in points:
        assert each.low is not None and each.high is not None and each.high - each.low > 0.3


def test_a_slot_in_which_nothing_was_traded_has_no_number(report: Report) -> None:
    """Not even nought."""
    assert figures._cell(None) == (None, "-")
    drawn = figures.slots(report)
    assert drawn is not None and _words(drawn(396)).count("-") == sum(
        (lot.key, slot) not in {(split.row, split.name) for split in report.splits}
        for lot in report.history.lots
        for slot in {trade.slot for each in report.history.lots for trade in each.trades}
    )


def test_an_hour_shows_what_each_row_earned_in_it(report: Report) -> None:
    """As a shade with its number; where the rows are hours themselves there is nothing to split."""
    drawn = figures.hours(report)
    assert drawn is not None
    nets = [split.net_micro for split in report.splits if split.of == "hour"]
    assert nets and {f"{net / 1e6:+,.2f}" for net in nets} <= set(_words(drawn(396)))
    assert figures.hours(replace(report, history=replace(report.history, by="hour"))) is None


def test_the_timeline_begins_each_operation_at_nought(report: Report) -> None:
    """One row for each, its phases in order."""
    drawn = figures.timeline(report)
    assert drawn is not None
    words = _words(drawn(860))
    assert "deploy op1" in words and any(word.startswith("shadowing: ") for word in words)


def test_where_there_is_nothing_there_is_no_figure(report: Report) -> None:
    """A desk that has not traded has a page all the same."""
    cadence = replace(report.history.cadence, stretches=())
    empty = judge(replace(report.history, lots=[Lot("1", "r1")], pairs=[], phases=[], cadence=cadence))
    drawn = (
        figures.pnl,
        figures.edges,
        figures.paired,
        figures.cadence,
        figures.timeline,
        figures.slots,
        figures.hours,
    )
    assert [draw(empty) for draw in drawn] == [None] * len(drawn)
    assert figures.calibrations(empty) == []
