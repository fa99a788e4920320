"""The page holds everything, runs nothing, reaches nothing, and takes no markup from what it tells of."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from kit.histories import Made, judged_history

from deploy.analysis.attribution.history import Boundary, Holding, Lot
from deploy.analysis.attribution.judged import Report, judge
from deploy.analysis.attribution.page import DEFINITIONS, as_html

EVIL = "<img src=x onerror=alert(1)>\"'&"
PAGE_MAX = 1 << 20
VOID = {"meta", "link", "br", "img"}


class Markup(HTMLParser):
    """Elements that are open, and attributes that were met."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """An hour of two releases."""
    return judged_history(tmp_path_factory.mktemp("desk"), Made(31, quarters=4, releases=2, rough=True))


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    """Its page."""
    return as_html(report)


def test_the_page_is_whole_and_reaches_nothing(page: str) -> None:
    """Every element is closed; no script, no link, no address, no style from elsewhere."""
    markup = Markup()
    markup.feed(page)
    assert markup.open == []
    assert not markup.tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert not {name for name in markup.attributes if name.startswith("on")} | (markup.attributes & {"src", "href"})
    assert not re.search(r"https?://|@import|url\(", page)
    assert len(page.encode()) < PAGE_MAX


def test_the_page_tells_what_the_terminal_tells(report: Report, page: str) -> None:
    """Every release, badge, boundary and the sum of it all; and what the words mean."""
    for row in report.rows:
        assert row.name in page and all(badge in page for badge in row.badges)
    assert "Reconciles:" in page and "gaps 0" in page
    assert all(word in page for word, _ in DEFINITIONS)
    assert page.count("<svg") >= 8


def test_positions_at_a_boundary_are_named(report: Report, page: str) -> None:
    """Slot, token, shares, what they had cost and whose they were."""
    holding = report.history.boundaries[0].holdings[0]
    assert f"{holding.slot} {holding.outcome} {holding.size_micro / 1e6:,.2f} for" in page


def test_the_page_follows_light_and_dark_and_fits_a_phone(page: str) -> None:
    """By the browser's own word, without a script."""
    assert "color-scheme:light dark" in page and "prefers-color-scheme:dark" in page
    assert "width=device-width" in page and "max-width:700px" in page


def test_names_are_never_markup(report: Report) -> None:
    """Reasons, actors and slots come from people and the venue."""
    boundary = Boundary(1, 10**18, "CONTROL", "", 0, EVIL, EVIL, EVIL, EVIL, 0, (Holding(EVIL, "Up", 1, 1, EVIL),), 0)
    lot = replace_name(report.history.lots[0])
    text = as_html(judge(replace(report.history, boundaries=[boundary], lots=[lot], mode=EVIL)))
    assert "<img" not in text and "&lt;img" in text


def replace_name(lot: Lot) -> Lot:
    """The same under a name that nobody should believe."""
    return replace(lot, name=EVIL)


def test_a_torn_sum_is_loud(report: Report) -> None:
    """In red, before anything that is made of it."""
    torn = as_html(replace(report, reconciled=replace(report.reconciled, difference_micro=5)))
    assert torn.index("class='torn'") < torn.index("<table")
    assert "DOES NOT RECONCILE" in torn
