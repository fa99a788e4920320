"""The fold of a journal into the rows of an index: one journal line, and what it adds to which table.

Leaves what is traded to `money.py`, files and transactions to `store.py`. What the fold remembers between two lines it
can read from its own rows, so it goes on wherever it was stopped, and reading a journal in pieces gives the very rows
that reading it in one go does. A kind of entry without a row here is passed over; a record that cannot be read is not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from deploy.analysis.index.money import Money
from deploy.analysis.index.rows import Row, Rows, text_of
from shared import entries as e
from shared.slots import parse_slot
from shared.units import MICRO

BP_MICRO: Final = 100
"""A hundredth of a percent, in millionths."""
_OPEN_TRADES: Final = (
    "SELECT slot, start_s, outcome, release, SUM(left_micro) AS size_micro, SUM(open_cost_micro) AS cost_micro"
    " FROM trades WHERE resolved = 0 AND left_micro <> 0 GROUP BY slot, start_s, outcome, release"
)
_OPEN_ORDERS: Final = (
    "SELECT order_id, slot, start_s, outcome, side, price_micro, release,"
    " MAX(size_micro - filled_micro, 0) AS open_micro FROM orders"
    " WHERE state IN ('pending', 'open', 'matched', 'unknown')"
)

_PAID_OUT: Final = (
    "WITH due AS (SELECT slot, start_s, SUM(payout_micro) AS due FROM trades GROUP BY slot, start_s),"
    " got AS (SELECT slot, start_s, SUM(amount_micro) AS got FROM claims"
    " WHERE kind = 'redeem' AND state = 'paid' GROUP BY slot, start_s)"
    " SELECT COALESCE(SUM(CASE WHEN owed THEN MIN(due, COALESCE(got, 0)) ELSE due END), 0)"
    " FROM due JOIN windows USING (slot, start_s) LEFT JOIN got USING (slot, start_s)"
)
"""What winners paid: at once, or as much of it as was redeemed where it has to be."""


class Fold:
    """Folds lines, in order, into the rows of a connection; `settle` before a transaction ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.rows = Rows(connection)
        self.money = Money(self.rows)
        last = "SELECT control FROM control ORDER BY n DESC LIMIT 1"
        self.control = self.rows.one(last) or "trading"
        known = self.rows.all("SELECT regime, release, parameters, control FROM regimes")
        self.regimes = {(row["release"], row["parameters"], row["control"]): row["regime"] for row in known}

    def take(self, line: e.Line) -> None:
        """Fold one line."""
        take = _TAKE.get(type(line.entry))
        if take is not None:
            stamp = {"n": line.n, "at_ns": line.at_ns, "wall_ns": line.wall_ns, "term": line.term}
            take(self, stamp, line.entry)

    def settle(self) -> None:
        """Bring up to date what is computed from other rows."""
        self.money.settle()

    # --- what decided ---

    def by(self, stamp: Row, by: e.By) -> Row:
        """The columns that say who decided, and under which regime."""
        key = by.release, by.parameters, self.control
        regime = self.regimes.get(key)
        if regime is None:
            regime = self.regimes[key] = len(self.regimes) + 1
            names = ("release", "parameters", "control")
            row = {"regime": regime, "first_n": stamp["n"], "first_ns": stamp["at_ns"]}
            self.rows.add("regimes", {**row, **dict(zip(names, key, strict=True))})
        columns = {name: getattr(by, name) for name in e.By.__struct_fields__}
        return {**columns, "regime": regime}

    def _on_outcome(self, stamp: Row, entry: e.OutcomeOf) -> None:
        row = self._decided(stamp, entry)
        self.rows.add("decisions", {**row, "outcome": entry.kind, "reason": entry.reason, "denied": len(entry.denied)})
        for denied in entry.denied:
            self._denied(stamp, entry, denied)

    def _denied(self, stamp: Row, entry: e.OutcomeOf, denied: str) -> None:
        """A denial is written `leg reason: detail`."""
        leg, _, rest = denied.partition(" ")
        reason, _, detail = rest.partition(": ")
        row = {"n": stamp["n"], "slot": entry.slot, "tick": entry.tick, "leg": int(leg), "release": entry.by.release}
        self.rows.add("denials", {**row, "reason": reason, "detail": detail})

    def _on_shadow(self, stamp: Row, entry: e.Shadow) -> None:
        row = self._decided(stamp, entry)
        self.rows.add("shadow_decisions", row)

    def _decided(self, stamp: Row, entry: e.OutcomeOf | e.Shadow) -> Row:
        wishes, reasons = _parts(entry.decision)
        start_s = parse_slot(entry.slot).window_start(entry.tick // 1_000)
        names = ("slot", "tick", "read_seq", "took_us")
        return {
            **stamp,
            **{name: getattr(entry, name) for name in names},
            **self.by(stamp, entry.by),
            "start_s": start_s,
            "verdict": str(reasons.get("verdict", "")),
            "fair_up_micro": _probability(reasons.get("fair_up_bp"), BP_MICRO),
            "mid_up_micro": _probability(reasons.get("mid_up_micro"), 1),
            "reasons": text_of(reasons) if reasons else None,
            "orders": len(wishes),
            "wishes": text_of(wishes) if wishes else None,
        }

    # --- boundaries ---

    def _on_boundary(self, stamp: Row, entry: e.Boundary) -> None:
        was, now = entry.was, entry.now
        kind = "CODE" if was.release != now.release else "PARAMS" if was.parameters != now.parameters else "RESTART"
        parts = ("release", "parameters", "epoch")
        owners = {f"was_{part}": getattr(was, part) for part in parts}
        owners |= {f"now_{part}": getattr(now, part) for part in parts}
        names = ("slot", "op", "tick", "seconds_to_close", "cash_micro", "actor", "reason", "ring")
        plain = {name: getattr(entry, name) for name in names}
        wholes = {name: text_of(getattr(entry, name)) for name in ("changed", "steps_ms", "loaded", "evidence")}
        self.rows.add("boundaries", {**stamp, "kind": kind, **plain, **owners, **wholes})
        self._open(stamp, map(_fields, entry.positions), map(_fields, entry.orders))

    def _on_retuned(self, stamp: Row, entry: e.Retuned) -> None:
        row = {name: getattr(entry, name) for name in ("op", "cash_micro", "actor", "reason")}
        row |= {"was_parameters": entry.was, "now_parameters": entry.now, "changed": text_of(entry.changed)}
        slots = text_of([msgspec.structs.asdict(slot) for slot in entry.slots])
        stamped = {**stamp, "kind": "PARAMS", "slot": "", "slots": slots}
        self.rows.add("boundaries", {**stamped, **row})
        self._open(stamp, map(_fields, entry.positions), map(_fields, entry.orders))

    def _open(self, stamp: Row, held: Iterable[Row], resting: Iterable[Row]) -> None:
        """What was open at a boundary."""
        for row in held:
            self.rows.add("positions_at_boundary", {"n": stamp["n"], **row})
        for row in resting:
            self.rows.add("orders_at_boundary", {"n": stamp["n"], **row})

    def _edge(self, stamp: Row, kind: str, reason: str, **more: Any) -> None:
        """A boundary of all slots, with what is open by our own books."""
        self.settle()
        row = {**stamp, "kind": kind, "slot": "", "reason": reason}
        self.rows.add("boundaries", {**row, **more})
        self._open(stamp, self.rows.all(_OPEN_TRADES), self.rows.all(_OPEN_ORDERS))

    def _on_control(self, stamp: Row, entry: e.Control) -> None:
        self.control = "halted" if entry.halted else "paused" if entry.paused else "trading"
        row = {name: getattr(entry, name) for name in ("generation", "actor", "reason", "op")}
        self.rows.add("control", {**stamp, **row, "control": self.control, "gives_back": int(entry.gives_back)})
        told = self.control + (f": {entry.reason}" if entry.reason else "")
        self._edge(stamp, "CONTROL", told, actor=entry.actor, op=entry.op)

    def _on_gap(self, stamp: Row, entry: e.Gap) -> None:
        self._plain("gaps", stamp, entry)
        self._edge(stamp, "GAP", f"{entry.what}: {entry.cause}", until_ns=entry.to_ns)

    def _on_standing(self, stamp: Row, entry: e.Standing) -> None:
        self._plain("standing", stamp, entry)
        may = "nothing" if entry.blocked else "only closing" if entry.closed_only else "everything"
        self._edge(stamp, "VENUE", f"{may} is allowed from {entry.place}")

    def _on_term(self, stamp: Row, entry: e.Term) -> None:
        self.rows.add("terms", {**stamp, **_fields(entry)})
        if entry.term > 1:
            self._edge(stamp, "RESTART", f"reign {entry.term} began")

    # --- operations and the rest ---

    def _on_step(self, stamp: Row, entry: e.Step) -> None:
        self.rows.add("steps", {**stamp, **_fields(entry), "detail": text_of(entry.detail)})
        detail = {name: str(entry.detail.get(name, "")) for name in ("blue", "green", "result", "fault")}
        began = {name: getattr(entry, name) for name in ("op", "verb", "actor", "reason")}
        colours = {name: detail[name] for name in ("blue", "green")}
        self.rows.add("operations", {**stamp, **began, **colours, "result": "", "fault": ""})
        self.rows.change("operations", (entry.op,), phase=entry.phase)
        if entry.phase == "done":
            ended = {"result": detail["result"], "fault": detail["fault"], "ended_ns": stamp["at_ns"]}
            self.rows.change("operations", (entry.op,), **ended)

    def _on_release(self, stamp: Row, entry: e.Release) -> None:
        self.rows.add("releases", {**stamp, **_fields(entry), "modules": text_of(entry.modules)})

    def _on_parameters(self, stamp: Row, entry: e.Parameters) -> None:
        version = entry.number or self.rows.one("SELECT COUNT(*) FROM parameters") + 1  # old ones are not numbered
        row = {"parameters": entry.digest, "version": version, "vals": text_of(entry.values)}
        more = {name: getattr(entry, name) for name in ("actor", "reason", "op")}
        self.rows.add("parameters", {**stamp, **row, **more})

    def _on_configuration(self, stamp: Row, entry: e.Configuration) -> None:
        self.rows.add("configurations", {**stamp, "digest": entry.digest, "vals": text_of(entry.values)})

    def _on_grant(self, stamp: Row, entry: e.Grant) -> None:
        by = self.by(stamp, e.By(entry.release, entry.parameters, entry.epoch, entry.uid))
        self.rows.add("grants", {**stamp, "slot": entry.slot, "op": entry.op, **by})

    def _on_flatten(self, stamp: Row, entry: e.Flatten) -> None:
        for slot in entry.slots:
            row = {"op": entry.op, "slot": slot, "actor": entry.actor, "reason": entry.reason}
            self.rows.add("flattened", {**stamp, **row})

    def _on_flattened(self, stamp: Row, entry: e.Flattened) -> None:
        self.rows.change("flattened", (entry.op, entry.slot), flat_ns=stamp["at_ns"], remains=entry.left)

    def _on_snapshot(self, stamp: Row, entry: e.Snapshot) -> None:
        held, rests = (text_of([_fields(each) for each in said]) for said in (entry.positions, entry.orders))
        self.rows.add("snapshots", {**stamp, "cash_micro": entry.cash_micro, "positions": held, "orders": rests})

    def _on_reconciled(self, stamp: Row, entry: e.Reconciled) -> None:
        row = {"round": entry.rounds, "differences": entry.differences, "differs": text_of(entry.differs)}
        self.rows.add("reconciliations", {**stamp, **row, "strangers": text_of(entry.foreign)})

    def _on_balance(self, stamp: Row, entry: e.Balance) -> None:
        self.settle()
        opened = self.rows.one("SELECT COUNT(*) FROM balances WHERE opening")
        self.money.balance(stamp, entry, cash(self.rows) if opened else None)

    def _on_transfer(self, stamp: Row, entry: e.Transfer) -> None:
        """A person's word that money moved past the desk; the venue's own word on our collateral stands beside it."""
        moved = {"cash_micro": entry.venue_micro, "opening": 0, "transfer_micro": entry.amount_micro}
        self.rows.add("balances", {**stamp, **moved})

    def _plain(self, table: str, stamp: Row, entry: Any) -> None:
        """A row that has the entry's own fields."""
        values = {k: int(v) if isinstance(v, bool) else v for k, v in _fields(entry).items()}
        self.rows.add(table, {**stamp, **values})


def cash(rows: Rows) -> int:
    """Collateral by our own books: what the venue opened with, and everything that moved since."""
    opening = "SELECT cash_micro FROM balances WHERE opening ORDER BY n LIMIT 1"
    moved = "SELECT COALESCE(SUM(transfer_micro), 0) FROM balances"
    traded = "SELECT COALESCE(SUM(proceeds_micro + merge_paid_micro - cost_micro - fee_micro), 0) FROM trades"
    return sum(int(rows.one(query) or 0) for query in (opening, moved, traded, _PAID_OUT))


def _fields(entry: Any) -> Row:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}


