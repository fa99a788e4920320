"""Parameters that change while releases trade: asked first, in force at one frame, read by everybody."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from kit.still_desk import BTC, R1, R2, STRAIGHT, StillDesk, a_trading_desk, buy
from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.config import digest
from supervisor import effects as fx
from supervisor.death import Death
from supervisor.tuning import CHECK_S, KEPT, USE_S, Change, changed

BLUE, GREEN = "w1-1", "w1-2"
STAKE = {"stake_usd": 7}


def propose(still: StillDesk, values: dict[str, Any] = STAKE, op: str = "c1", **changes: Any) -> Change:
    """Somebody wants other parameters."""
    change = Change(op, values, "uid:1000", "calm", still.mono_ns, **changes)
    still.do(still.desk.tuning.propose, change)
    return change


def say(still: StillDesk, fault: str = "", op: str = "c1") -> None:
    """Every release that was asked answers."""
    for asked in [want for want in still.wants if isinstance(want, fx.AskRelease)]:
        still.wants.remove(asked)
        still.do(still.desk.tuning.on_asked, op, asked.release, fault)


def beat(still: StillDesk, uid: str = BLUE, parameters: str = "", fault: str = "", seq: int | None = None) -> None:
    """A worker's loop turned, and it says which set it has."""
    told = m.Beating(still.desk.board.seq if seq is None else seq, 3, 50_000, parameters or board_digest(still), fault)
    still.do(still.desk.operations.on_beat, uid, told)


def board_digest(still: StillDesk) -> str:
    """What the set in force is called."""
    return still.desk.board.parameters


def lost(still: StillDesk) -> str:
    """Why the first worker that is gone is gone."""
    return next(entry.detail for entry in still.said(e.Worker) if entry.event == "lost")


# --- before it is in force ---


def test_nothing_changes_before_the_release_that_trades_has_agreed() -> None:
    """It is asked about the whole set, and trading goes on meanwhile."""
    still = a_trading_desk()
    change = propose(still)
    assert still.wanted(fx.AskRelease) == [fx.AskRelease("c1", R1.release, STAKE)]
    still.jump(5)
    still.hold()
    assert (change.state, still.asked().parameters) == ("checking", digest({}))


def test_a_set_that_a_release_cannot_use_changes_nothing_and_says_why() -> None:
    """In the release's own words, with its number."""
    still = a_trading_desk()
    change = propose(still)
    say(still, "stake_usd = 7: Expected float <= 5.0")
    assert change.state == "refused"
    assert change.words == f"r1 {R1.release[:8]} cannot use them: stake_usd = 7: Expected float <= 5.0"
    assert still.desk.tuning.current is None
    assert [entry.number for entry in still.said(e.Parameters)] == [1]
    assert not still.said(e.Retuned)


def test_only_asking_changes_nothing() -> None:
    """The answer is there, and the next change may come."""
    still = a_trading_desk()
    change = propose(still, only_ask=True)
    say(still)
    assert (change.state, board_digest(still), still.desk.tuning.current) == ("valid", digest({}), None)


def test_a_release_that_says_nothing_is_waited_for_in_bounds() -> None:
    """No answer is no agreement."""
    still = a_trading_desk()
    change = propose(still)
    still.jump(CHECK_S + 1)
    assert change.state == "refused"
    assert f"did not say in {CHECK_S:g} s" in change.words
    say(still)
    assert board_digest(still) == digest({})


def test_both_sides_of_a_deploy_are_asked() -> None:
    """What blue can use and green cannot is refused: green is about to trade."""
    still = a_trading_desk()
    still.deploy(R2)
    change = propose(still)
    assert {asked.release for asked in still.wanted(fx.AskRelease)} == {R1.release, R2.release}
    still.do(still.desk.tuning.on_asked, "c1", R1.release, "")
    assert change.state == "checking"
    still.do(still.desk.tuning.on_asked, "c1", R2.release, "stake_usd: this release has no such parameter")
    assert change.words.startswith(f"r2 {R2.release[:8]} cannot use them")


