"""Scenarios: a file that says which fault begins when. Text in, checked values out; all that is wrong is told together.

    [[fault]]
    kind = "drop_answer"            a kind of `faults.py`, and its arguments
    after_orders = 3                when: one of at, after_s, window (with offset_s) and after_orders

`at` is a time of day, the next one after the venue's start; `after_s` counts market seconds from that start; `window`
("5m") and `offset_s` name a moment of such windows, after their start or, if negative, before their end;
`after_orders` is the turn after so many orders were taken. A venue that is started again begins its scenario anew.
Leaves beginning faults to `director.py`. What always holds: the same scenario and start give the same moments.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from deploy.rehearsal.days import DAY_S
from deploy.rehearsal.faults import COUNT_MAX, LENGTH_MAX_S, Fault, Unfit, nearest, read_fault

FAULTS_MAX: Final = 1_000
BYTES_MAX: Final = 1 << 20
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_WINDOW = re.compile(r"([1-9][0-9]?)m")
_WITH_WINDOW: Final = ("offset_s", "windows")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class At:
    """A time of day, seconds after midnight UTC: the next one, once."""

    second: int

    def due_ms(self, now_ms: int) -> int:
        """When it is due next, not before now."""
        midnight_ms = now_ms // (DAY_S * 1_000) * DAY_S * 1_000
        due_ms = midnight_ms + self.second * 1_000
        return due_ms if due_ms >= now_ms else due_ms + DAY_S * 1_000


@dataclass(frozen=True, slots=True)
class After:
    """So many market seconds after the venue began, once."""

    after_s: int

    def due_ms(self, now_ms: int) -> int:
        """When it is due, seen from the beginning."""
        return now_ms + self.after_s * 1_000


@dataclass(frozen=True, slots=True)
class InWindows:
    """A moment of each of the next windows of a length: seconds after the start, or before the end if negative.

    windows: how many of them; 0 is all.
    """

    interval_s: int
    offset_s: int
    windows: int

    def due_ms(self, now_ms: int) -> int:
        """The next such moment, not before now."""
        into_s = self.offset_s % self.interval_s
        start_s = (now_ms // 1_000 - into_s) // self.interval_s * self.interval_s
        due_ms = (start_s + into_s) * 1_000
        return due_ms if due_ms >= now_ms else due_ms + self.interval_s * 1_000


@dataclass(frozen=True, slots=True)
class AfterOrders:
    """The turn after so many orders were taken, once."""

    orders: int


When = At | After | InWindows | AfterOrders


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault and when it begins."""

    when: When
    fault: Fault


def read_scenario(text: str) -> tuple[Planned, ...]:
    """Read a scenario file. Raises: Unfit: a line for each thing that is wrong, naming the fault by its place."""
    if len(text) > BYTES_MAX:
        raise Unfit([f"it is longer than {BYTES_MAX} letters"])
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Unfit([f"it is no TOML: {error}"]) from error
    lines = [f"unknown key {key!r}{nearest(key, ['fault'])}" for key in document if key != "fault"]
    faults = document.get("fault", [])
    if not isinstance(faults, list) or not all(isinstance(said, dict) for said in faults):
        raise Unfit([*lines, "faults are written as [[fault]] tables"])
    if len(faults) > FAULTS_MAX:
        raise Unfit([f"it has {len(faults)} faults, {FAULTS_MAX} are the most"])
    planned = [_planned(said, f"fault {number}", lines) for number, said in enumerate(faults, 1)]
    if lines:
        raise Unfit(lines)
    if not planned:
        raise Unfit(["it names no fault; write [[fault]] and kind = ..."])
    return tuple(each for each in planned if each is not None)


def _planned(said: Mapping[str, Any], place: str, lines: list[str]) -> Planned | None:
    """One table of the file; what is wrong with it is added to the lines."""
    timing = {key: value for key, value in said.items() if key in (*_READS, *_WITH_WINDOW)}
    when = _tried(lambda: _when(timing), place, lines)
    fault = _tried(lambda: read_fault(_rest(said, timing)), place, lines)
    return Planned(when, fault) if when is not None and fault is not None else None


def _tried(step: Callable[[], _T], place: str, lines: list[str]) -> _T | None:
    try:
        return step()
    except Unfit as unfit:
        lines += [f"{place}: {line}" for line in unfit.lines]
        return None


def _rest(said: Mapping[str, Any], timing: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key not in timing}


def _when(timing: Mapping[str, Any]) -> When:
    named = [key for key in _READS if key in timing]
    if len(named) != 1:
        said = f"{' and '.join(named)} are both there" if named else "nothing says when"
        raise Unfit([f"{said}; give one of {', '.join(_READS)}"])
    stray = [key for key in _WITH_WINDOW if key in timing and named[0] != "window"]
    if stray:
        raise Unfit([f"{stray[0]} goes with window, not with {named[0]}"])
    return _READS[named[0]](timing)


def _at(timing: Mapping[str, Any]) -> At:
    text = timing["at"]
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Unfit([f'at is a time of day in UTC, written "HH:MM" or "HH:MM:SS", not {text!r}'])
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return At(hours * 3_600 + minutes * 60 + seconds)


def _after(timing: Mapping[str, Any]) -> After:
    return After(_whole(timing, "after_s", 0, LENGTH_MAX_S))


def _after_orders(timing: Mapping[str, Any]) -> AfterOrders:
    return AfterOrders(_whole(timing, "after_orders", 1, COUNT_MAX))


def _window(timing: Mapping[str, Any]) -> InWindows:
    text = timing["window"]
    found = _WINDOW.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Unfit([f'window is a length, written "5m" or "15m", not {text!r}'])
    if "offset_s" not in timing:
        raise Unfit(["window needs offset_s: seconds after its start, or before its end if negative"])
    interval_s = int(found.group(1)) * 60
    offset_s = _whole(timing, "offset_s", 1 - interval_s, interval_s - 1)
    return InWindows(interval_s, offset_s, _whole(timing, "windows", 0, COUNT_MAX) if "windows" in timing else 1)


def _whole(timing: Mapping[str, Any], key: str, low: int, high: int) -> int:
    value = timing[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit([f"{key} is a whole number, not {value!r}"])
    if not low <= value <= high:
        raise Unfit([f"{key} lies between {low} and {high}, not at {value}"])
    return value


_READS: Final[dict[str, Callable[[Mapping[str, Any]], When]]] = {
    "at": _at,
    "after_s": _after,
    "window": _window,
    "after_orders": _after_orders,
}
"""How each word for a moment is read."""
