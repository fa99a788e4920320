"""worker.agreement: a tick's account against the shared memory."""

from __future__ import annotations

import pytest
from kit.tapes import START_S

from shared.ledger import Ledger, OrderRow, PositionRow
from shared.messages import Account, OrderView, PositionView, Tick
from worker.agreement import difference

ORDER = OrderView("0x" + "11" * 32, "Up", "BUY", 600_000, 5_000_000, "open")
TICK = Tick(
    "BTC/5m", START_S * 1_000, START_S, "w1", 1, "p", "", Account(7, 100, 20, (PositionView("Up", 5, 3),), (ORDER,))
)


def a_ledger(
    *, version: int = 7, cash: int = 100, exposure: int = 20, size: int = 5, state: str = "open", start_s: int = START_S
) -> Ledger:
    """What the tick says, and another window's rows beside it."""
    positions = (
        PositionRow("BTC/5m", start_s, "Up", size, 3, 0, "r"),
        PositionRow("BTC/5m", START_S - 300, "Up", 9, 9, 0, "r"),
        PositionRow("ETH/5m", START_S, "Up", 9, 9, 0, "r"),
    )
    orders = (
        OrderRow(ORDER.order_id, "BTC/5m", START_S, "Up", "BUY", state, 600_000, 5_000_000, "r"),
        OrderRow("0x" + "22" * 32, "BTC/5m", START_S - 300, "Up", "BUY", "unknown", 600_000, 5_000_000, "r"),
        OrderRow("0x" + "33" * 32, "BTC/15m", START_S, "Up", "BUY", "open", 600_000, 5_000_000, "r"),
    )
    return Ledger(version, 0, 0, 1, cash, exposure, 1, (), positions, orders)


def test_the_same_account_on_both_ways_is_no_difference() -> None:
    """Rows of other windows and lanes are not the tick's business."""
    assert difference(TICK, a_ledger()) == ""


def test_another_version_is_not_compared() -> None:
    """The ledger has moved on since, or the tick is ahead of it: neither is wrong."""
    assert difference(TICK, a_ledger(version=8, cash=1)) == ""


@pytest.mark.parametrize(
    ("ledger", "named"),
    [
        (a_ledger(cash=99), "cash: tick 100, ledger 99"),
        (a_ledger(exposure=21), "exposure: tick 20, ledger 21"),
        (a_ledger(size=6), "positions: tick [('Up', 5, 3)], ledger [('Up', 6, 3)]"),
        (a_ledger(start_s=START_S + 300), "positions: tick [('Up', 5, 3)], ledger []"),
        (a_ledger(state="closed"), "orders: "),
    ],
)
def test_every_part_that_differs_is_named_with_both_values(ledger: Ledger, named: str) -> None:
    """An alarm has to say what to look at."""
    assert difference(TICK, ledger).startswith(named)
