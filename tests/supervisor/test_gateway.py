"""Orders out and answers back, over real connections to a venue that answers in every way there is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from kit.answers import GOODBYE, SILENCE, Asked, Script, answering, cut, ok, reply
from kit.recordings import API_KEY, CONDITION, ORDER, TRADE, recording

from deploy.rehearsal.signatures import request_hmac
from shared.clock import SystemClock
from supervisor.gateway import CONNECTIONS, PAGES_MAX, WARM, Gateway, VenueRefused
from supervisor.recovery import View
from supervisor.venue.frames import BadFrame
from supervisor.venue.requests import Answer, Token, Where

ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
SECRET = json.loads(recording("api_key"))["secret"]
BODY = b'{"order":{"salt":1},"owner":"k"}'
DERIVE, CREATE = "GET /auth/derive-api-key", "POST /auth/api-key"
NO_ORDER = b'{"error":"order not found"}'
PATIENCE_S = 60.0


@asynccontextmanager
async def a_gateway(answer_s: float = 20.0) -> AsyncIterator[tuple[Gateway, Script]]:
    """A gateway with its key, and the venue it talks to."""
    async with answering() as venue:
        venue.on(DERIVE, ok(recording("api_key")))
        gateway = Gateway(venue.settings(answer_s), SystemClock())
        await gateway.open(ADDRESS, 3, lambda wall_s: {"POLY_TIMESTAMP": str(wall_s)})
        venue.asked.clear()
        try:
            yield gateway, venue
        finally:
            await gateway.close()


async def until(done: Callable[[], object]) -> None:
    """Let the venue go on until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not done():  # noqa: ASYNC110 - a venue fires no events for tests
            await asyncio.sleep(0.01)


def with_gateway(act: Callable[[Gateway, Script], Awaitable[Any]], answer_s: float = 20.0) -> Any:
    """Play a scenario."""

    async def play() -> Any:
        async with a_gateway(answer_s) as (gateway, venue):
            return await act(gateway, venue)

    return asyncio.run(play())


def placed(answer: bytes, answer_s: float = 20.0) -> tuple[Answer, list[Asked]]:
    """What placing an order gives, and what arrived of it."""

    async def act(gateway: Gateway, venue: Script) -> tuple[Answer, list[Asked]]:
        venue.on("POST /order", answer)
        return await gateway.place(BODY), venue.asked

    found: tuple[Answer, list[Asked]] = with_gateway(act, answer_s)
    return found


@pytest.mark.parametrize("answer", [ok({"version": 2}), ok({"v": 2}), ok(b"2"), reply(404, b"{}"), reply(500, "")])
def test_a_venue_that_takes_our_orders_or_does_not_say_is_traded_with(answer: bytes) -> None:
    """An order of the wrong version is refused by name in any case: silence is no reason to stand still."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /version", answer)
        await gateway.expect(2)
        assert len(venue.asked_for("GET /version")) == 1

    with_gateway(act)


def test_a_venue_that_takes_other_orders_is_not_traded_with() -> None:
    """It would refuse each of them; what is said names both versions and the setting. Nobody at all is no venue."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /version", ok({"version": 1}), GOODBYE)
        with pytest.raises(VenueRefused, match=r"takes orders of version 1, and exchange.client signs .* version 2"):
            await gateway.expect(2)
        with pytest.raises(VenueRefused, match="does not answer"):
            await gateway.expect(2)

    with_gateway(act)


