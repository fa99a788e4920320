"""How near the odds of decisions were to what came true, beside the market's own odds at the same tick.

A squared distance is counted for every decision that names a fair value and whose window resolves, whether it traded
or not. Probabilities are ten-thousandths (`_bp`), so a squared distance is in units of 1e-8 and sums stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from shared.messages import BookSeen, Decision, Outcome
from shared.units import MICRO

FAIR: Final = "fair_up_bp"
"""The reason of a decision that is its probability of Up."""
_ONE_BP: Final = 10_000
_Window = tuple[str, int]


@dataclass(slots=True)
class _Sums:
    """Of one window, for either end: squared distances if it ends Up, and if it ends Down."""

    count: int = 0
    ours: list[int] = field(default_factory=lambda: [0, 0])
    market: list[int] = field(default_factory=lambda: [0, 0])


@dataclass(slots=True)
class Odds:
    """Decisions of open windows, and the sums over those that resolved."""

    count: int = 0
    ours_e8: int = 0
    market_e8: int = 0
    _open: dict[_Window, _Sums] = field(default_factory=dict)

    def decided(self, window: _Window, decision: Decision, market_bp: int | None) -> None:
        """Count a decision; one without a fair value, or where the market shows no odds, says nothing."""
        fair_bp = decision.reasons.get(FAIR)
        if not isinstance(fair_bp, int) or market_bp is None:
            return
        sums = self._open.setdefault(window, _Sums())
        sums.count += 1
        for of, named_bp in ((sums.ours, fair_bp), (sums.market, market_bp)):
            of[0] += (_ONE_BP - named_bp) ** 2
            of[1] += named_bp**2

    def resolved(self, window: _Window, winner: Outcome) -> None:
        """The window ended: its decisions are judged."""
        sums = self._open.pop(window, None)
        if sums is not None:
            end = 0 if winner == "Up" else 1
            self.count += sums.count
            self.ours_e8 += sums.ours[end]
            self.market_e8 += sums.market[end]

    @property
    def open(self) -> set[_Window]:
        """Windows with decisions that nobody has judged yet."""
        return set(self._open)


def middle_bp(seen: BookSeen | None) -> int | None:
    """The probability of Up in the middle of a token's best prices; None where a side is empty."""
    if seen is None or not seen.bids or not seen.asks:
        return None
    middle_micro = (seen.bids[0].price_micro + seen.asks[0].price_micro) // 2
    up_micro = middle_micro if seen.outcome == "Up" else MICRO - middle_micro
    return up_micro * _ONE_BP // MICRO