def test_a_deploy_that_begins_while_others_are_asked_is_asked_too() -> None:
    """Nothing is in force that who trades next has not agreed to."""
    still = a_trading_desk()
    change = propose(still)
    still.deploy(R2)
    still.do(still.desk.tuning.on_asked, "c1", R1.release, "")
    assert change.state == "checking"
    assert still.wanted(fx.AskRelease)[-1].release == R2.release
    still.do(still.desk.tuning.on_asked, "c1", R2.release, "")
    assert change.state == "set"


# --- at one frame, for everybody ---


def test_every_tick_after_the_frame_names_the_new_set_and_none_before_it_does() -> None:
    """The stream says it once; no tick is lost, none comes between two sets."""
    still = a_trading_desk()
    still.to_s(30)
    change = propose(still)
    say(still)
    still.to_s(60)
    ticks = [frame for frame in still.frames if isinstance(frame.event, m.Tick)]
    assert {frame.event.parameters for frame in ticks if frame.seq < change.seq} == {digest({})}
    assert {frame.event.parameters for frame in ticks if frame.seq > change.seq} == {digest(STAKE)}
    told = [frame for frame in still.frames if frame.seq == change.seq]
    assert [frame.event for frame in told] == [m.ParametersSet(digest(STAKE), STAKE)]
    assert {entry.tick for entry in still.said(e.OutcomeOf)} == {frame.event.tick for frame in ticks}


def test_a_tick_shown_before_is_decided_with_the_set_it_names() -> None:
    """What came out of it, and an order of it, are the old set's, whenever the answer comes."""
    still = a_trading_desk()
    still.jump(5)
    propose(still)
    say(still)
    still.answer(buy())
    outcome, placing = still.said(e.OutcomeOf)[-1], still.said(e.Placing)[-1]
    assert (outcome.kind, outcome.by.parameters, placing.by.parameters) == ("ORDER", digest({}), digest({}))


def test_an_owners_answer_with_another_set_than_its_tick_names_does_not_count() -> None:
    """It is refused by name, and the tick still waits for its answer."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(), parameters="77ab")
    assert [refused.reason for refused in still.said(e.Refused)] == ["other_parameters"]
    assert not still.said(e.Placing)
    assert still.state().outstanding


def test_a_shadow_is_kept_under_the_set_it_says_it_used() -> None:
    """So that two decisions are only compared where they had the same."""
    still = a_trading_desk()
    still.jump(5)
    still.employ(still.deploy(R2))
    still.answer(uid=GREEN, parameters="77ab")
    assert still.said(e.Shadow)[-1].by == e.By(R2.release, "77ab", 1, GREEN)


def test_a_skipped_tick_names_the_set_it_was_shown_with() -> None:
    """A deadline missed across a change is the old set's."""
    still = a_trading_desk()
    still.jump(5)
    propose(still)
    say(still)
    still.jump(still.settings.ticks.deadline_s + 1)
    skipped = [entry for entry in still.said(e.OutcomeOf) if entry.reason == "deadline"]
    assert [entry.by.parameters for entry in skipped] == [digest({})]


