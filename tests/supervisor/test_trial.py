"""Two replays of a tape: real processes of real releases, good ones and such as no operator should trust."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from kit.clocks import eventually
from kit.releases import ROOT, STRATEGY, stage
from kit.tapes import NS, START_S, Market, Stream

from shared.clock import SystemClock
from shared.config import Deploy, Gates, Settings
from shared.messages import ParametersSet, Tick
from shared.paths import State
from supervisor import aside
from supervisor.aside import NICENESS
from supervisor.effects import Try
from supervisor.gates import Tried, trial_gates, worst
from supervisor.trial import STOPPED, Trial, first_difference

pytestmark = pytest.mark.system

RELEASE, LOCK = "71be04000000", "10c0c0000000"
LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1) >= 3
"""Whether this machine's kernel has the cell's file rules."""
LOWEST = 19
"""The niceness that nothing is below."""
LIMITS = Gates()
SETTINGS = Settings(deploy=Deploy(trial_s=60))
FROM_S = 900
"""The stretch begins so long after the tape does: what comes before it is warm-up."""
_T = TypeVar("_T")

WRAPPED = """

import os, random, socket, time
from pathlib import Path

_inner = decide
_seen = 0


def decide(view, tick):
    global _seen
    _seen += 1
    decision = _inner(view, tick)
    extra = {}
    BODY
    return Decision(decision.intents, {**decision.reasons, **extra})
"""


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stream]:
    """Twenty minutes of two lanes."""
    folder = tmp_path_factory.mktemp("desk") / "tape"
    parameters = ParametersSet("p1", {"stake_usd": 6})
    return folder, Market(Stream(folder), parameters=parameters).run(1_200)


@pytest.fixture
def state(tape: tuple[Path, Stream]) -> Iterator[State]:
    """A state folder with that tape, and an environment that is this interpreter's."""
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        made = State(Path(folder) / "s")
        made.environments.mkdir(parents=True)
        (made.environments / LOCK).symlink_to(sys.prefix)
        made.tape.symlink_to(tape[0])
        yield made
        assert not strays(made)


def strays(state: State) -> list[psutil.Process]:
    """Processes that replay this folder's tape."""
    tape = str(state.tape)
    return [p for p in psutil.process_iter() if tape in _said(p) and p.status() != psutil.STATUS_ZOMBIE]


