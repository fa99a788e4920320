"""Deploys that meet each other, that are taken back, and whose command is lost: the operation is the supervisor's."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Final

import msgspec
import pytest
from kit.desks import PATIENCE_S, TWO_ASSETS, Desk, a_desk, eventually
from kit.releases import ROOT

pytestmark = pytest.mark.system
PATIENT: Final = f"{TWO_ASSETS}[deploy]\nwarm_s = 300\n"
"""A release that is held while it warms up waits for as long as the commands beside it take."""


def test_one_deploy_at_a_time() -> None:
    """Another release is refused with the running operation's id; the same release joins it and ends as it does."""
    with a_desk(settings=PATIENT, unhurried=True) as desk:
        held = desk.release("waits_while_warming()")
        op = desk.begin_deploy(held)
        green = desk.until_phase("warming")["operation"]["green"]
        code, reply = desk.deploy(desk.release("takes_its_time()"))
        assert (code, reply["code"]) == (14, "LOCKED")
        assert op in str(reply)
        with desk.begun("deploy", "--green", str(held), words=True) as joined:
            assert joined.stderr is not None
            assert op in joined.stderr.readline().decode()
            desk.let_go(green)
            joined.communicate(timeout=PATIENCE_S)
        assert joined.returncode == 0
        assert desk.ask("status").data["release"]["hash"] == green
        desk.judged()


def test_rollback_gives_the_slots_back_at_once_and_to_any_release() -> None:
    """Right after a deploy to the one before; later to one that is named; each time under a higher epoch."""
    with a_desk(unhurried=True) as desk:
        first = desk.ask("status").data["release"]["hash"]
        second = deployed(desk, "takes_its_time()")
        assert desk.ctl("rollback")[0] == 0
        assert active(desk) == first
        third = deployed(desk, "")
        assert desk.ctl("rollback", second)[0] == 0
        assert active(desk) == second
        assert desk.ctl("rollback", "r3")[0] == 0
        assert active(desk) == third
        assert desk.ctl("rollback", third)[1]["changed"] is False
        assert desk.ctl("rollback", "r99")[0] == 66
        verdict = desk.judged()
        assert not desk.unpaid(verdict)
    assert verdict.flips == 5 * 4


def test_abort_puts_back_what_has_passed() -> None:
    """A slot without a market passes at once, the others wait; an abort gives it back, and nothing is skipped."""
    with a_desk(settings='[slots]\nassets = ["BTC", "SPX"]\n', unhurried=True) as desk:
        desk.until(lambda s: s["slots"]["owned"] == 2, "both slots of BTC with a market, and a tick to have read")
        blue = active(desk)
        op = desk.begin_deploy(desk.release("waits_while_flipping()"))
        desk.until(lambda s: s["operation"] and s["operation"]["flips"] == 2, "two slots to pass")
        assert desk.ctl("abort", op)[0] == 0
        code, document = desk.result(op)
        assert (code, document["data"]["flips"]) == (20, 2)
        assert {slot["release"] for slot in desk.ask("slots").data} == {blue}
        assert desk.ctl("abort")[0] == 66
        assert not desk.unpaid(desk.judged())


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_the_operation_goes_on_without_its_command(number: int, exit_code: int) -> None:
    """A command that is killed, or left with Ctrl-C, changes nothing; whoever waits next hears the end."""
    with a_desk(settings=PATIENT, unhurried=True) as desk:
        with desk.begun("deploy", "--green", str(desk.release("waits_while_warming()"))) as command:
            operation = desk.until_phase("warming")["operation"]
            os.kill(command.pid, number)
            out, _ = command.communicate(timeout=PATIENCE_S)
        assert command.returncode == exit_code
        assert exit_code != 130 or msgspec.json.decode(out)["op"] == operation["op"]
        desk.let_go(operation["green"])
        assert desk.result(operation["op"])[0] == 0
        assert active(desk) == operation["green"]
        desk.judged()


def test_a_wait_that_is_over_says_so() -> None:
    """75, the id to wait for, and an operation that is untouched by it."""
    with a_desk(settings=PATIENT, unhurried=True) as desk:
        op = desk.begin_deploy(desk.release("waits_while_warming()"))
        code, reply = desk.ctl("wait", op, "--timeout", "0.3")
        assert (code, reply["op"]) == (75, op)
        desk.let_go(desk.until_phase("warming")["operation"]["green"])
        assert desk.ctl("wait", op)[0] == 0
        assert desk.ctl("wait", "01NEVERHEARDOFTHISONE")[0] == 66
        desk.judged()


def test_a_pipeline_ships_to_a_real_desk() -> None:
    """The pipeline's step, the real command, the real desk: one line, the deploy's exit code, its results in a file."""
    with a_desk(unhurried=True) as desk:
        results = desk.root / "ship.env"
        ctl = ROOT / ".venv" / "bin" / "foresightctl"
        environ = {**os.environ, "FORESIGHTCTL": str(ctl), "FORESIGHT_STATE_DIR": str(desk.state.root)}
        environ |= {"SHIP_DOTENV": str(results), "SHIP_REASON": "a change"}
        good, bad = desk.release("takes_its_time()"), desk.release("does_not_import()")
        ship = ROOT / "deploy" / "ci" / "ship"
        first = subprocess.run([ship, good], env=environ, capture_output=True, text=True, check=False, timeout=120)
        assert first.returncode == 0, first.stderr
        assert f"FORESIGHT_GREEN={active(desk)}" in results.read_text()
        second = subprocess.run([ship, bad], env=environ, capture_output=True, text=True, check=False, timeout=120)
        assert second.returncode == 10
        assert "REJECTED" in second.stdout
        desk.judged()


def deployed(desk: Desk, behaviour: str) -> str:
    """Deploy another release; its hash."""
    folder = desk.release(behaviour or "answers_slowly(0.0)")
    code, reply = desk.deploy(folder)
    assert code == 0, reply
    return str(reply["data"]["green"])


def active(desk: Desk) -> str:
    """The release that trades."""
    return str(eventually(lambda: desk.ask("status").data["release"], "an active release")["hash"])