def _parts(raw: msgspec.Raw) -> tuple[list[Any], dict[str, Any]]:
    """What a decision wished, and its reasons, whatever release took it; a SKIP holds neither."""
    decision = msgspec.msgpack.decode(raw)
    if not isinstance(decision, list) or len(decision) < 2 or not isinstance(decision[1], dict):
        return [], {}
    return decision[0], decision[1]


def _probability(said: Any, unit_micro: int) -> int | None:
    """A number between 0 and 1 in millionths; a release may write whatever it likes among its reasons."""
    sound = isinstance(said, int) and 0 <= said * unit_micro <= MICRO
    return said * unit_micro if sound else None


def _traded(take: Callable[[Money, Row, Any], None]) -> Callable[[Fold, Row, Any], None]:
    """A handler of `money.py`."""
    return lambda fold, stamp, entry: take(fold.money, stamp, entry)


def _decided(take: Callable[[Money, Row, Any, Row], None]) -> Callable[[Fold, Row, Any], None]:
    """A handler of `money.py` that is told who decided."""
    return lambda fold, stamp, entry: take(fold.money, stamp, entry, fold.by(stamp, entry.by))


def _written(table: str) -> Callable[[Fold, Row, Any], None]:
    """An entry that is a row as it is."""
    return lambda fold, stamp, entry: fold._plain(table, stamp, entry)


