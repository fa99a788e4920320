"""Toy workers: they greet, warm up, read the stream in its order and answer; stall, lose frames, lie, forge and die.

A worker's words reach the desk through the room that a real one's do. It reads only ticks one by one; whatever else was
published between two ticks it has read once it read the later one, or when it beats and no tick waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kit.deaths import KILLED, LEFT_BEHIND
from msgspec import structs

from shared import messages as m
from shared.clock import NS
from supervisor import effects as fx
from supervisor.death import Death
from supervisor.gates import Tried

if TYPE_CHECKING:
    from kit.sim import Sim

MS: Final = 1_000_000
GIVES_UP_NS: Final = 5 * NS
"""How long a worker waits for frames that it missed to be on the tape."""
EDGE_MAX: Final = 99
"""The one parameter there is may be so large."""
GOOD: Final = "good"
BAD: Final = ("moody", "mute", "cold", "liar", "forgetful", "crasher", "late_crasher", "sleeper")
"""What else a release can be: it decides otherwise each time, never greets, is never warm, says that it runs something
else, says so when it is asked to attest, dies of its first tick, dies of a later one, or takes too long to answer."""
_CRASHES_AT: Final = {"crasher": 1, "late_crasher": 9}


@dataclass
class ToyWorker:
    """One process. `read_seq`: it has missed nothing up to there. `missed`: ticks the stream skipped for it.

    `lost_seq`: the first frame that it missed for good, because the tape does not have it either; 0 for none.
    """

    uid: str
    release: str
    kind: str
    pid: int
    reads: bool = False
    ready: bool = False
    lost_seq: int = 0
    read_seq: int = 0
    decided: int = 0
    asleep_until_ns: int = 0
    waking: bool = False
    inbox: deque[m.Streamed | m.Ready | m.Hole] = field(default_factory=deque)
    missed: list[m.Streamed] = field(default_factory=list)

    def read_until(self, head_seq: int) -> int:
        """The last frame before what it has not read or noticed yet, if the stream is at `head_seq`."""
        unread = [item.seq for item in (*self.inbox, *self.missed) if isinstance(item, m.Streamed)]
        unread += [item.expected_seq for item in self.inbox if isinstance(item, m.Hole)]
        return min([*unread, head_seq + 1]) - 1

    def whole_until(self, head_seq: int) -> int:
        """The last frame before anything it has not read, whether it knows of that or not."""
        return min(self.read_until(head_seq), self.lost_seq - 1 if self.lost_seq else head_seq)


class ToyWorkers:
    """Every worker process there is. `kinds`: what each release is like."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.living: dict[str, ToyWorker] = {}
        self.kinds: dict[str, str] = {}
        self.trading = True
        self.sets: list[tuple[int, str]] = []
        """The parameters that the stream has told: the frame, and the digest."""
        self._pid = 100

    # --- what the desk does with them ---

    def spawn(self, effect: fx.Spawn) -> None:
        """A process is started, or cannot be."""
        sim = self.sim
        if sim.chancy(sim.weather.spawn_fails):
            sim.desk.operations.on_lost(sim.now(), effect.uid, Death(None, "cannot start"))
            return
        self._pid += 1
        worker = ToyWorker(effect.uid, effect.release, self.kinds[effect.release], self._pid)
        self.living[effect.uid] = worker
        if worker.kind != "mute":
            self._do(worker, sim.chance.randrange(5 * MS, 100 * MS), self._greet)

    def tell(self, effect: fx.Tell) -> None:
        """A message arrives on its channel; one that sleeps hears nothing."""
        worker, sim = self.living.get(effect.uid), self.sim
        if worker is None or sim.mono < worker.asleep_until_ns:
            return
        if isinstance(effect.message, m.Welcome):
            worker.reads = True
            self._do(worker, sim.chance.randrange(5 * MS, 300 * MS), self._warm)
        elif isinstance(effect.message, m.Attest):
            modules = self._modules(worker, lies=worker.kind == "forgetful")
            self._do(worker, 3 * MS, self._say, m.Attested(worker.release, modules))
        else:
            self._do(worker, sim.chance.randrange(50 * MS), self._leave)

    def replay(self, effect: fx.Try) -> None:
        """The tape is replayed through a release twice; one that makes things up says something else each time."""
        sim = self.sim
        ticks = 0 if sim.chancy(0.1) else 12
        first = Tried(ticks, "decisions", "state", 300)
        moody = self.kinds[effect.release] == "moody"
        second = Tried(ticks, "other decisions" if moody else "decisions", "state", 300)
        after_ns = sim.chance.randrange(50 * MS, 900 * MS)
        sim.during(after_ns, sim.hear, sim.desk.operations.on_trial, effect.op, first, second)

    def ask(self, effect: fx.AskRelease) -> None:
        """A release says whether it can use a set of parameters, a little later."""
        sim, edge = self.sim, effect.values.get("edge", 0)
        fault = f"edge = {edge}: Expected int <= {EDGE_MAX}" if edge > EDGE_MAX else ""
        after_ns = sim.chance.randrange(50 * MS, 900 * MS)
        sim.during(after_ns, sim.hear, sim.desk.tuning.on_asked, effect.op, effect.release, fault)

    def kill(self, uid: str) -> None:
        """SIGKILL, and the word of it."""
        if self.living.pop(uid, None) is not None:
            self.sim.during(MS, self.sim.hear, self.sim.desk.operations.on_lost, uid, KILLED)

    def end_of_file(self) -> None:
        """The supervisor is gone: every worker sees it and ends."""
        self.living.clear()

    def publish(self, frame: m.Streamed) -> None:
        """A tick was published: every worker that listens gets it a little later, or never."""
        for worker in self.living.values():
            if not worker.reads:
                continue
            if self.sim.chancy(self.sim.weather.frame_lost):
                worker.missed.append(frame)
                continue
            if worker.missed:
                self._notice(worker, frame)
            worker.inbox.append(frame)
            self._wake(worker)

    def pulse(self, frame: m.Streamed) -> None:
        """The stream is alive: who missed what came before it sees the hole, also when no tick follows."""
        for worker in self.living.values():
            if worker.reads and worker.missed:
                self._notice(worker, frame)
                self._wake(worker)

    # --- fate ---

    def die(self) -> None:
        """One of them is killed; what it had said by then is heard first."""
        if self.living:
            worker = self.living.pop(self.sim.chance.choice(sorted(self.living)))
            self.sim.hear(self.sim.desk.operations.on_lost, worker.uid, KILLED)

    def stall(self) -> None:
        """One of them sleeps, for a moment or for ever."""
        if self.living:
            worker = self.living[self.sim.chance.choice(sorted(self.living))]
            worker.asleep_until_ns = self.sim.mono + self.sim.chance.choice((NS // 5, NS, 3 * NS, 999_999 * NS))

    def beat(self) -> None:
        """Every loop that turns says so, and how far it has read."""
        sim = self.sim
        for worker in list(self.living.values()):
            if worker.reads and sim.mono >= worker.asleep_until_ns:
                if worker.ready:
                    worker.read_seq = worker.read_until(sim.desk.board.seq)
                using = self._set_at(worker.read_seq) if worker.ready else ""
                self._say(worker, m.Beating(worker.read_seq, worker.decided, 50_000, using))

    # --- a worker's life ---

    def _do(self, worker: ToyWorker, delay_ns: int, act: Callable[..., None], *args: Any) -> None:
        """Let a worker do something a little later, if it still lives and is awake by then."""
        self.sim.during(delay_ns, self._awake, worker, act, args)

    def _awake(self, worker: ToyWorker, act: Callable[..., None], args: tuple[Any, ...]) -> None:
        if self.living.get(worker.uid) is not worker:
            return
        if self.sim.mono < worker.asleep_until_ns:
            self._do(worker, worker.asleep_until_ns - self.sim.mono, act, *args)
        else:
            act(worker, *args)

    def _say(self, worker: ToyWorker, message: m.FromWorker) -> None:
        """Over the channel, in order; what a worker says of itself may also come whenever it comes."""
        sim = self.sim
        if isinstance(message, m.Beating | m.Attested) and sim.chancy(sim.weather.answer_late):
            sim.during(sim.chance.randrange(5 * NS), sim.arrivals.on_worker, worker.uid, worker.pid, message)
        else:
            sim.arrivals.on_worker(worker.uid, worker.pid, message)

    def _greet(self, worker: ToyWorker) -> None:
        modules = self._modules(worker, lies=worker.kind == "liar")
        self._say(worker, m.Hello(m.PROTOCOLS, worker.uid, worker.pid, worker.release, 900, modules))

    def _warm(self, worker: ToyWorker) -> None:
        """It has read the tape up to here; what it heard live meanwhile it answers now."""
        if worker.kind == "cold":
            return
        worker.ready = True
        worker.read_seq = worker.read_until(self.sim.desk.board.seq)
        self._say(worker, m.Ready(worker.read_seq, 10, 10, "s"))
        self._wake(worker)

    def _leave(self, worker: ToyWorker) -> None:
        """What it has read it answers before it ends."""
        while worker.inbox and self.living.get(worker.uid) is worker:
            self._take(worker, worker.inbox.popleft())
        if self.living.pop(worker.uid, None) is not None:
            self.sim.hear(self.sim.desk.operations.on_lost, worker.uid, Death(0))

    def _give_up(self, worker: ToyWorker) -> None:
        """What it missed is nowhere: it ends, and somebody who begins at a keyframe takes its place."""
        del self.living[worker.uid]
        self.sim.hear(self.sim.desk.operations.on_lost, worker.uid, LEFT_BEHIND)

    def _set_at(self, seq: int) -> str:
        """The parameters that whoever has read the stream up to a frame has."""
        return next((digest for told_seq, digest in reversed(self.sets) if told_seq <= seq), "")

    def _modules(self, worker: ToyWorker, *, lies: bool) -> tuple[m.Loaded, ...]:
        release = self.sim.desk.board.accounts.releases[worker.release]
        digest = release.modules["worker/strategy.py"]
        return (m.Loaded("worker.strategy", "something else" if lies else digest, 900),)

    # --- reading ---

    def _notice(self, worker: ToyWorker, frame: m.Streamed) -> None:
        """The stream jumped: say so, read what is missing from the tape if it is there, and then go on."""
        first, last = worker.missed[0].seq, worker.missed[-1].seq
        worker.inbox.append(m.Hole(first, frame.seq))
        if self.sim.disk.tape_full:
            worker.lost_seq = worker.lost_seq or first
            self._do(worker, GIVES_UP_NS, self._give_up)
        else:
            worker.inbox.extend(worker.missed)
        if not worker.lost_seq:
            worker.inbox.append(m.Ready(last, 1, 1, "s"))
        worker.missed.clear()

    def _wake(self, worker: ToyWorker) -> None:
        if worker.inbox and worker.ready and not worker.waking:
            worker.waking = True
            delay_ns = 30_000 * MS if worker.kind == "sleeper" else self.sim.chance.randrange(200_000, 6 * MS)
            self._do(worker, delay_ns, self._turn)

    def _turn(self, worker: ToyWorker) -> None:
        worker.waking = False
        self._take(worker, worker.inbox.popleft())
        if self.living.get(worker.uid) is worker:
            self._wake(worker)

    def _take(self, worker: ToyWorker, item: m.Streamed | m.Ready | m.Hole) -> None:
        if not isinstance(item, m.Streamed):
            self._say(worker, item)
            return
        worker.read_seq = item.seq
        worker.decided += 1
        if worker.decided == _CRASHES_AT.get(worker.kind):
            del self.living[worker.uid]
            self.sim.hear(self.sim.desk.operations.on_lost, worker.uid, Death(1, "an exception in decide"))
        else:
            assert isinstance(item.event, m.Tick)
            self._answer(worker, item.seq, item.event)

    def _answer(self, worker: ToyWorker, seq: int, tick: m.Tick) -> None:
        sim, weather = self.sim, self.sim.weather
        decision = m.Decision(tuple(self._wishes(tick)), {"by": worker.release})
        version = tick.account.ledger_version
        decided = m.Decided(tick.slot, tick.tick, tick.epoch, seq, version, self._set_at(seq), 50, decision)
        sim.audit.answered(worker.uid, decided)
        if sim.chancy(weather.answer_late):
            sim.during(sim.chance.randrange(5 * NS), sim.arrivals.on_worker, worker.uid, worker.pid, decided)
            return
        self._say(worker, decided)
        if sim.chancy(weather.answer_twice):
            self._say(worker, decided)
        if sim.chancy(weather.answer_forged):
            epoch, tick_off = sim.chance.choice(((1, 0), (-1, 0), (0, -250)))
            forged = structs.replace(decided, epoch=decided.epoch + epoch, tick=decided.tick + tick_off)
            self._say(worker, forged)

    def _wishes(self, tick: m.Tick) -> Iterable[m.Intent]:
        sim, account = self.sim, tick.account
        gone = [o for o in account.orders if o.state == "open" and sim.chancy(0.1 if self.trading else 1.0)]
        yield from (m.Cancel(order.order_id) for order in gone)
        if not self.trading:
            return
        for order in gone:
            if order.side == "BUY" and sim.chancy(0.5):
                price = sim.chance.randrange(35, 60) * 10_000
                yield m.Place(order.outcome, "BUY", price, max(5_000_000, order.open_micro), "GTC")
        if len(account.orders) < 4 and sim.chancy(0.06):
            kind: m.OrderKind = sim.chance.choice(("GTC", "FAK"))
            outcome: m.Outcome = sim.chance.choice(("Up", "Down"))
            price = sim.chance.randrange(35, 60) * 10_000
            yield m.Place(outcome, "BUY", price, sim.chance.randrange(5, 12) * 1_000_000, kind)
        held = next((p for p in account.positions if p.size_micro >= 5_000_000), None)
        if held is not None and sim.chancy(0.03):
            yield m.Place(held.outcome, "SELL", 400_000, 5_000_000, "GTC")