def _said(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def stretch(tape: tuple[Path, Stream]) -> tuple[Try, int]:
    """The last five minutes of the tape, and how many ticks are in them."""
    frames = [frame for frame in tape[1].frames if frame.at_ns >= (START_S + FROM_S) * NS]
    ticks = sum(isinstance(frame.event, Tick) for frame in frames)
    return Try("op1", RELEASE, frames[0].seq, frames[-1].seq), ticks


def a_release(state: State, body: str = "") -> None:
    """Our own release, whose `decide` does something more."""
    strategy = state.root / "strategy.py"
    text = (ROOT / STRATEGY).read_text()
    strategy.write_text(text + WRAPPED.replace("BODY", body.replace("\n", "\n    ")) if body else text)
    stage(state.releases / RELEASE, strategy)


def a_bare_release(state: State, body: str) -> None:
    """A release that is nothing but a main program."""
    package = state.releases / RELEASE / "worker"
    package.mkdir(parents=True)
    (package / "__main__.py").write_text("import os, sys, time\n" + body)


def a_trial(state: State, settings: Settings = SETTINGS) -> Trial:
    """What replays this folder's tape; of every release the lock is the same."""
    return Trial(state, SystemClock(), settings, lambda release: LOCK)


def played(state: State, act: Callable[[Trial], Awaitable[_T]], settings: Settings = SETTINGS) -> _T:
    """Do something with a trial, in a loop of its own."""

    async def play() -> _T:
        return await act(a_trial(state, settings))

    return asyncio.run(play())


def tried(state: State, effect: Try, trial_s: float = 60, **limits: int) -> tuple[Tried, Tried]:
    """What comes of a trial."""
    settings = Settings(deploy=Deploy(trial_s=trial_s), gates=Gates(**limits))
    return played(state, lambda trial: trial.run(effect), settings)


# --- releases -------------------------------------------------------------------------------------------------------


def test_a_release_that_repeats_itself_passes(state: State, tape: tuple[Path, Stream]) -> None:
    """Every tick of the stretch, the same bytes and the same state at the end, twice."""
    a_release(state)
    effect, ticks = stretch(tape)
    first, second = tried(state, effect)
    assert first.ticks == second.ticks == ticks > 100
    assert (first.digest, first.state, first.fault) == (second.digest, second.state, "")
    assert worst(trial_gates(first, second, LIMITS)) == "PASS"
    lines = [trial.read_bytes() for trial in sorted((state.workers / "trial").glob("decisions-*"))]
    assert len(lines) == 2
    assert lines[0].count(b"\n") == ticks + 1


@pytest.mark.parametrize(
    "body",
    [
        'extra["at"] = id(object()) + id(extra)',
        'extra["hash"] = hash("BTC/5m")',
        'extra["order"] = " ".join({"momentum", "price", "timing", "volatility", "reaction"})',
        'extra["now"] = time.time_ns()',
        'extra["dice"] = random.random().hex()',
        'extra["pid"] = os.getpid()',
    ],
    ids=["address", "hash", "set", "time", "chance", "process"],
)
def test_a_release_that_does_not_repeat_itself_fails(state: State, tape: tuple[Path, Stream], body: str) -> None:
    """Whatever its decisions depend on besides the stream; the first tick that differs is named."""
    a_release(state, body)
    effect, ticks = stretch(tape)
    first, second = tried(state, effect)
    gates = trial_gates(first, second, LIMITS)
    begun = next(f.event for f in tape[1].frames if f.seq >= effect.from_seq and isinstance(f.event, Tick))
    assert isinstance(begun, Tick)
    assert (first.ticks, second.differs) == (ticks, f"{begun.slot} {begun.tick}")
    assert worst(gates) == "FAIL"
    assert gates[0].words == f"two replays of the same tape differ at {begun.slot} {begun.tick}"


def test_a_release_that_differs_late_is_found_where_it_does(state: State, tape: tuple[Path, Stream]) -> None:
    """Not at the first tick, and not at the next one after it."""
    a_release(state, 'if _seen == 57:\n    extra["now"] = time.time_ns()')
    effect, _ = stretch(tape)
    shown = [f.event for f in tape[1].frames if f.seq >= effect.from_seq and isinstance(f.event, Tick)]
    assert tried(state, effect)[1].differs == f"{shown[56].slot} {shown[56].tick}"


def test_a_release_that_raises_fails_with_its_last_words(state: State, tape: tuple[Path, Stream]) -> None:
    """On the tick it does; there is no second replay."""
    a_release(state, "if _seen == 40:\n    raise ValueError('forty')")
    first, second = tried(state, stretch(tape)[0])
    assert first.fault.startswith("exit code 1; last output: worker: this release raised ValueError: forty at worker/")
    assert second == Tried()
    assert worst(trial_gates(first, second, LIMITS)) == "FAIL"


def test_a_release_that_opens_a_socket_is_told_by_name(state: State, tape: tuple[Path, Stream]) -> None:
    """The cell refuses it, and the line where it tried is in the words."""
    a_release(state, "socket.create_connection(('127.0.0.1', 9))")
    fault = tried(state, stretch(tape)[0])[0].fault
    assert "PermissionError" in fault
    assert "worker/strategy.py" in fault


if LANDLOCK:

    @pytest.mark.parametrize("where", ["release", "scratch", "temporary"])
    def test_a_release_that_writes_a_file_is_told_by_name(state: State, tape: tuple[Path, Stream], where: str) -> None:
        """A replay has no folder to write in, not even a worker's scratch."""
        folder = {"release": Path("."), "scratch": state.workers / "trial", "temporary": Path(tempfile.gettempdir())}
        a_release(state, f"(Path({str(folder[where])!r}) / 'written-by-a-release').write_text('x')")
        fault = tried(state, stretch(tape)[0])[0].fault
        assert "PermissionError" in fault
        assert "worker/strategy.py" in fault
        assert not (folder[where] / "written-by-a-release").exists()


def test_a_release_that_sleeps_is_cut_off(state: State, tape: tuple[Path, Stream]) -> None:
    """After its time, and nothing of it lives on."""
    a_release(state, "time.sleep(600)")
    first, second = tried(state, stretch(tape)[0], trial_s=2)
    assert (first.fault, second) == ("the trial was not done after 2 s", Tried())
    assert first.took_ms >= 2_000


def test_both_replays_share_the_time(state: State, tape: tuple[Path, Stream]) -> None:
    """Each alone is quick enough, and whoever waits for the trial waits for both."""
    a_bare_release(state, """time.sleep(3)\nprint('{"ticks": 1, "state": "ab"}')""")
    first, second = tried(state, stretch(tape)[0], trial_s=5)
    assert (first.fault or second.fault) == "the trial was not done after 5 s"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_release_that_prints_for_ever_is_cut_off(state: State, tape: tuple[Path, Stream], stream: str) -> None:
    """After so many bytes, on either of its outputs; no disk is filled by it."""
    a_release(state, f"import sys\nwhile True: print('x' * 4096, file=sys.{stream})")
    first, _ = tried(state, stretch(tape)[0], trial_output_mib=1)
    assert first.fault == "it wrote more than 1 MiB"
    assert max(path.stat().st_size for path in (state.workers / "trial").iterdir()) == 1 << 20


def test_a_release_that_eats_memory_is_refused_more(state: State, tape: tuple[Path, Stream]) -> None:
    """It is told as the fault it is."""
    a_release(state, "if _seen == 40:\n    extra['much'] = len(bytearray(300 << 20))")
    assert "MemoryError" in tried(state, stretch(tape)[0], trial_memory_mib=256)[0].fault
    assert tried(state, stretch(tape)[0], trial_memory_mib=4096)[0].fault == ""


# --- no data --------------------------------------------------------------------------------------------------------


def test_nothing_to_replay_is_inconclusive(state: State, tape: tuple[Path, Stream]) -> None:
    """No tape at all, or a stretch of it in which nothing was decided."""
    a_release(state)
    effect, _ = stretch(tape)
    pulse = next(f.seq for f in tape[1].frames if f.seq >= effect.from_seq and not isinstance(f.event, Tick))
    found = [tried(state, Try("op1", RELEASE, pulse, pulse))]
    state.tape.unlink()
    found.append(tried(state, effect))
    assert [worst(trial_gates(*pair, LIMITS)) for pair in found] == ["INCONCLUSIVE"] * 2
    assert [pair[0].fault for pair in found] == ["", ""]


def test_a_release_that_is_not_there_fails(state: State, tape: tuple[Path, Stream]) -> None:
    """And says what to type."""
    assert tried(state, stretch(tape)[0])[0].fault.endswith("type: foresightctl stage PATH")


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("", "its last line is no summary: ''"),
        ("hello", "its last line is no summary: 'hello'"),
        ('{"ticks": -1, "state": "ab"}', "its last line is no summary"),
        ('{"ticks": 3}', "its last line is no summary"),
        ('{"ticks": 3, "state": ""}', "its last line is no summary"),
        ("[" * 60_000, "its last line is no summary: '[["),
        ("x" * 100_000, "its last line is no summary: 'xx"),
    ],
    ids=["nothing", "words", "negative", "half", "empty", "deep", "long"],
)
def test_output_that_is_no_replay_fails(state: State, tape: tuple[Path, Stream], said: str, fault: str) -> None:
    """Whatever a release prints, it is read with care."""
    a_bare_release(state, f"print({said!r})")
    assert tried(state, stretch(tape)[0])[0].fault.startswith(fault)


