"""The history of a desk, read from its index: questions in SQL, answers as values of `history.py`.

Reads only. Periods are of market time, from and up to: a decision and an order belong to when they were made, a trade
to when its window was resolved. Leaves every judgement to others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any, Final

from deploy.analysis.attribution.calibration import BINS, BP
from deploy.analysis.attribution.history import (
    Boundary,
    Cadence,
    Crossing,
    GroupBy,
    History,
    Holding,
    Lot,
    Pairs,
    Phase,
    Release,
    Stretch,
    bins,
)
from deploy.analysis.attribution.money import OVER, money
from deploy.analysis.attribution.trades import DAY_HOURS, HOUR_S, QUARTER_S, Trade, hour_name
from deploy.ranges import FOREVER_NS
from shared.paths import State

STRETCHES_MAX: Final = 20_000
"""Of a cadence: more would be no picture any more."""
PAUSE_NS: Final = 15 * 10**9
"""Three cadences without a tick part two stretches: there was no market."""
MISSING: Final = "missing"
_IN: Final = "at_ns >= :since AND at_ns < :until"
_DECIDED: Final = f"outcome <> 'SKIP' AND {_IN}"
# CROSS JOIN keeps SQLite at looking a decision's window up, and not every decision of a window.
_TALLY: Final = """
SELECT {key} AS key, d.start_s / {quarter_s} AS quarter, MIN({p} * {bins} / 10000, {bins} - 1) AS bin, COUNT(*),
       SUM({p}), SUM({p} * {p}), SUM(w.winner = 'Up'), SUM(CASE w.winner WHEN 'Up' THEN {p} ELSE 0 END)
FROM decisions d CROSS JOIN windows w USING (slot, start_s) LEFT JOIN mids.mids m ON m.seq = d.read_seq
WHERE d.outcome <> 'SKIP' AND d.at_ns >= :since AND d.at_ns < :until AND w.winner <> ''
  AND d.fair_up_micro IS NOT NULL AND COALESCE(d.mid_up_micro, m.up_micro) IS NOT NULL
GROUP BY 1, 2, 3"""
_OURS: Final = "(d.fair_up_micro / 100)"
_MARKET: Final = "(COALESCE(d.mid_up_micro, m.up_micro) / 100)"
_SLIPPAGE: Final = """
SELECT {key} AS key, SUM(f.size_micro) AS shares,
       SUM((f.price_micro - CASE f.outcome WHEN 'Up' THEN mid ELSE 1000000 - mid END)
           * f.size_micro / 1000000 * CASE f.side WHEN 'BUY' THEN 1 ELSE -1 END) AS slipped
FROM (SELECT f.*, COALESCE(d.mid_up_micro, m.up_micro) AS mid FROM fills f JOIN orders o USING (order_id)
      JOIN decisions d ON d.slot = o.slot AND d.tick = o.tick LEFT JOIN mids.mids m ON m.seq = d.read_seq
      WHERE f.status <> 'FAILED' AND o.at_ns >= :since AND o.at_ns < :until) f
WHERE mid IS NOT NULL GROUP BY 1"""
_PAIRS: Final = """
SELECT MIN(s.release, d.release) AS first, MAX(s.release, d.release) AS second, d.start_s / {quarter_s} AS quarter,
       COUNT(*) AS pairs, SUM(COALESCE(s.wishes, '') = COALESCE(d.wishes, '')) AS alike,
       COUNT(DISTINCT w.slot || w.start_s) AS windows, COUNT({error}) AS scored,
       SUM({error} * CASE WHEN s.release < d.release THEN 1 ELSE -1 END) AS differ
