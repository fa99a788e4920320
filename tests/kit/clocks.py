"""Waiting in tests: for something to be so, with a bound, never for time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 60.0
"""Far more than anything should take, on any machine: a test that waits so long has failed."""
_LOOK_S: Final = 0.01


def eventually(done: Callable[[], object], seconds: float = PATIENCE_S) -> bool:
    """Look again and again until something is so; False when it never was."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK_S)
    return True
