"""Requests and their answers: orders, cancels, look-ups, heartbeat, balance."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.recordings import API_KEY, ORDER, TRADE, UP, damaged, recording, samples
from kit.shared_data import POLYMARKET

from supervisor.venue.frames import BadFrame
from supervisor.venue.requests import (
    ANSWER_MAX,
    LAST_CURSOR,
    WAIT_MAX_S,
    Answer,
    VenueOrder,
    parse_balance,
    parse_cancel_answer,
    parse_cancel_answers,
    parse_heartbeat,
    parse_order_answer,
    parse_order_answers,
    parse_page,
    parse_trades,
    parse_venue_order,
    parse_version,
)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("order_live", Answer("accepted", "live", ORDER)),
        ("order_matched", Answer("accepted", "matched", ORDER, (TRADE,))),
        ("order_delayed", Answer("accepted", "delayed", ORDER)),
        ("order_unmatched", Answer("accepted", "unmatched", ORDER)),
        ("order_no_balance", Answer("rejected", reason="not enough balance / allowance")),
        ("order_refused_without_id", Answer("rejected", reason="Insufficient balance")),
        ("order_refused_leg", Answer("rejected", reason="order crosses book")),
    ],
)
def test_an_answer_says_whether_the_order_exists(name: str, answer: Answer) -> None:
    """By success, id and text together; HTTP 200 alone says nothing."""
    assert parse_order_answer(200, recording(name)) == answer


@pytest.mark.parametrize(
    ("http", "body", "verdict", "reason"),
    [
        (400, recording("error_tick_size"), "rejected", "breaks minimum tick size rule"),
        (401, b'{"error":"Unauthorized/Invalid api key"}', "rejected", "Unauthorized"),
        (403, b"<html>banned</html>", "rejected", "banned"),
        (404, b"", "rejected", "HTTP 404"),
        (425, b"null", "rejected", "HTTP 425"),
        (429, b'{"error":"Too many requests"}', "rejected", "Too many requests"),
        (503, recording("error_post_only_mode"), "rejected", "post-only mode"),
        (503, recording("error_cancel_only"), "rejected", "cancel-only"),
        (503, b'{"error":"trading is disabled"}', "rejected", "trading is disabled"),
        (503, b'{"error":"upstream connect error"}', "unknown", "upstream"),
        (500, recording("error_could_not_insert"), "unknown", "could not insert order"),
        (502, b"<html>bad gateway</html>", "unknown", "bad gateway"),
        (504, b"", "unknown", "HTTP 504"),
        (307, b"", "unknown", "HTTP 307"),
    ],
)
def test_only_words_that_say_so_make_an_order_rejected(http: int, body: bytes, verdict: str, reason: str) -> None:
    """Whatever leaves a doubt is unknown: the order may exist."""
    answer = parse_order_answer(http, body)
    assert answer.verdict == verdict
    assert reason in answer.reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'{"success":true}',
        b'{"success":true,"orderID":""}',
        b'{"success":true,"orderID":"0x1","errorMsg":"hm"}',
        b'{"success":false,"orderID":"0x1"}',
        b'{"success":"yes","orderID":"0x1"}',
        b'{"success":true,"orderID":"0x1","tradeIDs":[""]}',
        recording("order_live")[:80],
        b'{"success":true,"orderID":"0x1","tradeIDs":[' + b'"t",' * 50_000 + b'"t"]}',
    ],
    ids=lambda body: repr(body[:50]),
)
def test_an_answer_that_cannot_be_read_or_contradicts_itself_is_unknown(body: bytes) -> None:
    """Cut off, half said, or larger than any answer is."""
    answer = parse_order_answer(200, body)
    assert (answer.verdict, answer.trades) == ("unknown", ())
    assert 0 < len(answer.reason) < 400


def test_what_the_venue_says_is_kept_within_bounds() -> None:
    """It goes into the journal, whose records have a bound too."""
    said = b'{"success":false,"errorMsg":"' + b"no " * 10_000 + b'"}'
    assert len(said) < ANSWER_MAX
    assert len(parse_order_answer(200, said).reason) <= 300
    assert len(parse_order_answer(400, b'{"error":"' + b"no " * 10**6 + b'"}').reason) <= 300
    assert len(parse_order_answer(502, b"no " * 10**6).reason) <= 300
    refused = {"canceled": [], "not_canceled": {ORDER: "no " * 10_000}}
    assert len(parse_cancel_answer(200, json.dumps(refused).encode(), ORDER).reason) <= 300


@given(st.sampled_from([200, 400, 425, 500, 503]), damaged("order_"))
def test_a_damaged_answer_is_always_an_answer(http: int, body: bytes) -> None:
    """Never an exception: an order left, and something has to be believed of it."""
    answer = parse_order_answer(http, body)
    assert answer.verdict in {"accepted", "rejected", "unknown"}
    assert bool(answer.order_id) == (answer.verdict == "accepted")


@pytest.mark.parametrize(
    ("http", "body", "answer"),
    [
        (200, recording("cancel_done"), Answer("accepted", order_id=ORDER)),
        (200, recording("cancel_refused"), Answer("rejected", reason="already canceled or matched")),
        (200, b'{"canceled":[],"not_canceled":{}}', Answer("rejected", reason="not mentioned in the answer")),
        (500, b"", Answer("unknown", reason="HTTP 500")),
        (400, b'{"error":"Invalid order payload"}', Answer("unknown", reason="Invalid order payload")),
    ],
)
def test_a_cancel_is_done_when_the_answer_lists_the_order(http: int, body: bytes, answer: Answer) -> None:
    """HTTP 200 although nothing was cancelled is common."""
    assert parse_cancel_answer(http, body, ORDER) == answer


@given(st.integers(100, 599), st.binary(max_size=60) | st.integers(-9, 9).map(lambda n: b'{"version":%d}' % n))
def test_a_version_is_a_number_or_not_said(http: int, body: bytes) -> None:
    """Whatever comes; only an answer that all is well says one."""
    said = parse_version(http, body)
    assert said is None or (http == 200 and said == json.loads(body)["version"])
    assert parse_version(200, b'{"version":2}') == 2


@given(damaged("cancel"))
def test_a_damaged_answer_to_a_cancel_is_always_an_answer(body: bytes) -> None:
    """Unreadable is unknown."""
    assert parse_cancel_answer(200, body, ORDER).verdict in {"accepted", "rejected", "unknown"}


# --- several at once, and our pace ---

IDS = ["0x1", "0x2", "0x3"]
WHOLE = [{"success": True, "errorMsg": "", "orderID": order_id, "status": "live"} for order_id in IDS]
ODD = st.sampled_from([None, 7, "0x2", [], {}, {"success": True}, {"success": True, "orderID": "0x9"}, WHOLE[0]])


@given(
    st.lists(st.sampled_from(WHOLE) | ODD, max_size=5), st.sampled_from([200, 200, 400, 429, 500]), damaged("order_")
)
def test_a_batch_has_one_answer_for_each_of_its_legs_whatever_comes(legs: list[Any], http: int, junk: bytes) -> None:
    """And none is accepted under another name than its own, or in another's place."""
    for body in (json.dumps(legs).encode(), junk):
        answers = parse_order_answers(http, body, IDS)
        assert len(answers) == len(IDS)
        for order_id, answer in zip(IDS, answers, strict=True):
            assert answer.verdict in {"accepted", "rejected", "unknown"}
            assert answer.verdict != "accepted" or answer.order_id == order_id
    told = [leg.get("orderID") for leg in legs if isinstance(leg, dict)]
    if http == 200:
        accepted = [answer.order_id for answer in parse_order_answers(200, json.dumps(legs).encode(), IDS)]
        assert {order_id for order_id in accepted if order_id} <= set(told)


