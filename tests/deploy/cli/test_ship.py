"""Verbs that move releases: every way an operation can end is a code of its own, and a text that says who trades."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kit.clocks import eventually
from kit.commands import NEVER, ctl, document
from kit.desk_socket import OP, TRADING, PlayedDesk, a_reply, a_status, an_operation
from kit.releases import ROOT, STRATEGY, a_checkout, another_checkout

from deploy.cli import ship
from deploy.release import index
from shared.outcomes import EXIT
from shared.paths import State

CTL = [sys.executable, "-m", "deploy.foresightctl"]
ENDS = {
    "OK": (0, 10),
    "GATE_FAILED": (11, 0),
    "NO_BOUNDARY": (12, 0),
    "ABORTED": (13, 0),
    "ROLLED_BACK": (20, 4),
    "UNKNOWN": (30, 4),
    "ROLLBACK_FAILED": (31, 4),
    "SPLIT": (32, 10),
}
"""How an operation can end: the exit code, and how many slots have passed on."""
BEGUN = a_reply(message="deploy began", op=OP, changed=True)


def told(stderr: str) -> list[str]:
    """Lines of progress, without their time stamps, which they have where nobody watches."""
    stamped = [line.split(" ", 1) for line in stderr.splitlines() if line.startswith("20")]
    assert all(at[-1] == "Z" and len(at) == 20 for at, _ in stamped)
    return [line for _, line in stamped]


@pytest.fixture
def checkout(tmp_path: Path) -> str:
    """A folder that can be staged."""
    return str(a_checkout(tmp_path / "checkout"))


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
    steps = {"stage_copy": 12, "spawning": 93, "warming": 1_900, "flipping": 3, "attesting": 4, "retiring": 6}
    view = an_operation("OK", flips=10, steps_ms=steps)
    with PlayedDesk(state, operation=a_reply(data=view)):
        result = ctl(state, "wait", OP)
    assert result.stdout == "Active: r42 9f31c7e0. 10 slots passed.   Undo: foresightctl rollback a1b2c3d4\n"
    assert [line.split()[1] for line in told(result.stderr)] == ["spawn", "warm", "flip", "attest", "retire"]
    assert told(result.stderr)[1].endswith("   1.9 s")


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
        f"  next     foresightctl operation {OP}",
        "  next     foresightctl events",
    ]


def test_each_phase_and_each_wait_is_told_once(state: State) -> None:
    """However often the desk is asked meanwhile."""
    waits = an_operation(phase="flipping", waiting={"BTC/5m": "an unanswered order"})
    views = [an_operation(steps_ms={}), an_operation(), an_operation(), waits, waits, an_operation("OK", waiting={})]
    with PlayedDesk(state, operation=[a_reply(data=view) for view in views]):
        result = ctl(state, "wait", OP)
    lines = told(result.stderr)
    assert [line.split()[0] for line in lines] == ["ok", ".."]
    assert lines[1] == "  ..   waiting for BTC/5m: an unanswered order"


def test_an_operation_nobody_knows(state: State) -> None:
    """Is not found: 66, at once."""
    with PlayedDesk(state, operation=a_reply("NOINPUT", "no operation nope")):
        assert document(ctl(state, "wait", "nope", "-j"))["exit"] == 66


# --- leaving it ---


def test_a_wait_that_is_over_leaves_the_operation_alone(state: State) -> None:
    """75: it goes on, here is how to come back."""
    with PlayedDesk(state, operation=a_reply(data=an_operation(flips=2))):
        people = ctl(state, "wait", OP, "--timeout", "0.2")
        answer = document(ctl(state, "wait", OP, "--timeout", "0.2", "--json"))
    assert people.exit_code == 75
    assert people.stderr.splitlines()[-3:] == [
        f"foresightctl: the wait of 0.2 s is over; {OP} goes on in phase warming",
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
            out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert {request.verb for request in desk.heard} == {"operation"}
    assert not any(word in out + err for word in NEVER)
    if as_json:
        assert '"exit":130,"code":"INTERRUPTED"' in out
    else:
        assert f"foresightctl: you left; {OP} goes on in phase warming\n" in err


def test_a_supervisor_that_comes_back_is_waited_for(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started again in the middle of an operation, and knows how that ended."""
    monkeypatch.setattr(ship, "GONE_S", 30.0)
    with PlayedDesk(state, operation=a_reply(data=an_operation())) as before:
        codes: list[int] = []
        waiter = threading.Thread(target=lambda: codes.append(ctl(state, "wait", OP).exit_code))
        waiter.start()
        assert eventually(lambda: before.heard)
    with PlayedDesk(state, operation=a_reply(data=an_operation("ROLLED_BACK"))):
        waiter.join(30)
    assert codes == [20]


