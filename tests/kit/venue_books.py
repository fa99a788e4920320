"""What the rehearsal venue says of our money: its own record added up, and none of our own code in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from deploy.rehearsal.record import read_lines
from shared.paths import State

MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class VenueBooks:
    """Millionths of collateral. gross: everything received less everything paid but fees."""

    gross_micro: int
    fee_micro: int
    orders: tuple[str, ...]


def venue_books(state: State) -> VenueBooks:
    """Every leg of a trade that did not fail, every payout and every merge."""
    lines = list(read_lines(state.venue))
    failed = {line["trade_id"] for line in lines if line["kind"] == "settlement" and line["status"] == "FAILED"}
    traded = [line for line in lines if line["kind"] == "trade" and line["trade_id"] not in failed]
    legs: list[dict[str, Any]] = [leg for line in traded for leg in line["legs"]]
    gross = sum(_flow(leg) for leg in legs)
    gross += sum(line["payout_micro"] for line in lines if line["kind"] == "payout")
    gross += sum(line["size_micro"] for line in lines if line["kind"] == "merge")
    return VenueBooks(gross, sum(leg["fee_micro"] for leg in legs), tuple(leg["order_id"] for leg in legs))


def _flow(leg: dict[str, Any]) -> int:
    cost = int(leg["size_micro"]) * int(leg["price_micro"]) // MICRO
    return cost if leg["side"] == "SELL" else -cost
