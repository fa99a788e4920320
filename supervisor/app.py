"""The wiring and the turn: begin, keep going, carry out what the desk left to do, end. One thread, one loop.

A turn takes the moment, tells the desk, and carries out its effects. Everything between two awaits is indivisible,
which is the desk's lock. Tape and journal are handed to the kernel at the end of each turn, in this order; what must be
durable first waits for the disk without stopping anybody else. What comes in is in `arrivals`, what the venue is asked
in `errands`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from shared import entries as e
from shared import messages as m
from shared.clock import NS, Clock, real_seconds
from shared.config import Credentials, Faults, Settings, digest
from shared.ledger import Writer
from shared.outcomes import EXIT
from shared.paths import State
from shared.records import Damaged
from shared.tape_index import pruned
from supervisor import adapters, report, snapshots, verbs
from supervisor import effects as fx
from supervisor.arrivals import Arrivals
from supervisor.board import WORDS_MAX
from supervisor.claimer import Claimer
from supervisor.control import ControlFile, ControlSocket, FileFault, Wish, write_status
from supervisor.death import Death
from supervisor.desk import Desk
from supervisor.effects import Moment
from supervisor.errands import ERRANDS, Errands
from supervisor.feed import Discovery, MarketChannel, PriceChannel, UserChannel
from supervisor.gateway import WARM_S, Gateway, VenueRefused
from supervisor.inquiry import Inquiry
from supervisor.journal import Journal, JournalFailed
from supervisor.lock import locked
from supervisor.notify import notify
from supervisor.stream import Stream, tail
from supervisor.tending import ACTS_MAX
from supervisor.trial import Trial
from supervisor.tuning import Change
from supervisor.upkeep import NotTended, Upkeep
from supervisor.venue.frames import BadFrame
from supervisor.venue.prices import PRICE_ASSETS
from supervisor.wallet import Wallet
from supervisor.workers import CannotStart, Workers

log = structlog.get_logger()

TURN_S: Final = 0.05
"""Real seconds between two looks at the clock when nothing else happens."""
AWAY_S: Final = 0.5
"""Real seconds by which a turn may be late; one that is later still finds a process that stood still."""
PULSE_S: Final = 0.2
STATUS_S: Final = 1.0
CONTROL_S: Final = 0.25
BEAT_TRIES: Final = 2
"""Of one heartbeat: a second time when the venue corrects its id, as it does for a new supervisor's first."""
STOP_S: Final = 3.0
"""How long a clean stop waits for answers that are owed."""


