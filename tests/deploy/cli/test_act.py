"""Verbs that close and open entries."""

from __future__ import annotations

import pytest
from kit.commands import ctl, document
from kit.desk_socket import PlayedDesk, a_reply, a_status

from shared.paths import State


def test_a_halt_asks_nobody_and_wants_to_know_why(state: State) -> None:
    """Without a reason it says so as every error is said, and nothing is asked of the desk but who trades."""
    with PlayedDesk(state, halt=a_reply(message="halted", changed=True), status=a_reply(data=a_status())) as desk:
        refused = ctl(state, "halt", "--reason", " ")
        assert (refused.exit_code, document(ctl(state, "halt", "--json"))["code"]) == (2, "USAGE")
        what, trading, typed = refused.stderr.splitlines()
        assert what == "foresightctl: this needs a --reason, for whoever looks at the desk later"
        assert (trading, typed.split()[:3]) == ("  trading  r41 a1b2c3d4, TRADING", ["next", "foresightctl", "halt"])
        assert ctl(state, "halt", "--reason", "news").stdout == "halted\n"
    assert [request.args for request in desk.asked("halt")] == [{"reason": "news"}]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_entries_are_closed_and_opened_without_a_question(verb: str, state: State) -> None:
    """The reason goes along; what changed is told."""
    with PlayedDesk(state, **{verb: a_reply(message="done", changed=True)}) as desk:
        result = ctl(state, verb, "--reason", "news at two")
        assert document(ctl(state, verb, "--json"))["changed"]
    assert (result.exit_code, result.stdout, result.stderr) == (0, "done\n", "")
    assert [request.args for request in desk.asked(verb)] == [{"reason": "news at two"}, {"reason": ""}]


def test_what_is_so_already_is_no_change(state: State) -> None:
    """And no error."""
    with PlayedDesk(state, pause=a_reply(message="already paused")):
        assert ctl(state, "pause").stdout == "already paused\n"
        assert document(ctl(state, "pause", "-j"))["changed"] is False


def test_a_resume_that_is_paused_again_says_so(state: State) -> None:
    """Its code is of the twenties: something changed, and was put back."""
    with PlayedDesk(state, resume=a_reply("RE_PAUSED", "the day's loss limit is used up")):
        result = ctl(state, "resume")
    assert result.exit_code == 21
    assert result.stderr.startswith("foresightctl: the day's loss limit is used up\n")
