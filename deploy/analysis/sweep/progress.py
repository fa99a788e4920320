"""How far a sweep is, for people, on standard error: a line that changes where somebody watches, else a few that stay.

What always holds: nothing is drawn anew unless standard error is a terminal and no pipeline runs it.
"""

from __future__ import annotations

from typing import Final

import click

from deploy.analysis.replay.bar import Bar
from shared.clock import NS, Clock, SystemClock

LINE_NS: Final = 30 * NS
"""Between two lines that stay."""


class Progress:
    """A context; calling it says how many cells are over, failed ones among them. Args: total: how many there are."""

    def __init__(self, total: int, clock: Clock | None = None) -> None:
        self._total, self._clock = total, clock or SystemClock()
        self._bar = Bar("sweeping", clock=self._clock)
        self._began_ns = self._told_ns = self._clock.monotonic_ns()
        self._words = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(None, None, None)
        if self._words:
            click.echo(self._words, err=True)

    def __call__(self, done: int, failed: int) -> None:
        """So many cells are over."""
        now_ns = self._clock.monotonic_ns()
        self._words = told(done, self._total, failed, (now_ns - self._began_ns) / NS)
        if self._bar.animated:
            self._bar(done, self._total)
        elif now_ns - self._told_ns >= LINE_NS and done < self._total:
            self._told_ns = now_ns
            click.echo(self._words, err=True)


def told(done: int, total: int, failed: int, took_s: float) -> str:
    """How far it is, and how much longer it takes if the rest is like what was done."""
    left_s = took_s / done * (total - done) if done else 0.0
    time = f", {left_s:.0f} s left" if done < total and done else f" in {took_s:.0f} s" if done else ""
    return f"{done} of {total} cells{f', {failed} failed' if failed else ''}{time}"
