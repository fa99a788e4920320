"""A release on disk: made from a checkout, named by its content, never changed again.

    releases/<hash>/shared, worker, requirements/worker.lock, manifest.json     read-only, byte-compiled
    releases/index.jsonl                                                        one line for each release: r1, r2
    environments/<lock hash>-<python>/                                          a virtual environment for each lock

Everything is written aside and renamed when it is whole, so a release is there or it is not. The same content is the
same release, wherever and however often it is staged. One stager works at a time; what a killed one left is swept away
by the next.
"""

from __future__ import annotations

import fcntl
import io
import math
import os
import py_compile
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from shared.clock import Clock, SystemClock
from shared.fingerprint import LOCK, PACKAGES, lock_hash, modules, release_hash
from shared.paths import State

SELF_CHECK_S: Final = 30.0
"""How long a release may take to load itself and decide once, real seconds."""
SAID_MAX: Final = 1 << 20
"""How much a self-check may print, bytes: a release that prints for ever must not fill the disk it trades from."""
INSTALL_S: Final = 300.0
_AS_COMMITTED: Final = ("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", f"core.attributesFile={os.devnull}")
"""What keeps git from changing the ends of lines as this machine likes them: a commit's hash is the same on each."""
_NUMBER: Final = re.compile(r"r(\d+)\Z")
_HASH: Final = re.compile(r"[0-9a-f]{4,12}\Z")


class NotFound(Exception):
    """What was named is no folder, no revision and no staged release."""


class Rejected(Exception):
    """The release does not pass its checks. Nothing was staged, whatever traded trades on."""


class Indexed(msgspec.Struct, frozen=True):
    """One line of the index. `seq` is the number in r42; `source` what it was made from; `git` the commit, if known.

    `lock` names the environment it runs in: the hash of the worker's lock, and the interpreter.
    """

    seq: int
    release: str
    lock: str
    modules: dict[str, str]
    staged_wall_ns: int
    source: str
    git: str = ""

    @property
    def name(self) -> str:
        """How people call it."""
        return f"r{self.seq} {self.release}"


class Staged(msgspec.Struct, frozen=True):
    """A release that is ready, and what making it took. `fresh` is False when it was there already."""

    indexed: Indexed
    fresh: bool
    steps_ms: dict[str, int]


