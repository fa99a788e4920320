"""Who signed: held against the official client, and against the recorded vectors where they are present."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.shared_data import POLYMARKET
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data
from polymarket._internal.actions.orders.types import UnsignedOrder
from polymarket._internal.hmac import build_hmac_signature
from polymarket._internal.l1_auth import sign_api_key_auth

from deploy.rehearsal.signatures import (
    CTF,
    CTF_NEG_RISK,
    PROTOCOL_V2,
    Domain,
    Forged,
    SignedOrder,
    checksummed,
    key_signer,
    order_hash,
    order_signer,
    request_hmac,
)

PRIVATE = "0x" + "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
WALLET = "0x2222222222222222222222222222222222222222"
WORD = "0x" + "ab" * 32


def an_order(signature_type: int, **changes: Any) -> SignedOrder:
    maker = ADDRESS if signature_type == 0 else WALLET
    signer = WALLET if signature_type == 3 else ADDRESS
    fields = {
        "salt": 123456789,
        "maker": maker,
        "signer": signer,
        "token_id": 25070934348813416902477876984955073880416401960631253331845590271167412497744,
        "maker_amount": 5_000_000,
        "taker_amount": 10_000_000,
        "side": 1,
        "signature_type": signature_type,
        "timestamp": 1_791_241_810_525,
        "metadata": "0x" + "00" * 32,
        "builder": WORD,
    }
    return SignedOrder(**(fields | changes))


def signed_by_the_official_client(order: SignedOrder, domain: Domain) -> str:
    """Build and sign the typed data the way polymarket-client does."""
    unsigned = UnsignedOrder(
        salt=order.salt,
        maker=order.maker,  # type: ignore[arg-type]
        signer=order.signer,  # type: ignore[arg-type]
        token_id=str(order.token_id),  # type: ignore[arg-type]
        maker_amount=order.maker_amount,
        taker_amount=order.taker_amount,
        side="SELL" if order.side else "BUY",
        signature_type=order.signature_type,  # type: ignore[arg-type]
        timestamp=order.timestamp,
        metadata=order.metadata,  # type: ignore[arg-type]
        builder=order.builder,  # type: ignore[arg-type]
        chain_id=137,
        exchange_address=domain.contract,  # type: ignore[arg-type]
        expiration=0,
        order_type="GTC",
        protocol_version=domain.version,
    )
    typed = build_order_typed_data(unsigned, protocol_version=domain.version)
    inner = Account.from_key(PRIVATE).sign_typed_data(full_message=typed).signature.hex()
    return str(build_order_signature(unsigned, "0x" + inner, protocol_version=domain.version))  # type: ignore[arg-type]


@pytest.mark.parametrize("signature_type", [0, 1, 2, 3])
@pytest.mark.parametrize("domain", [CTF, CTF_NEG_RISK, PROTOCOL_V2])
def test_the_official_clients_signature_names_its_signer(signature_type: int, domain: Domain) -> None:
    """For every wallet type and every exchange; a deposit wallet's is nested."""
    order = an_order(signature_type)
    assert order_signer(order, domain, signed_by_the_official_client(order, domain)) == ADDRESS


@settings(max_examples=20)
@given(st.integers(0, 2**63), st.integers(1, 10**12), st.integers(1, 10**12), st.sampled_from([0, 1]))
def test_any_order_of_the_official_client_names_its_signer(salt: int, gives: int, gets: int, side: int) -> None:
    """Whatever the amounts."""
    order = an_order(3, salt=salt, maker_amount=gives, taker_amount=gets, side=side)
    assert order_signer(order, CTF, signed_by_the_official_client(order, CTF)) == ADDRESS


