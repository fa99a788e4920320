"""The page on the index says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.analysis.index.page import page
from deploy.analysis.index.schema import TABLES

PAGE = Path(__file__).resolve().parents[4] / "deploy" / "analysis" / "index" / "SCHEMA.md"


def test_the_page_is_the_one_that_the_code_makes() -> None:
    """Whoever changes a table makes it anew: `python -m deploy.analysis.index.page`."""
    assert PAGE.read_text() == page()


def test_the_page_has_every_table_and_column() -> None:
    """With what it holds."""
    for table in TABLES:
        section = re.split(rf"\n## {table.name}[ \n]", page())[1].partition("\n## ")[0]
        for column in table.columns:
            assert f"| `{column.name}` |" in section
            assert column.says in section
