"""The whole desk in one thread on a made-up clock: our real decisions, a toy venue, toy workers, seeded chance.

This room holds what everything shares: the queue that owns time, the supervisor's life and deaths, and the hands that
carry out what the desk wants. Around it: `weather` says how often what goes wrong, `toy_venue`, `toy_workers`,
`toy_disk` and `people` are the world, and the `auditor` lets `invariants` look at every step. One seed decides
everything; a promise that breaks names the seed, and the seed replays it.
"""

from __future__ import annotations

import contextlib
import heapq
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from kit.auditor import Auditor
from kit.people import SLEEP_MAX_S, STEP_MAX_S, People
from kit.record import AtRest, Taped, TimePassed, TurnEnded
from kit.signer import NamingSigner
from kit.toy_disk import ToyDisk
from kit.toy_venue import ToyVenue
from kit.toy_workers import ToyWorkers
from kit.weather import CALM, Weather, any_settings, any_weather

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Settings
from supervisor import effects as fx
from supervisor import snapshots
from supervisor.accounts import Accounts, rebuild
from supervisor.arrivals import Arrivals
from supervisor.desk import Desk
from supervisor.effects import Moment

MIDNIGHT_NS: Final = 1_784_851_200 * NS
START_WITHIN_S: Final = 900
"""A run begins so many seconds after midnight at most: anywhere in a window of any slot."""
MS: Final = 1_000_000
BEGIN_NS: Final = 1_000 * NS
"""What the monotonic clock says at the start."""
REST_S: Final = 45
"""Seconds in which everything comes to rest once nothing goes wrong any more."""
CODE: Final = "sim"
LOOK_NS: Final = 200 * MS
"""At least this often the desk looks at the time."""


class Killed(Exception):
    """The supervisor was killed in the middle of a turn."""


