"""The index as files for other tools: Parquet or CSV, one folder a table, in parts by mode and day.

    OUT/schema.json                                     version, columns, which desk, how far its journal was read
    OUT/decisions/mode=rehearsal/date=2026-11-28/decisions.parquet

Names and digests are text, money is DECIMAL in units of collateral or shares, moments are UTC microseconds and a column
that says so is called `..._at`. The folder is written aside and renamed, so it is whole or not there. Leaves the making
of one file to `parquet.py`; asks only the index.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.analysis import parquet
from deploy.analysis.index.schema import SCHEMA_VERSION, TABLES, Column, Table
from shared.clock import NS

SCHEMA_FILE: Final = "schema.json"
SCHEMA: Final = "foresight.export/1"
NAMES: Final = {"operations": "ops"}
"""What an exported table is called where it is not called as in the index."""
EXPORTED: Final = {NAMES.get(table.name, table.name): table for table in TABLES}
NOTHING: Final = Path("mode=unknown", "date=1970-01-01")
"""The part in which a table without rows has its one file."""
_KIND: Final[dict[str, parquet.Kind]] = {
    **dict.fromkeys(("text", "json"), "text"),
    **dict.fromkeys(("count", "ms", "us"), "integer"),
    **dict.fromkeys(("ns", "s"), "moment"),
    "micro": "money",
    "flag": "flag",
    "exact": "exact",
}
TYPES: Final[dict[parquet.Kind, str]] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "moment": "TIMESTAMP",
    "money": "DECIMAL(18,6)",
    "flag": "BOOLEAN",
    "exact": "DECIMAL(38,18)",
}
"""What each kind of column is in an exported file."""
_SCALED: Final[dict[str, Callable[[Any], Any]]] = {
    "s": lambda value: value * NS,
    "flag": bool,
    "exact": lambda value: f"{Decimal(value).scaleb(-18):f}",
}
"""How a value of the index becomes one that `parquet.py` takes, where it is not that already."""


class Occupied(Exception):
    """Something stands where the export should go."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file that was written."""

    table: str
    path: Path
    rows: int


def exported_name(column: Column) -> str:
    """What a column is called in a file: money without its unit, moments by what they are."""
    if column.kind == "micro":
        return column.name.removesuffix("_micro")
    if column.kind in {"ns", "s"}:  # a column called `at` would have to be quoted
        return "market_at" if column.name == "at_ns" else f"{column.name.removesuffix(f'_{column.kind}')}_at"
    return column.name


def exported_schema(table: Table) -> dict[str, parquet.Kind]:
    """The columns of a file and their kinds, in order."""
    return {exported_name(column): _KIND[column.kind] for column in table.columns}


def export(
    index: sqlite3.Connection,
    out: Path,
    form: parquet.Form,
    names: Sequence[str],
    since_ns: int,
    until_ns: int,
    force: bool,
    tell: Callable[[Part], None] = lambda part: None,
) -> list[Part]:
    """Write tables of an index to a new folder; rows of market time from `since_ns` on and before `until_ns`.

    Args: names: of EXPORTED. force: put it in the place of an export that is there.
    Raises: Occupied; OSError: the disk.
    """
    refuse(out, force)
    parts: list[Part] = []
    with _aside(out) as aside:
        for name in names:
            for part in _write(index, EXPORTED[name], name, aside, form, since_ns, until_ns):
                parts.append(part)
                tell(part)
        (aside / SCHEMA_FILE).write_bytes(_described(index, names, form))
    return parts


def refuse(out: Path, force: bool) -> None:
    """Raises: Occupied: nothing of anybody's is written over, and nothing but an export is replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / SCHEMA_FILE).is_file():
        raise Occupied(f"{out} is there and is no export of ours")
    if not force:
        raise Occupied(f"{out} holds an export already")


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """A folder that becomes `out` when all is well, and is gone when it is not."""
    aside, old = out.with_name(f".{out.name}.new"), out.with_name(f".{out.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        if out.exists():
            out.rename(old)
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _write(
    index: sqlite3.Connection, table: Table, name: str, folder: Path, form: parquet.Form, since_ns: int, until_ns: int
) -> Iterator[Part]:
    """The files of one table; where it has no rows a file without any, so that readers find its columns."""
    schema, rows = exported_schema(table), _rows(index, table, since_ns, until_ns)
    empty = True
    for (mode, date), group in groupby(rows, key=itemgetter(0, 1)):
        path = folder / name / f"mode={mode}" / f"date={date}" / f"{name}.{form}"
        path.parent.mkdir(parents=True)
        yield Part(name, path, parquet.write((row[2] for row in group), schema, path, form, metadata=_metadata()))
        empty = False
    if empty:
        path = folder / name / NOTHING / f"{name}.{form}"
        path.parent.mkdir(parents=True)
        yield Part(name, path, parquet.write([], schema, path, form, metadata=_metadata()))


def _rows(
    index: sqlite3.Connection, table: Table, since_ns: int, until_ns: int
) -> Iterator[tuple[str, str, list[Any]]]:
    """Mode, day and values of each row, in the order of the files and of the journal."""
    number, at_ns = _origin(table)
    mode = f"COALESCE((SELECT mode FROM terms WHERE terms.n <= {number} ORDER BY terms.n DESC LIMIT 1), 'unknown')"
    columns = ", ".join(f't."{column.name}"' for column in table.columns)
    query = (
        f"SELECT {mode} AS mode, date({at_ns} / {NS}, 'unixepoch') AS day, {columns} FROM {table.name} t"
        f" WHERE {at_ns} >= ? AND {at_ns} < ? ORDER BY 1, 2, {number}, {', '.join(f't.{key}' for key in table.key)}"
    )
    scales = [_SCALED.get(column.kind) for column in table.columns]
    for mode, day, *values in index.execute(query, (since_ns, until_ns)):
        scaled = [scale(v) if scale and v is not None else v for scale, v in zip(scales, values, strict=True)]
        yield mode, day, scaled


def _origin(table: Table) -> tuple[str, str]:
    """Where a row's journal number and market time are found."""
    names = {column.name for column in table.columns}
    if "at_ns" in names:
        return "t.n", "t.at_ns"
    if "first_ns" in names:
        return "t.first_n", "t.first_ns"
    parent = "decisions" if table.name == "denials" else "boundaries"
    return "t.n", f"(SELECT at_ns FROM {parent} p WHERE p.n = t.n)"


def _metadata() -> dict[str, str]:
    return {"schema": SCHEMA, "schema_version": str(SCHEMA_VERSION)}


def _described(index: sqlite3.Connection, names: Sequence[str], form: parquet.Form) -> bytes:
    """What is in the folder, for programs."""
    columns = {name: {c: TYPES[kind] for c, kind in exported_schema(EXPORTED[name]).items()} for name in names}
    state = index.execute("SELECT last_n, chain FROM state").fetchone()
    told = {**_metadata(), "format": form, "journal_records": state[0], "journal_chain": state[1], "tables": columns}
    return msgspec.json.format(msgspec.json.encode(told)) + os.linesep.encode()
