"""Verbs that prove what was written down: they read the journal on the disk, and need no desk.

Each record carries a digest of itself and of all before it, so whoever changes, drops or adds one breaks the chain
there. What a chain cannot show by itself is that all of it was written anew, or that its end was cut off between two
records: a digest that was noted elsewhere shows it, since it has to be in the chain for ever.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import click

from deploy.cli.show import Context, counted, verb
from deploy.ranges import stamp
from shared.entries import UnknownEntry, decode_stamp
from shared.records import Damaged, linked


@click.group()
def audit() -> None:
    """Prove what was written down, from the disk alone."""


@audit.command()
@click.option("--digest", default="", help="One that was noted earlier: it has to be in the chain.")
@verb
def verify(context: Context, digest: str) -> None:
    """Read the journal from its first record, and check that each continues all before it.

    Exit codes: 0 the chain holds; 66 there is no journal; 74 it is broken, and the text says where.
    """
    walk = Walk()
    try:
        walk.through(context.state.journal, digest.lower())
    except (Damaged, UnknownEntry) as error:
        keep = f"keep {context.state.journal} as it is, and fetch its backup: up to record {walk.records} it holds"
        context.fail("IOERR", f"the journal's chain is broken: {error}", keep, data=asdict(walk))
    except OSError as error:
        context.fail("IOERR", f"{error.filename}: {error.strerror}")
    if not walk.segments:
        context.fail(
            "NOINPUT",
            f"{context.state.root} holds no journal",
            "name the folder of a desk that has run: --state-dir DESK",
        )
    if digest and not walk.noted_at:
        anew = f"no record has the digest {digest}: this is another journal, its end is lost, or it was written anew"
        context.fail("IOERR", anew, "compare it with its backup", data=asdict(walk))
    context.found("\n".join(_lines(context, walk)), asdict(walk))


@dataclass
class Walk:
    """How far a journal was read, and what held up to there. `noted_at`: the record with the digest that was noted."""

    segments: int = 0
    records: int = 0
    term: int = 0
    first_wall_ns: int = 0
    last_wall_ns: int = 0
    digest: str = ""
    noted_at: int = 0
    torn_bytes: int = 0

    def through(self, journal: Path, noted: str) -> None:
        """Read all of it. Raises: Damaged, UnknownEntry: it cannot be believed, and where; OSError."""
        for segment in linked(journal, "journal"):
            self.segments += 1
            if segment.first != self.records + 1:
                raise Damaged(f"{segment.path}: record {segment.first} is the first, and those before it are missing")
            for number, record in segment:
                self._take(number, record, segment.path)
                self.digest = segment.chain.hex()
                self.noted_at = number if self.digest == noted else self.noted_at
            self.torn_bytes = len(segment.leftover())

    def _take(self, number: int, record: bytes, path: Path) -> None:
        """A record whose chain holds; it has to be what it says."""
        its = decode_stamp(record)
        if its.n != number:
            raise Damaged(f"{path}: record {number} says that it is record {its.n}")
        self.records, self.term, self.last_wall_ns = number, its.term, its.wall_ns
        self.first_wall_ns = self.first_wall_ns or its.wall_ns


def _counts(walk: Walk) -> str:
    records, segments = counted(walk.records, "record"), counted(walk.segments, "segment")
    return f"{records} in {segments}, {counted(walk.term, 'reign')}"


def _lines(context: Context, walk: Walk) -> list[str]:
    lines = [f"the chain holds: {_counts(walk)}"]
    if walk.records:
        lines += [f"  from    {stamp(walk.first_wall_ns)}", f"  to      {stamp(walk.last_wall_ns)}"]
        lines += [f"  digest  {walk.digest}"]
    if walk.noted_at:
        lines += [f"  noted   at record {walk.noted_at}: nothing up to there was changed since"]
    if walk.torn_bytes:
        lines += [
            f"  torn    {walk.torn_bytes} bytes behind it are no whole record: a crash, or being written just now"
        ]
    if walk.records and not walk.noted_at:
        proof = context.typed(f"foresightctl audit verify --digest {walk.digest}")
        lines += [f"Note the digest elsewhere. Later, this proves that nothing up to here was changed: {proof}"]
    return lines
