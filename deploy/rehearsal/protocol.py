"""Every JSON shape the venue shows but Gamma's: books, markets, answers to orders, events of the sockets.

Field names, their order, and which numbers are text follow captures of production (the samples behind facts 3 and 4);
so do its oddities: the best level comes last, a killed FOK has blank fields, hashes of transactions come late,
timestamps are seconds here and milliseconds there. Leaves what happened to others. What always holds: plain values in,
plain JSON values out.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha1
from typing import Any, Final

import msgspec

from deploy.rehearsal import refusals
from deploy.rehearsal.days import Listing, Outcome, Version
from deploy.rehearsal.keys import Key
from deploy.rehearsal.matching import Side
from deploy.rehearsal.orders import Order
from deploy.rehearsal.quantities import E18, MICRO, e18_text, text_of
from deploy.rehearsal.trades import Part, Trade

Json = dict[str, Any]

FIRST_CURSOR: Final = "MA=="
LAST_CURSOR: Final = "LTE="
PAGE_MAX: Final = 500
BASE_FEE: Final = 1_000
"""The legacy fee field; it means nothing. Source: facts 6."""
UNLIMITED: Final = str(2**256 - 1)
SPENDERS: Final = (
    "0xE111180000d2663C0091e4f400237545B87B996B",
    "0xe2222d279d744050d28e00520010520000310F59",
    "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
)
"""Who may spend: the two exchanges of CLOB V2 and Exchange V3."""
SOURCE: Final = "chainlink"
_ROWS_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class BookView:
    """One token's book at a moment; levels are (price, size) in millionths, the best last."""

    condition_id: str
    token_id: str
    at_ms: int
    bids: Sequence[tuple[int, int]]
    asks: Sequence[tuple[int, int]]
    min_size_micro: int
    tick_micro: int
    last_trade: str
    version: Version = "v1"
    memo: list[Json] = field(default_factory=list, init=False, compare=False, repr=False)
    """Its JSON, once somebody asked for it: a change and the whole book carry the same hash."""

    @property
    def best_bid(self) -> str:
        """The best bid as text, blank without one."""
        return text_of(self.bids[-1][0]) if self.bids else ""

    @property
    def best_ask(self) -> str:
        """The best ask as text, blank without one."""
        return text_of(self.asks[-1][0]) if self.asks else ""


def encode(message: object) -> bytes:
    """Compact JSON."""
    return msgspec.json.encode(message)


def _levels(levels: Iterable[tuple[int, int]]) -> list[Json]:
    return [_row(price, size) for price, size in levels]


@lru_cache(maxsize=_ROWS_MAX)
def _row(price_micro: int, size_micro: int) -> Json:
    """One level; most of a book is as it was when it was last shown. Not to be changed."""
    return {"price": text_of(price_micro), "size": text_of(size_micro)}


def book(view: BookView) -> Json:
    """GET /book: the hash covers this very object with its hash left blank. Source: facts 3.1. Not to be changed."""
    if not view.memo:
        view.memo.append(_book(view))
    return view.memo[0]


def _book(view: BookView) -> Json:
    shown: Json = {
        "market": view.condition_id,
        "asset_id": view.token_id,
        "timestamp": str(view.at_ms),
        "hash": "",
        "bids": _levels(view.bids),
        "asks": _levels(view.asks),
        "min_order_size": text_of(view.min_size_micro),
        "tick_size": text_of(view.tick_micro),
        "neg_risk": False,
        "last_trade_price": view.last_trade,
        **_version(view),
    }
    return shown | {"hash": sha1(encode(shown), usedforsecurity=False).hexdigest()}


def book_event(view: BookView) -> Json:
    """The market socket's snapshot."""
    shown = book(view)
    names = ("market", "asset_id", "timestamp", "hash", "bids", "asks", "tick_size")
    tail = {"event_type": "book", "last_trade_price": view.last_trade}
    return {name: shown[name] for name in names} | tail | _version(view)