_TAKE: Final[dict[type, Callable[[Fold, Row, Any], None]]] = {
    e.Term: Fold._on_term,
    e.Configuration: Fold._on_configuration,
    e.Release: Fold._on_release,
    e.Parameters: Fold._on_parameters,
    e.Grant: Fold._on_grant,
    e.Active: _written("activations"),
    e.Step: Fold._on_step,
    e.Boundary: Fold._on_boundary,
    e.Retuned: Fold._on_retuned,
    e.Placing: _decided(Money.placing),
    e.Cancelling: _traded(Money.cancelling),
    e.Answered: _traded(Money.answered),
    e.OrderReported: _traded(Money.reported),
    e.Fill: _decided(Money.fill),
    e.FillStatus: _traded(Money.fill_status),
    e.OutcomeOf: Fold._on_outcome,
    e.Shadow: Fold._on_shadow,
    e.Refused: _written("refusals"),
    e.Opened: _traded(Money.opened),
    e.Strike: _traded(Money.strike),
    e.Settled: _traded(Money.settled),
    e.Resolved: _traded(Money.resolved),
    e.Claiming: _traded(Money.claiming),
    e.ClaimMoved: _traded(Money.claim_moved),
    e.Balance: Fold._on_balance,
    e.Transfer: Fold._on_transfer,
    e.Control: Fold._on_control,
    e.Flatten: Fold._on_flatten,
    e.Flattened: Fold._on_flattened,
    e.Standing: Fold._on_standing,
    e.Worker: _written("workers"),
    e.Gap: Fold._on_gap,
    e.TapePruned: _written("prunings"),
    e.Alarm: _written("alarms"),
    e.Repair: _written("repairs"),
    e.Reconciled: Fold._on_reconciled,
    e.Snapshot: Fold._on_snapshot,
}
