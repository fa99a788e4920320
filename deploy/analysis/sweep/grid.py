"""The grid of a sweep: parameters as people write them, and every combination of their values, in one fixed order.

Pure. Leaves to the release which names there are and which values each may have. What always holds: the same texts give
the same points in the same order; a decimal stays what was written, so a step of 0.1 never ends in 0.30000000000000004.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import Final

import msgspec

Value = bool | int | float | str
Point = Mapping[str, Value]
"""One set of parameters, by name: what is not named has the release's own default. The empty one is as recorded."""

VALUES_MAX: Final = 1_000
"""Values of one parameter."""
POINTS_MAX: Final = 100_000
"""Points of one grid."""
_WORDS: Final = {"true": True, "false": False}


class BadGrid(ValueError):
    """A text is no parameter with values, or the grid is too large; it says which and how it is written."""


class Axis(msgspec.Struct, frozen=True):
    """One parameter and the values it shall take."""

    name: str
    values: tuple[Value, ...]


def axis(text: str) -> Axis:
    """Read `stake_usd=1:5:1`, a first and a last value and a step, or `mode=on,off`, or `last_s=4`. Raises: BadGrid."""
    name, equals, values = text.partition("=")
    if not equals or not name.isidentifier() or not values:
        raise BadGrid(f"{text!r} is no parameter; write it like stake_usd=1:5:1 or mode=on,off")
    read = tuple(_steps(text, values) if ":" in values else map(_value, values.split(",")))
    if len(set(map(_same, read))) < len(read):
        raise BadGrid(f"{text!r} names a value twice")
    if len(read) > VALUES_MAX:
        raise BadGrid(f"{text!r} has {len(read)} values, at most {VALUES_MAX} can be tried")
    return Axis(name, read)


def points(axes: Iterable[Axis]) -> list[Point]:
    """Every combination, the last parameter changing fastest; of no axes the one point that changes none.

    Raises: BadGrid: a parameter is named twice, or there are more than POINTS_MAX.
    """
    axes = list(axes)
    twice = sorted({one.name for one in axes if sum(other.name == one.name for other in axes) > 1})
    if twice:
        raise BadGrid(f"{', '.join(twice)} is named twice; write all values of it at once")
    count = math.prod(len(one.values) for one in axes)
    if count > POINTS_MAX:
        raise BadGrid(f"the grid has {count} points, at most {POINTS_MAX} can be tried")
    names = [one.name for one in axes]
    return [dict(zip(names, values, strict=True)) for values in product(*(one.values for one in axes))]


def shown(point: Point) -> str:
    """A point as it can be typed again: `stake_usd=2 mode=on`; `as recorded` for the one without."""
    return " ".join(f"{name}={_typed(value)}" for name, value in point.items()) or "as recorded"


def _typed(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _same(value: Value) -> tuple[bool, Value]:
    """2 and 2.0 are one value, 1 and true are two."""
    return isinstance(value, bool), value


def _value(text: str) -> Value:
    """A number, true or false as what it is, everything else as text."""
    if text in _WORDS:
        return _WORDS[text]
    number = _number(text)
    return text if number is None else _plain(number)


def _steps(text: str, values: str) -> list[Value]:
    numbers = [_number(part) for part in values.split(":")]
    if len(numbers) != 3 or None in numbers:
        raise BadGrid(f"{text!r}: a range has three numbers, a first and a last value and a step, like 1:5:1")
    first, last, step = (number for number in numbers if number is not None)
    if step == 0 or (last - first) / step < 0:
        raise BadGrid(f"{text!r}: steps of {step} never lead from {first} to {last}")
    count = int((last - first) / step) + 1
    if count > VALUES_MAX:
        raise BadGrid(f"{text!r} has {count} values, at most {VALUES_MAX} can be tried")
    return [_plain(first + step * number) for number in range(count)]


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 18 else None


def _plain(number: Decimal) -> int | float:
    """Whole as int, all else as the float that is written so."""
    whole = number == number.to_integral_value() and "." not in str(number)
    return int(number) if whole else float(number)
