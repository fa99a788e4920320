"""Prices, sizes and money as integer millionths, and their way in and out of text.

Inside Foresight a share, a dollar and a price are all `int` in units of 1e-6 (`_micro`). Decimals exist only at the
edges: this room turns text into integers and back, exactly, or says why it cannot. It knows nothing of markets.
"""

from __future__ import annotations

import re
from typing import Final

MICRO: Final = 1_000_000
"""One share, one unit of collateral, or the price 1.00."""

CENT_MICRO: Final = 10_000
"""One hundredth of collateral."""

_FEE_STEP_MICRO: Final = 10  # the venue keeps fees to five decimals
_EXACT_DECIMALS: Final = 18
_EXACT_PER_MICRO: Final = 10**12
TEXT_MAX: Final = 60
"""No number this desk reads is written with more characters; what is longer is refused before it is computed."""
WORD_MAX: Final = 2**63 - 1
"""Millionths fit the words of ledger and journal."""
_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]*))?\Z")


class NotANumber(ValueError):
    """The text is blank, not decimal, too large, or has more decimals than the unit can hold without rounding."""


class OffGrid(ValueError):
    """The price is nearer than one tick to 0 or 1, where the venue takes no order."""


def parse_scaled(text: str, decimals: int) -> int:
    """Turn decimal text into an integer count of 10**-decimals, exactly.

    Args: text: such as "0.53"; no exponent, no sign but a leading minus. decimals: 0 or more.
    Raises: NotANumber: also when a digit beyond `decimals` is not zero; nothing is ever rounded here.
    """
    if len(text) > TEXT_MAX:
        raise NotANumber(f"{text[:20]!r}... has {len(text)} characters, no number here has over {TEXT_MAX}")
    match = _DECIMAL.match(text)
    if match is None:
        raise NotANumber(f"{text!r} is not a decimal number")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if fraction[decimals:].strip("0"):
        raise NotANumber(f"{text!r} has more than {decimals} decimals")
    value = int(whole + fraction[:decimals].ljust(decimals, "0"))
    return -value if sign else value


def parse_micro(text: str) -> int:
    """Turn decimal text into millionths. Raises: NotANumber: also when they do not fit a signed 64-bit word."""
    value_micro = parse_scaled(text, 6)
    if abs(value_micro) > WORD_MAX:
        raise NotANumber(f"{text!r} does not fit 64 bits in millionths")
    return value_micro


def parse_exact(text: str) -> int:
    """Turn a reference price into units of 1e-18, the accuracy in which a window is decided. Raises: NotANumber."""
    return parse_scaled(text, _EXACT_DECIMALS)


def micro_of_exact(exact: int) -> int:
    """Units of 1e-18 to millionths, towards zero: good for a chart, never for deciding who won."""
    return exact // _EXACT_PER_MICRO


def show_micro(value_micro: int) -> str:
    """Millionths as the shortest exact decimal text: 530000 -> "0.53", 5000000 -> "5"."""
    sign = "-" if value_micro < 0 else ""
    whole, fraction = divmod(abs(value_micro), MICRO)
    return f"{sign}{whole}.{fraction:06d}".rstrip("0").rstrip(".")


def show_signed(value_micro: int) -> str:
    """Millionths as `show_micro` has them, always with their sign: 50000000 -> "+50"."""
    return f"{'+' if value_micro >= 0 else ''}{show_micro(value_micro)}"


def show_usd(value_micro: int, *, signed: bool = False) -> str:
    """Millionths as dollars and cents for a person, rounded half away from zero: 11480000 -> "11.48"."""
    cents = (abs(value_micro) + 5_000) // 10_000
    sign = "-" if value_micro < 0 and cents else "+" if signed else ""
    return f"{sign}{cents // 100}.{cents % 100:02d}"


def cost_of(size_micro: int, price_micro: int) -> int:
    """Collateral for a size at a price, in millionths, rounded down as the exchange contract divides."""
    return size_micro * price_micro // MICRO


def up_to_cent(value_micro: int) -> int:
    """Collateral rounded up to whole cents, in millionths: an immediate order is for a value the venue counts in those.

    Args: value_micro: 0 or more.
    """
    return -(-value_micro // CENT_MICRO) * CENT_MICRO


def taker_fee(size_micro: int, price_micro: int, rate_micro: int, exponent: int) -> int:
    """What a taker pays for a fill, in millionths of collateral.

    shares x rate x (p (1-p))^exponent, kept to five decimals half up; under 0.00001 it is nothing. Makers pay nothing.

    Args: size_micro: shares, 0 or more. price_micro: 0 to 1_000_000. rate_micro: 70_000 is a rate of 0.07.
    Source: the venue's fee page; a market names its own rate and exponent, so neither is ever assumed.
    """
    numerator: int = size_micro * rate_micro * (price_micro * (MICRO - price_micro)) ** exponent
    denominator: int = MICRO ** (2 * exponent + 1)
    if numerator < _FEE_STEP_MICRO * denominator:
        return 0
    steps = (2 * numerator + _FEE_STEP_MICRO * denominator) // (2 * _FEE_STEP_MICRO * denominator)
    return steps * _FEE_STEP_MICRO


def round_to_tick(price_micro: int, tick_micro: int) -> int:
    """Round a price down to the market's grid.

    Args: price_micro: 0 to 1_000_000. tick_micro: same unit; 10_000 is a cent.
    Raises: OffGrid: the result is nearer than one tick to 0 or 1, where the venue takes no order.
    Source: the venue's own client checks a price for tick <= price <= 1 - tick and for a whole number of ticks.
    """
    rounded = price_micro - price_micro % tick_micro
    if not tick_micro <= rounded <= MICRO - tick_micro:
        raise OffGrid(f"{show_micro(price_micro)} is within one tick ({show_micro(tick_micro)}) of 0 or 1")
    return rounded
