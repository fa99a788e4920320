"""How far a sweep is, for people, on standard error: a line that changes where somebody watches, else a few that stay.

What always holds: nothing is drawn anew unless standard error is a terminal and no pipeline runs it.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from shared.clock import NS, Clock

REDRAW_NS: Final = NS // 5
"""Between two drawings of a line."""
LINE_NS: Final = 30 * NS
"""Between two lines that stay."""


class Progress:
    """Args: total: cells to be done; from_store: cells that were done before."""

    def __init__(self, total: int, clock: Clock) -> None:
        self._total, self._clock = total, clock
        self._animated = sys.stderr.isatty() and not os.environ.get("CI")
        self._began_ns = self._told_ns = clock.monotonic_ns()

    def moved(self, done: int, failed: int) -> None:
        """So many cells are over, failed ones among them."""
        now_ns = self._clock.monotonic_ns()
        if done < self._total and now_ns - self._told_ns < (REDRAW_NS if self._animated else LINE_NS):
            return
        self._told_ns = now_ns
        words = told(done, self._total, failed, (now_ns - self._began_ns) / NS)
        click.echo(f"\r\x1b[K{words}" if self._animated else words, err=True, nl=not self._animated)

    def end(self) -> None:
        """Leave the line that is drawn anew."""
        if self._animated:
            click.echo(err=True)


def told(done: int, total: int, failed: int, took_s: float) -> str:
    """How far it is, and how much longer it takes if the rest is like what was done."""
    left_s = took_s / done * (total - done) if done else 0.0
    time = f", {left_s:.0f} s left" if done < total and done else f" in {took_s:.0f} s" if done else ""
    return f"{done} of {total} cells{f', {failed} failed' if failed else ''}{time}"