FROM decisions d JOIN (SELECT *, MIN(n) FROM shadow_decisions GROUP BY slot, tick, release) s USING (slot, tick)
CROSS JOIN windows w ON w.slot = d.slot AND w.start_s = d.start_s
WHERE d.release <> s.release AND d.outcome <> 'SKIP' AND d.at_ns >= :since AND d.at_ns < :until
GROUP BY 1, 2, 3"""
_ERROR: Final = """CASE WHEN w.winner <> '' THEN
       (s.fair_up_micro / 100) * (s.fair_up_micro / 100) - (d.fair_up_micro / 100) * (d.fair_up_micro / 100)
       - 20000 * (w.winner = 'Up') * (s.fair_up_micro / 100 - d.fair_up_micro / 100) END"""
"""The shadow's squared error less the owner's, in basis points squared; NULL where the winner or one of both is not."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is about: from when to when in market nanoseconds, and by what it groups."""

    since_ns: int = 0
    until_ns: int = FOREVER_NS
    by: GroupBy = "regime"


class Index:
    """An open index with the market's middles beside it, as `mids.attach` puts them there."""

    def __init__(self, connection: sqlite3.Connection, asked: Asked) -> None:
        self.connection, self.asked = connection, asked
        self.period = {"since": asked.since_ns, "until": asked.until_ns}

    def all(self, query: str, **more: Any) -> list[sqlite3.Row]:
        """Every row of a question about the period."""
        return self.connection.execute(query, {**self.period, **more}).fetchall()

    def counts(self, query: str) -> dict[str, int]:
        """A question that asks how many there are of each."""
        return dict(map(tuple, self.all(query)))

    def one(self, query: str) -> Any:
        """The first column of the first row; None without one."""
        row = self.connection.execute(query, self.period).fetchone()
        return row[0] if row else None


def gather(state: State, connection: sqlite3.Connection, asked: Asked, account: int | None = None) -> History:
    """The history of a period.

    Args: connection: as `open_index` gives it, with the middles attached. account: its version before that was opened.
    """
    index = Index(connection, asked)
    releases = {row["release"]: Release(row["release"], row["seq"]) for row in index.all("SELECT * FROM releases")}
    return History(
        mode=index.one("SELECT mode FROM terms ORDER BY n DESC LIMIT 1") or "",
        from_ns=index.one(f"SELECT MIN(at_ns) FROM decisions WHERE {_IN}") or 0,
        until_ns=index.one(f"SELECT MAX(at_ns) FROM decisions WHERE {_IN}") or 0,
        by=asked.by,
        lots=_lots(index, releases),
        releases=releases,
        boundaries=_boundaries(index, releases),
        phases=_phases(index),
        cadence=_cadence(index),
        pairs=_pairs(index),
        crossings=_crossings(index, releases),
        money=money(state, connection, account, asked.since_ns, asked.until_ns),
    )


def _key(by: GroupBy, table: str = "") -> str:
    """What names the row that a record belongs to, in SQL. Args: table: the name under which it is read."""
    column = f"{table}." if table else ""
    return f"{column}start_s / {HOUR_S} % {DAY_HOURS}" if by == "hour" else f"{column}{by}"


def _lots(index: Index, releases: dict[str, Release]) -> list[Lot]:
    """One for every key under which anything was decided or traded, in the order in which they began; hours by hour."""
    key = index.asked.by
    lots: dict[str, Lot] = {}
    query = f"""
        SELECT {_key(key)} AS key, MAX(release) AS release, COUNT(DISTINCT regime) AS regimes,
               COUNT(DISTINCT at_ns / 60000000000) AS minutes, COUNT(*) AS decisions, MIN(n) AS first
        FROM decisions WHERE {_DECIDED} GROUP BY 1 ORDER BY first"""
    for row in index.all(query):
        name = _names(index, key, releases)(row["key"])
        lots[row["key"]] = Lot(str(row["key"]), name, row["release"], row["regimes"], row["minutes"], row["decisions"])
    for part in (_windows, _trades, _tallies, _latencies, _orders, _slippage):
        part(index, lots)
    return [lots[hour] for hour in sorted(lots)] if key == "hour" else list(lots.values())