@pytest.mark.parametrize(
    ("answer", "status", "trades"),
    [
        (ok(recording("order_live")), "live", ()),
        (ok(recording("order_matched")), "matched", (TRADE,)),
        (ok(recording("order_delayed")), "delayed", ()),
        (ok(recording("order_unmatched")), "unmatched", ()),
    ],
    ids=["live", "matched", "delayed", "unmatched"],
)
def test_an_order_that_exists_is_accepted(answer: bytes, status: str, trades: tuple[str, ...]) -> None:
    """With the venue's own word for how it stands."""
    found, asked = placed(answer)
    assert (found.verdict, found.status, found.order_id, found.trades) == ("accepted", status, ORDER, trades)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(400, recording("order_no_balance")),
        ok(recording("order_refused_without_id")),
        reply(401, '{"error":"Unauthorized/Invalid api key"}'),
        reply(425, ""),
        reply(429, "slow down"),
        reply(503, recording("error_post_only_mode")),
        reply(503, recording("error_cancel_only")),
    ],
    ids=["no balance", "refused", "unauthorized", "restarting", "too many", "post only", "cancel only"],
)
def test_an_order_that_does_not_exist_is_rejected(answer: bytes) -> None:
    """Only where the venue's words say so; with a reason."""
    found, asked = placed(answer)
    assert (found.verdict, bool(found.reason), len(asked)) == ("rejected", True, 1)


@pytest.mark.parametrize(
    "answer",
    [
        reply(500, recording("error_could_not_insert")),
        reply(502, "<html>bad gateway</html>"),
        reply(503, ""),
        reply(504, b"\xff\xfe"),
        reply(307, "", Location="/order"),
        ok(b"{"),
        ok(b""),
        ok({"success": True}),
        cut(ok(recording("order_matched"))),
        GOODBYE,
        b"hello\r\n\r\n",
    ],
    ids=["500", "502", "503", "504", "redirect", "half", "empty", "no id", "cut", "closed", "not HTTP"],
)
def test_an_order_without_a_clear_answer_is_unknown_and_not_sent_again(answer: bytes) -> None:
    """Unknown is not failed: it may exist, and asking about it is somebody else's business."""
    found, asked = placed(answer)
    assert (found.verdict, bool(found.reason), len(asked)) == ("unknown", True, 1)


def test_an_order_whose_answer_is_late_is_unknown() -> None:
    """It arrived, once."""
    found, asked = placed(SILENCE, answer_s=1.0)
    assert found == Answer("unknown", reason="no answer: TimeoutError")
    assert len(asked) == 1


def test_what_never_left_is_said_to_be_unsent() -> None:
    """Nobody is there to take it, so nobody has it: orders and cancels, alone and together."""

    async def gone() -> list[Answer]:
        async with answering() as venue:
            venue.on(DERIVE, reply(200, recording("api_key"), Connection="close"))
            gateway = Gateway(venue.settings(), SystemClock())
            await gateway.open(ADDRESS, 3, lambda wall_s: {})
        found = [await gateway.place(BODY), await gateway.cancel(ORDER)]
        found += await gateway.place_batch({"0x1": BODY, "0x2": BODY}) + await gateway.cancel_batch(["0x1", "0x2"])
        assert await gateway.warm() == 0
        await gateway.close()
        return found

    found = asyncio.run(gone())
    assert [answer.verdict for answer in found] == ["unsent"] * 6
    assert all(answer.reason.startswith("it never left: ") for answer in found)


def test_before_the_venue_is_joined_nothing_leaves_and_nothing_breaks() -> None:
    """A new reign may be asked for an exit before it has its key: neither left."""

    async def play() -> None:
        async with answering() as venue:
            gateway = Gateway(venue.settings(), SystemClock())
            assert (await gateway.place(BODY)).verdict == "unsent"
            assert (await gateway.cancel(ORDER)).verdict == "unsent"
            with pytest.raises(VenueRefused, match="not joined"):
                await gateway.balance()
            assert venue.asked == []

    asyncio.run(play())


def test_a_request_is_signed_over_its_exact_bytes() -> None:
    """Time, method, path without query and body, as the rehearsal venue's own arithmetic has it."""

    async def act(gateway: Gateway, venue: Script) -> list[Asked]:
        venue.on("POST /order", ok(recording("order_live")))
        venue.on("GET /balance-allowance", ok(recording("balance")))
        await gateway.place(BODY)
        await gateway.balance()
        return venue.asked

    asked: list[Asked] = with_gateway(act)
    assert asked[0].body == BODY
    assert "signature_type=3" in asked[1].target
    for one in asked:
        stamp, signature = one.headers["poly_timestamp"], one.headers["poly_signature"]
        assert signature == request_hmac(SECRET, stamp, one.method, one.path, one.body)
        assert (one.headers["poly_address"], one.headers["poly_api_key"]) == (ADDRESS, API_KEY)


