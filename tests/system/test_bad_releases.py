"""Releases that are bad in every way we could think of: the one that trades trades on, and the exit code says so."""

from __future__ import annotations

import json

import pytest
from kit.desks import TWO_ASSETS, a_desk

pytestmark = pytest.mark.system
QUICK = f"{TWO_ASSETS}[deploy]\nhello_s = 4\nwarm_s = 4\n"
"""A desk that gives a worker less time than usual to greet and to read the tape."""
SHORT = f"{TWO_ASSETS}[ticks]\ndeadline_s = 1.5\n"
"""A desk that gives a worker as little time to decide as it does by itself, and more for all else."""


def test_releases_that_fail_before_their_first_slot_change_nothing() -> None:
    """One after the other: each is refused for its own reason, and the worker that trades is never touched."""
    with a_desk(settings=QUICK, unhurried=True) as desk:
        blue = desk.worker()
        for behaviour, exit_code, words in (
            ("does_not_import()", 10, "a room is missing"),
            ("never_greets()", 11, "no greeting for "),
            ("never_ready()", 11, "warm"),
            ("sends_garbage()", 11, "frame"),
            ("sends_too_much()", 11, "over the bound"),
            ("crashes_on_its_first_tick()", 11, "cannot bear a live market"),
        ):
            told = next((t for t in desk.tries(desk.release(behaviour)) if words in t.reply["message"]), None)
            assert told is not None, words
            code, reply = told.code, told.reply
            assert (code, reply["code"]) == (exit_code, {10: "REJECTED", 11: "GATE_FAILED"}[exit_code]), reply
        assert desk.worker().pid == blue.pid
        desk.until_decided()
        desk.until(lambda status: status["slots"]["owned"] == 4, "every slot with its owner and its market")
        verdict = desk.judged()
        assert not desk.unpaid(verdict)
    assert not verdict.flips


def test_a_release_that_fails_when_it_owns_is_put_back() -> None:
    """Every slot that passed to it is blue's again, under a higher epoch; the ticks it cost are named."""
    with a_desk(unhurried=True) as desk:
        blue = desk.ask("status").data["release"]["hash"]
        code, reply = desk.deploy(desk.release("waits_while_attesting(); crashes_when_it_owns()"))
        assert (code, reply["code"]) == (20, "ROLLED_BACK"), reply
        assert "cannot bear a live market" in reply["message"]
        status = desk.until_decided()
        assert status["release"]["hash"] == blue
        assert status["slots"]["owned"] == status["slots"]["open"]
        verdict = desk.judged()
        assert not desk.unpaid(verdict, "owner_dead", "no_owner")


def test_a_release_that_is_too_slow_costs_named_ticks_and_can_be_rolled_back() -> None:
    """Its answers come after their deadline and do not count; who decided in time before decides in time again.

    One tick at least: the second one in a row that it misses on a slot is not skipped, but left to who decides next.
    """
    with a_desk(settings=SHORT, unhurried=True) as desk:
        blue = desk.ask("status").data["release"]["hash"]
        desk.deploy(desk.release("answers_slowly(2.5)"))
        desk.until(lambda s: s["counters"].get("skip:deadline", 0), "a missed deadline")
        code, reply = desk.ctl("rollback", blue, "--reason", "too slow")
        assert code == 0, reply
        assert desk.until_decided()["release"]["hash"] == blue
        verdict = desk.judged()
        assert not desk.unpaid(verdict, "deadline", "owner_dead", "no_owner", "late")


def test_a_worker_reaches_nothing_but_its_scratch_folder() -> None:
    """It tries the network, the key, the records, its own code, another process and the desk's verbs."""
    with a_desk(unhurried=True) as desk:
        release = desk.release(f"tries_to_escape({str(desk.state.root)!r})")
        code, reply = desk.deploy(release)
        assert code == 0, reply
        report = json.loads((desk.scratch(reply["data"]["green"]) / "report.json").read_text())
        assert report.pop("scratch").startswith("done")
        assert report.pop("command") == "done: NOPERM"
        assert {name: came for name, came in report.items() if not came.startswith("refused")} == {}
        desk.judged()
