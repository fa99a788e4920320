"""What the relayer is asked to send, signed by the official client's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kit.envelopes import ACCOUNT, WALLET, a_batch, a_proxy, a_safe

from deploy.rehearsal.abi import Call
from deploy.rehearsal.envelopes import CALLS_MAX, opened
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.signatures import checksummed

CALLS = [Call("0x" + "12" * 20, 0, b"\x01\x02"), Call("0x" + "34" * 20, 0, b"")]
Make = Callable[[list[Call], int], dict[str, Any]]


@pytest.mark.parametrize(("make", "kind"), [(a_batch, 3), (a_safe, 2), (a_proxy, 1)])
@pytest.mark.parametrize("count", [1, 2])
def test_an_envelope_names_who_signed_it_and_what_it_calls(make: Make, kind: int, count: int) -> None:
    """Of each kind of wallet, with one call and with several."""
    found = opened(make(CALLS[:count], 7))
    assert (found.owner, found.wallet) == (ACCOUNT.address, checksummed(WALLET))
    assert (found.signature_type, found.nonce, list(found.calls)) == (kind, 7, CALLS[:count])


@pytest.mark.parametrize("make", [a_batch, a_safe, a_proxy])
def test_a_changed_envelope_proves_nothing(make: Make) -> None:
    """Another nonce, another sender, a damaged signature."""
    body = make(CALLS, 7)
    for change in ({"nonce": "8"}, {"from": WALLET}, {"signature": body["signature"][:-4] + "0000"}):
        with pytest.raises(Refused, match="invalid"):
            opened(body | change)


def test_a_wallet_to_be_created_needs_no_signature() -> None:
    """Only the address it is for."""
    found = opened({"type": "WALLET-CREATE", "from": ACCOUNT.address, "to": "", "metadata": ""})
    assert (found.kind, found.owner, found.calls) == ("WALLET-CREATE", ACCOUNT.address, ())


@pytest.mark.parametrize(
    "body",
    [
        5,
        {},
        {"type": "DANCE"},
        {"type": "WALLET"},
        {"type": "WALLET-CREATE", "from": "0xzz"},
        a_batch(CALLS, signature="0x"),
        a_batch(CALLS, nonce=0) | {"nonce": "x"},
        a_safe(CALLS) | {"data": "0x12"},
        a_proxy(CALLS) | {"data": "0x12345678"},
    ],
)
def test_nonsense_is_refused(body: Any) -> None:
    """With 400, whatever it is."""
    with pytest.raises(Refused) as refused:
        opened(body)
    assert refused.value.status == 400


def test_a_batch_has_a_bound() -> None:
    """On its calls."""
    with pytest.raises(Refused, match="too many calls"):
        opened(a_batch(CALLS[:1] * (CALLS_MAX + 1)))
