"""Everything durable, folded from the journal: orders, positions, cash, who owns which slot, what the operator wished.

There is one way to change it: `apply` an entry. The desk applies each entry it writes and recovery applies each entry
it reads, so that what is rebuilt after a crash is, by construction, what was there before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from msgspec import structs

from shared import entries as e
from shared.clock import DAY_NS
from shared.exposure import at_cost, buys, may_charge, may_cost
from shared.messages import OUTCOMES, Outcome, Place
from shared.slots import parse_slot
from shared.units import cost_of
from supervisor.claims import OVER, Claim, leave, move
from supervisor.orders import Fills, Gone, Lives, Matched, Order, OrderEvent, Unanswered, Unfills, step
from supervisor.positions import Moved, Position, apply_fill, confirm, put_back, set_aside, take_back

PositionKey = tuple[str, int, Outcome]
"""Slot, window start, token."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who decides for a slot, since which epoch. Epochs of a slot only grow."""

    epoch: int = 0
    uid: str = ""
    release: str = ""
    parameters: str = ""

    def by(self) -> e.By:
        """The owner as an entry names it."""
        return e.By(self.release, self.parameters, self.epoch, self.uid)


NOBODY: Final = Ownership()


@dataclass(frozen=True, slots=True)
class Operated:
    """An operation as the journal tells it: how many slots it moved, and its result once it ended."""

    step: e.Step
    blue: str
    green: str
    flips: int = 0
    result: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Paid:
    """What a resolved window paid for the winning token, as far as we count: at the venue it may still wait."""

    token_id: str
    version: str
    micro: int


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the parameters and since when it was in force, market time."""

    parameters: e.Parameters
    at_ns: int


OPERATIONS_KEPT: Final = 64
VERSIONS_KEPT: Final = 256
"""Versions of the parameters, the newest: those one can go back to."""
ACTIVATIONS_KEPT: Final = 1_000
PAYOUTS_KEPT: Final = 32
FORGOTTEN_KEPT: Final = 4_096
"""Orders of ours that are over, of which no more is kept than that they were ours."""
CLAIMS_KEPT: Final = 64
"""Claims that are over and still told of."""


@dataclass
class Accounts:
    """The fold. Orders and fills of a window are forgotten when it is resolved and none of them is in doubt."""

    orders: dict[str, Order] = field(default_factory=dict)
    positions: dict[PositionKey, Position] = field(default_factory=dict)
    fills: dict[tuple[str, str], e.Fill] = field(default_factory=dict)
    owners: dict[str, Ownership] = field(default_factory=dict)
    releases: dict[str, e.Release] = field(default_factory=dict)
    windows: dict[tuple[str, int], e.Opened] = field(default_factory=dict)
    strikes: dict[tuple[str, int], int] = field(default_factory=dict)
    settled: dict[tuple[str, int], e.Settled] = field(default_factory=dict)
    winners: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    payouts: dict[tuple[str, int], Paid] = field(default_factory=dict)
    """The newest windows that paid something, oldest first; as many as PAYOUTS_KEPT."""
    owing: dict[tuple[str, int], e.Opened] = field(default_factory=dict)
    """Resolved windows of ours whose payout is collateral only once it was redeemed."""
    claims: dict[str, Claim] = field(default_factory=dict)
    claimed_micro: int = 0
    """What all claims together have brought in."""
    granted_ms: dict[str, int] = field(default_factory=dict)
    """When the first grant of a slot was written, market time: from then on its ticks are owed."""
    last_ticks: dict[str, int] = field(default_factory=dict)
    operations: dict[str, Operated] = field(default_factory=dict)
    configuration: str = ""
    strategy: str = ""
    """The digest of the set that the settings last brought into force."""
    parameters: e.Parameters | None = None
    """The version in force; None before the first reign."""
    versions: dict[int, Version] = field(default_factory=dict)
    """The newest versions by their number, oldest first; as many as VERSIONS_KEPT."""
    traded_with: dict[str, int] = field(default_factory=dict)
    """The version with which each release last owned a slot: both come back together."""
    active: e.Active | None = None
    previous: str = ""
    activated_ns: list[int] = field(default_factory=list)
    """When releases became active, market time, oldest first; as many as ACTIVATIONS_KEPT."""
    measured: set[tuple[str, int]] = field(default_factory=set)
    """Windows in which the active release has decided, and that were resolved or may still be."""
    forgotten: dict[str, None] = field(default_factory=dict)
    """The newest orders that were dropped with their window: a late word about one of them is no stranger's."""
    windows_measured: int = 0
    """How many windows of `measured` were resolved since the active release became active."""
    decisions_measured: int = 0
    """Ticks the active release has decided since then."""
    term: int = 0
    mode: str = ""
    """Of the reigns before: a state folder that rehearsed never trades real money."""
    last_seq: int = 0
    """The newest stream frame anybody is known to have decided on."""
    generation: int = 0
    paused: bool = False
    pause_reason: str = ""
    halted: str = ""
    """The operation under which a person halted the desk; empty when it is not halted."""
    flattening: dict[str, str] = field(default_factory=dict)
    """Slots that a person took from every release, and under which operation, until somebody resumes."""
    flat: dict[str, str] = field(default_factory=dict)
    """Of these the ones that hold nothing any more that can be closed, and what is left in them."""
    own_orders: int = 0
    """How many orders the desk has placed for people, ever: the next one's number, which no other has."""
    standing: e.Standing | None = None
    """What the venue said last that we may do; None until it was asked once."""
    pruned: e.TapePruned | None = None
    """All that went of the tape, added up, by the policy it went by last."""
    cash_micro: int = 0
    transferred_micro: int = 0
    """What people brought in and took out past the desk, together; no result of any release."""
    opened: bool = False
    day: int = 0
    day_realized_micro: int = 0
    last_ns: int = 0
    """Market time of the newest entry."""
    version: int = 0
    """Grows with every change of orders, positions or cash."""

    def apply(self, entry: e.Entry, at_ns: int) -> None:
        """Take one fact into account. Kinds that change nothing durable pass through."""
        self.last_ns = max(self.last_ns, at_ns)
        change = _APPLY.get(type(entry))
        if change is not None:
            self._turn_day(at_ns)
            change(self, entry)

    def open_orders(self, slot: str | None = None) -> list[Order]:
        """Orders that are not closed, oldest first; of one slot or of all."""
        return [o for o in self.orders.values() if o.state != "closed" and slot in {None, o.slot}]

    def exposure(self, slot: str = "", outcome: str = "") -> int:
        """What can still be lost: positions at cost, and what open buys would take at their price.

        Args: slot: only of this slot; only of this asset when written "BTC/"; everything when empty. outcome: only of
        this one, in whatever slot; of both when empty.
        """
        return at_cost(self.positions, slot, outcome) + self.reserved(slot, outcome)

    def reserved(self, slot: str = "", outcome: str = "") -> int:
        """What open buys would take out of the cash at their price; of a slot, an asset, an outcome or all."""
        return sum(map(self.may_cost, buys(self.open_orders(), slot, outcome)))

    def charges(self, slot: str = "", outcome: str = "") -> int:
        """The most that open buys may still be charged in fees; of a slot, an asset, an outcome or all."""
        return sum(map(self.may_charge, buys(self.open_orders(), slot, outcome)))

    def owed(self) -> int:
        """What is ours and not yet collateral: winners that are not redeemed, pairs that are being merged."""
        return sum(claim.amount_micro for claim in self.claims.values() if claim.state not in OVER)

    def settled_in(self, slot: str, start_s: int) -> bool:
        """Whether every trade of ours in a window has come to its end, as far as we were told."""
        return all((fill.slot, fill.start_s) != (slot, start_s) for fill in self.unsettled_fills())

    def unsettled(self, window: tuple[str, int], outcome: Outcome) -> tuple[int, int]:
        """Shares of a token bought, and sold, in trades whose settlement has not come to its end."""
        sums = {"BUY": 0, "SELL": 0}
        for fill in self.unsettled_fills():
            if (fill.slot, fill.start_s) == window and fill.outcome == outcome:
                sums[fill.side] += fill.size_micro
        return sums["BUY"], sums["SELL"]

    def unsettled_fills(self) -> Iterator[e.Fill]:
        """Fills that may yet fail: in our books, and perhaps not in the venue's."""
        return (fill for fill in self.fills.values() if fill.status not in FINAL)

    def may_cost(self, order: Order) -> int:
        """What an open buy can still take out of the cash, fees apart."""
        fills = self.fills_of(order) if order.kind != "GTC" else ()  # one that rests is counted by what is open
        paid = sum(cost_of(fill.size_micro, fill.price_micro) for fill in fills)
        return may_cost(order.kind, order.price_micro, order.size_micro, order.open_micro, paid)

    def may_charge(self, order: Order) -> int:
        """The most that an open buy can still be charged in fees."""
        fills = self.fills_of(order) if order.charge_micro else ()
        return max(0, order.charge_micro - sum(fill.fee_micro for fill in fills))

    def fills_of(self, order: Order) -> list[e.Fill]:
        """Every fill of an order that was told, also those that failed."""
        return [fill for trade in order.seen if (fill := self.fills.get((trade, order.order_id)))]

    def told(self, order: Order) -> int:
        """How much of an order has matched as far as we were told, failed or not: what failed did match."""
        return sum(fill.size_micro for fill in self.fills_of(order))

    def holdings(self, slot: str | None = None) -> tuple[e.Holding, ...]:
        """Positions as a boundary or snapshot states them."""
        return tuple(
            e.Holding(p.slot, p.start_s, p.outcome, p.size_micro, p.cost_micro, p.release)
            for p in self.positions.values()
            if p.size_micro and slot in {None, p.slot}
        )

    def resting(self, slot: str | None = None) -> tuple[e.Resting, ...]:
        """Open orders as a boundary or snapshot states them."""
        return tuple(
            e.Resting(o.order_id, o.slot, o.start_s, o.outcome, o.side, o.price_micro, o.open_micro, o.by.release)
            for o in self.open_orders(slot)
        )

    def release_name(self, release: str) -> str:
        """A release in a sentence, such as r42 9f31c7e0; its whole hash where nobody knows its number."""
        known = self.releases.get(release)
        return f"r{known.seq} {release[:8]}" if known is not None else release

    def unresolved(self) -> list[e.Opened]:
        """Windows whose winner nobody has named yet."""
        return [opened for key, opened in self.windows.items() if key not in self.winners]

    def _turn_day(self, at_ns: int) -> None:
        day = at_ns // DAY_NS
        if day > self.day:
            self.day, self.day_realized_micro = day, 0

    def _order_step(self, order_id: str, event: OrderEvent) -> None:
        order = self.orders.get(order_id)
        if order is not None:
            self.orders[order_id] = step(order, event)
            self.version += 1

    def _move(self, key: PositionKey, moved: Moved) -> None:
        self.positions[key] = moved.position
        self.cash_micro += moved.cash_micro
        self.day_realized_micro += moved.realized_micro
        self.version += 1

    def _on_term(self, entry: e.Term) -> None:
        self.term, self.last_seq = entry.term, max(entry.seq, self.last_seq)
        self.mode = entry.mode

    def _on_configuration(self, entry: e.Configuration) -> None:
        self.configuration = entry.digest

    def _on_release(self, entry: e.Release) -> None:
        self.releases[entry.release] = entry

    def _on_parameters(self, entry: e.Parameters) -> None:
        """A version is in force in every slot at once, whoever owns it."""
        number = entry.number or max(self.versions, default=0) + 1
        self.parameters = structs.replace(entry, number=number)
        self.versions[number] = Version(self.parameters, self.last_ns)
        for old in list(self.versions)[:-VERSIONS_KEPT]:
            del self.versions[old]
        self.owners = {slot: replace(owner, parameters=entry.digest) for slot, owner in self.owners.items()}
        self.traded_with |= dict.fromkeys((owner.release for owner in self.owners.values()), number)
        self.generation = max(self.generation, entry.generation)
        self.strategy = entry.digest if entry.actor == "settings" else self.strategy

    def _on_grant(self, entry: e.Grant) -> None:
        self.owners[entry.slot] = Ownership(entry.epoch, entry.uid, entry.release, entry.parameters)
        if self.parameters is not None:
            self.traded_with[entry.release] = self.parameters.number
        self.granted_ms.setdefault(entry.slot, self.last_ns // 1_000_000)
        operated = self.operations.get(entry.op)
        if operated is not None and entry.release == operated.green:
            self.operations[entry.op] = replace(operated, flips=operated.flips + 1)

    def _on_step(self, entry: e.Step) -> None:
        known = self.operations.get(entry.op)
        blue, green = str(entry.detail.get("blue", "")), str(entry.detail.get("green", ""))
        operated = replace(known, step=entry) if known is not None else Operated(entry, blue, green)
        if entry.phase == "done":
            ended = str(entry.detail.get("result", "")), str(entry.detail.get("fault", ""))
            operated = replace(operated, result=ended[0], fault=ended[1])
        self.operations[entry.op] = operated
        for old in list(self.operations)[:-OPERATIONS_KEPT]:
            del self.operations[old]

    def _on_active(self, entry: e.Active) -> None:
        if self.active is not None and self.active.release != entry.release:
            self.previous = self.active.release
        self.active = entry
        self.activated_ns = [*self.activated_ns[1 - ACTIVATIONS_KEPT :], self.last_ns]
        self.measured, self.windows_measured, self.decisions_measured = set(), 0, 0

    def _on_placing(self, entry: e.Placing) -> None:
        self.own_orders += bool(entry.op)
        self.orders[entry.order_id] = Order(
            order_id=entry.order_id,
            slot=entry.slot,
            start_s=entry.start_s,
            token_id=entry.token_id,
            outcome=entry.outcome,
            side=entry.side,
            price_micro=entry.price_micro,
            size_micro=entry.size_micro,
            kind=entry.kind,
            by=entry.by,
            charge_micro=self._charge(entry),
        )
        self.version += 1

    def _charge(self, entry: e.Placing) -> int:
        """The most that an order's trades can be charged, by its market's terms."""
        opened = self.windows.get((entry.slot, entry.start_s))
        if opened is None:
            return 0
        wish = Place(entry.outcome, entry.side, entry.price_micro, entry.size_micro, entry.kind, entry.post_only)
        return may_charge(wish, opened.terms)

    def _on_answered(self, entry: e.Answered) -> None:
        event = order_event(entry, self.orders.get(entry.order_id))
        if event is not None:
            self._order_step(entry.order_id, event)

    def _on_report(self, entry: e.OrderReported) -> None:
        """One that is closed and has traded more than was told stays what it is: the rest of it counts until it is."""
        order = self.orders.get(entry.order_id)
        if entry.state == "closed" and (order is None or self.told(order) >= entry.matched_micro):
            self._order_step(entry.order_id, Gone(entry.reason))
        elif entry.state == "open":
            self._order_step(entry.order_id, Lives())

    def _on_fill(self, entry: e.Fill) -> None:
        if (entry.trade_id, entry.order_id) in self.fills:
            return
        self.fills[entry.trade_id, entry.order_id] = entry
        key: PositionKey = (entry.slot, entry.start_s, entry.outcome)
        if key[:2] in self.winners:
            self._count_after_resolution(entry, 1)
        else:
            fresh = Position(entry.slot, entry.start_s, entry.outcome, entry.by.release)
            self._move(key, apply_fill(self.positions.get(key, fresh), entry))
        self._order_step(entry.order_id, Fills(entry.trade_id, entry.size_micro))
        if entry.status != "MATCHED":
            self._settle_fill(entry, entry.status)

    def _on_fill_status(self, entry: e.FillStatus) -> None:
        fill = self.fills.get((entry.trade_id, entry.order_id))
        if fill is None or fill.status in FINAL or fill.status == entry.status:
            return
        self.fills[entry.trade_id, entry.order_id] = structs.replace(fill, status=entry.status)
        self._settle_fill(fill, entry.status)

    def _settle_fill(self, fill: e.Fill, status: e.Settlement) -> None:
        key: PositionKey = (fill.slot, fill.start_s, fill.outcome)
        position = self.positions.get(key)
        if status == "FAILED":
            self._order_step(fill.order_id, Unfills(fill.size_micro))
        if key[:2] in self.winners:
            if status == "FAILED":
                self._count_after_resolution(fill, -1)
        elif position is not None and status == "CONFIRMED":
            self.positions[key] = confirm(position, fill)
            self.version += 1
        elif position is not None and status == "FAILED":
            self._move(key, take_back(position, fill))

    def _count_after_resolution(self, fill: e.Fill, sign: int) -> None:
        """Move a fill's price and payout at once: it is told (1) or fails (-1) when its window is resolved already."""
        window = fill.slot, fill.start_s
        amount = cost_of(fill.size_micro, fill.price_micro)
        way = sign if fill.side == "BUY" else -sign
        payout = way * fill.size_micro if fill.outcome == self.winners[window] else 0
        paid = -way * amount - sign * fill.fee_micro
        self.cash_micro += paid
        self.day_realized_micro += paid + payout
        self._pay_out(window, payout)
        self.version += 1

    def _pay_out(self, window: tuple[str, int], amount_micro: int) -> None:
        """Shares of a resolved window are worth this much: as cash, or as something to claim."""
        if window not in self.owing:
            self.cash_micro += amount_micro
            self._note_payout(window, amount_micro)
            return
        name = claim_name("redeem", *window)
        claim = self.claims.pop(name, None)
        if claim is None or claim.state in OVER:
            claim = Claim(name, "redeem", *window, self.owing[window], 0, self.winners[window])
        if claim.amount_micro + amount_micro > 0:
            self.claims[name] = replace(claim, amount_micro=claim.amount_micro + amount_micro)
        else:  # a trade failed of which the payout was redeemed already, or is no more
            self.cash_micro += claim.amount_micro + amount_micro

    def _on_outcome(self, entry: e.OutcomeOf) -> None:
        self.last_ticks[entry.slot] = max(entry.tick, self.last_ticks.get(entry.slot, 0))
        self.last_seq = max(self.last_seq, entry.read_seq)
        if self.active is not None and entry.kind != "SKIP" and entry.by.release == self.active.release:
            self.decisions_measured += 1
            self.measured.add((entry.slot, parse_slot(entry.slot).window_start(entry.tick // 1_000)))

    def _on_opened(self, entry: e.Opened) -> None:
        self.windows[entry.slot, entry.start_s] = entry

    def _on_strike(self, entry: e.Strike) -> None:
        self.strikes[entry.slot, entry.start_s] = int(entry.exact)

    def _on_settled(self, entry: e.Settled) -> None:
        self.settled[entry.slot, entry.start_s] = entry

    def _on_resolved(self, entry: e.Resolved) -> None:
        window = (entry.slot, entry.start_s)
        closed = [key for key in self.positions if key[:2] == window]
        cost = sum(self.positions.pop(key).cost_micro for key in closed)
        self.day_realized_micro += entry.payout_micro - cost
        for order in [o for o in self.orders.values() if (o.slot, o.start_s) == window]:
            self.orders[order.order_id] = replace(order, state="closed", reason=order.reason or "window resolved")
        self.winners[window] = entry.winner
        if entry.owed and window in self.windows:
            self.owing[window] = self.windows[window]
        if entry.payout_micro:
            self._pay_out(window, entry.payout_micro)
        self.windows_measured += window in self.measured
        self.measured = {kept for kept in self.measured if kept[0] != entry.slot or kept[1] > entry.start_s}
        self._forget(window)
        self.version += 1

    def _note_payout(self, window: tuple[str, int], micro: int) -> None:
        """A resolved window pays this, or so much more than was counted before."""
        opened, before = self.windows.get(window), self.payouts.get(window)
        if micro and opened is not None:
            token = opened.token_of(self.winners[window])
            self.payouts[window] = Paid(token, opened.version, micro + (before.micro if before else 0))
            for old in list(self.payouts)[:-PAYOUTS_KEPT]:
                del self.payouts[old]

    def _forget(self, window: tuple[str, int]) -> None:
        """Drop what only windows before this one needed; late words about this one's trades can still be counted.

        Who won is kept as long as something of the window is owed. The venue may name a winner later than the next
        window's: until then a window that we traded in is kept, and the orders of its trades that may still fail.
        """
        slot, start_s = window
        owed = {(claim.slot, claim.start_s) for claim in self.claims.values() if claim.state not in OVER}
        traded = {(o.slot, o.start_s) for o in self.orders.values()} | {key[:2] for key in self.positions}
        waiting = traded - self.winners.keys()
        doubtful = {f.order_id for f in self.unsettled_fills() if (f.slot, f.start_s) in waiting}

        def kept(key: tuple[str, int]) -> bool:
            return key[0] != slot or key[1] >= start_s

        self.strikes.pop(window, None)
        self.settled.pop(window, None)
        self.windows = {key: opened for key, opened in self.windows.items() if kept(key) or key in waiting}
        self.winners = {key: won for key, won in self.winners.items() if kept(key) or key in owed}
        self.owing = {key: opened for key, opened in self.owing.items() if kept(key) or key in owed}
        over = {o.order_id for o in self.orders.values() if not kept((o.slot, o.start_s)) and o.state == "closed"}
        old = over - doubtful
        self.orders = {key: order for key, order in self.orders.items() if key not in old}
        self.forgotten.update(dict.fromkeys(sorted(old)))
        for oldest in list(self.forgotten)[:-FORGOTTEN_KEPT]:
            del self.forgotten[oldest]
        self.fills = {key: fill for key, fill in self.fills.items() if key[1] not in old}

    def _on_claiming(self, entry: e.Claiming) -> None:
        claim = self.claims.get(entry.claim)
        if claim is None or claim.state in OVER:
            claim = self._set_aside(entry)
        self.claims[entry.claim] = leave(claim, entry)
        self.version += 1

    def _set_aside(self, entry: e.Claiming) -> Claim:
        """Pairs that are being merged can no longer be sold."""
        assert entry.kind == "merge", f"{entry.claim} leaves, and nothing is owed"
        costs: list[int] = []
        releases: list[str] = []
        for outcome in OUTCOMES:
            key: PositionKey = (entry.slot, entry.start_s, outcome)
            releases.append(self.positions[key].release)
            self.positions[key], cost = set_aside(self.positions[key], entry.amount_micro)
            costs.append(cost)
        opened = self.windows[entry.slot, entry.start_s]
        fresh = Claim(entry.claim, "merge", entry.slot, entry.start_s, opened, entry.amount_micro)
        return replace(fresh, costs=(costs[0], costs[1]), releases=(releases[0], releases[1]))

    def _on_claim_moved(self, entry: e.ClaimMoved) -> None:
        claim = move(self.claims[entry.claim], entry)
        self.claims[entry.claim] = claim
        if claim.state == "paid":
            self.cash_micro += claim.amount_micro
            self.claimed_micro += claim.amount_micro
            self.day_realized_micro += claim.amount_micro - sum(claim.costs) if claim.kind == "merge" else 0
        elif claim.state == "dropped":
            self._give_back(claim)
        for old in [name for name, known in self.claims.items() if known.state in OVER][:-CLAIMS_KEPT]:
            del self.claims[old]
        self.version += 1

    def _give_back(self, claim: Claim) -> None:
        """Pairs that were not merged are positions again; in a resolved window one of the two pays."""
        window = claim.slot, claim.start_s
        if window in self.winners:
            self.day_realized_micro += claim.amount_micro - sum(claim.costs)
            self._pay_out(window, claim.amount_micro)
            return
        for outcome, cost, release in zip(OUTCOMES, claim.costs, claim.releases, strict=True):
            fresh = Position(*window, outcome, release)
            held = self.positions.get((*window, outcome), fresh)
            self.positions[*window, outcome] = put_back(held, claim.amount_micro, cost)

    def _on_balance(self, entry: e.Balance) -> None:
        if entry.opening:
            self.cash_micro, self.opened = entry.cash_micro, True
            self.version += 1

    def _on_transfer(self, entry: e.Transfer) -> None:
        self.cash_micro += entry.amount_micro
        self.transferred_micro += entry.amount_micro
        self.version += 1

    def _on_control(self, entry: e.Control) -> None:
        self.generation, self.paused, self.pause_reason = entry.generation, entry.paused, entry.reason
        self.halted = entry.op if entry.halted else ""
        if entry.gives_back:
            self.flattening, self.flat = {}, {}

    def _on_flatten(self, entry: e.Flatten) -> None:
        self.flattening.update(dict.fromkeys(entry.slots, entry.op))
        self.flat = {slot: left for slot, left in self.flat.items() if slot not in entry.slots}

    def _on_flattened(self, entry: e.Flattened) -> None:
        if entry.slot in self.flattening:
            self.flat[entry.slot] = entry.left

    def _on_pruned(self, entry: e.TapePruned) -> None:
        was = self.pruned or structs.replace(entry, segments=0, size=0)
        sums = {"segments": was.segments + entry.segments, "size": was.size + entry.size}
        self.pruned = structs.replace(entry, from_seq=was.from_seq, **sums)

    def _on_standing(self, entry: e.Standing) -> None:
        self.standing = entry


def claim_name(kind: e.ClaimKind, slot: str, start_s: int, number: int = 0) -> str:
    """What a claim is called; merges of one window are numbered."""
    return f"{slot} {start_s} {kind}" + (f" {number}" if number else "")


FINAL: Final = frozenset({"CONFIRMED", "FAILED"})
"""How a fill's settlement can end; what is said of it afterwards is no news."""


def order_event(entry: e.Answered, order: Order | None) -> OrderEvent | None:
    """What an answer means for its order; None when it means nothing, such as a refused cancel."""
    if order is None:
        return None
    trades = frozenset(entry.trades)
    if entry.state == "open" or (entry.state == "matched" and order.kind == "GTC"):
        return Lives(trades)
    if entry.state == "matched":
        return Matched(trades)
    if entry.state == "closed":
        return Gone(entry.raw)
    if entry.state == "unknown":
        return Unanswered(entry.raw)
    return None


def rebuild(lines: Iterable[e.Line], accounts: Accounts | None = None) -> Accounts:
    """The accounts that a journal adds up to; `accounts`: those of the lines before these, which become the result."""
    accounts = accounts or Accounts()
    for line in lines:
        accounts.apply(line.entry, line.at_ns)
    return accounts


_APPLY: Final[dict[type, Callable[[Accounts, Any], None]]] = {
    e.Term: Accounts._on_term,
    e.Configuration: Accounts._on_configuration,
    e.Release: Accounts._on_release,
    e.Parameters: Accounts._on_parameters,
    e.Grant: Accounts._on_grant,
    e.Step: Accounts._on_step,
    e.Active: Accounts._on_active,
    e.Placing: Accounts._on_placing,
    e.Answered: Accounts._on_answered,
    e.OrderReported: Accounts._on_report,
    e.Fill: Accounts._on_fill,
    e.FillStatus: Accounts._on_fill_status,
    e.OutcomeOf: Accounts._on_outcome,
    e.Opened: Accounts._on_opened,
    e.Strike: Accounts._on_strike,
    e.Settled: Accounts._on_settled,
    e.Resolved: Accounts._on_resolved,
    e.Claiming: Accounts._on_claiming,
    e.ClaimMoved: Accounts._on_claim_moved,
    e.Balance: Accounts._on_balance,
    e.Transfer: Accounts._on_transfer,
    e.Control: Accounts._on_control,
    e.Flatten: Accounts._on_flatten,
    e.Flattened: Accounts._on_flattened,
    e.Standing: Accounts._on_standing,
    e.TapePruned: Accounts._on_pruned,
}
