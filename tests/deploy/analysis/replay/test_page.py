"""deploy.analysis.replay.page: one page for a result, complete in itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from kit.tapes import NO_ACCOUNT, NS, START_S

from deploy.analysis.replay.holdings import Fill
from deploy.analysis.replay.job import Result
from deploy.analysis.replay.page import FILLS_MAX, Page
from shared import messages as m

RESULT = Result(ticks=3, frames=9, decisions="2dff", state="9a8d", net_micro=1_230_000)
WISH = m.Place("Up", "BUY", 420_000, 10_000_000, "FAK")
FILL = Fill("o", ("BTC/5m", START_S), "Up", "BUY", 420_000, 10_000_000, 20_000)


def a_page(
    verdicts: tuple[str, ...] = ("hold: edge 12 bp < 200", "hold: edge 13 bp < 200", "take"), fills: int = 1
) -> Page:
    """Some decisions, the last with a wish, a fill and a window that paid."""
    page = Page()
    for number, verdict in enumerate(verdicts):
        tick = m.Tick("BTC/5m", START_S * 1_000, START_S, "w1", 1, "", "", NO_ACCOUNT)
        wishes = (WISH,) if verdict == "take" else ()
        page.decided(
            m.Streamed(number, (START_S + number * 60) * NS, tick), tick, m.Decision(wishes, {"verdict": verdict})
        )
    for number in range(fills):
        page.filled((START_S + number) * NS, FILL)
    page.ended((START_S + 300) * NS, 1_230_000)
    return page


class Reader(HTMLParser):
    """What a browser would load, and the words it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.loads, self.tags, self.words = list[str](), list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "srcset", "data"}]

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def read(html: str) -> Reader:
    """The page as a browser meets it."""
    reader = Reader()
    reader.feed(html)
    return reader


def test_the_page_needs_nothing_from_anywhere() -> None:
    """No script, nothing loaded, and a policy that forbids both."""
    html = a_page().html(RESULT, "r7")
    found = read(html)
    assert (found.loads, "script" in found.tags, found.tags.count("svg")) == ([], False, 2)
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", html)


def test_it_shows_the_numbers_the_verdicts_and_the_fills() -> None:
    """Verdicts of one kind are counted together, whatever numbers they hold."""
    words = read(a_page().html(RESULT, "r7 on paper")).words
    assert "r7 on paper" in words
    assert any("net +1.23" in each for each in words)
    at = words.index("hold: edge … bp < …")
    assert "2" in words[at + 1 : at + 3]
    assert {"BUY Up", "0.42", "0.02", "2027-01-15T08:00:00.000Z"} <= set(words)


def test_what_a_release_says_is_text() -> None:
    """Nothing of it becomes a part of the page."""
    html = a_page(verdicts=("<script>alert(1)</script>", "take")).html(RESULT, "<b>r7</b>")
    found = read(html)
    assert "script" not in found.tags
    assert "b" not in found.tags


def test_a_page_has_a_bound() -> None:
    """However much filled; what is left out is told."""
    words = read(a_page(fills=FILLS_MAX + 7).html(RESULT, "r7")).words
    assert words.count("BUY Up") == FILLS_MAX
    assert "7 more; --csv has all of them." in words


def test_a_page_of_nothing_says_so() -> None:
    """No decision, no fill, no window."""
    words = read(Page().html(RESULT, "r7")).words
    assert {"No window was traded and resolved.", "Nothing was decided.", "Nothing filled."} <= set(words)