def test_many_orders_share_the_pool_and_keep_their_answers() -> None:
    """More than there are connections: each gets the answer to its own body."""

    async def act(gateway: Gateway, venue: Script) -> None:
        def answer(asked: Asked) -> bytes:
            return ok({"success": True, "errorMsg": "", "orderID": f"0x{asked.body.decode()}", "status": "live"})

        venue.answers["POST /order"] = answer
        found = await asyncio.gather(*(gateway.place(f"{number}".encode()) for number in range(3 * CONNECTIONS)))
        assert [one.order_id for one in found] == [f"0x{number}" for number in range(3 * CONNECTIONS)]

    with_gateway(act)


# --- cancels ---


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (ok({"canceled": [ORDER], "not_canceled": {}}), "accepted"),
        (ok({"canceled": [], "not_canceled": {ORDER: "already canceled or matched"}}), "rejected"),
        (ok({"canceled": [], "not_canceled": {}}), "rejected"),
        (reply(500, ""), "unknown"),
        (cut(ok({"canceled": [ORDER]})), "unknown"),
        (b"hello\r\n\r\n", "unknown"),
    ],
    ids=["done", "too late", "not mentioned", "500", "cut", "not HTTP"],
)
def test_a_cancel_is_what_its_answer_says_of_that_order(answer: bytes, verdict: str) -> None:
    """HTTP 200 alone says nothing."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("DELETE /order", answer)
        assert (await gateway.cancel(ORDER)).verdict == verdict
        assert json.loads(venue.asked[0].body) == {"orderID": ORDER}

    with_gateway(act)


# --- several at once ---


def leg(order_id: str, error: str = "") -> dict[str, Any]:
    """One leg of the answer to a batch, as production tells it: success says true even when it is refused."""
    status = "" if error else "live"
    return {"success": True, "errorMsg": error, "orderID": "" if error else order_id, "status": status}


BATCH = {"0x1": b'{"a":1}', "0x2": b'{"b":2}', "0x3": b'{"c":3}'}


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (ok([leg("0x1"), leg("0x2", "not enough balance"), leg("0x3")]), ["accepted", "rejected", "accepted"]),
        (ok([leg("0x3"), leg("0x1")]), ["accepted", "unknown", "accepted"]),
        (ok([leg("0x1"), leg("0x2", "no")]), ["accepted", "unknown", "unknown"]),
        (ok([leg("0x1"), leg("0x3"), leg("0x2")]), ["accepted"] * 3),
        (ok([leg("0x1"), leg("", "no"), leg("0x2")]), ["accepted", "accepted", "unknown"]),
        (ok([leg("0x1"), leg("0x9"), leg("", "no")]), ["accepted", "unknown", "unknown"]),
        (ok([leg("0x1"), {"success": True}, leg("0x3")]), ["accepted", "unknown", "accepted"]),
        (ok([leg("0x1"), 7, leg("0x3")]), ["accepted", "unknown", "accepted"]),
        (ok([]), ["unknown"] * 3),
        (ok({"success": True}), ["unknown"] * 3),
        (ok(b"["), ["unknown"] * 3),
        (reply(400, '{"error":"Too many orders in payload: 20, max allowed: 15"}'), ["rejected"] * 3),
        (reply(425, ""), ["rejected"] * 3),
        (reply(500, ""), ["unknown"] * 3),
        (cut(ok([leg("0x1"), leg("0x2"), leg("0x3")])), ["unknown"] * 3),
        (GOODBYE, ["unknown"] * 3),
    ],
)
def test_each_leg_of_a_batch_is_what_the_answer_says_of_it(answer: bytes, verdicts: list[str]) -> None:
    """Sent once, byte for byte the single orders; a leg the answer does not tell of is unknown, never failed."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("POST /orders", answer)
        found = await gateway.place_batch(BATCH)
        assert [one.verdict for one in found] == verdicts
        assert all(one.reason for one in found if one.verdict != "accepted")
        assert [asked.body for asked in venue.asked] == [b'[{"a":1},{"b":2},{"c":3}]']

    with_gateway(act)


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (ok({"canceled": ["0x2", "0x1"], "not_canceled": {}}), ["accepted", "accepted"]),
        (ok({"canceled": ["0x2"], "not_canceled": {"0x1": "already canceled or matched"}}), ["rejected", "accepted"]),
        (ok({"canceled": ["0x2"], "not_canceled": {}}), ["rejected", "accepted"]),
        (ok(b"{"), ["unknown", "unknown"]),
        (reply(429, ""), ["unknown", "unknown"]),
        (GOODBYE, ["unknown", "unknown"]),
    ],
)
def test_each_cancel_of_several_is_what_the_answer_says_of_it(answer: bytes, verdicts: list[str]) -> None:
    """One request for all of them."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("DELETE /orders", answer)
        assert [one.verdict for one in await gateway.cancel_batch(["0x1", "0x2"])] == verdicts
        assert {asked.body for asked in venue.asked} == {b'["0x1","0x2"]'}

    with_gateway(act)


def test_what_an_answer_says_of_our_pace_is_heard() -> None:
    """Of one and of each of several; what is no number is not said."""

    async def act(gateway: Gateway, venue: Script) -> None:
        left = {"Poly_RateLimit_Remaining": "17"}
        venue.on("POST /order", reply(200, recording("order_live"), **left), reply(429, "", Retry_After="3"))
        venue.on("POST /orders", reply(200, json.dumps([leg("0x1"), leg("0x2"), leg("0x3")]), **left))
        venue.on("DELETE /order", reply(429, "", Retry_After="soon", Poly_RateLimit_Remaining="-1"))
        assert (await gateway.place(BODY)).left == 17
        refused = await gateway.place(BODY)
        assert (refused.verdict, refused.mode, refused.wait_s) == ("rejected", "too_many", 3.0)
        assert [one.left for one in await gateway.place_batch(BATCH)] == [17] * 3
        cancel = await gateway.cancel(ORDER)
        assert (cancel.verdict, cancel.mode, cancel.wait_s, cancel.left) == ("unknown", "too_many", 0.0, None)

    with_gateway(act)


# --- connections ---


def test_connections_are_kept_warm_for_orders_and_for_cancels() -> None:
    """As many orders and cancels at once as are warm need no new connection."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /time", ok(b"1791240000"))
        venue.on("POST /order", ok(recording("order_live")))
        venue.on("DELETE /order", ok({"canceled": [ORDER]}))
        assert await gateway.warm() == 2 * WARM
        made = venue.connections
        await asyncio.gather(*(gateway.place(BODY) for _ in range(WARM)), *(gateway.cancel(ORDER) for _ in range(WARM)))
        assert venue.connections == made
        assert await gateway.warm() == 2 * WARM
        assert venue.connections == made

    with_gateway(act)


