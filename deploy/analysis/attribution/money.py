"""Does it add up: what trades earned and people moved in a period, held against the cash and positions the desk told.

Equity at the beginning + net of trades that closed + transfers = equity at the end, to the millionth, or the difference
is told. Three ways to the same money meet in it. What trades earned is what `trades` shared out. What the books were at
both ends is added up from fills, claims and resolutions in `books`. And the cash they began and ended with is the
desk's own word: its ledger while that is current, else a snapshot in the journal, or what the venue opened with; what
moved between such a word and the end of the period is added to it. Open trades stand at their outlay, a closed one at
all it ever brought.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import msgspec

from deploy.analysis.attribution.books import Books, Token, Window, books
from deploy.analysis.attribution.history import Money
from deploy.analysis.index.rows import Row, Rows
from deploy.ranges import FOREVER_NS
from shared.clock import NS
from shared.ledger import LedgerMissing, LedgerUnreadable, Reader
from shared.paths import State

OVER: Final = """w.winner <> '' AND NOT EXISTS
(SELECT 1 FROM trades o WHERE o.slot = w.slot AND o.start_s = w.start_s AND o.merging_micro <> 0)"""
"""Of a window `w`: it is resolved, and no pair of it is being merged. Then its trades are over, and so is their sum."""
_OVER: Final = f"SELECT w.slot, w.start_s, w.resolved_ns FROM windows w WHERE {OVER}"
_NET: Final = f"""
SELECT COALESCE(SUM(t.net_micro), 0) FROM trades t JOIN windows w USING (slot, start_s)
WHERE {OVER} AND w.resolved_ns >= ? AND w.resolved_ns < ?"""
_LAST_MOVED: Final = """
SELECT COALESCE(MAX(n), 0) FROM (SELECT MAX(n) AS n FROM fills WHERE at_ns < ?1
UNION ALL SELECT MAX(settled_n) FROM fills WHERE settled_ns < ?1
UNION ALL SELECT MAX(resolved_n) FROM windows WHERE resolved_ns < ?1
UNION ALL SELECT MAX(n) FROM claims WHERE at_ns < ?1
UNION ALL SELECT MAX(over_n) FROM claims WHERE over_ns < ?1
UNION ALL SELECT MAX(n) FROM balances WHERE (opening OR transfer_micro) AND at_ns < ?1)"""
"""The last record before a moment after which the books may be others."""
_OPENED: Final = "SELECT n, cash_micro, at_ns FROM balances WHERE opening ORDER BY n LIMIT 1"
_BEFORE: Final = """
SELECT * FROM snapshots WHERE at_ns <= ? AND n > (SELECT COALESCE(MIN(n), 0) FROM balances WHERE opening)
ORDER BY n DESC LIMIT 1"""
"""The desk's last word up to a moment; before the venue told what there is, it knew nothing."""
_AFTER: Final = "SELECT * FROM snapshots WHERE at_ns >= ? ORDER BY n LIMIT 1"


@dataclass(frozen=True, slots=True)
class Told:
    """What the desk said it had after record `n`. `at_ns`: market time."""

    n: int
    cash_micro: int
    positions: dict[Token, int]
    at_ns: int
    source: str
    version: int = 0

    def carried(self, ours: Books, then: Books) -> int:
        """Its cash at another moment: what moved between is added, by our books of its own moment and of that one."""
        return self.cash_micro + then.cash_micro - ours.cash_micro


def account_version(state: State) -> int | None:
    """Which state of the account the desk's ledger shows now; None where there is no ledger."""
    ledger = _ledger(state, 0)
    return ledger.version if ledger is not None else None


def money(
    state: State,
    connection: sqlite3.Connection,
    before: int | None = None,
    since_ns: int = 0,
    until_ns: int = FOREVER_NS,
) -> Money:
    """The sums of a period of market time, side by side.

    Args: before: the account's version before the index was opened. Where the ledger shows another by now, money moved
    while it was read, and ours and theirs are not of one moment: then nobody is said to have told anything.
    """
    rows = Rows(connection)
    worth, at = _Worth(rows), cache(lambda n: books(rows, n))
    began, ended = _began(rows, since_ns), _ended(state, rows, until_ns, before)
    begin_n = max(began.n, _moved(rows, since_ns))
    begin, end = at(begin_n), at(max(begin_n, _moved(rows, until_ns)))
    opening_micro = began.carried(at(began.n), begin)
    owed_before_micro, flow_before_micro = worth.at(begin, since_ns)
    owed_micro, flow_micro = worth.at(end, until_ns)
    return Money(
        opening_micro=opening_micro + owed_before_micro - flow_before_micro,
        transfers_micro=end.transfers_micro - begin.transfers_micro,
        closed_net_micro=rows.one(_NET, since_ns, until_ns),
        open_flow_micro=flow_micro,
        owed_micro=owed_micro,
        cash_micro=opening_micro + end.cash_micro - begin.cash_micro,
        told_micro=ended.carried(at(ended.n), end) if ended else None,
        opened_by=began.source,
        source=ended.source if ended else "",
        differs=(*_differ(began, at(began.n), "at the beginning "), *(_differ(ended, at(ended.n)) if ended else ())),
    )


