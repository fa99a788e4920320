"""What a candidate does while it is watched: its orders, its denials, the deadlines it misses, its memory.

A fold over journal entries, and over the memory that its heartbeats tell of. Leaves to `gates` how much is too much,
and to `comparing` what it decides. What always holds: only what names this worker counts, and memory is bounded.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from shared import entries as e
from shared.clock import NS

ORDERS_MAX: Final = 4_096
"""Orders whose answer is waited for; the oldest are given up."""
KINDS_MAX: Final = 64
"""Different reasons, or alarms, that are told apart."""
SAMPLE_S: Final = 5.0
"""Real seconds between two samples of the memory; heartbeats come more often."""
SAMPLES_MAX: Final = 720
"""Samples of the memory that are kept: the newest hour."""
SLOPE_MIN_S: Final = 120.0
"""A slope over less than this is noise: the allocator grows in steps."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen so far.

    `answered`: ticks it decided as the owner; `missed`: those it let pass its deadline, `missed_in_a_row` at most in
    one slot. `sent`: orders the venue was sent and `judged` those it answered, `rejected` of these those it refused.
    `denied`, `alarms`: how many by reason and by name. `slope_kib_per_min`: None while there are too few samples.
    """

    answered: int = 0
    missed: int = 0
    missed_in_a_row: int = 0
    sent: int = 0
    judged: int = 0
    rejected: int = 0
    denied: tuple[tuple[str, int], ...] = ()
    alarms: tuple[tuple[str, int], ...] = ()
    rss_kib: int = 0
    rss_max_kib: int = 0
    slope_kib_per_min: int | None = None


class Watch:
    """One worker, from the moment this is made. Args: slots: only ticks and orders of these; all when None."""

    def __init__(self, green: str, mono_ns: int, slots: frozenset[str] | None = None) -> None:
        self._green, self._slots = green, slots
        self._counts: Counter[str] = Counter()
        self._denied: Counter[str] = Counter()
        self._alarms: Counter[str] = Counter()
        self._in_a_row: Counter[str] = Counter()
        self._most_in_a_row = 0
        self._unanswered: dict[str, None] = {}
        self._rss: deque[tuple[int, int]] = deque(maxlen=SAMPLES_MAX)
        self._rss_kib = self._rss_max_kib = 0
        self._slope: int | None = None
        self._next_ns = mono_ns

    def see(self, entry: e.Entry, mono_ns: int) -> None:
        """Take one entry of the journal, in order; what does not name this worker passes through."""
        take = _SEE.get(type(entry))
        if take is not None:
            take(self, entry)

    def beat(self, rss_kib: int, mono_ns: int) -> None:
        """The worker's loop turned, and this is the memory it held."""
        self._rss_kib, self._rss_max_kib = rss_kib, max(rss_kib, self._rss_max_kib)
        if mono_ns >= self._next_ns:
            self._next_ns = mono_ns + round(SAMPLE_S * NS)
            self._rss.append((mono_ns, rss_kib))
            self._slope = slope_per_min(list(self._rss))

    def numbers(self) -> Watched:
        """What was seen up to now."""
        return Watched(
            **self._counts,
            missed_in_a_row=self._most_in_a_row,
            denied=tuple(sorted(self._denied.items())),
            alarms=tuple(sorted(self._alarms.items())),
            rss_kib=self._rss_kib,
            rss_max_kib=self._rss_max_kib,
            slope_kib_per_min=self._slope,
        )

    def _covers(self, entry: e.OutcomeOf | e.Placing) -> bool:
        return entry.by.uid == self._green and (self._slots is None or entry.slot in self._slots)

    def _on_outcome(self, outcome: e.OutcomeOf) -> None:
        if not self._covers(outcome):
            return
        if outcome.kind != "SKIP":
            self._counts["answered"] += 1
            self._in_a_row[outcome.slot] = 0
            for text in outcome.denied:
                _count(self._denied, denial(text))
        elif outcome.reason == "deadline":
            self._counts["missed"] += 1
            self._in_a_row[outcome.slot] += 1
            self._most_in_a_row = max(self._most_in_a_row, self._in_a_row[outcome.slot])

    def _on_placing(self, placing: e.Placing) -> None:
        if self._covers(placing):
            self._counts["sent"] += 1
            self._unanswered[placing.order_id] = None
            if len(self._unanswered) > ORDERS_MAX:
                del self._unanswered[next(iter(self._unanswered))]

    def _on_answered(self, answered: e.Answered) -> None:
        """An order that its own answer closes was refused; one that is unknown, or was taken, was not."""
        if answered.request == "place" and answered.order_id in self._unanswered:
            del self._unanswered[answered.order_id]
            self._counts["judged"] += answered.state != "unknown"
            self._counts["rejected"] += answered.state == "closed"

    def _on_alarm(self, alarm: e.Alarm) -> None:
        if self._green in alarm.detail.replace(":", " ").split():
            _count(self._alarms, alarm.name)


def denial(text: str) -> str:
    """The reason of a denial as an outcome tells it: "0 slot_cap: 4.00 + 1.00 is over 4.50" -> "slot_cap"."""
    return text.partition(" ")[2].partition(":")[0]


def slope_per_min(samples: list[tuple[int, int]]) -> int | None:
    """How fast a number grows for each minute, by least squares; None when the samples span too little.

    Args: samples: (monotonic ns, number), oldest first.
    """
    if len(samples) < 2 or samples[-1][0] - samples[0][0] < SLOPE_MIN_S * NS:
        return None
    minutes = [(at_ns - samples[0][0]) / (60 * NS) for at_ns, _ in samples]
    middle, mean = sum(minutes) / len(samples), sum(value for _, value in samples) / len(samples)
    spread = sum((at - middle) ** 2 for at in minutes)
    together = sum((at - middle) * (value - mean) for at, (_, value) in zip(minutes, samples, strict=True))
    return round(together / spread)


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < KINDS_MAX else "other"] += 1


_SEE: Final[dict[type, Callable[[Watch, Any], None]]] = {
    e.OutcomeOf: Watch._on_outcome,
    e.Placing: Watch._on_placing,
    e.Answered: Watch._on_answered,
    e.Alarm: Watch._on_alarm,
}