def test_no_cancel_waits_behind_orders_and_no_order_behind_questions() -> None:
    """Each has connections of its own: all those for the others are taken, and nobody gets an answer there."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /data/orders", SILENCE)
        venue.on("POST /order", SILENCE)
        venue.on("DELETE /order", ok({"canceled": [ORDER]}))
        stuck = [asyncio.ensure_future(gateway.open_orders()) for _ in range(2 * CONNECTIONS)]
        await until(lambda: len(venue.asked_for("GET /data/orders")) == CONNECTIONS)
        stuck += [asyncio.ensure_future(gateway.place(BODY)) for _ in range(2 * CONNECTIONS)]
        await until(lambda: len(venue.asked_for("POST /order")) == CONNECTIONS)
        assert (await gateway.cancel(ORDER)).verdict == "accepted"
        for one in stuck:
            one.cancel()
        await asyncio.wait(stuck)

    with_gateway(act)


# --- look-ups and lists ---


def page(items: list[Any], cursor: str) -> bytes:
    """A page of a list."""
    return ok({"data": items, "next_cursor": cursor})


TRADES = json.loads(recording("trades_page"))["data"]


def test_a_look_up_brings_the_order_and_our_legs_of_its_market() -> None:
    """The trades of every page, asked by the market they are of."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on(f"GET /data/order/{ORDER}", ok(recording("lookup_live")))
        venue.on("GET /data/trades", page(TRADES[:1], "MTAw"), page(TRADES[1:], "LTE="))
        found, legs = await gateway.look_up(ORDER, CONDITION)
        assert found is not None
        assert (found.order_id, found.open, found.matched_micro) == (ORDER, True, 4_000_000)
        assert [(leg.order_id, leg.size_micro) for leg in legs] == [(ORDER, 10_000_000), (ORDER, 4_000_000)]
        targets = [asked.target for asked in venue.asked_for("GET /data/trades")]
        assert [f"market={CONDITION}" in target for target in targets] == [True, True]
        assert ["next_cursor=MA==" in targets[0], "next_cursor=MTAw" in targets[1]] == [True, True]

    with_gateway(act)