def test_a_supervisor_that_stays_away_makes_the_outcome_unknown(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """30: a person is needed now."""
    monkeypatch.setattr(ship, "GONE_S", 0.2)
    answer = document(ctl(state, "wait", OP, "--json"))
    assert (answer["exit"], answer["code"], answer["trading"]["state"]) == (30, "UNKNOWN", "UNKNOWN")
    assert f"the outcome of {OP} cannot be proved: no supervisor runs in " in answer["message"]


# --- deploy ---


def test_green_alone_is_the_folder_one_stands_in(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is when nothing is said at all."""
    (tmp_path / "nothing").mkdir()
    monkeypatch.chdir(tmp_path / "nothing")
    with PlayedDesk(state, status=a_reply(data=a_status())):
        alone, unsaid = ctl(state, "deploy", "--green", "--no-wait"), ctl(state, "deploy", "--no-wait")
    assert alone.exit_code == unsaid.exit_code == EXIT["REJECTED"]
    assert alone.stderr == unsaid.stderr


def test_a_deploy_stages_registers_asks_and_sees_it_through(state: State, checkout: str) -> None:
    """One command from a folder to a release that trades."""
    view = an_operation("OK", flips=10)
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": BEGUN}
    with PlayedDesk(state, **answers, operation=a_reply(data=view)) as desk:
        result = ctl(
            state, "deploy", "--green", checkout, "--reason", "recalibrated", "--id", OP, "--expect-active", "r41"
        )
    (known,) = index(state)
    assert [request.verb for request in desk.heard] == ["status", "register", "deploy", "operation"]
    registered, asked = desk.heard[1].args, desk.heard[2]
    assert registered == {"seq": 1, "release": known.release, "lock": known.lock, "modules": known.modules}
    assert asked.op == OP
    assert {name: asked.args[name] for name in ("release", "reason", "expect_active")} == {
        "release": known.release,
        "reason": "recalibrated",
        "expect_active": "r41",
    }
    assert {name.split("_")[0] for name in asked.args["steps_ms"]} == {"stage"}
    over = (
        f"Deploying r1 {known.release[:8]}  over  r41 a1b2c3d4      rehearsal · 18 slots · 3 open positions   op {OP}"
    )
    assert told(result.stderr)[0] == over
    assert told(result.stderr)[1].startswith("  ok   stage    ")
    assert (result.exit_code, result.stdout[:7]) == (0, "Active:")


def test_a_deploy_for_programs_is_one_document(state: State, checkout: str) -> None:
    """Nothing on standard error."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": BEGUN}
    with PlayedDesk(state, **answers, operation=a_reply(data=an_operation("OK"))):
        result = ctl(state, "deploy", "--green", checkout, "--json")
    assert (document(result)["code"], result.stderr) == ("OK", "")


def test_a_deploy_that_nobody_waits_for_comes_back_at_once(state: State, checkout: str) -> None:
    """With the id to wait for."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": BEGUN}
    with PlayedDesk(state, **answers) as desk:
        answer = document(ctl(state, "deploy", "--green", checkout, "--no-wait", "--json"))
    assert (answer["op"], answer["changed"]) == (OP, True)
    assert not desk.asked("operation")


def test_every_deploy_has_an_id_of_its_own(state: State, checkout: str) -> None:
    """Unless one is given."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": BEGUN}
    with PlayedDesk(state, **answers) as desk:
        for _ in range(2):
            ctl(state, "deploy", "--green", checkout, "--no-wait")
    first, second = (request.op for request in desk.asked("deploy"))
    assert len(first) == len(second) == 26
    assert first != second


def test_a_deploy_of_what_trades_already_is_done(state: State, checkout: str) -> None:
    """0, and nothing to wait for."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": a_reply(message="active already")}
    with PlayedDesk(state, **answers):
        result = ctl(state, "deploy", "--green", checkout)
    assert (result.exit_code, result.stdout) == (0, "active already\n")


@pytest.mark.parametrize("code", ["LOCKED", "PRECONDITION", "POLICY", "DECLINED", "NOPERM", "USAGE"])
def test_a_deploy_the_desk_refuses_has_changed_nothing(code: str, state: State, checkout: str) -> None:
    """Its code is the desk's."""
    refusal = a_reply(code, "no", hint=(f"foresightctl wait {OP}",))
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": refusal}
    with PlayedDesk(state, **answers):
        answer = document(ctl(state, "deploy", "--green", checkout, "--json"))
    assert (answer["exit"], answer["changed"], answer["hint"]) == (EXIT[code], False, [f"foresightctl wait {OP}"])


