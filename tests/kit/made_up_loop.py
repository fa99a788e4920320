"""An event loop whose time is made up: nobody waits, and the same run happens in the same order every time.

Where a loop would sleep until its next timer, this one is there at once. Everything that runs in it - both sides of a
wire, their time-outs and back-offs - is the code that runs on a real loop. What always holds: nothing outside is
waited for; a loop with nothing left to do says so instead of standing still.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from typing import Final

from shared.clock import NS

BEGIN_S: Final = 1_000
"""What the monotonic clock says at the start."""


class StoodStill(AssertionError):
    """Everybody waits for something that nobody will bring."""


class _NobodyOutside(selectors.SelectSelector):
    """Stands in for the kernel: nothing ever arrives from outside, and waiting is done by letting time pass."""

    passed_ns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StoodStill("no timer is set and nothing is due")
        self.passed_ns += max(0, math.ceil(timeout * NS))
        return []


class MadeUpLoop(asyncio.SelectorEventLoop):
    """Use it as any loop; its `time` begins at BEGIN_S."""

    def __init__(self) -> None:
        self._made_up = _NobodyOutside()
        super().__init__(self._made_up)

    def time(self) -> float:
        return BEGIN_S + self._made_up.passed_ns / NS

    @property
    def passed_ns(self) -> int:
        """How much time has been made up."""
        return self._made_up.passed_ns


class MadeUpClock:
    """The three clocks of a made-up loop; market and world show the same time. Args: begin_ns: when it all begins."""

    speed = 1.0

    def __init__(self, loop: MadeUpLoop, begin_ns: int) -> None:
        self._loop, self._begin_ns = loop, begin_ns

    def unix_ns(self) -> int:
        return self._begin_ns + self._loop.passed_ns

    def monotonic_ns(self) -> int:
        return BEGIN_S * NS + self._loop.passed_ns

    def wall_ns(self) -> int:
        return self.unix_ns()
