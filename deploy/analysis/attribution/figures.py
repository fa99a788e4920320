"""The figures of a report page, from what was judged. Pure: a report in, SVG out; `plots` draws."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from deploy.analysis import plots
from deploy.analysis.attribution.calibration import BINS, Tally, together
from deploy.analysis.attribution.history import Boundary, GroupBy, Lot, Phase, Quarter, Stretch
from deploy.analysis.attribution.intervals import Interval, wilson
from deploy.analysis.attribution.judged import Report, Split
from deploy.analysis.attribution.terminal import cents
from deploy.analysis.attribution.trades import MICRO
from deploy.analysis.plots import Axis, Estimate, Mark, Series, Span

WIDE_PX: Final = 1_200
NARROW_PX: Final = 340
HALF_PX: Final = 396
OPERATIONS_SHOWN: Final = 8
"""The newest, in the timeline."""
SPANS_MAX: Final = 300
"""Of a slot in a cadence strip: what lies closer together than that cannot be told apart."""
MARKS: Final = {"CODE": "solid", "PARAMS": "dashed"}
"""How a boundary is drawn; every other kind is dotted."""
HARMLESS: Final = frozenset({"no_market"})
"""Reasons of skips that nobody could have decided."""
NS: Final = 10**9

Drawn = Callable[[int], str]
"""A figure that can be drawn in any width, in pixels."""


def pnl(report: Report) -> Drawn | None:
    """What each row has earned so far, and every boundary. None without a trade."""
    lots = [lot for lot in report.history.lots if lot.trades]
    if not lots:
        return None
    lines = [Series(lot.name, list(_earned(lot)), tone) for tone, lot in enumerate(report.history.lots) if lot.trades]
    values = [value for line in lines for _, value in line.points]
    x, y = _time(report), plots.numbers(min(0.0, *values), max(0.0, *values), "{:+g}".format)
    return lambda width: plots.steps("PnL by row in time", lines, _marks(report), x, y, width)


def _earned(lot: Lot) -> Iterable[tuple[float, float]]:
    total = 0
    yield lot.trades[0].closed_ns / NS, 0.0
    for trade in lot.trades:
        total += trade.net_micro
        yield trade.closed_ns / NS, total / MICRO


def edges(report: Report) -> Drawn | None:
    """The edge of every row with its interval: a forest."""
    rows = [row for row in report.rows if row.trades]
    if not rows:
        return None
    found = [
        _estimate(row.name, row.edge, row.edge_interval, tone, f"{row.won}/{row.trades}")
        for tone, row in enumerate(report.rows)
        if row.trades
    ]
    return _forest("Edge per share by row", found, lambda value: f"{value * 100:+g}")


def paired(report: Report) -> Drawn | None:
    """Differences of Brier scores on the same ticks."""
    found = [
        _estimate(f"{each.first} - {each.second}", each.difference, each.interval, tone, f"{each.pairs:,} pairs")
        for tone, each in enumerate(report.paired)
        if each.difference is not None
    ]
    return _forest("Brier differences of releases on the same ticks", found, "{:+.3f}".format) if found else None


def _estimate(name: str, value: float | None, interval: Interval | None, tone: int, note: str) -> Estimate:
    low, high = (interval.low, interval.high) if interval else (None, None)
    return Estimate(name, value, low, high, tone, note)


def _forest(name: str, rows: Sequence[Estimate], show: Callable[[float], str]) -> Drawn:
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    axis = plots.numbers(min(0.0, *ends), max(0.0, *ends), show, about=4)
    return lambda width: plots.forest(name, rows, axis, width)


def calibrations(report: Report) -> list[tuple[str, Drawn]]:
    """One for every row that was scored: what was told and what came, ours and the market's."""
    return [(lot.name, _calibration(lot)) for lot in report.history.lots if lot.ours]


def _calibration(lot: Lot) -> Drawn:
    curves = [("ours", _points(lot.ours)), ("market", _points(lot.market))]
    return lambda width: plots.calibration(f"Calibration of {lot.name}", curves, width)


def _points(tallies: dict[Quarter, Tally]) -> list[tuple[float, Estimate]]:
    """Deciles. A bar counts a quarter hour once: its decisions are about the same few windows."""
    points = []
    for place, each in enumerate(together(tallies.values())):
        if each.count:
            quarters = sum(bool(tally[place].count) for tally in tallies.values())
            bar = wilson(round(each.rate * quarters), quarters)
            heard = f"told {each.forecast:.1%}, came {each.rate:.1%}"
            note = f"{each.count:,} decisions in {quarters} quarter hours: {heard}"
            points.append((each.forecast, Estimate(f"{place / BINS:.0%}", each.rate, bar.low, bar.high, note=note)))
    return points