def test_output_that_ends_without_a_newline_is_read(state: State, tape: tuple[Path, Stream]) -> None:
    """The summary is the last line; everything before it is what has to be the same."""
    a_bare_release(state, """sys.stdout.write('one\\n{"ticks": 1, "state": "%s"}' % os.environ["PYTHONHASHSEED"])""")
    first, second = tried(state, stretch(tape)[0])
    assert (first.ticks, first.state, second.state, first.digest) == (1, "0", "1", second.digest)
    repeats = trial_gates(first, second, LIMITS)[0]
    assert (repeats.verdict, repeats.words) == ("FAIL", "two replays of the same tape end in another state")


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        ('{"slot":"BTC/5m","tick":5,"x":1}\n', '{"slot":"BTC/5m","tick":5,"x":2}\n', "BTC/5m 5"),
        ("same\n", 'same\n{"slot":"BTC/5m","tick":7}\n', "BTC/5m 7"),
        ("same\n", "same\nprinted\n", "b''"),
        ("printed\n", "otherwise\n", "b'printed\\n'"),
        ("same\n", "same\n", ""),
    ],
)
def test_the_first_difference_is_found(tmp_path: Path, one: str, other: str, differs: str) -> None:
    """By its tick, or by the line that was printed."""
    (tmp_path / "a").write_text(one)
    (tmp_path / "b").write_text(other)
    assert first_difference(tmp_path / "a", tmp_path / "b") == differs


# --- the process ----------------------------------------------------------------------------------------------------

LINGER = """
open(1, "w", closefd=False).write("here\\n")
time.sleep(600)
"""


async def begun(state: State, trial: Trial, effect: Try) -> tuple[asyncio.Task[tuple[Tried, Tried]], psutil.Process]:
    """A trial whose first process is there and has put its cell on."""
    task = asyncio.create_task(trial.run(effect))
    output = state.workers / "trial" / "decisions-1.jsonl"
    async with asyncio.timeout(30):
        while not (output.exists() and output.read_bytes() == b"here\n"):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
    (process,) = strays(state)
    return task, process


