"""Plots as small SVG, made by hand: lines, stairs with boundaries, forests, calibration, strips in time, heat maps.

Values in, text out. A figure takes its colours from STYLE, which whoever builds the page puts into it once; it needs no
network, no script and no library, follows light and dark, and tells tones apart by dash as well as by colour. Widths
are told, so that the same figure can be drawn for a desk and for a phone, at the same size of letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, log10
from typing import Final

TONES: Final = 6
"""Of colours that people with any eyesight can tell apart; a seventh series begins anew."""
STYLE: Final = """
.plot{--t0:#0067a5;--t1:#c1440e;--t2:#007a5a;--t3:#9a4f96;--t4:#8a6d00;--t5:#5b6470;--grid:#8883;--bad:#c00}
@media (prefers-color-scheme:dark){
.plot{--t0:#6cb8f0;--t1:#ff9d6b;--t2:#4fcba0;--t3:#dba0d8;--t4:#e0c050;--t5:#aab2bd;--bad:#ff7070}}
.plot{font:11px system-ui,sans-serif}.plot text{fill:currentColor;font-variant-numeric:tabular-nums}
.plot .l{fill:none;stroke-width:1.7}.plot .g{stroke:var(--grid)}.plot .z{stroke:currentColor;opacity:.6}
.plot .solid,.plot .dashed,.plot .dotted{stroke:currentColor;opacity:.7}
.plot .dashed{stroke-dasharray:5 3}.plot .dotted{stroke-dasharray:1.5 3}
.plot .n{opacity:.75}.plot .bad{fill:var(--bad);stroke:var(--bad)}
""" + "".join(
    f".plot .s{n}{{stroke:var(--t{n})}}.plot .f{n}{{fill:var(--t{n})}}.plot .l.s{n}{{stroke-dasharray:{dash}}}\n"
    for n, dash in enumerate(("none", "7 3", "2 2", "9 3 2 3", "4 2", "1 3"))
)
LETTER_PX: Final = 7.0
"""How wide a letter of a label is, on average."""
_ROW_PX: Final = 20
_TIME_STEPS_S: Final = (60, 120, 300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)

Tick = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Axis:
    """From which value to which, and the values that are named on it. `low` < `high`."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def place(self, value: float, start_px: float, end_px: float) -> float:
        """Where a value stands between two places; values beyond the ends stand at the end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return start_px + share * (end_px - start_px)


def numbers(low: float, high: float, show: Callable[[float], str] = "{:g}".format, about: int = 5) -> Axis:
    """An axis that holds both values, named at round numbers."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / about
    power = 10.0 ** floor(log10(rough))
    step = power * next(nice for nice in (1, 2, 5, 10) if nice * power >= rough * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = tuple((n * step, show(round(n * step, 9) + 0.0)) for n in range(first, last + 1))
    return Axis(first * step, last * step, ticks)


def times(low_s: float, high_s: float, about: int = 6) -> Axis:
    """An axis of unix seconds, named at round UTC times."""
    high_s = max(high_s, low_s + 60)
    step = next((s for s in _TIME_STEPS_S if (high_s - low_s) / s <= about), _TIME_STEPS_S[-1])
    shape = "%m-%d" if step >= 86_400 else "%m-%d %H:%M" if high_s - low_s > 86_400 else "%H:%M"
    first = ceil(low_s / step)
    named = range(first, floor(high_s / step) + 1)
    return Axis(low_s, high_s, tuple((n * step, datetime.fromtimestamp(n * step, UTC).strftime(shape)) for n in named))


@dataclass(frozen=True, slots=True)
class Series:
    """A line that keeps its value until the next point. `tone`: its colour and dash."""

    name: str
    points: Sequence[tuple[float, float]]
    tone: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A boundary on the time axis; `kind`: solid, dashed or dotted."""

    at: float
    name: str
    kind: str = "solid"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and how far it may be off. Without ends it is a dot, without a value a note alone."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    tone: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a row. `bad`: painted as what must not be."""

    from_x: float
    to_x: float
    tone: int
    title: str = ""
    bad: bool = False


@dataclass(slots=True)
class Canvas:
    """What a figure is drawn on: pixels from the upper left corner."""

    width: int
    height: int
    parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """A straight line."""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>')

    def path(self, points: Iterable[tuple[float, float]], style: str) -> None:
        """Straight lines from point to point."""
        self.parts.append(f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}" class="{style}"/>')

    def box(
        self, x: float, y: float, width: float, height: float, style: str, title: str = "", extra: str = ""
    ) -> None:
        """A filled rectangle, at least visible; `title` shows where a pointer rests."""
        tip = f"<title>{escape(title)}</title>" if title else ""
        sized = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.6):.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect {sized} class="{style}"{extra}>{tip}</rect>')

    def dot(self, x: float, y: float, style: str, title: str = "") -> None:
        """A point."""
        tip = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="{style}">{tip}</circle>')

    def text(self, x: float, y: float, words: str, anchor: str = "start", style: str = "") -> None:
        """Words on a line; `anchor`: start, middle or end of them is at x."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}">{escape(words)}</text>'
        )

    def svg(self, name: str) -> str:
        """The figure; `name` is what a screen reader says of it."""
        head = f'<svg class="plot" role="img" aria-label="{escape(name)}" viewBox="0 0 {self.width} {self.height}"'
        return f'{head} width="{self.width}" height="{self.height}">{"".join(self.parts)}</svg>'


def steps(name: str, series: Sequence[Series], marks: Sequence[Mark], x: Axis, y: Axis, width: int) -> str:
    """Lines in time, each with its name above, and a vertical line at every boundary."""
    canvas, (left, right, top, bottom) = _chart(series, x, y, width)
    for mark in marks:
        at = x.place(mark.at, left, right)
        canvas.line(at, top, at, bottom, mark.kind)
    _mark_names(canvas, [(x.place(mark.at, left, right), mark.name) for mark in marks], top, right)
    for each in series:
        canvas.path(_stairs(each.points, x, y, (left, right, top, bottom)), f"l s{each.tone % TONES}")
    return canvas.svg(name)


def lines(name: str, series: Sequence[Series], x: Axis, y: Axis, width: int) -> str:
    """Straight lines from value to value, each with its name above and a dot at every value, which a pointer reads."""
    canvas, (left, right, top, bottom) = _chart(series, x, y, width)
    for each in series:
        tone = each.tone % TONES
        places = [(x.place(at, left, right), y.place(value, bottom, top)) for at, value in each.points]
        if places:
            canvas.path(places, f"l s{tone}")
        for place, (at, value) in zip(places, each.points, strict=True):
            canvas.dot(*place, f"f{tone}", f"{each.name} at {at:g}: {value:+,.2f}")
    return canvas.svg(name)


def _chart(series: Sequence[Series], x: Axis, y: Axis, width: int) -> tuple[Canvas, tuple[float, float, float, float]]:
    """An empty chart with its axes, and the names of its lines above. Returns: its left, right, top and bottom too."""
    legend = _legend_rows([each.name for each in series], width)
    top = 10 + 15 * len(legend)
    left, right, bottom = _left([tick[1] for tick in y.ticks]), width - 10, top + 168
    canvas = Canvas(width, bottom + 22)
    _legend(canvas, legend, {each.name: each.tone for each in series})
    _frame(canvas, x, y, left, right, top, bottom)
    return canvas, (left, right, top, bottom)


def _stairs(
    points: Sequence[tuple[float, float]], x: Axis, y: Axis, sides: tuple[float, float, float, float]
) -> Iterable[tuple[float, float]]:
    left, right, top, bottom = sides
    before: float | None = None
    for at, value in points:
        across, up = x.place(at, left, right), y.place(value, bottom, top)
        if before is not None:
            yield across, before
        yield across, up
        before = up


def _mark_names(canvas: Canvas, marks: Sequence[tuple[float, str]], top: float, right: float) -> None:
    """Name the boundaries that there is room for; the rest are lines without a name."""
    free = 0.0
    for at, name in marks:
        wide = len(name) * LETTER_PX
        if at + 3 >= free and at + 3 + wide <= right:
            canvas.text(at + 3, top + 10, name, style="n")
            free = at + wide + 9


def forest(name: str, rows: Sequence[Estimate], x: Axis, width: int, zero: float = 0.0) -> str:
    """One row each: the value, how far it may be off, and a line where nothing is gained."""
    left = _left([row.name for row in rows])
    right = width - 12 - max((len(row.note) for row in rows), default=0) * LETTER_PX
    canvas = Canvas(width, 30 + _ROW_PX * len(rows))
    bottom = canvas.height - 22
    for at in _named(canvas, x, left, right, bottom):
        canvas.line(at, 4, at, bottom, "g")
    if x.low <= zero <= x.high:
        canvas.line(x.place(zero, left, right), 4, x.place(zero, left, right), bottom, "z")
    for number, row in enumerate(rows):
        y = 4 + _ROW_PX * (number + 0.5)
        canvas.text(left - 8, y + 4, row.name, "end")
        canvas.text(right + 8, y + 4, row.note, style="n")
        if row.low is not None and row.high is not None:
            canvas.line(x.place(row.low, left, right), y, x.place(row.high, left, right), y, f"s{row.tone % TONES}")
        if row.value is not None:
            canvas.dot(x.place(row.value, left, right), y, f"f{row.tone % TONES}")
    return canvas.svg(name)


def calibration(name: str, curves: Sequence[tuple[str, Sequence[tuple[float, Estimate]]]], width: int) -> str:
    """What was told (across) and what came (up), with bars; on the diagonal they are the same. Shares from 0 to 1."""
    legend = _legend_rows([curve for curve, _ in curves], width)
    unit, top, left = numbers(0, 1, "{:.0%}".format), 10 + 15 * len(legend), 40
    canvas = Canvas(width, top + 222)
    right, bottom = width - 10, canvas.height - 22
    _legend(canvas, legend, {curve: tone for tone, (curve, _) in enumerate(curves)})
    _frame(canvas, unit, unit, left, right, top, bottom)
    canvas.line(left, bottom, right, top, "dotted")
    for tone, (_, points) in enumerate(curves):
        for told, came in points:
            at = unit.place(told, left, right) + 3 * tone
            if came.low is not None and came.high is not None:
                canvas.line(at, unit.place(came.low, bottom, top), at, unit.place(came.high, bottom, top), f"s{tone}")
            if came.value is not None:
                canvas.dot(at, unit.place(came.value, bottom, top), f"f{tone}", came.note)
    return canvas.svg(name)


def strip(name: str, rows: Sequence[tuple[str, Sequence[Span]]], marks: Sequence[Mark], x: Axis, width: int) -> str:
    """A row of stretches for each name, on one axis: a cadence, a timeline."""
    left, right, top = _left([row for row, _ in rows]), width - 10, 20 if marks else 6
    canvas = Canvas(width, top + 24 + _ROW_PX * len(rows))
    bottom = canvas.height - 22
    for at in _named(canvas, x, left, right, bottom):
        canvas.line(at, top, at, bottom, "g")
    for number, (row, spans) in enumerate(rows):
        y = top + _ROW_PX * number
        canvas.text(left - 8, y + 14, row, "end")
        for span in spans:
            at, end = x.place(span.from_x, left, right), x.place(span.to_x, left, right)
            style = "bad" if span.bad else f"f{span.tone % TONES}"
            canvas.box(at, y + 3, end - at, _ROW_PX - 6, style, span.title)
    for mark in marks:
        canvas.line(x.place(mark.at, left, right), top, x.place(mark.at, left, right), bottom, mark.kind)
    _mark_names(canvas, [(x.place(mark.at, left, right), mark.name) for mark in marks], 4, right)
    return canvas.svg(name)


def heat(
    name: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[tuple[float | None, str]]]], width: int
) -> str:
    """A table of values as shades: tone 0 above zero, tone 1 below, stronger the farther.

    The number is in the cell where there is room for it, and shows where a pointer rests.
    """
    left = _left([row for row, _ in rows])
    cell = (width - left - 4) / max(1, len(columns))
    canvas = Canvas(width, 22 + 24 * len(rows))
    strongest = max((abs(value) for _, cells in rows for value, _ in cells if value is not None), default=0.0) or 1.0
    _column_names(canvas, columns, left, cell)
    for number, (row, cells) in enumerate(rows):
        y = 22 + 24 * number
        canvas.text(left - 8, y + 15, row, "end")
        for place, (value, words) in enumerate(cells):
            if value is not None:
                shade = f' fill-opacity="{0.12 + 0.6 * abs(value) / strongest:.2f}"'
                canvas.box(left + cell * place, y, cell - 2, 22, "f0" if value >= 0 else "f1", words, shade)
            if len(words) * LETTER_PX <= cell:
                canvas.text(left + cell * (place + 0.5), y + 15, words, "middle")
    return canvas.svg(name)


def _column_names(canvas: Canvas, columns: Sequence[str], left: float, cell: float) -> None:
    """Name every column, or where they are narrow each second, third, ... of them."""
    widest = max(map(len, columns), default=0) * LETTER_PX
    for number in range(0, len(columns), max(1, ceil(widest / cell))):
        at, words = left + cell * (number + 0.5), columns[number]
        if at + len(words) * LETTER_PX / 2 <= canvas.width:
            canvas.text(at, 14, words, "middle", "n")


def _frame(canvas: Canvas, x: Axis, y: Axis, left: float, right: float, top: float, bottom: float) -> None:
    for value, words in y.ticks:
        at = y.place(value, bottom, top)
        canvas.line(left, at, right, at, "z" if value == 0 else "g")
        canvas.text(left - 6, at + 4, words, "end", "n")
    for at in _named(canvas, x, left, right, bottom):
        canvas.line(at, bottom, at, bottom + 4, "z")


def _named(canvas: Canvas, axis: Axis, left: float, right: float, bottom: float) -> Iterable[float]:
    """Name the values below an axis that there is room for. Returns where they stand."""
    free = 0.0
    for value, words in axis.ticks:
        at, wide = axis.place(value, left, right), len(words) * LETTER_PX
        from_px = min(at - wide / 2, canvas.width - wide)
        if from_px >= free:
            canvas.text(from_px + wide / 2, bottom + 16, words, "middle", "n")
            free = from_px + wide + LETTER_PX
            yield at


def _left(names: Sequence[str]) -> float:
    """Where a figure begins, so that its longest name fits before it."""
    return 14 + LETTER_PX * max(map(len, names), default=0)


def _legend_rows(names: Sequence[str], width: int) -> list[list[str]]:
    """Names in as many rows as it takes."""
    rows: list[list[str]] = []
    used = float(width)
    for name in names:
        wide = 34 + len(name) * LETTER_PX
        if used + wide > width:
            rows.append([])
            used = 0.0
        rows[-1].append(name)
        used += wide
    return rows


def _legend(canvas: Canvas, rows: Sequence[Sequence[str]], tones: dict[str, int]) -> None:
    for number, names in enumerate(rows):
        at, y = 4.0, 10 + 15 * number
        for name in names:
            canvas.line(at, y, at + 18, y, f"l s{tones[name] % TONES}")
            canvas.text(at + 22, y + 4, name)
            at += 34 + len(name) * LETTER_PX