def _version(view: BookView) -> Json:
    """Only Protocol V2 says so. Source: facts 3.1."""
    return {"version": "v2"} if view.version == "v2" else {}


@dataclass(frozen=True, slots=True)
class LevelChange:
    """The new total at one level of one token's book; 0 when it is gone."""

    token_id: str
    side: Side
    price_micro: int
    size_micro: int


def price_change(views: Mapping[str, BookView], changes: Iterable[LevelChange]) -> Json:
    """Levels that changed, of both tokens in one message. views: each token's book after the changes."""
    hashes = {token: book(view)["hash"] for token, view in views.items()}
    shown = [
        {
            "asset_id": change.token_id,
            "price": text_of(change.price_micro),
            "size": text_of(change.size_micro),
            "side": change.side,
            "hash": hashes[change.token_id],
            "best_bid": views[change.token_id].best_bid,
            "best_ask": views[change.token_id].best_ask,
        }
        for change in changes
    ]
    some = next(iter(views.values()))
    return {
        "market": some.condition_id,
        "price_changes": shown,
        "timestamp": str(some.at_ms),
        "event_type": "price_change",
    }


def best_bid_ask(view: BookView) -> Json:
    """The top of one token's book, for connections that asked for custom features."""
    bid, ask = (view.bids[-1][0] if view.bids else 0), (view.asks[-1][0] if view.asks else MICRO)
    return {
        "market": view.condition_id,
        "asset_id": view.token_id,
        "best_bid": view.best_bid,
        "best_ask": view.best_ask,
        "spread": text_of(ask - bid) if view.bids and view.asks else "",
        "timestamp": str(view.at_ms),
        "event_type": "best_bid_ask",
    }


def last_trade_price(condition_id: str, part: Part, hash_: str, at_ms: int) -> Json:
    """A trade as everybody sees it: the taker's token, side and price."""
    return {
        "market": condition_id,
        "asset_id": part.token_id,
        "price": text_of(part.price_micro),
        "size": text_of(part.size_micro),
        "side": part.side,
        "fee_rate_bps": "0",
        "transaction_hash": hash_,
        "timestamp": str(at_ms),
        "event_type": "last_trade_price",
    }


def tick_size_change(condition_id: str, token_id: str, old_micro: int, new_micro: int, at_ms: int) -> Json:
    """The price step became finer."""
    return {
        "market": condition_id,
        "asset_id": token_id,
        "old_tick_size": text_of(old_micro),
        "new_tick_size": text_of(new_micro),
        "timestamp": str(at_ms),
        "event_type": "tick_size_change",
    }


def market_resolved(listing: Listing, number: str, winner: Outcome, at_ms: int) -> Json:
    """The market's end, for connections that asked for custom features."""
    return {
        "id": number,
        "market": listing.condition_id,
        "assets_ids": [listing.up_token, listing.down_token],
        "winning_asset_id": listing.token(winner),
        "winning_outcome": winner,
        "timestamp": str(at_ms),
        "event_type": "market_resolved",
        "tags": [],
    }


def new_market(listing: Listing, shown: Mapping[str, Any], event: Mapping[str, Any], at_ms: int) -> Json:
    """A market was listed; everybody with custom features hears of it. shown, event: its Gamma objects."""
    tokens = [listing.up_token, listing.down_token]
    return {
        "id": shown["id"],
        "question": shown["question"],
        "market": listing.condition_id,
        "slug": listing.slug,
        "description": shown.get("description", ""),
        "assets_ids": tokens,
        "outcomes": ["Up", "Down"],
        "event_message": {name: event.get(name, "") for name in ("id", "ticker", "slug", "title", "description")},
        "timestamp": str(at_ms),
        "event_type": "new_market",
        "tags": [],
        "condition_id": listing.condition_id,
        "active": True,
        "clob_token_ids": tokens,
        "sports_market_type": "",
        "line": "",
        "game_start_time": "",
        "order_price_min_tick_size": text_of(listing.tick_micro),
        "group_item_title": "",
        "taker_base_fee": str(BASE_FEE),
        "fees_enabled": bool(listing.fee.rate_micro),
        "fee_schedule": {
            "exponent": str(listing.fee.exponent),
            "rate": text_of(listing.fee.rate_micro),
            "taker_only": True,
            "rebate_rate": "0.2",
        },
    }


