"""What others traded of one token in the last minute, in buckets: what a share of it has cost of late.

A book says what is asked, trades say what was paid. Only prices and sizes are used: the side that the venue names is
not always right. What always holds: exact integers, at most `count` whole buckets and the open one, and a bucket older
than that counts for nothing - whoever reads the same minute has the same numbers.
"""

from __future__ import annotations

from collections import deque

import msgspec

from shared.clock import NS
from shared.units import MICRO
from worker.indicators import Vwap


class Dealt(msgspec.Struct, array_like=True, gc=False):
    """One bucket's trades: shares, and the money paid for them, in millionths; `start_s` is unix seconds."""

    start_s: int
    size_micro: int = 0
    paid_micro: int = 0


class Turnover:
    """The last `count` buckets of `bucket_s` seconds each, and the open one."""

    def __init__(self, bucket_s: int, count: int) -> None:
        self.bucket_s, self.count = bucket_s, count
        self._kept: deque[Dealt] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, at_ns: int, price_micro: int, size_micro: int) -> None:
        """A trade was reported. `at_ns` is not before any given earlier."""
        start_s = self._bucket(at_ns)
        if not self._kept or self._kept[-1].start_s != start_s:
            self.forget(at_ns)
            self._kept.append(Dealt(start_s))
        dealt = self._kept[-1]
        dealt.size_micro += size_micro
        dealt.paid_micro += price_micro * size_micro // MICRO

    def forget(self, at_ns: int) -> None:
        """Drop what is older than `count` buckets before the one that `at_ns` falls in."""
        oldest_s = self._bucket(at_ns) - self.count * self.bucket_s
        while self._kept and self._kept[0].start_s < oldest_s:
            self._kept.popleft()

    def vwap(self, at_ns: int) -> int | None:
        """The average price by volume, in millionths a share; None when nothing was traded."""
        oldest_s, average = self._bucket(at_ns) - self.count * self.bucket_s, Vwap(self.count + 1)
        for dealt in self._kept:
            if dealt.start_s >= oldest_s:
                average.update(dealt)
        return None if average.value is None else round(average.value)

    def image(self) -> tuple[Dealt, ...]:
        """Everything kept: what two of them are compared by."""
        return tuple(self._kept)

    def _bucket(self, at_ns: int) -> int:
        at_s = at_ns // NS
        return at_s - at_s % self.bucket_s
