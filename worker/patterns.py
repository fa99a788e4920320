"""Shapes that the last closed candles make: +1 speaks for Up, -1 for Down, 0 for neither.

Leaves to others how much a shape is worth. What always holds: only closed candles are looked at, a fixed number.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.candles import Candle


def breakout(candles: Sequence[Candle], over: int) -> int:
    """Whether the last close left the range of the `over` candles before it; 0 also while there are fewer."""
    if len(candles) <= over:
        return 0
    last, before = candles[-1], candles[-1 - over : -1]
    above = last.close_micro > max(candle.high_micro for candle in before)
    below = last.close_micro < min(candle.low_micro for candle in before)
    return int(above) - int(below)


def engulfing(candles: Sequence[Candle]) -> int:
    """Whether the last candle's body swallowed an opposite body before it: a turn."""
    if len(candles) < 2:
        return 0
    before, last = candles[-2], candles[-1]
    was, now = before.close_micro - before.open_micro, last.close_micro - last.open_micro
    if was < 0 < now and last.close_micro > before.open_micro and last.open_micro <= before.close_micro:
        return 1
    if now < 0 < was and last.close_micro < before.open_micro and last.open_micro >= before.close_micro:
        return -1
    return 0
