"""The prepared signer: not a byte of an order or its request differs from the official client's."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.drafts import (
    ADDRESS,
    OWNER,
    PRIVATE,
    UINT256_MAX,
    a_draft,
    a_signatory,
    domain_of,
    drafts,
)
from kit.shared_data import POLYMARKET
from polymarket._internal.actions.orders.types import UnsignedOrder
from polymarket._internal.environment import PRODUCTION_CONFIG
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderDataV2, order_to_json_v2
from py_clob_client_v2.signer import Signer as NextSigner

from deploy.rehearsal.posted import read_posted, struct_of
from deploy.rehearsal.signatures import order_hash, order_signer
from shared.messages import OrderKind, Place, Side
from supervisor import prepared
from supervisor.admission import Draft, Signed
from supervisor.prepared import PreparedSigner, SignersDiffer, Template
from supervisor.signing import ClientSigner

TYPES: list[Any] = [0, 1, 2, 3]
SIGNATORIES = [a_signatory(kind) for kind in TYPES]
PREPARED = [PreparedSigner(signatory) for signatory in SIGNATORIES]
CLIENTS = [ClientSigner(signatory) for signatory in SIGNATORIES]


@settings(max_examples=300)
@given(drafts(), st.sampled_from(TYPES), st.text(max_size=40))
def test_any_order_has_the_bytes_of_the_official_client(draft: Draft, signature_type: int, owner: str) -> None:
    """Every field at random, every wallet and exchange: signature, hash and the whole request."""
    mine, theirs = PREPARED[signature_type], CLIENTS[signature_type]
    mine.own(owner)
    theirs.own(owner)
    assert mine.sign(draft) == theirs.sign(draft)


@settings(max_examples=25)
@given(drafts(), st.sampled_from(TYPES), st.integers(1, 2**255))
def test_any_key_signs_as_the_official_client_does(draft: Draft, signature_type: Any, private: int) -> None:
    """A template is cut for a key's own wallets."""
    signatory = a_signatory(signature_type, f"0x{private:064x}")
    assert PreparedSigner(signatory).sign(draft) == ClientSigner(signatory).sign(draft)


@settings(max_examples=50)
@given(drafts(), st.sampled_from(TYPES))
def test_the_venue_finds_the_hash_and_the_signer_in_any_order(draft: Draft, signature_type: int) -> None:
    """Held against the venue's own arithmetic, which shares nothing with the client's."""
    signed = PREPARED[signature_type].sign(replace(draft, maker_amount=1, taker_amount=2, timestamp_ms=3))
    posted = read_posted(json.loads(signed.body))
    order = struct_of(posted.order)
    assert order_hash(order, domain_of(draft)) == signed.order_id
    assert order_signer(order, domain_of(draft), posted.order.signature) == ADDRESS


@settings(max_examples=50)
@given(drafts(), st.sampled_from(TYPES), st.integers(0, 2**53), st.binary(min_size=32, max_size=32))
def test_a_template_signs_as_the_other_official_client_does(
    draft: Draft, signature_type: int, salt: int, word: bytes
) -> None:
    """The one that was written before: also with what we leave empty, a builder's code and metadata."""
    dated = replace(draft, timestamp_ms=max(1, draft.timestamp_ms))  # it takes 0 for not told
    marked = {"builder": "0x" + word.hex(), "metadata": "0x" + word[::-1].hex()}
    unsigned = replace(CLIENTS[signature_type].unsigned(dated), salt=salt, **marked)
    builder = ExchangeOrderBuilderV2(
        unsigned.exchange_address, 137, NextSigner(PRIVATE, 137), lambda: str(salt), unsigned.protocol_version
    )
    order = OrderDataV2(
        maker=unsigned.maker,
        signer=unsigned.signer,
        tokenId=unsigned.token_id,
        makerAmount=str(unsigned.maker_amount),
        takerAmount=str(unsigned.taker_amount),
        side=["BUY", "SELL"].index(unsigned.side),
        signatureType=signature_type,
        timestamp=str(unsigned.timestamp),
        **marked,
    )
    theirs = builder.build_signed_order(order)
    mine = Template.of(unsigned).sign(dated, salt, OWNER, PrivateKey(b"\x11" * 32))
    said = order_to_json_v2(theirs, OWNER, draft.place.kind, draft.place.post_only)
    assert mine.order_id == builder.build_order_hash(builder.build_order_typed_data(theirs))
    assert {"postOnly": False} | json.loads(mine.body) == said


