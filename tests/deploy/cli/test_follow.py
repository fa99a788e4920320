"""Seeing an operation through: every way it can end is a code of its own, and a text that says who trades."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from kit.clocks import PATIENCE_S, eventually
from kit.commands import NEVER, ctl, document, told
from kit.desk_socket import OP, TRADING, PlayedDesk, a_history, a_reply, an_operation
from kit.releases import ROOT

from deploy.cli import follow
from shared.paths import State

CTL = [sys.executable, "-m", "deploy.foresightctl"]
ENDS = {
    "OK": (0, 10),
    "REJECTED": (10, 0),
    "GATE_FAILED": (11, 0),
    "NO_BOUNDARY": (12, 0),
    "ABORTED": (13, 0),
    "ROLLED_BACK": (20, 4),
    "UNKNOWN": (30, 4),
    "ROLLBACK_FAILED": (31, 4),
    "SPLIT": (32, 10),
}
"""How an operation can end: the exit code, and how many slots have passed on."""


# --- how it ended ---


@pytest.mark.parametrize("result", ENDS)
def test_an_operation_ends_with_its_own_code(result: str, state: State) -> None:
    """For people and for programs alike; something changed if a slot passed on."""
    code, flips = ENDS[result]
    view = an_operation(result, flips=flips)
    with PlayedDesk(state, operation=[a_reply(data=an_operation()), a_reply(data=view)]):
        answer = document(ctl(state, "wait", OP, "--json"))
        people = ctl(state, "wait", OP)
    assert (answer["exit"], answer["code"], answer["changed"]) == (code, result, flips > 0)
    assert (answer["data"], answer["op"], answer["trading"]) == (view, OP, TRADING)
    assert people.exit_code == code


def test_success_says_how_to_take_it_back(state: State) -> None:
    """The result is on standard output, one line; what took how long is on standard error."""
    rings = ("flipping", "attesting", "baking") * 2
    view = an_operation("OK", flips=10, history=a_history("spawning", "warming", *rings, "retiring"))
    with PlayedDesk(state, operation=a_reply(data=view)):
        result = ctl(state, "wait", OP)
    assert result.stdout == "Active: r42 9f31c7e0. 10 slots passed.   Undo: foresightctl rollback a1b2c3d4\n"
    assert [line[7:17].rstrip() for line in told(result.stderr)] == [
        *("spawn", "warm", "flip 1/2", "attest 1/2", "bake 1/2", "flip 2/2", "attest 2/2", "bake 2/2", "retire")
    ]
    assert told(result.stderr)[1].endswith("   93 ms")


def test_the_first_release_has_nothing_to_go_back_to(state: State) -> None:
    """So nothing is offered."""
    with PlayedDesk(state, operation=a_reply(data=an_operation("OK", blue="", flips=4))):
        assert ctl(state, "wait", OP).stdout == "Active: r42 9f31c7e0. 4 slots passed.\n"


def test_failure_says_why_who_trades_and_where_to_look(state: State) -> None:
    """In that order."""
    with PlayedDesk(state, operation=a_reply(data=an_operation("GATE_FAILED"))):
        result = ctl(state, "wait", OP)
    assert result.stdout == ""
    assert [line for line in result.stderr.splitlines() if not line.startswith("20")] == [
        "foresightctl: deploy of r42 9f31c7e0 ended GATE_FAILED: it was not heard for 5.0 s",
        "  trading  r41 a1b2c3d4, TRADING",
        f"  next     foresightctl op show {OP}",
        "  next     foresightctl events",
    ]


def test_each_phase_and_each_wait_is_told_once(state: State) -> None:
    """However often the desk is asked meanwhile."""
    waits = an_operation(phase="flipping", waiting={"BTC/5m": "an unanswered order"})
    views = [an_operation(history=[]), an_operation(), an_operation(), waits, waits, an_operation("OK")]
    with PlayedDesk(state, operation=[a_reply(data=view) for view in views]):
        result = ctl(state, "wait", OP)
    lines = told(result.stderr)
    assert [line.split()[0] for line in lines] == ["ok", "ok", ".."]
    assert lines[2] == "  ..   waiting for BTC/5m: an unanswered order"


def test_an_operation_nobody_knows(state: State) -> None:
    """Is not found: 66, at once."""
    with PlayedDesk(state, operation=a_reply("NOINPUT", "no operation nope")):
        assert document(ctl(state, "wait", "nope", "-j"))["exit"] == 66


# --- a person's word is needed ---


def held(**fields: Any) -> dict[str, Any]:
    """An operation that goes on when somebody says so."""
    history = a_history("spawning", "warming", "held")
    return an_operation(phase="held", after="flipping", history=history, **fields)


def test_a_hold_that_was_asked_for_is_a_good_end(state: State) -> None:
    """0, and both ways on are there to be typed; nothing has passed yet."""
    with PlayedDesk(state, operation=a_reply(data=held(held_for="as asked"))):
        people = ctl(state, "wait", OP)
        answer = document(ctl(state, "wait", OP, "--json"))
    assert people.stdout.splitlines() == [
        f"{OP} is held before flip, as asked; nothing has passed.",
        f"  next     foresightctl promote {OP}",
        f"  next     foresightctl abort {OP}",
    ]
    assert (answer["exit"], answer["code"], answer["changed"]) == (0, "OK", False)
    assert answer["hint"] == [f"foresightctl promote {OP}", f"foresightctl abort {OP}"]


def test_a_hold_that_nobody_asked_for_has_to_be_decided(state: State) -> None:
    """75: it goes on when a person has looked, and the reason is in the text."""
    view = held(held_for="shadow took too long: 12 of 240 pairs", flips=3)
    with PlayedDesk(state, operation=a_reply(data=view)):
        people = ctl(state, "wait", OP)
        answer = document(ctl(state, "wait", OP, "-j"))
    assert people.stderr.splitlines()[-4:] == [
        f"foresightctl: {OP} is held before flip: shadow took too long: 12 of 240 pairs; 3 slots passed",
        "  trading  r41 a1b2c3d4, TRADING",
        f"  next     foresightctl promote {OP}",
        f"  next     foresightctl abort {OP}",
    ]
    assert (answer["exit"], answer["code"], answer["changed"]) == (75, "TEMPFAIL", True)


@pytest.mark.parametrize("result", ["ABORTED", "ROLLED_BACK", "GATE_FAILED"])
def test_who_wants_it_back_is_content_when_it_is_back(result: str, state: State) -> None:
    """`abort` asked that blue trades: that holds, whatever the deploy itself is called afterwards."""
    views = [held(held_for="as asked"), an_operation(result, phase="restoring", flips=4)]
    begun = a_reply(message="is being put back", op=OP, changed=True)
    with PlayedDesk(state, abort=begun, operation=[a_reply(data=view) for view in views]):
        people = ctl(state, "abort", OP)
    assert people.exit_code == 0
    assert people.stdout == f"Put back: deploy {OP} ended {result}. r41 a1b2c3d4 trades.\n"


def test_a_first_release_that_is_taken_back_leaves_nobody(state: State) -> None:
    """Which is said, too."""
    view = an_operation("ABORTED", blue="", flips=2)
    begun = a_reply(message="is being put back", op=OP, changed=True)
    with PlayedDesk(state, abort=begun, operation=a_reply(data=view, trading={"state": "NO RELEASE"})):
        people = ctl(state, "abort", OP)
    assert people.exit_code == 0
    assert people.stdout == f"Put back: deploy {OP} ended ABORTED. No release trades.\n"


def test_what_could_not_be_put_back_is_no_good_end_for_anybody(state: State) -> None:
    """31: a person is needed now."""
    begun = a_reply(message="is being put back", op=OP, changed=True)
    with PlayedDesk(state, abort=begun, operation=a_reply(data=an_operation("ROLLBACK_FAILED", flips=4))):
        assert ctl(state, "abort", OP).exit_code == 31


# --- leaving it ---


def test_a_wait_that_is_over_leaves_the_operation_alone(state: State) -> None:
    """75: it goes on, here is how to come back."""
    with PlayedDesk(state, operation=a_reply(data=an_operation(flips=2))):
        people = ctl(state, "wait", OP, "--timeout", "0.2")
        answer = document(ctl(state, "wait", OP, "--timeout", "0.2", "--json"))
    assert people.exit_code == 75
    assert people.stderr.splitlines()[-3:] == [
        f"foresightctl: the wait of 0.2s is over; {OP} goes on in phase warming",
        "  trading  r41 a1b2c3d4, TRADING",
        f"  next     foresightctl wait {OP}",
    ]
    assert (answer["code"], answer["changed"], answer["op"], answer["data"]["flips"]) == ("TEMPFAIL", True, OP, 2)
    assert answer["hint"] == [f"foresightctl wait {OP}"]


@pytest.mark.parametrize("said", ["-1", "nan", "inf"])
def test_a_wait_is_a_finite_time(said: str, state: State) -> None:
    """What no clock can count to is a slip of the command line, before anything is asked."""
    assert ctl(state, "wait", OP, "--timeout", said).exit_code == 2


@pytest.mark.parametrize("as_json", [False, True], ids=["for people", "for programs"])
def test_ctrl_c_leaves_the_operation_alone(as_json: bool, state: State) -> None:
    """130, and not a word to the desk: to abort is a verb of its own."""
    with PlayedDesk(state, operation=a_reply(data=an_operation())) as desk:
        command = [*CTL, "wait", OP, "--state-dir", str(state.root), *(["--json"] if as_json else [])]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert eventually(lambda: len(desk.heard) >= 3)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert {request.verb for request in desk.heard} == {"operation"}
    assert not any(word in out + err for word in NEVER)
    if as_json:
        assert '"exit":130,"code":"INTERRUPTED"' in out
    else:
        assert f"foresightctl: you left; {OP} goes on in phase warming\n" in err


def test_a_quiet_operation_is_looked_at_less_often() -> None:
    """At once while something happens; once a second while it bakes for an hour."""
    pauses = [follow._pause_s(quiet_s) for quiet_s in (0, 2.5, 10, 3_600)]
    assert pauses == [follow.POLL_S, follow.POLL_S, 0.2, follow.POLL_MAX_S]


def test_a_supervisor_that_comes_back_is_waited_for(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started again in the middle of an operation, and knows how that ended."""
    monkeypatch.setattr(follow, "GONE_S", 30.0)
    with PlayedDesk(state, operation=a_reply(data=an_operation())) as before:
        codes: list[int] = []
        waiter = threading.Thread(target=lambda: codes.append(ctl(state, "wait", OP).exit_code))
        waiter.start()
        assert eventually(lambda: before.heard)
    with PlayedDesk(state, operation=a_reply(data=an_operation("ROLLED_BACK"))):
        waiter.join(PATIENCE_S)
    assert codes == [20]


def test_a_supervisor_that_stays_away_makes_the_outcome_unknown(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """30: a person is needed now."""
    monkeypatch.setattr(follow, "GONE_S", 0.2)
    answer = document(ctl(state, "wait", OP, "--json"))
    assert (answer["exit"], answer["code"], answer["trading"]["state"]) == (30, "UNKNOWN", "UNKNOWN")
    assert f"the outcome of {OP} cannot be proved: no supervisor runs in " in answer["message"]
