"""Winners and pairs become collateral again over real sockets, whatever relayer and chain do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from kit.claims import SHARES, ClaimingDesk, a_claiming_desk, a_wallet
from kit.still_desk import BTC, START_S

from deploy.rehearsal.chain import Caller
from shared import entries as e
from shared.config import Claims, Faults
from supervisor.claimer import Claimer
from supervisor.venue.chain import Answered

Scenario = Callable[[ClaimingDesk], Awaitable[None]]
KINDS = ("DEPOSIT_WALLET", "GNOSIS_SAFE", "POLY_PROXY", "EOA")


def play(folder: Path, scenario: Scenario, kind: str = "DEPOSIT_WALLET", **more: Any) -> None:
    async def whole() -> None:
        async with a_claiming_desk(folder, kind, **more) as desk:
            await scenario(desk)

    asyncio.run(whole())


def agrees(desk: ClaimingDesk) -> None:
    """Our books are the venue's, to the millionth, and nothing is owed any more."""
    accounts = desk.still.accounts
    assert (accounts.cash_micro, accounts.owed()) == (desk.account.cash_micro, 0)
    assert accounts.claims and all(claim.state in {"paid", "dropped"} for claim in accounts.claims.values())


async def redeemed(desk: ClaimingDesk) -> None:
    """A resolved window's winners are claimed; the venue paid once."""
    desk.resolve()
    assert (desk.still.accounts.owed(), desk.account.cash_micro) == (SHARES, 970_000_000)
    await desk.live(lambda: desk.is_("paid"))
    agrees(desk)
    paid = [line["payout_micro"] for line in desk.running.record("payout") if line["payout_micro"]]
    assert paid == [SHARES]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("migrated", [False, True])
def test_a_winner_is_claimed(tmp_path: Path, kind: str, migrated: bool) -> None:
    """By every kind of wallet, of both protocols; cash comes only then."""
    play(tmp_path, redeemed, kind, migrated=migrated)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("migrated", [False, True])
def test_a_pair_is_merged_before_its_window_resolves(tmp_path: Path, kind: str, migrated: bool) -> None:
    """Capital is free again; nothing is left to sell twice meanwhile."""

    async def scenario(desk: ClaimingDesk) -> None:
        await desk.live(lambda: desk.is_("sent"))
        assert desk.still.accounts.positions[BTC, START_S, "Up"].size_micro == 0
        await desk.live(lambda: desk.is_("paid"))
        agrees(desk)
        assert desk.account.positions == {}
        assert len(desk.submitted) == 1

    play(tmp_path, scenario, kind, migrated=migrated, merge_min_usd=5.0)


def test_what_the_venue_redeemed_by_itself_is_paid(tmp_path: Path) -> None:
    """An empty balance is done, not failed; nothing is sent for it."""

    async def scenario(desk: ClaimingDesk) -> None:
        desk.resolve()
        await desk.live(lambda: desk.is_("paid"))
        agrees(desk)
        assert desk.submitted == [] and desk.events() == ["paid"]

    play(tmp_path, scenario, auto_redeem=True)


@pytest.mark.parametrize(
    ("kind", "arguments", "events"),
    [
        ("refuse", {"status": 429, "route": "claims", "count": 2}, {"refused", "accepted", "paid"}),
        ("refuse", {"status": 500, "route": "claims", "count": 2}, {"unanswered", "accepted", "paid"}),
        ("refuse", {"status": 503, "route": "claims", "count": 1, "carried_out": True}, {"unanswered", "paid"}),
        ("drop_answer", {"route": "claims"}, {"unanswered", "paid"}),
        ("refuse", {"status": 500, "route": "relayer", "count": 5}, {"accepted", "paid"}),
        ("refuse", {"status": 429, "route": "chain", "count": 5}, {"accepted", "paid"}),
        ("bad_transaction", {"how": "reverted", "count": 2}, {"accepted", "failed", "paid"}),
        ("bad_transaction", {"how": "invalid", "count": 2}, {"accepted", "failed", "paid"}),
    ],
)
def test_a_claim_comes_through_whatever_the_relayer_does(
    tmp_path: Path, kind: str, arguments: dict[str, Any], events: set[str]
) -> None:
    """Refused, failing, silent after it took it, or taken and lost: paid once, and the books agree."""

    async def scenario(desk: ClaimingDesk) -> None:
        desk.fault(kind, **arguments)
        await redeemed(desk)
        assert events <= set(desk.events()) <= events | {"mined", "refused"}

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("drop_answer", {"route": "claims"}),
        ("refuse", {"status": 500, "route": "claims", "carried_out": True, "count": 3}),
        ("bad_transaction", {"how": "reverted"}),
        ("bad_transaction", {"how": "invalid"}),
    ],
)
def test_a_merge_in_doubt_happens_once(tmp_path: Path, kind: str, arguments: dict[str, Any]) -> None:
    """As many pairs again come in meanwhile: a second transaction for the first claim would find something to merge."""

    async def scenario(desk: ClaimingDesk) -> None:
        desk.fault(kind, **arguments)
        await desk.live(lambda: bool(desk.submitted))
        desk.split("later")
        await desk.live(lambda: desk.still.accounts.cash_micro == 1_000_000_000)
        agrees(desk)
        assert sum(line["size_micro"] for line in desk.running.record("merge")) == 2 * SHARES

    play(tmp_path, scenario, merge_min_usd=5.0)


