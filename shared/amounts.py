"""What an order comes to at the venue: sizes and dollars rounded as it wants them, and the least it takes.

Both who sends orders and who fills them on paper ask here, so that an order is the same one in either place.
"""

from __future__ import annotations

from typing import Final

from shared.messages import OrderKind, Side
from shared.units import MICRO

_ROUNDING: Final = {  # tick -> decimals of size, of the computed amount; from the official clients
    100_000: (2, 3),
    10_000: (2, 4),
    5_000: (2, 5),
    2_500: (2, 6),
    1_000: (2, 5),
    100: (2, 6),
}
MIN_IMMEDIATE_MICRO: Final = 1_000_000
"""A marketable order is worth at least a dollar, else the venue refuses it."""
_BOUGHT_STEP_MICRO: Final = 100
"""Shares of an immediate BUY have at most four decimals."""


class BadSize(ValueError):
    """The size rounds to nothing, or the market's price grid is none the venue has."""


def order_amounts(side: Side, kind: OrderKind, price_micro: int, size_micro: int, tick_micro: int) -> tuple[int, int]:
    """What an order offers and what it asks for, in millionths: (maker amount, taker amount).

    A resting order's size is in shares. An immediate BUY is in collateral with two decimals, and its shares are rounded
    down, so that the price it offers is never below `price_micro`; to four decimals on every grid, because the venue
    refuses a fifth although its own clients' tables allow it on fine ones.
    Raises: BadSize. Source: the rounding tables of the official clients, and the venue's answers to market orders.
    """
    if tick_micro not in _ROUNDING:
        raise BadSize(f"tick size {tick_micro} millionths is none the venue has")
    if price_micro <= 0 or size_micro <= 0:
        raise BadSize(f"no order has {size_micro} millionths of a share at {price_micro}")
    size_step, amount_step = (10 ** (6 - decimals) for decimals in _ROUNDING[tick_micro])
    if side == "BUY" and kind != "GTC":
        collateral = _down(size_micro * price_micro // MICRO, size_step)
        bought_step = max(amount_step, _BOUGHT_STEP_MICRO)
        offered, asked = collateral, _down(collateral * MICRO // price_micro, bought_step)
    else:
        shares = _down(size_micro, size_step)
        collateral = _down(shares * price_micro // MICRO, amount_step)
        offered, asked = (collateral, shares) if side == "BUY" else (shares, collateral)
    if offered <= 0 or asked <= 0:
        raise BadSize(f"{size_micro} millionths of a share at {price_micro} round to nothing")
    return offered, asked


def _down(value: int, step: int) -> int:
    return value - value % step
