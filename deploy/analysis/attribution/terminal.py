"""A report as plain lines for a terminal or a file: at most 120 columns, no escape codes, nothing animated. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from textwrap import wrap
from typing import Final

from deploy.analysis.attribution.history import Boundary, Crossing
from deploy.analysis.attribution.intervals import Interval
from deploy.analysis.attribution.judged import Latency, Paired, Report, Row, Versus
from deploy.analysis.attribution.trades import MICRO

WIDTH_MAX: Final = 120
BOUNDARIES_SHOWN: Final = 12
"""The newest; the page and --json have all."""
REASON_MAX: Final = 32

RESULTS: Final = (
    *("hours", "trades", "win % [95 %]", "paid", "b/e"),
    *("edge pp [95 %]", "gross", "fees", "net", "drawdown"),
)
CONDUCT: Final = (
    *("decisions", "windows", "scored", "Brier", "market"),
    *("skill % [95 %]", "filled", "slip c", "decide ms", "answer ms"),
)
"""Of the two tables of a report, what their columns are called."""


def as_text(report: Report, crossing: bool) -> str:
    """The whole report. Args: crossing: whether to list the crossing trades and not only to count them."""
    rows = [*report.rows, *([report.blended] if report.blended else [])]
    parts = [
        [_headline(report)],
        _table(RESULTS, [(row.name, results(row)) for row in rows]),
        _table(CONDUCT, [(row.name, conduct(row)) for row in rows]),
        [line for row in report.rows for line in notes(row)],
        [
            line
            for text in (*map(_against, report.versus), *map(_on_same_ticks, report.paired))
            for line in _folded(text)
        ],
        _boundaries(report.history.boundaries),
        _cadence(report),
        _crossings(report.history.crossings) if crossing else [],
        reconciles(report, crossing),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _headline(report: Report) -> str:
    history = report.history
    kinds = Counter(boundary.kind for boundary in history.boundaries)
    releases = len({stretch.release for stretch in history.cadence.stretches if stretch.release})
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    period = f"{stamp(history.from_ns)} to {stamp(history.until_ns)}" if history.until_ns else "nothing decided"
    plural = f"{_many(releases, 'release')}, {_many(len(history.boundaries), 'boundary', 'boundaries')}"
    return f"Attribution  {history.mode}  {period}   {plural}{f' ({told})' if told else ''}"


def _table(titles: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Names to the left, numbers to the right of their columns."""
    names = max((len(name) for name, _ in rows), default=0)
    widths = [max(map(len, column)) for column in zip(titles, *(cells for _, cells in rows), strict=True)]
    lines = [("", titles), *rows]
    return [
        "  ".join([name.ljust(names), *(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))]).rstrip()
        for name, cells in lines
    ]


def results(row: Row) -> list[str]:
    """The cells of RESULTS."""
    return [
        f"{row.hours:.1f}",
        f"{row.won}/{row.trades}",
        f"{_share(row.win_rate, '.1f')} {_within(row.win_interval, 100, '.1f') if row.trades else ''}".strip(),
        price(row.price),
        price(row.breakeven),
        f"{_share(row.edge, '+.1f')} {_within(row.edge_interval, 100, '+.1f')}".strip(),
        cents(row.gross_micro),
        f"{row.fee_micro / MICRO:.2f}",
        cents(row.net_micro),
        f"{row.drawdown_micro / MICRO:.2f}",
    ]


def conduct(row: Row) -> list[str]:
    """The cells of CONDUCT."""
    score = row.score
    return [
        f"{row.decisions:,}",
        f"{row.windows:,}",
        f"{score.decisions:,}" if score else "-",
        f"{score.ours:.4f}" if score else "-",
        f"{score.market:.4f}" if score else "-",
        f"{_share(score.skill, '+.1f')} {_within(score.skill_interval, 100, '+.1f')}".strip() if score else "-",
        f"{_share(row.fill_rate, '.1f')} %" if row.fill_rate is not None else "-",
        _share(row.slippage, "+.2f"),
        _latency(row.decide),
        _latency(row.answer),
    ]


def notes(row: Row) -> Iterable[str]:
    """Badges, and what it would take."""
    notes = [*row.badges]
    if row.still_needed:
        notes.append(f"{row.still_needed:,} more trades like these until the win rate is above break-even for sure")
    elif row.still_needed is None and row.trades:
        notes.append("no number of trades like these is above break-even")
    if row.odds is not None:
        luck = f", {row.odds.deflated:.0%} against the best by luck" if row.odds.deflated is not None else ""
        notes.append(f"{row.odds.probability:.0%} sure that it earns{luck}")
    if notes:
        yield from _folded(f"  {row.name}: {'; '.join(notes)}")


def _against(versus: Versus) -> str:
    needed = f", {versus.trades_needed:,} trades of each would tell" if versus.trades_needed else ""
    apart = " ".join(versus.badges) if versus.badges else f"p {versus.probability:.3f}"
    interval = _within(versus.interval, 100, "+.1f")
    return f"{versus.first} vs {versus.second}  win {versus.difference * 100:+.1f} pp {interval} {apart}{needed}"


def _on_same_ticks(paired: Paired) -> str:
    difference = "nothing scored" if paired.difference is None else f"Brier {paired.difference:+.4f}"
    within = _within(paired.interval, 1, "+.4f")
    said = f"{paired.pairs:,} pairs in {paired.windows:,} windows, {paired.agreement:.1%} alike"
    return f"{paired.first} vs {paired.second}  paired in the shadow: {said}; {difference} {within} {paired.verdict}"


