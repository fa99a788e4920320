"""A trade's life: matched at once, mined seconds later, confirmed or failed in the end.

One trade is one price level that one taker order took; its makers are parts of it. Delays are drawn from the trade's
id, so a venue started again settles a pending trade as it would have. Leaves booking and undoing to `accounts.py`.
What always holds: CONFIRMED and FAILED are final, and FAILED comes only by way of RETRYING.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from deploy.rehearsal.accounts import Leg
from deploy.rehearsal.days import Outcome
from deploy.rehearsal.keys import uuid_of
from deploy.rehearsal.matching import Side

MINED_MS: Final = (2_000, 5_000)
CONFIRMED_MS: Final = (10_000, 50_000)
RETRYING_MS: Final = (4_000, 8_000)
FAILED_MS: Final = (15_000, 45_000)
"""Market time after the match. Source: facts 4.2, 10."""
FINAL: Final = frozenset({"CONFIRMED", "FAILED"})
STRANGER: Final = "00000000-0000-4000-8000-00000000c0de"
"""The API key id shown for everybody who is not a client."""
NOBODY: Final = "0x000000000000000000000000000000000000c0DE"


@dataclass(frozen=True, slots=True)
class Part:
    """One order's share of a trade as messages show it, in the terms of its own token. owner: its API key's id."""

    order_id: str
    owner: str
    wallet: str
    token_id: str
    outcome: Outcome
    side: Side
    price_micro: int
    size_micro: int


@dataclass(slots=True)
class Trade:
    """A trade with at least one client in it. legs: what to book, and to undo should it fail."""

    trade_id: str
    condition_id: str
    slug: str
    taker: Part
    makers: tuple[Part, ...]
    legs: tuple[Leg, ...]
    match_ms: int
    update_ms: int
    status: str = "MATCHED"

    @property
    def transaction_hash(self) -> str:
        """The hash it got on the chain: none before it is mined."""
        mined = self.status in ("MINED", "CONFIRMED")
        return "0x" + sha256(f"transaction/{self.trade_id}".encode()).hexdigest() if mined else ""

    def clients(self) -> list[str]:
        """API keys with a part in it."""
        return [owner for owner in {part.owner for part in (self.taker, *self.makers)} if owner != STRANGER]


def trade_id(taker_order_id: str, up_micro: int, match_ms: int, number: int) -> str:
    """The id of one taker order's trade at one price. number: the trade's place in its market."""
    return uuid_of(sha256(f"{taker_order_id}/{up_micro}/{match_ms}/{number}".encode()).digest())


def course(trade: str, failing: float) -> list[tuple[int, str]]:
    """What becomes of a trade: (milliseconds after the match, status). failing: the probability that it fails."""
    drawn = sha256(f"course/{trade}".encode()).digest()
    parts = [int.from_bytes(drawn[at : at + 4]) / 2**32 for at in (0, 4, 8)]
    steps = (
        (("RETRYING", RETRYING_MS), ("FAILED", FAILED_MS))
        if parts[0] < failing
        else (("MINED", MINED_MS), ("CONFIRMED", CONFIRMED_MS))
    )
    return [
        (low + int(part * (high - low)), status) for (status, (low, high)), part in zip(steps, parts[1:], strict=True)
    ]
