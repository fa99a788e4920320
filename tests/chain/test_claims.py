"""The claimer's own road on a real EVM, against the real ConditionalTokens and Safe contracts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from kit.chain import MERGED, MINED, Anvil, Contracts, data_of, deployed, running_anvil
from kit.claims import SHARES, Claimant, a_wallet
from kit.still_desk import BTC, START_S

from shared import entries as e
from shared.config import Claims
from supervisor.wallet import Wallet

pytestmark = pytest.mark.system
DEEP = 3
SAFE_NONCE = hex(5)
"""Where a Safe keeps its nonce: singleton, modules, owners, their number and the threshold come before it."""
KINDS = ("EOA", "GNOSIS_SAFE")


class ChainDesk(Claimant):
    """A desk whose wallet is on a real chain, with thirty pairs that had cost as many dollars."""

    def __init__(self, contracts: Contracts, settings: Claims, wallet: Wallet) -> None:
        super().__init__(settings, wallet)
        self.contracts, self.anvil = contracts, contracts.anvil
        self.open("0x" + contracts.condition.hex(), contracts.tokens)
        self.pairs("t")
        self.mining = True

    def pairs(self, trade: str) -> None:
        """Thirty more pairs, on the chain and in the books."""
        self.contracts.fund(self.wallet.address, SHARES)
        self.hold(trade, SHARES)

    def resolve(self) -> None:
        """The oracle reports, and the venue names the winner."""
        self.contracts.report()
        self.resolved("Up")

    async def step(self) -> None:
        """Blocks come while the desk looks."""
        if self.mining:
            self.anvil.mine()
        await super().step()

    def agrees(self, dollars: int = SHARES) -> None:
        """The chain paid so much, once, and the books say the same."""
        accounts = self.still.accounts
        assert self.contracts.dollars(self.wallet.address) == dollars == accounts.claimed_micro
        assert accounts.owed() == 0

    async def sent_and_not_mined(self) -> None:
        """A claim's transaction is in the node's pool, and no block takes it."""
        self.mining = False
        self.anvil.automine(False)
        await self.live(lambda: self.is_("sent"))

    async def paid(self) -> None:
        """The claim is paid, and everybody says the same of it."""
        await self.live(lambda: self.is_("paid"))
        self.agrees()

    async def paid_once_blocks_come(self) -> None:
        """Blocks come again, and with them the money."""
        self.mining = True
        await self.paid()


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """A node of its own for each test: what is done to it is not undone."""
    with running_anvil() as node:
        yield node


Scenario = Callable[[ChainDesk], Awaitable[None]]


def play(anvil: Anvil, scenario: Scenario, kind: str = "EOA", **settings: Any) -> None:
    async def whole() -> None:
        contracts = deployed(anvil)
        owner = a_wallet("EOA").owner
        anvil.ask("anvil_setBalance", owner, hex(10**24))
        address = owner if kind == "EOA" else contracts.a_safe(owner)
        wallet = a_wallet(kind, config=contracts.config, address=address)
        usual: dict[str, Any] = {"poll_s": 0.02, "retry_s": 0.02, "retry_max_s": 0.1, "resend_s": 0.3, "answer_s": 5.0}
        claims = Claims(by="rpc", rpc=anvil.url, confirmations=DEEP, **({"merge_min_usd": 0.0} | usual | settings))
        desk = ChainDesk(contracts, claims, wallet)
        try:
            await scenario(desk)
        finally:
            await desk.claimer.close()

    asyncio.run(whole())


@pytest.mark.parametrize("kind", KINDS)
def test_a_winner_is_redeemed(anvil: Anvil, kind: str) -> None:
    """Paid once it is so deep that it stays, not when it is mined."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        desk.mining = False
        await desk.live(lambda: desk.is_("mined"))
        assert desk.still.accounts.owed() == SHARES
        await desk.paid_once_blocks_come()
        assert desk.contracts.shares(desk.wallet.address) == (0, 0)
        assert (desk.contracts.told(MINED), len(desk.submitted)) == (1, 1)

    play(anvil, scenario, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_merged_before_the_result(anvil: Anvil, kind: str) -> None:
    """The condition is not reported yet, and the dollars are back."""

    async def scenario(desk: ChainDesk) -> None:
        await desk.paid()
        assert (desk.contracts.told(MERGED), desk.contracts.shares(desk.wallet.address)) == (1, (0, 0))

    play(anvil, scenario, kind, merge_min_usd=5.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_winner_that_was_redeemed_already_is_paid(anvil: Anvil, kind: str) -> None:
    """By somebody who was allowed to; nothing is sent, and no gas is spent."""

    async def scenario(desk: ChainDesk) -> None:
        desk.contracts.report()
        name = "redeemPositions(address,bytes32,bytes32,uint256[])"
        data = data_of(name, desk.contracts.collateral, bytes(32), desk.contracts.condition, [1, 2])
        desk.anvil.send(desk.wallet.address, desk.contracts.ctf, data)
        desk.resolved("Up")
        await desk.paid()
        assert (desk.submitted, desk.events()) == ([], ["paid"])

    play(anvil, scenario, kind)


def test_a_result_that_is_not_on_the_chain_yet_costs_nothing(anvil: Anvil) -> None:
    """The venue named the winner before the oracle did: no transaction leaves until the contract would take it."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolved("Up")
        await desk.live(lambda: bool(desk.still.said(e.Alarm)))
        assert desk.submitted == [] and desk.still.said(e.Alarm)[-1].name == "claim_stalled"
        desk.contracts.report()
        await desk.paid()

    play(anvil, scenario)


def test_a_reverted_transaction_is_tried_again(anvil: Anvil) -> None:
    """A pair left the wallet between signing and mining; the merge came to nothing, and is made when it is back."""

    async def scenario(desk: ChainDesk) -> None:
        wallet, friend, ctf = desk.wallet.address, desk.anvil.accounts[5], desk.contracts.ctf
        desk.anvil.send(wallet, ctf, data_of("setApprovalForAll(address,bool)", friend, True))
        await desk.sent_and_not_mined()
        token = int(desk.contracts.tokens[0])
        taken = data_of("safeTransferFrom(address,address,uint256,uint256,bytes)", wallet, friend, token, SHARES, b"")
        fields = {"from": friend, "to": ctf, "data": taken, "gas": hex(300_000), "gasPrice": hex(10**12)}
        desk.anvil.ask("eth_sendTransaction", fields)
        desk.anvil.mine()
        desk.anvil.automine(True)
        desk.mining = True
        await desk.live(lambda: desk.is_("dropped"))
        assert "reverted" in desk.claim.detail and desk.contracts.told(MERGED) == 0
        assert desk.still.accounts.positions[BTC, START_S, "Up"].size_micro == SHARES
        back = data_of("safeTransferFrom(address,address,uint256,uint256,bytes)", friend, wallet, token, SHARES, b"")
        desk.anvil.send(friend, ctf, back)
        await desk.paid()

    play(anvil, scenario, merge_min_usd=5.0)


def test_a_safe_whose_nonce_somebody_used_is_asked_anew(anvil: Anvil) -> None:
    """The signature is for a nonce that is gone, so the Safe refuses it on the chain; the next one is right."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        await desk.sent_and_not_mined()
        desk.anvil.ask("anvil_setStorageAt", desk.wallet.address, SAFE_NONCE, "0x" + (1).to_bytes(32).hex())
        desk.anvil.mine()
        desk.anvil.automine(True)
        await desk.paid_once_blocks_come()
        assert "failed" in desk.events() and len(desk.submitted) == 2

    play(anvil, scenario, "GNOSIS_SAFE", resend_s=60.0)


def test_a_dropped_transaction_is_sent_again_under_its_nonce(anvil: Anvil) -> None:
    """The node forgot it; whether it did or not, only one of two with one nonce can be mined."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        await desk.sent_and_not_mined()
        desk.anvil.ask("anvil_dropTransaction", desk.claim.transactions[0])
        await desk.live(lambda: len(desk.submitted) == 2 and desk.is_("sent"))
        desk.anvil.automine(True)
        await desk.paid_once_blocks_come()
        assert {left.nonce for left in desk.still.said(e.Claiming)} == {desk.claim.nonce}
        assert desk.contracts.told(MINED) == 1

    play(anvil, scenario)


def test_a_stuck_transaction_is_outbid(anvil: Anvil) -> None:
    """Gas became dear while it waited; the one that replaced it is mined, and the first never."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        await desk.sent_and_not_mined()
        first = desk.claim.transactions[0]
        desk.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(100 * 10**9))
        desk.anvil.mine()
        assert desk.anvil.ask("eth_getTransactionReceipt", first) is None
        await desk.live(lambda: len(desk.claim.transactions) > 1 and desk.is_("sent"))
        outbid(*map(offered, desk.submitted[:2]))
        await desk.paid_once_blocks_come()
        assert desk.anvil.ask("eth_getTransactionReceipt", first) is None
        assert desk.contracts.told(MINED) == 1

    play(anvil, scenario)


def test_a_transaction_that_outbids_one_that_would_do_has_gas_enough(anvil: Anvil) -> None:
    """What it needs is asked of the newest block: where the first one counts as carried out, nothing is left to do."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        await desk.sent_and_not_mined()
        await desk.live(lambda: len(desk.submitted) > 1 and desk.is_("sent"))
        desk.anvil.automine(True)
        await desk.paid_once_blocks_come()
        assert "failed" not in desk.events()
        assert desk.contracts.told(MINED) == 1

    play(anvil, scenario)


def offered(body: bytes) -> dict[str, Any]:
    """The fields of a signed transaction, which names a fee and a tip."""
    fields = TypedTransaction.from_bytes(HexBytes(body)).as_dict()
    assert fields["type"] == 2
    return dict(fields)


def outbid(was: dict[str, Any], now: dict[str, Any]) -> None:
    """A replacement offers an eighth more than the first in both parts, under the same nonce."""
    assert now["nonce"] == was["nonce"]
    for part in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert 8 * now[part] >= 9 * was[part]


def test_a_stuck_transaction_is_not_outbid_beyond_the_bounds(anvil: Anvil) -> None:
    """It waits at the bound, and once gas is cheap again it is paid."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        await desk.sent_and_not_mined()
        desk.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(100 * 10**9))
        desk.anvil.mine()
        await desk.live(lambda: len(desk.submitted) >= 3)
        offers = [offered(body) for body in desk.submitted]
        assert max(fields["maxFeePerGas"] for fields in offers) == 4 * 10**9
        assert max(fields["maxPriorityFeePerGas"] for fields in offers) <= 2 * 10**9
        desk.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(10**8))
        await desk.paid_once_blocks_come()
        assert desk.contracts.told(MINED) == 1

    play(anvil, scenario, gas_max_gwei=4, tip_max_gwei=2)


