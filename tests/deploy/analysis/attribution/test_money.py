"""What trades add up to is what the desk says it has, to the millionth, over any history; what differs is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.histories import BEGIN_S, OPENING_MICRO, Made, a_desk_that_did
from kit.indexes import a_journal, a_line, claimed

from deploy.analysis.attribution.history import Money
from deploy.analysis.attribution.judged import Reconciled, reconcile
from deploy.analysis.attribution.money import account_version, money
from deploy.analysis.index import open_index
from deploy.ranges import FOREVER_NS
from shared import entries as e
from shared import ledger
from shared.clock import NS
from shared.paths import State


def _money(state: State, before: int | None = None, since_ns: int = 0, until_ns: int = FOREVER_NS) -> Money:
    with closing(open_index(state)) as connection:
        return money(state, connection, before, since_ns, until_ns)


def _period(state: State, since_s: int, until_s: int) -> Reconciled:
    """What is told of a period, in seconds from the beginning."""
    return reconcile(_money(state, None, (BEGIN_S + since_s) * NS, (BEGIN_S + until_s) * NS))


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


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 2_699), min_size=2, max_size=4))
def test_periods_reconcile_each_by_itself_and_follow_one_another(seed: int, cuts: list[int]) -> None:
    """Wherever time is cut: each begins with what the one before it ended with, and together they are the whole."""
    made = Made(seed, quarters=3, releases=2, rough=True)
    with TemporaryDirectory() as folder:
        state = a_desk_that_did(Path(folder), made)
        ends = [0, *sorted(cuts), 10**6]
        told = [_period(state, since_s, until_s) for since_s, until_s in pairwise(ends)]
        whole = reconcile(_money(state))
    assert all(each.holds for each in told), (seed, cuts, told)
    assert all(one.closing_equity_micro == then.opening_equity_micro for one, then in pairwise(told)), (seed, cuts)
    assert sum(each.net_micro for each in told) == whole.net_micro
    assert sum(each.transfers_micro for each in told) == whole.transfers_micro
    assert told[0].opening_equity_micro == OPENING_MICRO
    assert told[-1].closing_equity_micro == whole.closing_equity_micro


@pytest.mark.parametrize("run", range(3))
def test_a_life_of_claims_adds_up_wherever_it_is_cut(tmp_path: Path, run: int) -> None:
    """Pairs on their way, winners not yet redeemed, trades that came late and that failed: nothing is lost or twice."""
    lines, chance = claimed(f"index/{run}"), Random(run)
    state = a_journal(tmp_path, lines)
    ends = [0, *sorted(chance.sample(range(lines[0].at_ns, lines[-1].at_ns), 12)), FOREVER_NS]
    told = [reconcile(_money(state, None, since_ns, until_ns)) for since_ns, until_ns in pairwise(ends)]
    assert not [each for each in told if each.holds is False], (run, ends)
    assert all(one.closing_equity_micro == then.opening_equity_micro for one, then in pairwise(told)), (run, ends)
    assert any(each.net_micro for each in told)


def test_a_period_names_the_words_it_is_held_against(tmp_path: Path) -> None:
    """The last before it and the first after it, which need not be its ends: what moved between is counted."""
    state = a_desk_that_did(tmp_path, Made(5, quarters=4))
    told = _period(state, 1_000, 2_000)
    assert told.holds and (told.opened_by, told.source) == (
        f"snapshot of {_clock(900)}",
        f"snapshot of {_clock(2_250)}",
    )
    first = _period(state, 0, 100)
    assert first.holds and first.opened_by == "opening balance"


@pytest.mark.parametrize(("since_s", "until_s", "equity_micro"), [(1, 9, 100), (2, 5, 100), (0, 2, 100), (4, 9, 100)])
def test_a_desk_had_nothing_only_until_it_was_told(
    tmp_path: Path, since_s: int, until_s: int, equity_micro: int
) -> None:
    """Its words from before the venue's first answer are no account: what was there is no gain."""
    told = [e.Snapshot(0, (), ()), e.Snapshot(0, (), ()), e.Balance(100, True), e.Snapshot(100, (), ())]
    state = a_journal(tmp_path, [a_line(n, entry) for n, entry in enumerate(told, start=1)])
    found = reconcile(_money(state, None, since_s * NS, until_s * NS))
    assert found.holds and (found.opening_equity_micro, found.closing_equity_micro) == (equity_micro, equity_micro)


