"""What the venue's own record says of clients: money, orders and trades, so that a venue started again goes on.

A pure fold over the lines of the record. Leaves reading the file to `record.py` and the books to the exchange. What
always holds: the fold of a record up to any whole line is the state of accounts at that line. Strangers' parts of a
trade are not on the record, so a recalled trade shows only its clients'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from deploy.rehearsal.accounts import Accounts, Leg
from deploy.rehearsal.matching import IMMEDIATE
from deploy.rehearsal.orders import Order
from deploy.rehearsal.portfolio import Portfolio
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.trades import FINAL, NOBODY, STRANGER, Part, Trade
from deploy.rehearsal.transactions import Transaction


@dataclass(slots=True)
class Memory:
    """The fold. slugs: market names by condition id; tokens: conditions of tokens that were split.

    worlds: every start's day (None is made up), seed and assets on Protocol V2. doomed: trades that a fault makes fail.
    resolved: names of resolved markets. approvals, nonces, transactions: as `chain.py` and `transactions.py` have them.
    last_ms: the market time of the last line, 0 for no record.
    """

    accounts: Accounts = field(default_factory=Accounts)
    orders: dict[str, Order] = field(default_factory=dict)
    trades: dict[str, Trade] = field(default_factory=dict)
    slugs: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)
    doomed: set[str] = field(default_factory=set)
    worlds: set[tuple[str | None, int, tuple[str, ...]]] = field(default_factory=set)
    resolved: set[str] = field(default_factory=set)
    portfolio: Portfolio = field(default_factory=Portfolio)
    approvals: dict[tuple[str, str, str], int] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)
    transactions: dict[str, Transaction] = field(default_factory=dict)
    last_ms: int = 0

    def fold(self, lines: Iterable[Json]) -> Memory:
        """Take lines in, oldest first. Raises: KeyError, TypeError, ValueError: a line is not one of the venue's."""
        for line in lines:
            self.last_ms = max(self.last_ms, int(line["t_ms"]))
            take = TAKES.get(line["kind"])
            if take:
                take(self, line)
        return self

    def staked(self) -> set[str]:
        """Markets that clients still hold something of: open orders, trades in flight, shares not redeemed."""
        open_orders = {order.condition_id for order in self.orders.values() if order.open}
        in_flight = {trade.condition_id for trade, _ in self.unsettled()}
        tokens = {token for account in self.accounts.all() for token in account.positions}
        held = {order.condition_id for order in self.orders.values() if order.token_id in tokens}
        held |= {condition for token, condition in self.tokens.items() if token in tokens}
        return {self.slugs[condition] for condition in open_orders | in_flight | held}

    def unsettled(self) -> list[tuple[Trade, set[str]]]:
        """Trades whose settlement is not final, with the statuses they went through."""
        return [(trade, self.seen[name]) for name, trade in self.trades.items() if not self.seen[name] & FINAL]

    def _start(self, line: Json) -> None:
        self.worlds.add((line["day"], line["seed"], tuple(line.get("protocol_v2", ()))))

    def _key(self, line: Json) -> None:
        self.accounts.grant(line["owner"], line["grant_micro"])

    def _transfer(self, line: Json) -> None:
        self.accounts.grant(line["owner"], line["amount_micro"])

    def _wallet(self, line: Json) -> None:
        self.accounts.bind(line["owner"], line["wallet"], line["signature_type"])

    def _order(self, line: Json) -> None:
        order = Order(
            order_id=line["order_id"],
            api_key=line["api_key"],
            owner=line["owner"],
            wallet=line["wallet"],
            condition_id=line["market"],
            token_id=line["token_id"],
            outcome=line["outcome"],
            side=line["side"],
            kind=line["order_type"],
            price_micro=line["price_micro"],
            size_micro=line["size_micro"],
            post_only=line["post_only"],
            created_ms=line["t_ms"],
            expires_s=line["expires_s"],
            status="CANCELED" if line["order_type"] in IMMEDIATE else "LIVE",
        )
        self.orders[order.order_id] = order
        self.slugs[order.condition_id] = line["slug"]

    def _cancel(self, line: Json) -> None:
        order = self.orders[line["order_id"]]
        order.status = "MATCHED" if order.matched_micro and order.kind in IMMEDIATE else "CANCELED"

    def _trade(self, line: Json) -> None:
        legs = tuple(Leg(**fields) for fields in line["legs"])
        for leg in legs:
            self.accounts.book(leg)
            self._fill(self.orders[leg.order_id], leg, line["trade_id"])
        trade = self._trade_of(line, legs)
        self.trades[trade.trade_id] = trade
        self.seen[trade.trade_id] = {"MATCHED"}

    def _fill(self, order: Order, leg: Leg, trade_id: str) -> None:
        order.matched_micro += leg.size_micro
        order.trades.append(trade_id)
        if order.matched_micro >= order.size_micro or order.kind in IMMEDIATE:
            order.status = "MATCHED"

    def _trade_of(self, line: Json, legs: tuple[Leg, ...]) -> Trade:
        makers = tuple(self._part(leg) for leg in legs if leg.maker)
        takers = [self._part(leg) for leg in legs if not leg.maker]
        taker = takers[0] if takers else _stranger(makers[0])
        at_ms = line["t_ms"]
        return Trade(line["trade_id"], line["market"], line["slug"], taker, makers, legs, at_ms, at_ms)

    def _part(self, leg: Leg) -> Part:
        owner = self.orders[leg.order_id].api_key
        return Part(
            leg.order_id, owner, leg.wallet, leg.token_id, leg.outcome, leg.side, leg.price_micro, leg.size_micro
        )

    def _settlement(self, line: Json) -> None:
        trade = self.trades[line["trade_id"]]
        trade.status, trade.update_ms = line["status"], line["t_ms"]
        self.seen[trade.trade_id].add(line["status"])
        if line["status"] == "MINED":
            for leg in trade.legs:
                self.portfolio.book(leg, line["t_ms"])
        if line["status"] == "FAILED":
            for leg in trade.legs:
                self.accounts.reverse(leg)

    def _fault(self, line: Json) -> None:
        if "trade_id" in line:
            self.doomed.add(line["trade_id"])

    def _payout(self, line: Json) -> None:
        self.accounts.redeem(line["owner"], line["token_id"], line["payout_micro"] != 0)
        self.portfolio.redeem(line["owner"], line["token_id"], line["payout_micro"], line["t_ms"])

    def _resolve(self, line: Json) -> None:
        self.resolved.add(line["slug"])
        self.slugs[line["market"]] = line["slug"]

    def _convert(self, line: Json) -> None:
        """A split or a merge."""
        owner, size, splitting = line["owner"], line["size_micro"], line["kind"] == "split"
        self.slugs[line["market"]] = line["slug"]
        self.tokens |= dict.fromkeys(line["tokens"], line["market"])
        sign = 1 if splitting else -1
        self.accounts.move(owner, -sign * size, [(token, sign * size) for token in line["tokens"]])
        book = self.portfolio.split if splitting else self.portfolio.merge
        book(owner, line["tokens"], size, line["t_ms"])

    def _approval(self, line: Json) -> None:
        self.approvals[line["wallet"], line["token"], line["spender"]] = int(line["amount"])

    def _transaction(self, line: Json) -> None:
        names = ("hash", "owner", "wallet", "nonce", "via")
        told = self.transactions.setdefault(
            line["transaction_id"], Transaction(line["transaction_id"], *(line[name] for name in names))
        )
        told.state, told.error = line["state"], line["error"]
        if told.mined:
            self.nonces[told.wallet.lower()] = told.nonce + 1


def _stranger(maker: Part) -> Part:
    """The crowd's side of a trade with one of ours: the same token at the same price, the other way."""
    side: Any = "BUY" if maker.side == "SELL" else "SELL"
    return Part("", STRANGER, NOBODY, maker.token_id, maker.outcome, side, maker.price_micro, maker.size_micro)


TAKES: dict[str, Callable[[Memory, Json], None]] = {
    "start": Memory._start,
    "key": Memory._key,
    "transfer": Memory._transfer,
    "wallet": Memory._wallet,
    "order": Memory._order,
    "cancel": Memory._cancel,
    "trade": Memory._trade,
    "settlement": Memory._settlement,
    "payout": Memory._payout,
    "resolve": Memory._resolve,
    "split": Memory._convert,
    "merge": Memory._convert,
    "approval": Memory._approval,
    "transaction": Memory._transaction,
    "fault": Memory._fault,
}
"""What each kind of line does; a kind that is not here does nothing to clients."""
