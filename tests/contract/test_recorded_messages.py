"""Every recorded message of the venue through our own readers: the project's, and the samples where they are.

A file is read by the reader its name says; one that is read by none is named with the reason. Frames of the sockets go
through the desk's own door and end as events, as a counted name or as a bad frame; the official SDK drops some of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from kit.listening import Listening
from kit.recordings import API_KEY, CONDITION, FOLDER, START_S, recording
from kit.shared_data import POLYMARKET

from shared.slots import Slot
from supervisor.venue.discovery import BadMarket, parse_accepting, parse_listing
from supervisor.venue.frames import BadFrame
from supervisor.venue.keys import parse_api_key
from supervisor.venue.requests import (
    parse_balance,
    parse_cancel_answer,
    parse_heartbeat,
    parse_order_answer,
    parse_page,
    parse_trades,
    parse_venue_order,
)
from supervisor.venue.user import TradeLeg, parse_user_frame

Json = Any
Frames = Callable[[Json], list[Json]]
OWNER: Final = "00000000-0000-0000-0000-000000000001"
"""Whose orders the samples are about."""
OWNERS: Final = {
    "nt_capture_ws_user_trade1": "3e2c94ca-8124-c4c1-c7ea-be1ea21b71fe",
    "nt_capture_ws_user_trade3": "a93a3d32-74fa-dd2b-4b67-98bfa6fc5cb5",
    "nt_capture_ws_user_trade4": "a93a3d32-74fa-dd2b-4b67-98bfa6fc5cb5",
}
"""Captures of others' accounts: whose key each was told to."""
SLOT: Final = Slot("BTC", 5)


def whole(sample: Json) -> list[Json]:
    return [sample]


def rows(sample: Json) -> list[Json]:
    """The rows of a list of examples, or of a documented file's examples by name."""
    found = sample["examples"] if isinstance(sample, dict) else sample
    return list(found.values()) if isinstance(found, dict) else list(found)


def received(sample: Json) -> list[Json]:
    """What came in of a recorded session."""
    return [row["data"] for row in sample if row["dir"] == "recv"]


def told_twice(sample: Json) -> list[Json]:
    return [*sample["sequence"], *sample["alternative_tail"]]


def as_kind(kind: str) -> Frames:
    """A payload without its kind, as adapters keep them: the kind the venue puts in front."""
    return lambda sample: [{"event_type": kind, **sample}]


EVENTS, BAD = {"events"}, {"bad frame"}
SOCKETS: Final[dict[str, tuple[str, Frames, list[set[str]]]]] = {
    "doc_polybolt_session": (
        "prices",
        received,
        [{"authed"}, {"subscribed"}, {"subscribed"}, EVENTS, EVENTS, {"pong"}, {"error"}, {"error"}],
    ),
    "doc_user_order_lifecycle": ("user", rows, [EVENTS]),
    "doc_user_trade_settlement": ("user", rows, [EVENTS]),
    "live_ws_market_session_v2": ("market", received, [EVENTS, {"nothing"}, {"nothing"}, {"new_market"}]),
    "nt_capture_ws_book": ("market", whole, [EVENTS]),
    "nt_capture_ws_last_trade_price": ("market", whole, [EVENTS]),
    "nt_capture_ws_order_cancel": ("user", whole, [EVENTS]),
    "nt_capture_ws_order_placement": ("user", whole, [EVENTS]),
    "nt_capture_ws_price_change_v2": ("market", whole, [EVENTS]),
    "nt_capture_ws_tick_size_change": ("market", whole, [EVENTS]),
    "nt_capture_ws_user_trade1": ("user", whole, [EVENTS]),
    "nt_capture_ws_user_trade2": ("user", whole, [EVENTS]),
    "nt_capture_ws_user_trade3": ("user", whole, [EVENTS]),
    "nt_capture_ws_user_trade4": ("user", whole, [EVENTS]),
    "nt_rtds_crypto_prices_subscribe": ("prices", whole, [BAD]),
    "nt_rtds_crypto_prices_update": ("prices", whole, [{"channel nameless"}]),
    "doc_rtds_twap_update": ("prices", lambda sample: sample[1:], [{"channel nameless"}]),
    "nt_ws_book_snapshot": ("market", as_kind("book"), [EVENTS]),
    "nt_ws_last_trade": ("market", as_kind("last_trade_price"), [EVENTS]),
    "nt_ws_market_best_bid_ask_msg": ("market", whole, [{"best_bid_ask"}]),
    "nt_ws_market_book_msg": ("market", whole, [EVENTS]),
    "nt_ws_market_last_trade_msg": ("market", whole, [EVENTS]),
    "nt_ws_market_new_market_msg": ("market", whole, [{"new_market"}]),
    "nt_ws_market_price_change_msg": ("market", whole, [EVENTS]),
    "nt_ws_market_resolved_msg": ("market", whole, [EVENTS]),
    "nt_ws_market_tick_size_msg": ("market", whole, [EVENTS]),
    "nt_ws_quotes": ("market", as_kind("price_change"), [EVENTS]),
    "nt_ws_tick_size_change": ("market", as_kind("tick_size_change"), [EVENTS]),
    "nt_ws_user_order_cancellation": ("user", as_kind("order"), [EVENTS]),
    "nt_ws_user_order_fok_killed": ("user", as_kind("order"), [EVENTS]),
    "nt_ws_user_order_matched": ("user", as_kind("order"), [EVENTS]),
    "nt_ws_user_order_msg": ("user", as_kind("order"), [EVENTS]),
    "nt_ws_user_order_placement": ("user", as_kind("order"), [EVENTS]),
    "nt_ws_user_order_update": ("user", as_kind("order"), [EVENTS]),
    "nt_ws_user_order_venue_cancel": ("user", as_kind("order"), [EVENTS]),
    "nt_ws_user_trade": ("user", as_kind("trade"), [EVENTS]),
    "nt_ws_user_trade_msg": ("user", as_kind("trade"), [EVENTS]),
    "synthetic_user_channel": ("user", told_twice, [EVENTS]),
}
"""Frames of the sockets: which one, which frames of the file, and what each ends as; one set stands for all of them."""


