"""The one place a clock is read.

Three clocks, three jobs. `unix_ns` is the market's time: it names ticks and windows and stamps events; a rehearsal may
run it faster than the world, or on another day. `monotonic_ns` measures durations and deadlines and never steps.
`wall_ns` is the world's own time, for a person's log and for signatures that a venue checks against its own clock.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

NS: Final = 1_000_000_000
"""Nanoseconds in a second."""
DAY_NS: Final = 86_400 * NS


class Clock(Protocol):
    """What a process needs to know about time. Tests bring their own."""

    speed: float
    """Market seconds that pass in one real second; 1.0 outside rehearsals."""

    def unix_ns(self) -> int:
        """The market's time, nanoseconds since 1970 UTC."""

    def monotonic_ns(self) -> int:
        """A time that only grows, the same for every process of this machine; for durations and deadlines."""

    def wall_ns(self) -> int:
        """The world's time, nanoseconds since 1970 UTC."""


class SystemClock:
    """The market's time is the world's."""

    speed = 1.0

    def unix_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()


class RehearsalClock(SystemClock):
    """The market's time runs `speed` times as fast as the world's, from an anchor that every process shares.

    Args: market_ns: the market's time at the anchor. anchor_ns: the monotonic time at the anchor; that clock is one
    for the whole machine, so two processes with the same anchor agree to the nanosecond. speed: above 0.
    """

    def __init__(self, market_ns: int, anchor_ns: int, speed: float) -> None:
        self.market_ns = market_ns
        self.anchor_ns = anchor_ns
        self.speed = speed

    def unix_ns(self) -> int:
        return self.market_ns + int((time.monotonic_ns() - self.anchor_ns) * self.speed)


def real_seconds(clock: Clock, market_ns: int) -> float:
    """Real seconds until the market's time is `market_ns`; 0.0 when that is past."""
    return max(0.0, (market_ns - clock.unix_ns()) / NS / clock.speed)
