"""The port to the venue's official client: it signs orders and the request for an API key; nothing here is sent.

What must match the chain byte for byte is the client's to compute: its own order type, typed data and signature
wrapping are used as they are. Only the two numbers that it would draw itself are ours: the salt is a keyed hash of the
decision's leg and the timestamp is its tick, so that the same leg always gives the same bytes, never a second order.

The client is pinned to one version, because the parts used here are its internals; the test beside this room holds
their results against recorded vectors.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from typing import Final

import msgspec
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from polymarket._internal.actions.orders.context import resolve_order_exchange_address
from polymarket._internal.actions.orders.orders import create_signed_order
from polymarket._internal.actions.orders.post import build_post_order_request
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data
from polymarket._internal.actions.orders.types import BYTES32_ZERO, UnsignedOrder
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.l1_auth import sign_api_key_auth
from polymarket._internal.wallet import (
    WalletType,
    classify_wallet_type,
    derive_beacon_deposit_wallet_address,
    signature_type_for,
)
from polymarket.errors import UserInputError
from polymarket.models.types import TokenId
from polymarket.types import EvmAddress, HexString

from shared.config import Credentials, Faults
from supervisor.admission import Draft, Signed

_SALT_BITS: Final = 53  # it travels as a JSON number


class ClientSigner:
    """Signs with one key for one wallet; holds the key and never shows it.

    Raises: Faults: the key is none, or the wallet is not an address.
    """

    def __init__(self, credentials: Credentials) -> None:
        try:
            self._account = Account.from_key(credentials.private_key)
        except (ValueError, TypeError):
            raise Faults(["credentials: private_key is no key of 32 bytes in hex"]) from None
        self.address: str = self._account.address
        deposit = derive_beacon_deposit_wallet_address(self.address, PRODUCTION_CONFIG.wallet_derivation)
        self.wallet: str = credentials.wallet or deposit
        self.signature_type: int = signature_type_for(_wallet_type(self.address, self.wallet))
        self._api_key = ""
        self._salt_key = blake2b(self._account.key, digest_size=32, person=b"foresight-salt").digest()

    def own(self, api_key: str) -> None:
        """Name the API key that orders belong to."""
        self._api_key = api_key

    def sign(self, draft: Draft) -> Signed:
        """Sign an order; the same draft always gives the same bytes."""
        unsigned = self._unsigned(draft)
        typed_data = build_order_typed_data(unsigned)
        signature = self._account.sign_typed_data(full_message=typed_data).signature.hex()
        wrapped = build_order_signature(unsigned, HexString(f"0x{signature.removeprefix('0x')}"))
        signed = create_signed_order(unsigned, wrapped, post_only=draft.place.post_only)
        _, payload = build_post_order_request(signed, owner_api_key=self._api_key)
        return Signed(order_hash(unsigned), msgspec.json.encode(payload))

    def key_headers(self, wall_s: int) -> dict[str, str]:
        """The headers that ask the venue for the API key of this signing key."""
        proof = sign_api_key_auth(self._account, chain_id=PRODUCTION_CONFIG.chain_id, timestamp=wall_s)
        return {
            "POLY_ADDRESS": proof.address,
            "POLY_NONCE": str(proof.nonce),
            "POLY_SIGNATURE": proof.signature,
            "POLY_TIMESTAMP": str(proof.timestamp),
        }

    def _unsigned(self, draft: Draft) -> UnsignedOrder:
        exchange = resolve_order_exchange_address(
            PRODUCTION_CONFIG, asset_id=draft.token_id, neg_risk=draft.market.neg_risk
        )
        return UnsignedOrder(
            chain_id=PRODUCTION_CONFIG.chain_id,
            builder=BYTES32_ZERO,
            exchange_address=exchange,
            expiration=0,
            maker=EvmAddress(self.wallet),
            maker_amount=draft.maker_amount,
            metadata=BYTES32_ZERO,
            order_type=draft.place.kind,
            salt=self._salt(draft.identity),
            side=draft.place.side,
            signature_type=self.signature_type,
            signer=EvmAddress(self.wallet if self.signature_type == 3 else self.address),
            taker_amount=draft.taker_amount,
            timestamp=draft.timestamp_ms,
            token_id=TokenId(draft.token_id),
            protocol_version="3" if draft.market.version == "v2" else "2",
        )

    def _salt(self, identity: str) -> int:
        digest = blake2b(identity.encode(), key=self._salt_key, digest_size=8).digest()
        return int.from_bytes(digest, "big") >> (64 - _SALT_BITS)


def _wallet_type(address: str, wallet: str) -> WalletType:
    try:
        return classify_wallet_type(signer=address, wallet=wallet, config=PRODUCTION_CONFIG.wallet_derivation)
    except UserInputError:  # its text holds what was given, which may be a key in the wrong place
        raise Faults(["credentials: wallet is no address; write 0x and 40 hex digits, or leave it out"]) from None


def order_hash(unsigned: UnsignedOrder) -> str:
    """The EIP-712 hash of an order under its exchange's domain: what the venue will call it."""
    typed_data = build_order_typed_data(replace(unsigned, signature_type=0))  # 3 would wrap it for the wallet
    typed_data["message"]["signatureType"] = unsigned.signature_type
    message = encode_typed_data(full_message=typed_data)
    return "0x" + keccak(b"\x19" + message.version + message.header + message.body).hex()
