"""Bodies of the relayer's POST /submit, signed by the official client's own functions."""

from __future__ import annotations

from typing import Any, cast

from eth_account import Account
from polymarket._internal.actions.relayer.calls import TransactionCall, encode_proxy_call, encode_safe_multisend_call
from polymarket._internal.actions.relayer.gasless import (
    build_deposit_wallet_payload,
    build_proxy_payload,
    build_safe_payload,
)
from polymarket._internal.actions.relayer.signing.deposit_wallet import sign_deposit_wallet_batch
from polymarket._internal.actions.relayer.signing.proxy import build_proxy_transaction_hash, sign_proxy_message
from polymarket._internal.actions.relayer.signing.safe import sign_safe_transaction
from polymarket.types import EvmAddress, HexString

from deploy.rehearsal.abi import Call

FACTORY = EvmAddress("0x00000000000Fb5C9ADea0298D729A0CB3823Cc07")
MULTISEND = EvmAddress("0xA238CBeb142c10Ef7Ad8442C6D1f9E89e07e7761")
RELAY_HUB = EvmAddress("0xD216153c06E857cD7f72665E0aF1d7D82172F494")
WALLET = EvmAddress("0x" + "Aa" * 20)
CHAIN = 137
ACCOUNT = Account.from_key("0x" + (1).to_bytes(32).hex())
"""The same key as the first trader's."""


def theirs(calls: list[Call]) -> list[TransactionCall]:
    """Calls in the official client's form."""
    return [
        TransactionCall(to=EvmAddress(call.target), data=HexString("0x" + call.data.hex()), value=call.value)
        for call in calls
    ]


def a_batch(calls: list[Call], nonce: int = 0, deadline_s: int = 2_000_000_000, **changes: Any) -> dict[str, Any]:
    """A deposit wallet's batch."""
    items, numbers = theirs(calls), {"nonce": str(nonce), "deadline": str(deadline_s)}
    signature = sign_deposit_wallet_batch(ACCOUNT, wallet=WALLET, calls=items, chain_id=CHAIN, **numbers)
    payload = build_deposit_wallet_payload(
        signer_address=ACCOUNT.address,
        deposit_wallet_factory=FACTORY,
        wallet=WALLET,
        calls=items,
        signature=signature,
        metadata="",
        **numbers,
    )
    return cast("dict[str, Any]", dict(payload)) | changes


def a_safe(calls: list[Call], nonce: int = 0) -> dict[str, Any]:
    """A Safe's transaction: one call, or many by multi-send."""
    items = theirs(calls)
    target, data, operation = items[0].to, items[0].data, 0
    if len(items) > 1:
        target, data, operation = MULTISEND, encode_safe_multisend_call(items), 1
    what: dict[str, Any] = {"data": data, "value": 0, "operation": operation, "nonce": str(nonce)}
    signature = sign_safe_transaction(ACCOUNT, safe_address=WALLET, to=target, chain_id=CHAIN, **what)
    payload = build_safe_payload(
        signer_address=ACCOUNT.address, wallet=WALLET, target=target, signature=signature, metadata="", **what
    )
    return cast("dict[str, Any]", dict(payload))


def a_proxy(calls: list[Call], nonce: int = 0) -> dict[str, Any]:
    """A proxy's transaction."""
    data, gas, factory = encode_proxy_call(theirs(calls)), "200000", "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
    sender = EvmAddress(ACCOUNT.address)
    digest = build_proxy_transaction_hash(
        from_address=sender,
        to=EvmAddress(factory),
        data=data,
        relayer_fee="0",
        gas_price="0",
        gas_limit=gas,
        nonce=str(nonce),
        relay_hub=RELAY_HUB,
        relay=RELAY_HUB,
    )
    payload = build_proxy_payload(
        signer_address=sender,
        proxy_factory=factory,
        wallet=WALLET,
        data=data,
        nonce=str(nonce),
        signature=sign_proxy_message(ACCOUNT, digest),
        gas_limit=gas,
        relay=RELAY_HUB,
        relay_hub=RELAY_HUB,
        metadata="",
    )
    return cast("dict[str, Any]", dict(payload))
