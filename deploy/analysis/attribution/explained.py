"""One decision and all that hangs on it, read from the index: who decided, on what, why, and what became of it.

It is found by an order, a trade or its tick. Leaves the tape's frames, other releases and words to others.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from deploy.analysis.attribution.history import Release

PREFIX_MIN: Final = 6
"""Letters of an order or a trade that are enough, if no other begins so."""
_ORDER: Final = "SELECT order_id, slot, tick, op, at_ns FROM orders WHERE {} LIMIT 2"


class NotFound(Exception):
    """Nothing of that name, or more than one thing; the text says which."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of an order that traded."""

    trade_id: str
    price_micro: int
    size_micro: int
    fee_micro: int
    maker: bool
    status: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the decision, and what became of it."""

    order_id: str
    side: str
    outcome: str
    price_micro: int
    size_micro: int
    kind: str
    state: str
    end_reason: str
    answered_us: int | None
    filled_micro: int
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Took:
    """How the release came to own the slot: the operation, when, what it changed, who wished it."""

    op: str
    at_ns: int
    actor: str
    reason: str
    was: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """What another worker decided at the same tick, in the shadow."""

    release: str
    verdict: str
    wishes: list[Any]
    fair_up_micro: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """The window that was decided about. `net_micro`: what the regime's trades in it earned; None while it is open."""

    start_s: int
    end_s: int
    strike: str
    close: str
    winner: str
    net_micro: int | None


@dataclass(frozen=True, slots=True)
class Explained:
    """Everything known of one tick of one slot."""

    slot: str
    tick: int
    outcome: str
    reason: str
    release: Release
    epoch: int
    uid: str
    parameters: str
    values: dict[str, Any]
    control: str
    read_seq: int
    took_us: int
    verdict: str
    reasons: dict[str, Any]
    wishes: list[Any]
    denied: tuple[str, ...]
    fair_up_micro: int | None
    market_up_micro: int | None
    took: Took | None
    window: Window | None
    orders: tuple[Order, ...]
    others: tuple[Other, ...]


def find(connection: sqlite3.Connection, wanted: str) -> tuple[str, int]:
    """The slot and tick that an order, a trade or SLOT@TICK names. Raises: NotFound."""
    slot, at, number = wanted.partition("@")
    if at:
        if not number.isdecimal():
            raise NotFound(f"{number!r} is no tick: a tick is a market time in unix milliseconds, BTC/5m@1780012830000")
        return slot, int(number)
    if len(wanted) < PREFIX_MIN:
        raise NotFound(f"{wanted!r} names no order and no trade; {PREFIX_MIN} letters of one are the least")
    rows = _order_named(connection, wanted)
    if len(rows) != 1:
        raise NotFound(f"{'nothing' if not rows else 'more than one thing'} is called {wanted}")
    if rows[0]["op"]:
        raise NotFound(f"{wanted} was placed for a person under {rows[0]['op']}: no release decided it")
    return rows[0]["slot"], rows[0]["tick"]


def _order_named(connection: sqlite3.Connection, wanted: str) -> list[sqlite3.Row]:
    """Orders of that very id, of a trade of that very name, or that begin so: the first kind of which there are any."""
    of_trade = "order_id IN (SELECT order_id FROM fills WHERE trade_id {})"
    for which, text in (
        ("order_id = ?", wanted),
        (of_trade.format("= ?"), wanted),
        ("order_id LIKE ? ESCAPE '!'", _like(wanted)),
        (of_trade.format("LIKE ? ESCAPE '!'"), _like(wanted)),
    ):
        rows = connection.execute(_ORDER.format(which), (text,)).fetchall()
        if rows:
            return rows
    return []


def _like(text: str) -> str:
    for letter in "!%_":
        text = text.replace(letter, f"!{letter}")
    return f"{text}%"


def explained(connection: sqlite3.Connection, slot: str, tick: int) -> Explained:
    """Everything of one tick. The middles have to be attached as `mids`. Raises: NotFound."""
    query = """
        SELECT d.*, r.control, COALESCE(d.mid_up_micro, m.up_micro) AS market FROM decisions d
        LEFT JOIN regimes r USING (regime) LEFT JOIN mids.mids m ON m.seq = d.read_seq
        WHERE d.slot = ? AND d.tick = ?"""
    row = connection.execute(query, (slot, tick)).fetchone()
    if row is None:
        raise NotFound(f"{slot} has no outcome for tick {tick}{_near(connection, slot, tick)}")
    denied = "SELECT leg || ' ' || reason || ' ' || detail FROM denials WHERE n = ? ORDER BY leg"
    return Explained(
        slot=slot,
        tick=tick,
        outcome=row["outcome"],
        reason=row["reason"],
        release=_release(connection, row["release"]),
        epoch=row["epoch"],
        uid=row["uid"],
        parameters=row["parameters"],
        values=_values(connection, row["parameters"]),
        control=row["control"] or "",
        read_seq=row["read_seq"],
        took_us=row["took_us"],
        verdict=row["verdict"],
        reasons=_json(row["reasons"], {}),
        wishes=_json(row["wishes"], []),
        denied=tuple(text.strip() for (text,) in connection.execute(denied, (row["n"],))),
        fair_up_micro=row["fair_up_micro"],
        market_up_micro=row["market"],
        took=_took(connection, row),
        window=_window(connection, row),
        orders=_orders(connection, slot, tick),
        others=_others(connection, slot, tick, row["release"]),
    )