class App:
    """One supervisor. `run` returns its exit code."""

    def __init__(self, settings: Settings, state: State, clock: Clock, credentials: Credentials) -> None:
        self.settings, self.state, self.clock = settings, state, clock
        self.signer = adapters.choose(settings, credentials)
        self.gateway = Gateway(settings.venue, clock)
        self.discovery = Discovery(settings.venue)
        self.claimer = _claimer(settings, Wallet(self.signer.signatory, credentials.relayer_key))
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._exit = 0
        self._flushing = False
        self._broken_off = False
        self._mirrored = -1
        self._snapshot_due = False
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        """A thread of its own: it waits for nobody's names to be looked up, and writes one snapshot after the other."""
        self._code = snapshots.own_code()
        self._ready = False
        self._fed = 0
        self._control_fault = ""
        self._waiting: Wish | None = None

    async def run(self, first: e.Release | None) -> int:
        """Begin, live, end. Raises: lock.AlreadyRunning, CannotWrite, Damaged, Faults, OSError: it could not begin."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        with locked(self.state.lock):
            for number in (signal.SIGTERM, signal.SIGINT):  # first of all: a reign that began also ends in order
                loop.add_signal_handler(number, self._stop.set)
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                loop.add_signal_handler(number, lambda: None)
            self._open(first)
            self._open_claimer()
            await self.control.open()
            self._start(self._keep_turning(), self._keep_pulsing(), self._keep_telling(), self._keep_reading_control())
            self._start(self.market.run(), self._join_venue(), self._keep_tape())
            gc.collect()
            gc.freeze()
            await self._stop.wait()
            await self._close()
        return self._exit

    # --- beginning and end ---

    def _open(self, first: e.Release | None) -> None:
        """Find out what is true, and take it up."""
        recovered = self._recover()
        accounts = recovered.accounts
        seq, at_ns, shown = tail(self.state.tape)
        self.desk = Desk(
            self.settings,
            accounts,
            self.signer,
            seq=seq,
            at_ns=at_ns,
            pid=os.getpid(),
            code=self._code,
        )
        self.ledger = Writer(self.state.ledger_name)
        self.arrivals = Arrivals(self.desk, self._turn, own_key=self._own_key, welcome=self._welcome)
        heard_book = self.arrivals.on_market_frame
        self.trial = Trial(self.state, self.clock, self.settings, lambda release: accounts.releases[release].lock)
        asked = Inquiry(self.state, self.settings, lambda release: accounts.releases[release].lock).ask
        self.errands = Errands(
            self.desk, self._turn, self.clock, self.gateway, self.discovery, heard_book, self.trial.run, asked
        )
        self.workers = Workers(
            self.state, self.arrivals.on_worker, self.arrivals.on_breach, self.arrivals.on_worker_lost
        )
        self.control = ControlSocket(self.state.control_socket, self._on_request, self._refuse, self.workers.owns)
        self.control_file = ControlFile(self.state.control)
        self.market = MarketChannel(self.settings.venue.market_ws, heard_book, self.arrivals.there("market"))
        with self._turn() as now:
            self.desk.begin(now, shown, first)
            if self.journal.torn_bytes:
                self.desk.board.alarm("journal_torn", f"{self.journal.torn_bytes} bytes of the last record were lost")
            if recovered.damaged:
                self.desk.board.alarm("snapshot_damaged", "; ".join(recovered.damaged))
        self._end_turn()  # whoever is answered by this reign, or started in it, must not outlive the word of it
        found = {"snapshot": recovered.snapshot, "folded": recovered.folded, "left_out": recovered.left_out}
        signatory, client = self.signer.signatory, self.settings.exchange.client
        log.info("signer_chosen", client=client, wallet=signatory.wallet, signature_type=signatory.signature_type)
        log.info("reign_began", term=accounts.term, pid=os.getpid(), mode=self.settings.mode, seq=seq, **found)

    def _recover(self) -> snapshots.Recovered:
        """Take up tape and journal, and what the journal adds up to. Raises: Faults: it is a desk's of another mode."""
        self.stream = Stream(self.state.stream_socket, self.state.tape)
        segment_bytes = self.settings.records.journal_segment_mib << 20
        self.journal = Journal(self.state.journal, self.clock, segment_bytes, before=self.stream.flush)
        recovered = snapshots.recover(self.state.journal, self.state.snapshots, self._code)
        mode = recovered.accounts.mode
        if mode not in {"", self.settings.mode}:
            self.stream.close()
            self.journal.close()
            kept = f"{self.state.root} is a {mode} desk's, and stays one"
            raise Faults([f"mode = {self.settings.mode}: {kept}; type: --state-dir ANOTHER"])
        return recovered

    def _open_claimer(self) -> None:
        if self.claimer is not None:
            self.claimer.open()
            self.errands.claimer = self.claimer

    async def _join_venue(self) -> None:
        """Get the key, the balance, and the channels that need the key; then keep the heartbeat going."""
        while True:
            try:
                key, cash_micro = await self.gateway.join(self.signer.signatory, self.signer.clob_version)
                break
            except (VenueRefused, BadFrame) as error:
                log.warning("venue_not_joined", reason=str(error))
                await asyncio.sleep(1.0)
        self.signer.own(key.key)
        with self._turn() as now:
            self.desk.reconciling.on_balance(now, cash_micro)
            self.desk.standing.ask()
        venue = self.settings.venue
        self.user = UserChannel(venue.user_ws, key, self.arrivals.on_user_frame, self.arrivals.there("user"))
        assets = sorted({slot.asset for slot in self.desk.board.lanes.slots} & PRICE_ASSETS)
        there = self.arrivals.there("prices")
        self.errands.prices = PriceChannel(venue.price_ws, key, assets, self.arrivals.on_price_frame, there)
        self._start(self.user.run(), self.errands.prices.run(), self._keep_beating(), self._keep_warm())

    def _own_key(self) -> str:
        assert self.gateway.key is not None, "the user channel opens only once the venue is joined"
        return self.gateway.key.key

    def _welcome(self, protocol: int) -> m.Welcome:
        return m.Welcome(protocol, self.stream.endpoint, str(self.state.tape), self.state.ledger_name)

    async def _close(self) -> None:
        """End cleanly: no new tick, wait for what is owed, say where we stand, let the workers go."""
        notify("STOPPING=1")
        self.desk.turns.close()
        deadline = self.clock.monotonic_ns() + int(STOP_S * NS)
        if not self._exit:
            await self._wait_until(self._quiet, deadline)
            with self._turn():
                self.desk.turns.own_up()
                accounts = self.desk.board.accounts
                snapshot = e.Snapshot(accounts.cash_micro, accounts.holdings(), accounts.resting())
                self.desk.board.write(snapshot)
        await self._end_tasks()
        with self._turn():
            self.desk.operations.close("the supervisor ends")
        await self._wait_until(lambda: not self.workers.living, deadline)
        self.workers.kill_all()
        await self._wait_until(lambda: not self.workers.living, deadline + NS)
        await self.control.close()
        self._tell_status(state="STOPPED")
        await self.gateway.close()
        await self.discovery.close()
        if self.claimer is not None:
            await self.claimer.close()
        self.stream.close()
        with contextlib.suppress(JournalFailed):
            self.journal.close()
        self.ledger.close()
        if self._tasks:  # begun since the others were ended: the snapshot that the next reign goes on from
            await asyncio.wait(self._tasks, timeout=STOP_S)
        self._keeper.shutdown(wait=False)
        log.info("reign_ended", term=self.desk.board.accounts.term, exit=self._exit)

    async def _end_tasks(self) -> None:
        """Cancel what still runs; a task that does not end is named, and left behind: the desk stops anyway."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=STOP_S)
            for task in left:
                log.error("task_did_not_end", task=getattr(task.get_coro(), "__qualname__", "?"))

    def _quiet(self) -> bool:
        return not any(slot.outstanding or slot.in_flight for slot in self.desk.turns.slots.values())

    async def _wait_until(self, done: Callable[[], bool], deadline_ns: int) -> None:
        """Look again and again until something is so, or the deadline is past."""
        while not (done() or self.clock.monotonic_ns() > deadline_ns):  # noqa: ASYNC110 - the desk fires no events
            await asyncio.sleep(0.01)

    def _start(self, *coroutines: Coroutine[Any, Any, None]) -> None:
        for coroutine in coroutines:
            task = asyncio.create_task(coroutine)
            self._tasks.add(task)
            task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())

    def _broken(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised where nobody catches: a promise of our own broke, and starting again is the way out."""
        self._fail(context.get("exception") or RuntimeError(context.get("message", "unknown fault")))

    def _fail(self, error: BaseException | None) -> None:
        failed = isinstance(error, JournalFailed)
        self._exit = EXIT["IOERR"] if failed else self._exit or 1
        self._stop.set()
        if failed:
            log.error("journal_failed", reason=str(error), trading="nobody: nothing leaves without the journal")
        else:
            log.error("promise_broken", reason=repr(error), exc_info=error)

    # --- the turn ---

    def _now(self) -> Moment:
        return Moment(self.clock.unix_ns(), self.clock.monotonic_ns())

    @contextlib.contextmanager
    def _turn(self) -> Iterator[Moment]:
        """One arrival: the moment in, then everything the desk wants done."""
        yield self._now()
        self._settle()

    def _settle(self) -> None:
        while effects := self.desk.take_effects():
            if not self._broken_off:
                self._carry_out_all(effects)
        if self.desk.board.accounts.version != self._mirrored:
            self._mirror()
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._end_turn)

    def _carry_out_all(self, effects: Iterable[fx.Effect]) -> None:
        """In order, or not at all: after one that could not be done, none of the reign's further ones may be.

        A frame that follows one which was never published would leave a hole on the tape that nobody explains.
        """
        try:
            for effect in effects:
                self._carry_out(effect)
        except BaseException:
            self._broken_off = True
            raise

    def _carry_out(self, effect: fx.Effect) -> None:
        errand = ERRANDS.get(type(effect))
        if errand is not None:
            self._start(errand(self.errands, effect))
        else:
            _CARRY_OUT[type(effect)](self, effect)

    def _end_turn(self) -> None:
        """Hand tape and journal to the kernel, and say so when the tape cannot be written or can be again."""
        self._flushing = False
        self.journal.flush()
        self.stream.flush()
        if self._snapshot_due and not self._broken_off:
            self._take_snapshot()
        if self.stream.fault != self.desk.board.tape_fault:
            with self._turn() as now:
                self.desk.on_tape(now, self.stream.fault, self.stream.missing_from)

    def _take_snapshot(self) -> None:
        """Between two turns the accounts are what the journal adds up to: keep them beside it."""
        self._snapshot_due, number = False, self.journal.next - 1
        data = snapshots.pack(self.desk.board.accounts, number, self.journal.link, self._code)
        self._start(self._keep_snapshot(number, data))

    async def _keep_snapshot(self, number: int, data: bytes) -> None:
        """The wait for the disk is a thread's; a disk without room costs the snapshot, not the desk."""
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._keeper, snapshots.write, self.state.snapshots, number, data)
        except OSError as error:
            self.desk.board.count("snapshot_failed")
            log.warning("snapshot_failed", reason=error.strerror or str(error))

    def _mirror(self) -> None:
        self._mirrored = self.desk.board.accounts.version
        self.ledger.write(self.desk.picture())

    # --- what keeps going ---

    async def _keep_turning(self) -> None:
        while not self._stop.is_set():
            with self._turn() as now:
                self.desk.on_time(now)
            self._mirror()
            self._feed_watchdog()
            due_s = real_seconds(self.clock, self.desk.turns.next_due_ns())
            await self._rest(min(TURN_S, max(0.0005, due_s)))

    async def _rest(self, seconds: float) -> None:
        """Sleep until the next turn; if that became longer than it should, let everything that arrived be heard first.

        The loop looks at its timers before it looks at its sockets. Answers and heartbeats that wait there were in
        time, and nobody is given up because this process was stopped.
        """
        since_ns, late_ns = self.clock.unix_ns(), self.clock.monotonic_ns() + int((seconds + AWAY_S) * NS)
        await asyncio.sleep(seconds)
        if self.clock.monotonic_ns() > late_ns:
            with self._turn() as now:
                self.desk.markets.on_stall(now, since_ns)
            await asyncio.sleep(0)

    async def _keep_pulsing(self) -> None:
        while True:
            with self._turn() as now:
                if self.stream.mend(now.mono_ns):
                    self.desk.on_tape(now, "", self.stream.missing_from)
                self.desk.pulse(now)
            await asyncio.sleep(PULSE_S)

    async def _keep_telling(self) -> None:
        """status.json, once a second."""
        while True:
            self._tell_status()
            if not self.ledger.exists():
                self._remake_ledger()
            await asyncio.sleep(STATUS_S)

    def _tell_status(self, **last: str) -> None:
        """Write status.json; a disk that is full costs the file, not the desk."""
        fault = self._control_fault or self.desk.tuning.unfollowed()
        status = report.status(self.desk, self.clock.wall_ns()) | {"control_file": fault or "ok"} | last
        with contextlib.suppress(OSError):
            write_status(self.state.status, status)

    async def _keep_tape(self) -> None:
        """Let complete segments be indexed, packed and pruned; at first what an earlier reign has left."""
        upkeep, tended = Upkeep(self.state.tape, self.settings.tape), -1
        while True:
            await asyncio.sleep(self.settings.tape.tend_s)
            rolled = self.stream.rolled
            if rolled == tended:
                continue
            try:
                acts = await upkeep.run()
                tended = rolled if len(acts) < ACTS_MAX else -1
                for act in acts:
                    log.info(act.pop("event"), **act)
            except NotTended as error:
                self.desk.board.count("tape_not_tended")
                log.warning("tape_not_tended", reason=str(error))
            self._tell_pruned()

    def _tell_pruned(self) -> None:
        """Let the journal say what went of the tape; the folder's own word is on the disk before anything goes."""
        with contextlib.suppress(OSError, Damaged):  # the next run says so
            gone = pruned(self.state.tape)
            if gone is not None:
                with self._turn():
                    self.desk.on_pruned(self._now(), gone.to_seq, gone.segments, gone.size)

    async def _keep_reading_control(self) -> None:
        while True:
            self._read_control()
            await asyncio.sleep(CONTROL_S)

    def _read_control(self) -> None:
        found = self.control_file.changed()
        if isinstance(found, FileFault):
            self._control_fault, self._waiting = found.text, None
            with self._turn():
                self.desk.board.alarm("control_file", found.text)
        elif (wish := found or self._waiting) is not None:
            self._follow(wish)

    def _follow(self, wish: Wish) -> None:
        """Act on a wish whose generation is new; one from the past is ignored aloud.

        One of other parameters waits while a change of them is on its way.
        """
        generation = self.desk.board.accounts.generation
        self._control_fault = ""
        self._waiting = wish if wish.parameters is not None and self.desk.tuning.current is not None else None
        with self._turn() as now:
            if wish.generation > generation and self._waiting is None:
                self.desk.pause(now, wish.paused, "control.json", wish.reason[:WORDS_MAX], wish.generation, wish.halted)
                self._tune(now, wish)
            elif wish.generation < generation:
                self._control_fault = f"generation {wish.generation} is older than {generation}"
                self.desk.board.alarm("control_file", f"{self._control_fault}; it is ignored")

    def _tune(self, now: Moment, wish: Wish) -> None:
        """Let the releases be asked about other parameters than those in force."""
        values = wish.parameters
        if values is not None and digest(values) != self.desk.board.parameters:
            op = f"control-{wish.generation}"
            told = ("control.json", wish.reason[:WORDS_MAX], now.mono_ns)
            self.desk.tuning.propose(now, Change(op, values, *told, generation=wish.generation))

    async def _keep_beating(self) -> None:
        """The only heartbeat there is: whoever holds the state folder's lock keeps it, from joining the venue on."""
        while True:
            fault = await self._beat()
            with self._turn() as now:
                self.desk.on_beat(now, fault)
            await asyncio.sleep(self.settings.venue.heartbeat_s)

    async def _beat(self) -> str:
        """Why a heartbeat was not taken; empty when it was. One under a wrong id is sent again at once, corrected."""
        try:
            for _ in range(BEAT_TRIES):
                if (await self.gateway.beat()).accepted:
                    return ""
                self.desk.board.count("heartbeat_corrected")
        except (VenueRefused, BadFrame) as error:
            self.desk.board.count("heartbeat_failed")
            log.warning("heartbeat_failed", reason=str(error))
            return str(error)
        return f"the venue corrected its id {BEAT_TRIES} times"

    async def _keep_warm(self) -> None:
        while True:
            await self.gateway.warm()
            await asyncio.sleep(WARM_S)

    def _feed_watchdog(self) -> None:
        """Ready once a tick was answered; alive while ticks are, or while there is nothing to decide.

        Being ready is said each time: a datagram may be lost, and a second one changes nothing.
        """
        taken = self.desk.decisions.taken
        if taken and not self._ready:
            self._ready = True
            log.info("first_tick_answered", after_ms=_age_ms(self.clock))
        idle = not any(self.desk.board.lanes.window(slot) for slot in self.desk.board.lanes.slots)
        if taken != self._fed or idle:
            self._fed = taken
            active = report.active(self.desk)
            status = f"STATUS=r{active.get('seq', 0)} {report.state(self.desk)}, {taken} decisions"
            notify("\n".join([*(["READY=1"] if self._ready else []), "WATCHDOG=1", status]))

    def _remake_ledger(self) -> None:
        self.ledger.close()
        self.ledger = Writer(self.state.ledger_name)
        self._mirror()
        with self._turn():
            self.desk.board.alarm("ledger_gone", "somebody removed the shared memory's name; it was made again")

    # --- people ---

    async def _on_request(self, caller: verbs.Caller, request: m.Request) -> m.Reply:
        """Answer; what it made us write is on the disk before the answer leaves, so that it holds whatever comes.

        What was wished by file until now was wished before it. What came true earlier in this turn of the loop is in
        the records by then: who is told looks there next.
        """
        self._read_control()
        generation, written = self.desk.board.accounts.generation, self.journal.next
        with self._turn() as now:
            reply = verbs.answer(verbs.Asked(self.desk, now, self.clock.wall_ns(), caller, request))
        if self.desk.board.accounts.generation != generation:
            self._file_wish()
        if self.journal.next != written:
            await self.journal.durable()
        else:
            with contextlib.suppress(JournalFailed):  # the end of this turn finds that as well, and ends the reign
                self.journal.flush()
        return reply

    def _file_wish(self) -> None:
        """Let the control file wish what is in force; a disk without room costs the file, not the desk."""
        accounts = self.desk.board.accounts
        values = accounts.parameters.values if accounts.parameters is not None else None
        wish = Wish(accounts.generation, accounts.paused, accounts.pause_reason, bool(accounts.halted), values)
        with contextlib.suppress(OSError):
            self.control_file.write(wish)

    def _refuse(self, code: str, text: str) -> m.Reply:
        self.desk.board.count(f"request_refused:{code}")
        return verbs.refusal(self.desk, verbs.Refused(code, text))

    # --- carrying out ---

    def _publish(self, effect: fx.Publish) -> None:
        self.stream.publish(effect.frame, new_segment=effect.new_segment)

    def _write(self, effect: fx.Write) -> None:
        board = self.desk.board
        self.journal.append(effect.entry, board.at_ns, board.accounts.term)
        self._snapshot_due |= isinstance(effect.entry, e.Snapshot)
        if isinstance(effect.entry, _LOGGED):
            log.info(type(effect.entry).__name__.lower(), said=report.sentence(effect.entry))

    def _write_first(self, effect: fx.WriteFirst) -> None:
        for entry in effect.entries:
            self._write(fx.Write(entry))
        self.journal.durable().add_done_callback(lambda future: self._durable(future, effect.then))

    def _durable(self, future: asyncio.Future[None], then: Iterable[fx.Effect]) -> None:
        future.result()
        self.desk.board.effects.extend(then)
        self._settle()

    def _grant(self, effect: fx.Grant) -> None:
        self.desk.handover.on_granted(self._now(), effect.slot)

    def _tell(self, effect: fx.Tell) -> None:
        self.workers.tell(effect.uid, effect.message)

    def _spawn(self, effect: fx.Spawn) -> None:
        known = self.desk.board.accounts.releases[effect.release]
        try:
            self.workers.spawn(effect.uid, effect.release, known.lock)
        except CannotStart as error:
            self.desk.operations.on_lost(self._now(), effect.uid, Death(None, str(error)))

    def _end_trial(self, effect: fx.EndTrial) -> None:
        self.trial.end(effect.op)

    def _enacted(self, effect: fx.Enacted) -> None:
        """A version is on the disk: the control file wishes it from now on, if it is not that file's own wish.

        That one is there already, and the next one may be by now.
        """
        self.desk.tuning.on_durable(self._now(), effect.op)
        change = self.desk.tuning.known(effect.op)
        if change is None or not change.generation:
            asyncio.get_running_loop().call_soon(self._file_once_read)

    def _file_once_read(self) -> None:
        """File what is in force, what stands there and nobody has read yet being followed first.

        Not while a turn's effects are carried out: what the wish publishes has its place behind all of them.
        """
        self._read_control()
        self._file_wish()

    def _kill(self, effect: fx.Kill) -> None:
        self.workers.kill(effect.uid)

    def _reconnect(self, effect: fx.Reconnect) -> None:
        log.warning("user_channel_given_up", reason=effect.why)
        self._start(self.user.give_up(effect.why))

    def _watch(self, effect: fx.Watch) -> None:
        self._start(self.market.follow(effect.tokens))


