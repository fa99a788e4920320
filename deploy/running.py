"""A rehearsal desk as processes: the venue and the supervisor that trades on it, started, watched and stopped.

Used by the commands that run one. It decides nothing about trading: the supervisor is started exactly as a service
manager would start it, on the same state folder it would find there.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy import client
from deploy.release import Rejected, Stager, index
from shared.clock import NS, SystemClock
from shared.outcomes import EXIT
from shared.paths import PathTooLong, State

ROOT: Final = Path(__file__).resolve().parent.parent
VENUE_S: Final = 20.0
"""How long the venue may take to say where it is, real seconds."""
STOP_S: Final = 15.0
"""How long a process may take to end when it is told to, before it is killed."""
COMPLAINS: Final = "supervisor: "
"""How a line begins in which the supervisor says why it cannot run."""
FASTEST_S: Final = 0.2
"""Real seconds between two looks at a claim, however fast market time goes."""
FIRST: Final = "the first decision"
FIRST_S: Final = 30.0
"""How long a desk with a market may take to its first decision, real seconds."""
MARKETLESS_S: Final = 2 * 3_600.0
"""The longest hole of a recorded day that is waited through at the start, market seconds."""
RESTARTS_MAX: Final = 5
"""Unexpected ends of the supervisor in a minute after which it is not started again."""
_NOT_AGAIN: Final = {EXIT[name]: name for name in ("USAGE", "LOCKED", "IOERR", "CONFIG")}
"""Ends that starting again would only repeat."""
HELD_S: Final = 20.0
"""How long another, such as `halt --direct`, may hold the folder after our own supervisor ended; then it is theirs."""
COMPLAINT: Final = "foresight venue: "
"""How the venue begins a line that says why it cannot run."""
USAGE_FAULT: Final = "Error: "
"""How it begins one that says what is wrong with its options: they were ours, and so are the words."""
EOF_S: Final = 5.0
"""How long a process that has closed its output may take to end."""
COMPLAINTS_MAX: Final = 20
"""Lines of a process's last words that are told."""
_POLL_S: Final = 0.05


