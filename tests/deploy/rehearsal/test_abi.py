"""Calls and raw transactions, as the official client and its libraries write them."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from polymarket._internal.actions.relayer.calls import erc20_approval_call

from deploy.rehearsal.abi import (
    Call,
    Unreadable,
    answer,
    arguments,
    data_of,
    raw_transaction,
    rlp_encoded,
    selector,
    types_of,
)

ACCOUNT = Account.from_key("0x" + "11" * 32)
TO = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
OLD: dict[str, Any] = {"to": TO, "value": 7, "data": "0x1234", "gas": 5, "gasPrice": 6, "nonce": 3, "chainId": 137}
NEW: dict[str, Any] = {name: value for name, value in OLD.items() if name != "gasPrice"} | {
    "type": 2,
    "maxFeePerGas": 6,
    "maxPriorityFeePerGas": 1,
}


def test_a_call_is_four_bytes_and_its_arguments() -> None:
    """As the official client encodes them."""
    call = erc20_approval_call(token_address=TO, spender=ACCOUNT.address, amount=5)  # type: ignore[arg-type]
    data = data_of(call.data)
    assert data[:4] == selector("approve(address,uint256)")
    assert arguments("approve(address,uint256)", data) == (ACCOUNT.address.lower(), 5)


def test_brackets_within_an_argument_stay_together() -> None:
    """Also where they hold commas."""
    assert types_of("proxy((uint8,address,uint256,bytes)[])") == ["(uint8,address,uint256,bytes)[]"]
    assert types_of("f(uint256,(bool,bool),bytes)") == ["uint256", "(bool,bool)", "bytes"]
    assert types_of("f()") == []


def test_what_fits_no_signature_is_unreadable() -> None:
    """Too short, or no hex."""
    with pytest.raises(Unreadable):
        arguments("approve(address,uint256)", b"abcd" + bytes(12))
    with pytest.raises(Unreadable):
        data_of("0xzz")
    assert answer(["uint256"], [1]) == "0x" + "00" * 31 + "01"


@pytest.mark.parametrize("fields", [OLD, NEW])
def test_a_raw_transaction_proves_who_sent_it(fields: dict[str, Any]) -> None:
    """Of either kind; its hash is the chain's."""
    signed = Account.sign_transaction(fields, ACCOUNT.key)
    found = raw_transaction(bytes(signed.raw_transaction))
    assert (found.sender, found.nonce, found.hash) == (ACCOUNT.address, 3, "0x" + bytes(signed.hash).hex())
    assert found.call == Call(TO.lower(), 7, b"\x12\x34")


def test_a_transaction_of_another_chain_is_refused() -> None:
    """By its number."""
    signed = Account.sign_transaction(OLD | {"chainId": 1}, ACCOUNT.key)
    with pytest.raises(Unreadable, match="chain 1"):
        raw_transaction(bytes(signed.raw_transaction))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_unreadable_and_nothing_worse(raw: bytes) -> None:
    """Never half a transaction."""
    with pytest.raises(Unreadable):
        raw_transaction(raw)


@given(st.binary(min_size=56, max_size=400))
def test_long_items_keep_their_length(data: bytes) -> None:
    """In the chain's own wire form."""
    coded = rlp_encoded([data, b""])
    assert coded.endswith(data + b"\x80")
