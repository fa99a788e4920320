"""`polymarket-client`, unmodified: positions split, merged and redeemed by relayer and by the chain, and read back."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from eth_account import Account
from kit.days import START_S, WINDOW_S, a_day
from kit.official import environment
from kit.venue import Running, running_venue
from polymarket import AsyncPublicClient, AsyncSecureClient
from polymarket._internal.environment import create_environment, get_environment_config
from polymarket.auth import BuilderApiKey, RelayerApiKey
from polymarket.environments import Environment

from deploy.rehearsal.chain import AUTO_REDEEMER, CTF
from deploy.rehearsal.days import Day
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.markets import Market
from deploy.rehearsal.migrated import MigratedDay

NOW_MS = (START_S + 20) * 1_000
SPEED = 20.0
WAIT_S = 180.0
"""Far more than a whole test takes on a free machine."""
PRIVATE = "0x" + "11" * 32
ADDRESS = Account.from_key(PRIVATE).address
RELAYER_KEY = RelayerApiKey(key="a key of the site", address=ADDRESS)
DOLLARS = 10**6
CLAIMING = Rules(auto_redeem=False)
"""Nobody approved the auto-redeemer, so that every winner has to be claimed."""

Scenario = Callable[[Running, AsyncSecureClient], Awaitable[None]]


def where(running: Running) -> Environment:
    """The venue's addresses, asked for transactions every 20 ms: its seconds are twenty times shorter."""
    config = get_environment_config(environment(running.where))
    return create_environment(name="fast", config=dataclasses.replace(config, relayer_poll_frequency_ms=20))


def play(
    folder: Path, scenario: Scenario, wallet: str | None = None, rules: Rules | None = None, day: Day | None = None
) -> None:
    async def whole() -> None:
        async with (
            running_venue(folder, day or a_day(), NOW_MS, SPEED, rules) as running,
            asyncio.timeout(WAIT_S),
            await AsyncSecureClient.create(
                private_key=PRIVATE, wallet=wallet, environment=where(running), api_key=RELAYER_KEY
            ) as client,
        ):
            await scenario(running, client)

    asyncio.run(whole())


def a_market(running: Running, number: int = 2) -> Market:
    """A window that has not begun."""
    return running.exchange.floor.by_slug[f"btc-updown-5m-{START_S + number * WINDOW_S}"]


async def until_resolved(running: Running, market: Market) -> None:
    """Let market time jump to where the market is resolved; everything in between happens in its order."""
    running.venue.clock.market_ns += max(0, (market.listing.end_s + 30) * 10**9 - running.venue.clock.unix_ns())
    running.venue.turn()
    assert market.settled is not None


async def buy(client: AsyncSecureClient, *tokens: str) -> None:
    """Buy each for twenty dollars, and wait until all of it is on the chain."""
    orders = [
        await client.place_market_order(asset_id=token, side="BUY", amount=20, max_price="0.9") for token in tokens
    ]
    for bought in orders:
        assert bought.ok
        await client.wait_for_order_fill_settlement(bought)


@pytest.mark.parametrize("wallet", [None, ADDRESS])
@pytest.mark.parametrize("migrated", [False, True])
def test_a_winner_is_claimed(tmp_path: Path, wallet: str | None, migrated: bool) -> None:
    """Bought, resolved, listed as redeemable, redeemed; by relayer or by an own transaction; CTF and Protocol V2."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        market = a_market(running)
        tokens = market.listing.up_token, market.listing.down_token
        await buy(client, *tokens)
        page = await client.list_positions().first_page()
        assert {position.status for position in page.items} == {"OPEN"}
        assert {position.asset_id for position in page.items} == set(tokens)
        await until_resolved(running, market)
        assert market.settled is not None
        assert running.record("payout") == []
        positions = (await client.list_positions(status="REDEEMABLE").first_page()).items
        assert {position.asset_id for position in positions} == set(tokens)
        won = {position.asset_id: position.current_size for position in positions if position.current_price == 1}
        handle = await client.redeem_positions(condition_id=market.listing.condition_id)
        assert (await handle.wait()).transaction_hash
        paid = {line["token_id"]: line["payout_micro"] for line in running.record("payout")}
        assert set(paid) == set(tokens)
        winner = market.listing.token(market.settled.winner)
        assert paid[winner] == int(won[winner] * DOLLARS) > 0 and sum(paid.values()) == paid[winner]
        assert (await client.list_positions(status="REDEEMABLE").first_page()).items == ()
        (resolution,) = await client.get_resolutions(condition_ids=market.listing.condition_id)
        assert resolution.payouts == ((1, 0) if market.settled.winner == "Up" else (0, 1))

    day = MigratedDay(a_day(), frozenset({"BTC"})) if migrated else a_day()
    play(tmp_path, scenario, wallet, CLAIMING, day)


def test_a_claim_that_comes_too_late_is_no_fault(tmp_path: Path) -> None:
    """The auto-redeemer paid already: nothing is paid twice, the transaction goes through."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        market = a_market(running)
        await buy(client, market.listing.up_token)
        await until_resolved(running, market)
        cash = running.exchange.accounts.all()[0].cash_micro
        await (await client.redeem_positions(condition_id=market.listing.condition_id)).wait()
        assert running.exchange.accounts.all()[0].cash_micro == cash
        assert len(running.record("payout")) == 1

    play(tmp_path, scenario)


