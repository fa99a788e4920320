"""Arming a desk for real money: only a person at a terminal, only by typing the wallet."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest
from kit.clocks import PATIENCE_S
from kit.commands import ctl, document
from kit.desks import CTL
from kit.releases import ROOT

from shared import arming
from shared.paths import State

WALLET = "0x" + "aB" * 20


def armed_at_a_terminal(state: State, typed: str) -> int:
    """A person types this; the exit code."""
    ours, theirs = pty.openpty()
    command = [*CTL, "arm", "--state-dir", str(state.root)]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as ran:
        os.write(ours, typed.encode() + b"\n")
        ran.communicate(timeout=PATIENCE_S)
    os.close(ours)
    os.close(theirs)
    return ran.returncode


def test_a_person_arms_a_desk_by_typing_its_wallet(state: State) -> None:
    """On this machine, as this user; and takes it back."""
    assert armed_at_a_terminal(state, WALLET) == 0
    word = arming.read(state.arming)
    assert word is not None
    assert (word.wallet, word.machine, word.uid) == (WALLET, arming.this_machine(), os.getuid())
    assert document(ctl(state, "disarm", "-j"))["changed"]
    assert arming.read(state.arming) is None
    assert not document(ctl(state, "disarm", "-j"))["changed"]


@pytest.mark.parametrize("typed", ["", "yes", WALLET[:-1], f"{WALLET} please"])
def test_whoever_types_something_else_arms_nothing(state: State, typed: str) -> None:
    """17, and no file."""
    assert armed_at_a_terminal(state, typed) == 17
    assert not state.arming.exists()


def test_no_script_arms_a_desk(state: State) -> None:
    """Whatever is piped in: there is no flag for it either."""
    for arguments in (("arm",), ("arm", "-j")):
        result = ctl(state, *arguments)
        assert result.exit_code == 17
    assert ctl(state, "arm", WALLET).exit_code == 2
    assert not state.arming.exists()
