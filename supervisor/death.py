"""How a process of ours ended: what its parent was told of it, and the sentence that people read.

Leaves to `workers` and `aside` who waits for the end, and to `staff` and `operations` what a death costs. What always
holds: the sentence is made from the facts, and nothing is decided by it.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a process.

    status: its exit code, 0 or more; below 0 the number of the signal that ended it, negated; None: it never began.
    said: what it said itself of why it ends, or why it could not begin; empty when it said nothing. output: the last
    line of its output, which may be empty.
    """

    status: int | None
    said: str = ""
    output: str = ""

    @property
    def from_outside(self) -> bool:
        """Whether it was killed and had not said that it ends: somebody else's doing, and not its release's."""
        return self.status == -signal.SIGKILL and not self.said

    def __str__(self) -> str:
        """The end as a person reads it: its own words, or else how it ended, with the last line of its output."""
        if self.said or self.status is None:
            return self.said
        how = f"killed by {_signal_name(-self.status)}" if self.status < 0 else f"exit code {self.status}"
        return f"{how}; last output: {self.output}" if self.output else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has a number only
        return f"signal {number}"
