"""The adapter `legacy-v1`: orders of before CLOB V2, signed by `py-clob-client`, at a venue that still takes them.

The struct of that time has a taker, a nonce and a fee instead of time, metadata and builder, and its domain another
version and contract: all of it is the old client's own. The exchange has refused such orders since the cut-over, so the
rehearsal venue as it was then is where this is of use. The client is no dependency of a desk: it is imported when asked
for. What always holds: no order is signed here for a venue that is known to refuse it.
"""

from __future__ import annotations

import json
from functools import partial
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from shared.config import Faults, Venue
from supervisor.admission import Draft, Signed
from supervisor.signatory import CHAIN_ID, POLY_1271, Signatory

CUT_OVER: Final = "2026-04-28"
"""The day from which the exchange has taken no order of this struct. Source: facts 0 and 2.1."""
PRODUCTION: Final = "polymarket.com"
PACKAGE: Final = "py-clob-client==0.34.6"
FEE_BPS: Final = 1_000
"""The most an order lets the operator take: what the venue asked of these markets. Source: facts 3.1, `/fee-rate`."""

_ROOMS: Final = (
    "py_clob_client.config",
    "py_clob_client.utilities",
    "py_order_utils.builders",
    "py_order_utils.model",
    "py_order_utils.signer",
)


class LegacySigner:
    """Signs orders of the struct of before CLOB V2 with the client of that time.

    Raises: Faults: the venue is production, the wallet is of a later kind, or the client is not installed.
    """

    clob_version: Final = 1

    def __init__(self, signatory: Signatory, venue: Venue) -> None:
        _refuse_production(venue.clob)
        if signatory.signature_type == POLY_1271:
            raise Faults(
                ["exchange.client: legacy-v1 knows no deposit wallets; set exchange.signature_type to 0, 1 or 2"]
            )
        config, utilities, builders, self._model, signer = _client()
        self.signatory = signatory
        self._owner = ""
        self._request = utilities.order_to_json
        key = signer.Signer(signatory.account.key)
        contracts = [config.get_contract_config(CHAIN_ID, neg_risk).exchange for neg_risk in (False, True)]
        self._builders = [partial(builders.OrderBuilder, contract, CHAIN_ID, key) for contract in contracts]

    def own(self, api_key: str) -> None:
        """Name the API key that orders belong to."""
        self._owner = api_key

    def sign(self, draft: Draft) -> Signed:
        """Sign an order; the same draft always gives the same bytes. Its time is not part of it, its salt is."""
        salt = self.signatory.salt(draft.identity)
        builder = self._builders[draft.market.neg_risk](salt_generator=lambda: salt)
        order = builder.build_order(self._data(draft))
        signed = self._model.SignedOrder(order, builder.build_order_signature(order))
        payload = self._request(signed, self._owner, draft.place.kind, draft.place.post_only)
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
        return Signed(builder._create_struct_hash(order), body)

    def _data(self, draft: Draft) -> Any:
        """The order as the client wants to be told of it: numbers as text."""
        return self._model.OrderData(
            maker=self.signatory.wallet,
            signer=self.signatory.signer,
            tokenId=draft.token_id,
            makerAmount=str(draft.maker_amount),
            takerAmount=str(draft.taker_amount),
            side=self._model.BUY if draft.place.side == "BUY" else self._model.SELL,
            feeRateBps=str(FEE_BPS),
            signatureType=self.signatory.signature_type,
        )


def _client() -> tuple[Any, ...]:
    """The old client's rooms, imported now. Raises: Faults: it is not installed."""
    try:
        return tuple(import_module(room) for room in _ROOMS)
    except ImportError as error:
        raise Faults(
            [f"exchange.client: legacy-v1 needs {PACKAGE}, and {error.name} is missing; type: make legacy"]
        ) from None


def _refuse_production(url: str) -> None:
    """Raises: Faults: the exchange itself is there, which takes no such order any more."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == PRODUCTION or host.endswith(f".{PRODUCTION}"):
        raise Faults(
            [
                f"exchange.client: {host} has refused every order of legacy-v1 since the cut-over of {CUT_OVER}; "
                'set exchange.client = "unified" (legacy-v1 is for foresight venue --clob-version 1)'
            ]
        )
