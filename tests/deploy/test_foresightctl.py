"""foresightctl as a whole: its verbs, and what they do to a real desk. What they say is what is so."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from kit.clocks import PATIENCE_S, eventually
from kit.commands import NEVER
from kit.desks import CTL, TWO_ASSETS, UNHURRIED, Desk, a_desk
from kit.releases import ROOT

from deploy.foresightctl import VERBS, main
from shared import entries as e

RIGHT_AWAY = "0.3"
PATIENT = UNHURRIED.replace("hello_s = 60", "hello_s = 20").replace("warm_s = 60", "warm_s = 120")
"""Nobody is given up for a machine that is busy; a worker that never greets is found out as late as that needs."""


def verbs_of_help() -> list[str]:
    """What the help lists, in its order."""
    listed = CliRunner().invoke(main, ["--help"]).stdout.split("Commands:\n")[1]
    return [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]


# --- the command line ---


def test_help_lists_every_verb() -> None:
    """What looks first, what moves releases last."""
    assert verbs_of_help() == list(VERBS)


GROUPS = {"op": ("show", "list"), "audit": ("verify",), "params": ("show", "set", "diff", "rollback")}


@pytest.mark.parametrize(
    "words",
    [[verb, sub] for verb, subs in GROUPS.items() for sub in subs] + [[verb] for verb in VERBS if verb not in GROUPS],
)
def test_every_verb_has_help_and_the_same_flags(words: list[str]) -> None:
    """For programs, and for another desk."""
    result = CliRunner().invoke(main, [*words, "-h"])
    assert result.exit_code == 0
    assert "-j, --json" in result.stdout
    assert "--state-dir PATH" in result.stdout


@pytest.mark.parametrize("arguments", [["dance"], ["statu"], ["status", "--jsn"], ["wait"], ["events", "-n", "many"]])
def test_what_cannot_be_understood_is_a_usage_fault(arguments: list[str]) -> None:
    """2, and nothing is asked of anybody."""
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


def test_a_slip_of_the_finger_is_understood_by_a_person() -> None:
    """The nearest verb is named, and not done."""
    assert "Did you mean 'deploy'?" in CliRunner().invoke(main, ["depoly"]).stderr


def test_the_version_is_the_distributions() -> None:
    """As a package manager knows it."""
    assert CliRunner().invoke(main, ["--version"]).exit_code == 0


# --- on a real desk ---


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A desk that trades, judged when everybody has had their way with it."""
    with a_desk(settings=TWO_ASSETS + PATIENT) as desk:
        yield desk
        desk.judged()


def trades(desk: Desk, answer: dict[str, Any]) -> bool:
    """Whether an answer names the release that trades; a feed may fall silent, or be heard again, meanwhile."""
    trading = answer["trading"] | {"state": ""}
    assert answer["trading"]["state"] in {"TRADING", "DEGRADED"}
    return bool(trading == {**desk.ask("status").data["release"], "state": ""})


@pytest.fixture
def held(desk: Desk) -> Iterator[str]:
    """An operation that goes on until it is aborted."""
    op = desk.begin_deploy(desk.release("never_ready()"))
    desk.until_phase("warming")
    yield op
    desk.ctl("abort")
    desk.until(lambda status: status["operation"] is None, "the end of the operation")


