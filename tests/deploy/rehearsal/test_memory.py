"""What the record says of clients, and a venue that goes on from it."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from kit.days import START_S, WINDOW_S, a_day
from kit.venue import Trader, an_exchange, lines_of

from deploy.rehearsal.abi import Call, selector, types_of
from deploy.rehearsal.chain import ADAPTERS, COLLATERAL, Caller
from deploy.rehearsal.exchange import Exchange, Waiting
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.matching import CROWD, Wish
from deploy.rehearsal.memory import Memory
from deploy.rehearsal.outbox import Line

NOW_MS = (START_S + 20) * 1_000
END_MS = (START_S + WINDOW_S) * 1_000
SLUG = f"btc-updown-5m-{START_S}"
QUIET = f"btc-updown-5m-{START_S + 8 * WINDOW_S}"
DAY = a_day()
ADAPTER = min(ADAPTERS)
SPLIT, APPROVE = "splitPosition(address,bytes32,bytes32,uint256[],uint256)", "approve(address,uint256)"


def a_past(until_ms: int, failing: float = 0.0) -> tuple[Exchange, list[dict[str, Any]]]:
    """An exchange with a bought position, a resting order and a half-filled one; and its record."""
    exchange = an_exchange(DAY, NOW_MS, Rules(failing=failing))
    trader = Trader()
    key = trader.join(exchange)
    market, quiet = exchange.floor.by_slug[SLUG], exchange.floor.by_slug[QUIET]
    bodies = (
        trader.limit(key, market.listing.up_token, "BUY", 990_000, 20, order_type="FAK", salt=1),
        trader.limit(key, quiet.listing.up_token, "BUY", 400_000, 10, salt=2),
        trader.limit(key, quiet.listing.down_token, "BUY", 300_000, 10, salt=3),
        trader.limit(key, quiet.listing.down_token, "BUY", 200_000, 10, salt=4),
    )
    answers = [exchange.place(body, key) for body in bodies]
    assert isinstance(answers[0], Waiting)
    exchange.advance(NOW_MS + 1_000)
    exchange.floor.execute(quiet, Wish("0xtaker", CROWD, "Up", "SELL", 390_000, 4 * 10**6, "FAK"))
    cancelled = [order.order_id for order in exchange.orders.values() if order.price_micro == 200_000]
    exchange.cancel(cancelled, key)
    exchange.transfer(50 * 10**6)
    exchange.advance(until_ms)
    return exchange, written(exchange)


def written(exchange: Exchange) -> list[dict[str, Any]]:
    """The record's lines as they would be read back."""
    effects = [effect for effect in exchange.out.take() if isinstance(effect, Line)]
    return [{"kind": line.kind, "t_ms": line.at_ms, "wall_ms": 0} | line.fields for line in effects]


def state(exchange: Exchange) -> list[Any]:
    """Money and open orders, as an outsider can see them."""
    orders = exchange.open_orders(Trader().address)
    shown = [(order.order_id, order.matched_micro, order.status, order.trades) for order in orders]
    account = exchange.accounts.get(Trader().address)
    return [exchange.balances(), shown, account.free_cash(), account.wallet, account.signature_type]


@pytest.mark.parametrize("after_ms", [2_000, 100_000, 400_000])
def test_a_venue_started_again_has_the_same_money_and_orders(after_ms: int) -> None:
    """In the middle of settling, after it, after the payout."""
    before, lines = a_past(NOW_MS + after_ms)
    after = an_exchange(DAY, before.now_ms, memory=Memory().fold(lines))
    assert state(after) == state(before)


def test_the_two_worlds_end_alike() -> None:
    """Settled, resolved and paid as without the interruption; nothing is said twice."""
    before, lines = a_past(NOW_MS + 6_000)
    after = an_exchange(DAY, before.now_ms, memory=Memory().fold(lines))
    for exchange in (before, after):
        exchange.advance(END_MS + 30_000)
    late, again = written(before), written(after)
    for kind in ("settlement", "payout", "resolve"):
        names = [[line for line in both if line["kind"] == kind] for both in (late, again)]
        assert names[0] == names[1] != []
    assert before.balances() == after.balances()


def test_what_happened_while_the_venue_was_down_happens_when_it_is_back() -> None:
    """A window that ended in between is closed, resolved and paid, each at its own time."""
    before, lines = a_past(NOW_MS + 6_000)
    after = an_exchange(DAY, END_MS + 1_000_000, memory=Memory().fold(lines))
    before.advance(END_MS + 1_000_000)
    ends = [[line for line in written(each) if line["kind"] in ("resolve", "payout")] for each in (before, after)]
    assert [line for line in ends[0] if SLUG in line.values() or line["kind"] == "payout"] == ends[1] != []
    assert after.balances() == before.balances()


