"""What people can ask of the desk: one verb in, one reply out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.still_desk import BTC, R1, R2, R3, StillDesk, a_release, a_trading_desk

from shared import entries as e
from shared.fingerprint import release_hash
from shared.messages import CONTROL_SCHEMA, Reply, Request
from shared.outcomes import EXIT
from supervisor import effects as fx
from supervisor import report, verbs
from supervisor.recovery import Range
from supervisor.verbs import TRANSFER_TYPED, VERBS, Asked, Caller, Refused, answer, refusal

CALLER = Caller(1000, 4_711, "ci/17")
WALL_NS = 1_790_000_000 * 10**9


def asked(still: StillDesk, verb: str, op: str = "", /, **args: Any) -> Reply:
    """Ask, and let the desk do what it answered."""
    request = Request(verb, args, op)
    return still.do(lambda now: answer(Asked(still.desk, now, WALL_NS, CALLER, request)))


def a_desk_that_knows(*releases: e.Release) -> StillDesk:
    """A desk that trades r1 and has been told of others."""
    still = a_trading_desk()
    for release in releases:
        still.desk.register(release)
    still.settle()
    return still


def take_over(still: StillDesk, op: str) -> None:
    """See an operation through."""
    green = still.desk.operations.green
    old = still.desk.operations.blue
    still.employ(green)
    still.hold()
    still.attest(green)
    still.lose(old)
    assert asked(still, "operation", op=op)


# --- every reply ---


def test_every_reply_says_first_who_trades() -> None:
    """Whatever was asked, and whether it could be done."""
    still = a_desk_that_knows()
    for verb in ("status", "nonsense"):
        reply = asked(still, verb)
        assert reply.trading == {"seq": 1, "hash": R1.release, "state": "TRADING"}
        assert (reply.generation, reply.schema) == (0, CONTROL_SCHEMA)
    still.do(still.desk.pause, True, "x", "")
    assert (asked(still, "status").trading["state"], asked(still, "status").generation) == ("PAUSED", 1)


def test_a_verb_nobody_knows_is_a_usage_error_that_names_those_there_are() -> None:
    """And changes nothing."""
    reply = asked(a_desk_that_knows(), "depoly")
    assert (reply.ok, reply.exit, reply.code, reply.changed) == (False, EXIT["USAGE"], "USAGE", False)
    assert reply.message == f"no verb 'depoly'; there are {', '.join(VERBS)}"


def test_a_request_that_cannot_be_read_gets_an_answer_too() -> None:
    """The control socket's own refusals look like every other."""
    reply = refusal(a_desk_that_knows().desk, Refused("IOERR", "not JSON", "foresightctl status"))
    assert (reply.ok, reply.exit, reply.message, reply.hint) == (False, 74, "not JSON", ("foresightctl status",))


@pytest.mark.parametrize(("claimed", "actor"), [("", "uid:1000"), ("ci/17", "uid:1000 ci/17")])
def test_who_asks_is_what_the_kernel_says_and_what_they_say(claimed: str, actor: str) -> None:
    """The kernel's word first."""
    assert Caller(1000, 1, claimed).actor == actor


@pytest.mark.parametrize("verb", ["status", "slots", "claims", "releases", "operations", "events"])
def test_looking_changes_nothing(verb: str) -> None:
    """Not one entry, frame or effect."""
    still = a_desk_that_knows(R2)
    before = len(still.journal), len(still.frames), len(still.wants)
    reply = asked(still, verb)
    assert (reply.ok, reply.changed, reply.exit) == (True, False, 0)
    assert (len(still.journal), len(still.frames), len(still.wants)) == before


def test_what_is_looked_at_is_the_report() -> None:
    """Each verb gives its own part of it."""
    still = a_desk_that_knows(R2)
    assert asked(still, "status").data == report.status(still.desk, WALL_NS)
    assert asked(still, "slots").data == report.slots(still.desk)
    assert asked(still, "claims").data == report.claims(still.desk)
    assert asked(still, "releases").data == report.releases(still.desk)
    assert asked(still, "events", limit=3).data == report.events(still.desk, 0, 3)
    assert asked(still, "operations").data[0]["op"] == "start-1"


