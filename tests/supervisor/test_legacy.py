"""Orders of before CLOB V2: the bytes of the client of that time, and nothing for a venue that refuses them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.drafts import ADDRESS, OWNER, PRIVATE, TERMS, TOKEN, a_draft, a_draft_for, a_signatory, drafts
from kit.releases import ROOT
from py_clob_client.clob_types import CreateOrderOptions, OrderArgs
from py_clob_client.order_builder import builder as client_builder
from py_clob_client.signer import Signer
from py_clob_client.utilities import order_to_json
from py_order_utils.builders import OrderBuilder

from deploy.rehearsal.posted import read_posted, struct_of
from deploy.rehearsal.signatures import BEFORE_V2, order_hash, order_signer
from shared.amounts import order_amounts
from shared.config import Faults, Venue
from shared.messages import Place
from supervisor.admission import Draft
from supervisor.legacy import CUT_OVER, FEE_BPS, LegacySigner

HERE = Venue(clob="http://127.0.0.1:9")


def a_signer(signature_type: Any = 0) -> LegacySigner:
    """A signer with the key everybody knows."""
    signer = LegacySigner(a_signatory(signature_type), HERE)
    signer.own(OWNER)
    return signer


@pytest.mark.parametrize("signature_type", [0, 1, 2])
@pytest.mark.parametrize("kind", ["GTC", "FAK", "FOK"])
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_an_order_is_the_old_clients_own(
    signature_type: int, kind: Any, side: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built by the client from price and size, with our salt: the same request, byte for byte, whatever we call it."""
    signer, size = a_signer(signature_type), 10_000_000
    maker, taker = order_amounts(side, "GTC", 530_000, size, TERMS.tick_micro)
    place = Place("Up", side, 530_000, size, kind, post_only=kind == "GTC")
    draft = a_draft(place=place, maker_amount=maker, taker_amount=taker)
    monkeypatch.setattr(OrderBuilder.__init__, "__defaults__", (lambda: signer.signatory.salt(draft.identity),))
    made = client_builder.OrderBuilder(Signer(PRIVATE, 137), signature_type, signer.signatory.wallet)
    args = OrderArgs(token_id=TOKEN, price=0.53, size=10, side=side, fee_rate_bps=FEE_BPS)
    order = made.create_order(args, CreateOrderOptions(tick_size="0.01", neg_risk=False))
    payload = order_to_json(order, OWNER, kind, place.post_only)
    assert signer.sign(draft).body == json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


@settings(max_examples=40)
@given(drafts(), st.sampled_from([0, 1, 2]))
def test_the_venue_of_the_time_finds_the_hash_and_the_signer(draft: Draft, signature_type: int) -> None:
    """Any order for the one exchange it had for these markets; its fee is the most they may take."""
    plain = a_draft_for(draft.token_id, False, place=draft.place, identity=draft.identity)
    signed = a_signer(signature_type).sign(plain)
    posted = read_posted(json.loads(signed.body))
    order = struct_of(posted.order)
    assert order_hash(order, BEFORE_V2) == signed.order_id
    assert order_signer(order, BEFORE_V2, posted.order.signature) == ADDRESS
    assert json.loads(signed.body)["order"]["feeRateBps"] == "1000"


def test_the_exchange_of_negative_risk_is_another() -> None:
    """The same order, signed for the other contract, has another name."""
    ids = {a_signer().sign(a_draft_for(TOKEN, neg_risk)).order_id for neg_risk in (False, True)}
    assert len(ids) == 2


@given(st.sets(st.text(max_size=20), min_size=2, max_size=8))
def test_the_same_leg_is_the_same_order_and_another_leg_another(identities: set[str]) -> None:
    """It has no time of its own: the salt alone tells two legs apart."""
    legs = [a_signer().sign(a_draft(identity=identity)) for identity in identities]
    assert legs == [a_signer().sign(a_draft(identity=identity)) for identity in identities]
    assert len({leg.order_id for leg in legs}) == len(identities)


@pytest.mark.parametrize(
    "clob",
    [
        Venue().clob,
        "https://CLOB.polymarket.com/",
        "https://polymarket.com",
        "https://clob-staging.polymarket.com:443",
        "https://clob.polymarket.com./",
        "https://user@clob.polymarket.com",
    ],
)
def test_production_is_refused_with_the_day_and_the_way_out(clob: str) -> None:
    """Before anything is signed: it has taken no such order since the cut-over."""
    with pytest.raises(Faults, match=f'polymarket.com has refused .* {CUT_OVER}; set exchange.client = "unified"'):
        LegacySigner(a_signatory(0), Venue(clob=clob))


@pytest.mark.parametrize("clob", ["http://127.0.0.1:8080", "http://[::1]:1", "http://notpolymarket.com", "http://desk"])
def test_a_venue_of_ones_own_is_signed_for(clob: str) -> None:
    """What it takes it says itself when the desk joins it."""
    assert LegacySigner(a_signatory(0), Venue(clob=clob)).sign(a_draft()).order_id.startswith("0x")


def test_a_deposit_wallet_is_younger_than_this_client() -> None:
    """Its kind of signature was unknown then."""
    with pytest.raises(Faults, match=r"no deposit wallets; set exchange.signature_type to 0, 1 or 2"):
        LegacySigner(a_signatory(3), HERE)


@pytest.mark.parametrize("missing", ["py_clob_client.config", "py_order_utils.builders"])
def test_a_client_that_is_not_installed_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to type; a desk on today's orders never imports it."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(Faults, match=r"py-clob-client==0.34.6, and .* is missing; type: make legacy"):
        LegacySigner(a_signatory(0), HERE)


def test_a_desk_on_todays_orders_does_not_import_the_old_client() -> None:
    """It costs a second and a connection pool, and is no dependency."""
    program = "import sys, supervisor.adapters; assert not {'py_clob_client', 'py_order_utils'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_the_key_is_never_shown() -> None:
    """Not by the signer and not by what it keeps of the client."""
    signer = a_signer()
    texts = [repr(signer), str(signer), repr(vars(signer))]
    assert not any(PRIVATE.removeprefix("0x") in text or repr(b"\x11" * 32) in text for text in texts)
