"""What was answered live: every decision of the journal, by the frame it was made on, with who made it.

An owner's decision is in its tick's OUTCOME, everybody else's in a SHADOW. Of each only its digest is kept, so that a
week's answers fit in memory; the one that differs is read again. Leaves comparing to `parity`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from sys import intern
from typing import Final

from shared import entries as e
from shared.records import Damaged, read

KIND: Final = "journal"
_DIGEST: Final = 16


class NoJournal(Exception):
    """There is no journal, or it cannot be believed; the text names the place."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One live decision. record: the journal's number of it. uid: the worker. shadow: it did not own the slot."""

    record: int
    seq: int
    slot: str
    tick: int
    release: str
    parameters: str
    uid: str
    shadow: bool
    digest: bytes


@dataclass(slots=True)
class Live:
    """`releases`: how often each release answered as an owner, in the order in which they began. skipped: ticks that
    nobody decided.
    """

    answers: list[Answer] = field(default_factory=list)
    releases: dict[str, int] = field(default_factory=dict)
    skipped: int = 0


def gather(folder: Path, from_seq: int = 1, to_seq: int | None = None) -> Live:
    """Every decision that was made on a frame of a range. Raises: NoJournal."""
    live = Live()
    for number, entry in _entries(folder):
        if isinstance(entry, e.OutcomeOf | e.Shadow):
            if isinstance(entry, e.OutcomeOf) and entry.kind == "SKIP":
                live.skipped += 1
            elif from_seq <= entry.read_seq and (to_seq is None or entry.read_seq <= to_seq):
                live.answers.append(_answer(number, entry))
    for answer in live.answers:
        live.releases[answer.release] = live.releases.get(answer.release, 0) + (not answer.shadow)
    return live


def decision(folder: Path, record: int) -> bytes:
    """The decision of one record, as the worker sent it. Raises: NoJournal."""
    for number, entry in _entries(folder, record):
        if number == record and isinstance(entry, e.OutcomeOf | e.Shadow):
            return bytes(entry.decision)
    raise NoJournal(f"{folder} has no decision in record {record}")


def digest(decision: bytes) -> bytes:
    """The name of a decision's bytes."""
    return blake2b(decision, digest_size=_DIGEST).digest()


def _answer(number: int, entry: e.OutcomeOf | e.Shadow) -> Answer:
    by, shadow = entry.by, isinstance(entry, e.Shadow)
    name = digest(bytes(entry.decision))
    slot, release, parameters, uid = map(intern, (entry.slot, by.release, by.parameters, by.uid))
    return Answer(number, entry.read_seq, slot, entry.tick, release, parameters, uid, shadow, name)


def _entries(folder: Path, from_number: int = 0) -> Iterator[tuple[int, e.Entry]]:
    if not folder.is_dir():
        raise NoJournal(f"{folder} is not there")
    try:
        for number, record in read(folder, KIND, from_number):
            yield number, e.decode_line(record).entry
    except (Damaged, e.UnknownEntry, OSError) as error:
        raise NoJournal(str(error)) from error