@pytest.mark.system
class TestOnADesk:
    """Each leaves the desk trading, with no operation in progress."""

    def test_looking_changes_nothing(self, desk: Desk) -> None:
        """Every look is good, is one document, and says who trades."""
        op = desk.said_by(e.Step)[0].op
        for arguments in (["status"], ["slots"], ["releases"], ["events"], ["op", "show", op], ["op", "list"]):
            code, answer = desk.ctl(*arguments)
            assert (code, answer["ok"], answer["changed"]) == (0, True, False)
            assert trades(desk, answer)

    def test_entries_close_and_open(self, desk: Desk) -> None:
        """Each once; who did it and why is in the journal."""
        said = [desk.ctl(verb, "--reason", "news") for verb in ("pause", "pause", "resume", "resume")]
        assert [code for code, _ in said] == [0, 0, 0, 0]
        assert [answer["changed"] for _, answer in said] == [True, False, True, False]
        states = [answer["trading"]["state"] for _, answer in said]
        assert states[:2] == ["PAUSED", "PAUSED"]
        assert set(states[2:]) <= {"TRADING", "DEGRADED"}, states
        paused, resumed = desk.said_by(e.Control)[-2:]
        assert (paused.paused, resumed.paused, paused.reason) == (True, False, "news")
        assert paused.actor.startswith("uid:")

    def test_a_release_takes_over_and_gives_back(self, desk: Desk) -> None:
        """Deployed, deployed again, rolled back; the answer names the release that trades."""
        folder, before = desk.release(strategy=None), desk.ask("status").data["release"]["hash"]
        code, answer = desk.deploy(folder, "--reason", "better")
        assert (code, answer["code"], answer["changed"]) == (0, "OK", True)
        assert answer["trading"]["hash"] == answer["data"]["green"] != before
        assert trades(desk, answer)
        code, again = desk.deploy(folder)
        assert (code, again["changed"], again["op"]) == (0, False, "")
        code, back = desk.ctl("rollback")
        assert (code, back["trading"]["hash"], back["changed"]) == (0, before, True)
        assert trades(desk, back)

    def test_an_operation_repeated_under_its_id_is_the_same(self, desk: Desk) -> None:
        """A pipeline that lost its connection starts nothing twice."""
        folder = desk.release(strategy=None)
        assert desk.deploy(folder, "--id", "01ONCE")[0] == 0
        assert desk.ctl("rollback", "--id", "01BACK")[0] == 0
        flips = len(desk.said_by(e.Boundary))
        code, answer = desk.deploy(folder, "--id", "01ONCE")
        assert (code, answer["op"]) == (0, "01ONCE")
        assert len(desk.said_by(e.Boundary)) == flips

    @pytest.mark.parametrize(
        ("unruly", "arguments", "code"),
        [
            ("does_not_import()", (), "REJECTED"),
            ("never_greets()", (), "GATE_FAILED"),
            ("takes_its_time()", ("--expect-active", "r99"), "PRECONDITION"),
        ],
    )
    def test_a_deploy_that_cannot_be_changes_nothing(
        self, unruly: str, arguments: tuple[str, ...], code: str, desk: Desk
    ) -> None:
        """The release before trades, and the answer names it."""
        before = desk.ask("status").data["release"]
        exit_code, answer = desk.deploy(desk.release(unruly), *arguments)
        assert (answer["code"], answer["changed"], answer["ok"]) == (code, False, False)
        assert exit_code == answer["exit"] in range(10, 20)
        assert desk.ask("status").data["release"] == before
        assert answer["trading"]["hash"] == before["hash"]

    def test_a_second_operation_has_to_wait(self, desk: Desk, held: str) -> None:
        """14, with the id of the first."""
        for arguments in (("deploy", "--green", str(desk.release(strategy=None))), ("rollback", "r2")):
            code, answer = desk.ctl(*arguments)
            assert (code, answer["code"], answer["changed"]) == (14, "LOCKED", False)
            assert any(f"foresightctl wait {held}" in hint for hint in answer["hint"])

    def test_a_rollback_takes_a_running_deploy_back(self, desk: Desk) -> None:
        """It is the same wish; of another operation than the one that runs it is refused."""
        op = desk.begin_deploy(desk.release("never_ready()"))
        desk.until_phase("warming")
        assert desk.ctl("rollback", "--op", "01ANOTHER")[0] == 16
        code, answer = desk.ctl("rollback", "--op", op)
        assert (code, answer["op"], answer["data"]["result"]) == (0, op, "ABORTED")
        assert trades(desk, answer)

    def test_a_deploy_is_held_where_it_was_told_to_and_promoted(self, desk: Desk) -> None:
        """Each of the three commands ends well; whoever promotes sees it through."""
        folder = desk.release("takes_its_time()")
        code, answer = desk.deploy(folder, "--hold-before", "flip")
        assert (code, answer["code"], answer["changed"]) == (0, "OK", False)
        assert trades(desk, answer)
        assert desk.ctl("wait", answer["op"])[0] == 0
        code, promoted = desk.ctl("promote", answer["op"])
        assert (code, promoted["changed"], promoted["trading"]["hash"]) == (0, True, answer["data"]["green"])
        assert desk.ctl("promote", answer["op"])[0] == 66
        assert desk.ctl("rollback")[0] == 0

    def test_a_dry_run_begins_nothing(self, desk: Desk) -> None:
        """It says what would happen, with the code it would have; the journal has not one step more."""
        before = len(desk.said_by(e.Step))
        folder = desk.release("answers_slowly(0.01)")
        answer = dict[str, Any]()

        def shows_three_rings() -> bool:
            """Once each slot has a market: one between two windows goes with the last ring that has one."""
            code, said = desk.deploy(folder, "--dry-run", "--rings", "1,2,all", "--flip-policy", "calm")
            assert (code, said["code"], said["changed"]) == (0, "OK", False)
            answer.update(said)
            return [len(ring) for ring in said["data"]["rings"]] == [1, 2, 1]

        assert eventually(shows_three_rings), answer
        assert "worker/unruly.py" in answer["data"]["changed"]
        assert desk.deploy(folder, "--dry-run", "--expect-active", "r99")[0] == 16
        assert len(desk.said_by(e.Step)) == before

    def test_the_same_release_again_joins_the_operation(self, desk: Desk, held: str) -> None:
        """It is the wait of another command."""
        folder = desk.release("never_ready()")
        code, answer = desk.deploy(folder, "--timeout", RIGHT_AWAY)
        assert (code, answer["code"], answer["op"], answer["changed"]) == (75, "TEMPFAIL", held, False)

    def test_ctrl_c_does_not_abort(self, desk: Desk, held: str) -> None:
        """The operation goes on; abort puts it back, and whoever waits learns so."""
        command = [*CTL, "wait", held, "--state-dir", str(desk.state.root)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert "spawn" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert process.returncode == 130
        assert f"foresightctl: you left; {held} goes on in phase warming\n" in said
        assert desk.ask("status").data["operation"]["op"] == held
        with desk.begun("wait", held) as process:
            assert desk.ctl("abort", held)[0] == 0
            process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 13

    @pytest.mark.parametrize(
        "arguments",
        [
            ("rollback", "r99"),
            ("wait", "nope"),
            ("op", "show", "nope"),
            ("promote", "nope"),
            ("abort",),
            ("deploy", "--green", "?"),
        ],
    )
    def test_what_is_not_there_is_not_found(self, arguments: tuple[str, ...], desk: Desk) -> None:
        """66, and what is there is named."""
        code, answer = desk.ctl(*arguments)
        assert (code, answer["code"], answer["changed"]) == (66, "NOINPUT", False)
        assert answer["hint"]
        assert trades(desk, answer)

    def test_nothing_animates_in_a_pipe(self, desk: Desk) -> None:
        """A deploy's progress has a line for each phase, each with its time."""
        command = [sys.executable, "-m", "deploy.foresightctl", "rollback", "--state-dir", str(desk.state.root)]
        desk.deploy(desk.release(strategy=None))
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env={"FORCE_COLOR": "1"})
        assert not any(word in ran.stdout + ran.stderr for word in NEVER)
        lines = [line.split() for line in ran.stderr.splitlines()]
        assert [line[2] for line in lines if line[1] != ".."] == ["spawn", "warm", "flip", "attest", "retire"]
