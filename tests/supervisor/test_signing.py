"""The official client's signer: what leaves is what two other clients and the venue's own arithmetic say it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kit.drafts import ADDRESS, DOMAINS, OWNER, a_draft, a_draft_for, a_signatory
from kit.shared_data import POLYMARKET
from polymarket._internal.actions.orders.orders import create_signed_order
from polymarket._internal.actions.orders.post import build_post_order_request
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data

from deploy.rehearsal.posted import read_posted, struct_of
from deploy.rehearsal.signatures import order_hash, order_signer
from shared.messages import Place
from supervisor.signing import ClientSigner


def a_signer(signature_type: Any = "auto") -> ClientSigner:
    """A signer with the key everybody knows."""
    signer = ClientSigner(a_signatory(signature_type))
    signer.own(OWNER)
    return signer


@pytest.mark.parametrize("signature_type", [0, 1, 2, 3])
@pytest.mark.parametrize(("token_id", "neg_risk"), list(DOMAINS), ids=["ctf", "neg-risk", "protocol-v2"])
def test_the_venue_finds_the_hash_and_the_signer_that_we_name(
    signature_type: int, token_id: str, neg_risk: bool
) -> None:
    """For every exchange and wallet: its own arithmetic, from the bytes that leave, gives our order id and our key."""
    signed = a_signer(signature_type).sign(a_draft_for(token_id, neg_risk))
    posted = read_posted(json.loads(signed.body))
    order, domain = struct_of(posted.order), DOMAINS[token_id, neg_risk]
    assert order_hash(order, domain) == signed.order_id
    assert order_signer(order, domain, posted.order.signature) == ADDRESS


@pytest.mark.parametrize("kind", ["GTC", "FAK", "FOK"])
def test_a_request_is_the_official_clients_own(kind: Any) -> None:
    """Its order, signed and wrapped by its own path with our salt and time, is what we send, byte for byte."""
    signer = a_signer()
    draft = a_draft(place=Place("Up", "SELL", 500_000, 5_000_000, kind, post_only=kind == "GTC"))
    unsigned, account = signer.unsigned(draft), signer.signatory.account
    signature = account.sign_typed_data(full_message=build_order_typed_data(unsigned)).signature.to_0x_hex()
    signed = create_signed_order(unsigned, build_order_signature(unsigned, signature), post_only=draft.place.post_only)
    _, payload = build_post_order_request(signed, owner_api_key=OWNER)
    assert signer.sign(draft).body == json.dumps(payload, separators=(",", ":")).encode()
    assert payload["orderType"] == kind
    assert payload.get("postOnly", False) == draft.place.post_only


def test_the_same_draft_gives_the_same_bytes() -> None:
    """By another signer with the same key, that is after a restart: the leg can never become a second order."""
    assert a_signer().sign(a_draft()) == a_signer().sign(a_draft())


if POLYMARKET:
    RECORDED = json.loads((POLYMARKET / "signing_vectors.json").read_text())["clob_auth"]["headers"]

    def test_the_recorded_request_for_a_key_is_made_the_same() -> None:
        """The same headers for the same second."""
        made = a_signatory().key_headers(int(RECORDED["POLY_TIMESTAMP"]))
        assert made == {name: RECORDED[name] for name in made}