def _claimer(settings: Settings, wallet: Wallet) -> Claimer | None:
    """Whoever turns winners into collateral; nobody where that is off. Raises: Faults: this wallet cannot."""
    if settings.claims.by == "off":
        return None
    if settings.mode == "rehearsal":
        wallet.own_relayer_key()
    return Claimer(settings.claims, wallet)


def _age_ms(clock: Clock) -> int:
    """Milliseconds since this process was started, by the kernel's account."""
    with open("/proc/self/stat") as file:
        started_ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    return clock.monotonic_ns() // 1_000_000 - started_ticks * 1_000 // os.sysconf("SC_CLK_TCK")


_CARRY_OUT: Final[dict[type, Callable[[App, Any], None]]] = {
    fx.Publish: App._publish,
    fx.Write: App._write,
    fx.WriteFirst: App._write_first,
    fx.Grant: App._grant,
    fx.Tell: App._tell,
    fx.Spawn: App._spawn,
    fx.EndTrial: App._end_trial,
    fx.Enacted: App._enacted,
    fx.Kill: App._kill,
    fx.Reconnect: App._reconnect,
    fx.Watch: App._watch,
}
_LOGGED: Final = (
    *(e.Boundary, e.Retuned, e.Step, e.Active, e.Control, e.Flatten, e.Flattened, e.Standing),
    *(e.Worker, e.Gap, e.TapePruned, e.Alarm, e.Repair, e.Resolved),
)
