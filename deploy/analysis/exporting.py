"""A tape into a folder of tables, in one pass. What always holds: the folder appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from deploy.analysis import tables
from deploy.analysis.parquet import Form, Table
from deploy.analysis.tapes import Gaps, NoTape
from shared.messages import Streamed
from shared.tape_index import settle

TABLES: Final = tuple(tables.SCHEMAS)
SEEN_EVERY: Final = 1_000
"""Frames between two words of how far it is."""


class Exists(Exception):
    """There is a folder of that name, and nothing is overwritten."""


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
    if target.exists():
        raise Exists(str(target))
    aside = target.with_name(f".{target.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(mode=0o700)
        counts = _fill(frames, aside, [name for name in TABLES if name in wanted], form, seen)
        os.rename(aside, target)
        settle(target.absolute().parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return counts


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
            if count % SEEN_EVERY == 0:
                seen(frame)
        if not count:
            raise NoTape("no frame of the tape is in that part")
        for gap in folded.all() if "gaps" in open_ else ():
            open_["gaps"].add(tables.gap_row(gap))
        return {name: table.finish() for name, table in open_.items()}
