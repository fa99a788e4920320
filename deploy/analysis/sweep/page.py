"""A sweep as one page: what to think of it, its table, and a picture of what each value of a parameter came to.

Pure. Leaves drawing to `plots`. What always holds: a page has at most PICTURES_MAX pictures and ROWS_MAX rows, and says
what it leaves out; a row that lacks a cell is in no picture; what held-out days came to has pictures of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import islice, product
from typing import Final

from deploy.analysis import plots
from deploy.analysis.plots import Series
from deploy.analysis.sheet import sheet
from deploy.analysis.sheet import table as sheet_table
from deploy.analysis.sweep.figures import Figures
from deploy.analysis.sweep.grid import Axis, Value, shown
from deploy.analysis.sweep.table import Row, Table, heads, line, remarks, usd
from shared.units import MICRO

WIDTH_PX: Final = 860
ROWS_MAX: Final = 500
PICTURES_MAX: Final = 12
_RELEASE: Final = "the release"
"""What the axis of releases is called; no parameter is, since those are single words."""

Place = tuple[Value, ...]
"""One value for each axis."""


def as_html(found: Table) -> str:
    """The whole page."""
    axes = varied(found.rows)
    whole = [row for row in found.rows if not row.missing]
    split = bool(found.held_out_on)
    parts = [*_pictures("Net" if not split else "Net of the days that chose", axes, whole, lambda row: row.chosen)]
    if split:
        parts += _pictures("Net of the days held out", axes, whole, lambda row: row.held_out)
    said = "".join(f"<li>{escape(remark)}" for remark in remarks(found, ROWS_MAX))
    lines = sheet_table(heads(split), [line(row, split) for row in found.rows[:ROWS_MAX]])
    return sheet(_title(found), [f"<ul>{said}</ul>", *parts, "<h2>Best first</h2>", lines])


def _title(found: Table) -> str:
    pieces = len(found.chosen_on) + len(found.held_out_on)
    return f"Sweep: {len(found.rows):,} combinations over {pieces:,} pieces of tape"


def varied(rows: Iterable[Row]) -> list[Axis]:
    """What differs from row to row, each with its values: parameters as the grid named them, then the release."""
    values: dict[str, dict[tuple[bool, Value], Value]] = {}
    for row in rows:
        for name, value in _point(row).items():
            values.setdefault(name, {})[isinstance(value, bool), value] = value
    axes = [Axis(name, tuple(sorted(found.values(), key=_order))) for name, found in values.items()]
    return [axis for axis in axes if len(axis.values) > 1]


def _point(row: Row) -> dict[str, Value]:
    return {**row.point, _RELEASE: row.release}


def _order(value: Value) -> tuple[bool, float, str]:
    """Numbers by size, words by letters."""
    return (True, 0.0, value) if isinstance(value, str) else (False, float(value), "")


# --- pictures ---------------------------------------------------------------------------------------------------------


def _pictures(
    title: str, axes: Sequence[Axis], rows: Sequence[Row], figures: Callable[[Row], Figures | None]
) -> Iterable[str]:
    """Lines over the one number that differs, one for each release; else shades over the first two axes.

    Where there are more than two, each combination of the others has a picture of its own.
    """
    nets = {_place(axes, row): did.net_micro for row in rows if (did := figures(row)) is not None}
    if not nets or not axes:
        return
    yield f"<h2>{escape(title)}, in collateral</h2>"
    if _numeric(axes[0]) and [axis.name for axis in axes[1:]] in ([], [_RELEASE]):
        yield _lines(title, axes, nets)
        return
    others = list(product(*(axis.values for axis in axes[2:])))
    for other in islice(others, PICTURES_MAX):
        yield f"<h3>{escape(_caption(axes, other))}</h3>"
        yield _shades(title, axes, nets, other)
    if len(others) > PICTURES_MAX:
        yield f"<p>{len(others) - PICTURES_MAX:,} pictures more; --csv has what they would show.</p>"


def _caption(axes: Sequence[Axis], other: Place) -> str:
    across = f", {axes[1].name} across" if len(axes) > 1 else ""
    fixed = shown(dict(zip((axis.name for axis in axes[2:]), other, strict=True))) if other else ""
    return f"{axes[0].name} down{across}" + (f"; {fixed}" if fixed else "")


def _place(axes: Sequence[Axis], row: Row) -> Place:
    """Where a row stands; a parameter that it leaves as recorded has no place on that parameter's axis."""
    return tuple(_point(row).get(axis.name, "") for axis in axes)


def _numeric(axis: Axis) -> bool:
    return not any(isinstance(value, bool | str) for value in axis.values)


def _lines(title: str, axes: Sequence[Axis], nets: dict[Place, int]) -> str:
    releases = axes[1].values if len(axes) > 1 else (None,)
    series = []
    for tone, release in enumerate(releases):
        of = ((value, (value,) if release is None else (value, release)) for value in axes[0].values)
        points = [(float(value), nets[place] / MICRO) for value, place in of if place in nets]
        series.append(Series("net" if release is None else str(release), points, tone))
    values, net = [float(value) for value in axes[0].values], [net_micro / MICRO for net_micro in nets.values()]
    x, y = plots.numbers(min(values), max(values)), plots.numbers(min(0.0, *net), max(0.0, *net), "{:+g}".format)
    caption = f"<h3>{escape(axes[0].name)} across</h3>"
    return caption + plots.lines(f"{title} by {axes[0].name}", series, x, y, WIDTH_PX)


def _shades(title: str, axes: Sequence[Axis], nets: dict[Place, int], other: Place) -> str:
    """Cells over the first two axes, at one combination of the others."""
    down, across = axes[0], axes[1].values if len(axes) > 1 else (None,)
    rows = [
        (str(value), [_cell(nets.get((value, *([] if column is None else [column]), *other))) for column in across])
        for value in down.values
    ]
    columns = ["net" if column is None else str(column) for column in across]
    return plots.heat(f"{title} by {down.name}", columns, rows, WIDTH_PX)


def _cell(net_micro: int | None) -> tuple[float | None, str]:
    return (None, "-") if net_micro is None else (net_micro / MICRO, usd(net_micro))