def _clock(second: int) -> str:
    return datetime.fromtimestamp(BEGIN_S + second, UTC).strftime("%m-%d %H:%M:%S")


def _first_word_off_by_seven(made: Made) -> Made:
    """The desk's first snapshot says seven millionths more than it had."""
    number = next(n for n, line in enumerate(made.lines) if isinstance(line.entry, e.Snapshot))
    line = made.lines[number]
    assert isinstance(line.entry, e.Snapshot)
    wrong = e.Snapshot(line.entry.cash_micro + 7, line.entry.positions, ())
    made.lines[number] = e.Line(line.n, line.at_ns, line.wall_ns, line.term, wrong)
    return made


def test_a_wrong_word_is_wrong_in_the_periods_it_bounds(tmp_path: Path) -> None:
    """Too much at the end of one is too little at the end of the next; the others, and the whole, do not ask it."""
    state = a_desk_that_did(tmp_path, _first_word_off_by_seven(Made(5, quarters=4)))
    periods = [(0, 400), (500, 800), (1_000, 2_000)]
    assert [_period(state, *each).difference_micro for each in periods] == [7, -7, 0]
    assert reconcile(_money(state)).holds


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE trades SET net_micro = net_micro + 1 WHERE rowid = (SELECT MIN(rowid) FROM trades)",
        "UPDATE fills SET fee_micro = fee_micro + 1"
        " WHERE rowid = (SELECT MIN(rowid) FROM fills WHERE status <> 'FAILED')",
        "DELETE FROM fills WHERE rowid = (SELECT MIN(rowid) FROM fills WHERE status <> 'FAILED')",
        "UPDATE windows SET winner = CASE winner WHEN 'Up' THEN 'Down' ELSE 'Up' END"
        " WHERE (slot, start_s) = (SELECT slot, start_s FROM fills ORDER BY n LIMIT 1)",
        "UPDATE balances SET transfer_micro = transfer_micro + 1 WHERE n = (SELECT MAX(n) FROM balances)",
    ],
)
def test_no_sum_is_made_of_what_it_is_held_against(tmp_path: Path, change: str) -> None:
    """Whichever of the three ways says something else, by a millionth, the report does not add up."""
    state = a_desk_that_did(tmp_path, Made(14, quarters=2, rough=True))
    assert reconcile(_money(state)).holds
    with closing(sqlite3.connect(state.index, isolation_level=None)) as connection:
        assert connection.execute(change).rowcount == 1
        assert reconcile(money(state, connection)).holds is False


def test_what_is_open_at_an_end_stands_at_its_outlay(tmp_path: Path) -> None:
    """A cut in the middle of a trade takes nothing from either side, and the next period has all that it brought."""
    made = Made(9, quarters=2, rough=True)
    state = a_desk_that_did(tmp_path, made)
    bought = next(line for line in made.lines if isinstance(line.entry, e.Fill))
    cut_s = bought.at_ns // NS - BEGIN_S + 1
    early, late = _period(state, 0, cut_s), _period(state, cut_s, 10**6)
    assert early.holds and late.holds
    assert early.outlay_micro > 0 and early.net_micro == 0
    assert early.closing_equity_micro == OPENING_MICRO + early.transfers_micro
    assert late.net_micro == sum(made.books.net_micro.values())


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
    assert told.differs == ("BTC/5m Up: trades leave 0, the desk has 5000000",)


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
    assert reconcile(found).difference_micro is None


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
