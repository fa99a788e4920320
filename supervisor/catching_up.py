"""What the user channel did not tell is asked for: what was missed while nobody listened, or was silent, or unreadable.

The venue repeats nothing, so each gap in what we heard is asked after from its beginning, and a channel that seems well
is not believed blindly. Leaves to `executions` what the answer means for an order. What always holds: a gap is over
only when we have listened since before the newest question, and every question has its answer; until then nobody may
take it that all our trades are known.
"""

from __future__ import annotations

from typing import Final

from shared.clock import NS
from supervisor.board import Board
from supervisor.effects import CatchUp, Moment
from supervisor.executions import Executions
from supervisor.venue.user import TradeLeg

RECHECK_S: Final = 5.0
"""Real seconds between two looks at the venue's own lists while anything of ours there may change untold."""
SETTLING_S: Final = 300
"""A trade matched this long before, market seconds, may still have been waiting for its settlement."""


class CatchingUp:
    """Since `_unheard_ns` the user channel was not listened to, or not yet asked after; 0 when it was all along.

    Its newest frame that could not be read came at `_missed_ns`, the newest question left at `_asked_ns`, and what
    nobody heard is known up to `_known_ns`: all of them market time. `_checked_ns`, when the newest question left, is
    monotonic. `_checking`: questions that wait for their answer.
    """

    def __init__(self, board: Board, executions: Executions) -> None:
        self.board, self.executions = board, executions
        self._there = False
        self._unheard_ns = 0
        self._missed_ns = -1
        self._asked_ns = 0
        self._known_ns = 0
        self._checked_ns = 0
        self._checking = 0

    def begin(self, unheard_ns: int) -> None:
        """After a restart: ask for what came meanwhile.

        Args: unheard_ns: market time since when nobody listened to the user channel, as far as the journal shows it.
        The reign before may not have listened either: an order we still know may have traded since its window began.
        """
        begun_ns = [order.start_s * NS for order in self.board.accounts.orders.values()]
        self._unheard_ns = min([unheard_ns, *begun_ns])
        self._ask()

    def on_channel(self, *, there: bool) -> None:
        """The user channel is there, or is not: what it would have told in between is asked for, it repeats nothing."""
        self._there = there
        self._unheard_ns = self._unheard_ns or self.board.at_ns
        if there:
            self._ask()

    def missed(self) -> None:
        """The user channel told something that could not be read: what it was is asked for with the next look."""
        self._missed_ns = self.board.at_ns
        self._unheard_ns = self._unheard_ns or self.board.at_ns

    def knows(self, at_ns: int) -> bool:
        """Whether every trade of ours up to a market time was told: we listened without a gap, or have asked since."""
        return not self._unheard_ns or self._known_ns >= at_ns

    def pass_time(self) -> None:
        """Ask for what the user channel should have told: a socket can stay open, answer pings, and say nothing."""
        if self._checking or self.board.since_s(self._checked_ns) <= RECHECK_S:
            return
        accounts = self.board.accounts
        if any(accounts.unsettled_fills()) or accounts.open_orders() or self._unheard_ns:
            self._ask()

    def on_caught_up(self, now: Moment, legs: list[TradeLeg], resting: set[str]) -> None:
        """Our trades, and the orders that rest; one of ours that neither rests nor is closed is asked about."""
        self._checking = max(0, self._checking - 1)
        if not self._checking:  # the newest question as well has its answer
            self._known_ns = self._asked_ns
            heard = self._there and self._missed_ns < self._asked_ns
            self._unheard_ns = 0 if heard else self._unheard_ns
        self.executions.on_lists(now, legs, resting)

    def _ask(self) -> None:
        self._checking, self._checked_ns = self._checking + 1, self.board.mono_ns
        self._asked_ns = self.board.at_ns
        since_ns = self._unheard_ns or self.board.at_ns
        self.board.effects.append(CatchUp(since_ns // NS - SETTLING_S))
