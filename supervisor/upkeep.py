"""Who lets the tape be tended: starts a process for it now and then, waits for its end, says what it did.

Leaves to `tending` what is done. What always holds: the loop waits for nothing here, there is one such process at a
time, and it ends with whoever waits for it; one that fails costs disk space, never the desk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.config import Tape

ROOT: Final = Path(__file__).resolve().parent.parent
SURROUNDINGS: Final = {"PATH": os.defpath, "LANG": "C.UTF-8"}
TENDED_MAX_S: Final = 300.0
"""Real seconds after which it is ended; a segment takes a tenth of one."""


class NotTended(Exception):
    """The tape was not tended, or not to the end; why."""


class Upkeep:
    """Args: folder: of the tape."""

    def __init__(self, folder: Path, settings: Tape) -> None:
        policy = settings.plain_s, settings.keep_days, settings.keep_mib
        self._command = [sys.executable, "-m", "supervisor.tending", str(folder), *map(str, policy)]
        self._loop = asyncio.get_running_loop()

    async def run(self) -> list[dict[str, Any]]:
        """Let it be tended once; every act. Raises: NotTended."""
        try:
            with self._start() as started:
                await self._ended(started)
                assert started.stdout is not None and started.stderr is not None
                said, fault = started.stdout.read(), started.stderr.read()
        except OSError as error:
            raise NotTended(str(error)) from error
        if started.returncode:
            last = fault.decode(errors="replace").strip().rpartition("\n")[2]
            raise NotTended(last or f"exit code {started.returncode}")
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in said.splitlines()]

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=SURROUNDINGS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    async def _ended(self, started: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a process; when nobody waits any more, or it takes too long, it is ended.

        What it says fits into its pipes: a bounded number of short lines.
        """
        gone, pidfd = asyncio.Event(), os.pidfd_open(started.pid)
        self._loop.add_reader(pidfd, gone.set)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TENDED_MAX_S):
                    await gone.wait()
        finally:
            self._loop.remove_reader(pidfd)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)  # nothing to one that has ended
            os.close(pidfd)
            started.wait()