def test_a_replay_is_bounded_and_below_everything_that_trades(state: State, tape: tuple[Path, Stream]) -> None:
    """Its priority, its limits, its environment, its session."""
    a_bare_release(state, LINGER)

    async def act(trial: Trial) -> None:
        task, process = await begun(state, trial, stretch(tape)[0])
        assert process.nice() == min(LOWEST, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
        assert resource.prlimit(process.pid, resource.RLIMIT_AS) == (1 << 30, 1 << 30)
        assert resource.prlimit(process.pid, resource.RLIMIT_FSIZE) == (64 << 20, 64 << 20)
        assert resource.prlimit(process.pid, resource.RLIMIT_CPU) == (61, 61)
        assert set(process.environ()) <= {"PATH", "LANG", "LC_CTYPE", "PYTHONHASHSEED", "FORESIGHT_TRIAL"}
        assert os.getsid(process.pid) == process.pid
        trial.end("op1")
        await task

    played(state, act)


WAITS = """
for _ in range(6_000 if _seen == 1 else 0):
    if Path('go').exists():
        break
    time.sleep(0.01)
"""


def test_the_loop_goes_on_while_it_is_tried(state: State, tape: tuple[Path, Stream]) -> None:
    """A thousand turns pass, and none of them waits for a replay, which ends only after them."""
    a_release(state, WAITS)

    async def act(trial: Trial) -> None:
        task = asyncio.create_task(trial.run(stretch(tape)[0]))
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert not task.done()
        await asyncio.to_thread((state.releases / RELEASE / "go").touch)
        assert [tried.fault for tried in await task] == ["", ""]

    played(state, act)


def test_a_trial_that_is_cancelled_leaves_no_process(state: State, tape: tuple[Path, Stream]) -> None:
    """Not even one that nobody has reaped; the supervisor ends like this."""
    a_bare_release(state, LINGER)

    async def act(trial: Trial) -> None:
        task, process = await begun(state, trial, stretch(tape)[0])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not process.is_running()

    played(state, act)


def test_a_trial_that_is_ended_says_so(state: State, tape: tuple[Path, Stream]) -> None:
    """Its operation is over, not another: what waits is told at once, and no second replay begins."""
    a_bare_release(state, LINGER)

    async def act(trial: Trial) -> tuple[Tried, Tried]:
        trial.end("op1")
        task, process = await begun(state, trial, stretch(tape)[0])
        trial.end("op0")
        assert process.is_running()
        trial.end("op1")
        found = await task
        assert not process.is_running()
        return found

    first, second = played(state, act)
    assert (first, second) == (Tried(unsure=STOPPED), Tried())


def test_the_next_trial_ends_the_one_before(state: State, tape: tuple[Path, Stream]) -> None:
    """There is one at a time, and each is told of its own."""
    a_bare_release(state, LINGER)
    effect = stretch(tape)[0]

    async def act(trial: Trial) -> tuple[Tried, Tried]:
        task, old = await begun(state, trial, effect)
        following = asyncio.create_task(trial.run(Try("op2", "nothing", 1, 2)))
        found = (await task)[0], (await following)[0]
        assert not old.is_running()
        return found

    before, after = played(state, act)
    assert before == Tried(unsure=STOPPED)
    assert "nothing is not staged" in after.fault


def test_what_a_cut_off_reign_left_behind_is_ended(state: State, tape: tuple[Path, Stream]) -> None:
    """The supervisor was killed and could end nothing; the next one does, and ends nobody else's."""
    a_bare_release(state, LINGER)
    other = State(state.root / "other")

    async def act(trial: Trial) -> None:
        task, process = await begun(state, trial, stretch(tape)[0])
        a_trial(other)
        assert process.is_running()
        a_trial(state)
        first, _ = await task
        assert first.fault == "killed by SIGKILL"
        assert eventually(lambda: not process.is_running())

    played(state, act)


def test_a_process_that_cannot_be_watched_is_ended(
    state: State, tape: tuple[Path, Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of descriptors: that says nothing of the release, and no process is left that nobody waits for."""
    a_bare_release(state, LINGER)

    def full(pid: int) -> int:
        raise OSError(24, "Too many open files")

    before = set(psutil.Process().children())
    monkeypatch.setattr(aside.os, "pidfd_open", full)
    first, second = tried(state, stretch(tape)[0])
    assert "Too many open files" in first.unsure
    assert worst(trial_gates(first, second, LIMITS)) == "INCONCLUSIVE"
    assert not set(psutil.Process().children()) - before
