"""A desk of real processes on the rehearsal venue, for tests that kill, stop and mislead parts of it.

Two assets on two timeframes at twenty times the speed of life, a strategy that has orders and positions within a
second, a state folder with a short path. `a_desk` takes it down and sees to it that nothing is left behind: no process,
no socket, no shared memory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import msgspec
import psutil
from kit.meddler import Meddler
from kit.releases import BUSY, ROOT, unruly_checkout

from deploy import client
from deploy.analysis.verify import Verdict, verify
from deploy.release import Stager
from deploy.running import RehearsalDesk, World, decides
from shared import entries as e
from shared.clock import NS
from shared.messages import Pulse, Reply
from shared.paths import State
from shared.records import read
from shared.slots import parse_slot
from shared.wire import decode_streamed

SPEED = 20.0
PATIENCE_S = 60.0
"""How long anything may take before a test gives up; nothing takes nearly as long on a free machine."""
CTL_S = 300.0
"""How long a command may take; some wait for the whole of a deploy."""
ENDED_S = 20.0
"""How long what has lost its supervisor may take to end; a busy machine gives it little to do that with."""
STOP_S = 3.0
"""How long a desk and its venue may take to stop."""
AWAY_S = 1.5
"""How long a desk's pulse may be away before ticks can be lost by that alone: the time that a worker has to answer."""
STOOD_STILL = frozenset({"deadline", "late", "no_market", "unknown_order"})
"""What it costs that supervisor or venue stood still: what came due is late, its window over, or an answer waited."""
POLL_S = 0.02
TWO_ASSETS = '[slots]\nassets = ["BTC", "ETH"]\n'
PLAIN = """\
[deploy]
trial_tape_s = 0
shadow_pairs = 0
bake_s = 0
rings = []
flip_policy = "any"
standby = false
[venue]
reconcile_s = 2
"""
"""What a test's desk has under its own settings, unless it is about more: the walk itself, and one worker."""
UNHURRIED = """\
[gates]
missing_s = 30
[deploy]
hello_s = 60
warm_s = 60
attest_s = 60
retire_s = 60
beat_s = 60
[ticks]
deadline_s = 20
[venue]
answer_s = 10
blind_s = 60
"""
"""Where a busy machine keeps a worker waiting, it does not hang; and the venue, it is not away.

What a test holds on purpose is not late. For tests that are about something else: these limits have theirs.
"""


EVEN = """\
[ticks]
fast_ms = 5000
event_spacing_ms = 5000
[venue]
stale_s = 600
"""
"""A beat as slow at a window's end as everywhere: sixteen seconds of it can wait before a tick is late.

Market seconds are short here: prices that are seen a second late are not stale.
"""
ATTEMPTS = 5
"""How often a deploy is asked for on a machine that is too slow for it."""
GATES_OF_SPEED = frozenset({"latency", "late", "missing", "deadlines", "speed"})
"""What a sound release fails where it is not let run."""
WORDS_OF_SPEED = (
    *("took too long", "deadlines in a row", "no greeting for", "not warm after", "not whole again"),
    *("no heartbeat for", "frames behind the stream"),
)
"""What is said of a worker that is given up for the same cause."""


class Deployed(NamedTuple):
    """What came of a deploy. `last`: its phase before it ended or went back, empty where there was none; `failed`: the
    gates that failed in it.
    """

    code: int
    reply: dict[str, Any]
    last: str
    failed: list[str]


