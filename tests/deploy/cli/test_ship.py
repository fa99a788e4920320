"""Verbs that move releases: what each asks of the desk, and what it does with the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.commands import ctl, document, told
from kit.desk_socket import OP, TRADING, PlayedDesk, a_forecast, a_reply, a_status, an_operation
from kit.releases import STRATEGY, a_checkout, another_checkout

from deploy.release import index
from shared.outcomes import EXIT
from shared.paths import State

BEGUN = a_reply(message="deploy began", op=OP, changed=True)


@pytest.fixture
def checkout(tmp_path: Path) -> str:
    """A folder that can be staged."""
    return str(a_checkout(tmp_path / "checkout"))


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
    """The desk knows which one came before; whoever wants to be sure says what they expect."""
    with PlayedDesk(state, rollback=BEGUN, operation=a_reply(data=an_operation("OK", verb="rollback"))) as desk:
        assert ctl(state, "rollback", "--reason", "losing").exit_code == 0
        expecting = ("--op", "01RUNS", "--expect-active", "r42")
        assert ctl(state, "rollback", "r40", "--id", "01K", *expecting).exit_code == 0
    first, second = desk.asked("rollback")
    nothing = {"release": "", "op": "", "expect_active": "", "reason": ""}
    assert (first.args, len(first.op)) == (nothing | {"reason": "losing"}, 26)
    assert second.args == nothing | {"release": "r40", "op": "01RUNS", "expect_active": "r42"}
    assert second.op == "01K"


def test_a_rollback_of_a_deploy_that_runs_waits_until_it_is_back(state: State) -> None:
    """It joined the deploy, which ends rolled back: what was asked for holds."""
    with PlayedDesk(state, rollback=BEGUN, operation=a_reply(data=an_operation("ROLLED_BACK", flips=2))):
        answer = document(ctl(state, "rollback", "--json"))
    assert (answer["exit"], answer["op"], answer["changed"]) == (0, OP, True)


def test_a_rollback_that_is_taken_back_itself_is_no_rollback(state: State) -> None:
    """13: the release that should have gone trades on."""
    with PlayedDesk(state, rollback=BEGUN, operation=a_reply(data=an_operation("ABORTED", verb="rollback"))):
        assert ctl(state, "rollback").exit_code == 13


def test_a_rollback_with_nothing_before_it(state: State) -> None:
    """66."""
    with PlayedDesk(state, rollback=a_reply("NOINPUT", "no release traded before this one")):
        assert ctl(state, "rollback").exit_code == 66


def test_abort_is_a_verb(state: State) -> None:
    """Of the operation that runs, or of the one that is named and no other."""
    begun = a_reply(message=f"{OP} is being put back", op=OP, changed=True)
    with PlayedDesk(state, abort=begun, operation=a_reply(data=an_operation("ABORTED"))) as desk:
        assert ctl(state, "abort", "--no-wait").stdout == f"{OP} is being put back\n"
        assert document(ctl(state, "abort", OP, "-j"))["changed"]
    assert [request.args for request in desk.asked("abort")] == [{}, {"op": OP}]
    assert [request.args for request in desk.asked("operation")] == [{"op": OP}]


def test_promote_lets_an_operation_go_on_and_sees_it_through(state: State) -> None:
    """The one that is named; a late command cannot hit the next deploy."""
    answers = {"promote": a_reply(message="goes on", op=OP, changed=True)}
    with PlayedDesk(state, **answers, operation=a_reply(data=an_operation("OK", flips=18))) as desk:
        assert ctl(state, "promote", OP).stdout.startswith("Active: r42 9f31c7e0. 18 slots passed.")
        assert ctl(state, "promote", OP, "--no-wait").stdout == "goes on\n"
        assert ctl(state, "promote").exit_code == 2
    assert [request.args for request in desk.asked("promote")] == [{"op": OP}] * 2


@pytest.mark.parametrize(("code", "exit_code"), [("PRECONDITION", 16), ("NOINPUT", 66)])
def test_what_is_not_held_cannot_be_promoted(code: str, exit_code: int, state: State) -> None:
    """Because it runs, or because nobody knows it."""
    with PlayedDesk(state, promote=a_reply(code, "it is not held")):
        assert ctl(state, "promote", OP).exit_code == exit_code


# --- how it shall go, and what would happen ---


def test_a_plan_is_asked_of_the_desk_as_it_was_said(state: State, checkout: str) -> None:
    """What was not said is left to the desk's settings."""
    said = (
        *("--expect", "change", "--no-trial", "--shadow", "240", "--bake", "10m", "--rings", "1,4,all"),
        *("--hold-before", "flip", "--flip-policy", "drain", "--boundary-timeout", "90s", "--no-auto-rollback"),
        *("--trail", "12h", "--override", "the exchange moves tonight"),
    )
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": BEGUN}
    with PlayedDesk(state, **answers) as desk:
        ctl(state, "deploy", "--green", checkout, "--no-wait", *said)
        ctl(state, "deploy", "--green", checkout, "--no-wait")
    first, second = (request.args for request in desk.asked("deploy"))
    assert first["plan"] == {
        "expect": "change",
        "trial": False,
        "shadow_pairs": 240,
        "bake_s": 600.0,
        "rings": [1, 4],
        "hold_before": "flip",
        "flip_policy": "drain",
        "boundary_s": 90.0,
        "take_back": False,
        "trail_s": 43_200.0,
    }
    assert (first["override"], second["override"], second["plan"]) == ("the exchange moves tonight", "", {})