def _names(index: Index, key: GroupBy, releases: dict[str, Release]) -> Callable[[Any], str]:
    """How people call what is grouped by."""
    if key == "regime":
        regimes = {row["regime"]: row for row in index.all("SELECT * FROM regimes")}
        return lambda regime: _regime(regimes[regime], releases)
    if key == "release":
        return lambda release: _release(release, releases).name
    told: dict[GroupBy, Callable[[Any], str]] = {"slot": str, "hour": hour_name}
    return told.get(key, lambda digest: f"p:{digest[:4]}")


def _regime(row: sqlite3.Row, releases: dict[str, Release]) -> str:
    control = "" if row["control"] == "trading" else f" {row['control']}"
    return f"{_release(row['release'], releases).name} p:{row['parameters'][:4]}{control}"


def _release(digest: str, releases: dict[str, Release]) -> Release:
    return releases.get(digest, Release(digest, 0))


def _windows(index: Index, lots: dict[str, Lot]) -> None:
    query = f"""
        SELECT d.key, slot, start_s FROM (SELECT DISTINCT {_key(index.asked.by)} AS key, slot, start_s FROM decisions
        WHERE {_DECIDED}) d CROSS JOIN windows w USING (slot, start_s) WHERE w.winner <> ''"""
    for key, slot, start_s in index.all(query):
        lots[key].windows.add((slot, start_s))


def _trades(index: Index, lots: dict[str, Lot]) -> None:
    """Trades that are over, and whose window was resolved in the period."""
    query = f"""
        SELECT {_key(index.asked.by, "t")} AS key, t.slot, t.start_s, w.resolved_ns, t.outcome,
               t.bought_micro, t.cost_micro, t.fee_micro,
               t.proceeds_micro + t.merge_paid_micro + t.payout_micro, t.release
        FROM trades t JOIN windows w USING (slot, start_s) WHERE {OVER}
        AND w.resolved_ns >= :since AND w.resolved_ns < :until ORDER BY w.resolved_ns, t.first_n"""
    names = _names(index, index.asked.by, {})
    for key_, *columns, release in index.all(query):
        lot = lots.setdefault(key_, Lot(str(key_), names(key_), release))
        lot.trades.append(Trade(*columns))


def _tallies(index: Index, lots: dict[str, Lot]) -> None:
    """Forecasts of ours and of the market on the same decisions, those of resolved windows that have both."""
    for name, p in (("ours", _OURS), ("market", _MARKET)):
        query = _TALLY.format(key=_key(index.asked.by, "d"), p=p, quarter_s=QUARTER_S, bins=BINS)
        for (key, quarter), rows in groupby(index.all(query), key=lambda row: (row["key"], row["quarter"])):
            getattr(lots[key], name)[quarter] = bins([tuple(row)[2:] for row in rows], BINS)


def _latencies(index: Index, lots: dict[str, Lot]) -> None:
    key = _key(index.asked.by)
    for key_, took_us in index.all(f"SELECT {key}, took_us FROM decisions WHERE {_DECIDED} ORDER BY took_us"):
        lots[key_].took_us.append(took_us)
    answered = f"SELECT {key}, answered_us FROM orders WHERE answered_us IS NOT NULL AND {_IN} ORDER BY answered_us"
    for key_, answered_us in index.all(answered):
        if key_ in lots:
            lots[key_].answered_us.append(answered_us)


def _orders(index: Index, lots: dict[str, Lot]) -> None:
    query = f"""
        SELECT {_key(index.asked.by)}, COUNT(*), SUM(size_micro), SUM(filled_micro) FROM orders
        WHERE state = 'closed' AND {_IN} GROUP BY 1"""
    for key, count, ordered, filled in index.all(query):
        if key in lots:
            lots[key].orders, lots[key].ordered_micro, lots[key].filled_micro = count, ordered, filled


