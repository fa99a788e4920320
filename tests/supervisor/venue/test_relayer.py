"""What the relayer says, read: only a clear no is a no."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.venue.chain import Answered
from supervisor.venue.frames import BadFrame
from supervisor.venue.relayer import parse_params, parse_submitted, parse_transaction


def test_the_nonce_is_a_number_in_text() -> None:
    """And a proxy is told who sends for it."""
    assert parse_params(200, b'{"address":"0xabc","nonce":"41"}') == (41, "0xabc")
    assert parse_params(200, b'{"nonce":7}') == (7, "")


@pytest.mark.parametrize(("http", "body"), [(500, b"{}"), (200, b"{}"), (200, b'{"nonce":"x"}'), (200, b"no JSON")])
def test_what_is_no_nonce_is_none(http: int, body: bytes) -> None:
    """Nothing is known then."""
    with pytest.raises(BadFrame, match="relayer nonce"):
        parse_params(http, body)


def test_a_submission_that_was_taken_has_an_id() -> None:
    """By which it is asked for."""
    body = b'{"transactionID":"019","state":"STATE_NEW","transactionHash":""}'
    assert parse_submitted(200, body) == Answered("accepted", "", "019")


@pytest.mark.parametrize("http", [400, 401, 403, 425, 429])
def test_a_client_that_is_told_no_was_refused(http: int) -> None:
    """With the relayer's words."""
    answer = parse_submitted(http, b'{"error":"wallet busy: it has an active action"}')
    assert answer.event == "refused" and "wallet busy" in answer.why and str(http) in answer.why


@pytest.mark.parametrize(("http", "body"), [(500, b"oops"), (503, b""), (302, b""), (200, b"{}"), (200, b"<html>")])
def test_whatever_else_may_have_been_taken(http: int, body: bytes) -> None:
    """A server in trouble, a redirect, an answer that cannot be read."""
    assert parse_submitted(http, body).event == "unanswered"


@pytest.mark.parametrize(
    ("state", "fate"),
    [("NEW", "pending"), ("EXECUTED", "pending"), ("MINED", "mined"), ("CONFIRMED", "mined"), ("FAILED", "failed")],
)
def test_the_relayer_tells_how_far_it_came(state: str, fate: str) -> None:
    """That it stays, only the chain itself can say."""
    body = f'{{"transaction_id":"1","state":"STATE_{state}","transaction_hash":"0x1","error_msg":"why"}}'.encode()
    assert parse_transaction(200, body) == (fate, "0x1", "why")


def test_a_transaction_nobody_knows_is_absent() -> None:
    """And one in a state nobody knows is unreadable."""
    assert parse_transaction(404, b"") == ("absent", "", "")
    for http, body in ((500, b""), (200, b"{}"), (200, b'{"state":"STATE_NEWER"}')):
        with pytest.raises(BadFrame):
            parse_transaction(http, body)


@given(st.integers(100, 599), st.binary(max_size=80))
def test_no_bytes_break_the_reader(http: int, body: bytes) -> None:
    """Whatever comes is an answer, or is called unreadable."""
    assert parse_submitted(http, body).event in {"accepted", "refused", "unanswered"}
    for parse in (parse_params, parse_transaction):
        try:
            parse(http, body)
        except BadFrame:
            continue