def test_a_change_has_its_boundary() -> None:
    """What was open, where each slot stood, who wanted it and why, and the frame."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy())
    order = still.said(e.Placing)[-1]
    still.jump(5)
    change = propose(still)
    say(still)
    (boundary,) = still.said(e.Retuned)
    assert (boundary.number, boundary.was, boundary.now) == (2, digest({}), digest(STAKE))
    assert (boundary.seq, boundary.changed) == (change.seq, {"stake_usd": (None, 7)})
    assert (boundary.actor, boundary.reason, boundary.op) == ("uid:1000", "calm", "c1")
    assert [resting.order_id for resting in boundary.orders] == [order.order_id]
    (slot,) = boundary.slots
    assert slot.owner == e.By(R1.release, digest({}), 1, BLUE)
    assert (slot.slot, slot.phase, slot.shown) == (BTC, "owned", still.state().outstanding)


def test_versions_count_up_and_one_that_comes_back_is_another() -> None:
    """Named by content, numbered for people; each is known by its number."""
    still = a_trading_desk()
    for number, values in enumerate((STAKE, {}), start=2):
        propose(still, values, f"c{number}")
        say(still, op=f"c{number}")
        beat(still)
    assert [(entry.number, entry.digest) for entry in still.said(e.Parameters)] == [
        (1, digest({})),
        (2, digest(STAKE)),
        (3, digest({})),
    ]
    assert still.accounts.versions[2].parameters.values == STAKE
    assert [entry.generation for entry in still.said(e.Parameters)] == [0, 1, 2]


# --- who has read it ---


def test_a_change_is_over_when_it_is_on_the_disk_and_every_worker_has_read_it() -> None:
    """Each says so in its beat, or by a decision; how long it took is kept."""
    still = a_trading_desk()
    still.slow_disk = True
    change = propose(still)
    say(still)
    assert (change.state, change.waits) == ("set", {BLUE})
    still.jump(0.2, beats=False)
    beat(still)
    still.jump(0)
    assert (change.state, change.waits, change.took_ms) == ("set", set(), {BLUE: 200})
    still.sync()
    assert change.state == "used"
    assert still.said(e.Worker)[-1].detail == f"p2 {digest(STAKE)} from frame {change.seq}, after 200 ms"


def test_who_has_not_read_so_far_is_waited_for() -> None:
    """A beat that tells of an earlier frame is none."""
    still = a_trading_desk()
    change = propose(still)
    say(still)
    beat(still, parameters=digest({}), seq=change.seq - 1)
    still.jump(0, beats=False)
    assert change.waits == {BLUE}


def test_a_worker_that_does_not_read_it_in_time_is_fenced_by_name() -> None:
    """As one that stalls is; its heir begins with the new set."""
    still = a_trading_desk(deploy=structs.replace(STRAIGHT, beat_s=60))
    change = propose(still)
    say(still)
    still.jump(USE_S + 0.1, beats=False)
    assert lost(still) == f"it has not read p2, frame {change.seq}, in 5 s"
    assert (fx.Kill(BLUE) in still.wants, change.state) == (True, "set")
    still.jump(0.1, beats=False)
    assert change.state == "used"


def test_a_worker_that_has_read_it_and_decides_with_another_set_is_fenced_by_name() -> None:
    """It would trade by numbers that nobody wants any more."""
    still = a_trading_desk()
    change = propose(still)
    say(still)
    beat(still, parameters="77ab")
    still.jump(0, beats=False)
    assert lost(still) == f"it has read frame {change.seq} and decides with 77ab, not with p2"


def test_a_worker_of_an_older_release_does_not_say_and_is_believed() -> None:
    """That it has read the frame is all there is."""
    still = a_trading_desk()
    change = propose(still)
    say(still)
    still.beat(BLUE)
    still.jump(0, beats=False)
    assert change.state == "used"


def test_a_candidate_that_cannot_use_what_is_in_force_goes_back() -> None:
    """Before a slot passes to it, with its own words."""
    still = a_trading_desk()
    green = still.deploy(R2)
    still.hello(green)
    ready = m.Ready(still.desk.board.seq, 10, 5_000, "state", board_digest(still), "edge: no such parameter")
    still.do(still.desk.operations.on_ready, green, ready)
    assert still.operation().result == "GATE_FAILED"
    words = f"it cannot use the parameters in force, {digest({})}: edge: no such parameter"
    assert still.operation().fault == words
    assert still.owners() == {BLUE}


def test_an_owner_that_cannot_use_what_is_in_force_is_alarmed_once() -> None:
    """It holds by itself; a person should know."""
    still = a_trading_desk()
    for _ in range(3):
        beat(still, fault="edge: no such parameter")
    alarms = [alarm for alarm in still.said(e.Alarm) if alarm.name == "parameters_unusable"]
    assert [alarm.detail for alarm in alarms] == [f"{BLUE} of {R1.release}, {digest({})}: edge: no such parameter"]


# --- a deploy meanwhile ---


def test_parameters_change_in_the_middle_of_a_flip_for_blue_and_green_alike() -> None:
    """Each slot's next tick names the new set, whoever owns it; the grants say so."""
    still = a_trading_desk("BTC", "ETH")
    still.jump(5)
    green = still.deploy(R2)
    still.employ(green)
    propose(still)
    say(still)
    still.hold()
    assert {state.owner for state in still.desk.turns.slots.values()} == {green}
    assert {grant.parameters for grant in still.said(e.Grant)[-2:]} == {digest(STAKE)}
    still.jump(5)
    assert {tick.parameters for tick in still.told(m.Tick)[-2:]} == {digest(STAKE)}


