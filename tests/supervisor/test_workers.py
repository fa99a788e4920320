"""Worker processes: real ones, in their cell, of releases that a test wrote to see how they are treated."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from kit.clocks import eventually

from shared.messages import Attest, Beating, FromWorker, Hello, LastWords, Retire
from shared.paths import State
from shared.wire import MAX_FRAME, encode
from supervisor import workers
from supervisor.death import Death
from supervisor.workers import READ_MAX, CannotStart, Workers

PATIENCE_S = 60.0
RELEASE, LOCK = "71be04000000", "10c0c0000000"
HELLO = Hello((1, 1), "w1", 0, RELEASE, 900, ())
LAST = LastWords("bad_parameters", "stake_usd is below 0")

BEGIN = f"""
import json, os, signal, socket, sys, time
from pathlib import Path
HELLO, BEAT, LAST = {encode(HELLO)!r}, {encode(Beating(1, 0, 4_000))!r}, {encode(LAST)!r}
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
channel = socket.socket(fileno=int(given["--channel"]))
scratch = Path(given["--scratch"])
"""
WAIT = "\nwhile True: time.sleep(60)\n"


@pytest.fixture
def state() -> Iterator[State]:
    """A state folder with an environment in it that is this interpreter's."""
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        made = State(Path(folder))
        python = made.environments / LOCK / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.symlink_to(Path(sys.executable).resolve())
        yield made


class Floor:
    """Where workers are started; remembers everything that was told of them."""

    def __init__(self, state: State, body: str) -> None:
        package = state.releases / RELEASE / "worker"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__main__.py").write_text(BEGIN + body)
        self.state = state
        self.heard: list[tuple[str, int, FromWorker]] = []
        self.breaches: list[tuple[str, str]] = []
        self.lost: list[tuple[str, Death]] = []
        self.changed = asyncio.Event()
        self.workers = Workers(state, self._hear, self._breach, self._lose)

    def _hear(self, uid: str, pid: int, message: FromWorker) -> None:
        self.heard.append((uid, pid, message))
        self.changed.set()

    def _breach(self, uid: str, why: str) -> None:
        self.breaches.append((uid, why))
        self.changed.set()

    def _lose(self, uid: str, death: Death) -> None:
        self.lost.append((uid, death))
        self.changed.set()

    def spawn(self, uid: str = "w1") -> int:
        return self.workers.spawn(uid, RELEASE, LOCK)

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until something that was told makes it so."""
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    async def until_lost(self) -> str:
        """Wait for a death; what is said of it."""
        await self.until(lambda: self.lost)
        return str(self.lost[0][1])


def on_a_floor(state: State, body: str, act: Callable[[Floor], Awaitable[Any]]) -> Floor:
    """Play a scenario with a release whose worker does what `body` says; nothing of it lives on."""

    async def play() -> Floor:
        floor = Floor(state, body)
        try:
            await act(floor)
        finally:
            floor.workers.kill_all()
            await floor.until(lambda: not floor.workers.living)
        return floor

    return asyncio.run(play())


def test_a_worker_is_started_and_heard(state: State) -> None:
    """Under the process id that the kernel gave it; it is owned while it lives and no longer."""
    pids: list[int] = []

    async def act(floor: Floor) -> None:
        pids.append(floor.spawn())
        await floor.until(lambda: floor.heard)
        assert floor.workers.living == 1
        assert floor.workers.owns(pids[0])
        assert not floor.workers.owns(os.getpid())

    floor = on_a_floor(state, "channel.send(HELLO)" + WAIT, act)
    assert floor.heard == [("w1", pids[0], HELLO)]
    assert floor.lost == [("w1", Death(-signal.SIGKILL))]
    assert not floor.workers.owns(pids[0])


def test_a_worker_inherits_its_channel_and_nothing_else(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment of ours, no descriptor, no terminal, no session; it stands in its release."""
    monkeypatch.setenv("FORESIGHT_SECRET", "hunter2")
    body = """
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if Path(f"/proc/self/fd/{fd}").exists())
seen = {"env": dict(os.environ), "fds": fds, "channel": channel.fileno(), "cwd": os.getcwd(), "sid": os.getsid(0)}
(scratch / "seen.json").write_text(json.dumps(seen))
"""
    pids: list[int] = []

    async def act(floor: Floor) -> None:
        open_for_all = os.dup2(2, 200, inheritable=True)
        pids.append(floor.spawn())
        os.close(open_for_all)
        assert await floor.until_lost() == "exit code 0"

    on_a_floor(state, body, act)
    seen = json.loads((state.workers / "w1" / "seen.json").read_text())
    assert set(seen["env"]) <= {"PATH", "LANG", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "LC_CTYPE"}
    assert seen["env"]["PYTHONHASHSEED"] == "0"
    assert seen["fds"] == [0, 1, 2, seen["channel"]]
    assert seen["cwd"] == str((state.releases / RELEASE).resolve())
    assert seen["sid"] == pids[0]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("b'garbage'", "frame of 7 bytes"),
        ("b'\\x93'", "frame of 1 bytes"),
        ("b'\\x91\\xa5hello'", "frame of 7 bytes"),
        ("b'\\x91' * 60_000", "frame of 60000 bytes"),
        (f"HELLO + bytes({MAX_FRAME})", f"over the bound of {MAX_FRAME} bytes"),
    ],
    ids=["text", "short", "half a hello", "deep", "oversized"],
)
def test_what_no_worker_may_say_is_a_breach(state: State, sent: str, why: str) -> None:
    """Told once with its reason; what else the worker says is still heard, and nobody else is harmed."""

    async def act(floor: Floor) -> None:
        floor.spawn()
        await floor.until(lambda: floor.heard)

    floor = on_a_floor(state, f"channel.send({sent})\nchannel.send(BEAT)" + WAIT, act)
    assert len(floor.breaches) == 1
    assert floor.breaches[0][0] == "w1"
    assert why in floor.breaches[0][1]
    assert [type(message) for _, _, message in floor.heard] == [Beating]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("print('one'); print('out of luck'); sys.exit(7)", "exit code 7; last output: out of luck"),
        ("sys.exit(3)", "exit code 3"),
        ("raise ValueError('boom')", "exit code 1; last output: ValueError: boom"),
        ("channel.send(LAST); print('noise'); sys.exit(1)", "bad_parameters: stake_usd is below 0"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), 40)", "killed by signal 40"),
        ("sys.stdout.buffer.write(b'\\xff' * 1_000_000); os.abort()", "killed by SIGABRT; last output: "),
    ],
    ids=["output", "code", "traceback", "last words", "signal", "real-time signal", "noise"],
)
def test_a_death_is_told_with_its_reason(state: State, body: str, why: str) -> None:
    """By its last words, else by the kernel's account and the end of its output; once."""

    async def act(floor: Floor) -> None:
        floor.spawn()
        assert (await floor.until_lost()).startswith(why)

    floor = on_a_floor(state, body, act)
    assert len(floor.lost) == 1
    assert len(str(floor.lost[0][1])) < workers.LOG_TAIL + 100


