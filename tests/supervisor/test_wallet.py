"""What our wallet signs is what the rehearsal venue, which read the facts on its own, takes apart and proves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes
from kit.claims import PRIVATE, a_wallet
from kit.trading import an_opening
from msgspec import structs
from polymarket._internal.environment import PRODUCTION_CONFIG

from deploy.rehearsal.abi import arguments, raw_transaction
from deploy.rehearsal.chain import ADAPTERS, COLLATERAL, ROUTER, SIGNATURES
from deploy.rehearsal.envelopes import opened
from shared.config import Credentials
from supervisor.claims import Claim
from supervisor.signatory import Signatory
from supervisor.venue.chain import Fees
from supervisor.wallet import Gas, Wallet

CONDITION = "0x" + "ab" * 31 + "00"
SIZE = 7_000_000
RELAY = "0x" + "Bb" * 20


def a_claim(kind: Any = "redeem", version: str = "v1", *, neg_risk: bool = False, outcome: Any = "Down") -> Claim:
    """Seven shares in a market of either protocol."""
    known = an_opening()
    terms = structs.replace(known.terms, condition_id=CONDITION)
    market = structs.replace(known, terms=terms, version=version, neg_risk=neg_risk)
    return Claim("name", kind, "BTC/5m", 300, market, SIZE, outcome)


def read(call: Any) -> tuple[str, str, tuple[Any, ...]]:
    """Who is called, which function, and with what."""
    data = bytes.fromhex(call.data[2:])
    signature = SIGNATURES[data[:4]]
    return call.to.lower(), signature, arguments(signature, data)


@pytest.mark.parametrize("neg_risk", [False, True])
def test_shares_of_conditional_tokens_are_redeemed_by_the_adapter(neg_risk: bool) -> None:
    """Wholly, both sides at once, and it hands out collateral."""
    target, signature, given = read(a_wallet().call(a_claim(neg_risk=neg_risk), SIZE))
    assert target in ADAPTERS
    assert (target == PRODUCTION_CONFIG.neg_risk_collateral_adapter.lower()) == neg_risk
    assert signature == "redeemPositions(address,bytes32,bytes32,uint256[])"
    assert given == (COLLATERAL, bytes(32), bytes.fromhex(CONDITION[2:]), (1, 2))


def test_pairs_of_conditional_tokens_are_merged_by_the_adapter() -> None:
    """As many as are asked for."""
    target, signature, given = read(a_wallet().call(a_claim("merge"), SIZE))
    assert target in ADAPTERS and signature.startswith("mergePositions(") and given[3:] == ((1, 2), SIZE)


def test_the_newer_protocol_has_a_router() -> None:
    """With a condition of 31 bytes, the outcome's index and an amount."""
    condition = bytes.fromhex(CONDITION[2:64])
    assert read(a_wallet().call(a_claim(version="v2"), SIZE)) == (
        ROUTER,
        "redeem(bytes31,uint256,uint256)",
        (condition, 1, SIZE),
    )
    merged = read(a_wallet().call(a_claim("merge", "v2"), SIZE))
    assert merged == (ROUTER, "merge(bytes31,uint256)", (condition, SIZE))


@pytest.mark.parametrize(
    ("version", "neg_risk", "keeper"),
    [
        ("v1", False, PRODUCTION_CONFIG.conditional_tokens),
        ("v1", True, PRODUCTION_CONFIG.neg_risk_adapter),
        ("v2", False, PRODUCTION_CONFIG.position_manager),
    ],
)
def test_shares_are_asked_for_where_they_are_kept(version: str, neg_risk: bool, keeper: str) -> None:
    """Both tokens of the wallet, Up first."""
    wallet = a_wallet()
    call = wallet.balances(a_claim(version=version, neg_risk=neg_risk))
    assert call["to"] == keeper
    data = bytes.fromhex(call["data"][2:])
    owners, tokens = arguments(SIGNATURES[data[:4]], data)
    assert (owners, tokens) == ((wallet.address.lower(),) * 2, (1, 2))