@given(drafts(), st.sets(st.text(max_size=20), min_size=2, max_size=8))
def test_no_two_legs_share_a_hash_or_a_signature(draft: Draft, identities: set[str]) -> None:
    """Also when everything else of them is the same: the second leg is never taken for the first one sent again."""
    legs = [PREPARED[0].sign(replace(draft, identity=identity)) for identity in identities]
    assert len({leg.order_id for leg in legs}) == len({leg.body for leg in legs}) == len(identities)


def test_the_same_draft_gives_the_same_bytes_in_another_process() -> None:
    """After a restart, that is; with another hash seed, another heap, another moment."""
    program = (
        "from kit.drafts import a_draft, a_signatory; from supervisor.prepared import PreparedSigner; "
        "print(PreparedSigner(a_signatory()).sign(a_draft()))"
    )
    command, path = [sys.executable, "-c", program], ":".join(sys.path)
    ran = [
        subprocess.run(
            command, capture_output=True, text=True, check=True, env={"PYTHONPATH": path, "PYTHONHASHSEED": seed}
        )
        for seed in "12"
    ]
    assert {each.stdout.strip() for each in ran} == {str(PreparedSigner(a_signatory()).sign(a_draft()))}


# --- what is proved before anything is sent ---


def test_an_order_of_every_kind_is_proved_on_every_exchange() -> None:
    """Each side of each, and post-only; no exchange of the client is left out."""
    kinds = {(draft.place.kind, draft.place.post_only, draft.place.side) for draft in prepared._SAMPLES}
    wanted = {(kind, False) for kind in get_args(OrderKind)} | {("GTC", True)}
    assert kinds == {(*wish, side) for wish in wanted for side in get_args(Side)}
    exchanges = {PREPARED[0]._client.unsigned(draft).exchange_address for draft in prepared._SAMPLES}
    config = PRODUCTION_CONFIG
    assert exchanges == {config.standard_exchange, config.neg_risk_exchange, config.exchange_v3}
    assert PREPARED[0].proved == len(kinds) * len(exchanges)


def wrong(part: str, right: Any) -> Any:
    """Something else in the place of a template's part: a bit, a constant, the wrap of the other kind of wallet."""
    if part == "bodies":
        return tuple(body.replace('"expiration":"0"', '"expiration":"1"') for body in right)
    if part == "nested":
        return prepared.Nested(b"\1" * 32, bytes(160), "ab", "cd") if right is None else None
    return right[:-1] + bytes([right[-1] ^ 1])


