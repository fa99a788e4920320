"""An export for a notebook: a DuckDB connection with one view for each of its tables.

    from deploy.analysis.load import load
    db = load("day")
    db.sql("SELECT release, SUM(net) FROM trades GROUP BY release")

Files are read where they are and when they are asked for; nothing is copied. Parquet and CSV look the same. Each view
has the columns `mode` and `date` of the part that a row is in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from deploy.analysis.index.export import SCHEMA, SCHEMA_FILE

if TYPE_CHECKING:
    import duckdb

_HIVE = "hive_partitioning = true, hive_types = {'mode': VARCHAR, 'date': DATE}"


class NoExport(Exception):
    """The folder is no export that this code understands."""


def load(folder: str | Path) -> duckdb.DuckDBPyConnection:
    """Views over the files of `foresight export --out FOLDER`. Raises: NoExport."""
    import duckdb

    root = Path(folder).absolute()
    told = _told(root)
    db = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    for name, columns in told["tables"].items():
        files = _text(f"{root}/{name}/*/*/*.{told['format']}")
        typed = ", ".join(f"{_text(column)}: {_text(kind)}" for column, kind in columns.items())
        csv = f"read_csv({files}, header = true, allow_quoted_nulls = false, columns = {{{typed}}}, {_HIVE})"
        read = csv if told["format"] == "csv" else f"read_parquet({files}, {_HIVE})"
        db.execute(f'CREATE VIEW "{name}" AS SELECT * FROM {read}')
    return db


def _told(root: Path) -> dict[str, Any]:
    """What the export says of itself."""
    try:
        told = msgspec.json.decode((root / SCHEMA_FILE).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise NoExport(f"{root} holds no export: {error}; make one with foresight export --out FOLDER") from error
    if told.get("schema") != SCHEMA:
        raise NoExport(f"{root} is an export of another kind: {told.get('schema')}, not {SCHEMA}")
    return told


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