@pytest.mark.parametrize("args", [{"limit": 501}, {"limit": -1}, {"limit": True}, {"limit": "9"}, {"after_ns": 1.5}])
def test_events_want_whole_numbers_within_their_bounds(args: dict[str, Any]) -> None:
    """Named in the refusal."""
    reply = asked(a_desk_that_knows(), "events", **args)
    assert reply.code == "USAGE"
    assert reply.message.startswith(f"{next(iter(args))} must be a whole number from 0 to ")


# --- pause and resume ---


def test_a_pause_names_who_and_why() -> None:
    """In the journal; asked again it is that already."""
    still = a_desk_that_knows()
    reply = asked(still, "pause", reason="lunch")
    assert (reply.ok, reply.changed, reply.generation) == (True, True, 1)
    assert reply.message == "paused: no new entries; exits, cancels and open orders go on"
    assert still.said(e.Control) == [e.Control(1, True, "uid:1000 ci/17", "lunch")]
    again = asked(still, "pause")
    assert (again.changed, again.message) == (False, f"already {reply.message}")
    assert asked(still, "resume").message == "resumed: entries are open"
    assert not still.accounts.paused


# --- transfer ---


@pytest.mark.parametrize(
    ("amount", "reason", "said"),
    [
        ("+50", " ", "needs a reason"),
        ("", "x", "dollars such as"),
        ("++50", "x", "dollars such as"),
        ("1e3", "x", "dollars such as"),
        ("0.0000001", "x", "dollars such as"),
        ("0.00", "x", "no transfer"),
    ],
)
def test_a_transfer_that_is_not_written_as_one_is_refused(amount: str, reason: str, said: str) -> None:
    """With how it is typed; nothing is journalled."""
    still = a_desk_that_knows()
    reply = asked(still, "transfer", amount=amount, reason=reason)
    assert (reply.code, reply.hint, still.said(e.Transfer)) == ("USAGE", (TRANSFER_TYPED,), [])
    assert said in reply.message


def test_a_transfer_has_to_be_what_differs() -> None:
    """Otherwise nothing changes; else who and why are in the journal."""
    still = a_desk_that_knows()
    reply = asked(still, "transfer", amount="+50", reason="deposit")
    assert (reply.code, still.said(e.Transfer)) == ("PRECONDITION", [])
    still.desk.reconciling.missing = Range(-20_500_000, -20_500_000)
    reply = asked(still, "transfer", amount="+20.5", reason="deposit")
    assert (reply.code, reply.message) == (
        "PRECONDITION",
        "+20.5 is not what differs: the venue has 20.5 less than our books say",
    )
    reply = asked(still, "transfer", amount="-20.50", reason="the rent")
    assert (reply.ok, reply.changed) == (True, True)
    assert reply.message == "-20.5 is taken over as a withdrawal: entries open when the books agree"
    assert [(t.amount_micro, t.actor, t.reason) for t in still.said(e.Transfer)] == [
        (-20_500_000, "uid:1000 ci/17", "the rent")
    ]


# --- halt and flatten ---


def test_a_halt_needs_a_reason_and_is_the_same_twice() -> None:
    """The journal has who and why; the second changes nothing."""
    still = a_desk_that_knows()
    for reason in ("", "  "):
        refused = asked(still, "halt", reason=reason)
        assert (refused.code, still.said(e.Control)) == ("USAGE", [])
    reply = asked(still, "halt", reason="news")
    assert (reply.ok, reply.changed, reply.op, reply.trading["state"]) == (True, True, "halt-1", "HALTED")
    assert reply.message.startswith("halted: no order leaves, 0 open ones are being cancelled")
    assert still.said(e.Control) == [e.Control(1, False, "uid:1000 ci/17", "news", True, "halt-1")]
    assert (asked(still, "halt", reason="news").changed, len(still.said(e.Control))) == (False, 1)
    assert asked(still, "status").data["halted"] == "halt-1"
    assert {slot["state"] for slot in asked(still, "slots").data} == {"HALTED"}


