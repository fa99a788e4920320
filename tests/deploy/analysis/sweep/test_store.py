"""The store of a sweep: kept at once, found again, robust against what a crash leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.sweeps import a_cell, done

from deploy.analysis.sweep.store import InUse, opened


def test_what_is_done_is_found_again(tmp_path: Path) -> None:
    """By name, in the next sweep."""
    with opened(tmp_path / "new" / "sweep.jsonl") as store:
        assert not store.done
        store.add(a_cell(), done(5))
    with opened(tmp_path / "new" / "sweep.jsonl") as store:
        assert store.done == {a_cell().name: done(5)}
        assert a_cell({"a": 1}).name not in store.done


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_line_that_was_cut_short_costs_its_own_cell_alone(tmp_path: Path, cut: int) -> None:
    """It is done again, and what follows it is read."""
    path = tmp_path / "sweep.jsonl"
    with opened(path) as store:
        store.add(a_cell(day=1), done(1))
        store.add(a_cell(day=2), done(2))
    path.write_bytes(path.read_bytes()[:-cut])
    with opened(path) as store:
        assert set(store.done) == ({a_cell(day=1).name} if cut > 1 else {a_cell(day=1).name, a_cell(day=2).name})
        store.add(a_cell(day=3), done(3))
    with opened(path) as store:
        assert store.done[a_cell(day=3).name] == done(3)


def test_one_sweep_writes_at_a_time(tmp_path: Path) -> None:
    """The other one is told, and the file is free again afterwards."""
    path = tmp_path / "sweep.jsonl"
    with opened(path), pytest.raises(InUse, match="another sweep writes to"), opened(path):
        pass
    with opened(path):
        pass
