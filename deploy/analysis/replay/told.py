"""What the tape tells of money: our own fills as the venue settled them, and how windows ended.

What always holds: a fill counts once however often it is told, and is taken back once when it fails; a window ends
once, by the venue's word where the tape has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from deploy.analysis.replay.holdings import Fill, Holdings, Window
from shared import messages as m
from shared.clock import NS
from shared.slots import parse_slot

_GRID_MS: Final = 300_000
"""Every window of every slot begins and ends on this grid."""


@dataclass
class Real:
    """What the desk's own orders did, as the tape tells it. `orders`: wishes to place in the decisions."""

    holdings: Holdings
    told: Callable[[int, Fill], None]
    orders: int = 0
    _fills: dict[tuple[str, str], Fill] = field(default_factory=dict)

    def wished(self, decision: m.Decision) -> None:
        """Count what a decision wished."""
        self.orders += sum(isinstance(wish, m.Place) for wish in decision.intents)

    def filled(self, at_ns: int, event: m.Filled) -> None:
        """A fill, or news of one: it counts once, and is taken back once when it fails."""
        key = event.trade_id, event.order_id
        window = event.slot, event.start_s
        fill = Fill(
            event.order_id, window, event.outcome, event.side, event.price_micro, event.size_micro, event.fee_micro
        )
        if event.status == "FAILED":
            known = self._fills.pop(key, None)
            if known is not None:
                self.holdings.take_back(known)
        elif key not in self._fills:
            self._fills[key] = fill
            self.holdings.fill(fill)
            self.told(at_ns, fill)


class Ends:
    """How windows end: as the venue says; and where the tape holds no word of it, by strike and close."""

    def __init__(self) -> None:
        self._open: dict[Window, m.Terms] = {}
        self._strikes: dict[Window, int] = {}
        self._boundaries: dict[tuple[str, str, int], int] = {}

    def see(self, event: m.Event) -> list[tuple[Window, m.Outcome]]:
        """Take a frame; the window it ends, if it does."""
        if isinstance(event, m.WindowResolved):
            window = event.slot, event.start_s
            self._open.pop(window, None)
            self._strikes.pop(window, None)
            return [(window, event.winner)]
        if isinstance(event, m.WindowOpened):
            self._open[event.slot, event.start_s] = event.terms
        elif isinstance(event, m.StrikeSet):
            self._strikes[event.slot, event.start_s] = int(event.exact)
        elif isinstance(event, m.PriceSeen):
            if not event.source_ms % _GRID_MS:
                self._boundaries.setdefault((event.asset, event.feed, event.source_ms), int(event.exact))
        elif isinstance(event, m.Keyframe):
            for known in event.events:
                self.see(known)
        return []

    def by_rule(self, until_ns: int) -> list[tuple[Window, m.Outcome]]:
        """Windows that were over by then without a winner named: Up when the close is at or above the strike."""
        found: list[tuple[Window, m.Outcome]] = []
        for window, terms in self._open.items():
            slot = parse_slot(window[0])
            end_s = window[1] + slot.window_s
            feed = "spot" if terms.rule == "spot" else "twap"
            strike, close = self._strikes.get(window), self._boundaries.get((slot.asset, feed, end_s * 1_000))
            if end_s * NS <= until_ns and strike is not None and close is not None:
                found.append((window, "Up" if close >= strike else "Down"))
        return found