def cadence(report: Report) -> Drawn | None:
    """A row a slot: who decided when; holes stand out."""
    tones = {digest: number for number, digest in enumerate(dict.fromkeys(lot.release for lot in report.history.lots))}
    stretches = sorted(report.history.cadence.stretches, key=lambda each: (each.slot, each.from_ns))
    pause_ns = (report.history.until_ns - report.history.from_ns) // SPANS_MAX
    rows = [
        (slot, [_span(each, tones, report) for each in _joined(of_slot, pause_ns)])
        for slot, of_slot in groupby(stretches, key=lambda each: each.slot)
    ]
    if not rows:
        return None
    marks, axis = _marks(report), _time(report)
    return lambda width: plots.strip("Ticks and who decided them", rows, marks, axis, width)


def _joined(stretches: Iterable[Stretch], pause_ns: int) -> list[Stretch]:
    """Stretches of one release that lie closer together than can be seen, as one; a hole is never joined over."""
    found: list[Stretch] = []
    for each in stretches:
        last = found[-1] if found else None
        alike = last is not None and (last.release, last.reason) == (each.release, each.reason)
        if last is not None and alike and each.from_ns - last.to_ns <= pause_ns:
            found[-1] = replace(last, to_ns=max(last.to_ns, each.to_ns), ticks=last.ticks + each.ticks)
        else:
            found.append(each)
    return found


def _span(stretch: Stretch, tones: dict[str, int], report: Report) -> Span:
    release = report.history.releases.get(stretch.release)
    who = release.name if release else stretch.release[:8] or stretch.reason
    bad = not stretch.release and stretch.reason not in HARMLESS
    tone = tones.get(stretch.release, plots.TONES - 1)
    return Span(stretch.from_ns / NS, stretch.to_ns / NS, tone, f"{who}: {stretch.ticks:,} ticks", bad)


def timeline(report: Report) -> Drawn | None:
    """The newest operations, each from its own beginning."""
    by_op = defaultdict(list)
    for phase in report.history.phases:
        by_op[phase.op].append(phase)
    newest = sorted(by_op.values(), key=lambda phases: phases[0].from_ns)[-OPERATIONS_SHOWN:]
    rows = []
    for phases in newest:
        spans = [_phase(each, phases[0].from_ns, tone) for tone, each in enumerate(phases)]
        rows.append((f"{phases[0].verb} {phases[0].op[-4:]}", spans))
    longest = max((spans[-1].to_x for _, spans in rows), default=0.0)
    axis = plots.numbers(0.0, longest, "{:g} s".format)
    return (lambda width: plots.strip("Phases of operations", rows, [], axis, width)) if rows else None


def _phase(phase: Phase, begun_ns: int, tone: int) -> Span:
    from_s, to_s = (phase.from_ns - begun_ns) / NS, (phase.to_ns - begun_ns) / NS
    return Span(from_s, to_s, tone, f"{phase.phase}: {to_s - from_s:.1f} s")


def slots(report: Report) -> Drawn | None:
    """What each row earned in each slot; None where the rows are slots."""
    return _split(report, "slot", "Net by slot and row")


def hours(report: Report) -> Drawn | None:
    """What each row earned in each hour of the day, UTC; None where the rows are hours."""
    return _split(report, "hour", "Net by hour of the day and row")


def _split(report: Report, of: GroupBy, title: str) -> Drawn | None:
    """Rows of a report across, what they are split by downwards."""
    found = {(split.name, split.row): split for split in report.splits if split.of == of}
    if not found or report.history.by == of:
        return None
    lots = [lot for lot in report.history.lots if lot.trades]
    names = sorted({name for name, _ in found})
    rows = [(name, [_cell(found.get((name, lot.key))) for lot in lots]) for name in names]
    columns = [lot.name.split(" ")[0] for lot in lots]
    return lambda width: plots.heat(title, columns, rows, width)


def _cell(split: Split | None) -> tuple[float | None, str]:
    return (split.net_micro / MICRO, cents(split.net_micro)) if split else (None, "-")


def _time(report: Report) -> Axis:
    ends = [trade.closed_ns for lot in report.history.lots for trade in lot.trades]
    return plots.times(report.history.from_ns / NS, max([report.history.until_ns, *ends]) / NS)


def _marks(report: Report) -> list[Mark]:
    return [Mark(each.at_ns / NS, _marked(each), MARKS.get(each.kind, "dotted")) for each in report.history.boundaries]


def _marked(boundary: Boundary) -> str:
    return f"#{boundary.number} {boundary.now or boundary.kind.lower()}"
