"""The fold of what is traded: orders, fills, windows, claims and cash, and the trades that they add up to.

Each takes one journal entry and leaves its rows. The trades of a window are computed anew from its fills whenever one
of them changes, so they never depend on how the journal was read in pieces. Cash is what the journal adds up to by the
rules of the venue: what is bought and sold, what winners pay - once they are redeemed, where they have to be.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import msgspec

from deploy.analysis.index.rows import Row, Rows, text_of
from deploy.analysis.index.trades import Leg, Merge, Trade, trades
from shared import entries as e
from shared.slots import parse_slot
from shared.units import cost_of

FINAL: Final = ("CONFIRMED", "FAILED")
"""How a fill's settlement ends; what is said of it afterwards is no news."""
NEXT: Final[dict[tuple[str, str], str]] = {  # a pair missing here changes nothing
    ("pending", "open"): "open",
    ("pending", "matched"): "matched",
    ("pending", "closed"): "closed",
    ("pending", "unknown"): "unknown",
    ("open", "matched"): "matched",
    ("open", "closed"): "closed",
    ("matched", "closed"): "closed",
    ("unknown", "open"): "open",
    ("unknown", "matched"): "matched",
    ("unknown", "closed"): "closed",
}
"""What a word of the venue makes of an order: its state, and what was said."""
_OPEN_CLAIM: Final = "SELECT n FROM claims WHERE claim = ? AND over_ns IS NULL ORDER BY n DESC LIMIT 1"