class CannotRun(Exception):
    """The desk cannot be started or kept. `code` names an exit code, the text says what happened, `hint` what to do."""

    def __init__(self, code: str, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.code, self.hint = code, hint or _HINTS.get(code, "")

    def lines(self, command: str) -> str:
        """What a person is told by a command that cannot go on."""
        said = "\n".join(f"{command}: {line}" for line in str(self).splitlines())
        return said + (f"\n  next     {self.hint}" if self.hint else "")


_SCENARIO: Final = "foresight venue --help shows what a scenario looks like"
_VENUE_HINTS: Final = {
    "IOERR": "the same command with --fresh puts that record aside; --state-dir keeps both",
    "CONFIG": "mend the scenario, then the same command again; foresight fault says which faults there are",
}
_HINTS: Final = {
    "NOINPUT": "foresight day FOLDER says what a recorded day holds",
    "LOCKED": "foresightctl status",
    "CONFIG": "mend the settings, then the same command again",
    "REJECTED": "mend this checkout, then the same command again",
}


@dataclass(frozen=True, slots=True)
class World:
    """What is rehearsed: a recorded day or a made-up one (`day` None), how fast, from where, with which chance.

    scenario: a file of faults that the venue plays, None for a venue that behaves. clob_version: 1 for the venue of
    before CLOB V2, which takes the orders of `exchange.client = "legacy-v1"`.
    """

    day: Path | None = None
    speed: float = 1.0
    seed: int = 1
    start: str = ""
    port: int = 0
    scenario: Path | None = None
    clob_version: int = 2


def decides(status: dict[str, Any]) -> bool:
    """Whether a release trades: it is the active one, and has decided."""
    return bool(status["release"]) and status["decided"] > 0


class RehearsalDesk:
    """Args: configs: settings files of the user, after the rehearsal's own. say: told what happens, for people."""

    def __init__(
        self, state: State, world: World, configs: tuple[Path, ...] = (), say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.state, self.world, self.configs, self.say = state, world, configs, say
        self.where: dict[str, Any] = {}
        self._venue: subprocess.Popen[bytes] | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._clock = SystemClock()
        self._ends_ns: list[int] = []
        self._log_from = 0

    def start(self) -> None:
        """Bring everything up. Raises: CannotRun; whatever was started is stopped again."""
        try:
            self._prepare()
            self._start_venue()
            self._write_settings()
            self._start_supervisor()
        except (CannotRun, KeyboardInterrupt):
            self.stop()
            raise
        except OSError as error:
            self.stop()
            raise CannotRun("IOERR", f"{error.filename or self.state.root}: {error.strerror or error}") from error

    def _prepare(self) -> None:
        """A folder that is ours alone and has what a desk begins with."""
        try:
            self.state.control_socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except PathTooLong as error:
            raise CannotRun("CONFIG", str(error), "name a shorter --state-dir") from error
        self.refuse_second()
        self._make_credentials()
        self._stage_first()

    def keep(self) -> None:
        """Start a supervisor that ended again. Raises: CannotRun: the venue ended, or each start ends at once."""
        assert self._venue is not None
        assert self._supervisor is not None
        if self._venue.poll() is not None:
            raise CannotRun(
                "UNAVAILABLE", f"the rehearsal venue ended with {self._venue.returncode}: {self._tail('venue.log')}"
            )
        code = self._supervisor.poll()
        if code is None:
            return
        now_ns = self._clock.monotonic_ns()
        if code == EXIT["LOCKED"] and self._ends_ns and now_ns - self._ends_ns[-1] < HELD_S * NS:
            self._start_supervisor()
            return
        if code in _NOT_AGAIN:
            raise CannotRun(_NOT_AGAIN[code], f"the supervisor ended with {code}: {self._complaint()}")
        self._ends_ns = [end for end in self._ends_ns if now_ns - end < 60 * NS] + [now_ns]
        if len(self._ends_ns) > RESTARTS_MAX:
            raise self._away("the supervisor keeps ending")
        self.say(f"the supervisor ended with {code}; it is started again")
        self._start_supervisor()

    def stop(self) -> list[str]:
        """Stop the supervisor, then the venue; wait for both. Returns what did not end as it should, for people."""
        faults = []
        for name, process in (("supervisor", self._supervisor), ("rehearsal venue", self._venue)):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                faults.append(_end(name, process, STOP_S))
        if self._venue is not None and self._venue.stdout is not None:
            self._venue.stdout.close()
        return [fault for fault in faults if fault]

    @property
    def supervisor_pid(self) -> int:
        """The supervisor's process."""
        assert self._supervisor is not None
        return self._supervisor.pid

    def wait_for(self, done: Callable[[dict[str, Any]], bool], seconds: float, what: str) -> dict[str, Any]:
        """Wait until the desk's status is as wanted, keeping the processes. Raises: CannotRun: it never was."""
        end_ns = self._clock.monotonic_ns() + int(seconds * NS)
        while self._clock.monotonic_ns() < end_ns:
            self.keep()
            try:
                status: dict[str, Any] = client.ask(self.state, "status").data
                if done(status):
                    return status
            except client.Unavailable:
                pass
            time.sleep(_POLL_S)
        raise self._away(f"{what} did not happen in {seconds:g} s")

    def wait_for_first_decision(self, seconds: float = FIRST_S) -> dict[str, Any]:
        """Wait until a release trades, so many real seconds; a recorded day that has no window now gets its time.

        Raises: CannotRun: nobody decided although there was a window, or none opened in MARKETLESS_S of market time.
        """
        try:
            return self.wait_for(decides, seconds, FIRST)
        except CannotRun:
            if self.world.day is None or not self._is_marketless():
                raise
        self.say(f"{self.world.day.name} has no window here; waiting for its next one")
        waits_s = max(seconds, MARKETLESS_S / self.world.speed)
        self.wait_for(lambda status: bool(status["slots"]["open"]), waits_s, f"a window of {self.world.day.name}")
        return self.wait_for(decides, seconds, FIRST)

    def _is_marketless(self) -> bool:
        """Whether the desk answers, and has no market in any slot."""
        try:
            return not client.ask(self.state, "status").data["slots"]["open"]
        except client.Unavailable:
            return False

    def refuse_second(self) -> None:
        """One desk for a state folder; a supervisor holds its lock. Raises: CannotRun: another one does."""
        with self.state.lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise CannotRun("LOCKED", f"a desk runs here already, pid {file.read().strip() or '?'}") from None

    def _make_credentials(self) -> None:
        """A throwaway key for play money; a rehearsal never sees a real one."""
        path = self.state.credentials
        if not path.exists():
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode({"private_key": f"0x{secrets.token_hex(32)}"}))

    def _stage_first(self) -> None:
        """A desk that never had a release begins with this checkout's."""
        if not index(self.state):
            self.say("staging this checkout as the first release")
            try:
                staged = Stager(self.state).stage(str(ROOT))
            except Rejected as error:
                raise CannotRun("REJECTED", f"this checkout is no release: {error}") from error
            self.say(f"staged {staged.indexed.name}")

    def _start_venue(self) -> None:
        world = self.world
        command = [
            *_python("deploy.foresight"),
            "venue",
            "--json",
            "--port",
            str(world.port),
            "--record",
            str(self.state.venue),
        ]
        command += ["--seed", str(world.seed), "--speed", str(world.speed), "--claim"]
        command += ["--clob-version", str(world.clob_version)]
        command += ["--day", str(world.day)] if world.day is not None else []
        command += ["--start", world.start] if world.start else []
        command += ["--scenario", str(world.scenario)] if world.scenario is not None else []
        with (self.state.root / "venue.log").open("ab") as log:
            before = log.tell()
            self._venue = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        self.where = self._hear_venue(self._venue, before)

    def _hear_venue(self, venue: subprocess.Popen[bytes], before: int) -> dict[str, Any]:
        """Where the venue says everything is. before: how long its log was. Raises: CannotRun: in its words."""
        assert venue.stdout is not None
        ready, _, _ = select.select([venue.stdout], [], [], VENUE_S)
        line = venue.stdout.readline() if ready else b""
        try:
            where: dict[str, Any] = msgspec.json.decode(line)
        except msgspec.DecodeError:
            _end("rehearsal venue", venue, EOF_S if ready else 0.0)
            code = _NAMES.get(venue.returncode, "UNAVAILABLE")
            said = _complaints(self.state.root / "venue.log", before, COMPLAINT) or "the rehearsal venue said nothing"
            raise _not_begun(code, said) from None
        if not where.get("ok", True):
            _end("rehearsal venue", venue, EOF_S)
            raise _not_begun(where["code"], where["message"])
        return where

    def _write_settings(self) -> None:
        """What the supervisor must know of this rehearsal: where the venue is, and which time it is there."""
        where = self.where
        venue = {name: where[name] for name in ("clob", "gamma", "geoblock", "market_ws", "user_ws", "price_ws")}
        made_up = self.world.day is not None or self.world.speed != 1.0
        usual = {"poll_s": 2.0, "retry_s": 2.0, "resend_s": 30.0}
        pace = {name: max(FASTEST_S, seconds / self.world.speed) for name, seconds in usual.items()}
        claims = {"by": "auto", "relayer": where["relayer"], "rpc": where["rpc"], **pace}
        document: dict[str, Any] = {"mode": "rehearsal", "venue": venue, "claims": claims}
        if made_up:
            document["clock"] = where["clock"]
        self._settings_path.write_bytes(_toml(document))

    def _supervisor_command(self) -> list[str]:
        command = [*_python("supervisor"), "--state-dir", str(self.state.root)]
        for path in (self._settings_path, *self.configs):
            command += ["--config", str(path)]
        return command

    def _start_supervisor(self) -> None:
        with (self.state.root / "supervisor.log").open("ab") as log:
            self._log_from = log.tell()
            self._supervisor = subprocess.Popen(
                self._supervisor_command(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _complaint(self) -> str:
        """Everything the supervisor has against its settings, or its last word."""
        return _complaints(self.state.root / "supervisor.log", self._log_from, COMPLAINS)

    @property
    def _settings_path(self) -> Path:
        return self.state.root / "rehearsal.toml"

    def _away(self, what: str) -> CannotRun:
        """What is not there, with the supervisor's last line, and where the others are."""
        log = self.state.root / "supervisor.log"
        return CannotRun(
            "UNAVAILABLE", f"{what}: {self._tail(log.name)}", f"read {log}, of which this is the last line"
        )

    def _tail(self, name: str) -> str:
        lines = _text(self.state.root / name).strip().splitlines()
        return lines[-1][:400] if lines else ""


def _not_begun(code: str, said: str) -> CannotRun:
    """What the venue has against what it was asked, and what to do about it."""
    return CannotRun(code, said, _SCENARIO if "--scenario" in said else _VENUE_HINTS.get(code, ""))


_NAMES: Final = {EXIT[name]: name for name in ("USAGE", "NOINPUT", "UNAVAILABLE", "IOERR", "CONFIG")}


def _complaints(path: Path, begin: int, name: str) -> str:
    """Why a process would not start: the lines of its log in which it says so under its own name, else its last one."""
    lines = _text(path, begin).strip().splitlines()
    named = [line.removeprefix(name) for line in lines if line.startswith(name)]
    return "\n".join(named[-COMPLAINTS_MAX:]) or (lines[-1].removeprefix(USAGE_FAULT)[:400] if lines else "")


def _text(path: Path, begin: int = 0) -> str:
    """What a file says from a byte on; nothing if it cannot be read."""
    try:
        return path.read_bytes()[begin:].decode(errors="replace")
    except OSError:
        return ""


def _end(name: str, process: subprocess.Popen[bytes], seconds: float) -> str:
    """See a process to its end: told, waited for, killed. Returns what was wrong with that, for people."""
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return f"the {name} did not end in {seconds:g} s and was killed"
    return "" if code in {0, -signal.SIGTERM} else f"the {name} ended with {code} when it was told to stop"


def _python(module: str) -> list[str]:
    """A module as a process that ends when we do, however we end."""
    return tied([sys.executable, "-m", module], "TERM")


def tied(command: list[str], number: str) -> list[str]:
    """A command that is sent this signal when the thread that has started it ends; as it is where setpriv is missing.

    Args: number: its name, like TERM.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", number, *command] if setpriv else command


def _toml(document: dict[str, Any]) -> bytes:
    """Enough TOML for the settings above: tables of texts and numbers."""
    lines = [
        f"{key} = {msgspec.json.encode(value).decode()}"
        for key, value in document.items()
        if not isinstance(value, dict)
    ]
    for name, table in document.items():
        if isinstance(table, dict):
            lines.append(f"[{name}]")
            lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in table.items()]
    return ("\n".join(lines) + "\n").encode()