def test_a_pause_before_a_halt_is_there_until_the_resume() -> None:
    """Which ends both."""
    still = a_desk_that_knows()
    asked(still, "pause", reason="lunch")
    asked(still, "halt", reason="news")
    assert (still.accounts.paused, still.accounts.halted) == (True, "halt-2")
    assert asked(still, "resume").changed
    assert (still.accounts.paused, still.accounts.halted) == (False, "")


def test_a_flatten_of_all_slots_is_a_halt_and_says_how_far_it_is() -> None:
    """Each slot with the operation it belongs to."""
    still = a_desk_that_knows()
    reply = asked(still, "flatten", "op9", reason="enough")
    assert (reply.ok, reply.changed, reply.op, reply.trading["state"]) == (True, True, "op9", "HALTED")
    assert reply.data == {BTC: {"op": "op9", "state": "flat", "words": ""}}
    assert still.said(e.Flatten) == [e.Flatten("op9", (BTC,), "uid:1000 ci/17", "enough")]
    again = asked(still, "flatten", "op10")
    assert (again.ok, again.changed, again.data) == (True, False, reply.data)
    assert {slot["state"] for slot in asked(still, "slots").data} == {"FLAT"}
    assert asked(still, "status").data["flattening"] == reply.data


def test_a_flatten_of_one_slot_leaves_the_others_alone() -> None:
    """And what is not there is not found."""
    still = a_trading_desk("BTC", "ETH")
    reply = asked(still, "flatten", "op9", slot=BTC)
    assert (list(reply.data), reply.trading["state"]) == ([BTC], "TRADING")
    missing = asked(still, "flatten", "op10", slot="DOGE/5m")
    assert (missing.code, missing.message) == ("NOINPUT", "no slot DOGE/5m")
    assert asked(still, "flatten", "", slot=BTC).code == "USAGE"


@pytest.mark.parametrize("reason", [7, None, "x" * 501])
def test_a_reason_is_text_of_a_bounded_length(reason: Any) -> None:
    """Refused before anything is done."""
    still = a_desk_that_knows()
    reply = asked(still, "pause", reason=reason)
    assert (reply.code, reply.message) == ("USAGE", "reason must be text of at most 500 characters")
    assert not still.accounts.paused


# --- deploy ---


def test_a_deploy_begins_and_says_so() -> None:
    """It goes on whoever hangs up; what staging took is part of it."""
    still = a_desk_that_knows(R2)
    reply = asked(still, "deploy", "op1", release=R2.release, reason="better", steps_ms={"verify": 9})
    assert (reply.ok, reply.changed, reply.op) == (True, True, "op1")
    operation = still.desk.operations.current
    assert operation is not None
    assert (operation.green, operation.actor, operation.reason) == (R2.release, "uid:1000 ci/17", "better")
    assert operation.steps_ms == {"verify": 9}


def test_repeating_a_deploy_joins_it() -> None:
    """By its id, or by its release under another id; nothing is started twice."""
    still = a_desk_that_knows(R2)
    asked(still, "deploy", "op1", release=R2.release)
    for op in ("op1", "op2"):
        reply = asked(still, "deploy", op, release=R2.release)
        assert (reply.ok, reply.changed, reply.op) == (True, False, "op1")
        assert reply.message == f"joined: deploy of {R2.release} is spawning"
    take_over(still, "op1")
    reply = asked(still, "deploy", "op1", release=R2.release)
    assert (reply.ok, reply.changed, reply.op) == (True, False, "op1")
    assert len(still.said(e.Active)) == 2


def test_an_id_that_was_used_before_a_restart_is_still_known() -> None:
    """A pipeline that repeats its command gets its own operation's result, not another deploy."""
    still = a_desk_that_knows(R2)
    asked(still, "deploy", "op1", release=R2.release)
    still.restart()
    reply = asked(still, "deploy", "op1", release=R2.release)
    assert (reply.ok, reply.changed, reply.message) == (True, False, "this operation was asked for before")
    assert still.desk.operations.current is None
    assert asked(still, "operation", op="op1").data["result"] == "GATE_FAILED"


