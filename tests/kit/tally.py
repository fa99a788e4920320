"""What a simulated run went through, counted from its journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from shared import entries as e

FAULTS: Final = (
    "worker lost",
    "gap ",
    "place unknown",
    "cancel unknown",
    "place closed",
    "fill FAILED",
    "refused ",
    "term",
)
"""Beginnings of the names of what went wrong in the world: deaths, blindness, lost and refused requests, stale answers,
and reigns, each of which but a run's first began because the one before it failed or was stopped."""


def faults(seen: Counter[str], runs: int) -> int:
    """How many faults so many runs went through."""
    return sum(number for name, number in seen.items() if name.startswith(FAULTS)) - runs


def tally(lines: Iterable[e.Line]) -> Counter[str]:
    """Outcomes, skips, refusals, ends of operations, lives of workers, gaps, alarms and settlements, by their names."""
    return Counter(name for line in lines for name in _names(line.entry))


def _names(entry: e.Entry) -> Iterable[str]:
    if isinstance(entry, e.OutcomeOf):
        yield f"outcome {entry.kind}" if not entry.reason else f"skip {entry.reason}"
        yield from (f"denied {text.split()[1].rstrip(chr(58))}" for text in entry.denied)
    elif isinstance(entry, e.Refused):
        yield f"refused {entry.reason}"
    elif isinstance(entry, e.Step):
        yield f"phase {entry.phase}" if entry.phase != "done" else f"operation {entry.detail['result']}"
    elif isinstance(entry, e.Worker):
        yield f"worker {entry.event}"
    elif isinstance(entry, e.Gap):
        yield f"gap {entry.what.split()[0]}"
    elif isinstance(entry, e.Alarm):
        yield f"alarm {entry.name}"
    elif isinstance(entry, e.FillStatus):
        yield f"fill {entry.status}"
    elif isinstance(entry, e.Answered):
        yield f"{entry.request} {entry.state or entry.raw}"
    else:
        yield type(entry).__name__.lower()
