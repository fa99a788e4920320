"""Chance without history: a number for a name, the same every time.

Leaves what is drawn to others. What always holds: another name gives another, independent number.
"""

from __future__ import annotations

from hashlib import blake2b
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()


def word(*names: object) -> int:
    """64 bits for a name of any parts."""
    return int.from_bytes(blake2b("/".join(map(str, names)).encode(), digest_size=8).digest())


def normal(*names: object) -> float:
    """A standard normal number for a name."""
    return _NORMAL.inv_cdf(((word(*names) >> 12) + 0.5) / (1 << 52))
