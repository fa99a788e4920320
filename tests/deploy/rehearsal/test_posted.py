"""Reading both structs off the wire, and proving who signed them for which exchange."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kit.days import a_market_row
from kit.venue import Trader

from deploy.rehearsal import refusals
from deploy.rehearsal.keys import Key
from deploy.rehearsal.migrated import moved
from deploy.rehearsal.posted import (
    CLOB_V1,
    CLOB_V2,
    LegacyPosted,
    Posted,
    body_of,
    domain_of,
    id_of,
    number,
    prove,
    read_posted,
    struct_of,
    version_of,
)
from deploy.rehearsal.recordings import listing_of
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.signatures import BEFORE_V2, CTF, PROTOCOL_V2, Domain

LISTING = listing_of(a_market_row())
UP = LISTING.up_token
TRADER = Trader()
KEY = Key("key-1", "secret", "phrase", TRADER.address, 0)
OLD_AMOUNTS = (5_300_000, 10_000_000)


def refusal(body: dict[str, Any], domain: Domain = CTF) -> str:
    with pytest.raises(Refused) as refused:
        prove(read_posted(body), KEY, domain)
    return refused.value.reason


def test_both_structs_are_read_and_known_apart() -> None:
    """The newer has a timestamp, the older a fee rate."""
    new = read_posted(TRADER.limit(KEY, UP, "BUY", 530_000, 10))
    old = read_posted(TRADER.legacy(KEY, UP, "BUY", OLD_AMOUNTS))
    assert (type(new), version_of(new)) == (Posted, CLOB_V2)
    assert (type(old), version_of(old)) == (LegacyPosted, CLOB_V1)


@pytest.mark.parametrize("body", [None, [], {}, {"order": 5}, {"order": {}, "owner": "x", "orderType": "GTC"}])
def test_what_is_no_order_is_refused(body: object) -> None:
    """Whatever it is."""
    with pytest.raises(Refused, match=refusals.INVALID_PAYLOAD):
        read_posted(body)


@pytest.mark.parametrize("change", [{"tokenId": "abc"}, {"makerAmount": "-1"}, {"side": "HOLD"}, {"signatureType": 9}])
def test_a_field_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    """And such an order has no id."""
    body = TRADER.limit(KEY, UP, "BUY", 530_000, 10)
    posted = read_posted(body | {"order": body["order"] | change})
    with pytest.raises(Refused, match=refusals.INVALID_PAYLOAD):
        struct_of(posted.order)
    assert id_of(posted) == ""


def test_a_market_has_one_exchange_for_each_version_of_the_venue() -> None:
    """Protocol V2 has none in a venue of the time before."""
    newer = moved(LISTING)
    assert (domain_of(LISTING, CLOB_V2), domain_of(LISTING, CLOB_V1)) == (CTF, BEFORE_V2)
    assert (domain_of(newer, CLOB_V2), domain_of(newer, CLOB_V1)) == (PROTOCOL_V2, None)


def test_a_proved_order_has_the_id_it_was_posted_with() -> None:
    """Of either struct, each under its own domain."""
    new, old = TRADER.limit(KEY, UP, "BUY", 530_000, 10), TRADER.legacy(KEY, UP, "BUY", OLD_AMOUNTS)
    assert prove(read_posted(new), KEY, CTF)[0] == id_of(read_posted(new))
    assert prove(read_posted(old), KEY, BEFORE_V2)[0] == id_of(read_posted(old))


@pytest.mark.parametrize("changed", ["takerAmount", "expiration"])
def test_a_changed_order_is_not_its_signers(changed: str) -> None:
    """The older struct signs its expiration as well, the newer does not."""
    new, old = TRADER.limit(KEY, UP, "BUY", 530_000, 10), TRADER.legacy(KEY, UP, "BUY", OLD_AMOUNTS)
    for body in (new, old):
        body["order"][changed] = "20000000"
    assert refusal(old, BEFORE_V2) == refusals.INVALID_SIGNATURE
    if changed == "takerAmount":
        assert refusal(new) == refusals.INVALID_SIGNATURE
    else:
        assert prove(read_posted(new), KEY, CTF)[0]


def test_somebody_elses_order_is_refused() -> None:
    """The key's address has to be the signer."""
    assert refusal(Trader(2).limit(KEY, UP, "BUY", 530_000, 10)) == refusals.SIGNER_IS_NOT_KEY


@pytest.mark.parametrize("domain", [BEFORE_V2, PROTOCOL_V2])
def test_a_signature_for_another_exchange_is_a_version_mismatch(domain: Domain) -> None:
    """The right key, the wrong domain; also the other way round."""
    assert refusal(TRADER.limit(KEY, UP, "BUY", 530_000, 10, domain=domain)) == refusals.VERSION_MISMATCH
    assert refusal(TRADER.limit(KEY, UP, "BUY", 530_000, 10), PROTOCOL_V2) == refusals.VERSION_MISMATCH


def test_an_own_address_signs_for_itself_only() -> None:
    """Type 0 with another maker is refused."""
    body = TRADER.limit(KEY, UP, "BUY", 530_000, 10, maker=Trader(2).address)
    body["order"]["signatureType"] = 0
    posted = read_posted(body)
    assert isinstance(posted, Posted)
    signed = replace_signature(body)
    assert refusal(signed) == refusals.MAKER_NOT_ALLOWED


def replace_signature(body: dict[str, Any]) -> dict[str, Any]:
    """Sign what the body says now."""
    return body | {"order": body["order"] | {"signature": TRADER.sign(id_of(read_posted(body)))}}


def test_a_deposit_wallet_signs_in_its_own_name() -> None:
    """Signer is the maker, not the key's address: the nested signature of somebody plain proves nothing."""
    body = TRADER.limit(KEY, UP, "BUY", 530_000, 10)
    body["order"]["signatureType"] = 3
    assert refusal(body) == refusals.INVALID_SIGNATURE


def test_numbers_and_bodies_are_read_or_refused() -> None:
    """A number has an end."""
    assert number("17") == 17
    for broken in (lambda: number("1" * 79), lambda: number("1.5"), lambda: body_of(b"{")):
        with pytest.raises(Refused):
            broken()


def test_a_moved_market_keeps_everything_but_its_ids() -> None:
    """So an order for it is only signed for another exchange."""
    newer = moved(LISTING)
    same = replace(newer, condition_id=LISTING.condition_id, up_token=UP, down_token=LISTING.down_token)
    assert replace(same, version="v1", raw=LISTING.raw) == LISTING
