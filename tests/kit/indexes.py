"""Journals to make an index of: written to a folder, or folded at once; histories are lived once and kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from kit.claim_lives import Life
from kit.sim import Sim
from kit.weather import ROUGH

from deploy.analysis.index.fold import Fold
from deploy.analysis.index.schema import statements
from shared import entries as e
from shared.paths import State
from shared.records import Appender

SIMULATED_S: Final = 330
"""More than one window of five minutes."""
SEED: Final = 15


@cache
def simulated() -> tuple[e.Line, ...]:
    """What a simulated desk wrote in rough weather: deploys, deaths, orders, a resolved window."""
    sim = Sim(SEED, ROUGH)
    sim.run(SIMULATED_S)
    return tuple(sim.disk.journal)


def claimed(seed: str) -> list[e.Line]:
    """What a desk wrote in the life of one window whose winners and pairs are claimed."""
    life = Life(seed)
    life.live()
    return life.still.journal


def an_empty_fold() -> Fold:
    """A fold into tables in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in statements():
        connection.execute(statement)
    return Fold(connection)


def folded(*entries: e.Entry) -> Fold:
    """Entries, a second apart, as an index has them."""
    fold = an_empty_fold()
    for n, entry in enumerate(entries, start=1):
        fold.take(a_line(n, entry))
    fold.settle()
    return fold


def a_line(n: int, entry: e.Entry) -> e.Line:
    """The journal's n-th line."""
    return e.Line(n, n * 10**9, n * 10**9, 1, entry)


def a_journal(folder: Path, lines: Iterable[e.Line], segment_records: int = 1_000) -> State:
    """A state folder whose journal says this."""
    state = State(folder)
    write(state, lines, segment_records)
    return state


def write(state: State, lines: Iterable[e.Line], segment_records: int = 1_000) -> None:
    """Go on with a journal."""
    appender = Appender(state.journal, "journal")
    for number, line in enumerate(lines, start=1):
        appender.append(e.encode_line(line))
        if number % segment_records == 0:
            appender.roll()
    appender.close()