@pytest.mark.parametrize("kind", ["DEPOSIT_WALLET", "GNOSIS_SAFE", "POLY_PROXY"])
def test_an_envelope_proves_its_owner(kind: str) -> None:
    """Whatever the wallet's kind: its call, its nonce, its deadline, and nobody else could have signed it."""
    wallet = a_wallet(kind)
    call = wallet.call(a_claim(), SIZE)
    envelope = opened(json.loads(wallet.envelope(call, 41, 2_000_000_000, RELAY)))
    assert (envelope.owner, envelope.wallet.lower()) == (wallet.owner, wallet.address.lower())
    assert (envelope.nonce, envelope.deadline_s) == (41, 2_000_000_000 if kind == "DEPOSIT_WALLET" else None)
    (inner,) = envelope.calls
    assert (inner.target, inner.data.hex()) == (call.to.lower(), call.data[2:])


def test_the_same_attempt_gives_the_same_bytes() -> None:
    """A repeated attempt is no second transaction."""
    wallet = a_wallet()
    call = wallet.call(a_claim(), SIZE)
    assert wallet.envelope(call, 1, 9, RELAY) == wallet.envelope(call, 1, 9, RELAY)
    assert wallet.envelope(call, 2, 9, RELAY) != wallet.envelope(call, 1, 9, RELAY)


def test_an_own_transaction_is_the_owners() -> None:
    """Of the kind that names a fee and a tip, with the nonce it was given and the hash by which it is looked for."""
    wallet = a_wallet("EOA")
    call = wallet.call(a_claim(), SIZE)
    hash_, body = wallet.transaction(wallet.outer(call, 0), 12, Gas(100_000, Fees(70 * 10**9, 30 * 10**9)))
    raw = raw_transaction(body)
    told = TypedTransaction.from_bytes(HexBytes(body)).as_dict()
    assert (told["type"], told["maxFeePerGas"], told["maxPriorityFeePerGas"]) == (2, 70 * 10**9, 30 * 10**9)
    assert (raw.sender, raw.nonce, raw.hash) == (wallet.owner, 12, hash_)
    assert (raw.call.target, raw.call.data.hex()) == (call.to.lower(), call.data[2:])


def test_a_safe_is_called_by_its_owner() -> None:
    """The transaction goes to the Safe, with the owner's signature over the order in it."""
    wallet = a_wallet("GNOSIS_SAFE")
    call = wallet.call(a_claim(), SIZE)
    outer = wallet.outer(call, 5)
    assert (outer["from"], outer["to"]) == (wallet.owner, wallet.address)
    assert wallet.safe_nonce() == {"to": wallet.address, "data": "0xaffed0e0"}
    signed = wallet.outer(call, 6)["data"]
    assert call.data[2:] in outer["data"] and signed != outer["data"]


def test_a_rehearsal_makes_its_relayer_key_up() -> None:
    """One that is given is kept; neither is the signing key, and headers name its owner."""
    signatory = Signatory(Credentials(PRIVATE))
    given, none = Wallet(signatory, "from the site"), Wallet(signatory)
    given.own_relayer_key()
    assert given.relayer_headers() == {"RELAYER_API_KEY": "from the site", "RELAYER_API_KEY_ADDRESS": given.owner}
    assert PRIVATE[2:] not in a_wallet().relayer_headers()["RELAYER_API_KEY"]
    assert a_wallet().has_relayer_key and not none.has_relayer_key


def test_only_some_wallets_send_for_themselves() -> None:
    """A plain account does, and a Safe's owner for it; the others have the relayer alone."""
    kinds = ("EOA", "GNOSIS_SAFE", "DEPOSIT_WALLET", "POLY_PROXY")
    assert [a_wallet(kind).sends_itself for kind in kinds] == [True, True, False, False]
