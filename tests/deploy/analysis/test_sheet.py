"""A page is complete in itself, and what it is told is text."""

from __future__ import annotations

import re

from deploy.analysis.sheet import sheet, table

EVIL = "<img src=x onerror=alert(1)>\"'&"


def test_a_page_needs_nothing_and_forbids_the_rest() -> None:
    """No script, no address; light and dark; a policy that lets nothing in."""
    page = sheet("Sweep", ["<p>so it is</p>"])
    assert page.startswith("<!doctype html>") and "<h1>Sweep</h1>\n<p>so it is</p>" in page
    assert "default-src 'none'" in page and "color-scheme:light dark" in page and "width=device-width" in page
    assert not re.search(r"<script|<link|https?://|@import|url\(", page)


def test_titles_and_cells_are_text() -> None:
    """Whatever a release, a parameter or a market is called."""
    page = sheet(EVIL, [table([EVIL], [[EVIL]])])
    assert "<img" not in page and page.count("&lt;img") == 4
