"""The port to the official client: what leaves is what two other clients and the venue's own arithmetic say it is."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.shared_data import POLYMARKET
from polymarket._internal.actions.orders.orders import create_signed_order
from polymarket._internal.actions.orders.post import build_post_order_request
from polymarket._internal.actions.orders.typed_data import build_order_signature, build_order_typed_data

from deploy.rehearsal.signatures import CTF, CTF_NEG_RISK, PROTOCOL_V2, Domain, SignedOrder, key_signer, order_signer
from deploy.rehearsal.signatures import order_hash as venue_hash
from shared.config import Credentials, Faults
from shared.messages import Place, Terms
from shared.slots import Slot
from supervisor.admission import Draft
from supervisor.signing import ClientSigner
from supervisor.venue.discovery import Market

PRIVATE = "0x" + "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
DEPOSIT = "0x2222222222222222222222222222222222222222"
TOKEN = "25070934348813416902477876984955073880416401960631253331845590271167412497744"
POSITION = str(0x10 << 248 | 0xC0DE << 120 | 0x98)
"""A token of the newer protocol: the venue's client knows one by its bits 40 to 103, which are zero."""
MARKET = Market(
    Slot("BTC", 5),
    1_791_240_000,
    (TOKEN, "7"),
    "v1",
    False,
    Terms("0x" + "ab" * 32, 10_000, 5_000_000, 70_000, 1, 150, "twap60"),
)
DOMAINS = {("v1", False): CTF, ("v1", True): CTF_NEG_RISK, ("v2", False): PROTOCOL_V2}


def a_draft(**changes: Any) -> Draft:
    """Five dollars for ten shares of Up."""
    place = Place("Up", "BUY", 500_000, 10_000_000, "GTC")
    draft = Draft(MARKET, TOKEN, place, 5_000_000, 10_000_000, "BTC/5m|0xab|1791241810525|0", 1_791_241_810_525)
    return replace(draft, **changes)


def a_signer(wallet: str = "") -> ClientSigner:
    """A signer with the key everybody knows."""
    signer = ClientSigner(Credentials(PRIVATE, wallet))
    signer.own("00000000-0000-0000-0000-000000000001")
    return signer


def as_the_venue_reads(body: bytes) -> tuple[SignedOrder, str]:
    """The order in a request, as the rehearsal venue takes it apart, and its signature."""
    wire = json.loads(body)["order"]
    assert isinstance(wire["salt"], int)
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
    return order, wire["signature"]


@pytest.mark.parametrize("wallet", ["", ADDRESS, DEPOSIT], ids=["derived", "own", "named"])
@pytest.mark.parametrize(("version", "neg_risk"), list(DOMAINS))
def test_the_venue_finds_the_hash_and_the_signer_that_we_name(wallet: str, version: Any, neg_risk: bool) -> None:
    """For every exchange and wallet: its own arithmetic, from the bytes that leave, gives our order id and our key."""
    market = replace(MARKET, version=version, neg_risk=neg_risk)
    token = POSITION if version == "v2" else TOKEN
    signed = a_signer(wallet).sign(a_draft(market=market, token_id=token))
    order, signature = as_the_venue_reads(signed.body)
    domain = DOMAINS[version, neg_risk]
    assert venue_hash(order, domain) == signed.order_id
    assert order_signer(order, domain, signature) == ADDRESS


@pytest.mark.parametrize("kind", ["GTC", "FAK", "FOK"])
def test_a_request_is_the_official_clients_own(kind: Any) -> None:
    """Its order, signed and wrapped by its own path with our salt and time, is what we send, byte for byte as JSON."""
    signer = a_signer()
    draft = a_draft(place=Place("Up", "SELL", 500_000, 5_000_000, kind, post_only=kind == "GTC"))
    unsigned = signer._unsigned(draft)
    signature = signer._account.sign_typed_data(full_message=build_order_typed_data(unsigned)).signature.to_0x_hex()
    signed = create_signed_order(unsigned, build_order_signature(unsigned, signature), post_only=draft.place.post_only)
    _, payload = build_post_order_request(signed, owner_api_key="00000000-0000-0000-0000-000000000001")
    assert json.loads(signer.sign(draft).body) == json.loads(json.dumps(payload))
    assert payload["orderType"] == kind
    assert payload.get("postOnly", False) == draft.place.post_only


def test_the_same_draft_gives_the_same_bytes() -> None:
    """By another signer with the same key, that is after a restart: the leg can never become a second order."""
    assert a_signer().sign(a_draft()) == a_signer().sign(a_draft())