class Money:
    """Folds into the rows of an index. `dirty`: windows whose trades have to be computed anew."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.dirty: set[tuple[str, int]] = set()

    # --- orders ---

    def placing(self, stamp: Row, entry: e.Placing, by: Row) -> None:
        """An order is about to leave."""
        row = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "by"}
        known = {"state": "pending", "end_reason": "", "filled_micro": 0, "announced": "[]"}
        self.rows.add("orders", {**stamp, **row, **by, **known, "post_only": int(entry.post_only)})

    def cancelling(self, stamp: Row, entry: e.Cancelling) -> None:
        """A cancel is about to leave."""
        self.rows.change("orders", (entry.order_id,), cancel_cause=entry.cause, cancel_n=stamp["n"])

    def answered(self, stamp: Row, entry: e.Answered) -> None:
        """The venue answered a request, or did not."""
        order = self.rows.get("orders", (entry.order_id,))
        if order is None:
            return
        if entry.request == "place" and order["answered_us"] is None:
            self.rows.change("orders", (entry.order_id,), answered_us=entry.took_us)
        said = "open" if entry.state == "matched" and order["kind"] == "GTC" else entry.state
        self._said(order, said, entry.raw, entry.trades)

    def reported(self, stamp: Row, entry: e.OrderReported) -> None:
        """The user channel told of an order; one that is closed may still owe us fills."""
        order = self.rows.get("orders", (entry.order_id,))
        if order is not None and (entry.state != "closed" or self._told(entry.order_id) >= entry.matched_micro):
            self._said(order, entry.state, entry.reason, ())

    def _told(self, order_id: str) -> int:
        return int(self.rows.one("SELECT COALESCE(SUM(size_micro), 0) FROM fills WHERE order_id = ?", order_id))

    def _said(self, order: Row, said: str, why: str, announced: tuple[str, ...]) -> None:
        """Something was said of an order: move it, and close it if nothing is to come."""
        order["state"] = NEXT.get((order["state"], said), order["state"])
        if said in {"closed", "unknown"}:
            order["end_reason"] = why
        seen = {row["trade_id"] for row in self._fills_of(order["order_id"])}
        awaited = {*_names(order["announced"]), *announced} - seen if order["state"] != "closed" else set()
        self._settle(order, awaited)

    def _settle(self, order: Row, awaited: set[str]) -> None:
        complete = order["filled_micro"] >= order["size_micro"] and order["kind"] == "GTC"
        done = order["state"] == "matched" or (order["state"] in {"open", "unknown"} and complete)
        order["state"] = "closed" if done and not awaited else order["state"]
        names = ("state", "end_reason", "filled_micro")
        columns = {name: order[name] for name in names}
        self.rows.change("orders", (order["order_id"],), **columns, announced=text_of(sorted(awaited)))

    def _fills_of(self, order_id: str) -> list[Row]:
        return self.rows.all("SELECT trade_id, size_micro, status FROM fills WHERE order_id = ?", order_id)

    # --- fills ---

    def fill(self, stamp: Row, entry: e.Fill, by: Row) -> None:
        """A part of an order traded; a repetition is no news."""
        if self.rows.get("fills", (entry.trade_id, entry.order_id)) is not None:
            return
        row = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "by"}
        cost = cost_of(entry.size_micro, entry.price_micro)
        more: Row = {"cost_micro": cost, "maker": int(entry.maker), **_ended(stamp, entry.status in FINAL, "settled")}
        regime = self.rows.one("SELECT regime FROM orders WHERE order_id = ?", entry.order_id)
        by = {**by, "regime": regime} if regime is not None else by
        self.rows.add("fills", {**stamp, **row, **more, **by})
        self._filled(entry.order_id, entry.trade_id)
        self.dirty.add((entry.slot, entry.start_s))

    def fill_status(self, stamp: Row, entry: e.FillStatus) -> None:
        """The settlement of a fill went on."""
        key = (entry.trade_id, entry.order_id)
        known = self.rows.get("fills", key)
        if known is None or known["status"] in FINAL:
            return
        self.rows.change("fills", key, status=entry.status, **_ended(stamp, entry.status in FINAL, "settled"))
        if entry.status == "FAILED":
            self._filled(entry.order_id, "")
            self.dirty.add((known["slot"], known["start_s"]))

    def _filled(self, order_id: str, trade_id: str) -> None:
        """Count an order's fills anew."""
        order = self.rows.get("orders", (order_id,))
        if order is None:
            return
        fills = self._fills_of(order_id)
        order["filled_micro"] = sum(row["size_micro"] for row in fills if row["status"] != "FAILED")
        self._settle(order, set(_names(order["announced"])) - {trade_id})

    # --- windows ---

    def opened(self, stamp: Row, entry: e.Opened) -> None:
        """A window's market is known."""
        terms, (up, down) = entry.terms, entry.tokens
        columns = ("condition_id", "rule", "tick_micro", "min_size_micro", "fee_rate_micro", "fee_exponent")
        row: Row = {name: getattr(terms, name) for name in columns}
        end_s = entry.start_s + parse_slot(entry.slot).window_s
        row |= {"slot": entry.slot, "start_s": entry.start_s, "end_s": end_s, "token_up": up, "token_down": down}
        self.rows.add("windows", {**stamp, **row, "winner": "", "computed": "", "payout_micro": 0, "owed": 0})

    def strike(self, stamp: Row, entry: e.Strike) -> None:
        """Its first reference price."""
        self.rows.change("windows", (entry.slot, entry.start_s), strike=entry.exact)

    def settled(self, stamp: Row, entry: e.Settled) -> None:
        """What the reference prices say of its end."""
        columns = {"strike": entry.strike, "close": entry.close, "computed": entry.winner}
        self.rows.change("windows", (entry.slot, entry.start_s), **{k: v for k, v in columns.items() if v})

    def resolved(self, stamp: Row, entry: e.Resolved) -> None:
        """The venue named the winner: no order of it can fill any more."""
        window = (entry.slot, entry.start_s)
        known = {"winner": entry.winner, "payout_micro": entry.payout_micro, "owed": int(entry.owed)}
        moment = {"resolved_n": stamp["n"], "resolved_ns": stamp["at_ns"]}
        if self.rows.get("windows", window) is None:
            blank = {"slot": entry.slot, "start_s": entry.start_s, "computed": ""}
            self.rows.add("windows", {**stamp, **blank, **known})
        self.rows.change("windows", window, **known, **moment)
        self.rows.connection.execute(
            "UPDATE orders SET state = 'closed', end_reason = CASE end_reason WHEN '' THEN 'window resolved'"
            " ELSE end_reason END WHERE slot = ? AND start_s = ? AND state <> 'closed'",
            window,
        )
        self.dirty.add(window)

    # --- claims and cash ---

    def claiming(self, stamp: Row, entry: e.Claiming) -> None:
        """A transaction is about to leave, perhaps again."""
        n = self.rows.one(_OPEN_CLAIM, entry.claim)
        moved = {"state": "leaving", "nonce": entry.nonce, "via": entry.via}
        if n is not None:
            attempts = self.rows.one("SELECT attempts FROM claims WHERE n = ?", n)
            amount = {"amount_micro": entry.amount_micro} if entry.kind == "redeem" else {}
            self.rows.change("claims", (n,), **moved, **amount, attempts=attempts + 1)
        else:
            names = ("claim", "kind", "slot", "start_s", "amount_micro")
            row = {name: getattr(entry, name) for name in names}
            self.rows.add("claims", {**stamp, **row, **moved, "transaction_id": entry.transaction, "attempts": 1})
        self._touched(entry.kind, entry.slot, entry.start_s)

    def claim_moved(self, stamp: Row, entry: e.ClaimMoved) -> None:
        """Something became of it."""
        n = self.rows.one(_OPEN_CLAIM, entry.claim)
        if n is None:
            n = self._paid_by_others(stamp, entry)
        row = self.rows.all("SELECT * FROM claims WHERE n = ?", n)[0]
        merge = row["kind"] == "merge"
        dropped = merge and (entry.event == "failed" or (entry.event == "refused" and row["attempts"] == 1))
        over = entry.event == "paid" or dropped
        state = "failed" if dropped else entry.event
        columns = {"state": state, "detail": entry.detail, **_ended(stamp, over, "over")}
        name = {"transaction_id": entry.transaction} if entry.transaction else {}
        if over and not merge:
            columns["amount_micro"] = self._unpaid(row["slot"], row["start_s"])
        self.rows.change("claims", (n,), **columns, **name)
        self._touched(row["kind"], row["slot"], row["start_s"])

    def _paid_by_others(self, stamp: Row, entry: e.ClaimMoved) -> int:
        """A claim of which we sent nothing, or that had ended: the row for what is said of it."""
        slot, start_s, kind = entry.claim.split(" ")[:3]
        row = {"claim": entry.claim, "kind": kind, "slot": slot, "start_s": int(start_s), "amount_micro": 0}
        self.rows.add("claims", {**stamp, **row, "nonce": -1, "via": "", "transaction_id": "", "attempts": 0})
        return int(stamp["n"])

    def _unpaid(self, slot: str, start_s: int) -> int:
        """What the winners of a window pay that no claim has brought in: a late fill may have added to it."""
        self.settle()
        due = "SELECT COALESCE(SUM(payout_micro), 0) FROM trades WHERE slot = ? AND start_s = ?"
        got = (
            "SELECT COALESCE(SUM(amount_micro), 0) FROM claims"
            " WHERE slot = ? AND start_s = ? AND kind = 'redeem' AND state = 'paid'"
        )
        return int(self.rows.one(due, slot, start_s)) - int(self.rows.one(got, slot, start_s))

    def _touched(self, kind: str, slot: str, start_s: int) -> None:
        if kind == "merge":
            self.dirty.add((slot, start_s))

    def balance(self, stamp: Row, entry: e.Balance, known_micro: int | None) -> None:
        """The venue told our collateral. `known_micro`: what our books had by then, None before the first."""
        moved = entry.cash_micro - known_micro if entry.opening and known_micro is not None else 0
        row = {"cash_micro": entry.cash_micro, "opening": int(entry.opening), "transfer_micro": moved}
        self.rows.add("balances", {**stamp, **row})

    # --- trades ---

    def settle(self) -> None:
        """Compute the trades of every window that changed."""
        for slot, start_s in sorted(self.dirty):
            self.rows.connection.execute("DELETE FROM trades WHERE slot = ? AND start_s = ?", (slot, start_s))
            winner = self.rows.one("SELECT winner FROM windows WHERE slot = ? AND start_s = ?", slot, start_s) or ""
            for trade in trades(self._legs(slot, start_s), self._merges(slot, start_s), winner):
                self.rows.add("trades", self._trade_row(trade, slot, start_s, bool(winner)))
        self.dirty.clear()

    def _legs(self, slot: str, start_s: int) -> list[Leg]:
        names = ", ".join(Leg.__dataclass_fields__)
        query = f"SELECT {names} FROM fills WHERE slot = ? AND start_s = ? AND status <> 'FAILED' ORDER BY n"
        return [Leg(**row) for row in self.rows.all(query, slot, start_s)]

    def _merges(self, slot: str, start_s: int) -> list[Merge]:
        query = (
            "SELECT n, amount_micro, state FROM claims"
            " WHERE slot = ? AND start_s = ? AND kind = 'merge' AND state <> 'failed' ORDER BY n"
        )
        found = self.rows.all(query, slot, start_s)
        return [Merge(row["n"], row["amount_micro"], row["state"] == "paid") for row in found]

    def _trade_row(self, trade: Trade, slot: str, start_s: int, resolved: bool) -> Row:
        parameters = self.rows.one("SELECT parameters FROM regimes WHERE regime = ?", trade.regime)
        over = resolved and not trade.merging_micro
        flags = {"resolved": int(resolved), "crossing": int(bool(trade.exit_release))}
        won = int(trade.net_micro > 0) if over else None
        told = {"slot": slot, "start_s": start_s, "parameters": parameters, "net_micro": trade.net_micro}
        return {**asdict(trade), **told, **flags, "won": won}


def _ended(stamp: Row, over: bool, name: str) -> Row:
    """The columns that say by which record, and when, something came to its end; empty while it has not."""
    return {f"{name}_n": stamp["n"], f"{name}_ns": stamp["at_ns"]} if over else {f"{name}_n": None, f"{name}_ns": None}


def _names(announced: str) -> list[Any]:
    return list(msgspec.json.decode(announced))