class Stager:
    """Makes releases in a state folder. `progress` is told each step that begins."""

    def __init__(
        self,
        state: State,
        clock: Clock | None = None,
        progress: Callable[[str], None] | None = None,
        self_check_s: float = SELF_CHECK_S,
    ) -> None:
        self.state = state
        self._clock = clock or SystemClock()
        self._progress = progress or (lambda step: None)
        self._self_check_s = self_check_s
        self._steps_ms: dict[str, int] = {}

    def stage(self, wanted: str) -> Staged:
        """Stage what is named: a folder, a git revision, or a release that is there (r42, or a hash's beginning).

        Raises: NotFound, Rejected; OSError: the disk refused.
        """
        if not wanted:
            raise NotFound("nothing was named; name a folder, a git revision or a staged release")
        self._steps_ms = {}
        if Path(wanted).is_dir():
            folder = Path(wanted).resolve()
            with self._alone():
                return self._from_folder(folder, str(folder), _head_of(folder))
        known = find(self.state, wanted)
        if known is not None:
            if not (self.state.releases / known.release).is_dir():
                raise NotFound(f"{known.name} was staged here once and its folder is gone; stage its source again")
            return Staged(known, False, {})
        with self._alone(), self._checked_out(wanted) as (checkout, commit):
            return self._from_folder(checkout, wanted, commit)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One stager at a time; the others wait. Whatever lies aside was left by one that was killed."""
        self.state.releases.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.state.releases / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            for left in (*self.state.releases.glob(".aside-*"), *self.state.environments.glob(".aside-*")):
                _remove(left)
            yield

    def _from_folder(self, folder: Path, source: str, commit: str) -> Staged:
        with self._step("fingerprint"):
            files = _fingerprint(folder)
        release = release_hash(files)
        known, there = find(self.state, release), self._holds(release)
        python = self._environment(folder / LOCK, known.lock if known is not None else _environment_name(files))
        if not there:
            self._build(folder, release, files, python)
        if known is None:
            known = self._index(release, files, source, commit)
            there = False
        return Staged(known, not there, dict(self._steps_ms))

    def _holds(self, release: str) -> bool:
        """Whether the release is on disk, file for file; what is there and is something else is taken away."""
        folder = self.state.releases / release
        if not folder.is_dir():
            return False
        try:
            whole = release_hash(modules(folder)) == release
        except OSError:
            whole = False
        if not whole:
            _remove(folder)
        return whole

    def _build(self, folder: Path, release: str, files: dict[str, str], python: Path) -> None:
        """Copy aside, compile, check, rename."""
        with _aside(self.state.releases, release) as aside:
            with self._step("copy"):
                for path in files:
                    target = aside / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(folder / path, target)
                (aside / "manifest.json").write_bytes(msgspec.json.encode({"release": release, "modules": files}))
            with self._step("compile"):
                _compile(aside)
            with self._step("self_check"):
                _self_check(aside, python, release, self._self_check_s)
            _make_read_only(aside)
            aside.rename(self.state.releases / release)

    def _environment(self, lock: Path, name: str) -> Path:
        """The interpreter of the environment that holds exactly what a lock names; made once for each lock."""
        environment = self.state.environments / name
        python = environment / "bin" / "python"
        if not python.exists():
            self.state.environments.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._step("environment"), _aside(self.state.environments, name) as aside:
                _make_environment(aside, lock)
                aside.rename(environment)
        return python

    def _index(self, release: str, files: dict[str, str], source: str, commit: str) -> Indexed:
        """Give a release its number. What a crash left of a line is ended first, so that it spoils no other."""
        seq = max((known.seq for known in index(self.state)), default=0) + 1
        indexed = Indexed(seq, release, _environment_name(files), files, self._clock.wall_ns(), source, commit)
        with (self.state.releases / "index.jsonl").open("a+b") as file:
            file.seek(max(0, file.tell() - 1))
            torn = file.read(1) not in {b"", b"\n"}
            file.write(b"\n" * torn + msgspec.json.encode(indexed) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return indexed

    @contextmanager
    def _checked_out(self, revision: str) -> Iterator[tuple[Path, str]]:
        """The files of a git revision of the repository around the working folder, in a folder of their own."""
        with _aside(self.state.releases, "checkout") as aside:
            with self._step("checkout"):
                commit = _commit_of(revision)
                if not commit:
                    raise NotFound(self._unknown(revision))
                top = _git("rev-parse", "--show-toplevel").decode().rstrip("\n")
                archive = _git(*_AS_COMMITTED, "-C", top, "archive", "--format=tar", commit, *PACKAGES, LOCK)
                if not archive:
                    raise Rejected(f"{revision} has no {', '.join(PACKAGES)} and {LOCK}")
                with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                    tar.extractall(aside, filter="data")
            yield aside, commit

    def _unknown(self, wanted: str) -> str:
        meant = sorted({known.name for known in _meant(self.state, wanted)})
        if meant:
            return f"{wanted!r} could be {', '.join(meant)}; name more of the hash"
        return f"{wanted!r} is no folder here, no git revision, and no staged release"

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self._progress(name)
        began_ns = self._clock.monotonic_ns()
        yield
        self._steps_ms[name] = (self._clock.monotonic_ns() - began_ns) // 1_000_000


def index(state: State) -> list[Indexed]:
    """Every release that was ever staged, oldest first; a line that was cut short by a crash is passed over."""
    path = state.releases / "index.jsonl"
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            found.append(msgspec.json.decode(line, type=Indexed))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found


def find(state: State, wanted: str) -> Indexed | None:
    """A staged release by its number (r42) or by the beginning of its hash; None unless exactly one is meant."""
    found = _meant(state, wanted)
    return found[0] if len({known.release for known in found}) == 1 else None


def _meant(state: State, wanted: str) -> list[Indexed]:
    number = _NUMBER.match(wanted)
    if number is not None:
        return [known for known in index(state) if known.seq == int(number[1])]
    if _HASH.match(wanted):
        return [known for known in index(state) if known.release.startswith(wanted)]
    return []


def _environment_name(files: dict[str, str]) -> str:
    return f"{lock_hash(files)}-{sys.implementation.cache_tag}"


def _fingerprint(folder: Path) -> dict[str, str]:
    missing = [part for part in (*PACKAGES, LOCK) if not (folder / part).exists()]
    if missing:
        raise Rejected(f"{folder} is no checkout of Foresight, it lacks {', '.join(missing)}")
    return modules(folder)


def _compile(folder: Path) -> None:
    """Compile ahead of time, so that a worker starts as fast as it can; the files never change, so nothing checks."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for path in sorted(folder.rglob("*.py")):
        try:
            py_compile.compile(
                str(path), dfile=str(path.relative_to(folder)), doraise=True, invalidation_mode=unchecked
            )
        except py_compile.PyCompileError as error:
            cause = error.exc_value
            place = f"{path.relative_to(folder)}:{cause.lineno or 0}" if isinstance(cause, SyntaxError) else path.name
            raise Rejected(f"compile: {place}: {getattr(cause, 'msg', cause)}") from error


