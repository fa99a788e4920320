"""One page for a result, complete in itself: its numbers, what was earned over time, what was decided and filled.

No network, no script, no font; light and dark as the reader's. Leaves drawing to `plots`. What always holds: whatever
a tape or a release says is escaped; the page has at most FILLS_MAX fills and BINS bins however long the tape is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html import escape
from typing import Final

from deploy.analysis import plots
from deploy.analysis.replay.holdings import Fill
from deploy.analysis.replay.job import Result
from deploy.analysis.replay.shown import as_text
from deploy.analysis.sheet import sheet, table
from deploy.ranges import stamp
from shared import messages as m
from shared.clock import NS
from shared.units import MICRO, show_micro

WIDTH: Final = 860
BINS: Final = 120
"""Stretches in which decisions are counted."""
FILLS_MAX: Final = 500
VERDICTS_MAX: Final = 20
_WISHED: Final = "with a wish"


@dataclass(slots=True)
class Page:
    """An audience of the engine that becomes a page."""

    _decided: list[int] = field(default_factory=list)
    _wished: list[int] = field(default_factory=list)
    _verdicts: Counter[str] = field(default_factory=Counter)
    _fills: list[tuple[int, Fill]] = field(default_factory=list)
    _filled: int = 0
    _earned: list[tuple[float, float]] = field(default_factory=list)

    def decided(self, frame: m.Streamed, tick: m.Tick, decision: m.Decision) -> None:
        """Count a decision."""
        second = frame.at_ns // NS
        self._decided.append(second)
        if decision.intents:
            self._wished.append(second)
        self._verdicts[_kind(str(decision.reasons.get("verdict", "")))] += 1

    def filled(self, at_ns: int, fill: Fill) -> None:
        """Keep a fill, if it is among the first."""
        self._filled += 1
        if len(self._fills) < FILLS_MAX:
            self._fills.append((at_ns, fill))

    def ended(self, at_ns: int, net_micro: int) -> None:
        """A window that was traded has paid."""
        before = self._earned[-1][1] if self._earned else 0.0
        self._earned.append((at_ns / NS, before + net_micro / MICRO))

    def html(self, result: Result, title: str, caps: str = "") -> str:
        """The page. Args: caps: under which orders filled, for people."""
        parts = [
            f"<pre>{escape(as_text(result, '', caps).lstrip())}</pre>",
            f"<h2>Earned, resolved windows, dollars</h2>{self._money()}",
            f"<h2>Decisions</h2>{self._decisions()}{self._verdict_table()}",
            f"<h2>Fills</h2>{self._fill_table()}",
        ]
        return sheet(title, parts)

    # --- its parts --------------------------------------------------------------------------------------------------

    def _money(self) -> str:
        if not self._earned:
            return "<p>No window was traded and resolved.</p>"
        values = [0.0, *(value for _, value in self._earned)]
        x, y = self._time_axis(), plots.numbers(min(values), max(values), "{:+.2f}".format)
        points = [(x.low, 0.0), *self._earned, (x.high, self._earned[-1][1])]
        return plots.steps("Net of fees, cumulated", [plots.Series("net", points, 0)], (), x, y, WIDTH)

    def _decisions(self) -> str:
        if not self._decided:
            return "<p>Nothing was decided.</p>"
        x = self._time_axis()
        bins = [(name, _binned(seconds, x)) for name, seconds in (("all", self._decided), (_WISHED, self._wished))]
        most = max(count for _, points in bins for _, count in points)
        series = [plots.Series(name, points, tone) for tone, (name, points) in enumerate(bins)]
        return plots.steps("Decisions over time", series, (), x, plots.numbers(0, most), WIDTH)

    def _time_axis(self) -> plots.Axis:
        seconds = [*self._decided[:1], *self._decided[-1:], *(at for at, _ in self._earned)]
        return plots.times(min(seconds), max(seconds))

    def _verdict_table(self) -> str:
        rows = [(verdict, f"{count:,}") for verdict, count in self._verdicts.most_common(VERDICTS_MAX)]
        return table(("verdict", "decisions"), rows)

    def _fill_table(self) -> str:
        if not self._fills:
            return "<p>Nothing filled.</p>"
        rows = [
            (stamp(at_ns, millis=True), fill.window[0], f"{fill.side} {fill.outcome}", *_amounts(fill))
            for at_ns, fill in self._fills
        ]
        left_out = self._filled - len(self._fills)
        more = f"<p>{left_out:,} more; --csv has all of them.</p>" if left_out else ""
        return table(("at", "slot", "what", "shares", "price", "fee"), rows) + more


def _kind(verdict: str) -> str:
    """A verdict without its numbers, so that those of one kind are counted together."""
    return " ".join("…" if any(letter.isdigit() for letter in word) else word for word in verdict.split())


def _binned(seconds: list[int], x: plots.Axis) -> list[tuple[float, float]]:
    step = (x.high - x.low) / BINS
    counts = Counter(min(BINS - 1, int((second - x.low) / step)) for second in seconds)
    return [(x.low + number * step, float(counts[number])) for number in range(BINS)]


def _amounts(fill: Fill) -> tuple[str, str, str]:
    return show_micro(fill.size_micro), show_micro(fill.price_micro), show_micro(fill.fee_micro)
