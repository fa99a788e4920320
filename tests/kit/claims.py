"""A desk whose claims are real: its questions and transactions go to a rehearsal venue over sockets.

The desk itself stands still between two looks, as in `still_desk.py`; what it holds, its account at the venue holds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kit.days import START_S, a_day
from kit.still_desk import BTC, StillDesk, a_trading_desk
from kit.trading import BY
from kit.venue import Running, running_venue
from msgspec import structs

from deploy.rehearsal.abi import Call, encoded, selector, types_of
from deploy.rehearsal.chain import ADAPTERS, COLLATERAL, ROUTER, Caller
from deploy.rehearsal.faults import read_fault
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.markets import Market
from deploy.rehearsal.migrated import MigratedDay
from shared import entries as e
from shared.clock import NS
from shared.config import Claims, Credentials, SignatureType
from shared.messages import OUTCOMES, Outcome, Terms
from supervisor import effects as fx
from supervisor.claimer import Claimer, Unclear
from supervisor.claims import Claim
from supervisor.signatory import Signatory
from supervisor.wallet import Wallet

PRIVATE = "0x" + "11" * 32
SPEED = 20.0
SHARES = 30_000_000
NOW_MS = (START_S + 20) * 1_000
WAIT_S = 60.0
LOOK_S = 0.01


SIGNATURE_TYPES: dict[str, SignatureType] = {"EOA": 0, "POLY_PROXY": 1, "GNOSIS_SAFE": 2, "DEPOSIT_WALLET": 3}


def a_wallet(kind: str = "DEPOSIT_WALLET", **more: Any) -> Wallet:
    """The wallet of the key that everybody knows, of a kind."""
    wallet = Wallet(Signatory(Credentials(PRIVATE), SIGNATURE_TYPES[kind]), **more)
    wallet.own_relayer_key()
    return wallet


class Claimant:
    """A desk that stands still but for its claims. `submitted`: what left, in order; `in_vain`: unanswered looks."""

    def __init__(self, settings: Claims, wallet: Wallet) -> None:
        self.wallet = wallet
        self.still: StillDesk = a_trading_desk(claims=settings)
        self.claimer = Claimer(settings, wallet)
        self.submitted: list[bytes] = []
        self.in_vain = 0
        self.claimer.open()

    def open(self, condition: str, tokens: tuple[str, str], version: str = "v1") -> None:
        """The first window's market is this one."""
        terms = Terms(condition, 10_000, 5_000_000, 70_000, 1, 150, "spot")
        self.still.desk.board.write(e.Opened(BTC, START_S, tokens, version, False, terms))
        self.still.settle()

    def hold(self, trade: str, micro: int) -> None:
        """Our books have as many settled shares of either token of the first window, bought at a half."""
        board = self.still.desk.board
        for outcome in OUTCOMES:
            ids = f"{trade} {outcome}", f"o {outcome}"
            board.write(e.Fill(*ids, BTC, START_S, outcome, "BUY", 500_000, micro, 0, True, "CONFIRMED", BY))
        self.still.settle()

    def resolved(self, winner: Outcome) -> None:
        """The venue named the winner of the first window; ours are owed."""
        position = self.still.accounts.positions.get((BTC, START_S, winner))
        held = position.size_micro if position is not None else 0
        self.still.desk.board.write(e.Resolved(BTC, START_S, winner, held, True))
        self.still.settle()

    async def live(self, until: Callable[[], bool]) -> None:
        """Let desk and venue go on, real time and monotonic time alike, until something is so."""
        async with asyncio.timeout(WAIT_S):
            while not until():
                await self.step()
                await asyncio.sleep(LOOK_S)

    async def step(self) -> None:
        """One look at the desk's clock; what it wants of claims is done, and answered."""
        self.still.mono_ns += round(LOOK_S * NS)
        self._pass_time()
        wanted = [
            want for want in self.still.wants if isinstance(want, fx.LookAtClaim | fx.PrepareClaim | fx.SubmitClaim)
        ]
        for effect in wanted:
            self.still.wants.remove(effect)
            await self._carry_out(effect)

    def _pass_time(self) -> None:
        self.still.desk.board.now(self.still.now())
        self.still.desk.claiming.pass_time()
        self.still.settle()

    async def _carry_out(self, effect: fx.LookAtClaim | fx.PrepareClaim | fx.SubmitClaim) -> None:
        claiming = self.still.desk.claiming
        if isinstance(effect, fx.SubmitClaim):
            self.submitted.append(effect.body)
            self.still.do(claiming.on_answer, effect.claim, await self.claimer.submit(effect.body))
            return
        try:
            if isinstance(effect, fx.LookAtClaim):
                self.still.do(claiming.on_seen, effect.claim.name, await self.claimer.look(effect.claim))
            else:
                found = await self.claimer.prepare(effect.claim, effect.nonce, effect.amount_micro)
                self.still.do(claiming.on_prepared, effect.claim.name, found)
        except Unclear:
            self.in_vain += 1
            act = claiming.on_seen if isinstance(effect, fx.LookAtClaim) else claiming.on_prepared
            self.still.do(act, effect.claim.name, None)

    @property
    def claim(self) -> Claim:
        """The newest claim."""
        return list(self.still.accounts.claims.values())[-1]

    def is_(self, state: str) -> bool:
        """Whether the newest claim is in a state."""
        return bool(self.still.accounts.claims) and self.claim.state == state

    def events(self) -> list[str]:
        """What became of claims, in order."""
        return [moved.event for moved in self.still.said(e.ClaimMoved)]


