"""Our books are held against the venue's, at a bounded pace for as long as the desk lives, and first when it joins.

A round asks for everything at once; trades that nobody told are counted, orders that are missing are followed up, and
only then is it compared. What differs may be a word that is still under way, so a difference counts when several rounds
in a row have found it. Then it is an alarm that names it, and entries are closed until it is gone: in its slot, or in
all where it is about money. An order of ours that the venue still has although its life is over is taken back. Orders
that are not ours are told once each, and never touched. As long as nothing differs nobody is told anything.

What differs in cash may be a deposit or a withdrawal, and only a person can know that. They take it over by its amount,
which has to be all of what differs: whoever meant another sum, or meant it twice, is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from shared import entries as e
from shared.units import show_micro, show_signed
from supervisor import recovery
from supervisor.accounts import Paid
from supervisor.board import Board
from supervisor.catching_up import SETTLING_S
from supervisor.effects import CancelOrder, Moment, Reconcile
from supervisor.executions import Executions
from supervisor.recovery import Difference, Range, View
from supervisor.venue.requests import Token

PERSISTS: Final = 3
"""Rounds in a row that must find a difference before it counts."""
AGAIN_S: Final = 5.0
"""Real seconds to the next round while one has found something, if the usual pace is slower."""
TOKENS_MAX: Final = 64
"""Tokens whose shares one round asks for; more take turns."""
FOREIGN_MAX: Final = 256
"""Foreign orders that are remembered, and told; whoever trades with our key that often was noticed by then."""


class Unexplained(Exception):
    """An amount that is not what differs in cash; the text says what does."""


class Reconciling:
    """`rounds`, `differences`: how many in this reign. `at_ns`: when the last round was, market time.

    `missing`: how much more cash the venue has than our books explain, as long as that counts.
    """

    def __init__(self, board: Board, executions: Executions) -> None:
        self.board, self.executions = board, executions
        self.rounds = self.differences = 0
        self.at_ns = 0
        self.foreign: dict[str, None] = {}
        self.counted: dict[str, Difference] = {}
        self.missing: Range | None = None
        self._venue_micro = 0
        self._seen: dict[str, int] = {}
        self._gone: set[Paid] = set()
        self._asked_ns: int | None = None
        self._waiting = False
        self._turn = 0

    def on_balance(self, now: Moment, cash_micro: int) -> None:
        """The venue told our collateral: the first time it is taken over, and our own sums stand from then on."""
        self.board.now(now)
        if not self.board.accounts.opened:
            self.board.write(e.Balance(cash_micro, True))

    def pass_time(self) -> None:
        """Begin a round when it is time; the first as soon as our cash is known."""
        board = self.board
        if self._waiting or not board.accounts.opened:
            return
        if self._asked_ns is None or board.since_s(self._asked_ns) >= self._pause_s():
            self._asked_ns, self._waiting = board.mono_ns, True
            since_s = recovery.since_s(board.accounts, board.at_ns) - SETTLING_S
            board.effects.append(Reconcile(since_s, self._tokens()))

    def on_view(self, now: Moment, view: View | None) -> None:
        """The venue's books as they are now; None when they could not be had."""
        self._waiting = False
        self.board.now(now)
        if view is None:
            self.board.count("reconcile_failed")
            return
        self.executions.on_lists(now, view.legs, {order.order_id for order in view.resting})
        self.rounds, self.at_ns = self.rounds + 1, self.board.at_ns
        strangers = self._strangers(view)
        view = self._with_known(view)
        self._judge(recovery.compare(self.board.accounts, view, self.board.at_ns))
        self._venue_micro = view.cash_micro
        counts = "cash" in self.counted
        self.missing = recovery.unexplained(self.board.accounts, view, self.board.at_ns) if counts else None
        told = tuple(difference.text for difference in self.counted.values())
        self.board.write(e.Reconciled(self.rounds, self.differences, told, strangers))

    def take_over(self, now: Moment, amount_micro: int, actor: str, reason: str) -> None:
        """Make ours what a person says came or went past the desk; entries open when the next round agrees.

        Raises: Unexplained: it is not what differs, and nothing was changed.
        """
        self.board.now(now)
        if self.missing is None:
            soon = "; a difference counts when it lasts" if "cash" in self._seen else ""
            raise Unexplained(f"our cash is what the venue has, there is nothing to take over{soon}")
        if not self.missing.has(amount_micro):
            raise Unexplained(f"{show_signed(amount_micro)} is not what differs: {missing_words(self.missing)}")
        self.board.write(e.Transfer(amount_micro, self._venue_micro, actor, reason))
        self.missing, self._asked_ns = None, None

    def _with_known(self, view: View) -> View:
        """The view, and what earlier ones have shown for good: winners that were paid are not asked for again."""
        payouts = self.board.accounts.payouts.values()
        seen = {paid for paid in payouts if view.shares.get(paid.token_id) == 0}
        self._gone = {paid for paid in payouts if paid in self._gone} | seen
        return replace(view, shares={paid.token_id: 0 for paid in self._gone} | dict(view.shares))

    def _pause_s(self) -> float:
        usual_s = self.board.settings.venue.reconcile_s
        return min(usual_s, AGAIN_S) if self._seen else usual_s

    def _tokens(self) -> tuple[Token, ...]:
        tokens = recovery.asked(self.board.accounts, self._gone)
        begin = self._turn % max(1, len(tokens))
        self._turn += TOKENS_MAX if len(tokens) > TOKENS_MAX else 0
        return tuple((tokens[begin:] + tokens[:begin])[:TOKENS_MAX])

    def _strangers(self, view: View) -> tuple[str, ...]:
        """Foreign orders that were not seen before."""
        new = [order_id for order_id in recovery.foreign(self.board.accounts, view) if order_id not in self.foreign]
        kept = new[: FOREIGN_MAX - len(self.foreign)]
        self.foreign.update(dict.fromkeys(kept))
        if kept:
            self.board.alarm("foreign_order", f"this key has orders that are not ours: {', '.join(kept)}")
        return tuple(kept)

    def _judge(self, found: list[Difference]) -> None:
        """Count what has persisted, forget what is gone; entries are closed where something differs."""
        self._seen = {difference.key: self._seen.get(difference.key, 0) + 1 for difference in found}
        before = self.counted
        self.counted = {d.key: d for d in found if self._seen[d.key] >= PERSISTS}
        self.board.differs = {d.slot: d.text for d in self.counted.values()}
        new = [d for key, d in self.counted.items() if key not in before]
        self.differences += len(new)
        if new:
            self.board.alarm("books_differ", "; ".join(difference.text for difference in new))
        for difference in new:
            self._take_back(difference.order_id)

    def _take_back(self, order_id: str) -> None:
        """Cancel an order of ours that rests at the venue although we had given it up."""
        order = self.board.accounts.orders.get(order_id)
        if order is None:
            return
        self.board.write(e.Repair(order_id, "order", "it is closed in our books and rests at the venue: taken back"))
        cancel = e.Cancelling(order_id, order.slot, 0, "reconciliation", order.by)
        self.board.apply(cancel)
        self.board.write_first((cancel,), (CancelOrder(order_id),))


def missing_words(missing: Range) -> str:
    """How much more or less the venue has than our books explain; as a range while something is under way."""
    if missing.low == missing.high:
        way = "more" if missing.low > 0 else "less"
        return f"the venue has {show_micro(abs(missing.low))} {way} than our books say"
    between = f"{show_signed(missing.low)} to {show_signed(missing.high)}"
    return f"the venue has {between} against our books, as trades or claims are under way"
