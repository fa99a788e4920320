"""Who lets the tape be tended: starts a process for it now and then, waits for its end, says what it did.

Leaves to `tending` what is done. What always holds: the loop waits for nothing here, there is one such process at a
time, and it ends with whoever waits for it; one that fails costs disk space, never the desk.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.config import Tape
from supervisor.child import until_ended

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
        """Let it be tended once; every act: few enough lines to fit into a pipe. Raises: NotTended."""
        try:
            with self._start() as started:
                await until_ended(started, self._loop.time() + TENDED_MAX_S)
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
