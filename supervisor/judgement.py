"""The word on the phase that runs: what its gates say now, from the trial's replays or from the evidence gathered.

What was gathered outlives its phase: also while a walk is held, or its slots are on their way, green may show that it
is no good. Beside it stands the guard, which watches in every slot what green does as the owner, whatever the phase and
the ring. Looks often enough and not at every entry; keeps what the gates said until the phase ends. Leaves to
`operations` what follows from it. What always holds: where nothing was gathered the word is INCONCLUSIVE.
"""

from __future__ import annotations

from typing import Final

from shared import entries as e
from shared.clock import NS
from supervisor.board import Board
from supervisor.evidence import Evidence
from supervisor.gates import Gate, Tried, Verdict, hard_triggers, trial_gates, worst
from supervisor.plan import Plan
from supervisor.watch import Watch

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
        self._guard: Watch | None = None
        self._looked_ns = 0
        self._retry_ns = 0
        board.heard = self._heard

    def gather(self, green: str, blue: str, plan: Plan, slots: frozenset[str] | None) -> None:
        """Begin to gather evidence. Args: as of Evidence."""
        board = self.board
        self._evidence = Evidence(green, blue, plan, board.settings.gates, slots, board.at_ns, board.mono_ns)

    def guard(self, green: str) -> None:
        """Watch what green does in any slot, from here on."""
        self._guard = Watch(green, self.board.mono_ns)

    def drop(self) -> None:
        """What was gathered counts no more: it is over, or a person has decided in its view."""
        self._evidence = self._guard = None

    def take(self) -> tuple[Gate, ...]:
        """What the gates of the phase that ends said; the next one begins with none."""
        gates, self.gates, self._retry_ns = self.gates, (), 0
        return gates

    def beat(self, rss_kib: int) -> None:
        """Green's loop turned, with so much memory."""
        for watching in (self._evidence, self._guard):
            if watching is not None:
                watching.beat(rss_kib, self.board.mono_ns)

    def judge_trial(self, first: Tried, second: Tried) -> Verdict:
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
        """The word on the phase that gathers, from what was gathered up to now."""
        return worst(self._look())

    def breached(self) -> bool:
        """Whether something speaks against green in a phase that asks no gate; nothing else of it is kept."""
        self.gates = tuple(gate for gate in self._look() if gate.verdict == "FAIL")
        return bool(self.gates)

    def _look(self) -> tuple[Gate, ...]:
        """What the gates say, if it is time to look: those of what was gathered, and what the guard has besides."""
        if self.board.since_s(self._looked_ns) < LOOK_S:
            return ()
        self._looked_ns = self.board.mono_ns
        gathered = self._evidence.gates(self.board.at_ns, self.board.mono_ns) if self._evidence is not None else ()
        failed = {gate.name for gate in gathered if gate.verdict == "FAIL"}
        guarded = hard_triggers(self._guard.numbers(), self.board.settings.gates) if self._guard is not None else ()
        self.gates = (*gathered, *(gate for gate in guarded if gate.name not in failed))
        return self.gates

    def saying(self, verdict: Verdict) -> dict[str, str]:
        """The words of the gates with this verdict."""
        return {gate.name: gate.words for gate in self.gates if gate.verdict == verdict}

    def _heard(self, entry: e.Entry) -> None:
        for watching in (self._evidence, self._guard):
            if watching is not None:
                watching.see(entry, self.board.mono_ns)
