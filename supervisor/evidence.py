"""What is known of green's work in one phase, from the journal's own entries: the pairs with blue, and the alarms.

One is made when the shadow begins and one for each bake; `gates` says what it adds up to now. Pure: entries in,
verdicts out, so that anybody can come to the same verdict from the journal later.
"""

from __future__ import annotations

from shared import entries as e
from shared.clock import NS
from shared.config import Gates
from supervisor.comparing import Comparison
from supervisor.gates import Gate, bake_gates, shadow_gates
from supervisor.plan import Plan
from supervisor.watch import Watch


class Evidence:
    """Args: green: its worker's uid. blue: the release it is compared with. slots: only of these; of all when None."""

    def __init__(
        self, green: str, blue: str, plan: Plan, limits: Gates, slots: frozenset[str] | None, at_ns: int, mono_ns: int
    ) -> None:
        self.plan, self.limits = plan, limits
        self._baking, self._began_ns = slots is not None, at_ns
        self._comparison = Comparison(green, blue, limits, slots)
        self._watch = Watch(green, mono_ns, slots)

    def see(self, entry: e.Entry, mono_ns: int) -> None:
        """An entry was written."""
        self._comparison.see(entry, mono_ns)
        self._watch.see(entry, mono_ns)

    def beat(self, rss_kib: int, mono_ns: int) -> None:
        """Green's loop turned, with so much memory."""
        self._watch.beat(rss_kib, mono_ns)

    def gates(self, at_ns: int, mono_ns: int) -> tuple[Gate, ...]:
        """What every gate of the phase says now."""
        summary, watched = self._comparison.summary(mono_ns), self._watch.numbers()
        expect, limits = self.plan.expect, self.limits
        if not self._baking:
            return shadow_gates(summary, watched, expect, self.plan.shadow_pairs, limits)
        return bake_gates(summary, watched, expect, limits, (at_ns - self._began_ns) / NS, self.plan.bake_s)