def test_a_release_that_is_broken_is_rejected_before_the_desk_hears_of_it(state: State, tmp_path: Path) -> None:
    """10: what is wrong and where; the old release trades."""
    broken = a_checkout(tmp_path / "broken", {STRATEGY: "def decide(\n"})
    with PlayedDesk(state, status=a_reply(data=a_status())) as desk:
        result = ctl(state, "deploy", "--green", str(broken))
    assert result.exit_code == 10
    assert result.stderr.splitlines() == [
        "foresightctl: rejected: compile: worker/strategy.py:1: '(' was never closed",
        "  trading  r41 a1b2c3d4, TRADING",
        f"  next     foresightctl stage {broken}",
    ]
    assert {request.verb for request in desk.heard} == {"status"}


def test_a_release_whose_files_do_not_add_up_is_rejected_by_the_desk(state: State, checkout: str) -> None:
    """Then no operation begins."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply("REJECTED", "the files do not add up")}
    with PlayedDesk(state, **answers) as desk:
        assert ctl(state, "deploy", "--green", checkout).exit_code == 10
    assert not desk.asked("deploy")


def test_a_release_that_is_not_there(state: State) -> None:
    """66, with what could be meant."""
    with PlayedDesk(state, status=a_reply(data=a_status())):
        result = ctl(state, "deploy", "--green", "r9")
    assert result.exit_code == 66
    assert result.stderr.splitlines()[1:] == [
        "  trading  r41 a1b2c3d4, TRADING",
        "  next     foresightctl releases",
        "  next     foresightctl deploy --green PATH",
    ]


def test_a_disk_that_cannot_be_written_is_no_fault_of_the_release(state: State, checkout: str) -> None:
    """74."""
    state.releases.write_text("a file where the folder should be")
    with PlayedDesk(state, status=a_reply(data=a_status())):
        answer = document(ctl(state, "deploy", "--green", checkout, "-j"))
    assert (answer["exit"], answer["code"]) == (74, "IOERR")


def test_nothing_is_staged_for_a_desk_that_does_not_answer(state: State, checkout: str) -> None:
    """69, at once."""
    assert ctl(state, "deploy", "--green", checkout).exit_code == 69
    assert not state.releases.exists()


# --- stage, rollback, abort ---


def test_staging_tells_the_desk(state: State, checkout: str) -> None:
    """Which then knows the release, and trades as before."""
    with PlayedDesk(state, register=a_reply()) as desk:
        first = document(ctl(state, "stage", checkout, "--json"))
        people = ctl(state, "stage", checkout)
    (known,) = index(state)
    assert (first["trading"], first["changed"], first["data"]["release"]) == (TRADING, True, known.release)
    assert people.stdout == f"r1 {known.release} was staged already: {len(known.modules)} files\n"
    assert len(desk.asked("register")) == 2


def test_staging_needs_no_desk(state: State, checkout: str) -> None:
    """A release can be there before one runs."""
    result = ctl(state, "stage", checkout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith(" files; no desk runs, so none was told\n")
    assert "state" in document(ctl(state, "stage", checkout, "--json"))["trading"]


def test_a_rollback_names_a_release_or_none(state: State) -> None:
    """The desk knows which one came before."""
    with PlayedDesk(state, rollback=BEGUN, operation=a_reply(data=an_operation("OK", verb="rollback"))) as desk:
        assert ctl(state, "rollback", "--reason", "losing").exit_code == 0
        assert ctl(state, "rollback", "r40", "--id", "01K").exit_code == 0
    first, second = desk.asked("rollback")
    assert (first.args, len(first.op)) == ({"release": "", "reason": "losing"}, 26)
    assert (second.args, second.op) == ({"release": "r40", "reason": ""}, "01K")


def test_a_rollback_with_nothing_before_it(state: State) -> None:
    """66."""
    with PlayedDesk(state, rollback=a_reply("NOINPUT", "no release traded before this one")):
        assert ctl(state, "rollback").exit_code == 66


def test_abort_is_a_verb(state: State) -> None:
    """Of the operation that runs, or of the one that is named and no other."""
    with PlayedDesk(state, abort=a_reply(message=f"{OP} is being put back", changed=True)) as desk:
        assert ctl(state, "abort").stdout == f"{OP} is being put back\n"
        assert document(ctl(state, "abort", OP, "-j"))["changed"]
    assert [request.args for request in desk.heard] == [{}, {"op": OP}]


def test_two_releases_that_differ_have_two_hashes(state: State, tmp_path: Path) -> None:
    """What is asked of the desk is the release that was staged, not the one before."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": BEGUN}
    with PlayedDesk(state, **answers) as desk:
        for number in (1, 2):
            folder = another_checkout(tmp_path / str(number), number)
            ctl(state, "deploy", "--green", str(folder), "--no-wait")
    assert [request.args["release"] for request in desk.asked("deploy")] == [known.release for known in index(state)]
