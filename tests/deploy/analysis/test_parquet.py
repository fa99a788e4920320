"""Rows become a file that others can read, exactly or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.analysis.parquet import Exists, Form, Kind, write

SCHEMA: dict[str, Kind] = {
    "id": "text",
    "count": "integer",
    "stale": "flag",
    "price": "money",
    "spot": "exact",
    "at": "moment",
    "bids": "levels",
}
ROW = ("r'1\"", 7, True, 520_000, "67000.000000000000000001", 1_800_000_000_123_456_789, [(510_000, 5_000_000)])
READ = (
    "r'1\"",
    7,
    True,
    Decimal("0.520000"),
    Decimal("67000.000000000000000001"),
    datetime(2027, 1, 15, 8, 0, 0, 123_456, UTC).replace(tzinfo=None),
    [{"price": Decimal("0.510000"), "size": Decimal("5.000000")}],
)
FORMS: tuple[Form, ...] = ("parquet", "csv")


def read(path: Path) -> list[tuple[Any, ...]]:
    """What a reader who knows nothing of us finds."""
    with duckdb.connect() as database:
        return database.execute(f"SELECT * FROM read_parquet('{path}')").fetchall()


def test_each_kind_of_value_arrives_exactly(tmp_path: Path) -> None:
    """Money as a decimal, a price of the feed to its last digit, time to the microsecond, nothing as nothing."""
    path = tmp_path / "rows.parquet"
    assert write([ROW, [None] * len(SCHEMA)], SCHEMA, path, "parquet") == 2
    assert read(path) == [READ, (None,) * len(SCHEMA)]


def test_a_table_can_be_text(tmp_path: Path) -> None:
    """With a header; an empty text is quoted and a missing one is not there."""
    path = tmp_path / "rows.csv"
    write([("a", 1_000_001), ("", None), (None, -5)], {"name": "text", "cash": "money"}, path, "csv")
    assert path.read_text() == 'name,cash\na,1.000001\n"",\n,-0.000005\n'


@settings(max_examples=15)
@given(st.lists(st.tuples(st.text(), st.integers(-(10**17), 10**17), st.integers(-(2**63), 2**63 - 1)), max_size=30))
def test_whatever_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, int]]) -> None:
    """Any text, any amount of money, any integer of 64 bits."""
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    write(rows, {"a": "text", "b": "money", "c": "integer"}, path, "parquet")
    assert read(path) == [(text, Decimal(micro).scaleb(-6), number) for text, micro, number in rows]


def test_rows_are_streamed(tmp_path: Path) -> None:
    """From a source that is read once, more than DuckDB takes at a time; nothing is left beside the file."""
    path = tmp_path / "rows.parquet"
    count = 10_001
    assert write(((str(n),) for n in range(count)), {"n": "text"}, path, "parquet") == count
    assert read(path)[-1] == (str(count - 1),)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", FORMS)
def test_a_table_without_rows_still_has_its_columns(tmp_path: Path, form: Form) -> None:
    """Whoever reads it finds what it would have held."""
    path = tmp_path / f"rows.{form}"
    assert write([], SCHEMA, path, form) == 0
    with duckdb.connect() as database:
        assert [row[0] for row in database.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()] == list(SCHEMA)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file of the name is refused before a row is asked for, and stays as it is."""
    path = tmp_path / "rows.csv"
    path.write_text("mine")
    with pytest.raises(Exists, match=r"rows\.csv"):
        write(_never(), {"n": "text"}, path, "csv")
    assert path.read_text() == "mine"


def test_who_was_faster_keeps_the_name(tmp_path: Path) -> None:
    """The name was free when it began; it is not when it ends."""
    path = tmp_path / "rows.csv"

    def rows() -> Iterator[Sequence[object]]:
        path.write_text("theirs")
        yield ("ours",)

    with pytest.raises(Exists):
        write(rows(), {"n": "text"}, path, "csv")
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C in the middle of the rows."""

    def rows() -> Iterator[Sequence[object]]:
        yield ("a",)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(rows(), {"n": "text"}, tmp_path / "rows.parquet", "parquet")
    assert not list(tmp_path.iterdir())


def test_a_value_of_another_kind_is_refused(tmp_path: Path) -> None:
    """It is a fault of ours, and no file with a hole in it."""
    with pytest.raises(duckdb.Error):
        write([("a",)], {"n": "integer"}, tmp_path / "rows.parquet", "parquet")
    assert not list(tmp_path.iterdir())


def _never() -> Iterator[Sequence[object]]:
    raise AssertionError("a row was asked for")
    yield ()