def test_what_was_said_before_a_death_is_heard_before_it(state: State) -> None:
    """All of it, more than one turn takes; then the death."""
    order: list[str] = []

    async def act(floor: Floor) -> None:
        floor.workers = Workers(
            state,
            lambda uid, pid, message: order.append(type(message).__name__),
            floor._breach,
            lambda uid, death: (order.append(str(death)), floor._lose(uid, death)),  # type: ignore[arg-type, return-value]
        )
        floor.spawn()
        await floor.until_lost()

    many = READ_MAX * 2
    on_a_floor(state, f"for _ in range({many}): channel.send(BEAT)\nos._exit(0)", act)
    assert order == ["Beating"] * many + ["exit code 0"]


def test_a_closed_channel_is_no_death(state: State) -> None:
    """The worker lives until it ends; nothing turns in circles meanwhile, and its death is told as what it is."""
    reads: list[int] = []

    class Counting(Workers):
        def _read(self, process: workers.Process) -> None:
            reads.append(1)
            super()._read(process)

    async def act(floor: Floor) -> None:
        floor.workers = Counting(state, floor._hear, floor._breach, floor._lose)
        floor.spawn()
        await floor.until(lambda: floor.heard)
        assert await asyncio.to_thread(eventually, (state.workers / "w1" / "closed").exists)
        before = len(reads)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(reads) - before <= 1
        assert floor.lost == []
        await asyncio.to_thread((state.workers / "w1" / "go").touch)
        assert await floor.until_lost() == "exit code 5"

    closing = "channel.send(BEAT); channel.close(); (scratch / 'closed').touch()\n"
    waiting = "while not (scratch / 'go').exists(): time.sleep(0.01)\nsys.exit(5)"
    on_a_floor(state, closing + waiting, act)