@pytest.mark.parametrize("answer", [reply(404, NO_ORDER), ok(b"null"), ok(b"{}")], ids=["404", "null", "nothing"])
def test_an_order_the_venue_does_not_have_is_none(answer: bytes) -> None:
    """And its market's trades are brought all the same: absence proves nothing."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on(f"GET /data/order/{ORDER}", answer)
        venue.on("GET /data/trades", page(TRADES[:1], "LTE="))
        found, legs = await gateway.look_up(ORDER, CONDITION)
        assert (found, len(legs)) == (None, 1)

    with_gateway(act)


@pytest.mark.parametrize(
    ("order", "trades"),
    [
        (reply(500, ""), page([], "LTE=")),
        (SILENCE, page([], "LTE=")),
        (ok(b'{"id":7}'), page([], "LTE=")),
        (ok(recording("lookup_live")), reply(502, "")),
        (ok(recording("lookup_live")), cut(page([], "LTE="))),
        (ok(recording("lookup_live")), ok(b"[")),
        (ok(recording("lookup_live")), page([{**TRADES[0], "size": "x"}], "LTE=")),
    ],
    ids=["500", "silence", "no order", "trades 502", "trades cut", "no page", "no trade"],
)
def test_a_look_up_that_cannot_be_read_tells_nothing(order: bytes, trades: bytes) -> None:
    """Refused as a whole: half of it would look like absence."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on(f"GET /data/order/{ORDER}", order)
        venue.on("GET /data/trades", trades)
        with pytest.raises(VenueRefused):
            await gateway.look_up(ORDER, CONDITION)

    with_gateway(act, answer_s=1.0 if order == SILENCE else 20.0)


def test_only_orders_that_rest_are_open() -> None:
    """Of everything on the list."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /data/orders", ok(recording("orders_page")))
        assert [order.order_id for order in await gateway.open_orders()] == [ORDER]

    with_gateway(act)


def test_an_endless_list_is_refused() -> None:
    """After so many pages it is called what it is."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /data/orders", page([], "MTAw"))
        with pytest.raises(VenueRefused, match=f"more than {PAGES_MAX} pages"):
            await gateway.open_orders()
        assert len(venue.asked) == PAGES_MAX

    with_gateway(act)


