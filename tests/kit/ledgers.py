"""Ledgers to write and read."""

from shared.ledger import Ledger, OrderRow, PositionRow, SlotRow


def a_ledger(*, version: int = 1, slots: int = 2, positions: int = 2, orders: int = 2) -> Ledger:
    """A picture with as many rows of each kind as asked for."""
    return Ledger(
        version=version,
        at_ns=1_784_851_200 * 10**9,
        beat_ns=12_345,
        term=3,
        cash_micro=-7,
        exposure_micro=15_000_000,
        pid=4_711,
        slots=tuple(
            SlotRow(f"S{i}/5m", f"w1-{i}", "9f31c7e00000", "owned", 118 + i, 1_000 * i, 300 * i) for i in range(slots)
        ),
        positions=tuple(
            PositionRow("BTC/5m", 300 * i, "Down", 10_000_000 + i, 5_175_000, 10_000_000, "9f31c7e00000")
            for i in range(positions)
        ),
        orders=tuple(
            OrderRow(f"0x{i:064x}", "ETH/15m", 900, "Up", "BUY", "open", 470_000, 5_000_000, "a1b2c3d40000")
            for i in range(orders)
        ),
    )
