"""Which orders owe us a word, since when, and when the venue is asked about them.

One that is on its way owes its answer; one whose cancel was answered, what it had traded by then; one that a look-up
did not find, what became of it. Leaves to `executions` what a word means. What always holds: an order that owes us a
word is asked about, again and again until it is said, and never sent again; one that is over owes nothing.
"""

from __future__ import annotations

from typing import Final

from supervisor.board import Board
from supervisor.effects import LookUp
from supervisor.orders import Order

LOOKUP_S: Final = 2.0
"""Real seconds an order may leave us without the word it owes before the venue is asked about it, and asked again."""


class Lookups:
    """By order: since when it owes a word, and when it was asked about last; both monotonic.

    `_in_doubt`: orders whose newest look-up showed no state, or not all that they have traded. No fill ends that.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self._since_ns: dict[str, int] = {}
        self._looked_up_ns: dict[str, int] = {}
        self._in_doubt: set[str] = set()

    def owe(self, order_id: str) -> None:
        """A word on this order is owed from now on."""
        self._since_ns[order_id] = self.board.mono_ns

    def ask(self, order_id: str) -> None:
        """Ask the venue about an order at once, whatever it owes."""
        self.board.effects.append(LookUp(order_id))

    def waited_s(self, order_id: str) -> float:
        """Real seconds for which an order has owed its word; 0 for one that owes none."""
        return self.board.since_s(self._since_ns.get(order_id, self.board.mono_ns))

    def doubt(self, order_id: str) -> None:
        """The venue was asked, and what it said does not show what became of the order: it owes that, if not longer."""
        self._in_doubt.add(order_id)
        self._since_ns.setdefault(order_id, self.board.mono_ns)

    def found(self, order_id: str) -> None:
        """The venue was asked, and said what became of the order."""
        self._in_doubt.discard(order_id)

    def hear(self, order: Order) -> None:
        """What we believe of an order by now: one that is over owes nothing, and one that rests beyond doubt."""
        rests = order.state == "open" and not order.awaited and order.order_id not in self._in_doubt
        if order.state == "closed" or rests:
            self._settled(order.order_id)

    def pass_time(self) -> None:
        """Ask about the orders that have owed their word for too long."""
        for order_id, since_ns in list(self._since_ns.items()):
            order = self.board.accounts.orders.get(order_id)
            if order is None or order.state == "closed":
                self._settled(order_id)
            elif self.board.since_s(self._looked_up_ns.get(order_id, since_ns)) > self._patience_s(order):
                self._looked_up_ns[order_id] = self.board.mono_ns
                self.ask(order_id)

    def _patience_s(self, order: Order) -> float:
        """One that is pending is answered first; what is pending after that waits in the taker delay, or was lost."""
        return LOOKUP_S + (self.board.settings.venue.answer_s if order.state == "pending" else 0.0)

    def _settled(self, order_id: str) -> None:
        self._since_ns.pop(order_id, None)
        self._looked_up_ns.pop(order_id, None)
        self._in_doubt.discard(order_id)