def _boundaries(boundaries: Sequence[Boundary]) -> list[str]:
    if not boundaries:
        return []
    shown = boundaries[-BOUNDARIES_SHOWN:]
    more = f", the newest {len(shown)} of {len(boundaries)}" if len(shown) < len(boundaries) else ""
    return [f"Boundaries{more}", *map(_boundary, shown)]


def _boundary(boundary: Boundary) -> str:
    what = f"{boundary.was or '-'} to {boundary.now}" if boundary.now else _short(boundary.reason)
    slots = _many(boundary.slots, "slot") if boundary.slots else "all slots"
    held = f"{_many(len(boundary.holdings), 'position')}, {_many(boundary.resting, 'order')} open"
    who = f"  by {_short(boundary.actor)}" if boundary.actor else ""
    return f"  #{boundary.number:<4} {stamp(boundary.at_ns)}  {boundary.kind:<7} {what}, {slots}, {held}{who}"


def _cadence(report: Report) -> list[str]:
    cadence = report.history.cadence
    missing = "gaps not known, there is no tape" if cadence.missing is None else _many(cadence.missing, "gap")
    skipped = sum(cadence.skips.values())
    head = (
        f"Cadence  {cadence.outcomes:,} ticks with an outcome, {missing}: {cadence.orders:,} ORDER, "
        f"{cadence.holds:,} HOLD, {skipped:,} SKIP; longest interval {cadence.longest_ms / 1_000:.2f} s"
    )
    reasons = sorted(cadence.skips.items(), key=lambda each: -each[1])
    return [
        head,
        *(f"  skipped because of {reason or 'nothing that was told'}: {count:,}" for reason, count in reasons),
    ]


def _crossings(crossings: Sequence[Crossing]) -> list[str]:
    lines = [
        f"  {each.slot} {clock(each.start_s)} {each.outcome:<4} entered by {each.entered}, left by {each.left}: "
        f"{each.sold_micro / MICRO:,.2f} shares sold for {each.proceeds_micro / MICRO:.2f}, net {cents(each.net_micro)}"
        for each in crossings
    ]
    return ["Crossing trades", *(lines or ["  none"])]


def reconciles(report: Report, listed: bool) -> list[str]:
    """Whether it adds up. Args: listed: whether crossing trades are listed, and need not be counted here."""
    found, crossings = report.reconciled, 0 if listed else len(report.history.crossings)
    crossing = [f"Crossing trades: {crossings} (list: --crossing)"] if crossings else []
    sums = f"opening equity {usd(found.opening_equity_micro)} {_plus(found.net_micro)} net of closed trades"
    sums += f" {_plus(found.transfers_micro)} transfers"
    if found.holds is None:
        return [*crossing, f"Reconciles: NOT KNOWN. {sums}", "  money moved since the desk last said what it has"]
    closing = f"closing equity {usd(found.closing_equity_micro)}"
    still = f"; {usd(found.outlay_micro)} of it in open trades" if found.outlay_micro else ""
    who = f"  by the desk's {found.opened_by} and its {found.source or 'trades alone'}{still}"
    if found.holds:
        return [*crossing, f"Reconciles: {sums} = {closing}", who]
    lines = [f"DOES NOT RECONCILE: {sums}, but {closing}", who]
    lines += [f"  ! equity differs by {found.difference_micro} millionths"] if found.difference_micro else []
    lines += [f"  ! {each}" for each in found.differs]
    return [*crossing, *lines, "  next     foresight verify, then foresight index --rebuild"]


# --- numbers as text ---


def cents(micro: int) -> str:
    """Money with its sign, to the cent."""
    return f"{micro / MICRO:+,.2f}"


def usd(micro: int) -> str:
    """An amount, to the cent."""
    return f"{micro / MICRO:,.2f}"


def _plus(micro: int) -> str:
    """An amount that is added, or taken off."""
    return f"{'-' if micro < 0 else '+'} {usd(abs(micro))}"


def price(value: float | None) -> str:
    """A price as the market writes it, without the zero."""
    return "-" if value is None else f"{value:.3f}".removeprefix("0")


def stamp(ns: int) -> str:
    """Market time, UTC, to the second."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock(second: int) -> str:
    """A unix second as a time of its day."""
    return datetime.fromtimestamp(second, UTC).strftime("%m-%d %H:%M")


def _within(interval: Interval | None, scale: float, shape: str) -> str:
    return "" if interval is None else f"[{interval.low * scale:{shape}},{interval.high * scale:{shape}}]"


def _share(value: float | None, shape: str) -> str:
    """A hundred times a value: percent, percentage points, cents."""
    return "-" if value is None else f"{value * 100:{shape}}"


def _latency(latency: Latency) -> str:
    if latency.p50_us is None or latency.p99_us is None:
        return "-"
    return f"{latency.p50_us / 1_000:.1f}/{latency.p99_us / 1_000:.1f}"


def _folded(line: str) -> list[str]:
    """A line in as many as it takes."""
    return wrap(line, WIDTH_MAX, subsequent_indent=" " * 8, break_on_hyphens=False)


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def _short(text: str) -> str:
    return text if len(text) <= REASON_MAX else f"{text[: REASON_MAX - 3]}..."
