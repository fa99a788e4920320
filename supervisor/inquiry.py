"""Whether a release can use a set of parameters: its own self-check decides once with them, in its own environment.

Names, types and bounds of parameters are the release's, so nobody else can tell. Leaves to `tuning` who is asked, and
what follows. What always holds: nothing that trades is touched; a release that cannot be asked has not agreed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.config import Settings
from shared.paths import State
from supervisor.aside import Aside
from supervisor.death import Death
from supervisor.workers import TRIAL, CannotStart, last_line

ANSWER_S: Final = 15.0
"""Real seconds a self-check may take; it starts, imports every room and decides once."""
WORDS_MAX: Final = 400
_SAID_MAX: Final = 64 << 10
_REFUSES: Final = "worker: "
"""What a release's own words begin with when it refuses."""


class Inquiry:
    """One question at a time. Args: lock_of: the worker lock of a release."""

    def __init__(self, state: State, settings: Settings, lock_of: Callable[[str], str]) -> None:
        self._folder = state.workers / TRIAL
        self._aside = Aside(state, settings.gates, ANSWER_S, lock_of)
        self._loop = asyncio.get_running_loop()
        self._alone = asyncio.Lock()

    async def ask(self, release: str, values: dict[str, Any]) -> str:
        """Why a release cannot use these parameters; empty when it can."""
        arguments = ["--self-check", "--parameters", msgspec.json.encode(values).decode()]
        output, log = self._folder / "self-check.json", self._folder / "self-check.log"
        async with self._alone:
            try:
                until_s = self._loop.time() + ANSWER_S
                status = await self._aside.run(release, arguments, output, log, until_s=until_s)
            except (CannotStart, OSError) as error:
                return f"its self-check could not be run: {error}"
            if status is None:
                return f"its self-check was not done after {ANSWER_S:g} s"
            return _refusal(log, status) if status else ""


def _refusal(log: Path, status: int) -> str:
    """A release's own words, without what to type at its own command line; how it ended when it found none."""
    with log.open("rb") as file:
        said = file.read(_SAID_MAX).decode(errors="replace").splitlines()
    words = next((line.removeprefix(_REFUSES) for line in said if line.startswith(_REFUSES)), "")
    return (words or f"its self-check failed: {Death(status, output=last_line(log))}")[:WORDS_MAX]
