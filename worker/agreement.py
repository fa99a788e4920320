"""Whether the account in a tick and the ledger in shared memory say the same.

Both come from the supervisor, on two ways; a difference while their versions agree means that one of the ways lies.
Leaves to others to raise the alarm.
"""

from __future__ import annotations

from shared.ledger import Ledger
from shared.messages import Tick


def difference(tick: Tick, ledger: Ledger) -> str:
    """Where a tick's account and the ledger differ, for the tick's own window; empty when nowhere.

    Ledgers of another version are not compared: one of the two has simply moved on.
    """
    account, window = tick.account, (tick.slot, tick.start_s)
    if ledger.version != account.ledger_version:
        return ""
    pairs = {
        "cash": (account.cash_micro, ledger.cash_micro),
        "exposure": (account.exposure_micro, ledger.exposure_micro),
        "positions": (
            sorted((p.outcome, p.size_micro, p.cost_micro) for p in account.positions),
            sorted((p.outcome, p.size_micro, p.cost_micro) for p in ledger.positions if (p.slot, p.start_s) == window),
        ),
        "orders": (
            sorted((o.order_id, o.outcome, o.side, o.price_micro, o.open_micro, o.state) for o in account.orders),
            sorted(
                (o.order_id, o.outcome, o.side, o.price_micro, o.open_micro, o.state)
                for o in ledger.orders
                if (o.slot, o.start_s) == window
            ),
        ),
    }
    return "; ".join(f"{name}: tick {told}, ledger {kept}" for name, (told, kept) in pairs.items() if told != kept)
