"""A line on stderr that says how far something has come, for a person who looks at it and for nobody else.

It moves only on a terminal, and not in a pipeline; it is gone when the work is over: what is left is the result.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Final

import click

from shared.clock import NS, SystemClock

AGAIN_NS: Final = NS // 10
"""The line is written at most so often."""
WIDTH: Final = 30
"""Of the bar, in letters."""
_CLEAR: Final = "\r\x1b[K"


class Meter:
    """Used as a context; `tell` costs nothing where nobody looks."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.watched = sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
        self._said_ns = 0

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._said_ns:
            click.echo(_CLEAR, err=True, nl=False)

    def tell(self, part: float, words: str) -> None:
        """How much is done, 0 to 1, and what is said of it."""
        now_ns = SystemClock().monotonic_ns()
        if self.watched and now_ns - self._said_ns >= AGAIN_NS:
            self._said_ns = now_ns
            click.echo(f"{_CLEAR}{self.what}  {bar(part)}  {words}", err=True, nl=False)


def bar(part: float) -> str:
    """A bar that is filled so far: `#####.....  50 %`."""
    full = round(min(1.0, max(0.0, part)) * WIDTH)
    return f"{'#' * full}{'.' * (WIDTH - full)} {min(1.0, max(0.0, part)):4.0%}"
