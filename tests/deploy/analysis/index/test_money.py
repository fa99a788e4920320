"""What is traded, as rows: orders, fills and claims stand where the journal leaves them, and cash is the desk's own."""

from __future__ import annotations

import pytest
from kit.indexes import balanced, claimed, folded
from kit.trading import a_fill, a_placing, an_answer, an_opening

from deploy.analysis.index.fold import cash
from shared import entries as e

ID = a_placing().order_id


def state_of(*entries: e.Entry) -> tuple[str, int]:
    """Where its order stands after these entries, and how much of it traded."""
    row = folded(an_opening(), a_placing(), *entries).rows.get("orders", (ID,))
    assert row is not None
    return row["state"], row["filled_micro"]


@pytest.mark.parametrize(
    ("entries", "state", "filled_micro"),
    [
        ([], "pending", 0),
        ([an_answer("open")], "open", 0),
        ([an_answer("unknown")], "unknown", 0),
        ([an_answer("closed")], "closed", 0),
        ([an_answer("open"), a_fill()], "open", 4_000_000),
        ([an_answer("open"), a_fill(), a_fill()], "open", 4_000_000),
        ([an_answer("open"), a_fill(size_micro=10_000_000)], "closed", 10_000_000),
        ([an_answer("open"), a_fill(), e.FillStatus("t1", ID, "FAILED")], "open", 0),
        ([an_answer("open", trades=("t1",)), e.OrderReported(ID, "closed", 0, "cancelled")], "closed", 0),
        ([an_answer("open"), e.OrderReported(ID, "closed", 4_000_000, "cancelled")], "open", 0),
        ([an_answer("open"), a_fill(), e.OrderReported(ID, "closed", 4_000_000, "cancelled")], "closed", 4_000_000),
        ([e.Resolved("BTC/5m", 300, "Up", 0)], "closed", 0),
    ],
)
def test_an_order_stands_where_the_journal_leaves_it(entries: list[e.Entry], state: str, filled_micro: int) -> None:
    """A word closes it only when no fill is missing; a repetition is no news; a failure takes its fill back."""
    assert state_of(*entries) == (state, filled_micro)


def test_a_fill_is_of_the_regime_of_its_order() -> None:
    """Not of the one in force when it was heard of."""
    paused = e.Control(1, True, "uid:1000", "news")
    rows = folded(an_opening(), a_placing(), paused, a_fill()).rows
    assert rows.one("SELECT control FROM fills JOIN regimes USING (regime)") == "trading"


def test_a_deposit_is_a_transfer() -> None:
    """What the venue opens with is ours; what it says more of than we know was moved in."""
    opening, later = e.Balance(100_000_000, True), e.Balance(150_000_000, True)
    rows = folded(opening, an_opening(), a_placing(), a_fill(), later).rows
    moved = [row["transfer_micro"] for row in rows.all("SELECT transfer_micro FROM balances ORDER BY n")]
    assert moved == [0, 52_000_000]
    assert cash(rows) == 150_000_000


@pytest.mark.parametrize("run", range(6))
def test_claims_leave_the_cash_that_the_desk_has(run: int) -> None:
    """After every record of a life of lost answers, reverted transactions and late trades."""
    balanced(claimed(f"index/{run}"))
