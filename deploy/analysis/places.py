"""The places of a tape as people write them: a moment in UTC, a time before the tape's end, or a frame's number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import click

from deploy.ranges import moment_ns
from shared.clock import NS

EXAMPLES: Final = "2026-07-24T14:00, 14:00, -2h or 4711"
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGO: Final = re.compile(r"-(\d{1,9}(?:\.\d{1,9})?)([smhd])", re.ASCII)
_SEQ: Final = re.compile(r"#?(\d{1,18})", re.ASCII)
_CLOCK: Final = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """One of the three: `seq` a frame, `at_ns` a moment, `before_s` so long before the end, `of_day_s` on its day."""

    seq: int | None = None
    at_ns: int | None = None
    before_s: float | None = None
    of_day_s: int | None = None

    @property
    def floats(self) -> bool:
        """Whether where it is depends on where a tape ends."""
        return self.seq is None and self.at_ns is None

    def fixed(self, end_ns: int) -> Place:
        """The same place, as a moment if it is no frame, on a tape that ends then."""
        return self if self.seq is not None else Place(at_ns=self.moment(end_ns))

    def reached(self, seq: int, at_ns: int) -> bool:
        """Whether a frame of this number and time is there, or further on. Of a place that does not float."""
        return self._compared(seq, at_ns) >= 0

    def passed(self, seq: int, at_ns: int) -> bool:
        """Whether a frame of this number and time is further on. Of a place that does not float."""
        return self._compared(seq, at_ns) > 0

    def _compared(self, seq: int, at_ns: int) -> int:
        if self.seq is not None:
            return seq - self.seq
        assert self.at_ns is not None, "where a tape ends was not looked up"
        return at_ns - self.at_ns

    def moment(self, end_ns: int) -> int:
        """The moment of a place that is no frame, on a tape that ends then."""
        if self.at_ns is not None:
            return self.at_ns
        if self.before_s is not None:
            return end_ns - round(self.before_s * NS)
        assert self.of_day_s is not None, "a frame's number is no moment"
        at_ns = (end_ns // NS // 86_400 * 86_400 + self.of_day_s) * NS
        return at_ns if at_ns <= end_ns else at_ns - 86_400 * NS


class PlaceType(click.ParamType[Place]):
    """Reads a place. A time without a day is the last such one on the tape."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Read a place. Raises: click.BadParameter."""
        if isinstance(value, Place):
            return value
        text = str(value).strip()
        if found := _SEQ.fullmatch(text):
            return Place(seq=int(found[1]))
        if found := _AGO.fullmatch(text):
            return Place(before_s=float(found[1]) * _UNITS_S[found[2]])
        if found := _CLOCK.fullmatch(text):
            hours, minutes, seconds = (int(part or 0) for part in found.groups())
            if hours < 24 and minutes < 60 and seconds < 60:
                return Place(of_day_s=hours * 3_600 + minutes * 60 + seconds)
        return Place(at_ns=self._moment(text, param, ctx))

    def _moment(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            if ":" not in text and "T" in text:
                raise ValueError(text)
            return moment_ns(text)
        except ValueError:
            self.fail(f"{text!r} is no place on a tape; write it like {EXAMPLES}.", param, ctx)
