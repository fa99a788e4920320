"""A release at work on a replay: its own code, in a process and environment of its own, without a clock.

Two ways. Where accounts are as recorded, the process reads the tape itself and only its answers are read: any release
can do that. Where they are not, it is handed every frame, and answers a tick before it gets the next. What always
holds: the process ends with the replay, however that ends; what it said last is told when it failed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import msgspec

from shared.fingerprint import LOCK, file_digest, lock_hash


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

    Raises: ReleaseFailed: here and from every method.
    """

    def __init__(self, release: Path, arguments: list[str]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        environ = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(interpreter(release)), "-m", "worker", *arguments]
        try:
            self._process = subprocess.Popen(
                command,
                cwd=release,
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
            )
        except OSError as error:
            self._log.close()
            raise ReleaseFailed(f"{release}: {error.strerror}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def __enter__(self) -> Hands:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        with contextlib.suppress(BrokenPipeError):
            self._in.close()
        self._log.close()

    def hand(self, data: bytes) -> None:
        """Give bytes to its standard input."""
        try:
            self._in.write(data)
            self._in.flush()
        except BrokenPipeError:
            self._fail()

    def finish(self) -> None:
        """Nothing more comes."""
        try:
            self._in.close()
        except BrokenPipeError:
            self._fail()

    def line(self) -> bytes:
        """Its next line."""
        line = self._out.readline()
        if not line:
            self._fail()
        return line

    def understood(self, line: bytes, kind: type[Any]) -> Any:
        """A line as what it should be."""
        try:
            return msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ReleaseFailed(f"it printed {line[:80]!r}, which is no answer: {error}") from error

    def _fail(self) -> None:
        code = self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()
        first = next((line for line in said if line.startswith("worker: ")), said[-1] if said else "")
        raise ReleaseFailed(first.removeprefix("worker: ") or f"the release's process ended with {code}")