def test_a_claim_that_comes_too_early_fails(tmp_path: Path) -> None:
    """The contract has no result yet; nothing changed."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        market = a_market(running)
        await buy(client, market.listing.up_token)
        with pytest.raises(Exception, match="No market found"):
            await client.redeem_positions(condition_id=market.listing.condition_id)

    play(tmp_path, scenario, rules=CLAIMING)


@pytest.mark.parametrize("wallet", [None, ADDRESS])
@pytest.mark.parametrize("migrated", [False, True])
def test_dollars_are_split_and_pairs_are_merged(tmp_path: Path, wallet: str | None, migrated: bool) -> None:
    """Before any order; what is left over is still there."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        market = a_market(running)
        condition = market.listing.condition_id
        await (await client.split_position(condition_id=condition, amount=30 * DOLLARS)).wait()
        account = running.exchange.accounts.all()[0]
        assert account.cash_micro == 970 * DOLLARS
        assert set(account.positions.values()) == {30 * DOLLARS} and len(account.positions) == 2
        mergeable = (await client.list_positions(status="MERGEABLE").first_page()).items
        assert [position.current_size for position in mergeable] == [30, 30]
        await (await client.merge_positions(condition_id=condition, amount=10 * DOLLARS)).wait()
        await (await client.merge_positions(condition_id=condition, amount="max")).wait()
        assert (account.cash_micro, account.positions) == (1_000 * DOLLARS, {})
        with pytest.raises(Exception, match="no complementary positions"):
            await client.merge_positions(condition_id=condition, amount="max")

    day = MigratedDay(a_day(), frozenset({"BTC"})) if migrated else a_day()
    play(tmp_path, scenario, wallet, day=day)


def test_a_split_without_the_dollars_fails_and_changes_nothing(tmp_path: Path) -> None:
    """The transaction ends in failure, the account is as it was."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        handle = await client.split_position(
            condition_id=a_market(running).listing.condition_id, amount=2_000 * DOLLARS
        )
        with pytest.raises(Exception, match="transfer amount exceeds balance"):
            await handle.wait()
        account = running.exchange.accounts.all()[0]
        assert (account.cash_micro, account.positions) == (1_000 * DOLLARS, {})

    play(tmp_path, scenario)


def test_approvals_are_there_and_may_be_taken_back(tmp_path: Path) -> None:
    """The account is set up; who revokes the auto-redeemer has to claim by himself."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        assert (await client.get_trading_approvals_state()).is_fully_approved
        await client.setup_trading_approvals()
        revoked = await client.approve_erc1155_for_all(
            token_address=CTF, operator_address=AUTO_REDEEMER, approved=False
        )
        await revoked.wait()
        state = await client.get_trading_approvals_state()
        assert [approval.operator.lower() for approval in state.missing.erc1155] == [AUTO_REDEEMER]
        market = a_market(running)
        await buy(client, market.listing.up_token)
        await until_resolved(running, market)
        assert running.record("payout") == []
        await client.setup_trading_approvals()
        assert (await client.get_trading_approvals_state()).is_fully_approved

    play(tmp_path, scenario)


def test_trades_are_public_once_they_are_mined(tmp_path: Path) -> None:
    """By wallet and by market, with the hash of their transaction."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        market = a_market(running)
        await buy(client, market.listing.down_token)
        async with AsyncPublicClient(environment=where(running)) as public:
            wallet = running.exchange.accounts.all()[0].wallet
            by_wallet = (await public.list_trades(user=wallet).first_page()).items
            by_market = (await public.list_trades(condition_id=market.listing.condition_id).first_page()).items
        assert by_wallet == by_market and by_wallet
        assert {(trade.outcome, trade.side, trade.wallet) for trade in by_wallet} == {("Down", "BUY", wallet)}
        account = [trade async for page in client.list_account_trades() for trade in page.items]
        assert {trade.transaction_hash for trade in by_wallet} == {trade.transaction_hash for trade in account}

    play(tmp_path, scenario)


def test_a_builder_key_opens_the_relayer_too(tmp_path: Path) -> None:
    """Made by the client itself; an unknown one does not."""

    async def scenario(running: Running, client: AsyncSecureClient) -> None:
        made = await client.create_builder_api_key()
        for secret, works in ((made.secret, True), ("c2VjcmV0", False)):
            builder = BuilderApiKey(key=made.key, secret=secret, passphrase=made.passphrase)
            async with await AsyncSecureClient.create(
                private_key=PRIVATE, environment=where(running), api_key=builder
            ) as other:
                split = other.split_position(condition_id=a_market(running).listing.condition_id, amount=DOLLARS)
                if works:
                    await (await split).wait()
                else:
                    with pytest.raises(Exception, match="Unauthorized"):
                        await split

    play(tmp_path, scenario)