# --- over restarts ---


def with_strategy(still: StillDesk, strategy: dict[str, Any]) -> None:
    """The operator writes other settings."""
    raw = {**msgspec.to_builtins(still.settings), "strategy": strategy}
    still.settings = msgspec.convert(raw, type(still.settings))


def test_a_restart_brings_back_the_set_of_the_journal_not_of_the_settings() -> None:
    """What a person has set stays set."""
    still = a_trading_desk()
    propose(still)
    say(still)
    still.restart()
    assert not still.wanted(fx.AskRelease)
    still.employ("w2-1")
    assert still.asked().parameters == digest(STAKE)
    assert len(still.said(e.Parameters)) == 2


def test_a_change_of_a_reign_before_is_known_by_its_operation() -> None:
    """Whoever waits for it, or asks for it again under its id, learns that it is in force."""
    still = a_trading_desk()
    propose(still)
    say(still)
    still.restart()
    known = still.desk.tuning.known("c1")
    assert known is not None
    assert (known.state, known.number, known.values) == ("used", 2, STAKE)
    assert still.desk.tuning.known("c2") is still.desk.tuning.known("") is None


def test_settings_that_have_changed_are_asked_about_and_become_a_version() -> None:
    """By the settings; until the release has agreed, what was in force stays."""
    still = a_trading_desk()
    propose(still)
    say(still)
    with_strategy(still, {"stake_usd": 9})
    still.restart()
    assert still.wanted(fx.AskRelease) == [fx.AskRelease("settings-2", R1.release, {"stake_usd": 9})]
    assert board_digest(still) == digest(STAKE)
    say(still, op="settings-2")
    assert [(entry.number, entry.actor) for entry in still.said(e.Parameters)][-1] == (3, "settings")
    assert still.said(e.Parameters)[-1].values == {"stake_usd": 9}
    still.restart()
    assert not still.wanted(fx.AskRelease)


def test_settings_that_the_release_refuses_leave_the_last_good_set() -> None:
    """Said aloud, at each start."""
    still = a_trading_desk()
    with_strategy(still, {"stake_usd": 900})
    for term in (2, 3):
        still.restart()
        say(still, "stake_usd = 900: Expected float <= 100.0", f"settings-{term}")
        assert board_digest(still) == digest({})
    refused = [alarm.detail for alarm in still.said(e.Alarm) if alarm.name == "parameters_refused"]
    assert len(refused) == 2
    assert refused[0].endswith("Expected float <= 100.0; nothing has changed")


def test_a_change_that_was_being_asked_about_when_the_supervisor_died_has_changed_nothing() -> None:
    """Whoever wanted it has no answer, and asks again."""
    still = a_trading_desk()
    propose(still)
    still.restart()
    assert (still.desk.tuning.current, board_digest(still)) == (None, digest({}))


# --- bounds ---


@pytest.mark.parametrize("values", [{f"p{number}": 1 for number in range(65)}, {f"p{n}": "ü" * 500 for n in range(20)}])
def test_a_set_that_no_frame_has_room_for_is_refused_before_anybody_is_asked(values: dict[str, Any]) -> None:
    """Many small changes may add up to it as well."""
    still = a_trading_desk()
    change = propose(still, values)
    assert change.state == "refused"
    assert change.words == "more than 64 parameters, or more than 16 KiB of them"
    assert not still.wanted(fx.AskRelease)


