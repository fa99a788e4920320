"""Figures are sound XML, put values where they belong, and hold neither scripts nor addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree as xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.analysis import plots
from deploy.analysis.plots import Estimate, Mark, Series, Span, numbers, times

DAY_S = 1_780_000_000
EVIL = '<script src="https://x">&"'


def _figures() -> Iterator[str]:
    x, y = times(DAY_S, DAY_S + 7_200), numbers(-3, 12)
    marks = [Mark(DAY_S + 1_800, EVIL), Mark(DAY_S + 1_900, "no room", "dashed")]
    lines = [Series(f"{EVIL}{n}", [(DAY_S, 0.0), (DAY_S + 3_600, 5.0 + n)], n) for n in range(8)]
    rows = [Estimate(EVIL, 0.02, -0.01, 0.05, 0, "n 40"), Estimate("r2", None, None, None, 7, "none")]
    yield plots.steps("PnL", lines, marks, x, y, 420)
    yield plots.steps("nothing", [], [], x, y, 420)
    yield plots.lines("net", [*lines, Series(EVIL, [], 3)], x, y, 420)
    yield plots.lines("nothing", [], x, y, 420)
    yield plots.forest("edge", rows, numbers(-0.05, 0.05), 420)
    yield plots.forest("nothing", [], numbers(0, 0), 420)
    yield plots.calibration("calibration", [("ours", [(0.15, Estimate("", 0.2, 0.1, 0.4))]), ("market", [])], 420)
    yield plots.strip("cadence", [(EVIL, [Span(DAY_S, DAY_S + 60, 0, EVIL), Span(0, 1, 1, bad=True)])], marks, x, 860)
    yield plots.heat("slots", ["r1", EVIL], [("BTC/5m", [(1.5, "+1.50"), (None, "-")])], 420)
    yield plots.heat("nothing", [], [], 420)


@pytest.mark.parametrize("figure", list(_figures()), ids=lambda figure: figure[50:80])
def test_a_figure_is_sound_and_reaches_nothing(figure: str) -> None:
    """Whatever names hold: no element, attribute or address comes out of them."""
    root = xml.fromstring(figure)
    assert root.get("role") == "img" and root.get("aria-label")
    assert {element.tag for element in root.iter()} <= {"svg", "line", "path", "rect", "circle", "text", "title"}
    assert not re.search(r"(href|src|style|on\w+)=", re.sub(r">[^<]*<|\"[^\"]*\"", "", figure))


@pytest.mark.parametrize("figure", list(_figures()), ids=lambda figure: figure[50:80])
def test_nothing_is_drawn_outside_the_figure(figure: str) -> None:
    """Also what lies beyond an axis: it stands at its end."""
    root = xml.fromstring(figure)
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for element in root.iter():
        for name, bound in (("x", width), ("x1", width), ("x2", width), ("y", height), ("y1", height), ("y2", height)):
            assert -0.1 <= float(element.get(name, 0)) <= bound + 0.1, (element.tag, name)


def test_values_stand_where_the_axis_says() -> None:
    """Up is more, right is later, and a line keeps its value until it changes."""
    axis = numbers(0, 10)
    assert (axis.place(0, 200, 20), axis.place(10, 200, 20), axis.place(5, 0, 100)) == (200, 20, 50)
    figure = plots.steps(
        "pnl", [Series("r1", [(DAY_S, 0.0), (DAY_S + 3_600, 10.0)], 0)], [], times(DAY_S, DAY_S + 3_600), axis, 420
    )
    path = xml.fromstring(figure).find("path")
    assert path is not None
    points = [tuple(map(float, point.split())) for point in path.get("d", "")[1:].split("L")]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x0 < x1 == x2 and y0 == y1 > y2


def test_straight_lines_go_through_their_values() -> None:
    """A dot at each, which says what it is."""
    figure = xml.fromstring(
        plots.lines("net", [Series("r1", [(1, 0.0), (3, 10.0)], 0)], numbers(1, 3), numbers(0, 10), 420)
    )
    path, dots = figure.find("path"), list(figure.iter("circle"))
    assert path is not None
    assert path.get("d") == "M" + "L".join(f"{dot.get('cx')} {dot.get('cy')}" for dot in dots)
    assert [title.text for title in figure.iter("title")] == ["r1 at 1: +0.00", "r1 at 3: +10.00"]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_an_axis_holds_what_it_was_made_for(one: float, other: float) -> None:
    """Named at round values that grow, few enough to be read."""
    low, high = sorted((one, other))
    axis = numbers(low, high)
    hair = 1e-6 * max(1.0, high - low)
    assert axis.low <= low + hair and axis.high >= high - hair
    values = [value for value, _ in axis.ticks]
    assert values == sorted(set(values)) and 2 <= len(values) <= 8


@given(st.integers(0, 2_000_000_000), st.integers(0, 40 * 86_400))
def test_a_time_axis_is_named_at_round_times(from_s: int, span_s: int) -> None:
    """In UTC, and inside what is shown."""
    axis = times(from_s, from_s + span_s)
    assert len(axis.ticks) <= 7
    assert all(axis.low <= at <= axis.high for at, _ in axis.ticks)


def test_two_boundaries_on_one_place_do_not_write_over_each_other() -> None:
    """The second is a line without a name."""
    figure = next(_figures())
    assert "no room" not in figure and figure.count('class="dashed"') == 1


@pytest.mark.parametrize("width", [320, 420, 860])
def test_no_two_names_below_an_axis_overlap(width: int) -> None:
    """On a phone fewer are told, as many as there is room for."""
    figure = plots.strip("cadence", [("BTC/5m", [])], [], times(DAY_S, DAY_S + 100_000), width)
    places = [
        (float(t.get("x", 0)), len(t.text or "")) for t in xml.fromstring(figure).iter("text") if ":" in str(t.text)
    ]
    assert len(places) >= 2
    for (at, letters), (then, more) in pairwise(places):
        assert then - at >= (letters + more) / 2 * plots.LETTER_PX
    assert all(at + letters / 2 * plots.LETTER_PX <= width + 0.1 for at, letters in places)


def test_a_heat_map_writes_what_there_is_room_for_and_tells_the_rest() -> None:
    """Twenty-four narrow columns: no two names overlap, and each number shows where a pointer rests."""
    hours = [f"{hour:02}:00" for hour in range(24)]
    figure = xml.fromstring(
        plots.heat("net", hours, [("BTC/5m", [(n - 11.5, f"{n - 11.5:+.2f}") for n in range(24)])], 396)
    )
    named = [(float(t.get("x", 0)), str(t.text)) for t in figure.iter("text") if t.get("class") == "n"]
    assert len(named) >= 6
    assert all(then - at >= len(words) * plots.LETTER_PX for (at, words), (then, _) in pairwise(named))
    assert all(at + len(words) / 2 * plots.LETTER_PX <= 396 for at, words in named)
    assert "+0.50" not in [t.text for t in figure.iter("text")]
    assert [t.text for t in figure.iter("title")] == [f"{n - 11.5:+.2f}" for n in range(24)]


def test_tones_differ_by_dash_in_light_and_dark() -> None:
    """Whoever sees no colours sees the dashes; both schemes name every tone."""
    dashes = re.findall(r"\.l\.s\d\{stroke-dasharray:([^}]*)\}", plots.STYLE)
    assert len(dashes) == len(set(dashes)) == plots.TONES
    assert all(plots.STYLE.count(f"--t{n}:") == 2 for n in range(plots.TONES))
