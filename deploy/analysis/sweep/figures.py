"""What came of cells: figures that add up over stretches.

Pure. Money in millionths of collateral. What always holds: sums are of whole numbers, so their order changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from deploy.analysis.replay import Result


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one release did with one set of parameters, over one stretch or several; as `Result` has it for one.

    `holes` is how many frames the tape lacks, `seconds` how much market time it tells of, whole ones.
    """

    ticks: int = 0
    orders: int = 0
    refused: int = 0
    fills: int = 0
    windows: int = 0
    traded: int = 0
    wins: int = 0
    unresolved: int = 0
    gross_micro: int = 0
    fees_micro: int = 0
    net_micro: int = 0
    brier_count: int = 0
    brier_e8: int = 0
    brier_market_e8: int = 0
    holes: int = 0
    seconds: int = 0

    @property
    def brier(self) -> float | None:
        """The mean squared error of the release's probabilities; None where none could be judged."""
        return self.brier_e8 / 1e8 / self.brier_count if self.brier_count else None

    @property
    def skill(self) -> float | None:
        """How much of the market's own error it lacks, 1 for all of it; None where the market had none."""
        return 1 - self.brier_e8 / self.brier_market_e8 if self.brier_market_e8 else None


_OWN: Final = {"holes", "seconds"}


def figures(results: Iterable[Result]) -> Figures:
    """Add up what came of several stretches."""
    found = list(results)
    alike = [name for name in Figures.__struct_fields__ if name not in _OWN]
    return Figures(
        **{name: sum(getattr(result, name) for result in found) for name in alike},
        holes=sum(last - first + 1 for result in found for first, last in result.holes),
        seconds=sum(round(result.seconds) for result in found),
    )
