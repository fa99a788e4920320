"""A release on disk: made from a checkout, named by its content, never changed again.

    releases/<hash>/shared, worker, requirements/worker.lock, manifest.json     read-only, byte-compiled
    releases/index.jsonl                                                        one line for each release: r1, r2
    environments/<lock hash>-<python>/                                          a virtual environment for each lock

Everything is written aside and renamed when it is whole, so a release is there or it is not. The same content is the
same release, wherever and however often it is staged.
"""

from __future__ import annotations

import compileall
import fcntl
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

import msgspec

from shared.clock import Clock, SystemClock
from shared.fingerprint import LOCK, PACKAGES, lock_hash, modules, release_hash
from shared.paths import State

SELF_CHECK_S: Final = 30.0
INSTALL_S: Final = 300.0
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

    def __init__(self, state: State, clock: Clock | None = None, progress: Callable[[str], None] | None = None) -> None:
        self.state = state
        self._clock = clock or SystemClock()
        self._progress = progress or (lambda step: None)
        self._steps_ms: dict[str, int] = {}

    def stage(self, wanted: str) -> Staged:
        """Stage what is named: a folder, a git revision, or a release that is there (r42, or a hash's beginning).

        Raises: NotFound, Rejected; OSError: the disk refused.
        """
        self.state.releases.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._steps_ms = {}
        folder = Path(wanted)
        if folder.is_dir():
            return self._from_folder(folder.resolve(), str(folder.resolve()), _head_of(folder))
        known = find(self.state, wanted)
        if known is not None:
            return Staged(known, False, {})
        with self._checked_out(wanted) as (checkout, commit):
            return self._from_folder(checkout, wanted, commit)

    def _from_folder(self, folder: Path, source: str, commit: str) -> Staged:
        with self._step("fingerprint"):
            files = _fingerprint(folder)
        release = release_hash(files)
        with _locked(self.state.releases / ".lock"):
            known = find(self.state, release)
            if known is not None and (self.state.releases / release).is_dir():
                self._environment(folder / LOCK, known.lock)
                return Staged(known, False, dict(self._steps_ms))
            python = self._environment(folder / LOCK, _environment_name(files))
            self._build(folder, release, files, python)
            indexed = self._index(release, files, source, commit)
        return Staged(indexed, True, dict(self._steps_ms))

    def _build(self, folder: Path, release: str, files: dict[str, str], python: Path) -> None:
        """Copy aside, compile, check, rename."""
        aside = self.state.releases / f".staging-{os.getpid()}-{release}"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            with self._step("copy"):
                for path in files:
                    target = aside / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(folder / path, target)
                (aside / "manifest.json").write_bytes(msgspec.json.encode({"release": release, "modules": files}))
            with self._step("compile"):
                _compile(aside)
            with self._step("self_check"):
                _self_check(aside, python, release)
            _make_read_only(aside)
            aside.rename(self.state.releases / release)
        finally:
            _remove(aside)

    def _environment(self, lock: Path, name: str) -> Path:
        """The interpreter of the environment that holds exactly what a lock names; made once for each lock."""
        environment = self.state.environments / name
        python = environment / "bin" / "python"
        if python.exists():
            return python
        with self._step("environment"):
            self.state.environments.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside = self.state.environments / f".making-{os.getpid()}-{name}"
            _remove(aside)
            try:
                _make_environment(aside, lock)
                aside.rename(environment)
            finally:
                _remove(aside)
        return python

    def _index(self, release: str, files: dict[str, str], source: str, commit: str) -> Indexed:
        seq = max((known.seq for known in index(self.state)), default=0) + 1
        indexed = Indexed(seq, release, _environment_name(files), files, self._clock.wall_ns(), source, commit)
        with (self.state.releases / "index.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(indexed) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return indexed

    @contextmanager
    def _checked_out(self, revision: str) -> Iterator[tuple[Path, str]]:
        """The files of a git revision of the repository around the working folder, in a folder of their own."""
        with self._step("checkout"):
            commit = _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
            if not commit:
                raise NotFound(f"{revision!r} is no folder here, no git revision, and no staged release")
            aside = self.state.releases / f".checkout-{os.getpid()}"
            _remove(aside)
            archive = _git("archive", "--format=tar", commit, *PACKAGES, LOCK)
            if not archive:
                raise Rejected(f"{revision} has no {', '.join(PACKAGES)} and {LOCK}")
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(aside, filter="data")
        try:
            yield aside, commit
        finally:
            _remove(aside)

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
        except msgspec.DecodeError:
            continue
    return found


def find(state: State, wanted: str) -> Indexed | None:
    """A staged release by its number (r42) or by the beginning of its hash; None unless exactly one is meant."""
    number = _NUMBER.match(wanted)
    if number is not None:
        found = [known for known in index(state) if known.seq == int(number[1])]
    elif _HASH.match(wanted):
        found = [known for known in index(state) if known.release.startswith(wanted)]
    else:
        found = []
    return found[0] if len({known.release for known in found}) == 1 else None


def _environment_name(files: dict[str, str]) -> str:
    return f"{lock_hash(files)}-{sys.implementation.cache_tag}"


def _fingerprint(folder: Path) -> dict[str, str]:
    missing = [part for part in (*PACKAGES, LOCK) if not (folder / part).exists()]
    if missing:
        raise Rejected(f"{folder} is no checkout of Foresight: {', '.join(missing)} is missing")
    return modules(folder)


def _compile(folder: Path) -> None:
    """Compile ahead of time, so that a worker starts as fast as it can; the files never change, so nothing checks."""
    compileall.compile_dir(folder, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def _self_check(folder: Path, python: Path, release: str) -> None:
    """Let the release load itself and decide once, in a process of its own."""
    environ = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python), "-m", "worker", "--self-check"]
    try:
        ran = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True, timeout=SELF_CHECK_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Rejected(f"self-check: no answer in {SELF_CHECK_S:.0f} s") from None
    if ran.returncode:
        raise Rejected(f"self-check: {_last_line(ran.stderr) or f'exit code {ran.returncode}'}")
    try:
        said = msgspec.json.decode(ran.stdout.encode())["release"]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise Rejected(f"self-check: printed no report but {ran.stdout[:100]!r}") from None
    if said != release:
        raise Rejected(f"self-check: it says it is {said}, its files are {release}")


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
def _locked(path: Path) -> Iterator[None]:
    """One stager at a time; the others wait."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
