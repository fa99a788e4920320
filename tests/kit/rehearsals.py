"""`foresight rehearse` as a pipeline types it, on a machine that has other things to do as well.

At speed, beside other tests, a release may answer later than a gate allows: it is rightly refused, or put back, and
nothing is lost by it. That is no verdict on the desk, so it is rehearsed anew, in a folder of its own. Whatever else is
wrong is wrong the first time.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from kit.desks import GATES_OF_SPEED, WORDS_OF_SPEED
from kit.releases import ROOT

from shared.paths import State

TRIES: Final = 3
LATE: Final = (*WORDS_OF_SPEED, *(f"{gate}: " for gate in sorted(GATES_OF_SPEED)))
"""How a deploy says that it failed for the time something took."""


def rehearsed(root: Path, *options: str, most_s: float) -> tuple[State, subprocess.CompletedProcess[str]]:
    """Rehearse in a new folder, `root` the first time, within so many seconds each time; what came of the last."""
    for number in range(TRIES):
        state = State(root.with_name(f"{root.name}{number or ''}"))
        command = [sys.executable, "-m", "deploy.foresight", "rehearse", "--json", "--state-dir", str(state.root)]
        ran = subprocess.run(
            [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=most_s
        )
        if not was_slow(ran.stdout):
            break
    return state, ran


def was_slow(stdout: str) -> bool:
    """Whether deploys failed, each for its lateness, and nothing else is wrong at all."""
    told: dict[str, Any] = msgspec.json.decode(stdout) if stdout else {}
    failed = [deployed["fault"] for deployed in told.get("deployed", ()) if deployed["exit"]]
    return bool(failed) and not told["faults"] and all(any(word in fault for word in LATE) for fault in failed)
