"""The venue's no, in its own words."""

from __future__ import annotations

from deploy.rehearsal import refusals
from deploy.rehearsal.refusals import Refused, bad


def test_a_refusal_carries_status_text_and_headers() -> None:
    """What an answer is made of; a bad request is 400."""
    refused = Refused(429, refusals.TOO_MANY, {"Retry-After": "1"})
    assert (refused.status, refused.reason, refused.headers) == (429, "Too many requests", {"Retry-After": "1"})
    assert (bad("no").status, bad("no").headers) == (400, {})


def test_texts_name_the_thing_and_the_limit() -> None:
    """Clients look for these parts."""
    assert refusals.breaks_tick("0xa", "0.555", "0.01").reason == (
        "order 0xa is invalid. Price (0.555) breaks minimum tick size rule: 0.01"
    )
    assert refusals.too_small("0xa", "3", "5").reason.endswith("Size (3) lower than the minimum: 5")
    assert refusals.below_a_dollar("BUY", "0.5").reason == (
        "invalid amount for a marketable BUY order ($0.5), min size: $1"
    )
    assert refusals.too_many_orders(20, 15).reason == "Too many orders in payload: 20, max allowed: 15"
    assert "max accuracy of 2 decimals, taker amount a max of 4 decimals" in refusals.too_exact("buy", 2, 4).reason


def test_the_record_of_a_refusal_names_who_and_why() -> None:
    """One line's fields."""
    fields = refusals.fields_of(bad("why"), "0xa", "0xme")
    assert fields == {"order_id": "0xa", "owner": "0xme", "reason": "why", "http": 400}
