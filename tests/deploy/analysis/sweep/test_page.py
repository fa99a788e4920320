"""The page of a sweep: its table whole, and a picture of what each value came to."""

from __future__ import annotations

import re
from xml.etree import ElementTree as xml

import pytest
from kit.sweeps import R1, R2, a_cell, done

from deploy.analysis.sweep.cells import Cell, Release
from deploy.analysis.sweep.grid import Point
from deploy.analysis.sweep.page import PICTURES_MAX, ROWS_MAX, as_html, varied
from deploy.analysis.sweep.table import Table, remarks, table

MICRO = 1_000_000
EVIL = "<img/src=x>"


def _swept(*points: Point, releases: tuple[Release, ...] = (R1,), days: int = 1, split: int | None = None) -> Table:
    """Each combination earned its own number of dollars on every day: 1, 2, 3, ..."""
    combinations = [(release, point) for release in releases for point in points]
    results = {}
    cells: list[Cell] = []
    for dollars, (release, point) in enumerate(combinations, start=1):
        for day in range(1, days + 1):
            cells.append(a_cell(point, release, day))
            results[cells[-1].name] = done(dollars * day * MICRO)
    return table(cells, results, split)


def _figures(page: str) -> list[xml.Element]:
    return [xml.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page)]


def _titles(figure: xml.Element) -> list[str]:
    return [str(title.text) for title in figure.iter("title")]


GRID = [{"stake_usd": stake, "mode": mode} for stake in (10, 2, 5) for mode in ("on", "off")]


def test_the_page_is_whole_and_needs_nothing() -> None:
    """Every row, every remark; no script, no address."""
    found = _swept(*GRID, releases=(R1, R2))
    page = as_html(found)
    assert page.count("stake_usd=10 mode=on") >= 2 and all(release.name in page for release in (R1, R2))
    assert all(remark in page for remark in remarks(found))
    assert "Sweep: 12 combinations over 1 pieces of tape" in page
    assert not re.search(r"<script|https?://|url\(", page)


def test_one_number_is_lines_with_one_for_each_release() -> None:
    """Every value is a dot that says what it came to, in the order of the values."""
    points = [{"stake_usd": stake} for stake in (10, 2.5, 5)]
    (figure,) = _figures(as_html(_swept(*points, releases=(R1, R2))))
    assert _titles(figure) == [
        "r1 aaaa at 2.5: +2.00",
        "r1 aaaa at 5: +3.00",
        "r1 aaaa at 10: +1.00",
        "r2 bbbb at 2.5: +5.00",
        "r2 bbbb at 5: +6.00",
        "r2 bbbb at 10: +4.00",
    ]
    across = [float(dot.get("cx", 0)) for dot in figure.iter("circle")]
    assert across[:3] == sorted(across[:3]) == across[3:]


def test_two_axes_are_shades_with_each_cell_in_its_place() -> None:
    """Numbers by size, words by letters, whatever came first or earned most."""
    (figure,) = _figures(as_html(_swept(*GRID)))
    words = [str(text.text) for text in figure.iter("text")]
    assert words == ["off", "on", "2", "+4.00", "+3.00", "5", "+6.00", "+5.00", "10", "+2.00", "+1.00"]


def test_what_more_axes_there_are_has_pictures_of_their_own() -> None:
    """One for each release here; the others are counted where they are too many."""
    assert len(_figures(as_html(_swept(*GRID, releases=(R1, R2))))) == 2
    many = [{"a": a, "b": b, "c": c} for a in (1, 2) for b in (1, 2) for c in range(PICTURES_MAX + 3)]
    page = as_html(_swept(*many))
    assert len(_figures(page)) == PICTURES_MAX and "3 pictures more" in page
    assert "a down, b across; c=0" in page


def test_words_alone_are_shades_in_one_column() -> None:
    """A mode has no scale on which a line could run."""
    (figure,) = _figures(as_html(_swept({"mode": "on"}, {"mode": "exit-only"})))
    assert [str(text.text) for text in figure.iter("text")] == ["net", "exit-only", "+2.00", "on", "+1.00"]


@pytest.mark.parametrize("releases", [(R1,), (R1, R2)])
def test_a_sweep_without_a_grid_has_its_table(releases: tuple[Release, ...]) -> None:
    """Of releases alone too."""
    page = as_html(_swept({}, releases=releases))
    assert "as recorded" in page and len(_figures(page)) == len(releases) - 1


def test_days_held_out_have_their_own_picture() -> None:
    """What chose, and what came of it."""
    page = as_html(_swept({"stake_usd": 1}, {"stake_usd": 2}, days=3, split=2))
    chose, later = _figures(page)
    assert _titles(chose) == ["net at 1: +3.00", "net at 2: +6.00"]
    assert _titles(later) == ["net at 1: +3.00", "net at 2: +6.00"], (
        "the third day alone brought what the first two did"
    )
    assert page.index("Net of the days that chose") < page.index("Net of the days held out")


def test_a_row_that_lacks_a_cell_is_in_no_picture() -> None:
    """It is in the table, as missing."""
    cells = [a_cell({"stake_usd": stake}) for stake in (1, 2, 3)]
    page = as_html(table(cells, {cell.name: done(MICRO) for cell in cells[:2]}))
    (figure,) = _figures(page)
    assert len(_titles(figure)) == 2 and "1 cells missing" in page


def test_a_page_has_a_bound() -> None:
    """What is left out is counted."""
    page = as_html(_swept(*({"stake_usd": stake} for stake in range(ROWS_MAX + 7))))
    assert page.count("<tr>") == ROWS_MAX + 1 and f"{ROWS_MAX} of {ROWS_MAX + 7} rows are shown" in page


def test_what_a_sweep_is_told_is_text() -> None:
    """Values of a grid may be any words."""
    page = as_html(_swept({"mode": EVIL, "b": 1}, {"mode": "on", "b": 2}))
    assert EVIL not in page and "&lt;img/src=x&gt;" in page


def test_of_an_empty_sweep_there_is_a_page() -> None:
    """No row, no axis, no picture."""
    assert varied([]) == [] and not _figures(as_html(table([], {})))
