"""Rows to one Parquet or CSV file, through DuckDB: of any number, and whole or not at all.

Leaves to others what the rows are. What always holds: money stays exact, a missing value is not an empty text, a file
under its own name is complete and on the disk, and whatever is interrupted leaves nothing behind. Rows are streamed
through a file beside the target, so memory does not grow with them; DuckDB is imported when the first file is written,
because it takes longer to load than most verbs take to answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

Kind = Literal["text", "integer", "flag", "number", "money", "exact", "moment", "levels"]
"""What a column holds: `money` integer millionths, `exact` decimal text, `moment` unix nanoseconds, `levels` pairs of
price and size in millionths; any of them may be None."""
Form = Literal["parquet", "csv"]

MEMORY_MAX: Final = "512MB"
_MONEY: Final = "CAST({} * 0.000001 AS DECIMAL(18, 6))"
_LEVEL: Final = f"{{{{'price': {_MONEY.format('x[1]')}, 'size': {_MONEY.format('x[2]')}}}}}"
_COLUMNS: Final[Mapping[Kind, tuple[str, str]]] = {
    "text": ("VARCHAR", "{}"),
    "integer": ("BIGINT", "{}"),
    "flag": ("BOOLEAN", "{}"),
    "number": ("DOUBLE", "{}"),
    "money": ("BIGINT", _MONEY),
    "exact": ("VARCHAR", "CAST({} AS DECIMAL(38, 18))"),
    "moment": ("BIGINT", "make_timestamp({} // 1000)"),
    "levels": ("BIGINT[][]", f"list_transform({{}}, lambda x: {_LEVEL})"),
}
"""By kind: how it is read from the file beside the target, and what is made of it."""
_OPTIONS: Final[Mapping[Form, str]] = {"parquet": "FORMAT parquet, COMPRESSION zstd", "csv": "FORMAT csv, HEADER"}
_ALONE: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": MEMORY_MAX,
}
"""DuckDB must not look for anything elsewhere, nor take the machine."""


class Exists(Exception):
    """There is a file of that name, and nothing is overwritten."""


def write(rows: Iterable[Sequence[object]], schema: Mapping[str, Kind], path: Path, form: Form) -> int:
    """Write rows to a new file; return how many.

    Args: schema: the columns, in the order in which each row has its values.
    Raises: Exists; OSError: the disk; duckdb.Error: a value that is not of its column's kind.
    """
    if path.exists():
        raise Exists(str(path))
    beside, aside = path.with_name(f".{path.name}.rows"), path.with_name(f".{path.name}.new")
    try:
        count = _spool(rows, tuple(schema), beside)
        _convert(schema, beside, aside, form)
        _settle(aside, path)
    finally:
        beside.unlink(missing_ok=True)
        aside.unlink(missing_ok=True)
    return count


def _spool(rows: Iterable[Sequence[object]], names: Sequence[str], beside: Path) -> int:
    """Keep the rows as lines of JSON, which tells a missing value from an empty one."""
    encode, count = msgspec.json.Encoder().encode, 0
    with beside.open("wb") as file:
        for row in rows:
            file.write(encode(dict(zip(names, row, strict=True))) + b"\n")
            count += 1
    return count


def _convert(schema: Mapping[str, Kind], beside: Path, aside: Path, form: Form) -> None:
    import duckdb

    read = ", ".join(f"{_name(name)}: {_text(_COLUMNS[kind][0])}" for name, kind in schema.items())
    made = ", ".join(f"{_COLUMNS[kind][1].format(_name(name))} AS {_name(name)}" for name, kind in schema.items())
    source = f"read_json({_text(str(beside))}, format = 'newline_delimited', columns = {{{read}}})"
    with duckdb.connect(":memory:", config={**_ALONE, "temp_directory": f"{aside}.spill"}) as database:
        database.execute(f"COPY (SELECT {made} FROM {source}) TO {_text(str(aside))} ({_OPTIONS[form]})")


def _settle(aside: Path, path: Path) -> None:
    """Give the file its name once it is on the disk. Raises: Exists: somebody was faster."""
    fd = os.open(aside, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.link(aside, path)
    except FileExistsError:
        raise Exists(str(path)) from None


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
