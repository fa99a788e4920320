"""Two decisions that should be one, field by field; and the frames that were read just before.

Pure but for the tape that is handed in. Reasons come in the order in which they were weighed, the verdict first.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from deploy.analysis.replay.footage import Footage
from deploy.ranges import stamp
from shared import messages as m
from shared import wire
from shared.slots import parse_slot
from shared.units import show_micro

BEFORE: Final = 6
"""Frames that are shown of what was read just before."""
NOTHING: Final = "-"
_BYTES_SHOWN: Final = 48


class Field(msgspec.Struct, frozen=True):
    """One field of a decision, where the two differ; "-" where one of them does not have it."""

    name: str
    live: str
    replayed: str


def fields(live: bytes, replayed: bytes) -> list[Field]:
    """Where two encoded decisions differ: verdict and other reasons, then each wish."""
    try:
        one, other = wire.decode_decision(live), wire.decode_decision(replayed)
    except wire.BadFrame:
        return [Field("bytes", live.hex()[:_BYTES_SHOWN], replayed.hex()[:_BYTES_SHOWN])]
    names = list(dict.fromkeys((*one.reasons, *other.reasons)))
    found = [_field(name, one.reasons.get(name, NOTHING), other.reasons.get(name, NOTHING)) for name in names]
    legs = range(max(len(one.intents), len(other.intents)))
    found += [_field(f"wish {leg + 1}", _wish(one, leg), _wish(other, leg)) for leg in legs]
    differing = [each for each in found if each is not None]
    return differing or [Field("order of the reasons", " ".join(one.reasons), " ".join(other.reasons))]


def _field(name: str, live: object, replayed: object) -> Field | None:
    return None if (type(live), live) == (type(replayed), replayed) else Field(name, str(live), str(replayed))


def _wish(decision: m.Decision, leg: int) -> str:
    if leg >= len(decision.intents):
        return NOTHING
    wish = decision.intents[leg]
    if isinstance(wish, m.Cancel):
        return f"cancel {wish.order_id}"
    post_only = " post-only" if wish.post_only else ""
    size, price = show_micro(wish.size_micro), show_micro(wish.price_micro)
    return f"{wish.side} {wish.outcome} {size} at {price} {wish.kind}{post_only}"


def wishes(decision: m.Decision) -> list[str]:
    """What a decision wished for, in words."""
    return [_wish(decision, leg) for leg in range(len(decision.intents))]


def before(footage: Footage, seq: int, slot: str) -> list[str]:
    """The tick and the frames just before it that its slot or asset was told, in words."""
    kept: deque[str] = deque(maxlen=BEFORE + 1)
    for _, frame in footage.frames(seq):
        if frame.seq > seq:
            break
        if _concerns(frame.event, slot) or frame.seq == seq:
            kept.append(f"{frame.seq:>9}  {stamp(frame.at_ns, millis=True)}  {told(frame.event)}")
    return list(kept)


def _concerns(event: m.Event, slot: str) -> bool:
    named = getattr(event, "slot", "")
    if named:
        return bool(named == slot)
    return getattr(event, "asset", "") == parse_slot(slot).asset or isinstance(event, m.ParametersSet)


def told(event: m.Event) -> str:
    """A frame in a few words."""
    words = _WORDS.get(type(event))
    return words(event) if words is not None else type(event).__name__


def _book(event: m.BookSeen) -> str:
    bid = show_micro(event.bids[0].price_micro) if event.bids else NOTHING
    ask = show_micro(event.asks[0].price_micro) if event.asks else NOTHING
    return f"{event.slot} {event.outcome} book {bid}/{ask}{' stale' if event.stale else ''}"


def _tick(event: m.Tick) -> str:
    account = event.account
    held = f"cash {show_micro(account.cash_micro)}, {len(account.positions)} positions, {len(account.orders)} orders"
    return f"{event.slot} tick {event.tick} of {event.owner} under epoch {event.epoch}: {held}"


_WORDS: Final[dict[type, Any]] = {
    m.BookSeen: _book,
    m.Tick: _tick,
    m.PriceSeen: lambda event: f"{event.asset} {event.feed} {int(event.exact) / 1e18:.8g}",
    m.StrikeSet: lambda event: f"{event.slot} strike {int(event.exact) / 1e18:.8g}",
    m.WindowOpened: lambda event: f"{event.slot} window opened",
    m.WindowClosed: lambda event: f"{event.slot} window closed",
    m.WindowResolved: lambda event: f"{event.slot} window resolved {event.winner}",
    m.TradeSeen: lambda event: f"{event.slot} {event.outcome} trade at {show_micro(event.price_micro)}",
    m.ParametersSet: lambda event: f"parameters {event.digest}",
    m.OrderMoved: lambda event: f"{event.slot} order {event.order_id[:10]} {event.state}",
    m.Filled: lambda event: f"{event.slot} fill of {event.order_id[:10]} {event.status}",
}
