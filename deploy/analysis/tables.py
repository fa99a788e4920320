"""The tables into which a tape is exported: their columns, and the rows that a frame gives.

Values in, rows out. `seq` is the frame's number and `seen_at` its market time in every table, so that any two can be
joined and put in order; ids are text, money is exact, times are UTC. The schema is documented in the README, and a test
holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from deploy.analysis.parquet import Kind
from deploy.analysis.tapes import Gap
from shared import messages as m
from shared.clock import NS

Row = tuple[object, ...]
_FRAME: Final[dict[str, Kind]] = {"seq": "integer", "seen_at": "moment"}
_WINDOW: Final[dict[str, Kind]] = {"slot": "text", "start_at": "moment"}

SCHEMAS: Final[dict[str, dict[str, Kind]]] = {
    "events": {**_FRAME, "kind": "text", "slot": "text", "bytes": "integer"},
    "prices": {**_FRAME, "asset": "text", "feed": "text", "source_at": "moment", "price": "exact"},
    "books": {
        **_FRAME,
        **_WINDOW,
        "outcome": "text",
        "bid": "money",
        "bid_size": "money",
        "ask": "money",
        "ask_size": "money",
        "stale": "flag",
        "bids": "levels",
        "asks": "levels",
    },
    "trades": {**_FRAME, **_WINDOW, "outcome": "text", "side": "text", "price": "money", "size": "money"},
    "ticks": {
        **_FRAME,
        **_WINDOW,
        "tick": "integer",
        "owner": "text",
        "epoch": "integer",
        "parameters": "text",
        "entries": "text",
        "ledger_version": "integer",
        "cash": "money",
        "exposure": "money",
    },
    "windows": {
        **_FRAME,
        **_WINDOW,
        "event": "text",
        "condition_id": "text",
        "rule": "text",
        "tick_size": "money",
        "min_size": "money",
        "fee_rate": "money",
        "fee_exponent": "integer",
        "taker_delay_ms": "integer",
        "strike": "exact",
        "winner": "text",
    },
    "gaps": {
        "seq": "integer",
        "feed": "text",
        "from_at": "moment",
        "to_at": "moment",
        "length_s": "number",
        "whose": "text",
        "cause": "text",
    },
}
"""Every table with its columns, in order; `gaps` has a row for a gap, the others one for an event."""


def event_row(payload: bytes, frame: m.Streamed) -> Row:
    """The row that every frame has."""
    kind = str(frame.event.__struct_config__.tag)
    return frame.seq, frame.at_ns, kind, getattr(frame.event, "slot", None), len(payload)


def rows(frame: m.Streamed) -> Iterable[tuple[str, Row]]:
    """The rows that a frame gives beside that, each with its table."""
    made = _ROWS.get(type(frame.event))
    if made is not None:
        table, row = made
        yield table, (frame.seq, frame.at_ns, *row(frame.event))


def gap_row(gap: Gap) -> Row:
    """A gap; one that is open has no end."""
    length_s = (gap.to_ns - gap.from_ns) / NS if gap.to_ns else None
    return gap.seq, gap.feed, gap.from_ns, gap.to_ns or None, length_s, gap.whose, gap.cause


def exact(text: str) -> str:
    """A reference price in units of 1e-18 as a decimal of the whole unit."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    digits = digits.rjust(19, "0")
    return f"{sign}{digits[:-18]}.{digits[-18:]}"


def _window(event: Any) -> Row:
    return event.slot, event.start_s * NS


def _price(event: m.PriceSeen) -> Row:
    return event.asset, event.feed, event.source_ms * 1_000_000, exact(event.exact)


def _book(event: m.BookSeen) -> Row:
    best = [(side[0].price_micro, side[0].size_micro) if side else (None, None) for side in (event.bids, event.asks)]
    levels = [[(level.price_micro, level.size_micro) for level in side] for side in (event.bids, event.asks)]
    return *_window(event), event.outcome, *best[0], *best[1], event.stale, *levels


def _trade(event: m.TradeSeen) -> Row:
    return *_window(event), event.outcome, event.side, event.price_micro, event.size_micro


def _tick(event: m.Tick) -> Row:
    account = event.account
    named = event.tick, event.owner, event.epoch, event.parameters, event.entries
    return *_window(event), *named, account.ledger_version, account.cash_micro, account.exposure_micro


def _opened(event: m.WindowOpened) -> Row:
    terms = event.terms
    sizes = terms.tick_micro, terms.min_size_micro, terms.fee_rate_micro, terms.fee_exponent, terms.taker_delay_ms
    return *_window(event), "opened", terms.condition_id, terms.rule, *sizes, None, None


def _told(
    what: str, *, tick_micro: int | None = None, strike: str | None = None, winner: str | None = None
) -> tuple[object, ...]:
    return what, None, None, tick_micro, None, None, None, None, strike, winner


_ROWS: Final[dict[type, tuple[str, Callable[[Any], Row]]]] = {
    m.PriceSeen: ("prices", _price),
    m.BookSeen: ("books", _book),
    m.TradeSeen: ("trades", _trade),
    m.Tick: ("ticks", _tick),
    m.WindowOpened: ("windows", _opened),
    m.WindowClosed: ("windows", lambda event: (*_window(event), *_told("closed"))),
    m.WindowResolved: ("windows", lambda event: (*_window(event), *_told("resolved", winner=event.winner))),
    m.StrikeSet: ("windows", lambda event: (*_window(event), *_told("strike", strike=exact(event.exact)))),
    m.TickSizeSet: ("windows", lambda event: (*_window(event), *_told("tick_size", tick_micro=event.tick_micro))),
}
"""By kind of event: its table, and what is in its row after `seq` and `seen_at`."""
