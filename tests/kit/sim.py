"""The whole desk in one thread on a made-up clock: real decisions of ours, a toy venue, toy workers, seeded chance.

Everything outside the desk is here: an event queue that owns time, a disk that acknowledges later, a venue that loses
answers, repeats itself and fails settlements, workers that think, stall, miss frames and die, people who deploy and
abort, and a supervisor that is killed and rebuilt from its journal. After every step the promises are checked; a broken
one names the seed, and the seed replays it.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Settings, Slots, load
from shared.messages import Level
from shared.slots import Slot, schedule
from shared.units import cost_of, taker_fee
from supervisor import effects as fx
from supervisor import rollout
from supervisor.accounts import Accounts, rebuild
from supervisor.admission import Draft, Signed
from supervisor.desk import Desk
from supervisor.effects import Moment
from supervisor.gates import Tried
from supervisor.venue.discovery import Listing, Market
from supervisor.venue.market import Snapshot
from supervisor.venue.prices import Price
from supervisor.venue.requests import Answer, VenueOrder
from supervisor.venue.user import OrderReport, TradeLeg

START_NS = 1_784_851_200 * NS
MS = 1_000_000
OPENING_CASH = 1_000_000_000
FEE = (70_000, 1)


def sim_settings() -> Settings:
    """Two assets on five minutes; caps wide enough that risk is not what is tested."""
    settings = load(environ={})
    risk = replace_struct(
        settings.risk, total_max_usd=5_000, slot_max_usd=2_000, asset_max_usd=2_000, day_loss_max_usd=10_000
    )
    deploy = replace_struct(settings.deploy, shadow_pairs=4, bake_s=5.0, rings=(1,), flip_policy="any", shadow_s=30.0)
    return replace_struct(settings, slots=Slots(assets=("BTC", "ETH"), minutes=(5,)), risk=risk, deploy=deploy)


def replace_struct(struct: Any, **changes: Any) -> Any:
    """A settings section that differs."""
    return type(struct)(**{**{name: getattr(struct, name) for name in struct.__struct_fields__}, **changes})


class NamingSigner:
    """Signs nothing; names an order by its leg, as the real salt does."""

    def sign(self, draft: Draft) -> Signed:
        digest = hashlib.sha256(draft.identity.encode()).hexdigest()
        return Signed(f"0x{digest}", f"{draft.maker_amount}".encode())


@dataclass
class Faults:
    """How often, per chance, things go wrong. All zero: a fine day."""

    worker_dies: float = 0.0
    worker_stalls: float = 0.0
    answer_lost: float = 0.0
    refused: float = 0.0
    settlement_fails: float = 0.0
    repeated: float = 0.0
    supervisor_dies: float = 0.0
    feed_drops: float = 0.0
    operator_acts: float = 0.0


@dataclass
class RestingOrder:
    """An order as the venue has it."""

    placing: e.Placing
    matched_micro: int = 0
    open: bool = True


@dataclass
class ToyVenue:
    """Takes what is sent, matches by chance, remembers everything."""

    orders: dict[str, RestingOrder] = field(default_factory=dict)
    legs: dict[str, list[TradeLeg]] = field(default_factory=dict)
    final: dict[tuple[str, str], str] = field(default_factory=dict)
    trades: int = 0

    def held(self) -> dict[tuple[str, int, str], int]:
        """Shares by token, from the trades that did not fail."""
        held: dict[tuple[str, int, str], int] = {}
        for order_id, legs in self.legs.items():
            placing = self.orders[order_id].placing
            key = (placing.slot, placing.start_s, placing.outcome)
            for leg in legs:
                if self.final.get((leg.trade_id, order_id)) != "FAILED":
                    sign = 1 if leg.side == "BUY" else -1
                    held[key] = held.get(key, 0) + sign * leg.size_micro
        return held


@dataclass
class ToyWorker:
    """A worker process: it reads the stream a little late and answers."""

    uid: str
    release: str
    read_seq: int = 0
    ready: bool = False
    stalled: bool = False
    last_beat: int = 0


class Broken(AssertionError):
    """A promise did not hold."""


class Sim:
    """One run. `seed` decides everything; `log` is what happened, newest last."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self.seed, self.faults = seed, faults
        self.chance = random.Random(seed)
        self.mono = 1_000 * NS
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.count = 0
        self.settings = sim_settings()
        self.venue = ToyVenue()
        self.workers: dict[str, ToyWorker] = {}
        self.journal: list[e.Line] = []
        self.shown: dict[str, list[int]] = {}
        self.durable_grants: set[tuple[str, int, str]] = set()
        self.durable_orders: set[str] = set()
        self.epochs: dict[str, int] = {}
        self.outcomes: dict[tuple[str, int], e.OutcomeOf] = {}
        self.opened: dict[tuple[str, int], int] = {}
        self.first_tick: dict[str, int] = {}
        self.asked_about: dict[tuple[str, int], int] = {}
        self.asked_under: dict[str, int] = {}
        self.sent: set[str] = set()
        self.operations: dict[str, str] = {}
        self.flips = 0
        self.ticks = 0
        self.reigns = 0
        self.alive = False
        self.trading = True
        self.desk = self._new_desk(Accounts(), 0)

    # --- running ---

    def run(self, seconds: int) -> None:
        """Live for so many seconds of market time, then let everything come to rest and judge it."""
        self._begin()
        end = self.mono + seconds * NS
        while self.mono < end:
            self._next()
        self.faults, self.trading = Faults(), False
        calm = self.mono + 150 * NS
        while self.mono < calm:
            self._next()
        self._judge()

    def _next(self) -> None:
        at, _, act = heapq.heappop(self.queue)
        self.mono = max(self.mono, at)
        act()

    def later(self, delay_ns: int, act: Callable[[], None]) -> None:
        """Let something happen after a delay."""
        self.count += 1
        heapq.heappush(self.queue, (self.mono + max(0, delay_ns), self.count, act))

    def now(self) -> Moment:
        """Market time and monotonic time run together here."""
        return Moment(START_NS + self.mono - 1_000 * NS, self.mono)

    def chancy(self, probability: float) -> bool:
        """Whether something that happens this often happens now."""
        return probability > 0 and self.chance.random() < probability

    def check(self, holds: bool, what: str) -> None:
        """A promise."""
        if not holds:
            raise Broken(f"seed {self.seed}, reign {self.reigns}, t+{(self.mono - 1_000 * NS) / NS:.3f} s: {what}")

    # --- the supervisor's life ---

    def _new_desk(self, accounts: Accounts, seq: int) -> Desk:
        return Desk(self.settings, accounts, NamingSigner(), seq=seq, pid=1, code="sim")

    def _begin(self) -> None:
        self.reigns += 1
        self.alive = True
        reign = self.reigns
        release = e.Release(1, "r1" + "0" * 10, "lock", {"worker/strategy.py": "a"})
        for number in range(2, 6):
            other = e.Release(number, f"r{number}" + "0" * 10, "lock", {"worker/strategy.py": str(number)})
            self.desk.register(other)
        self.desk.begin(self.now(), {slot: list(ticks) for slot, ticks in self.shown.items()}, release)
        self.settle()
        self._feeds_up(reign)
        self._every(reign, 20 * MS, self._time_passes)
        self._every(reign, 200 * MS, lambda: self.desk.pulse(self.now()))
        self._every(reign, 1 * NS, self._price)
        self._every(reign, 700 * MS, self._book)
        self._every(reign, 200 * MS, self._beats)
        self._every(reign, 1 * NS, self._fate)

    def _every(self, reign: int, period: int, act: Callable[[], Any]) -> None:
        def turn() -> None:
            if reign == self.reigns and self.alive:
                act()
                self.settle()
                self.later(period, turn)

        self.later(self.chance.randrange(period), turn)

    def _feeds_up(self, reign: int) -> None:
        for feed in ("market", "user", "prices"):
            self.during(
                reign, self.chance.randrange(50 * MS), lambda feed=feed: self.desk.markets.on_feed(self.now(), feed, "")
            )
        self.during(reign, 60 * MS, lambda: self.desk.dealing.on_balance(self.now(), OPENING_CASH))

    def _feed(self, feed: str, fault: str) -> None:
        self.desk.markets.on_feed(self.now(), feed, fault)

    def during(self, reign: int, delay_ns: int, act: Callable[[], Any]) -> None:
        """Something that only reaches the supervisor of this reign."""

        def arrive() -> None:
            if reign == self.reigns and self.alive:
                act()
                self.settle()

        self.later(delay_ns, arrive)

    def _supervisor_dies(self) -> None:
        """SIGKILL: what the kernel has survives, everything in memory is gone, workers see the end of file."""
        self.settle()
        self.workers.clear()
        accounts = rebuild(e.decode_line(e.encode_line(line)) for line in self.journal)
        live = self.desk.board.accounts
        self.check(_comparable(accounts) == _comparable(live), "the journal does not rebuild what was known")
        seq = self.desk.board.seq
        self.alive = False
        self.later(self.chance.randrange(3 * NS), lambda: self._restart(accounts, seq))

    def _restart(self, accounts: Accounts, seq: int) -> None:
        self.desk = self._new_desk(accounts, seq)
        self._begin()

    # --- effects ---

    def settle(self) -> None:
        """Carry out what the desk wants, and check the promises."""
        while effects := self.desk.take_effects():
            for effect in effects:
                getattr(self, f"_do_{type(effect).__name__.lower()}")(effect)
        for name, state in self.desk.turns.slots.items():
            orders = self.desk.board.accounts.open_orders(name)
            unknown = any(order.state == "unknown" for order in orders)
            self.check(state.blocked == unknown, f"{name}: blocked is {state.blocked}, unknown orders: {unknown}")

    def _do_publish(self, effect: fx.Publish) -> None:
        event = effect.frame.event
        if isinstance(event, m.Tick):
            self._tick_shown(event)
        for worker in self.workers.values():
            self._deliver(worker, effect.frame)

    def _tick_shown(self, tick: m.Tick) -> None:
        self.ticks += 1
        grant = (tick.slot, tick.epoch, tick.owner)
        self.check(
            grant in self.durable_grants, f"tick {tick.tick} was shown under a grant that is not durable: {grant}"
        )
        self.check((tick.slot, tick.tick) not in self.outcomes, f"{tick.slot} {tick.tick} was shown after its outcome")
        unknown = [o for o in self.desk.board.accounts.open_orders(tick.slot) if o.state == "unknown"]
        self.check(not unknown, f"{tick.slot} {tick.tick} was shown while an order is unknown")
        shown = self.shown.setdefault(tick.slot, [])
        again = bool(shown) and tick.tick == shown[-1] and tick.epoch > self.asked_under[tick.slot]
        in_order = again or not shown or tick.tick > shown[-1]
        self.check(in_order, f"{tick.slot} {tick.tick} was shown after {shown[-1:]}")
        shown.append(tick.tick)
        self.check(shown[-3:].count(tick.tick) <= 2, f"{tick.slot} {tick.tick} was shown a third time")
        self.asked_under[tick.slot] = tick.epoch
        self.asked_about[tick.slot, tick.tick] = tick.start_s
        self.first_tick.setdefault(tick.slot, tick.tick)

    def _note(self, entry: e.Entry) -> None:
        board = self.desk.board
        self.journal.append(e.Line(len(self.journal) + 1, board.at_ns, 0, board.accounts.term, entry))
        if isinstance(entry, e.OutcomeOf):
            self._outcome(entry)
        elif isinstance(entry, e.Grant):
            self.check(
                entry.epoch > self.epochs.get(entry.slot, 0), f"{entry.slot}: epoch {entry.epoch} was used before"
            )
            self.epochs[entry.slot] = entry.epoch
            self.flips += 1
        elif isinstance(entry, e.Placing):
            about = self.asked_about[entry.slot, entry.tick]
            self.check(
                entry.start_s == about, f"{entry.slot} {entry.tick} was about {about}, placed in {entry.start_s}"
            )
        elif isinstance(entry, e.Opened):
            self.opened.setdefault((entry.slot, entry.start_s), board.at_ns // MS)
        elif isinstance(entry, e.Step) and entry.phase == "done":
            self.check(not self.operations.get(entry.op), f"operation {entry.op} ended twice")
            self.operations[entry.op] = str(entry.detail["result"])

    def _outcome(self, entry: e.OutcomeOf) -> None:
        key = (entry.slot, entry.tick)
        self.check(key not in self.outcomes, f"{key} has two outcomes: {self.outcomes.get(key)} and {entry}")
        self.outcomes[key] = entry
        if entry.kind != "SKIP":
            grant = (entry.slot, entry.by.epoch, entry.by.uid)
            self.check(grant in self.durable_grants, f"{key} was decided without a durable grant: {grant}")
            self.check(entry.by.epoch == self.epochs[entry.slot], f"{key} was decided under epoch {entry.by.epoch}")

    def _do_write(self, effect: fx.Write) -> None:
        self._note(effect.entry)

    def _do_writefirst(self, effect: fx.WriteFirst) -> None:
        for entry in effect.entries:
            self._note(entry)
        reign = self.reigns

        def durable() -> None:
            for entry in effect.entries:
                if isinstance(entry, e.Grant):
                    self.durable_grants.add((entry.slot, entry.epoch, entry.uid))
                elif isinstance(entry, e.Placing):
                    self.durable_orders.add(entry.order_id)
            self.desk.board.effects.extend(effect.then)

        self.during(reign, self.chance.randrange(100_000, 5 * MS), durable)

    def _do_grant(self, effect: fx.Grant) -> None:
        self.desk.handover.on_granted(self.now(), effect.slot)

    def _do_spawn(self, effect: fx.Spawn) -> None:
        self.workers[effect.uid] = ToyWorker(effect.uid, effect.release)
        self.during(self.reigns, self.chance.randrange(20 * MS, 200 * MS), lambda: self._greet(effect.uid))

    def _do_try(self, effect: fx.Try) -> None:
        tried = Tried(3, "same", "same", 100)
        self.during(
            self.reigns,
            self.chance.randrange(100 * MS, 900 * MS),
            lambda: self.desk.operations.on_trial(self.now(), effect.op, tried, tried),
        )

    def _do_endtrial(self, effect: fx.EndTrial) -> None:
        """What still runs of it is told to an operation that does not wait for it any more."""

    def _do_tell(self, effect: fx.Tell) -> None:
        worker = self.workers.get(effect.uid)
        if worker is None or worker.stalled:
            return
        if isinstance(effect.message, m.Attest):
            said = m.Attested(worker.release, self._modules(worker))
            self.during(self.reigns, 5 * MS, lambda: self.desk.operations.on_attested(self.now(), effect.uid, said))
        elif isinstance(effect.message, m.Retire):
            self.during(self.reigns, self.chance.randrange(50 * MS), lambda: self._dies(effect.uid, "retired"))

    def _do_kill(self, effect: fx.Kill) -> None:
        self.workers.pop(effect.uid, None)

    def _do_asklisting(self, effect: fx.AskListing) -> None:
        self.during(
            self.reigns, self.chance.randrange(5 * MS, 80 * MS), lambda: self._list(effect.slot, effect.start_s)
        )

    def _do_watch(self, effect: fx.Watch) -> None:
        self.during(self.reigns, 10 * MS, self._book)

    def _do_refetch(self, effect: fx.Refetch) -> None:
        self.during(self.reigns, 10 * MS, self._book)

    # --- market ---

    def _time_passes(self) -> None:
        self.desk.on_time(self.now())

    def _list(self, slot: Slot, start_s: int) -> None:
        name = f"{slot.name}-{start_s}"
        terms = m.Terms(name, 10_000, 5_000_000, *FEE, 150, "spot")
        market = Market(slot, start_s, (f"{name}-up", f"{name}-down"), "v1", False, terms)
        ended = self.now().at_ns // NS > start_s + slot.window_s + 20
        won = ("Up", "Down")[int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2]
        listing = Listing(market, not ended, won if ended else None, None)  # type: ignore[arg-type]
        self.desk.markets.on_listing(self.now(), slot, start_s, listing, not ended)

    def _price(self) -> None:
        second = self.now().at_ns // NS - 1
        prices = [Price(asset, 0, second * 1_000, 10**23 + self.chance.randrange(10**20)) for asset in ("BTC", "ETH")]
        self.desk.markets.on_prices(self.now(), prices)

    def _book(self) -> None:
        for window in list(self.desk.board.lanes.current.values()):
            if window.market is None:
                continue
            bid = self.chance.randrange(40, 55) * 10_000
            up, down = window.market.tokens
            size = 100_000_000
            one = Snapshot(up, (Level(bid, size),), (Level(bid + 20_000, size),), 10_000)
            other = Snapshot(down, (Level(980_000 - bid, size),), (Level(1_000_000 - bid, size),), 10_000)
            self.desk.markets.on_market(self.now(), [one, other])

    # --- workers ---

    def _modules(self, worker: ToyWorker) -> tuple[m.Loaded, ...]:
        release = self.desk.board.accounts.releases[worker.release]
        return (m.Loaded("worker.strategy", release.modules["worker/strategy.py"], 900),)

    def _greet(self, uid: str) -> None:
        worker = self.workers.get(uid)
        if worker is None:
            return
        hello = m.Hello(m.PROTOCOLS, uid, 100, worker.release, 900, self._modules(worker))
        refusal = self.desk.operations.on_hello(self.now(), uid, hello, 100)
        self.check(not refusal, f"{uid} was refused: {refusal}")
        self.during(self.reigns, self.chance.randrange(20 * MS, 600 * MS), lambda: self._warm(uid))

    def _warm(self, uid: str) -> None:
        worker = self.workers.get(uid)
        if worker is not None:
            worker.ready, worker.read_seq = True, self.desk.board.seq
            self.desk.operations.on_ready(self.now(), uid, m.Ready(worker.read_seq, 10, 10, "s"))

    def _deliver(self, worker: ToyWorker, frame: m.Streamed) -> None:
        if not worker.ready:
            return
        self.during(self.reigns, self.chance.randrange(200_000, 6 * MS), lambda: self._read(worker.uid, frame))

    def _read(self, uid: str, frame: m.Streamed) -> None:
        """Frames may overtake one another on the way here; a worker reads them in order, so the highest stands."""
        worker = self.workers.get(uid)
        if worker is None or worker.stalled:
            return
        worker.read_seq = max(worker.read_seq, frame.seq)
        if isinstance(frame.event, m.Tick):
            answer = self._answer(worker, frame.seq, frame.event)
            self.desk.decisions.on_decided(self.now(), uid, answer)

    def _answer(self, worker: ToyWorker, seq: int, tick: m.Tick) -> m.Decided:
        intents: list[m.Intent] = []
        resting = [order.order_id for order in tick.account.orders if order.state == "open"]
        intents += [m.Cancel(order_id) for order_id in resting if self.chancy(0.2)]
        if self.chancy(0.25) and len(tick.account.orders) < 4:
            kind: m.OrderKind = self.chance.choice(("GTC", "FAK"))
            outcome: m.Outcome = self.chance.choice(("Up", "Down"))
            price = self.chance.randrange(35, 60) * 10_000
            intents.append(m.Place(outcome, "BUY", price, self.chance.randrange(5, 12) * 1_000_000, kind))
        held = [p for p in tick.account.positions if p.size_micro >= 5_000_000]
        if held and self.chancy(0.05):
            intents.append(m.Place(held[0].outcome, "SELL", 400_000, 5_000_000, "GTC"))
        if not self.trading:
            intents = [intent for intent in intents if isinstance(intent, m.Cancel)]
        decision = m.Decision(tuple(intents), {"by": worker.release})
        version = tick.account.ledger_version
        return m.Decided(tick.slot, tick.tick, tick.epoch, seq, version, tick.parameters, 50, decision)

    def _beats(self) -> None:
        for worker in list(self.workers.values()):
            if not worker.stalled:
                beat = m.Beating(worker.read_seq, 0, 50_000)
                self.desk.operations.on_beat(self.now(), worker.uid, beat)

    def _dies(self, uid: str, why: str) -> None:
        if self.workers.pop(uid, None) is not None or why == "killed":
            self.desk.operations.on_lost(self.now(), uid, why)

    # --- fate ---

    def _fate(self) -> None:
        if self.workers and self.chancy(self.faults.worker_dies):
            self._dies(self.chance.choice(sorted(self.workers)), "killed by SIGKILL")
        if self.workers and self.chancy(self.faults.worker_stalls):
            self.workers[self.chance.choice(sorted(self.workers))].stalled = True
        if self.chancy(self.faults.feed_drops):
            feed = self.chance.choice(("market", "user", "prices"))
            self.desk.markets.on_feed(self.now(), feed, "dropped")
            back = self.chance.randrange(4 * NS)
            self.during(self.reigns, back, lambda: self.desk.markets.on_feed(self.now(), feed, ""))
        if self.chancy(self.faults.operator_acts):
            self._operate()
        if self.chancy(self.faults.supervisor_dies):
            self._supervisor_dies()

    def _operate(self) -> None:
        if self.desk.operations.current is not None:
            if self.chancy(0.2):
                try:
                    self.desk.operations.abort(self.now(), "uid:0")
                except rollout.RefusedEvent:
                    return
            return
        if self.chancy(0.1):
            self.desk.pause(self.now(), not self.desk.board.accounts.paused, "uid:0", "felt like it")
        active = self.desk.board.accounts.active
        others = [name for name in self.desk.board.accounts.releases if active is None or name != active.release]
        op = f"op{self.reigns}-{self.count}"
        self.operations[op] = ""
        self.desk.operations.begin(self.now(), op, "deploy", self.chance.choice(sorted(others)), "uid:0", "", {})

    # --- the venue's side of orders ---

    def _do_submit(self, effect: fx.Submit) -> None:
        self.check(effect.order_id in self.durable_orders, f"{effect.order_id} left before its intent was durable")
        self.check(effect.order_id not in self.sent, f"{effect.order_id} was sent twice")
        self.sent.add(effect.order_id)
        placing = next(line.entry for line in reversed(self.journal) if _is_placing(line.entry, effect.order_id))
        assert isinstance(placing, e.Placing)
        self.later(self.chance.randrange(MS, 20 * MS), lambda: self._arrives(placing, self.reigns))

    def _arrives(self, placing: e.Placing, reign: int) -> None:
        """The order reaches the venue, whatever became of whoever sent it."""
        if self.chancy(self.faults.refused):
            self._reply(reign, placing.order_id, Answer("rejected", reason="not enough balance / allowance"))
            return
        order = RestingOrder(placing)
        self.venue.orders[placing.order_id] = order
        trades = self._match(order, self.chance.choice((0.0, 0.5, 1.0)))
        if placing.kind == "FAK":
            order.open = False
            self._report(placing.order_id, "closed", order.matched_micro)
        status = "matched" if trades else ("live" if placing.kind == "GTC" else "unmatched")
        answer = Answer("accepted", status, placing.order_id, tuple(trades))
        if placing.kind == "FAK" and not trades:
            answer = Answer("rejected", reason="no orders found to match with FAK order")
        if order.open:
            self.later(self.chance.randrange(NS, 40 * NS), lambda: self._fills_later(order))
        if self.chancy(self.faults.answer_lost):
            self._reply(reign, placing.order_id, Answer("unknown", reason="no answer: timeout"), 5 * NS)
        else:
            self._reply(reign, placing.order_id, answer)

    def _reply(self, reign: int, order_id: str, answer: Answer, delay_ns: int = 0) -> None:
        arrives = delay_ns or self.chance.randrange(MS, 20 * MS)
        self.during(reign, arrives, lambda: self.desk.dealing.on_answer(self.now(), order_id, answer, 900))

    def _match(self, order: RestingOrder, part: float) -> list[str]:
        size = int(order.placing.size_micro * part) // 10_000 * 10_000
        size = min(size, order.placing.size_micro - order.matched_micro)
        if size <= 0:
            return []
        self.venue.trades += 1
        trade_id, placing = f"t{self.venue.trades}", order.placing
        order.matched_micro += size
        order.open = order.open and order.matched_micro < placing.size_micro
        leg = TradeLeg(
            trade_id, placing.order_id, placing.token_id, placing.side, placing.price_micro, size, part < 1, "MATCHED"
        )
        self.venue.legs.setdefault(placing.order_id, []).append(leg)
        self._tell_leg(leg)
        fate = "FAILED" if self.chancy(self.faults.settlement_fails) else "CONFIRMED"
        self.later(self.chance.randrange(NS, 5 * NS), lambda: self._settle_leg(leg, fate))
        return [trade_id]

    def _settle_leg(self, leg: TradeLeg, fate: str) -> None:
        self.venue.final[leg.trade_id, leg.order_id] = fate
        self._tell_leg(replace(leg, status=fate))  # type: ignore[arg-type]

    def _tell_leg(self, leg: TradeLeg) -> None:
        """Over the user channel: perhaps twice; and not at all while it is down, which the desk has to make up for."""
        for _ in range(2 if self.chancy(self.faults.repeated) else 1):
            self.during(self.reigns, self.chance.randrange(MS, 30 * MS), lambda: self._user_leg(leg))

    def _user_leg(self, leg: TradeLeg) -> None:
        if not self.desk.board.feeds["user"]:
            self.desk.dealing.on_leg(self.now(), leg)

    def _report(self, order_id: str, state: Any, matched: int) -> None:
        def arrive() -> None:
            if not self.desk.board.feeds["user"]:
                self.desk.dealing.on_report(self.now(), OrderReport(order_id, state, matched, state))

        self.during(self.reigns, self.chance.randrange(MS, 30 * MS), arrive)

    def _fills_later(self, order: RestingOrder) -> None:
        if order.open:
            self._match(order, self.chance.choice((0.3, 1.0)))

    def _do_withdraw(self, effect: fx.Withdraw) -> None:
        reign = self.reigns
        self.later(self.chance.randrange(MS, 20 * MS), lambda: self._cancel(effect.order_id, reign))

    def _cancel(self, order_id: str, reign: int) -> None:
        order = self.venue.orders.get(order_id)
        answer = Answer("rejected", reason="already canceled or matched")
        if order is not None and order.open:
            order.open = False
            self._report(order_id, "closed", order.matched_micro)
            answer = Answer("accepted", order_id=order_id)
        if self.chancy(self.faults.answer_lost):
            answer = Answer("unknown", reason="no answer: timeout")
        self.during(reign, 10 * MS, lambda: self.desk.dealing.on_cancel_answer(self.now(), order_id, answer, 700))

    def _do_lookup(self, effect: fx.LookUp) -> None:
        self.during(self.reigns, self.chance.randrange(5 * MS, 40 * MS), lambda: self._look_up(effect.order_id))

    def _do_catchup(self, effect: fx.CatchUp) -> None:
        self.during(self.reigns, self.chance.randrange(5 * MS, 40 * MS), self._caught_up)

    def _caught_up(self) -> None:
        legs = [leg for order_id in self.venue.legs for leg in self._legs_now(order_id)]
        resting = {order_id for order_id, order in self.venue.orders.items() if order.open}
        self.desk.dealing.on_caught_up(self.now(), legs, resting)

    def _legs_now(self, order_id: str) -> list[TradeLeg]:
        """An order's trades, each as far as it is settled."""
        legs = self.venue.legs.get(order_id, [])
        return [replace(leg, status=self.venue.final.get((leg.trade_id, order_id), leg.status)) for leg in legs]  # type: ignore[arg-type]

    def _look_up(self, order_id: str) -> None:
        order = self.venue.orders.get(order_id)
        found = None
        if order is not None:
            placing = order.placing
            size, matched = placing.size_micro, order.matched_micro
            found = VenueOrder(order_id, placing.token_id, placing.side, placing.price_micro, size, matched, order.open)
        self.desk.dealing.on_lookup(self.now(), order_id, found, self._legs_now(order_id))

    # --- the judgement ---

    def _judge(self) -> None:
        """Everything has come to rest: hold our books against the venue's, and the ticks against the calendar."""
        self.check(self.desk.operations.current is None, "an operation never ended")
        self.check(all(self.operations.values()), f"operations without an end: {self.operations}")
        owners = {state.owner for state in self.desk.turns.slots.values()}
        self.check(owners == {self.desk.operations.blue} != {""}, f"owners at rest: {owners}")
        unknown = [o for o in self.desk.board.accounts.open_orders() if o.in_flight or o.state == "unknown"]
        self.check(not unknown, f"orders in doubt at rest: {unknown}")
        self._judge_ticks()
        self._judge_positions()
        self._judge_cash()

    def _judge_ticks(self) -> None:
        outstanding = {(n, s.outstanding) for n, s in self.desk.turns.slots.items() if s.outstanding}
        waiting = {(n, tick) for n, s in self.desk.turns.slots.items() for tick in s.held}
        shown = {(slot, tick) for slot, ticks in self.shown.items() for tick in ticks}
        self.check(shown - set(self.outcomes) <= outstanding, f"without outcome: {shown - set(self.outcomes)}")
        at_ms = self.now().at_ns // MS - 1_000
        for slot in self.desk.board.lanes.slots:
            for tick in schedule(slot, self.settings.beat(slot), self.first_tick[slot.name], at_ms):
                opened_ms = self.opened.get((slot.name, slot.window_start(tick // 1_000)))
                if opened_ms is not None and tick > opened_ms:
                    key = (slot.name, tick)
                    self.check(key in self.outcomes or key in outstanding | waiting, f"{key} was never evaluated")

    def _judge_positions(self) -> None:
        accounts = self.desk.board.accounts
        held = self.venue.held()
        for key, position in accounts.positions.items():
            self.check(
                position.size_micro == held.get(key, 0), f"{key}: we hold {position.size_micro}, venue {held.get(key)}"
            )
        for key, size in held.items():
            if (key[0], key[1]) not in accounts.winners and (key[0], key[1]) in accounts.windows:
                ours = accounts.positions.get(key)  # type: ignore[call-overload]
                self.check((ours.size_micro if ours else 0) == size, f"{key}: venue holds {size}, we {ours}")

    def _judge_cash(self) -> None:
        """To the millionth: what trades that hold cost, what windows that were resolved paid."""
        winners = {(entry.slot, entry.start_s): entry.winner for entry in self._said(e.Resolved)}
        cash = OPENING_CASH
        for order_id in self.venue.legs:
            placing = self.venue.orders[order_id].placing
            for leg in self._legs_now(order_id):
                if leg.status != "FAILED":
                    fee = 0 if leg.maker else taker_fee(leg.size_micro, leg.price_micro, *FEE)
                    sign = 1 if leg.side == "BUY" else -1
                    won = winners.get((placing.slot, placing.start_s)) == placing.outcome
                    cash += sign * (leg.size_micro * won - cost_of(leg.size_micro, leg.price_micro)) - fee
        ours = self.desk.board.accounts.cash_micro
        self.check(ours == cash, f"our cash is {ours}, the trades add up to {cash}")

    def _said(self, kind: type[e.Resolved]) -> list[e.Resolved]:
        return [line.entry for line in self.journal if isinstance(line.entry, kind)]


def _is_placing(entry: e.Entry, order_id: str) -> bool:
    return isinstance(entry, e.Placing) and entry.order_id == order_id


def _comparable(accounts: Accounts) -> dict[str, Any]:
    """What a restart must know; the version counter only orders the pictures of one reign."""
    return {name: value for name, value in vars(accounts).items() if name != "version"}
