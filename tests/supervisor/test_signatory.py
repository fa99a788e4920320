"""Who signs, and for whom: the wallet is one of the key's own, and the key is shown to nobody."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.drafts import ADDRESS, PRIVATE, a_signatory
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.wallet import derive_uups_deposit_wallet_address, signature_type_for, try_classify_wallet_type

from deploy.rehearsal.signatures import key_signer
from shared.config import Credentials, Faults
from supervisor.signatory import EOA, POLY_1271, Signatory, wallets_of

TYPES: list[Any] = [0, 1, 2, 3]
STRANGER = "0x2222222222222222222222222222222222222222"


@pytest.mark.parametrize("signature_type", TYPES)
def test_a_wallet_is_derived_for_each_signature_type(signature_type: Any) -> None:
    """It is told by its number alone; the official client knows the wallet as one of that type."""
    signatory = a_signatory(signature_type)
    found = try_classify_wallet_type(
        signer=ADDRESS, wallet=signatory.wallet, config=PRODUCTION_CONFIG.wallet_derivation
    )
    assert found is not None
    assert signature_type_for(found) == signatory.signature_type == signature_type
    assert signatory.signer == (signatory.wallet if signature_type == POLY_1271 else ADDRESS)


@pytest.mark.parametrize("wallet", wallets_of(ADDRESS))
@pytest.mark.parametrize("written", [str, str.lower], ids=["checksummed", "lower"])
def test_the_signature_type_follows_from_a_named_wallet(wallet: str, written: Any) -> None:
    """Also that of a deposit wallet of the older kind; the address is written as the official client writes it."""
    signatory = a_signatory(wallet=written(wallet))
    assert (signatory.wallet, signatory.signature_type) == (wallet, wallets_of(ADDRESS)[wallet])


def test_without_a_wallet_a_key_trades_for_its_deposit_wallet() -> None:
    """The kind that new accounts have; the older kind has to be named. An adapter may have another usual one."""
    older = derive_uups_deposit_wallet_address(ADDRESS, PRODUCTION_CONFIG.wallet_derivation)
    assert a_signatory().signature_type == POLY_1271
    assert a_signatory().wallet not in {older, ADDRESS}
    assert Signatory(Credentials(PRIVATE), usual=EOA).wallet == ADDRESS


@pytest.mark.parametrize("signature_type", ["auto", *TYPES])
def test_a_wallet_that_cannot_belong_to_the_key_is_refused(signature_type: Any) -> None:
    """Whatever type is wanted; the text says which wallets the key has."""
    with pytest.raises(Faults, match=f"wallet {STRANGER} cannot belong to this key") as caught:
        a_signatory(signature_type, wallet=STRANGER)
    assert all(wallet in str(caught.value) for wallet in wallets_of(ADDRESS))


@pytest.mark.parametrize("signature_type", TYPES)
def test_a_type_that_the_named_wallet_does_not_sign_by_is_refused(signature_type: Any) -> None:
    """The setting's name and the type that would fit are in the text."""
    for wallet, its_type in wallets_of(ADDRESS).items():
        if its_type == signature_type:
            assert a_signatory(signature_type, wallet=wallet).wallet == wallet
        else:
            with pytest.raises(Faults, match=rf"exchange.signature_type = {signature_type}: .* signs by {its_type}"):
                a_signatory(signature_type, wallet=wallet)


@given(st.text(max_size=80))
def test_a_salt_survives_a_json_number(identity: str) -> None:
    """Any identity: less than 2**53, so that a reader with floating point numbers reads the same one."""
    salt = a_signatory().salt(identity)
    assert 0 <= salt < 2**53
    assert int(float(salt)) == salt


@given(st.sets(st.text(max_size=40), min_size=2, max_size=40))
def test_no_two_legs_and_no_two_keys_have_the_same_salt(identities: set[str]) -> None:
    """Nobody who does not have the key can tell which leg a salt is of."""
    salts = [a_signatory(private="0x" + key * 32).salt(one) for key in ("11", "12") for one in identities]
    assert len(set(salts)) == 2 * len(identities)


@pytest.mark.parametrize("signature_type", TYPES)
def test_the_headers_that_ask_for_a_key_prove_the_address(signature_type: Any) -> None:
    """The venue recovers the signing key's address from them, whichever wallet trades."""
    headers = a_signatory(signature_type).key_headers(1_791_241_810)
    assert headers["POLY_ADDRESS"] == ADDRESS
    assert key_signer(ADDRESS, "1791241810", int(headers["POLY_NONCE"]), headers["POLY_SIGNATURE"]) == ADDRESS
    assert headers["POLY_TIMESTAMP"] == "1791241810"


@pytest.mark.parametrize("private_key", ["", "0x", "hello", "0x" + "00" * 32, "0x" + "ff" * 32, "11" * 31, "é" * 64])
def test_what_is_no_key_is_refused_by_name(private_key: str) -> None:
    """A fault of the credentials, in a text that a person can act on."""
    with pytest.raises(Faults, match="private_key is no key"):
        a_signatory(private=private_key)


@pytest.mark.parametrize("wallet", ["hello", "0x123", "0x" + "zz" * 20, PRIVATE])
def test_what_is_no_wallet_is_refused_by_name(wallet: str) -> None:
    """Also a key that was written in the wallet's place; and the text never holds what was written."""
    with pytest.raises(Faults, match="wallet is no address") as caught:
        a_signatory(wallet=wallet)
    assert wallet not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_key_is_never_shown() -> None:
    """Not by who signs, not by the credentials, not in the traceback of a key that is none."""
    spoilt = "f" * 60 + "1111"
    with pytest.raises(Faults) as caught:
        a_signatory(private="0x" + spoilt)
    shown = "".join(traceback.format_exception(caught.value, limit=0))
    signatory = a_signatory()
    for text in (repr(signatory), str(signatory), repr(Credentials(PRIVATE)), str(Credentials(PRIVATE)), shown):
        assert "1" * 32 not in text
        assert spoilt not in text
