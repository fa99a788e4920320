"""What the venue lets us do, from where we are and with this account: asked at the start, and every so often.

Blocked means that no order may be sent at all, closed only that no new risk may be taken. Who does not answer changes
nothing: what was known before holds, over a restart as well, and a person is told. What always holds: until both were
answered once, no entry is made.
"""

from __future__ import annotations

from typing import Final

from shared import entries as e
from shared.clock import NS
from supervisor.board import Board
from supervisor.effects import AskStanding, Moment
from supervisor.venue.requests import Where

RETRY_S: Final = 60.0
"""Real seconds at most until somebody who did not answer is asked again."""


class Standing:
    """The question and its answers; the last one is in the accounts."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._due_ns: int | None = None
        self._fault = ""

    def ask(self) -> None:
        """Ask now, and from now on every so often: the venue is joined."""
        self._due_ns = self.board.mono_ns
        self.pass_time()

    def pass_time(self) -> None:
        """Ask if it is time."""
        if self._due_ns is not None and self.board.mono_ns >= self._due_ns:
            self._due_ns = self.board.mono_ns + round(self.board.settings.venue.standing_s * NS)
            self.board.effects.append(AskStanding())

    def on_told(self, now: Moment, where: Where | None, closed_only: bool | None, fault: str) -> None:
        """The venue answered. Args: None is what was not answered, and `fault` why."""
        board, known = self.board, self.board.accounts.standing
        board.now(now)
        if fault:
            self._due_ns = board.mono_ns + round(min(RETRY_S, board.settings.venue.standing_s) * NS)
        if fault and not self._fault:
            board.alarm("standing_unreachable", f"{fault}; what was known before holds: {known or 'nothing'}")
        self._fault = fault
        blocked, place = (
            (where.blocked, where.place) if where else (known.blocked, known.place) if known else (None, "")
        )
        closed = closed_only if closed_only is not None or known is None else known.closed_only
        if blocked is None or closed is None:
            return
        told = e.Standing(blocked, closed, place)
        if told != known:
            board.write(told)
            self._warn(told)

    def _warn(self, told: e.Standing) -> None:
        if told.blocked:
            self.board.alarm("blocked", f"the venue takes no orders from {told.place or 'here'}: nothing leaves")
        elif told.closed_only:
            self.board.alarm("closed_only", "the venue takes only orders of this account that reduce what is held")