@given(st.sampled_from([200, 425, 429, 500]), damaged("cancel"))
def test_several_cancels_have_one_answer_each_whatever_comes(http: int, body: bytes) -> None:
    """Only what the answer lists as cancelled is."""
    answers = parse_cancel_answers(http, body, [ORDER, "0x2"])
    assert len(answers) == 2
    assert answers[0] == parse_cancel_answer(http, body, ORDER)
    assert answers[1].verdict != "accepted"


@pytest.mark.parametrize(
    ("http", "body", "headers", "mode", "wait_s", "left"),
    [
        (200, recording("order_live"), {"Poly-RateLimit-Remaining": "12"}, "", 0.0, 12),
        (200, recording("order_live"), {"Poly-RateLimit-Remaining": "many"}, "", 0.0, None),
        (200, recording("order_live"), {"Poly-RateLimit-Remaining": "9" * 400}, "", 0.0, None),
        (429, b"", {"Retry-After": "3", "Poly-RateLimit-Remaining": "0"}, "too_many", 3.0, 0),
        (429, b"", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "too_many", 0.0, None),
        (425, b"", {"Retry-After": "999999"}, "restarting", WAIT_MAX_S, None),
        (425, b"", {}, "restarting", 0.0, None),
        (503, recording("error_post_only_mode"), {}, "post_only", 79.0, None),
        (503, b'{"error":"post-only mode","retry_after_seconds":-5}', {}, "post_only", 0.0, None),
        (503, b'{"error":"post-only mode","retry_after_seconds":1e300}', {}, "post_only", WAIT_MAX_S, None),
        (503, b'{"error":"trading is disabled"}', {"Retry-After": "7"}, "closed", 7.0, None),
        (503, recording("error_cancel_only"), {}, "closed", 0.0, None),
        (503, b"upstream", {"Retry-After": "7"}, "", 7.0, None),
        (400, recording("order_no_balance"), {}, "", 0.0, None),
    ],
)
def test_an_answer_says_how_fast_and_when_to_ask(
    http: int, body: bytes, headers: dict[str, str], mode: str, wait_s: float, left: int | None
) -> None:
    """By its headers and its body; what is no number says nothing, and no wait is longer than the bound."""
    answer = parse_order_answer(http, body, headers)
    assert (answer.mode, answer.wait_s, answer.left) == (mode, wait_s, left)