def _self_check(folder: Path, python: Path, release: str, within_s: float) -> None:
    """Let the release load itself and decide once, in a process of its own."""
    code, said, last_words = run_alone([str(python), "-m", "worker", "--self-check"], folder, within_s)
    if code is None:
        raise Rejected(f"self-check: no answer in {within_s:g} s")
    if len(said) == SAID_MAX:
        raise Rejected(f"self-check: it printed more than {SAID_MAX >> 20} MiB")
    if code:
        raise Rejected(f"self-check: {_last_line(last_words) or f'exit code {code}'}")
    try:
        named = msgspec.json.decode(said)["release"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise Rejected(f"self-check: printed no report but {said[:100].decode(errors='replace')!r}") from None
    if named != release:
        raise Rejected(f"self-check: it says it is {named}, its files are {release}")


def run_alone(command: list[str], folder: Path, within_s: float) -> tuple[int | None, bytes, str]:
    """Run code nobody has tried yet, bounded in time and in what it prints; whatever it started ends with it.

    Returns its exit code, None if it was too slow, and what it printed: into files, not pipes, so that no child it
    leaves behind can hold them open against us. Its process group is ended before its number is free for others.
    """
    environ = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    cpu_max_s = math.ceil(within_s) + 1
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        try:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (SAID_MAX, SAID_MAX))
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (cpu_max_s, cpu_max_s + 1))  # also when we are killed
            ended = ends_within(process.pid, within_s)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
        out.seek(0)
        err.seek(0)
        in_time = ended and code != -signal.SIGXCPU  # where we were kept waiting, its limit came first
        return code if in_time else None, out.read(SAID_MAX), err.read(SAID_MAX).decode(errors="replace")


def ends_within(pid: int, seconds: float) -> bool:
    """Whether a child of ours ends in time; its exit status is still to be fetched."""
    handle = os.pidfd_open(pid)
    try:
        ending = select.poll()
        ending.register(handle, select.POLLIN)
        return bool(ending.poll(seconds * 1_000))
    finally:
        os.close(handle)


def _make_environment(folder: Path, lock: Path) -> None:
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise Rejected("no uv beside this Python; type: make env")
    base = getattr(sys, "_base_executable", sys.executable)
    environ = {**os.environ, "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path(sys.prefix) / "cache"))}
    venv = [uv, "venv", "--quiet", "--relocatable", "--no-project", "--python", base, str(folder)]
    sync = [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
    target = ["--python", str(folder / "bin" / "python"), str(lock)]
    for command in (venv, [*sync, "--offline", *target], [*sync, *target]):
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if ran.returncode and command is not venv and "--offline" in command:
            continue
        if ran.returncode:
            raise Rejected(f"environment: {_last_line(ran.stderr)}")
        if command is not venv:
            return


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _head_of(folder: Path) -> str:
    """The commit a checkout stands on, with a + when its files differ from it; empty outside git."""
    commit = _git("-C", str(folder), "rev-parse", "--quiet", "--verify", "HEAD").decode().strip()
    dirty = commit and _git("-C", str(folder), "status", "--porcelain", "--", *PACKAGES, LOCK)
    return f"{commit}+" if dirty else commit


def _commit_of(revision: str) -> str:
    """The commit a name means in the repository around the working folder; empty for none."""
    if revision.startswith("-"):
        return ""
    return _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()


def _git(*arguments: str) -> bytes:
    """What git prints; nothing when it fails or is not there."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return b""


def _make_read_only(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)


def _remove(folder: Path) -> None:
    """Remove a folder that may hold read-only folders."""
    if not folder.exists():
        return
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)


@contextmanager
def _aside(beside: Path, name: str) -> Iterator[Path]:
    """Room for something that is being made; what was not renamed to its own place by then is taken away."""
    aside = beside / f".aside-{name}"
    try:
        yield aside
    finally:
        _remove(aside)
