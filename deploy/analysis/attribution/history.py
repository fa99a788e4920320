"""What happened, as far as results are concerned: values that `gather.py` reads from the index and others judge.

One `Lot` is what one regime, release, parameter set or slot did in a period. Money in millionths, times unix
nanoseconds, sizes in millionths of a share. Nothing here is rounded, estimated or judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from deploy.analysis.attribution.calibration import Bin, Tally
from deploy.analysis.attribution.trades import Trade

GroupBy = Literal["regime", "release", "parameters", "slot", "hour"]
"""What is one row. An hour is of the day, UTC: the one in which a window lies, whose trades and decisions are its."""
VERSIONS: Final[frozenset[GroupBy]] = frozenset({"regime", "release", "parameters"})
"""Rows that can be held against each other; slots and hours are no versions of anything."""
Quarter = int
"""A quarter hour since 1970: what may be taken as one independent observation."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release as people name it. `number`: 42 for r42, 0 where it has none."""

    digest: str
    number: int

    @property
    def name(self) -> str:
        """Such as r42 9f31."""
        return f"r{self.number} {self.digest[:4]}" if self.number else self.digest[:8]

    @property
    def short(self) -> str:
        """Such as r42."""
        return f"r{self.number}" if self.number else self.digest[:8]


@dataclass(slots=True)
class Lot:
    """What was done under one key. `name`: as people call it. `regimes`: how many it covers.

    active_min: minutes in which it decided. windows: those it decided in that are resolved. ours, market: forecasts on
    the same decisions, by quarter. took_us, answered_us: how long decisions and the venue took, ascending. ordered,
    filled: shares of its orders that are over. slipped_micro: paid beyond the market's middle at the decision, in all
    the shares `slipped_shares` for which there was one; negative is better.
    """

    key: str
    name: str
    release: str = ""
    regimes: int = 1
    active_min: int = 0
    decisions: int = 0
    windows: set[tuple[str, int]] = field(default_factory=set)
    trades: list[Trade] = field(default_factory=list)
    ours: dict[Quarter, Tally] = field(default_factory=dict)
    market: dict[Quarter, Tally] = field(default_factory=dict)
    took_us: list[int] = field(default_factory=list)
    answered_us: list[int] = field(default_factory=list)
    orders: int = 0
    ordered_micro: int = 0
    filled_micro: int = 0
    slipped_micro: int = 0
    slipped_shares_micro: int = 0


@dataclass(frozen=True, slots=True)
class Holding:
    """What was held, or rested, when something changed. `by`: the release that entered it."""

    slot: str
    outcome: str
    size_micro: int
    cost_micro: int
    by: str


@dataclass(frozen=True, slots=True)
class Boundary:
    """Slots that passed together, or one change of control, venue, or record. `slots`: how many; 0 for all."""

    number: int
    at_ns: int
    kind: str
    op: str
    slots: int
    was: str
    now: str
    actor: str
    reason: str
    until_ns: int
    holdings: tuple[Holding, ...]
    resting: int


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of an operation."""

    op: str
    verb: str
    phase: str
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A slot decided by one release without a break, or ticks of it that nobody decided (`release` empty)."""

    slot: str
    release: str
    from_ns: int
    to_ns: int
    ticks: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cadence:
    """Ticks and their outcomes. `missing`: ticks that were shown and have no outcome, which must not be."""

    outcomes: int
    orders: int
    holds: int
    skips: dict[str, int]
    missing: int | None
    longest_ms: int
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two releases on the same ticks. errors: of the first less of the second, squared, by quarter: (n, sum).

    alike: how many of `pairs` wished the same.
    """

    first: str
    second: str
    pairs: int
    alike: int
    windows: int
    errors: dict[Quarter, tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A trade that somebody else closed than the release that entered."""

    slot: str
    start_s: int
    outcome: str
    entered: str
    left: str
    sold_micro: int
    proceeds_micro: int
    net_micro: int


@dataclass(frozen=True, slots=True)
class Money:
    """Where the money was at both ends of a period, and what the desk says of it.

    opening: equity at its beginning, by the cash that `opened_by` told. open_flow: of trades that were open at its end,
    what they had brought less what they cost; owed: what closed ones were still to bring. cash: at its end, by our
    books. told: by the desk's own word, which is `source`; None where nobody said. differs: shares of which books and
    desk say different things, in words.
    opening + transfers + net of closed trades = cash + owed - open_flow.
    """

    opening_micro: int
    transfers_micro: int
    closed_net_micro: int
    open_flow_micro: int
    owed_micro: int
    cash_micro: int
    told_micro: int | None
    opened_by: str
    source: str
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """Everything a report is made of."""

    mode: str
    from_ns: int
    until_ns: int
    by: GroupBy
    lots: list[Lot]
    releases: dict[str, Release]
    boundaries: list[Boundary]
    phases: list[Phase]
    cadence: Cadence
    pairs: list[Pairs]
    crossings: list[Crossing]
    money: Money


def bins(rows: list[tuple[int, int, int, int, int, int]], size: int) -> Tally:
    """A tally from rows of (bin, count, sum, sum of squares, ups, sum when Up)."""
    made = [Bin()] * size
    for place, *sums in rows:
        made[place] = Bin(*sums)
    return tuple(made)
