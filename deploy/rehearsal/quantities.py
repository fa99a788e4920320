"""The venue's numbers: millionths for money and shares, 1e-18 for reference prices, and their text on the wire.

Leaves every meaning to others. What always holds: nothing here is a float, so a text that came in goes out the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MICRO: Final = 1_000_000
"""Millionths in one dollar, one share, or a price of 1."""
E18: Final = 10**18
"""Units of a reference price in one dollar."""
CENT_MICRO: Final = 10_000
_TEXTS_MAX: Final = 16_384


class NotANumber(ValueError):
    """The text is no plain decimal number that fits the unit."""


@lru_cache(maxsize=_TEXTS_MAX)
def text_of(micro: int) -> str:
    """Write millionths the way the venue writes prices and sizes: 520_000 is 0.52, 10_000_000 is 10."""
    whole, part = divmod(micro, MICRO)
    return f"{whole}.{part:06d}".rstrip("0") if part else str(whole)


def micro_of(text: str) -> int:
    """Read a decimal text of at most six places as millionths. Raises: NotANumber."""
    return _scaled(text, 6)


def is_count(text: str) -> bool:
    """Whether a text is one or more plain digits and nothing else."""
    return text.isascii() and text.isdecimal()


def e18_of(text: str) -> int:
    """Read a decimal text of at most eighteen places as 1e-18. Raises: NotANumber."""
    return _scaled(text, 18)


def e18_text(value_e18: int) -> str:
    """Write a reference price with all its eighteen places, as `full_accuracy_value` of the price socket does."""
    whole, part = divmod(value_e18, E18)
    return f"{whole}.{part:018d}"


def _scaled(text: str, places: int) -> int:
    whole, _, part = text.strip().partition(".")
    if not is_count(whole + part) or len(part) > places:
        raise NotANumber(f"{text!r} is not a decimal number of at most {places} places")
    return int(whole or "0") * int(10**places) + int(part.ljust(places, "0") or "0")