def test_a_second_operation_is_locked_out() -> None:
    """With what runs, where it stands and what to type."""
    still = a_desk_that_knows(R2, R3)
    asked(still, "deploy", "op1", release=R2.release)
    for verb, args in (("deploy", {"release": R3.release}), ("rollback", {"release": "r3"})):
        reply = asked(still, verb, "op2", **args)
        assert (reply.code, reply.exit) == ("LOCKED", 14)
        assert reply.message == f"deploy op1 of {R2.release} is spawning"
        assert reply.hint == ("foresightctl wait op1", "foresightctl abort op1")


def test_what_is_active_already_needs_no_deploy() -> None:
    """The requested end state holds."""
    reply = asked(a_desk_that_knows(), "deploy", "op1", release=R1.release)
    assert (reply.ok, reply.changed, reply.data) == (True, False, {"already": True})


@pytest.mark.parametrize(
    ("op", "args", "code", "message"),
    [
        ("op1", {"release": R3.release}, "NOINPUT", f"release {R3.release} is not staged here"),
        ("op1", {"release": 7}, "USAGE", "release must be text"),
        ("op1", {}, "NOINPUT", "release  is not staged here"),
        ("op1", {"release": R2.release, "expect_active": "r2"}, "PRECONDITION", "r2 is not the active release"),
        ("op1", {"release": R2.release, "expect_active": "111"}, "PRECONDITION", "111 is not the active release"),
        ("", {"release": R2.release}, "USAGE", "an operation needs an id of its own"),
        ("x" * 65, {"release": R2.release}, "USAGE", "an operation needs an id of its own"),
        ("op 1\nop2", {"release": R2.release}, "USAGE", "an operation needs an id of its own"),
        ("op1", {"release": R2.release, "steps_ms": {"a": "b"}}, "USAGE", "steps_ms must name whole milliseconds"),
        ("op1", {"release": R2.release, "steps_ms": [1]}, "USAGE", "steps_ms must name whole milliseconds"),
        ("op1", {"release": R2.release, "steps_ms": {"a": 2**64}}, "USAGE", "steps_ms must name whole milliseconds"),
        ("op1", {"release": R2.release, "reason": 1}, "USAGE", "reason must be text"),
    ],
)
def test_a_deploy_that_cannot_be_is_refused_and_changes_nothing(
    op: str, args: dict[str, Any], code: str, message: str
) -> None:
    """By name."""
    still = a_desk_that_knows(R2)
    before = len(still.journal)
    reply = asked(still, "deploy", op, **args)
    assert (reply.code, reply.message[: len(message)]) == (code, message)
    assert (still.desk.operations.current, len(still.journal)) == (None, before)


@pytest.mark.parametrize("expected", ["r1", R1.release, R1.release[:4]])
def test_a_deploy_may_expect_what_it_replaces(expected: str) -> None:
    """By number or by the beginning of the hash."""
    still = a_desk_that_knows(R2)
    assert asked(still, "deploy", "op1", release=R2.release, expect_active=expected).changed


# --- rollback ---


def test_a_rollback_goes_to_the_release_before() -> None:
    """Nothing need be named."""
    still = a_desk_that_knows(R2)
    asked(still, "deploy", "op1", release=R2.release)
    take_over(still, "op1")
    reply = asked(still, "rollback", "op2")
    assert (reply.ok, reply.changed, reply.message) == (True, True, f"rollback of {R1.release} began")
    take_over(still, "op2")
    assert still.accounts.active == e.Active(R1.release, "op2")
    assert asked(still, "rollback", "op2").message == "this operation was asked for before"


@pytest.mark.parametrize("wanted", ["r3", R3.release, R3.release[:5]])
def test_a_rollback_goes_to_any_release_that_is_named(wanted: str) -> None:
    """By number or by the beginning of its hash."""
    still = a_desk_that_knows(R2, R3)
    assert asked(still, "rollback", "op1", release=wanted).message == f"rollback of {R3.release} began"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "no release traded before this one"),
        ({"release": "r9"}, "no release r9 here"),
        ({"release": "333"}, "no release 333 here"),
    ],
)
def test_a_rollback_to_nothing_is_refused(args: dict[str, Any], message: str) -> None:
    """A hash is named by four digits or more."""
    reply = asked(a_desk_that_knows(R3), "rollback", "op1", **args)
    assert (reply.code, reply.message, reply.hint) == ("NOINPUT", message, ("foresightctl releases",))