def test_legs_and_keys_have_salts_of_their_own() -> None:
    """Another leg, and the same leg under another key, is another order."""
    ids = {
        a_signer().sign(a_draft()).order_id,
        a_signer().sign(a_draft(identity="BTC/5m|0xab|1791241810525|1")).order_id,
        ClientSigner(Credentials("0x" + "12" * 32)).sign(a_draft()).order_id,
    }
    assert len(ids) == 3


@given(st.text(max_size=80))
def test_a_salt_survives_a_json_number(identity: str) -> None:
    """Any identity: less than 2**53, so that a reader with floating point numbers reads the same one."""
    salt = a_signer()._salt(identity)
    assert 0 <= salt < 2**53
    assert int(float(salt)) == salt


def test_the_headers_that_ask_for_a_key_prove_the_address() -> None:
    """The venue recovers the signing key's address from them, whichever wallet trades."""
    headers = a_signer(DEPOSIT).key_headers(1_791_241_810)
    assert headers["POLY_ADDRESS"] == ADDRESS
    assert key_signer(ADDRESS, "1791241810", int(headers["POLY_NONCE"]), headers["POLY_SIGNATURE"]) == ADDRESS
    assert headers["POLY_TIMESTAMP"] == "1791241810"


@pytest.mark.parametrize("private_key", ["", "0x", "hello", "0x" + "00" * 32, "0x" + "ff" * 32, "11" * 31, "é" * 64])
def test_what_is_no_key_is_refused_by_name(private_key: str) -> None:
    """A fault of the credentials, in a text that a person can act on."""
    with pytest.raises(Faults, match="private_key is no key"):
        ClientSigner(Credentials(private_key))


@pytest.mark.parametrize("wallet", ["hello", "0x123", "0x" + "zz" * 20, PRIVATE])
def test_what_is_no_wallet_is_refused_by_name(wallet: str) -> None:
    """Also a key that was written in the wallet's place; and the text never holds what was written."""
    with pytest.raises(Faults, match="wallet is no address") as caught:
        ClientSigner(Credentials(PRIVATE, wallet))
    assert wallet not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_key_is_never_shown() -> None:
    """Not by the signer, not by the credentials, not in the traceback of a key that is none."""
    spoilt = "f" * 60 + "1111"
    with pytest.raises(Faults) as caught:
        ClientSigner(Credentials("0x" + spoilt))
    shown = "".join(traceback.format_exception(caught.value, limit=0))
    signer = a_signer()
    for text in (repr(signer), str(signer), repr(Credentials(PRIVATE)), str(Credentials(PRIVATE)), shown):
        assert "1" * 32 not in text
        assert spoilt not in text


if POLYMARKET:
    VECTORS = json.loads((POLYMARKET / "signing_vectors.json").read_text())
    PLAIN = [vector for vector in VECTORS["orders"] if int(vector["post_order_body"]["order"]["builder"], 16) == 0]

    @pytest.mark.parametrize("vector", PLAIN, ids=lambda vector: str(vector["name"]))
    def test_a_recorded_order_is_signed_the_same(vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """Two official clients agreed on hash and signature; given their salt we send the same order."""
        body = vector["post_order_body"]
        wire = body["order"]
        signer = a_signer()
        signer.wallet, signer.signature_type = wire["maker"], wire["signatureType"]
        signer.own(body["owner"])
        monkeypatch.setattr(signer, "_salt", lambda identity: wire["salt"])
        signed = signer.sign(
            a_draft(
                market=replace(
                    MARKET,
                    version=_version(vector),
                    neg_risk=vector["domain"]["verifyingContract"] == CTF_NEG_RISK.contract,
                ),
                token_id=wire["tokenId"],
                place=Place("Up", wire["side"], 500_000, 10_000_000, body["orderType"]),
                maker_amount=int(wire["makerAmount"]),
                taker_amount=int(wire["takerAmount"]),
                timestamp_ms=int(wire["timestamp"]),
            )
        )
        sent = json.loads(signed.body)
        assert signed.order_id == vector["order_hash"]
        assert sent["order"] == wire
        assert (sent["owner"], sent["orderType"]) == (body["owner"], body["orderType"])
        assert Domain(vector["domain"]["version"], vector["domain"]["verifyingContract"]) in DOMAINS.values()

    def _version(vector: dict[str, Any]) -> Any:
        return "v2" if vector["domain"]["version"] == PROTOCOL_V2.version else "v1"

    def test_the_recorded_request_for_a_key_is_made_the_same() -> None:
        """The same headers for the same second."""
        recorded = VECTORS["clob_auth"]["headers"]
        made = a_signer().key_headers(int(recorded["POLY_TIMESTAMP"]))
        assert made == {name: recorded[name] for name in made}
