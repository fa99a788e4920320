"""Who earned what in one window: fills, merges and the winner become trades, each of the regime that entered. Pure.

What is bought belongs to the regime that bought it, first in, first out: a sale, a merge or the payout is shared out
over the oldest shares first, whoever sold. Sums are exact: what is shared out adds up to what there was, to the
millionth, since the last share takes what rounding left. A fill that failed never was. What was sold beyond what was
bought - a purchase failed after its shares were sold - is a trade of the seller, of negative size.

A merged pair pays one; the two sides share that in proportion to what they cost, so that each earns the same on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

OUTCOMES: Final = ("Up", "Down")
PERSON: Final = "person"
"""Who sells for nobody's release: a flatten."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A fill that did not fail. `regime`: of its order; `cost_micro`: size x price without the fee."""

    n: int
    at_ns: int
    outcome: str
    side: str
    size_micro: int
    cost_micro: int
    fee_micro: int
    regime: int
    release: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Pairs that left at record `n`; `paid`, or still on their way."""

    n: int
    pairs_micro: int
    paid: bool


@dataclass(slots=True)
class Trade:
    """What one regime entered in one token; see the table `trades` for its fields."""

    outcome: str
    regime: int
    release: str
    first_n: int
    first_ns: int
    fills: int = 0
    bought_micro: int = 0
    cost_micro: int = 0
    fee_micro: int = 0
    sold_micro: int = 0
    proceeds_micro: int = 0
    merged_micro: int = 0
    merge_paid_micro: int = 0
    merging_micro: int = 0
    left_micro: int = 0
    payout_micro: int = 0
    open_cost_micro: int = 0
    exit_release: str = ""

    @property
    def net_micro(self) -> int:
        """Everything received less everything paid."""
        received = self.proceeds_micro + self.merge_paid_micro + self.payout_micro
        return received - self.cost_micro - self.fee_micro


@dataclass(slots=True)
class _Lot:
    """Shares of one purchase that are still there, and what they cost with their fee."""

    trade: Trade
    size_micro: int
    cost_micro: int


@dataclass(slots=True)
class _Book:
    """The fold of one window."""

    trades: dict[tuple[str, int], Trade] = field(default_factory=dict)
    lots: dict[str, list[_Lot]] = field(default_factory=lambda: defaultdict(list))

    def trade(self, leg: Leg) -> Trade:
        """The trade that a leg's regime has in its token."""
        fresh = Trade(leg.outcome, leg.regime, leg.release, leg.n, leg.at_ns)
        return self.trades.setdefault((leg.outcome, leg.regime), fresh)

    def buy(self, leg: Leg) -> None:
        trade = self.trade(leg)
        trade.fills += 1
        trade.bought_micro += leg.size_micro
        trade.cost_micro += leg.cost_micro
        trade.fee_micro += leg.fee_micro
        self.lots[leg.outcome].append(_Lot(trade, leg.size_micro, leg.cost_micro + leg.fee_micro))

    def sell(self, leg: Leg) -> None:
        taken = self.take(leg.outcome, leg.size_micro)
        short = leg.size_micro - sum(part.size_micro for part in taken)
        if short:
            trade = self.trade(leg)
            self.lots[leg.outcome].append(_Lot(trade, -short, 0))
            taken.append(_Lot(trade, short, 0))
        sizes = [part.size_micro for part in taken]
        proceeds, fees = shared(leg.cost_micro, sizes), shared(leg.fee_micro, sizes)
        for part, received, fee in zip(taken, proceeds, fees, strict=True):
            trade = part.trade
            trade.fills += 1
            trade.sold_micro += part.size_micro
            trade.proceeds_micro += received
            trade.fee_micro += fee
            if trade.release != leg.release:
                trade.exit_release = leg.release or PERSON

    def merge(self, merge: Merge) -> None:
        taken = {outcome: self.take(outcome, merge.pairs_micro) for outcome in OUTCOMES}
        costs = [sum(part.cost_micro for part in taken[outcome]) for outcome in OUTCOMES]
        halves = shared(merge.pairs_micro, costs if sum(costs) > 0 else [1, 1])
        for outcome, half in zip(OUTCOMES, halves, strict=True):
            parts = taken[outcome]
            paid = shared(half, [part.size_micro for part in parts])
            for part, received in zip(parts, paid, strict=True):
                _merged(part, received, merge.paid)

    def take(self, outcome: str, size_micro: int) -> list[_Lot]:
        """Take so many shares out, the oldest first, each with its part of the cost; fewer where there are fewer."""
        taken, lots = [], self.lots[outcome]
        for lot in lots:
            size = min(lot.size_micro, size_micro)
            if size <= 0:
                continue
            cost = lot.cost_micro * size // lot.size_micro
            taken.append(_Lot(lot.trade, size, cost))
            lot.size_micro, lot.cost_micro, size_micro = lot.size_micro - size, lot.cost_micro - cost, size_micro - size
        self.lots[outcome] = [lot for lot in lots if lot.size_micro]
        return taken


def _merged(part: _Lot, received_micro: int, paid: bool) -> None:
    if paid:
        part.trade.merged_micro += part.size_micro
        part.trade.merge_paid_micro += received_micro
    else:
        part.trade.merging_micro += part.size_micro
        part.trade.open_cost_micro += part.cost_micro


def trades(legs: Iterable[Leg], merges: Iterable[Merge], winner: str) -> list[Trade]:
    """The trades of a window, in the order in which they were entered.

    What was bought is there before anything leaves: a sale may be told of before the purchase it was made of.
    Args: legs: in the order of the journal, as `merges`. winner: Up, Down; empty while the window is not resolved.
    """
    book = _Book()
    legs = list(legs)
    for leg in legs:
        if leg.side == "BUY":
            book.buy(leg)
    leaving: list[Leg | Merge] = [*(leg for leg in legs if leg.side == "SELL"), *merges]
    for event in sorted(leaving, key=lambda event: event.n):
        if isinstance(event, Merge):
            book.merge(event)
        else:
            book.sell(event)
    for outcome, lots in book.lots.items():
        for lot in lots:
            lot.trade.left_micro += lot.size_micro
            lot.trade.payout_micro += lot.size_micro if outcome == winner else 0
            lot.trade.open_cost_micro += 0 if winner else lot.cost_micro
    return sorted(book.trades.values(), key=lambda trade: trade.first_n)


def shared(amount: int, weights: list[int]) -> list[int]:
    """An amount in parts like the weights; the parts add up to it exactly, the last takes what rounding left."""
    total, left, parts = sum(weights), amount, list[int]()
    for weight in weights:
        part = amount * weight // total if total else 0
        parts.append(part)
        left -= part
    if parts:
        parts[-1] += left
    return parts
