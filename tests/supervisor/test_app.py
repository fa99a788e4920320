"""The whole supervisor in the test's own loop: real sockets, disk and workers, against the rehearsal venue."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK, socket
from typing import Any, get_args

import msgspec
import pytest
from kit.answers import Script, answering, ok, reply
from kit.recordings import recording
from kit.releases import ROOT, stage
from kit.venue import running_venue

from shared.clock import NS, Clock, SystemClock
from shared.config import Credentials, Settings, Slots, Tape, Venue
from shared.entries import Alarm, Control, Entry, Gap, OutcomeOf, Release, Term
from shared.fingerprint import code_hash, lock_hash, modules, release_hash
from shared.messages import Pulse, Reply, Request, Tick
from shared.paths import State
from shared.records import Appender, CannotWrite, read
from shared.wire import decode_streamed
from supervisor import app as app_room
from supervisor import effects as fx
from supervisor import journal, snapshots
from supervisor.accounts import rebuild
from supervisor.app import _CARRY_OUT, AWAY_S, App
from supervisor.control import Wish, replace_file
from supervisor.errands import ERRANDS
from supervisor.gateway import KEPT_WARM, WARM
from supervisor.verbs import Caller

PATIENCE_S = 180.0
KEY = Credentials("0x" + "11" * 32)
SPEED = 10.0
THREADS_MAX = 32
"""As many as a loop has for what would make it wait."""


@pytest.fixture
def state() -> Iterator[State]:
    """An empty state folder, whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        made = State(Path(folder))
        yield made
        (Path("/dev/shm") / made.ledger_name).unlink(missing_ok=True)


