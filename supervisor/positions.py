"""What a fill does to a position: provisional when matched, firm when confirmed, taken back once when it failed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.entries import Fill
from shared.messages import Outcome
from shared.units import cost_of


@dataclass(frozen=True, slots=True)
class Position:
    """What is held of one token of one window, millionths. `cost_micro` includes fees; `release` opened it."""

    slot: str
    start_s: int
    outcome: Outcome
    release: str
    size_micro: int = 0
    cost_micro: int = 0
    provisional_micro: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """A position after a fill, what the fill did to the cash, and the profit it realised."""

    position: Position
    cash_micro: int
    realized_micro: int


def apply_fill(position: Position, fill: Fill) -> Moved:
    """Count a fill at its match: a BUY adds size at its cost, a SELL takes out size at the average cost."""
    if fill.side == "BUY":
        return _buy(position, fill, 1)
    received = cost_of(fill.size_micro, fill.price_micro) - fill.fee_micro
    released = position.cost_micro * fill.size_micro // position.size_micro if position.size_micro else 0
    sold = _changed(position, -fill.size_micro, -released, fill.size_micro)
    return Moved(sold, received, received - released)


def take_back(position: Position, fill: Fill) -> Moved:
    """Undo a fill whose settlement failed: its exact opposite in cash and size.

    A SELL comes back at what it had brought in, so the profit it realised stays booked and the cost carries it.
    """
    if fill.side == "BUY":
        return _buy(position, fill, -1)
    received = cost_of(fill.size_micro, fill.price_micro) - fill.fee_micro
    return Moved(_changed(position, fill.size_micro, received, -fill.size_micro), -received, 0)


def confirm(position: Position, fill: Fill) -> Position:
    """The fill is firm."""
    return _changed(position, 0, 0, -fill.size_micro)


def set_aside(position: Position, size_micro: int) -> tuple[Position, int]:
    """Take firm shares out at their average cost, to merge them; return the rest and that cost."""
    cost = position.cost_micro * size_micro // position.size_micro
    return _changed(position, -size_micro, -cost, 0), cost


def put_back(position: Position, size_micro: int, cost_micro: int) -> Position:
    """Undo `set_aside`."""
    return _changed(position, size_micro, cost_micro, 0)


def _buy(position: Position, fill: Fill, sign: int) -> Moved:
    paid = sign * (cost_of(fill.size_micro, fill.price_micro) + fill.fee_micro)
    return Moved(_changed(position, sign * fill.size_micro, paid, sign * fill.size_micro), -paid, 0)


def _changed(position: Position, size_micro: int, cost_micro: int, provisional_micro: int) -> Position:
    return replace(
        position,
        size_micro=position.size_micro + size_micro,
        cost_micro=position.cost_micro + cost_micro,
        provisional_micro=position.provisional_micro + provisional_micro,
    )
