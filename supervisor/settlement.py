"""Strike and close by the market's own rule, and who won: Up when the close is at or above the strike.

A boundary price is the reference price *of* the boundary second, exact to 1e-18. Feeds skip seconds now and then; a
window whose boundary second was never seen has no outcome here, and only the venue's word decides it.
"""

from __future__ import annotations

from typing import Final

from shared.messages import MEAN_OVER_S, Outcome, Rule

_KEPT_S: Final = 3_600
_GRID_S: Final = 300  # every window of every slot begins and ends on this grid


class Boundaries:
    """The reference prices of boundary seconds, kept for an hour."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, int, int], int] = {}

    def see(self, asset: str, window_s: int, source_ms: int, exact: int) -> bool:
        """Keep a price if it is that of a boundary second not seen before; say whether it was."""
        second, rest = divmod(source_ms, 1_000)
        key = (asset, window_s, second)
        if rest or second % _GRID_S or key in self._exact:
            return False
        self._exact[key] = exact
        for old in [k for k in self._exact if k[2] < second - _KEPT_S]:
            del self._exact[old]
        return True

    def at(self, asset: str, rule: Rule, second: int) -> int | None:
        """The price of a boundary second under a rule, in 1e-18; None while it was not seen."""
        return self._exact.get((asset, MEAN_OVER_S[rule], second))


def winner(strike: int, close: int) -> Outcome:
    """Who won a window; both in 1e-18. A tie is Up. Source: the rules text of the venue's markets."""
    return "Up" if close >= strike else "Down"