def _near(connection: sqlite3.Connection, slot: str, tick: int) -> str:
    """Which ticks it has, to help whoever guessed."""
    near = "SELECT tick FROM decisions WHERE slot = ? ORDER BY ABS(tick - ?) LIMIT 1"
    row = connection.execute(near, (slot, tick)).fetchone()
    if row is not None:
        return f"; the nearest is {slot}@{row['tick']}"
    known = [name for (name,) in connection.execute("SELECT DISTINCT slot FROM decisions ORDER BY 1")]
    return f"; slots that have are {', '.join(known) or 'none'}"


def _release(connection: sqlite3.Connection, digest: str) -> Release:
    row = connection.execute("SELECT seq FROM releases WHERE release = ?", (digest,)).fetchone()
    return Release(digest, row["seq"] if row else 0)


def _values(connection: sqlite3.Connection, digest: str) -> dict[str, Any]:
    row = connection.execute("SELECT vals FROM parameters WHERE parameters = ?", (digest,)).fetchone()
    return _json(row["vals"], {}) if row else {}


def _took(connection: sqlite3.Connection, row: sqlite3.Row) -> Took | None:
    """The last boundary by which the release got the slot; None for its first owner."""
    query = """
        SELECT * FROM boundaries WHERE slot = ? AND now_release = ? AND kind = 'CODE' AND was_release <> '' AND n < ?
        ORDER BY n DESC LIMIT 1"""
    found = connection.execute(query, (row["slot"], row["release"], row["n"])).fetchone()
    if found is None:
        return None
    was = _release(connection, found["was_release"]).name
    changed = tuple(_json(found["changed"], []))
    return Took(found["op"], found["at_ns"], found["actor"], found["reason"], was, changed)


def _window(connection: sqlite3.Connection, row: sqlite3.Row) -> Window | None:
    key = row["slot"], row["start_s"]
    found = connection.execute("SELECT * FROM windows WHERE slot = ? AND start_s = ?", key).fetchone()
    if found is None:
        return None
    nets = "SELECT SUM(net_micro) FROM trades WHERE slot = ? AND start_s = ? AND regime = ? AND resolved"
    (net,) = connection.execute(nets, (*key, row["regime"])).fetchone()
    ends = found["strike"] or "", found["close"] or ""
    return Window(found["start_s"], found["end_s"], *ends, found["winner"], net)


def _orders(connection: sqlite3.Connection, slot: str, tick: int) -> tuple[Order, ...]:
    found = connection.execute(
        "SELECT * FROM orders WHERE slot = ? AND tick = ? AND op = '' ORDER BY leg", (slot, tick)
    )
    return tuple(_order(connection, row) for row in found.fetchall())


def _order(connection: sqlite3.Connection, row: sqlite3.Row) -> Order:
    names = ("order_id", "side", "outcome", "price_micro", "size_micro", "kind", "state", "end_reason", "answered_us")
    fills = connection.execute("SELECT * FROM fills WHERE order_id = ? ORDER BY n", (row["order_id"],))
    parts = ("trade_id", "price_micro", "size_micro", "fee_micro", "maker", "status")
    told = tuple(Fill(**{part: fill[part] for part in parts}) for fill in fills)
    return Order(**{name: row[name] for name in names}, filled_micro=row["filled_micro"], fills=told)


def _others(connection: sqlite3.Connection, slot: str, tick: int, owner: str) -> tuple[Other, ...]:
    """Each other release once, whatever number of workers it had."""
    query = """
        SELECT release, verdict, wishes, fair_up_micro, MIN(n) FROM shadow_decisions
        WHERE slot = ? AND tick = ? AND release <> ? GROUP BY release ORDER BY 5"""
    return tuple(
        Other(_release(connection, row["release"]).name, row["verdict"], _json(row["wishes"], []), row["fair_up_micro"])
        for row in connection.execute(query, (slot, tick, owner)).fetchall()
    )


def _json(text: str | None, default: Any) -> Any:
    return msgspec.json.decode(text) if text else default
