"""Ends that a worker may come to."""

from __future__ import annotations

import signal
from typing import Final

from supervisor.death import Death

KILLED: Final = Death(-signal.SIGKILL)
"""Somebody else ended it."""
CRASHED: Final = Death(-signal.SIGSEGV)
"""It ended itself, and did not mean to."""
GAVE_UP: Final = Death(1, "it could not go on")
"""It ended itself, and said why."""
LEFT_BEHIND: Final = Death(3, output="the tape ends before the stream")
"""What it missed is nowhere any more."""
