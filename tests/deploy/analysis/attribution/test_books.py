"""Asked afterwards, the books of any moment are what they were then."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from kit.indexes import MONEY, an_empty_fold, claimed, folded, simulated
from kit.trading import a_fill, a_placing, an_opening

from deploy.analysis.attribution.books import Token, books
from deploy.analysis.index.fold import Fold, cash
from shared import entries as e

ID = a_placing().order_id


def held(fold: Fold) -> dict[Token, int]:
    """Shares that trades leave now."""
    query = "SELECT slot, start_s, outcome, SUM(left_micro) AS size FROM trades WHERE NOT resolved GROUP BY 1, 2, 3"
    return {(row["slot"], row["start_s"], row["outcome"]): row["size"] for row in fold.rows.all(query) if row["size"]}


def lived(lines: Iterable[e.Line]) -> int:
    """Fold a journal record by record, then ask for the moments around every change. Returns: how many there were."""
    fold, then = an_empty_fold(), [(0, 0, dict[Token, int]())]
    for line in lines:
        fold.take(line)
        fold.settle()
        now = cash(fold.rows), held(fold)
        if now != then[-1][1:]:
            then.append((line.n, *now))
    for before, (n, *now) in pairwise(then):
        for moment, known in ((n - 1, before[1:]), (n, tuple(now))):
            found = books(fold.rows, moment)
            assert (found.cash_micro, found.held) == known, f"record {moment}"
    return len(then) - 1


@pytest.mark.parametrize("run", range(3))
def test_in_a_life_of_claims_every_moment_is_remembered(run: int) -> None:
    """Merges that failed and were paid, winners redeemed by us and by others, trades that came late."""
    assert lived(claimed(f"index/{run}")) > 5


def test_in_a_simulated_desk_every_moment_is_remembered() -> None:
    """Orders in rough weather, deaths, a window that was resolved."""
    assert lived(line for line in simulated() if isinstance(line.entry, (*MONEY, e.Opened))) > 2


def test_a_fill_counts_until_it_fails() -> None:
    """Before, the desk had its shares and not its money; afterwards it never was."""
    told = (e.Balance(100_000_000, True), an_opening(), a_placing(), a_fill(), e.FillStatus("t1", ID, "FAILED"))
    rows = folded(*told).rows
    assert [books(rows, n).cash_micro for n in (1, 3, 4, 5)] == [100_000_000, 100_000_000, 98_000_000, 100_000_000]
    assert list(books(rows, 4).held.values()) == [4_000_000] and not books(rows, 5).held
    assert lived([e.Line(n, n, n, 1, entry) for n, entry in enumerate(told, start=1)]) == 3


def test_a_winner_that_has_to_be_redeemed_is_owed_until_it_is_paid() -> None:
    """Neither cash nor lost meanwhile."""
    claim = "BTC/5m 300 redeem 1"
    rows = folded(
        e.Balance(100_000_000, True),
        an_opening(),
        a_placing(),
        a_fill(),
        e.Resolved("BTC/5m", 300, "Up", 4_000_000, True),
        e.Claiming(claim, "redeem", "BTC/5m", 300, 4_000_000, 1, "relayer"),
        e.ClaimMoved(claim, "paid", "seen"),
    ).rows
    then = [books(rows, n) for n in (5, 7)]
    assert [each.windows["BTC/5m", 300].owed_micro for each in then] == [4_000_000, 0]
    assert [each.cash_micro for each in then] == [98_000_000, 102_000_000]
