"""One token's order book from snapshots and changes: what is best, and whether it may be believed."""

from __future__ import annotations

from collections.abc import Iterable

from shared.messages import Level, Side

DEPTH = 5
"""Levels of each side that a worker is shown."""


class Book:
    """Bids and asks of one token, in millionths.

    It is stale until the first snapshot, and again as soon as it contradicts itself: a crossed book means that
    something was missed, and only another snapshot can tell what.
    """

    def __init__(self) -> None:
        self._sides: dict[Side, dict[int, int]] = {"BUY": {}, "SELL": {}}
        self.stale = "no snapshot yet"

    def replace(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Take a snapshot."""
        self._sides = {
            "BUY": {level.price_micro: level.size_micro for level in bids if level.size_micro},
            "SELL": {level.price_micro: level.size_micro for level in asks if level.size_micro},
        }
        self.stale = self._crossing()

    def change(self, changes: Iterable[tuple[Side, Level]]) -> None:
        """Set levels to their new sizes; the book has to make sense only after all of them."""
        for side, level in changes:
            if level.size_micro:
                self._sides[side][level.price_micro] = level.size_micro
            else:
                self._sides[side].pop(level.price_micro, None)
        self.stale = self.stale or self._crossing()

    def distrust(self, why: str) -> None:
        """Believe nothing until the next snapshot."""
        self.stale = why

    def best(self, side: Side) -> int:
        """The best price of a side, 0 when nothing rests there."""
        levels = self._sides[side]
        if not levels:
            return 0
        return max(levels) if side == "BUY" else min(levels)

    def top(self, side: Side) -> tuple[Level, ...]:
        """The best DEPTH levels, best first."""
        prices = sorted(self._sides[side], reverse=side == "BUY")[:DEPTH]
        return tuple(Level(price, self._sides[side][price]) for price in prices)

    def _crossing(self) -> str:
        bid, ask = self.best("BUY"), self.best("SELL")
        return f"crossed: bid {bid} at or above ask {ask}" if bid and ask and bid >= ask else ""