class ClaimingDesk(Claimant):
    """Args: running: the venue. settings: of claims, with the venue's addresses. wallet: whose shares they are."""

    def __init__(self, running: Running, settings: Claims, wallet: Wallet) -> None:
        super().__init__(settings, wallet)
        self.running = running
        self.market: Market = running.exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]

    @property
    def account(self) -> Any:
        """Its books at the venue."""
        return self.running.exchange.accounts.get(self.wallet.owner)

    def join(self) -> None:
        """An account with money at the venue, and the same market and money on the desk."""
        exchange, listing = self.running.exchange, self.market.listing
        exchange.create_key(self.wallet.owner, 0, os.urandom)
        assert exchange.accounts.bind(self.wallet.owner, self.wallet.address, self.wallet.kind)
        version = "v2" if exchange.floor.asset_type(listing.up_token).endswith("V2") else "v1"
        self.open(listing.condition_id, (listing.up_token, listing.down_token), version)

    def split(self, trade: str = "t", micro: int = SHARES) -> None:
        """Buy as many of either token, at the venue and in the books; every trade is settled."""
        condition, exchange = bytes.fromhex(self.market.listing.condition_id[2:]), self.running.exchange
        if self.still.accounts.windows[BTC, START_S].version == "v2":
            call = a_call(ROUTER, "split(bytes31,uint256)", condition[:31], micro)
        else:
            name = "splitPosition(address,bytes32,bytes32,uint256[],uint256)"
            call = a_call(min(ADAPTERS), name, COLLATERAL, bytes(32), condition, [1, 2], micro)
        exchange.chain.run([call], Caller(self.wallet.owner, self.wallet.address, exchange.now_ms))
        self.running.venue.carry()
        self.hold(trade, micro)

    def fault(self, kind: str, **arguments: Any) -> None:
        """Let the venue do something wrong from now on."""
        exchange = self.running.exchange
        exchange.floor.mischief.begin(read_fault({"kind": kind, "for_s": 0, **arguments}), "control")

    def resolve(self) -> None:
        """Let market time jump to where the market is resolved, at the venue and on the desk."""
        clock = self.running.venue.clock
        clock.market_ns += max(0, (self.market.listing.end_s + 30) * NS - clock.unix_ns())
        self.running.venue.turn()
        assert self.market.settled is not None
        self.resolved(self.market.settled.winner)


def a_call(target: str, signature: str, *arguments: Any) -> Call:
    """A call of a contract's function."""
    return Call(target, 0, selector(signature) + encoded(types_of(signature), arguments))


@asynccontextmanager
async def a_claiming_desk(
    folder: Path, kind: str = "DEPOSIT_WALLET", *, migrated: bool = False, auto_redeem: bool = False, **settings: Any
) -> AsyncIterator[ClaimingDesk]:
    """A desk with thirty shares of either token, at a venue twenty times as fast as life."""
    day = MigratedDay(a_day(), frozenset({"BTC"})) if migrated else a_day()
    async with running_venue(folder, day, NOW_MS, SPEED, Rules(auto_redeem=auto_redeem)) as running:
        usual = Claims(
            relayer=running.where["relayer"],
            rpc=running.where["rpc"],
            poll_s=0.05,
            retry_s=0.05,
            retry_max_s=0.2,
            resend_s=1.0,
        )
        chosen = structs.replace(usual, **{"by": "auto", "confirmations": 1, "merge_min_usd": 0.0, **settings})
        desk = ClaimingDesk(running, chosen, a_wallet(kind))
        try:
            desk.join()
            desk.split()
            yield desk
        finally:
            await desk.claimer.close()
