"""Numbers, durations, moments and texts on a command line, each within its bound. What they mean is the commands'."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from shared.clock import NS

DAY_S: Final = 86_400.0
MILLISECOND_S: Final = 0.001
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", re.ASCII)


class FiniteRange(click.FloatRange):
    """As click's range, but what is no number or has no end is outside of every one: "nan" would pass both bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number. Raises: click.BadParameter: it is none, or not in the range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class Duration(click.ParamType[float]):
    """A time as people write it, read as seconds: 90s, 10m, 2h, 1.5h, 1d; 0 needs no unit.

    Args: most_s, least_s: its bounds. bare: whether a number alone is seconds; else it is refused, for whoever writes
    `--bake 30` may well mean minutes.
    """

    name = "duration"

    def __init__(self, most_s: float = DAY_S, *, least_s: float = 0.0, bare: bool = False) -> None:
        self.most_s, self.least_s, self.bare = most_s, least_s, bare

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a duration. Raises: click.BadParameter: it is none, or too long."""
        text = str(value)
        unitless = text == "0" or (self.bare and text.replace(".", "", 1).isdecimal())
        found = _DURATION.fullmatch(f"{text}s" if unitless else text)
        if found is None:
            self.fail(f"{value!r} is no duration; write it like 90s, 10m, 2h or 1.5h.", param, ctx)
        seconds = float(found[1]) * _UNITS_S[found[2]]
        if seconds > self.most_s:
            self.fail(f"{value!r} is longer than {self.most_s / 3_600:g}h.", param, ctx)
        if seconds < self.least_s:
            self.fail(f"{value!r} is no time at all; write it like 90s, 10m, 2h or 1.5h.", param, ctx)
        return seconds


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER_NS: Final = 2**63 - 1
"""Later than any moment, and still a number that every store can hold."""


def moment_ns(text: str) -> int:
    """A day or a time, UTC unless it says otherwise, as unix nanoseconds of whole microseconds.

    Raises: ValueError: it is none, or not between 1970 and 2262.
    """
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    at_ns = (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
    if not 0 <= at_ns < FOREVER_NS:
        raise ValueError(f"{text} is before 1970 or after 2262")
    return at_ns


def stamp(at_ns: int, *, millis: bool = False) -> str:
    """A moment in UTC to the second, or the millisecond: as `moment_ns` reads it."""
    moment = datetime.fromtimestamp(at_ns // NS, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{at_ns % NS // 1_000_000:03d}Z" if millis else f"{moment}Z"


class Moment(click.ParamType[int]):
    """A market time in UTC, read as nanoseconds: 2026-11-28, 2026-11-28T14:05 or 2026-11-28T14:05:30."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a time. Raises: click.BadParameter."""
        if isinstance(value, int):
            return value
        try:
            return moment_ns(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; write it like 2026-11-28 or 2026-11-28T14:05, in UTC.", param, ctx)


class Text(click.ParamType[str]):
    """Words of a bounded length. Args: most: letters. shape: what all of it has to match; example: such a text."""

    name = "text"

    def __init__(self, most: int, shape: str = "", example: str = "") -> None:
        self.most, self.shape, self.example = most, shape, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a text. Raises: click.BadParameter: it is too long, or of another shape."""
        text = str(value)
        if len(text) > self.most:
            self.fail(f"{len(text)} letters are over the bound of {self.most}.", param, ctx)
        if text and self.shape and not re.fullmatch(self.shape, text, re.ASCII):
            self.fail(f"{value!r} cannot be used; write it like {self.example}.", param, ctx)
        return text