def test_as_many_changes_are_remembered_as_are_bounded() -> None:
    """The newest."""
    still = a_trading_desk()
    for number in range(KEPT + 3):
        propose(still, {"stake_usd": number + 1}, f"c{number}", only_ask=True)
        say(still, op=f"c{number}")
    assert list(still.desk.tuning.all) == [f"c{number}" for number in range(3, KEPT + 3)]


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2, "b": "x"}, {"a": (1, 2), "b": (None, "x")}),
        ({"a": True}, {}, {"a": (True, None)}),
    ],
)
def test_what_differs_is_told_before_and_after(was: Any, now: Any, expected: Any) -> None:
    """A value that is the release's own again is None."""
    assert changed(was, now) == expected


# --- together with a release that comes back ---

UNKNOWN = "stake_usd: this release has no such parameter"


def a_desk_that_moved_on(**settings: Any) -> StillDesk:
    """R2 trades where R1 did, with a parameter that R1 does not know: p2."""
    still = a_trading_desk(**settings)
    take_over(still, R2, "op1", "deploy")
    propose(still)
    say(still)
    beat(still, still.desk.operations.blue)
    still.jump(0, beats=False)
    assert still.desk.tuning.current is None
    return still


def take_over(still: StillDesk, release: e.Release, op: str, verb: str) -> None:
    """An operation with nothing in its way."""
    green = still.deploy(release, op, verb)
    still.employ(green)
    still.hold()
    still.attest(green)
    assert still.operation().phase == "retiring", still.operation()
    still.lose(next(uid for uid, member in still.desk.board.crew.members.items() if member.stage == "retiring"))
    assert still.operation().result == "OK"


def say_ready(still: StillDesk, uid: str, fault: str = "") -> None:
    """A worker has read everything, and says what it makes of the set in force."""
    told = m.Ready(still.desk.board.seq, 10, 5_000, "state", board_digest(still), fault)
    still.do(still.desk.operations.on_ready, uid, told)


def roll_back(still: StillDesk, op: str = "op2") -> str:
    """People want R1 again; its worker cannot use what is in force. Returns the worker."""
    green = still.deploy(R1, op, "rollback")
    still.hello(green)
    say_ready(still, green, UNKNOWN)
    return green


def let_pass(still: StillDesk) -> None:
    """The change under way is over in one turn, and what waited for it begins in the next."""
    for _ in range(2):
        still.jump(0.1, beats=False)


def test_a_rollback_brings_back_the_parameters_its_release_traded_with() -> None:
    """By one command, with a boundary of its own; no slot passes before its worker has read them."""
    still = a_desk_that_moved_on()
    green = roll_back(still)
    back = still.said(e.Retuned)[-1]
    assert (back.number, back.now, back.op, back.actor) == (3, digest({}), "op2:p3", "uid:1000")
    assert back.reason == f"taken back with {R1.release[:8]}, which cannot use p2: {UNKNOWN}"
    still.hold()
    assert green not in still.owners()
    beat(still, green)
    still.jump(0.1)
    still.hold()
    assert still.owners() == {green}
    assert still.said(e.Grant)[-1].parameters == digest({})
    assert not still.wanted(fx.AskRelease)[2:], "nobody is asked: it has traded with them"
    assert still.operation().retuned_from == 2


def test_a_release_that_is_taken_back_for_its_crashes_takes_its_parameters_with_it() -> None:
    """Nobody is there to type anything, and the release that dies cannot be asked."""
    still = a_desk_that_moved_on()
    for _ in range(2):
        still.lose(still.desk.operations.blue, Death(1, "ZeroDivisionError"))
        still.jump(3, beats=False)
        still.employ(still.desk.operations.blue)
    green = still.desk.operations.green
    assert still.operation().verb == "rollback"
    still.hello(green)
    say_ready(still, green, UNKNOWN)
    assert still.said(e.Retuned)[-1].actor == "supervisor"
    beat(still, green)
    still.jump(0.1)
    still.hold()
    assert still.owners() == {green}


