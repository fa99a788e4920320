"""Shapes that the last closed candles make: +1 speaks for Up, -1 for Down, 0 for neither.

Leaves to others how much a shape is worth. What always holds: only closed candles are looked at, a fixed number, in
exact integers; a market turned upside down makes the opposite shape; a candle that did not move makes none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from worker.candles import Candle

_LONG_SHADOW: Final = 2
"""A shadow is long from so many bodies on."""
_TREND: Final = 3
"""A reversal needs a move to reverse: over so many candles before it."""


def read(candles: Sequence[Candle]) -> dict[str, int]:
    """Every shape of SHAPES that is there, with the way it speaks for; their order is the table's."""
    found = ((name, shape(candles)) for name, shape in SHAPES.items())
    return {name: way for name, way in found if way}


def verdict(shapes: dict[str, int]) -> int:
    """What shapes say together: the way of more of them, 0 when they cancel out."""
    total = sum(shapes.values())
    return (total > 0) - (total < 0)


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
    was, now = _body(before), _body(last)
    if was < 0 < now and last.close_micro > before.open_micro and last.open_micro <= before.close_micro:
        return 1
    if now < 0 < was and last.close_micro < before.open_micro and last.open_micro >= before.close_micro:
        return -1
    return 0


def rejection(candles: Sequence[Candle]) -> int:
    """Hammer and shooting star: after a move, a candle that went on with it and was sent all the way back.

    The shadow on the move's side is twice the body or more, the one on the other side no longer than the body.
    """
    if len(candles) <= _TREND:
        return 0
    last, move = candles[-1], candles[-2].close_micro - candles[-1 - _TREND].open_micro
    body = abs(_body(last))
    upper = last.high_micro - max(last.open_micro, last.close_micro)
    lower = min(last.open_micro, last.close_micro) - last.low_micro
    if move < 0 and body and lower >= _LONG_SHADOW * body and upper <= body:
        return 1
    if move > 0 and body and upper >= _LONG_SHADOW * body and lower <= body:
        return -1
    return 0


def inside_break(candles: Sequence[Candle]) -> int:
    """An inside bar, and then a close outside the bar that held it: the pause is over, that way."""
    if len(candles) < 3:
        return 0
    mother, inside, last = candles[-3:]
    if inside.high_micro > mother.high_micro or inside.low_micro < mother.low_micro:
        return 0
    return int(last.close_micro > mother.high_micro) - int(last.close_micro < mother.low_micro)


def three_in_a_row(candles: Sequence[Candle]) -> int:
    """Three white soldiers, or three black crows: each body begins within the one before it and ends beyond it."""
    if len(candles) < 3:
        return 0
    ways = {_way(candle) for candle in candles[-3:]}
    if len(ways) > 1 or 0 in ways:
        return 0
    way = ways.pop()
    pairs = zip(candles[-3:-1], candles[-2:], strict=True)
    return way if all(_marches_on(before, after, way) for before, after in pairs) else 0


SHAPES: Final[dict[str, Callable[[Sequence[Candle]], int]]] = {
    "engulfing": engulfing,
    "rejection": rejection,
    "inside_break": inside_break,
    "three_in_a_row": three_in_a_row,
}


def _body(candle: Candle) -> int:
    return candle.close_micro - candle.open_micro


def _way(candle: Candle) -> int:
    body = _body(candle)
    return (body > 0) - (body < 0)


def _marches_on(before: Candle, after: Candle, way: int) -> bool:
    within = min(before.open_micro, before.close_micro) <= after.open_micro
    within = within and after.open_micro <= max(before.open_micro, before.close_micro)
    return within and way * (after.close_micro - before.close_micro) > 0
