"""Contracts answered from the venue's books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.days import START_S, a_day
from kit.venue import Trader, an_exchange, lines_of

from deploy.rehearsal.abi import Call, selector, types_of
from deploy.rehearsal.chain import ADAPTERS, AUTO_REDEEMER, COLLATERAL, CTF, POSITION_MANAGER, ROUTER, Caller, Reverted
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.markets import Market
from deploy.rehearsal.migrated import MigratedDay

NOW_MS = (START_S + 20) * 1_000
ADAPTER = min(ADAPTERS)
DOLLAR = 10**6
SPLIT = "splitPosition(address,bytes32,bytes32,uint256[],uint256)"
MERGE = "mergePositions(address,bytes32,bytes32,uint256[],uint256)"
REDEEM = "redeemPositions(address,bytes32,bytes32,uint256[])"


@dataclass
class Bench:
    """An exchange with one account of a thousand dollars, and calls to its chain."""

    exchange: Exchange

    def __post_init__(self) -> None:
        self.owner = Trader().join(self.exchange).owner
        self.exchange.out.take()

    @property
    def market(self) -> Market:
        return self.exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]

    @property
    def condition(self) -> bytes:
        return bytes.fromhex(self.market.listing.condition_id[2:])

    def look(self, target: str, signature: str, *values: Any) -> int:
        return int(self.exchange.chain.look(a_call(target, signature, *values)), 16)

    def run(self, *calls: Call) -> None:
        self.exchange.chain.run(calls, Caller(self.owner, self.owner, self.exchange.now_ms))

    def pair(self, signature: str, amount: int) -> Call:
        return a_call(ADAPTER, signature, COLLATERAL, bytes(32), self.condition, [1, 2], amount)

    def claim(self, target: str = ADAPTER) -> Call:
        return a_call(target, REDEEM, COLLATERAL, bytes(32), self.condition, [1, 2])

    def owned(self) -> tuple[int, list[int]]:
        account = self.exchange.accounts.get(self.owner)
        return account.cash_micro, list(account.positions.values())


def a_call(target: str, signature: str, *values: Any) -> Call:
    return Call(target, 0, selector(signature) + encode(types_of(signature), list(values)))


def a_bench(rules: Rules | None = None) -> Bench:
    return Bench(an_exchange(a_day(), NOW_MS, rules))


@given(st.lists(st.tuples(st.sampled_from([SPLIT, MERGE]), st.integers(0, 1_500 * DOLLAR)), max_size=8))
@settings(max_examples=25, deadline=None)
def test_dollars_and_pairs_keep_their_sum(steps: list[tuple[str, int]]) -> None:
    """Whatever is split and merged, and whatever is refused."""
    bench = a_bench()
    for signature, amount in steps:
        try:
            bench.run(bench.pair(signature, amount))
        except Reverted:
            continue
    cash, shares = bench.owned()
    assert cash >= 0 and len(set(shares)) <= 1
    assert cash + (shares[0] if shares else 0) == 1_000 * DOLLAR


def test_all_calls_happen_or_none() -> None:
    """The second one is refused, so the first is undone and not told."""
    bench = a_bench()
    with pytest.raises(Reverted, match="exceeds balance"):
        bench.run(bench.pair(SPLIT, 600 * DOLLAR), bench.pair(SPLIT, 600 * DOLLAR))
    assert bench.owned() == (1_000 * DOLLAR, [])
    assert lines_of(bench.exchange, "split") == []


def test_what_open_orders_hold_back_cannot_be_split() -> None:
    """Nor their shares be merged."""
    bench = a_bench()
    key = Trader().join(bench.exchange)
    bench.exchange.place(Trader().limit(key, bench.market.listing.up_token, "BUY", 500_000 - 450_000, 1_000), key)
    with pytest.raises(Reverted):
        bench.run(bench.pair(SPLIT, 951 * DOLLAR))
    bench.run(bench.pair(SPLIT, 950 * DOLLAR))


def test_a_result_is_needed_before_a_claim_and_is_paid_once() -> None:
    """Then the losing side is worth nothing, and a second claim neither."""
    bench = a_bench(Rules(auto_redeem=False))
    bench.run(bench.pair(SPLIT, 100 * DOLLAR))
    with pytest.raises(Reverted, match="result for condition not received yet"):
        bench.run(bench.claim())
    bench.exchange.advance((START_S + 340) * 1_000)
    assert bench.owned()[0] == 900 * DOLLAR
    bench.run(bench.claim())
    assert bench.owned() == (1_000 * DOLLAR, [])
    bench.run(bench.claim(CTF))
    assert sum(line["payout_micro"] for line in lines_of(bench.exchange, "payout")) == 100 * DOLLAR


def test_a_resolved_position_waits_for_its_owner_where_nobody_redeems_for_him() -> None:
    """Longer than a market is usually kept."""
    bench = a_bench(Rules(auto_redeem=False, keep_s=60))
    bench.run(bench.pair(SPLIT, 10 * DOLLAR))
    bench.exchange.advance((START_S + 1_000) * 1_000)
    assert bench.market.settled is not None
    bench.run(bench.claim())
    bench.exchange.advance((START_S + 1_200) * 1_000)
    assert f"btc-updown-5m-{START_S}" not in bench.exchange.floor.by_slug


def test_what_is_matched_and_not_mined_is_not_on_the_chain() -> None:
    """Balances of the chain lag behind the exchange's."""
    bench = a_bench()
    key, token = Trader().join(bench.exchange), bench.market.listing.up_token
    bench.exchange.place(Trader().order(key, token, "BUY", 20 * DOLLAR, 25 * DOLLAR, "FAK"), key)
    bench.exchange.advance(NOW_MS + 1_000)
    exchange_says = bench.exchange.accounts.get(key.owner).positions[token]
    assert exchange_says > 0
    assert bench.look(CTF, "balanceOf(address,uint256)", key.owner, int(token)) == 0
    assert bench.look(COLLATERAL, "balanceOf(address)", key.owner) == 1_000 * DOLLAR
    bench.exchange.advance(NOW_MS + 6_000)
    assert bench.look(CTF, "balanceOf(address,uint256)", key.owner, int(token)) == exchange_says
    assert bench.look(COLLATERAL, "balanceOf(address)", key.owner) == bench.owned()[0]