@pytest.mark.parametrize("signature_type", [0, 3])
def test_a_changed_order_does_not_name_its_signer(signature_type: int) -> None:
    """A plain signature names somebody else; a nested one says outright that it is for other contents."""
    order = an_order(signature_type)
    signature = signed_by_the_official_client(order, CTF)
    changed = an_order(signature_type, maker_amount=5_000_001)
    try:
        assert order_signer(changed, CTF, signature) != ADDRESS
    except Forged as forged:
        assert signature_type == 3 and "another order" in str(forged)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "0x",
        lambda text: text[:-2],
        lambda text: text + "00",
        lambda text: "0xzz" + text[4:],
        lambda text: text[:130] + "1d",
        lambda text: "0x" + "ff" * 64 + "1b",
    ],
)
def test_a_damaged_signature_is_forged(damage: Any) -> None:
    """Never an address, never another kind of error."""
    order = an_order(0)
    with pytest.raises(Forged):
        order_signer(order, CTF, damage(signed_by_the_official_client(order, CTF)))


def test_the_malleable_twin_of_a_signature_is_forged() -> None:
    """The chain takes only the lower s, and so does the venue."""
    order, n = an_order(0), 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(signed_by_the_official_client(order, CTF)[2:])
    twin = raw[:32] + (n - int.from_bytes(raw[32:64])).to_bytes(32) + bytes([27 + 28 - raw[64]])
    with pytest.raises(Forged, match="upper half"):
        order_signer(order, CTF, "0x" + twin.hex())


def test_the_order_id_differs_by_domain() -> None:
    """The same struct on another exchange is another order."""
    order = an_order(0)
    assert len({order_hash(order, domain) for domain in (CTF, CTF_NEG_RISK, PROTOCOL_V2)}) == 3


def test_a_key_request_of_the_official_client_names_its_signer() -> None:
    """The message attests its address, and a changed time is somebody else's."""
    signed = sign_api_key_auth(Account.from_key(PRIVATE), chain_id=137, timestamp=1_791_241_810, nonce=4)
    assert key_signer(ADDRESS, "1791241810", 4, signed.signature) == ADDRESS
    assert key_signer(ADDRESS, "1791241811", 4, signed.signature) != ADDRESS


def test_the_request_hmac_is_the_official_clients() -> None:
    """Over time, method, path and body."""
    secret = "c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M="
    official = build_hmac_signature(secret=secret, timestamp=5, method="POST", path="/order", body='{"a":1}')
    assert request_hmac(secret, "5", "POST", "/order", b'{"a":1}') == official


def test_addresses_are_written_with_their_checksum() -> None:
    """From any case."""
    assert checksummed(ADDRESS.lower()) == checksummed(ADDRESS.upper().replace("0X", "0x")) == ADDRESS


if POLYMARKET:
    VECTORS = json.loads((POLYMARKET / "signing_vectors.json").read_text())

    @pytest.mark.parametrize("vector", VECTORS["orders"], ids=lambda vector: str(vector["name"]))
    def test_a_recorded_order_vector_verifies(vector: dict[str, Any]) -> None:
        """Hash and signer as two official clients agreed on."""
        wire = vector["post_order_body"]["order"]
        order = SignedOrder(
            wire["salt"],
            wire["maker"],
            wire["signer"],
            int(wire["tokenId"]),
            int(wire["makerAmount"]),
            int(wire["takerAmount"]),
            int(wire["side"] == "SELL"),
            wire["signatureType"],
            int(wire["timestamp"]),
            wire["metadata"],
            wire["builder"],
        )
        domain = Domain(vector["domain"]["version"], vector["domain"]["verifyingContract"])
        assert order_hash(order, domain) == vector["order_hash"]
        assert order_signer(order, domain, wire["signature"]) == vector["recovered_signer"]

    def test_the_recorded_key_and_hmac_vectors_verify() -> None:
        """ClobAuth and three request signatures."""
        head = VECTORS["clob_auth"]["headers"]
        signed = key_signer(head["POLY_ADDRESS"], head["POLY_TIMESTAMP"], 0, head["POLY_SIGNATURE"])
        assert signed == head["POLY_ADDRESS"]
        for row in VECTORS["l2_hmac"]:
            body = (row["body"] or "").encode()
            made = request_hmac(row["secret_b64url"], row["timestamp"], row["method"], row["path"], body)
            assert made == row["signature"]
