"""Orders ready to be signed, and keys that are public by design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st
from polymarket._internal.protocol import is_v2_position_id

from deploy.rehearsal.signatures import CTF, CTF_NEG_RISK, PROTOCOL_V2, Domain
from shared.config import Credentials, SignatureType
from shared.messages import Place, Terms
from shared.slots import Slot
from supervisor.admission import Draft
from supervisor.signatory import Signatory
from supervisor.venue.discovery import Market

PRIVATE: Final = "0x" + "11" * 32
ADDRESS: Final = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
OWNER: Final = "00000000-0000-0000-0000-000000000001"
TOKEN: Final = "25070934348813416902477876984955073880416401960631253331845590271167412497744"
POSITION: Final = str(0x10 << 248 | 0xC0DE << 120 | 0x98)
"""A token of the newer protocol: the venue's client knows one by its bits 40 to 103, which are zero."""
TERMS: Final = Terms("0x" + "ab" * 32, 10_000, 5_000_000, 70_000, 1, 150, "twap60")
MARKET: Final = Market(Slot("BTC", 5), 1_791_240_000, (TOKEN, "7"), "v1", False, TERMS)
DOMAINS: Final = {(TOKEN, False): CTF, (TOKEN, True): CTF_NEG_RISK, (POSITION, False): PROTOCOL_V2}
"""The exchange's domain, by token and by whether its market is of negative risk."""
UINT256_MAX: Final = 2**256 - 1


def a_draft(**changes: Any) -> Draft:
    """Five dollars for ten shares of Up."""
    place = Place("Up", "BUY", 500_000, 10_000_000, "GTC")
    draft = Draft(MARKET, TOKEN, place, 5_000_000, 10_000_000, "BTC/5m|0xab|1791241810525|0", 1_791_241_810_525)
    return replace(draft, **changes)


def a_draft_for(token_id: str, neg_risk: bool, **changes: Any) -> Draft:
    """The same on another exchange."""
    return a_draft(token_id=token_id, market=replace(MARKET, neg_risk=neg_risk), **changes)


def a_signatory(signature_type: SignatureType = "auto", private: str = PRIVATE, wallet: str = "") -> Signatory:
    """Who signs with the key everybody knows."""
    return Signatory(Credentials(private, wallet), signature_type)


def domain_of(draft: Draft) -> Domain:
    """The domain an order has to be signed under."""
    if is_v2_position_id(draft.token_id):
        return PROTOCOL_V2
    return CTF_NEG_RISK if draft.market.neg_risk else CTF


@st.composite
def drafts(draw: Callable[..., Any]) -> Draft:
    """Any order at all: every field that a decision can change, to the bounds of its word."""
    kind = draw(st.sampled_from(["GTC", "FAK", "FOK"]))
    post_only = kind == "GTC" and draw(st.booleans())
    side = draw(st.sampled_from(["BUY", "SELL"]))
    numbers = st.integers(0, UINT256_MAX)
    return a_draft_for(
        str(draw(numbers | st.just(int(POSITION)))),
        draw(st.booleans()),
        place=Place("Up", side, 500_000, 10_000_000, kind, post_only),
        maker_amount=draw(numbers),
        taker_amount=draw(numbers),
        identity=draw(st.text(max_size=80)),
        timestamp_ms=draw(numbers),
    )