def test_the_balance_is_in_millionths() -> None:
    """Or it is not known, and that is said."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /balance-allowance", ok(recording("balance")), reply(500, ""), ok(b"{}"))
        assert await gateway.balance() == int(json.loads(recording("balance"))["balance"])
        with pytest.raises(VenueRefused, match="HTTP 500"):
            await gateway.balance()
        with pytest.raises(BadFrame):
            await gateway.balance()

    with_gateway(act)


def test_a_view_is_everything_our_books_are_held_against() -> None:
    """Collateral and each token by its kind, trades since a moment, and the orders that rest."""

    async def act(gateway: Gateway, venue: Script) -> tuple[View, list[Asked]]:
        venue.on("GET /balance-allowance", ok({"balance": "7000000"}), ok({"balance": "5"}), ok({"balance": "0"}))
        venue.on("GET /data/trades", ok({"data": [], "next_cursor": "LTE="}))
        venue.on("GET /data/orders", ok({"data": [], "next_cursor": "LTE="}))
        return await gateway.view(11, [Token("1", "v1"), Token("2", "v2")]), venue.asked

    view, asked = with_gateway(act)
    assert view == View((), (), 7_000_000, {"1": 5, "2": 0})
    kinds = [one.target.split("?", 1)[1] for one in asked]
    assert kinds[0] == "asset_type=COLLATERAL&signature_type=3"
    assert kinds[1:3] == [
        "asset_type=CONDITIONAL&token_id=1&signature_type=3",
        "asset_type=CONDITIONAL-V2&token_id=2&signature_type=3",
    ]
    assert kinds[3].startswith("after=11&")


# --- heartbeat and key ---


def test_each_heartbeat_carries_the_id_of_the_one_before() -> None:
    """Begun with none; a corrected id is taken over; what cannot be read leaves the chain as it was."""

    async def act(gateway: Gateway, venue: Script) -> None:
        corrected = reply(400, '{"error_msg":"Invalid Heartbeat ID","heartbeat_id":"right"}')
        answers = [ok({"heartbeat_id": "one"}), ok({"heartbeat_id": "two"}), corrected, reply(500, ""), ok({}), GOODBYE]
        venue.on("POST /v1/heartbeats", *answers, ok({"heartbeat_id": "three"}))
        assert [(await gateway.beat()).accepted for _ in range(3)] == [True, True, False]
        for fault in (BadFrame, BadFrame, VenueRefused):
            with pytest.raises(fault):
                await gateway.beat()
        assert (await gateway.beat()).next_id == "three"
        sent = [json.loads(asked.body)["heartbeat_id"] for asked in venue.asked]
        assert sent == ["", "one", "two", "right", "right", "right", "right"]

    with_gateway(act)


def opened(**answers: bytes) -> tuple[Gateway, list[Asked]]:
    """Open a gateway where deriving and creating a key are answered so."""

    async def play() -> tuple[Gateway, list[Asked]]:
        async with answering() as venue:
            venue.on(DERIVE, answers["derive"])
            venue.on(CREATE, answers["create"])
            gateway = Gateway(venue.settings(), SystemClock())
            try:
                await gateway.open(ADDRESS, 3, lambda wall_s: {"POLY_TIMESTAMP": str(wall_s)})
            finally:
                await gateway.close()
            return gateway, venue.asked

    return asyncio.run(play())


def test_a_key_is_derived_and_made_only_where_there_is_none() -> None:
    """Proved by headers made for that very second; it belongs to the address."""
    key, none = ok(recording("api_key")), reply(400, '{"error":"Could not derive api key!"}')
    gateway, asked = opened(derive=key, create=none)
    assert gateway.key is not None
    assert (gateway.key.key, gateway.key.address) == (API_KEY, ADDRESS)
    assert [one.path for one in asked] == ["/auth/derive-api-key"]
    assert abs(int(asked[0].headers["poly_timestamp"]) - SystemClock().wall_ns() // 10**9) < 60
    gateway, asked = opened(derive=none, create=key)
    assert gateway.key is not None
    assert [one.path for one in asked] == ["/auth/derive-api-key", "/auth/api-key"]


def test_without_a_key_the_venue_is_refused() -> None:
    """Where none is given, none can be read, or nobody answers; no text shows what came."""
    none = reply(401, '{"error":"Invalid L1 Request headers"}')
    with pytest.raises(VenueRefused, match="gives no API key: HTTP 401"):
        opened(derive=none, create=none)
    with pytest.raises(BadFrame) as caught:
        opened(derive=ok({"apiKey": API_KEY, "secret": f"{SECRET}é", "passphrase": "p"}), create=none)
    assert SECRET not in str(caught.value)
    with pytest.raises(VenueRefused, match="does not answer"):
        opened(derive=GOODBYE, create=none)


def test_opening_can_be_tried_again_while_others_ask() -> None:
    """The balance did not come, so the key is fetched again: what was asked meanwhile is answered, not broken off."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /balance-allowance", reply(500, ""), ok(recording("balance")))
        venue.on("GET /data/orders", page([], "LTE="))
        with pytest.raises(VenueRefused):
            await gateway.balance()
        _, resting = await asyncio.gather(gateway.open(ADDRESS, 3, lambda wall_s: {}), gateway.open_orders())
        assert resting == []
        assert await gateway.balance() > 0

    with_gateway(act)


