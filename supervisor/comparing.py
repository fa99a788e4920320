"""Two releases on the same ticks: what each decided on the same input, held against the other.

A fold over journal entries and nothing else, so that whoever has the journal can compute it again. Whichever side owned
the slot, its outcome is paired with the other side's shadow of the same tick. What a difference means is left to
`gates`.

What always holds: each tick makes at most one pair, of the first word of each side; a tick that was skipped makes none;
each pair is of one class. A shadow's wishes stay unfulfilled and are repeated, and what follows the first difference of
a window is decided on an account that only one side would have: such pairs are `conditional`, and a wish counts once
for each window, at its largest. Memory is bounded, whatever the journal says.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Gates
from shared.slots import parse_slot
from shared.units import cost_of
from shared.wire import BadFrame, decode_decision

Class = Literal[
    "same",
    "hold_to_order",
    "order_to_hold",
    "side",
    "order_kind",
    "size",
    "price",
    "cancel",
    "late",
    "undecodable",
    "missing",
    "input",
]
"""What a pair is, of blue to green. `price`: beyond one price tick; `cancel`: same orders, other cancels.

`late`: green took too long, or was heard too long after the first word on the tick, whatever it said. `missing`: blue's
is there, green's is not. `input`: they did not decide on the same, which speaks against the comparison and not against
green.
"""

PENDING_MAX: Final = 16_384
"""Ticks that wait for their second side, or for their outcome."""
SAMPLES_MAX: Final = 8_192
"""Newest decision times that percentiles are exact over."""
GRIDS_MICRO: Final = (10_000, 1_000, 100)
"""Price grids, coarsest first. The journal does not tell when a market's grid changes; the prices themselves do."""
_DIVERGING: Final[frozenset[Class]] = frozenset(
    {"hold_to_order", "order_to_hold", "side", "order_kind", "size", "price"}
)

Said = e.OutcomeOf | e.Shadow


