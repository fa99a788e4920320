"""Exported files hold what the index holds, exactly, under documented names; and they are whole or not there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import msgspec
import pytest
from kit.indexes import a_journal, a_line, simulated
from kit.trading import a_fill, a_placing, an_opening

from deploy.analysis.index import SCHEMA_VERSION, open_index
from deploy.analysis.index.export import EXPORTED, SCHEMA_FILE, TYPES, Occupied, Part, export, exported_schema
from deploy.analysis.index.schema import TABLES, Table
from shared import entries as e

EVER = (0, 2**63 - 1)
DAY_S = 86_400


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A simulated desk's index."""
    with closing(open_index(a_journal(tmp_path_factory.mktemp("desk"), simulated()))) as connection:
        connection.row_factory = None
        yield connection


@pytest.fixture(scope="module")
def whole(index: sqlite3.Connection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything in it, as Parquet."""
    out = tmp_path_factory.mktemp("whole") / "out"
    export(index, out, "parquet", list(EXPORTED), *EVER, force=False)
    return out


def read(out: Path, name: str) -> list[tuple[object, ...]]:
    """The rows of a table, as a reader who knows nothing of us finds them."""
    with duckdb.connect() as db:
        return db.execute(f"SELECT * FROM read_parquet('{out}/{name}/*/*/*.parquet') ORDER BY ALL").fetchall()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_exported_column_has_a_name_of_its_own(table: Table) -> None:
    """Taking the unit off makes no two columns alike."""
    schema = exported_schema(table)
    assert len(schema) == len(table.columns)
    assert not [name for name in schema if name.endswith(("_micro", "_ns", "_s"))]


def test_every_row_arrives_and_money_adds_up_exactly(index: sqlite3.Connection, whole: Path) -> None:
    """Of every table; sums of decimals are sums of millionths; moments are the same to the microsecond."""
    for name, table in EXPORTED.items():
        assert index.execute(f"SELECT COUNT(*) FROM {table.name}").fetchone()[0] == len(read(whole, name))
    net, first_ns = index.execute("SELECT SUM(net_micro), MIN(first_ns) FROM trades").fetchone()
    with duckdb.connect() as db:
        files = f"read_parquet('{whole}/trades/*/*/*.parquet')"
        told = db.execute(f"SELECT SUM(net), epoch_us(MIN(first_at)), MIN(start_at) FROM {files}").fetchone()
        (metadata,) = db.execute(
            f"SELECT value FROM parquet_kv_metadata('{whole}/trades/*/*/*.parquet') WHERE key = 'schema_version'"
        ).fetchall()
    assert told is not None
    assert (told[0], told[1]) == (Decimal(net).scaleb(-6), first_ns // 1_000)
    assert metadata == (str(SCHEMA_VERSION).encode(),)


def test_columns_are_of_the_types_that_are_promised(whole: Path) -> None:
    """In the folder's own description, and in the files."""
    told = msgspec.json.decode((whole / SCHEMA_FILE).read_bytes())
    assert told["schema_version"] == str(SCHEMA_VERSION)
    assert told["tables"].keys() == EXPORTED.keys()
    for name, table in EXPORTED.items():
        promised = {column: TYPES[kind] for column, kind in exported_schema(table).items()}
        assert told["tables"][name] == promised
        with duckdb.connect() as db:
            files = f"'{whole}/{name}/*/*/*.parquet', hive_partitioning = false"
            described = db.execute(f"DESCRIBE SELECT * FROM read_parquet({files})").fetchall()
            assert {row[0]: row[1] for row in described} == promised


def a_fill_on_day(day: int) -> e.Line:
    """Traded at noon, so many days after the first."""
    line = a_line(3 + day, a_fill(trade_id=f"t{day}"))
    return msgspec.structs.replace(line, at_ns=(day * DAY_S + DAY_S // 2) * 10**9)


def test_parts_are_by_mode_and_day_and_a_span_leaves_the_rest_out(tmp_path: Path) -> None:
    """From a moment on and before another, of the market's time."""
    began = e.Term(1, 7, "v", "paper", "c", 0)
    lines = [a_line(1, began), a_line(2, an_opening()), *map(a_fill_on_day, (1, 2, 3))]
    with closing(open_index(a_journal(tmp_path / "desk", lines))) as connection:
        connection.row_factory = None
        parts = export(connection, tmp_path / "all", "csv", ["fills"], *EVER, force=False)
        dated = [str(part.path.relative_to(part.path.parents[2])) for part in parts]
        assert dated == [f"mode=paper/date=1970-01-0{day}/fills.csv" for day in (2, 3, 4)]
        span = 2 * DAY_S * 10**9, 3 * DAY_S * 10**9
        (part,) = export(connection, tmp_path / "some", "csv", ["fills"], *span, force=False)
        assert part.path.parent.name == "date=1970-01-03"


def test_nothing_is_written_over(index: sqlite3.Connection, tmp_path: Path) -> None:
    """Not an export without being told to, and nothing else ever."""
    out = tmp_path / "out"
    export(index, out, "csv", ["trades"], *EVER, force=False)
    with pytest.raises(Occupied, match="holds an export already"):
        export(index, out, "csv", ["fills"], *EVER, force=False)
    export(index, out, "csv", ["fills"], *EVER, force=True)
    assert sorted(path.name for path in out.iterdir()) == ["fills", SCHEMA_FILE]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    with pytest.raises(Occupied, match="no export of ours"):
        export(index, mine, "csv", ["fills"], *EVER, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


def test_what_is_interrupted_leaves_nothing_and_takes_nothing_away(index: sqlite3.Connection, tmp_path: Path) -> None:
    """Ctrl-C in the middle: no folder, or the one that was there."""

    def stop(part: Part) -> None:
        if part.table == "fills":
            raise KeyboardInterrupt

    for before in ([], ["out"]):
        with pytest.raises(KeyboardInterrupt):
            export(index, tmp_path / "out", "csv", ["trades", "fills"], *EVER, force=True, tell=stop)
        assert [path.name for path in tmp_path.iterdir()] == before
        export(index, tmp_path / "out", "csv", ["trades"], *EVER, force=True)


def test_a_reference_price_keeps_its_last_digit(tmp_path: Path) -> None:
    """In 1e-18 in the index, as a decimal in a file."""
    entries = [an_opening(), a_placing(), e.Strike("BTC/5m", 300, "64000123456789012345678")]
    lines = [a_line(n, entry) for n, entry in enumerate(entries, start=1)]
    with closing(open_index(a_journal(tmp_path / "desk", lines))) as connection:
        connection.row_factory = None
        export(connection, tmp_path / "out", "parquet", ["windows"], *EVER, force=False)
    with duckdb.connect() as db:
        (row,) = db.execute(f"SELECT strike FROM '{tmp_path}/out/windows/*/*/*.parquet'").fetchall()
    assert row == (Decimal("64000.123456789012345678"),)