class Desk(RehearsalDesk):
    """A rehearsal desk with the handles a test needs. Args: layers: TOML over the rehearsal's own, the last wins."""

    def __init__(self, root: Path, layers: Sequence[str], speed: float, meddler: Meddler | None) -> None:
        configs = tuple(root / f"layer-{number}.toml" for number in range(len(layers)))
        for path, layer in zip(configs, layers, strict=True):
            path.write_text(layer)
        self.root, self.meddler, self.said = root, meddler, list[str]()
        self.under: list[str] = []
        """What the next supervisor is started under: a command that becomes the one that follows it."""
        super().__init__(State(root / "s"), World(None, speed), configs, self.said.append)
        self._checkouts = 0

    # --- steering ---

    def release(self, unruly: str = "", strategy: Path | None = BUSY) -> Path:
        """A checkout that can be deployed; with the same arguments it is the same release."""
        self._checkouts += 1
        return unruly_checkout(self.root / f"checkout-{self._checkouts}", unruly, strategy)

    def ask(self, verb: str, **arguments: Any) -> Reply:
        """Ask the supervisor, which may be on its way back."""
        return eventually(lambda: _asked(self, verb, arguments), f"an answer to {verb}")

    def ctl(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run foresightctl to its end; its exit code and its document."""
        ran = subprocess.run(self._ctl(*arguments, "--json"), cwd=ROOT, capture_output=True, check=False, timeout=CTL_S)
        assert b"Traceback" not in ran.stderr, ran.stderr.decode()
        return ran.returncode, msgspec.json.decode(ran.stdout) if ran.stdout else {}

    def deploy(self, folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Deploy a checkout and wait for what comes of it."""
        return self.ctl("deploy", "--green", str(folder), *arguments)

    def tries(self, folder: Path, *arguments: str) -> Iterator[Deployed]:
        """Deploy a checkout; once more, a few times, where the machine was too slow for its gates and limits."""
        for _ in range(ATTEMPTS):
            code, reply = self.deploy(folder, *arguments)
            last, failed = self._end_of(str(reply.get("op", "")))
            yield Deployed(code, reply, last, failed)
            slow = bool(failed) and set(failed) <= GATES_OF_SPEED
            if not slow and not any(words in reply["message"] for words in WORDS_OF_SPEED):
                return

    @contextmanager
    def begun(self, *arguments: str, words: bool = False) -> Iterator[subprocess.Popen[bytes]]:
        """Run foresightctl beside the test; in words it tells on standard error how it goes."""
        command = self._ctl(*arguments, *([] if words else ["--json"]))
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                yield process
            finally:
                process.kill()

    def begin_deploy(self, folder: Path, *arguments: str) -> str:
        """Begin to deploy and come back at once; the operation's id."""
        exit_code, reply = self.deploy(folder, "--no-wait", *arguments)
        assert exit_code == 0, reply
        return str(reply["op"])

    def result(self, op: str) -> tuple[int, dict[str, Any]]:
        """Wait for an operation as a pipeline would."""
        return self.ctl("wait", op)

    # --- looking ---

    def until(self, done: Callable[[dict[str, Any]], object], what: str, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """Wait until the desk's status is as wanted; a supervisor that ended is started again meanwhile."""
        return self.wait_for(lambda status: bool(done(status)), seconds, what)

    def until_phase(self, phase: str) -> dict[str, Any]:
        """Wait until the operation in progress is in a phase."""
        return self.until(lambda s: s["operation"] and s["operation"]["phase"] == phase, f"phase {phase}")

    def until_open(self) -> dict[str, Any]:
        """Wait until there are orders and positions to lose."""
        return self.until(lambda s: s["orders"] and s["positions"], "an order and a position")

    def until_decided(self, more: int = 20) -> dict[str, Any]:
        """Wait until so many more decisions were taken."""
        before = self.ask("status").data["decided"]
        return self.until(lambda s: s["decided"] >= before + more, f"{more} more decisions")

    def lines(self, *kinds: type) -> list[e.Line]:
        """The journal as far as it is written; of some kinds or all."""
        records = read(self.state.journal, "journal")
        return [line for line in (e.decode_line(r) for _, r in records) if not kinds or isinstance(line.entry, kinds)]

    def said_by(self, *kinds: type) -> list[Any]:
        """The journal's entries of some kinds, in order."""
        return [line.entry for line in self.lines(*kinds)]

    def venue_lines(self, kind: str) -> list[dict[str, Any]]:
        """The venue's record as far as it is written."""
        text = (self.state.venue / "record.jsonl").read_bytes()
        lines = [msgspec.json.decode(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
        return [line for line in lines if line["kind"] == kind]

    def worker(self, release: str = "") -> psutil.Process:
        """The worker process of a release that lives now; blue's, not its standby's, if none is named."""
        named = self._worker if release else self._blue
        return eventually(lambda: named(release), f"a worker of {release or 'the active release'}")

    def process(self, uid: str) -> psutil.Process | None:
        """A worker's process, which may not have greeted yet; None while there is none."""
        return self._child(lambda child: uid in child.cmdline())

    def scratch(self, release: str) -> Path:
        """The scratch folder of the newest worker of a release that began as a candidate; its standbys come later."""
        active = candidate = ""
        for entry in (line.entry for line in self.lines(e.Active, e.Worker)):
            if isinstance(entry, e.Active):
                active = entry.release
            elif isinstance(entry, e.Worker) and entry.event == "spawned" and entry.release == release != active:
                candidate = entry.uid
        assert candidate, f"no worker of {release} was a candidate"
        return self.state.workers / candidate

    def let_go(self, release: str) -> None:
        """Let a worker go on that waits for it."""
        eventually(lambda: self.scratch(release).is_dir(), "a scratch folder")
        (self.scratch(release) / "go").touch()

    @property
    def supervisor(self) -> psutil.Process:
        """The supervisor's process."""
        return psutil.Process(self.supervisor_pid)

    @property
    def lives(self) -> bool:
        """Whether the supervisor's process runs."""
        assert self._supervisor is not None
        return self._supervisor.poll() is None

    def start_again(self, *under: str) -> None:
        """Start a supervisor that ended at once, as a service manager does. under: as `self.under`, for this one."""
        assert not self.lives
        self.under = list(under)
        self._start_supervisor()
        self.under = []

    def until_dead(self, seconds: float = PATIENCE_S) -> None:
        """Wait until the supervisor's process has ended, and do not start another one."""
        eventually(lambda: not self.lives, "the end of the supervisor", seconds)

    @property
    def venue_pid(self) -> int:
        """The venue's process."""
        assert self._venue is not None
        return self._venue.pid

    # --- the end ---

    def judged(self, *, lapsed: bool = False, **but: int) -> Verdict:
        """Stop in order and judge.

        Args: lapsed: the supervisor was away; on a busy machine that may be long enough for the venue to cancel its
        orders. but: counts of the verdict that a test expects not to be nothing.
        """
        self.settle()
        cut_short = self.stop()
        assert not cut_short, f"what it wrote last is missing: {cut_short}"
        differed = [alarm for alarm in self.said_by(e.Alarm) if alarm.name in DIFFERED]
        assert not differed, differed
        verdict = verify(self.state)
        if lapsed and verdict.orders_lost_to_heartbeat:
            but["orders_lost_to_heartbeat"] = verdict.orders_lost_to_heartbeat
        counted = asdict(verdict)
        wrong = {name: counted[name] for name in PROMISES if counted[name] != but.get(name, 0)}
        assert not wrong, (wrong, verdict.faults)
        assert verdict.outcomes == verdict.ticks
        assert verdict.verified or but, verdict.faults
        assert len(verdict.faults) == sum(but.values()), verdict.faults
        return verdict

    def unpaid(self, verdict: Verdict, *paid: str) -> set[str]:
        """Reasons for skipped ticks that neither a test nor the machine has paid for.

        Args: paid: reasons that what the test did may have. A machine that let the supervisor or the venue stand still
        pays for what that costs, whatever the test did.
        """
        left = verdict.skip_reasons.keys() - set(paid)
        if not left or not left <= STOOD_STILL:
            return left
        return set() if max(self.stood_still_s(), self.venue_stood_still_s()) > AWAY_S else left

    def stood_still_s(self, since: int = 0) -> float:
        """The longest time after a line of the journal in which the supervisor had no pulse, real seconds.

        Between two reigns there is none either: what kills a supervisor says itself what that costs.
        """
        from_ns = next(line.at_ns for line in self.lines() if line.n > since)
        frames = (decode_streamed(payload) for _, payload in read(self.state.tape, "tape"))
        pulses_ns = [frame.at_ns for frame in frames if frame.at_ns >= from_ns and isinstance(frame.event, Pulse)]
        return max((after - before for before, after in pairwise(pulses_ns)), default=0) / NS / self.world.speed

    def venue_stood_still_s(self, since: int = 0) -> float:
        """The longest time after a line of the journal from an order's entry there to the venue's own, real seconds.

        What the venue has written down at once, and we did not hear of, was not its standing still.
        """
        sent_ns = {line.entry.order_id: line.wall_ns for line in self.lines(e.Placing) if line.n > since}
        taken_ns = ((line["order_id"], line["wall_ms"] * NS // 1_000) for line in self.venue_lines("order"))
        return max((at_ns - sent_ns[order] for order, at_ns in taken_ns if order in sent_ns), default=0) / NS

    def settle(self) -> None:
        """Take every order back, and stop at a moment when no window is about to be paid out."""
        assert self.ask("pause", reason="the test ends").ok
        self.until(lambda s: settled(s, self.world.speed), "the end of every order", 3 * PATIENCE_S)

    def _end_of(self, op: str) -> tuple[str, list[str]]:
        """The last phase of an operation before it ended or went back, and the gates that failed in it."""
        for step in self.said_by(e.Step):
            if op and step.op == op and step.phase in {"idle", "restoring"}:
                gates = step.detail.get("gates", ())
                return step.detail["from"], [gate["name"] for gate in gates if gate["verdict"] == "FAIL"]
        return "", []

    def _ctl(self, *arguments: str) -> list[str]:
        return [*CTL, *arguments, "--state-dir", str(self.state.root)]

    def _blue(self, release: str = "") -> psutil.Process | None:
        workers = self.ask("status").data["workers"]
        uid = next((worker["uid"] for worker in workers if worker["part"] == "blue"), "")
        return self.process(uid) if uid else None

    def _worker(self, release: str) -> psutil.Process | None:
        """By its working folder, which is its release; in the very first moment it is still the cell's."""
        return self._child(lambda child: release in child.cwd())

    def _child(self, wanted: Callable[[psutil.Process], bool]) -> psutil.Process | None:
        """A child of the supervisor that runs; None also where one ends while it is looked at."""
        try:
            children = self.supervisor.children()
            return next((c for c in children if wanted(c) and c.status() != psutil.STATUS_ZOMBIE), None)
        except psutil.NoSuchProcess:
            return None

    def _supervisor_command(self) -> list[str]:
        return [*self.under, *super()._supervisor_command()]

    def _write_settings(self) -> None:
        if self.meddler is not None:
            self.where = self.meddler.between(self.where)
        super()._write_settings()


CTL = (sys.executable, "-m", "deploy.foresightctl")
DIFFERED = ("books_differ", "foreign_order")
"""Alarms of a desk whose books are not the venue's."""
_COUNTS = list(asdict(Verdict()))
PROMISES = _COUNTS[_COUNTS.index("windows_resolved") + 1 : _COUNTS.index("faults")]
"""What must be nothing."""


@contextmanager
def a_desk(
    unruly: str = "",
    *,
    settings: str = TWO_ASSETS,
    speed: float = SPEED,
    meddler: Meddler | None = None,
    strategy: Path | None = BUSY,
    opened: bool = True,
    tape_mib: int = 0,
    careful: bool = False,
    unhurried: bool = False,
    start: Callable[[Desk], None] = Desk.start,
) -> Iterator[Desk]:
    """A desk that decides, with orders and positions if `opened`, and nothing of it afterwards.

    Args: unruly: how its first release misbehaves. tape_mib: room for the tape, on a disk of its own; 0 for ours.
    careful: with trial, shadow, rings, bakes and a standby, as a desk has them by itself. unhurried: with the limits of
    UNHURRIED and the beat of EVEN, where its settings say nothing else.
    start: how it is brought up.
    """
    root = Path(tempfile.mkdtemp(prefix="fs-"))
    layers = [*([] if careful else [PLAIN]), *([UNHURRIED, EVEN] if unhurried else []), settings]
    desk = Desk(root, layers, speed, meddler)
    try:
        desk.state.root.mkdir(mode=0o700)
        desk.state.tape.mkdir(mode=0o700)
        if tape_mib:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={tape_mib}m", "tmpfs", desk.state.tape], check=True)
        Stager(desk.state).stage(str(desk.release(unruly, strategy)))
        start(desk)
        desk.until(decides, "the first decision")
        if opened:
            desk.until_open()
        yield desk
    finally:
        desk.stop()
        left = _left(root)
        for process in left:
            process.kill()
        Path("/dev/shm", desk.state.ledger_name).unlink(missing_ok=True)
        if desk.state.tape.is_mount():
            subprocess.run(["umount", desk.state.tape], check=True)
        _remove(root)
    assert not left, left


def processes_of(root: Path) -> list[psutil.Process]:
    """Every process whose command line names the folder of a desk."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        named = any(str(root) in word for word in process.info["cmdline"] or ())
        if named and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def eventually(look: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """Look again and again until there is something to see; give it back."""
    deadline = monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert monotonic() < deadline, f"{what} did not happen in {seconds:.0f} s"
        sleep(POLL_S)


def ended(process: psutil.Process) -> bool:
    """Whether a process runs no more, reaped or not."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # reaped between the two looks
        return True


def runs(pid: int) -> bool:
    """Whether there is a process of this number that has not ended, reaped or not."""
    try:
        return not ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    """A process that does not run, but is there: SIGSTOP, and SIGCONT if it still lives afterwards."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        try:
            process.send_signal(signal.SIGCONT)
        except psutil.NoSuchProcess:
            assert not process.is_running()


def settled(status: dict[str, Any], speed: float = 1.0) -> bool:
    """Whether a desk can be stopped and judged: nothing can trade or be paid out once it does not listen any more.

    No order rests, the user channel is heard, and no window that it holds a position in is over or about to be.
    """
    soon_s = status["at_ns"] / NS + STOP_S * speed
    due = any(soon_s >= p["start_s"] + parse_slot(p["slot"]).window_s for p in status["positions"])
    return not status["orders"] and not status["feeds"]["user"] and not due


def _left(root: Path) -> list[psutil.Process]:
    """What is still there a moment after the end: a worker whose supervisor was killed ends when it notices."""
    deadline = monotonic() + ENDED_S
    while (left := processes_of(root)) and monotonic() < deadline:
        sleep(POLL_S)
    return left


def _asked(desk: Desk, verb: str, arguments: dict[str, Any]) -> Reply | None:
    try:
        told = {name: value for name, value in arguments.items() if name != "op"}
        return client.ask(desk.state, verb, told, op=arguments.get("op", ""))
    except client.Unavailable:
        desk.keep()
        return None


def _remove(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o700)
    shutil.rmtree(root)
