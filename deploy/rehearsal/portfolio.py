"""What an indexer of the chain knows of every wallet: what it holds, what that cost, and what it made.

It learns of a trade when the trade is mined, so it lags behind the exchange's own books. Amounts are millionths; costs
leave fees out, which are kept beside them. Leaves the shapes to `dataapi.py`. What always holds: a holding's size is
what was bought, split and merged; a sale takes away its share of the cost and no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deploy.rehearsal.accounts import Leg
from deploy.rehearsal.matching import collateral_of

HALF: int = 500_000
"""What a share that came from a split cost: half of its pair."""


@dataclass(slots=True)
class Holding:
    """One owner's holding of one token. bought_micro: all shares that ever came in. first_ms, last_ms: 0 for never."""

    owner: str
    token_id: str
    size_micro: int = 0
    cost_micro: int = 0
    fees_micro: int = 0
    bought_micro: int = 0
    spent_micro: int = 0
    realized_micro: int = 0
    first_ms: int = 0
    last_ms: int = 0

    @property
    def price_micro(self) -> int:
        """What a share of it cost in the mean; of all that came in once nothing is left."""
        size, cost = (self.size_micro, self.cost_micro) if self.size_micro else (self.bought_micro, self.spent_micro)
        return cost * 10**6 // size if size else 0

    def come(self, size_micro: int, cost_micro: int, at_ms: int) -> None:
        """Shares come in."""
        self.size_micro += size_micro
        self.cost_micro += cost_micro
        self.bought_micro += size_micro
        self.spent_micro += cost_micro
        self._touch(at_ms)

    def go(self, size_micro: int, proceeds_micro: int, at_ms: int) -> None:
        """Shares go out; the cost goes with them."""
        cost = self.cost_micro * size_micro // self.size_micro if self.size_micro else 0
        self.size_micro -= size_micro
        self.cost_micro -= cost
        self.realized_micro += proceeds_micro - cost
        self._touch(at_ms)

    def _touch(self, at_ms: int) -> None:
        self.first_ms, self.last_ms = self.first_ms or at_ms, at_ms


@dataclass(slots=True)
class Portfolio:
    """Every holding, by owner and token."""

    holdings: dict[tuple[str, str], Holding] = field(default_factory=dict)

    def of(self, owner: str) -> list[Holding]:
        """An owner's holdings, also those that are closed, oldest first."""
        return [holding for holding in self.holdings.values() if holding.owner == owner]

    def among(self, tokens: Iterable[str]) -> list[Holding]:
        """Everybody's holdings of some tokens."""
        wanted = set(tokens)
        return [holding for holding in self.holdings.values() if holding.token_id in wanted]

    def book(self, leg: Leg, at_ms: int) -> None:
        """A trade was mined."""
        holding = self._open(leg.owner, leg.token_id)
        collateral = collateral_of(leg.size_micro, leg.price_micro)
        holding.fees_micro += leg.fee_micro
        if leg.side == "BUY":
            holding.come(leg.size_micro, collateral, at_ms)
        else:
            holding.go(leg.size_micro, collateral, at_ms)

    def split(self, owner: str, tokens: Iterable[str], size_micro: int, at_ms: int) -> None:
        """Dollars became as many shares of each token."""
        for token_id in tokens:
            self._open(owner, token_id).come(size_micro, size_micro * HALF // 10**6, at_ms)

    def merge(self, owner: str, tokens: Iterable[str], size_micro: int, at_ms: int) -> None:
        """As many shares of each token became dollars."""
        for token_id in tokens:
            self._open(owner, token_id).go(size_micro, size_micro * HALF // 10**6, at_ms)

    def redeem(self, owner: str, token_id: str, paid_micro: int, at_ms: int) -> None:
        """A resolved token was turned into what it pays."""
        holding = self._open(owner, token_id)
        holding.go(holding.size_micro, paid_micro, at_ms)

    def forget(self, tokens: Iterable[str]) -> None:
        """Nobody asks for these tokens any more."""
        dropped = set(tokens)
        self.holdings = {key: holding for key, holding in self.holdings.items() if key[1] not in dropped}

    def _open(self, owner: str, token_id: str) -> Holding:
        return self.holdings.setdefault((owner, token_id), Holding(owner, token_id))