def test_secrets_are_in_no_text() -> None:
    """Not in the key's own, nor in what is said of requests that failed."""

    async def act(gateway: Gateway, venue: Script) -> list[str]:
        venue.on("POST /order", b"hello\r\n\r\n")
        said = [(await gateway.place(BODY)).reason, repr(gateway.key), str(gateway.key), repr(gateway)]
        try:
            await gateway.balance()
        except VenueRefused as error:
            said.append(str(error))
        return said

    texts: list[str] = with_gateway(act)
    assert len(texts) == 5
    assert not [text for text in texts if SECRET in text or "passphrase" in text]


def test_nobody_else_knows_how_to_beat() -> None:
    """The switch at the venue is one, whoever placed the orders: its only owner here is this room."""
    root = Path(__file__).parents[2]
    rooms = [path for package in ("supervisor", "worker", "shared") for path in (root / package).rglob("*.py")]
    naming = {path.name for path in rooms if "/heartbeats" in path.read_text()}
    calling = {path.name for path in rooms if "gateway.beat(" in path.read_text()}
    assert (naming, calling) == ({"gateway.py"}, {"app.py"})


# --- what we may do ---


def test_where_we_are_is_asked_without_our_key() -> None:
    """The page is not the exchange's; only the part that matters is read, and no more of the place than fits."""

    async def act(gateway: Gateway, venue: Script) -> None:
        said = {"blocked": True, "ip": "203.0.113.9", "country": "US", "region": "CA"}
        venue.on("GET /api/geoblock", ok(said), ok({"blocked": False, "country": "x" * 99, "region": "a\nb"}))
        assert await gateway.where() == Where(True, "US/CA")
        assert await gateway.where() == Where(False, "x" * 20)
        assert not any(name.startswith("poly") for asked in venue.asked for name in asked.headers)

    with_gateway(act)


def test_what_the_account_may_do_is_asked_with_our_key() -> None:
    """It is about us."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /auth/ban-status/closed-only", ok({"closed_only": True}), ok({"closed_only": False}))
        assert [await gateway.closed_only() for _ in range(2)] == [True, False]
        assert all("poly_signature" in asked.headers for asked in venue.asked)

    with_gateway(act)


@pytest.mark.parametrize("answer", [reply(503, ""), GOODBYE, ok({}), ok(b"<html>"), ok({"blocked": "no"})])
def test_what_is_no_answer_is_no_permission(answer: bytes) -> None:
    """Whoever asks is told that nothing is known."""

    async def act(gateway: Gateway, venue: Script) -> None:
        venue.on("GET /api/geoblock", answer)
        venue.on("GET /auth/ban-status/closed-only", answer)
        for ask in (gateway.where, gateway.closed_only):
            with pytest.raises((VenueRefused, BadFrame)):
                await ask()

    with_gateway(act)
