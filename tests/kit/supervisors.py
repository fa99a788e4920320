"""Supervisors as processes, many of them quickly: forked from one that has imported everything and done nothing.

What runs is the supervisor's own `main`, with its own arguments, environment and output; only the import is shared.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil
from kit.clocks import eventually

from shared.messages import Reply
from shared.outcomes import EXIT
from shared.paths import State
from shared.records import segments

PATIENCE_S = 60.0
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["supervisor.__main__"])
_STEERING = ("FORESIGHT_", "NOTIFY_", "CREDENTIALS_", "STATE_")


@dataclass
class Start:
    """How one is started. environ: on top of ours. file_max: bytes that no file of it may grow beyond."""

    arguments: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    file_max: int = resource.RLIM_INFINITY


def _be(start: Start, output: Path, errors: Path) -> None:
    from supervisor.__main__ import main

    for number, path in ((1, output), (2, errors)):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    for name in [name for name in os.environ if name.startswith(_STEERING)]:
        del os.environ[name]
    os.environ.update(start.environ)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (start.file_max, hard))
    sys.argv = ["supervisor", *start.arguments]
    sys.exit(main())


class Running:
    """One of them. `state` is the folder its sockets and records are in."""

    def __init__(self, state: State, start: Start) -> None:
        self.state = state
        self._output, self._errors = state.root / "output", state.root / "errors"
        self._process = _FORKS.Process(target=_be, args=(start, self._output, self._errors))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def began(self) -> None:
        """Wait until it answers."""
        assert eventually(lambda: self._answers() or not self._process.is_alive(), PATIENCE_S)
        assert self._process.is_alive(), self.said() + self.complained()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as channel:
            return channel.connect_ex(str(self.state.control_socket)) == 0

    def ended(self) -> str:
        """Wait for its end; the name of its exit code."""
        self._process.join(PATIENCE_S)
        code = self._process.exitcode
        assert code is not None, "it does not end"
        return next((name for name, number in EXIT.items() if number == code), str(code))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def no_file_beyond(self, size: int) -> None:
        """From now on its disk is full."""
        psutil.Process(self.pid).rlimit(psutil.RLIMIT_FSIZE, (size, size))

    def ask(self, request: bytes) -> Reply:
        """One request over its control socket."""
        return msgspec.json.decode(self.answer(request), type=Reply)

    def answer(self, request: bytes) -> bytes:
        """The same, as bytes; nothing when it ends meanwhile."""
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(PATIENCE_S)
            with suppress(ConnectionError, FileNotFoundError):
                channel.connect(str(self.state.control_socket))
                channel.sendall(request + b"\n")
                return channel.makefile("rb").readline()
        return b""

    def said(self) -> str:
        """Its log."""
        return self._output.read_text() if self._output.exists() else ""

    def complained(self) -> str:
        """What it told people."""
        return self._errors.read_text() if self._errors.exists() else ""

    def leave(self) -> None:
        """Nothing of it stays: process, channel to it, shared memory."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()
        Path("/dev/shm", self.state.ledger_name).unlink(missing_ok=True)


@contextmanager
def supervisor(state: State, start: Start) -> Iterator[Running]:
    """One that lives at most as long as the test."""
    process = Running(state, start)
    try:
        yield process
    finally:
        process.leave()


def has_journal(state: State) -> bool:
    """Whether anything was ever begun in a state folder."""
    return bool(segments(state.journal))
