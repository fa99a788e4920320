"""What our own books were after any record of the journal: cash, and what each window had brought and left by then.

Adds up fills, claims and resolutions by their record numbers and asks no trade: it is a second way to the money that
`trades` shares out, so that one can be held against the other. What was told later is not yet known, and what failed
later still counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deploy.analysis.index.rows import Row, Rows

Window = tuple[str, int]
"""Slot, and start in unix seconds."""
Token = tuple[str, int, str]
"""Slot, start of the window in unix seconds, outcome."""

_OPENING: Final = "SELECT cash_micro FROM balances WHERE opening AND n <= ? ORDER BY n LIMIT 1"
_TRANSFERS: Final = "SELECT COALESCE(SUM(transfer_micro), 0) FROM balances WHERE n <= ?"
_WINDOWS: Final = """
WITH traded AS (
  SELECT slot, start_s, SUM(CASE side WHEN 'BUY' THEN -cost_micro ELSE cost_micro END - fee_micro) AS flow,
         SUM(CASE WHEN outcome <> 'Up' THEN 0 WHEN side = 'BUY' THEN size_micro ELSE -size_micro END) AS up,
         SUM(CASE WHEN outcome <> 'Down' THEN 0 WHEN side = 'BUY' THEN size_micro ELSE -size_micro END) AS down
  FROM fills WHERE n <= ?1 AND NOT (status = 'FAILED' AND settled_n <= ?1) GROUP BY slot, start_s),
merged AS (
  SELECT slot, start_s, SUM(amount_micro) AS pairs,
         SUM(CASE WHEN state = 'paid' AND over_n <= ?1 THEN amount_micro ELSE 0 END) AS flow
  FROM claims WHERE kind = 'merge' AND n <= ?1 AND NOT (state = 'failed' AND over_n <= ?1) GROUP BY slot, start_s),
redeemed AS (
  SELECT slot, start_s, SUM(amount_micro) AS flow
  FROM claims WHERE kind = 'redeem' AND state = 'paid' AND over_n <= ?1 GROUP BY slot, start_s)
SELECT slot, start_s, traded.flow + COALESCE(merged.flow, 0) AS flow, up - COALESCE(pairs, 0) AS Up,
       down - COALESCE(pairs, 0) AS Down, COALESCE(redeemed.flow, 0) AS redeemed,
       CASE WHEN resolved_n <= ?1 THEN winner ELSE '' END AS winner, owed
FROM traded LEFT JOIN merged USING (slot, start_s) LEFT JOIN redeemed USING (slot, start_s)
LEFT JOIN windows USING (slot, start_s)"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a window had brought by then, less what it had cost; and what its winners were still to pay."""

    flow_micro: int
    owed_micro: int


@dataclass(frozen=True, slots=True)
class Books:
    """All of it. `transfers_micro`: moved in and out by people; `held`: shares of windows that were not resolved."""

    cash_micro: int
    transfers_micro: int
    windows: dict[Window, Taken]
    held: dict[Token, int]


def books(rows: Rows, n: int) -> Books:
    """Our books after record `n`."""
    found = rows.all(_WINDOWS, n)
    windows = {(row["slot"], row["start_s"]): _taken(row) for row in found}
    transfers = int(rows.one(_TRANSFERS, n))
    held = {
        (row["slot"], row["start_s"], outcome): row[outcome]
        for row in found
        for outcome in ("Up", "Down")
        if row[outcome] and not row["winner"]
    }
    opening = int(rows.one(_OPENING, n) or 0)
    cash = opening + transfers + sum(taken.flow_micro for taken in windows.values())
    return Books(cash, transfers, windows, held)


def _taken(row: Row) -> Taken:
    """A winner pays at once, or as much of it as was redeemed where it has to be."""
    due = row[row["winner"]] if row["winner"] else 0
    paid = min(due, row["redeemed"]) if row["owed"] else due
    return Taken(row["flow"] + paid, due - paid)