def _slippage(index: Index, lots: dict[str, Lot]) -> None:
    for key, shares, slipped in index.all(_SLIPPAGE.format(key=_key(index.asked.by, "f"))):
        if key in lots:
            lots[key].slipped_shares_micro, lots[key].slipped_micro = shares, slipped


# --- what changed ---


def _boundaries(index: Index, releases: dict[str, Release]) -> list[Boundary]:
    """Rows of slots that passed in one act are one boundary; a slot's first owner is none."""
    rows = [row for row in index.all("SELECT * FROM boundaries ORDER BY n") if not row["slot"] or row["was_release"]]
    found = []
    acts = groupby(rows, key=lambda row: (row["kind"], row["op"], row["now_release"], row["n"] * (not row["slot"])))
    for number, (_, act) in enumerate(acts, start=1):
        passed = list(act)
        if index.asked.since_ns <= passed[-1]["at_ns"] < index.asked.until_ns:
            found.append(_boundary(index, releases, number, passed))
    return found


def _boundary(index: Index, releases: dict[str, Release], number: int, rows: list[sqlite3.Row]) -> Boundary:
    last = rows[-1]
    return Boundary(
        number=number,
        at_ns=last["at_ns"],
        kind=last["kind"],
        op=last["op"] or "",
        slots=len({row["slot"] for row in rows if row["slot"]}),
        was=_owners(rows, "was", releases),
        now=_owners(rows, "now", releases),
        actor=last["actor"] or "",
        reason=last["reason"] or "",
        until_ns=last["until_ns"] or 0,
        holdings=_holdings(index, releases, rows),
        resting=_resting(index, rows),
    )


def _owners(rows: list[sqlite3.Row], side: str, releases: dict[str, Release]) -> str:
    """Who decided before a boundary, or after it: releases, or parameter sets where these changed."""
    if rows[-1]["kind"] == "PARAMS":
        return " ".join(dict.fromkeys(f"p:{row[f'{side}_parameters'][:4]}" for row in rows))
    digests = dict.fromkeys(row[f"{side}_release"] for row in rows if row[f"{side}_release"])
    return " ".join(_release(digest, releases).short for digest in digests)


def _holdings(index: Index, releases: dict[str, Release], rows: list[sqlite3.Row]) -> tuple[Holding, ...]:
    """What the slots held as they passed."""
    held = {}
    for row in rows:
        for each in index.all("SELECT * FROM positions_at_boundary WHERE n = :n", n=row["n"]):
            key = each["slot"], each["start_s"], each["outcome"], each["release"]
            by = _release(each["release"], releases).short
            held[key] = Holding(each["slot"], each["outcome"], each["size_micro"], each["cost_micro"], by)
    return tuple(held[key] for key in sorted(held))


def _resting(index: Index, rows: list[sqlite3.Row]) -> int:
    resting = set()
    for row in rows:
        query = "SELECT order_id FROM orders_at_boundary WHERE n = :n"
        resting |= {each["order_id"] for each in index.all(query, n=row["n"])}
    return len(resting)


def _phases(index: Index) -> list[Phase]:
    """Phases of the operations that ended, or go on, in the period."""
    steps = index.all(f"SELECT op, verb, phase, at_ns FROM steps WHERE {_IN} ORDER BY op, n")
    found = []
    for _, of_one in groupby(steps, key=lambda row: row["op"]):
        rows = list(of_one)
        for row, then in pairwise(rows):
            found.append(Phase(row["op"], row["verb"], row["phase"], row["at_ns"], then["at_ns"]))
    return found


# --- ticks and their outcomes ---