@pytest.mark.parametrize(
    ("said", "tier"),
    [("Standard", "standard"), ("elite", "elite"), ("", ""), ("<b>", ""), ("x" * 21, ""), ("élite", "")],
)
def test_an_answer_names_the_tier_of_its_limits(said: str, tier: str) -> None:
    """By one plain word; anything else says nothing."""
    assert parse_order_answer(200, recording("order_live"), {"Poly-RateLimit-Tier": said}).tier == tier


def test_an_order_is_found_as_the_venue_has_it() -> None:
    """Open or over, with what matched of it; nothing found is none."""
    found = VenueOrder(ORDER, UP, "BUY", 520_000, 10_000_000, 4_000_000, True)
    assert parse_venue_order(recording("lookup_live")) == found
    over = parse_venue_order(recording("lookup_matched"))
    assert over is not None and (over.open, over.matched_micro) == (False, 10_000_000)
    assert [parse_venue_order(nothing) for nothing in (b"null", b"", b"{}", b" \n")] == [None] * 4


@pytest.mark.parametrize("status", ["LIVE", "ORDER_STATUS_LIVE", "DELAYED", "ORDER_STATUS_UNMATCHED", "live"])
def test_an_order_that_may_fill_is_open(status: str) -> None:
    """With or without the prefix of lists."""
    found = parse_venue_order(json.dumps({"id": "0x1", "status": status}).encode())
    assert found is not None and found.open


def test_a_page_brings_its_items_and_the_next_cursor() -> None:
    """The last one is named, also by nothing."""
    items, cursor = parse_page(recording("orders_page"))
    assert cursor == LAST_CURSOR
    orders = [parse_venue_order(item) for item in items]
    assert [order.open for order in orders if order] == [True, False]
    assert parse_page(b'{"data":[]}') == ([], LAST_CURSOR)
    assert parse_page(recording("trades_page"))[1] == "MTAw"


def test_our_legs_are_found_in_a_list_of_trades() -> None:
    """As taker and as maker, each with its settlement."""
    legs = parse_trades(parse_page(recording("trades_page"))[0], API_KEY)
    assert [(leg.order_id, leg.size_micro, leg.maker, leg.status) for leg in legs] == [
        (ORDER, 10_000_000, False, "CONFIRMED"),
        (ORDER, 4_000_000, True, "MATCHED"),
    ]


def test_the_balance_is_whole_millionths() -> None:
    """As text."""
    assert parse_balance(recording("balance")) == 1_000_000_000


@pytest.mark.parametrize("text", ["", "1.5", "-1", "1e9", "9" * 30, "9" * 5_000, "٣"])
def test_a_balance_that_is_none_is_refused(text: str) -> None:
    """It becomes our cash."""
    with pytest.raises(BadFrame, match="balance"):
        parse_balance(json.dumps({"balance": text}).encode())


