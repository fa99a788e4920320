"""Which adapter signs: what the settings name, or a fault that says what to set instead."""

from __future__ import annotations

from typing import Any

import pytest
from kit.drafts import ADDRESS, PRIVATE, a_draft
from msgspec import structs

from shared.config import Credentials, Exchange, Faults, Settings, Venue
from supervisor.adapters import Adapter, choose
from supervisor.legacy import LegacySigner
from supervisor.prepared import PreparedSigner
from supervisor.signatory import wallets_of

HERE = Settings(venue=Venue(clob="http://127.0.0.1:9"))


def chosen(settings: Settings = HERE, wallet: str = "", **exchange: Any) -> Adapter:
    """The adapter for some settings, with the key everybody knows."""
    return choose(structs.replace(settings, exchange=Exchange(**exchange)), Credentials(PRIVATE, wallet))


@pytest.mark.parametrize("client", ["auto", "unified"])
@pytest.mark.parametrize("settings", [HERE, Settings()], ids=["loopback", "production"])
def test_todays_orders_are_signed_by_the_prepared_signer(client: Any, settings: Settings) -> None:
    """At every venue, unless something else is named."""
    adapter = chosen(settings, client=client)
    assert isinstance(adapter, PreparedSigner)
    assert (adapter.clob_version, adapter.signatory.signature_type) == (2, 3)


def test_the_old_clients_orders_are_signed_where_they_are_named() -> None:
    """For the key's own address, when nothing else is: what that time was used to."""
    adapter = chosen(client="legacy-v1")
    assert isinstance(adapter, LegacySigner)
    assert (adapter.clob_version, adapter.signatory.wallet) == (1, ADDRESS)


def test_the_old_client_is_refused_at_production() -> None:
    """By name, with the day and what to set."""
    with pytest.raises(
        Faults, match=r'exchange.client: clob.polymarket.com .*2026-04-28; set exchange.client = "unified"'
    ):
        chosen(Settings(), client="legacy-v1")


@pytest.mark.parametrize(
    ("client", "signature_type"),
    [*(("unified", kind) for kind in range(4)), *(("legacy-v1", kind) for kind in range(3))],
)
def test_the_setting_names_the_wallet_by_its_type(client: Any, signature_type: Any) -> None:
    """Every type the adapter knows; the order says so."""
    adapter = chosen(client=client, signature_type=signature_type)
    assert wallets_of(ADDRESS)[adapter.signatory.wallet] == signature_type
    assert f'"signatureType":{signature_type},'.encode() in adapter.sign(a_draft()).body


@pytest.mark.parametrize("wallet", wallets_of(ADDRESS))
def test_the_wallet_of_the_credentials_names_its_type(wallet: str) -> None:
    """Nothing has to be set for it."""
    adapter = chosen(wallet=wallet)
    assert (adapter.signatory.wallet, adapter.signatory.signature_type) == (wallet, wallets_of(ADDRESS)[wallet])


@pytest.mark.parametrize("client", ["unified", "legacy-v1"])
def test_a_chain_that_no_client_signs_for_is_refused(client: Any) -> None:
    """Orders for another chain would be refused one by one; better once, before the first."""
    away = structs.replace(HERE, venue=structs.replace(HERE.venue, chain_id=80_002))
    with pytest.raises(Faults, match=r"venue.chain_id = 80002: .* chain 137 alone"):
        chosen(away, client=client)