def _cadence(index: Index) -> Cadence:
    kinds = index.counts(f"SELECT outcome, COUNT(*) FROM decisions WHERE {_IN} GROUP BY 1")
    skips = index.counts(f"SELECT reason, COUNT(*) FROM decisions WHERE outcome = 'SKIP' AND {_IN} GROUP BY 1")
    longest = f"""
        SELECT MAX(tick - before) FROM (SELECT tick, LAG(tick) OVER (PARTITION BY slot, start_s ORDER BY tick) AS before
        FROM decisions WHERE {_DECIDED})"""
    missing = _missing(index)
    return Cadence(
        outcomes=sum(kinds.values()),
        orders=kinds.get("ORDER", 0),
        holds=kinds.get("HOLD", 0),
        skips=skips,
        missing=len(missing) if missing is not None else None,
        longest_ms=index.one(longest) or 0,
        stretches=_stretches(index, missing or []),
    )


def _missing(index: Index) -> list[tuple[str, int]] | None:
    """Ticks that the tape shows, with another after them, and that have no outcome. None without a tape."""
    if not index.one("SELECT COUNT(*) FROM mids.mids"):
        return None
    query = """
        SELECT DISTINCT m.slot, m.tick FROM mids.mids m LEFT JOIN decisions d USING (slot, tick)
        WHERE d.n IS NULL AND m.tick >= :since / 1000000 AND m.tick < :until / 1000000
        AND m.tick < (SELECT MAX(tick) FROM decisions x WHERE x.slot = m.slot) ORDER BY 1, 2"""
    return [(slot, tick) for slot, tick in index.all(query)]


def _stretches(index: Index, missing: list[tuple[str, int]]) -> tuple[Stretch, ...]:
    """Rows of ticks of a slot that were decided by one release, or skipped for one reason, without a pause."""
    query = f"""
        SELECT slot, tick, CASE outcome WHEN 'SKIP' THEN '' ELSE release END AS release, reason FROM decisions
        WHERE {_IN} ORDER BY slot, tick"""
    found: list[Stretch] = [Stretch(slot, "", tick * 10**6, tick * 10**6, 1, MISSING) for slot, tick in missing]
    begun: Stretch | None = None
    for row in index.all(query):
        at_ns = row["tick"] * 1_000_000
        goes_on = begun is not None and (begun.slot, begun.release, begun.reason) == (row["slot"], *row[2:4])
        if begun is not None and goes_on and at_ns - begun.to_ns <= PAUSE_NS:
            begun = replace(begun, to_ns=at_ns, ticks=begun.ticks + 1)
            found[-1] = begun
        else:
            begun = Stretch(row["slot"], row["release"], at_ns, at_ns, 1, row["reason"])
            found.append(begun)
    return tuple(found[:STRETCHES_MAX])


# --- releases against each other ---


def _pairs(index: Index) -> list[Pairs]:
    """Every two releases that decided on the same ticks, one of them in the other's shadow."""
    rows = index.all(_PAIRS.format(quarter_s=QUARTER_S, error=_ERROR))
    found = []
    for (first, second), of_both in groupby(rows, key=lambda row: (row["first"], row["second"])):
        quarters = list(of_both)
        errors = {row["quarter"]: (row["scored"], (row["differ"] or 0) / BP**2) for row in quarters if row["scored"]}
        pairs, alike, windows = (sum(row[name] for row in quarters) for name in ("pairs", "alike", "windows"))
        found.append(Pairs(first, second, pairs, alike, windows, errors))
    return found


def _crossings(index: Index, releases: dict[str, Release]) -> list[Crossing]:
    query = """
        SELECT t.* FROM trades t LEFT JOIN windows w USING (slot, start_s) WHERE t.crossing
        AND t.first_ns < :until AND COALESCE(w.resolved_ns, :since) >= :since ORDER BY t.first_n"""
    return [
        Crossing(
            row["slot"],
            row["start_s"],
            row["outcome"],
            _release(row["release"], releases).short,
            "person" if row["exit_release"] == "person" else _release(row["exit_release"], releases).short,
            row["sold_micro"],
            row["proceeds_micro"],
            row["net_micro"],
        )
        for row in index.all(query)
    ]