def test_a_market_that_was_forgotten_long_ago_still_pays_who_holds_it() -> None:
    """A stake outlives the catalogue."""
    _, lines = a_past(NOW_MS + 6_000)
    after = an_exchange(DAY, END_MS + 5_000_000, memory=Memory().fold(lines))
    again = written(after)
    resolved = [(line["t_ms"], line["winner"]) for line in again if line["kind"] == "resolve" and line["slug"] == SLUG]
    assert resolved == [(END_MS + 20_000, "Up")]
    assert next(line["outcome"] for line in again if line["kind"] == "payout" and line["payout_micro"]) == "Up"


def test_trades_that_failed_stay_undone() -> None:
    """And those in flight still fail."""
    before, lines = a_past(NOW_MS + 10_000, failing=1.0)
    after = an_exchange(DAY, before.now_ms, Rules(failing=1.0), Memory().fold(lines))
    after.advance(NOW_MS + 60_000)
    assert after.balances()[0]["cash_micro"] == 10**9 + 50 * 10**6
    assert after.balances()[0]["positions"] == []


def test_restored_orders_queue_behind_the_crowd() -> None:
    """A restart gives nobody a better place."""
    exchange = an_exchange(DAY, NOW_MS)
    trader = Trader()
    key = trader.join(exchange)
    market = exchange.floor.by_slug[SLUG]
    best = market.book.best(True)
    assert best is not None
    exchange.place(trader.limit(key, market.listing.up_token, "BUY", best, 10), key)
    after = an_exchange(DAY, NOW_MS, memory=Memory().fold(written(exchange)))
    queue = [order for order in after.floor.by_slug[SLUG].book.orders() if order.bid and order.up_micro == best]
    assert [order.account for order in queue][-1] == trader.address
    assert not queue[:-1] or queue[0].account == CROWD


def test_recalled_trades_are_listed() -> None:
    """With the client's own part; strangers' parts are not on the record."""
    before, lines = a_past(NOW_MS + 6_000)
    after = an_exchange(DAY, before.now_ms, memory=Memory().fold(lines))
    theirs, ours = (exchange.trades_of(Trader().address, {}) for exchange in (before, after))
    assert [trade.trade_id for trade in theirs] == [trade.trade_id for trade in ours]
    assert [trade.status for trade in theirs] == [trade.status for trade in ours]
    assert [trade.legs for trade in theirs] == [trade.legs for trade in ours]


def test_an_order_is_good_once_across_a_restart() -> None:
    """Its id is remembered."""
    before, lines = a_past(NOW_MS + 6_000)
    after = an_exchange(DAY, before.now_ms, memory=Memory().fold(lines))
    assert set(after.orders) == set(before.orders)
    assert [order.status for order in after.orders.values()] == [order.status for order in before.orders.values()]


@pytest.mark.parametrize("after_ms", [6_000, 400_000])
def test_the_chain_goes_on_where_it_was(after_ms: int) -> None:
    """Splits, approvals, what the indexer knows, and a winner that waits for its owner: resolved once, kept."""
    exchange = an_exchange(DAY, NOW_MS, Rules(auto_redeem=False))
    owner = Trader().join(exchange).owner
    market = exchange.floor.by_slug[SLUG]
    condition = bytes.fromhex(market.listing.condition_id[2:])
    calls = (
        Call(ADAPTER, 0, selector(SPLIT) + encode(types_of(SPLIT), [COLLATERAL, bytes(32), condition, [1, 2], 10**7])),
        Call(COLLATERAL, 0, selector(APPROVE) + encode(types_of(APPROVE), [ADAPTER, 5])),
    )
    exchange.transactions.send(Caller(owner, owner, NOW_MS), calls, "rpc", "0x5")
    exchange.advance(NOW_MS + after_ms)
    again = an_exchange(DAY, exchange.now_ms, Rules(auto_redeem=False), Memory().fold(written(exchange)))
    assert again.balances() == exchange.balances() and again.balances()[0]["positions"]
    assert again.chain.approvals == exchange.chain.approvals
    assert again.chain.portfolio.holdings == exchange.chain.portfolio.holdings
    assert again.transactions.nonce(owner) == 1
    settled = again.floor.by_slug[SLUG].settled
    assert settled == market.settled and (settled is None) == (after_ms < 300_000)
    again.advance(exchange.now_ms + 1_000)
    assert not [line for line in written(again) if line["kind"] in ("resolve", "payout")]


def test_the_memory_knows_time_and_world() -> None:
    """And ignores what concerns no client."""
    lines = [
        {"kind": "start", "t_ms": 5, "wall_ms": 1, "day": "a day", "seed": 3},
        {"kind": "connect", "t_ms": 9, "wall_ms": 2},
    ]
    memory = Memory().fold(lines)
    assert (memory.last_ms, memory.worlds, memory.staked()) == (9, {("a day", 3, ())}, set())


def test_a_line_that_does_not_fit_is_an_error() -> None:
    """A cancel of an order nobody placed."""
    with pytest.raises(KeyError):
        Memory().fold([{"kind": "cancel", "t_ms": 1, "wall_ms": 1, "order_id": "0x"}])


def test_no_record_is_no_memory() -> None:
    """A first start."""
    assert lines_of(an_exchange(DAY, NOW_MS, memory=Memory().fold([])), "key") == []
    assert Memory().last_ms == 0
