"""The Data API's rows: positions, trades, resolutions and approvals, as its second version writes them.

Names are facts 7, one live capture (resolutions) and the models of the official client; numbers are dollars and
shares. It shows what the chain's indexer knows, so a trade appears when it is mined, and it hides less than a tenth
of a share. Leaves the routes to `services.py`. What always holds: plain JSON values out, newest first where there is
an order; only clients are known to it, the crowd has no wallets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from deploy.rehearsal import gamma, refusals
from deploy.rehearsal.accounts import Leg
from deploy.rehearsal.chain import ADAPTERS, AUTO_REDEEMER, COLLATERAL, CTF, EXCHANGES, POSITION_MANAGER, ROUTER, Chain
from deploy.rehearsal.floor import Floor
from deploy.rehearsal.markets import OUTCOMES, Market
from deploy.rehearsal.portfolio import Holding, Portfolio
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.quantities import MICRO, is_count
from deploy.rehearsal.signatures import CHAIN_ID
from deploy.rehearsal.trades import Trade

HIDDEN_MICRO: Final = 100_000
"""Holdings below this are not shown. Source: facts 7."""
PAGE: Final = 100
PAGE_MAX: Final = 1_000
CONDITION_DIGITS: Final = 66
PERPS_DEPOSIT: Final = "0xdca4af75705dbb50f62437045aff9921947917d2"
MODULES: Final = ("0x1000008dd9001b968442c1000017eae6e0da00ba", "0x200000900045e3b6259600682756002200028933")
SPENDERS: Final = {
    COLLATERAL: (*sorted(EXCHANGES | ADAPTERS), ROUTER, PERPS_DEPOSIT),
    CTF: (*sorted(EXCHANGES | ADAPTERS), AUTO_REDEEMER, *MODULES),
    POSITION_MANAGER: (ROUTER, AUTO_REDEEMER, *sorted(EXCHANGES)),
}
"""Who is asked about in the approvals of each token contract."""


def page(rows: Sequence[Json], asked: Mapping[str, str]) -> Json:
    """One page of rows. asked: cursor as the last page named it, limit. Raises: Refused: either makes no sense."""
    start, size = _count(asked.get("cursor"), 0), min(_count(asked.get("limit"), PAGE), PAGE_MAX)
    following = start + size if start + size < len(rows) else None
    pagination = {"next_cursor": following and str(following), "has_more": following is not None}
    return {"data": list(rows[start : start + size]), "pagination": pagination}


def _count(text: str | None, usual: int) -> int:
    if not text:
        return usual
    if not is_count(text):
        raise refusals.bad(f"invalid number: {text[:40]}")
    return int(text)


def conditions(asked: Mapping[str, str]) -> list[str]:
    """The condition ids a query names, comma-separated. Raises: Refused: one is not of 32 bytes."""
    found = [each.lower() for each in asked.get("condition_id", asked.get("condition", "")).split(",") if each]
    if any(len(each) != CONDITION_DIGITS or not each.startswith("0x") for each in found):
        raise refusals.bad("invalid condition id")
    return found


# Positions.


def positions(chain: Chain, floor: Floor, portfolio: Portfolio, asked: Mapping[str, str]) -> list[Json]:
    """The positions a query asks for, biggest value first. Raises: Refused: it names neither wallet nor one market."""
    wanted, user = conditions(asked), asked.get("user", "")
    if not user and len(wanted) != 1:
        raise refusals.bad("provide user or exactly one condition_id")
    owner = chain.accounts.owner_of(user) if user else ""
    held = portfolio.of(owner) if user else portfolio.among(_tokens(floor, wanted))
    rows = []
    for holding in held:
        market = floor.by_token.get(holding.token_id)
        if market and (not wanted or market.listing.condition_id.lower() in wanted):
            row = position(chain, portfolio, market, holding)
            if _has_status(row, asked.get("status", "")):
                rows.append(row)
    return sorted(rows, key=lambda row: -float(row["current_value"]))


def _tokens(floor: Floor, wanted: Iterable[str]) -> list[str]:
    markets = (floor.by_condition.get(condition) for condition in wanted)
    return [market.listing.token(outcome) for market in markets if market for outcome in OUTCOMES]


def _has_status(row: Json, status: str) -> bool:
    """Whether a row fits a filter; without one everything that is still held is shown."""
    if status == "REDEEMABLE_LOST":
        return bool(row["redeemable"] and not row["current_price"])
    if status == "MERGEABLE":
        return bool(row["mergeable"])
    return bool(row["status"] == status) if status else row["status"] != "CLOSED"


def position(chain: Chain, portfolio: Portfolio, market: Market, holding: Holding) -> Json:
    """One position's row."""
    listing, outcome = market.listing, market.outcome_of(holding.token_id)
    other = OUTCOMES[1 - OUTCOMES.index(outcome)]
    twin = portfolio.holdings.get((holding.owner, listing.token(other)))
    open_ = holding.size_micro >= HIDDEN_MICRO
    settled = market.settled is not None
    status = "CLOSED" if not open_ else "REDEEMABLE" if settled else "OPEN"
    return {
        "proxy_wallet": chain.accounts.get(holding.owner).wallet or holding.owner,
        "token_id": holding.token_id,
        "condition_id": listing.condition_id,
        **_amounts(holding, _price(market, holding.token_id)),
        "status": status,
        "redeemable": open_ and settled,
        "mergeable": open_ and not settled and twin is not None and twin.size_micro >= HIDDEN_MICRO,
        "negative_risk": False,
        "archived": False,
        "verified": False,
        "title": gamma.title(listing),
        "slug": listing.slug,
        "icon": "",
        "event_slug": listing.slug,
        "event_id": gamma.number_of(listing, "event"),
        "outcome": outcome,
        "outcome_index": OUTCOMES.index(outcome),
        "opposite_outcome": other,
        "opposite_token_id": listing.token(other),
        "end_date": gamma.iso(listing.end_s * 1_000)[:10],
        "first_entry_at": holding.first_ms // 1_000,
        "last_event_at": holding.last_ms // 1_000,
    }


