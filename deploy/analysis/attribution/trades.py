"""What trades came to: won and lost, paid and needed, and the deepest fall on the way.

A trade is what one release bought of one token in one window, and what became of it, whoever sold it. Its result is
the entry release's. Money in millionths; a share pays a million when its token wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

MICRO: Final = 1_000_000
QUARTER_S: Final = 900
HOUR_S: Final = 3_600
DAY_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade that is over. `net_micro` = back - cost - fees; `size_micro`: shares bought.

    cost_micro: paid for them, without fees. back_micro: what sales, merges and the resolution brought.
    """

    slot: str
    start_s: int
    closed_ns: int
    outcome: str
    size_micro: int
    cost_micro: int
    fee_micro: int
    back_micro: int

    @property
    def net_micro(self) -> int:
        """What it earned after fees."""
        return self.back_micro - self.cost_micro - self.fee_micro

    @property
    def won(self) -> bool:
        """Whether it earned anything."""
        return self.net_micro > 0

    @property
    def price(self) -> float:
        """Paid for a share, without fees."""
        return self.cost_micro / self.size_micro

    @property
    def breakeven(self) -> float:
        """How often a share has to win to pay for itself and its fees."""
        return (self.cost_micro + self.fee_micro) / self.size_micro

    @property
    def edge(self) -> float:
        """Earned on a share; the mean of it is win rate less break-even where all is held to the end."""
        return self.net_micro / self.size_micro

    @property
    def hour(self) -> int:
        """The hour of the day, UTC, in which its window lies: no window reaches into another."""
        return self.start_s // HOUR_S % DAY_HOURS

    @property
    def quarter(self) -> int:
        """The quarter hour it lies in: its windows overlap and assets fall together, so it is one observation."""
        return self.start_s // QUARTER_S


def hour_name(hour: int) -> str:
    """An hour of the day, UTC, such as 14:00."""
    return f"{hour:02}:00"


def drawdown_micro(results_micro: Iterable[int]) -> int:
    """The deepest fall from a height that was reached before, the beginning among them; never negative."""
    height = standing = deepest = 0
    for result in results_micro:
        standing += result
        height = max(height, standing)
        deepest = max(deepest, height - standing)
    return deepest


def percentile(ascending: Sequence[int], share: float) -> int | None:
    """The smallest value that so many of them do not exceed; None of nothing."""
    if not ascending:
        return None
    return ascending[max(0, ceil(share * len(ascending)) - 1)]
