"""API keys and the headers they sign."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.recordings import API_KEY, damaged, recording, samples
from kit.shared_data import POLYMARKET
from polymarket._internal.hmac import build_hmac_signature

from deploy.rehearsal.signatures import request_hmac
from supervisor.venue.frames import BadFrame
from supervisor.venue.keys import ApiKey, parse_api_key, signed_headers

ADDRESS = "0x" + "11" * 20
KEY = parse_api_key(recording("api_key"), ADDRESS)


def test_a_key_is_read_and_never_shown() -> None:
    """Neither what it is called nor how it is printed says its secret."""
    assert (KEY.address, KEY.key) == (ADDRESS, API_KEY)
    assert KEY.fields() == {"apiKey": API_KEY, "secret": KEY.secret, "passphrase": KEY.passphrase}
    for shown in (repr(KEY), str(KEY), f"{KEY}"):
        assert KEY.secret not in shown
        assert KEY.passphrase not in shown


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"apiKey":"k"}',
        b'{"apiKey":"k","secret":"hush=x","passphrase":7}',
        b'{"apiKey":"k","secret":"abcde","passphrase":"p"}',
        b'{"apiKey":"k\\r\\nX: y","secret":"aGVsbG8=","passphrase":"p"}',
    ],
)
def test_an_answer_that_is_no_key_is_refused_without_repeating_it(body: bytes) -> None:
    """Also a secret that no HMAC can be made of, and a key that would end a header."""
    with pytest.raises(BadFrame) as caught:
        parse_api_key(body, ADDRESS)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


@given(damaged("api_key"))
def test_a_damaged_answer_is_a_key_that_signs_or_a_bad_frame(body: bytes) -> None:
    """Nothing else, and whatever is taken can be used."""
    try:
        key = parse_api_key(body, ADDRESS)
    except BadFrame:
        return
    assert signed_headers(key, 1, "GET", "/time", b"")["POLY_API_KEY"] == key.key


@given(st.binary(min_size=1, max_size=48), st.integers(0, 2**33), st.sampled_from(["GET", "POST", "DELETE"]), st.text())
def test_the_signature_is_the_official_clients_and_the_venues(
    secret: bytes, wall_s: int, method: str, body: str
) -> None:
    """Over time, method, path and the exact bytes sent; padded secret or not."""
    text = base64.urlsafe_b64encode(secret).decode()
    key = ApiKey(ADDRESS, "k", text.rstrip("="), "p")
    ours = signed_headers(key, wall_s, method, "/order", body.encode())["POLY_SIGNATURE"]
    assert ours == build_hmac_signature(secret=text, timestamp=wall_s, method=method, path="/order", body=body or None)
    assert ours == request_hmac(text, str(wall_s), method, "/order", body.encode())


def test_headers_name_the_owner_and_the_time() -> None:
    """Five of them, as the venue wants them."""
    headers = signed_headers(KEY, 1_791_240_000, "GET", "/data/orders", b"")
    assert headers.pop("POLY_SIGNATURE")
    assert headers == {
        "POLY_ADDRESS": ADDRESS,
        "POLY_API_KEY": API_KEY,
        "POLY_PASSPHRASE": KEY.passphrase,
        "POLY_TIMESTAMP": "1791240000",
    }


if POLYMARKET:

    def test_recorded_signatures_come_out() -> None:
        """The vectors that were made with two official clients."""
        for vector in json.loads(samples("signing_vectors")[0].read_bytes())["l2_hmac"]:
            key = ApiKey(ADDRESS, "k", vector["secret_b64url"], "p")
            at, method, where = int(vector["timestamp"]), vector["method"], vector["path"]
            signed = signed_headers(key, at, method, where, (vector["body"] or "").encode())
            assert signed["POLY_SIGNATURE"] == vector["signature"]
