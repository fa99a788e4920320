"""Keys, proofs and switches."""

from __future__ import annotations

import hashlib
import uuid

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from polymarket._internal.l1_auth import sign_api_key_auth

from deploy.rehearsal import refusals
from deploy.rehearsal.keys import (
    Key,
    Keyring,
    Switches,
    WrongHeartbeat,
    asker,
    authenticate,
    fresh,
    uuid_of,
)
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.signatures import request_hmac

PRIVATE = "0x" + "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
NOW_S = 1_795_000_000
SECOND_NS = 10**9


def chance(count: int) -> bytes:
    return hashlib.shake_128(b"test").digest(count)


def a_ring() -> tuple[Keyring, Key]:
    ring = Keyring()
    return ring, ring.create(ADDRESS, 0, chance)[0]


def signed(key: Key, body: bytes = b"", **changes: str) -> dict[str, str]:
    """The headers of a keyed POST /order."""
    headers = {
        "POLY_ADDRESS": key.owner,
        "POLY_API_KEY": key.api_key,
        "POLY_PASSPHRASE": key.passphrase,
        "POLY_TIMESTAMP": str(NOW_S),
        "POLY_SIGNATURE": request_hmac(key.secret, str(NOW_S), "POST", "/order", body),
    }
    return headers | changes


def test_the_same_address_and_nonce_get_the_same_key() -> None:
    """However often they ask; another nonce is another key."""
    ring, key = a_ring()
    assert ring.create(ADDRESS, 0, chance) == (key, False)
    assert ring.derive(ADDRESS, 0) == key
    assert ring.of(ADDRESS) == [key.api_key]
    with pytest.raises(Refused, match=refusals.NO_SUCH_KEY):
        ring.derive(ADDRESS, 1)


def test_a_socket_has_to_know_secret_and_passphrase() -> None:
    """The id alone proves nothing."""
    ring, key = a_ring()
    assert ring.proved(key.api_key, key.secret, key.passphrase) == key
    assert ring.proved(key.api_key, key.secret, "wrong") is None
    assert ring.proved(key.api_key, "wrong", key.passphrase) is None
    assert ring.proved("unknown", key.secret, key.passphrase) is None


def test_a_signed_request_is_its_keys() -> None:
    """Time, method, path and body as signed."""
    ring, key = a_ring()
    assert authenticate(ring, signed(key, b"{}"), "POST", "/order", b"{}", [NOW_S + 29]) == key


@pytest.mark.parametrize(
    ("changes", "body", "clock_s"),
    [
        ({}, b"{ }", NOW_S),
        ({}, b"{}", NOW_S + 31),
        ({"POLY_TIMESTAMP": "soon"}, b"{}", NOW_S),
        ({"POLY_PASSPHRASE": "x"}, b"{}", NOW_S),
        ({"POLY_API_KEY": "x"}, b"{}", NOW_S),
        ({"POLY_ADDRESS": "0x" + "0" * 40}, b"{}", NOW_S),
    ],
)
def test_anything_wrong_with_a_signed_request_is_unauthorized(
    changes: dict[str, str], body: bytes, clock_s: int
) -> None:
    """One answer for all of it."""
    ring, key = a_ring()
    with pytest.raises(Refused, match=refusals.UNAUTHORIZED) as refused:
        authenticate(ring, signed(key, b"{}", **changes), "POST", "/order", body, [clock_s])
    assert refused.value.status == 401


def test_a_missing_header_is_unauthorized() -> None:
    """Every one of the five is needed."""
    ring, key = a_ring()
    for name in signed(key):
        headers = {other: value for other, value in signed(key).items() if other != name}
        with pytest.raises(Refused, match=refusals.UNAUTHORIZED):
            authenticate(ring, headers, "POST", "/order", b"", [NOW_S])


def test_a_timestamp_may_be_near_either_clock() -> None:
    """The world's, or a rehearsal's market time."""
    assert fresh(str(NOW_S), [5.0, NOW_S - 30])
    assert not fresh(str(NOW_S), [5.0, NOW_S - 30.5])


def l1_headers(**changes: str) -> dict[str, str]:
    signature = sign_api_key_auth(Account.from_key(PRIVATE), chain_id=137, timestamp=NOW_S, nonce=2)
    headers = {
        "POLY_ADDRESS": ADDRESS.lower(),
        "POLY_SIGNATURE": signature.signature,
        "POLY_TIMESTAMP": str(NOW_S),
        "POLY_NONCE": "2",
    }
    return headers | changes


def test_a_key_request_names_its_address_and_nonce() -> None:
    """With the checksum, whatever case it came in."""
    assert asker(l1_headers(), [NOW_S]) == (ADDRESS, 2)


@pytest.mark.parametrize(
    ("changes", "clock_s"),
    [
        ({"POLY_NONCE": "3"}, NOW_S),
        ({"POLY_NONCE": "x"}, NOW_S),
        ({"POLY_ADDRESS": "0x" + "0" * 40}, NOW_S),
        ({"POLY_SIGNATURE": "0x00"}, NOW_S),
        ({}, NOW_S + 31),
    ],
)
def test_a_key_request_that_proves_nothing_is_refused(changes: dict[str, str], clock_s: int) -> None:
    """With 401."""
    with pytest.raises(Refused, match=refusals.INVALID_L1) as refused:
        asker(l1_headers(**changes), [clock_s])
    assert refused.value.status == 401


@given(st.binary(min_size=16, max_size=16))
def test_key_ids_are_random_uuids(drawn: bytes) -> None:
    """Of version 4."""
    assert uuid.UUID(uuid_of(drawn)).version == 4


def test_the_first_heartbeat_arms_and_each_names_the_next() -> None:
    """An id is good once."""
    switches = Switches()
    first = switches.beat("key", "", 0)
    second = switches.beat("key", first, SECOND_NS)
    assert first != second
    with pytest.raises(WrongHeartbeat) as wrong:
        switches.beat("key", first, 2 * SECOND_NS)
    assert wrong.value.expected == second


def test_a_switch_fires_ten_seconds_after_the_last_accepted_heartbeat() -> None:
    """Once; a wrong one does not count; afterwards it may be armed again."""
    switches = Switches()
    switches.beat("key", "", 0)
    with pytest.raises(WrongHeartbeat):
        switches.beat("key", "wrong", 9 * SECOND_NS)
    assert switches.expired(10 * SECOND_NS - 1) == []
    assert switches.expired(10 * SECOND_NS) == ["key"]
    assert switches.expired(20 * SECOND_NS) == []
    assert switches.beat("key", "", 21 * SECOND_NS)


def test_keys_without_heartbeats_never_expire() -> None:
    """Not sending at all is the feature off."""
    assert Switches().expired(10**18) == []


def test_a_deleted_key_proves_nothing_and_its_asker_gets_another() -> None:
    """Under the same nonce."""
    ring = Keyring()
    key, _ = ring.create(ADDRESS, 0, chance)
    ring.remove(key)
    assert (ring.by_id(key.api_key), ring.of(ADDRESS)) == (None, [])
    with pytest.raises(Refused):
        ring.derive(ADDRESS, 0)
    assert ring.create(ADDRESS, 0, chance)[1]
