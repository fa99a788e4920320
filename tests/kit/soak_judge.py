"""Who judges a soak: the venue's books on one side, ours on the other, order by order and to the millionth.

It hears every line of the venue's record, every order on the wire and every entry of the journal; it asks neither side
for an opinion. What always holds: what it says is a promise by name and what was seen against it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deploy.rehearsal.posted import domain_of, id_of, read_posted
from shared import entries as e
from shared.units import cost_of
from supervisor.accounts import Accounts
from supervisor.orders import Order

if TYPE_CHECKING:
    from kit.soak import Soak

POSTED_ONCE = "posted once"
DURABLE_FIRST = "durable first"
AT_RISK = "at risk"
NOTHING_FORGOTTEN = "nothing forgotten"
NOTHING_IN_DOUBT = "nothing in doubt"
SAME_FILLS = "same fills"
SAME_MONEY = "same money"
PROMISES = (POSTED_ONCE, DURABLE_FIRST, AT_RISK, NOTHING_FORGOTTEN, NOTHING_IN_DOUBT, SAME_FILLS, SAME_MONEY)


class Broken(AssertionError):
    """A promise did not hold. promise: which; the text says in which run and when."""

    def __init__(self, promise: str, where: str, what: str) -> None:
        super().__init__(f"{promise}: {where}: {what}")
        self.promise = promise


@dataclass(slots=True)
class Sold:
    """An order the venue took. legs: what it says of each of its trades: side, price, size, fee; failed: of those."""

    side: str
    price_micro: int
    size_micro: int
    kind: str
    closed: bool = False
    legs: dict[str, tuple[str, int, int, int]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    @property
    def matched_micro(self) -> int:
        """Every size that ever matched, failed ones too: it does not come back into the book."""
        return sum(leg[2] for leg in self.legs.values())

    @property
    def at_risk_micro(self) -> int:
        """What of it is held, or still can be: of a BUY the collateral without fees, of a SELL the shares."""
        rest = 0 if self.closed else self.size_micro - self.matched_micro
        traded = [leg for trade, leg in self.legs.items() if trade not in self.failed]
        if self.side == "SELL":
            return rest + sum(size for _, _, size, _ in traded)
        return cost_of(rest, self.price_micro) + sum(cost_of(size, price) for _, price, size, _ in traded)


def counted_micro(accounts: Accounts, order: Order) -> int:
    """The same as we count it: what was told of it and has not failed, and what may still come."""
    told = [accounts.fills[trade, order.order_id] for trade in order.seen if (trade, order.order_id) in accounts.fills]
    traded = [fill for fill in told if fill.status != "FAILED"]
    if order.side == "SELL":
        return order.open_micro + sum(fill.size_micro for fill in traded)
    rest = accounts.may_cost(order) if order.state != "closed" else 0
    return rest + sum(cost_of(fill.size_micro, fill.price_micro) for fill in traded)


class Judge:
    """See the room's docstring. sold: every order the venue took, whole run; counts: what the run went through."""

    def __init__(self, soak: Soak, counts: Counter[str]) -> None:
        self.soak, self.counts = soak, counts
        self.sold: dict[str, Sold] = {}
        self.posted: set[str] = set()
        self.placed: dict[str, int] = {}
        self.legs_of: dict[tuple[str, int, int], str] = {}
        self.records = 1
        self._alive: dict[str, None] = {}
        self._trades: dict[str, list[str]] = {}

    def check(self, promise: str, holds: bool, what: str) -> None:
        """Raises: Broken."""
        if not holds:
            raise Broken(promise, self.soak.where(), what)

    # --- what is heard of the venue ---

    def heard(self, kind: str, fields: dict[str, Any]) -> None:
        """A line of the venue's record."""
        hear = _HEARD.get(kind)
        if hear is not None:
            hear(self, fields)

    def _taken(self, fields: dict[str, Any]) -> None:
        order_id, kind = fields["order_id"], fields["order_type"]
        self.check(POSTED_ONCE, order_id not in self.sold, f"the venue took {order_id} twice")
        sold = self.sold[order_id] = Sold(fields["side"], fields["price_micro"], fields["size_micro"], kind)
        self._alive[order_id] = None
        self.counts[f"order {kind} {fields['status']}"] += 1
        sold.closed = kind != "GTC"

    def _canceled(self, fields: dict[str, Any]) -> None:
        self.sold[fields["order_id"]].closed = True
        self.counts[f"cancel {fields['cause']}"] += 1

    def _traded(self, fields: dict[str, Any]) -> None:
        trade = self.soak.house.exchange.trades[fields["trade_id"]]
        other = any(maker.outcome != trade.taker.outcome for maker in trade.makers)
        self.counts[("fill by mint" if trade.taker.side == "BUY" else "fill by merge") if other else "fill"] += 1
        for leg in fields["legs"]:
            order_id, trade_id = leg["order_id"], fields["trade_id"]
            sold = self.sold[order_id]
            sold.legs[trade_id] = (leg["side"], leg["price_micro"], leg["size_micro"], leg["fee_micro"])
            self._trades.setdefault(trade_id, []).append(order_id)
            self.counts[f"fill {'maker' if leg['maker'] else 'taker'}"] += 1
            self.counts["fill in part"] += sold.matched_micro < sold.size_micro

    def _settled(self, fields: dict[str, Any]) -> None:
        self.counts[f"settlement {fields['status']}"] += 1
        if fields["status"] == "FAILED":
            for order_id in self._trades[fields["trade_id"]]:
                self.sold[order_id].failed.add(fields["trade_id"])

    def _resolved(self, fields: dict[str, Any]) -> None:
        self.counts["resolve"] += 1

    def _refused(self, fields: dict[str, Any]) -> None:
        reason = re.sub(r"0x\w+|[\d.]+", "#", fields.get("reason", ""))
        self.counts[f"refused {reason[:60]}"] += 1

    def _faulted(self, fields: dict[str, Any]) -> None:
        self.counts[f"hits: {fields['fault']}"] += fields["phase"] == "hits"

    # --- what is heard of the desk ---

    def on_wire(self, body: bytes) -> None:
        """Orders leave: each is in the journal, durably, under the id the venue will give it; and leaves once."""
        said = json.loads(body)
        for each in said if isinstance(said, list) else [said]:
            self._leaves(each)

    def _leaves(self, said: object) -> None:
        read = read_posted(said)
        market = self.soak.house.exchange.floor.by_token[read.order.token_id]
        order_id = id_of(read, domain_of(market.listing, 2))
        self.counts["orders posted"] += 1
        number = self.placed.get(order_id)
        self.check(DURABLE_FIRST, number is not None, f"{order_id} leaves and no intent names it")
        assert number is not None
        durable = self.soak.disk.is_durable(number)
        self.check(DURABLE_FIRST, durable, f"{order_id} leaves, and record {number} is not synced")
        self.check(POSTED_ONCE, order_id not in self.posted, f"{order_id} leaves a second time")
        self.posted.add(order_id)

    def answered(self, uid: str, decided: Any) -> None:
        """A worker answered a tick."""
        self.counts["ticks answered"] += 1

    def written(self, entry: e.Entry, number: int) -> None:
        """The desk writes an entry down as a record."""
        self.records = number + 1
        if isinstance(entry, e.Answered):
            self.counts[f"answer: {entry.request} {entry.state or entry.raw[:40]}"] += 1
        if isinstance(entry, e.Answered | e.OrderReported | e.FillStatus):
            self._look_at(entry.order_id)
        if isinstance(entry, e.Placing):
            leg = (entry.slot, entry.tick, entry.leg)
            other = self.legs_of.setdefault(leg, entry.order_id)
            self.check(POSTED_ONCE, other == entry.order_id, f"{leg} is {other} and {entry.order_id}")
            self.placed[entry.order_id] = number

    def forgot(self, next_number: int) -> None:
        """Records from a number on were lost before they were durable: what was written there has not been."""
        self.records = next_number
        self.placed = {order_id: number for order_id, number in self.placed.items() if number < next_number}

    # --- looking ---

    def look(self) -> None:
        """While it runs: what the venue could still make us hold we count as held or open, and no fill is made up."""
        for order_id in list(self._alive):
            self._look_at(order_id)

    def _look_at(self, order_id: str) -> None:
        accounts = self.soak.desk.board.accounts
        sold, ours = self.sold.get(order_id), accounts.orders.get(order_id)
        if sold is None:
            return
        self.check(AT_RISK, order_id in self.placed, f"{order_id} is at the venue and no intent names it")
        if ours is None or (ours.slot, ours.start_s) in accounts.winners:
            self._alive.pop(order_id, None)
        else:
            self._compare(accounts, ours, sold)

    def _compare(self, accounts: Accounts, ours: Order, sold: Sold) -> None:
        for fill in accounts.fills_of(ours):
            said, known = _numbers(fill), sold.legs.get(fill.trade_id)
            self.check(SAME_FILLS, known == said, f"{fill.trade_id}: the venue has {known}, we have {said}")
        counted = counted_micro(accounts, ours)
        if sold.at_risk_micro > counted:
            self.check(AT_RISK, False, f"{sold.at_risk_micro} is more than {counted}: {sold}, we have {ours}")

    def at_rest(self) -> bool:
        """Whether a supervisor lives, and neither side has a position or an order that is not closed."""
        accounts = self.soak.desk.board.accounts
        held = [p for p in accounts.positions.values() if p.size_micro] + accounts.open_orders()
        theirs = any(self.soak.account().positions.values())
        return self.soak.reign.alive and not held and not theirs and not self.soak.house.exchange._unsettled

    def judge(self) -> None:
        """At the end, when everything has settled: both books are one."""
        desk, account = self.soak.desk, self.soak.account()
        accounts = desk.board.accounts
        self._judge_orders()
        doubtful = accounts.open_orders()
        self.check(NOTHING_IN_DOUBT, not doubtful, f"{len(doubtful)} orders are not closed: {doubtful[:2]}")
        self._judge_fills()
        held = {p.slot: p.size_micro for p in accounts.positions.values() if p.size_micro}
        theirs = {token: size for token, size in account.positions.items() if size}
        self.check(SAME_MONEY, not held and not theirs, f"not everything was resolved: {held} and {theirs}")
        cash = accounts.cash_micro
        self.check(SAME_MONEY, cash == account.cash_micro, f"we have {cash}, the venue says {account.cash_micro}")

    def _judge_orders(self) -> None:
        lost = [order_id for order_id in self.sold if order_id not in self.placed]
        self.check(NOTHING_FORGOTTEN, not lost, f"{len(lost)} orders of the venue are not ours: {lost[:3]}")
        resting = [order_id for order_id, sold in self.sold.items() if not sold.closed and self._rests(order_id)]
        self.check(NOTHING_IN_DOUBT, not resting, f"{len(resting)} orders rest at the venue: {resting[:3]}")

    def _rests(self, order_id: str) -> bool:
        order = self.soak.house.exchange.orders.get(order_id)
        return order is not None and order.open

    def _judge_fills(self) -> None:
        """What the journal says of every trade, against the venue's record: none missing, none twice, none failed."""
        ours: dict[tuple[str, str], tuple[str, int, int, int]] = {}
        fates: dict[tuple[str, str], str] = {}
        for line in self.soak.disk.every_line():
            entry = line.entry
            if isinstance(entry, e.Fill):
                key = (entry.trade_id, entry.order_id)
                self.check(SAME_FILLS, key not in ours, f"{key} is written twice")
                ours[key] = _numbers(entry)
                fates[key] = entry.status
            elif isinstance(entry, e.FillStatus):
                fates[entry.trade_id, entry.order_id] = entry.status
        theirs = {(trade, order_id): leg for order_id, sold in self.sold.items() for trade, leg in sold.legs.items()}
        differ = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
        said = [(key, ours.get(key), theirs.get(key)) for key in differ[:2]]
        self.check(SAME_FILLS, not differ, f"{len(differ)} fills differ: {said}")
        failed = {(trade, order_id) for order_id, sold in self.sold.items() for trade in sold.failed}
        wrong = failed ^ {key for key, fate in fates.items() if fate == "FAILED"}
        self.check(SAME_FILLS, not wrong, f"{len(wrong)} fills failed for one side only: {sorted(wrong)[:2]}")
        self.counts["fills"] = len(theirs)


def _numbers(fill: e.Fill) -> tuple[str, int, int, int]:
    return fill.side, fill.price_micro, fill.size_micro, fill.fee_micro


_HEARD: Final = {
    "order": Judge._taken,
    "cancel": Judge._canceled,
    "trade": Judge._traded,
    "settlement": Judge._settled,
    "resolve": Judge._resolved,
    "reject": Judge._refused,
    "fault": Judge._faulted,
}
