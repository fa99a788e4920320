"""Market time: slots, the windows that follow one another in them, and the numbers of their decision ticks.

A **slot** is one asset on one timeframe ("BTC/5m"). A **window** is one market's life in it: it starts at a whole
multiple of the timeframe and lasts that long. A **tick** is one opportunity to decide. Its number is the market's time
in unix milliseconds: a cadence tick falls on a whole five seconds, and whatever comes in between (the faster beat of
the snipe window, a tick raised by a market event) is that cadence tick plus a sub-index. So a number names its moment,
can be computed again after a crash, and, because numbers of a slot only grow, is never used twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CADENCE_MS: Final = 5_000
"""Every slot is evaluated at least this often."""


class UnknownSlot(ValueError):
    """The text names no slot; a slot is written ASSET/TIMEFRAME, such as BTC/5m."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """One asset on one timeframe. `minutes` is 5 or 15."""

    asset: str
    minutes: int

    @property
    def name(self) -> str:
        """Such as BTC/5m."""
        return f"{self.asset}/{self.minutes}m"

    @property
    def window_s(self) -> int:
        """How long one window lasts."""
        return self.minutes * 60

    def window_start(self, unix_s: int) -> int:
        """The start of the window that a moment falls in, unix seconds; its end starts the next one."""
        return unix_s - unix_s % self.window_s

    def seconds_left(self, unix_s: int) -> int:
        """How long the window that a moment falls in still runs, 1 to `window_s`."""
        return self.window_s - unix_s % self.window_s


def parse_slot(name: str) -> Slot:
    """Read a name such as BTC/5m. Raises: UnknownSlot."""
    asset, _, minutes = name.partition("/")
    if not asset.isalnum() or minutes not in {"5m", "15m"}:
        raise UnknownSlot(f"{name!r} is no slot; write it like BTC/5m or ETH/15m")
    return Slot(asset.upper(), int(minutes[:-1]))


@dataclass(frozen=True, slots=True)
class Beat:
    """How often a slot is evaluated: every cadence, and every `fast_ms` while `snipe_s` or less of its window is left.

    Bounds: CADENCE_MS is a multiple of fast_ms, so that fast ticks and cadence ticks coincide.
    """

    snipe_s: int
    fast_ms: int


def next_tick(slot: Slot, beat: Beat, after_ms: int) -> int:
    """The first scheduled tick number of a slot that is greater than `after_ms`."""
    cadence = after_ms - after_ms % CADENCE_MS + CADENCE_MS
    window_ms = slot.window_s * 1_000
    snipe_ms = after_ms - after_ms % window_ms + window_ms - beat.snipe_s * 1_000
    earliest = max(after_ms + 1, snipe_ms)  # the snipe window may begin between two cadences
    return min(cadence, earliest + -earliest % beat.fast_ms)


def in_snipe_window(slot: Slot, beat: Beat, tick: int) -> bool:
    """Whether so little of the tick's window is left that entries may be made."""
    return slot.window_s * 1_000 - tick % (slot.window_s * 1_000) <= beat.snipe_s * 1_000


def schedule(slot: Slot, beat: Beat, after_ms: int, until_ms: int) -> Iterator[int]:
    """Every scheduled tick number in (after_ms, until_ms], in order: what must have happened, computed from nothing."""
    tick = next_tick(slot, beat, after_ms)
    while tick <= until_ms:
        yield tick
        tick = next_tick(slot, beat, tick)
