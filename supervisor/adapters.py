"""Adapters: which client's orders this desk signs, behind one small port.

Leaves how an order is signed to the adapters themselves. What always holds: whatever is returned from here can sign for
the venue it was made for, or there is a fault that says what to set instead.
"""

from __future__ import annotations

from typing import Protocol

from shared.config import Credentials, Faults, Settings
from supervisor.admission import Draft, Signed
from supervisor.legacy import LegacySigner
from supervisor.prepared import PreparedSigner
from supervisor.signatory import CHAIN_ID, EOA, Signatory


class Adapter(Protocol):
    """The port to a client's orders. clob_version: what `GET /version` says at a venue that takes them."""

    @property
    def clob_version(self) -> int:
        """The version of the venue."""

    @property
    def signatory(self) -> Signatory:
        """Who signs, and for which wallet."""

    def own(self, api_key: str) -> None:
        """Name the API key that orders belong to."""

    def sign(self, draft: Draft) -> Signed:
        """Sign an order; the same draft always gives the same bytes."""


def choose(settings: Settings, credentials: Credentials) -> Adapter:
    """The adapter the settings name. Raises: Faults: it cannot sign here, or key and wallet do not belong together."""
    exchange, venue = settings.exchange, settings.venue
    if venue.chain_id != CHAIN_ID:
        raise Faults([f"venue.chain_id = {venue.chain_id}: the clients here sign for chain {CHAIN_ID} alone"])
    if exchange.client == "legacy-v1":
        return LegacySigner(Signatory(credentials, exchange.signature_type, usual=EOA), venue)
    return PreparedSigner(Signatory(credentials, exchange.signature_type))
