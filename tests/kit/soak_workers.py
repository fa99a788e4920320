"""Workers that order as often as risk lets them: takers and makers, both tokens, exits, and cancels of what rests.

They live and speak as the toy workers of the simulation do; only their wishes are others. What they know of the books
they read off the desk's own, which is what a stream would have told them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kit.toy_workers import ToyWorkers

from shared import messages as m
from shared.risk import INTENTS_MAX

SHARES: Final = (5, 20)
MICRO: Final = 1_000_000
CANCELS: Final = 0.25
"""Of the orders that rest, at each tick."""
SELLS: Final = 0.4
"""Of the wishes for a token that is held."""


class GreedyWorkers(ToyWorkers):
    """`trading` off: nothing new is wished for, and everything that rests is cancelled."""

    def _wishes(self, tick: m.Tick) -> Iterator[m.Intent]:
        wishes = [*self._cancels(tick), *(self._orders(tick) if self.trading else ())]
        yield from wishes[:INTENTS_MAX]

    def _cancels(self, tick: m.Tick) -> Iterator[m.Cancel]:
        share = CANCELS if self.trading else 1.0
        for order in tick.account.orders:
            if order.state == "open" and self.sim.chancy(share):
                yield m.Cancel(order.order_id)

    def _orders(self, tick: m.Tick) -> Iterator[m.Place]:
        """One token at a tick, mostly one way: an order that would meet another of ours is denied."""
        board, chance = self.sim.desk.board, self.sim.chance
        window = board.lanes.window(board.lane_of[tick.slot])
        if window is None or window.market is None:
            return
        outcome: m.Outcome = chance.choice(("Up", "Down"))
        book, grid = window.books[outcome], window.market.terms.tick_micro
        bid, ask = book.best("BUY"), book.best("SELL")
        if not bid or not ask:
            return
        held = sum(p.size_micro for p in tick.account.positions if p.outcome == outcome)
        for _ in range(INTENTS_MAX):
            size = chance.randint(*SHARES) * MICRO
            if held >= size and self.sim.chancy(SELLS):
                held -= size
                yield self._place(outcome, "SELL", bid, ask, size, grid)
            else:
                yield self._place(outcome, "BUY", ask, bid, size, grid)

    def _place(
        self, outcome: m.Outcome, side: m.Side, takes_micro: int, rests_micro: int, size_micro: int, grid: int
    ) -> m.Place:
        """Half of them take. takes_micro, rests_micro: the best price of the other side, and of its own."""
        chance, worse = self.sim.chance, grid if side == "SELL" else -grid
        if self.sim.chancy(0.5):
            kind: m.OrderKind = chance.choice(("GTC", "FAK", "FAK", "FOK"))
            return m.Place(outcome, side, _inside(takes_micro, grid), size_micro, kind)
        price = _inside(rests_micro + worse * chance.choice((-1, 0, 0, 1, 2)), grid)
        return m.Place(outcome, side, price, size_micro, "GTC", post_only=self.sim.chancy(0.6))


def _inside(price_micro: int, grid: int) -> int:
    return min(max(price_micro, grid), MICRO - grid)