def test_a_name_that_could_be_two_releases_is_refused_with_both() -> None:
    """Nothing is guessed."""
    twin = e.Release(4, "3333" + "0" * 8, "lock", {})
    reply = asked(a_desk_that_knows(R3, twin), "rollback", "op1", release="3333")
    assert reply.message == f"3333 could be {R3.release}, {twin.release}"


def test_a_rollback_to_what_trades_is_done_already() -> None:
    """The requested end state holds."""
    reply = asked(a_desk_that_knows(), "rollback", "op1", release="r1")
    assert (reply.ok, reply.data) == (True, {"already": True})


# --- register ---


def staged(**changes: Any) -> dict[str, Any]:
    """What the tool that staged a release says of it; its files add up to its name."""
    modules = {"worker/strategy.py": "9" * 64}
    fields: dict[str, Any] = {"seq": 9, "release": release_hash(modules), "lock": "lock", "modules": modules}
    return {**fields, **changes}


def test_a_staged_release_is_made_known() -> None:
    """Twice is once."""
    still = a_desk_that_knows()
    for _ in range(2):
        assert asked(still, "register", **staged()).ok
    assert [release.seq for release in still.said(e.Release)] == [1, 9]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"release": "9" * 12}, "REJECTED"),
        ({"modules": {"worker/strategy.py": "8" * 64}}, "REJECTED"),
        ({"seq": "9"}, "USAGE"),
        ({"seq": 2**64}, "USAGE"),
        ({"modules": ["worker/strategy.py"]}, "USAGE"),
        ({"surprise": 1}, "USAGE"),
    ],
)
def test_what_does_not_add_up_is_no_release(changes: dict[str, Any], code: str) -> None:
    """Its files must give its name."""
    still = a_desk_that_knows()
    assert asked(still, "register", **staged(**changes)).code == code
    assert len(still.accounts.releases) == 1


# --- operations ---


def test_an_operation_can_be_asked_for_while_it_runs_and_when_it_ended() -> None:
    """Its result is empty until then; its release has its number."""
    still = a_desk_that_knows(R2)
    asked(still, "deploy", "op1", release=R2.release)
    reply = asked(still, "operation", op="op1")
    assert (reply.message, reply.data["result"], reply.data["green_seq"], reply.op) == ("spawning", "", 2, "op1")
    take_over(still, "op1")
    reply = asked(still, "operation", op="op1")
    assert (reply.message, reply.data["result"], reply.data["flips"]) == ("OK", "OK", 1)


@pytest.mark.parametrize("op", ["op9", ""])
def test_an_operation_nobody_knows_is_not_found(op: str) -> None:
    """With where to look."""
    reply = asked(a_desk_that_knows(), "operation", op=op)
    assert (reply.code, reply.message, reply.hint) == ("NOINPUT", f"no operation {op}", ("foresightctl op list",))


def test_an_abort_puts_the_running_operation_back() -> None:
    """Named, or the only one there is."""
    for args in ({}, {"op": "op1"}):
        still = a_desk_that_knows(R2)
        asked(still, "deploy", "op1", release=R2.release)
        reply = asked(still, "abort", **args)
        assert (reply.ok, reply.changed, reply.op, reply.message) == (True, True, "op1", "op1 is being put back")
        assert asked(still, "operation", op="op1").data["fault"] == "aborted by uid:1000 ci/17"


def test_a_late_abort_never_hits_the_next_operation() -> None:
    """It names its own."""
    still = a_desk_that_knows(R2)
    nothing = asked(still, "abort")
    assert (nothing.code, nothing.message) == ("NOINPUT", "no operation is running")
    asked(still, "deploy", "op2", release=R2.release)
    reply = asked(still, "abort", op="op1")
    assert (reply.code, reply.message) == ("NOINPUT", "operation op1 is not running")
    assert still.desk.operations.current is not None


