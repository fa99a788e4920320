"""Rows of the index: written and found by the names of their columns."""

from __future__ import annotations

from kit.indexes import an_empty_fold

from deploy.analysis.index.rows import text_of


def test_a_row_is_found_by_its_key_and_what_it_did_not_say_is_empty() -> None:
    """Columns are named when it is written, and all are there when it is read."""
    rows = an_empty_fold().rows
    rows.add("windows", {"slot": "BTC/5m", "start_s": 300, "winner": "Up"})
    found = rows.get("windows", ("BTC/5m", 300))
    assert found is not None
    assert (found["winner"], found["strike"]) == ("Up", None)
    assert rows.get("windows", ("BTC/5m", 600)) is None


def test_a_row_that_is_there_stays_as_it_is() -> None:
    """The first word counts; a change is said as a change."""
    rows = an_empty_fold().rows
    rows.add("windows", {"slot": "BTC/5m", "start_s": 300, "winner": "Up"})
    rows.add("windows", {"slot": "BTC/5m", "start_s": 300, "winner": "Down"})
    assert rows.one("SELECT winner FROM windows") == "Up"
    rows.change("windows", ("BTC/5m", 300), winner="Down")
    assert rows.one("SELECT winner FROM windows") == "Down"


def test_nothing_is_found_where_nothing_is() -> None:
    """No row, no value."""
    rows = an_empty_fold().rows
    assert rows.one("SELECT n FROM fills") is None
    assert rows.all("SELECT * FROM fills") == []


def test_equal_values_are_equal_text() -> None:
    """Keys are sorted, so that two builds of one journal are alike."""
    assert text_of({"b": 1, "a": (2, 3)}) == text_of({"a": [2, 3], "b": 1}) == '{"a":[2,3],"b":1}'