def test_a_heartbeat_is_accepted_or_corrected() -> None:
    """Either way the id to send next is told."""
    assert parse_heartbeat(200, recording("heartbeat")).accepted
    corrected = parse_heartbeat(400, recording("heartbeat_corrected"))
    assert (corrected.accepted, corrected.next_id[-2:]) == (False, "ff")
    begun_anew = parse_heartbeat(400, b'{"error_msg":"Invalid Heartbeat ID","heartbeat_id":""}')
    assert (begun_anew.accepted, begun_anew.next_id) == (False, "")


@pytest.mark.parametrize(
    ("http", "body"),
    [
        (200, b""),
        (200, b"{}"),
        (200, b'{"heartbeat_id":""}'),
        (400, b'{"error":"no"}'),
        (500, recording("heartbeat")),
        (401, b"{}"),
    ],
)
def test_a_heartbeat_without_an_id_is_refused(http: int, body: bytes) -> None:
    """Whoever beats says that it failed."""
    with pytest.raises(BadFrame, match=f"heartbeat, HTTP {http}"):
        parse_heartbeat(http, body)


READERS: dict[str, Any] = {
    "lookup": parse_venue_order,
    "orders_page": parse_page,
    "trades_page": lambda body: parse_trades(parse_page(body)[0], API_KEY),
    "balance": parse_balance,
    "heartbeat": lambda body: parse_heartbeat(200, body),
}


@pytest.mark.parametrize("prefix", READERS)
@given(data=st.data())
def test_a_damaged_body_is_a_value_or_a_bad_frame(prefix: str, data: st.DataObject) -> None:
    """Look-ups, lists, balance, heartbeat."""
    body = data.draw(damaged(prefix))
    try:
        READERS[prefix](body)
    except BadFrame:
        return


if POLYMARKET:

    def test_sampled_answers_to_orders_are_told_apart() -> None:
        """Every one of the venue's documentation and of an adapter's test data."""
        examples = json.loads(samples("doc_order_responses")[0].read_bytes())["examples"]
        verdicts = {name: parse_order_answer(200, json.dumps(body).encode()) for name, body in examples.items()}
        assert {name for name, answer in verdicts.items() if answer.verdict == "rejected"} == {"no_balance"}
        assert {answer.verdict for answer in verdicts.values()} == {"accepted", "rejected"}
        for response in json.loads(samples("doc_restricted_modes")[0].read_bytes())["responses"]:
            verdict = parse_order_answer(response["http"], json.dumps(response["body"]).encode()).verdict
            assert verdict == ("unknown" if response["http"] == 500 else "rejected")
        assert parse_order_answer(200, samples("nt_http_order_response_ok")[0].read_bytes()).verdict == "accepted"
        assert parse_order_answer(200, samples("nt_http_order_response_failed")[0].read_bytes()).verdict == "rejected"

    def test_sampled_cancels_orders_trades_and_balances_are_read() -> None:
        """Each file by its reader."""
        for path in samples("nt_http_cancel", "nt_http_batch_cancel"):
            answer = json.loads(path.read_bytes())
            for order_id in answer["canceled"]:
                assert parse_cancel_answer(200, path.read_bytes(), order_id).verdict == "accepted"
            for order_id, said in answer["not_canceled"].items():
                assert parse_cancel_answer(200, path.read_bytes(), order_id).reason == said
        assert all(parse_venue_order(path.read_bytes()) for path in samples("nt_http_open_order."))
        assert all(parse_venue_order(item) for item in parse_page(samples("nt_http_open_orders")[0].read_bytes())[0])
        assert parse_trades(parse_page(samples("nt_http_trades_page")[0].read_bytes())[0], "")
        assert parse_trades([samples("nt_http_trade_report")[0].read_bytes()], "")
        assert parse_balance(samples("nt_http_balance_allowance_collateral")[0].read_bytes()) == 1_000_000_000

    def test_the_sampled_heartbeat_goes_on() -> None:
        """First, next, and corrected."""
        sample = json.loads(samples("doc_heartbeat")[0].read_bytes())
        assert parse_heartbeat(200, json.dumps(sample["first_response"]).encode()).accepted
        mismatch = parse_heartbeat(400, json.dumps(sample["mismatch"]["body"]).encode())
        assert mismatch.next_id == sample["first_response"]["heartbeat_id"]
