"""Whether an order is let in: what it is held to before it touches a book, in the order of facts 10.

Owner of the key, mode of the venue, then market and version, the order's own rules (`orders.py`), the account's
means, the book. Leaves what becomes of an admitted order to `exchange.py`. What always holds: a refusal changed
nothing; an admitted order's means cover it at its limit, a marketable BUY's also its dearest fee.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deploy.rehearsal import refusals
from deploy.rehearsal.accounts import Accounts, Hold, dearest_fee
from deploy.rehearsal.floor import Floor
from deploy.rehearsal.keys import Key
from deploy.rehearsal.markets import Market
from deploy.rehearsal.modes import Modes
from deploy.rehearsal.orders import Asked, Ground, ask
from deploy.rehearsal.posted import AnyPosted, domain_of, version_of
from deploy.rehearsal.signatures import DEPOSIT_WALLET, AnyOrder

ROUNDING_MICRO: Final = 200
"""What a fee ahead may be short of: half a step of rounding for each of forty trades."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The door of one exchange."""

    floor: Floor
    accounts: Accounts
    modes: Modes

    def knock(self, bodies: Sequence[object], key: Key, now_ms: int) -> None:
        """Owner and mode, before anything is charged. A wrong owner in a batch is its leg's affair. Raises: Refused."""
        legs = [body if isinstance(body, dict) else {} for body in bodies]
        if len(legs) == 1 and legs[0].get("owner", key.api_key) != key.api_key:
            raise refusals.bad(refusals.OWNER_IS_NOT_KEY)
        self.modes.check_orders(now_ms, (leg.get("postOnly") is True for leg in legs))

    def admit(self, posted: AnyPosted, key: Key, now_ms: int) -> tuple[Market, Asked]:
        """The market and the order that is held to it. Raises: Refused."""
        if posted.owner != key.api_key:
            raise refusals.bad(refusals.OWNER_IS_NOT_KEY)
        market = self.floor.known(self.floor.by_token.get(posted.order.token_id))
        if market is None or not self.floor.accepting(market):
            raise refusals.bad(refusals.NOT_READY)
        version = self.floor.rules.clob_version
        domain = domain_of(market.listing, version) if version_of(posted) == version else None
        if domain is None:
            raise refusals.bad(refusals.VERSION_MISMATCH)
        crosses = market.book.crosses
        ground = Ground(market.listing, market.tick_micro, now_ms, domain, self._permits, crosses)
        return market, ask(posted, key, ground)

    def _permits(self, key: Key, order: AnyOrder) -> None:
        """Whether the address may trade at all, and may name this wallet as maker. Raises: Refused."""
        self.modes.check_owner(key.owner, order.side == 0)
        wrong_kind = self.floor.rules.deposit_wallets_only and order.signature_type != DEPOSIT_WALLET
        if wrong_kind or not self.accounts.permits(key.owner, order.maker):
            raise refusals.bad(refusals.MAKER_NOT_ALLOWED)

    def afford(self, market: Market, asked: Asked, crosses: bool) -> Hold:
        """What the order has to hold back; a marketable BUY also its fee at the dearest price it may get.

        Raises: Refused: the account has too little.
        """
        account = self.accounts.get(asked.key.owner)
        if asked.side == "SELL":
            hold, free = Hold(asked.token_id, asked.size_micro), account.free_shares(asked.token_id)
        else:
            hold, free = Hold("", asked.worth_micro + _fee_ahead(market, asked, crosses)), account.free_cash()
        if hold.micro > free:
            raise refusals.bad(refusals.NO_BALANCE)
        return hold

    def still_affords(self, market: Market, asked: Asked) -> bool:
        """Whether the fee can still be paid after the taker delay: at lower prices the same dollars cost more of it."""
        account = self.accounts.get(asked.key.owner)
        held = account.holds.get(asked.order_id, Hold("", 0))
        needed = asked.worth_micro + _fee_ahead(market, asked, True)
        return asked.side == "SELL" or needed <= account.free_cash() + held.micro


def _fee_ahead(market: Market, asked: Asked, crosses: bool) -> int:
    best = market.best(asked.outcome, "SELL")
    if not crosses or best is None:
        return 0
    shares = asked.size_micro if asked.spend_micro is None else asked.spend_micro * 10**6 // best
    return dearest_fee(shares, best, asked.price_micro, asked.listing.fee) + ROUNDING_MICRO