def test_a_block_that_is_taken_back_pays_nothing(anvil: Anvil) -> None:
    """Mined, then not: the claim is on its way again, and paid once it stays."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        desk.mining = False
        await desk.live(lambda: desk.is_("mined"))
        assert desk.still.accounts.claimed_micro == 0
        desk.anvil.automine(False)
        desk.anvil.ask("anvil_reorg", 1, [])
        await desk.live(lambda: "unmined" in desk.events())
        assert desk.contracts.dollars(desk.wallet.address) == 0 and desk.still.accounts.owed() == SHARES
        desk.anvil.automine(True)
        await desk.paid_once_blocks_come()
        assert desk.contracts.told(MINED) == 1

    play(anvil, scenario)


@pytest.mark.parametrize("state", ["owed", "leaving", "sent"])
def test_a_node_that_hangs_is_waited_for(anvil: Anvil, state: str) -> None:
    """Stopped before, while, and after the transaction reached it: unknown is looked up, and paid once."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        if state == "leaving":
            desk.claimer.submit = hanging(desk)  # type: ignore[method-assign]
            await desk.live(lambda: desk.is_("unknown"))
        else:
            # An answer may come too late for the short patience here: what no block took is then sent again.
            await (desk.sent_and_not_mined() if state == "sent" else desk.live(lambda: desk.is_(state)))
            desk.anvil.halt()
            await looked_in_vain(desk)
        desk.anvil.go_on()
        desk.anvil.automine(True)
        await desk.paid_once_blocks_come()
        assert desk.contracts.told(MINED) == 1

    play(anvil, scenario, answer_s=0.5)


