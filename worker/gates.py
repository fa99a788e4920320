"""What must be true before an entry is thought of: time, volatility, jump, price. One gate, one reason, one number.

Numbers in, a Gate out. A gate that is shut says so in words an operator can check: the number, and the bound it
missed. Leaves to others which gates there are and in what order they are asked.
"""

from __future__ import annotations

import msgspec


class Gate(msgspec.Struct, frozen=True):
    """`shut`: empty when it is open, else why it is not."""

    name: str
    shut: str


def timing(left_s: float, snipe_s: int, last_s: int) -> Gate:
    """Whether the window is in its snipe window and not yet in its last seconds."""
    if left_s > snipe_s:
        return Gate("timing", f"{left_s:.1f} s left > snipe window of {snipe_s} s")
    if left_s < last_s:
        return Gate("timing", f"{left_s:.1f} s left < last {last_s} s")
    return Gate("timing", "")


def volatility(per_minute_bp: float, least_bp: float, most_bp: float) -> Gate:
    """Whether the market moves enough to have a signal and not so much that the model fails."""
    if per_minute_bp < least_bp:
        return Gate("volatility", f"volatility {per_minute_bp:.2f} bp < {least_bp:.2f}")
    if per_minute_bp > most_bp:
        return Gate("volatility", f"volatility {per_minute_bp:.2f} bp > {most_bp:.2f}")
    return Gate("volatility", "")


def reaction(jump: float, most: float) -> Gate:
    """Whether the last seconds were no overreaction; `jump` in standard deviations, either way."""
    return Gate("reaction", f"jump {abs(jump):.2f} > {most:.2f}" if abs(jump) > most else "")


def price(price_micro: int, least: float, most: float) -> Gate:
    """Whether a token's price is in the range in which entries are made."""
    value = price_micro / 1e6
    if value < least:
        return Gate("price", f"price {value:.3f} < {least:.3f}")
    if value > most:
        return Gate("price", f"price {value:.3f} > {most:.3f}")
    return Gate("price", "")
