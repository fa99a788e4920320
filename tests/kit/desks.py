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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic, sleep
from typing import Any

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
from shared.messages import Reply
from shared.paths import State
from shared.records import read
from shared.slots import parse_slot

SPEED = 20.0
PATIENCE_S = 30.0
"""How long anything may take before a test gives up; nothing takes nearly as long on a free machine."""
ENDED_S = 3.0
STOP_S = 3.0
"""How long a desk and its venue may take to stop."""
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
answer_s = 30
blind_s = 60
"""
"""Where a busy machine keeps a worker waiting, it does not hang; and the venue, it is not away.

What a test holds on purpose is not late. For tests that are about something else: these limits have theirs.
"""


class Desk(RehearsalDesk):
    """A rehearsal desk with the handles a test needs. Args: plain, settings: TOML, over the rehearsal's own."""

    def __init__(self, root: Path, settings: str, speed: float, meddler: Meddler | None, plain: str = "") -> None:
        (root / "plain.toml").write_text(plain)
        (root / "test.toml").write_text(settings)
        self.root, self.meddler, self.said = root, meddler, list[str]()
        self.under: list[str] = []
        """What the next supervisor is started under: a command that becomes the one that follows it."""
        configs = (root / "plain.toml", root / "test.toml")
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
        ran = subprocess.run(self._ctl(*arguments, "--json"), cwd=ROOT, capture_output=True, check=False, timeout=120)
        assert b"Traceback" not in ran.stderr, ran.stderr.decode()
        return ran.returncode, msgspec.json.decode(ran.stdout) if ran.stdout else {}

    def deploy(self, folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Deploy a checkout and wait for what comes of it."""
        return self.ctl("deploy", "--green", str(folder), *arguments)

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
        """The worker process of a release that lives now; of the active release if none is named."""
        wanted = release or self.ask("status").data["release"]["hash"]
        return eventually(lambda: self._worker(wanted), f"a worker of {wanted}")

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

    def settle(self) -> None:
        """Take every order back, and stop at a moment when no window is about to be paid out."""
        assert self.ask("pause", reason="the test ends").ok
        self.until(lambda s: settled(s, self.world.speed), "the end of every order", 3 * PATIENCE_S)

    def _ctl(self, *arguments: str) -> list[str]:
        return [*CTL, *arguments, "--state-dir", str(self.state.root)]

    def _worker(self, release: str) -> psutil.Process | None:
        """By its working folder, which is its release; in the very first moment it is still the cell's."""
        try:
            children = self.supervisor.children()
            return next((c for c in children if release in c.cwd() and c.status() != psutil.STATUS_ZOMBIE), None)
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
    start: Callable[[Desk], None] = Desk.start,
) -> Iterator[Desk]:
    """A desk that decides, with orders and positions if `opened`, and nothing of it afterwards.

    Args: unruly: how its first release misbehaves. tape_mib: room for the tape, on a disk of its own; 0 for ours.
    careful: with trial, shadow, rings, bakes and a standby, as a desk has them by itself.
    start: how it is brought up.
    """
    root = Path(tempfile.mkdtemp(prefix="fs-"))
    desk = Desk(root, settings, speed, meddler, "" if careful else PLAIN)
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
    return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)


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
        return client.ask(desk.state, verb, arguments, op=arguments.pop("op", ""))
    except client.Unavailable:
        desk.keep()
        return None


def _remove(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o700)
    shutil.rmtree(root)
