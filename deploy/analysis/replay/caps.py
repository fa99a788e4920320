"""Which caps a desk had while a tape was written: as its own journal has them, as a file says, or the usual ones.

The tape itself does not tell of settings; the journal beside it has them whole, from each start on that changed them.
Leaves what a cap means to `shared.risk`. What always holds: where caps came from is said with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from deploy.analysis.replay.footage import Footage
from deploy.analysis.replay.job import DEFAULTS, Caps
from deploy.analysis.replay.live import KIND, NoJournal
from shared import entries as e
from shared.config import Risk, load
from shared.paths import State
from shared.records import Damaged, Segment, segments
from shared.risk import limits
from shared.units import show_usd

_TOLD: Final = e.Configuration.__struct_config__.tag
assert isinstance(_TOLD, str)
_MARK: Final = _TOLD.encode()
"""In every record that tells of settings, and in few others: only these are read."""


class InForce(msgspec.Struct, frozen=True):
    """Caps, oldest first, and where they came from in words that follow "from"."""

    caps: tuple[Caps, ...]
    source: str

    def between(self, from_ns: int, to_ns: int) -> tuple[Caps, ...]:
        """Those of a stretch of market time alone; the first of them as if it had always been."""
        before = [each for each in self.caps if each.since_ns <= from_ns][-1:] or [self.caps[0]]
        later = [each for each in self.caps if from_ns < each.since_ns <= to_ns and each is not before[0]]
        return Caps(0, before[0].limits), *later


def in_force(footage: Footage, config: Path | None = None) -> InForce:
    """The caps of whoever wrote a tape. Args: config: settings that say them instead, the file alone.

    Raises: shared.config.Faults; NoJournal: the one beside the tape is damaged.
    """
    if config is not None:
        return InForce((Caps(0, limits(load([config], environ={}).risk)),), str(config))
    folder = footage.folder.absolute()
    beside = State(folder.parent)
    known = _journal(beside.journal, footage.first.at_ns) if beside.tape == folder else ()
    return InForce(known, "the desk's journal") if known else InForce(DEFAULTS, "the default settings")


def told(caps: tuple[Caps, ...]) -> str:
    """The caps in dollars, for people; where they changed the newest ones, and how often they did."""
    newest = caps[-1].limits
    names = ("order", "slot", "asset", "side", "total", "day_loss")
    each = ", ".join(f"{name.replace('_', ' ')} {show_usd(getattr(newest, f'{name}_micro'))}" for name in names)
    return each + (f"; the last of {len(caps)} sets of them" if len(caps) > 1 else "")


def _journal(folder: Path, from_ns: int) -> tuple[Caps, ...]:
    """What a journal tells, back to whatever was in force at a moment. None of it is needed: there may be none."""
    known: list[Caps] = []
    try:
        for path in reversed(segments(folder)):
            known = [*_told_in(path), *known]
            if known and known[0].since_ns <= from_ns:
                break
    except (Damaged, e.UnknownEntry, OSError) as error:
        raise NoJournal(str(error)) from error
    return tuple(known)


def _told_in(path: Path) -> Iterator[Caps]:
    segment = Segment(path, KIND)
    for _, record in segment:
        if _MARK in record:
            line = e.decode_line(record)
            if isinstance(line.entry, e.Configuration):
                yield Caps(line.at_ns, limits(_risk(line.entry.values.get("risk", {}))))
    segment.refuse_changed()


def _risk(values: dict[str, object]) -> Risk:
    """What was written by this code or by that of another day: settings that are no more say nothing here."""
    return msgspec.convert({name: value for name, value in values.items() if name in Risk.__struct_fields__}, Risk)
