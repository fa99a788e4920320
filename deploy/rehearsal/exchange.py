"""Clients at the venue: their orders from request to settlement, their money, and what they are told.

The exchange is sans-IO: requests and times go in, effects come out of its outbox; keys and chance are arguments. The
markets and the crowd are `floor.py`. What always holds: an order is checked in the order of facts 10 and a refusal
changes nothing; every accepted order, cancel, trade, settlement and payout is a line of the record before its answer
leaves; open orders never hold back more than an account has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, groupby
from typing import Any, Final

from deploy.rehearsal import protocol, refusals
from deploy.rehearsal.accounts import Accounts, Hold, Leg
from deploy.rehearsal.admission import Admission
from deploy.rehearsal.agenda import Agenda
from deploy.rehearsal.chain import Chain
from deploy.rehearsal.days import Day
from deploy.rehearsal.floor import Dice, Floor, Rules
from deploy.rehearsal.keys import Key, Keyring, Switches
from deploy.rehearsal.markets import OUTCOMES, Market
from deploy.rehearsal.matching import IMMEDIATE, Fill, Matched, Wish, collateral_of
from deploy.rehearsal.memory import Memory
from deploy.rehearsal.modes import Modes
from deploy.rehearsal.noise import Noise
from deploy.rehearsal.orders import GTD_EARLY_S, Asked, Order, fits, order_of, seconds_of
from deploy.rehearsal.outbox import Answer, Line, Outbox, ToUser
from deploy.rehearsal.posted import AnyPosted, domain_of, id_of, read_posted
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.trades import UNMINED, Trade, course, made, wanted
from deploy.rehearsal.transactions import Transactions

BATCH_MAX: Final = 15
CANCEL_MAX: Final = 1_000
CLOSED_STATUS: Final = {
    "client": "CANCELED",
    "heartbeat": "CANCELED",
    "market_closed": "CANCELED_MARKET_RESOLVED",
    "expired": "CANCELED_EXPIRED_ORDER",
    "no_balance": "CANCELED_NOT_ENOUGH_BALANCE",
    "fak": "CANCELED",
    "fok": "CANCELED",
}
"""What a cancelled order's status says, by its cause."""
KILLED: Final = {"FOK": refusals.FOK_KILLED, "FAK": refusals.FAK_KILLED}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: HTTP status and body."""

    status: int
    body: Json


@dataclass(frozen=True, slots=True)
class Waiting:
    """The answer comes later, as an `Answer` with this ticket: the order sits out the taker delay."""

    ticket: int


@dataclass(slots=True)
class Exchange:
    """The venue's state and rules. All times are market time in unix milliseconds unless named otherwise.

    taken: how many orders were taken since the venue began.
    """

    day: Day
    rules: Rules
    dice: Dice
    now_ms: int
    keyring: Keyring
    memory: Memory = field(default_factory=Memory)
    out: Outbox = field(default_factory=Outbox)
    agenda: Agenda = field(default_factory=Agenda)
    accounts: Accounts = field(default_factory=Accounts)
    switches: Switches = field(default_factory=Switches)
    modes: Modes = field(default_factory=Modes)
    orders: dict[str, Order] = field(default_factory=dict)
    trades: dict[str, Trade] = field(default_factory=dict)
    floor: Floor = field(init=False)
    door: Admission = field(init=False)
    chain: Chain = field(init=False)
    transactions: Transactions = field(init=False)
    taken: int = 0
    _delayed: set[str] = field(default_factory=set)
    _tickets: count[int] = field(default_factory=count)
    _unsettled: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        staked, resolved = frozenset(self.memory.staked()), frozenset(self.memory.resolved)
        self.floor = Floor(self.day, self.rules, self.dice, self.out, self.agenda, self.now_ms, self, staked, resolved)
        self._recall_money()
        self._recall_chain()
        self.door = Admission(self.floor, self.accounts, self.modes)
        self.floor.start()
        Noise(self.out, self.agenda, self.dice).start(self.now_ms)
        self.agenda.add(self.now_ms, self._recall_orders)

    # Time.

    def advance(self, now_ms: int) -> None:
        """Let everything happen that is due by now, in order, each thing at its own time."""
        for due_ms, action in self.agenda.due(now_ms):
            self.now_ms = self.floor.now_ms = due_ms
            action()
        self.now_ms = self.floor.now_ms = max(now_ms, self.now_ms)

    def sweep(self, now_ns: int) -> None:
        """Cancel the orders of every key whose heartbeat is overdue. now_ns: real, monotonic."""
        for api_key in self.switches.expired(now_ns):
            mine = [order for order in self.orders.values() if order.api_key == api_key and order.open]
            for order in mine:
                self._cancel(order, "heartbeat")
            key = self.keyring.by_id(api_key)
            self._line("heartbeat_expired", owner=key.owner if key else "", cancelled=len(mine))

    # Keys.

    def create_key(self, owner: str, nonce: int, chance: Callable[[int], bytes]) -> Key:
        """The key of an address and nonce; a new owner is granted play money with it."""
        key, new = self.keyring.create(owner, nonce, chance)
        if new:
            granted = 0 if self.accounts.knows(owner) else self.rules.grant_micro
            self.accounts.grant(owner, granted)
            wallet = self.accounts.get(owner).wallet
            self._line("key", owner=owner, api_key=key.api_key, wallet=wallet, grant_micro=granted)
        return key

    # Placing.

    def knock(self, bodies: Sequence[object], key: Key) -> None:
        """Owner and mode of a request, before it is charged. Raises: Refused; the refusal is on the record."""
        try:
            self.door.knock(bodies, key, self.now_ms)
        except Refused as refused:
            for body in bodies:
                self._refused(body, key, refused)
            raise

    def place(self, body: object, key: Key) -> Reply | Waiting:
        """Take, refuse or delay one order. Raises: Refused; the refusal is on the record."""
        try:
            return self._place(read_posted(body), key)
        except Refused as refused:
            self._refused(body, key, refused)
            raise

    def _place(self, posted: AnyPosted, key: Key) -> Reply | Waiting:
        market, asked = self.door.admit(posted, key, self.now_ms)
        crosses = market.book.crosses(asked.wish)
        hold = self.door.afford(market, asked, crosses)
        if asked.post_only and crosses:
            raise refusals.bad(refusals.POST_ONLY_CROSSES)
        if asked.order_id in self.orders or asked.order_id in self._delayed:
            raise refusals.duplicated(asked.order_id)
        self._bind(asked)
        self.accounts.hold(key.owner, asked.order_id, hold)
        if crosses and self.rules.taker_delay_ms:
            return self._delay(market, asked)
        return self._enter(market, asked, marketable=crosses)

    def _refused(self, body: object, key: Key, refused: Refused) -> None:
        """Put a refusal on the record, with the id its order would have had, where it has one."""
        try:
            posted = read_posted(body)
        except Refused:
            order_id = ""
        else:
            market = self.floor.by_token.get(posted.order.token_id)
            domain = domain_of(market.listing, self.rules.clob_version) if market else None
            order_id = id_of(posted, domain)
        self._line("reject", **refusals.fields_of(refused, order_id, key.owner))

    def _bind(self, asked: Asked) -> None:
        """Tie the wallet to its owner at first sight."""
        if self.accounts.bind(asked.key.owner, asked.wallet, asked.signature_type):
            owner, kind = asked.key.owner, asked.signature_type
            self._line("wallet", owner=owner, wallet=asked.wallet, signature_type=kind)

    def _delay(self, market: Market, asked: Asked) -> Reply | Waiting:
        """Sit out the taker delay; who asked to defer is answered at once, and hears of the rest on the user socket."""
        ticket, waiting = next(self._tickets), order_of(asked, self.now_ms)
        self._delayed.add(asked.order_id)
        self._tell(waiting, partial(protocol.order_event, waiting, "PLACEMENT", self.now_ms), status="DELAYED")
        due_ms = self.now_ms + self.rules.taker_delay_ms
        self.agenda.add(due_ms, partial(self._after_delay, market, asked, ticket))
        if asked.deferred:
            return Reply(200, protocol.accepted(waiting, "delayed"))
        return Waiting(ticket)

    def _after_delay(self, market: Market, asked: Asked, ticket: int) -> None:
        self._delayed.discard(asked.order_id)
        reply = self._enter(market, asked, marketable=True)
        self.out.put(Answer(ticket, reply.status, reply.body))

    def _enter(self, market: Market, asked: Asked, marketable: bool) -> Reply:
        """Put an order into the book, and say what became of it: resting, matched, killed, too late."""
        order = order_of(asked, self.now_ms)
        self.orders[order.order_id] = order
        if market.over:
            return self._too_late(market, order, "market_closed", refusals.NOT_READY)
        if marketable and not self.door.still_affords(market, asked):
            return self._too_late(market, order, "no_balance", refusals.NO_BALANCE)
        matched = self.floor.execute(market, asked.wish)
        self._shut(order, matched)
        status = "matched" if matched.fills else "unmatched" if marketable else "live"
        return self._conclude(market, order, matched, status)

    def _too_late(self, market: Market, order: Order, cause: str, reason: str) -> Reply:
        """What was fine when it came is not any more: the order is taken and cancelled at once."""
        self._accept(market, order, "unmatched")
        self._cancel(order, cause)
        return Reply(400, protocol.error(reason))

    def _conclude(self, market: Market, order: Order, matched: Matched, status: str) -> Reply:
        """Record and tell an entered order: itself first, then its trades, then what of it was killed."""
        self._accept(market, order, status)
        for identity in order.trades:
            self._tell_trade(self.trades[identity])
        if order.kind in IMMEDIATE and matched.killed_micro:
            self._killed(order, matched)
        self.floor.publish(market, bool(matched.fills))
        if order.kind in IMMEDIATE and not matched.fills:
            return Reply(400, protocol.error(KILLED[order.kind]))
        return Reply(200, protocol.accepted(order, status))

    def _shut(self, order: Order, matched: Matched) -> None:
        """Set an entered order's status, and hold back only what still rests."""
        order.status = "LIVE" if matched.rested_micro else "MATCHED" if matched.fills else "CANCELED"
        self._hold_rest(order, matched.rested_micro)
        if order.open and order.kind == "GTD":
            self.agenda.add((order.expires_s - GTD_EARLY_S) * 1_000, partial(self._expire, order))

    def _accept(self, market: Market, order: Order, status: str) -> None:
        self.taken += 1
        self._line(
            "order",
            order_id=order.order_id,
            owner=order.owner,
            wallet=order.wallet,
            market=order.condition_id,
            slug=market.listing.slug,
            token_id=order.token_id,
            outcome=order.outcome,
            side=order.side,
            price_micro=order.price_micro,
            size_micro=order.size_micro,
            order_type=order.kind,
            post_only=order.post_only,
            status=status,
            api_key=order.api_key,
            expires_s=order.expires_s,
        )
        if status != "unmatched" or order.open:
            shown = {"status": "UNMATCHED"} if status == "unmatched" else {}
            self._tell(order, partial(protocol.order_event, order, "PLACEMENT", self.floor.stamp_ms), **shown)

    def _killed(self, order: Order, matched: Matched) -> None:
        cause = order.kind.lower()
        self._line("cancel", order_id=order.order_id, cause=cause, open_micro=matched.killed_micro, api_key="")
        if not matched.fills:
            self._tell(order, partial(protocol.killed_event, order, KILLED[order.kind], self.floor.stamp_ms))

    # Cancelling.

    def cancel(self, order_ids: Sequence[str], key: Key) -> Json:
        """Cancel orders by id; what could not be is told with its reason."""
        done: list[str] = []
        refused: dict[str, str] = {}
        for order_id in dict.fromkeys(order_ids):
            order = self.orders.get(order_id)
            if order is None or order.owner != key.owner:
                refused[order_id] = refusals.NOT_FOUND_OR_CANCELED
            elif not order.open:
                refused[order_id] = refusals.ALREADY_DONE
            else:
                self._cancel(order, "client", key.api_key)
                done.append(order_id)
        return protocol.canceled(done, refused)

    def open_orders(self, owner: str, market: str = "", token_id: str = "", order_id: str = "") -> list[Order]:
        """An owner's open orders, oldest first; a blank filter lets everything pass."""
        where = {"condition_id": market, "token_id": token_id, "order_id": order_id}
        return [order for order in self.orders.values() if order.open and order.owner == owner and fits(order, where)]

    def trades_of(self, owner: str, asked: Mapping[str, str]) -> list[Trade]:
        """An owner's trades, newest first. asked: id, market, asset_id, maker_address; before and after in seconds.

        Raises: Refused: a bound that is no number of seconds.
        """
        after, before = seconds_of(asked.get("after")), seconds_of(asked.get("before"))
        return [
            trade
            for trade in reversed(self.trades.values())
            if (after is None or trade.match_ms >= after * 1_000)
            and (before is None or trade.match_ms < before * 1_000)
            and any(leg.owner == owner for leg in trade.legs)
            and wanted(trade, asked)
        ]

    def _cancel(self, order: Order, cause: str, api_key: str = "") -> None:
        market = self.floor.by_condition[order.condition_id]
        open_micro = market.book.cancel(order.order_id) or order.size_micro - order.matched_micro
        order.status = CLOSED_STATUS[cause]
        self._hold_rest(order, 0)
        self._line("cancel", order_id=order.order_id, cause=cause, open_micro=open_micro, api_key=api_key)
        by_venue = cause != "client"
        self._tell(order, partial(protocol.order_event, order, "CANCELLATION", self.floor.stamp_ms, by_venue))
        self.floor.publish(market)

    def _expire(self, order: Order) -> None:
        if order.open and order.order_id in self.orders:
            self._cancel(order, "expired")

    # What the floor tells.

    def filled(self, market: Market, wish: Wish, matched: Matched) -> None:
        """Book a match: one trade for each price level, with its clients' legs, orders and messages."""
        taker = self.orders.get(wish.order_id)
        for up_micro, level in groupby(matched.fills, key=lambda fill: fill.up_micro):
            self._book(market, wish, taker, up_micro, list(level))

    def _book(self, market: Market, wish: Wish, taker: Order | None, up_micro: int, fills: list[Fill]) -> None:
        trade = made(market.listing, wish, fills, self.orders, self.now_ms, market.number)
        self.floor.tell(market, trade.taker, up_micro, trade.transaction_hash)
        if not trade.legs:
            return
        self._keep(trade)
        for fill in fills:
            self._maker_filled(fill)
        if taker is None:
            self._tell_trade(trade)

    def closed(self, market: Market) -> None:
        """A window ended: its clients' orders are cancelled."""
        for order in [order for order in self.orders.values() if order.open]:
            if order.condition_id == market.listing.condition_id:
                self._cancel(order, "market_closed")

    def resolved(self, market: Market) -> None:
        """A market has a winner: settle what is in flight, then pay who lets the auto-redeemer do it."""
        for trade in [trade for trade in self.trades.values() if trade.condition_id == market.listing.condition_id]:
            while trade.trade_id in self._unsettled:
                self._settle(trade, *self._unsettled[trade.trade_id][0])
        self._pay(market)

    def _pay(self, market: Market) -> None:
        tokens = [market.listing.token(outcome) for outcome in OUTCOMES]
        for owner in dict.fromkeys(owner for owner, _ in self.accounts.holders(tokens)):
            if self.chain.redeems_itself(owner):
                self.chain.redeem(market, owner, self.now_ms)

    def holds(self, market: Market) -> bool:
        """Whether somebody still has shares of a market, resolved or not."""
        return bool(self.accounts.holders(market.listing.token(outcome) for outcome in OUTCOMES))

    def forgotten(self, market: Market) -> None:
        """A market is dropped: so are its orders and trades."""
        condition = market.listing.condition_id
        self.chain.portfolio.forget(market.listing.token(outcome) for outcome in OUTCOMES)
        self.orders = {name: order for name, order in self.orders.items() if order.condition_id != condition}
        self.trades = {name: trade for name, trade in self.trades.items() if trade.condition_id != condition}

    # Booking.

    def _keep(self, trade: Trade) -> None:
        """Book a new trade's legs and plan its settlement."""
        self.trades[trade.trade_id] = trade
        for leg in trade.legs:
            self.accounts.book(leg)
            order = self.orders[leg.order_id]
            order.trades.append(trade.trade_id)
            order.matched_micro += leg.size_micro
            collateral = collateral_of(leg.size_micro, leg.price_micro)
            gave, got = (collateral, leg.size_micro) if leg.side == "BUY" else (leg.size_micro, collateral)
            order.made_micro += gave
            order.taken_micro += got
        failing = 1.0 if self.floor.mischief.dooms(trade.trade_id) else self.rules.failing
        self._plan_settlement(trade, course(trade.trade_id, failing))

    def _maker_filled(self, fill: Fill) -> None:
        order = self.orders.get(fill.maker_id)
        if order is not None:
            order.status = "LIVE" if fill.open_micro else "MATCHED"
            self._hold_rest(order, fill.open_micro)

    def _hold_rest(self, order: Order, open_micro: int) -> None:
        """Hold back what an order still needs for its open shares."""
        sells, dollars = order.side == "SELL", collateral_of(open_micro, order.price_micro)
        held = Hold(order.token_id, open_micro) if sells else Hold("", dollars)
        self.accounts.hold(order.owner, order.order_id, held)

    # Settlement.

    def _plan_settlement(self, trade: Trade, steps: list[tuple[int, str]]) -> None:
        self._unsettled[trade.trade_id] = steps
        for after_ms, status in steps:
            self.agenda.add(trade.match_ms + after_ms, partial(self._settle, trade, after_ms, status))

    def _settle(self, trade: Trade, after_ms: int, status: str) -> None:
        """Move a trade along its course; a step taken early, at the market's resolution, is not taken twice."""
        steps = self._unsettled.get(trade.trade_id, [])
        if (after_ms, status) not in steps:
            return
        steps.remove((after_ms, status))
        if not steps:
            del self._unsettled[trade.trade_id]
        trade.status, trade.update_ms = status, self.now_ms
        if status == "MINED":
            for leg in trade.legs:
                self.chain.portfolio.book(leg, self.now_ms)
        if status == "FAILED":
            for leg in trade.legs:
                self.accounts.reverse(leg)
        self._line("settlement", trade_id=trade.trade_id, status=status)
        self._send_trade(trade)

    # Telling.

    def _tell_trade(self, trade: Trade) -> None:
        self._line(
            "trade",
            trade_id=trade.trade_id,
            market=trade.condition_id,
            slug=trade.slug,
            legs=[leg.fields() for leg in trade.legs],
        )
        self._send_trade(trade)
        for leg in trade.legs:
            if leg.maker:
                order = self.orders[leg.order_id]
                self._tell(order, partial(protocol.order_event, order, "UPDATE", self.floor.stamp_ms))

    def _send_trade(self, trade: Trade) -> None:
        for api_key in trade.clients():
            if self.out.wants(api_key):
                event = protocol.trade_event(trade, api_key, self.floor.stamp_ms)
                self.out.put(ToUser(api_key, trade.condition_id, event))

    def _tell(self, order: Order, event: Callable[[], Json], **shown: str) -> None:
        """Tell an order's key what became of it. event: makes it, if it is wanted. shown: what it says otherwise."""
        if self.out.wants(order.api_key):
            self.out.put(ToUser(order.api_key, order.condition_id, event() | shown))

    def _line(self, kind: str, **fields: Any) -> None:
        self.out.put(Line(self.now_ms, kind, fields))

    # Starting again.

    def _recall_money(self) -> None:
        """Take over what the record says clients own, ordered and traded."""
        self.accounts = self.memory.accounts
        self.orders = dict(self.memory.orders)
        for trade, seen in self.memory.unsettled():
            failing = 1.0 if trade.trade_id in self.memory.doomed else self.rules.failing
            steps = [step for step in course(trade.trade_id, failing) if step[1] not in seen]
            self.trades[trade.trade_id] = trade
            self._plan_settlement(trade, steps)
        for order in self.orders.values():
            self._hold_rest(order, order.size_micro - order.matched_micro if order.open else 0)

    def _recall_chain(self) -> None:
        """Build the chain on the books, with what the record says of approvals and transactions."""
        memory = self.memory
        self.chain = Chain(
            self.accounts,
            self.floor,
            self.out,
            memory.portfolio,
            self._unmined,
            self.rules.auto_redeem,
            memory.approvals,
        )
        spoils = self.floor.mischief.spoils
        self.transactions = Transactions(self.chain, self.agenda, self.out, memory.nonces, spoils)
        for told in memory.transactions.values():
            self.transactions.recall(told)

    def _unmined(self) -> list[Leg]:
        """Legs that were matched and are not on the chain yet."""
        trades = (self.trades[identity] for identity in self._unsettled)
        return [leg for trade in trades if trade.status in UNMINED for leg in trade.legs]

    def _recall_orders(self) -> None:
        """Put open orders back, behind the crowd that came before them: a restart gives nobody a better place.

        Orders and trades of markets that are not listed any more are dropped.
        """
        listed = self.floor.by_condition
        for market in [market for market in listed.values() if market.settled]:
            self._pay(market)
        self.orders = {name: order for name, order in self.orders.items() if order.condition_id in listed}
        for trade in self.memory.trades.values():
            if trade.condition_id in listed:
                self.trades.setdefault(trade.trade_id, trade)
        for order in [order for order in self.orders.values() if order.open]:
            wish = Wish(order.order_id, order.owner, order.outcome, order.side, order.price_micro, order.size_micro)
            listed[order.condition_id].book.restore(wish, order.size_micro - order.matched_micro)
            if order.kind == "GTD":
                self.agenda.add((order.expires_s - GTD_EARLY_S) * 1_000, partial(self._expire, order))

    def balances(self) -> list[Json]:
        """What every account owns, for the last line of the record."""
        return [
            {
                "owner": account.owner,
                "wallet": account.wallet,
                "cash_micro": account.cash_micro,
                "positions": [self._position(token, size) for token, size in sorted(account.positions.items())],
            }
            for account in self.accounts.all()
        ]

    def transfer(self, micro: int) -> None:
        """Pay into every account, or out of it what no order holds back."""
        for account in self.accounts.all():
            moved = max(micro, -account.free_cash())
            self.accounts.grant(account.owner, moved)
            self._line("transfer", owner=account.owner, amount_micro=moved)

    def _position(self, token_id: str, size_micro: int) -> Json:
        market = self.floor.by_token.get(token_id)
        return {
            "market": market.listing.condition_id if market else "",
            "token_id": token_id,
            "outcome": market.outcome_of(token_id) if market else "",
            "size_micro": size_micro,
        }