WRONG = {
    "--expect": ("same", "'identical', 'change', 'any'"),
    "--shadow": ("-1", "0<=x<=100000"),
    "--bake": ("30", "write it like 90s, 10m, 2h"),
    "--rings": ("1;4", "like 1,4,all"),
    "--hold-before": ("bake", "'shadow', 'flip', 'retire'"),
    "--flip-policy": ("now", "'calm', 'drain', 'market-close', 'any'"),
    "--boundary-timeout": ("0", "is no time at all"),
    "--trail": ("8d", "is longer than 168h"),
    "--override": ("x" * 501, "501 letters are over the bound of 500"),
    "--reason": ("x" * 501, "501 letters are over the bound of 500"),
    "--id": ("my deploy", "write it like ci-8841"),
    "--expect-active": ("r41;r42", "write it like r41 or 9f31c7e0"),
    "--timeout": ("nan", "write it like 90s, 10m, 2h"),
}


@pytest.mark.parametrize("flag", WRONG)
def test_what_cannot_be_meant_is_refused_in_one_line(flag: str, state: State, checkout: str) -> None:
    """2, before anything is staged or asked; the line names the flag and what can be written."""
    said, words = WRONG[flag]
    result = ctl(state, "deploy", "--green", checkout, flag, said)
    assert (result.exit_code, result.stdout) == (2, "")
    fault = result.stderr.splitlines()[-1]
    assert fault.startswith(f"Error: Invalid value for '{flag}': ")
    assert words in fault
    assert not state.releases.exists()


def test_a_dry_run_shows_what_would_happen_and_begins_nothing(state: State, checkout: str) -> None:
    """0 if it would start. It has no id: a desk that knows no dry runs refuses it instead of deploying."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": a_reply(data=a_forecast())}
    with PlayedDesk(state, **answers) as desk:
        people = ctl(state, "deploy", "--green", checkout, "--dry-run")
        answer = document(ctl(state, "deploy", "--green", checkout, "--dry-run", "-j"))
    assert (people.exit_code, people.stderr) == (0, "")
    assert people.stdout.startswith("would      deploy r42 9f31c7e0 over r41 a1b2c3d4: it would start\n")
    assert (answer["code"], answer["changed"], answer["data"]) == ("OK", False, a_forecast())
    assert [(request.op, request.args["dry_run"]) for request in desk.asked("deploy")] == [("", True)] * 2
    assert not desk.asked("operation")


@pytest.mark.parametrize("would", ["POLICY", "LOCKED", "PRECONDITION"])
def test_a_dry_run_ends_with_the_code_a_deploy_would(would: str, state: State, checkout: str) -> None:
    """The screen is there all the same; who trades is said as always."""
    refusal = a_reply(would, "no", data=a_forecast(would))
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": refusal}
    with PlayedDesk(state, **answers):
        people = ctl(state, "deploy", "--green", checkout, "--dry-run")
        answer = document(ctl(state, "deploy", "--green", checkout, "--dry-run", "-j"))
    assert people.exit_code == EXIT[would] == answer["exit"]
    assert people.stdout.startswith("would      deploy r42 9f31c7e0 over r41 a1b2c3d4: 1")
    assert people.stderr.splitlines() == ["foresightctl: no", "  trading  r41 a1b2c3d4, TRADING"]


def test_a_dry_run_that_is_refused_says_so(state: State, checkout: str) -> None:
    """By a desk that does not know it, or for what is wrong with the request."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": a_reply("USAGE", "needs an id")}
    with PlayedDesk(state, **answers):
        assert ctl(state, "deploy", "--green", checkout, "--dry-run").exit_code == 2


def test_two_releases_that_differ_have_two_hashes(state: State, tmp_path: Path) -> None:
    """What is asked of the desk is the release that was staged, not the one before."""
    answers = {"status": a_reply(data=a_status()), "register": a_reply(), "deploy": BEGUN}
    with PlayedDesk(state, **answers) as desk:
        for number in (1, 2):
            folder = another_checkout(tmp_path / str(number), number)
            ctl(state, "deploy", "--green", str(folder), "--no-wait")
    assert [request.args["release"] for request in desk.asked("deploy")] == [known.release for known in index(state)]
