"""Rows of the index, written and looked up by column name; the SQL of each table is made once.

Leaves transactions to `store.py` and what a row means to the folds. Tables and columns come from `schema.py` alone, so
nothing that was read elsewhere ever becomes part of a statement.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Any, Final

import msgspec

from deploy.analysis.index.schema import TABLE

_encoder: Final = msgspec.json.Encoder(order="sorted")

Row = dict[str, Any]


def text_of(value: Any) -> str:
    """JSON for a column of that kind, keys sorted: equal values are equal text."""
    return _encoder.encode(value).decode()


class Rows:
    """Writes rows inside whatever transaction is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def add(self, table: str, row: Row) -> None:
        """Insert a row; columns it does not name stay empty, and one that is there already stays as it is."""
        self.connection.execute(_insert(table), [row.get(name) for name in _names(table)])

    def change(self, table: str, key: tuple[Any, ...], **columns: Any) -> None:
        """Change some columns of the row with this key, if there is one."""
        where = " AND ".join(f"{name} = ?" for name in TABLE[table].key)
        settings = ", ".join(f"{name} = ?" for name in columns)
        self.connection.execute(f"UPDATE {table} SET {settings} WHERE {where}", [*columns.values(), *key])

    def get(self, table: str, key: tuple[Any, ...]) -> Row | None:
        """The row with this key."""
        where = " AND ".join(f"{name} = ?" for name in TABLE[table].key)
        return next(iter(self.all(f"SELECT * FROM {table} WHERE {where}", *key)), None)

    def all(self, query: str, *values: Any) -> list[Row]:
        """Every row of a query."""
        cursor = self.connection.execute(query, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def one(self, query: str, *values: Any) -> Any:
        """The first value of a query's first row; None when there is none."""
        row = self.connection.execute(query, values).fetchone()
        return row[0] if row is not None else None


@cache
def _names(table: str) -> tuple[str, ...]:
    return tuple(column.name for column in TABLE[table].columns)


@cache
def _insert(table: str, otherwise: str = "OR IGNORE") -> str:
    names = _names(table)
    return f"INSERT {otherwise} INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
