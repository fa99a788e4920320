"""A report as one page: a file that reaches no network and runs no script, light and dark, also on a phone. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from deploy.analysis import plots
from deploy.analysis.attribution import figures
from deploy.analysis.attribution.figures import HALF_PX, NARROW_PX, WIDE_PX, Drawn
from deploy.analysis.attribution.history import Boundary, Holding
from deploy.analysis.attribution.judged import Report, Row
from deploy.analysis.attribution.terminal import (
    CONDUCT,
    RESULTS,
    as_text,
    cents,
    conduct,
    notes,
    reconciles,
    results,
    stamp,
)
from deploy.analysis.attribution.trades import MICRO

STYLE: Final = """
:root{color-scheme:light dark;--edge:#8884}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:1320px;padding:10px}
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.4rem 0 .3rem}p{margin:.3rem 0}
.grid{display:flex;flex-wrap:wrap;gap:8px 24px}.grid figure{width:396px}
figure{margin:0;max-width:100%}figcaption{font-size:.85rem;opacity:.8}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:3px 8px;text-align:right;border-bottom:1px solid var(--edge);white-space:nowrap}
th:first-child,td:first-child,td.l,th.l{text-align:left}td.w{white-space:normal;min-width:28em;text-align:left}
.badge{border:1px solid;border-radius:3px;padding:0 5px;font-size:.75rem;margin-right:4px;white-space:nowrap}
.good,.torn,.unknown{border-left:5px solid #888;padding:4px 10px;font-weight:600}
.good{border-color:#2a9d6a}.torn{border-color:#c00;background:#c002}.unknown{border-color:#b80}
.narrow{display:none}svg{max-width:100%;height:auto}
dl{font-size:.85rem;max-width:75em}dt{font-weight:600}dd{margin:0 0 .4rem}
@media (max-width:700px){.wide{display:none}.narrow{display:block}body{padding:8px}}
"""
LONG: Final = 48
"""Letters of a cell that is text and not a number."""
DEFINITIONS: Final = (
    ("row", "A regime: a release, its parameters, and whether the desk traded, was paused or halted."),
    ("trade", "What one regime bought of one token in one window. Its result is the entry release's, whoever sold it."),
    ("won", "A trade that earned something after fees; k/n is won of all. [..] is Wilson's interval of 95 %."),
    ("paid, b/e", "Mean price of a share; and with its fees: how often it has to win to pay for itself."),
    (
        "edge",
        "Earned on a share, in points of a cent: win rate less break-even where all is held to the end. Its interval "
        "draws whole quarter hours anew, because their windows overlap and assets fall together.",
    ),
    (
        "Brier",
        "Mean squared error of the probability of Up, on every decision of a resolved window; 0.25 is a coin. "
        "market: the middle of the book the decision saw. skill: the share of the market's error that ours is without.",
    ),
    (
        "slip",
        "Paid beyond the market's middle at the decision, cents a share. filled: shares traded of shares ordered.",
    ),
    ("TOO FEW", "Trades, or scored decisions, in fewer than 30 quarter hours: no comparison is worth anything yet."),
    ("BELOW BREAKEVEN?", "A lower bound is below break-even: it may well be losing."),
    ("NOT SEPARABLE", "The interval of the difference holds nothing, or chance explains it, corrected after Holm."),
    ("MANY VERSIONS", "Three or more are compared: the best looks good by luck. The deflated figure takes that off."),
    ("MIXED", "The row covers more than one regime."),
)


def as_html(report: Report) -> str:
    """The whole page."""
    history = report.history
    title = f"Attribution {history.mode} {stamp(history.from_ns)} to {stamp(history.until_ns)} UTC"
    body = "".join(part for part in _parts(report, title))
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"{meta}<title>{escape(title)}</title><style>{STYLE}{plots.STYLE}</style>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _parts(report: Report, title: str) -> Iterable[str]:
    rows = [*report.rows, *([report.blended] if report.blended else [])]
    yield f"<h1>{escape(title)}</h1>{_verdict(report)}"
    yield _table("Results", ("", *RESULTS), [[_name(row), *results(row)] for row in rows])
    yield _table("Decisions", ("", *CONDUCT), [[escape(row.name), *conduct(row)] for row in rows])
    yield "".join(f"<p>{escape(' '.join(notes(row)).strip())}</p>" for row in report.rows)
    yield _figure("PnL in time, per row; lines are boundaries", figures.pnl(report))
    yield "<div class='grid'>"
    yield _half("Edge per share in cents, with its interval", figures.edges(report))
    yield _half("Shadow: Brier differences on the same ticks, below zero the first is better", figures.paired(report))
    yield _half("Net by slot", figures.slots(report))
    yield _half("Net by hour of the day (UTC)", figures.hours(report))
    yield "</div><div class='grid'>"
    for name, drawn in figures.calibrations(report):
        yield _half(f"{name}: told (across) and came (up); a bar counts each quarter hour once", drawn)
    yield "</div>"
    yield _figure(_ticks(report), figures.cadence(report))
    yield _boundaries(report.history.boundaries)
    yield _figure("The newest operations, phase by phase, each from its beginning", figures.timeline(report))
    yield "<h2>What the words mean</h2><dl>"
    yield "".join(f"<dt>{escape(word)}</dt><dd>{escape(meaning)}</dd>" for word, meaning in DEFINITIONS)
    yield "</dl>"
    text = escape(as_text(report, crossing=True))
    yield f"<details><summary>The same as text</summary><pre class='scroll'>{text}</pre></details>"


def _verdict(report: Report) -> str:
    """The line that says whether everything adds up, before anything that is made of it."""
    kind = {True: "good", False: "torn", None: "unknown"}[report.reconciled.holds]
    return "".join(f"<p class='{kind}'>{escape(line)}</p>" for line in reconciles(report, listed=True))


def _name(row: Row) -> str:
    badges = "".join(f"<span class='badge'>{escape(badge)}</span>" for badge in row.badges)
    return f"{escape(row.name)}<div>{badges}</div>" if badges else escape(row.name)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells are already safe, or plain numbers."""
    heads = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><div class='scroll'><table><tr>{heads}</tr>{body}</table></div>"


def _cell(text: str) -> str:
    """Long ones are folded and begin at the left."""
    return f"<td class='w'>{text}</td>" if len(text) > LONG else f"<td>{text}</td>"


def _figure(caption: str, drawn: Drawn | None) -> str:
    """A figure over the whole page, drawn once for a desk and once for a phone."""
    if drawn is None:
        return ""
    both = f"<div class='wide'>{drawn(WIDE_PX)}</div><div class='narrow'>{drawn(NARROW_PX)}</div>"
    return f"<h2>{escape(caption)}</h2><figure>{both}</figure>"


def _half(caption: str, drawn: Drawn | None) -> str:
    """A figure that stands beside others."""
    return "" if drawn is None else f"<figure><figcaption>{escape(caption)}</figcaption>{drawn(HALF_PX)}</figure>"


def _ticks(report: Report) -> str:
    cadence = report.history.cadence
    gaps = "gaps not known" if cadence.missing is None else f"gaps {cadence.missing}"
    skipped = sum(cadence.skips.values())
    return f"Cadence: {cadence.outcomes:,} ticks with an outcome, {gaps}, {skipped:,} skipped (red but for no market)"


def _boundaries(boundaries: Sequence[Boundary]) -> str:
    if not boundaries:
        return ""
    head = ("#", "at (UTC)", "kind", "from", "to", "slots", "orders open", "held when it happened", "by", "why")
    return _table("Boundaries, and what was open at each", head, list(map(_boundary, boundaries)))


def _boundary(boundary: Boundary) -> list[str]:
    numbers = [f"{boundary.number}", stamp(boundary.at_ns), boundary.kind, escape(boundary.was), escape(boundary.now)]
    open_then = [f"{boundary.slots or 'all'}", f"{boundary.resting}", _held(boundary.holdings)]
    return [*numbers, *open_then, escape(boundary.actor), escape(boundary.reason)]


def _held(holdings: Sequence[Holding]) -> str:
    """What was held: slot, token, shares, cost, who entered."""
    told = [
        f"{each.slot} {each.outcome} {each.size_micro / MICRO:,.2f} for {cents(each.cost_micro)[1:]} by {each.by}"
        for each in holdings
    ]
    return escape("; ".join(told)) or "-"
