"""What trades add up to is what the desk says it has, to the millionth, over any history; what differs is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.histories import OPENING_MICRO, Made, a_desk_that_did

from deploy.analysis.attribution.history import Money
from deploy.analysis.attribution.judged import reconcile
from deploy.analysis.attribution.money import account_version, money
from deploy.analysis.index import open_index
from shared import entries as e
from shared import ledger
from shared.paths import State


def _money(state: State, before: int | None = None) -> Money:
    connection = open_index(state)
    try:
        return money(state, connection, before)
    finally:
        connection.close()


def _picture(cash_micro: int, at_ns: int) -> ledger.Ledger:
    return ledger.Ledger(1, at_ns, 0, 1, cash_micro, 0, 1, (), (), ())


def _changed(made: Made, change: Callable[[e.Snapshot], e.Snapshot]) -> Made:
    last = made.lines[-1]
    assert isinstance(last.entry, e.Snapshot)
    made.lines[-1] = e.Line(last.n, last.at_ns, last.wall_ns, last.term, change(last.entry))
    return made


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4))
def test_every_history_reconciles(seed: int, quarters: int, releases: int) -> None:
    """Releases, sales by others, failures, claims, transfers: the sum is the books', kept apart, to the millionth."""
    made = Made(seed, quarters=quarters, releases=releases, rough=True)
    with TemporaryDirectory() as folder:
        found = _money(a_desk_that_did(Path(folder), made))
    told = reconcile(found)
    assert told.holds, (seed, told)
    assert found.closed_net_micro + found.open_flow_micro == sum(made.books.net_micro.values())
    assert found.transfers_micro == made.books.transfers_micro
    assert told.equity_change_micro == made.books.cash_micro - OPENING_MICRO


@pytest.mark.parametrize("off_micro", [-1, 1, 10_000])
def test_a_cash_that_differs_by_a_millionth_is_told(tmp_path: Path, off_micro: int) -> None:
    """The desk says it has more, or less, than its trades left."""
    made = _changed(Made(5, quarters=1), lambda said: e.Snapshot(said.cash_micro + off_micro, said.positions, ()))
    told = reconcile(_money(a_desk_that_did(tmp_path, made)))
    assert told.holds is False and told.difference_micro == off_micro


def test_a_position_that_no_trade_left_is_told(tmp_path: Path) -> None:
    """Slot, token, both sizes."""
    phantom = e.Holding("BTC/5m", 1, "Up", 5_000_000, 0, "r")
    made = _changed(Made(5, quarters=1), lambda said: e.Snapshot(said.cash_micro, (phantom,), ()))
    told = reconcile(_money(a_desk_that_did(tmp_path, made)))
    assert told.holds is False and told.difference_micro == 0
    assert told.positions == ("BTC/5m Up: trades leave 0, the desk has 5000000",)


def test_what_moved_after_the_last_word_is_not_called_a_difference(tmp_path: Path) -> None:
    """Not known is neither right nor wrong."""
    made = Made(5, quarters=1)
    made.lines.pop()
    told = reconcile(_money(a_desk_that_did(tmp_path, made)))
    assert told.holds is None and told.source == ""


def test_an_early_end_holds_open_trades_at_what_they_cost(tmp_path: Path) -> None:
    """Cut off anywhere between two entries of money, what is open is not yet won or lost."""
    made = Made(9, quarters=2, rough=True)
    bought = [n for n, line in enumerate(made.lines) if isinstance(line.entry, e.FillStatus)]
    cut = Random(1).choice(bought) + 1
    made.lines = made.lines[:cut]
    found = _money(a_desk_that_did(tmp_path, made))
    assert found.open_flow_micro < 0
    assert found.told_micro is None


def test_the_ledger_is_asked_first(tmp_path: Path) -> None:
    """While a desk trades its shared memory is newer than any snapshot."""
    made = Made(5, quarters=1)
    state = a_desk_that_did(tmp_path, made)
    writer = ledger.Writer(state.ledger_name)
    try:
        writer.write(_picture(made.books.cash_micro + 7, made.lines[-1].at_ns))
        told = reconcile(_money(state))
        assert (told.source, told.difference_micro) == ("ledger", 7)
        assert account_version(state) == 1
        assert reconcile(_money(state, before=1)).difference_micro == 7
        assert reconcile(_money(state, before=0)).holds is None, "money moved while it was read"
        writer.write(_picture(made.books.cash_micro + 7, 1))
        assert reconcile(_money(state)).source == "last snapshot"
    finally:
        writer.close(unlink=True)
