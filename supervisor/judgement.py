"""The word on the phase that runs: what its gates say now, from the trial's replays or from the evidence gathered.

Looks often enough and not at every entry; keeps what the gates said until the phase ends. Leaves to `operations` what
follows from it. What always holds: where nothing was gathered the word is INCONCLUSIVE.
"""

from __future__ import annotations

from typing import Final

from shared import entries as e
from shared.clock import NS
from supervisor.board import Board
from supervisor.evidence import Evidence
from supervisor.gates import Gate, Tried, Verdict, trial_gates, worst
from supervisor.plan import Plan

LOOK_S: Final = 0.1
"""Real seconds between two looks at what a gate says."""
RETRY_S: Final = 1.0
"""Real seconds before the tape is tried again that had no tick on it yet."""


class Judgement:
    """`gates`: what they said at the last look; empty before the first one of a phase."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.gates: tuple[Gate, ...] = ()
        self._evidence: Evidence | None = None
        self._looked_ns = 0
        self._retry_ns = 0
        board.heard = self._heard

    def gather(self, green: str, blue: str, plan: Plan, slots: frozenset[str] | None) -> None:
        """Begin to gather evidence. Args: as of Evidence."""
        board = self.board
        self._evidence = Evidence(green, blue, plan, board.settings.gates, slots, board.at_ns, board.mono_ns)

    def drop(self) -> None:
        """What was gathered speaks of a phase that is over."""
        self._evidence = None

    def take(self) -> tuple[Gate, ...]:
        """What the gates of the phase that ends said; the next one begins with none."""
        gates, self.gates, self._retry_ns = self.gates, (), 0
        return gates

    def beat(self, rss_kib: int) -> None:
        """Green's loop turned, with so much memory."""
        if self._evidence is not None:
            self._evidence.beat(rss_kib, self.board.mono_ns)

    def try_(self, first: Tried, second: Tried) -> Verdict:
        """The word on two replays; a tape without a tick is worth another try a little later."""
        self.gates = trial_gates(first, second, self.board.settings.gates)
        if worst(self.gates) == "INCONCLUSIVE":
            self._retry_ns = self.board.mono_ns + int(RETRY_S * NS)
        return worst(self.gates)

    def retry(self) -> bool:
        """Whether the time has come to try the tape again; said once."""
        due = bool(self._retry_ns) and self.board.mono_ns >= self._retry_ns
        self._retry_ns = 0 if due else self._retry_ns
        return due

    def look(self) -> Verdict:
        """The word on what was gathered up to now."""
        if self._evidence is None or self.board.since_s(self._looked_ns) < LOOK_S:
            return "INCONCLUSIVE"
        self._looked_ns = self.board.mono_ns
        self.gates = self._evidence.gates(self.board.at_ns, self.board.mono_ns)
        return worst(self.gates)

    def saying(self, verdict: Verdict) -> dict[str, str]:
        """The words of the gates with this verdict."""
        return {gate.name: gate.words for gate in self.gates if gate.verdict == verdict}

    def _heard(self, entry: e.Entry) -> None:
        if self._evidence is not None:
            self._evidence.see(entry, self.board.mono_ns)
