"""Read-only and builder keys."""

from __future__ import annotations

import hashlib
from itertools import count

import pytest
from polymarket._internal.actions.relayer.auth import build_builder_key_headers
from polymarket.auth import BuilderApiKey

from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.side_keys import SIDE_KEYS_MAX, SideKeys
from shared.clock import SystemClock

ME, YOU = "0xAb", "0xCd"
PATH = "/auth/builder-api-key"
numbers = count()


def chance(size: int) -> bytes:
    return hashlib.shake_128(str(next(numbers)).encode()).digest(size)


def test_a_readonly_key_is_its_owners() -> None:
    """Validated for his address in any case, revoked by him alone."""
    keys = SideKeys()
    key = keys.make_readonly(ME, chance)
    assert keys.reads_for("0xAB", key) and not keys.reads_for(YOU, key)
    assert not keys.drop_readonly(YOU, key)
    assert keys.drop_readonly(ME, key) and not keys.reads_for(ME, key)


def test_a_builder_key_proves_its_own_revocation() -> None:
    """Signed as the official client signs it; another secret proves nothing."""
    keys = SideKeys()
    made = keys.make_builder(ME, 5, chance)
    now_s = SystemClock().wall_ns() / 1e9
    official = BuilderApiKey(key=made.key, secret=made.secret, passphrase=made.passphrase)
    headers = build_builder_key_headers(creds=official, method="DELETE", path=PATH)
    assert keys.builder_of(headers, "DELETE", PATH, [now_s]) == (ME, made.key)
    for wrong in (
        headers | {"POLY_BUILDER_PASSPHRASE": "x"},
        headers | {"POLY_BUILDER_API_KEY": "x"},
        headers | {"POLY_BUILDER_TIMESTAMP": "5"},
        {},
    ):
        with pytest.raises(Refused) as refused:
            keys.builder_of(wrong, "DELETE", PATH, [now_s])
        assert refused.value.status == 401


def test_builder_keys_are_revoked_one_by_one_or_all() -> None:
    """And nobody else's."""
    keys = SideKeys()
    mine = [keys.make_builder(ME, 5, chance).key for _ in range(3)]
    keys.make_builder(YOU, 5, chance)
    assert (keys.revoke_builders(ME, mine[0]), keys.revoke_builders(ME), keys.revoke_builders(ME)) == (1, 2, 0)
    assert len(keys.builders[YOU]) == 1


def test_keys_have_a_bound() -> None:
    """Of each sort."""
    keys = SideKeys()
    for _ in range(SIDE_KEYS_MAX):
        keys.make_readonly(ME, chance)
    with pytest.raises(Refused):
        keys.make_readonly(ME, chance)
