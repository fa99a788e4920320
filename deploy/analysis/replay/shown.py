"""What a replay found, as text for a terminal and as CSV for a table.

The JSON document is the values themselves. What always holds: money is shown to the cent in text, and to the millionth
in CSV and JSON.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, Final, TextIO

from deploy.analysis.replay.difference import wishes
from deploy.analysis.replay.holdings import Fill
from deploy.analysis.replay.job import Result
from deploy.analysis.replay.parity import Compared, Difference, Parity
from deploy.ranges import stamp
from shared import messages as m
from shared.units import MICRO

COLUMNS: Final = (
    "row", "at", "seq", "slot", "tick", "verdict", "fair_up_bp", "ask_micro", "edge_bp", "wishes",
    "outcome", "side", "price_micro", "size_micro", "fee_micro", "order_id",
)  # fmt: skip
_ONE_E8: Final = 1e8


def as_text(result: Result, title: str, caps: str = "") -> str:
    """The result of one job in a few lines. Args: caps: under which the orders of an account on paper filled."""
    lines = [
        title,
        f"ticks      {result.ticks:,} decided in {_span(result.seconds)} of tape; {result.frames:,} frames read in "
        f"{result.took_ms / 1_000:.1f} s",
        f"orders     {result.orders:,} taken, {result.refused:,} refused; {result.fills:,} fills",
        *([f"caps       {caps}"] if caps else []),
        *([f"denied     by the desk: {reasons(result.denied)}"] if result.denied else []),
        *([f"rejected   by the venue's rules: {reasons(result.rejected)}"] if result.rejected else []),
        f"windows    {result.windows:,} resolved, {result.traded:,} traded, {result.wins:,} won"
        + (f"; {result.unresolved} without a winner yet" if result.unresolved else ""),
        f"money      gross {_money(result.gross_micro)}   fees {_money(-result.fees_micro)}   "
        f"net {_money(result.net_micro)}",
        f"odds       {_brier(result)}",
        f"decisions  {result.decisions}   state {result.state}",
    ]
    lines += [
        f"hole       frames {first} to {last} are missing; their ticks were not decided" for first, last in result.holes
    ]
    return "\n".join(lines)


def reasons(counts: Mapping[str, int]) -> str:
    """Why wishes did not trade, and how many each time, the most frequent first."""
    return ", ".join(f"{why} {count:,}" for why, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def parity_text(parity: Parity, names: dict[str, str]) -> str:
    """A comparison with the live decisions. Args: names: how people call each release."""
    lines = [f"{'RELEASE':<18} {'OWNER TICKS':>12} {'IDENTICAL':>10} {'SHADOW':>8} {'IDENTICAL':>10}  PARAMETERS"]
    lines += [_row(each, names.get(each.release, each.release[:8])) for each in parity.releases]
    lines += [f"! {names.get(each.release, each.release[:8])}: {each.fault}" for each in parity.releases if each.fault]
    lines += [
        f"! {names.get(each.release, each.release[:8])}: {each.not_compared} answers could not be compared"
        for each in parity.releases
        if each.not_compared and not each.fault
    ]
    if parity.first is not None:
        lines += ["", *_difference(parity.first, names)]
    elif not any(each.ticks + each.shadows for each in parity.releases):
        lines.append("nothing was compared: nobody answered a tick in this range")
    total = sum(each.ticks + each.shadows for each in parity.releases)
    verdict = f"{total:,} of {total:,} decisions are identical, byte for byte" if parity.identical else "NOT IDENTICAL"
    return "\n".join([*lines, verdict])


def _row(each: Compared, name: str) -> str:
    owner, shadow = _share(each.identical, each.ticks), _share(each.shadows_identical, each.shadows)
    parameters = " ".join(digest or "none" for digest in each.parameters)
    return f"{name:<18} {each.ticks:>12,} {owner:>10} {each.shadows:>8,} {shadow:>10}  {parameters}"


def _share(part: int, whole: int) -> str:
    if not whole:
        return "-"
    return "100 %" if part == whole else f"{min(99.99, 100 * part / whole):.2f} %"


def _difference(found: Difference, names: dict[str, str]) -> list[str]:
    who = names.get(found.release, found.release[:8])
    part = "beside the owner" if found.shadow else "as the owner"
    width = max(len(field.name) for field in found.fields)
    return [
        f"first difference: {found.slot} tick {found.tick} at {found.at}, frame {found.seq}; "
        f"{who} answered it live {part} ({found.worker}, parameters {found.parameters or 'none'})",
        *(
            f"  {field.name:<{width}}  live      {field.live}\n  {'':<{width}}  replayed  {field.replayed}"
            for field in found.fields
        ),
        "read just before:",
        *(f"  {line}" for line in found.before),
    ]


class Table:
    """Writes every decision and fill as a row of CSV; an audience of the engine. Args: file: open, newline=\"\"."""

    def __init__(self, file: TextIO) -> None:
        self._rows = csv.DictWriter(file, COLUMNS, restval="")
        self._rows.writeheader()

    def decided(self, frame: m.Streamed, tick: m.Tick, decision: m.Decision) -> None:
        """A row for a decision."""
        reasons = {name: decision.reasons.get(name, "") for name in ("verdict", "fair_up_bp", "ask_micro", "edge_bp")}
        where = {"row": "decision", "at": stamp(frame.at_ns, millis=True), "seq": frame.seq}
        self._rows.writerow(
            where | {"slot": tick.slot, "tick": tick.tick, "wishes": "; ".join(wishes(decision))} | reasons
        )

    def filled(self, at_ns: int, fill: Fill) -> None:
        """A row for a fill."""
        row: dict[str, Any] = {name: getattr(fill, name) for name in COLUMNS if hasattr(fill, name)}
        self._rows.writerow(row | {"row": "fill", "at": stamp(at_ns, millis=True), "slot": fill.window[0]})

    def ended(self, at_ns: int, net_micro: int) -> None:
        """What a window earned is the sum of rows that are there already, and its winner's."""


def _span(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3_600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"


def _money(micro: int) -> str:
    return f"{micro / MICRO:+.2f}"


def _brier(result: Result) -> str:
    if not result.brier_count:
        return "no decision with a fair value and a winner"
    ours, market = (total / result.brier_count / _ONE_E8 for total in (result.brier_e8, result.brier_market_e8))
    return f"Brier {ours:.4f}, the market's {market:.4f}, on {result.brier_count:,} decisions"
