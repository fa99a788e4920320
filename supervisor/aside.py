"""A process of a release beside those that trade: for one question, in a worker's cell, and harder.

No folder to write in, no ledger, no channel, low priority, bounds on time, memory and output. Leaves to `trial` and
`inquiry` what is asked and what the answer means.

What always holds: the loop waits for nothing here; a process that nobody waits for any more is ended, and one that a
cut-off reign left behind by the next reign.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shared.config import Gates
from shared.paths import State
from supervisor.child import end_at_once, until_ended
from supervisor.workers import SURROUNDINGS, confined, end_strays

NICENESS: Final = 10
"""So far below everything that trades, whose own niceness is ours."""
MARK: Final = "FORESIGHT_TRIAL"
"""The environment variable by which such a process is known to belong to a state folder."""


class Aside:
    """One process at a time. Args: limits: of memory and output. most_s: CPU seconds, also when nobody is left to end
    it. lock_of: the worker lock of a release.
    """

    def __init__(self, state: State, limits: Gates, most_s: float, lock_of: Callable[[str], str]) -> None:
        self._state, self._limits, self._most_s, self._lock_of = state, limits, most_s, lock_of
        self._running: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        """End what runs; whoever waits for it goes on."""
        if self._running is not None:
            self._running.kill()  # nothing to one that has ended, and nobody else has its number until it is reaped

    async def run(
        self, release: str, arguments: list[str], output: Path, log: Path, *, until_s: float, seed: str = "0"
    ) -> int | None:
        """Start a process and wait for its end; its status, None when it is cut off. Raises: CannotStart, OSError.

        Args: output, log: where what it says goes, and what it complains of. until_s: on the loop's clock. seed: of the
        hash of strings.
        """
        started = self._start(release, arguments, output, log, seed)
        try:
            self._bound(started.pid)
        except OSError:
            end_at_once(started)
            raise
        self._running = started
        try:
            return await until_ended(started, until_s)
        finally:
            self._running = None

    def _start(self, release: str, arguments: list[str], output: Path, log: Path, seed: str) -> subprocess.Popen[bytes]:
        command = confined(self._state, release, self._lock_of(release), arguments)
        output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with output.open("wb") as said, log.open("wb") as complained:
            return subprocess.Popen(
                command,
                cwd=self._state.releases / release,
                env={**SURROUNDINGS, "PYTHONHASHSEED": seed, MARK: _mark(self._state)},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complained,
                start_new_session=True,
            )

    def _bound(self, pid: int) -> None:
        """Take from a child what it may not have; it has only just begun to put its cell on."""
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
            for what, most in (
                (resource.RLIMIT_AS, self._limits.trial_memory_mib << 20),
                (resource.RLIMIT_FSIZE, self._limits.trial_output_mib << 20),
                (resource.RLIMIT_CPU, round(self._most_s) + 1),
            ):
                resource.prlimit(pid, what, (most, most))


def end_left_behind(state: State) -> None:
    """End what a cut-off reign left running. Nobody else starts any here: the caller holds the folder's lock."""
    end_strays("environ", os.fsencode(f"{MARK}={_mark(state)}\0"))


def _mark(state: State) -> str:
    return str(state.workers.absolute())
