"""Orders signed by the venue's official client: slow, and the yardstick of everything faster; nothing here is sent.

What must match the chain byte for byte is the client's to compute: its own order type, typed data, signature wrapping
and request are used as they are. Only the two numbers that it would draw itself are ours: the salt is a keyed hash of
the decision's leg and the timestamp is its tick, so that the same leg always gives the same bytes, never a second
order.

The client is pinned to one version, because the parts used here are its internals; the test beside this room holds
their results against recorded vectors.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from polymarket._internal.actions.orders.context import resolve_order_exchange_address
from polymarket._internal.actions.orders.orders import create_signed_order
from polymarket._internal.actions.orders.post import build_post_order_request
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data
from polymarket._internal.actions.orders.types import BYTES32_ZERO, UnsignedOrder
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.protocol import is_v2_position_id
from polymarket.models.types import TokenId
from polymarket.types import EvmAddress, HexString

from supervisor.admission import Draft, Signed
from supervisor.signatory import Signatory


class ClientSigner:
    """Signs an order wholly by the official client, in some 0.3 ms."""

    def __init__(self, signatory: Signatory) -> None:
        self.signatory = signatory
        self._api_key = ""

    def own(self, api_key: str) -> None:
        """Name the API key that orders belong to."""
        self._api_key = api_key

    def sign(self, draft: Draft) -> Signed:
        """Sign an order; the same draft always gives the same bytes."""
        unsigned = self.unsigned(draft)
        typed_data = build_order_typed_data(unsigned)
        signature = self.signatory.account.sign_typed_data(full_message=typed_data).signature.to_0x_hex()
        wrapped = build_order_signature(unsigned, HexString(signature))
        return Signed(order_hash(unsigned), request(unsigned, wrapped, draft.place.post_only, self._api_key))

    def unsigned(self, draft: Draft) -> UnsignedOrder:
        """The order in the client's own type. Which exchange it is for the client reads off the token's id."""
        signatory = self.signatory
        return UnsignedOrder(
            chain_id=PRODUCTION_CONFIG.chain_id,
            builder=BYTES32_ZERO,
            exchange_address=exchange_of(draft.token_id, draft.market.neg_risk),
            expiration=0,
            maker=EvmAddress(signatory.wallet),
            maker_amount=draft.maker_amount,
            metadata=BYTES32_ZERO,
            order_type=draft.place.kind,
            salt=signatory.salt(draft.identity),
            side=draft.place.side,
            signature_type=signatory.signature_type,
            signer=EvmAddress(signatory.signer),
            taker_amount=draft.taker_amount,
            timestamp=draft.timestamp_ms,
            token_id=TokenId(draft.token_id),
            protocol_version="3" if is_v2_position_id(draft.token_id) else "2",
        )


def exchange_of(token_id: str, neg_risk: bool) -> EvmAddress:
    """The contract that settles a token's orders, as the client finds it."""
    return resolve_order_exchange_address(PRODUCTION_CONFIG, asset_id=token_id, neg_risk=neg_risk)


def order_hash(unsigned: UnsignedOrder) -> str:
    """The EIP-712 hash of an order under its exchange's domain: what the venue will call it."""
    typed_data = build_order_typed_data(replace(unsigned, signature_type=0))  # 3 would wrap it for the wallet
    typed_data["message"]["signatureType"] = unsigned.signature_type
    message = encode_typed_data(full_message=typed_data)
    return "0x" + keccak(b"\x19" + message.version + message.header + message.body).hex()


def request(unsigned: UnsignedOrder, signature: HexString, post_only: bool, api_key: str) -> bytes:
    """The body of the client's POST of a signed order, as its transport writes it."""
    signed = create_signed_order(unsigned, signature, post_only=post_only)
    _, payload = build_post_order_request(signed, owner_api_key=api_key)
    return as_sent(payload)


def as_sent(payload: Any) -> bytes:
    """JSON as the official clients send it: no spaces, the fields in the client's own order."""
    return json.dumps(payload, separators=(",", ":")).encode()
