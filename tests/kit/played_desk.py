"""A still desk whose workers, venue, disk and people are moved by hand, and whose promises are watched as it acts.

What happens, and when, is its user's to say. Workers read the stream frame by frame and answer what they read; what the
desk wants of the venue or of a trial is an errand that somebody may run, or run badly, or leave. Each effect is held
against the promises the moment it is carried out: `Broken` is raised where one does not hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from kit.deaths import KILLED
from kit.still_desk import CASH, StillDesk, a_listing, buy, loaded

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Deploy
from supervisor import effects as fx
from supervisor.accounts import rebuild
from supervisor.catching_up import RECHECK_S
from supervisor.death import Death
from supervisor.gates import Tried
from supervisor.judgement import LOOK_S
from supervisor.rollout import RefusedEvent
from supervisor.venue.requests import Answer, VenueOrder
from supervisor.venue.user import TradeLeg

HURRIED: Final = Deploy(
    hello_s=3,
    warm_s=5,
    trial_s=5,
    trial_tape_s=0,
    shadow_pairs=0,
    shadow_s=15,
    rings=(),
    flip_policy="any",
    quiesce_s=2,
    boundary_s=10,
    attest_s=8,
    bake_s=0,
    bake_grace_s=8,
    hold_s=10,
    retire_s=3,
    beat_s=4,
)
"""Deadlines short enough that a run sees each of them pass."""
CALM_S: Final = 120.0
"""Real seconds in which everything comes to rest once nothing fails any more."""
UNMOVED: Final = {"REJECTED", "GATE_FAILED", "NO_BOUNDARY", "ABORTED"}

Fate = Literal["well", "badly", "not"]


class Broken(AssertionError):
    """A promise does not hold."""


@dataclass
class Puppet:
    """A worker process. `read`: frames it has taken, of all there are; `told`: what it was told and has not obeyed."""

    uid: str
    release: str
    warm: bool = False
    stalled: bool = False
    read: int = 0
    told: list[m.ToWorker] = field(default_factory=list)


@dataclass
class Sold:
    """An order as the venue has it: resting until it is filled whole or cancelled."""

    placing: e.Placing
    rests: bool = True
    legs: list[TradeLeg] = field(default_factory=list)


class PlayedDesk(StillDesk):
    """See the room's docstring. `durable`: lines of the journal that survive the machine. `seen`: what came to pass.

    `deadly`: of so many of the next ticks their owner dies. `operated`: operations that people began.
    """

    def __init__(self, *assets: str, standby: bool = False) -> None:
        super().__init__(*assets, deploy=Deploy(**{**_fields(HURRIED), "standby": standby}))
        self.durable = 0
        self.puppets: dict[str, Puppet] = {}
        self.ghosts: list[Puppet] = []
        self.errands: list[fx.Effect] = []
        self.sold: dict[str, Sold] = {}
        self.running = ""
        self.operated = self.deadly = 0
        self.seen: Counter[str] = Counter()
        self.begin()
        self.feeds()
        self.do(self.desk.reconciling.on_balance, CASH)
        self.may_trade()
        self.calm(15)

    # --- the promises, as the desk acts ---

    def _carry_out(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Publish) and isinstance(effect.frame.event, m.Tick):
            self._shown(effect.frame.event)
        entries = effect.entries if isinstance(effect, fx.WriteFirst) else ()
        for entry in (effect.entry,) if isinstance(effect, fx.Write) else entries:
            _WRITTEN.get(type(entry), _unwatched)(self, entry)
        super()._carry_out(effect)
        if not self.slow_disk:
            self.durable = len(self.journal)
        act = _DO.get(type(effect))
        if act is not None:
            self.wants.pop()
            act(self, effect)

    def sync(self) -> None:
        """The disk has everything it was given."""
        self.durable = len(self.journal)
        super().sync()

    def promise(self, holds: bool, what: str) -> None:
        """Raises: Broken: it does not hold."""
        if not holds:
            raise Broken(what)

    def _last(self, slot: str) -> tuple[int, e.Grant | None]:
        """A slot's newest grant, and the number of its line."""
        for number in range(len(self.journal), 0, -1):
            entry = self.journal[number - 1].entry
            if isinstance(entry, e.Grant) and entry.slot == slot:
                return number, entry
        return 0, None

    def _shown(self, tick: m.Tick) -> None:
        number, grant = self._last(tick.slot)
        owns = grant is not None and (grant.epoch, grant.uid) == (tick.epoch, tick.owner) and number <= self.durable
        self.promise(owns, f"{tick.slot}: tick {tick.tick} is shown under a grant that is not durable: {grant}")
        unknown = any(order.state == "unknown" for order in self.accounts.open_orders(tick.slot))
        self.promise(not unknown, f"{tick.slot}: tick {tick.tick} is shown while an order is unknown")
        times = sum(seen.tick == tick.tick and seen.slot == tick.slot for seen in self.told(m.Tick))
        self.promise(times < 2, f"{tick.slot}: tick {tick.tick} is shown a third time")

    def _granted(self, grant: e.Grant) -> None:
        _, last = self._last(grant.slot)
        grows = last is None or grant.epoch > last.epoch
        self.promise(grows, f"{grant.slot}: epoch {grant.epoch} is granted after {last and last.epoch}")
        shown = [n for n, frame in enumerate(self.frames, 1) if _ticks(frame, grant.slot)]
        puppet = self.puppets.get(grant.uid)
        whole = puppet is not None and puppet.warm and puppet.read >= (shown[-1] if shown else 0)
        self.promise(whole, f"{grant.slot} passes to {grant.uid}, which has not read all it was shown")
        self.seen["flips"] += 1

    def _concluded(self, outcome: e.OutcomeOf) -> None:
        again = any(o.tick == outcome.tick and o.slot == outcome.slot for o in self.said(e.OutcomeOf))
        self.promise(not again, f"{outcome.slot}: tick {outcome.tick} has two outcomes")
        self.seen["skips" if outcome.kind == "SKIP" else "decisions"] += 1
        _, grant = self._last(outcome.slot)
        by = outcome.by
        owner = grant is not None and (grant.epoch, grant.uid, grant.release) == (by.epoch, by.uid, by.release)
        self.promise(owner or outcome.kind == "SKIP", f"{outcome.slot}: {outcome.tick} decided by {by}, not {grant}")

    def _placed(self, placing: e.Placing) -> None:
        legs = [(p.slot, p.tick, p.leg) for p in self.said(e.Placing)]
        self.promise((placing.slot, placing.tick, placing.leg) not in legs, f"a second order for {placing}")
        self.seen["orders"] += 1

    def _stepped(self, step: e.Step) -> None:
        """Two operations never interleave, and what is said at the end is what the journal says happened."""
        self.promise(self.running in {"", step.op}, f"{step.op} is {step.phase} while {self.running} runs")
        self.running = "" if step.phase == "done" else step.op
        if step.phase != "done":
            self.seen[step.phase] += 1
            return
        result, green = str(step.detail["result"]), step.detail["green"]
        self.seen[result] += 1
        moved = sum(grant.op == step.op and grant.release == green for grant in self.said(e.Grant))
        self.promise(step.detail["flips"] == moved, f"{step.op} ended with {moved} slots moved, told are {step.detail}")
        active = self.accounts.active.release if self.accounts.active is not None else ""
        self.promise((result == "OK") == (active == green), f"{step.op} ended {result} and {active} is active")
        self.promise(not (moved and result in UNMOVED), f"{step.op} ended {result}, {moved} slots had moved")
        self.promise(bool(moved) or result != "ROLLED_BACK", f"{step.op} ended {result}, no slot had moved")

    # --- what it wants done ---

    def _do_spawn(self, effect: fx.Spawn) -> None:
        self.puppets[effect.uid] = Puppet(effect.uid, effect.release)

    def _do_kill(self, effect: fx.Kill) -> None:
        gone = self.puppets.pop(effect.uid, None)
        self.ghosts += [gone] if gone is not None and gone.warm else []

    def _do_tell(self, effect: fx.Tell) -> None:
        retired = isinstance(effect.message, m.Retire)
        self.promise(not retired or effect.uid != self.desk.operations.blue, f"{effect.uid} trades and is told to go")
        if effect.uid in self.puppets:
            self.puppets[effect.uid].told.append(effect.message)

    def _do_submit(self, effect: fx.Submit) -> None:
        found = [n for n, line in enumerate(self.journal, 1) if _places(line.entry, effect.order_id)]
        self.promise(bool(found) and found[0] <= self.durable, f"{effect.order_id} leaves before its intent is durable")
        self.promise(effect.order_id not in self.sold, f"{effect.order_id} leaves twice")
        placing = self.journal[found[0] - 1].entry
        assert isinstance(placing, e.Placing)
        self.sold[effect.order_id] = Sold(placing)
        self.errands.append(effect)

    def _do_batch(self, effect: fx.Batch) -> None:
        """Each leg has a fate of its own."""
        for leg in effect.legs:
            _DO[type(leg)](self, leg)

    def _do_errand(self, effect: fx.Effect) -> None:
        self.errands.append(effect)

    # --- errands ---

    def run_errand(self, number: int, fate: Fate = "well") -> None:
        """Somebody does what was wanted, or does it badly, or not; what must not fail is tried again then."""
        effect = self.errands.pop(number)
        again = fate == "badly" if isinstance(effect, fx.CatchUp) else fate == "not"
        if fate != "not" and not again:
            _RUN[type(effect)](self, effect, fate == "well")
        elif isinstance(effect, fx.CatchUp | fx.Submit | fx.CancelOrder | fx.Try):
            self.errands.append(effect)

    def _run_listing(self, effect: fx.AskListing, well: bool) -> None:
        end_s = effect.start_s + effect.slot.window_s
        over = self.at_ns // NS > end_s + 20
        if well:
            listing = a_listing(effect.slot.name, effect.start_s, winner="Up" if over else None)
            self.do(self.desk.markets.on_listing, effect.slot, effect.start_s, listing, not over)

    def _run_trial(self, effect: fx.Try, well: bool) -> None:
        first = Tried(3, "same", "same", 100)
        second = first if well else replace(first, digest="other", differs="the second tick")
        self.do(self.desk.operations.on_trial, effect.op, first, second)

    def _run_submit(self, effect: fx.Submit, well: bool) -> None:
        """Badly: the answer is lost, whatever became of the order."""
        sold = self.sold[effect.order_id]
        if sold.placing.kind != "GTC" and sold.rests:
            self.fill(effect.order_id)
        status = "live" if sold.rests else "matched"
        trades = tuple(leg.trade_id for leg in sold.legs)
        answer = Answer("accepted", status, effect.order_id, trades) if well else Answer("unknown", reason="no answer")
        self.do(self.desk.executions.on_answer, effect.order_id, answer, 900)

    def _run_cancel(self, effect: fx.CancelOrder, well: bool) -> None:
        sold = self.sold.get(effect.order_id)
        rested, done = sold is not None and sold.rests, Answer("rejected", reason="already canceled or matched")
        if sold is not None and rested:
            sold.rests, done = False, Answer("accepted", order_id=effect.order_id)
        answer = done if well else Answer("unknown", reason="no answer")
        self.do(self.desk.executions.on_cancel_answer, effect.order_id, answer, 700)

    def _run_lookup(self, effect: fx.LookUp, well: bool) -> None:
        sold, found, legs = self.sold.get(effect.order_id), None, list[TradeLeg]()
        if sold is not None:
            placing, legs = sold.placing, sold.legs
            matched = sum(leg.size_micro for leg in legs)
            size, token = placing.size_micro, placing.token_id
            found = VenueOrder(effect.order_id, token, placing.side, placing.price_micro, size, matched, sold.rests)
        if well:
            self.do(self.desk.executions.on_lookup, effect.order_id, found, legs)

    def _run_catch_up(self, effect: fx.CatchUp, well: bool) -> None:
        legs = [leg for sold in self.sold.values() for leg in sold.legs]
        resting = {order_id for order_id, sold in self.sold.items() if sold.rests}
        if well:
            self.do(self.desk.catching_up.on_caught_up, legs, resting)

    def fill(self, order_id: str, *, told: bool = True) -> None:
        """A resting order is filled whole. `told`: over the user channel; else the desk has to find it."""
        sold = self.sold[order_id]
        placing, sold.rests = sold.placing, False
        price, size = placing.price_micro, placing.size_micro
        leg = TradeLeg(f"t{order_id[:20]}", order_id, placing.token_id, placing.side, price, size, False, "CONFIRMED")
        sold.legs.append(leg)
        if told:
            self.do(self.desk.executions.on_leg, leg)

    # --- workers ---

    def come_up(self, uid: str, *, honest: bool = True) -> None:
        """A started worker greets, or a greeted one has read everything and is ready."""
        puppet, member = self.puppets[uid], self.desk.board.crew.members.get(uid)
        if member is None or puppet.warm:
            return
        if member.stage == "spawned":
            lie = (m.Loaded("worker.strategy", "another digest", 900),)
            refused = self.hello(uid, None if honest else lie)
            if refused:
                self.desk.operations.fence(uid, refused)
                self.settle()
        else:
            puppet.warm, puppet.read = True, len(self.frames)
            self.do(self.desk.operations.on_ready, uid, m.Ready(self.desk.board.seq, 10, 5_000, "state"))

    def read_on(self, puppet: Puppet, most: int) -> None:
        """A worker reads so many frames at most and answers the ticks among them, every other one with an order."""
        while most and puppet.read < len(self.frames) and puppet.warm:
            frame, most = self.frames[puppet.read], most - 1
            puppet.read += 1
            if isinstance(frame.event, m.Tick):
                tick = frame.event
                if self.deadly and tick.owner == puppet.uid and puppet.uid in self.puppets:
                    self.deadly -= 1
                    self.die(puppet.uid, Death(1, "it raised"))
                    return
                intents = (buy(shares=5),) if tick.tick // 500 % 4 < 2 else ()
                decision = m.Decision(intents, {"edge": len(intents)})
                version = tick.account.ledger_version
                said = m.Decided(tick.slot, tick.tick, tick.epoch, frame.seq, version, tick.parameters, 50, decision)
                self.do(self.desk.decisions.on_decided, puppet.uid, said)

    def obey(self, puppet: Puppet, *, honest: bool = True) -> None:
        """A worker does what it was told first."""
        message = puppet.told.pop(0)
        if isinstance(message, m.Retire):
            self.die(puppet.uid, Death(0))
        elif isinstance(message, m.Attest):
            release = self.accounts.releases[puppet.release]
            said = loaded(release) if honest else (*loaded(release)[:1], m.Loaded("shared.units", "other", 900))
            self.do(self.desk.operations.on_attested, puppet.uid, m.Attested(release.release, said))

    def die(self, uid: str, death: Death = KILLED) -> None:
        """A worker process is gone; what it had not said before may still arrive."""
        puppet = self.puppets.pop(uid)
        self.ghosts += [puppet] if puppet.warm else []
        self.do(self.desk.operations.on_lost, uid, death)

    def go_wild(self) -> None:
        """Green does what no candidate may, aloud: what crossed goes back, unless a person wanted to decide."""
        operations = self.desk.operations
        self.desk.board.alarm("ledger_differs", f"{operations.green} on BTC/5m: cash")
        self.wait(2 * LOOK_S)
        walk = operations.rollout
        taken = walk.phase == "restoring" or walk.result != "OK" or walk.to_decide
        self.promise(taken, f"{walk.op} goes on, {walk.phase}, although green went wild")
        self.seen["wild"] += 1

    # --- time ---

    def wait(self, seconds: float) -> None:
        """Time passes; whoever is not stalled is heard, prices and books come."""
        self.at_ns += round(seconds * NS)
        self.mono_ns += round(seconds * NS)
        for uid, puppet in list(self.puppets.items()):
            member = self.desk.board.crew.members.get(uid)
            if member is not None and member.stage in {"greeted", "ready"} and not puppet.stalled:
                seq = self.frames[puppet.read - 1].seq if puppet.warm and puppet.read else 0
                self.beat(uid, seq)
        for slot, window in list(self.desk.board.lanes.current.items()):
            self.price(asset=slot.asset)
            if window.market is not None:
                self.book(480_000, 500_000, name=slot.name, start_s=window.start_s)
                self.book(500_000, 520_000, name=slot.name, start_s=window.start_s, outcome="Down")
        self.do(self.desk.on_time)

    def calm(self, seconds: float, until: Callable[[], bool] = lambda: False, errands: Fate = "well") -> None:
        """Nothing fails for a while, or only `errands` do: everybody does what is theirs, in half seconds."""
        end_ns = self.mono_ns + round(seconds * NS)
        while self.mono_ns < end_ns and not until():
            self.settle()
            self.sync()
            for _ in range(len(self.errands)):
                self.run_errand(0, errands)
            for uid, puppet in list(self.puppets.items()):
                self.come_up(uid)
                if not puppet.stalled:
                    self.read_on(puppet, len(self.frames))
                while puppet.told and not puppet.stalled:
                    self.obey(puppet)
            self.wait(0.5)

    # --- people ---

    def by_hand(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Somebody asks for something that may be refused now."""
        try:
            self.do(act, *arguments)
        except RefusedEvent:
            self.seen["refused by hand"] += 1

    # --- the end of a reign, and of a run ---

    def crash(self, kept: int, frames_lost: int) -> None:
        """The supervisor dies: so many lines that were not durable yet survive. Its workers die with it."""
        self.settle()
        self.journal, self.slow_disk = self.journal[: self.durable + kept], False
        self.running = _open_operation(self.journal)
        self.puppets.clear()
        self.ghosts.clear()
        self.errands.clear()
        self.durable = len(self.journal)
        self.restart(frames_lost=frames_lost)
        self.feeds()
        self.seen["restarts"] += 1

    def judge(self) -> None:
        """Let everything come to rest, and see that nothing is missing."""
        self.slow_disk = False
        self.deadly = 0
        for puppet in self.puppets.values():
            puppet.stalled = False
        self.feeds()
        self.calm(RECHECK_S + 2)
        self.calm(CALM_S, self._rests)
        self.promise(self._rests(), f"it does not come to rest: {self._unrest()}")
        outcomes = {(o.slot, o.tick) for o in self.said(e.OutcomeOf)}
        waiting = {(name, state.outstanding) for name, state in self.desk.turns.slots.items()}
        missing = {(tick.slot, tick.tick) for tick in self.told(m.Tick)} - outcomes - waiting
        self.promise(not missing, f"ticks without an outcome: {missing}")
        known, over = self.accounts.orders, {(paid.slot, paid.start_s) for paid in self.said(e.Resolved)}
        rests = {order_id for order_id, sold in self.sold.items() if sold.rests and _window(sold.placing) not in over}
        open_orders = {order.order_id for order in self.accounts.open_orders()}
        differ = [order_id[:10] for order_id in sorted((rests & known.keys()) ^ open_orders)]
        self.promise(not differ, f"{len(rests)} orders rest, known are {len(open_orders)}; they differ in {differ[:3]}")
        fresh = rebuild(e.decode_line(e.encode_line(line)) for line in self.journal)
        self.promise(fresh.owners == self.accounts.owners, "the journal does not rebuild who owns what")
        self.promise(fresh.orders == self.accounts.orders, "the journal does not rebuild the orders")

    def _rests(self) -> bool:
        return not self._unrest()

    def _unrest(self) -> str:
        desk = self.desk
        if desk.operations.current is not None:
            return f"an operation is {desk.operations.rollout.phase}"
        active = self.accounts.active
        for name, state in desk.turns.slots.items():
            owner = self.accounts.owners.get(name)
            if state.phase != "owned" or state.blocked or state.in_flight:
                return f"{name} is {state}"
            if active is not None and owner is not None and owner.release != active.release:
                return f"{name} is {owner.release}'s, {active.release} is active"
        return ""


# --- small things -----------------------------------------------------------------------------------------------------


def _fields(section: Any) -> dict[str, Any]:
    return {name: getattr(section, name) for name in section.__struct_fields__}


def _ticks(frame: m.Streamed, slot: str) -> bool:
    return isinstance(frame.event, m.Tick) and frame.event.slot == slot


def _window(placing: e.Placing) -> tuple[str, int]:
    return placing.slot, placing.start_s


def _places(entry: e.Entry, order_id: str) -> bool:
    return isinstance(entry, e.Placing) and entry.order_id == order_id


def _open_operation(journal: list[e.Line]) -> str:
    steps = [line.entry for line in journal if isinstance(line.entry, e.Step)]
    return steps[-1].op if steps and steps[-1].phase != "done" else ""


def _unwatched(desk: PlayedDesk, entry: Any) -> None:
    """Of this kind nothing is promised."""


_WRITTEN: Final[dict[type, Callable[[PlayedDesk, Any], None]]] = {
    e.Grant: PlayedDesk._granted,
    e.OutcomeOf: PlayedDesk._concluded,
    e.Placing: PlayedDesk._placed,
    e.Step: PlayedDesk._stepped,
}
_DO: Final[dict[type, Callable[[PlayedDesk, Any], None]]] = {
    fx.Spawn: PlayedDesk._do_spawn,
    fx.Kill: PlayedDesk._do_kill,
    fx.Tell: PlayedDesk._do_tell,
    fx.Submit: PlayedDesk._do_submit,
    fx.CancelOrder: PlayedDesk._do_errand,
    fx.Batch: PlayedDesk._do_batch,
    fx.LookUp: PlayedDesk._do_errand,
    fx.CatchUp: PlayedDesk._do_errand,
    fx.AskListing: PlayedDesk._do_errand,
    fx.Try: PlayedDesk._do_errand,
}
_RUN: Final[dict[type, Callable[[PlayedDesk, Any, bool], None]]] = {
    fx.CancelOrder: PlayedDesk._run_cancel,
    fx.LookUp: PlayedDesk._run_lookup,
    fx.CatchUp: PlayedDesk._run_catch_up,
    fx.AskListing: PlayedDesk._run_listing,
    fx.Try: PlayedDesk._run_trial,
    fx.Submit: PlayedDesk._run_submit,
}