def _price(market: Market, token_id: str) -> int:
    """What a share is worth now: its payout once the market is resolved, else the middle of its book."""
    outcome = market.outcome_of(token_id)
    if market.settled is not None:
        return MICRO if market.settled.winner == outcome else 0
    bid, ask = market.best(outcome, "BUY"), market.best(outcome, "SELL")
    return ((bid or 0) + (MICRO if ask is None else ask)) // 2


def _amounts(holding: Holding, price_micro: int) -> Json:
    value = holding.size_micro * price_micro // MICRO
    open_profit, whole = value - holding.cost_micro, holding.spent_micro
    profit = open_profit + holding.realized_micro
    amounts = {
        "current_size": holding.size_micro,
        "avg_price": holding.price_micro,
        "entry_cost_usdc": holding.cost_micro,
        "entry_fees_usdc": holding.fees_micro,
        "total_cost_usdc": whole,
        "current_price": price_micro,
        "current_value": value,
        "total_size": holding.bought_micro,
        "realized_pnl": holding.realized_micro,
        "unrealized_pnl": open_profit,
        "total_pnl": profit,
    }
    shares = {"percent_pnl": profit, "percent_realized_pnl": holding.realized_micro}
    return {name: micro / MICRO for name, micro in amounts.items()} | {
        name: round(100 * micro / whole, 4) if whole else 0.0 for name, micro in shares.items()
    }


# Trades.


def trades(chain: Chain, known: Iterable[Trade], asked: Mapping[str, str]) -> list[Json]:
    """The mined trades a query asks for, newest first: a row for each client's part. Raises: Refused."""
    wanted, user = conditions(asked), asked.get("user", "").lower()
    start, end = _count(asked.get("start"), 0), _count(asked.get("end"), 1 << 40)
    rows = [
        row
        for trade in known
        if trade.transaction_hash and (not wanted or trade.condition_id.lower() in wanted)
        for row in _rows(trade, asked.get("taker_only", "").lower() == "true")
        if (not user or row["proxy_wallet"].lower() == user)
        and (not asked.get("side") or row["side"] == asked["side"])
        and start <= row["timestamp"] <= end
    ]
    return sorted(rows, key=lambda row: -row["timestamp"])


def _rows(trade: Trade, taker_only: bool) -> Iterator[Json]:
    for leg in trade.legs:
        if not (taker_only and leg.maker):
            yield _row(trade, leg)


def _row(trade: Trade, leg: Leg) -> Json:
    return {
        "proxy_wallet": leg.wallet,
        "token_id": leg.token_id,
        "condition_id": trade.condition_id,
        "side": leg.side,
        "size": leg.size_micro / MICRO,
        "price": leg.price_micro / MICRO,
        "timestamp": trade.match_ms // 1_000,
        "transaction_hash": trade.transaction_hash,
        "title": "",
        "slug": trade.slug,
        "icon": "",
        "event_slug": trade.slug,
        "outcome": leg.outcome,
        "outcome_index": OUTCOMES.index(leg.outcome),
        "name": "",
        "pseudonym": "",
        "bio": "",
        "profile_image": "",
        "profile_image_optimized": "",
    }


# Resolutions.


def resolutions(floor: Floor, asked: Mapping[str, str]) -> list[Json]:
    """What became of the conditions a query names; those that are not resolved are left out. Raises: Refused."""
    found = (floor.by_condition.get(condition) for condition in conditions(asked))
    return [resolution(market) for market in found if market and market.settled is not None]


def resolution(market: Market) -> Json:
    """One resolved condition."""
    assert market.settled is not None and market.closed_ms is not None, "only resolved markets have one"
    moment = gamma.iso(market.closed_ms)
    return {
        "condition_id": market.listing.condition_id,
        "status": "resolved",
        "extended_review": False,
        "was_disputed": False,
        "new_version_q": False,
        "transaction_hash": "",
        "log_index": "",
        "last_update_timestamp": moment,
        "market_type": "BINARY",
        "payouts": [MICRO if outcome == market.settled.winner else 0 for outcome in OUTCOMES],
        "resolution_source": "reported",
        "reporter": "CHAINLINK",
        "was_arbitrated": False,
        "resolved_block": market.closed_ms // 2_000,
        "resolved_at": moment,
    }


# Approvals.


def approvals(chain: Chain, user: str) -> Json:
    """What a wallet allows whom. Raises: Refused: no wallet named."""
    if not user:
        raise refusals.bad("user is required")
    rows: list[dict[str, Any]] = []
    for token, spenders in SPENDERS.items():
        for spender in spenders:
            amount = chain.allowance(user, token, spender)
            row: Json = {"token": token, "spender": spender, "approved": amount > 0}
            standard = {"standard": "ERC20", "amount": "max" if amount >> 255 else str(amount)}
            rows.append(row | (standard if token == COLLATERAL else {"standard": "ERC1155"}))
    return {"data": {"address": user, "chain_id": CHAIN_ID, "contracts": rows}}