def hanging(desk: ChainDesk) -> Callable[[bytes], Awaitable[Any]]:
    """The node is stopped when the first transaction leaves: its socket takes the bytes, and nobody answers."""
    submit = desk.claimer.submit

    async def hangs(body: bytes) -> Any:
        if len(desk.submitted) == 1:
            desk.mining = False
            desk.anvil.halt()
        return await submit(body)

    return hangs


async def looked_in_vain(desk: ChainDesk) -> None:
    """The desk has asked a node that does not answer, twice, and has drawn no conclusion."""
    desk.mining = False
    events, enough = desk.events(), desk.in_vain + 2
    await desk.live(lambda: desk.in_vain >= enough)
    assert desk.events() == events


def test_a_node_that_dies_and_comes_back_is_asked_again(anvil: Anvil) -> None:
    """Killed with the transaction in its pool, started anew from what it had on the disk: sent again, paid once."""

    async def scenario(desk: ChainDesk) -> None:
        desk.resolve()
        await desk.sent_and_not_mined()
        kept = desk.anvil.ask("anvil_dumpState")
        desk.anvil.end()
        await looked_in_vain(desk)
        desk.anvil.start()
        desk.anvil.ask("anvil_loadState", kept)
        await desk.paid_once_blocks_come()
        assert desk.contracts.told(MINED) == 1
        assert {left.nonce for left in desk.still.said(e.Claiming)} == {desk.claim.nonce}

    play(anvil, scenario)
