"""What taking cost on a date, and a market nobody recorded wholly.

Source: facts 6. Leaves what settles a window to `eras.py`, and recorded markets to `recordings.py`, which read it all
from their own fields. What always holds: a market that is made up here has the same ids whenever it is made up again.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from deploy.rehearsal.days import Fee, Listing
from deploy.rehearsal.eras import lookback_s

NO_FEE: Final = Fee(0, 1)
LISTED_AHEAD_S: Final = 86_400
_SQUARED: Final = Fee(250_000, 2)
"""The first schedule: at most 1.56 cents a share, at a half."""
_PRESENT: Final = Fee(70_000, 1)
_FEES: Final = {
    300: ((1_774_828_800, _PRESENT), (1_770_854_400, _SQUARED)),
    900: ((1_774_828_800, _PRESENT), (1_767_571_200, _SQUARED)),
}
"""Since when which fee, newest first: 30 March 2026 for all; 12 February for 5 minutes, 5 January for 15."""


def fee_on(start_s: int, interval_s: int) -> Fee:
    """The taker fee of a window that starts then; intervals that are not known have the one of 15 minutes."""
    return next((fee for since, fee in _FEES.get(interval_s, _FEES[900]) if start_s >= since), NO_FEE)


def plain_listing(world: str, asset: str, interval_s: int, start_s: int, condition_id: str = "") -> Listing:
    """A market by its slot and the rules of its date. world: another one gives other ids; condition_id: if known."""
    slug = f"{asset.lower()}-updown-{interval_s // 60}m-{start_s}"
    return Listing(
        slug=slug,
        asset=asset,
        interval_s=interval_s,
        start_s=start_s,
        condition_id=condition_id or "0x" + _id(world, slug, "condition"),
        up_token=str(int(_id(world, slug, "up"), 16)),
        down_token=str(int(_id(world, slug, "down"), 16)),
        listed_ms=(start_s - LISTED_AHEAD_S) * 1_000,
        lookback_s=lookback_s(interval_s, start_s),
        fee=fee_on(start_s, interval_s),
        min_size_micro=5_000_000,
        tick_micro=10_000,
    )


def _id(world: str, slug: str, part: str) -> str:
    return sha256(f"{world}/{slug}/{part}".encode()).hexdigest()