def accepted(order: Order, status: str) -> Json:
    """The answer to an order that was taken. Transaction hashes come later, so there are none."""
    return {
        "success": True,
        "errorMsg": "",
        "orderID": order.order_id,
        "status": status,
        "makingAmount": str(order.made_micro),
        "takingAmount": str(order.taken_micro),
        "transactionsHashes": [],
        "tradeIDs": list(order.trades),
    }


def refused_leg(reason: str) -> Json:
    """A refused order inside a batch: success says true all the same. Source: facts 3.3."""
    return {
        "success": True,
        "errorMsg": reason,
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
        "transactionsHashes": [],
        "tradeIDs": [],
    }


def error(reason: str) -> Json:
    """The body of every refusal."""
    return {"error": reason}


def wrong_heartbeat(expected: str) -> Json:
    """The answer to a heartbeat with another id than the expected one."""
    return {"error_msg": refusals.HEARTBEAT_ID, "heartbeat_id": expected}


def canceled(done: Sequence[str], refused: Mapping[str, str]) -> Json:
    """The answer to every cancel, with HTTP 200 even if nothing was cancelled."""
    return {"canceled": list(done), "not_canceled": dict(refused)}


def credentials(key: Key) -> Json:
    """A key as its owner gets it."""
    return {"apiKey": key.api_key, "secret": key.secret, "passphrase": key.passphrase}


def balance(micro: int) -> Json:
    """GET /balance-allowance: six-decimal integers as text; every spender may spend everything."""
    return {"balance": str(max(0, micro)), "allowances": dict.fromkeys(SPENDERS, UNLIMITED)}


def page(rows: Sequence[Any], cursor: str) -> Json:
    """One page of a list. cursor: as the last page named it; the offset, in production's encoding."""
    start = _offset(cursor)
    shown = rows[start : start + PAGE_MAX]
    following = start + PAGE_MAX
    return {
        "data": list(shown),
        "next_cursor": _cursor(following) if following < len(rows) else LAST_CURSOR,
        "limit": PAGE_MAX,
        "count": len(shown),
    }


def _offset(cursor: str) -> int:
    if cursor in ("", FIRST_CURSOR):
        return 0
    try:
        return max(0, int(_from_base64(cursor)))
    except ValueError as fault:
        raise refusals.bad("invalid cursor") from fault


def _cursor(offset: int) -> str:
    return b64encode(str(offset).encode()).decode()


def _from_base64(cursor: str) -> str:
    return b64decode(cursor, validate=True).decode()


def open_order(order: Order) -> Json:
    """An order of /data/orders and /data/order/{id}."""
    return {
        "id": order.order_id,
        "status": order.status,
        "owner": order.api_key,
        "maker_address": order.wallet,
        "market": order.condition_id,
        "asset_id": order.token_id,
        "side": order.side,
        "original_size": text_of(order.size_micro),
        "size_matched": text_of(order.matched_micro),
        "price": text_of(order.price_micro),
        "outcome": order.outcome,
        "expiration": str(order.expires_s),
        "order_type": order.kind,
        "associate_trades": list(order.trades),
        "created_at": order.created_ms // 1_000,
    }