def test_approvals_are_there_until_they_are_taken_back() -> None:
    """That of the auto-redeemer as the venue was told; an adapter without one cannot claim."""
    bench = a_bench(Rules(auto_redeem=False))
    allowed = "isApprovedForAll(address,address)"
    assert bench.look(CTF, allowed, bench.owner, ADAPTER) == 1
    assert bench.look(COLLATERAL, "allowance(address,address)", bench.owner, ADAPTER) == 2**256 - 1
    assert bench.look(CTF, allowed, bench.owner, AUTO_REDEEMER) == 0
    grants = [
        a_call(token, "setApprovalForAll(address,bool)", AUTO_REDEEMER, True) for token in (CTF, POSITION_MANAGER)
    ]
    bench.run(*grants, a_call(CTF, "setApprovalForAll(address,bool)", ADAPTER, False))
    assert bench.exchange.chain.redeems_itself(bench.owner)
    bench.run(a_call(COLLATERAL, "approve(address,uint256)", ADAPTER, 5))
    assert bench.look(COLLATERAL, "allowance(address,address)", bench.owner, ADAPTER) == 5
    bench.exchange.advance((START_S + 340) * 1_000)
    with pytest.raises(Reverted, match="operator approval"):
        bench.run(bench.claim())


def test_payouts_can_be_asked_for() -> None:
    """Nothing before the result; then one for the winner."""
    bench = a_bench()
    asked = "payoutNumerators(bytes32,uint256)"
    assert bench.look(CTF, "payoutDenominator(bytes32)", bench.condition) == 0
    bench.exchange.advance((START_S + 340) * 1_000)
    assert bench.market.settled is not None
    paid = [bench.look(CTF, asked, bench.condition, index) for index in (0, 1)]
    assert paid == ([1, 0] if bench.market.settled.winner == "Up" else [0, 1])
    assert bench.look(CTF, "payoutDenominator(bytes32)", bench.condition) == 1


def test_the_newer_ledger_redeems_outcome_by_outcome() -> None:
    """Through its router, with conditions of 31 bytes, and not more than there is."""
    bench = Bench(an_exchange(MigratedDay(a_day(), frozenset({"BTC"})), NOW_MS, Rules(auto_redeem=False)))
    condition = bench.condition[:31]
    bench.run(a_call(ROUTER, "split(bytes31,uint256)", condition, 10 * DOLLAR))
    bench.run(a_call(ROUTER, "merge(bytes31,uint256)", condition, 4 * DOLLAR))
    bench.exchange.advance((START_S + 340) * 1_000)
    redeem = "redeem(bytes31,uint256,uint256)"
    with pytest.raises(Reverted, match="exceeds balance"):
        bench.run(a_call(ROUTER, redeem, condition, 0, 7 * DOLLAR))
    bench.run(a_call(ROUTER, redeem, condition, 0, 6 * DOLLAR))
    assert len(bench.owned()[1]) == 1
    bench.run(a_call(ROUTER, redeem, condition, 1, 6 * DOLLAR))
    assert bench.owned() == (1_000 * DOLLAR, [])


@pytest.mark.parametrize(
    "call",
    [
        Call(CTF, 0, b"abcd"),
        Call(CTF, 0, selector(SPLIT)),
        a_call(COLLATERAL, SPLIT, COLLATERAL, bytes(32), bytes(32), [1, 2], 1),
        a_call(ADAPTER, SPLIT, COLLATERAL, bytes(32), bytes(32), [1, 2], 1),
        a_call(CTF, "split(bytes31,uint256)", bytes(31), 1),
        a_call(CTF, "balanceOf(address,uint256)", CTF, 1),
    ],
)
def test_what_a_contract_does_not_know_is_reverted(call: Call) -> None:
    """Unknown functions, wrong addresses, conditions nobody prepared, reads that are sent."""
    with pytest.raises(Reverted, match="execution reverted"):
        a_bench().run(call)


def test_reads_are_answered_by_the_right_contract_alone() -> None:
    """Code is where contracts are, and where a wallet was used."""
    bench = a_bench()
    for call in (a_call(COLLATERAL, "balanceOf(address,uint256)", CTF, 1), a_call(CTF, "balanceOf(address)", CTF)):
        with pytest.raises(Reverted):
            bench.exchange.chain.look(call)
    with pytest.raises(Reverted, match="mismatch"):
        bench.look(CTF, "balanceOfBatch(address[],uint256[])", [CTF], [])
    with pytest.raises(Reverted, match="no such function"):
        bench.exchange.chain.look(Call(CTF, 0, b""))
    assert bench.exchange.chain.code(CTF) != "0x" == bench.exchange.chain.code("0x" + "5" * 40)
    assert bench.look(COLLATERAL, "decimals()") == 6
