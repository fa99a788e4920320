"""A tape into a folder of tables, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from deploy.analysis import tables
from deploy.analysis.aside import made_aside
from deploy.analysis.parquet import Form, Table
from deploy.analysis.tapes import Gaps, NoTape
from shared.messages import Streamed

TABLES: Final = tuple(tables.SCHEMAS)
SEEN_EVERY: Final = 1_000
"""Frames between two words of how far it is."""


def export(
    frames: Iterable[tuple[bytes, Streamed]],
    target: Path,
    wanted: Sequence[str],
    form: Form,
    seen: Callable[[Streamed], None] = lambda frame: None,
) -> dict[str, int]:
    """Write the tables that are wanted; return how many rows each has.

    Raises: Exists; NoTape: there is no frame; OSError; whatever `frames` raises.
    """
    with made_aside(target) as aside:
        return _fill(frames, aside, [name for name in TABLES if name in wanted], form, seen)


def _fill(
    frames: Iterable[tuple[bytes, Streamed]],
    folder: Path,
    wanted: Sequence[str],
    form: Form,
    seen: Callable[[Streamed], None],
) -> dict[str, int]:
    folded, count = Gaps(), 0
    with ExitStack() as stack:
        open_ = {
            name: stack.enter_context(Table(tables.SCHEMAS[name], folder / f"{name}.{form}", form)) for name in wanted
        }
        for payload, frame in frames:
            rows = [("events", tables.event_row(payload, frame)), *tables.rows(frame)]
            for name, row in rows:
                if name in open_:
                    open_[name].add(row)
            folded.take(frame)
            count += 1
            if count % SEEN_EVERY == 1:
                seen(frame)
        if not count:
            raise NoTape("no frame of the tape is in that part")
        for gap in folded.all() if "gaps" in open_ else ():
            open_["gaps"].add(tables.gap_row(gap))
        return {name: table.finish() for name, table in open_.items()}