class _Worth:
    """What windows were worth beside the cash they had brought: known from their end."""

    def __init__(self, rows: Rows) -> None:
        final = books(rows, FOREVER_NS).windows
        self._net = {window: taken.flow_micro + taken.owed_micro for window, taken in final.items()}
        self._over: dict[Window, int] = {(row["slot"], row["start_s"]): row["resolved_ns"] for row in rows.all(_OVER)}

    def at(self, then: Books, at_ns: int) -> tuple[int, int]:
        """Books at a moment: what windows that were over were still to bring, and what the others had, less their cost.

        To bring is what winners pay, and the rest of what came out later: a late trade, one that failed.
        """
        over = {window for window in self._net if self._over.get(window, FOREVER_NS) < at_ns}
        brought = {window: taken.flow_micro for window, taken in then.windows.items()}
        owed = sum(self._net[window] - brought.get(window, 0) for window in over)
        return owed, sum(flow for window, flow in brought.items() if window not in over)


def _moved(rows: Rows, before_ns: int) -> int:
    return int(rows.one(_LAST_MOVED, before_ns))


# --- the desk's word ---


def _began(rows: Rows, since_ns: int) -> Told:
    """The last snapshot before a period, else what the venue opened with; without both, a desk that had nothing."""
    for row in rows.all(_BEFORE, since_ns):
        return _snapshot(row)
    for row in rows.all(_OPENED):
        return Told(row["n"], row["cash_micro"], {}, row["at_ns"], "opening balance")
    return Told(0, 0, {}, 0, "empty account")


def _ended(state: State, rows: Rows, until_ns: int, before: int | None) -> Told | None:
    """The first snapshot after a period; else the ledger, or the last snapshot if no money moved after it."""
    for row in rows.all(_AFTER, until_ns):
        return _snapshot(row)
    snapshot = next(map(_snapshot, rows.all(_BEFORE, until_ns)), None)
    ledger = _ledger(state, FOREVER_NS)
    if ledger is not None and (snapshot is None or ledger.at_ns >= snapshot.at_ns):
        return ledger if before in (None, ledger.version) else None
    if snapshot is None or _moved(rows, until_ns) > snapshot.n:
        return None
    return replace(snapshot, source="last snapshot")


def _snapshot(row: Row) -> Told:
    held = {(each["slot"], each["start_s"], each["outcome"]): each["size_micro"] for each in _json(row["positions"])}
    at = datetime.fromtimestamp(row["at_ns"] // NS, UTC)
    return Told(row["n"], row["cash_micro"], held, row["at_ns"], f"snapshot of {at:%m-%d %H:%M:%S}")


def _json(text: str) -> list[dict[str, Any]]:
    return msgspec.json.decode(text, type=list[dict[str, Any]])


def _ledger(state: State, n: int) -> Told | None:
    """Args: n: the record that it is held against: the last of all."""
    try:
        with closing(Reader(state.ledger_name)) as reader:
            picture = reader.read()
    except (LedgerMissing, LedgerUnreadable):
        return None
    held = {(each.slot, each.start_s, each.outcome): each.size_micro for each in picture.positions}
    return Told(n, picture.cash_micro, held, picture.at_ns, "ledger", picture.version)


def _differ(told: Told, ours: Books, when: str = "") -> tuple[str, ...]:
    """Where what is held by the sum of trades is not what the desk says; in words."""
    both = {
        key: (ours.held.get(key, 0), told.positions.get(key, 0)) for key in ours.held.keys() | told.positions.keys()
    }
    return tuple(
        f"{when}{slot} {outcome}: trades leave {left}, the desk has {has}"
        for (slot, _, outcome), (left, has) in sorted(both.items())
        if left != has
    )
