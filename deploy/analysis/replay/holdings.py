"""What fills and resolutions add up to: shares by window, cash, and what each resolved window earned.

Leaves where fills come from to others: the tape's, or the paper account's. What always holds: cash is the opening plus
what every fill and payout moved; a window is resolved once; what is failed is taken back once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.clock import DAY_NS
from shared.messages import Outcome, Side
from shared.units import MICRO

Window = tuple[str, int]
"""A slot's name and the second its window starts at."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of an order that traded. `fee_micro` is what it cost on top."""

    order_id: str
    window: Window
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int
    fee_micro: int

    @property
    def worth_micro(self) -> int:
        """What changed hands for it, without the fee."""
        return self.size_micro * self.price_micro // MICRO


@dataclass(slots=True)
class Position:
    """What is held of one token, at cost with fees."""

    size_micro: int = 0
    cost_micro: int = 0


@dataclass(slots=True)
class Earned:
    """What one window has moved so far: trades, payout and fees, and how often something filled."""

    moved_micro: int = 0
    fees_micro: int = 0
    fills: int = 0


@dataclass(slots=True)
class Holdings:
    """Args: cash_micro: the opening. `ended`: resolved windows in which something filled, in order."""

    cash_micro: int = 0
    positions: dict[tuple[str, int, Outcome], Position] = field(default_factory=dict)
    earned: dict[Window, Earned] = field(default_factory=dict)
    ended: list[Earned] = field(default_factory=list)
    windows: int = 0
    fills: int = 0
    day_realized_micro: int = 0
    """Earned since midnight UTC: what sales and payouts brought beyond the cost of what they took away."""
    _day: int = 0

    def turn_day(self, at_ns: int) -> None:
        """Let time pass, market time."""
        day = at_ns // DAY_NS
        if day > self._day:
            self._day, self.day_realized_micro = day, 0

    def fill(self, fill: Fill) -> None:
        """Book a fill."""
        self._move(fill, 1)

    def take_back(self, fill: Fill) -> None:
        """A fill that was booked has failed at the venue."""
        self._move(fill, -1)

    def resolve(self, window: Window, winner: Outcome) -> Earned | None:
        """A window ended: a share of the winner is worth 1, of the other nothing. What it earned, if it was traded."""
        self.windows += 1
        held = self.positions.pop((*window, winner), Position())
        lost = self.positions.pop((*window, "Down" if winner == "Up" else "Up"), Position())
        self.cash_micro += held.size_micro
        self.day_realized_micro += held.size_micro - held.cost_micro - lost.cost_micro
        earned = self.earned.pop(window, None)
        if earned is None or not earned.fills:
            return None
        earned.moved_micro += held.size_micro
        self.ended.append(earned)
        return earned

    @property
    def held(self) -> set[Window]:
        """Windows that are not resolved and of which something is held."""
        return {(slot, start_s) for (slot, start_s, _), held in self.positions.items() if held.size_micro}

    def _move(self, fill: Fill, sign: int) -> None:
        buys = 1 if fill.side == "BUY" else -1
        paid_micro = buys * fill.worth_micro
        earned = self.earned.setdefault(fill.window, Earned())
        earned.moved_micro -= sign * paid_micro
        earned.fees_micro += sign * fill.fee_micro
        earned.fills += sign
        self.fills += sign
        self.cash_micro -= sign * (paid_micro + fill.fee_micro)
        position = self.positions.setdefault((*fill.window, fill.outcome), Position())
        cost_micro = position.cost_micro
        _shift(position, sign * buys * fill.size_micro, sign * (paid_micro + fill.fee_micro))
        if sign * buys < 0:
            self.day_realized_micro += position.cost_micro - cost_micro - sign * (paid_micro + fill.fee_micro)


def _shift(position: Position, size_micro: int, cost_micro: int) -> None:
    """More shares add what they cost; fewer take their part of the cost with them."""
    if size_micro < 0 < position.size_micro:
        left_micro = max(0, position.size_micro + size_micro)
        position.cost_micro = position.cost_micro * left_micro // position.size_micro
        position.size_micro = left_micro
        return
    position.size_micro += size_micro
    position.cost_micro += cost_micro