def test_a_worker_that_floods_its_channel_does_not_stop_the_loop(state: State) -> None:
    """However fast it sends, others have their turn after a bounded number of its messages."""
    between: list[int] = []

    async def act(floor: Floor) -> None:
        floor.spawn()
        async with asyncio.timeout(PATIENCE_S):
            while len(floor.heard) < 20 * READ_MAX:
                before = len(floor.heard)
                await asyncio.sleep(0)
                between.append(len(floor.heard) - before)

    on_a_floor(state, "while True: channel.send(BEAT)", act)
    assert 0 < max(between) <= READ_MAX


def test_a_worker_hears_what_it_is_told(state: State) -> None:
    """Frame by frame, in order."""

    async def act(floor: Floor) -> None:
        floor.spawn()
        floor.workers.tell("w1", Attest())
        floor.workers.tell("w1", Retire("done"))
        await floor.until_lost()

    on_a_floor(state, "(scratch / 'told').write_bytes(channel.recv(100) + b'|' + channel.recv(100))", act)
    told = (state.workers / "w1" / "told").read_bytes()
    assert told == encode(Attest()) + b"|" + encode(Retire("done"))


def test_telling_waits_for_nobody(state: State) -> None:
    """Not for a worker that does not read, nor for one that is gone or never was."""

    async def act(floor: Floor) -> None:
        floor.workers.tell("nobody", Attest())
        floor.workers.kill("nobody")
        floor.spawn()
        for _ in range(20_000):
            floor.workers.tell("w1", Retire("x" * 100))
        assert floor.workers.living == 1

    on_a_floor(state, WAIT, act)


def test_nothing_is_left_of_a_worker_that_is_gone(state: State) -> None:
    """No descriptor of ours, none that it sent us, no process."""
    counts: list[int] = []
    children = set(psutil.Process().children())

    async def act(floor: Floor) -> None:
        for number in range(4):
            counts.append(len(os.listdir("/proc/self/fd")))
            floor.spawn(f"w{number}")
            await floor.until(lambda: len(floor.lost) == number + 1)  # noqa: B023 - awaited in this very turn

    floor = on_a_floor(state, "socket.send_fds(channel, [HELLO], [0, 1, 2])", act)
    assert len(floor.heard) == 4
    assert len(set(counts)) == 1
    assert not set(psutil.Process().children()) - children


@pytest.mark.parametrize("missing", ["release", "environment"])
def test_what_is_not_staged_cannot_start(state: State, missing: str) -> None:
    """The text names the release and what to type; nothing is left open."""

    async def act(floor: Floor) -> None:
        (state.releases if missing == "release" else state.environments).rename(state.root / "elsewhere")
        before = os.listdir("/proc/self/fd")
        with pytest.raises(CannotStart, match=rf"release {RELEASE} is not staged.*foresightctl stage"):
            floor.spawn()
        assert len(os.listdir("/proc/self/fd")) == len(before)
        assert floor.workers.living == 0

    assert on_a_floor(state, "", act).lost == []


def refuse(*_: object) -> int:
    raise OSError(24, os.strerror(24))


@pytest.mark.parametrize("what", ["socket.socketpair", "os.pidfd_open", "subprocess.Popen"])
def test_what_the_system_refuses_cannot_start(state: State, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of descriptors at any step: said, and neither a process nor a descriptor stays behind."""

    async def act(floor: Floor) -> None:
        before, children = len(os.listdir("/proc/self/fd")), set(psutil.Process().children())
        with monkeypatch.context() as patch:
            patch.setattr(what, lambda *_, **__: refuse())
            with pytest.raises(CannotStart, match=f"{RELEASE}: .*Too many open files"):
                floor.spawn()
        assert len(os.listdir("/proc/self/fd")) == before
        assert not set(psutil.Process().children()) - children

    assert on_a_floor(state, WAIT, act).lost == []


def test_only_the_last_few_scratch_folders_are_kept(state: State) -> None:
    """For people who look; and never one of a worker that lives."""
    for number in range(20):
        old = state.workers / f"old{number}"
        old.mkdir(parents=True)
        (old / "output.log").write_text("x")
        os.utime(old, (number, number))

    async def act(floor: Floor) -> None:
        floor.spawn()

    on_a_floor(state, WAIT, act)
    kept = {path.name for path in state.workers.iterdir()}
    assert kept == {"w1"} | {f"old{number}" for number in range(20 - workers._KEPT, 20)}
