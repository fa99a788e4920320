"""What has to be so after a supervisor was killed, wherever that was: nothing forgotten, nothing done twice."""

from __future__ import annotations

from collections import Counter

from kit.desks import Desk

from shared import entries as e
from supervisor.accounts import Accounts, rebuild


def forgotten(desk: Desk, before: Accounts) -> list[str]:
    """Orders and positions that were there before and that nothing in the journal accounts for now."""
    now = rebuild(desk.lines())
    paid = {(resolved.slot, resolved.start_s) for resolved in desk.said_by(e.Resolved)}
    orders = [o for o in before.open_orders() if o.order_id not in now.orders and (o.slot, o.start_s) not in paid]
    held = [key for key, position in before.positions.items() if position.size_micro and key not in now.positions]
    gone = [f"order {order.order_id}" for order in orders]
    gone += [f"position {key}" for key in held if key[:2] not in paid]
    return gone + [f"epoch of {n}" for n, was in before.owners.items() if now.owners[n].epoch <= was.epoch]


def posted_once(desk: Desk) -> bool:
    """Whether the venue got each order once, and refused none as a copy."""
    orders = Counter(line["order_id"] for line in desk.venue_lines("order"))
    copies = [line for line in desk.venue_lines("reject") if "uplicate" in str(line)]
    return set(orders.values()) <= {1} and not copies
