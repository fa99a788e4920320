"""What is, in plain values."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from kit.still_desk import BTC, CASH, ETH, R1, R2, R3, START_S, StillDesk, a_trading_desk, buy, tokens
from kit.trading import BY, a_fill, a_placing, an_opening

from shared import entries as e
from shared.clock import NS
from shared.config import Claims
from supervisor import report
from supervisor.board import WORTH_TELLING
from supervisor.venue.requests import Answer
from supervisor.venue.user import TradeLeg

WALL_NS = 1_790_000_000 * NS


def a_desk_that_holds() -> StillDesk:
    """Four shares of Up held in BTC/5m, six more wished for."""
    still = a_trading_desk("BTC", "ETH")
    still.jump(5)
    still.answer(buy(470_000))
    still.hold()
    order = next(iter(still.accounts.orders))
    still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    leg = TradeLeg("t1", order, tokens(BTC)[0], "BUY", 470_000, 4_000_000, True, "MATCHED")
    still.do(still.desk.executions.on_leg, leg)
    return still


# --- status ---


def test_the_status_is_one_document_with_everything_on_one_screen() -> None:
    """Who trades, on what, with what money, how the feeds are."""
    still = a_desk_that_holds()
    status = report.status(still.desk, WALL_NS)
    assert {key: status[key] for key in ("schema", "mode", "state", "pid", "term", "paused", "pause_reason")} == {
        "schema": "foresight.status/1",
        "mode": "rehearsal",
        "state": "TRADING",
        "pid": 7,
        "term": 1,
        "paused": False,
        "pause_reason": "",
    }
    assert (status["at_ns"], status["wall_ns"], status["stream_seq"]) == (still.at_ns, WALL_NS, still.frames[-1].seq)
    assert status["release"] == {"seq": 1, "hash": R1.release}
    assert status["slots"] == {"configured": 2, "open": 2, "owned": 2}
    assert status["feeds"] == {"market": "", "user": "", "prices": ""}
    assert (status["tape"], status["parameters"], status["generation"]) == ("ok", still.desk.board.parameters, 0)
    assert (status["cash_micro"], status["exposure_micro"]) == (CASH - 1_880_000, 4_700_000)
    assert (status["owed_micro"], status["claimed_micro"]) == (0, 0)
    assert (status["day_realized_micro"], status["day_loss_limit_micro"]) == (0, 100_000_000)
    assert [(held["slot"], held["size_micro"]) for held in status["positions"]] == [(BTC, 4_000_000)]
    assert [(order["slot"], order["open_micro"]) for order in status["orders"]] == [(BTC, 6_000_000)]
    assert status["unsettled_fills"] == 1
    assert (status["decided"], status["counters"], status["operation"]) == (4, {}, None)
    assert status["workers"] == [
        {
            "uid": "w1-1",
            "part": "blue",
            "release": R1.release,
            "pid": 100,
            "stage": "ready",
            "read_seq": still.desk.board.crew.members["w1-1"].read_seq,
            "decided": 3,
            "rss_kib": 50_000,
        }
    ]


def test_claims_say_what_is_owed_and_how_far_it_came() -> None:
    """Apart from the cash, which it is not yet."""
    still = a_trading_desk(claims=Claims(by="relayer"))
    still.desk.board.write(a_fill(slot=BTC, start_s=START_S, status="CONFIRMED"))
    still.desk.board.write(e.Resolved(BTC, START_S, "Up", 4_000_000, True))
    status, (claim,) = report.status(still.desk, WALL_NS), report.claims(still.desk)
    assert (status["owed_micro"], status["cash_micro"]) == (4_000_000, CASH - 2_000_000)
    assert (claim["kind"], claim["slot"], claim["start_s"], claim["state"]) == ("redeem", BTC, START_S, "owed")
    assert (claim["amount_micro"], claim["nonce"], claim["transactions"], claim["failures"]) == (4_000_000, -1, [], 0)


def test_the_status_says_what_the_venue_does_not_take() -> None:
    """In its own words and for how long that is believed, and how many cancels wait for their turn."""
    still = a_desk_that_holds()
    assert report.status(still.desk, WALL_NS)["venue"] == {
        "orders": "ok",
        "cancels": "ok",
        "cancels_waiting": 0,
        "tier": "",
    }
    order = still.accounts.resting()[0].order_id
    executions = still.desk.executions
    still.do(executions.on_cancel_answer, order, Answer("unknown", reason="no", mode="too_many", wait_s=3), 900)
    still.do(executions.on_answer, order, Answer("rejected", reason="no", mode="restarting", wait_s=9), 900)
    assert report.status(still.desk, WALL_NS)["venue"] == {
        "orders": "the venue restarts; asked again in 9.0 s",
        "cancels": "the venue's rate limit is used up; asked again in 3.0 s",
        "cancels_waiting": 1,
        "tier": "",
    }


def test_the_status_is_json() -> None:
    """Whatever is going on."""
    still = a_desk_that_holds()
    still.deploy()
    still.do(still.desk.pause, True, "uid:1000", "lunch")
    status = msgspec.json.decode(msgspec.json.encode(report.status(still.desk, WALL_NS)))
    assert status["operation"]["phase"] == "spawning"
    assert (status["paused"], status["pause_reason"]) == (True, "lunch")


def test_slots_without_a_market_are_configured_and_not_open() -> None:
    """And those that nobody owns are not owned."""
    still = a_trading_desk("BTC", "ETH")
    still.lose("w1-1")
    assert report.status(still.desk, WALL_NS)["slots"] == {"configured": 2, "open": 2, "owned": 0}
    still.to_s(301)
    assert report.status(still.desk, WALL_NS)["slots"]["open"] == 0


@pytest.mark.parametrize(
    ("act", "word"),
    [
        (lambda still: None, "TRADING"),
        (lambda still: still.lose("w1-1"), "STARTING"),
        (lambda still: still.do(still.desk.on_tape, "no space left", 9), "DEGRADED"),
        (lambda still: still.do(still.desk.markets.on_feed, "user", "gone"), "DEGRADED"),
        (lambda still: still.do(still.desk.on_beat, "HTTP 500"), "DEGRADED"),
        (lambda still: still.may_trade(closed_only=True), "REDUCING"),
        (lambda still: still.may_trade(blocked=True), "BLOCKED"),
        (lambda still: (still.may_trade(blocked=True), _halt(still)), "HALTED"),
        (lambda still: (still.feeds("gone"), still.do(still.desk.pause, True, "x", "")), "PAUSED"),
    ],
)
def test_one_word_says_what_the_desk_is_doing(act: Any, word: str) -> None:
    """The one that matters most."""
    still = a_trading_desk()
    act(still)
    assert report.state(still.desk) == word


def _halt(still: StillDesk) -> None:
    still.do(lambda now: still.desk.pause(now, True, "x", "news", halted=True))


def test_a_desk_that_never_traded_has_no_release() -> None:
    """And says so before anything else."""
    still = StillDesk()
    still.begin(first=None)
    assert (report.state(still.desk), report.active(still.desk)) == ("NO RELEASE", {})


# --- slots ---


def test_a_slot_says_what_it_is_doing_and_on_what_market() -> None:
    """Owner, epoch, window, strike, best prices, what is held."""
    still = a_desk_that_holds()
    still.desk.board.lanes.current[still.desk.board.lane_of[BTC]].strike = 64_000 * 10**18
    first = report.slots(still.desk)[0]
    assert first == {
        "slot": BTC,
        "state": "OPEN",
        "phase": "owned",
        "epoch": 1,
        "owner": "w1-1",
        "release": R1.release,
        "last_tick": (START_S + 15) * 1_000,
        "start_s": START_S,
        "closes_in_s": 285,
        "strike": f"{64_000 * 10**18}",
        "positions": [msgspec.structs.asdict(still.accounts.holdings()[0])],
        "open_orders": 1,
        "bid": "0.48",
        "ask": "0.5",
        "book": "ok",
    }
    still.do(still.desk.markets.on_feed, "market", "gone")
    assert report.slots(still.desk)[1]["book"] == "market channel: gone"


def blocked(still: StillDesk) -> None:
    """An order of the slot is unknown."""
    still.jump(5)
    still.answer(buy(470_000))
    still.do(still.desk.executions.on_answer, next(iter(still.accounts.orders)), Answer("unknown"), 9)


def resting(still: StillDesk) -> None:
    """An order of the slot rests."""
    still.jump(5)
    still.answer(buy(470_000))
    still.do(still.desk.executions.on_answer, next(iter(still.accounts.orders)), Answer("accepted", "live"), 9)


def handed_over(still: StillDesk) -> None:
    """The slot waits for its boundary."""
    still.jump(5)
    still.employ(still.deploy())


@pytest.mark.parametrize(
    ("act", "word"),
    [
        (lambda still: None, "SCAN"),
        (resting, "ORDER"),
        (handed_over, "HANDOVER"),
        (lambda still: still.do(still.desk.pause, True, "x", ""), "PAUSED"),
        (lambda still: still.lose("w1-1"), "NO OWNER"),
        (blocked, "BLOCKED"),
        (lambda still: still.to_s(301), "NO MARKET"),
    ],
)
def test_a_slot_has_one_word_for_what_it_is_doing(act: Any, word: str) -> None:
    """The one that matters most."""
    still = a_trading_desk()
    act(still)
    slot = report.slots(still.desk)[0]
    assert slot["state"] == word
    assert ("bid" in slot) == (word != "NO MARKET")


# --- releases and operations ---


def test_each_release_says_what_it_is_to_the_desk() -> None:
    """Newest first."""
    still = a_trading_desk()
    still.desk.register(R3)
    still.employ(still.deploy())
    still.attest("w1-2")
    still.lose("w1-1")
    roles = {view["hash"]: view["role"] for view in report.releases(still.desk)}
    assert list(roles) == [R3.release, R2.release, R1.release]
    assert roles == {R3.release: "staged", R2.release: "active", R1.release: "previous"}
    still.deploy(R1, "op2", "rollback")
    assert {view["hash"]: view["role"] for view in report.releases(still.desk)}[R1.release] == "candidate"


def test_an_operation_says_where_it_stands() -> None:
    """Every word an operator may ask for."""
    still = a_trading_desk()
    still.deploy()
    still.jump(0.3)
    still.hello("w1-2")
    operation = still.desk.operations.current
    assert operation is not None
    assert report.operation_view(operation) == {
        "op": "op1",
        "verb": "deploy",
        "green": R2.release,
        "blue": R1.release,
        "actor": "uid:1000",
        "reason": "better",
        "plan": operation.plan.values(),
        "rings": [[BTC]],
        "ring": 0,
        "phase": "warming",
        "held_for": "",
        "after": "",
        "steps_ms": {"verify": 4, "spawning": 300},
        "history": [
            {"phase": "spawning", "at_ns": still.at_ns - 300_000_000, "took_ms": 300},
            {"phase": "warming", "at_ns": still.at_ns, "took_ms": -1},
        ],
        "waiting": {},
        "gates": [],
        "loaded": {
            "worker.strategy": {"digest": "digest 2", "load_us": 900},
            "shared.units": {"digest": "digest 0", "load_us": 900},
        },
        "flips": 0,
        "retuned_from": 0,
        "result": "",
        "fault": "",
    }


# --- events ---


def test_events_are_the_newest_oldest_first() -> None:
    """After a moment, and no more than asked for."""
    still = a_trading_desk()
    still.desk.board.recent.clear()
    moments = []
    for name in "abc":
        still.jump(1)
        still.desk.board.alarm(name, "look")
        moments.append(still.at_ns)
    texts = [event["text"] for event in report.events(still.desk, 0, 50)]
    assert texts == ["ALARM a: look", "ALARM b: look", "ALARM c: look"]
    assert [event["at_ns"] for event in report.events(still.desk, moments[0], 50)] == moments[1:]
    assert [event["text"] for event in report.events(still.desk, 0, 2)] == texts[1:]
    assert report.events(still.desk, 0, 0) == []


def test_an_event_has_its_kind_and_its_plain_values() -> None:
    """For programs; nested ones are left to the journal."""
    still = a_trading_desk()
    still.desk.board.recent.clear()
    still.employ(still.deploy())
    boundary = next(event for event in report.events(still.desk, 0, 50) if event["kind"] == "boundary")
    assert boundary["data"] == {
        "slot": BTC,
        "op": "op1",
        "tick": (START_S + 10) * 1_000,
        "seconds_to_close": 290,
        "cash_micro": CASH,
        "actor": "uid:1000",
        "reason": "better",
        "ring": 1,
    }


def test_events_name_releases_as_people_do() -> None:
    """By number and short hash; by the whole hash where no number is known."""
    still = a_trading_desk()
    still.desk.board.recent.clear()
    still.employ(still.deploy())
    still.attest("w1-2")
    texts = [event["text"] for event in report.events(still.desk, 0, 50)]
    assert (
        "BTC/5m passed from r1 11111111 to r2 22222222 under epoch 2, 0 positions and 0 orders open, 1 files changed"
        in texts
    )
    assert "deploy of r2 22222222 is attesting (op1)" in texts
    assert "r2 22222222 is the active release" in texts
    assert "worker w1-2 of r2 22222222 spawned" in texts
    assert still.accounts.release_name(R3.release) == R3.release


SAID: list[tuple[e.Entry, str]] = [
    (e.Term(3, 7, "code", "rehearsal", "cfg", 9), "supervisor 7 began term 3 in rehearsal"),
    (
        e.Boundary(BTC, "op1", e.By("", "", 0, ""), BY, 9, 9, (), (), 1, ("a.py",), {}, "x", ""),
        "BTC/5m passed from nobody to 9f31c7e00000 under epoch 118, 0 positions and 0 orders open, 1 files changed",
    ),
    (e.Step("op1", "deploy", "warming", 9, "x", "", {"green": "9f31"}), "deploy of 9f31 is warming (op1)"),
    (
        e.Step("op1", "deploy", "done", 900, "x", "", {"green": "9f31", "result": "OK", "fault": ""}),
        "deploy of 9f31 ended OK after 900 ms (op1)",
    ),
    (
        e.Step("op1", "deploy", "done", 9, "x", "", {"green": "9f31", "result": "ABORTED", "fault": "by x"}),
        "deploy of 9f31 ended ABORTED after 9 ms: by x (op1)",
    ),
    (e.Active("9f31", "op1"), "9f31 is the active release"),
    (a_placing(), "BTC/5m BUY Up 10 at 0.5 GTC by 9f31c7e00000"),
    (a_fill(), "BTC/5m filled BUY Up 4 at 0.5 as maker, decided by 9f31c7e00000"),
    (a_fill(maker=False), "BTC/5m filled BUY Up 4 at 0.5 as taker, decided by 9f31c7e00000"),
    (e.Settled(BTC, 300, "1", "2", "Up"), "BTC/5m window 300 settled Up by the reference prices"),
    (e.Resolved(BTC, 300, "Up", 4_000_000), "BTC/5m window 300 resolved Up, ours pay 4.00"),
    (
        e.Claiming("BTC/5m 300 redeem", "redeem", BTC, 300, 4_000_000, 7, "relayer"),
        "redeem of 4.00 in BTC/5m window 300 leaves under nonce 7",
    ),
    (e.ClaimMoved("BTC/5m 300 redeem", "accepted", ""), "claim BTC/5m 300 redeem accepted"),
    (e.ClaimMoved("BTC/5m 300 redeem", "gave_up", "why"), "claim BTC/5m 300 redeem gave up: why"),
    (e.Transfer(50_000_000, 1, "uid:0", "deposit"), "+50 came past the desk, says uid:0: deposit"),
    (e.Transfer(-20_500_000, 1, "uid:0", "rent"), "-20.5 went past the desk, says uid:0: rent"),
    (e.Control(1, True, "uid:0", ""), "entries paused by uid:0: no reason given"),
    (e.Control(2, False, "uid:0", "back"), "entries open by uid:0: back"),
    (e.Control(3, False, "uid:0", "news", True, "halt-3"), "halted by uid:0: news"),
    (
        e.Flatten("op9", (BTC, ETH), "uid:0", "news"),
        "2 slots are flattened, the first BTC/5m, by uid:0: news (op9)",
    ),
    (e.Flattened("op9", BTC, ""), "BTC/5m is flat (op9)"),
    (e.Flattened("op9", BTC, "3 Up: too few"), "BTC/5m is flat, left: 3 Up: too few (op9)"),
    (e.Standing(True, False, "US"), "the venue says: blocked in US"),
    (e.Standing(False, True, "US"), "the venue says: closed only"),
    (e.Standing(False, False, "IE"), "the venue says: ok"),
    (
        a_placing(side="SELL", kind="FAK", op="op9", by=e.By("", "", 0, "")),
        "BTC/5m SELL Up 10 at 0.5 FAK by operation op9",
    ),
    (a_fill(by=e.By("", "", 0, "")), "BTC/5m filled BUY Up 4 at 0.5 as maker, decided by a person"),
    (e.Worker("w1-1", "9f31", 9, "lost", "killed"), "worker w1-1 of 9f31 lost: killed"),
    (
        e.Retuned("o", 3, "77ab", "88cd", 9, {"stake_usd": (None, 7)}, (), (), (), 0, "uid:1000", "calm"),
        "parameters p3 88cd are in force by uid:1000, stake_usd default -> 7: calm; 0 positions and 0 orders open",
    ),
    (e.Gap("user", 0, 1_500_000_000, "gone", "venue"), "user gap of 1.5 s, the venue's: gone"),
    (
        e.TapePruned(1, 900, 3, 3 << 19, 30 * 86_400, 4096),
        "the tape was pruned, frames 1 to 900: 3 segments of 1.5 MiB; 30 days or 4096 MiB are kept",
    ),
    (e.Alarm("a", "look"), "ALARM a: look"),
    (e.Repair("0x" + "a" * 64, "state", "closed"), "repaired state of 0xaaaaaaaa: closed"),
    (an_opening(), "Opened"),
]


@pytest.mark.parametrize(("entry", "text"), SAID, ids=lambda value: type(value).__name__)
def test_an_entry_is_told_as_a_past_tense_fact(entry: e.Entry, text: str) -> None:
    """With what a person needs to know of it; a kind nobody has words for says its name."""
    assert report.sentence(entry) == text


def test_everything_worth_telling_has_words() -> None:
    """No event reaches a person as the name of a struct."""
    assert {type(entry) for entry, text in SAID if text != type(entry).__name__} == set(WORTH_TELLING)


def test_a_slot_of_another_asset_is_told_beside_it() -> None:
    """In the order of the settings."""
    still = a_trading_desk("BTC", "ETH")
    assert [slot["slot"] for slot in report.slots(still.desk)] == [BTC, ETH]
