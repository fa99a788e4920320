"""How far something is, on the terminal's last line: a bar, a share, and when it will be done.

What always holds: nothing is drawn where nobody looks - no terminal, or a pipeline - and the line is gone at the end.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Final, TextIO

from shared.clock import NS, Clock, SystemClock

WIDTH: Final = 30
EVERY_NS: Final = NS // 10
"""Between two drawings."""


class Bar:
    """A context; calling it says how much is done, and of how much. Args: animated: None for where it makes sense."""

    def __init__(
        self, what: str, out: TextIO | None = None, clock: Clock | None = None, animated: bool | None = None
    ) -> None:
        self._what, self._out, self._clock = what, out or sys.stderr, clock or SystemClock()
        looked_at = self._out.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"
        self._animated = looked_at if animated is None else animated
        self._began_ns = self._clock.monotonic_ns()
        self._drawn_ns = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._drawn_ns:
            self._write("\r\x1b[K")

    def __call__(self, done: int, of: int) -> None:
        """Draw, if it is time to."""
        now_ns = self._clock.monotonic_ns()
        if not self._animated or of <= 0 or (self._drawn_ns and now_ns - self._drawn_ns < EVERY_NS):
            return
        self._drawn_ns = now_ns
        share = min(1.0, done / of)
        left = f"{(now_ns - self._began_ns) / NS * (1 - share) / share:.0f} s left" if share else ""
        full = round(WIDTH * share)
        self._write(f"\r\x1b[K{self._what} [{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%} {left}")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
