"""A market as the CLOB's own read endpoints show it: the short form, the long form and the simplified one.

The long and simplified forms are production's oldest; their price step is the one the market was listed with, which
is the staleness of facts 3.1. Leaves the catalogue to `gamma.py`, books to `protocol.py`. What always holds: plain
values in, plain JSON values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from deploy.rehearsal.days import Listing, Outcome
from deploy.rehearsal.markets import OUTCOMES, Market
from deploy.rehearsal.prints import Print
from deploy.rehearsal.protocol import BASE_FEE, Json
from deploy.rehearsal.quantities import MICRO, text_of

_REWARDS: Final[Json] = {"rates": None, "min_size": 50, "max_spread": 4.5}
_STRANGER: Final[Json] = {
    "address": "",
    "username": "",
    "profile_picture": "",
    "optimized_profile_picture": "",
    "pseudonym": "",
}
"""Who traded, in the public list: nobody is named here."""


def short(listing: Listing, tick_micro: int, accepting: bool, since: str) -> Json:
    """GET /clob-markets/{condition id}: the short names. since: when it began to take orders."""
    clears = {"cbos": True} if listing.version == "v2" else {}
    return {
        "r": {"mi": 50, "ma": 4.5, "moas": 30},
        "t": [{"t": listing.up_token, "o": "Up"}, {"t": listing.down_token, "o": "Down"}],
        "c": listing.condition_id,
        "mos": listing.min_size_micro // MICRO,
        "mts": tick_micro / MICRO,
        "mbf": BASE_FEE,
        "tbf": BASE_FEE,
        "ao": accepting,
        **clears,
        "aot": since,
        "itode": True,
        "fd": {"r": listing.fee.rate_micro / MICRO, "e": listing.fee.exponent, "to": True},
        "v": listing.version,
    }


def of_token(listing: Listing) -> Json:
    """GET /markets-by-token/{id}: primary is just the smaller id."""
    smaller, greater = sorted((listing.up_token, listing.down_token), key=int)
    return {"condition_id": listing.condition_id, "primary_token_id": smaller, "secondary_token_id": greater}


def long(market: Market, accepting: bool, since: str, shown: Mapping[str, Any]) -> Json:
    """GET /markets/{condition id}, and a row of /markets. shown: its Gamma object."""
    listing = market.listing
    return simplified(market, accepting) | {
        "enable_order_book": True,
        "accepting_order_timestamp": since,
        "minimum_order_size": listing.min_size_micro // MICRO,
        "minimum_tick_size": listing.tick_micro / MICRO,
        "question_id": shown.get("questionID", ""),
        "question": shown["question"],
        "description": shown.get("description", ""),
        "market_slug": listing.slug,
        "end_date_iso": f"{datetime.fromtimestamp(listing.end_s, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "game_start_time": None,
        "seconds_delay": 0,
        "fpmm": "",
        "maker_base_fee": BASE_FEE,
        "taker_base_fee": BASE_FEE,
        "notifications_enabled": True,
        "neg_risk": False,
        "neg_risk_market_id": "",
        "neg_risk_request_id": "",
        "icon": shown.get("icon", ""),
        "image": shown.get("image", ""),
        "is_50_50_outcome": False,
        "tags": ["Crypto", "Up or Down"],
    }


def simplified(market: Market, accepting: bool) -> Json:
    """A row of /simplified-markets."""
    return {
        "condition_id": market.listing.condition_id,
        "tokens": [_token(market, outcome) for outcome in OUTCOMES],
        "rewards": _REWARDS,
        "active": True,
        "closed": market.settled is not None,
        "archived": False,
        "accepting_orders": accepting,
    }


def _token(market: Market, outcome: Outcome) -> Json:
    won = market.settled is not None and market.settled.winner == outcome
    best = market.best(outcome, "BUY")
    price = (MICRO if won else 0) if market.settled else best
    token = market.listing.token(outcome)
    return {"token_id": token, "outcome": outcome, "price": (price or 0) / MICRO, "winner": won}


def activity(market: Market, shown: Mapping[str, Any], row: Print) -> Json:
    """One trade of GET /markets/live-activity/{condition id}."""
    listing = market.listing
    return {
        "event_type": "trade",
        "market": {
            "condition_id": listing.condition_id,
            "asset_id": listing.token(row.outcome),
            "question": shown["question"],
            "icon": shown.get("icon", ""),
            "slug": listing.slug,
        },
        "user": _STRANGER,
        "side": row.side,
        "size": text_of(row.size_micro),
        "fee_rate_bps": "0",
        "price": text_of(row.price_micro),
        "outcome": row.outcome,
        "outcome_index": OUTCOMES.index(row.outcome),
        "transaction_hash": "",
        "timestamp": str(row.at_ms // 1_000),
    }
