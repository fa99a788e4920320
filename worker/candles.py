"""Candles of one asset and one length, made from prices as they arrive.

A bucket is a whole multiple of the candle's length in market time, and a price belongs to the bucket in which it
*arrived*: that stamp never runs backwards, so a closed candle never changes. Leaves to others what the price is of.
What always holds: at most `count` closed candles and the open one are kept, a candle older than that counts for
nothing, and all of it is exact integers - so whoever reads the same last `count` buckets has the same candles.
"""

from __future__ import annotations

from collections import deque

import msgspec

from shared.clock import NS


class Candle(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Open, highest, lowest and last price of a bucket, in millionths; `start_s` is unix seconds."""

    start_s: int
    open_micro: int
    high_micro: int
    low_micro: int
    close_micro: int


class Candles:
    """The last `count` buckets of `bucket_s` seconds each."""

    def __init__(self, bucket_s: int, count: int) -> None:
        self.bucket_s, self.count = bucket_s, count
        self._kept: deque[Candle] = deque()

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

    def closed(self, at_ns: int) -> list[Candle]:
        """The closed candles at a moment, oldest first, without holes, at most `count`.

        A bucket in which no price arrived is flat at the close before it. Buckets before the first kept price are
        unknown, so a young or interrupted series is shorter.
        """
        oldest_s, now_s = self._oldest(at_ns), self._bucket(at_ns)
        whole: list[Candle] = []
        for candle in self._kept:
            if oldest_s <= candle.start_s < now_s:
                self._fill(whole, candle.start_s)
                whole.append(candle)
        self._fill(whole, now_s)
        return whole

    def image(self) -> tuple[Candle, ...]:
        """Everything kept: what two series are compared by."""
        return tuple(self._kept)

    def _fill(self, whole: list[Candle], until_s: int) -> None:
        while whole and whole[-1].start_s + self.bucket_s < until_s:
            close = whole[-1].close_micro
            whole.append(Candle(whole[-1].start_s + self.bucket_s, close, close, close, close))

    def _bucket(self, at_ns: int) -> int:
        at_s = at_ns // NS
        return at_s - at_s % self.bucket_s

    def _oldest(self, at_ns: int) -> int:
        return self._bucket(at_ns) - self.count * self.bucket_s
