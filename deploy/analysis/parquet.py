"""Rows to Parquet or CSV files, through DuckDB: of any number, and each file whole or not at all.

Leaves to others what the rows are. What always holds: money stays exact, a missing value is not an empty text, a file
under its own name is complete and on the disk, and whatever is interrupted leaves nothing behind. Rows are streamed
through a file beside the target, so memory does not grow with them; DuckDB is imported when the first file is made,
because it takes longer to load than most verbs take to answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

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


class Table:
    """One file in the making: rows are taken while it is open, and `finish` gives it its name.

    Args: schema: the columns, in the order in which each row has its values. metadata: words about it that a Parquet
    file carries along; CSV has no place for them.
    Raises: Exists; OSError.
    """

    def __init__(
        self, schema: Mapping[str, Kind], path: Path, form: Form, metadata: Mapping[str, str] | None = None
    ) -> None:
        if path.exists():
            raise Exists(str(path))
        self.rows = 0
        self._schema, self._path, self._form = schema, path, form
        self._metadata = metadata if metadata and form == "parquet" else {}
        self._names, self._encode = tuple(schema), msgspec.json.Encoder().encode
        self._beside, self._aside = path.with_name(f".{path.name}.rows"), path.with_name(f".{path.name}.new")
        self._file = self._beside.open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._beside.unlink(missing_ok=True)
        self._aside.unlink(missing_ok=True)

    def add(self, row: Sequence[object]) -> None:
        """Take a row; as a line of JSON it tells a missing value from an empty one. Raises: OSError."""
        self._file.write(self._encode(dict(zip(self._names, row, strict=True))) + b"\n")
        self.rows += 1

    def finish(self) -> int:
        """Make the file; return how many rows it has.

        Raises: Exists: somebody was faster; OSError: the disk; duckdb.Error: a value that is not of its column's kind.
        """
        self._file.close()
        self._convert()
        fd = os.open(self._aside, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        try:
            os.link(self._aside, self._path)
        except FileExistsError:
            raise Exists(str(self._path)) from None
        return self.rows

    def _convert(self) -> None:
        import duckdb

        schema = self._schema.items()
        read = ", ".join(f"{_name(name)}: {_text(_COLUMNS[kind][0])}" for name, kind in schema)
        made = ", ".join(f"{_COLUMNS[kind][1].format(_name(name))} AS {_name(name)}" for name, kind in schema)
        source = f"read_json({_text(str(self._beside))}, format = 'newline_delimited', columns = {{{read}}})"
        with duckdb.connect(":memory:", config={**_ALONE, "temp_directory": f"{self._aside}.spill"}) as database:
            target = f"{_text(str(self._aside))} ({_OPTIONS[self._form]}{_words(self._metadata)})"
            try:
                database.execute(f"COPY (SELECT {made} FROM {source}) TO {target}")
            except duckdb.IOException as error:
                raise OSError(str(error)) from error


def write(
    rows: Iterable[Sequence[object]],
    schema: Mapping[str, Kind],
    path: Path,
    form: Form,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write rows to a new file; return how many. Args and Raises: as for Table."""
    with Table(schema, path, form, metadata) as table:
        for row in rows:
            table.add(row)
        return table.finish()


def _words(metadata: Mapping[str, str]) -> str:
    words = ", ".join(f"{_name(name)}: {_text(value)}" for name, value in metadata.items())
    return f", KV_METADATA {{{words}}}" if words else ""


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