def test_a_rollback_that_does_not_come_about_leaves_the_parameters_it_found() -> None:
    """Under one more version; those that people set meanwhile stay."""
    still = a_desk_that_moved_on()
    green = roll_back(still)
    beat(still, still.desk.operations.blue)
    still.jump(0, beats=False)
    still.lose(green)
    assert still.operation().result == "GATE_FAILED"
    let_pass(still)
    back = still.said(e.Retuned)[-1]
    assert (back.number, back.now, back.reason) == (4, digest(STAKE), "put back: op2 ended as GATE_FAILED")


def test_parameters_that_people_set_meanwhile_are_not_put_back() -> None:
    """Theirs is the last word."""
    still = a_desk_that_moved_on()
    green = roll_back(still)
    for uid in (green, still.desk.operations.blue):
        beat(still, uid)
    still.desk.handover.policy = "market-close"
    still.jump(0, beats=False)
    propose(still, {"mode": "off"}, "c2")
    say(still, op="c2")
    still.lose(green)
    assert still.operation().result in {"GATE_FAILED", "ROLLED_BACK"}
    assert board_digest(still) == digest({"mode": "off"})


def test_a_release_that_can_use_neither_goes_back_once_and_for_all() -> None:
    """What it traded with is tried once; then its own words say why it is discarded."""
    still = a_desk_that_moved_on()
    green = roll_back(still)
    say_ready(still, green, "it never could")
    assert still.operation().result == "GATE_FAILED"
    assert still.operation().fault == f"it cannot use the parameters in force, {digest({})}: it never could"
    beat(still, still.desk.operations.blue)
    let_pass(still)
    assert board_digest(still) == digest(STAKE)


def test_a_release_that_never_traded_brings_no_parameters_along() -> None:
    """Nobody knows what it could use: it is discarded as by a deploy."""
    still = a_trading_desk()
    propose(still)
    say(still)
    green = still.deploy(R2, "op2", "rollback")
    still.hello(green)
    say_ready(still, green, UNKNOWN)
    assert still.operation().result == "GATE_FAILED"
    assert board_digest(still) == digest(STAKE)


def test_a_change_that_is_being_asked_about_gives_way_to_a_rollback() -> None:
    """Whoever wanted it is told; nothing of it ever was in force."""
    still = a_desk_that_moved_on()
    change = propose(still, {"stake_usd": 9}, "c2")
    roll_back(still)
    assert (change.state, change.words) == ("refused", "op2 takes the parameters back")
    assert board_digest(still) == digest({})


def test_parameters_are_taken_back_when_everybody_has_read_those_of_a_moment_ago() -> None:
    """One change at a time: the rollback waits for it, and is not refused."""
    still = a_desk_that_moved_on()
    blue = still.desk.operations.blue
    propose(still, {"stake_usd": 9}, "c2")
    say(still, op="c2")
    green = roll_back(still)
    still.jump(0.1, beats=False)
    assert (board_digest(still), still.operation().phase) == (digest({"stake_usd": 9}), "warming")
    beat(still, blue)
    let_pass(still)
    assert board_digest(still) == digest({})
    for uid in (blue, green):
        beat(still, uid)
    still.jump(0.1)
    still.hold()
    assert still.owners() == {green}


def test_a_worker_that_trailed_and_cannot_use_what_is_in_force_takes_its_parameters_back_too() -> None:
    """It is there at once, but no slot passes to it before it can decide."""
    still = a_trading_desk(deploy=structs.replace(STRAIGHT, trail_s=600))
    green = still.deploy(R2)
    still.employ(green)
    still.hold()
    still.attest(green)
    propose(still)
    say(still)
    for uid, fault in ((green, ""), (BLUE, UNKNOWN)):
        beat(still, uid, fault=fault)
    still.jump(0, beats=False)
    assert still.deploy(R1, "op2", "rollback") == BLUE
    still.jump(0.1, beats=False)
    assert (board_digest(still), still.owners()) == (digest({}), {green})
    beat(still, BLUE)
    still.jump(0.1)
    still.hold()
    assert still.owners() == {BLUE}
