"""foresightctl transfer: whose word it needs, and what it asks of the desk."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest
from kit.clocks import PATIENCE_S
from kit.commands import ctl, document
from kit.desk_socket import PlayedDesk, a_reply, a_status
from kit.desks import CTL
from kit.releases import ROOT

from shared.messages import Reply
from shared.paths import State


def missing(*micro: int) -> Reply:
    """The status of a desk whose cash differs by this."""
    reconciled = a_status()["reconciled"] | {"missing_micro": list(micro)}
    return a_reply(data=a_status(reconciled=reconciled))


def test_an_amount_that_is_named_is_asked_for_as_it_is(state: State) -> None:
    """The desk holds it against what differs; also a withdrawal is typed without ado."""
    with PlayedDesk(state, transfer=a_reply(message="taken over", changed=True)) as desk:
        result = ctl(state, "transfer", "--amount", "-20.5", "--reason", "the rent")
    assert (result.exit_code, result.stdout) == (0, "taken over\n")
    assert [request.args for request in desk.asked("transfer")] == [{"amount": "-20.5", "reason": "the rent"}]


def test_a_transfer_without_a_reason_is_not_asked_for(state: State) -> None:
    """2, in the style of every error."""
    with PlayedDesk(state, status=missing(50_000_000)) as desk:
        answer = document(ctl(state, "transfer", "--amount", "+50", "--json"))
    assert (answer["exit"], desk.asked("transfer")) == (2, [])


@pytest.mark.parametrize(
    ("found", "code", "hint"),
    [
        ((), "PRECONDITION", "foresightctl status"),
        ((50_000_000, 50_000_000), "DECLINED", "foresightctl transfer --amount +50 --reason 'a deposit'"),
        ((10_000_000, 11_880_000), "TEMPFAIL", "foresightctl transfer --amount USD --reason 'a deposit'"),
    ],
)
def test_without_an_amount_and_a_terminal_nothing_is_taken_over(
    state: State, found: tuple[int, ...], code: str, hint: str
) -> None:
    """Nothing differs, nobody is there to confirm it, or it is not yet one amount: each with what to type."""
    with PlayedDesk(state, status=missing(*found)) as desk:
        answer = document(ctl(state, "transfer", "--reason", "a deposit", "--json"))
    assert (answer["code"], answer["hint"], desk.asked("transfer")) == (code, [hint], [])


@pytest.mark.parametrize(
    ("typed", "code", "wishes"), [("+50", 0, 1), ("50.00", 0, 1), ("yes", 17, 0), ("-50", 17, 0), ("", 17, 0)]
)
def test_a_person_types_the_amount_that_was_shown(state: State, typed: str, code: int, wishes: int) -> None:
    """On a real terminal; anything else declines."""
    ours, theirs = pty.openpty()
    command = [*CTL, "transfer", "--reason", "deposit", "--state-dir", str(state.root)]
    desk = PlayedDesk(state, status=missing(50_000_000, 50_000_000), transfer=a_reply(message="taken over"))
    with desk, subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=-1, stderr=subprocess.STDOUT) as ran:
        os.write(ours, typed.encode() + b"\n")
        said = ran.communicate(timeout=PATIENCE_S)[0].decode()
    os.close(ours)
    os.close(theirs)
    assert (ran.returncode, len(desk.asked("transfer"))) == (code, wishes), said
    assert "+50 at the venue is not in our books." in said