def order_event(order: Order, kind: str, at_ms: int, created_in_ms: bool = False) -> Json:
    """The user socket's order event. kind: PLACEMENT, UPDATE or CANCELLATION.

    created_in_ms: what the venue itself cancels says when it was created in milliseconds; all else in seconds.
    """
    return {
        "event_type": "order",
        "type": kind,
        "id": order.order_id,
        "owner": order.api_key,
        "order_owner": order.api_key,
        "market": order.condition_id,
        "asset_id": order.token_id,
        "side": order.side,
        "outcome": order.outcome,
        "price": text_of(order.price_micro),
        "original_size": text_of(order.size_micro),
        "size_matched": text_of(order.matched_micro),
        "order_type": order.kind,
        "maker_address": order.wallet,
        "associate_trades": list(order.trades),
        "created_at": str(order.created_ms if created_in_ms else order.created_ms // 1_000),
        "expiration": str(order.expires_s),
        "status": order.status,
        "timestamp": str(at_ms),
    }


def killed_event(order: Order, reason: str, at_ms: int) -> Json:
    """A killed FOK or FAK: the reason is part of the status, and three fields are blank. Source: facts 4.2."""
    blank = {"outcome": "", "size_matched": "", "created_at": "", "status": f"CANCELED_{reason}"}
    return order_event(order, "CANCELLATION", at_ms) | blank


def _maker(part: Part) -> Json:
    return {
        "order_id": part.order_id,
        "owner": part.owner,
        "maker_address": part.wallet,
        "matched_amount": text_of(part.size_micro),
        "price": text_of(part.price_micro),
        "fee_rate_bps": "",
        "asset_id": part.token_id,
        "outcome": part.outcome,
        "outcome_index": 0 if part.outcome == "Up" else 1,
        "side": part.side,
    }


def _trade(trade: Trade, viewer: str) -> Json:
    """What both views of a trade share: the top level is the taker's, whoever looks."""
    taker = trade.taker
    return {
        "id": trade.trade_id,
        "taker_order_id": taker.order_id,
        "market": trade.condition_id,
        "asset_id": taker.token_id,
        "side": taker.side,
        "size": text_of(taker.size_micro),
        "price": text_of(taker.price_micro),
        "outcome": taker.outcome,
        "owner": taker.owner,
        "maker_address": taker.wallet,
        "match_time": str(trade.match_ms // 1_000),
        "last_update": str(trade.update_ms // 1_000),
        "transaction_hash": trade.transaction_hash,
        "bucket_index": 0,
        "trader_side": "TAKER" if viewer == taker.owner else "MAKER",
        "maker_orders": [_maker(part) for part in trade.makers],
    }


def trade_event(trade: Trade, viewer: str, at_ms: int) -> Json:
    """The user socket's trade event for one API key."""
    head = {"event_type": "trade", "type": "TRADE"}
    tail = {
        "trade_owner": trade.taker.owner,
        "fee_rate_bps": "",
        "status": trade.status,
        "timestamp": str(at_ms),
    }
    return head | _trade(trade, viewer) | tail


def trade_row(trade: Trade, viewer: str, now_ms: int) -> Json:
    """A trade of /data/trades: the status has a prefix here, and one more value."""
    return _trade(trade, viewer) | {"fee_rate_bps": "0", "status": trade.listed_status(now_ms)}


def price_point(source_ms: int, value_e18: int) -> Json:
    """One reference price; the exact one is the text."""
    return {"timestamp": source_ms, "value": value_e18 / E18, "full_accuracy_value": e18_text(value_e18)}


def price_frame(channel: str, seq: int, at_ms: int, payload: Json, snapshot: bool = False) -> Json:
    """One frame of the price socket."""
    head: Json = {"v": 1, "channel": channel, "seq": seq, "ts": at_ms}
    return head | ({"snapshot": True} if snapshot else {}) | {"payload": payload}


def price_payload(symbol: str, window_s: int) -> Json:
    """What every payload of one subscription says; window_s: 0 for the instantaneous price."""
    shown: Json = {"symbol": symbol, "source": SOURCE}
    return shown | ({"window_seconds": window_s} if window_s else {})
