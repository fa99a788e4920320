"""The rehearsal venue's crowd, watched the way recorded markets were: the same looks, prints and small orders.

Plays windows of a day through the exchange without clients or sockets and notes what a bystander would. Leaves
measuring to `measures.py`. What always holds: same day, seed and windows: the same observations.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Final

from deploy.analysis.measures import LEFT_S, Joined, Look, Observations, Print, Tape
from deploy.rehearsal.days import Day, Listing, Outcome, settle
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Keyring
from deploy.rehearsal.markets import OUTCOMES, Market
from deploy.rehearsal.matching import CROWD, Wish
from deploy.rehearsal.outbox import ToMarket
from deploy.rehearsal.quantities import MICRO

SWEPT_SHARES: Final = 50
JOINED_MICRO: Final = 5 * MICRO
LEAD_S: Final = 30
"""Market seconds played before the first window, so that its book is there."""


def watch(day: Day, listings: Iterable[Listing], seed: int) -> Observations:
    """Watch each of these markets through its window; one at a time, so they may overlap in the day."""
    seen = Observations()
    for listing in listings:
        _window(day, listing, seed, seen)
    return seen


def _window(day: Day, listing: Listing, seed: int, seen: Observations) -> None:
    exchange = Exchange(
        day=day,
        rules=Rules(),
        dice=lambda name: random.Random(f"{seed}/{name}"),
        now_ms=(listing.start_s - LEAD_S) * 1_000,
        keyring=Keyring(),
    )
    exchange.advance(exchange.now_ms)
    market = exchange.floor.by_slug[listing.slug]
    exchange.out.watched = {listing.condition_id}
    prints: list[Print] = []
    looks: dict[Outcome, list[Look]] = {outcome: [] for outcome in OUTCOMES}
    joined: dict[Outcome, tuple[int, float]] = {}
    for left_s in range(listing.interval_s - 1, 0, -1):
        exchange.advance((listing.end_s - left_s) * 1_000)
        prints += _prints(exchange, market)
        for outcome in OUTCOMES if left_s in LEFT_S else ():
            looks[outcome].append(_look(market, outcome, left_s))
        if left_s == LEFT_S[0]:
            joined = _join(market)
    exchange.advance(listing.end_s * 1_000 - 1)
    prints += _prints(exchange, market)
    later = {outcome: own[1:] for outcome, own in looks.items()}
    seen.joined += _fates(market, joined, later, settle(day, listing).winner)
    seen.looks += [look for own in looks.values() for look in own]
    tape = Tape(listing.interval_s, prints)
    seen.flows.append(tape)
    seen.sized.append(tape)
    seen.turnovers.append(market.volume_micro / MICRO)


def _prints(exchange: Exchange, market: Market) -> list[Print]:
    """Trades since the last look: one for each price level a taker took."""
    told = [effect.message for effect in exchange.out.take() if isinstance(effect, ToMarket)]
    found = []
    for row in (row for message in told for row in (message if isinstance(message, list) else [message])):
        if row["event_type"] == "last_trade_price":
            price, is_up, buys = float(row["price"]), row["asset_id"] == market.listing.up_token, row["side"] == "BUY"
            left_s = market.listing.end_s - int(row["timestamp"]) / 1_000
            found.append(Print(left_s, price if is_up else 1 - price, float(row["size"]), buys, buys == is_up))
    return found


def _look(market: Market, outcome: Outcome, left_s: int) -> Look:
    bids, asks = market.book.levels(outcome)
    bid = bids[-1][0] / MICRO if bids else None
    ask = asks[-1][0] / MICRO if asks else None
    return Look(left_s, bid, ask, sum(size for _, size in bids) / MICRO, _sweep(asks))


def _sweep(asks: list[tuple[int, int]]) -> float | None:
    """What the swept shares cost above the best price, each; None when there are not so many. asks: best last."""
    wanted, cost = SWEPT_SHARES * MICRO, 0
    for price, size in reversed(asks):
        taken = min(wanted, size)
        wanted, cost = wanted - taken, cost + taken * price
    return None if wanted else cost / SWEPT_SHARES / MICRO / MICRO - asks[-1][0] / MICRO


def _join(market: Market) -> dict[Outcome, tuple[int, float]]:
    """Put a small order behind the best bid of each token: its price and what is before it."""
    placed: dict[Outcome, tuple[int, float]] = {}
    for outcome in OUTCOMES:
        bids, _ = market.book.levels(outcome)
        if bids:
            price, size = bids[-1]
            placed[outcome] = price, size / MICRO
            market.book.place(Wish(f"probe-{outcome}", "probe", outcome, "BUY", price, JOINED_MICRO))
    return placed


def _fates(
    market: Market, joined: dict[Outcome, tuple[int, float]], looks: dict[Outcome, list[Look]], winner: Outcome
) -> list[Joined]:
    """What a recorder of looks would say of the small orders, and what became of them in truth."""
    resting = {order.order_id for order in market.book.orders() if order.account != CROWD}
    return [
        Joined(
            price=price / MICRO,
            ahead=ahead,
            passed=outcome != winner
            or any(look.ask is not None and look.ask <= price / MICRO for look in looks[outcome]),
            filled=f"probe-{outcome}" not in resting,
        )
        for outcome, (price, ahead) in joined.items()
    ]
