"""The page that documents the index and its export, made from the description that both are made from.

python -m deploy.analysis.index.page > deploy/analysis/index/SCHEMA.md
"""

from __future__ import annotations

from collections.abc import Iterator

from deploy.analysis.index.export import NAMES, SCHEMA, TYPES, exported_name, exported_schema
from deploy.analysis.index.schema import SCHEMA_VERSION, SQL_TYPE, TABLES, Table

_HEAD = f"""# What the index holds, and what is exported

Version {SCHEMA_VERSION}. Made by `python -m deploy.analysis.index.page`; a test holds it against the code.

`foresight index` keeps these tables in `index.sqlite` in the state folder; `foresight export` writes them to files
(`{SCHEMA}`), partitioned by `mode` and `date`. The index has integers: money and shares in millionths (`_micro`),
moments in nanoseconds since 1970 UTC of the market's time (`_ns`; `_s` in seconds), reference prices as text in 1e-18.
Files have decimals and UTC timestamps, under the names in the third column. `n` is everywhere the number of the journal
record that a row comes from. A trade belongs to the regime that entered it, first in, first out; a merged pair pays
both of its sides in proportion to what they cost."""


def page() -> str:
    """All of it."""
    return "\n\n".join([_HEAD, *map(_section, TABLES)]) + "\n"


def _section(table: Table) -> str:
    named = NAMES.get(table.name)
    title = f"## {table.name}" + (f" (exported as {named})" if named else "")
    key = f"{table.says} One row for each {', '.join(f'`{name}`' for name in table.key)}."
    return "\n".join([title, "", key, "", *_lines(table)])


def _lines(table: Table) -> Iterator[str]:
    yield "| index | type | file | type | holds |"
    yield "|---|---|---|---|---|"
    kinds = exported_schema(table)
    for column in table.columns:
        name = exported_name(column)
        stored = f"`{column.name}` | {SQL_TYPE[column.kind]}"
        yield f"| {stored} | `{name}` | {TYPES[kinds[name]]} | {column.says} |"


if __name__ == "__main__":
    print(page(), end="")