def test_a_busy_wallet_is_waited_for(tmp_path: Path) -> None:
    """Somebody else uses it; the claim is refused until that is mined, and then goes through."""

    async def scenario(desk: ClaimingDesk) -> None:
        desk.resolve()
        exchange, submit = desk.running.exchange, desk.claimer.submit

        async def crowded(body: bytes) -> Answered:
            if not desk.events():
                stranger = Caller(desk.wallet.owner, desk.wallet.address, exchange.now_ms)
                exchange.transactions.send(stranger, (), "relayer")
            return await submit(body)

        desk.claimer.submit = crowded  # type: ignore[method-assign]
        await desk.live(lambda: desk.is_("paid"))
        agrees(desk)
        assert "refused" in desk.events()
        refusals = [moved.detail for moved in desk.still.said(e.ClaimMoved) if moved.event == "refused"]
        assert "wallet busy" in refusals[0]

    play(tmp_path, scenario)


def test_a_claim_that_fails_for_ever_is_left_to_a_person(tmp_path: Path) -> None:
    """Aloud; it stays owed, and when somebody redeemed it by hand it is paid."""

    async def scenario(desk: ClaimingDesk) -> None:
        desk.fault("bad_transaction", how="invalid", count=100)
        desk.resolve()
        await desk.live(lambda: desk.is_("given_up"))
        assert len(desk.submitted) == 2 and desk.still.accounts.owed() == SHARES
        assert "claim_given_up" in {alarm.name for alarm in desk.still.said(e.Alarm)}
        desk.running.exchange.chain.redeem(desk.market, desk.wallet.owner, desk.running.exchange.now_ms)
        desk.still.mono_ns += 301 * 10**9
        await desk.live(lambda: desk.is_("paid"))
        agrees(desk)

    play(tmp_path, scenario, failures_max=2)


def test_a_supervisor_that_dies_takes_its_claims_up_again(tmp_path: Path) -> None:
    """Killed after the transaction left and before its answer came: looked up, not sent anew under another nonce."""

    async def scenario(desk: ClaimingDesk) -> None:
        desk.resolve()
        await desk.live(lambda: desk.is_("sent"))
        desk.still.journal = [line for line in desk.still.journal if not _accepted(line.entry)]
        desk.still.restart()
        assert desk.claim.state == "unknown"
        await desk.live(lambda: desk.is_("paid"))
        assert {left.nonce for left in desk.still.said(e.Claiming)} == {0}
        assert desk.still.accounts.cash_micro == desk.account.cash_micro

    play(tmp_path, scenario)


def _accepted(entry: e.Entry) -> bool:
    return isinstance(entry, e.ClaimMoved) and entry.event == "accepted"


@pytest.mark.parametrize(("by", "kind"), [("rpc", "DEPOSIT_WALLET"), ("rpc", "POLY_PROXY"), ("relayer", "EOA")])
def test_a_wallet_that_cannot_go_that_way_is_refused(by: Any, kind: str) -> None:
    """Before anything is traded, with the setting that would do."""
    with pytest.raises(Faults, match=r"claims\.by"):
        Claimer(Claims(by=by), a_wallet(kind))
