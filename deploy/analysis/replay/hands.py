"""A release at work on a replay: its own code, in a process and environment of its own, without a clock.

Two ways. Where accounts are as recorded, the process reads the tape itself and only its answers are read: any release
can do that. Where they are not, it is handed every frame, and answers a tick before it gets the next. What always
holds: the process ends with the replay, however that ends; what it said last is told when it failed.
"""

from __future__ import annotations

import os
import resource
import select
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import IO, Final, NoReturn, TypeVar

import msgspec

from deploy.running import tied
from shared.fingerprint import LOCK, file_digest, lock_hash

SILENCE_S: Final = 300.0
"""How long a release may neither answer nor read on, real seconds: a long tape without a tick has to be read first."""
LINE_MAX: Final = 1 << 20
WRITTEN_MAX: Final = 64 << 20
"""Bytes of a line, and of any file it writes, its last words among them."""
_PIECE: Final = 1 << 16
T = TypeVar("T")


class ReleaseFailed(Exception):
    """The release's process ended badly, or cannot do what is asked; the text is its last line."""


class Line(msgspec.Struct, frozen=True):
    """What a release says of one tick. `decision` is hexadecimal, empty where it cannot answer: after a hole.

    The last line has no `seq`.
    """

    seq: int = 0
    decision: str = ""


class Wants(msgspec.Struct, frozen=True):
    """What a release that is handed its frames says first."""

    warm_up_s: int


class Summary(msgspec.Struct, frozen=True):
    """What a release says at the end."""

    frames: int
    ticks: int
    state: str
    holes: tuple[tuple[int, int], ...] = ()
    lookback_s: int = 0


def interpreter(release: Path) -> Path:
    """The Python of a staged release's own environment; for a checkout, the one that runs this."""
    lock = release / LOCK
    if release.parent.name == "releases" and lock.is_file():
        name = f"{lock_hash({LOCK: file_digest(lock)})}-{sys.implementation.cache_tag}"
        python = release.parent.parent / "environments" / name / "bin" / "python"
        if python.exists():
            return python
    return Path(sys.executable)


class Hands:
    """The process of one replay; a context that ends it. Args: arguments: behind `python -m worker`.

    Raises: ReleaseFailed: here and from every method; also when it says or takes nothing for SILENCE_S.
    """

    def __init__(self, release: Path, arguments: list[str]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._lines: deque[bytes] = deque()
        self._rest = b""
        environ = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        # Ctrl-C may come before this returns, and we may be killed: then nobody is left to end it.
        command = tied([str(interpreter(release)), "-m", "worker", *arguments], "KILL")
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, cwd=release, env=environ, stdin=pipe, stdout=pipe, stderr=self._log, bufsize=0
            )
        except OSError as error:
            self._log.close()
            raise ReleaseFailed(f"{release}: {error.strerror}") from error
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (WRITTEN_MAX, WRITTEN_MAX))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        os.set_blocking(self._in.fileno(), False)

    def __enter__(self) -> Hands:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._in.close()
        self._log.close()

    def hand(self, data: bytes) -> None:
        """Give bytes to its standard input."""
        left = memoryview(data)
        while left:
            self._wait(self._in, select.POLLOUT)
            try:
                left = left[os.write(self._in.fileno(), left) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self._fail()

    def finish(self) -> None:
        """Nothing more comes."""
        self._in.close()

    def line(self) -> bytes:
        """Its next line."""
        while not self._lines:
            self._wait(self._out, select.POLLIN)
            piece = os.read(self._out.fileno(), _PIECE)
            if not piece:
                self._fail()
            *whole, self._rest = (self._rest + piece).split(b"\n")
            self._lines.extend(whole)
            if len(self._rest) > LINE_MAX:
                raise ReleaseFailed(f"it printed a line of more than {LINE_MAX >> 10} KiB")
        return self._lines.popleft()

    def understood(self, line: bytes, kind: type[T]) -> T:
        """A line as what it should be."""
        try:
            return msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ReleaseFailed(f"it printed {line[:80]!r}, which is no answer: {error}") from error

    def _wait(self, pipe: IO[bytes], event: int) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        if not poll.poll(SILENCE_S * 1_000):
            raise ReleaseFailed(f"it said and took nothing for {SILENCE_S:g} s")

    def _fail(self) -> NoReturn:
        code = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()
        first = next((line for line in said if line.startswith("worker: ")), said[-1] if said else "")
        raise ReleaseFailed(first.removeprefix("worker: ") or f"the release's process ended with {code}")
