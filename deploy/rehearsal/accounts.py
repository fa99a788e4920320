"""What everybody owns: cash, positions and what open orders hold back; fees, payouts and the undoing of failed trades.

Leaves who may trade to `orders.py` and what matched to `matching.py`. All amounts are millionths. What always holds:
an account's cash is its grant plus everything booked since, each leg booked once and reversed at most once; what open
orders hold back is never spent twice.

One account per owner (the address of the key). Its play money lands in the wallet that the owner's first order names
as its maker; from then on that wallet is the owner's, and no other owner may name it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from deploy.rehearsal.days import Fee, Outcome
from deploy.rehearsal.matching import Side, collateral_of
from deploy.rehearsal.quantities import MICRO

FEE_STEP_MICRO: Final = 10
"""Fees are kept to five decimals; less than one step is no fee. Source: facts 6."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One account's part of a trade, in the terms of its own token. `maker` pays no fee."""

    order_id: str
    owner: str
    wallet: str
    token_id: str
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int
    fee_micro: int
    maker: bool

    def fields(self) -> dict[str, str | int | bool]:
        """Everything of it by name, as the record keeps it."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def cash_micro(self) -> int:
        """What the leg does to its account's cash: a BUY pays the fee on top, a SELL out of its proceeds."""
        collateral = collateral_of(self.size_micro, self.price_micro)
        return (collateral if self.side == "SELL" else -collateral) - self.fee_micro

    @property
    def shares_micro(self) -> int:
        """What the leg does to its account's position in the token."""
        return self.size_micro if self.side == "BUY" else -self.size_micro


@dataclass(frozen=True, slots=True)
class Hold:
    """What one open order keeps back: dollars for a BUY (token_id empty), shares for a SELL."""

    token_id: str
    micro: int


@dataclass(slots=True)
class Account:
    """One owner's money and shares. signature_type: -1 until the first order tells how the wallet signs.

    holds: what each open order keeps back; held: their sum by token, dollars under "".
    """

    owner: str
    wallet: str = ""
    signature_type: int = -1
    cash_micro: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    def free_cash(self) -> int:
        """Dollars that no open order holds back."""
        return self.cash_micro - self.held.get("", 0)

    def free_shares(self, token_id: str) -> int:
        """Shares that no open order holds back."""
        return self.positions.get(token_id, 0) - self.held.get(token_id, 0)

    def shows_to(self, signature_type: int) -> bool:
        """Whether a reader that names this signature type sees the account's money."""
        return self.signature_type in (-1, signature_type)

    def keep(self, order_id: str, hold: Hold) -> None:
        """Let an order hold back that much and no more; nothing forgets it. `held` is always the sum of `holds`."""
        before = self.holds.pop(order_id, None)
        if before:
            self._held(before.token_id, -before.micro)
        if hold.micro:
            self.holds[order_id] = hold
            self._held(hold.token_id, hold.micro)

    def _held(self, token_id: str, micro: int) -> None:
        left = self.held.get(token_id, 0) + micro
        if left:
            self.held[token_id] = left
        else:
            del self.held[token_id]


class Accounts:
    """All accounts, by owner address (checksummed)."""

    def __init__(self) -> None:
        self._by_owner: dict[str, Account] = {}
        self._owners: dict[str, str] = {}

    def get(self, owner: str) -> Account:
        """The account of an owner; an unknown one is empty and is remembered only once something is booked."""
        return self._by_owner.get(owner) or Account(owner)

    def all(self) -> list[Account]:
        """Every account that was granted money."""
        return list(self._by_owner.values())

    def knows(self, owner: str) -> bool:
        """Whether the owner was granted money before."""
        return owner in self._by_owner

    def grant(self, owner: str, micro: int) -> None:
        """Give an owner play money."""
        self._open(owner).cash_micro += micro

    def permits(self, owner: str, wallet: str) -> bool:
        """Whether an owner may name this wallet: nobody else's, and not a second one of his own."""
        key = wallet.lower()
        return self._owners.get(key, owner) == owner and self.get(owner).wallet.lower() in ("", key)

    def owner_of(self, wallet: str) -> str:
        """Whose wallet it is: its owner's, or that of the key with this very address; blank for nobody's."""
        key = wallet.lower()
        same = (account.owner for account in self._by_owner.values() if account.owner.lower() == key)
        return self._owners.get(key) or next(same, "")

    def bind(self, owner: str, wallet: str, signature_type: int) -> bool:
        """Tie a permitted wallet to its owner; whether that is new."""
        assert self.permits(owner, wallet), "a wallet is permitted before it is bound"
        account = self._open(owner)
        new = not account.wallet
        self._owners[wallet.lower()] = owner
        account.wallet, account.signature_type = account.wallet or wallet, signature_type
        return new

    def hold(self, owner: str, order_id: str, hold: Hold) -> None:
        """Keep back what an open order may still need; nothing to keep forgets the order."""
        self._open(owner).keep(order_id, hold)

    def book(self, leg: Leg) -> None:
        """Let a leg change cash and position."""
        self._move(leg.owner, leg.token_id, leg.cash_micro, leg.shares_micro)

    def reverse(self, leg: Leg) -> None:
        """Undo a leg whose trade failed."""
        self._move(leg.owner, leg.token_id, -leg.cash_micro, -leg.shares_micro)

    def move(self, owner: str, cash_micro: int, shares_micro: Iterable[tuple[str, int]]) -> None:
        """Change cash and positions by a split (dollars into pairs of shares) or a merge (the way back)."""
        self._open(owner).cash_micro += cash_micro
        for token_id, micro in shares_micro:
            self._move(owner, token_id, 0, micro)

    def redeem(self, owner: str, token_id: str, won: bool) -> tuple[int, int]:
        """Turn a resolved token into cash; shares and what they paid. The losing side pays nothing."""
        account = self._open(owner)
        shares = account.positions.pop(token_id, 0)
        payout = shares if won else 0
        account.cash_micro += payout
        return shares, payout

    def holders(self, token_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Owners and tokens with a position among these tokens."""
        wanted = list(token_ids)
        return [
            (owner, token)
            for owner, account in self._by_owner.items()
            for token in wanted
            if account.positions.get(token)
        ]

    def _move(self, owner: str, token_id: str, cash_micro: int, shares_micro: int) -> None:
        account = self._open(owner)
        account.cash_micro += cash_micro
        held = account.positions.get(token_id, 0) + shares_micro
        if held:
            account.positions[token_id] = held
        else:
            account.positions.pop(token_id, None)

    def _open(self, owner: str) -> Account:
        account = self._by_owner.get(owner)
        if account is None:
            account = self._by_owner[owner] = Account(owner)
        return account


def taker_fee(size_micro: int, price_micro: int, fee: Fee) -> int:
    """A trade's taker fee in millionths: shares x rate x (p(1-p))^exponent to five decimals, half up; under one step 0.

    Source: facts 6. The price may be of either token: p(1-p) is the same.
    """
    top: int = size_micro * fee.rate_micro * (price_micro * (MICRO - price_micro)) ** fee.exponent
    bottom: int = MICRO * MICRO ** (2 * fee.exponent)
    if top < FEE_STEP_MICRO * bottom:
        return 0
    return (2 * top + FEE_STEP_MICRO * bottom) // (2 * FEE_STEP_MICRO * bottom) * FEE_STEP_MICRO


def dearest_fee(size_micro: int, low_micro: int, high_micro: int, fee: Fee) -> int:
    """The highest fee a trade of that many shares can cost at any price in [low, high]."""
    worst = min(max(MICRO // 2, low_micro), high_micro)
    return taker_fee(size_micro, worst, fee)
