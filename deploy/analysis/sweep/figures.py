"""What came of cells: figures that add up over stretches.

Pure. Money in millionths of collateral. What always holds: sums are of whole numbers, so their order changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from deploy.analysis.replay import Result
from deploy.analysis.replay.job import Sums


class Figures(Sums, frozen=True, kw_only=True):
    """What one release did with one set of parameters, over one stretch or several.

    `holes` is how many frames the tape lacks, `seconds` how much market time it tells of, whole ones; `denied` and
    `rejected` why wishes did not trade, the desk's reasons and the venue's, and how many each time.
    """

    holes: int = 0
    seconds: int = 0
    denied: dict[str, int] = {}
    rejected: dict[str, int] = {}

    @property
    def brier(self) -> float | None:
        """The mean squared error of the release's probabilities; None where none could be judged."""
        return self.brier_e8 / 1e8 / self.brier_count if self.brier_count else None

    @property
    def skill(self) -> float | None:
        """How much of the market's own error it lacks, 1 for all of it; None where the market had none."""
        return 1 - self.brier_e8 / self.brier_market_e8 if self.brier_market_e8 else None


def figures(results: Iterable[Result]) -> Figures:
    """Add up what came of several stretches."""
    found = list(results)
    return Figures(
        **{name: sum(getattr(result, name) for result in found) for name in Sums.__struct_fields__},
        holes=sum(last - first + 1 for result in found for first, last in result.holes),
        seconds=sum(round(result.seconds) for result in found),
        denied=added(result.denied for result in found),
        rejected=added(result.rejected for result in found),
    )


def added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sum of counts by reason, in the order of the reasons."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))