class Sim:
    """One run. `seed` decides everything; a weather or settings that are given decide the rest of it.

    `reign` counts supervisors, `alive` says whether there is one; `mono` is the monotonic time, nanoseconds.
    """

    def __init__(self, seed: int, weather: Weather | None = None, settings: Settings | None = None) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.weather = weather or any_weather(self.chance)
        self.settings = settings or any_settings(self.chance)
        self.answer_ns = int(self.settings.venue.answer_s * NS)
        self.mono = BEGIN_NS
        self._market_ns = MIDNIGHT_NS + self.chance.randrange(START_WITHIN_S) * NS - BEGIN_NS
        self.queue: list[tuple[int, int, int, Callable[..., Any], tuple[Any, ...]]] = []
        self.count = 0
        self.reign = 1
        self.alive = self.stopping = False
        self.disk = ToyDisk()
        self.venue = ToyVenue(self)
        self.workers = ToyWorkers(self)
        self.people = People(self)
        self.audit = Auditor(self)
        self._mirror = Accounts()
        self._mirrored = 0
        self._synced_ns = 0
        self._effects_to_live = 0
        self._appoint(Accounts())

    # --- running ---

    def run(self, seconds: int) -> None:
        """Live for so many seconds of market time, then let everything come to rest and judge it. Raises: Broken."""
        self._begin()
        self._until(self.mono + seconds * NS)
        self.weather, self.workers.trading = CALM, False
        self._effects_to_live = 0
        self._until(self.mono + REST_S * NS)
        self.audit.see(AtRest())
        self._check_the_journal()

    def _until(self, end: int) -> None:
        while self.mono < end:
            at, _, reign, act, arguments = heapq.heappop(self.queue)
            self.mono = max(self.mono, at)
            if reign in (0, self.reign):
                try:
                    act(*arguments)
                except Killed:
                    self._die(self.disk.lose_turn, half_way=True)

    def later(self, delay_ns: int, act: Callable[..., Any], *arguments: Any) -> None:
        """Let something happen after a delay, whoever reigns by then."""
        self.count += 1
        heapq.heappush(self.queue, (self.mono + max(0, delay_ns), self.count, 0, act, arguments))

    def during(self, delay_ns: int, act: Callable[..., Any], *arguments: Any) -> None:
        """Let something happen after a delay if the supervisor of now still lives by then."""
        if self.alive:
            self.count += 1
            heapq.heappush(self.queue, (self.mono + max(0, delay_ns), self.count, self.reign, act, arguments))

    def now(self) -> Moment:
        """Market time and monotonic time run together here."""
        return Moment(self._market_ns + self.mono, self.mono)

    def where(self) -> str:
        """In which run, reign and moment we are; the seed alone replays it."""
        return f"seed {self.seed}, reign {self.reign}, t+{(self.mono - BEGIN_NS) / NS:.3f} s"

    def chancy(self, probability: float) -> bool:
        """Whether something that happens this often happens now."""
        return probability > 0 and self.chance.random() < probability

    # --- the supervisor's life ---

    def _appoint(self, accounts: Accounts) -> None:
        """Rebuild a supervisor from what the disk says."""
        taped = {"seq": self.disk.seq, "at_ns": self.disk.at_ns}
        self.workers.sets = [(seq, digest) for seq, digest in self.workers.sets if seq <= self.disk.seq]
        self.desk = Desk(self.settings, accounts, NamingSigner(), **taped, pid=1, code=CODE)
        self.arrivals = Arrivals(self.desk, self._turn, own_key=lambda: "key", welcome=_welcome)

    def _begin(self) -> None:
        self.alive, self.stopping, self._synced_ns = True, False, 0
        self.desk.begin(self.now(), self.disk.shown(), self.people.releases[0])
        self.settle()
        self.people.register()
        self.settle()
        self.venue.connect()
        self.during(0, self._look)
        self._every(2 * NS, self.hear_pulse)
        self._every(NS, self.venue.tell_prices)
        self._every(NS, self.venue.tell_books)
        self._every(NS // 2, self.workers.beat)
        self._every(NS, self._fate)

    def _every(self, period_ns: int, act: Callable[[], Any]) -> None:
        def turn() -> None:
            self.during(period_ns, turn)
            act()

        self.during(self.chance.randrange(period_ns), turn)

    def _look(self) -> None:
        """The desk looks at the time, and again when the next tick is due."""
        self.desk.on_time(self.now())
        self.settle()
        self.audit.see(TimePassed())
        due_ns = self.desk.turns.next_due_ns() - self.now().at_ns
        self.during(min(LOOK_NS, max(MS // 2, due_ns)), self._look)

    def hear_pulse(self) -> None:
        """The stream says that it is alive."""
        self.hear(self.desk.pulse)

    def _fate(self) -> None:
        for chance, strike in (
            (self.weather.worker_dies, self.workers.die),
            (self.weather.worker_stalls, self.workers.stall),
            (self.weather.feed_drops, self.venue.drop_feed),
            (self.weather.people_act, self.people.act),
            (self.weather.people_stop, self.people.stop_trading),
            (self.weather.people_tune, self.people.tune),
            (self.weather.desk_sleeps, self._sleep),
            (self.weather.clock_steps, self._step_clock),
            (self.weather.tape_fills, self._fill_tape),
            (self.weather.supervisor_stopped, self._stop),
            (self.weather.supervisor_killed, self._kill),
            (self.weather.power_fails, self._lose_power),
        ):
            if self.alive and self.chancy(chance):
                strike()

    def _sleep(self) -> None:
        self.mono += self.chance.randrange(int(SLEEP_MAX_S * NS))

    def _step_clock(self) -> None:
        self._market_ns += self.chance.randrange(int(-STEP_MAX_S * NS), int(STEP_MAX_S * NS))

    def _fill_tape(self) -> None:
        if not self.disk.tape_full:
            self.disk.tape_full = True
            self.hear(self.desk.on_tape, "no space left", self.disk.seq + 1)
            self.during(self.chance.randrange(5 * NS), self._mend_tape)

    def _mend_tape(self) -> None:
        self.disk.tape_full = False
        self.hear(self.desk.on_tape, "", self.disk.seq + 1)

    def _stop(self) -> None:
        self.stopping = True
        self.people.stop()
        self._die(lambda: None)

    def _kill(self) -> None:
        """SIGKILL, between two turns or in the middle of one that comes soon."""
        if self.chancy(0.5):
            self._die(lambda: None)
        else:
            self._effects_to_live = self.chance.randrange(1, 60)

    def _lose_power(self) -> None:
        self._die(lambda: self.disk.lose_power(self.chance))

    def _die(self, lose: Callable[[], None], *, half_way: bool = False) -> None:
        """The supervisor is gone: workers see the end of file, the disk keeps what it can, somebody starts it anew."""
        known, had = self.desk.board.accounts, (len(self.disk.journal), self.disk.seq)
        self.alive, self._effects_to_live = False, 0
        self.reign += 1
        self.workers.end_of_file()
        lose()
        self.disk.tape_full = False
        if had != (len(self.disk.journal), self.disk.seq):
            self.audit.relearn(self.disk.journal)
            half_way = True
        rebuilt = self._rebuilt()
        self.audit.restarted(rebuilt, None if half_way else known)
        self.later(self.chance.randrange(3 * NS), self._restart, rebuilt)

    def _restart(self, rebuilt: Accounts) -> None:
        self._appoint(rebuilt)
        self._begin()

    def _rebuilt(self) -> Accounts:
        """What the journal adds up to, through a snapshot; lines that were folded before are folded once."""
        if self._mirrored > len(self.disk.journal):
            self._mirror, self._mirrored = Accounts(), 0
        for line in self.disk.journal[self._mirrored :]:
            read = e.decode_line(e.encode_line(line))
            self._mirror.apply(read.entry, read.at_ns)
        self._mirrored = len(self.disk.journal)
        return snapshots.unpack(snapshots.pack(self._mirror, 0, bytes(16), CODE), CODE).accounts

    def _check_the_journal(self) -> None:
        whole = rebuild(e.decode_line(e.encode_line(line)) for line in self.disk.journal)
        self.audit.restarted(whole, self.desk.board.accounts)

    # --- carrying out ---

    def hear(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Something arrives at the desk; what it wants done about it is done."""
        act(self.now(), *arguments)
        self.settle()

    @contextlib.contextmanager
    def _turn(self) -> Iterator[Moment]:
        yield self.now()
        self.settle()

    def settle(self) -> None:
        """Carry out what the desk wants, and look at what came of it. Raises: Broken, Killed."""
        while effects := self.desk.take_effects():
            for effect in effects:
                self._carry_out(effect)
        self.disk.flush()
        self.audit.see(TurnEnded())

    def _carry_out(self, effect: fx.Effect) -> None:
        """One effect; the requests of a batch are looked at one by one, and arrive so."""
        if isinstance(effect, fx.Batch):
            for leg in effect.legs:
                self._carry_out(leg)
            return
        self._live_on()
        self.audit.see(effect)
        _CARRY_OUT[type(effect)](self, effect)

    def _live_on(self) -> None:
        if self._effects_to_live:
            self._effects_to_live -= 1
            if not self._effects_to_live:
                raise Killed

    def _publish(self, effect: fx.Publish) -> None:
        if not self.disk.tape_full:
            self.audit.see(Taped(effect.frame.seq, self.disk.seq))
        self.disk.publish(effect.frame)
        self.audit.published(effect.frame)
        if isinstance(effect.frame.event, m.Tick):
            self.workers.publish(effect.frame)
        elif isinstance(effect.frame.event, m.Pulse):
            self.workers.pulse(effect.frame)
        elif isinstance(effect.frame.event, m.ParametersSet):
            self.workers.sets.append((effect.frame.seq, effect.frame.event.digest))

    def _write(self, effect: fx.Write) -> None:
        board = self.desk.board
        self.audit.written(self.disk.write(effect.entry, board.at_ns, board.accounts.term))

    def _write_first(self, effect: fx.WriteFirst) -> None:
        """What waits for the disk waits in line: one sync after the other, now and then a slow one."""
        for entry in effect.entries:
            self._write(fx.Write(entry))
        self.disk.flush()
        took_ns = 2 * NS if self.chancy(self.weather.sync_slow) else self.chance.randrange(MS // 10, 5 * MS)
        self._synced_ns = max(self._synced_ns, self.mono + took_ns)
        self.during(self._synced_ns - self.mono, self._durable, len(self.disk.journal), effect)

    def _durable(self, lines: int, effect: fx.WriteFirst) -> None:
        self.disk.synced(lines)
        self.audit.synced(effect.entries)
        self.desk.board.effects.extend(effect.then)
        self.settle()

    def _grant(self, effect: fx.Grant) -> None:
        self.desk.handover.on_granted(self.now(), effect.slot)

    def _enacted(self, effect: fx.Enacted) -> None:
        self.desk.tuning.on_durable(self.now(), effect.op)


def _welcome(protocol: int) -> m.Welcome:
    return m.Welcome(protocol, "stream", "tape", "ledger")


_CARRY_OUT: Final[dict[type, Callable[[Sim, Any], None]]] = {
    fx.Publish: Sim._publish,
    fx.Write: Sim._write,
    fx.WriteFirst: Sim._write_first,
    fx.Grant: Sim._grant,
    fx.AskRelease: lambda sim, effect: sim.workers.ask(effect),
    fx.Enacted: Sim._enacted,
    fx.Submit: lambda sim, effect: sim.venue.submit(effect),
    fx.CancelOrder: lambda sim, effect: sim.venue.cancel(effect),
    fx.LookUp: lambda sim, effect: sim.venue.look_up(effect),
    fx.CatchUp: lambda sim, effect: sim.venue.catch_up(effect),
    fx.Reconcile: lambda sim, effect: sim.venue.reconcile(effect),
    fx.AskListing: lambda sim, effect: sim.venue.ask_listing(effect),
    fx.Watch: lambda sim, effect: sim.venue.send_book(effect),
    fx.Refetch: lambda sim, effect: sim.venue.send_book(effect),
    fx.Spawn: lambda sim, effect: sim.workers.spawn(effect),
    fx.Try: lambda sim, effect: sim.workers.replay(effect),
    fx.EndTrial: lambda sim, effect: None,
    fx.AskStanding: lambda sim, effect: None,
    fx.Reconnect: lambda sim, effect: sim.venue.reconnect(),
    fx.Tell: lambda sim, effect: sim.workers.tell(effect),
    fx.Kill: lambda sim, effect: sim.workers.kill(effect.uid),
}
"""What each effect comes to here; what is missing here is missing in the world."""