@pytest.mark.parametrize("signature_type", TYPES)
@pytest.mark.parametrize("part", [field.name for field in fields(Template)])
def test_a_template_that_is_wrong_anywhere_is_never_used(
    signature_type: Any, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signer is not made; what is said names the order and what to do, and shows no signature."""
    cut = Template.of

    def spoilt(unsigned: UnsignedOrder) -> Template:
        right = cut(unsigned)
        return replace(right, **{part: wrong(part, getattr(right, part))})

    monkeypatch.setattr(Template, "of", spoilt)
    with pytest.raises(SignersDiffer, match=r"another (hash|request); nothing was sent.*make clean env") as caught:
        PreparedSigner(SIGNATORIES[signature_type])
    assert "11" * 16 not in str(caught.value)


@pytest.mark.parametrize("field", ["salt", "timestamp", "maker_amount", "taker_amount", "token_id", "side", "builder"])
def test_a_client_that_signs_otherwise_is_noticed(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of it in the environment: the struct it signs differs in one field."""
    changed: dict[str, Any] = {"side": "SELL", "token_id": "1", "builder": "0x" + "01" * 32}
    real = ClientSigner.unsigned

    def otherwise(self: ClientSigner, draft: Draft) -> UnsignedOrder:
        return replace(real(self, draft), **{field: changed.get(field, 1)})

    client = PreparedSigner(SIGNATORIES[3])
    monkeypatch.setattr(ClientSigner, "unsigned", otherwise)
    with pytest.raises(SignersDiffer):
        client._prove()


def test_the_key_is_never_shown() -> None:
    """Not by the signer, not by its template, not by what it says when it refuses."""
    signer = PREPARED[0]
    template = signer._template(a_draft().token_id, False)
    texts = [repr(signer), str(signer), repr(template), repr(signer._key), repr(vars(signer))]
    texts.append(str(SignersDiffer([prepared._difference(a_draft(), Signed("1", b""), Signed("2", b""))])))
    assert not any(PRIVATE.removeprefix("0x") in text or repr(b"\x11" * 32) in text for text in texts)


@pytest.mark.parametrize("token_id", ["", "0x1f", "-1", "1_000", "\uff11", " 7"])
def test_a_token_that_is_no_plain_number_is_a_broken_promise(token_id: str) -> None:
    """Discovery lets no such market in; signing something else than what is sent would be worse than stopping."""
    with pytest.raises(AssertionError, match="plain number"):
        PREPARED[0].sign(a_draft(token_id=token_id))


def test_numbers_beyond_their_word_are_never_signed() -> None:
    """They raise; nothing is cut off in silence."""
    for name in ("maker_amount", "taker_amount", "timestamp_ms"):
        with pytest.raises(OverflowError):
            PREPARED[0].sign(a_draft(**{name: UINT256_MAX + 1}))


def test_templates_are_remembered_for_a_bounded_number_of_tokens() -> None:
    """A month of windows does not grow the signer."""
    signer = PreparedSigner(SIGNATORIES[0])
    for number in range(prepared.TOKENS_MAX + 50):
        signer._template(str(number), False)
    assert signer._template.cache_info().currsize == prepared.TOKENS_MAX


# --- recorded ---


if POLYMARKET:
    VECTORS = json.loads((POLYMARKET / "signing_vectors.json").read_text())

    @pytest.mark.parametrize("vector", VECTORS["orders"], ids=lambda vector: str(vector["name"]))
    def test_a_recorded_order_is_signed_the_same(vector: dict[str, Any]) -> None:
        """Two official clients agreed on them; given their salt and wallet, hash, signature and request are ours."""
        body = vector["post_order_body"]
        wire = body["order"]
        draft = a_draft(
            token_id=wire["tokenId"],
            place=Place("Up", wire["side"], 500_000, 10_000_000, body["orderType"]),
            maker_amount=int(wire["makerAmount"]),
            taker_amount=int(wire["takerAmount"]),
            timestamp_ms=int(wire["timestamp"]),
        )
        signed = Template.of(_recorded(vector)).sign(draft, wire["salt"], body["owner"], PrivateKey(b"\x11" * 32))
        assert signed.order_id == vector["order_hash"]
        assert json.loads(signed.body) == {name: body[name] for name in body if name != "postOnly"}

    def _recorded(vector: dict[str, Any]) -> UnsignedOrder:
        """The recorded wallet's order in the client's type; the numbers of the order itself are left out."""
        wire, domain = vector["post_order_body"]["order"], vector["domain"]
        return UnsignedOrder(
            chain_id=domain["chainId"],
            builder=wire["builder"],
            exchange_address=domain["verifyingContract"],
            expiration=int(wire["expiration"]),
            maker=wire["maker"],
            maker_amount=0,
            metadata=wire["metadata"],
            order_type="GTC",
            salt=0,
            side="BUY",
            signature_type=wire["signatureType"],
            signer=wire["signer"],
            taker_amount=0,
            timestamp=0,
            token_id=wire["tokenId"],
            protocol_version=domain["version"],
        )