def test_what_is_done_cannot_be_aborted() -> None:
    """There is a verb for that."""
    still = a_desk_that_knows(R2)
    asked(still, "deploy", "op1", release=R2.release)
    green = still.desk.operations.green
    still.employ(green)
    still.attest(green)
    reply = asked(still, "abort", op="op1")
    assert (reply.code, reply.message) == ("PRECONDITION", "too late to abort: Abort while retiring")
    assert reply.hint == ("foresightctl rollback",)


# --- whatever is said ---

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
ARGUMENTS = st.dictionaries(
    st.sampled_from(
        [
            *("release", "reason", "op", "limit", "after_ns", "steps_ms", "expect_active", "modules", "seq"),
            *("values", "unset", "version", "expect_digest", "dry_run"),
        ]
    ),
    PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=2),
    max_size=4,
)


@settings(max_examples=40)
@given(st.sampled_from([*VERBS, "nonsense"]), ARGUMENTS, st.text(max_size=70))
def test_no_request_breaks_the_desk(verb: str, args: dict[str, Any], op: str) -> None:
    """A reply with an exit code that exists, in JSON, whatever the request holds; and the desk trades on."""
    still = a_desk_that_knows(R2)
    reply = asked(still, verb, op, **args)
    assert reply.exit == EXIT[reply.code]
    assert msgspec.json.decode(msgspec.json.encode(reply), type=Reply).code == reply.code
    still.jump(5)
    still.answer(name=BTC)
    assert still.said(e.OutcomeOf)[-1].kind == "HOLD"


def test_every_verb_is_on_this_page() -> None:
    """A new one brings its test."""
    assert set(verbs.VERBS) == {
        *("status", "slots", "claims", "releases", "events", "operations", "operation"),
        *("transfer", "pause", "halt", "flatten", "resume", "register", "deploy", "rollback", "promote", "abort"),
        *("params", "params_set", "params_rollback"),
    }
    assert a_release(9).seq == 9


def test_no_verb_lets_real_money_be_traded() -> None:
    """A page or a script reaches the desk by these alone; a person types the arming, at a terminal, into a file."""
    assert not [verb for verb in VERBS if "arm" in verb or "live" in verb]


# --- the strategy's parameters ---


def agree(still: StillDesk, op: str, fault: str = "") -> None:
    """Every release that was asked answers."""
    for want in [want for want in still.wants if isinstance(want, fx.AskRelease)]:
        still.wants.remove(want)
        still.do(still.desk.tuning.on_asked, op, want.release, fault)


def test_other_parameters_are_asked_about_under_the_callers_own_id() -> None:
    """The reply does not wait; how it stands is asked by the id, and the journal names who the kernel says it was."""
    still = a_trading_desk()
    reply = asked(still, "params_set", "c1", values={"stake_usd": 7}, reason="calm")
    assert (reply.ok, reply.changed, reply.data["change"]["state"]) == (True, True, "checking")
    assert asked(still, "params_set", "c1", values={"stake_usd": 7}).message == "this change was asked for before"
    agree(still, "c1")
    seen = asked(still, "params", op="c1").data
    assert (seen["change"]["state"], seen["in_force"]["number"]) == ("set", 2)
    assert (seen["in_force"]["actor"], seen["in_force"]["reason"]) == ("uid:1000 ci/17", "calm")
    assert [version["number"] for version in seen["versions"]] == [1, 2]
    assert asked(still, "params").generation == 1


def test_a_value_is_set_beside_the_others_and_taken_back_alone() -> None:
    """What is not named stays."""
    still = a_trading_desk()
    for op, args in (
        ("c1", {"values": {"stake_usd": 7, "mode": "off"}}),
        ("c2", {"values": {"stake_usd": 8}}),
        ("c3", {"unset": ["mode"]}),
    ):
        assert asked(still, "params_set", op, **args).ok
        agree(still, op)
        still.jump(0)
    assert [version.values for version in still.said(e.Parameters)] == [
        {},
        {"stake_usd": 7, "mode": "off"},
        {"stake_usd": 8, "mode": "off"},
        {"stake_usd": 8},
    ]


