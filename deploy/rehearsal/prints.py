"""What traded in one market, for everybody: the last prints, the last price of a token, and prices over time.

Leaves whose trades they were to others. What always holds: one print is one trade, told once; a print of one token is
a print of the other at the mirrored price, the other way round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.rehearsal.days import Outcome
from deploy.rehearsal.matching import Side
from deploy.rehearsal.quantities import MICRO

PRINTS_MAX: Final = 1_000
"""Prints of a market that are remembered; older ones are forgotten."""
_TURNED: Final[dict[Side, Side]] = {"BUY": "SELL", "SELL": "BUY"}


@dataclass(frozen=True, slots=True)
class Print:
    """One trade as the taker made it. at_ms: market time, unix milliseconds; price and size in millionths."""

    at_ms: int
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int

    def seen_from(self, outcome: Outcome) -> tuple[int, Side]:
        """Its price and side in one token's terms."""
        if outcome == self.outcome:
            return self.price_micro, self.side
        return MICRO - self.price_micro, _TURNED[self.side]


@dataclass(slots=True)
class Prints:
    """The last prints of a market, oldest first."""

    rows: deque[Print] = field(default_factory=lambda: deque(maxlen=PRINTS_MAX))

    def add(self, row: Print) -> None:
        """Remember a trade."""
        self.rows.append(row)

    def last(self, outcome: Outcome) -> tuple[int, Side] | None:
        """The last price and side in one token's terms, None before the first trade."""
        return self.rows[-1].seen_from(outcome) if self.rows else None

    def history(self, outcome: Outcome, from_s: int, until_s: int, step_s: int) -> list[dict[str, Any]]:
        """One token's price at the end of every step that had a trade, as GET /prices-history lists it."""
        steps: dict[int, int] = {}
        for row in self.rows:
            if from_s <= row.at_ms // 1_000 <= until_s:
                steps[row.at_ms // 1_000 // step_s * step_s] = row.seen_from(outcome)[0]
        return [{"t": second, "p": price / MICRO} for second, price in steps.items()]

    def newest(self, count: int) -> Iterable[Print]:
        """The last so many prints, newest first."""
        return list(reversed(self.rows))[:count]