def body(sample: Json) -> bytes:
    return json.dumps(sample).encode()


def book(sample: Json) -> None:
    """A book over HTTP, in the shape of a frame, as discovery hands it on."""
    frame = b'{"event_type":"book",' + body(sample)[1:]
    assert Listening().hear("market", frame) == EVENTS


def cancels(sample: Json) -> None:
    """Each leg by its own word: the status of the whole says nothing."""
    for order_id in sample["canceled"]:
        assert parse_cancel_answer(200, body(sample), order_id).verdict == "accepted"
    for order_id, said in sample["not_canceled"].items():
        assert parse_cancel_answer(200, body(sample), order_id).reason == said


def restricted(sample: Json) -> None:
    """Every documented refusal: only the one that may have come too late leaves the order unknown."""
    for response in sample["responses"]:
        found = parse_order_answer(response["http"], b"" if response["body"] is None else body(response["body"]))
        assert found.verdict == ("unknown" if response["http"] == 500 else "rejected")
        assert bool(found.away) == (response["http"] in {425, 503})


def order_answers(sample: Json) -> None:
    found = {name: parse_order_answer(200, body(answer)).verdict for name, answer in sample["examples"].items()}
    assert {name for name, verdict in found.items() if verdict != "accepted"} == {"no_balance"}


def heartbeats(sample: Json) -> None:
    assert parse_heartbeat(200, body(sample["first_response"])).accepted
    assert not parse_heartbeat(400, body(sample["mismatch"]["body"])).accepted


def resolved_markets(sample: Json) -> None:
    """Each names its winner."""
    for market in sample:
        start_s = int(market["slug"].rpartition("-")[2])
        listing = parse_listing(body([market]), SLOT, start_s)
        assert listing is not None
        assert listing.winner is not None


def listed(market: Json) -> None:
    """A market of ours."""
    start_s = int(market["slug"].rpartition("-")[2])
    assert parse_listing(body([market]), Slot("BTC", 15), start_s) is not None


def not_ours(sample: Json) -> None:
    """Another kind of market than a slot needs is refused by name, and so is what is no list of markets."""
    with pytest.raises((BadMarket, BadFrame)):
        parse_listing(body([sample]), SLOT, START_S)


BODIES: Final[dict[str, Callable[[Json], Any]]] = {
    "doc_heartbeat": heartbeats,
    "doc_order_responses": order_answers,
    "doc_restricted_modes_and_errors": restricted,
    "live_clob_book_v1_btc15m": book,
    "live_clob_book_v2_empty": book,
    "live_gamma_events_keyset_series10192": lambda sample: [
        listed(market) for event in sample["events"] for market in event["markets"]
    ],
    "live_gamma_market_btc15m_v1": listed,
    "live_gamma_markets_btc5m_resolved_2026-07-24": resolved_markets,
    "nt_capture_http_book": book,
    "nt_capture_http_event": not_ours,
    "nt_capture_http_market": not_ours,
    "nt_capture_ws_trades": lambda sample: parse_trades([body(sample)], OWNER),
    "nt_clob_book_response": book,
    "nt_http_balance_allowance_collateral": lambda sample: parse_balance(body(sample)),
    "nt_http_batch_cancel_response": cancels,
    "nt_http_cancel_response_failed": cancels,
    "nt_http_cancel_response_ok": cancels,
    "nt_http_open_order": lambda sample: parse_venue_order(body(sample)),
    "nt_http_open_order_sell_fok": lambda sample: parse_venue_order(body(sample)),
    "nt_http_open_orders_page": lambda sample: [parse_venue_order(row) for row in parse_page(body(sample))[0]],
    "nt_http_order_response_error_500": lambda sample: parse_order_answer(500, body(sample)),
    "nt_http_order_response_failed": lambda sample: parse_order_answer(200, body(sample)),
    "nt_http_order_response_ok": lambda sample: parse_order_answer(200, body(sample)),
    "nt_http_trade_report": lambda sample: parse_trades([body(sample)], OWNER),
    "nt_http_trades_page": lambda sample: parse_trades(parse_page(body(sample))[0], OWNER),
}
"""Answers over HTTP, each by the reader that would get it; some hold it to more than being readable."""
UNREAD: Final = {
    "nt_http_balance_allowance_no_allowance": "made by hand with decimals; production has whole millionths",
    "live_clob_markets_v1": "read together with its listing: see tests/supervisor/venue/test_discovery.py",
    "live_clob_markets_v2": "read together with its listing: see tests/supervisor/venue/test_discovery.py",
    "live_data_v2_resolutions": "the Data API is not asked",
    "nt_capture_http_trades": "version 1 of the Data API, retired in October 2026",
    "nt_data_api_positions_response": "version 1 of the Data API, retired in October 2026",
    "nt_data_api_trades_response": "version 1 of the Data API, retired in October 2026",
    "nt_clob_fee_rate_response_nonzero": "the legacy fee is not asked for: a market names its own",
    "nt_clob_fee_rate_response_zero": "the legacy fee is not asked for: a market names its own",
    "nt_http_signed_order": "what is sent, not what is read: see tests/contract/test_signers.py",
    "signing_vectors": "what is sent, not what is read: see tests/contract/test_signers.py",
}
"""Samples that none of our readers would be given, and why."""

