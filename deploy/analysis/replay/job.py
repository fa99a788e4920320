"""What is to be replayed, and what came of it: two plain values that travel between processes and machines as JSON.

Money is in millionths of collateral (`_micro`). What always holds: equal jobs on equal tapes give equal results but
for `took_ms`, on any machine: nothing of a result depends on a clock, on chance or on the order of a set.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from shared.config import Risk
from shared.risk import Limits, limits

Fills = Literal["recorded", "rehearsal"]
"""Whose orders fill: those that were really sent, as the tape tells; or the release's own wishes, on paper."""
CASH_MICRO: Final = 1_000_000_000
"""What a paper account begins with."""


class Caps(msgspec.Struct, frozen=True):
    """A desk's caps, and the moment of market time since when they were in force."""

    since_ns: int
    limits: Limits


DEFAULTS: Final = (Caps(0, limits(Risk())),)
"""Those of a desk that nobody has told otherwise."""


def limits_at(caps: tuple[Caps, ...], at_ns: int) -> Limits:
    """The caps in force at a moment; before the first ones were, those. Args: caps: one or more, oldest first."""
    return next((each.limits for each in reversed(caps) if each.since_ns <= at_ns), caps[0].limits)


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of one tape through one release.

    release: folder of a staged release or a checkout. tape: folder of its segments. parameters: instead of those in
    the stream; None for those. from_seq, to_seq: the frames whose ticks count, both included; None for the end.
    until_seq: the last frame that is looked at for the winners of windows still open at `to_seq`; None for the end.
    seed: names the orders of the paper account; nothing is drawn from it. cash_micro: what that account begins with.
    caps: of the desk that it is to be, one or more, oldest first.
    """

    release: str
    tape: str
    parameters: dict[str, Any] | None = None
    from_seq: int = 1
    to_seq: int | None = None
    until_seq: int | None = None
    fills: Fills = "recorded"
    seed: int = 0
    cash_micro: int = CASH_MICRO
    caps: tuple[Caps, ...] = DEFAULTS


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What of a result adds up over several: counts and money.

    orders: wishes to place that were taken; refused: wishes that were not, by the desk or by the venue. windows:
    resolved ones; traded: those of them in which something filled; wins: those of them with more than nothing left.
    gross, fees and net are of resolved windows only; unresolved: windows with shares that nobody named a winner of. The
    Brier sums are squared distances in ten-thousandths of a probability, over every decision that named a fair value
    and whose window resolved, of the release's and of the market's own odds at the same tick.
    """

    ticks: int = 0
    orders: int = 0
    refused: int = 0
    fills: int = 0
    windows: int = 0
    traded: int = 0
    wins: int = 0
    unresolved: int = 0
    gross_micro: int = 0
    fees_micro: int = 0
    net_micro: int = 0
    brier_count: int = 0
    brier_e8: int = 0
    brier_market_e8: int = 0


class Result(Sums, frozen=True, kw_only=True):
    """What came of a job.

    decisions: blake2b-128 over the encoded decisions in order. state: the same over what the release's fold ended as.
    holes: first and last missing frame. denied: wishes that the desk's caps and rules let not leave, by its own reason;
    rejected: orders that the venue's rules let not in, by what was wrong with them; both on paper alone.
    """

    frames: int
    decisions: str
    state: str
    seconds: float = 0.0
    holes: tuple[tuple[int, int], ...] = ()
    denied: dict[str, int] = {}
    rejected: dict[str, int] = {}
    took_ms: int = 0
