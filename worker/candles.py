"""Candles of one asset and one length, made from prices as they arrive.

A bucket is a whole multiple of the candle's length in market time, and a price belongs to the bucket in which it
*arrived*: that stamp never runs backwards, so a closed candle never changes. Leaves to others what the price is of.
What always holds: at most `count` closed candles and the open one are kept, a candle older than that counts for
nothing, and all of it is exact integers - so whoever reads the same last `count` buckets has the same candles. They
change when a bucket ends and at no other moment: what is computed of them is computed once a bucket, and no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from shared.clock import NS

T = TypeVar("T")
FOUND_MAX: Final = 64
"""How many functions' answers are remembered a bucket; a strategy asks a handful, always the same."""


class Candle(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Open, highest, lowest and last price of a bucket, in millionths; `start_s` is unix seconds."""

    start_s: int
    open_micro: int
    high_micro: int
    low_micro: int
    close_micro: int


class Closed(msgspec.Struct):
    """The closed candles during the bucket that begins at `now_s`, and what was computed of them."""

    now_s: int
    candles: tuple[Candle, ...]
    found: dict[Callable[..., Any], Any]


class Candles:
    """The last `count` buckets of `bucket_s` seconds each."""

    def __init__(self, bucket_s: int, count: int) -> None:
        self.bucket_s, self.count = bucket_s, count
        self._kept: deque[Candle] = deque()
        self._closed = Closed(-1, (), {})

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, at_ns: int, price_micro: int) -> None:
        """A price arrived. `at_ns` is not before any given earlier."""
        start_s = self._bucket(at_ns)
        last = self._kept[-1] if self._kept else None
        if last is None or last.start_s != start_s:
            self.forget(at_ns)
            self._kept.append(Candle(start_s, price_micro, price_micro, price_micro, price_micro))
            return
        high, low = max(last.high_micro, price_micro), min(last.low_micro, price_micro)
        self._kept[-1] = Candle(start_s, last.open_micro, high, low, price_micro)

    def forget(self, at_ns: int) -> None:
        """Drop what is older than `count` buckets before the one that `at_ns` falls in."""
        oldest_s = self._oldest(at_ns)
        while self._kept and self._kept[0].start_s < oldest_s:
            self._kept.popleft()

    def closed(self, at_ns: int) -> tuple[Candle, ...]:
        """The closed candles at a moment that is not before any given earlier, oldest first, without holes.

        At most `count`. A bucket in which no price arrived is flat at the close before it. Buckets before the first
        kept price are unknown, so a young or interrupted series is shorter.
        """
        return self._now(at_ns).candles

    def once(self, at_ns: int, fold: Callable[[tuple[Candle, ...]], T]) -> T:
        """What a pure function says of the closed candles; asked once a bucket, however often it is wanted.

        The function itself is the key: one of a module. A lambda made at every tick is a new one at every tick.
        """
        closed = self._now(at_ns)
        if fold in closed.found:
            found: T = closed.found[fold]
            return found
        found = fold(closed.candles)
        if len(closed.found) < FOUND_MAX:
            closed.found[fold] = found
        return found

    def image(self) -> tuple[Candle, ...]:
        """Everything kept: what two series are compared by."""
        return tuple(self._kept)

    def _now(self, at_ns: int) -> Closed:
        now_s = self._bucket(at_ns)
        if self._closed.now_s != now_s:
            self._closed = Closed(now_s, self._whole(self._oldest(at_ns), now_s), {})
        return self._closed

    def _whole(self, oldest_s: int, now_s: int) -> tuple[Candle, ...]:
        whole: list[Candle] = []
        for candle in self._kept:
            if oldest_s <= candle.start_s < now_s:
                self._fill(whole, candle.start_s)
                whole.append(candle)
        self._fill(whole, now_s)
        return tuple(whole)

    def _fill(self, whole: list[Candle], until_s: int) -> None:
        while whole and whole[-1].start_s + self.bucket_s < until_s:
            close = whole[-1].close_micro
            whole.append(Candle(whole[-1].start_s + self.bucket_s, close, close, close, close))

    def _bucket(self, at_ns: int) -> int:
        at_s = at_ns // NS
        return at_s - at_s % self.bucket_s

    def _oldest(self, at_ns: int) -> int:
        return self._bucket(at_ns) - self.count * self.bucket_s