OWN: Final[dict[str, Callable[[bytes], Any]]] = {
    "api_key": lambda frame: parse_api_key(frame, "0x1"),
    "balance": parse_balance,
    "book": lambda frame: Listening().hear("market", b'{"event_type":"book",' + frame.lstrip()[1:]),
    "cancel_": lambda frame: parse_cancel_answer(200, frame, "0x5"),
    "clob_market": lambda frame: parse_accepting(frame, _listed("gamma_market")),
    "error_": lambda frame: parse_order_answer(503, frame),
    "gamma_": lambda frame: parse_listing(frame, SLOT, START_S),
    "heartbeat": lambda frame: parse_heartbeat(400, frame),
    "lookup_": parse_venue_order,
    "order_": lambda frame: parse_order_answer(200, frame),
    "orders_page": lambda frame: [parse_venue_order(row) for row in parse_page(frame)[0]],
    "trades_page": lambda frame: parse_trades(parse_page(frame)[0], API_KEY),
}
"""The project's own recordings of HTTP by the beginning of their names; the longest one counts."""


def _listed(name: str) -> Any:
    listing = parse_listing(recording(name), SLOT, START_S)
    assert listing is not None
    assert listing.market.terms.condition_id == CONDITION
    return listing.market


def own(name: str) -> Callable[[bytes], Any]:
    """The reader of one of the project's recordings."""
    feed = name.partition("_")[0].replace("price", "prices")
    if feed in {"market", "user", "prices"}:
        return lambda frame: Listening().hear(feed, frame)
    return OWN[max((prefix for prefix in OWN if name.startswith(prefix)), key=len)]


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.json")))
def test_every_recording_of_the_project_is_read(name: str) -> None:
    """And none of them ends as nothing."""
    assert own(name)(recording(name)) not in (set(), {"bad frame"}, None)


def frames_of(name: str, sample: Json) -> Iterator[tuple[bytes, set[str]]]:
    """The frames of a sample and what each ends as."""
    _, pick, ends = SOCKETS[name]
    frames = pick(sample)
    for number, frame in enumerate(frames):
        text = frame.encode() if isinstance(frame, str) else body(frame)
        yield text, ends[number] if len(ends) == len(frames) else ends[0]


if POLYMARKET:
    SAMPLES = {path.stem: json.loads(path.read_text()) for path in sorted(POLYMARKET.glob("*.json"))}

    @pytest.mark.parametrize("name", sorted(SOCKETS))
    def test_every_sampled_frame_ends_as_what_it_is(name: str) -> None:
        """At the desk's own door; frames the official SDK drops among them."""
        listening = Listening(OWNERS.get(name, OWNER))
        for frame, ends in frames_of(name, SAMPLES[name]):
            assert listening.hear(SOCKETS[name][0], frame) == ends, frame[:200]

    @pytest.mark.parametrize("name", sorted(BODIES))
    def test_every_sampled_answer_is_read(name: str) -> None:
        """By the reader that would get it."""
        assert BODIES[name](SAMPLES[name]) != []

    def test_several_orders_of_ours_in_one_captured_trade_are_as_many_legs() -> None:
        """With the price and the size of each, and none of the stranger between them."""
        name = "nt_capture_ws_user_trade4"
        legs = parse_user_frame(body(SAMPLES[name]), OWNERS[name])
        told = [(leg.price_micro, leg.size_micro, leg.side) for leg in legs if isinstance(leg, TradeLeg)]
        assert told == [(400_000, 5_000_000, "BUY"), (300_000, 5_000_000, "BUY")]

    def test_no_sample_is_left_unread_without_a_reason() -> None:
        """Each has a reader, or it is said why not."""
        assert SAMPLES.keys() == SOCKETS.keys() | BODIES.keys() | UNREAD.keys()