def test_a_version_of_before_is_brought_back_by_its_number() -> None:
    """The one before this one when none is named; one that nobody knows is said so."""
    still = a_trading_desk()
    assert asked(still, "params_rollback", "c0").code == "NOINPUT"
    for number in (1, 2):
        assert asked(still, "params_set", f"c{number}", values={"stake_usd": 5 + number}).ok
        agree(still, f"c{number}")
        still.jump(0)
    assert asked(still, "params_rollback", "c3", version=9).code == "NOINPUT"
    assert asked(still, "params_rollback", "c4").ok
    agree(still, "c4")
    still.jump(0)
    assert asked(still, "params_rollback", "c5", version=1).ok
    agree(still, "c5")
    assert [version.values for version in still.said(e.Parameters)[-2:]] == [{"stake_usd": 6}, {}]


@pytest.mark.parametrize(
    ("verb", "args", "code"),
    [
        ("params_set", {"values": {"stake_usd": [7]}}, "USAGE"),
        ("params_set", {"values": {"": 7}}, "USAGE"),
        ("params_set", {"values": {"x": "y" * 501}}, "USAGE"),
        ("params_set", {"values": {f"p{number}": 1 for number in range(65)}}, "USAGE"),
        ("params_set", {"values": {"stake_usd": 2**53 + 1}}, "USAGE"),
        ("params_set", {"values": {"stake_usd": 10**40}}, "USAGE"),
        ("params_set", {"values": 7}, "USAGE"),
        ("params_set", {"unset": ["stake_usd"]}, "USAGE"),
        ("params_set", {"unset": 7}, "USAGE"),
        ("params_set", {"values": {"stake_usd": 7}, "expect_digest": "0000"}, "PRECONDITION"),
        ("params_set", {"values": {"stake_usd": 7}, "expect_digest": "p9"}, "PRECONDITION"),
        ("params_set", {"values": {"stake_usd": 7}, "reason": 7}, "USAGE"),
        ("params_set", {"values": {"stake_usd": 7}, "dry_run": "yes"}, "USAGE"),
        ("params_rollback", {"version": -1}, "USAGE"),
        ("params_rollback", {"version": 0}, "NOINPUT"),
        ("params", {"op": "c9"}, "NOINPUT"),
    ],
)
def test_a_wish_for_parameters_that_makes_no_sense_is_refused(verb: str, args: dict[str, Any], code: str) -> None:
    """By name, and nobody is asked."""
    still = a_trading_desk()
    assert asked(still, verb, "c1", **args).code == code
    assert not still.wanted(fx.AskRelease)


def test_the_set_that_is_expected_may_be_named_by_version_or_digest() -> None:
    """Four letters of it are enough."""
    still = a_trading_desk()
    digest = still.desk.board.parameters
    for op, expected in (("c1", "p1"), ("c2", digest[:4]), ("c3", digest)):
        reply = asked(still, "params_set", op, values={"stake_usd": 7}, expect_digest=expected, dry_run=True)
        assert (reply.ok, reply.changed) == (True, False)
        agree(still, op)


def test_one_change_of_parameters_at_a_time() -> None:
    """Another one is refused while one is on its way; what is in force already changes nothing."""
    still = a_trading_desk()
    assert asked(still, "params_set", "c1", values={"stake_usd": 7}).ok
    assert asked(still, "params_set", "c2", values={"stake_usd": 8}).code == "LOCKED"
    agree(still, "c1")
    still.jump(0)
    again = asked(still, "params_set", "c3", values={"stake_usd": 7})
    assert (again.ok, again.changed, again.message) == (True, False, "p2 has these values already")


def test_a_desk_without_a_release_has_nobody_to_ask() -> None:
    """Nothing is set that nobody has agreed to."""
    still = StillDesk()
    still.begin(first=None)
    assert asked(still, "params_set", "c1", values={"stake_usd": 7}).code == "PRECONDITION"
