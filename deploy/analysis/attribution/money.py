"""Does it add up: what trades earned and people moved, held against the cash and positions the desk says it has.

Two sums of the same money by different ways: ours adds up fills, payouts, merges and claims by who entered; the desk's
is its own account, in the ledger while that is current, else in the journal's last snapshot. They agree to the
millionth, or the difference is told.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from deploy.analysis.attribution.history import Money
from deploy.analysis.index.fold import cash
from deploy.analysis.index.rows import Rows
from shared.ledger import LedgerMissing, LedgerUnreadable, Reader
from shared.paths import State

_Held = tuple[str, int, str]
"""Slot, start of the window in seconds, outcome."""
_SUMS: Final = """
SELECT COALESCE(SUM(CASE WHEN resolved THEN net_micro ELSE 0 END), 0) AS closed,
       COALESCE(SUM(CASE WHEN resolved THEN 0 ELSE proceeds_micro + merge_paid_micro - cost_micro - fee_micro END), 0)
       AS open FROM trades"""
_LAST_MOVED: Final = """
SELECT MAX(n) FROM (SELECT MAX(n) AS n FROM fills UNION ALL SELECT MAX(resolved_n) FROM windows
UNION ALL SELECT MAX(n) FROM claims UNION ALL SELECT MAX(n) FROM balances WHERE opening)"""


@dataclass(frozen=True, slots=True)
class Told:
    """What the desk says it has. `at_ns`: market time."""

    cash_micro: int
    positions: dict[_Held, int]
    at_ns: int
    source: str
    version: int = 0


def account_version(state: State) -> int | None:
    """Which state of the account the desk's ledger shows now; None where there is no ledger."""
    ledger = _ledger(state)
    return ledger.version if ledger is not None else None


def money(state: State, connection: sqlite3.Connection, before: int | None = None) -> Money:
    """Both sums, side by side.

    Args: before: the account's version before the index was opened. Where the ledger shows another by now, money moved
    while it was read, and ours and theirs are not of one moment: then nobody is said to have told anything.
    """
    rows = Rows(connection)
    one = {name: rows.one(query) or 0 for name, query in _BALANCES.items()}
    sums = rows.all(_SUMS)[0]
    told = _told(state, rows, before)
    ours = cash(rows)
    owed = one["opening"] + one["transfers"] + sums["closed"] + sums["open"] - ours
    return Money(
        opening_micro=one["opening"],
        transfers_micro=one["transfers"],
        closed_net_micro=sums["closed"],
        open_flow_micro=sums["open"],
        owed_micro=owed,
        told_micro=told.cash_micro if told else None,
        source=told.source if told else "",
        positions_differ=_positions(rows, told) if told else (),
    )


_BALANCES: Final = {
    "opening": "SELECT cash_micro FROM balances WHERE opening ORDER BY n LIMIT 1",
    "transfers": "SELECT SUM(transfer_micro) FROM balances",
}


def _told(state: State, rows: Rows, before: int | None) -> Told | None:
    """The ledger where it is as new as the journal, else the last snapshot where no money moved after it."""
    snapshot = next(iter(rows.all("SELECT * FROM snapshots ORDER BY n DESC LIMIT 1")), None)
    ledger = _ledger(state)
    if ledger is not None and (snapshot is None or ledger.at_ns >= snapshot["at_ns"]):
        return ledger if before in (None, ledger.version) else None
    if snapshot is None or (rows.one(_LAST_MOVED) or 0) > snapshot["n"]:
        return None
    held = {(each["slot"], each["start_s"], each["outcome"]): each["size_micro"] for each in _json(snapshot)}
    return Told(snapshot["cash_micro"], held, snapshot["at_ns"], "last snapshot")


def _json(snapshot: dict[str, Any]) -> list[dict[str, Any]]:
    return msgspec.json.decode(snapshot["positions"], type=list[dict[str, Any]])


def _ledger(state: State) -> Told | None:
    try:
        with closing(Reader(state.ledger_name)) as reader:
            picture = reader.read()
    except (LedgerMissing, LedgerUnreadable):
        return None
    held = {(each.slot, each.start_s, each.outcome): each.size_micro for each in picture.positions}
    return Told(picture.cash_micro, held, picture.at_ns, "ledger", picture.version)


def _positions(rows: Rows, told: Told) -> tuple[str, ...]:
    """Where what is held by the sum of trades is not what the desk says; in words."""
    ours = Counter[_Held]()
    for row in rows.all("SELECT slot, start_s, outcome, left_micro FROM trades WHERE NOT resolved"):
        ours[row["slot"], row["start_s"], row["outcome"]] += row["left_micro"]
    keys = sorted(key for key in ours.keys() | told.positions.keys() if ours[key] != told.positions.get(key, 0))
    return tuple(
        f"{key[0]} {key[2]}: trades leave {ours[key]}, the desk has {told.positions.get(key, 0)}" for key in keys
    )
