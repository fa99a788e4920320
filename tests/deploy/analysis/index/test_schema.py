"""The description of the index: SQLite takes it, and everything in it is said."""

from __future__ import annotations

import sqlite3

import pytest

from deploy.analysis.index.schema import SQL_TYPE, TABLES, Table, statements


def test_sqlite_takes_every_table_and_index() -> None:
    """All of it together makes an empty database of exactly these tables."""
    connection = sqlite3.connect(":memory:")
    for statement in statements():
        connection.execute(statement)
    made = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert made == {table.name for table in TABLES}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_is_named_once_and_says_what_it_holds(table: Table) -> None:
    """Names carry their unit last, as everywhere; keys and look-ups are of columns that are there."""
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    assert {*table.key, *(name for seek in table.seek for name in seek)} <= set(names)
    for column in table.columns:
        assert column.says
        assert column.kind in SQL_TYPE
        if column.kind in {"micro", "ns", "ms", "us", "s"}:
            assert column.name.endswith(f"_{column.kind}"), f"{table.name}.{column.name} is in {column.kind}"