@dataclass(frozen=True, slots=True)
class Difference:
    """One pair that is not the same, for people who want to look at it."""

    kind: Class
    slot: str
    tick: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What was seen so far. Counts of pairs by class, then what is behind them; times in microseconds.

    `ticks`: ended with a decision. `pairs`: those both sides decided on the same input. `nudged`: of the same, those
    within one price tick. `fresh`: pairs with no difference before them in their window. `orders`: decisions that wish
    to trade; `wishes`, `notional_micro`: each wish of a window once, at its largest. `first`: the first difference.
    """

    ticks: int = 0
    pairs: int = 0
    slots: int = 0
    same: int = 0
    nudged: int = 0
    hold_to_order: int = 0
    order_to_hold: int = 0
    side: int = 0
    order_kind: int = 0
    size: int = 0
    price: int = 0
    cancel: int = 0
    late: int = 0
    undecodable: int = 0
    missing: int = 0
    input: int = 0
    fresh: int = 0
    fresh_hold_to_order: int = 0
    both_order: int = 0
    blue_orders: int = 0
    green_orders: int = 0
    blue_wishes: int = 0
    green_wishes: int = 0
    blue_notional_micro: int = 0
    green_notional_micro: int = 0
    samples: int = 0
    p50_us: int = 0
    p99_us: int = 0
    max_us: int = 0
    first: Difference | None = None

    @property
    def conditional(self) -> int:
        """Pairs that follow a difference of the same window."""
        return self.pairs - self.fresh


class Comparison:
    """What green and blue decide, from the moment this is made.

    Args: green: the candidate's uid. blue_release: whose decisions it is held against, whichever worker made them.
    slots: only these; all when None.
    """

    def __init__(self, green: str, blue_release: str, limits: Gates, slots: frozenset[str] | None = None) -> None:
        self._green, self._blue_release, self._slots = green, blue_release, slots
        self._missing_ns, self._late_us = round(limits.missing_s * NS), limits.late_ms * 1_000
        self._pending: dict[tuple[str, int], _Pending] = {}
        self._begun: set[str] = set()
        self._covered: set[str] = set()
        self._diverged: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._first: Difference | None = None
        self._took = Sample(SAMPLES_MAX)
        self._blue_wished, self._green_wished = _Wished(), _Wished()

    def see(self, entry: e.Entry, mono_ns: int) -> None:
        """Take one entry of the journal, in order; kinds that say nothing of decisions pass through."""
        if not isinstance(entry, Said) or (self._slots is not None and entry.slot not in self._slots):
            return
        self._forget(mono_ns)
        pending = self._pending.setdefault((entry.slot, entry.tick), _Pending(mono_ns))
        if isinstance(entry, e.OutcomeOf):
            self._end(pending, entry)
        self._note(pending, entry, mono_ns)
        if pending.ended and not pending.closed and pending.blue is not None and pending.green is not None:
            pending.closed = True
            self._pair(pending.blue, pending.green, max(pending.green.took_us, pending.behind_us))

    def summary(self, mono_ns: int) -> Summary:
        """What was seen up to now."""
        self._forget(mono_ns)
        return Summary(
            **self._counts,
            slots=len(self._covered),
            blue_wishes=self._blue_wished.count,
            green_wishes=self._green_wished.count,
            blue_notional_micro=self._blue_wished.notional_micro,
            green_notional_micro=self._green_wished.notional_micro,
            samples=len(self._took),
            p50_us=self._took.percentile(50),
            p99_us=self._took.percentile(99),
            max_us=self._took.percentile(100),
            first=self._first,
        )

    def _end(self, pending: _Pending, outcome: e.OutcomeOf) -> None:
        """A tick has its outcome. The first of a slot may have been shown, and answered, before anybody compared."""
        if outcome.kind == "SKIP":
            pending.closed = True
        elif not pending.ended:
            pending.ended, pending.owed = True, outcome.slot in self._begun
            self._counts["ticks"] += 1
        self._begun.add(outcome.slot)

    def _note(self, pending: _Pending, said: Said, mono_ns: int) -> None:
        """Keep the first word of each side."""
        if pending.closed:
            return
        if said.by.uid == self._green:
            if pending.green is None:
                pending.green, pending.behind_us = said, (mono_ns - pending.since_ns) // 1_000
                self._took.add(said.took_us)
        elif said.by.release == self._blue_release and pending.blue is None:
            pending.blue = said

    def _forget(self, mono_ns: int) -> None:
        """Let go of ticks that have waited long enough, oldest first; of those that wait for green it is missing."""
        while self._pending:
            key, oldest = next(iter(self._pending.items()))
            waited = mono_ns - oldest.since_ns >= self._missing_ns
            if not waited and len(self._pending) <= PENDING_MAX:
                return
            del self._pending[key]
            if waited and oldest.owed and not oldest.closed and oldest.blue is not None and oldest.green is None:
                self._count("missing", *key)

    def _pair(self, blue: Said, green: Said, needed_us: int) -> None:
        if (blue.read_seq, blue.by.parameters) != (green.read_seq, green.by.parameters):
            self._count("input", green.slot, green.tick)
            return
        ours, theirs = _decoded(blue), _decoded(green)
        if ours is None:
            self._count("input", green.slot, green.tick)  # there is nothing to hold green against
            return
        self._counts["pairs"] += 1
        self._covered.add(green.slot)
        kind: Class = "undecodable" if theirs is None else classify(ours, theirs)
        self._count("late" if theirs is not None and needed_us > self._late_us else kind, green.slot, green.tick)
        self._weigh(green, ours, theirs or m.Decision((), {}), kind)

    def _weigh(self, said: Said, ours: m.Decision, theirs: m.Decision, kind: Class) -> None:
        """Count what each side wished for, and whether the window went apart before."""
        window_s = parse_slot(said.slot).window_start(said.tick // 1_000)
        blue, green = _places(ours), _places(theirs)
        fresh = self._diverged.get(said.slot) != window_s
        if kind in _DIVERGING:
            self._diverged[said.slot] = window_s
        self._counts["fresh"] += fresh
        self._counts["fresh_hold_to_order"] += fresh and kind == "hold_to_order"
        self._counts["nudged"] += kind == "same" and [p.price_micro for p in blue] != [p.price_micro for p in green]
        self._counts["both_order"] += bool(blue and green)
        self._counts["blue_orders"] += bool(blue)
        self._counts["green_orders"] += bool(green)
        self._blue_wished.add(said.slot, window_s, blue)
        self._green_wished.add(said.slot, window_s, green)

    def _count(self, kind: Class, slot: str, tick: int) -> None:
        self._counts[kind] += 1
        if self._first is None and kind not in {"same", "input"}:
            self._first = Difference(kind, slot, tick)


def classify(blue: m.Decision, green: m.Decision) -> Class:
    """How green's wishes differ from blue's, the weightiest difference first; reasons are words and do not count."""
    ours, theirs = _places(blue), _places(green)
    if bool(ours) != bool(theirs):
        return "order_to_hold" if ours else "hold_to_order"
    if {(p.outcome, p.side) for p in ours} != {(p.outcome, p.side) for p in theirs}:
        return "side"
    if {(p.kind, p.post_only) for p in ours} != {(p.kind, p.post_only) for p in theirs}:
        return "order_kind"
    if [p.size_micro for p in ours] != [p.size_micro for p in theirs]:
        return "size"
    if any(not _near(p.price_micro, q.price_micro) for p, q in zip(ours, theirs, strict=True)):
        return "price"
    return "same" if _cancelled(blue) == _cancelled(green) else "cancel"


class Sample:
    """The newest numbers, up to a bound, with exact percentiles of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._newest: deque[int] = deque()
        self._sorted: list[int] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, value: int) -> None:
        """Take one more; the oldest goes when there are too many."""
        if len(self._newest) == self._most:
            del self._sorted[bisect_left(self._sorted, self._newest.popleft())]
        self._newest.append(value)
        insort(self._sorted, value)

    def percentile(self, percent: int) -> int:
        """The smallest number that so many of a hundred do not exceed; 0 of none. Args: percent: 1 to 100."""
        return self._sorted[-(-percent * len(self._sorted) // 100) - 1] if self._sorted else 0


@dataclass(slots=True)
class _Pending:
    """A tick until it is judged. `since_ns`: the first word on it; `behind_us`: how much later green's came.

    `owed`: it has a decision, and green was asked for one while this compared.
    """

    since_ns: int
    ended: bool = False
    owed: bool = False
    closed: bool = False
    blue: Said | None = None
    green: Said | None = None
    behind_us: int = 0


class _Wished:
    """What one side wished to trade: for each window of a slot each token and side once, at its largest."""

    def __init__(self) -> None:
        self.count = 0
        self.notional_micro = 0
        self._largest: dict[str, tuple[int | None, dict[tuple[str, str], int]]] = {}

    def add(self, slot: str, window_s: int, places: Iterable[m.Place]) -> None:
        """Take the wishes of one decision."""
        sums: Counter[tuple[str, str]] = Counter()
        for place in places:
            sums[place.outcome, place.side] += cost_of(place.size_micro, place.price_micro)
        newest_s, known = self._largest.get(slot, (None, {}))
        if newest_s != window_s:
            known = {}
            self._largest[slot] = (window_s, known)
        for wish, notional_micro in sums.items():
            self.count += wish not in known
            self.notional_micro += max(0, notional_micro - known.get(wish, 0))
            known[wish] = max(notional_micro, known.get(wish, 0))


def _decoded(said: Said) -> m.Decision | None:
    try:
        return decode_decision(bytes(said.decision))
    except BadFrame:
        return None


def _places(decision: m.Decision) -> list[m.Place]:
    """The wishes to trade, in an order that does not depend on how they were said."""
    places = [wish for wish in decision.intents if isinstance(wish, m.Place)]
    return sorted(places, key=lambda p: (p.outcome, p.side, p.kind, p.post_only, p.price_micro, p.size_micro))


def _cancelled(decision: m.Decision) -> set[str]:
    return {wish.order_id for wish in decision.intents if isinstance(wish, m.Cancel)}


def _near(blue_micro: int, green_micro: int) -> bool:
    """Whether two prices are within one tick of the coarsest grid that holds both."""
    tick_micro = next((grid for grid in GRIDS_MICRO if not (blue_micro % grid or green_micro % grid)), GRIDS_MICRO[-1])
    return abs(blue_micro - green_micro) <= tick_micro
