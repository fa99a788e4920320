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

from deploy.analysis.index.fold import Fold, cash
from deploy.analysis.index.schema import statements
from shared import entries as e
from shared.paths import State
from shared.records import Appender
from supervisor.accounts import Accounts
from supervisor.claims import OVER

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


MONEY: Final = (
    *(e.Balance, e.Placing, e.Answered, e.OrderReported, e.Fill, e.FillStatus),
    *(e.Resolved, e.Claiming, e.ClaimMoved),
)
"""Entries after which the books may be others."""


def balanced(lines: Iterable[e.Line]) -> Fold:
    """The index of a journal, whose books were the desk's own after every record of it.

    Cash, shares and open orders are compared; and what trades brought in is what the cash grew by, and what is owed.
    """
    fold, books = an_empty_fold(), Accounts()
    for line in lines:
        fold.take(line)
        books.apply(line.entry, line.at_ns)
        if isinstance(line.entry, MONEY) and books.opened:
            fold.settle()
            assert cash(fold.rows) == books.cash_micro, f"record {line.n}: {line.entry}"
            assert _held(fold) == {key: p.size_micro for key, p in books.positions.items() if p.size_micro}, line
            assert _resting(fold) == {o.order_id: (o.state, o.open_micro) for o in books.open_orders()}, line
    merging = sum(
        claim.amount_micro for claim in books.claims.values() if claim.kind == "merge" and claim.state not in OVER
    )
    opening, net = fold.rows.one("SELECT cash_micro FROM balances"), fold.rows.one("SELECT SUM(net_micro) FROM trades")
    assert opening + net == books.cash_micro + books.owed() - merging
    return fold


def _held(fold: Fold) -> dict[tuple[str, int, str], int]:
    held = "SELECT slot, start_s, outcome, SUM(left_micro) AS size FROM trades WHERE NOT resolved GROUP BY 1, 2, 3"
    return {(row["slot"], row["start_s"], row["outcome"]): row["size"] for row in fold.rows.all(held) if row["size"]}


def _resting(fold: Fold) -> dict[str, tuple[str, int]]:
    resting = "SELECT order_id, state, MAX(size_micro - filled_micro, 0) AS size FROM orders WHERE state <> 'closed'"
    return {row["order_id"]: (row["state"], row["size"]) for row in fold.rows.all(resting)}


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