@pytest.fixture
def told(state: State, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Everything that the service manager was told so far."""
    with socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK) as manager:
        manager.bind(str(state.root / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(state.root / "notify"))
        heard: list[str] = []

        def look() -> list[str]:
            while True:
                try:
                    heard.append(manager.recv(1_000).decode())
                except BlockingIOError:
                    return heard

        yield look


def staged(state: State) -> Release:
    """This checkout as a staged release, with the environment that runs the test."""
    files = modules(ROOT)
    release = Release(1, release_hash(files), lock_hash(files), files)
    stage(state.releases / release.release)
    state.environments.mkdir()
    (state.environments / release.lock).symlink_to(sys.prefix)
    return release


@asynccontextmanager
async def a_desk(
    state: State, venue: Venue, clock: Clock, first: Release | None = None, tape: Tape | None = None
) -> AsyncIterator[App]:
    """A supervisor that has begun; it ends with the test, and must have ended well."""
    app = App(Settings(slots=Slots(assets=("BTC",), minutes=(5,)), venue=venue, tape=tape or Tape()), state, clock, KEY)
    reign = asyncio.create_task(app.run(first))
    try:
        await until(lambda: state.control_socket.exists() or reign.done())
        yield app
        app._stop.set()
        async with asyncio.timeout(PATIENCE_S):
            assert await reign == 0
    finally:
        app._stop.set()
        await asyncio.wait({reign}, timeout=PATIENCE_S)
        gc.unfreeze()


async def until(done: Callable[[], object]) -> None:
    """Let the desk go on until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not done():  # noqa: ASYNC110 - a desk fires no events for tests
            await asyncio.sleep(0.01)


def rehearsing(state: State, act: Callable[[App], Any], *, release: bool, speed: float = SPEED) -> None:
    """Let a desk trade at the rehearsal venue."""

    async def scenario() -> None:
        async with running_venue(state.venue, speed=speed) as running:
            where = {name: url for name, url in running.where.items() if name in Venue.__struct_fields__}
            first = staged(state) if release else None
            async with a_desk(state, Venue(**where), running.venue.clock, first) as app:
                await act(app)

    asyncio.run(scenario())


async def ask(state: State, verb: str, **args: Any) -> Reply:
    """One request over the control socket."""
    reader, writer = await asyncio.open_unix_connection(state.control_socket, limit=1 << 24)
    writer.write(json.dumps({"verb": verb, "args": args}).encode() + b"\n")
    reply_line = await reader.readline()
    writer.close()
    return msgspec.json.decode(reply_line, type=Reply)


def said(state: State, kind: type[Entry]) -> list[Any]:  # type: ignore[valid-type]
    """Every fact of a kind in the journal."""
    return [line.entry for line in journal.lines(state.journal) if isinstance(line.entry, kind)]


def test_every_effect_has_one_carrier() -> None:
    """What the desk may want done is done by the turn or sent off as an errand, never both, never neither."""
    assert set(ERRANDS) | set(_CARRY_OUT) == set(get_args(fx.Effect))
    assert set(ERRANDS) & set(_CARRY_OUT) == set()


def test_it_is_ready_once_a_tick_was_answered_and_alive_while_ticks_are(
    state: State, told: Callable[[], list[str]]
) -> None:
    """Not before, however much else works; each sign of life says it again; the end is said too."""

    async def act(app: App) -> None:
        before = len(told())
        await until(lambda: app.desk.decisions.taken)
        await until(lambda: any("READY=1" in line for line in told()))
        first = next(line for line in told() if "READY=1" in line)
        assert "WATCHDOG=1" in first
        assert "STATUS=r1 " in first
        signs = len(told())
        await until(lambda: len(told()) > signs + 5)
        assert all("READY=1" in line for line in told()[signs:])
        assert not any("READY=1" in line for line in told()[:before])

    rehearsing(state, act, release=True)
    assert told()[-1] == "STOPPING=1"


def test_the_watchdog_is_not_fed_while_nobody_decides(state: State, told: Callable[[], list[str]]) -> None:
    """A window is open and no release trades: the loop turns, the feeds work, and that is no life.

    The window is open all the while: between two of them there is nothing to decide. Its end is two minutes away.
    """

    async def act(app: App) -> None:
        lanes = app.desk.board.lanes
        await until(lambda: any(lanes.window(slot) for slot in lanes.slots))
        signs, seq = len(told()), app.desk.board.seq
        await until(lambda: app.desk.board.seq > seq + 100)
        assert len(told()) == signs
        assert not any("READY=1" in line for line in told())

    rehearsing(state, act, release=False, speed=2.0)


def test_wishes_come_by_socket_and_by_file_and_the_newest_counts(state: State) -> None:
    """Each leaves the file as it stands; an older generation is ignored aloud, also in the status."""

    async def act(app: App) -> None:
        accounts = app.desk.board.accounts
        assert (await ask(state, "pause", reason="news")).changed
        assert msgspec.json.decode(state.control.read_bytes(), type=Wish) == Wish(1, True, "news", False, {})
        replace_file(state.control, msgspec.json.encode(Wish(5, False, "over")))
        await until(lambda: not accounts.paused)
        assert accounts.generation == 5
        replace_file(state.control, msgspec.json.encode(Wish(4, True, "late")))
        await until(lambda: "older than 5" in json.loads(state.status.read_text())["control_file"])
        replace_file(state.control, b"{")
        await until(lambda: "last good wish" in json.loads(state.status.read_text())["control_file"])
        assert (accounts.generation, accounts.paused) == (5, False)
        replace_file(state.control, msgspec.json.encode(Wish(6, True, "again")))
        await until(lambda: accounts.paused)

    rehearsing(state, act, release=False)
    assert [alarm.name for alarm in said(state, Alarm)].count("control_file") == 2


def test_a_wish_that_nobody_has_read_yet_is_not_written_over(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """One comes by file and right after it one by socket: each is followed, in this order, and filed as it stands."""
    monkeypatch.setattr(app_room, "CONTROL_S", PATIENCE_S)

    async def scenario() -> None:
        async with answering() as venue, a_desk(state, venue.settings(), SystemClock()):
            assert (await ask(state, "pause", reason="first")).generation == 1
            replace_file(state.control, msgspec.json.encode(Wish(5, True, "news")))
            assert (await ask(state, "resume")).generation == 6
            assert msgspec.json.decode(state.control.read_bytes(), type=Wish).generation == 6

    asyncio.run(scenario())
    assert [(wish.generation, wish.paused) for wish in said(state, Control)] == [(1, True), (5, True), (6, False)]


def test_parameters_that_are_filed_write_over_no_wish_that_nobody_has_read(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is followed first, and behind everything of the turn that is being carried out: no frame overtakes another."""
    monkeypatch.setattr(app_room, "CONTROL_S", PATIENCE_S)

    async def scenario() -> None:
        async with answering() as venue, a_desk(state, venue.settings(), SystemClock()) as app:
            replace_file(state.control, msgspec.json.encode(Wish(5, True, "news")))
            with app._turn():
                app.desk.board.effects.append(fx.Enacted("a change"))
                app.desk.board.publish(Pulse())
            await until(lambda: app.desk.board.accounts.generation == 5)
            assert msgspec.json.decode(state.control.read_bytes(), type=Wish).paused

    asyncio.run(scenario())
    numbers = [decode_streamed(frame).seq for _, frame in read(state.tape, "tape")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_an_answer_waits_until_what_it_says_is_on_the_disk(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wish that was taken holds after a power cut; who only looks waits for no disk."""

    async def act(app: App) -> None:
        disk = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(app.journal, "durable", lambda: disk)
        pausing = asyncio.create_task(ask(state, "pause"))
        await until(lambda: app.desk.board.accounts.paused)
        assert (await ask(state, "status")).data["paused"]
        assert not pausing.done()
        disk.set_result(None)
        assert (await pausing).ok

    rehearsing(state, act, release=False)


def test_what_an_answer_tells_is_in_the_journal_already(state: State) -> None:
    """Also what came true in the same turn of the loop, which hands its records over only at its end."""

    async def act(app: App) -> None:
        with app._turn():
            app.desk.board.alarm("seen", "somebody should look")
        reply = await app._on_request(Caller(0, 1, ""), Request("status"))
        assert reply.data["counters"]["alarm:seen"] == 1
        assert "seen" in {alarm.name for alarm in said(state, Alarm)}

    rehearsing(state, act, release=False)


def test_shared_memory_that_vanishes_is_made_again(state: State) -> None:
    """Somebody removed its name: said, and there again for whoever comes."""
    name = Path("/dev/shm") / state.ledger_name

    async def act(app: App) -> None:
        name.unlink()
        await until(name.exists)

    rehearsing(state, act, release=False)
    assert "ledger_gone" in [alarm.name for alarm in said(state, Alarm)]


def test_a_start_goes_on_from_the_snapshot_of_the_last_reign(state: State) -> None:
    """It folds only what came after; a damaged one is said, and the whole journal is folded instead."""

    async def nothing(app: App) -> None:
        await asyncio.sleep(0)

    rehearsing(state, nothing, release=False)
    kept = sorted(state.snapshots.glob("*.snap"))
    assert kept
    recovered = snapshots.recover(state.journal, state.snapshots, code_hash(ROOT, ("supervisor", "shared")))
    assert (recovered.snapshot, recovered.damaged) == (int(kept[-1].stem), ())
    assert vars(recovered.accounts) == vars(rebuild(journal.lines(state.journal)))
    for path in kept:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    rehearsing(state, nothing, release=False)
    (alarm,) = [alarm for alarm in said(state, Alarm) if alarm.name == "snapshot_damaged"]
    assert kept[-1].name in alarm.detail
    assert [line.term for line in journal.lines(state.journal) if isinstance(line.entry, Term)] == [1, 2]


def test_a_reign_that_has_ended_has_kept_its_snapshot(state: State) -> None:
    """Also where every thread that looks up names stands still: the network is gone, and somebody ends the desk."""
    network = threading.Event()

    async def scenario() -> list[Path]:
        try:
            async with answering() as venue, a_desk(state, venue.settings(), SystemClock()):
                for _ in range(2 * THREADS_MAX):
                    asyncio.get_running_loop().run_in_executor(None, network.wait, PATIENCE_S)
            return list(state.snapshots.glob("*.snap"))
        finally:
            network.set()

    assert asyncio.run(scenario())


def test_a_tape_that_cannot_be_written_closes_entries_and_opens_them_again(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said once, whatever the disk says meanwhile; the loop rests; what is missing is written down when it is over."""

    def broken(self: Appender, real: Callable[[Appender], None], why: str) -> None:
        if self.kind == "tape":
            raise CannotWrite(why)
        real(self)

    flush, roll = Appender.flush, Appender.roll

    async def act(app: App) -> None:
        turns: list[int] = []
        with monkeypatch.context() as patch:
            patch.setattr(Appender, "flush", lambda self: broken(self, flush, "disk: one"))
            patch.setattr(Appender, "roll", lambda self: broken(self, roll, "disk: two"))
            await until(lambda: app.desk.board.tape_fault == "disk: two")
            end_turn = app._end_turn
            patch.setattr(app, "_end_turn", lambda: (turns.append(1), end_turn()))
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(turns) < 50, "a loop that never rests turns fifty times"
            assert (await ask(state, "status")).data["tape"] == "disk: two"
        await until(lambda: not app.desk.board.tape_fault)

    rehearsing(state, act, release=False)
    assert [alarm.name for alarm in said(state, Alarm)].count("tape_unavailable") == 1
    gaps = [gap for gap in said(state, Gap) if gap.what == "tape"]
    assert len(gaps) == 1
    assert "disk: two" in gaps[0].cause


def test_no_outcome_reaches_the_kernel_before_the_frame_it_read(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the journal is handed over, the tape holds everything published by then: SIGKILL may come between."""
    flush, early = Appender.flush, list[int]()

    async def act(app: App) -> None:
        def watched(self: Appender) -> None:
            if self.kind == "journal" and app.stream._tape._pending:
                early.append(app.desk.board.seq)
            flush(self)

        with monkeypatch.context() as patch:
            patch.setattr(Appender, "flush", watched)
            await until(lambda: app.desk.decisions.taken > 20)

    rehearsing(state, act, release=True)
    assert not early


def test_a_tick_that_nobody_answers_has_its_outcome_when_the_reign_ends(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean stop waits a moment for what is owed; no tick is left to a next reign, which may never come."""
    monkeypatch.setattr("supervisor.app.STOP_S", 0.2)

    async def act(app: App) -> None:
        await until(lambda: app.desk.decisions.taken)
        for worker in app.workers._processes.values():
            os.kill(worker.popen.pid, signal.SIGSTOP)
        turns, seq = app.desk.turns, app.desk.board.seq
        await until(lambda: any(slot.outstanding and turns.tick_seq[n] > seq for n, slot in turns.slots.items()))

    rehearsing(state, act, release=True)
    frames = [decode_streamed(frame).event for _, frame in read(state.tape, "tape")]
    shown = {(event.slot, event.tick) for event in frames if isinstance(event, Tick)}
    assert shown <= {(outcome.slot, outcome.tick) for outcome in said(state, OutcomeOf)}


def test_a_venue_that_cannot_be_joined_yet_is_joined_later(state: State) -> None:
    """It gives a key and no balance, or takes other orders: meanwhile everything else that asks it goes on."""

    async def act(venue: Script) -> None:
        venue.on("GET /auth/derive-api-key", ok(recording("api_key")))
        venue.on("GET /version", ok({"version": 1}), ok({"version": 2}))
        venue.on("GET /balance-allowance", reply(500, ""), ok(b"{"), ok(recording("balance")))
        venue.on("GET /data/trades", reply(500, ""), ok({"data": [], "next_cursor": "LTE="}))
        venue.on("GET /data/orders", ok({"data": [], "next_cursor": "LTE="}))
        venue.on("POST /v1/heartbeats", ok({"heartbeat_id": "x"}))
        venue.on("GET /time", ok(b"1791240000"))
        nowhere = venue.url.replace("http:", "ws:")
        settings = msgspec.structs.replace(
            venue.settings(), market_ws=nowhere, user_ws=nowhere, price_ws=nowhere, heartbeat_s=0.5
        )
        async with a_desk(state, settings, SystemClock()) as app:
            await until(lambda: len(venue.asked_for("POST /v1/heartbeats")) > 1)
            await until(lambda: len(venue.asked_for("GET /time")) >= len(KEPT_WARM) * WARM)
            assert app.desk.board.accounts.cash_micro == int(json.loads(recording("balance"))["balance"])
            await until(lambda: venue.asked_for("GET /data/orders"))
            joining = [asked.path for asked in venue.asked if asked.path in {"/version", "/balance-allowance"}]
            assert joining[:3] == ["/version", "/version", "/balance-allowance"]

    async def scenario() -> None:
        async with answering() as venue:
            await act(venue)

    asyncio.run(scenario())


def test_a_broken_promise_ends_the_desk(state: State) -> None:
    """Something raised where nobody catches: it ends with the code for that, and starting again is the way out."""

    async def broken() -> None:
        raise AssertionError("a promise of our own")

    async def scenario() -> int:
        async with answering() as venue:
            app = App(Settings(venue=venue.settings()), state, SystemClock(), KEY)
            reign = asyncio.create_task(app.run(None))
            await until(state.control_socket.exists)
            app._start(broken())
            async with asyncio.timeout(PATIENCE_S):
                return await reign

    assert asyncio.run(scenario()) == 1
    gc.unfreeze()


def test_a_loop_that_stood_still_says_so(state: State) -> None:
    """From when to when, as a gap of ours in everything: what came meanwhile was seen late."""

    async def scenario() -> None:
        async with answering() as venue, a_desk(state, venue.settings(), SystemClock()):
            await until(lambda: said(state, Term))
            time.sleep(2 * AWAY_S)  # noqa: ASYNC251 - the loop is what shall stand still
            await until(stalls)

    def stalls() -> list[Gap]:
        """As long as it was made to; on a busy machine it may have stood still before, for less."""
        gaps = [gap for gap in said(state, Gap) if gap.what == "all"]
        return [gap for gap in gaps if gap.to_ns - gap.from_ns >= 2 * AWAY_S * NS]

    asyncio.run(scenario())
    assert {(stall.cause, stall.whose) for stall in stalls()} == {("the supervisor stood still", "ours")}


def test_a_segment_that_is_complete_is_tended_and_a_failure_is_counted(state: State) -> None:
    """By a process of its own, soon; what cannot be tended costs a line in the log, and is tried again."""

    async def scenario() -> None:
        async with (
            answering() as venue,
            a_desk(state, venue.settings(), SystemClock(), tape=Tape(tend_s=0.05)) as app,
        ):
            with app._turn():
                app.desk.board.publish(Pulse(), new_segment=True)
            await until(lambda: list(state.tape.glob("*.idx")))
            index = next(state.tape.glob("*.idx"))
            index.unlink()
            index.mkdir()
            with app._turn():
                app.desk.board.publish(Pulse(), new_segment=True)
            await until(lambda: app.desk.board.counters.get("tape_not_tended", 0) >= 2)
            index.rmdir()
            await until(lambda: len(list(state.tape.glob("*.idx"))) == 2)

    asyncio.run(scenario())


def test_after_a_journal_that_failed_nothing_more_is_published(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to follow the failed entry is lost with it; a later frame would leave a hole that stops every worker."""

    def fail(*entry: object) -> None:
        raise journal.JournalFailed("no space left")

    async def scenario() -> int:
        async with answering() as venue:
            app = App(Settings(venue=venue.settings()), state, SystemClock(), KEY)
            reign = asyncio.create_task(app.run(None))
            await until(state.control_socket.exists)
            monkeypatch.setattr(app.journal, "append", fail)
            with pytest.raises(journal.JournalFailed), app._turn() as now:
                app.desk.board.alarm("one", "that cannot be written")
                app.desk.pulse(now)
            app._fail(journal.JournalFailed("no space left"))
            with app._turn() as now:
                app.desk.pulse(now)
            async with asyncio.timeout(PATIENCE_S):
                return await reign

    assert asyncio.run(scenario()) == 74
    gc.unfreeze()
    numbers = [decode_streamed(frame).seq for _, frame in read(state.tape, "tape")]
    assert numbers == list(range(1, len(numbers) + 1))
